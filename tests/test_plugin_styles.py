"""Styles of tests that use the pytest plugin: the marker alone, unittest, async, parametrized, over several processes, with a program that goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import warm
from plugged import Project, projects

pytest_plugins = ["pytester"]

ONE = """
def test_rain(playhead):
    assert ask("one", playhead.base_url).startswith('"answer')
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    yield from projects(pytester, monkeypatch)


def in_a_process(project: Project, *arguments: str) -> tuple[pytest.LineMatcher, dict[str, int]]:
    """Test it with all plugins; what is told, and how many tests ended how."""
    lines = warm.run(["pytest", *arguments], cwd=project.path).stdout.decode().splitlines()
    return pytest.LineMatcher(lines), pytest.RunResult.parse_summary_nouns(lines)


# Styles of tests.


def test_the_marker_alone_will_do_and_leaves_the_environment_as_it_was(project: Project) -> None:
    project.tests(
        "import os\n@pytest.mark.playhead\ndef test_rain():\n    assert ask('one')\n\ndef test_after():\n    assert 'OPENAI_BASE_URL' not in os.environ"
    )
    project.record()

    project.run().assert_outcomes(passed=2)


def test_env_false_leaves_the_environment_alone(project: Project) -> None:
    project.tests(
        """
import os
@pytest.mark.playhead(env=False)
def test_rain(playhead):
    assert 'OPENAI_BASE_URL' not in os.environ and playhead.env
"""
    )

    project.run().assert_outcomes(passed=1)


def test_a_unittest_is_recorded_and_replayed_and_fails_by_a_divergence(project: Project) -> None:
    text = """
@pytest.mark.playhead
class Rain(unittest.TestCase):
    def test_it(self):
        try:
            ask('TEXT')
        except OSError:
            pass
"""
    project.tests(text.replace("TEXT", "one"))
    project.record()
    project.run().assert_outcomes(passed=1)
    assert project.cassettes() == ["cassettes/test_weather/Rain.test_it.jsonl"]
    project.tests(text.replace("TEXT", "uno"))
    result = project.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['*recorded "one", asked "uno"'])


def test_a_unittest_that_fails_keeps_its_own_words(project: Project) -> None:
    project.tests(
        """
@pytest.mark.playhead
class Rain(unittest.TestCase):
    def test_it(self):
        try:
            ask('one')
        except OSError:
            self.fail('dry')
"""
    )
    result = project.run()

    result.stdout.fnmatch_lines(["E *AssertionError: dry", "*- playhead -*", "1 request of this test was not answered*"])


ASYNC = """
import asyncio

PYTESTMARK
async def test_rain(playhead):
    assert await asyncio.to_thread(ask, "one")
"""


def test_async_tests_of_anyio_are_recorded_and_replayed(project: Project) -> None:
    project.tests("@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n" + ASYNC.replace("PYTESTMARK", "@pytest.mark.anyio"))
    project.record()

    project.run().assert_outcomes(passed=1)


def test_async_tests_of_pytest_asyncio_are_recorded_and_replayed(project: Project) -> None:
    pytest.importorskip("pytest_asyncio")
    project.tests(ASYNC.replace("PYTESTMARK", "@pytest.mark.asyncio"))
    loop = ("-o", "asyncio_default_fixture_loop_scope=function")
    _, recorded = in_a_process(project, "--playhead-mode=once", *loop)
    _, replayed = in_a_process(project, *loop)

    assert (recorded, replayed) == ({"passed": 1}, {"passed": 1})


def test_parametrized_tests_have_a_cassette_each(project: Project) -> None:
    project.tests("@pytest.mark.parametrize('city', ['Oslo', 'a/b'])\ndef test_rain(playhead, city):\n    assert ask(city)")
    project.record()

    project.run().assert_outcomes(passed=2)
    assert project.cassettes() == ["cassettes/test_weather/test_rain[Oslo].jsonl", "cassettes/test_weather/test_rain[a-b].jsonl"]


def test_tests_that_would_take_each_others_cassette_are_told_to_name_one(project: Project) -> None:
    project.tests("@pytest.mark.parametrize('city', ['a:b', 'a/b'])\ndef test_rain(playhead, city): pass")
    result = project.run()

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*test_weather.py::test_rain*a:b* and *a/b* would have one cassette: name one for each*"])


def test_a_named_cassette_may_serve_several_tests(project: Project) -> None:
    project.tests(
        """
@pytest.mark.playhead('both.jsonl')
@pytest.mark.parametrize('number', [1, 2])
def test_rain(playhead, number):
    assert ask('one') == '"answer 1"'
"""
    )
    project.record()

    project.run().assert_outcomes(passed=2)
    assert project.cassettes() == ["both.jsonl"]


def test_xdist_workers_share_the_work_and_one_report(project: Project) -> None:
    project.tests("@pytest.mark.parametrize('number', range(4))\ndef test_rain(playhead, number):\n    assert ask(f'{number}')")
    project.record()
    (project.path / "cassettes/test_weather/test_gone.jsonl").write_text("")
    told, outcomes = in_a_process(project, "-n", "2")

    assert outcomes == {"passed": 4}
    told.fnmatch_lines(["4 tests: 4 replayed, 0 went to upstream, 0 diverged", "1 cassette that no test uses:", "*test_gone.jsonl"])


# The server of all tests.


def test_a_program_that_is_started_once_is_served_what_belongs_to_the_running_test(project: Project) -> None:
    text = """
@pytest.fixture(scope="session")
def agent(playhead_server):
    return lambda text: ask(text, playhead_server.base_url)

@pytest.mark.playhead
@pytest.mark.parametrize("city", ["Oslo", "Rome"])
def test_rain(agent, city):
    assert agent(city)
"""
    project.tests(text)
    project.record()
    result = project.run()

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["2 tests: 2 replayed, 0 went to upstream, 0 diverged"])
    assert len(project.cassettes()) == 2


ONE_AGENT = """
@pytest.fixture(scope="session")
def agent(playhead_server):
    return lambda text: ask(text, playhead_server.base_url)

@pytest.mark.playhead
def test_rain(agent): assert agent("rain")

@pytest.mark.playhead(pace="recorded")
def test_snow(agent): assert agent("snow")

@pytest.mark.playhead(faults=["latency 10ms at turn 1"])
def test_hail(agent): assert agent("hail") and agent("more hail")
"""


@pytest.mark.parametrize("mode", ["none", "once", "new_episodes"])
def test_a_program_that_is_started_once_finds_the_server_of_each_test(project: Project, mode: str) -> None:
    project.tests(ONE_AGENT)
    project.record()
    result = project.run(f"--playhead-mode={mode}")

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["3 tests: 4 replayed, 0 went to upstream, 0 diverged"])


def test_a_test_that_could_not_begin_leaves_nothing_to_others(project: Project) -> None:
    module = "MARK\ndef test_rain(playhead):\n    ask('one', playhead.base_url)\n\n"
    project.tests(module.replace("MARK", ""))
    project.record()
    late = "def test_snow(playhead_server):\n    with pytest.raises(Exception, match='404'):\n        ask('one', playhead_server.base_url)"
    project.tests(module.replace("MARK", "@pytest.mark.playhead(faults=['hail'])") + late)

    project.run().assert_outcomes(errors=1, passed=1)


def test_what_comes_while_no_test_is_running_is_told(project: Project) -> None:
    project.tests(
        """
def test_rain(playhead_server):
    try:
        ask('x', playhead_server.base_url)
    except OSError:
        pass

def test_snow(playhead): pass
"""
    )

    project.run().stdout.fnmatch_lines(["1 request came while no test was running that had a playhead"])

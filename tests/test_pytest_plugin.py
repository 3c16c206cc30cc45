"""The pytest plugin, as projects use it: what is recorded and replayed, what fails a test, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from playhead.proxy.cassettes.cassette_files import read_file
from playhead.proxy.formats.cassette import write
from plugged import Project, projects

pytest_plugins = ["pytester"]

ONE = """
def test_rain(playhead):
    assert ask("one", playhead.base_url).startswith('"answer')
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    yield from projects(pytester, monkeypatch)


# Recording and replaying.


def test_what_was_recorded_once_is_replayed_without_upstream(project: Project) -> None:
    project.tests(ONE)
    recorded = project.record()
    replayed = project.run()

    recorded.stdout.fnmatch_lines(["1 test: 0 replayed, 1 went to upstream, 0 diverged", "written: cassettes/test_weather/test_rain.jsonl"])
    replayed.stdout.fnmatch_lines(["1 test: 1 replayed, 0 went to upstream, 0 diverged"])
    replayed.assert_outcomes(passed=1)
    assert len(project.upstream.asked) == 1
    assert project.cassettes() == ["cassettes/test_weather/test_rain.jsonl"]


def test_a_run_says_what_it_spent_and_saved_where_that_is_known(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAYHEAD_ASSUME", "provider=openai,region=global,tier=default")
    project.upstream.says = (
        b'{"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-5", "usage": {"input_tokens": 400000, "output_tokens": 0}}'
    )
    project.tests("def test_rain(playhead):\n    ask('one', playhead.base_url)")
    recorded, replayed = project.record(), project.run()

    recorded.stdout.fnmatch_lines(["0.5000 USD spent on live calls, 0.0000 USD saved by replay"])
    replayed.stdout.fnmatch_lines(["0.0000 USD spent on live calls, 0.5000 USD saved by replay"])


def test_without_a_cassette_nothing_goes_live_and_the_report_says_how_to_record(project: Project) -> None:
    project.tests(ONE)
    result = project.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*There is no cassette cassettes/test_weather/test_rain.jsonl. `pytest --playhead-mode=once test_weather.py::test_rain`*"])
    assert project.upstream.asked == []


def test_a_test_that_asks_nothing_needs_no_cassette(project: Project) -> None:
    project.tests("def test_rain(playhead): pass")

    project.run().assert_outcomes(passed=1)
    for mode in ("all", "once", "new_episodes"):
        project.run(f"--playhead-mode={mode}").assert_outcomes(passed=1)
    assert project.cassettes() == []


def test_a_cassette_is_written_only_if_the_test_has_passed(project: Project) -> None:
    project.tests("def test_rain(playhead):\n    ask('one', playhead.base_url)\n    assert 0")
    result = project.run("--playhead-mode=once")

    result.stdout.fnmatch_lines(["not written: cassettes/test_weather/test_rain.jsonl: the test has not passed"])
    assert project.cassettes() == []


def test_a_cassette_to_which_nothing_is_added_stays_as_it_is(project: Project) -> None:
    project.tests(ONE)
    project.record()
    (cassette,) = project.path.rglob("*.jsonl")
    before = cassette.stat().st_mtime_ns
    result = project.run("--playhead-mode=new_episodes")

    result.stdout.fnmatch_lines(["1 test: 1 replayed, 0 went to upstream, 0 diverged"])
    result.stdout.no_fnmatch_line("written: *")
    assert cassette.stat().st_mtime_ns == before


def test_new_episodes_are_added(project: Project) -> None:
    project.tests(ONE)
    project.record()
    project.tests(ONE + "    assert ask('two', playhead.base_url) == '\"answer 2\"'")
    added = project.run("--playhead-mode=new_episodes")

    added.stdout.fnmatch_lines(["1 test: 1 replayed, 1 went to upstream, 0 diverged", "written: *"])
    project.run().stdout.fnmatch_lines(["1 test: 2 replayed, 0 went to upstream, 0 diverged"])


def test_all_records_everything_again(project: Project) -> None:
    project.tests("def test_rain(playhead):\n    assert ask('one', playhead.base_url) in ('\"answer 1\"', '\"answer 2\"')")
    project.record()
    project.run("--playhead-mode=all").assert_outcomes(passed=1)
    project.tests("def test_rain(playhead):\n    assert ask('one', playhead.base_url) == '\"answer 2\"'")

    project.run().assert_outcomes(passed=1)


def test_off_records_nothing(project: Project) -> None:
    project.tests(ONE)
    result = project.run("--playhead-mode=off")

    result.stdout.fnmatch_lines(["1 test: 0 replayed, 1 went to upstream, 0 diverged"])
    assert project.cassettes() == []


def test_the_same_request_gets_its_answers_in_turn(project: Project) -> None:
    project.tests("def test_rain(playhead):\n    assert [ask('one', playhead.base_url) for _ in range(2)] == ['\"answer 1\"', '\"answer 2\"']")
    project.record()

    project.run().assert_outcomes(passed=1)


# Match rules.

TIMED = "def test_rain(playhead):\n    ask('It is TIME now.', playhead.base_url)"


def timed(time: str, marker: str = "") -> str:
    return f"{marker}\n{TIMED.replace('TIME', time)}"


def test_what_is_new_in_each_run_is_named_with_the_rule_that_lets_it_differ(project: Project) -> None:
    project.tests(timed("2026-01-01T00:00:00Z"))
    project.record()
    project.tests(timed("2027-02-02T11:11:11Z"))
    failed = project.run()
    project.tests(timed("2027-02-02T11:11:11Z", "@pytest.mark.playhead(rules=['normalize timestamp'])"))

    failed.stdout.fnmatch_lines(["*Cause: volatile*", "*@pytest.mark.playhead(rules=[[]'normalize timestamp*"])
    project.run().assert_outcomes(passed=1)


def test_rules_of_the_ini_file_hold_for_every_test_and_stay_out_of_cassettes(project: Project) -> None:
    project.pytester.makeini("[pytest]\nplayhead_rules =\n    times")
    project.tests(timed("2026-01-01T00:00:00Z"))
    project.record()
    project.tests(timed("2027-02-02T11:11:11Z"))
    project.run("--playhead-mode=new_episodes").stdout.fnmatch_lines(["1 test: 1 replayed (1 of them by match rules), 0 went to upstream, 0 diverged"])
    project.tests(timed("2027-02-02T11:11:11Z") + "\n    ask('more', playhead.base_url)")
    project.run("--playhead-mode=new_episodes").stdout.fnmatch_lines(["1 test: 1 replayed (1 of them by match rules), 1 went to upstream, 0 diverged"])

    project.run().assert_outcomes(passed=1)
    assert "normalize" not in next(project.path.rglob("*.jsonl")).read_text()


def test_the_rules_of_a_cassette_outlive_its_being_recorded_again(project: Project) -> None:
    project.tests(timed("2026-01-01T00:00:00Z"))
    project.record()
    path = next(project.path.rglob("*.jsonl"))
    cassette = read_file(path)
    cassette.rules = ("normalize timestamp",)
    path.write_bytes(b"".join(write(cassette)))
    project.run("--playhead-mode=all").assert_outcomes(passed=1)
    project.tests(timed("2027-02-02T11:11:11Z"))

    project.run().assert_outcomes(passed=1)


def test_what_cannot_be_read_is_recorded_again(project: Project) -> None:
    project.tests(ONE)
    project.record()
    next(project.path.rglob("*.jsonl")).write_text("no cassette")
    project.run("--playhead-mode=all").assert_outcomes(passed=1)

    project.run().assert_outcomes(passed=1)


def test_a_rule_that_is_none_is_told(project: Project) -> None:
    project.tests(timed("now", "@pytest.mark.playhead(rules=['forget it'])"))

    project.run().stdout.fnmatch_lines(["*a match rule of this test:*"])


# What fails a test.


def test_a_divergence_fails_a_test_whose_program_has_swallowed_it(project: Project) -> None:
    project.tests(ONE)
    project.record()
    project.tests("def test_rain(playhead):\n    try:\n        ask('uno', playhead.base_url)\n    except Exception:\n        pass")
    result = project.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "1 request of this test was not answered from cassettes/test_weather/test_rain.jsonl:",
            "1. POST /v1/responses has no twin*Nearest is exchange 1*",
            '*$.input: recorded "one", asked "uno"',
            "1 recorded exchange was not asked for:",
            "*pytest --playhead-mode=all test_weather.py::test_rain *",
            "1 test: 0 replayed, 0 went to upstream, 1 diverged",
        ]
    )


def test_a_test_that_fails_by_itself_has_the_divergence_in_its_report(project: Project) -> None:
    project.tests(ONE)
    project.record()
    project.tests("def test_rain(playhead):\n    ask('uno', playhead.base_url)")
    result = project.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *HTTPError*404*", "*- playhead -*", "1 request of this test was not answered*", '*recorded "one", asked "uno"'])


def test_a_test_that_is_expected_to_fail_may_diverge(project: Project) -> None:
    project.tests(
        """
@pytest.mark.xfail
def test_rain(playhead):
    try:
        ask('uno', playhead.base_url)
    except Exception:
        pass
"""
    )

    project.run().assert_outcomes(xfailed=1)


def test_a_divergence_while_other_fixtures_end_is_an_error(project: Project) -> None:
    project.tests(
        """
@pytest.fixture
def agent(playhead):
    yield
    try:
        ask("bye", playhead.base_url)
    except Exception:
        pass

def test_rain(agent): pass
"""
    )

    project.run().assert_outcomes(passed=1, errors=1)


def test_what_is_not_asked_for_is_told_and_fails_the_test_where_that_is_wanted(project: Project) -> None:
    project.tests(ONE + "    ask('two')")
    project.record()
    project.tests(ONE)

    told = project.run()
    told.assert_outcomes(passed=1)
    told.stdout.fnmatch_lines(["not asked for: cassettes/test_weather/test_rain.jsonl: exchange 2: POST /v1/responses m"])
    failed = project.run("--playhead-unused=fail")
    failed.assert_outcomes(passed=1, errors=1)
    failed.stdout.fnmatch_lines(["dropped_call: not everything in cassettes/test_weather/test_rain.jsonl was asked for.", "*exchange 2: POST /v1/responses m"])


@pytest.mark.parametrize("allowed", ["True", "1"])
def test_what_may_stay_unused_does(project: Project, allowed: str) -> None:
    project.tests(ONE + "    ask('two')")
    project.record()
    project.tests(f"@pytest.mark.playhead(allow_unused={allowed})" + ONE)
    result = project.run("--playhead-unused=fail")

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("not asked for*")


def test_a_wrong_marker_is_an_error_that_says_what_is_allowed(project: Project) -> None:
    project.tests("@pytest.mark.playhead(casette='x')" + ONE + "@pytest.mark.playhead(pace='fast')\ndef test_snow(): pass")
    result = project.run()

    result.assert_outcomes(errors=2)
    result.stdout.no_fnmatch_line("*During handling*")
    result.stdout.fnmatch_lines(["*knows no casette: it takes cassette, mode*", "*pace = 'fast'*allowed is instant*"])


def test_a_wrong_ini_setting_is_wrong_usage(project: Project) -> None:
    project.pytester.makeini("[pytest]\nplayhead_mode = twice")

    assert project.run().ret == pytest.ExitCode.USAGE_ERROR


# Orphans, CI, settings.


def test_cassettes_of_nobody_are_listed(project: Project) -> None:
    project.tests(ONE)
    project.record()
    for name in ("test_weather/test_gone", "test_old/test_it"):
        path = project.path / f"cassettes/{name}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("")

    project.run("-k", "nothing").stdout.fnmatch_lines(
        ["2 cassettes that no test uses:", "  cassettes/test_old/test_it.jsonl", "  cassettes/test_weather/test_gone.jsonl"]
    )
    project.run("test_weather.py::test_rain").stdout.no_fnmatch_line("*test_gone*")


def test_where_ci_is_set_only_the_command_line_lets_a_test_go_live(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.pytester.makeini("[pytest]\nplayhead_mode = once")
    project.tests("@pytest.mark.playhead(mode='all')" + ONE)
    monkeypatch.setenv("CI", "true")
    result = project.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*on a machine that may go to upstream: CI is set here*"])
    assert project.upstream.asked == []
    project.record()
    assert len(project.upstream.asked) == 1


def test_the_ini_file_sets_the_mode_and_the_directory(project: Project) -> None:
    project.pytester.makeini("[pytest]\nplayhead_mode = once\nplayhead_cassettes = tapes")
    project.tests(ONE)

    project.run().assert_outcomes(passed=1)
    assert project.cassettes() == ["tapes/test_weather/test_rain.jsonl"]


def test_a_marker_may_go_to_another_upstream(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLAYHEAD_UPSTREAM")
    project.tests(f"@pytest.mark.playhead(upstream={project.upstream.url!r})" + ONE)

    project.record()
    assert len(project.upstream.asked) == 1


# What it costs those who do not use it.

UNUSED = """
import sys

def test_rain(): pass

def pytest_sessionfinish():
    heavy = {"aiohttp", "sqlalchemy", "pydantic", "uvloop", "asyncio", "click"} & set(sys.modules)
    ours = [name for name in sys.modules if name.startswith("playhead.")]
    print("HEAVY", sorted(heavy), "OURS", sorted(ours))
"""


def test_a_run_that_does_not_use_it_imports_nothing_of_it(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(UNUSED)
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest_subprocess("-p", "no:anyio", "-p", "no:asyncio", "-p", "no:hypothesispytest", "-p", "no:xdist", "-s")

    result.stdout.fnmatch_lines(["*HEAVY [[][]] OURS [[]'playhead.proxy', 'playhead.proxy.pytest_plugin'[]]"])

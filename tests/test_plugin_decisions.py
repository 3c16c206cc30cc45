"""What the pytest plugin does about divergences, cassettes that several tests name, and the order of requests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from playhead.proxy.cassettes.cassette_files import read_file
from plugged import Project, projects

pytest_plugins = ["pytester"]

ONE = """
def test_rain(playhead):
    assert ask("one", playhead.base_url).startswith('"answer')
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    yield from projects(pytester, monkeypatch)


# Accepting what diverged.

LOOSE = """
def test_rain(playhead):
    for text in ('TEXT', 'two'):
        try:
            ask(text, playhead.base_url)
        except OSError:
            pass
"""


def test_a_divergence_stands_in_a_report_once(project: Project) -> None:
    project.tests(ONE)
    project.record()
    project.tests("def test_rain(playhead):\n    ask('uno', playhead.base_url)")

    assert project.run("--log-level=INFO").stdout.str().count("has no twin in the cassette") == 1


def test_a_request_is_accepted_as_it_is_and_no_other(project: Project) -> None:
    project.tests(LOOSE.replace("TEXT", "one"))
    project.record()
    project.tests(LOOSE.replace("TEXT", "uno"))
    accepted = project.run("--playhead-accept=as-is")
    again = project.run()
    project.tests(LOOSE.replace("TEXT", "due"))

    accepted.assert_outcomes(failed=1)
    accepted.stdout.fnmatch_lines(
        [
            "  pytest --playhead-accept=as-is test_weather.py::test_rain  lets the nearest exchange answer exactly this request",
            "cassettes/test_weather/test_rain.jsonl: accepted: exactly this POST /v1/responses is answered by exchange 1",
            "what was accepted holds from the next run on",
        ]
    )
    again.assert_outcomes(passed=1)
    project.run().assert_outcomes(failed=1)


def test_where_no_rule_helps_accepting_rules_says_so_and_leaves_the_cassette(project: Project) -> None:
    project.tests(ONE)
    project.record()
    (cassette,) = project.path.rglob("*.jsonl")
    before = cassette.read_bytes()
    project.tests(ONE.replace("one", "uno"))

    project.run("--playhead-accept=rules").stdout.fnmatch_lines(["*not accepted: no rule would make a request match; --playhead-accept=as-is takes it*"])
    assert cassette.read_bytes() == before


def test_where_there_is_no_cassette_nothing_is_accepted(project: Project) -> None:
    project.tests(ONE)

    project.run("--playhead-accept=as-is").assert_outcomes(failed=1)
    assert project.cassettes() == []


# Cassettes that several tests name.

SHARED = """
@pytest.mark.playhead("both.jsonl")
def test_rain(playhead):
    ask("one", playhead.base_url)

@pytest.mark.playhead("both.jsonl")
def test_snow(playhead):
    ask("two", playhead.base_url)
"""


@pytest.mark.parametrize("mode", ["once", "new_episodes", "all"])
def test_a_cassette_of_two_tests_holds_what_both_have_recorded(project: Project, mode: str) -> None:
    project.tests(SHARED)
    for _ in range(2):
        project.run(f"--playhead-mode={mode}").assert_outcomes(passed=2)

        project.run().assert_outcomes(passed=2)
    cassette = read_file(project.path / "both.jsonl")
    assert (cassette.session, len(cassette.exchanges)) == ("test_weather.test_rain", 2)


def test_of_a_cassette_of_two_tests_neither_must_ask_for_all(project: Project) -> None:
    project.tests(SHARED)
    project.record()
    result = project.run("--playhead-unused=fail")

    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("not asked for*")
    project.run("--playhead-unused=fail", "-k", "rain").stdout.fnmatch_lines(["not asked for: both.jsonl: exchange 2*"])


def test_a_cassette_that_another_process_has_written_meanwhile_is_not_overwritten(project: Project) -> None:
    project.tests(ONE + "    playhead.cassette.write_text('of another process')", "test_weather")
    (project.path / "cassettes/test_weather").mkdir(parents=True)
    result = project.run("--playhead-mode=once")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["1 test: 0 replayed, 1 went to upstream, 0 diverged"])
    result.stdout.fnmatch_lines(["*was written by another test or process meanwhile*", "not written: cassettes/*/test_rain.jsonl: it cannot be written"])
    assert (project.path / "cassettes/test_weather/test_rain.jsonl").read_text() == "of another process"


# Their order.


def test_independent_requests_may_come_in_any_order_unless_that_is_not_wanted(project: Project) -> None:
    asks = "def test_rain(playhead):\n    for text in ('one', 'two', 'two'):\n        ask(text, playhead.base_url)"
    project.tests(asks)
    project.record()
    in_order = project.run("--playhead-order=fail")
    project.tests(asks.replace("'one', 'two', 'two'", "'two', 'one', 'two'"))
    anyhow, failed = project.run(), project.run("--playhead-order=fail")

    for result in (in_order, anyhow):
        result.assert_outcomes(passed=1)
    failed.assert_outcomes(passed=1, errors=1)
    failed.stdout.fnmatch_lines(
        [
            "order: what is in cassettes/test_weather/test_rain.jsonl was asked for in another order.",
            "  exchange 1 was asked for after exchange 2",
            "If any order will do: order='any' in the marker. If this one is right: pytest --playhead-mode=all test_weather.py::test_rain *",
        ]
    )


def test_a_request_that_comes_more_often_or_meets_a_fault_is_in_no_other_order(project: Project) -> None:
    project.tests("def test_rain(playhead):\n    for text in ('one', 'two'):\n        ask(text, playhead.base_url)")
    project.record()
    project.tests(
        """
@pytest.mark.playhead(order="fail", exhausted="cycle")
def test_rain(playhead):
    for text in ('one', 'two', 'one', 'two'):
        ask(text, playhead.base_url)

@pytest.mark.playhead("cassettes/test_weather/test_rain.jsonl", order="fail", faults=["500"])
def test_snow(playhead):
    for text in ('one', 'two', 'one', 'two'):
        try:
            ask(text, playhead.base_url)
        except OSError:
            pass
"""
    )

    project.run().assert_outcomes(passed=2)


def test_a_key_in_a_cassette_is_refused_with_what_the_marker_takes(project: Project) -> None:
    project.tests(ONE.replace('"one"', "'sk-proj-' + 'aB3' * 12"))
    result = project.run("--playhead-mode=once")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["Take it out of what is sent, or let it pass: allow='$.request.input'"])
    assert project.cassettes() == []

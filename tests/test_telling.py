"""What the pytest plugin says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from playhead.proxy.testing.telling import Counted, Named, Total, Unused, diverged, left_unused, missing, quoted
from playhead.storage.records import DivergenceRecord

TESTED = Named("tests/test_weather.py::test_rain", "none", "tests/cassettes/test_weather/test_rain.jsonl")


def divergence(message: str = "POST /v1/responses has no twin.\n  $.input: recorded 1, asked 2", **given: Any) -> DivergenceRecord:
    plain: dict[str, Any] = dict.fromkeys(DivergenceRecord.model_fields)
    return DivergenceRecord.model_construct(**{**plain, "at": datetime.now(UTC), "code": "no_match", "message": message, **given})


def test_a_divergence_is_told_with_its_differences_and_with_what_to_do() -> None:
    assert diverged(TESTED, [divergence()], []) == (
        "1 request of this test was not answered from tests/cassettes/test_weather/test_rain.jsonl:\n"
        "\n"
        "1. POST /v1/responses has no twin.\n"
        "     $.input: recorded 1, asked 2\n"
        "\n"
        "If the program is as it should be:\n"
        "  pytest --playhead-mode=all tests/test_weather.py::test_rain           records all of it again\n"
        "  pytest --playhead-mode=new_episodes tests/test_weather.py::test_rain  keeps what is recorded, and adds what is missing"
    )


def test_rules_under_which_a_request_would_match_are_told_as_the_marker_takes_them() -> None:
    found = diverged(TESTED, [divergence(proposal=["normalize uuid"]), divergence(proposal=["normalize uuid", "normalize date"])], [])

    assert "  @pytest.mark.playhead(rules=['normalize uuid', 'normalize date'])  lets it differ in this test" in found


def test_of_very_many_divergences_the_first_are_told() -> None:
    found = diverged(TESTED, [divergence(f"{number}") for number in range(25)], [])

    assert "\n20. 19\n" in found
    assert "\nand 5 more\n" in found


def test_what_was_not_asked_for_stands_beside_a_divergence() -> None:
    assert "1 recorded exchange was not asked for:\n  exchange 2: POST /v1/responses m\n" in diverged(
        TESTED, [divergence()], [Unused(2, "POST /v1/responses m")]
    )


def test_where_there_is_no_cassette_its_own_words_will_do() -> None:
    told = missing(TESTED, ci=False)
    found = diverged(TESTED, [divergence(told, code="session_not_found")], [])

    assert "`pytest --playhead-mode=once tests/test_weather.py::test_rain` records it." in found
    assert "records all of it again" not in found


def test_where_ci_is_set_it_says_so() -> None:
    assert "CI is set here" in missing(TESTED, ci=True)


def test_a_test_that_must_use_everything_says_what_it_did_not() -> None:
    found = left_unused(TESTED, [Unused(1, "a"), Unused(2, "b")], 1)

    assert found.startswith("dropped_call: not everything in tests/cassettes/test_weather/test_rain.jsonl was asked for. 1 may stay so")
    assert "2 recorded exchanges were not asked for:\n  exchange 1: a\n  exchange 2: b\n" in found


@pytest.mark.parametrize(("nodeid", "shell"), [("a.py::b", "a.py::b"), ("a.py::b[c d]", "'a.py::b[c d]'"), ("a.py::b[it's]", "'a.py::b[it'\\''s]'")])
def test_a_test_is_named_as_a_shell_takes_it(nodeid: str, shell: str) -> None:
    assert quoted(nodeid) == shell


# The end of a run.


def test_a_run_without_playhead_says_nothing() -> None:
    assert Total().lines() == []


def test_a_run_tells_its_sums() -> None:
    tests = [Counted("a", "none", replayed=1200), Counted("b", "none", replayed=1, live=2, diverged=3)]

    assert Total(tests).lines() == ["2 tests: 1,201 replayed, 2 went to upstream, 3 diverged"]


def test_a_run_tells_what_only_rules_made_equal() -> None:
    assert Total([Counted("a", "none", replayed=3, ruled=2)]).lines() == ["1 test: 3 replayed (2 of them by match rules), 0 went to upstream, 0 diverged"]


def test_a_run_tells_its_money_where_there_is_any() -> None:
    tests = [Counted("a", "none", saved=3 * 10**11, spent=10**10), Counted("b", "none", saved=2 * 10**11, unpriced=2)]

    assert Total(tests).lines()[1:] == ["0.0100 USD spent on live calls, 0.5000 USD saved by replay; of 2 answers the price is not known"]


def test_a_test_that_ran_twice_is_one_test() -> None:
    assert Total([Counted("a", "none", replayed=1), Counted("a", "none", replayed=1)]).lines() == ["1 test: 2 replayed, 0 went to upstream, 0 diverged"]


def test_a_run_tells_what_became_of_its_cassettes() -> None:
    tests = [
        Counted("a", "all", cassette="a.jsonl", written=True),
        Counted("b", "all", cassette="b.jsonl", kept="the test has not passed"),
        Counted("c", "none", cassette="c.jsonl", unused=["exchange 1: x", "exchange 2: y"]),
    ]

    assert Total(tests, {"z.jsonl", "y.jsonl"}, late=1).lines()[1:] == [
        "written: a.jsonl",
        "not written: b.jsonl: the test has not passed",
        "not asked for: c.jsonl: exchange 1: x, and 1 more",
        "1 request came while no test was running that had a playhead",
        "2 cassettes that no test uses:",
        "  y.jsonl",
        "  z.jsonl",
    ]


@pytest.mark.parametrize(("accepted", "holds"), [("accepted: the rule `ignore $.a` is added", True), ("not accepted: no rule would", False)])
def test_only_what_was_accepted_is_said_to_hold(accepted: str, holds: bool) -> None:
    lines = Total([Counted("a", "none", cassette="a.jsonl", accepted=[accepted])]).lines()

    assert ("what was accepted holds from the next run on" in lines) is holds


def test_of_a_cassette_that_tests_share_what_none_has_asked_for_is_told() -> None:
    tests = [Counted(name, "none", cassette="x.jsonl", unused=unused) for name, unused in (("a", ["1", "2"]), ("b", ["2", "3"]))]

    assert Total(tests).lines()[1:] == ["not asked for: x.jsonl: 2"]
    assert Total([*tests, Counted("c", "none", cassette="x.jsonl")]).lines()[1:] == []


def test_what_a_test_did_travels_as_json() -> None:
    counted = Counted("a", "none", 1, 2, 3, "c", True, "k", ["u"])

    assert Counted.of(counted.as_json()) == counted

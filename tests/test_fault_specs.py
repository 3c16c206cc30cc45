"""What a text of faults means, and what is said where it means nothing."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.config.faults import ANY, NOT_FOUND, Fault, Place, parse_faults

MS, S = 1_000_000, 1_000_000_000


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("429", {"kind": "status", "status": 429}),
        ("429 retry-after=2", {"kind": "status", "status": 429, "headers": (("retry-after", "2"),)}),
        ("429 insufficient_quota", {"kind": "status", "status": 429, "code": "insufficient_quota"}),
        ('503 message="Back soon; really."', {"kind": "status", "status": 503, "message": "Back soon; really."}),
        (NOT_FOUND, {"kind": "status", "status": 400, "code": NOT_FOUND}),
        ("latency 300ms..2s seed=7", {"kind": "latency", "low": 300 * MS, "high": 2 * S, "seed": 7}),
        ("latency 1.5s every 5th", {"kind": "latency", "low": 1500 * MS, "high": 1500 * MS, "every": 5}),
        ("drip 20B/50ms", {"kind": "drip", "size": 20, "low": 50 * MS, "high": 50 * MS}),
        ("cut after 2 response.output_text.delta", {"kind": "cut", "place": Place("after", 2, "response.output_text.delta")}),
        ("reset before response.completed", {"kind": "reset", "place": Place("before", 1, "response.completed")}),
        ("malformed after 3 events", {"kind": "malformed", "place": Place("after", 3, ANY)}),
        ('close 1011 "over loaded" at turn 3', {"kind": "close", "close": 1011, "reason": "over loaded", "turns": (3, 3)}),
        ("half-event at turns 2..4 times 2", {"kind": "half-event", "turns": (2, 4), "times": 2}),
        ("garbage always", {"kind": "garbage", "times": 0}),
        ("reorder once", {"kind": "reorder", "once": True}),
        ("401 at handshake", {"kind": "status", "status": 401, "place": Place("handshake")}),
        ("hang at end", {"kind": "hang", "place": Place("end")}),
    ],
)
def test_a_text_means_a_fault_and_its_own_text_means_the_same(text: str, meant: dict[str, Any]) -> None:
    [fault] = parse_faults(text)

    assert fault == Fault(**meant)
    assert parse_faults(str(fault)) == (fault,)


def test_the_text_of_a_fault_is_the_shortest_that_means_it() -> None:
    assert [*map(str, parse_faults("  cut  after 1 event ;429 at turn 3..3 times 1 retry-after=2; drip 4KiB/0.05;;latency 2000ms every 22"))] == [
        "cut after event",
        "429 retry-after=2 at turn 3",
        "drip 4096B/50ms",
        "latency 2s every 22nd",
    ]


def _faults() -> st.SearchStrategy[str]:
    texts = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"]), min_size=0, max_size=20)
    quoted = texts.map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
    what = st.one_of(
        st.integers(400, 599).map(str),
        st.builds(lambda text: f"500 message={text}", quoted),
        st.builds(lambda code, text: f"close {code} {text}", st.sampled_from([1000, 1011, 4001]), quoted),
        st.builds(lambda low, high: f"latency {low}ms..{high}ms", st.integers(0, 9999), st.integers(0, 9999)),
        st.builds(lambda size, time: f"drip {size}/{time}", st.integers(1, 9999), st.integers(0, 99)),
        st.sampled_from(["cut", "malformed", "reset", "hang", "duplicate", NOT_FOUND]),
    )
    turns = st.one_of(st.just(""), st.integers(1, 99).map(lambda turn: f" at turn {turn}"), st.integers(1, 99).map(lambda turn: f" every {turn}"))
    places = st.sampled_from(["", " after 2 a.b", " before event", " after 7 events"])
    times = st.sampled_from(["", " always", " times 3", " once", " seed=9"])
    return st.tuples(what, turns, places, times).map("".join)


@given(st.lists(_faults(), min_size=1, max_size=3))
def test_faults_survive_their_own_texts(texts: list[str]) -> None:
    faults = parse_faults(";".join(texts))

    assert parse_faults("; ".join(map(str, faults))) == faults
    assert [*map(str, parse_faults("; ".join(map(str, faults))))] == [*map(str, faults)]


@given(st.text(max_size=60))
def test_whatever_is_no_fault_is_refused_and_nothing_else_happens(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_faults(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a fault is a status from 400 to 599"),
        ("cutt", "'cutt' is no fault: allowed is a status from 400 to 599, previous_response_not_found, latency"),
        ("200", "allowed is a status from 400 to 599"),
        ("latency", "allowed is a time such as 300ms"),
        ("latency soon", "'soon': allowed is a time of at most 24h"),
        ("drip 0B/1s", "allowed is a number of bytes"),
        ("close 1006", "allowed is a close code that may be sent"),
        ("cut after", "here it ends too early"),
        ("cut at turn 0", "'0': allowed is the number of a turn, from 1"),
        ("cut at turns 4..2", "the first is not greater than the last"),
        ("cut at noon", "allowed is at turn N"),
        ("cut sometimes", "'sometimes': allowed is at turn N"),
        ("cut at start at end", "a place in the answer stands there twice"),
        ("malformed at start", "malformed is met at an event"),
        ("429 at handshake at turn 2", "a handshake is no turn"),
        ("429 content-length=3", "no header that a fault can set"),
        ('close 1011 "no end', "a quotation mark is not closed"),
    ],
)
def test_what_is_wrong_with_a_fault_is_said(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        parse_faults(text)

    assert said in str(error.value)


@pytest.mark.parametrize(("text", "met"), [("cut", [1, 2, 3, 4, None]), ("cut at turn 3", [3]), ("cut at turns 2..3", [2, 3]), ("cut every 2nd", [2, 4])])
def test_a_fault_is_met_by_its_turns(text: str, met: list[int | None]) -> None:
    [fault] = parse_faults(text)

    assert [turn for turn in (1, 2, 3, 4, None) if fault.meets(turn)] == met

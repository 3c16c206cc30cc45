"""The index of a session: groups of equal requests, in the order of their recording, and what of them has been served."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.recordings.replay_index import ReplayIndex
from playhead.storage.records import Asks, Outcome
from playhead.storage.replaying.replay_rows import ReplayRow


def row(exchange: int, name: str = "a", **changes: Any) -> ReplayRow:
    values: dict[str, Any] = {"take": 1, "seq": exchange, "asks": "http", "outcome": "complete", "big": False, "raw_bytes": 100}
    return ReplayRow(exchange, digest=digest(name), **(values | changes))


def digest(name: str) -> bytes:
    return hashlib.md5(name.encode()).digest()


def served(index: ReplayIndex, name: str, asks: Asks = "http") -> int | None:
    """The id of the exchange that is served next; None if there is none, or no more."""
    group = index.group(digest(name), asks)
    place = None if group is None else index.serve(group)
    return None if place is None else index.exchange(place)


def test_an_index_of_nothing_finds_nothing() -> None:
    index = ReplayIndex()

    assert (len(index), index.last, index.group(digest("a"), "http")) == (0, 0, None)


def test_equal_requests_are_served_in_the_order_of_their_recording() -> None:
    index = ReplayIndex([row(1, "a", seq=3), row(2, "a", seq=1), row(3, "b"), row(4, "a", seq=2)])

    assert [served(index, "a") for _ in range(4)] == [2, 4, 1, None]
    assert served(index, "b") == 3


def test_the_same_request_on_other_transports_is_due_in_the_order_of_the_recording() -> None:
    index = ReplayIndex([row(1, asks="sse"), row(2, asks="http"), row(3, asks="ws"), row(4, asks="sse"), row(5, "b", asks="sse")])
    others = index.others(digest("a"), "http")
    due = [index.due(others)]
    while due[-1] is not None:
        index.serve(due[-1])
        due.append(index.due(others))

    assert due == [0, 2, 0, None]
    assert index.others(digest("c"), "http") == []
    assert index.due([]) is None


def test_takes_follow_one_another() -> None:
    index = ReplayIndex([row(1, take=2, seq=1), row(2, take=1, seq=9)])

    assert [served(index, "a"), served(index, "a")] == [2, 1]


def test_transports_are_kept_apart() -> None:
    index = ReplayIndex([row(1, asks="sse"), row(2, asks="http")])

    assert (served(index, "a", "http"), served(index, "a", "http"), served(index, "a", "sse"), served(index, "a", "ws")) == (2, None, 1, None)


def test_exchanges_that_go_on_are_left_out() -> None:
    index = ReplayIndex([row(1, outcome=None), row(2)])

    assert (len(index), index.last, served(index, "a"), served(index, "a")) == (1, 2, 2, None)


def test_a_group_is_known_with_its_places_and_its_last() -> None:
    index = ReplayIndex([row(1), row(2, "b"), row(3)])
    group = index.group(digest("a"), "http")

    assert group == 0
    assert (index.places(group), index.again(group, [], "last")) == ([0, 2], 2)


def test_what_has_been_served_is_known() -> None:
    index = ReplayIndex([row(1), row(2, "b"), row(3)])
    served(index, "a")
    before = [index.served(place) for place in range(3)]
    served(index, "a")

    assert before == [True, False, False]
    assert [index.served(place) for place in range(3)] == [True, False, True]


def test_what_is_recorded_later_comes_behind_and_is_served_again() -> None:
    index = ReplayIndex([row(1)])
    first = [served(index, "a"), served(index, "a")]
    index.add([row(3), row(2, "b")])

    assert first == [1, None]
    assert (index.last, served(index, "a"), served(index, "a"), served(index, "b")) == (3, 3, None, 2)


def test_some_of_a_kind_may_be_left_out_and_are_passed_all_the_same() -> None:
    index, live = ReplayIndex(), Counter({digest("a"): 1, digest("c"): 1})
    index.add([row(1), row(2), row(3, "b")], live)

    assert (served(index, "a"), served(index, "a"), served(index, "b"), index.last) == (2, None, 3, 3)
    assert live == {digest("a"): 0, digest("c"): 1}


@pytest.mark.parametrize("asks", get_args(Asks))
@pytest.mark.parametrize("outcome", get_args(Outcome))
@pytest.mark.parametrize("big", [True, False])
def test_each_place_keeps_what_is_known_of_it(asks: Asks, outcome: Outcome, big: bool) -> None:
    index = ReplayIndex([row(7, asks=asks, outcome=outcome, big=big)])

    assert (index.exchange(0), index.asks(0), index.outcome(0), index.big(0)) == (7, asks, outcome, big)


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from(get_args(Asks))), max_size=200), st.integers(0, 200))
def test_it_serves_as_lists_by_fingerprint_would(asked: list[tuple[int, Asks]], cut: int) -> None:
    rows = [row(number + 1, str(name), asks=asks) for number, (name, asks) in enumerate(asked)]
    index = ReplayIndex(rows[:cut])
    index.add(rows[cut:])
    expected: dict[tuple[int, Asks], list[int]] = {}
    for number, key in enumerate(asked):
        expected.setdefault(key, []).append(number + 1)

    assert len(index) == len(rows)
    for (name, asks), ids in expected.items():
        assert [served(index, str(name), asks) for _ in range(len(ids) + 1)] == [*ids, None]


def test_a_big_session_takes_little_memory() -> None:
    index = ReplayIndex(row(number, str(number)) for number in range(1, 20_001))
    sizes = [len(one) * one.itemsize for one in (index._ids, index._next, index._due, index._end, index._table)]

    assert (sum(sizes) + len(index._digests) + len(index._flags)) / 20_000 < 60


def test_a_group_begins_again_with_all_that_was_served_of_it() -> None:
    index = ReplayIndex([row(1), row(2, "b"), row(3)])
    before = [served(index, "a"), served(index, "b"), served(index, "a"), served(index, "a")]
    group = index.group(digest("a"), "http")
    assert group is not None
    index.restart([group])

    assert (before, [served(index, "a"), served(index, "a"), served(index, "a"), served(index, "b")]) == ([1, 2, 3, None], [1, 3, None, None])


@given(st.lists(st.sampled_from("ab"), min_size=1, max_size=8), st.data())
def test_what_is_taken_back_is_served_next_of_its_group(names: list[str], data: st.DataObject) -> None:
    index = ReplayIndex([row(number, name) for number, name in enumerate(names, 1)])
    for name in data.draw(st.lists(st.sampled_from("ab"), max_size=9)):
        served(index, name)
    place = data.draw(st.integers(0, len(names) - 1))
    left = [number for number, name in enumerate(names) if name == names[place] and not index.served(number)]

    index.take_back(place)

    assert not index.served(place)
    assert served(index, names[place]) == min([*left, place]) + 1

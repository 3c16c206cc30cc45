"""What was decided about divergences, as a replay goes by it."""

from __future__ import annotations

from typing import Any

from playhead.proxy.recordings.decided import Decided, replaced
from playhead.proxy.recordings.replay_index import ReplayIndex
from playhead.storage.replaying.replay_rows import Equivalence, ReplayRow, Rerecording


def digest(letter: str) -> bytes:
    return letter.encode() * 16


def row(exchange: int, letter: str = "a", **changes: Any) -> ReplayRow:
    values: dict[str, Any] = {"take": 1, "seq": exchange, "asks": "http", "outcome": "complete", "big": False, "raw_bytes": 1}
    return ReplayRow(exchange=exchange, digest=digest(letter), **(values | changes))


def test_a_request_is_answered_by_what_it_stands_for_each_once() -> None:
    index = ReplayIndex([row(1), row(2, "b"), row(3, "c")])
    decided = Decided.of(
        [Equivalence("s", 2, digest("x"), "http", 1), Equivalence("s", 3, digest("x"), "http", 2), Equivalence("s", 9, digest("x"), "http", 3)], ()
    )

    assert list(decided.places(index, digest("x"))) == [1, 2]
    index.serve_this(1)
    assert list(decided.places(index, digest("x"))) == [2]
    assert list(decided.places(index, digest("y"))) == []


def test_what_was_recorded_anew_takes_the_place_of_the_old_one() -> None:
    rows, waiting = replaced([row(1), row(2, "b"), row(3), row(7)], [Rerecording(1, 3)])

    assert [(one.exchange, one.seq) for one in sorted(rows, key=lambda one: one.seq)] == [(7, 1), (2, 2), (3, 3)]
    assert waiting == set()


def test_until_then_the_old_one_stays() -> None:
    rows, waiting = replaced([row(1), row(2, "b"), row(8, "b"), row(9, outcome=None)], [Rerecording(1, 2), Rerecording(40, 50)])

    assert [one.exchange for one in rows] == [1, 2, 8, 9]
    assert waiting == {1}


def test_each_takes_one_place_and_may_be_recorded_anew_itself() -> None:
    rows, waiting = replaced([row(1), row(2), row(7), row(8), row(9)], [Rerecording(1, 2), Rerecording(2, 2), Rerecording(7, 8)])

    assert sorted((one.exchange, one.seq) for one in rows) == [(8, 2), (9, 1)]
    assert waiting == set()


def test_without_marks_nothing_is_touched() -> None:
    rows = iter([row(1)])

    assert replaced(rows, []) == (rows, set())

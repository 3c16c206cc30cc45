"""In which order exchanges of several workers begin, and which must wait for what was not read yet."""

from __future__ import annotations

from journals import plain
from playhead.proxy.recorders.beginnings import Beginning, beginnings, too_early
from playhead.storage.frame_codec import JournalFrame

NOW = 1_000_000


def begin(writer: str, started_at: int, place: int = 0) -> Beginning:
    return Beginning(started_at, writer, started_at, place, "s")


def frames(tag: str, number: int, started_at: int) -> list[JournalFrame]:
    return [JournalFrame(kind, number, at, payload, 0, 0) for kind, at, payload in plain(tag, started_at=started_at)]


def test_exchanges_begin_in_the_order_of_their_requests() -> None:
    found = {"a": [*frames("1", 7, 10), *frames("2", 8, 30)], "b": frames("3", 9, 20)}

    begun = beginnings(found)
    assert [(one.writer, one.number, one.session) for one in begun] == [("a", 7, "default"), ("b", 9, "default"), ("a", 8, "default")]
    assert begun[-1].place == len(frames("1", 7, 10))


def test_where_all_was_read_nothing_waits() -> None:
    assert too_early([begin("a", 1), begin("b", 2)], NOW, {}) == {}


def test_what_began_since_reading_began_waits_with_all_behind_it() -> None:
    assert too_early([begin("a", 1), begin("b", NOW + 1, 4), begin("b", NOW + 2, 9)], NOW, {}) == {"b": 4}


def test_what_began_later_than_what_is_known_of_a_writer_with_more_waits() -> None:
    begun = [begin("a", 1), begin("b", 2), begin("a", 3, 5), begin("b", 4, 6), begin("c", 5)]

    assert too_early(begun, NOW, {"a": 0}) == {"b": 6, "c": 0}


def test_of_a_writer_with_more_that_began_nothing_what_it_began_before_counts() -> None:
    assert too_early([begin("b", 2), begin("b", 4, 6)], NOW, {"a": 3}) == {"b": 6}


def test_one_of_those_with_more_always_goes_on() -> None:
    begun = [begin("a", 1), begin("b", 2), begin("a", 3, 5), begin("b", 4, 6)]

    assert too_early(begun, NOW, {"a": 0, "b": 0}) == {"b": 6}


def test_a_clock_that_was_set_back_holds_nothing_up() -> None:
    assert too_early([begin("a", NOW + 3_600_000_000_000)], NOW, {}) == {}

"""Lists of items: kept by what is new in them, and read back whole."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.storage import items as module
from playhead.storage.items import DEPTH, ItemMemory, WrittenItems, new_items, read_items
from playhead.storage.records import ItemRow


class Rows:
    """What is kept of each exchange."""

    def __init__(self) -> None:
        self.memory = ItemMemory()
        self.rows: dict[int, WrittenItems] = {}
        self.shared = 0  # bytes of the last list that were known

    def add(self, exchange: int, items: bytes, session: str = "s", parent: str | None = None) -> WrittenItems:
        self.rows[exchange], sent = self.memory.write(session, exchange, items, parent)
        self.shared = sent.shared
        return self.rows[exchange]

    def load(self, wanted: list[int]) -> Mapping[int, WrittenItems]:
        return {exchange: self.rows[exchange] for exchange in wanted if exchange in self.rows}

    def read(self, *wanted: int) -> dict[int, bytes]:
        return read_items(wanted, self.load)


def digests(count: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in range(count))


def test_of_a_list_that_goes_on_only_what_is_new_is_kept() -> None:
    rows = Rows()
    rows.add(1, digests(10))

    assert rows.add(2, digests(12)) == WrittenItems(1, digests(12)[40:])
    assert rows.add(3, digests(12)) == WrittenItems(2, b"")
    assert rows.read(3, 1) == {3: digests(12), 1: digests(10)}


def test_a_short_list_is_kept_whole() -> None:
    rows = Rows()
    rows.add(1, digests(2))

    assert rows.add(2, digests(3)) == WrittenItems(None, digests(3))
    assert rows.add(3, b"") == WrittenItems(None, b"")


def test_sessions_have_nothing_to_do_with_each_other() -> None:
    rows = Rows()
    rows.add(1, digests(10), "one")

    assert rows.add(2, digests(12), "two").base is None


def test_a_list_goes_on_from_an_older_exchange_only() -> None:
    rows = Rows()
    rows.add(5, digests(10))

    assert rows.add(4, digests(12)).base is None


def test_what_was_forgotten_is_not_gone_on_from() -> None:
    rows = Rows()
    rows.add(1, digests(10))
    rows.memory.forget(1)
    rows.memory.forget(1)

    assert rows.add(2, digests(12)).base is None


def test_chains_are_bounded() -> None:
    rows = Rows()
    for exchange in range(3 * DEPTH):
        rows.add(exchange, digests(8 + exchange))

    def depth(exchange: int) -> int:
        base = rows.rows[exchange].base
        return 0 if base is None else 1 + depth(base)

    assert max(map(depth, rows.rows)) == DEPTH
    assert rows.read(*rows.rows) == {exchange: digests(8 + exchange) for exchange in rows.rows}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 40 << 10)
    memory = ItemMemory()
    for number in range(1000):
        memory.write(f"session {number}", number, digests(5))
        memory.write("one", 1000 + number, number.to_bytes(4, "big") * 5)

    assert 32 < len(memory._sessions) <= 80
    assert max(map(len, memory._sessions.values())) <= 16
    assert [memory.knows(session) for session in ("one", "session 999", "session 1")] == [True, True, False]


def test_thousands_of_sessions_are_remembered() -> None:
    memory = ItemMemory()
    for number in range(5000):
        memory.write(f"session {number}", number, digests(100))

    assert memory.knows("session 0")


def test_what_memory_takes_is_counted_rightly() -> None:
    memory = ItemMemory()
    for number in range(200):
        memory.write(f"session {number % 3}", number, (number % 7).to_bytes(4, "big") * (1 + number % 5), f"resp_{number % 2}")
    memory.recall("session 1", [(1, digests(5), None), (2, digests(6), None), (3, b"", None)])
    memory.forget(199)
    memory.forget(2)

    assert memory._size == sum(module._OVERHEAD + sum(map(module._size, lists)) for lists in memory._sessions.values())


def test_what_is_lost_is_left_out() -> None:
    rows = Rows()
    for exchange, count in ((1, 10), (2, 11), (3, 12)):
        rows.add(exchange, digests(count))
    del rows.rows[1]

    assert rows.read(2, 3, 4) == {}


def test_a_circle_is_no_list() -> None:
    circle = {1: WrittenItems(2, b"a"), 2: WrittenItems(1, b"b")}

    assert read_items([1], lambda wanted: {exchange: circle[exchange] for exchange in wanted}) == {}


@given(st.lists(st.tuples(st.sampled_from("ab"), st.lists(st.sampled_from([b"1111", b"2222"]), max_size=12).map(b"".join)), max_size=40))
def test_any_lists_come_back(lists: list[tuple[str, bytes]]) -> None:
    rows = Rows()
    for exchange, (session, items) in enumerate(lists):
        rows.add(exchange, items, session)

    assert rows.read(*range(len(lists))) == {exchange: items for exchange, (_, items) in enumerate(lists)}


def shared(rows: Rows, exchange: int, items: bytes, parent: str | None = None) -> int:
    """How many items had been sent before."""
    rows.add(exchange, items, parent=parent)
    return rows.shared // 4


def test_a_list_that_was_cut_short_has_nothing_new() -> None:
    rows = Rows()

    assert [shared(rows, 1, digests(10)), shared(rows, 2, digests(4)), shared(rows, 3, digests(12))] == [0, 4, 10]


def test_the_same_items_behind_another_response_are_new() -> None:
    rows = Rows()

    assert [shared(rows, at, digests(1), parent) for at, parent in enumerate(("resp_1", "resp_2", "resp_2", "resp_1"))] == [0, 0, 1, 1]


def new(items: str, *before: str) -> list[int]:
    """The places of the items that have rows. Each letter is an item."""
    memory = ItemMemory()
    for exchange, one in enumerate((*before, items)):
        written = (one.encode("utf-32-be"), memory.write("s", exchange, one.encode("utf-32-be"))[1])
    rows = [ItemRow("input", place, "message", None, None, None, None) for place in range(len(items))]
    return [row.position for row in new_items([*rows, rows[0]._replace(part="output")], *written) if row.part == "input"]


@pytest.mark.parametrize(
    ("before", "after", "places"),
    [
        ("pabcd", "pbcde", [4]),
        ("pabcd", "pcdef", [3, 4]),
        ("pabc", "pcde", [2, 3]),
        ("tabcd", "uabcd", [0]),
        ("ta", "ua", [0, 1]),
        ("ta", "uabc", [0, 2, 3]),
        ("tayb", "uayby", [0, 4]),
        ("paybc", "pybcy", [4]),
        ("pabct", "pabcdeu", [4, 5, 6]),
        ("pabcdt", "pbcdeu", [4, 5]),
        ("pabcd", "pabcd", []),
        ("pabcd", "pab", []),
        ("abcd", "nbacd", [0]),
        ("paqr", "paxyqr", [2, 3]),
    ],
)
def test_a_list_that_still_has_the_newest_items_goes_on(before: str, after: str, places: list[int]) -> None:
    assert new(after, before) == places


@pytest.mark.parametrize(
    ("before", "after"), [("pxya", "pxyb"), ("pab", "pb"), ("pa", "pbcd"), ("pai", "pbi"), ("pabc", "pabd"), ("pabc", "pad"), ("paxy", "qbycd")]
)
def test_a_list_that_only_begins_alike_is_another_one(before: str, after: str) -> None:
    assert new(after, before) == [*range(len(after))]


def test_a_list_that_goes_on_is_found_among_those_of_others() -> None:
    assert new("pbcde", "p", "pabcd", "pklmn") == [4]


def test_what_another_conversation_said_last_is_new_in_one_that_goes_on() -> None:
    assert new("pxry", "px", "pabry", "py") == [2, 3]


def test_lists_sent_at_once_go_on_from_the_older_one_only() -> None:
    memory = ItemMemory()
    memory.write("s", 5, digests(9))

    assert memory.write("s", 4, digests(9)[4:] + b"new.")[1] == (0, 0, b"")


def test_what_was_recalled_is_remembered_as_if_it_had_been_written() -> None:
    """A list that goes on leaves its place to the next, so that twenty turns of one conversation leave the other in memory."""
    lists = [(1, b"other" * 4), *((exchange, digests(4 + exchange)) for exchange in range(2, 22))]
    written, recalled = Rows(), Rows()
    for exchange, items in lists:
        written.add(exchange, items)
    recalled.memory.recall("s", [(exchange, items, None) for exchange, items in lists])

    for items in (b"other" * 5, digests(5), digests(60)):
        assert shared(recalled, 30, items) == shared(written, 30, items)


def test_what_was_recalled_knows_its_parent() -> None:
    rows = Rows()
    rows.memory.recall("s", [(1, digests(5), "resp_1")])

    assert [shared(rows, 2, digests(5), "resp_2"), shared(rows, 3, digests(5), "resp_1")] == [0, 5]

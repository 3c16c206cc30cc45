"""A log by column is the same log."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from playhead.storage.connecting.connected import LogEntry
from playhead.storage.connecting.connection_log import pack_log
from playhead.storage.connecting.log_rows import LogRows

BIG = st.integers(0, (1 << 64) - 1)
ENTRIES = st.lists(st.builds(LogEntry, st.integers(0, 1), st.integers(0, 15), BIG, BIG, BIG, st.booleans()), max_size=9)


@given(ENTRIES)
def test_entries_are_those_that_were_added(entries: list[LogEntry]) -> None:
    rows = LogRows()
    for entry in entries:
        rows.add(entry)

    assert [*rows] == [*LogRows(entries)] == entries
    assert [rows[place] for place in range(-len(entries), len(entries))] == entries * 2
    assert (rows[1:], len(rows), pack_log(rows)) == (entries[1:], len(entries), pack_log(entries))
    assert rows == LogRows(entries)


@given(ENTRIES, st.lists(st.tuples(BIG, st.integers(0, 15), BIG), max_size=9))
def test_what_upstream_sent_is_the_same_together_as_one_after_the_other(before: list[LogEntry], said: list[tuple[int, int, int]]) -> None:
    rows = LogRows(before)
    rows.add_answered([at for at, _, _ in said], [opcode for _, opcode, _ in said], [size for _, _, size in said])

    assert [*rows] == [*before, *[LogEntry(1, opcode, at, 0, size) for at, opcode, size in said]]


@given(ENTRIES, st.integers(0, 9))
def test_what_is_taken_is_forgotten(entries: list[LogEntry], count: int) -> None:
    rows = LogRows(entries)

    assert [*rows.take(count)] == entries[:count]
    assert [*rows] == entries[count:]


def test_the_turn_of_some_can_change() -> None:
    rows = LogRows([LogEntry(1, 1, 2, 0, 5)] * 4)
    rows.assign(slice(1, 3), 7)

    assert [(entry.turn, entry.bytes) for entry in rows] == [(0, 5), (7, 5), (7, 5), (0, 5)]


def test_logs_with_other_entries_are_not_equal() -> None:
    rows = LogRows([LogEntry(1, 1, 2, 7, 5)])

    assert rows[0] == LogEntry(1, 1, 2, 7, 5)
    assert rows != [LogEntry(1, 1, 2, 0, 5)]
    assert repr(rows) == "LogRows([LogEntry(direction=1, opcode=1, at=2, turn=7, bytes=5, hidden=False)])"

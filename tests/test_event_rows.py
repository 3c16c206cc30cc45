"""Events by column are the same rows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from playhead.storage.event_rows import EventRows, Row, columns_of
from playhead.storage.records import EventRow

BIG = st.integers(0, 1 << 63)
WORD = st.none() | st.text(max_size=3)
EVENTS = st.lists(st.tuples(BIG, st.integers(0, 1), WORD, st.none() | BIG, WORD, BIG, st.integers(0, 10)), max_size=9)
Told = list[Row]


def by_column(events: Told, first: int = 0) -> EventRows:
    rows = EventRows(first)
    for event in events:
        rows.add(event)
    return rows


@given(EVENTS, st.integers(0, 99))
def test_rows_are_those_that_were_added_each_with_its_place(events: Told, first: int) -> None:
    rows, expected = by_column(events, first), [EventRow(seq, *event) for seq, event in enumerate(events, first)]

    assert ([*rows], len(rows), rows.end, bool(rows)) == (expected, len(events), first + len(events), bool(events))
    assert [rows[place] for place in range(-len(events), len(events))] == expected * 2
    assert rows[1:-1] == expected[1:-1]
    assert rows == by_column(events, first)
    assert all(type(row) is EventRow for row in rows)


@given(EVENTS.filter(bool), st.integers(0, 99))
def test_columns_are_the_same_however_rows_are_kept(events: Told, first: int) -> None:
    rows = by_column(events, first)

    assert [[*column] for column in columns_of(rows)] == [[*column] for column in columns_of([*rows])]


@given(EVENTS, EVENTS)
def test_what_upstream_sent_at_once_is_the_same_as_one_after_the_other(before: Told, events: Told) -> None:
    rows = by_column(before)
    rows.add_answered(
        [7] * len(events), [type_ for _, _, type_, *_ in events], [event[3] for event in events], [event[5] for event in events], [event[6] for event in events]
    )

    assert rows == by_column([*before, *[(7, 1, type_, number, None, size, flags) for _, _, type_, number, _, size, flags in events]])


def test_rows_are_no_rows_of_other_events() -> None:
    assert by_column([(1, 1, "a", 0, None, 5, 0)]) != by_column([(1, 1, "b", 0, None, 5, 0)])
    assert EventRows() != 5
    assert "EventRow(seq=3, offset_ns=1, " in repr(by_column([(1, 1, "a", 0, None, 5, 0)], 3))

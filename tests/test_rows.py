"""Rows: what goes into the tables by columns is what went in row by row."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from playhead.storage.column_types import ns_text
from playhead.storage.records import EventRow
from playhead.storage.rows import event_values, start_text, take_nulls
from playhead.storage.tables import event_rows, takes

NAMES = [column.name for column in event_rows.columns]
TYPES = {None: None, "response.created": 1, "websocket.ping": 2}
SQL = {"NULL": None, "0": 0, "1": 1, "2": 2}
EVENTS = st.lists(
    st.builds(
        EventRow,
        seq=st.integers(0, 2**31 - 1),
        offset_ns=st.integers(0, 2**63 - 1),
        direction=st.integers(0, 1),
        type=st.sampled_from(list(TYPES)),
        sequence_number=st.none() | st.integers(0, 3) | st.integers(),
        stream_id=st.none() | st.text(max_size=3),
        bytes=st.integers(0, 2**40),
        flags=st.integers(0, 3),
    ),
    min_size=1,
    max_size=8,
)


def rows_of(literals: tuple[tuple[str, str], ...], values: list[Any]) -> list[dict[str, Any]]:
    """What an `Inserter` makes of them."""
    same = dict(literals)
    bound = [name for name in NAMES if name not in same]
    return [
        dict(zip(bound, values[at : at + len(bound)], strict=True)) | {name: SQL[text] for name, text in same.items()}
        for at in range(0, len(values), len(bound))
    ]


@given(EVENTS)
def test_each_event_is_a_row_whatever_is_written_as_a_literal(events: list[EventRow]) -> None:
    rows = rows_of(*event_values(5, events, TYPES))

    assert len(rows) == len(events)
    for row, event in zip(rows, events, strict=True):
        assert (row["exchange"], row["seq"], row["offset_ns"], row["direction"]) == (5, event.seq, event.offset_ns, event.direction)
        assert (row["type"], row["bytes"], row["flags"]) == (TYPES[event.type], event.bytes, event.flags)
        number = event.sequence_number
        assert row["sequence_number"] == (number if number is None or -(2**63) <= number < 2**63 else None)
        assert row["stream_id"] == (event.stream_id and event.stream_id.replace("\0", "\ufffd").encode("utf-8", "replace").decode())


def test_what_an_answer_has_in_common_is_not_bound() -> None:
    events = [EventRow(seq, 10, 1, "response.created", None, None, 300) for seq in range(3)]

    literals, values = event_values(5, events, TYPES)

    assert dict(literals) == {"direction": "1", "sequence_number": "NULL", "stream_id": "NULL", "flags": "0"}
    assert values[:5] == [5, 0, 10, 1, 300]


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=5))
def test_moments_are_written_as_everywhere(moments: list[int]) -> None:
    assert [start_text(moment) for moment in moments] == [ns_text(moment) for moment in moments]


def test_columns_that_are_null_in_all_rows_are_taken_out() -> None:
    values = [*("a", None, 3, None), *("b", None, None, None)]

    assert take_nulls(takes, values) == (("started_at", "NULL"), ("take", "NULL"))
    assert values == ["a", 3, "b", None]


def test_columns_that_are_literals_already_are_not_looked_for_among_the_values() -> None:
    values = [*("a", None, None), *("b", None, 4)]

    assert take_nulls(takes, values, (("take", "1"),)) == (("take", "1"), ("run", "NULL"))
    assert values == ["a", None, "b", 4]

"""Digests, heads and ids of entries: pure, and the same for ever."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.storage.evidence.chained import (
    Entry,
    EntryKind,
    ExchangeRows,
    Subject,
    as_json,
    digest_of,
    entry_id,
    exchange_parts,
    first_head,
    ids_between,
    key_of,
    next_head,
    numbers,
    piece_parts,
    plain,
    rows_of,
    rows_text,
    split_id,
    subject_of,
    typed,
    without_ends,
)

ROWS = ExchangeRows(
    row=[1, "default", 1, "12.5", None, "gpt-5"],
    body=(1, None, 0, "zstd", "xxh3:00", 9),
    data=b"\x00data",
    fingerprints=(1, {"hex": "0102"}, "sse", None, {"hex": ""}),
    items=(1, 0, 0, 1, "msg_ü", None, None, None),
    cost=[1, 1, 2, 3, "priced", 7],
    lines=(1, 1, 0, 1, 3, 7),
    events=((("direction", "1"),), [1, 0, 1000, 5, 10, 1, 1, 2000, 5, 10]),
)


def entry(**changes: Any) -> Entry:
    return Entry(1, 0, key_of(Subject.EXCHANGE, 7), 0, EntryKind.RECORDED, 1_756_315_696, bytes(16), b"d" * 16)._replace(**changes)


def test_a_digest_is_the_same_in_all_versions() -> None:
    """What stands in stores was made so: should this fail, every row of every store is an alarm."""
    assert digest_of(bytes(range(16)), exchange_parts(ROWS)).hex() == "512902ff06f190b8c022ae8cd0330f45"


def test_a_head_is_the_same_in_all_versions() -> None:
    head = next_head(first_head("recorder here"), entry())
    head = next_head(head, entry(seq=1, number=1, kind=EntryKind.DELETED, digest=None, salt=None))
    assert (
        next_head(head, entry(seq=2, key=key_of(Subject.SHARED, 8), rows='{"event_types":[1]}')).hex()
        == "cfc6f95541d932cbc8218906ce3ba431264a788929af96bb5b7ce8fde7032012"
    )


@pytest.mark.parametrize("name", [name for name in ExchangeRows._fields if name != "events"])
def test_every_part_of_an_exchange_counts(name: str) -> None:
    was = getattr(ROWS, name)
    other = was + b"x" if isinstance(was, bytes) else [*was, 1]

    changed = ExchangeRows(**{**ROWS._asdict(), name: other})
    assert digest_of(b"", exchange_parts(changed)) != digest_of(b"", exchange_parts(ROWS))


def test_events_count_with_what_they_have_in_common() -> None:
    made = {
        digest_of(b"", exchange_parts(ROWS._replace(events=events)))
        for events in (ROWS.events, ((("direction", "0"),), ROWS.events[1]), ((), ROWS.events[1]), (ROWS.events[0], [*ROWS.events[1][:-1], 11]), ((), ()))
    }
    assert len(made) == 5


def test_a_digest_depends_on_its_salt() -> None:
    assert digest_of(b"1" * 16, [b"row"]) != digest_of(b"2" * 16, [b"row"])
    assert len(digest_of(b"1" * 16, [])) == 16


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": 1},
        {"key": key_of(Subject.CONNECTION, 7)},
        {"number": 1},
        {"kind": EntryKind.ADOPTED},
        {"at": 0},
        {"digest": None},
        {"digest": b"e" * 16},
        {"rows": "{}"},
    ],
)
def test_a_head_depends_on_all_of_an_entry_but_its_salt(changes: dict[str, Any]) -> None:
    before = first_head("a")

    assert next_head(before, entry(**changes)) != next_head(before, entry())
    assert next_head(before, entry(salt=None)) == next_head(before, entry())
    assert next_head(first_head("b"), entry()) != next_head(before, entry())


@given(st.sampled_from(Subject), st.integers(1, 1 << 39), st.integers(0, (1 << 20) - 1))
def test_an_id_says_what_an_entry_is_about(subject: Subject, id_: int, number: int) -> None:
    key, found = split_id(entry_id(key_of(subject, id_), number))

    assert (*subject_of(key), found) == (subject, id_, number)
    assert abs(entry_id(key_of(subject, id_), number)) < 1 << 63


def test_entries_about_exchanges_stand_behind_all_others_and_those_of_later_ones_behind_them() -> None:
    ids = [entry_id(key_of(subject, id_), number) for subject in Subject for id_ in (9, 1) for number in (0, (1 << 20) - 1)]
    newest = entry_id(key_of(Subject.EXCHANGE, 9), (1 << 20) - 1)

    assert max(ids) == newest
    assert max(id_ for id_ in ids if id_ < 0) < 0 < entry_id(key_of(Subject.EXCHANGE, 1), 0)


@given(st.sampled_from(Subject), st.integers(0, 1 << 36), st.none() | st.integers(1, 1 << 36), st.integers(1, 1 << 36), st.integers(0, (1 << 20) - 1))
def test_the_ids_of_entries_about_some_are_between_bounds(subject: Subject, after: int, last: int | None, id_: int, number: int) -> None:
    low, high = ids_between(subject, after, last)
    found = entry_id(key_of(subject, id_), number)

    assert ((low is None or low <= found) and (high is None or found <= high)) == (after < id_ and (last is None or id_ <= last))


def test_a_subject_has_no_more_entries_than_can_be_numbered() -> None:
    with pytest.raises(ValueError, match="so many entries"):
        entry_id(1, 1 << 20)


@given(st.lists(st.none() | st.integers()), st.integers(0, 5))
def test_columns_that_come_later_and_are_empty_change_nothing(row: list[int | None], more: int) -> None:
    assert without_ends([*row, *[None] * more]) == without_ends(row) == without_ends(without_ends(row))


def test_floating_numbers_are_the_shortest_text_that_means_them() -> None:
    assert plain((1, 0.1, 2.0, None, 1e300, True, "x", None)) == [1, "0.1", "2.0", None, "1e+300", True, "x"]


def test_bytes_are_no_text() -> None:
    assert typed(b"\x00a") == {"hex": "0061"}
    assert typed("0061") == "0061"


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1)))
def test_numbers_take_eight_bytes_each(values: list[int]) -> None:
    assert len(numbers(values)) == 8 * len(values)


def test_what_is_not_all_numbers_is_json() -> None:
    assert numbers([1, None, "lane"]) == b'[1,null,"lane"]'
    assert numbers([1 << 63]) == b"[9223372036854775808]"
    assert numbers([1, b"\x01", 0.5]) == b'[1,{"hex":"01"},"0.5"]'


def test_a_piece_counts_with_its_place_and_its_data() -> None:
    assert piece_parts((1, "response", 0), b"data") == (b'[1,"response",0,4]', b"data")


def test_json_is_short_and_tells_what_is_no_number_from_null() -> None:
    assert as_json({"a": [None, float("inf"), "ü\n"]}) == '{"a":[null,Infinity,"ü\\n"]}'.encode()


def test_shared_rows_are_ids_by_table() -> None:
    text = rows_text({"writers": [3], "event_types": [2, 1]})

    assert text == '{"event_types":[1,2],"writers":[3]}'
    assert rows_of(text) == {"event_types": [1, 2], "writers": [3]}


@pytest.mark.parametrize("text", [None, "", "[1]", '{"writers":1}', '{"writers":["x"]}', "{"])
def test_what_is_no_list_of_rows_is_refused(text: str | None) -> None:
    with pytest.raises(ValueError, match=r"."):
        rows_of(text)

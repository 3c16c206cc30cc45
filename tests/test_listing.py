"""Listings: what a table shows of long, missing and hostile values, and what JSON lines promise."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from playhead.proxy import listing
from playhead.storage.records import EventRecord, ExchangeRecord, SessionRecord

AT = datetime(2026, 11, 22, 8, 31, 5, 123456, UTC)
EXCHANGE: dict[str, Any] = dict.fromkeys(ExchangeRecord.model_fields) | {
    "id": 7,
    "session": "default",
    "take": 1,
    "seq": 3,
    "transport": "sse",
    "method": "POST",
    "path": "/v1/responses",
    "status": 200,
    "outcome": "complete",
    "started_at": AT,
    "duration_ms": 1234.5,
    "request_bytes": 10,
    "response_bytes": 20,
    "events": 2,
    "parse": "parsed",
    "kind": "responses",
    "upstream": "https://api.openai.com",
}


def exchange(**changes: Any) -> ExchangeRecord:
    """A row with every column, changed as told."""
    return ExchangeRecord(**(EXCHANGE | changes))


def console(width: int = 100) -> Console:
    return Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)


def text_of(to: Console) -> list[str]:
    """What was printed, line by line, without the blanks that fill a line up."""
    assert isinstance(to.file, io.StringIO)
    return [line.rstrip() for line in to.file.getvalue().split("\n")][:-1]


def drawn(table: listing.Layout, rows: list[Any], width: int = 100, **options: Any) -> list[str]:
    """The lines of a table on a terminal of that width."""
    to = console(width)
    listing.print_table(to, table, rows, **options)
    return text_of(to)


def test_an_exchange_reads_at_a_glance() -> None:
    usage = {"input_tokens": 1204, "output_tokens": 88}

    assert drawn(listing.EXCHANGES, [exchange(model="gpt-5-mini", usage=usage, cost="0.000477")]) == [
        "ID  AT (UTC)  REQUEST             VIA  RESULT  MODEL           TOKENS  COST (USD)   TIME",
        "take 1, 2026-11-22",
        " 7  08:31:05  POST /v1/responses  sse  200     gpt-5-mini  1,204 + 88    0.000477  1.2 s",
    ]


def test_what_cannot_be_priced_has_a_question_mark_for_a_cost() -> None:
    rows = [exchange(cost_note="unpriced: the answer told no usage"), exchange(cost_note="not billed: refused with 429")]

    assert [listing.price(row) for row in rows] == ["?", ""]


def test_an_event_reads_at_a_glance() -> None:
    row = EventRecord(exchange=7, seq=2, offset_ms=1060.5, direction="upstream", type="response.created", sequence_number=0, stream_id="lane-1", bytes=1059)

    assert drawn(listing.EVENTS, [row]) == [
        "SEQ            AT  FROM      TYPE              NUMBER  LANE    BYTES",
        "  2  1,060.500 ms  upstream  response.created       0  lane-1  1,059",
    ]


def test_a_session_reads_at_a_glance() -> None:
    row = SessionRecord(session="nightly", takes=2, exchanges=1204, started_at=AT, last_at=None, request_bytes=999, response_bytes=123_456)

    assert drawn(listing.SESSIONS, [row]) == [
        "SESSION  TAKES  EXCHANGES  FIRST (UTC)          LAST (UTC)   SENT  RECEIVED",
        "nightly      2      1,204  2026-11-22 08:31:05              999 B   121 KiB",
    ]


def test_a_table_of_nothing_says_what_there_is_none_of() -> None:
    assert drawn(listing.EXCHANGES, [], empty="There are no exchanges.") == ["There are no exchanges."]


@given(st.lists(st.text(max_size=200), min_size=1, max_size=5), st.integers(80, 200))
def test_long_values_give_way_so_that_a_row_fits_its_line(paths: list[str], width: int) -> None:
    rows = [exchange(path=path, model=path, error_code=path, outcome="upstream_closed") for path in paths]

    lines = [line for line in drawn(listing.EXCHANGES, rows, width) if not line.startswith("Too narrow for ")]

    assert len(lines) == len(rows) + 2
    assert all(cell_len(line) <= width for line in lines)


@pytest.mark.parametrize(
    ("table", "row", "left_out"),
    [
        (listing.EXCHANGES, exchange(id=123_456, cost="0.001234375", usage={"input_tokens": 12_345, "output_tokens": 1_234}), "COST (USD)"),
        (listing.SESSIONS, SessionRecord(session="s", takes=1, exchanges=12, started_at=AT, last_at=AT, request_bytes=1, response_bytes=1), "FIRST (UTC)"),
    ],
)
def test_in_eighty_columns_what_there_is_no_room_for_is_named_and_no_number_is_cut(table: listing.Layout, row: Any, left_out: str) -> None:
    note, titles, *rows = drawn(table, [row], 80)

    assert note == f"Too narrow for {left_out}."
    assert not [title for title in left_out.split(", ") if title in titles]
    assert "…" not in "".join(rows)


def test_what_may_not_give_way_goes_on_in_the_next_line() -> None:
    table = listing.Layout((listing.Column("A", str, right=True), listing.Column("B", str)))

    assert drawn(table, ["1" * 30], 40) == ["A".rjust(30) + "  B", "1" * 30 + "  " + "1" * 30]


@pytest.mark.parametrize("live", [False, True])
def test_numbers_that_get_longer_far_below_are_shown_whole(live: bool) -> None:
    lines = drawn(listing.EXCHANGES, [exchange(id=number) for number in (*range(1, 300), 123_456_789)], live=live)

    assert lines[-1].split()[0] == "123456789"


def test_a_live_table_has_its_columns_before_its_rows() -> None:
    to = console()

    def rows() -> Iterator[ExchangeRecord]:
        assert text_of(to)[0].startswith("   ID  AT (UTC)  REQUEST")
        yield exchange(id=1)
        assert len(text_of(to)) == 3
        yield exchange(id=2)

    listing.print_table(to, listing.EXCHANGES, rows(), live=True)

    assert [line.split()[0] for line in text_of(to)] == ["ID", "take", "1", "2"]


def test_what_rows_have_in_common_is_said_once_above_them() -> None:
    rows = [exchange(id=number, take=1 + number // 300) for number in range(1, 600)]
    lines = drawn(listing.EXCHANGES, rows)

    assert [line for line in lines if line.startswith("take")] == ["take 1, 2026-11-22", "take 2, 2026-11-22"]
    assert lines.index("take 2, 2026-11-22") == 301


def test_a_long_listing_is_streamed_in_the_columns_of_its_start() -> None:
    lines = drawn(listing.EXCHANGES, [exchange(id=number, model="m" * (number // 100)) for number in range(1, 1000)])

    assert [line[:4].strip() for line in lines[2:]] == [str(number)[:3] for number in range(1, 1000)]
    assert len({cell_len(line) for line in lines[201:]}) == 1


@given(st.text())
def test_nothing_that_is_shown_drives_the_terminal(text: str) -> None:
    assert listing.visible(text).isprintable()
    assert listing.visible(text, keep="\n").replace("\n", "").isprintable()


def test_control_characters_are_spelled_out_and_markup_is_text() -> None:
    lines = drawn(listing.EXCHANGES, [exchange(model="a\x1b[2Jb[red]c")])

    assert r"a\x1b[2Jb[red]c" in lines[2]


def test_text_is_shown_with_its_line_ends_and_no_other_controls() -> None:
    to = console(20)
    listing.print_text(to, "one\ttwo\n\x07" + "long " * 10)

    assert text_of(to)[1] == r"\x07" + ("long " * 10).rstrip()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "200"),
        ({"status": 500, "error_code": "server_error"}, "500 server_error"),
        ({"outcome": "client_closed"}, "200 client_closed"),
        ({"status": None, "outcome": "unreachable"}, "unreachable"),
        ({"status": 101, "outcome": None}, "101 open"),
    ],
)
def test_a_result_says_what_was_wrong(changes: dict[str, Any], text: str) -> None:
    assert listing.result(exchange(**changes)) == text


@pytest.mark.parametrize(
    ("usage", "text"),
    [
        (None, ""),
        ({}, ""),
        ({"input_tokens": 5, "output_tokens": 7}, "5 + 7"),
        ({"prompt_tokens": 5, "completion_tokens": 0}, "5 + 0"),
        ({"prompt_tokens": 5, "total_tokens": 5}, "5 + ?"),
        ({"input_tokens": "many"}, ""),
    ],
)
def test_tokens_are_read_from_any_apis_usage(usage: dict[str, Any] | None, text: str) -> None:
    assert listing.tokens(exchange(usage=usage)) == text


@pytest.mark.parametrize(("milliseconds", "text"), [(None, ""), (0.04, "0.0 ms"), (9.96, "10.0 ms"), (12.3, "12 ms"), (1234, "1.2 s"), (700_000, "12 min")])
def test_a_span_is_short(milliseconds: float | None, text: str) -> None:
    assert listing.span(milliseconds) == text


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 KiB"), (123_456, "121 KiB"), (8 << 30, "8.0 GiB"), (3 << 40, "3.0 TiB")])
def test_an_amount_is_short(size: int, text: str) -> None:
    assert listing.amount(size) == text


def test_json_lines_have_all_columns_and_times_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    listing.print_json([exchange(model="line\u2028separator")])
    line = capsys.readouterr().out
    row = json.loads(line)

    assert list(row) == list(ExchangeRecord.model_fields)
    assert row["started_at"] == "2026-11-22T08:31:05.123456Z"
    assert line.count("\n") == 1


def test_no_json_line_drives_the_terminal_and_its_value_is_what_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    text = "\x1b[31m \x9b31m \u202e \u2028 模型 👩\u200d👧 \U000e0001"

    listing.print_json([{"model": text}])
    told = capsys.readouterr().out

    assert told.removesuffix("\n").isprintable()
    assert "模型 👩" in told
    assert json.loads(told) == {"model": text}


def test_json_lines_may_be_made_of_plain_values(capsys: pytest.CaptureFixture[str]) -> None:
    listing.print_json([{"setting": "workers", "value": 1}])

    assert capsys.readouterr().out == '{"setting":"workers","value":1}\n'


def test_facts_leave_out_what_is_not_known() -> None:
    facts = dict(listing.facts(exchange(usage={"input_tokens": 1})))

    assert facts["usage"] == '{"input_tokens": 1}'
    assert "cost" not in facts


def test_long_facts_go_on_below_themselves() -> None:
    to = console(20)
    listing.print_facts(to, [("name", "v" * 20)])

    assert text_of(to) == ["name  " + "v" * 14, "      " + "v" * 6]

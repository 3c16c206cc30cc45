"""Listings: tables for people, JSON lines for programs.

A table is laid out by its first rows and then streamed, so that a long listing takes no memory and `--follow` goes on in the same columns.
Text that came over the network is shown with its control characters spelled out: a recording must not be able to drive the terminal.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, groupby, islice
from typing import Any, TextIO

from pydantic import BaseModel
from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.table import Table
from rich.text import Text

from playhead.storage.connecting.connected import ConnectionRecord
from playhead.storage.records import EventRecord, ExchangeRecord, SessionRecord

from .lane_marks import close_text

_BATCH = 200
_GAP = 2
_PIPE_WIDTH = 240  # where nobody looks at a terminal, nothing is cut


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its title, the text of a row's cell, and how narrow it may become (None: never narrower than its content).

    `typical`: its width in a table that begins before its rows are known. `spare`: where there is no room for all columns, those that have one are left out,
    the lowest first.
    """

    title: str
    text: Callable[[Any], str]
    right: bool = False
    least: int | None = None
    typical: int = 0
    spare: int | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """A table: its columns, and what rows that stand together have in common, which is said once above them."""

    columns: tuple[Column, ...]
    group: Callable[[Any], str] = lambda _: ""


class _Terminal(Console):
    def on_broken_pipe(self) -> None:
        # The command line decides what that means: rich would exit with status 1.
        raise BrokenPipeError


def terminal() -> Console:
    """Where tables go: standard output, as wide as it is."""
    console = _Terminal(highlight=False, markup=False, emoji=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error where that is a terminal; nothing elsewhere. Gives what is to be called with each number of things that are done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.advance(task, done)


def visible(text: str, keep: str = "") -> str:
    """`text` with every character that does not print spelled out, except those in `keep`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else char.encode("unicode_escape").decode() for char in text)


def for_programs() -> TextIO:
    """Standard output for JSON, CSV and HTML: in UTF-8, whatever the locale says."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.encoding.lower() != "utf-8":
        sys.stdout.reconfigure(encoding="utf-8")
    return sys.stdout


def print_json(rows: Iterable[BaseModel | dict[str, Any]]) -> None:
    """One JSON object a line, each as soon as it is known."""
    out = for_programs()
    for row in rows:
        text = row.model_dump_json() if isinstance(row, BaseModel) else json.dumps(row, ensure_ascii=False, separators=(",", ":"))
        out.write((text if text.isprintable() else _escaped(text)) + "\n")
        out.flush()


def _escaped(text: str) -> str:
    """The same JSON in characters that print: JSON itself escapes only the first thirty-two that do not, and others drive terminals as well."""
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def print_table(console: Console, table: Layout, rows: Iterable[Any], *, empty: str = "There is nothing.", live: bool = False) -> None:
    """Stream a table; `empty` says what there is none of. `live`: rows come one by one and each is shown at once."""
    stream = iter(rows)
    first = [] if live else list(islice(stream, _BATCH))
    if not first and not live:
        console.print(empty, style="dim")
        return
    width = console.width
    columns, widths = lay_out(table.columns, first, width)
    if left_out := [column.title for column in table.columns if column not in columns]:
        console.print(f"Too narrow for {', '.join(left_out)}.", style="dim")
    _print_rows(console, columns, widths, [])
    group = ""
    for batch in chain([first], (list(chain([row], islice(stream, 0 if live else _BATCH - 1))) for row in stream)):
        widths = _fit(columns, batch, width, widths)
        for name, members in groupby(batch, table.group):
            if name != group:
                console.print(name, style="dim")
            group = name
            _print_rows(console, columns, widths, list(members))


def lay_out(columns: Sequence[Column], rows: Sequence[Any], width: int) -> tuple[Sequence[Column], list[int]]:
    """The columns for which there is room, and their widths."""
    spare = sorted((column for column in columns if column.spare is not None), key=lambda column: column.spare or 0)
    while sum(found := _fit(columns, rows, width)) + _GAP * (len(columns) - 1) > width and spare:
        gone = spare.pop(0)
        columns = [column for column in columns if column is not gone]
    return columns, found


def _fit(columns: Sequence[Column], rows: Sequence[Any], width: int, before: Sequence[int] = ()) -> list[int]:
    """The columns' widths: their content's where all fit into `width`, else the widest that may give way do so.

    `before`: what they were further up; only those that may not give way get wider.
    """
    widths = [
        max(len(column.title), *(cell_len(visible(column.text(row))) for row in rows)) if rows else max(len(column.title), column.typical) for column in columns
    ]
    if before:
        widths = [max(was, size) if column.least is None else was for column, was, size in zip(columns, before, widths, strict=True)]
    over = sum(widths) + _GAP * (len(columns) - 1) - width
    while over > 0:
        slack = [(size - column.least, index) for index, (column, size) in enumerate(zip(columns, widths, strict=True)) if column.least is not None]
        most, index = max(slack, default=(0, 0))
        if most <= 0:
            break
        widths[index] -= 1
        over -= 1
    return widths


def _print_rows(console: Console, columns: Sequence[Column], widths: Sequence[int], rows: Sequence[Any]) -> None:
    """The rows; without any, the titles."""
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_header=not rows, header_style="bold")
    for column, width in zip(columns, widths, strict=True):
        table.add_column(column.title, width=width, no_wrap=True, overflow="ellipsis", justify="right" if column.right else "left")
    for row in rows:
        table.add_row(*(Text(visible(column.text(row))) for column in columns), style=_row_style(row))
    with _as_wide(console, sum(widths) + _GAP * len(widths)):
        console.print(table)


@contextmanager
def _as_wide(console: Console, width: int) -> Iterator[None]:
    """A row that does not fit goes on in the next line: what cannot be read in a number is no number."""
    before = console.width
    console.width = max(before, width)
    yield
    console.width = before


def _row_style(row: Any) -> str:
    if not isinstance(row, ExchangeRecord):
        return ""
    if row.outcome is None:
        return "cyan"
    return "" if row.outcome == "complete" and not row.error_code and (row.status or 0) < 400 else "red"


def moment(at: datetime | None) -> str:
    """A time as a person reads it, in UTC like everything that is stored."""
    return at.strftime("%Y-%m-%d %H:%M:%S") if at else ""


def amount(size: float) -> str:
    """A number of bytes, short."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def span(milliseconds: float | None) -> str:
    """A length of time, short."""
    if milliseconds is None:
        return ""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.1f} s" if seconds < 600 else f"{seconds / 60:.0f} min"


def result(row: ExchangeRecord) -> str:
    """How an exchange ended, in a few words: its status, and what was wrong."""
    how = "open" if row.outcome is None else row.outcome
    pruned = "pruned" if row.pruned == "content" else ""
    parts = [str(row.status) if row.status else "", row.error_code or "", "" if how == "complete" else how, pruned]
    return " ".join(part for part in parts if part)


def usage(row: ExchangeRecord) -> tuple[int | None, int | None]:
    """Tokens in and out, of any API's usage; None: it does not say."""
    given = row.usage or {}
    into, out = (next((given[name] for name in names if isinstance(given.get(name), int)), None) for names in _TOKENS)
    return into, out


def tokens(row: ExchangeRecord) -> str:
    """The same as a person reads it."""
    into, out = usage(row)
    return "" if into is None and out is None else f"{_grouped(into)} + {_grouped(out)}"


def price(row: ExchangeRecord) -> str:
    """What it costs; a question mark if that cannot be known."""
    return row.cost or ("?" if row.cost_note and row.cost_note.startswith("unpriced") else "")


_TOKENS = (("input_tokens", "prompt_tokens", "input"), ("output_tokens", "completion_tokens", "output"))


def _grouped(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


SESSIONS = Layout(
    (
        Column("SESSION", lambda row: row.session, least=12),
        Column("TAKES", lambda row: str(row.takes), right=True),
        Column("EXCHANGES", lambda row: _grouped(row.exchanges), right=True),
        Column("FIRST (UTC)", lambda row: moment(row.started_at), spare=1),
        Column("LAST (UTC)", lambda row: moment(row.last_at)),
        Column("SENT", lambda row: amount(row.request_bytes), right=True, spare=2),
        Column("RECEIVED", lambda row: amount(row.response_bytes), right=True),
    )
)
EXCHANGES = Layout(
    (
        Column("ID", lambda row: str(row.id), right=True, typical=5),
        Column("AT (UTC)", lambda row: f"{row.started_at:%H:%M:%S}"),
        Column("REQUEST", lambda row: f"{row.method} {row.path}", least=14, typical=22),
        Column("VIA", lambda row: row.transport, typical=4, spare=2),
        Column("RESULT", result, least=16, typical=16),
        Column("MODEL", lambda row: row.model or "", least=10, typical=12),
        Column("TOKENS", tokens, right=True, typical=10, spare=4),
        Column("COST (USD)", price, right=True, typical=10, spare=1),
        Column("TIME", lambda row: span(row.duration_ms), right=True, typical=7, spare=3),
    ),
    lambda row: f"take {row.take}, {row.started_at:%Y-%m-%d}",
)
CONNECTIONS = Layout(
    (
        Column("ID", lambda row: str(row.id), right=True),
        Column("AT (UTC)", lambda row: f"{row.started_at:%H:%M:%S}"),
        Column("PATH", lambda row: row.path, least=9),
        Column("RESULT", lambda row: _how_connected(row), least=6),
        Column("LANES", lambda row: str(len(row.lanes) or ""), right=True),
        Column("EXCHANGES", lambda row: _grouped(row.exchanges), right=True),
        Column("MESSAGES", lambda row: "" if row.client_messages is None else f"{row.client_messages:,} + {_grouped(row.upstream_messages)}", right=True),
        Column("CLOSED BY", lambda row: _closed_by(row), least=11),
        Column("TIME", lambda row: span(row.duration_ms), right=True, spare=1),
    ),
    lambda row: f"take {row.take}, {row.started_at:%Y-%m-%d}",
)


def _how_connected(row: ConnectionRecord) -> str:
    """How a connection came about and ended, in a few words."""
    refused = row.status is not None and row.status != 101
    how = "open" if row.outcome is None else "refused" if refused else "" if row.outcome == "complete" else row.outcome
    return " ".join(filter(None, (str(row.status) if row.status else "", how, "pruned" if row.pruned else "")))


def _closed_by(row: ConnectionRecord) -> str:
    """Who sent close frames, with their codes: mostly both with the same."""
    if row.client_close is not None and (row.client_close, row.client_reason) == (row.upstream_close, row.upstream_reason):
        return f"both {close_text(row.client_close, row.client_reason)}"
    closes = (("client", row.client_close, row.client_reason), ("upstream", row.upstream_close, row.upstream_reason))
    return ", ".join(f"{who} {close_text(code, reason)}" for who, code, reason in closes if code is not None)


EVENTS = Layout(
    (
        Column("SEQ", lambda row: str(row.seq), right=True),
        Column("AT", lambda row: f"{row.offset_ms:,.3f} ms", right=True),
        Column("FROM", lambda row: row.direction),
        Column("TYPE", lambda row: row.type or "", least=20),
        Column("NUMBER", lambda row: _blank(row.sequence_number), right=True, spare=1),
        Column("LANE", lambda row: row.stream_id or "", least=6),
        Column("BYTES", lambda row: _grouped(row.bytes), right=True),
    )
)


def _blank(number: int | None) -> str:
    return "" if number is None else str(number)


def print_text(console: Console, text: str, style: str = "") -> None:
    """Text of any length as it is, but for what does not print."""
    console.print(Text(visible(text, keep="\n\t")), style=style, soft_wrap=True)


def facts(row: SessionRecord | ExchangeRecord | EventRecord | ConnectionRecord) -> list[tuple[str, str]]:
    """Everything known of one row, by the names of `--json`; what is not known is left out."""
    plain = row.model_dump(mode="json", exclude_none=True)
    return [(name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)) for name, value in plain.items()]


def print_facts(console: Console, pairs: Iterable[tuple[str, str]]) -> None:
    """Names and values, one pair a line; long values go on below themselves."""
    plain = [(name, visible(value)) for name, value in pairs]
    indent = max((len(name) for name, _ in plain), default=0) + _GAP
    for name, value in plain:
        first, *rest = chop_cells(value, max(console.width - indent, 10)) or [""]
        console.print(Text.assemble((name.ljust(indent), "bold"), first), soft_wrap=True)
        for line in rest:
            console.print(Text(" " * indent + line), soft_wrap=True)

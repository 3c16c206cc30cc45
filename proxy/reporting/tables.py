"""Tables of a report: the same numbers as `playhead audit --json` has. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..audit import AuditRow
from .contents import Group
from .markup import Markup, joined, tag

_CENTS = 4  # digits behind the point that are read; those behind them are exact, and small
_NOTHING: Mapping[str, str] = {"key": "no key", "error": "no code", "status": "no answer"}


class Column(NamedTuple):
    """A column: what it is called, and what stands in a row's cell."""

    title: str
    cell: Callable[[AuditRow], str]


@dataclass(frozen=True, slots=True)
class Shown:
    """A table: what groups are named by, its columns, its groups, and the sum below them."""

    by: tuple[str, ...]
    columns: tuple[Column, ...]
    groups: Sequence[Group]
    whole: AuditRow | None = None


def number(value: int | None) -> str:
    """A count, with commas; nothing where there is none."""
    return "" if value is None else f"{value:,}"


def share(value: float | None) -> str:
    """A share, to the hundredth of a percent."""
    return "" if value is None else f"{100 * value:.2f} %"


def dollars(text: str) -> Markup:
    """Money as it is, exact, with four digits behind the point at least; what is less than a hundredth of a cent is set smaller."""
    whole, _, rest = text.partition(".")
    return joined((f"{int(whole):,}.{rest[:_CENTS].ljust(_CENTS, '0')}", tag("span", rest[_CENTS:], class_="fine")))


def tail(amounts: Iterable[str]) -> str:
    """The style of a table with these amounts: as much room behind the fourth digit as the longest needs, so that points stand below each other."""
    return f"--tail: {max((max(len(text.partition('.')[2]) - _CENTS, 0) for text in amounts), default=0)}ch"


USED = (
    Column("requests", lambda row: number(row.requests)),
    Column("errors", lambda row: number(row.errors)),
    Column("retries", lambda row: number(row.retries)),
    Column("input", lambda row: number(row.input_tokens)),
    Column("cached", lambda row: number(row.cached_tokens)),
    Column("written", lambda row: number(row.written_tokens)),
    Column("output", lambda row: number(row.output_tokens)),
    Column("cache hit", lambda row: share(row.cached_share)),
    Column("unpriced", lambda row: number(row.lacking)),
    Column("cost (USD)", lambda row: dollars(row.cost)),
)
"""What was used, and what it cost."""

TIMES = (
    Column("first event p50", lambda row: number(row.first_event_p50_ms)),
    Column("p90", lambda row: number(row.first_event_p90_ms)),
    Column("p99", lambda row: number(row.first_event_p99_ms)),
    Column("in all p50", lambda row: number(row.duration_p50_ms)),
    Column("p90", lambda row: number(row.duration_p90_ms)),
    Column("p99", lambda row: number(row.duration_p99_ms)),
    Column("tokens/s", lambda row: "" if row.tokens_per_second is None else f"{row.tokens_per_second:,}"),
)
"""How long it took, in milliseconds."""


def name_of(by: Sequence[str], group: Group) -> str:
    """What a group is called, in one line."""
    return f"{group.rest:,} others" if group.rest else ", ".join(map(part_name, by, group.name))


def part_name(by: str, value: str | None) -> str:
    """What one part of a group's name is called."""
    return value if value else _NOTHING.get(by, f"no {by}")


def table(shown: Shown) -> Markup:
    """The table, in a box that scrolls where the window is narrow."""
    head = tag("tr", *(tag("th", name, class_="text", scope="col") for name in shown.by), *(tag("th", one.title, scope="col") for one in shown.columns))
    rows = [tag("tr", *_names(shown.by, group), *_cells(shown.columns, group.row)) for group in shown.groups]
    foot = None
    if shown.whole is not None and len(shown.groups) > 1:
        foot = tag("tfoot", tag("tr", tag("td", "in all", class_="text", colspan=len(shown.by)), *_cells(shown.columns, shown.whole)))
    style = tail([group.row.cost for group in shown.groups] + ([shown.whole.cost] if shown.whole else []))
    return tag("div", tag("table", tag("thead", head), tag("tbody", *rows), foot, style=style), class_="table")


def plain_table(heads: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]], amounts: Iterable[str] = ()) -> Markup:
    """Any other table. `heads`: what columns are called, and whether they hold words; `amounts`: that stand in it."""
    head = tag("tr", *(tag("th", name, class_="text" if words else None, scope="col") for name, words in heads))
    body = [tag("tr", *(tag("td", cell, class_="text" if words else None) for (_, words), cell in zip(heads, row, strict=True))) for row in rows]
    return tag("div", tag("table", tag("thead", head), tag("tbody", *body), style=tail(amounts)), class_="table")


def _names(by: Sequence[str], group: Group) -> list[Markup]:
    if group.rest:
        return [tag("td", f"{group.rest:,} others", class_="text rest", colspan=len(by))]
    return [tag("td", part_name(name, value), class_="text" if value else "text none") for name, value in zip(by, group.name, strict=True)]


def _cells(columns: Sequence[Column], row: AuditRow) -> list[Markup]:
    cells = [column.cell(row) for column in columns]
    return [tag("td", cell, class_="zero" if cell == "0" else None) for cell in cells]

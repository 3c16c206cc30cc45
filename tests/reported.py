"""For tests of reports: sums as they are read of a store, and a page taken apart again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

from playhead.proxy.audit import NOTHING
from playhead.proxy.reporting.contents import Read, Report, ReportScope, report_of
from playhead.storage.costing.sums import Assumed, Found, Key, PricedBy, Reason, Sums

MADE = datetime(2026, 11, 26, 8, 5, tzinfo=UTC)
FIRST = datetime(2026, 11, 1, 4, 30, tzinfo=UTC)
ASKED = ReportScope(MADE, "1.2.3")
ONE = NOTHING._replace(requests=4, errors=1, counts=(100, 300, 0, 50, 20), amounts=(10**9, 2 * 10**9, 0, 3 * 10**9, 0), cost=6 * 10**9)


def sums(cost: int, **changes: Any) -> Sums:
    """Of a group that cost so much, in 10^-12 USD."""
    return ONE._replace(cost=cost, amounts=(cost, 0, 0, 0, 0), **changes)


def read(by_model: dict[Key, Sums], by_key: dict[Key, Sums] | None = None, *, days: int = 3, **changes: Any) -> Read:
    """What was read of so many days. `by_model`: by day and model; `by_key`: by key and session; None: all of one."""
    if by_key is None:
        whole = NOTHING
        for one in by_model.values():
            whole = whole._replace(requests=whole.requests + one.requests, cost=whole.cost + one.cost)
        by_key = {("k_1", "default"): whole}
    times = {key: {900: 1, 20: 3} for key in by_model}
    found = [Found(by_model, times, times), Found(by_key, {}, {})]
    return Read((FIRST, FIRST + timedelta(days=days)), found, **changes)


def report(by_model: dict[Key, Sums] | None = None, by_key: dict[Key, Sums] | None = None, **changes: Any) -> Report:
    """A report on it."""
    return report_of(ASKED, ("model",), read({("2026-11-01", "m"): ONE, ("2026-11-03", "n"): sums(9)} if by_model is None else by_model, by_key, **changes))


def full() -> Report:
    """One with every section."""
    lacking = ONE._replace(unpriced=2, unpriced_tokens=70, pending=1, retries=3, assumed=3)
    return report(
        {("2026-11-01", "m"): lacking, ("2026-11-03", None): sums(9)},
        failures={("429", "rate_limit_exceeded", "complete"): 1, ("200", None, "client_closed"): 1},
        reasons=[Reason("no price table knows it", "m", 2)],
        assumed=[Assumed("tier default", 3, 10**9)],
        priced_by=[PricedBy((("genai-prices", "0.2", "abc"), ("own", "1", "def")), "none", "reprice", MADE, 4)],
    )


class Page(HTMLParser):
    """A page taken apart: its elements with their attributes, and the cells of its tables. Fails where elements do not end as they began."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if {"td", "th"} & set(self._open):
            self.tables[-1][-1][-1] += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of that name."""
        return [attributes for name, attributes in self.elements if name == tag]

    def table(self, first: str) -> list[dict[str, str]]:
        """The first table whose first column is called so: its lines, by the names of the columns."""
        heads, *lines = next(table for table in self.tables if table[0][0] == first)
        return [dict(zip(heads, [*line[:1], *line[len(line) - len(heads) + 1 :]], strict=True)) for line in lines]

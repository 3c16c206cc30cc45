"""Explains what is left between the costs that a provider exports and the ledger, once usage is explained: prices and rounding. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from .counted import Buckets, Moment, when
from .exports import Billed, Cell, Exports
from .findings import Finding
from .items import PLAIN, Item, item_of
from .parts import Part

_PICO = 10**12
_FINE = 12
"""Decimal places from which numbers are no rounded ones, but floats with what a float adds to them."""


_CENTS = 2
"""Decimal places that any bill has: of a round number fewer are written."""


class _Key(NamedTuple):
    start: int
    end: int
    project: str | None
    key: str | None
    model: str | None
    what: str | None


@dataclass(slots=True)
class _Line:
    """What both say of one kind of cost in one bucket. Amounts in 10^-12 USD; `rows`: of the bill; `quantity`: theirs, as far as told."""

    billed: int = 0
    ledger: int = 0
    found: int = 0
    rows: int = 0
    tokens: int = 0
    quantity: Decimal | None = None
    exchanges: list[int] = field(default_factory=list)
    unknown: bool = False
    request: bool = True
    texts: set[str] = field(default_factory=set)


class Costs:
    """The lines of a bill beside the ledger and beside what usage has explained already. `names`: what the provider calls projects and keys; `parts`: what
    the ledger has."""

    def __init__(self, exports: Exports, names: dict[str, dict[str, str]], parts: Sequence[Part]) -> None:
        rows = [(row, item_of(row.item)) for row in exports.billed]
        self._buckets, self._names = Buckets(exports.billed_buckets), names
        # What usage does not tell cannot be said of money that usage explains.
        usage = exports.tables.get("completions")
        told = ("project", "key", "model") if usage is None else usage.grouped
        self._projects = "project" in told and any(row.project for row, _ in rows)
        self._keys = "key" in told and any(row.key for row, _ in rows)
        self._items = "model" in told and any(row.item is not None for row, _ in rows)
        # What one of both counts in its own way, as sound by its seconds or speech by its characters, is compared model by model.
        self._coarse = {item.model for _, item in rows if item.model and item.what not in PLAIN}
        self._coarse |= {each.model for part in parts for each in part.money if each.model and each.what not in PLAIN}
        self._parts = parts
        self._writing = {item.model for _, item in rows if item.what == "written"}
        self._usage = bool(exports.tables)
        digits = max((row.digits for row, _ in rows), default=0)
        self._half = 0 if digits >= _FINE else 5 * 10 ** (_FINE - 1 - max(digits, _CENTS))
        self._lines: dict[_Key, _Line] = {}
        for row, item in rows:
            self._bill(row, item)

    @property
    def half(self) -> int:
        """By how much a line of the bill may be rounded."""
        return self._half

    def _bill(self, row: Billed, item: Item) -> None:
        line = self._line(self._key((row.start, row.end), row.project, row.key, item))
        line.billed += row.amount
        line.rows += 1
        line.request &= item.request
        if row.item:
            line.texts.add(row.item)
        if row.quantity is not None:
            line.quantity = (line.quantity or Decimal(0)) + row.quantity * (1000 if row.unit == "1000_tokens" else 1)

    def _key(self, bucket: tuple[int, int], project: str | None, key: str | None, item: Item) -> _Key:
        model, what = item.model, item.what
        if not self._items:
            model = what = None
        elif model in self._coarse:
            what = None
        elif what == "written" and model not in self._writing:
            what = "input"
        return _Key(*bucket, project if self._projects else None, key if self._keys else None, model, what)

    def _line(self, key: _Key) -> _Line:
        return self._lines.setdefault(key, _Line())

    def add(self, moment: Moment) -> int:
        """What the ledger has in the bill's time; its sum in 10^-12 USD."""
        whole = 0
        for part in self._parts:
            bucket = self._buckets.at(when(part, moment))
            if bucket is None:
                continue
            project = self._names.get("project", {}).get(part.project or "", part.project)
            key = self._names.get("key", {}).get(part.key or "", part.key)
            if part.amount is None and part.vector and not (part.money or self._usage):  # where usage is at hand, that tells of it
                for what in PLAIN:
                    line = self._line(self._key(bucket, project, key, Item(part.model, what)))
                    line.unknown = True
                    line.exchanges.append(part.exchange)
            for each in part.money:
                line = self._line(self._key(bucket, project, key, Item(each.model, each.what)))
                line.ledger += each.amount
                line.tokens += each.quantity
                line.exchanges.append(part.exchange)
                whole += each.amount
        return whole

    def explain(self, findings: Sequence[Finding]) -> None:
        """Take in what usage explains."""
        for finding in findings:
            for cell, each in finding.money:
                if (line := self._at(cell, Item(each.model, each.what))) is not None:
                    line.found += each.amount
                    line.tokens += each.quantity
            if finding.amount is None:
                for what in PLAIN:
                    line = self._at(finding.cell, Item(finding.cell.model, what))
                    if line is not None:
                        line.unknown = True
                        line.exchanges += finding.exchanges

    def _at(self, cell: Cell, item: Item) -> _Line | None:
        bucket = self._buckets.at(cell.start)
        return None if bucket is None else self._line(self._key(bucket, cell.project, cell.key, item))

    def found(self) -> Iterator[Finding]:
        """What is left of each line."""
        for key, line in sorted(self._lines.items(), key=lambda each: repr(each[0])):
            left = line.billed - line.ledger - line.found
            if left:
                cause, note = self._cause(line, left)
                cell = Cell(key.start, key.end, key.project, key.key, key.model)
                text = "; ".join(filter(None, (key.what or ", ".join(sorted(line.texts)[:3]), note)))
                ids = tuple(dict.fromkeys(line.exchanges)) if cause != "rounding" else ()
                yield Finding(cause, "costs", cell, (), left, ids, note=text)

    def _cause(self, line: _Line, left: int) -> tuple[str, str]:
        if not line.request:
            return "no_request", ""
        if abs(left) <= self._rounded(line):
            return "rounding", ""
        if line.unknown:
            return "unpriced", "the amount is the bill's: no price table has a price"
        if not line.ledger and not line.found:
            return ("unexplained" if self._usage else "unseen"), "billed, and nothing of it was recorded"
        if not line.billed:
            return "not_billed", "recorded, and not in the bill"
        if not self._usage and line.quantity is None:
            return "unexplained", "costs alone do not tell why: give the exports of usage, too, or group the costs by line_item"
        return self._dearer(line, left)

    def _dearer(self, line: _Line, left: int) -> tuple[str, str]:
        """Another price, unless the bill counts something else than both the ledger and usage do."""
        if line.quantity is not None and line.tokens:
            if abs(line.quantity - line.tokens) > Decimal("0.5"):
                return "unexplained", f"the bill counts {line.quantity:f}, usage and ledger {line.tokens}"
            theirs, ours = (Decimal(amount) / line.tokens / 10**6 for amount in (line.billed, line.ledger + line.found))
            return "price", f"{_short(theirs)} in place of {_short(ours)} USD per million"
        share = Decimal(left) / (line.ledger + line.found) * 100 if line.ledger + line.found else Decimal(0)
        return "price", f"{share:+.1f} %"

    def _rounded(self, line: _Line) -> int:
        """What rounding of the bill's numbers and of the ledger's may come to. A float keeps 15 digits."""
        return max(line.rows, 1) * self._half + len(line.exchanges) + abs(line.billed) // 10**14 + 2


def _short(price: Decimal) -> str:
    return f"{price:.4f}".rstrip("0").rstrip(".")

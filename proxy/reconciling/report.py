"""Lays exports beside the ledger: what differs, why, and how much it is. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ..pricing.pricing import Pricer
from .counted import Counted, Moment, count, names_of, when
from .exports import Exports
from .findings import CAUSES, Finding
from .moneys import Costs
from .parts import Part
from .usages import explained
from .values import Values

_DEFAULT = "https://api.openai.com"
_HARMLESS = frozenset(("rounding",))


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much may differ: in 10^-12 USD, or a share of what is billed."""

    amount: int = 0
    share: Decimal | None = None

    def of(self, whole: int) -> int:
        """In 10^-12 USD, where that much is billed."""
        return self.amount if self.share is None else int(self.share * abs(whole))


@dataclass(frozen=True, slots=True)
class Reconciled:
    """All that differs. Amounts in 10^-12 USD. `billed`: what the costs say; None: they were not given, so that usage is valued by the price book.

    `exchanges`: those in the export's time.
    """

    findings: tuple[Finding, ...]
    billed: int | None
    ledger: int
    exchanges: int
    span: tuple[int, int]
    moment: Moment
    notes: tuple[str, ...]

    @property
    def whole(self) -> int:
        """What the provider asks for, by its costs or by its usage at our prices."""
        return self.ledger + sum(finding.amount or 0 for finding in self.findings) if self.billed is None else self.billed

    @property
    def difference(self) -> int:
        """What differs in sum."""
        return self.whole - self.ledger

    @property
    def by_cause(self) -> dict[str, int]:
        """Sums by cause, those that occur."""
        sums: dict[str, int] = {}
        for finding in self.findings:
            sums[finding.cause] = sums.get(finding.cause, 0) + (finding.amount or 0)
        return {cause: sums[cause] for cause in CAUSES if cause in sums}

    def above(self, tolerance: Tolerance) -> bool:
        """Whether more differs than is tolerated: the sums of causes, which must not make up for each other, rounding left out.

        What has no known amount is never tolerated.
        """
        apart = sum(abs(amount) for cause, amount in self.by_cause.items() if cause not in _HARMLESS)
        return apart > tolerance.of(self.whole) or any(finding.amount is None for finding in self.findings)


def reconcile(exports: Exports, parts: Sequence[Part], pricer: Pricer, given: Mapping[str, Mapping[str, str]] | None = None) -> Reconciled:
    """Explain what differs. `given`: by dimension, what the provider calls our projects and keys, where that is known."""
    by_endpoint: dict[str, list[Part]] = {}
    for part in parts:
        by_endpoint.setdefault(part.endpoint, []).append(part)
    upstream = Counter(part.upstream for part in parts).most_common(1)
    tier = Counter(part.tier for part in parts if part.tier not in (None, "auto")).most_common(1)
    values = Values(pricer, upstream[0][0] if upstream else _DEFAULT, tier[0][0] if tier else None)
    names = _names(exports, by_endpoint, given or {})
    counted = [count(table, by_endpoint.get(table.endpoint, []), names) for table in exports.tables.values()]
    ledger = _ledger(counted)
    findings = [finding for one in counted for finding in explained(one, values)]
    moment: Moment = next((one.moment for one in counted if one.table.endpoint == "completions"), "end")
    billed = None
    if exports.billed_buckets:
        costs = Costs(exports, names, parts)
        ledger = costs.add(moment)
        costs.explain(findings)
        # What has no price in the book has one in the bill.
        findings = [finding for finding in _within(findings, exports) if finding.cause != "unpriced" or finding.amount is not None]
        findings += costs.found()
        billed = sum(row.amount for row in exports.billed)
    start, end = exports.span
    seen = len({part.exchange for part in parts if start <= when(part, moment) < end})
    return Reconciled(tuple(findings), billed, ledger, seen, (start, end), moment, tuple(exports.notes))


def _names(exports: Exports, parts: Mapping[str, Sequence[Part]], given: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """What the provider calls projects and keys, by all endpoints together."""
    found: dict[str, dict[str, str]] = {}
    for dimension in ("project", "key"):
        known = dict(given.get(dimension, {}))
        for table in sorted(exports.tables.values(), key=lambda table: -len(table.rows)):
            if dimension in table.grouped:
                known |= names_of(table, parts.get(table.endpoint, ()), dimension, known)
        found[dimension] = known
    return found


def _within(findings: Iterable[Finding], exports: Exports) -> list[Finding]:
    """Those of the time that costs were given for, so that sums are sums; usage of other times has no bill."""
    spans = sorted(exports.billed_buckets)
    first, last = spans[0][0], max(end for _, end in spans)
    return [finding for finding in findings if first <= finding.cell.start < last]


def _ledger(counted: Sequence[Counted]) -> int:
    """What the ledger has for what the exports count."""
    return sum(each.amount for one in counted for members in one.members.values() for part in members for each in part.money)

"""Entries of the ledger: what an exchange costs, by a price book, as the store keeps it. Pure."""

from __future__ import annotations

import json
from collections.abc import Hashable
from datetime import datetime
from typing import Any

from playhead.storage.costing.costs import CLASSES, Basis, Cost, LineRow, Priceable, Pricing, RateRow, State, dollars

from ..usage_form import Usage
from .priced import Billable, CostLine, Dimension, Priced
from .pricing import Pricer, usage_of
from .roles import goes_on, is_batch, part_of, refused, unfinished
from .same_terms import MOST_MONEY, Alike, class_of, counts_of, likeness

_MOST = 4096  # texts that are kept, and kinds of exchanges that are priced alike
_TOO_MUCH = "by its usage it would cost more than a million dollars: that usage is no true one"
_BACKGROUND = "it goes on in the background: its money is counted where its usage is told"
_ASKS = "it asks for a usage, and it is not known which exchange made that"


class Entries:
    """Makes entries. `as_of_ns`: the time whose prices hold, in place of each exchange's own."""

    def __init__(self, pricer: Pricer, made_by: str = "recorder", as_of: datetime | None = None) -> None:
        self._pricer = pricer
        self._as_of_ns = None if as_of is None else int(as_of.timestamp()) * 10**9
        tables = json.dumps([list(table) for table in pricer.book.tables], separators=(",", ":"))
        self._pricing = Pricing(tables, str(pricer.assumed), "reprice" if made_by == "reprice" else "recorder", None if as_of is None else as_of.isoformat())
        self._texts: dict[Any, Any] = {}
        self._alike: dict[Hashable, Alike] = {}

    @property
    def tables(self) -> tuple[tuple[str, str, str], ...]:
        """Name, version and hash of the price tables, the lowest first."""
        return self._pricer.book.tables

    def of(self, one: Priceable) -> Cost | None:
        """The entry of an exchange; None if it has nothing to do with money."""
        at = self._as_of_ns or one.started_at_ns
        usage = usage_of(one.kind, one.usage, one.billing or {}, one.service_tier)
        like = likeness(one, usage, at)
        if usage is not None and (known := self._alike.get(like)) is not None and (cost := known.cost(usage)) is not None:
            return cost
        return self._closely(one, usage, at, like)

    def _closely(self, one: Priceable, usage: Usage | None, at: int, like: Hashable | None) -> Cost | None:
        part = part_of(one)
        if part.role == "none" or one.outcome is None:
            return None
        if part.why or (free := refused(one)):
            return self._plain("free", part.why or free)
        if part.role == "asks":
            return self._priced(Priced(reason=_ASKS), None, told=False)
        if goes_on(one):
            return self._plain("pending", _BACKGROUND)
        if (why := unfinished(one)) is not None:
            return self._priced(Priced(reason=why), None, told=False)
        item = Billable(one.kind, one.path, one.upstream, one.model, at, usage, one.service_tier, is_batch(one), one.billing or {})
        priced = self._pricer.price(item)
        cost = self._priced(priced, usage, told=part.role == "tells")
        if like is not None and (alike := Alike.of(cost, priced)) is not None:
            if len(self._alike) >= _MOST:
                self._alike.clear()
            self._alike[like] = alike
        return cost

    def _plain(self, state: State, note: str | None) -> Cost:
        return Cost(self._pricing, state, None, note, Basis("[]", None))

    def _priced(self, priced: Priced, usage: Usage | None, *, told: bool) -> Cost:
        amounts: list[int | None] = [None] * len(CLASSES)
        lines = []
        for line in priced.lines:
            if line.amount is not None:
                place = class_of(line.item)
                amounts[place] = (amounts[place] or 0) + line.amount
            lines.append(LineRow(self._rate(line), line.quantity, line.amount))
        found = [amount for amount in amounts if amount is not None]
        if sum(found) > MOST_MONEY:
            return self._priced(Priced((), priced.dimensions, _TOO_MUCH), usage, told=told)
        whole = not priced.reason and all(line.amount is not None for line in lines)
        known = sum(found) if whole or found else None
        state: State = "priced" if whole else "unpriced" if known is None else "partly"
        basis = Basis(self._json(priced.dimensions), priced.reason)
        return Cost(self._pricing, state, known, _note(priced), basis, tuple(lines), counts_of(usage), tuple(amounts), told)

    def _rate(self, line: CostLine) -> RateRow:
        key = (line.item, line.model, line.counts, line.price, line.per, line.table, line.dimensions, line.reason)
        found = self._texts.get(key)
        if found is None:
            price = None if line.price is None else format(line.price, "f")
            dimensions = self._json(line.dimensions) if line.dimensions else None
            found = self._keep(key, RateRow(line.item, line.model, line.counts, price, line.per, line.table, dimensions, line.reason))
        return found  # type: ignore[no-any-return]

    def _json(self, dimensions: tuple[Dimension, ...]) -> str:
        found = self._texts.get(dimensions)
        if found is None:
            found = self._keep(dimensions, json.dumps([list(each) for each in dimensions], separators=(",", ":")))
        return str(found)

    def _keep(self, key: Any, value: Any) -> Any:
        if len(self._texts) >= _MOST:
            self._texts.clear()
        self._texts[key] = value
        return value


def _note(priced: Priced) -> str | None:
    """What listings say of the price: nothing, if all of it is certain."""
    names = priced.assumed
    assumed = f"assumed: {', '.join(names)}" if names else None
    reasons = priced.reasons
    if not reasons:
        return assumed
    rest = f"the rest comes to {dollars(priced.known_amount)} USD" if priced.known_amount else None
    return "; ".join(filter(None, (f"unpriced: {'; '.join(reasons)}", rest, assumed)))

"""Exchanges that differ in nothing but how many tokens they used are priced alike: what their costs have in common is found once. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import NamedTuple

from playhead.config.assumptions import LIFETIMES
from playhead.storage.costing.costs import CLASSES, Cost, LineRow, Priceable, RateRow

from ..usage import written
from ..usage_form import Usage
from .book import DAY, Rate, rate_of
from .priced import CostLine, Priced

MOST_MONEY = 10**18
"""A million dollars: several such amounts still fit an integer column of any database."""

_CLASSES: Mapping[str, int] = {
    **dict.fromkeys(("input", "input_audio", "input_image"), CLASSES.index("input")),
    **dict.fromkeys(("cached_input", "cached_audio", "cached_image"), CLASSES.index("cached")),
    **dict.fromkeys(("cache_write", *(f"cache_write_{lifetime}" for lifetime in LIFETIMES)), CLASSES.index("written")),
    **dict.fromkeys(("output", "output_audio", "output_image"), CLASSES.index("output")),
}
_TOOLS = CLASSES.index("tools")
_NO_COUNTS = (None,) * 5
_PLAIN = Usage()
_NOTHING_APART, _NOTHING_ODD = _PLAIN[7:12], _PLAIN[15:17]  # modalities, seconds, tools; parts, notes
_BESIDE = frozenset(("asked_tier", "window", "cache_ttl", "background", "labels"))  # what of `billing.py` tells of nothing more that is paid


class Alike(NamedTuple):
    """What the costs of such exchanges have in common.

    `made`: that of one of them. `lines`: of each the class that its quantity is the count of, and what it costs. `within`: how many input tokens
    they have, from the first number to below the second.
    """

    made: Cost
    lines: tuple[tuple[int, RateRow, Rate], ...]
    within: tuple[int, int]

    @classmethod
    def of(cls, cost: Cost, priced: Priced) -> Alike | None:
        """By one of them and its price. None: more than the counts decides what others cost."""
        if priced.within is None or cost.basis.reason != priced.reason:
            return None
        lines = tuple([(class_of(row.rate.item), row.rate, _rate(line)) for row, line in zip(cost.lines, priced.lines, strict=True)])
        places = [place for place, _, _ in lines]
        if _TOOLS in places or len({*places}) < len(places) or any(row.quantity != cost.counts[place] for place, row in zip(places, cost.lines, strict=True)):
            return None
        found = tuple([(place, row, rate) for place, row, rate in lines if rate is not None])
        return cls(cost, found, priced.within) if len(found) == len(lines) else None

    def cost(self, usage: Usage) -> Cost | None:
        """That of one of them, by what it used; None: it used so much that it has to be looked at closely."""
        (made, common, (least, end)), counts = self, counts_of(usage)
        if not least <= (usage.input or 0) < end:
            return None
        if not common:
            return Cost(made.pricing, made.state, made.amount, made.note, made.basis, (), counts, made.amounts, made.told)
        lines, whole = [], 0
        amounts: list[int | None] = [None] * len(CLASSES)
        for place, row, rate in common:
            quantity = counts[place] or 0
            amounts[place] = amount = rate.amount(quantity)
            lines.append(LineRow(row, quantity, amount))
            whole += amount
        if whole > MOST_MONEY:
            return None
        return Cost(made.pricing, made.state, whole, made.note, made.basis, tuple(lines), counts, tuple(amounts), made.told)


def likeness(one: Priceable, usage: Usage | None, at_ns: int) -> Hashable | None:
    """Equal for exchanges that are priced alike; None: more than the counts of tokens tells what this one costs. `at_ns`: the time whose prices hold."""
    if usage is None or one.kind == "realtime":
        return None
    whole, rest, cached, writes, output, *_ = usage
    if rest is None or output is None or usage[7:12] != _NOTHING_APART or usage[15:17] != _NOTHING_ODD:
        return None
    said = None
    if extra := one.billing:
        if not extra.keys() <= _BESIDE:
            return None
        said = extra.get("asked_tier"), extra.get("window"), repr(extra.get("cache_ttl"))  # which may be anything in a store that somebody else wrote
    # What was not used at all has no line.
    none = not whole, not rest, not cached, not output, writes and (*map(bool, writes[1:]),)
    return one[1:5], one[6:11], one.response_id is None, one[12:14], usage[12:15], at_ns // DAY, said, none


def _rate(line: CostLine) -> Rate | None:
    return None if line.price is None else rate_of(line.price, line.per, line.counts, line.table or "")


def class_of(item: str) -> int:
    """What its money is for, as a place in CLASSES."""
    return _CLASSES.get(item, _TOOLS)  # what another model made, and calls


def counts_of(usage: Usage | None) -> tuple[int | None, ...]:
    """Tokens by class, in the order of COUNTS."""
    if usage is None:
        return _NO_COUNTS
    whole, rest, cached, writes, output, reasoning, *_ = usage
    return whole if rest is None else rest, cached, written(writes), output, reasoning

"""What counts are worth by the price book. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from typing import NamedTuple

from ..pricing.priced import Billable, CostLine
from ..pricing.pricing import Pricer
from ..usage_form import CacheWrites, Usage
from .exports import Cell
from .measures import COMPLETIONS, INPUTS, MEASURES, WRITES, Vector
from .parts import Money, Part

_MATH = Context(prec=60)
_ITEMS: Mapping[str, str] = {"input": "input", "cached": "cached_input", "written_30m": "cache_write_30m", "written_12h": "cache_write_12h", "output": "output"}
_PICO = Decimal(10**12)


class Unit(NamedTuple):
    """10^-12 USD for each, by measure; None: no price."""

    prices: tuple[Decimal | None, ...]


class Values:
    """Values counts. `upstream`, `tier`: those of most exchanges, which hold where an export does not tell."""

    def __init__(self, pricer: Pricer, upstream: str, tier: str | None) -> None:
        self._pricer, self._upstream, self._tier = pricer, upstream, tier

    def money(self, endpoint: str, cell: Cell, counts: Vector, like: Vector, part: Part | None = None) -> tuple[Money, ...] | None:
        """What those counts cost in that cell. `like`: the counts of one request such as theirs, since long ones may cost more; `part`: the exchange
        that they are of. None: no price is known."""
        names = MEASURES[endpoint]
        if not any(counts[1:]):
            return ()
        model = cell.model or (part.model if part else None)
        if "input" not in names or model is None:
            return None
        prices = self._prices(endpoint, cell, model, like, part)
        found = []
        for name, count, price in zip(names, counts, prices, strict=True):
            if count and name != "requests":
                if price is None:
                    return None
                what = "written" if name.startswith("written") else name
                found.append(Money(model, what, int(_MATH.multiply(price, Decimal(count)).to_integral_value()), count))
        return tuple(found)

    def _prices(self, endpoint: str, cell: Cell, model: str, like: Vector, part: Part | None) -> tuple[Decimal | None, ...]:
        names = MEASURES[endpoint]
        batch = cell.batch if cell.batch is not None else bool(part and part.batch)
        tier = cell.tier or (part.tier if part else self._tier)
        at_ns = part.at_ns if part else cell.start * 10**9
        kind = "embeddings" if endpoint == "embeddings" else "responses"
        path = "/v1/decisions" if endpoint == "decisions" else f"/v1/{kind}"
        usage = _usage(endpoint, like)
        upstream = part.upstream if part else self._upstream
        priced = self._pricer.price(Billable(kind, path, upstream, model, at_ns, usage, None if batch else tier, batch))
        lines = {line.item: _price(line) for line in priced.lines}
        if names is COMPLETIONS:  # what is written for an unknown time costs at least what the shortest does
            lines.setdefault("cache_write", lines.get("cache_write_30m"))
            lines.setdefault("cached_input", lines.get("input"))
        return tuple(lines.get(_ITEMS.get(name, "cache_write")) for name in names)


def _usage(endpoint: str, like: Vector) -> Usage:
    """A request of such counts; of each kind there is something, so that each has its price."""
    if MEASURES[endpoint] is not COMPLETIONS:
        return Usage(input=max(like[1], 1), uncached_input=max(like[1], 1))
    some = [max(count, 1) for count in like]
    half_hour, half_day, rest = some[WRITES]
    writes = CacheWrites(total=half_hour + half_day + rest, ttl_30m=half_hour, ttl_12h=half_day, ttl_unknown=rest)
    whole = sum(some[1 : 1 + len(INPUTS)])
    return Usage(input=whole, uncached_input=some[1], cached_input=some[2], cache_writes=writes, output=some[6])


def _price(line: CostLine) -> Decimal | None:
    return None if line.price is None else _MATH.divide(_MATH.multiply(line.price, _PICO), Decimal(line.per))


def average(vector: Vector, many: int) -> Vector:
    """One request such as these."""
    return tuple(-(-abs(count) // max(many, 1)) for count in vector)


def placed(cell: Cell, money: Iterable[Money], sign: int = 1) -> tuple[tuple[Cell, Money], ...]:
    """Money where a bill would have it."""
    return tuple((cell, each._replace(amount=sign * each.amount, quantity=sign * each.quantity)) for each in money)

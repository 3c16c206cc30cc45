"""The price book: what units cost, by model, tier, region and day, out of all price tables together. Pure.

The library's list lies at the bottom, our own table on it, the user's on top: of each price the topmost table that has it is followed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple, Protocol

from playhead.config.listed_prices import Listed
from playhead.config.prices import STANDARD, TOKENS, UNITS, PriceRow, PriceTable

PICO = 10**12
"""Money is counted in units of 10^-12 US dollars."""

GLOBAL = "global"
DAY = 86_400 * 10**9
"""In nanoseconds: prices are looked up by it."""

_MOST = 4096  # rates that are kept
_ENDLESS = 1 << 63  # tokens that nobody uses
_SAME: Mapping[str, str] = {"fast": "priority", "priority": "fast"}  # one tier that was renamed
_MODEL_PRICES = TOKENS | {"audio", "characters"}


class Rate(NamedTuple):
    """What one unit costs. `price`: in USD per `per` of what is counted. `table`: who says so, and who changed it."""

    price: Decimal
    per: int
    counts: str
    table: str
    numerator: int
    denominator: int

    def amount(self, quantity: int) -> int:
        """The price of that many, in 10^-12 USD, rounded half up where it is no whole number of these."""
        if self.denominator == 1:
            return quantity * self.numerator
        return (2 * quantity * self.numerator + self.denominator) // (2 * self.denominator)


class Rates(NamedTuple):
    """All prices of a model. `steps`: by the input tokens above which they hold, the first 0, ascending."""

    steps: tuple[tuple[int, Mapping[str, Rate]], ...]
    strange: tuple[str, ...] = ()
    """What else it costs that playhead does not count."""
    daily: bool = False
    """They change with the hour of the day."""

    def at(self, tokens: int) -> Mapping[str, Rate]:
        """Those for a request with so many input tokens: above a limit, the whole request costs what its step says."""
        found = self.steps[0][1]
        for above, prices in self.steps[1:]:
            if tokens > above:
                found = prices
        return found

    def within(self, tokens: int) -> tuple[int, int]:
        """With how many input tokens others have the same prices: from the first number to below the second."""
        limits = [above for above, _ in self.steps[1:]]
        return max([0, *(above + 1 for above in limits if above < tokens)]), min([above + 1 for above in limits if above >= tokens], default=_ENDLESS)


class NoRates(NamedTuple):
    """Why there are none. `daily`: there may be some at another hour of the day."""

    reason: str
    daily: bool = False


class List(Protocol):
    """Where list prices come from; see `PriceList`."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def id(self) -> str: ...
    def provider_at(self, url: str) -> str | None: ...
    def find(self, provider: str, model: str, at: datetime, tier: str = STANDARD) -> Listed | None: ...


class _Price(NamedTuple):
    value: Decimal
    table: str


_Steps = dict[int, dict[str, _Price]]


class Book:
    """All price tables. Rates are looked up once for each model, tier, region and day, and kept."""

    def __init__(self, listed: List, tables: Sequence[PriceTable]) -> None:
        self._listed, self._tables = listed, tuple(tables)
        self._kept: dict[tuple[str, str, str, str, int], Rates | NoRates] = {}

    @property
    def tables(self) -> tuple[tuple[str, str, str], ...]:
        """Name, version and hash of every table, the lowest first."""
        own = tuple((table.name, table.version, table.digest) for table in self._tables)
        return ((self._listed.name, self._listed.version, self._listed.digest), *own)

    @property
    def digest(self) -> str:
        """One hash of all tables."""
        return hashlib.sha256("\n".join(" ".join(table) for table in self.tables).encode()).hexdigest()[:16]

    def provider_at(self, url: str) -> str | None:
        """Whose API is served at that address, as the list knows it."""
        return self._listed.provider_at(url)

    def rates(self, provider: str, model: str, at_ns: int, tier: str = STANDARD, region: str = GLOBAL) -> Rates | NoRates:
        """What that model cost then, in that tier and region; `at_ns`: since the epoch."""
        key = (provider, model, tier, region, at_ns // DAY)
        found = self._kept.get(key)
        if found is None:
            at = datetime.fromtimestamp(at_ns // 10**9, UTC)
            listed = self._listed.find(provider, model.lower(), at)
            found = self._look_up(_Question(provider, model.lower(), at, tier, region), listed)
            if listed is not None and listed.daily:
                found = found._replace(daily=True)
            else:
                if len(self._kept) >= _MOST:
                    self._kept.clear()
                self._kept[key] = found
        return found

    def _look_up(self, asked: _Question, listed: Listed | None) -> Rates | NoRates:
        standard = self._standard(asked, listed)
        if not any(unit in _MODEL_PRICES for unit in standard.get(0, ())):
            return NoRates(f"no price table knows the model {asked.model} of {asked.provider} on {asked.day}")
        prices = standard if asked.tier == STANDARD else self._in_tier(asked, standard)
        if prices is None:
            return NoRates(f"no price table has {_tier_name(asked.tier)} for {asked.model} on {asked.day}")
        self._derive(asked, prices)
        factor = self._region(asked)
        if factor is None:
            return NoRates(f"no price table says what {asked.model} costs in region {asked.region}")
        _multiply(prices, TOKENS, factor)
        self._discount(asked, prices)
        steps = tuple((above, {unit: _rate(unit, price) for unit, price in prices[above].items()}) for above in sorted(prices))
        return Rates(steps, listed.strange if listed else ())

    def _standard(self, asked: _Question, listed: Listed | None) -> _Steps:
        prices = _listed_steps(listed, self._listed.id) if listed else {0: {}}
        for table in self._tables:
            prices = _overlaid(prices, table, [row for row in table.prices if row.tier == STANDARD and asked.fits(row)])
        return prices

    def _in_tier(self, asked: _Question, standard: _Steps) -> _Steps | None:
        """The standard prices with what the tier changes of them; None if no table has the tier."""
        prices, known = _copied(standard), False
        listed = self._listed.find(asked.provider, asked.model, asked.at, asked.tier)
        if listed and listed.tier:
            prices, known = _changed(prices, _listed_steps(listed, self._listed.id)), True
        names = {asked.tier, _SAME.get(asked.tier, asked.tier)}
        for table in self._tables:
            factors = [row for row in table.tiers if row.tier in names and row.span.fits(asked.provider, asked.model, asked.day)]
            if factors:
                prices, known = _copied(standard), True
                _multiply(prices, factors[-1].units or TOKENS, _Price(factors[-1].by, table.id))
            rows = [row for row in table.prices if row.tier in names and asked.fits(row)]
            if rows:
                prices, known = _overlaid(prices, table, rows), True
        return prices if known else None

    def _derive(self, asked: _Question, prices: _Steps) -> None:
        for table in reversed(self._tables):
            for row in reversed(table.derived):
                if row.span.fits(asked.provider, asked.model, asked.day):
                    for step in prices.values():
                        if row.unit not in step and (of := step.get(row.of)):
                            step[row.unit] = _Price(of.value * row.by, _both(of.table, table.id))

    def _region(self, asked: _Question) -> _Price | None:
        if asked.region == GLOBAL:
            return _Price(Decimal(1), "")
        for table in reversed(self._tables):
            for row in reversed(table.regions):
                if asked.region in row.regions and row.span.fits(asked.provider, asked.model, asked.day):
                    return _Price(row.by, table.id)
        return None

    def _discount(self, asked: _Question, prices: _Steps) -> None:
        """Of each price the topmost discount that is for it."""
        done: set[str] = set()
        for table in reversed(self._tables):
            for row in reversed(table.discounts):
                if row.span.fits(asked.provider, asked.model, asked.day):
                    units = (frozenset(row.units) if row.units else UNITS.keys()) - done
                    _multiply(prices, units, _Price(row.by, table.id))
                    done |= units


class _Question(NamedTuple):
    provider: str
    model: str
    at: datetime
    tier: str
    region: str

    @property
    def day(self) -> date:
        return self.at.date()

    def fits(self, row: PriceRow) -> bool:
        return row.span.fits(self.provider, self.model, self.day)


def _tier_name(tier: str) -> str:
    kind, sign, value = tier.partition(":")
    if sign:
        return f"the completion window {value}" if kind == "window" else f"the {kind} {value}"
    return "a batch price" if tier == "batch" else f"the service tier {tier}"


def _listed_steps(listed: Listed, table: str) -> _Steps:
    return {above: {unit: _Price(value, table) for unit, value in prices.items()} for above, prices in listed.steps}


def _copied(prices: _Steps) -> _Steps:
    return {above: dict(step) for above, step in prices.items()}


def _overlaid(prices: _Steps, table: PriceTable, rows: Iterable[PriceRow]) -> _Steps:
    """The prices with those rows on top. A row holds for every number of input tokens above its own, but for what the same table says of higher ones."""
    listed = sorted(rows, key=lambda row: row.above)  # stable: of equal ones the last wins
    found: _Steps = {}
    for above in sorted({*prices, *(row.above for row in listed)}):
        found[above] = dict(prices[max(start for start in prices if start <= above)])
        for row in listed:
            if row.above <= above:
                found[above] |= {unit: _Price(value, table.id) for unit, value in row.prices.items()}
    return found


def _changed(prices: _Steps, tier: _Steps) -> _Steps:
    """The prices with those of a tier in place of their own."""
    found: _Steps = {}
    for above in sorted({*prices, *tier}):
        before = prices[max(start for start in prices if start <= above)]
        given = tier[max(start for start in tier if start <= above)]
        found[above] = before | {unit: price for unit, price in given.items() if unit in TOKENS}
    return found


def _multiply(prices: _Steps, units: Iterable[str], factor: _Price) -> None:
    wanted = frozenset(units)
    if factor.value == 1:
        return
    for step in prices.values():
        for unit in wanted & step.keys():
            price = step[unit]
            step[unit] = _Price(price.value * factor.value, _both(price.table, factor.table))


def _both(first: str, second: str) -> str:
    return first if second in first.split("+") else f"{first}+{second}"


def _rate(unit: str, price: _Price) -> Rate:
    return rate_of(price.value, *UNITS[unit], price.table)


def rate_of(price: Decimal, per: int, counts: str, table: str) -> Rate:
    """What one unit costs where so many cost that."""
    exact = Fraction(price) * PICO / per
    return Rate(price, per, counts, table, exact.numerator, exact.denominator)

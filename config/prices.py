"""Price tables: what one unit costs, for whom, from when until when, and who says so.

A table is TOML, ours (`prices.toml`) or a user's own. Amounts are decimals, never floats, in US dollars: tables in other currencies are refused.
Among the rows of one table that fit, the last that names a price wins.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from .assumptions import LIFETIMES, MEMORIES
from .errors import ConfigError


class Unit(NamedTuple):
    """What a price is for: so many of what is counted."""

    per: int
    counts: str
    """`token`, `call`, `minute`, `second`, `character`, `image`."""


_MILLION = Unit(1_000_000, "token")
_THOUSAND = Unit(1_000, "call")
_CONTAINER = Unit(20, "minute")

UNITS: Mapping[str, Unit] = MappingProxyType(
    {
        **dict.fromkeys(("input", "input_audio", "input_image", "cached_input", "cached_audio", "cached_image"), _MILLION),
        **dict.fromkeys(("cache_write", *(f"cache_write_{lifetime}" for lifetime in LIFETIMES)), _MILLION),
        **dict.fromkeys(("output", "output_audio", "output_image"), _MILLION),
        **dict.fromkeys(("web_search", "web_search_preview", "file_search", "request"), _THOUSAND),
        **dict.fromkeys((f"container_{memory}" for memory in MEMORIES), _CONTAINER),
        "audio": Unit(3_600, "second"),
        "characters": Unit(1_000_000, "character"),
    }
)
"""The names of prices."""

TOKENS = frozenset(name for name, unit in UNITS.items() if unit is _MILLION)
"""The prices that tiers, regions and long contexts change."""

STANDARD = "default"
"""The tier that costs what the price list says."""

SNAPSHOT = re.compile(r"-20\d\d-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])$")
"""What the dated id of a model ends with."""
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Span:
    """Which requests a row is for. Empty `models`, `regions`: any. `since` is within, `until` is not."""

    provider: str | None = None
    models: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None

    def fits(self, provider: str, model: str, day: date) -> bool:
        """Whether the row is for that model of that provider on that day (UTC)."""
        if self.provider not in (None, provider) or (self.since and day < self.since) or (self.until and day >= self.until):
            return False
        return not self.models or any(_named(pattern, model) for pattern in self.models)


@lru_cache(4096)
def _named(pattern: str, model: str) -> bool:
    """`gpt-6-sol` is also its dated snapshots; `gpt-6*` is all that begins so."""
    if pattern.endswith("*"):
        return model.startswith(pattern[:-1])
    return model == pattern or SNAPSHOT.sub("", model) == pattern


@dataclass(frozen=True, slots=True)
class PriceRow:
    """What units cost. `tier`: STANDARD, another service tier, `batch`, or Anthropic's speed as `speed:fast`. `above`: from more input tokens than that."""

    span: Span
    prices: Mapping[str, Decimal]
    source: str
    tier: str = STANDARD
    above: int = 0


@dataclass(frozen=True, slots=True)
class TierRow:
    """A tier that costs so much more or less than the standard price of the same time. Empty `units`: all that is counted in tokens."""

    span: Span
    tier: str
    by: Decimal
    source: str
    units: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DerivedRow:
    """A price that is so many times another price in force."""

    span: Span
    unit: str
    of: str
    by: Decimal
    source: str


@dataclass(frozen=True, slots=True)
class RegionRow:
    """What processing in a region makes of the prices of tokens. 1: nothing, for certain."""

    span: Span
    regions: tuple[str, ...]
    by: Decimal
    source: str


@dataclass(frozen=True, slots=True)
class DiscountRow:
    """A contract's discount, on everything or on some units: 0.85 for 15 % off."""

    span: Span
    units: tuple[str, ...]
    by: Decimal
    source: str


@dataclass(frozen=True, slots=True)
class PriceTable:
    """One table. `digest`: of its text, so that a row of the ledger tells which table it was, whatever became of the file."""

    name: str
    version: str
    digest: str
    prices: tuple[PriceRow, ...] = ()
    tiers: tuple[TierRow, ...] = ()
    derived: tuple[DerivedRow, ...] = ()
    regions: tuple[RegionRow, ...] = ()
    discounts: tuple[DiscountRow, ...] = ()

    @property
    def id(self) -> str:
        """As rows of the ledger name it."""
        return f"{self.name}@{self.version}"


def digest_of(text: bytes) -> str:
    """The first 16 hex digits of its SHA-256."""
    return hashlib.sha256(text).hexdigest()[:16]


def own_table() -> PriceTable:
    """What playhead itself knows: what the price library lacks or takes for the standard price."""
    return parse_table(files(__package__).joinpath("prices.toml").read_bytes(), "prices.toml")


def parse_table(text: bytes, place: str) -> PriceTable:
    """The table of a TOML file. `place`: what to call it in errors. Raises ConfigError, which says what is allowed."""
    try:
        document = tomllib.loads(text.decode("utf-8"), parse_float=Decimal)
    except ValueError as error:
        raise ConfigError(f"the price table {place} is not valid TOML: {error}") from error
    return _Reader(document, place).table(digest_of(text))


Row = TypeVar("Row")

_ROWS = ("price", "tier", "derive", "region", "discount")
_HEAD = frozenset(("name", "version", "currency", "source", *_ROWS))
_SPAN = frozenset(("provider", "models", "from", "until", "source"))


class _Reader:
    """Takes a table out of its document, and says what is wrong with it and where."""

    def __init__(self, document: Mapping[str, Any], place: str) -> None:
        self._document, self._place, self._at = document, place, ""

    def table(self, digest: str) -> PriceTable:
        if unknown := sorted(self._document.keys() - _HEAD):
            raise self._wrong(f"{unknown[0]}: allowed are {', '.join(sorted(_HEAD))}")
        currency = self._document.get("currency", "USD")
        if currency != "USD":
            raise self._wrong(f"currency = {currency!r}: allowed is USD; convert the prices, the provider's bill is in US dollars, too")
        names = {name: self._document.get(name, "") for name in ("name", "version")}
        for name, value in names.items():
            if not isinstance(value, str) or not _NAME.fullmatch(value):
                raise self._wrong(f"{name} = {value!r}: wanted is a text of letters, digits, dots, dashes, such as contract-2026")
        return PriceTable(
            **names,
            digest=digest,
            prices=tuple(self._rows("price", self._price)),
            tiers=tuple(self._rows("tier", self._tier)),
            derived=tuple(self._rows("derive", self._derived)),
            regions=tuple(self._rows("region", self._region)),
            discounts=tuple(self._rows("discount", self._discount)),
        )

    def _rows(self, name: str, read: Callable[[dict[str, Any], Span, str], Row]) -> Iterator[Row]:
        rows = self._document.get(name, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self._wrong(f"{name}: each row is written [[{name}]]")
        for number, row in enumerate(rows, 1):
            self._at = f"[[{name}]] {number}: "
            yield read(row, self._span(row), self._source(row))
        self._at = ""

    def _price(self, row: dict[str, Any], span: Span, source: str) -> PriceRow:
        self._only(row, {"tier", "above", *UNITS})
        above = row.get("above", 0)
        if not isinstance(above, int) or isinstance(above, bool) or above < 0:
            raise self._wrong(f"above = {above!r}: wanted is a number of input tokens")
        prices = {unit: self._amount(row, unit) for unit in UNITS if unit in row}
        if not prices:
            raise self._wrong(f"it has no price; prices are {', '.join(UNITS)}")
        return PriceRow(span, MappingProxyType(prices), source, self._word(row, "tier", STANDARD), above)

    def _tier(self, row: dict[str, Any], span: Span, source: str) -> TierRow:
        self._only(row, {"tier", "by", "units"})
        units = tuple(map(self._unit, self._words(row, "units")))
        return TierRow(span, self._word(row, "tier"), self._amount(row, "by"), source, units)

    def _derived(self, row: dict[str, Any], span: Span, source: str) -> DerivedRow:
        self._only(row, {"unit", "of", "by"})
        return DerivedRow(span, self._unit(self._word(row, "unit")), self._unit(self._word(row, "of")), self._amount(row, "by"), source)

    def _region(self, row: dict[str, Any], span: Span, source: str) -> RegionRow:
        self._only(row, {"regions", "by"})
        return RegionRow(span, self._words(row, "regions"), self._amount(row, "by"), source)

    def _discount(self, row: dict[str, Any], span: Span, source: str) -> DiscountRow:
        self._only(row, {"units", "by"})
        return DiscountRow(span, tuple(map(self._unit, self._words(row, "units"))), self._amount(row, "by"), source)

    def _span(self, row: dict[str, Any]) -> Span:
        since, until = (self._day(row, name) for name in ("from", "until"))
        if since and until and until <= since:
            raise self._wrong(f"until = {until}: it is not after from = {since}")
        models = tuple(model.lower() for model in self._words(row, "models"))
        if wrong := next((model for model in models if "*" in model[:-1]), None):
            raise self._wrong(f"models: {wrong!r}: a * stands at the end of a name only, for all that begin so")
        return Span(self._word(row, "provider", "") or None, models, since, until)

    def _day(self, row: dict[str, Any], name: str) -> date | None:
        value = row.get(name)
        if value is None or (isinstance(value, date) and type(value) is date):
            return value
        raise self._wrong(f"{name} = {value!r}: wanted is a day, such as 2026-10-12 (it begins at 00:00 UTC)")

    def _source(self, row: dict[str, Any]) -> str:
        """Where the row's numbers come from: its own word, else that of the table."""
        source = row.get("source", self._document.get("source"))
        if not isinstance(source, str) or not source:
            raise self._wrong("it has no source: say where the price comes from, in the row or once for the table")
        return source

    def _word(self, row: dict[str, Any], name: str, default: str | None = None) -> str:
        value = row.get(name, default)
        if not isinstance(value, str):
            raise self._wrong(f"{name} = {value!r}: wanted is a text")
        return value.lower()

    def _words(self, row: dict[str, Any], name: str) -> tuple[str, ...]:
        value = row.get(name, ["*"])
        if not isinstance(value, list) or not value or not all(isinstance(word, str) and word for word in value):
            raise self._wrong(f"{name} = {value!r}: wanted is a list of texts; without it the row is for all {name}")
        return () if value == ["*"] else tuple(value)

    def _unit(self, name: str) -> str:
        if name not in UNITS:
            raise self._wrong(f"{name!r} is no price; prices are {', '.join(UNITS)}")
        return name

    def _amount(self, row: dict[str, Any], name: str) -> Decimal:
        value = row.get(name)
        try:
            amount = Decimal(value) if isinstance(value, str | int | Decimal) and not isinstance(value, bool) else Decimal("NaN")
        except ArithmeticError:
            amount = Decimal("NaN")
        if not amount.is_finite() or amount < 0 or amount >= 10**9:
            raise self._wrong(f"{name} = {value!r}: wanted is a number that is not negative, such as 1.25")
        return amount

    def _only(self, row: dict[str, Any], allowed: set[str]) -> None:
        if unknown := sorted(row.keys() - allowed - _SPAN):
            raise self._wrong(f"{unknown[0]}: allowed are {', '.join(sorted(allowed | _SPAN))}")

    def _wrong(self, what: str) -> ConfigError:
        return ConfigError(f"the price table {self._place}: {self._at}{what}")

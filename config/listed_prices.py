"""The price list of the library `genai-prices`, in the words of our own tables. It is imported when the first price is asked for, not before.

Of the library only the list is used. What it takes for the standard price without a word (tiers it has no price for) is said to be unknown here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from .prices import SNAPSHOT, STANDARD, digest_of

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

_NAME = "genai-prices"
# Not among them: what is paid by request, which the provider makes cheaper or dearer by a size that the list does not have.
_UNITS: Mapping[str, str] = {
    "input_mtok": "input",
    "input_audio_mtok": "input_audio",
    "input_image_mtok": "input_image",
    "cache_read_mtok": "cached_input",
    "cache_audio_read_mtok": "cached_audio",
    "cache_image_read_mtok": "cached_image",
    "cache_write_mtok": "cache_write",
    "cache_write_5m_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_mtok": "output",
    "output_audio_mtok": "output_audio",
    "output_image_mtok": "output_image",
    "web_searches_kcount": "web_search",
    "storage_searches_kcount": "file_search",
    "audio_hours": "audio",
    "input_audio_hours": "audio",
    "input_mchars": "characters",
}
_SAME: Mapping[str, str] = {"fast": "priority", "priority": "fast"}  # one tier that was renamed


class Listed(NamedTuple):
    """What a model costs at a time, in one tier.

    `steps`: prices by the input tokens above which they hold, the first 0, ascending. `strange`: prices for something that playhead does not count.
    `daily`: they change with the hour of the day. `tier`: whether the list has the tier; if not, the prices are those of the standard one.
    """

    steps: tuple[tuple[int, Mapping[str, Decimal]], ...]
    strange: tuple[str, ...]
    daily: bool
    tier: bool


class PriceList:
    """The list, as it came with the installed library."""

    def __init__(self, providers: Sequence[Provider], version: str, digest: str) -> None:
        self._providers, self._version, self.digest = list(providers), version, digest
        self._by_id = {provider.id: provider for provider in providers}

    name = _NAME

    @property
    def version(self) -> str:
        return self._version

    @property
    def id(self) -> str:
        """As rows of the ledger name it."""
        return f"{self.name}@{self._version}"

    def provider_at(self, url: str) -> str | None:
        """Whose API is served there. `url`: with its scheme."""
        return next((provider.id for provider in self._providers if re.match(provider.api_pattern, url)), None)

    def knows(self, provider: str) -> bool:
        return provider in self._by_id

    def _undated(self, seller: Provider, model: str) -> ModelInfo | None:
        """The list names snapshots that cost something else than their models, but not all others."""
        name = SNAPSHOT.sub("", model)
        return seller.find_model(name, all_providers=self._providers) if name != model else None

    def find(self, provider: str, model: str, at: datetime, tier: str = STANDARD) -> Listed | None:
        """What that model costs; None: it is not listed."""
        seller = self._by_id.get(provider)
        if seller is None:
            return None
        found = seller.find_model(model, all_providers=self._providers) or self._undated(seller, model)
        if found is None:
            return None
        own = any(found is each for each in seller.models)  # the variants of another seller's model are not this one's
        context = _context(found, at, tier) if own and tier != STANDARD else None
        prices = found.get_prices(at, context)
        given = {name: value for name, value in prices.__dict__.items() if value is not None}
        lifetime = _lifetime(provider, model)
        known = {lifetime if _UNITS[name] == "cache_write" else _UNITS[name]: value for name, value in given.items() if name in _UNITS}
        strange = tuple(sorted(name for name in given if name not in _UNITS))
        return Listed(_steps(known), strange, _daily(found), tier == STANDARD or context is not None)


def _lifetime(provider: str, model: str) -> str:
    """Which cache write it is that the list has one price for."""
    if "claude" in model:
        return "cache_write_5m"
    return "cache_write_30m" if provider in ("openai", "azure") else "cache_write"


def _context(model: ModelInfo, at: datetime, tier: str) -> Mapping[str, str] | None:
    """What selects a tier's variants of prices, if there are any at that time."""
    tries = [{"processing": "batch"}] if tier == "batch" else [{"speed": tier[6:]}] if tier.startswith("speed:") else _named(tier)
    for wanted in tries:
        for variant in model.price_variants or ():
            if variant.when == wanted and (variant.constraint is None or variant.constraint.active(at)):
                return wanted
    return None


def _named(tier: str) -> list[dict[str, str]]:
    return [{"service_tier": name} for name in (tier, _SAME.get(tier)) if name]


def _daily(model: ModelInfo) -> bool:
    """Whether its prices change within a day."""
    return isinstance(model.prices, list) and any(hasattr(price.constraint, "start_time") for price in model.prices)


def _steps(prices: Mapping[str, object]) -> tuple[tuple[int, Mapping[str, Decimal]], ...]:
    """Each price by the number of input tokens above which it holds."""
    starts = sorted({0, *(tier.start for price in prices.values() for tier in getattr(price, "tiers", ()))})
    return tuple((start, {unit: _at(price, start) for unit, price in prices.items()}) for start in starts)


def _at(price: object, start: int) -> Decimal:
    """A price at a step; tiers are in ascending order."""
    value = getattr(price, "base", price)
    for tier in getattr(price, "tiers", ()):
        if tier.start <= start:
            value = tier.price
    assert isinstance(value, Decimal)
    return value


@cache
def installed_list() -> PriceList:
    """The list of the installed library; loading it takes some 50 ms."""
    from genai_prices.data import providers

    return PriceList(providers, version(_NAME), digest_of(files("genai_prices").joinpath("data.py").read_bytes()))

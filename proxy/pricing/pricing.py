"""The price of an exchange: cost lines with quantity, unit price, amount, table, and what was known, assumed or unknown. Pure.

What cannot be known has no price and says why; it never counts as nothing or as standard.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from playhead.config.assumptions import MEMORIES, Assumptions

from ..usage import normal_usage
from ..usage_form import Usage, UsagePart
from .book import Book, NoRates, Rates
from .dimensions import Seller, Tier, seller_of, tier_of
from .priced import Billable, CostLine, Dimension, Priced
from .quantities import Prices, Quantity, tokens

_PER_CALL = frozenset(("web_search", "web_search_preview", "file_search"))
_BY_TOKENS = frozenset(("code_interpreter", "image_generation", "container", "web_fetch", "tool_search", "computer_use", "mcp"))
_LEAST_MINUTES = 5
"""A container is paid by the minute, so many at least."""
_BESIDE = ("input_audio_transcription", "responses")  # of a Realtime or Live connection, beside its own usage
_MOST_TERMS = 4096  # that are kept
_NO_NUMBER = ("is no count", "is no duration", "more by time than in all")  # what notes on a usage end with that has no price for certain
_ANY = (0, 1 << 63)  # number of input tokens
_NO_USAGE = "the answer told no usage"
_NO_TOKENS = "the usage does not tell its tokens"
_SOME_LONG = "it is the usage of many requests together, and long ones have another price: it does not tell how long each was"


class _Terms(NamedTuple):
    """On which terms an exchange is priced. `reason`: why it is not."""

    seller: Seller
    tier: Tier
    dimensions: tuple[Dimension, ...]
    reason: str | None


_NO_TTL = Dimension("cache_ttl", None, "unknown")
_NO_TIER = Tier("", Dimension("tier", None, "unknown"))


class Pricer:
    """Prices exchanges by a price book, with what settings assume."""

    def __init__(self, book: Book, assumed: Assumptions) -> None:
        self.book, self.assumed = book, assumed
        self._kept: dict[tuple[Any, ...], _Terms] = {}

    def price(self, item: Billable) -> Priced:
        """What that exchange costs. Never raises for what an exchange says."""
        seller, tier, dimensions, reason = self._terms(item)
        if reason or (item.usage is None and "characters" not in item.extra):
            return Priced((), dimensions, reason or _NO_USAGE, _ANY)
        rates = self.book.rates(seller.provider or "", item.model or "", item.at_ns, tier.name, seller.region)
        if isinstance(rates, NoRates):
            return Priced((), dimensions, rates.reason, None if rates.daily else _ANY)
        if rates.strange:
            return Priced((), dimensions, f"{item.model} is also paid by {', '.join(rates.strange)}, which playhead does not count")
        if item.usage is None:
            return self._spoken(item, rates, dimensions)
        if odd := _odd(item.usage):
            return Priced((), dimensions, f"the usage cannot be read: {odd}")
        together = item.batch or item.kind == "realtime"  # one usage of many requests
        if together and len(rates.steps) > 1 and (item.usage.input or 0) > rates.steps[1][0]:
            return Priced((), dimensions, _SOME_LONG)
        within = None if together or rates.daily else rates.within(item.usage.input or 0)
        return Priced(tuple(self._lines(item, item.usage, seller, tier, rates)), dimensions, None, within)

    def _spoken(self, item: Billable, rates: Rates, dimensions: tuple[Dimension, ...]) -> Priced:
        """Speech that tells no usage is paid by the characters of what was said."""
        rate = rates.at(0).get("characters")
        if rate is None:
            return Priced((), dimensions, _NO_USAGE)
        return Priced((Quantity("characters", int(item.extra["characters"]), rate).line(None),), dimensions)

    def _terms(self, item: Billable) -> _Terms:
        """What is the same for many exchanges."""
        usage, extra = item.usage, item.extra
        said = (usage.region, usage.service_tier, usage.speed) if usage else None
        asked = (extra.get("asked_tier"), extra.get("window")) if extra else None
        key = (item.upstream, item.kind, item.path if item.kind == "other" else "", item.model, item.tier, item.batch, said, asked)
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= _MOST_TERMS:
                self._kept.clear()
            found = self._kept[key] = self._new_terms(item)
        return found

    def _new_terms(self, item: Billable) -> _Terms:
        seller = seller_of(self.book, item, self.assumed)
        if seller.provider is None:
            return _Terms(seller, _NO_TIER, (*seller.dimensions, _model(item)), seller.reason)
        tier = tier_of(item, seller.provider, self.assumed)
        reason = seller.reason or tier.reason or (None if item.model else "neither request nor answer names a model")
        return _Terms(seller, tier, (*seller.dimensions, tier.dimension, _model(item)), reason)

    def _lines(self, item: Billable, usage: Usage, seller: Seller, tier: Tier, rates: Rates) -> list[CostLine]:
        prices = rates.at(usage.input or 0)
        lines = [quantity.line(None) for quantity in tokens(usage, prices, self._ttl(item) if usage.cache_writes else _NO_TTL)]
        if (rate := prices.get("request")) is not None:
            lines.append(Quantity("request", 1, rate).line(None))
        if usage.parts:
            parts = (part for part in usage.parts if not part.included and (part.usage.input or part.usage.output or part.usage.seconds))
            lines += [line for part in parts for line in self._part(item, part, seller, tier)]
        if usage.tools or item.extra.get("unread"):
            lines += self._tools(item, usage, prices)
        beside = list(self._beside(item, usage, seller, tier)) if item.kind == "realtime" else []
        if usage.input is None and usage.output is None and usage.seconds is None and not beside and not (item.kind == "images" and lines):
            lines.append(CostLine("input", 0, "token", reason=_NO_TOKENS if usage.raw else _NO_USAGE))
        return lines + beside

    def _ttl(self, item: Billable) -> Dimension:
        """How long cache writes last of which the usage does not say it: as the answer's options say, else as assumed."""
        if told := item.extra.get("cache_ttl"):
            return Dimension("cache_ttl", str(told), "known")
        return Dimension("cache_ttl", self.assumed.cache_ttl, "assumed" if self.assumed.cache_ttl else "unknown")

    # Parts that another model made.

    def _part(self, item: Billable, part: UsagePart, seller: Seller, tier: Tier) -> Iterator[CostLine]:
        model = part.model
        how: tuple[Dimension, ...] = ()
        if model is None and part.name == "image_generation":
            model, how = self._image_model(item)
        elif model is None:
            model = item.model  # another pass of the same model
        yield from self._of_model(item, part.usage, seller, tier, (part.name, model, how))

    def _image_model(self, item: Billable) -> tuple[str | None, tuple[Dimension, ...]]:
        if told := item.extra.get("image_model"):
            return str(told), (Dimension("image_model", str(told), "known"),)
        assumed = self.assumed.image_model
        return assumed, (Dimension("image_model", assumed, "assumed" if assumed else "unknown"),)

    def _of_model(self, item: Billable, usage: Usage, seller: Seller, tier: Tier, made: tuple[str, str | None, tuple[Dimension, ...]]) -> Iterator[CostLine]:
        """The lines of a usage by another model. `made`: what it is called, its model and how that is known."""
        name, model, how = made
        if model is None:
            reason = "the answer does not name its model, and no setting assumes it"
            yield CostLine(name, (usage.input or 0) + (usage.output or 0), "token", dimensions=how, reason=reason)
            return
        rates = self.book.rates(seller.provider or "", model, item.at_ns, tier.name, seller.region)
        if isinstance(rates, NoRates) or rates.strange:
            reason = rates.reason if isinstance(rates, NoRates) else f"it is also paid by {', '.join(rates.strange)}"
            yield CostLine(name, (usage.input or 0) + (usage.output or 0), "token", model=model, dimensions=how, reason=reason)
            return
        for quantity in tokens(usage, rates.at(usage.input or 0), self._ttl(item)):
            line = quantity.line(model)
            yield line._replace(item=f"{name}.{line.item}", dimensions=(*how, *line.dimensions))

    def _beside(self, item: Billable, usage: Usage, seller: Seller, tier: Tier) -> Iterator[CostLine]:
        """On a Realtime connection other models transcribe what is said; the usage of both stands in one object."""
        for name in _BESIDE:
            raw = usage.raw.get(name)
            if isinstance(raw, dict) and (found := normal_usage("audio", raw)) is not None:
                model = self.assumed.transcription_model if name == _BESIDE[0] else None
                how = (Dimension("transcription_model", model, "assumed" if model else "unknown"),) if name == _BESIDE[0] else ()
                yield from self._of_model(item, found, seller, tier, (name, model, how))

    # Hosted tools.

    def _tools(self, item: Billable, usage: Usage, prices: Prices) -> Iterator[CostLine]:
        calls = usage.tools or {}
        for name, count in calls.items():
            if count and name not in _BY_TOKENS:
                rate = prices.get(name) if name in _PER_CALL else None
                yield Quantity(name, count, rate, "no price table has a price of its calls", "call").line(None)
        if calls.get("image_generation") and not any(part.name == "image_generation" for part in usage.parts):
            yield CostLine("image_generation", calls["image_generation"], "call", reason="the answer does not tell its tokens")
        if item.extra.get("unread"):
            yield CostLine("tools", 0, "call", reason="the answer was too long to be read whole, and may have calls of tools")
        yield from self._containers(item, calls, prices)

    def _containers(self, item: Billable, calls: Mapping[str, int], prices: Prices) -> Iterator[CostLine]:
        """A Response names its containers, and never how long they lived."""
        count = calls.get("container") or (1 if calls.get("code_interpreter") else 0)
        if not count:
            return
        told = item.extra.get("memory")
        memory = told if told in MEMORIES else self.assumed.memory
        how = (
            Dimension("memory", memory, "known" if told in MEMORIES else "assumed" if memory else "unknown"),
            Dimension("minutes", str(self.assumed.minutes) if self.assumed.minutes else None, "assumed" if self.assumed.minutes else "unknown"),
        )
        if memory is None or self.assumed.minutes is None:
            lacking = " and ".join(name for name, value in (("its memory", memory), ("how long it lived", self.assumed.minutes)) if value is None)
            yield CostLine("container", count, "container", dimensions=how, reason=f"the answer does not tell {lacking}, and no setting assumes it")
            return
        minutes = count * max(self.assumed.minutes, _LEAST_MINUTES)
        yield Quantity(f"container_{memory}", minutes, prices.get(f"container_{memory}"), None, "minute", how).line(None)


def _odd(usage: Usage) -> str | None:
    """What of the usage, or of its parts that are paid beside it, is no number."""
    paid = (usage, *(part.usage for part in usage.parts if not part.included)) if usage.parts else (usage,)
    return next((note for each in paid for note in each.notes if note.endswith(_NO_NUMBER)), None)


def _model(item: Billable) -> Dimension:
    return Dimension("model", item.model, "known" if item.model else "unknown")


def usage_of(kind: str, usage: Mapping[str, Any] | None, extra: Mapping[str, Any], tier: str | None) -> Usage | None:
    """The normal form of an exchange's usage, with what of `billing.py` belongs to it."""
    return normal_usage(
        kind,
        usage,
        tool_usage=extra.get("tool_usage"),
        svg_usage=extra.get("svg_usage"),
        service_tier=tier,
        tool_calls=extra.get("calls"),
    )

"""What of a usage is paid for, and how many of it: each token in one class only. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..usage_form import Modalities, Usage
from .book import Rate
from .priced import CostLine, Dimension

Prices = Mapping[str, Rate]

_CACHED: Mapping[str, str] = {"audio": "cached_audio", "image": "cached_image"}
_APART: Mapping[str, tuple[str, str]] = {side: (f"{side}_audio", f"{side}_image") for side in ("input", "output")}
_LIFETIMES = ("5m", "30m", "1h", "12h")
_NO_SOUND = "no price table has a price of sound for the model, and it is never that of text"


class Quantity(NamedTuple):
    """So many of an item. `rate`: what one costs; None: `reason` says why that is not known."""

    item: str
    quantity: int
    rate: Rate | None = None
    reason: str | None = None
    counts: str = "token"
    dimensions: tuple[Dimension, ...] = ()

    def line(self, model: str | None) -> CostLine:
        """Its cost line."""
        if self.rate is None:
            return CostLine(self.item, self.quantity, self.counts, model=model, dimensions=self.dimensions, reason=self.reason or "no price table has a price")
        amount = self.rate.amount(self.quantity)
        return CostLine(self.item, self.quantity, self.rate.counts, amount, self.rate.price, self.rate.per, self.rate.table, model, self.dimensions)


def tokens(usage: Usage, prices: Prices, ttl: Dimension) -> Iterator[Quantity]:
    """All tokens of a usage, and its seconds. `ttl`: how long cache writes last of which the usage does not say it."""
    if usage.seconds is not None and usage.input is None and usage.output is None:
        yield from _seconds(usage.seconds, prices)
        return
    yield from _input(usage, prices, ttl)
    yield from _output(usage, prices)


def _seconds(seconds: int | float, prices: Prices) -> Iterator[Quantity]:
    """By the microsecond, so that the number of the JSON is kept."""
    if (rate := prices.get("audio")) is None:
        yield Quantity("audio", round(seconds * 10**6), None, "the model has no price per time", "microsecond")
    else:
        fine = rate._replace(denominator=rate.denominator * 10**6, per=rate.per * 10**6, counts="microsecond")
        yield Quantity("audio", round(seconds * 10**6), fine)


def _input(usage: Usage, prices: Prices, ttl: Dimension) -> Iterator[Quantity]:
    if usage.input is None:
        if usage.output is not None:
            yield Quantity("input", 0, None, "the usage does not tell the input")
        return
    if usage.uncached_input is None:
        yield Quantity("input", usage.input, None, "the usage contradicts itself: more was cached or written than there was input")
        return
    cached, split = usage.cached_input or 0, usage.input_modalities
    if split is None and usage.input and _prices_differ(prices, "input"):
        yield Quantity("input", usage.input, None, "the usage does not tell text from audio and images, which have prices of their own")
        return
    if not any(name.startswith("cached") for name in prices) and _prices_differ(prices, "input"):
        usage, cached = usage._replace(uncached_input=usage.uncached_input + cached), 0  # being cached makes nothing cheaper
    kept = {name: count for name, count in _cached_split(usage, cached, prices).items() if count is not None}
    if sum(kept.values()) != cached:
        yield Quantity("cached_input", cached, None, "the usage does not tell which of the cached input was audio or images")
        yield Quantity("input", usage.uncached_input or 0, None, "the usage does not tell which of the cached input was audio or images")
    else:
        yield from _read_and_fresh(usage, prices, kept)
    yield from _writes(usage, prices, ttl)


def _read_and_fresh(usage: Usage, prices: Prices, kept: Mapping[str, int]) -> Iterator[Quantity]:
    """Input by modality, less what of it was cached; what is neither audio nor an image with a price of its own costs what text costs."""
    text = usage.uncached_input or 0
    for modality in ("audio", "image"):
        count = _of(usage.input_modalities, modality) - kept.get(modality, 0)
        rate = prices.get(f"input_{modality}")
        if count and modality == "audio" and rate is None:
            text -= count
            yield Quantity("input_audio", count, None, _NO_SOUND)
        elif rate and count:
            text -= count
            reason = "the usage contradicts itself: more of it was cached than there was" if count < 0 else None
            yield Quantity(f"input_{modality}", count, None if reason else rate, reason)
    if text < 0:
        yield Quantity("input", text, None, "the usage contradicts itself: its modalities are more than its input")
    elif text:
        yield Quantity("input", text, prices.get("input"))
    for modality, count in kept.items():
        item = _CACHED.get(modality, "cached_input")
        if count:  # what has no price for being cached costs as much as what was not
            yield Quantity(item, count, prices.get(item) or prices.get("cached_input") or prices.get(f"input_{modality}") or prices.get("input"))


def _cached_split(usage: Usage, cached: int, prices: Prices) -> dict[str, int | None]:
    """The cached input by modality; text is the rest."""
    apart = [modality for modality, item in _CACHED.items() if item in prices or f"input_{modality}" in prices]
    present = [modality for modality in apart if _of(usage.input_modalities, modality)]
    if not present:
        return {"text": cached}
    if usage.cached_modalities is None:
        return {"text": None if cached else 0}
    counts: dict[str, int | None] = {modality: _of(usage.cached_modalities, modality) for modality in apart}
    rest = cached - sum(count or 0 for count in counts.values())
    return counts | {"text": rest if rest >= 0 else None}


def _writes(usage: Usage, prices: Prices, ttl: Dimension) -> Iterator[Quantity]:
    writes = usage.cache_writes
    if writes is None:
        return
    rest = writes.ttl_unknown or 0
    priced = any(name.startswith("cache_write") for name in prices)
    for lifetime, count in zip(_LIFETIMES, (writes.ttl_5m, writes.ttl_30m, writes.ttl_1h, writes.ttl_12h), strict=True):
        if count:
            yield _write(lifetime, count, prices, priced, ())
    if rest and not priced:  # models without a price for it: it costs as much as other input
        yield Quantity("cache_write", rest, prices.get("input"))
    elif rest and ttl.value is None:
        yield Quantity("cache_write", rest, prices.get("cache_write"), "the usage does not tell how long it stays in the cache, and no setting assumes it")
    elif rest:
        lifetime = _shortest(prices) if ttl.value == "shortest" else str(ttl.value)
        yield _write(lifetime, rest, prices, priced, (ttl._replace(value=lifetime),))


def _shortest(prices: Prices) -> str:
    """How long the cache keeps what is written, at least: providers have different times."""
    return next((lifetime for lifetime in _LIFETIMES if f"cache_write_{lifetime}" in prices), _LIFETIMES[0])


def _write(lifetime: str, count: int, prices: Prices, priced: bool, dimensions: tuple[Dimension, ...]) -> Quantity:
    item = f"cache_write_{lifetime}"
    rate = prices.get(item) or prices.get("cache_write") if priced else prices.get("input")
    return Quantity(item, count, rate, f"no price table has a price of cache writes for {lifetime}", dimensions=dimensions)


def _output(usage: Usage, prices: Prices) -> Iterator[Quantity]:
    if usage.output is None:
        # Old completions leave out an output of nothing; embeddings have none, and no price of it.
        if "output" in prices and usage.input is not None and usage.total != usage.input:
            yield Quantity("output", 0, None, "the usage does not tell the output")
        return
    split, text = usage.output_modalities, usage.output
    if split is None and usage.output and _prices_differ(prices, "output"):
        yield Quantity("output", usage.output, None, "the usage does not tell text from audio and images, which have prices of their own")
        return
    for modality in ("audio", "image"):
        rate = prices.get(f"output_{modality}")
        if (count := _of(split, modality)) and (rate or modality == "audio"):  # images cost what text does where they have no price of their own
            text -= count
            yield Quantity(f"output_{modality}", count, rate, _NO_SOUND)
    if text < 0:
        yield Quantity("output", text, None, "the usage contradicts itself: its modalities are more than its output")
    elif text:
        yield Quantity("output", text, prices.get("output"))


def _prices_differ(prices: Prices, side: str) -> bool:
    """Whether audio or images have a price of their own."""
    own = [prices[name] for name in _APART[side] if name in prices]
    return any(side not in prices or rate.price != prices[side].price for rate in own) if own else False


def _of(modalities: Modalities | None, name: str) -> int:
    return (getattr(modalities, name) or 0) if modalities else 0

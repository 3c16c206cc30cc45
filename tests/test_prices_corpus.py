"""The real exchanges of the shared corpus: their prices against genai-prices called directly, and against a calculation of this test's own."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import genai_prices

from playhead.config.assumptions import Assumptions
from playhead.config.listed_prices import installed_list
from playhead.config.prices import own_table
from playhead.proxy.pricing.billing import answered, asked
from playhead.proxy.pricing.book import Book
from playhead.proxy.pricing.dimensions import located
from playhead.proxy.pricing.priced import Billable, Priced
from playhead.proxy.pricing.pricing import Pricer, usage_of
from playhead.storage.costing.costs import dollars
from test_recording_corpus import CORPUS, KINDS, events_of, exchanges

NOW = datetime(2026, 11, 20, tzinfo=UTC)
PAID = ("create", "compact", "completions", "anthropic.messages", "audio", "images")
USAGE_AT = ("response.completed", "response.incomplete", "response.failed")


@dataclass
class Paid:
    """An exchange of the corpus that used something, as JSON."""

    id: str
    kind: str
    host: str
    model: str
    at: datetime
    tier: str | None
    usage: dict[str, Any]
    extra: dict[str, Any] = field(default_factory=dict)

    def billable(self) -> Billable:
        usage = usage_of(self.kind, self.usage, self.extra, self.tier)
        return Billable(self.kind, "/v1", f"https://{self.host}", self.model, int(self.at.timestamp()) * 10**9, usage, self.tier, extra=self.extra)


def objects(exchange: dict[str, Any]) -> Iterator[Any]:
    """The objects of an answer that may have its usage: the body, or what events carry."""
    body = base64.b64decode(exchange["response_body_b64"] or "")
    if exchange["streaming"]:
        yield from (event.get("response") or event.get("message") or event for _, event, _ in events_of(body) if isinstance(event, dict))
    else:
        try:
            yield json.loads(body)
        except ValueError:
            return


def paid(exchange: dict[str, Any]) -> Paid | None:
    request = base64.b64decode(exchange["request_body_b64"] or "")
    try:
        request_json = json.loads(request)
    except ValueError:
        request_json = {}
    answer: dict[str, Any] = {}
    usage: dict[str, Any] = {}
    for found in objects(exchange):
        if isinstance(found, dict):
            usage |= {name: value for name, value in (found.get("usage") or {}).items() if value is not None}
            answer |= {name: value for name, value in found.items() if value is not None}
    model = answer.get("model") or (request_json.get("model") if isinstance(request_json, dict) else None)
    if not usage or not isinstance(model, str):
        return None
    made = answer.get("created_at") or answer.get("created") or 0
    at = datetime.fromtimestamp(made, UTC) if isinstance(made, int | float) and 10**9 < made < 2 * 10**9 else NOW
    kind = KINDS.get(exchange["sub"] or "", exchange["endpoint"])
    extra = asked(request_json) | answered(answer) if kind == "responses" else {}
    return Paid(exchange["id"], kind, exchange["host"], model, at, answer.get("service_tier"), usage, extra)


@cache
def all_paid(shared: Path) -> list[Paid]:
    listed = (exchange for name in CORPUS for exchange in exchanges(shared, name))
    made = (exchange for exchange in listed if exchange["method"] == "POST" and exchange["sub"] in PAID and 200 <= exchange["status"] < 300)
    return [found for found in map(paid, made) if found is not None]


@cache
def pricer() -> Pricer:
    return Pricer(Book(installed_list(), [own_table()]), Assumptions.parse("region=global,tier=default,cache_ttl=shortest"))


@cache
def priced(shared: Path) -> list[tuple[Paid, Priced]]:
    """Those of which all has a price."""
    listed = ((item, pricer().price(item.billable())) for item in all_paid(shared))
    return [(item, found) for item, found in listed if found.amount is not None]


def cost(found: Priced) -> Decimal:
    return Decimal(dollars(found.known_amount))


FLAVOURS = {"responses": "responses", "embeddings": "embeddings", "images": "images"}
EXPECTED = {"embeddings": {"prompt_tokens": 0}, "other": {"completion_tokens": 0}}  # what the library wants to be there
TIERS = {"flex", "priority", "fast"}


def where(item: Paid) -> dict[str, Any]:
    provider, _ = located(f"https://{item.host}")
    return {"provider_id": provider} if provider else {"provider_api_url": f"https://{item.host}"}


def by_library(item: Paid) -> Decimal | None:
    """As genai-prices says it, out of the usage as it extracts it; None: it does not know the model."""
    seller, flavour = ("anthropic", "default") if item.kind == "messages" else ("openai", FLAVOURS.get(item.kind, "chat"))
    reader = genai_prices.data_snapshot.get_snapshot().find_provider(None, seller, None)
    _, counts = reader.extract_usage({"usage": EXPECTED.get(item.kind, {}) | item.usage}, api_flavor=flavour)
    context = {"service_tier": item.tier} if item.tier in TIERS else None
    try:
        return genai_prices.calc_price(counts, item.model, genai_request_timestamp=item.at, price_context=context, **where(item)).total_price
    except LookupError:
        return None


def explained(item: Paid, found: Priced) -> str | None:
    """Why the library says something else, if it is known."""
    if item.tier in TIERS and item.at.date() < date(2026, 10, 12):
        return "it has no tiers before 2026-10-12 and silently takes the standard price"
    if item.kind != "messages" and any(line.counts == "call" for line in found.lines):
        return "it is not told of calls of tools"
    if re.search(r"-20\d\d-?\d\d-?\d\d$", item.model) and by_library(item) is None:
        return "it does not know the snapshot"
    if any(line.item == "request" for line in found.lines):
        return "it leaves out the fee of chat models that search the web with every request"
    if item.host == "api.x.ai" and "completion_tokens" in item.usage:
        return "xAI counts reasoning beside the output of chat: it leaves it out"
    if item.host == "api.mistral.ai" and "num_cached_tokens" in item.usage:
        return "Mistral tells cached input beside the details: it takes it for uncached"
    if item.host == "api.voyageai.com":
        return "Voyage tells the total only: it finds no input"
    return None


def test_prices_of_the_corpus_are_those_of_the_library_or_explained(shared: Path) -> None:
    differing = [(item, cost(found), by_library(item), explained(item, found)) for item, found in priced(shared) if cost(found) != by_library(item)]

    assert not [(item, ours, theirs) for item, ours, theirs, why in differing if why is None]


def test_most_of_the_corpus_has_a_price(shared: Path) -> None:
    assert len(priced(shared)) > 850


# The second calculation: of the JSON as it came, with nothing of the product but the tables.


def by_hand(item: Paid, found: Priced) -> Decimal:
    """Tokens by the list's prices for the model, calls by what the list of tools says."""
    at_input, prices = _input_of(item), dict[str, Decimal]()
    tier = TIER_NAMES.get(item.tier or "", item.tier or "")
    rates = pricer().book.rates(found.dimensions[0].value or "", item.model, int(item.at.timestamp()) * 10**9, tier)
    for above, step in rates.steps:  # type: ignore[union-attr]
        if at_input > above or above == 0:
            prices = {name: rate.price for name, rate in step.items()}
    total = sum((count * prices[name] / 1_000_000 for name, count in _tokens_of(item, prices)), Decimal(0))
    calls = _calls_of(item) | ({"request": 1} if "request" in prices else {})
    return total + sum((count * prices[name] / 1000 for name, count in calls.items()), Decimal(0))


TIER_NAMES = {"standard": "default", "auto": "default", "on_demand": "default", "": "default"}
PER_CALL = ("web_search", "web_search_preview", "file_search")


def _calls_of(item: Paid) -> dict[str, int]:
    calls = {name: count for name, count in item.extra.get("calls", {}).items() if name in PER_CALL}
    told = item.extra.get("tool_usage", {}).get("web_search", {}).get("num_requests")
    if told and "web_search_preview" not in calls:
        calls["web_search"] = told
    searches = item.usage.get("server_tool_use", {}).get("web_search_requests")
    return calls | ({"web_search": searches} if searches else {})


def _input_of(item: Paid) -> int:
    usage = item.usage
    if item.kind == "messages" and "input_tokens" in usage:
        return sum(usage.get(name, 0) for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"))
    return int(usage.get("input_tokens", usage.get("prompt_tokens", usage.get("total_tokens", 0))))


def _tokens_of(item: Paid, prices: dict[str, Decimal]) -> Iterator[tuple[str, int]]:
    usage = item.usage
    details = usage.get("input_tokens_details") or usage.get("prompt_tokens_details") or usage.get("input_token_details") or {}
    out = usage.get("output_tokens_details") or usage.get("completion_tokens_details") or {}
    cached = details.get("cached_tokens") or usage.get("cache_read_input_tokens") or usage.get("num_cached_tokens") or usage.get("prompt_cache_hit_tokens") or 0
    written = details.get("cache_write_tokens") or usage.get("cache_creation_input_tokens") or 0
    audio = {"input": details.get("audio_tokens") or 0, "output": out.get("audio_tokens") or 0}
    image = {"input": details.get("image_tokens") or 0, "output": out.get("image_tokens") or 0}
    output = usage.get("output_tokens", usage.get("completion_tokens", 0))
    if item.host == "api.x.ai" and "completion_tokens" in usage:
        output = usage["total_tokens"] - usage["prompt_tokens"]
    yield "cached_input" if "cached_input" in prices else "input", cached
    for side, tokens in (("input", _input_of(item) - cached - written), ("output", output)):
        for name, counts in (("audio", audio), ("image", image)):
            if f"{side}_{name}" in prices:
                yield f"{side}_{name}", counts[side]
                tokens -= counts[side]
        if tokens:
            yield side, tokens
    hour = usage.get("cache_creation", {}).get("ephemeral_1h_input_tokens", 0) if isinstance(usage.get("cache_creation"), dict) else 0
    short = next((name for name in ("cache_write_5m", "cache_write_30m", "cache_write") if name in prices), "input")
    yield short, written - hour
    if hour:
        yield "cache_write_1h", hour


def test_prices_of_the_corpus_are_those_of_a_second_calculation(shared: Path) -> None:
    assert not [(item, cost(found), by_hand(item, found)) for item, found in priced(shared) if cost(found) != by_hand(item, found)]


# The third one: some providers tell what an answer costs.


def told_by_provider(item: Paid) -> Decimal | None:
    if ticks := item.usage.get("cost_in_usd_ticks"):
        return Decimal(ticks) / 10**10  # xAI
    return None


def test_prices_of_the_corpus_are_those_that_the_provider_tells(shared: Path) -> None:
    told = [(item, cost(found), theirs) for item, found in priced(shared) if (theirs := told_by_provider(item)) is not None]

    assert told
    assert not [each for each in told if each[1] != each[2]]

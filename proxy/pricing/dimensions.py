"""Whose API it was, where it ran and in which tier: from the exchange, else by a setting, else unknown. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from playhead.config.assumptions import BY_PATH, Assumptions
from playhead.config.prices import STANDARD

from .book import GLOBAL, Book
from .priced import Billable, Dimension, How

_OPENAI = re.compile(r"(?:([a-z]{2})\.)?api\.openai\.com")
_AZURE = re.compile(r".*\.(?:openai\.azure\.com|cognitiveservices\.azure\.com|services\.ai\.azure\.com|azure-api\.net)")
PLAN = "chatgpt"
"""In place of a provider: what a ChatGPT plan pays for, not by tokens."""

_TIERED = frozenset(("openai", "azure", "anthropic"))
_WITH_TIERS = frozenset(("responses", "chat.completions", "messages"))
_STANDARD_NAMES: Mapping[str, tuple[str, ...]] = {"openai": ("default",), "azure": ("default", "standard"), "anthropic": ("standard",)}
_STANDARD_ELSEWHERE = ("default", "standard", "auto", "on_demand")
_PREPAID: Mapping[str, tuple[str, ...]] = {"openai": ("scale",), "azure": ("scale",), "anthropic": ("priority",)}


class Seller(NamedTuple):
    """Whose prices hold. `reason`: why none do."""

    provider: str | None
    region: str
    dimensions: tuple[Dimension, ...]
    reason: str | None = None


class Tier(NamedTuple):
    """The tier by the name that price tables have for it. `reason`: why it has no price."""

    name: str
    dimension: Dimension
    reason: str | None = None


def seller_of(book: Book, item: Billable, assumed: Assumptions) -> Seller:
    """Whose API that is, and in which region it runs."""
    provider, region = located(item.upstream)
    provider = provider or book.provider_at(item.upstream)
    if provider == PLAN:
        return Seller(None, GLOBAL, (Dimension("provider", PLAN, "known"),), "a ChatGPT plan pays for it, not by tokens")
    how: How = "known" if provider else "assumed"
    provider = provider or (_by_path(item) if assumed.provider == BY_PATH else assumed.provider)
    if provider is None:
        return Seller(None, GLOBAL, (Dimension("provider", None, "unknown"),), "the upstream is no known provider's, and no setting says whose prices it has")
    said = item.usage.region if item.usage and provider == "anthropic" else None
    region = said or region
    if region is None and how == "known" and provider not in ("azure",):
        region = GLOBAL  # who has one address for all the world
    found: How = "known" if region else "assumed" if assumed.region else "unknown"
    region = region or assumed.region
    dimensions = (Dimension("provider", provider, how), Dimension("region", region, found))
    reason = None if region else "neither the upstream nor a setting says in which region it ran"
    return Seller("openai-decisions" if provider == "openai" and _is_decision(item.path) else provider, region or GLOBAL, dimensions, reason)


def located(upstream: str) -> tuple[str | None, str | None]:
    """Provider and region, as far as the host names them."""
    try:
        host = urlsplit(upstream).hostname or ""
    except ValueError:
        return None, None
    if match := _OPENAI.fullmatch(host):
        return "openai", match[1] or GLOBAL
    if _AZURE.fullmatch(host):
        return "azure", None
    if host == "chatgpt.com" or host.endswith(".chatgpt.com"):
        return PLAN, None
    return None, None


def _by_path(item: Billable) -> str:
    return "anthropic" if item.kind == "messages" else "openai"


def _is_decision(path: str) -> bool:
    return path.partition("?")[0].rstrip("/").endswith("/decisions")


def tier_of(item: Billable, provider: str, assumed: Assumptions) -> Tier:
    """Which tier's prices hold: that of the terminal answer, never the one that was asked for."""
    seller = provider.removesuffix("-decisions")
    said = item.tier or (item.usage.service_tier if item.usage else None)
    if item.batch or said == "batch":
        return Tier("batch", Dimension("tier", "batch", "known"))
    if said is None and (seller not in _TIERED or item.kind not in _WITH_TIERS):
        return Tier(STANDARD, Dimension("tier", STANDARD, "known"))  # who has no tiers names none
    if seller not in _TIERED:
        return Tier(STANDARD if said in _STANDARD_ELSEWHERE else str(said), Dimension("tier", said, "known"))
    if said in _PREPAID[seller]:
        return Tier(said or "", Dimension("tier", said, "known"), f"the tier {said} is capacity paid for in advance, not by tokens")
    if said in (None, "auto"):
        return _unsaid(item, said, assumed)
    name = STANDARD if said in _STANDARD_NAMES[seller] else str(said)
    dimension = Dimension("tier", said, "known")
    if item.usage and item.usage.speed and item.usage.speed != "standard" and name == STANDARD:
        return Tier(f"speed:{item.usage.speed}", Dimension("tier", f"{said}, {item.usage.speed}", "known"))
    return _in_window(item, name, dimension, assumed)


def _unsaid(item: Billable, said: str | None, assumed: Assumptions) -> Tier:
    """The answer names no tier; `auto` is none, it is what was asked for."""
    if item.extra.get("asked_tier") == STANDARD:
        return _in_window(item, STANDARD, Dimension("tier", STANDARD, "known"), assumed)
    if assumed.tier:
        return _in_window(item, assumed.tier, Dimension("tier", assumed.tier, "assumed"), assumed)
    why = "the answer says auto, which is no tier" if said else "the answer names no service tier"
    return Tier(STANDARD, Dimension("tier", said, "unknown"), f"{why}, and no setting assumes one")


def _in_window(item: Billable, tier: str, dimension: Dimension, assumed: Assumptions) -> Tier:
    """A background request with a completion window has a price of its own, which only the standard tier has."""
    window = item.extra.get("window")
    if window in (None, "soonest"):
        return Tier(tier, dimension)
    if assumed.window == "standard":
        return Tier(tier, dimension._replace(value=f"{dimension.value}, window {window} at standard prices", how="assumed"))
    within = dimension._replace(value=f"{dimension.value}, window {window}")
    if tier != STANDARD:
        return Tier(tier, within, f"nobody says what the tier {tier} costs within a completion window, and no setting assumes it")
    return Tier(f"window:{window}", within)

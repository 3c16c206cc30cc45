"""What an exchange used: the one form for every provider and kind. `usage` makes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Modalities(NamedTuple):
    """Tokens by what they stand for; together at most the whole."""

    text: int | None = None
    audio: int | None = None
    image: int | None = None
    video: int | None = None


class CacheWrites(NamedTuple):
    """Input tokens written to the cache, by how long they stay there, since that has its price."""

    total: int | None = None
    ttl_5m: int | None = None
    ttl_30m: int | None = None
    ttl_1h: int | None = None
    ttl_12h: int | None = None
    ttl_unknown: int | None = None
    """What of the total no time is given for."""


class Usage(NamedTuple):
    """What one exchange used. Counts are of tokens."""

    input: int | None = None
    """All of the input: uncached, cached, and written to the cache."""
    uncached_input: int | None = None
    """Input neither said to be read from a cache nor to be written to one. None if the provider's numbers contradict each other."""
    cached_input: int | None = None
    """Input read from a cache."""
    cache_writes: CacheWrites | None = None
    output: int | None = None
    """All of the output, reasoning included."""
    reasoning: int | None = None
    total: int | None = None
    """As the provider says it; see `notes` where it is not input and output together."""
    input_modalities: Modalities | None = None
    cached_modalities: Modalities | None = None
    """Of the cached input."""
    output_modalities: Modalities | None = None
    seconds: int | float | None = None
    """Of audio, where that is what is counted. Cumulative in Live sessions."""
    tools: dict[str, int] | None = None
    """Calls of hosted tools that may be billed, by name: `web_search`, `file_search`, `code_interpreter`, ... `container`: different containers used."""
    service_tier: str | None = None
    speed: str | None = None
    """Anthropic: `fast` has its own price."""
    region: str | None = None
    """Anthropic: where inference took place."""
    parts: tuple[UsagePart, ...] = ()
    notes: tuple[str, ...] = ()
    """What is wrong or unusual with the numbers as they came."""
    raw: Mapping[str, Any] = MappingProxyType({})
    """`usage` as it came."""
    raw_tools: dict[str, Any] | None = None
    """`tool_usage` as it came."""


class UsagePart(NamedTuple):
    """Tokens of another model, or of another pass, with a price of their own."""

    name: str
    """`image_generation`, `svg`, or the type of an Anthropic iteration: `message`, `compaction`, ..."""
    usage: Usage
    model: str | None = None
    included: bool = False
    """Whether the counts of the whole contain these."""


def as_json(found: Usage | UsagePart | Modalities | CacheWrites) -> dict[str, Any]:
    """It as a JSON object, without what is not known."""
    return {name: _as_json(value) for name, value in found._asdict().items() if value is not None}


def _as_json(value: Any) -> Any:
    if isinstance(value, Usage | UsagePart | Modalities | CacheWrites):
        return as_json(value)
    if isinstance(value, tuple):
        return [_as_json(each) for each in value]
    return dict(value) if isinstance(value, Mapping) else value

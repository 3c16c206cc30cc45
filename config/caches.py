"""What providers say of their prompt caches: how long a prompt must be, in what steps it is kept, and for how long. Pure data.

Sources: OpenAI's and Anthropic's guides to prompt caching, as they were in November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

_MINUTE, _HOUR = 60, 3600


class Lifetime(NamedTuple):
    """How many seconds after its last use a prompt is kept at least, and how many at most; in between nobody knows."""

    least: int
    most: int


class CacheLimits(NamedTuple):
    """`minimum`: tokens that a prefix must have; `step`: it is kept in multiples of so many."""

    minimum: int
    step: int


LIFETIMES: Mapping[str, Lifetime] = MappingProxyType(
    {
        "in_memory": Lifetime(5 * _MINUTE, _HOUR),
        "24h": Lifetime(_HOUR, 24 * _HOUR),
        "30m": Lifetime(30 * _MINUTE, 24 * _HOUR),  # it may be kept longer than was asked for
        "12h": Lifetime(12 * _HOUR, 24 * _HOUR),
        "5m": Lifetime(5 * _MINUTE, 5 * _MINUTE),
        "1h": Lifetime(_HOUR, _HOUR),
    }
)
LONGEST = 24 * _HOUR
"""No cache keeps anything for longer."""

_OPENAI = CacheLimits(1024, 128)
_ANTHROPIC: Sequence[tuple[str, int]] = (
    *(("claude-opus-5", 512), ("claude-fable-5", 512), ("claude-mythos-5", 512)),
    *(("claude-haiku-4-5", 4096), ("claude-opus-4-5", 4096), ("claude-opus-4-6", 4096), ("claude-3-haiku", 2048), ("claude-3-5-haiku", 2048)),
)


def limits_of(kind: str, model: str | None) -> CacheLimits:
    """Of the API of that kind, for that model."""
    if kind != "messages":
        return _OPENAI
    return CacheLimits(next((least for start, least in _ANTHROPIC if (model or "").startswith(start)), 1024), 1)


def lifetime_of(kind: str, asked: str | None) -> Lifetime:
    """`asked`: what the request or its answer says of it, as a key of LIFETIMES; None: nothing."""
    return LIFETIMES.get((asked or "").replace("-", "_"), LIFETIMES["5m" if kind == "messages" else "in_memory"])

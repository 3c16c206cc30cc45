"""What each endpoint counts, and how its rows read as vectors of counts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

Vector = tuple[int, ...]

COSTS = "costs"
COMPLETIONS = ("requests", "input", "cached", "written_30m", "written_12h", "written", "output")
"""Input: neither cached nor written. Written: for how long it is not told."""

MEASURES: Mapping[str, tuple[str, ...]] = {
    "completions": COMPLETIONS,
    "decisions": COMPLETIONS,
    "embeddings": ("requests", "input"),
    "moderations": ("requests",),
    "images": ("requests",),
    "audio_speeches": ("requests", "characters"),
    "audio_transcriptions": ("requests", "seconds"),
    "code_interpreter_sessions": ("sessions",),
    "file_searches": ("calls",),
    "web_searches": ("requests", "calls"),
}
"""By the name of the endpoint's results. What recordings do not tell is not counted: images, for one, and tokens of moderations."""

_NAMES: Mapping[str, str] = {"requests": "num_model_requests", "input": "input_tokens", "calls": "num_requests", "sessions": "num_sessions"}
INPUTS = ("input", "cached", "written_30m", "written_12h", "written")
WRITES = slice(3, 6)
_MOST = 10**18  # more than anybody uses


def vector_of(endpoint: str, row: Mapping[str, Any]) -> tuple[Vector, bool]:
    """A row of an export as a vector, and whether it tells for how long the cache keeps what was written. Raises ValueError for what is no count."""
    if MEASURES[endpoint] is COMPLETIONS:
        return _completions(row)
    return tuple(_count(row, _NAMES.get(name, name)) for name in MEASURES[endpoint]), False


def _completions(row: Mapping[str, Any]) -> tuple[Vector, bool]:
    whole, cached = _count(row, "input_tokens"), _count(row, "input_cached_tokens")
    written, half_hour, half_day = (_count(row, f"input_cache_write_{name}tokens") for name in ("", "30m_", "12h_"))
    written = max(written, half_hour + half_day)
    split = row.get("input_cache_write_30m_tokens") is not None or row.get("input_cache_write_12h_tokens") is not None
    told = row.get("input_uncached_tokens") is not None
    uncached = _count(row, "input_uncached_tokens") if told else max(whole - cached - written, 0)
    rest = written - half_hour - half_day
    return (_count(row, "num_model_requests"), uncached, cached, half_hour, half_day, rest, _count(row, "output_tokens")), split


def _count(row: Mapping[str, Any], name: str) -> int:
    """Null and nothing are 0; a whole number may be written as a float."""
    value = row.get(name)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value <= _MOST or value != int(value):
        raise ValueError(f"{name} = {value!r:.60}")
    return int(value)


def joined_writes(vector: Vector) -> Vector:
    """The same where an export does not tell for how long the cache keeps what was written."""
    return (*vector[:3], 0, 0, sum(vector[WRITES]), *vector[6:])


def same_writes(left: Vector) -> Vector:
    """A difference, less what only comes of the ledger not knowing for how long the cache keeps what was written."""
    half_hour, half_day, rest = left[WRITES]
    for_long = min(max(half_day, 0), max(-rest, 0))
    for_short = min(max(half_hour, 0), max(-rest, 0) - for_long)
    return (*left[:3], half_hour - for_short, half_day - for_long, rest + for_long + for_short, *left[6:])


def plus(one: Vector, other: Vector, sign: int = 1) -> Vector:
    """The sum, or with sign -1 the difference."""
    return tuple(a + sign * b for a, b in zip(one, other, strict=True))


def within(small: Vector, big: Vector) -> bool:
    """Whether no count of the one is above that of the other."""
    return all(a <= b for a, b in zip(small, big, strict=True))

"""What settings say of an exchange where it does not say it itself, so that it has a price all the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

MEMORIES = ("1g", "4g", "16g", "64g")
"""Of containers."""

LIFETIMES = ("5m", "30m", "1h", "12h")
"""Of what is written to a cache."""

BY_PATH = "path"
"""In place of a provider: the one whose API the path is."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the settings say where an exchange does not. None: nothing, so that what depends on it has no price."""

    provider: str | None = None
    region: str | None = None
    tier: str | None = None
    cache_ttl: str | None = None
    window: str | None = None
    memory: str | None = None
    minutes: int | None = None
    image_model: str | None = None
    transcription_model: str | None = None

    @classmethod
    def parse(cls, text: str) -> Assumptions:
        """Of `NAME=VALUE,NAME=VALUE`; `none` for nothing at all. Raises ValueError, which says what is allowed."""
        values: dict[str, Any] = {}
        for word in filter(None, (part.strip() for part in ("" if text.strip() == "none" else text).split(","))):
            name, sign, value = (part.strip() for part in word.partition("="))
            if not sign or name not in _ASSUMED or not _ASSUMED[name].fullmatch(value) or name in values:
                raise ValueError(ASSUMED_HINT)
            values[name] = int(value) if name == "minutes" else value
        return cls(**values)

    def __str__(self) -> str:
        """As `parse` takes it."""
        given = ((name, getattr(self, name)) for name in _ASSUMED)
        return ",".join(f"{name}={value}" for name, value in given if value is not None) or "none"


_WORD = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_ASSUMED: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        **dict.fromkeys(("provider", "region", "tier", "image_model", "transcription_model"), _WORD),
        "cache_ttl": re.compile("|".join(("shortest", *LIFETIMES))),
        "window": re.compile("standard"),
        "memory": re.compile("|".join(MEMORIES)),
        "minutes": re.compile(r"[1-9]\d{0,4}"),
    }
)
ASSUMED_HINT = (
    "NAME=VALUE,..., or none; the names are provider (path, openai, anthropic, ...), region (global, eu, us, ...), tier (default, flex, ...), "
    "cache_ttl (shortest, 30m, 12h, 5m, 1h), window (standard), memory (1g, 4g, 16g, 64g), minutes (of a container), image_model, transcription_model"
)

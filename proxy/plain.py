"""Text and JSON that any database takes. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

MAX_TEXT = 1024
PLAIN_DEPTH = 8


def text_of(value: Any) -> str | None:
    """A value as a text that any database takes; None for what is none, or empty."""
    if value.__class__ is not str or not value:
        return None
    if len(value) <= MAX_TEXT and value.isascii() and "\0" not in value:
        return value
    text: str = value[:MAX_TEXT]
    return text if text.isascii() and "\0" not in text else text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def are_plain(values: Sequence[Any], most: int = MAX_TEXT) -> bool:
    """Whether all of them are none, or texts that any database takes, and together no longer than that: asked once, not of each."""
    try:
        together = "".join(filter(None, values))
    except TypeError:
        return False
    return len(together) <= most and together.isascii() and "\0" not in together


def texts_of(values: Sequence[Any]) -> Sequence[str | None]:
    """As `text_of` of each."""
    return [value or None for value in values] if are_plain(values) else [text_of(value) for value in values]


def plain(value: Any, depth: int = 0) -> Any:
    """JSON that any database takes."""
    if isinstance(value, str):
        return text_of(value) or ""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict | list) and depth >= PLAIN_DEPTH:
        return None
    if isinstance(value, dict):
        return {text_of(key) or "": plain(member, depth + 1) for key, member in value.items()}
    if isinstance(value, list):
        return [plain(member, depth + 1) for member in value]
    return value

"""How alike two texts are, where all else that was compared of their requests tells no difference. Pure."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from playhead.config.rules import Rule

from ..diverging.differences import ABSENT, Place, Undecoded
from ..fingerprinting.normalising import Normaliser
from ..matching.fitting import VOLATILE

_PLACES = 20
_MOST = 8_000  # characters of each text that are looked at, from a little before they begin to differ
_BEFORE = 100  # of these: a time or an id that differs in its end is found whole
_EAST = r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"  # scripts without spaces: a word is a character
_WORD = re.compile(rf"(?:(?!{_EAST})\w)+|\S")


def apart(places: Iterable[Place], rules: Iterable[Rule] = VOLATILE) -> int:
    """How many characters stand in words that only one of both sides has. Volatile values, which `rules` find, say nothing."""
    normaliser = Normaliser(rules)
    return sum(_apart(_text(place.recorded), _text(place.asked), normaliser) for place, _ in zip(places, range(_PLACES), strict=False))


def _apart(one: str, other: str, normaliser: Normaliser) -> int:
    start = max(_same(one, other) - _BEFORE, 0)
    words, others = (Counter(_WORD.findall(normaliser.text(text[start : start + _MOST]))) for text in (one, other))
    return sum(len(word) * count for word, count in [*(words - others).items(), *(others - words).items()])


def _same(one: str, other: str) -> int:
    """How many characters both begin with, or somewhat fewer."""
    length = min(len(one), len(other))
    step = 1 << 12
    return next((start for start in range(0, length, step) if one[start : start + step] != other[start : start + step]), length)


def _text(value: Any) -> str:
    if value is ABSENT or isinstance(value, Undecoded):
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):
        return ""

"""What broke a prompt's beginning: the values that differ, the class of the cause, and how alike they are. Pure.

Where only what is new in each run differs (times, ids, temporary paths), that is the cause wherever it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from ..diverging.causes import class_of
from ..diverging.differences import ABSENT, Compared, Difference, Place, common_start, places, told
from ..matching.fitting import rules_that_fit

Break = Literal["tool_schema", "prompt", "tool_result", "history", "parameter", "volatile", "order", "removed", "compacted", "member_order"]
_CONTEXT = 80  # characters beside what differs, in which a pattern may begin
_WINDOW = 20_000  # a longer difference is no volatile value
_SHOWN = 3
_CLASSES: Mapping[str, Break] = MappingProxyType(
    {"tool_schema": "tool_schema", "prompt": "prompt", "tool_result": "tool_result", "history": "history", "parameter": "parameter"}
)
_ITEMS = ("$.input[", "$.messages[")
_SETTINGS = ("$.text.", "$.reasoning.", "$.response_format", "$.reasoning_effort", "$.verbosity", "$.tool_choice", "$.thinking")


class Broken(NamedTuple):
    """`cause`: its class; `path`: the place in the later request. `alike`: how much of the part there is the same, of 1. `differences`: the first of them:
    `recorded` is what the earlier turn said. `patterns`: of volatile values."""

    cause: Break
    path: str
    alike: float = 0.0
    differences: tuple[Difference, ...] = ()
    patterns: tuple[str, ...] = ()


def broken(path: str, was: Any, now: Any, *, edited: bool) -> Broken:
    """`was`, `now`: what stands there in the earlier and in the later one; ABSENT: nothing. `edited`: one took the other's place."""
    if isinstance(now, dict) and now.get("type") == "compaction":
        return Broken("compacted", path)
    cause = _class(path, was if now is ABSENT else now)
    if not edited:
        missing = Difference(path, None if was is ABSENT else _short(was), None if now is ABSENT else _short(now))
        if not path.startswith(_ITEMS):
            return Broken(cause, path, 0.0, (missing,))
        return Broken("removed" if now is ABSENT else "order", path, 0.0, (missing,))
    found = _places(path, was, now)
    differences = tuple(told(place) for place in found[:_SHOWN])
    if was == now:
        return Broken("member_order", path, 1.0, differences)
    patterns, same = _patterns(found), _alike(found, was)
    return Broken("volatile" if patterns else cause, differences[0].path if differences else path, same, differences, patterns)


def _class(path: str, value: Any) -> Break:
    if path.startswith(_SETTINGS):
        return "parameter"
    name = "input" if path.startswith("$.input") else "messages" if path.startswith("$.messages") else None
    if name is None:
        return "tool_schema" if path.startswith(("$.tools", "$.functions")) else "prompt"
    side = Compared("", "", "", {}, {name: [value]})
    return _CLASSES.get(class_of(Place(f"$.{name}[0]", ABSENT, value), side, side) or "prompt", "prompt")


def _places(path: str, was: Any, now: Any) -> list[Place]:
    """Where they differ, by the paths of the request."""
    earlier, later = (Compared("", "", "", {}, {"x": value}) for value in (was, now))
    return [place._replace(path=path + place.path[len("$.x") :]) for place in places(earlier, later)]


def _short(value: Any) -> str | None:
    return told(Place("$", value, ABSENT)).recorded


def _patterns(found: list[Place]) -> tuple[str, ...]:
    """The patterns that make all places equal; none if they differ by more."""
    named: dict[str, None] = {}
    for place in found:
        if not isinstance(place.recorded, str) or not isinstance(place.asked, str):
            return ()
        was, now, _ = _windows(place.recorded, place.asked)
        if max(len(was), len(now)) > _WINDOW:
            return ()
        rules = rules_that_fit(was, now)
        if not rules:
            return ()
        named.update(dict.fromkeys(str(rule).removeprefix("normalize ") for rule in rules))
    return tuple(named)


def _windows(was: str, now: str) -> tuple[str, str, int]:
    """Both, from a little before where they differ to a little behind; and how many characters are the same."""
    start = common_start(was, now)
    end = min(common_start(was[::-1], now[::-1]), len(was) - start, len(now) - start)
    first = max(0, start - _CONTEXT)
    windows = [text[first : min(len(text), len(text) - end + _CONTEXT)] for text in (was, now)]
    return windows[0], windows[1], start + end


def _alike(found: list[Place], was: Any) -> float:
    """How much of the earlier one stands in the later one, by characters of its texts."""
    whole = max(_characters(was), 1)
    lost = 0
    for place in found:
        if isinstance(place.recorded, str) and isinstance(place.asked, str):
            lost += len(place.recorded) - _windows(place.recorded, place.asked)[2]
        elif place.recorded is not ABSENT:
            lost += _characters(place.recorded)
    return max(0.0, 1 - lost / whole)


def _characters(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(len(name) + _characters(member) for name, member in value.items())
    return sum(map(_characters, value)) if isinstance(value, list) else 1

"""Where in a JSON text the values stand that paths lead to, so that they can be replaced and all else stays byte for byte. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from playhead.config.rules import Step

STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
"""A string of a JSON text, quotes included."""

_WHITE = re.compile(r"[ \t\n\r]*")
_SCALAR = re.compile(r"-?[0-9][0-9.eE+-]*|true|false|null")
_scan = json.JSONDecoder().raw_decode


class Place(NamedTuple):
    """A value: `text[start:end]`, and the way to it."""

    start: int
    end: int
    path: tuple[str | int, ...]


def places(text: str, paths: Sequence[Sequence[Step]]) -> list[Place]:
    """The values that these paths lead to, in order, none inside another. Raises ValueError, RecursionError: it is no JSON."""
    walker = _Walker(text)
    walker.value(_skip(text, 0), [tuple(path) for path in paths], ())
    return walker.found


def leaves(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The strings, numbers and words inside a value, less the keys of its members."""
    at = start
    while at < end:
        if text[at] == '"':
            found = STRING.match(text, at, end)
            if found is None:
                return
            behind = _skip(text, found.end())
            if not (behind < end and text[behind] == ":" and start != at):
                yield at, found.end()
            at = found.end()
        elif found := _SCALAR.match(text, at, end):
            yield at, found.end()
            at = found.end()
        else:
            at += 1


class _Walker:
    """Walks through a text, as deep as paths lead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.found: list[Place] = []

    def value(self, at: int, paths: list[tuple[Step, ...]], way: tuple[str | int, ...]) -> int:
        """One value; where it ends."""
        if any(not path for path in paths):
            end = _scan(self._text, at)[1]
            self.found.append(Place(at, end, way))
            return end
        opening = self._text[at : at + 1]
        if not paths or opening not in ("{", "["):
            return _scan(self._text, at)[1]
        return self._members(at, opening == "{", lambda key, place: self.value(place, _inside(paths, key), (*way, key)))

    def _members(self, at: int, named: bool, inside: Callable[[str | int, int], int]) -> int:
        text, number = self._text, 0
        at = _skip(text, at + 1)
        if text[at : at + 1] == ("}" if named else "]"):
            return at + 1
        while True:
            key: str | int = number
            if named:
                found = STRING.match(text, at)
                if found is None:
                    raise ValueError("a key is missing")
                key, at = json.loads(found[0], strict=False), _skip(text, found.end())
                if text[at : at + 1] != ":":
                    raise ValueError("a colon is missing")
                at = _skip(text, at + 1)
            at = _skip(text, inside(key, at))
            number += 1
            if text[at : at + 1] == ",":
                at = _skip(text, at + 1)
            elif text[at : at + 1] == ("}" if named else "]"):
                return at + 1
            else:
                raise ValueError("the end is missing")


def _inside(paths: list[tuple[Step, ...]], key: str | int) -> list[tuple[Step, ...]]:
    """What is left of the paths behind that member or item."""
    found: list[tuple[Step, ...]] = []
    for path in paths:
        step = path[0]
        if step.deep:
            found.append(path)
        if step.key is None or step.key == key:
            found.append(path[1:])
    return list(dict.fromkeys(found))


def _skip(text: str, at: int) -> int:
    """Behind white space."""
    found = _WHITE.match(text, at)
    return found.end() if found else at

"""Whole events of a stream in the form in which OpenAI writes nearly all of them, taken apart by one expression. Pure."""

from __future__ import annotations

import re
from operator import add
from typing import NamedTuple

from ..sse import type_of_line
from .passing import DELTA, is_utf8

_EVENTS = re.compile(rb"(event: [^\n]*\n)(data: (?:%b|\{[^\n]*)\n\n)" % DELTA).findall
_BEFORE, _BEHIND = len(b"data: "), len(b"\n\n")


class UsualEvents(NamedTuple):
    """Events by column. `numbers`: of those that may pass (passing.py), as they are written; of others nothing. `sizes`: in bytes of the stream."""

    types: list[str]
    lines: tuple[bytes, ...]
    numbers: tuple[bytes, ...]
    sizes: list[int]

    def json(self, place: int) -> bytes:
        """What the event at a place says."""
        return self.lines[place][_BEFORE:-_BEHIND]


def usual_events(text: bytes) -> UsualEvents | None:
    """The events of bytes that hold nothing but whole events of an `event: ` line, a `data: ` line with an object, and a blank one; else None."""
    if text[:7] != b"event: " or b"\r" in text or not (text.isascii() or is_utf8(text)):
        return None
    found = _EVENTS(text)
    if not found:
        return None
    heads, lines, numbers = zip(*found, strict=True)
    types = [*map(type_of_line, heads)]
    sizes = [*map(add, map(len, heads), map(len, lines))]
    if "" in types or sum(sizes) != len(text):  # something stands between what was found
        return None
    return UsualEvents(types, lines, numbers, sizes)

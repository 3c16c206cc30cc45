"""The top-level members of a JSON object of which only the beginning and the end are at hand, decided without I/O.

Bodies too big to be kept while they are stored piece by piece are read so: what is asked for stands before or behind the one big member.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from typing import Any

from pydantic_core import from_json

EDGE = 1 << 16
"""Bytes kept of each end."""

_OPEN = re.compile(rb"\s*\{")
_KEY = re.compile(rb'\s*,?\s*("[^"\\]*(?:\\.[^"\\]*)*")\s*:\s*', re.DOTALL)
_SCALAR = re.compile(rb'(?:"[^"\\]*(?:\\.[^"\\]*)*"|[^\s,\[\]{}"]+)(?=\s*[,}])', re.DOTALL)
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\Z)|[\[\]{}]', re.DOTALL)
# The same for text read backwards: there a quote is escaped if an odd number of backslashes follows it.
_ESCAPED = rb"\\(?:\\\\)*(?!\\)"
_STRING_BACK = rb'"[^"]*(?:"(?=' + _ESCAPED + rb')[^"]*)*'
_CLOSE_BACK = re.compile(rb"\s*\}")
_KEY_BACK = re.compile(rb"\s*:\s*(" + _STRING_BACK + rb'")\s*[,{]')
_SCALAR_BACK = re.compile(rb"(?:" + _STRING_BACK + rb'"|[^\s,:\[\]{}"]+)(?=\s*:)')
_TOKEN_BACK = re.compile(_STRING_BACK + rb'(?:"|\Z)|[\[\]{}]')
_SPACE = re.compile(rb"\s*")


class Edges:
    """Keeps the beginning and the end of a text that is fed piece by piece."""

    __slots__ = ("_tail", "head", "size")

    def __init__(self) -> None:
        self.size = 0
        self.head = b""
        self._tail = b""

    def feed(self, data: bytes) -> None:
        self.size += len(data)
        room = EDGE - len(self.head)
        if room > 0:
            self.head += data[:room]
            data = data[room:]
        if data:
            self._tail = (self._tail + data[-EDGE:])[-EDGE:]

    @property
    def whole(self) -> bytes | None:
        """All of the text, if it was short."""
        return self.head + self._tail if self.size <= len(self.head) + len(self._tail) else None

    def members(self) -> dict[str, Any]:
        """The members that can be read from the ends."""
        return {**leading(self.head), **trailing(self._tail)}

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, as JSON."""
        return {"size": self.size, "head": b64encode(self.head).decode(), "tail": b64encode(self._tail).decode()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where the one stood that gave this state."""
        self.size, self.head, self._tail = state["size"], b64decode(state["head"]), b64decode(state["tail"])


def leading(head: bytes) -> dict[str, Any]:
    """The members at the beginning of an object, up to the one that is cut. Never raises."""
    found: dict[str, Any] = {}
    opened = _OPEN.match(head)
    at = opened.end() if opened else len(head)
    while key := _KEY.match(head, at):
        end = _value_end(head, key.end(), _SCALAR, _TOKEN, b"[{")
        if end < 0:
            break
        try:
            found[from_json(key[1])] = from_json(head[key.end() : end])
        except ValueError:
            break
        at = end
    return found


def trailing(tail: bytes) -> dict[str, Any]:
    """The members at the end of an object, down to the one that is cut. Never raises."""
    found: dict[str, Any] = {}
    text = tail[::-1]
    closed = _CLOSE_BACK.match(text)
    at = closed.end() if closed else len(text)
    while at < len(text):
        start = _SPACE.match(text, at).end()  # type: ignore[union-attr]  # matches everywhere
        end = _value_end(text, start, _SCALAR_BACK, _TOKEN_BACK, b"]}")
        key = _KEY_BACK.match(text, end) if end >= 0 else None
        if key is None:
            break
        try:
            found.setdefault(from_json(key[1][::-1]), from_json(text[start:end][::-1]))
        except ValueError:
            break
        at = key.end()
    return found


def _value_end(text: bytes, at: int, scalar: re.Pattern[bytes], token: re.Pattern[bytes], openers: bytes) -> int:
    """Where the value at `at` ends; -1 if it does not."""
    if text[at : at + 1] not in (openers[:1], openers[1:]):
        match = scalar.match(text, at)
        return match.end() if match else -1
    depth = 0
    for found in token.finditer(text, at):
        sign = text[found.start()]
        if sign != 0x22:
            depth += 1 if sign in openers else -1
            if not depth:
                return found.end()
    return -1

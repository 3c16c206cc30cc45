"""The top-level members of a JSON object of which only the beginning and the end are at hand, decided without I/O.

Bodies and messages too big to be kept while they are stored piece by piece are read so: what is asked for stands before or behind the one big member.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from typing import Any

from pydantic_core import from_json

EDGE = 1 << 16
"""Bytes kept of each end."""

_OPEN = re.compile(rb"\s*\{")
_KEY = re.compile(rb'\s*(?:,\s*)?("[^"\\]*(?:\\.[^"\\]*)*")\s*:\s*', re.DOTALL)
_SCALAR = re.compile(rb'(?:"[^"\\]*(?:\\.[^"\\]*)*"|[^\s,\[\]{}"]+)(?=\s*[,}])', re.DOTALL)
# A string that is cut ends with what is at hand, be it half an escape: else each quote in it would be tried as the beginning of another one.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
# The same for text read backwards: there a quote is escaped if an odd number of backslashes follows it.
_ESCAPED = rb"\\(?:\\\\)*(?!\\)"
_STRING_BACK = rb'"[^"]*(?:"(?=' + _ESCAPED + rb')[^"]*)*'
_CLOSE_BACK = re.compile(rb"\s*\}")
_KEY_BACK = re.compile(rb"\s*:\s*(" + _STRING_BACK + rb'")\s*[,{]')
_SCALAR_BACK = re.compile(rb"(?:" + _STRING_BACK + rb'"|[^\s,:\[\]{}"]+)(?=\s*:)')
_TOKEN_BACK = re.compile(_STRING_BACK + rb'(?:"|\Z)|[\[\]{}]')
_SPACE = re.compile(rb"\s*")
_RESPONSE = re.compile(rb'\s*(?:,\s*)?"response"\s*:\s*\{')


class Edges:
    """Keeps the beginning and the end of a text that is fed piece by piece."""

    __slots__ = ("_tail", "head", "size")

    def __init__(self) -> None:
        self.size = 0
        self.head = b""
        self._tail = bytearray()  # and what came before it, up to as much again: small pieces would have it copied again and again

    def feed(self, data: bytes) -> None:
        self.size += len(data)
        room = EDGE - len(self.head)
        if room > 0:
            self.head += data[:room]
            data = data[room:]
        if data:
            self._tail += data[-EDGE:]
            if len(self._tail) > 2 * EDGE:
                del self._tail[:-EDGE]

    @property
    def whole(self) -> bytes | None:
        """All of the text, if it was short."""
        return self.head + self._tail if self.size <= 2 * EDGE else None

    @property
    def tail(self) -> bytes:
        """The end, but for what is in `head`."""
        return bytes(self._tail[-EDGE:])

    def members(self) -> dict[str, Any]:
        """The members that can be read from the ends."""
        return {**leading(self.head), **trailing(self.tail)}

    def event(self) -> dict[str, Any]:
        """The same of an event, and of the Response in it, which is what is big, the members that can be read."""
        (found, at), (behind, end) = _leading(self.head), _trailing(self.tail)
        found |= behind
        if _RESPONSE.match(self.head, at) and "response" not in found:
            found["response"] = {**leading(self.head[self.head.index(b"{", at) :]), **trailing(self.tail[: len(self.tail) - end])}
        return found

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, as JSON."""
        return {"size": self.size, "head": b64encode(self.head).decode(), "tail": b64encode(self.tail).decode()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where the one stood that gave this state."""
        self.size, self.head, self._tail = state["size"], b64decode(state["head"]), bytearray(b64decode(state["tail"]))


def leading(head: bytes) -> dict[str, Any]:
    """The members at the beginning of an object, up to the one that is cut. Never raises."""
    return _leading(head)[0]


def trailing(tail: bytes) -> dict[str, Any]:
    """The members at the end of an object, down to the one that is cut. Never raises."""
    return _trailing(tail)[0]


def _leading(head: bytes) -> tuple[dict[str, Any], int]:
    """Those members, and where what follows them begins."""
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
    return found, at


def _trailing(tail: bytes) -> tuple[dict[str, Any], int]:
    """Those members, and how much stands behind what comes before them."""
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
    return found, at


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

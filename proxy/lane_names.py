"""The name of the lane in an event's JSON text, changed without touching anything else. Pure."""

from __future__ import annotations

import json
import re

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]')
_NAME = b"stream_id"


def on_lane(text: bytes, name: str | None) -> bytes:
    """An event as it is on that lane; None: the default lane, whose events name none. What is no JSON object stays as it is."""
    members = _members(text)
    if members is None:
        return text
    found, last, closing = members
    value = None if name is None else json.dumps(name).encode()
    if not found:
        if value is None:
            return text
        comma = b"," if last else b""
        at = last or closing
        return text[:at] + comma + b'"stream_id":' + value + text[at:]
    pieces: list[bytes] = []
    done = 0
    for start, colon, stop, after in reversed(found) if value is None else found:
        if value is not None:
            pieces += (text[done : colon + 1], _white(text[colon + 1 : stop]), value)
            done = stop
        elif text[after : after + 1] == b",":  # with the comma behind it, or else the one before
            rest = after + 1 + len(_white(text[after + 1 :]))
            text = text[:start] + text[rest:]
        else:
            before = text.rfind(b",", 0, start)
            text = text[: before if before >= 0 and not text[before + 1 : start].strip() else start] + text[stop:]
    return text if value is None else b"".join((*pieces, text[done:]))


def _white(text: bytes) -> bytes:
    """The white space that it begins with."""
    return text[: len(text) - len(text.lstrip(b" \t\r\n"))]


_Member = tuple[int, int, int, int]


def _members(text: bytes) -> tuple[list[_Member], int, int] | None:
    """Of the members that name the lane: where the name starts, where its colon is, where the value ends and what follows stands; then the end of the
    last member (0: there is none) and the closing brace. None: it is no JSON object."""
    depth = 0
    found: list[_Member] = []
    key: tuple[int, int, bytes] | None = None  # start, end, text of the last string at the top
    named: tuple[int, int] | None = None
    any_member = False
    for token in _TOKEN.finditer(text):
        first = token[0][:1]
        if depth == 0:
            if first != b"{" or text[: token.start()].strip():
                return None
            depth = 1
        elif first in (b"{", b"["):
            depth += 1
        elif first in (b"}", b"]") and depth > 1:
            depth -= 1
        elif depth > 1:
            continue
        elif first == b'"':
            key = (token.start(), token.end(), token[0][1:-1])
        elif first == b":":
            any_member = True
            if key is not None and key[2] == _NAME:
                named = (key[0], token.start())
        elif first in (b",", b"}"):
            stop = len(text[: token.start()].rstrip(b" \t\r\n"))
            if named is not None:
                found.append((*named, stop, token.start()))
                named = None
            if first == b"}":
                return (found, stop if any_member else 0, token.start()) if not text[token.end() :].strip() else None
    return None

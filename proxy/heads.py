"""What the raw head of a request or an answer says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from .plain import text_of

_USUAL_HEAD = 4096  # bytes
_LINES_END = b"\r\n\r\n"


def headers_of(head: bytes) -> dict[bytes, bytes]:
    """The headers of a raw head by lower-case name; the values of one that stands there several times are joined by commas."""
    found: dict[bytes | None, bytes] = {}
    for name, value in map(_usual_header if len(head) <= _USUAL_HEAD else _header, head.removesuffix(_LINES_END).split(b"\r\n")[1:]):
        found[name] = found[name] + b", " + value if name in found else value
    found.pop(None, None)
    return found  # type: ignore[return-value]


def _header(line: bytes) -> tuple[bytes | None, bytes]:
    """Name and value; no name: it is no header."""
    name, colon, value = line.partition(b":")
    return name.lower() if colon else None, value.strip(b" \t")


_usual_header = lru_cache(1 << 12)(_header)  # most lines come again and again


def header_text(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    """What a header says, as a text that any database takes."""
    value = headers.get(name)
    return text_of(value.decode("latin-1")) if value else None

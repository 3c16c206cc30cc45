"""Forms in parts (multipart/...) without their boundary, which clients make anew for each request. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_BOUNDARY = re.compile(rb';[ \t]*boundary=(?:"([^"]+)"|([^";\s]+))', re.IGNORECASE)
_HEADER = re.compile(rb"(?:\A|\r\n)(content-disposition|content-type)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_PARAMETER = re.compile(rb';[ \t]*(name|filename)(\*?)=(?:"((?:[^"\\]|\\.)*)"|([^;]*))', re.IGNORECASE)


class Part(NamedTuple):
    """One part. None: it does not say. `filename`, `name`: as written, without quotes."""

    name: bytes | None
    filename: bytes | None
    content_type: bytes | None
    content: bytes


def boundary_of(content_type: bytes) -> bytes | None:
    """The boundary that a Content-Type names."""
    found = _BOUNDARY.search(content_type)
    return (found[1] or found[2]) if found else None


def parts_of(body: bytes, boundary: bytes) -> list[Part] | None:
    """The parts in order; None if the body is not made of such parts, or is cut off."""
    before, *pieces = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if before.strip() or not pieces or pieces[-1].rstrip() != b"--":
        return None
    parts = [_part(piece) for piece in pieces[:-1]]
    return None if None in parts else [part for part in parts if part]


def _part(piece: bytes) -> Part | None:
    padding, line_end, rest = piece.partition(b"\r\n")
    if padding.strip() or not line_end:
        return None
    if rest.startswith(b"\r\n"):
        head, content = b"", rest[2:]
    else:
        head, blank, content = rest.partition(b"\r\n\r\n")
        if not blank:
            return None
    headers = {found[1].lower(): found[2] for found in _HEADER.finditer(head)}
    said = {found[1].lower(): found[4] if found[3] is None else found[3] for found in _PARAMETER.finditer(headers.get(b"content-disposition", b""))}
    return Part(said.get(b"name"), said.get(b"filename"), headers.get(b"content-type"), content)


class WithoutBoundary:
    """A body piece by piece, each delimiter in it taken out: what is left of bodies that are too long to be read as parts."""

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"--" + boundary
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What can be told of the body so far. It depends on the whole body only, not on where it is cut."""
        text = self._rest + data
        *whole, rest = text.split(self._delimiter)
        for piece in whole:
            yield piece
            yield b"--"
        safe = max(len(rest) - len(self._delimiter) + 1, 0)
        yield rest[:safe]
        self._rest = rest[safe:]

    def finish(self) -> bytes:
        """What was held back."""
        return self._rest

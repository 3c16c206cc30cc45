"""Content codings applied, so that a text gives the bytes that the encoder of a server gave, where it is one of those known here. Pure.

An encoder is told by its library and level: `zlib 6`, `raw 6` (deflate without zlib's header), `brotli 4`, `zstd 3`, `zstd 3 whole checked` (its frame says
the size of the text, and has a checksum). Other versions of a library may give other bytes: whoever needs the same must compare.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import brotli
import zstandard

GZIP_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\x03"
"""What zlib writes: no time, no name, made on Unix."""

_PIECE = 1 << 16
_AT_ONCE = ("br", "zstd")  # what these make depends on how much they are given
_SLOW = 1 << 16  # bytes of a text for which the slowest of all is not tried
_MARKER = b"\0\0\xff\xff"  # what Z_SYNC_FLUSH leaves behind
_MARKERS = 1 << 14
_USUAL: Mapping[str, str] = {"gzip": "zlib 6", "x-gzip": "zlib 6", "deflate": "zlib 6", "br": "brotli 4", "zstd": "zstd 3"}
_NAMES = re.compile(r"(?:zlib|raw) [0-9]|brotli (?:[0-9]|1[01])|zstd (?:[1-9]|1[0-9])(?: whole)?(?: checked)?")
_MAKES: Mapping[str, Sequence[str]] = {"zlib": ("gzip", "x-gzip", "deflate"), "raw": ("deflate",), "brotli": ("br",), "zstd": ("zstd",)}

_Step = Callable[[bytes], bytes]


class Parts(NamedTuple):
    """A text in parts, behind each of which its encoder was flushed. `last`: behind the last, too, before it was finished."""

    texts: Sequence[bytes]
    last: bool = False


class _Encoder(NamedTuple):
    compress: _Step
    flush: Callable[[], bytes]
    finish: Callable[[], bytes]


def parted(text: bytes, ends: Iterable[int]) -> Parts:
    """A text whose encoder was flushed at these places."""
    known = sorted({end for end in ends if 0 < end <= len(text)})
    last = len(text) in known
    return Parts([text[start:end] for start, end in pairwise([0, *known, *(() if last else (len(text),))])], last)


def is_encoder(name: str, coding: str) -> bool:
    """Whether there is an encoder of that name, and it makes that coding."""
    return _NAMES.fullmatch(name) is not None and coding in _MAKES[name.partition(" ")[0]]


def encoded(parts: Parts, coding: str, name: str) -> bytes:
    """All that an encoder makes of a text; of gzip without the head."""
    return b"".join([piece for _, piece in _pieces(parts, coding, name)])


def anew(texts: Sequence[bytes], codings: Sequence[str]) -> list[bytes]:
    """A text encoded in the usual way. Each of its parts can be decoded once it is there."""
    for coding in codings:
        made = [[GZIP_HEAD] if coding in ("gzip", "x-gzip") else [], *([] for _ in texts[1:])]
        for place, piece in _pieces(Parts(texts), coding, _USUAL[coding]):
            made[place].append(piece)
        texts = [b"".join(pieces) for pieces in made]
    return [*texts]


def encoder_of(data: bytes, text: bytes, coding: str, flushes: Sequence[Sequence[int]]) -> tuple[str, Sequence[int]] | None:
    """The encoder that makes just these bytes of a text, and where it was flushed; None: none of those known here does.

    `data`: of gzip without the head. `flushes`: where it may have been flushed; deflate tells by itself.
    """
    raw = coding in ("gzip", "x-gzip") or (coding == "deflate" and not _has_header(data))
    if coding not in ("br", "zstd"):
        flushes = (_sync_flushes(data, -zlib.MAX_WBITS if raw else zlib.MAX_WBITS),)
    for name in _likely(data, len(text), coding):
        for ends in flushes:
            if _makes(_pieces(parted(text, ends), coding, name), data):
                return name, ends
    return None


def gzip_head(data: bytes) -> bytes:
    """The head of the first member of a gzip body that was decoded (RFC 1952 section 2.3)."""
    flags, end = data[3], 10
    if flags & 4:
        end += 2 + int.from_bytes(data[end : end + 2], "little")
    for flag in (8, 16):  # a name and a comment, each with a zero at its end
        if flags & flag:
            end = data.find(b"\0", end) + 1
    return data[: end + 2 * bool(flags & 2)]


def _makes(pieces: Iterator[tuple[int, bytes]], data: bytes) -> bool:
    """Whether the pieces are that; asks for no more of them than it takes to know."""
    place = 0
    for _, piece in pieces:
        if not data.startswith(piece, place):
            return False
        place += len(piece)
    return place == len(data)


def _pieces(parts: Parts, coding: str, name: str) -> Iterator[tuple[int, bytes]]:
    """What an encoder makes, as it makes it, each with the number of the part that it had been given then."""
    encoder = _encoder(coding, name, sum(map(len, parts.texts)))
    last = len(parts.texts) - 1
    for place, text in enumerate(parts.texts):
        step = max(len(text), 1) if coding in _AT_ONCE else _PIECE
        for start in range(0, len(text), step):
            yield place, encoder.compress(text[start : start + step])
        if place < last or parts.last:
            yield place, encoder.flush()
    yield max(last, 0), encoder.finish()
    if coding in ("gzip", "x-gzip"):
        crc = 0
        for text in parts.texts:
            crc = zlib.crc32(text, crc)
        yield max(last, 0), crc.to_bytes(4, "little") + (sum(map(len, parts.texts)) & 0xFFFFFFFF).to_bytes(4, "little")


def _encoder(coding: str, name: str, size: int) -> _Encoder:
    kind, level, *manner = name.split(" ")
    if kind == "brotli":
        made = brotli.Compressor(quality=int(level))
        return _Encoder(made.process, made.flush, made.finish)
    if kind == "zstd":
        whole = "whole" in manner
        maker = zstandard.ZstdCompressor(level=int(level), write_checksum="checked" in manner, write_content_size=whole)
        frame = maker.compressobj(size=size) if whole else maker.compressobj()
        return _Encoder(frame.compress, lambda: frame.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK), lambda: frame.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH))
    window = zlib.MAX_WBITS if kind == "zlib" and coding == "deflate" else -zlib.MAX_WBITS
    deflate = zlib.compressobj(int(level), zlib.DEFLATED, window)
    return _Encoder(deflate.compress, lambda: deflate.flush(zlib.Z_SYNC_FLUSH), deflate.flush)


def _likely(data: bytes, size: int, coding: str) -> list[str]:
    """The encoders that are tried, the likeliest first."""
    if coding == "br":
        return [f"brotli {quality}" for quality in (4, 5, 6, 3, 2, 1, 0, 7, 8, 9, *((11,) if size < _SLOW else ()))]
    if coding == "zstd":
        flags = data[4] if len(data) > 4 else 0
        manner = " whole" * (flags >> 5 > 0) + " checked" * (flags >> 2 & 1)
        return [f"zstd {level}{manner}" for level in (3, 1, 2, 4, 5, 6, 7, 8, 9)]
    kind = "raw" if coding == "deflate" and not _has_header(data) else "zlib"
    return [f"{kind} {level}" for level in (6, 9, 1, 5, 4, 3, 2, 7, 8)]


def _has_header(data: bytes) -> bool:
    """Whether a body of deflate has the header of zlib (RFC 1950)."""
    return len(data) > 1 and data[0] & 15 == 8 and int.from_bytes(data[:2]) % 31 == 0


def _sync_flushes(data: bytes, window: int) -> list[int]:
    """Where in the text an encoder of deflate was flushed: it leaves marks, which by chance stand nowhere else."""
    inflate = zlib.decompressobj(window)
    found: list[int] = []
    start = size = 0
    while (mark := data.find(_MARKER, start)) >= 0 and len(found) < _MARKERS:
        size += len(inflate.decompress(data[start : mark + 4]))
        start = mark + 4
        found.append(size)
    return found

"""Answers with a Content-Encoding in a cassette: their text stands there like that of any other, and a line says how their bytes are had again. Pure.

`{"coded": CODING, "by": ENCODER, "hash": ...}` where an encoder that is known here makes the same bytes of the text (`flushed`: the sizes of the parts behind
which it was flushed, or `events`, or `end`; `head`: of gzip, if it has something of its own); else `{"coded": CODING, "coded_base64": ...}`.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from xxhash import xxh3_64_hexdigest

from playhead.storage.records import Direction, Frame, Raw

from ..decoding import BodyDecoder, codings_of, content_encoding
from ..encoding import GZIP_HEAD, anew, encoded, encoder_of, gzip_head, is_encoder, parted
from .json_text import Written, restored

Line = dict[str, Any]

_LONGEST = 16 << 20  # of a text: what a few bytes unfold to must not be all there is room for
_GZIP = ("gzip", "x-gzip")
_LENGTH = re.compile(rb"(?im)^(content-length:[ \t]*)\d+")
_DIFFER = (
    "the text of the answer is not what its bytes ('coded_base64') say. "
    "If it was changed on purpose, take the member 'check' out of this line: the text counts then"
)


class Text(NamedTuple):
    """The text of an answer. `places`: how much of it was there when each frame had come."""

    data: bytes
    coding: str
    places: Sequence[int]


def coding_of(heads: bytes) -> str:
    """The Content-Encoding of the final head, as it stands there; empty if there is none, or none that counts."""
    found = content_encoding(heads)
    return found.decode("latin-1") if codings_of(found) else ""


def text_of(raw: Raw) -> Text | None:
    """The text of an answer that has a coding; None: it has none, was cut, or is no text: such a body stands as it is."""
    coding = coding_of(raw.response_heads)
    if not coding or not raw.response:
        return None
    decoder = BodyDecoder(coding.encode("latin-1"))
    parts: list[bytes] = []
    places: list[int] = []
    size = start = 0
    for length in [*(frame.length for frame in raw.frames if frame.direction == Direction.UPSTREAM), len(raw.response)]:
        for piece in decoder.feed(raw.response[start : start + length]):
            parts.append(piece)
            size += len(piece)
            if size > _LONGEST:
                return None
        start += length
        places.append(size)
    data = b"".join([*parts, *decoder.finish()])
    return Text(data, coding, places) if decoder.problem is None and data and _is_text(data) else None


def decodable(data: bytes, coding: str) -> bytes:
    """What can be decoded of a body, be it cut or damaged."""
    decoder = BodyDecoder(coding.encode("latin-1"))
    parts: list[bytes] = []
    size = 0
    for piece in decoder.feed(data):
        parts.append(piece)
        size += len(piece)
        if size > _LONGEST:
            break
    return b"".join(parts)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except ValueError:
        return False
    return True


def coded_line(text: Text, data: bytes, sizes: Sequence[int]) -> Line:
    """How the bytes of an answer are had again. `sizes`: of its events."""
    line: Line = {"coded": text.coding}
    codings = codings_of(text.coding.encode("latin-1"))
    head = gzip_head(data) if codings[0] in _GZIP else b""
    ends = [*accumulate(sizes)]
    flushes = [*dict.fromkeys([(), (len(text.data),), (*ends,), (*text.places,)])]
    found = encoder_of(data[len(head) :], text.data, codings[0], flushes) if len(codings) == 1 else None
    if found is None:
        return line | {"coded_base64": b64encode(data).decode()}
    line["by"], flushed = found
    if flushed:
        line["flushed"] = _flushed([*flushed], ends, len(text.data))
    if head and head != GZIP_HEAD:
        line["head"] = b64encode(head).decode()
    return line | {"hash": xxh3_64_hexdigest(data)}


def _flushed(flushes: Sequence[int], ends: Sequence[int], size: int) -> str | list[int]:
    return "events" if flushes == ends else "end" if flushes == [size] else [end - start for start, end in pairwise([0, *flushes])]


class Coded(NamedTuple):
    """What a line says of the bytes of an answer. `data`: these, if they stand there."""

    coding: str
    codings: Sequence[str]
    by: str = ""
    flushed: Sequence[int] | str = ()
    head: bytes = b""
    hash: str = ""
    data: bytes | None = None


def coded_of(line: Line) -> Coded:
    """Read the line. Raises ValueError."""
    coding = line["coded"]
    codings = codings_of(coding.encode("latin-1", "replace")) if isinstance(coding, str) else []
    if not codings or BodyDecoder(coding.encode("latin-1", "replace")).problem:
        raise ValueError("'coded' must be what the answer's Content-Encoding says: gzip, deflate, br or zstd")
    if "coded_base64" in line:
        _only(line, "coded_base64")
        return Coded(coding, codings, data=restored(Written("base64", line["coded_base64"])))
    _only(line, "by", "flushed", "head", "hash")
    by, flushed, hash_, head = line.get("by"), line.get("flushed", []), line.get("hash"), line.get("head")
    if not isinstance(by, str) or len(codings) > 1 or not is_encoder(by, codings[0]):
        raise ValueError("'by' must be an encoder of that coding, such as 'zlib 6', 'brotli 4' or 'zstd 3', or 'coded_base64' must stand there")
    if flushed not in ("events", "end") and (not isinstance(flushed, list) or not all(type(size) is int and size >= 0 for size in flushed)):
        raise ValueError("'flushed' must be 'events', 'end' or a list of sizes")
    if not isinstance(hash_, str):
        raise ValueError("'hash' must be a string")
    start = restored(Written("base64", head)) if head is not None else GZIP_HEAD if codings[0] in _GZIP else b""
    return Coded(coding, codings, by, flushed, start, hash_)


def _only(line: Line, *known: str) -> None:
    for key in line:
        if key not in ("coded", *known):
            raise ValueError(f"{key!r} is nothing that this version of playhead knows here")


def coded_again(raw: Raw, coded: Coded, sizes: Sequence[int], times: Sequence[int], *, changed: bool) -> Raw:
    """An answer with its coding. `raw`: with the text of it. `sizes`, `times`: of its events. `changed`: the text may be another than was recorded.

    Where the bytes that were recorded cannot be had again (the text is another, or the libraries of this machine compress otherwise), it is encoded anew,
    and frames and chunks are made to fit. Raises ValueError.
    """
    if coding_of(raw.response_heads) != coded.coding:
        raise ValueError(f"'coded' says {coded.coding!r}, and the Content-Encoding of the head {coding_of(raw.response_heads)!r}")
    if coded.data is not None:
        if _decodes_to(coded, raw.response):
            return replace(raw, response=coded.data)
        if not changed:
            raise ValueError(_DIFFER)
    else:
        data = coded.head + encoded(parted(raw.response, _ends(coded.flushed, sizes, len(raw.response))), coded.codings[0], coded.by)
        if xxh3_64_hexdigest(data) == coded.hash:
            return replace(raw, response=data)
    return _fitted(raw, coded, sizes, times)


def _ends(flushed: Sequence[int] | str, sizes: Sequence[int], size: int) -> list[int]:
    return [size] if flushed == "end" else [*accumulate(sizes if isinstance(flushed, str) else flushed)]


def _decodes_to(coded: Coded, text: bytes) -> bool:
    decoder = BodyDecoder(coded.coding.encode("latin-1"))
    place = 0
    for piece in decoder.feed(coded.data or b""):
        if not text.startswith(piece, place):
            return False
        place += len(piece)
    return not [*decoder.finish()] and decoder.problem is None and place == len(text)


def _fitted(raw: Raw, coded: Coded, sizes: Sequence[int], times: Sequence[int]) -> Raw:
    """An answer that is encoded anew: each event comes in a frame of its own, when it came; another body in as many bytes of each frame as there are."""
    parts = parted(raw.response, accumulate(sizes)).texts
    made = anew(parts, coded.codings)
    data = b"".join(made)
    theirs = [frame for frame in raw.frames if frame.direction == Direction.UPSTREAM and frame.length]
    at = [time for time, size in zip(times, sizes, strict=True) if size]
    last = max([*at[-1:], *(frame.offset_ns for frame in theirs[-1:])], default=0)
    lengths = [*map(len, made)] if at else _lengths([frame.length for frame in theirs], len(data))
    told = [max(time, 0) for time in [*at, last][: len(lengths)]] if at else [frame.offset_ns for frame in theirs]
    frames = [frame for frame in raw.frames if frame.direction == Direction.CLIENT or not frame.length]
    frames += [Frame(Direction.UPSTREAM, time, length) for time, length in zip(told, lengths, strict=False) if length]
    return replace(
        raw,
        response=data,
        response_heads=_LENGTH.sub(lambda found: found[1] + str(len(data)).encode(), raw.response_heads),
        frames=tuple(sorted(frames, key=lambda frame: frame.offset_ns)) if raw.frames else (),
        chunks=(tuple([length for length in lengths if length]) or (len(data),)) if raw.chunks else (),
    )


def _lengths(sizes: Sequence[int], size: int) -> list[int]:
    """The same sizes as far as they go, the last as much as is needed."""
    ends = [min(end, size) for end in accumulate(sizes)][:-1]
    return [end - start for start, end in pairwise([0, *ends, size])]

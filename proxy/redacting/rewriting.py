"""One recorded exchange rewritten: heads and bodies, and with them the lengths of all that tells where pieces of them begin. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import NamedTuple

from playhead.config.errors import StoreError
from playhead.storage.packing.content import Content, Rewritten
from playhead.storage.records import Direction, EventRow, Frame

from ..decoding import BodyDecoder
from ..diverging.differences import common_start
from ..forwarding.http1 import FRAMING, HOP_BY_HOP
from .redactor import Redactor

_CODING = re.compile(rb"(?im)^content-encoding:[ \t]*([^\r\n]*)\r\n")
_FRAMING = FRAMING | HOP_BY_HOP | frozenset((b"content-type", b"content-length", b"content-encoding", b"date", b"sec-websocket-key", b"sec-websocket-accept"))
_LENGTH = re.compile(rb"(?im)^(content-length:[ \t]*)\d+")


@dataclass(frozen=True, slots=True)
class Places:
    """Where in a new body what stood at a place of the old one stands. `old`, `new`: places that are known, ascending; what lies between two of them and is
    not the same any more moves to the next one."""

    old: Sequence[int]
    new: Sequence[int]

    def at(self, place: int) -> int:
        """Of any place."""
        known = bisect_right(self.old, place) - 1
        if self.old[known] == place or known + 1 == len(self.old):
            return self.new[known] + place - self.old[known]
        return min(self.new[known] + place - self.old[known], self.new[known + 1])


class _Body(NamedTuple):
    """A body and its events, and where in it what stands. `decoded`: its coding was undone."""

    data: bytes
    sizes: Sequence[int]
    places: Places
    decoded: bool = False


def rewritten(content: Content, redactor: Redactor) -> Rewritten | None:
    """The exchange without what is to be taken away; None if there is nothing of it. Raises StoreError: its answer cannot be decoded."""
    raw = content.raw
    request = _body(raw.request, [row.bytes for row in content.events if row.direction == Direction.CLIENT], redactor)
    response = _response(content, redactor)
    request_head, response_heads = head(raw.request_head, redactor), head(raw.response_heads, redactor)
    trailers = redactor.plain(raw.trailers) if raw.trailers else b""
    if (request.data, response.data) == (raw.request, raw.response) and (request_head, response_heads, trailers) == (
        raw.request_head,
        raw.response_heads,
        raw.trailers,
    ):
        return None
    if response.decoded:
        response_heads = _CODING.sub(b"", response_heads)
    if len(response.data) != len(raw.response) and not content.socket:
        response_heads = _with_length(response_heads, len(response.data))
    new = replace(
        raw,
        request_head=request_head,
        request=request.data,
        response_heads=response_heads,
        response=response.data,
        trailers=trailers,
        frames=tuple(_frames(raw.frames, (request.places, response.places))),
        chunks=tuple(_sizes(raw.chunks, response.places)),
        framed=b"",
        blocks=(),
    )
    return Rewritten(new, tuple(_events(content.events, (request.sizes, response.sizes))), request.places.at, response.places.at)


def head(data: bytes, redactor: Redactor) -> bytes:
    """A head, or several: the target, and the values of headers but for those that frame the body."""
    return b"\r\n".join([_line(line, redactor) for line in data.split(b"\r\n")])


def _line(line: bytes, redactor: Redactor) -> bytes:
    if line.startswith(b"HTTP/"):
        return line
    name, colon, value = line.partition(b": ")
    if colon and b" " not in name:
        return line if name.lower() in _FRAMING else name + colon + redactor.plain(value)
    method, first, rest = line.partition(b" ")
    target, last, version = rest.rpartition(b" ")
    return method + first + redactor.plain(target) + last + version


def _response(content: Content, redactor: Redactor) -> _Body:
    raw = content.raw
    coding = _CODING.search(raw.response_heads)
    sizes = [row.bytes for row in content.events if row.direction == Direction.UPSTREAM]
    if coding is None or content.socket or not raw.response:
        return _body(raw.response, sizes, redactor)
    ends = {*accumulate(frame.length for frame in raw.frames if frame.direction == Direction.UPSTREAM), *accumulate(raw.chunks), len(raw.response)}
    decoded, places = _decoded(raw.response, sorted(ends), coding[1])
    made = _body(decoded, sizes, redactor)
    if made.data == decoded:
        return _Body(raw.response, sizes, Places((0,), (0,)))
    return _Body(made.data, made.sizes, Places(places.old, [made.places.at(place) for place in places.new]), decoded=True)


def _decoded(data: bytes, ends: Sequence[int], coding: bytes) -> tuple[bytes, Places]:
    decoder = BodyDecoder(coding)
    pieces: list[bytes] = []
    old, new, size = [0], [0], 0
    for start, end in pairwise([0, *ends]):
        for piece in decoder.feed(data[start:end]):
            pieces.append(piece)
            size += len(piece)
        old.append(end)
        new.append(size)
    pieces += decoder.finish()
    if decoder.problem is not None and not decoder.problem.startswith("truncated"):
        raise StoreError(f"Its answer cannot be looked through ({decoder.problem}): delete the exchange, or leave the session as it is.")
    return b"".join(pieces), Places(old, new)


def _body(data: bytes, sizes: Sequence[int], redactor: Redactor) -> _Body:
    """`sizes`: of the events that it consists of; none: it is a body as a whole."""
    if not sizes or sum(sizes) > len(data):
        new = redactor.body(data) if data else data
        places = Places((0,), (0,)) if new == data else Places((0, *_same_start(data, new), len(data)), (0, *_same_start(data, new), len(new)))
        return _Body(new, sizes, places)
    ends = [0, *accumulate(sizes)]
    pieces = [data[start:end] for start, end in pairwise(ends)]
    made = redactor.events(pieces)
    rest = redactor.plain(data[ends[-1] :]) if ends[-1] < len(data) else b""
    new_ends = [0, *accumulate(map(len, made))]
    whole = b"".join([*made, rest])
    return _Body(whole, [*map(len, made)], Places([*ends, len(data)], [*new_ends, len(whole)]))


def _same_start(old: bytes, new: bytes) -> tuple[int, ...]:
    """How long both are the same, if they begin so."""
    start = common_start(old, new)
    return (start,) if start else ()


def _with_length(heads: bytes, length: int) -> bytes:
    return _LENGTH.sub(lambda found: found[1] + str(length).encode(), heads)


def _frames(frames: Iterable[Frame], places: tuple[Places, Places]) -> Iterator[Frame]:
    """Those that have become empty are gone: an empty one is the time of a head."""
    at = [0, 0]
    for frame in frames:
        start, side = at[frame.direction], places[frame.direction]
        at[frame.direction] = end = start + frame.length
        length = side.at(end) - side.at(start)
        if length or not frame.length:
            yield Frame(frame.direction, frame.offset_ns, length)


def _sizes(sizes: Iterable[int], places: Places) -> Iterator[int]:
    start = 0
    for size in sizes:
        end = start + size
        if length := places.at(end) - places.at(start):
            yield length
        start = end


def _events(events: Sequence[EventRow], sizes: tuple[Sequence[int], Sequence[int]]) -> Iterator[EventRow]:
    sides: tuple[Callable[[], int], Callable[[], int]] = (iter(sizes[0]).__next__, iter(sizes[1]).__next__)
    return (row._replace(bytes=sides[row.direction]()) for row in events)

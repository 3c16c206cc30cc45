"""Requests in the journal that repeat an earlier one: an agent sends its whole history again with every turn. Pure.

What a piece of a request has in common with the last requests of its segment is not written again. A shortened payload is

    number of spans (u16), the spans (u32 each: offset of a frame in the segment, or 0; place in its payload as it is stored; length),
    one behind the other the bytes of the spans whose offset is 0.

A span names what is stored, never what it stands for: no chain has to be followed. Whoever reads has mostly just read it, or finds it in the same segment.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import NamedTuple

from ..records import Kind
from .splits import compare, longest

_OPEN, _WHOLE = int(Kind.OPEN), int(Kind.REQUEST_END)
_TEXTS = 8  # requests to which others are compared
_UNFINISHED = 32  # that are followed at a time
_LEAST = 1 << 13  # bytes: a shorter request is no help
_MOST = 1 << 20
_SPANS = 16  # of a payload; one that would take more is written whole
_SAMPLES = 8
_SAMPLE = 32
_START = 64  # bytes in which requests that are worth comparing begin alike
_LONG = 1 << 14  # a piece of so many bytes tells well which one it repeats
_HELD = 8 << 20  # bytes that a reader keeps
_COUNT = struct.Struct("<H")
_SPAN = struct.Struct("<III")


class Span(NamedTuple):
    """Bytes that are stored. `offset`: of the frame, 0 for this one."""

    offset: int
    start: int
    length: int


class _Text:
    """A request as far as it has come.

    `pieces`: what it says, `spans`: where that is stored. `likes`: requests that it may repeat, the likeliest first; `common`: how many of its bytes have
    been found in them.
    """

    __slots__ = ("common", "likes", "pieces", "size", "spans")

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.spans: list[Span] = []
        self.size = self.common = 0
        self.likes: list[_Text] = []

    def same(self, payload: bytes, at: int) -> int:
        """How many bytes of the payload stand here from that place on."""
        done = 0
        for piece in self.pieces:
            if at >= len(piece):
                at -= len(piece)
                continue
            if piece is payload and not at and not done:
                return len(piece)
            view = memoryview(piece)[at:]
            size = min(len(view), len(payload) - done)
            same = size if payload.startswith(view[:size], done) else longest(size, lambda low, high: payload.startswith(view[low:high], done + low))  # noqa: B023
            done, at = done + same, 0
            if same < len(view):
                break
        return done

    def same_end(self, payload: bytes, start: int, room: int) -> int:
        """How many bytes of the payload, behind `start`, this ends with; at most `room`."""
        piece, size = memoryview(self.pieces[-1]), len(payload)
        limit = min(len(piece), size - start, room)
        return longest(limit, lambda low, high: payload.startswith(piece[len(piece) - high : len(piece) - low], size - high))

    def stored(self, start: int, end: int) -> Iterator[Span]:
        """Where the bytes from `start` to `end` are stored."""
        place = 0
        for offset, at, length in self.spans:
            low, high = max(start - place, 0), min(end - place, length)
            if low < high:
                yield Span(offset, at + low, high - low)
            place += length


class Repetition:
    """The requests in the segment that a worker writes."""

    def __init__(self) -> None:
        self._unfinished: OrderedDict[int, _Text] = OrderedDict()
        self._known: list[_Text] = []  # the latest first

    def forget(self) -> None:
        """Another segment begins, or not everything could be written."""
        self._unfinished.clear()
        self._known.clear()

    def note(self, kind: int, number: int) -> None:
        """A frame that holds no piece of a request."""
        if kind == _OPEN:
            self._unfinished[number] = _Text()
            if len(self._unfinished) > _UNFINISHED:
                self._unfinished.popitem(last=False)
        elif (text := self._unfinished.pop(number, None)) is not None and kind == _WHOLE and text.size >= _LEAST:
            likes, text.likes = text.likes, []
            text.pieces = [b"".join(text.pieces)]
            if likes and likes[0] in self._known and 2 * text.common > likes[0].size:
                self._known.remove(likes[0])  # the new one says as much
            self._known = [text, *self._known[: _TEXTS - 1]]

    def spans(self, number: int, payload: bytes) -> list[Span] | None:
        """What to write of a piece: as spans, of which those without an offset are bytes of the payload; None: all of it."""
        text = self._unfinished.get(number)
        if text is None or not payload:
            return None
        like, start, end = self._whole(text, payload) if len(payload) > _LONG and not text.size else self._piece(text, payload)
        if like is None:
            return None
        literal = Span(0, start, len(payload) - start - end)
        spans = [span for span in (*like.stored(text.size, text.size + start), literal, *like.stored(like.size - end, like.size)) if span.length]
        text.common += start + end
        return None if start + end < _START + _SPAN.size * len(spans) or len(spans) > _SPANS else spans

    def written(self, number: int, offset: int, payload: bytes, spans: list[Span] | None) -> None:
        """A piece is about to stand in the frame at that offset."""
        text = self._unfinished.get(number)
        if text is None:
            return
        text.pieces.append(payload)
        text.size += len(payload)
        if text.size > _MOST:
            del self._unfinished[number]
        elif spans is None:
            text.spans.append(Span(offset, 0, len(payload)))
        else:
            place = _COUNT.size + _SPAN.size * len(spans)
            for span in spans:
                text.spans.append(span if span.offset else Span(offset, place, span.length))
                place += 0 if span.offset else span.length

    def _whole(self, text: _Text, payload: bytes) -> tuple[_Text | None, int, int]:
        """The request that this one repeats, to tell by its first piece, which is most of it; how many bytes at the start and at the end of that piece."""
        like = max(self._known, key=lambda known: _likeness(known.pieces[0], payload), default=None)
        if like is None or not _likeness(like.pieces[0], payload):
            return None, 0, 0
        text.likes = [like]
        return like, *compare(payload, like.pieces[0])

    def _piece(self, text: _Text, payload: bytes) -> tuple[_Text | None, int, int]:
        """As `_whole`, to tell by the next piece."""
        found = []
        for known in text.likes if text.size else self._known:
            size = min(_START, len(payload), len(known.pieces[0]))
            if text.size or known.pieces[0][:size] == payload[:size]:
                found.append((known.same(payload, text.size), known))
        if not found:
            return None, 0, 0
        most, like = max(found, key=itemgetter(0))
        text.likes = [like, *(known for same, known in found if same == most and known is not like)]
        end = like.same_end(payload, most, like.size - text.size - most) if most < len(payload) else 0
        return like, most, end


def _likeness(text: bytes, payload: bytes) -> int:
    """How many samples of the payload are those of the text, up to the first that is not."""
    if text is payload:
        return _SAMPLES + 1
    length = min(len(text), len(payload)) - _SAMPLE
    for number in range(_SAMPLES):
        place = length * number // (_SAMPLES - 1)
        if text[place : place + _SAMPLE] != payload[place : place + _SAMPLE]:
            return number
    return _SAMPLES


def shortened(payload: bytes, spans: list[Span]) -> bytes:
    """A payload that is written as spans."""
    parts = [_COUNT.pack(len(spans)), *(_SPAN.pack(offset, start if offset else 0, length) for offset, start, length in spans)]
    return b"".join([*parts, *(payload[start : start + length] for offset, start, length in spans if not offset)])


class Restored(NamedTuple):
    """A payload that was shortened. `fresh`: bytes of it that are held nowhere else."""

    payload: bytes
    fresh: int


class Repeated:
    """The requests in the segment that is being read. `find` gives the stored payload of the frame at an offset, None if there is no sound one."""

    def __init__(self, find: Callable[[int], bytes | None]) -> None:
        self._find = find
        self._held: OrderedDict[int, bytes] = OrderedDict()  # by offset; the next to be forgotten first
        self._bytes = 0
        self._again: dict[bytes, bytes] = {}  # the last payloads that have nothing of their own, by how they are stored

    def hold(self, offset: int, stored: bytes) -> None:
        """A piece of a request, as it is stored in the frame at that offset, to which others may refer."""
        self._held[offset] = stored
        self._bytes += len(stored)
        while self._bytes > _HELD:
            self._bytes -= len(self._held.popitem(last=False)[1])

    def restored(self, stored: bytes) -> Restored | None:
        """A payload that was shortened; None: something that it refers to is damaged."""
        known = self._again.get(stored)
        if known is not None:
            return Restored(known, 0)  # the very same: who compares it with the other need not look at its bytes
        try:
            return self._joined(stored)
        except struct.error:
            return None

    def _joined(self, stored: bytes) -> Restored | None:
        (count,) = _COUNT.unpack_from(stored)
        place = end = _COUNT.size + _SPAN.size * count
        alone = end == len(stored)
        parts: list[bytes | memoryview] = []
        for offset, start, length in _SPAN.iter_unpack(stored[_COUNT.size : end]):
            source = self._source(offset) if offset else stored
            if not offset:
                start, place = place, place + length
            if source is None or start + length > len(source):
                return None
            parts.append(source if length == len(source) else memoryview(source)[start : start + length])
        if len(parts) == 1 and isinstance(parts[0], bytes):
            return Restored(parts[0], 0)
        payload = b"".join(parts)
        if alone:
            if len(self._again) >= _TEXTS:
                self._again.clear()
            self._again[stored] = payload
        return Restored(payload, len(payload))

    def _source(self, offset: int) -> bytes | None:
        source = self._held.get(offset)
        if source is not None:
            self._held.move_to_end(offset)
        elif (source := self._find(offset)) is not None:
            self.hold(offset, source)
        return source

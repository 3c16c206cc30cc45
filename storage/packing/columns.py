"""Frames and chunk sizes by column: numbers that mostly follow from the bodies, written in as few bytes as is quick.

Of a body's pieces only those sizes are written that its SSE blocks or its chunks do not tell already. Times are kept as steps; their two low
bytes are noise that would spoil the statistics of a compressor, so they stand apart.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import accumulate, compress, repeat
from operator import sub
from typing import NamedTuple

from playhead.config.errors import StoreError

from ..records import Direction, Frame, Raw

# Flags of what was left out. They share a byte with those of deltas.py, which take the low bits.
_CHUNKS_ARE_BLOCKS = 0x10  # one chunk for each block of the response (`sizes_of`)
_FRAMES_ARE_PIECES = 0x20  # one frame from upstream for each chunk, or for each block where the answer is not chunked
_FRAMES_ARE_BODIES = 0x40  # the whole request, perhaps a head, the whole response; of these frames only the offsets are written, loose
_HEADS_APART = 0x80  # frames from upstream that are empty have a direction of their own, and no length

_OFFSET = 5  # bytes of an offset of such a frame: the first 18 minutes of an exchange
_FAR = 1 << 8 * _OFFSET

_HEAD = 2  # that direction
_BLANK_LINE = re.compile(rb"\n\n")  # twice as fast as bytes.split
_MASK = (1 << 64) - 1
_USUAL = 4096
_SIZE_LINES = tuple([b"%x\r\n" % size for size in range(_USUAL)])
_FLIPPED = bytes((1,)) + bytes(255)  # what was 0 (Direction.CLIENT) becomes 1, all else 0

# What reading damaged bytes raises inside this package.
DAMAGE = (IndexError, ValueError, OverflowError, MemoryError, struct.error)


_frame = partial(tuple.__new__, Frame)  # three times as quick as calling it


class Bodies(NamedTuple):
    """The bytes of a raw."""

    request_head: bytes
    request: bytes
    response_heads: bytes
    response: bytes
    trailers: bytes

    @classmethod
    def of(cls, raw: Raw) -> Bodies:
        return _bodies((raw.request_head, raw.request, raw.response_heads, raw.response, raw.trailers))


_bodies = partial(tuple.__new__, Bodies)


class Timeline(NamedTuple):
    """Frames by column."""

    directions: bytes
    offsets: tuple[int, ...]
    lengths: tuple[int, ...]

    @classmethod
    def of(cls, raw: Raw) -> Timeline:
        if not raw.frames:
            return NO_FRAMES
        directions, offsets, lengths = zip(*raw.frames, strict=True)
        return _timeline((bytes(directions), offsets, lengths))

    @property
    def frames(self) -> tuple[Frame, ...]:
        """As they were."""
        return tuple(map(_frame, zip(*self, strict=True)))

    @property
    def from_upstream(self) -> tuple[int, ...]:
        return tuple(compress(self.lengths, self.directions))

    @property
    def from_client(self) -> tuple[int, ...]:
        return tuple(compress(self.lengths, self.directions.translate(_FLIPPED)))

    @property
    def steps(self) -> tuple[int, ...]:
        """Each offset less the one before, modulo 2^64."""
        steps = tuple(map(sub, self.offsets, (0, *self.offsets)))
        return steps if min(steps, default=0) >= 0 else tuple([step & _MASK for step in steps])


NO_FRAMES = Timeline(b"", (), ())
_timeline = partial(tuple.__new__, Timeline)


class Columns(NamedTuple):
    """Chunk sizes and frames, written: what compresses, what does not, and the flags that say what was left out."""

    packed: bytes
    loose: bytes
    flags: int

    @classmethod
    def of(cls, raw: Raw, timeline: Timeline) -> Columns:
        packed, loose, flags = b"", b"", 0
        directions, offsets, lengths = timeline
        whole = _are_bodies(raw, timeline)
        if raw.chunks:
            pieces = raw.blocks or sizes_of(raw.response)
            if raw.chunks == pieces:
                flags |= _CHUNKS_ARE_BLOCKS
            else:
                packed, pieces = planes(raw.chunks), raw.chunks
        else:
            pieces = (raw.blocks or sizes_of(raw.response)) if len(offsets) > 1 and not whole else ()
        if whole:
            flags |= _FRAMES_ARE_BODIES
            loose = b"".join([offset.to_bytes(_OFFSET, "little") for offset in offsets])
        elif offsets:
            upstream = timeline.from_upstream
            marked = _with_heads(timeline) if 0 in upstream else None
            if marked is not None:
                upstream = tuple(filter(None, upstream))
            if upstream == pieces:
                flags |= _FRAMES_ARE_PIECES if marked is None else _FRAMES_ARE_PIECES | _HEADS_APART
                lengths, directions = timeline.from_client, marked or directions
            steps = words(timeline.steps)
            packed += directions + planes(lengths) + _high_planes(steps)
            loose = steps[0::8] + steps[1::8]
        return _columns((packed, loose, flags))


_columns = partial(tuple.__new__, Columns)


def chunks_are_blocks(flags: int) -> bool:
    """What the flags of a body's columns say."""
    return bool(flags & _CHUNKS_ARE_BLOCKS)


def _are_bodies(raw: Raw, timeline: Timeline) -> bool:
    directions, offsets, lengths = timeline
    if not ((directions == b"\0\1\1" and not lengths[1]) or directions == b"\0\1") or not raw.response:
        return False
    return lengths[0] == len(raw.request) and lengths[-1] == len(raw.response) and max(offsets) < _FAR


def _with_heads(timeline: Timeline) -> bytes | None:
    """The directions, those of heads apart. None if there are any that nobody has."""
    marked = bytearray(timeline.directions)
    if max(marked) > Direction.UPSTREAM:
        return None
    place = -1
    for _ in range(timeline.lengths.count(0)):
        place = timeline.lengths.index(0, place + 1)
        marked[place] = _HEAD if marked[place] else Direction.CLIENT
    return bytes(marked)


def restored(
    raw: Bodies, columns: Columns, chunk_count: int, frame_count: int, blocks: Callable[[bytes], tuple[int, ...]] | None = None
) -> tuple[Timeline, tuple[int, ...]]:
    """Frames and chunk sizes. `blocks`: what tells the sizes of a response's blocks (None: `sizes_of`). Raises ValueError, IndexError."""
    packed, position = columns.packed, 0
    chunks: tuple[int, ...] = ()
    timeline = NO_FRAMES
    whole = columns.flags & _FRAMES_ARE_BODIES
    pieces = (blocks or sizes_of)(raw.response) if chunk_count or (frame_count > 1 and not whole) else ()
    if chunk_count:
        if not columns.flags & _CHUNKS_ARE_BLOCKS:
            pieces, position = read_planes(packed, 0, chunk_count)
        chunks = pieces
    if whole:
        timeline = _read_whole(raw, columns.loose, frame_count)
    elif frame_count:
        timeline, position = _read_frames(columns, position, frame_count, pieces)
    loose = frame_count * (_OFFSET if whole else 2)
    if position != len(packed) or len(chunks) != chunk_count or len(timeline.offsets) != frame_count or len(columns.loose) != loose:
        raise ValueError("its chunks and frames do not fit its bodies")
    return timeline, chunks


def _read_whole(raw: Bodies, loose: bytes, count: int) -> Timeline:
    asked, answered, number = len(raw.request), len(raw.response), int.from_bytes
    first, second, third = (number(loose[:5], "little"), number(loose[5:10], "little"), number(loose[10:15], "little"))
    return Timeline(b"\0\1", (first, second), (asked, answered)) if count == 2 else Timeline(b"\0\1\1", (first, second, third), (asked, 0, answered))


def _read_frames(columns: Columns, position: int, count: int, pieces: tuple[int, ...]) -> tuple[Timeline, int]:
    directions = columns.packed[position : position + count]
    position += count
    if columns.flags & _FRAMES_ARE_PIECES:
        apart = bool(columns.flags & _HEADS_APART)
        heads = directions.count(_HEAD) if apart else 0
        rest, position = read_planes(columns.packed, position, count - len(pieces) - heads)
        lengths = _interleaved(directions, rest, pieces, heads_apart=apart)
        if heads:
            directions = directions.replace(bytes((_HEAD,)), bytes((Direction.UPSTREAM,)))
    else:
        lengths, position = read_planes(columns.packed, position, count)
    written, position = _read_words(columns.packed, position, count, lowest=2)
    written[0::8], written[1::8] = columns.loose[:count], columns.loose[count : 2 * count]
    offsets = tuple(accumulate(struct.unpack(f"<{count}Q", written)))
    if max(offsets) > _MASK:  # some go back
        offsets = tuple([offset & _MASK for offset in offsets])
    return Timeline(directions, offsets, lengths), position


def _interleaved(directions: bytes, client: tuple[int, ...], upstream: tuple[int, ...], *, heads_apart: bool) -> tuple[int, ...]:
    """Lengths in the order of the frames. Raises ValueError if they do not fit."""
    behind = directions.lstrip(b"\0")
    heads = len(behind) - len(behind.lstrip(bytes((_HEAD,)))) if heads_apart else 0
    if len(directions) - len(behind) == len(client) and len(behind) - heads == len(upstream):  # the request, heads, the answer
        return (*client, *[0] * heads, *upstream)
    asked, answered = iter(client), iter(upstream)
    sources = (asked, answered, repeat(0) if heads_apart else answered)
    lengths = tuple([next(sources[min(direction, _HEAD)], -1) for direction in directions])
    if min(lengths, default=0) < 0:
        raise ValueError("its frames do not fit its response")
    return lengths


def blocks_of(response: bytes) -> tuple[list[bytes], bytes]:
    """What blank lines end in a response, without these, and what follows the last one: SSE comes in such pieces."""
    *blocks, rest = _BLANK_LINE.split(response)
    return blocks, rest


def sizes_of(response: bytes) -> tuple[int, ...]:
    """Of its blocks, with their blank lines."""
    return _sizes(*blocks_of(response))


def _sizes(blocks: list[bytes], rest: bytes) -> tuple[int, ...]:
    sizes = [size + 2 for size in map(len, blocks)]
    if rest:
        sizes.append(len(rest))
    return tuple(sizes)


class Blocks:
    """The sizes of one response's blocks after the other; equal answers often come one behind the other. Not safe for use by several threads."""

    def __init__(self, *, framed: bool) -> None:
        """`framed`: wanted is also the response as it is with each block in a chunk of its own."""
        self._wanted = framed
        self._response = b""
        self._sizes: tuple[int, ...] = ()
        self._framed = b""

    def sizes(self, response: bytes) -> tuple[int, ...]:
        """As `sizes_of`."""
        if response != self._response:
            blocks, rest = blocks_of(response)
            self._response, self._sizes = response, _sizes(blocks, rest)
            self._framed = _framed(blocks, rest, self._sizes) if self._wanted else b""
        return self._sizes

    def framed(self, response: bytes) -> bytes:
        """The chunks, without the empty one that is the last; nothing if that is not wanted."""
        return self._framed if self._wanted and self.sizes(response) else b""


def _framed(blocks: list[bytes], rest: bytes, sizes: tuple[int, ...]) -> bytes:
    """Each block goes over as it was cut: cutting them out of the whole once more would cost as much as finding them."""
    pieces = [b"\n\n\r\n"] * (3 * len(blocks))
    pieces[::3] = [_SIZE_LINES[size] if size < _USUAL else b"%x\r\n" % size for size in sizes[: len(blocks)]]
    pieces[1::3] = blocks
    return b"".join([*pieces, b"%x\r\n" % len(rest), rest, b"\r\n"] if rest else pieces)


def words(values: Sequence[int]) -> bytes:
    count = len(values)
    return _FEW[count].pack(*values) if count < len(_FEW) else struct.pack(f"<{count}Q", *values)


_FEW = tuple([struct.Struct(f"<{count}Q") for count in range(8)])


def planes(values: Sequence[int]) -> bytes:
    """Numbers below 2^64 as a byte for the width, then the lowest byte of each, the next byte of each, ...: quick, and compresses well."""
    if not values:
        return b"\0"
    width = (max(values).bit_length() + 7) // 8 or 1  # no width 0: the count must not exceed the bytes that back it
    written = words(values)
    return b"".join((bytes((width,)), *[written[plane::8] for plane in range(width)]))


def _high_planes(written: bytes) -> bytes:
    """`planes` of numbers, already in words, without their two low bytes."""
    high = [written[plane::8] for plane in range(2, 8)]
    while len(high) > 1 and not high[-1].strip(b"\0"):
        high.pop()
    return b"".join((bytes((len(high),)), *high))


def read_planes(data: bytes, position: int, count: int) -> tuple[tuple[int, ...], int]:
    """The numbers, and where they end in `data`. Raises ValueError, IndexError."""
    read, end = _read_words(data, position, count)
    return struct.unpack(f"<{count}Q", read), end


def _read_words(data: bytes, position: int, count: int, *, lowest: int = 0) -> tuple[bytearray, int]:
    """As `words`; the planes there are begin with that byte of each."""
    width = data[position]
    end = position + 1 + width * count
    if width > 8 - lowest or count < 0 or end > len(data) or (count and not width):
        raise ValueError("its columns are cut off")
    read = bytearray(8 * count)
    start = position + 1
    for plane in range(lowest, lowest + width):
        read[plane::8] = data[start : start + count]
        start += count
    return read, end


def pack_frames(frames: Sequence[Frame]) -> bytes:
    """Frames on their own, for what is stored piece by piece. Offsets and lengths are below 2^64, directions below 2^8."""
    raw = Raw(frames=tuple(frames))
    timeline = Timeline.of(raw)
    columns = Columns.of(raw, timeline)
    return varints((len(timeline.offsets), columns.flags)) + columns.loose + columns.packed


def unpack_frames(data: bytes) -> tuple[Frame, ...]:
    """Raises StoreError if it is damaged."""
    try:
        (count, flags), position = read_varints(data, 0, 2)
        columns = Columns(data[position + 2 * count :], data[position : position + 2 * count], flags)
        timeline, end = _read_frames(columns, 0, count, ()) if count else (NO_FRAMES, 0)
        if end != len(columns.packed):
            raise ValueError("it has bytes too many")
    except DAMAGE as error:
        raise StoreError(f"stored frames cannot be read: {error}") from None
    return timeline.frames


def pack_sizes(sizes: Sequence[int]) -> bytes:
    """Chunk sizes on their own; each is below 2^64."""
    return varints((len(sizes),)) + planes(sizes)


def unpack_sizes(data: bytes) -> tuple[int, ...]:
    """Raises StoreError if it is damaged."""
    try:
        (count,), position = read_varints(data, 0, 1)
        sizes, end = read_planes(data, position, count)
        if end != len(data):
            raise ValueError("it has bytes too many")
    except DAMAGE as error:
        raise StoreError(f"stored chunk sizes cannot be read: {error}") from None
    return sizes


def varints(values: Sequence[int]) -> bytes:
    """Each number in groups of seven bits, the lowest first; the high bit says that more follow."""
    return b"".join(map(_varint, values))


@lru_cache(1 << 12)
def _varint(value: int) -> bytes:
    if 1 << 14 <= value < 1 << 21:  # as most lengths of bodies are
        return bytes((value & 127 | 128, value >> 7 & 127 | 128, value >> 14))
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)


def read_varints(data: bytes, position: int, count: int) -> tuple[list[int], int]:
    """`count` numbers and where they end. Raises ValueError, IndexError."""
    values = []
    for _ in range(count):
        value = data[position]
        position += 1
        if value > 127:
            if (byte := data[position]) < 128:
                value, position = value & 127 | byte << 7, position + 1
            else:
                value, position = _read_long(data, position, value & 127)
        values.append(value)
    return values, position


def _read_long(data: bytes, position: int, value: int) -> tuple[int, int]:
    for shift in range(7, 64, 7):
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise ValueError("its header is cut off")

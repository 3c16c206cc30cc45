"""Frames and chunk sizes by column: numbers that mostly follow from the bodies, written in as few bytes as is quick.

Of a body's pieces only those sizes are written that its SSE blocks or its chunks do not tell already. Times are kept as steps; their two low
bytes are noise that would spoil the statistics of a compressor, so they stand apart.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from itertools import accumulate, compress, repeat
from typing import NamedTuple

from playhead.config.errors import StoreError

from .records import Direction, Frame, Raw

# Flags of what was left out. They share a byte with those of deltas.py, which take the low bits.
_CHUNKS_ARE_BLOCKS = 0x10  # one chunk for each block of the response (`_blocks`)
_FRAMES_ARE_PIECES = 0x20  # one frame from upstream for each chunk, or for each block where the answer is not chunked
_FRAMES_ARE_BODIES = 0x40  # the whole request, perhaps a head, the whole response; of these frames only the offsets are written, loose
_HEADS_APART = 0x80  # frames from upstream that are empty have a direction of their own, and no length

_OFFSET = 5  # bytes of an offset of such a frame: the first 18 minutes of an exchange

_HEAD = 2  # that direction
_BLANK_LINE = re.compile(rb"\n\n")  # twice as fast as bytes.split
_MASK = (1 << 64) - 1
_FLIPPED = bytes((1,)) + bytes(255)  # what was 0 (Direction.CLIENT) becomes 1, all else 0

# What reading damaged bytes raises inside this package.
DAMAGE = (IndexError, ValueError, OverflowError, MemoryError, struct.error)


class Timeline(NamedTuple):
    """Frames by column."""

    directions: bytes
    offsets: tuple[int, ...]
    lengths: tuple[int, ...]

    @classmethod
    def of(cls, raw: Raw) -> Timeline:
        if not raw.frames:
            return cls(b"", (), ())
        directions, offsets, lengths = zip(*raw.frames, strict=True)
        return cls(bytes(directions), offsets, lengths)

    @property
    def from_upstream(self) -> tuple[int, ...]:
        return tuple(compress(self.lengths, self.directions))

    @property
    def from_client(self) -> tuple[int, ...]:
        return tuple(compress(self.lengths, self.directions.translate(_FLIPPED)))

    @property
    def steps(self) -> tuple[int, ...]:
        """Each offset less the one before, modulo 2^64."""
        return tuple([(b - a) & _MASK for a, b in zip((0, *self.offsets), self.offsets, strict=False)])


class Columns(NamedTuple):
    """Chunk sizes and frames, written: what compresses, what does not, and the flags that say what was left out."""

    packed: bytes
    loose: bytes
    flags: int

    @classmethod
    def of(cls, raw: Raw, timeline: Timeline) -> Columns:
        packed, loose, flags = b"", b"", 0
        lengths, offsets = timeline.lengths, timeline.offsets
        whole = _are_bodies(raw, timeline)
        pieces = _blocks(raw.response) if raw.chunks or (len(offsets) > 1 and not whole) else ()
        if raw.chunks:
            if raw.chunks == pieces:
                flags |= _CHUNKS_ARE_BLOCKS
            else:
                packed, pieces = _planes(raw.chunks), raw.chunks
        if whole:
            flags |= _FRAMES_ARE_BODIES
            loose = b"".join([offset.to_bytes(_OFFSET, "little") for offset in offsets])
        elif offsets:
            directions, upstream = timeline.directions, timeline.from_upstream
            marked = _with_heads(timeline) if 0 in upstream else None
            if marked is not None:
                upstream = tuple(filter(None, upstream))
            if upstream == pieces:
                flags |= _FRAMES_ARE_PIECES if marked is None else _FRAMES_ARE_PIECES | _HEADS_APART
                lengths, directions = timeline.from_client, marked or directions
            steps = words(timeline.steps)
            packed += directions + _planes(lengths) + _high_planes(steps)
            loose = steps[0::8] + steps[1::8]
        return cls(packed, loose, flags)


def _are_bodies(raw: Raw, timeline: Timeline) -> bool:
    lengths = timeline.lengths
    if not raw.response or (timeline.directions, lengths[1:-1]) not in ((b"\0\1", ()), (b"\0\1\1", (0,))):
        return False
    return lengths[0] == len(raw.request) and lengths[-1] == len(raw.response) and max(timeline.offsets) < 1 << 8 * _OFFSET


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


def restored(raw: Raw, columns: Columns, chunk_count: int, frame_count: int) -> Raw:
    packed, position = columns.packed, 0
    chunks: tuple[int, ...] = ()
    frames: tuple[Frame, ...] = ()
    whole = columns.flags & _FRAMES_ARE_BODIES
    pieces = _blocks(raw.response) if chunk_count or (frame_count > 1 and not whole) else ()
    if chunk_count:
        if not columns.flags & _CHUNKS_ARE_BLOCKS:
            pieces, position = _read_planes(packed, 0, chunk_count)
        chunks = pieces
    if whole:
        frames = _read_whole(raw, columns.loose, frame_count)
    elif frame_count:
        frames, position = _read_frames(columns, position, frame_count, pieces)
    loose = frame_count * (_OFFSET if whole else 2)
    if position != len(packed) or len(chunks) != chunk_count or len(frames) != frame_count or len(columns.loose) != loose:
        raise ValueError("its chunks and frames do not fit its bodies")
    return Raw(raw.request_head, raw.request, raw.response_heads, raw.response, raw.trailers, frames, chunks)


def _read_whole(raw: Raw, loose: bytes, count: int) -> tuple[Frame, ...]:
    lengths = (len(raw.request), len(raw.response)) if count == 2 else (len(raw.request), 0, len(raw.response))
    offsets = [int.from_bytes(loose[place : place + _OFFSET], "little") for place in range(0, len(loose), _OFFSET)]
    return tuple([Frame(Direction.UPSTREAM if place else Direction.CLIENT, *one) for place, one in enumerate(zip(offsets, lengths, strict=True))])


def _read_frames(columns: Columns, position: int, count: int, pieces: tuple[int, ...]) -> tuple[tuple[Frame, ...], int]:
    directions = columns.packed[position : position + count]
    position += count
    if columns.flags & _FRAMES_ARE_PIECES:
        heads = directions.count(_HEAD) if columns.flags & _HEADS_APART else 0
        rest, position = _read_planes(columns.packed, position, count - len(pieces) - heads)
        upstream, client = iter(pieces), iter(rest)
        others = repeat(0) if columns.flags & _HEADS_APART else upstream
        sources = (client, upstream, others)
        lengths = [next(sources[min(direction, _HEAD)], -1) for direction in directions]
        if min(lengths, default=0) < 0:
            raise ValueError("its frames do not fit its response")
        if heads:
            directions = directions.replace(bytes((_HEAD,)), bytes((Direction.UPSTREAM,)))
    else:
        found, position = _read_planes(columns.packed, position, count)
        lengths = list(found)
    high, position = _read_planes(columns.packed, position, count)
    loose = columns.loose
    steps = [(a << 16) + (b << 8) + c for a, b, c in zip(high, loose[count : 2 * count], loose[:count], strict=True)]
    offsets = accumulate(steps, lambda a, b: (a + b) & _MASK)
    return tuple(map(Frame, directions, offsets, lengths)), position


def _blocks(response: bytes) -> tuple[int, ...]:
    """Sizes of what blank lines end in a response, and of what follows the last one: SSE comes in such pieces."""
    *blocks, rest = map(len, _BLANK_LINE.split(response))
    sizes = [size + 2 for size in blocks]
    if rest:
        sizes.append(rest)
    return tuple(sizes)


def words(values: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(values)}Q", *values)


def _planes(values: Sequence[int]) -> bytes:
    """Numbers below 2^64 as a byte for the width, then the lowest byte of each, the next byte of each, ...: quick, and compresses well."""
    if not values:
        return b"\0"
    width = (max(values).bit_length() + 7) // 8 or 1  # no width 0: the count must not exceed the bytes that back it
    written = words(values)
    return b"".join((bytes((width,)), *[written[plane::8] for plane in range(width)]))


def _high_planes(written: bytes) -> bytes:
    """`_planes` of numbers, already in words, without their two low bytes."""
    planes = [written[plane::8] for plane in range(2, 8)]
    while len(planes) > 1 and not planes[-1].strip(b"\0"):
        planes.pop()
    return b"".join((bytes((len(planes),)), *planes))


def _read_planes(data: bytes, position: int, count: int) -> tuple[tuple[int, ...], int]:
    """The numbers, and where they end in `data`. Raises ValueError, IndexError."""
    width = data[position]
    end = position + 1 + width * count
    if width > 8 or count < 0 or end > len(data) or (count and not width):
        raise ValueError("its columns are cut off")
    read = bytearray(8 * count)
    for plane in range(width):
        read[plane::8] = data[position + 1 + plane * count : position + 1 + (plane + 1) * count]
    return struct.unpack(f"<{count}Q", read), end


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
        frames, end = _read_frames(columns, 0, count, ()) if count else ((), 0)
        if end != len(columns.packed):
            raise ValueError("it has bytes too many")
    except DAMAGE as error:
        raise StoreError(f"stored frames cannot be read: {error}") from None
    return frames


def pack_sizes(sizes: Sequence[int]) -> bytes:
    """Chunk sizes on their own; each is below 2^64."""
    return varints((len(sizes),)) + _planes(sizes)


def unpack_sizes(data: bytes) -> tuple[int, ...]:
    """Raises StoreError if it is damaged."""
    try:
        (count,), position = read_varints(data, 0, 1)
        sizes, end = _read_planes(data, position, count)
        if end != len(data):
            raise ValueError("it has bytes too many")
    except DAMAGE as error:
        raise StoreError(f"stored chunk sizes cannot be read: {error}") from None
    return sizes


def varints(values: Sequence[int]) -> bytes:
    """Each number in groups of seven bits, the lowest first; the high bit says that more follow."""
    written = bytearray()
    write = written.append
    for value in values:
        while value > 127:
            write(value & 127 | 128)
            value >>= 7
        write(value)
    return bytes(written)


def read_varints(data: bytes, position: int, count: int) -> tuple[list[int], int]:
    """`count` numbers and where they end. Raises ValueError."""
    values = []
    for _ in range(count):
        value = shift = 0
        while True:
            if position >= len(data) or shift > 63:
                raise ValueError("its header is cut off")
            byte = data[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        values.append(value)
    return values, position

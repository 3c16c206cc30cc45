"""The frames of a journal segment as bytes: a header (check, length, kind, number, at), then the payload; and how long a segment gets. Pure."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from xxhash import xxh3_64_intdigest

from .packing.repetition import Repeated
from .records import Kind

MAGIC = b"playhead journal 1\n"
START = len(MAGIC) + 8
HEADER = struct.Struct("<QIBQQ")  # check, length of the payload (and whether it is shortened), kind, number, at
SHORTENED = 1 << 31
KIND_AT = 12  # in the header
LIKE_A_FRAME = re.compile(rb"(?=[\x01-\x0a].{5}\x00{3}.{6}\x00{2})", re.DOTALL)  # kind, number and at of any frame that can be
DATA = int(Kind.REQUEST_DATA)
SEGMENT_BYTES = 16 << 20
_SHARE, _LEAST = 4, 1 << 16  # of the journal's limit, for a segment; and bytes that it may have whatever that is
_MASK = (1 << 64) - 1
_LENGTH = SHORTENED - 1


class JournalFrame(NamedTuple):
    """One frame as read. `at`: ns since the exchange's start. `end`: offset in the segment behind it. `fresh`: bytes of the payload that no other shares."""

    kind: int
    number: int
    at: int
    payload: bytes
    end: int
    fresh: int


_frame = partial(tuple.__new__, JournalFrame)  # of a tuple, at a third of the cost of JournalFrame(...)


def encode(salt: int, kind: int, number: int, at: int, payload: bytes, *, short: bool = False) -> bytes:
    """The header of a frame; the payload is to follow it. `short`: as `repetition.shortened` gives it."""
    length = len(payload) | SHORTENED if short else len(payload)
    # As `_seed`, of which a call would cost as much as the rest.
    who = number << 24 ^ at
    check = xxh3_64_intdigest(payload, (salt ^ who >> 56 ^ (who << 4 ^ length) << 4 ^ kind) & _MASK)
    return HEADER.pack(check, length, kind, number, at)


def _seed(salt: int, length: int, kind: int, number: int, at: int) -> int:
    # Number and at are rotated, by 32 and 8 bits, not shifted: no bit of a field may fall out, or damage to it would go unseen.
    who = number << 24 ^ at
    return (salt ^ who >> 56 ^ (who << 4 ^ length) << 4 ^ kind) & _MASK


def longest_segment(limit: int, most: int = SEGMENT_BYTES) -> int:
    """Bytes of a segment of a journal that may take `limit`: the last one stays, stored or not, so it must not be all there may be."""
    return min(most, max(limit // _SHARE, _LEAST))


def salt_of(name: str, stored: bytes) -> int:
    """The name goes in: if the machine dies before the new beginning of a file used again is on disk, its old frames must not pass for this writer's."""
    return int.from_bytes(stored, "little") ^ xxh3_64_intdigest(name.encode())


def told_by(header: bytes) -> tuple[int, int, int]:
    """Kind, number and at of a frame."""
    _, _, kind, number, at = HEADER.unpack(header)
    return kind, number, at


def torn(buffers: list[bytes], done: int) -> tuple[list[bytes], int]:
    """Of buffers (header, payload, header, ...) of which `done` bytes were written: those of frames that are not whole; the bytes of those that are."""
    size = 0
    for at in range(0, len(buffers), 2):
        end = size + len(buffers[at]) + len(buffers[at + 1])
        if end > done:
            return buffers[at:], size
        size = end
    return [], size


def decode(salt: int, data: bytes | memoryview, base: int, repeated: Repeated | None = None) -> Iterator[JournalFrame]:
    """The whole and sound frames at the start of `data`, which stands at offset `base` of its segment; ends before the first that is not.

    `repeated`: what restores payloads that are shortened; None: all are given as they are stored.
    """
    data = memoryview(data)
    end, size, header, unpack = 0, len(data), HEADER.size, HEADER.unpack_from
    while (start := end + header) <= size:
        check, length, kind, number, at = unpack(data, end)
        frame, end = base + end, start + (length & _LENGTH)
        if end > size:
            return
        payload, fresh = bytes(data[start:end]), end - start
        if xxh3_64_intdigest(payload, _seed(salt, length, kind, number, at)) != check:
            return
        if repeated is not None and (kind == DATA or length & SHORTENED):
            repeated.hold(frame, payload)
            if length & SHORTENED:
                restored = repeated.restored(payload)
                if restored is None:
                    return
                payload, fresh = restored.payload, fresh + restored.fresh
        yield _frame((kind, number, at, payload, base + end, fresh))

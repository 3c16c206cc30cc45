"""The log of a connection by column: quick to write, and small once it is compressed. Pure.

A byte for what a message is; then its turn, its size and the step of time to it, each as the lowest byte of all, the next byte of all, ...
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from operator import sub

from playhead.config.errors import StoreError

from ..packing.columns import DAMAGE, planes, read_planes, read_varints, varints
from .connected import FLAG_HIDDEN, FLAG_OPCODE, LogColumns, LogEntry
from .log_rows import LogRows

PARTS = ("client", "upstream")
"""What the pieces with payloads of each direction are called, by direction."""

_HIDDEN = FLAG_HIDDEN.bit_length() - 1
_KNOWN = bytes(range(2 * FLAG_HIDDEN))
_DIRECTIONS = bytes([flags & 1 for flags in range(256)])
_OPCODES = bytes([flags >> FLAG_OPCODE & 15 for flags in range(256)])
_MASK = (1 << 64) - 1
_entry = partial(tuple.__new__, LogEntry)  # three times as quick as calling it


def pack_log(entries: Sequence[LogEntry]) -> bytes:
    """Directions are 0 or 1, opcodes below 16, all else below 2^64."""
    if not entries:
        return varints((0,))
    rows = entries if isinstance(entries, LogRows) else LogRows(entries)
    steps = [*map(sub, rows.times, [0, *rows.times])]
    if min(steps) < 0:  # some go back
        steps = [step & _MASK for step in steps]
    return b"".join((varints((len(rows),)), rows.flags, planes(rows.turns), planes(rows.sizes), planes(steps)))


def unpack_log(data: bytes) -> list[LogEntry]:
    """Raises StoreError if it is damaged."""
    flags, turns, sizes, times = unpack_columns(data)
    columns = (flags.translate(_DIRECTIONS), flags.translate(_OPCODES), times, turns, sizes, [flag >> _HIDDEN == 1 for flag in flags])
    return [*map(_entry, zip(*columns, strict=True))]


def unpack_columns(data: bytes) -> LogColumns:
    """The same as it is kept. Raises StoreError if it is damaged."""
    try:
        (count,), start = read_varints(data, 0, 1)
        if not count:
            end = start
            columns = LogColumns(b"", (), (), ())
        else:
            flags, position = data[start : start + count], start + count
            turns, position = read_planes(data, position, count)
            sizes, position = read_planes(data, position, count)
            steps, end = read_planes(data, position, count)
            columns = LogColumns(flags, turns, sizes, _times(flags, steps))
        if end != len(data):
            raise ValueError("it has bytes too many")
    except DAMAGE as error:
        raise StoreError(f"the log of a connection cannot be read: {error}") from None
    return columns


def _times(flags: bytes, steps: Sequence[int]) -> Sequence[int]:
    if flags.translate(None, _KNOWN):
        raise ValueError("it has messages of no kind")
    times: Sequence[int] = tuple(accumulate(steps))
    if times[-1] > _MASK:  # some go back
        times = [time & _MASK for time in times]
    return times


def pack_heads(request: bytes, response: bytes) -> bytes:
    """Both heads: the length of the first (u32), then both."""
    return len(request).to_bytes(4, "little") + request + response


def unpack_heads(data: bytes) -> tuple[bytes, bytes]:
    """As they were given to `pack_heads`."""
    end = 4 + int.from_bytes(data[:4], "little")
    return data[4:end], data[end:]

"""Where the payload stands in raw bytes with transfer framing between, which come split anywhere: decided without I/O."""

from __future__ import annotations

import struct

Span = tuple[int, int]

_LONGEST_LINE = 16 << 10
_frame_head = struct.Struct(">HH").unpack_from
_CONTROL = 8  # the bit that the opcodes of control frames have
_LONGEST_CONTROL = 125  # bytes of payload: what is longer is no control frame


class ChunkSlices:
    """Where the payload stands in the raw bytes of a chunked body, which come split anywhere. What breaks the framing counts as payload."""

    __slots__ = ("_ended", "_left", "_line", "_rest", "ended_at")

    def __init__(self) -> None:
        self._left = 0  # of the chunk that goes on
        self._line = b""  # a line of which the end is not here yet
        self._ended = False  # whether nothing follows but trailers
        self._rest = False  # whether all that follows counts as payload
        self.ended_at: int | None = None  # where in the raw bytes fed last the trailers begin or go on

    def feed(self, raw: bytes) -> list[Span]:
        """The next raw bytes; gives where payload stands in them."""
        slices: list[Span] = []
        pos, end = 0, len(raw)
        while pos < end and not self._ended:
            if self._rest:
                slices.append((pos, end))
                break
            if self._left:
                stop = min(pos + self._left, end)
                slices.append((pos, stop))
                self._left -= stop - pos
                pos = stop
                continue
            if not self._line and (whole := _whole_chunks(raw, pos, slices)) > pos:
                pos = whole
                continue
            pos = self._read_line(raw, pos)
        self.ended_at = pos if self._ended else None
        return slices

    def _read_line(self, raw: bytes, pos: int) -> int:
        """Reads on in a line of framing: the first one of a chunk, or the empty one behind it."""
        stop = raw.find(b"\n", pos)
        if stop < 0:
            self._line += raw[pos:]
            self._rest = len(self._line) > _LONGEST_LINE
            return len(raw)
        line, self._line = self._line + raw[pos : stop + 1], b""
        if line not in (b"\r\n", b"\n"):
            size = _chunk_size(line)
            self._left, self._ended, self._rest = max(size, 0), size == 0, size < 0
        return stop + 1


class FrameSlices:
    """Where the payload of messages stands in raw frames (RFC 6455 section 5.2), which come split anywhere, and where that of control frames does.

    Control frames may come between the frames of a message (section 5.4): what they say is no part of it.
    """

    __slots__ = ("_control", "_head", "_left", "controls")

    ended_at = None  # no trailers

    def __init__(self) -> None:
        self.controls: list[Span] = []  # where in the raw bytes fed last the payload of control frames stands, for each of them
        self._control = False  # whether the frame that goes on is a control frame
        self._left = 0  # of the frame that goes on
        self._head = b""  # of a frame whose head is not here whole

    @property
    def in_control(self) -> bool:
        """Whether the payload of a control frame goes on."""
        return self._control and self._left > 0

    def whole(self, raw: bytes) -> bytes | None:
        """The payload of the next raw bytes if they are whole frames of messages, unmasked and shorter than 64 KiB, as nearly all are.

        They need not be fed then. None: they are not. Much quicker than `feed`.
        """
        if self._left or self._head:
            return None
        payloads: list[bytes] = []
        pos, end = 0, len(raw)
        try:
            while pos < end:
                first, size = _frame_head(raw, pos)
                start, short = pos + 4, first & 0x08FF  # the length; too much in a control frame
                if short < 126:
                    start, size = pos + 2, short
                elif short > 126:
                    return None
                pos = start + size
                if pos == end and not payloads:
                    return raw[start:]
                payloads.append(raw[start:pos])
        except struct.error:  # the last one goes on
            return None
        return b"".join(payloads) if pos == end else None

    def feed(self, raw: bytes) -> list[Span]:
        """The next raw bytes; gives where payload of messages stands in them."""
        slices: list[Span] = []
        controls: list[Span] = []
        self.controls = controls
        end = len(raw)
        pos = min(self._left, end)
        if pos:
            (controls if self._control else slices).append((0, pos))
            self._left -= pos
        shift = len(self._head)
        if shift:
            raw, self._head = self._head + raw, b""
            end += shift
        if not shift:
            pos = _whole_frames(raw, pos, slices)
        while pos < end:
            size, start = _frame(raw, pos)
            if start > end:
                self._head = raw[pos:]
                break
            self._control = bool(raw[pos] & _CONTROL) and size <= _LONGEST_CONTROL
            pos = min(start + size, end)
            self._left = start + size - pos
            if size:
                (controls if self._control else slices).append((start - shift, pos - shift))
        return slices


def _whole_frames(raw: bytes, pos: int, slices: list[Span]) -> int:
    """Goes through the frames of messages that are here whole, unmasked and shorter than 64 KiB, as nearly all are; where that ends."""
    end = len(raw)
    while pos + 4 <= end:
        first, size = _frame_head(raw, pos)
        start, short = pos + 4, first & 0x08FF  # as in `whole`
        if short < 126:
            start, size = pos + 2, short
        stop = start + size
        if stop > end or short > 126:
            break
        slices.append((start, stop))
        pos = stop
    return pos


def _frame(raw: bytes, pos: int) -> tuple[int, int]:
    """How long the payload of the frame at `pos` is and where it begins; that is behind the end if the head is not here whole."""
    if len(raw) - pos < 2:
        return 0, len(raw) + 1
    size, start = raw[pos + 1] & 127, pos + (6 if raw[pos + 1] & 128 else 2)
    if size > 125:
        width = 2 if size == 126 else 8
        size, start = int.from_bytes(raw[pos + 2 : pos + 2 + width], "big"), start + width
    return size, start


def _whole_chunks(raw: bytes, pos: int, slices: list[Span]) -> int:
    """Goes through the chunks that are here whole and in the plainest form; where that ends."""
    find, end = raw.find, len(raw)
    try:
        while (start := find(b"\r\n", pos, pos + 16) + 2) > 1:
            stop = start + int(raw[pos : start - 2], 16)
            if not start < stop < end - 1 or raw[stop] != 13:
                break
            slices.append((start, stop))
            pos = stop + 2
    except ValueError:
        pass
    return pos


def _chunk_size(line: bytes) -> int:
    """The size in a chunk's first line; -1 if it has none."""
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError:
        return -1

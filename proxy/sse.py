"""Server-sent events split out of a byte stream (WHATWG HTML, section 9.2), decided without I/O.

Every byte of the stream belongs to exactly one event, so that the sizes of the events and of the rest add up to the body. Comments and blocks without
data are events here too (the browser's parser would drop them): they were sent, and when.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from functools import lru_cache
from typing import Any, NamedTuple, Self

MAX_EVENT = 16 << 20
"""A longer event keeps its beginning only: its type and size stay right, its data is cut."""

_KEEP = 4096  # of a longer event
_MAX_NAME = 200
BOM = b"\xef\xbb\xbf"
# A blank line behind a line end. Behind a bare CR a further CR ends the block at once; if an LF follows, it begins the next block, where an empty
# line means nothing. Behind LF or CRLF the byte after a CR must be seen, so that CRLF streams are cut behind their LF at every split.
_END = re.compile(rb"\r\r|\n(?:\n|\r\n|\r(?=[^\n]))")
_LINE = re.compile(rb"\r\n|\n|\r")


class SseEvent(NamedTuple):
    """One block. `type`: of its `event:` line, None without one. `data`: its `data:` lines joined by LF. `size`: bytes of the stream it took."""

    type: str | None
    data: bytes
    size: int


class Decoder:
    """Splits a stream into events; gives the same events at any split of the same bytes. Never raises."""

    __slots__ = ("_blank", "_length", "_pieces", "_started", "_tail")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # the block that goes on
        self._length = 0  # its bytes, those not kept included
        self._tail = b""  # its last bytes, where its end may have begun
        self._blank = 0  # bytes of empty lines (and the byte order mark) that the next event will count
        self._started = False

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events that these bytes complete."""
        events: list[SseEvent] = []
        if self._pieces:
            cut = _end(self._tail + data) - len(self._tail)
            if cut < 0:
                self._hold(data)
                return events
            self._pieces.append(data[:cut])
            self._emit(b"".join(self._pieces), self._length + cut, events)
            self._pieces, self._length, self._tail = [], 0, b""
            data = data[cut:]
        if b"\r" in data:
            self._split(data, events)
        elif data:
            self._split_lf(data, events)
        return events

    @property
    def between(self) -> bool:
        """Whether the next byte can be the first of an event: nothing is held."""
        return not self._pieces and not self._blank

    def begin(self) -> None:
        """Whole events were taken off the stream elsewhere: what comes next is not its beginning."""
        self._started = True

    def flush(self) -> SseEvent | None:
        """The unterminated rest, with all its bytes as data and no type; None if the stream ended behind a blank line."""
        size = self._length + self._blank
        if not size:
            return None
        rest = SseEvent(None, b"".join(self._pieces), size)
        self._pieces, self._length, self._tail, self._blank = [], 0, b"", 0
        return rest

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, as JSON."""
        held = b64encode(b"".join(self._pieces)).decode()
        return {
            "held": held,
            "length": self._length,
            "tail": b64encode(self._tail).decode(),
            "blank": self._blank,
            "started": self._started,
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Self:
        """The decoder that gave this state."""
        decoder = cls()
        held = b64decode(state["held"])
        decoder._pieces = [held] if held else []
        decoder._length, decoder._tail = state["length"], b64decode(state["tail"])
        decoder._blank, decoder._started = state["blank"], state["started"]
        return decoder

    def _hold(self, data: bytes) -> None:
        self._length += len(data)
        self._tail = (self._tail + data)[-3:]
        if self._length <= MAX_EVENT:
            self._pieces.append(data)
        elif len(self._pieces) > 1 or len(self._pieces[0]) > _KEEP:
            self._pieces = [b"".join(self._pieces)[:_KEEP]]

    def _split_lf(self, data: bytes, events: list[SseEvent]) -> None:
        cut = data.rfind(b"\n\n") + 2
        if cut < 2:
            self._hold_first(data)
            return
        if not self._started:
            data, cut = self._without_mark(data), cut - 3 * (data[:3] == BOM)
        if not self._blank and data.find(b"\n\n") + 2 == cut == len(data):
            head, _, line = data[:-2].partition(b"\n")
            if head and line and b"\n" not in line:
                events.append(_pair(head, line))
                return
        # Nearly all streams are made of blocks of two lines, or of one, all alike, and have thousands of them.
        lines = data[:cut].split(b"\n")
        if len(lines) % 3 == 1 and not any(lines[2::3]) and all(heads := lines[:-1:3]) and all(second := lines[1::3]):
            self._lines([_pair(head, line) for head, line in zip(heads, second, strict=True)], events)
        elif len(lines) % 2 and not any(lines[1::2]) and all(first := lines[:-1:2]):
            self._lines([_single(line) for line in first], events)
        else:
            *blocks, rest = data.split(b"\n\n")
            for block in blocks:
                self._emit(block, len(block) + 2, events)
            cut = len(data) - len(rest)
        if cut < len(data):
            self._hold_first(data[cut:])

    def _lines(self, found: list[SseEvent], events: list[SseEvent]) -> None:
        if self._blank:
            found[0] = found[0]._replace(size=found[0].size + self._blank)
            self._blank = 0
        events.extend(found)

    def _split(self, data: bytes, events: list[SseEvent]) -> None:
        start = 0
        for found in _END.finditer(data):
            self._emit(data[start : found.start()], found.end() - start, events)
            start = found.end()
        if start < len(data):
            self._hold_first(data[start:])

    def _hold_first(self, rest: bytes) -> None:
        self._pieces, self._length, self._tail = [rest], len(rest), rest[-3:]

    def _emit(self, block: bytes, size: int, events: list[SseEvent]) -> None:
        if not self._started:
            block, size = self._without_mark(block), size - (3 if block[:3] == BOM else 0)
        if block.strip(b"\r\n"):
            events.append(parse(block, size + self._blank))
            self._blank = 0
        else:
            self._blank += size

    def _without_mark(self, block: bytes) -> bytes:
        self._started = True
        if block[:3] != BOM:
            return block
        self._blank += 3
        return block[3:]


def _end(data: bytes) -> int:
    """Where the first block ends; -1 if it does not."""
    if b"\r" not in data:
        at = data.find(b"\n\n")
        return at + 2 if at >= 0 else -1
    found = _END.search(data)
    return found.end() if found else -1


def _pair(head: bytes, line: bytes) -> SseEvent:
    if head[:7] == b"event: " and line[:6] == b"data: " and len(head) < _MAX_NAME:
        return tuple.__new__(SseEvent, (type_of(head[7:]), line[6:], len(head) + len(line) + 3))
    return parse(head + b"\n" + line, len(head) + len(line) + 3)


def _single(line: bytes) -> SseEvent:
    if line[:6] == b"data: ":
        return tuple.__new__(SseEvent, (None, line[6:], len(line) + 2))
    return parse(line, len(line) + 2)


def parse(block: bytes, size: int) -> SseEvent:
    """What one block says, with or without its line ends."""
    name: str | None = None
    data: list[bytes] = []
    for line in _LINE.split(block) if b"\r" in block else block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value[1:] if value[:1] == b" " else value)
        elif field == b"event":
            name = type_of((value[1:] if value[:1] == b" " else value)[:_MAX_NAME])
    return SseEvent(name, b"\n".join(data), size)


@lru_cache(512)
def type_of(name: bytes) -> str | None:
    """The type that an `event:` line gives: one named `message` is one without a name (section 9.2.6)."""
    text = name.decode("utf-8", "replace").replace("\0", "\ufffd")
    return None if text in ("", "message") else text


@lru_cache(512)
def type_of_line(line: bytes) -> str:
    """The type that a whole line gives, its end included; empty if it is no `event: ` line as OpenAI writes them."""
    usual = line[:7] == b"event: " and line.isascii() and b"\0" not in line and len(line) <= _MAX_NAME
    return (usual and type_of(line[7:-1])) or ""

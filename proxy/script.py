"""Unfolds a recorded exchange into the steps by which its answer is given again: the mirror image of `recording`. Pure, no clock.

Frames keep their borders: one `Data` for each piece that came from upstream. A chunked answer gets its recorded chunks back. Everything is an iterator,
so that a body is never whole in memory. Faults, a later `retry-after` and pace are edits of the steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from playhead.config.faults import Fault
from playhead.storage.records import Direction, Frame, Outcome, Raw

from .forwarding.http1 import Chunked, Framing, Head, Length, UntilClose, framing_of, parse_head

AT_ONCE = float("inf")
"""The speed of a replay that waits for nothing."""

_TOGETHER = 1_000_000  # ns: the end of a body that follows its last piece within that time came with it
_EMPTY_LINE = b"\r\n\r\n"


class Interim(NamedTuple):
    """A 1xx head. `at`, here and below: ns since the exchange's start, as recorded."""

    at: int
    head: Head


class Begin(NamedTuple):
    """The final head. `framing`: of the body that follows; nothing has been fed to it."""

    at: int
    head: Head
    framing: Framing


class Data(NamedTuple):
    """A piece of the body. `data`: with transfer framing, as it goes over the network; `payload`: the same without it."""

    at: int
    data: bytes
    payload: bytes


class End(NamedTuple):
    """The answer is whole."""

    at: int


class Break(NamedTuple):
    """The connection broke: the client must see that the answer is not whole, or that there is none."""

    at: int


class Hold(NamedTuple):
    """Nothing more is known, since the client left: the connection stays open until this one leaves, too."""

    at: int


class Met(NamedTuple):
    """A fault is met here; what it does follows."""

    at: int
    fault: Fault


class Wait(NamedTuple):
    """A fault: nothing for so many ns, at any speed of the replay."""

    at: int
    ns: int


class Reset(NamedTuple):
    """A fault: the connection ends with a reset."""

    at: int


Step = Interim | Begin | Data | End | Break | Hold | Met | Wait | Reset


@dataclass(frozen=True, slots=True)
class Source:
    """A recorded exchange as it is read from the store. `size`: of the body; `ended_ns`: when it ended. The iterables are read once, side by side."""

    method: str
    outcome: Outcome
    heads: bytes
    trailers: bytes
    size: int
    ended_ns: int
    frames: Iterable[Frame]
    chunks: Iterable[int]
    body: Iterable[bytes]

    @classmethod
    def of(cls, raw: Raw, outcome: Outcome, ended_ns: int) -> Source:
        """Of an exchange that is whole in memory."""
        method = raw.request_head.partition(b" ")[0].decode("latin-1")
        return cls(method, outcome, raw.response_heads, raw.trailers, len(raw.response), ended_ns, raw.frames, raw.chunks, (raw.response,))


def script(source: Source) -> Iterator[Step]:
    """The steps in order; the last one is End, Break or Hold. Their `at` never goes back. Raises ProtocolError if a head is damaged."""
    heads = _heads(source)
    body = _Body(source)
    writer = _Writer(source)
    last = 0
    for direction, at, length in source.frames:
        if direction == Direction.CLIENT:
            continue
        last = max(last, at)
        if not length:
            yield from _next_head(heads, last, writer, one=True)
            continue
        yield from _next_head(heads, last, writer)
        if payload := body.take(length):
            yield Data(last, *writer.write(payload, last=body.left == 0 and source.ended_ns - last < _TOGETHER))
    end = max(last, source.ended_ns)
    yield from _next_head(heads, end, writer)
    if rest := body.take(body.left):
        yield Data(end, *writer.write(rest, last=True))
    if closing := writer.close():
        yield Data(end, closing, b"")
    yield writer.finale(end)


def _heads(source: Source) -> Iterator[Head]:
    """The recorded heads, 1xx ones first."""
    raw, start = source.heads, 0
    while (end := raw.find(_EMPTY_LINE, start)) >= 0:
        yield parse_head(raw[start : end + 4])
        start = end + 4


def _next_head(heads: Iterator[Head], at: int, writer: _Writer, *, one: bool = False) -> Iterator[Step]:
    """The heads that come then. Recordings of old have no time for them: their heads come with the first piece of the body."""
    for head in heads:
        if head.status < 200:
            yield Interim(at, head)
        else:
            yield Begin(at, head, writer.begin(head))
        if one:
            return


class _Body:
    """Reads the body in pieces of given lengths."""

    def __init__(self, source: Source) -> None:
        self.left = source.size
        self._pieces = iter(source.body)
        self._piece = b""

    def take(self, length: int) -> bytes:
        """The next bytes; fewer if there are no more."""
        taken: list[bytes] = []
        length = min(length, self.left)
        while length:
            if not self._piece:
                self._piece = next(self._pieces, b"")
                if not self._piece:
                    self.left = 0  # less than was said
                    break
            taken.append(self._piece[:length])
            self._piece = self._piece[length:] if length < len(self._piece) else b""
            length -= len(taken[-1])
            self.left -= len(taken[-1])
        return taken[0] if len(taken) == 1 else b"".join(taken)


class _Writer:
    """Puts the transfer framing back, and knows how the answer ends."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._framing: Framing | None = None
        self._sizes = iter(source.chunks)
        self._open = 0  # what the chunk that goes on still lacks
        self._given = 0
        self._closed = False

    def begin(self, head: Head) -> Framing:
        self._framing = framing_of(head, self._source.method)
        return self._framing

    def write(self, payload: bytes, *, last: bool) -> tuple[bytes, bytes]:
        """A piece of the body with its framing, and without. `last`: the end of the body goes with it."""
        if not isinstance(self._framing, Chunked):
            self._given += len(payload)
            return payload, payload
        data = self._chunks(payload)
        return (data + self.close() if last else data), payload

    def _chunks(self, payload: bytes) -> bytes:
        written: list[bytes] = []
        at, end, left = 0, len(payload), self._open
        while at < end:
            if not left:
                left = next(self._sizes, 0) or self._last_chunk(at)
                written.append(b"%x\r\n" % left)
            stop = at + left
            if stop > end:
                written.append(payload[at:])
                left = stop - end
                break
            written += (payload[at:stop], b"\r\n")
            at, left = stop, 0
        self._open = left
        self._given += end
        return b"".join(written)

    def _last_chunk(self, at: int) -> int:
        """The size of a chunk that was cut off, which is more than came of it; unknown, since only whole chunks are recorded."""
        return self._source.size - self._given - at + (not self._whole)

    @property
    def _whole(self) -> bool:
        return self._source.outcome == "complete"

    def close(self) -> bytes:
        """What ends a chunked body; of one that was cut as much as came, which is seldom more than nothing."""
        trailers = self._source.trailers
        if self._closed or not isinstance(self._framing, Chunked) or not (self._whole or trailers):
            return b""
        self._closed = True
        return b"0\r\n" + trailers + (b"\r\n" if self._whole else b"")

    def finale(self, at: int) -> Step:
        """The last step."""
        framing, outcome = self._framing, self._source.outcome
        # A body of known length was whole when all of it had come, whatever became of the exchange then; and was not before that.
        whole = self._whole if not isinstance(framing, Length) else self._given >= framing.remaining
        if framing is not None and whole:
            return End(at)
        return Hold(at) if outcome == "client_closed" else Break(at)


def until_close(step: Begin) -> bool:
    """Whether only the end of the connection ends the body."""
    return isinstance(step.framing, UntilClose)


def due(at: int, speed: float) -> int:
    """When a step is due, in ns since the exchange's start, at so many times the recorded speed."""
    return int(at / speed)


def with_retry_after(steps: Iterable[Step], seconds: float) -> Iterator[Step]:
    """The steps with another time in `retry-after` and `retry-after-ms`, where the answer has them."""
    for step in steps:
        if isinstance(step, Begin) and not step.head.first.keys().isdisjoint(_RETRY):
            yield step._replace(head=_retried(step.head, seconds))
        else:
            yield step


_RETRY = frozenset((b"retry-after", b"retry-after-ms"))


def _retried(head: Head, seconds: float) -> Head:
    values = {b"retry-after": b"%d" % -(-seconds // 1), b"retry-after-ms": b"%d" % round(seconds * 1000)}
    first, *lines = head.raw[:-4].split(b"\r\n")
    for place, line in enumerate(lines):
        name = line.partition(b":")[0]
        if (value := values.get(name.lower())) is not None:
            lines[place] = name + b": " + value
    return parse_head(b"\r\n".join((first, *lines)) + _EMPTY_LINE)

"""What upstream said in one recorded turn, message by message, as much of it at a time as memory should hold. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from playhead.config.errors import StoreError

from .socket_end import frames_of

_WINDOW = 4 << 20  # bytes of messages that are read together; a longer one is read whole
_PORTION = 1 << 20  # bytes that leave together


class Reader:
    """Bytes that come in pieces, in other pieces. Raises StoreError where they end too early."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece, self._at = b"", 0

    def take(self, size: int) -> bytes:
        """The next so many."""
        taken = list(self._parts(size))
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def skip(self, size: int) -> None:
        """Not the next so many."""
        for _ in self._parts(size):
            pass

    def _parts(self, size: int) -> Iterator[bytes]:
        while size:
            if self._at == len(self._piece):
                self._piece, self._at = next(self._pieces, b""), 0
                if not self._piece:
                    raise StoreError("a recorded exchange has fewer bytes than its messages")
            part = self._piece[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            yield part


class Speech:
    """The messages of one turn. They are known once they were given (`payload`) or read: `read_on`, again and again, from its `pieces`, in order."""

    def __init__(self, sizes: Sequence[int], opcodes: bytes, *, payload: bytes | None = None, pieces: Iterable[bytes] = ()) -> None:
        self._sizes, self._opcodes = sizes, opcodes
        self._reader = Reader(iter(pieces))
        self._first = self._stop = 0  # which messages are known
        self._payload = b""
        self._starts: list[int] = [0]
        self._frames: tuple[bytes, list[int]] | None = None
        if payload is not None:
            self._keep(0, len(sizes), payload)

    def has(self, message: int) -> bool:
        """Whether that message is known; those behind the known ones are read next."""
        return self._first <= message < self._stop

    def held(self, start: int, stop: int) -> int:
        """Bytes of these messages, as far as they are known."""
        return self._starts[min(stop, self._stop) - self._first] - self._starts[start - self._first] if self.has(start) else 0

    def read_on(self) -> None:
        """Read the messages that follow, and forget those before. In a thread. Raises StoreError."""
        start = stop = self._stop
        size = 0
        while stop < len(self._sizes) and (stop == start or size + self._sizes[stop] <= _WINDOW):
            size += self._sizes[stop]
            stop += 1
        self._keep(start, stop, self._reader.take(size))

    def _keep(self, first: int, stop: int, payload: bytes) -> None:
        self._starts = [0, *accumulate(self._sizes[first:stop])]
        self._payload, self._frames = payload, None
        self._first, self._stop = first, stop

    def portion(self, start: int, stop: int) -> int:
        """Where to stop, so that not too much of `start` to `stop` leaves at once, and nothing that is not known."""
        first, starts = self._first, self._starts
        most = bisect_right(starts, starts[start - first] + _PORTION) - 1 + first
        return min(stop, self._stop, max(most, start + 1))

    def frames(self, start: int, stop: int) -> bytes:
        """These messages as uncompressed frames."""
        if self._frames is None:
            first, last = self._first, self._stop
            self._frames = frames_of(self._payload, self._sizes[first:last], self._opcodes[first:last])
        frames, places = self._frames
        if start == self._first and stop == self._stop:
            return frames
        return frames[places[start - self._first] : places[stop - self._first]]

    def messages(self, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
        """Opcodes and payloads of these messages."""
        for one in range(start, stop):
            at = one - self._first
            yield self._opcodes[one], self._payload[self._starts[at] : self._starts[at + 1]]

"""A body that comes in pieces, cut into lengths that are known: pure."""

from __future__ import annotations

from collections.abc import Iterable


class Cutter:
    """Gives a body piece by piece as it is asked for."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""
        self._at = 0  # in the rest

    def take(self, size: int) -> bytes:
        """The next bytes, fewer at the end."""
        start = self._at
        end = start + size
        if end > len(self._rest):
            self._refill(size)
            start, end = 0, size
        self._at = min(end, len(self._rest))
        return self._rest[start:end]

    def _refill(self, size: int) -> None:
        held = [self._rest[self._at :]]
        length = len(held[0])
        while length < size and (piece := next(self._pieces, None)) is not None:
            held.append(piece)
            length += len(piece)
        self._rest, self._at = b"".join(held), 0

    def skip(self, size: int) -> None:
        """Leave out the next bytes."""
        while size and (taken := len(self.take(min(size, 1 << 20)))):
            size -= taken

"""What a client has asked for and what cannot be answered or sent on yet, in bytes: while there is too much of it, the client is not heard."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable


class Backlog:
    """Of one client. `most`: bytes above which nothing more is heard."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._less: asyncio.Event | None = None
        self.bytes = 0

    def add(self, size: int) -> None:
        """That much more waits."""
        self.bytes += size

    def remove(self, size: int) -> None:
        """That much does not wait any more."""
        self.bytes -= size
        if self._less is not None and self.bytes <= self._most:
            self._less.set()
            self._less = None

    def room(self) -> Awaitable[object] | None:
        """To be awaited before the client says more."""
        if self.bytes <= self._most:
            return None
        self._less = self._less or asyncio.Event()
        return self._less.wait()

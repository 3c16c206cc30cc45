"""What an exchange does towards its client: writes what upstream sends, holds upstream back for a client that is slower, and says when it is over."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from abc import ABC, abstractmethod

from .forwarding.clients import ClientRequest, Done
from .service import Service
from .upstream import Leg

_PAUSE_ABOVE = 1 << 20  # bytes on their way to a client before upstream is held back
_BUFFERED = 1 << 18


def reset(transport: asyncio.WriteTransport) -> None:
    """End a connection so that its other end sees that nobody closed it."""
    with contextlib.suppress(OSError, AttributeError):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class ClientSide(ABC):
    """The client's side of one exchange. What one read from upstream brought leaves together, once the journal has it."""

    def __init__(self, service: Service, request: ClientRequest) -> None:
        self.service = service
        self.number = 0
        self._request = request
        self._tape = service.tape
        self._connection: Leg | None = None
        self._keep = request.keep_alive
        self._out = b""  # what one read brought for the client
        self._unsent = 0  # bytes that wait for the journal
        self._held = False
        self._caught_up: asyncio.Event | None = None
        self._resolved = False
        self._done: Done | None = None  # who is told that it is over, or
        self._waiter: asyncio.Future[None] | None = None  # who waits for that

    # Writing.

    def _send(self, data: bytes) -> None:
        self._out += data

    def _push(self) -> None:
        """What one read brought leaves for the client, once the journal has it."""
        if self._out:
            data, self._out = self._out, b""
            self._unsent += len(data)
            if self._unsent > _PAUSE_ABOVE:
                self._hold()
            self._tape.then(self, self.take, data)

    @abstractmethod
    def unrecordable(self, problem: str) -> None:
        """Strict durability: nothing goes to the client that is not recorded."""

    def take(self, data: bytes) -> None:
        """The journal has them: they leave."""
        if self._unsent:
            self._unsent -= len(data)
            if self._caught_up is not None and not self._unsent:
                self._caught_up.set()
        transport = self._request.connection.transport
        if transport is None:
            return
        self.service.counters.response_bytes += len(data)  # first: whoever has got it may look
        transport.write(data)
        if transport.get_write_buffer_size() > _BUFFERED:
            self._hold()

    def _hold(self) -> None:
        """Hold upstream back until the client has taken what is on its way."""
        if not self._held and self._connection is not None:
            self._held = True
            self._connection.pause_reading()
            self._go_on = asyncio.ensure_future(self._release())

    async def _release(self) -> None:
        if self._unsent > _PAUSE_ABOVE:  # strict durability: the disk is slower than upstream
            self._caught_up = asyncio.Event()
            await self._caught_up.wait()
        with contextlib.suppress(ConnectionError):
            await self._request.drained()
        self._held = False
        self._now()  # upstream could not speak until now
        if self._connection is not None:
            self._connection.resume_reading()

    @abstractmethod
    def _now(self) -> int:
        """Something passes: ns since the exchange began."""

    def _hang_up(self) -> None:
        if self._request.transport is not None:
            self._request.transport.close()

    def _reset(self) -> None:
        if self._request.transport is not None:
            reset(self._request.transport)

    # The end.

    def _resolve(self) -> None:
        self._resolved = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        elif self._done is not None:
            self._finish()

    def _finish(self) -> None:
        """It is in flight until its client has it; and a client that does not read is not served further."""
        transport = self._request.transport
        if transport is not None and transport.get_write_buffer_size():
            self._taking = asyncio.ensure_future(self._taken())
            self._taking.add_done_callback(lambda _: self._finished())
        else:
            self._finished()

    def _finished(self) -> None:
        if self._done is not None:
            done, self._done = self._done, None
            self._close("aborted")
            done(self._keep and not self.service.stopping)

    async def _taken(self) -> None:
        transport = self._request.transport
        if transport is not None and transport.get_write_buffer_size():
            with contextlib.suppress(ConnectionError):
                await self._request.drained()

    @abstractmethod
    def _close(self, outcome: str) -> None:
        """Give up everything. `outcome`: if it has none yet."""

"""One WebSocket that playhead answers itself, from its 101 to its end: bytes of the client become messages, and what is to be said leaves in order.

What is said is decided by a `Talk`. It gives portions of recorded speech, frames of its own and endings; they are written as fast as the client takes
them, and no faster than they can be read from the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from playhead.config.errors import PlayheadError

from ..client_side import reset
from ..forwarding.clients import ClientRequest
from ..forwarding.frames import Message, Opcode
from ..recordings.members import with_member, without_member
from ..service import Service
from .socket_end import SocketEnd
from .speech import Speech
from .upgrading import Upgrade

log = logging.getLogger("playhead")

_BUFFERED = 1 << 18  # bytes on their way to a client before the rest waits
_PONGED = 1 << 20  # above which it gets no pongs
_INBOX = 4 << 20  # bytes of messages that wait to be looked at before the client does
_QUEUED = 1 << 10  # that are to be said before it does, too
_HELD = 16 << 20  # and bytes of those
_CLOSE_SECONDS = 5.0  # for the client's close frame


@dataclass(slots=True, eq=False)
class Portion:
    """Messages `start` to `stop` of a turn. `renamed`: the lane that they name is to be `name`."""

    speech: Speech
    start: int
    stop: int
    renamed: bool = False
    name: str | None = None
    held: int = 0  # bytes of them that were in memory when it was put


@dataclass(frozen=True, slots=True)
class Close:
    """A close frame with that payload; None: the connection is dropped without one, or with a `reset`."""

    payload: bytes | None
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes as they are."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Rest:
    """So many seconds in which nothing leaves."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Drip:
    """A message that leaves in pieces of that size, with so many seconds before each."""

    message: Message
    size: int
    seconds: float


Item = Portion | Message | Close | Raw | Rest | Drip


class Talk(Protocol):
    """Who decides what is said."""

    @property
    def busy(self) -> bool:
        """Whether more is to come without a word of the client."""

    @property
    def silent_since(self) -> int:
        """When something that upstream owes last went on, on the monotonic clock, in ns."""

    def timed_out(self) -> None:
        """It has been silent for too long."""

    def begin(self, line: SocketLine) -> None:
        """The connection is open."""

    def message(self, message: Message) -> Awaitable[None] | None:
        """The client has said something; what follows of it waits for the awaitable."""

    def wake(self, now: int) -> None:
        """The time has come that was asked for."""

    def answer_to_close(self, payload: bytes) -> bytes:
        """The client has closed: the payload of the close frame that answers it."""

    def end(self) -> None:
        """The connection is over."""


class SocketLine:
    """The connection. `waits`: whether it only waits for its client."""

    def __init__(self, service: Service, request: ClientRequest, upgrade: Upgrade, talk: Talk) -> None:
        self._service = service
        self._request = request
        self._upgrade = upgrade
        self._talk = talk
        self._end = SocketEnd(upgrade.incoming, upgrade.outgoing)
        self._queue: deque[Item] = deque()
        self._held = 0  # bytes of what is queued
        self._inbox: deque[Message] = deque()
        self._inbox_bytes = 0
        self._working: asyncio.Task[None] | None = None  # what a message of the client needs
        self._pumping: asyncio.Task[None] | None = None  # reading from the store, or waiting for the client
        self._timer: asyncio.TimerHandle | None = None
        self._resets = False  # at the end
        self._over: asyncio.Future[str] = service.loop.create_future()

    # In flight.

    @property
    def waits(self) -> bool:
        """Whether nothing is to be done for its client."""
        return not self._queue and self._working is None and self._timer is None and not self._talk.busy

    @property
    def busy(self) -> asyncio.Task[None] | None:
        """What it waits for before it writes on."""
        return self._pumping

    @property
    def silent_since(self) -> int:
        """When upstream owed something and something last passed; now, if it owes nothing."""
        return self._talk.silent_since

    def timed_out(self) -> None:
        """Upstream has been silent for too long."""
        self._talk.timed_out()

    def break_off(self) -> None:
        """The server stops: the client sees that nobody closed it."""
        self._finish("aborted")

    async def run(self) -> bool:
        """Serve until one side ends; the connection does not outlive it."""
        service, transport = self._service, self._request.transport
        service.exchanges.add(self)
        service.counters.open_connections += 1
        service.counters.statuses[1] += 1
        outcome = "client_closed"
        try:
            if transport is not None:
                self._write(self._upgrade.head)
                self._talk.begin(self)
                self._request.connection.take_over(self)
                self.pump()
                outcome = await self._over
                await self._flushed()
                if self._resets:
                    reset(transport)
        finally:
            service.counters.outcome(outcome)
            service.counters.open_connections -= 1
            service.exchanges.discard(self)
            self._give_up()
        return False

    def _give_up(self) -> None:
        for task in (self._working, self._pumping):
            if task is not None:
                task.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._queue.clear()
        self._inbox.clear()
        self._talk.end()

    async def _flushed(self) -> None:
        """What was said last has gone out."""
        transport = self._request.transport
        if transport is not None and transport.get_write_buffer_size():
            with contextlib.suppress(ConnectionError):
                await self._request.drained()

    def _finish(self, outcome: str) -> None:
        if not self._over.done():
            self._over.set_result(outcome)

    # From the client.

    def feed_data(self, data: bytes) -> None:
        """The next bytes of the client."""
        if self._over.done():
            return
        self._service.counters.request_bytes += len(data)
        for message in self._end.feed(data):
            self._take(message)
        self._answer_control()
        self.pump()
        self._hold_back()

    def feed_eof(self) -> None:
        """The connection is lost: who serves it is told otherwise."""

    def _take(self, message: Message) -> None:
        if self._end.closing:
            return
        if self._working is None:
            waiting = self._talk.message(message)
            if waiting is None and self._full:
                waiting = self._room()
            if waiting is not None:
                self._working = asyncio.ensure_future(self._work(waiting))
            return
        self._inbox.append(message)
        self._inbox_bytes += len(message.payload)

    @property
    def _full(self) -> bool:
        """Whether enough waits to be said."""
        return len(self._queue) > _QUEUED or self._held > _HELD

    async def _room(self) -> None:
        """Wait until there is room for more."""
        while self._full:
            self.pump()
            if self._pumping is None or self._pumping.done():
                return
            self._hold_back()  # what waited to be looked at has filled it, and no further bytes of the client need come
            await asyncio.wait([self._pumping])

    def _hold_back(self) -> None:
        """A client that asks faster than it can be served, or reads, is not heard for a while."""
        transport = self._request.transport
        full = self._inbox_bytes > _INBOX or self._full
        if transport is None or transport.is_closing() or full != transport.is_reading():
            return
        if full:
            transport.pause_reading()
        else:
            transport.resume_reading()

    async def _work(self, waiting: Awaitable[None]) -> None:
        try:
            await waiting
            while self._inbox:
                message = self._inbox.popleft()
                self._inbox_bytes -= len(message.payload)
                if (more := self._talk.message(message)) is not None:
                    await more
                await self._room()
            self._working = None
            self.pump()
            self._hold_back()
        except PlayheadError as error:
            log.error("a WebSocket could not be served any further: %s", error)
            self._finish("aborted")
        except Exception:
            log.exception("a WebSocket could not be served any further for a fault of playhead's own")
            self._finish("aborted")

    def _answer_control(self) -> None:
        end, transport = self._end, self._request.transport
        if end.closed_by_client and not end.closing:
            end.close(self._talk.answer_to_close(end.close_payload))
        out = end.take()
        if out and transport is not None and (end.closing or transport.get_write_buffer_size() < _PONGED):
            self._write(out)  # RFC 6455 section 5.5.3: not every ping needs its own pong
        if end.closed_by_client or end.problem is not None:
            self._queue.clear()
            self._finish("complete" if end.problem is None else "client_closed")

    # To the client.

    def put(self, item: Item) -> None:
        """This is said next; it leaves with `pump`."""
        if isinstance(item, Portion):
            item.held = item.speech.held(item.start, item.stop)
            self._held += item.held
        self._queue.append(item)

    def wake_at(self, due: int | None) -> None:
        """Call the talk at that time, and no other."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None and not self._over.done():
            self._timer = self._service.loop.call_later(max(due - time.monotonic_ns(), 0) / 1e9, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._talk.wake(time.monotonic_ns())
        self.pump()

    def pump(self) -> None:
        """Write what may leave."""
        out: list[bytes] = []
        size = 0
        transport = self._request.transport
        while self._queue and self._pumping is None and not self._over.done() and transport is not None:
            item = self._queue[0]
            if isinstance(item, Portion):
                if not item.speech.has(item.start):
                    self._pumping = asyncio.ensure_future(self._aside(self._read(item.speech)))
                    break
                stop = item.speech.portion(item.start, item.stop)
                data = self._said(item, stop)
                item.start = stop
                if stop == item.stop:
                    self._queue.popleft()
                    self._held -= item.held
            else:
                self._queue.popleft()
                if isinstance(item, Close):
                    self._say_goodbye(item, out)
                    break
                if isinstance(item, Rest):
                    self._pumping = asyncio.ensure_future(self._aside(asyncio.sleep(item.seconds)))
                    break
                if isinstance(item, Drip):
                    self._drip(item)
                    continue
                data = item.data if isinstance(item, Raw) else self._end.message(item.opcode, item.payload)
            out.append(data)
            size += len(data)
            if size + transport.get_write_buffer_size() > _BUFFERED:
                self._write(b"".join(out))
                out, size = [], 0
                if transport.get_write_buffer_size() > _BUFFERED:
                    self._pumping = asyncio.ensure_future(self._aside(self._request.drained()))
        if out:
            self._write(out[0] if len(out) == 1 else b"".join(out))

    def _said(self, item: Portion, stop: int) -> bytes:
        if not item.renamed and not self._end.deflates:
            return item.speech.frames(item.start, stop)
        messages = item.speech.messages(item.start, stop)
        make = self._end.message
        if item.renamed:
            return b"".join([make(opcode, _on_lane(payload, item.name) if opcode == Opcode.TEXT else payload) for opcode, payload in messages])
        return b"".join([make(opcode, payload) for opcode, payload in messages])

    async def _read(self, speech: Speech) -> None:
        await self._service.loop.run_in_executor(None, speech.read_on)

    async def _aside(self, waiting: Coroutine[Any, Any, None]) -> None:
        """Wait for the store or the client, and go on."""
        try:
            await waiting
        except ConnectionError:
            return  # the client is gone, as will be told
        except PlayheadError as error:
            log.error("a recording could not be served to its end: %s", error)
            self._pumping = None
            self._finish("aborted")
            return
        self._pumping = None
        self.pump()
        self._hold_back()

    def _drip(self, item: Drip) -> None:
        """Piece by piece, before all that follows."""
        data = self._end.message(item.message.opcode, item.message.payload)
        pieces = [data[start : start + item.size] for start in range(0, len(data), item.size)]
        self._queue.extendleft(reversed([one for piece in pieces for one in (Rest(item.seconds), Raw(piece))]))

    def _say_goodbye(self, item: Close, out: list[bytes]) -> None:
        """The recorded end."""
        self._queue.clear()
        if item.payload is None:
            self._resets = item.reset
            self._finish("upstream_closed")
            return
        self._end.close(item.payload)
        out.append(self._end.take())
        self._service.loop.call_later(_CLOSE_SECONDS, self._finish, "upstream_closed")

    def _write(self, data: bytes) -> None:
        transport = self._request.transport
        if transport is not None and data:
            transport.write(data)
            self._service.counters.response_bytes += len(data)


def _on_lane(text: bytes, name: str | None) -> bytes:
    """An event as it is on that lane; None: the default lane, whose events name none."""
    return without_member(text, "stream_id") if name is None else with_member(text, "stream_id", name)

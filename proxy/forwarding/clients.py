"""The clients' side of a worker: connections, and the requests that come over them one after the other.

aiohttp's parser reads the requests and its streams hold their bodies. Its connection handler is not used: on Python 3.11 that runs a task for each request
and goes through the event loop four times, which costs more than forwarding does.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, EmptyStreamReader, StreamReader
from aiohttp.tcp_helpers import tcp_keepalive

from .answers import answer
from .http1 import Header
from .trailers import Trailers

log = logging.getLogger("playhead")

IDLE_SECONDS = 3630.0  # longer than proxies in front of it keep theirs
_LINGER_SECONDS = 10.0  # for a client that is still sending what nobody reads: a reset would take the answer from it
_READ_BUFFER = 1 << 18
_LONGEST_LINE = 1 << 17
_LONGEST_REASON = 200
_MOST_HEADERS = 1000
_PIPELINED = 32  # requests that are read ahead


class Leave(Protocol):
    """Ends what serves a request, since its client is gone. Idempotent."""

    def __call__(self) -> object: ...


Done = Callable[[bool | None], None]
"""Told once when a request has been served: whether its connection lives on; None: a fault of ours, of which nothing is to be seen."""
Begin = Callable[["ClientRequest", Done], Leave]
"""Begins to serve a request; may be done at once."""


class ClientRequest:
    """One request: its head as it came, its body as it comes."""

    __slots__ = ("_message", "connection", "content", "method", "raw_headers", "version")

    def __init__(self, connection: ClientConnection, message: RawRequestMessage, content: StreamReader) -> None:
        self.connection = connection
        self.content = content
        self.method = message.method
        self.version = message.version
        self.raw_headers: tuple[Header, ...] = message.raw_headers
        self._message = message

    @property
    def target(self) -> bytes:
        """As it came."""
        return self._message.path.encode("utf-8", "surrogateescape")

    @property
    def keep_alive(self) -> bool:
        """Whether the client wants to use its connection again."""
        return not self._message.should_close

    @property
    def body_exists(self) -> bool:
        """Whether it has a body, be it an empty one."""
        return type(self.content) is not EmptyStreamReader

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits to be told to send its body."""
        if self.version < (1, 1) or "Expect" not in self._message.headers:  # where a trailer of the request before may stand, too
            return False
        return any(name.lower() == b"expect" and value.lower() == b"100-continue" for name, value in self.raw_headers)

    @property
    def transport(self) -> asyncio.Transport | None:
        """None: the client is gone."""
        return self.connection.transport

    async def drained(self) -> None:
        """When the client has taken most of what was written to it. Raises ConnectionError."""
        await self.connection.drained()


class ClientConnection(BaseProtocol):
    """A connection of a client. Requests that it sends ahead are served in their order."""

    def __init__(self, server: Server) -> None:
        loop = asyncio.get_running_loop()
        parser = HttpRequestParser(
            self,
            loop,
            _READ_BUFFER,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
            max_headers=_MOST_HEADERS,
            payload_exception=web.RequestPayloadError,
            auto_decompress=False,
            max_msg_queue_size=_PIPELINED,
        )
        super().__init__(loop, parser)
        self._server = server
        self._messages: deque[tuple[RawRequestMessage | HttpProcessingError, StreamReader]] = deque()
        self._content: StreamReader = EMPTY_PAYLOAD  # of the request at hand
        self._serving = False
        self._looping = False
        self._leave: Leave | None = None
        self._lingering: asyncio.Task[None] | None = None
        self._lingered = False  # for the request at hand
        self._after: Any = None  # who takes the bytes after an upgrade
        self._tail = b""  # what came behind a request for one
        self._trailers = Trailers()
        self._broken = False  # what came is no HTTP: nothing behind it is read
        self._ending = False
        self._idle: asyncio.TimerHandle | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._used = loop.time()

    @property
    def idle(self) -> bool:
        """Whether no request is being served."""
        return not self._serving and not self._messages

    def take_over(self, after: Any) -> None:
        """From now on the bytes are for this one: `feed_data(bytes)`, `feed_eof()`."""
        self._after = after
        if self._tail:
            tail, self._tail = self._tail, b""
            after.feed_data(tail)
        if self._buffer_paused:
            self._resume_reading_for_buffer()

    async def drained(self) -> None:
        """Raises ConnectionError."""
        if self.transport is not None and self._paused:
            await self._drain_helper()

    def stop(self) -> None:
        """End at once."""
        self._ending = True
        self._tell_it_left()
        if self.transport is not None:
            self.transport.close()

    def stop_if_idle(self) -> None:
        """The server stops: one in use takes what is missing of its request, or its socket."""
        if self.idle:
            self.stop()

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        super().connection_made(transport)
        assert self.transport is not None
        tcp_keepalive(self.transport)
        self.transport.set_write_buffer_limits(high=0)  # or uvloop sends at the end of its turn only, behind whatever else has come
        self._server.connections.add(self)
        self._idle = self._loop.call_later(IDLE_SECONDS, self._look_after)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The client is gone."""
        self._ending = True
        self._server.connections.discard(self)
        super().connection_lost(exc)
        if self._idle is not None:
            self._idle.cancel()
        if self._closing is not None:
            self._closing.cancel()
        if not self._content.is_eof():
            self._content.set_exception(exc or ConnectionResetError("Connection lost"))
        if self._lingering is not None:
            self._lingering.cancel()
        self._tell_it_left()
        if self._after is not None:
            self._after.feed_eof()
        self._messages.clear()

    def _tell_it_left(self) -> None:
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()

    def data_received(self, data: bytes) -> None:
        """The next bytes; none: go on with what the parser holds back."""
        if self._after is not None:
            self._after.feed_data(data)
        elif self._ending or self._broken:
            return
        elif self._upgraded:
            self._tail += data
            if len(self._tail) >= _READ_BUFFER and not self._buffer_paused:
                self._pause_reading_for_buffer()
        else:
            self._parse(data)
            if not self._serving:
                self._next()

    def _parse(self, data: bytes) -> None:
        assert self._parser is not None
        try:
            messages, self._upgraded, tail = self._parser.feed_data(data)
        except HttpProcessingError as error:
            self._bad(error)
            return
        self._take_in(data[: max(0, len(data) - len(tail))] if tail else data, messages)
        if self._upgraded:
            self._tail = tail
        if len(self._messages) >= _PIPELINED and not self._buffer_paused:
            self._pause_reading_for_buffer()

    def _take_in(self, data: bytes, messages: Sequence[tuple[RawRequestMessage, StreamReader]]) -> None:
        """What the parser has given out of these bytes."""
        body = None
        if len(messages) == 1:
            message, content = messages[0]
            if not message.chunked and content.is_eof():
                body = content.total_bytes
        trailed = self._trailers.follow(data, len(messages), body)
        if any(trailed):
            messages = [
                (message._replace(raw_headers=message.raw_headers[1:]) if first else message, content)
                for (message, content), first in zip(messages, trailed, strict=True)
            ]
        self._messages += messages

    def _bad(self, error: HttpProcessingError) -> None:
        """What came is no HTTP: the body that it is part of ends in an error, and behind the requests before it that is answered."""
        self._broken = True
        error.__traceback__ = error.__context__ = None  # they hold the frame that holds the error, and what came with it
        content = self._messages[-1][1] if self._messages else self._content
        if not content.is_eof():
            content.set_exception(web.RequestPayloadError(str(error)))
            content.feed_eof()
        self._messages.append((error, EMPTY_PAYLOAD))

    # Requests, one after the other.

    def _next(self) -> None:
        if self._looping:
            return
        self._looping = True
        while self._messages and not self._serving and not self._ending:
            message, self._content = self._messages.popleft()
            self._lingered = False
            if self._parser is not None:
                self._parser.message_consumed()
            if self._buffer_paused and len(self._messages) <= _PIPELINED // 2 and len(self._tail) < _READ_BUFFER:
                self._read_on()
            if isinstance(message, HttpProcessingError):
                self._refuse(message)
            else:
                self._serve(ClientRequest(self, message, self._content))
        self._looping = False

    def _serve(self, request: ClientRequest) -> None:
        self._serving = True
        try:
            leave = self._server.begin(request, self._done)
        except Exception:
            log.exception("a request failed for a fault of playhead's own")
            self._done(None)
            return
        if self._serving:
            self._leave = leave

    def _refuse(self, error: HttpProcessingError) -> None:
        why = (error.message or str(error)).partition("\n")[0].rstrip(":")[:_LONGEST_REASON]  # behind that stands what came, however much
        head, body = answer("bad_request", f"The request is not HTTP/1.1 as it should be: {why}.", keep_alive=False)
        self._ending = True
        if self.transport is not None:
            self.transport.write(head + body)
            # What still comes is taken and thrown away: to close before would reset the connection, and that takes the answer from a client that sends.
            self.transport.write_eof()
            self._closing = self._loop.call_later(self._server.linger, self.stop)

    def _done(self, keep: bool | None) -> None:
        """The request at hand has been served."""
        self._serving, self._leave = False, None
        self._used = self._loop.time()
        if keep is None:
            self._ending = True
            if self.transport is not None:
                self.transport.abort()
        elif self._ending:
            self._end()
        elif not self._content.is_eof() and not self._lingered:
            self._lingered = True
            self._lingering = self._loop.create_task(self._linger(keep))
            self._serving = True
        elif keep and self._after is None:
            self._decline()
            self._next()
        else:
            self._end()

    def _decline(self) -> None:
        """An upgrade was asked for and not taken: what came behind is a request like any other."""
        if self._upgraded and not self._messages and self._parser is not None:
            self._parser.set_upgraded(False)
            self._upgraded = False
            tail, self._tail = self._tail, b""
            self._parse(tail)
            if self._buffer_paused and len(self._messages) < _PIPELINED:
                self._read_on()

    async def _linger(self, keep: bool) -> None:
        """Take the rest of a body that nobody wants, for a while."""
        try:
            async with asyncio.timeout(self._server.linger):
                while not self._content.is_eof():
                    await self._content.readany()
        except (TimeoutError, web.RequestPayloadError, ConnectionError):
            keep = False
        self._lingering = None
        self._done(keep and self._content.is_eof())

    def _read_on(self) -> None:
        """There is room again: what the parser held back first."""
        if not self._upgraded and not self._broken:
            self._parse(b"")
            if len(self._messages) >= _PIPELINED:
                return
        self._resume_reading_for_buffer()

    def _end(self) -> None:
        self._ending = True
        if self.transport is not None:
            self.transport.close()

    def _look_after(self) -> None:
        left = self._used + IDLE_SECONDS - self._loop.time()
        if self.idle and left <= 0:
            self._end()
        else:
            self._idle = self._loop.call_later(left if left > 0 else IDLE_SECONDS, self._look_after)


class Server:
    """Makes connections for clients; what `loop.create_server` wants as its factory."""

    def __init__(self, begin: Begin, *, linger: float = _LINGER_SECONDS) -> None:
        """`linger`: seconds in which a client may send the rest of a body that nobody reads."""
        self.begin = begin
        self.linger = linger
        self.connections: set[ClientConnection] = set()

    def __call__(self) -> ClientConnection:
        """For a client that comes."""
        return ClientConnection(self)

    @property
    def unsent(self) -> bool:
        """Whether a client has not taken all that was written to it."""
        return any(one.transport is not None and one.transport.get_write_buffer_size() for one in self.connections)

    def pre_shutdown(self) -> None:
        """Idle clients go; the others are served."""
        for connection in list(self.connections):
            connection.stop_if_idle()

    async def shutdown(self) -> None:
        """All clients go."""
        for connection in list(self.connections):
            connection.stop()
        await asyncio.sleep(0)


def in_task(serving: Coroutine[Any, Any, bool], done: Done) -> Leave:
    """Serve a request by a coroutine that gives whether its connection lives on."""

    def over(task: asyncio.Task[bool]) -> None:
        if task.cancelled():
            done(False)
        elif (error := task.exception()) is not None:
            log.error("a request failed for a fault of playhead's own", exc_info=error)
            done(None)
        else:
            done(task.result())

    task = asyncio.ensure_future(serving)
    task.add_done_callback(over)
    return task.cancel

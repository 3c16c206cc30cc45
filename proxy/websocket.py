"""Forwarding of WebSockets: the handshake goes upstream as it is, and after a 101 the bytes of both directions are spliced.

Pings, close codes, compression and fragmentation are the two ends' own affair. For the record the client's frames are decoded here, since their
secrets must not reach the journal; upstream's are journalled as they come, and decoded by the recorder.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import time
from collections.abc import Iterable
from typing import Protocol

from playhead.config.errors import UpstreamError
from playhead.storage.journal import Kind

from .forwarding.clients import ClientRequest, Done, Leave, in_task
from .forwarding.frames import FrameDecoder, MessagePiece, Opcode, deflate_of, pack
from .forwarding.http1 import Framing, Head, Header
from .forwarding.inbound import Inbound
from .http import REMEMBERED, HttpExchange
from .masking.guards import FrameGuard
from .masking.needles import needles_of
from .redaction import RequestScanner, is_clean
from .service import Service


def handshake_fault(method: str, headers: Iterable[Header]) -> str | None:
    """What is wrong with a request that asks for a WebSocket (RFC 6455 section 4.1); None if upstream may decide."""
    headers = list(headers)
    keys = [value for name, value in headers if name.lower() == b"sec-websocket-key"]
    versions = [value for name, value in headers if name.lower() == b"sec-websocket-version"]
    if method != "GET":
        return "A WebSocket handshake is a GET."
    if len(keys) != 1 or not _is_key(keys[0]):
        return "A WebSocket handshake needs one Sec-WebSocket-Key of 16 bytes in base64."
    if versions != [b"13"]:
        return "A WebSocket handshake needs Sec-WebSocket-Version: 13."
    return None


def _is_key(value: bytes) -> bool:
    with contextlib.suppress(binascii.Error, ValueError):
        return len(base64.b64decode(value, validate=True)) == 16
    return False


class Recording(Protocol):
    """Whose messages are journalled."""

    service: Service
    inbound: Inbound

    def record(self, kind: Kind, payload: bytes) -> None:
        """Journal a frame."""


class ClientTape:
    """Journals what a client sends over its WebSocket: unmasked, inflated, secrets replaced, message by message or in pieces."""

    def __init__(self, exchange: Recording, extensions: bytes) -> None:
        self._exchange = exchange
        self._decoder = FrameDecoder(masked=True, deflate=deflate_of(extensions, "client"))
        self._scanner: RequestScanner | None = None
        self.closed = False  # whether the client has sent a close frame

    def feed(self, data: bytes, flags: int = 0) -> list[bytes]:
        """The next bytes from the client; gives the secrets that were found, for the answers to be guarded against them. `flags`: of the journal's frames."""
        found: list[bytes] = []
        for piece in self._decoder.feed(data):
            if piece.opcode > Opcode.BINARY:
                self.closed = self.closed or piece.opcode == Opcode.CLOSE
                self._exchange.record(Kind.CLIENT_FRAME, pack(piece._replace(payload=self._clean(piece.payload))))
            else:
                found += self._message(piece._replace(opcode=piece.opcode | flags) if flags else piece)
        return found

    def _clean(self, payload: bytes) -> bytes:
        """What a control frame says, without the secrets of the handshake."""
        if not payload:
            return payload
        scanner = RequestScanner(self._exchange.inbound.secrets)
        return scanner.feed(payload) + scanner.finish()

    def _message(self, piece: MessagePiece) -> list[bytes]:
        if piece.first and piece.last and len(piece.payload) < REMEMBERED and is_clean(piece.payload, needles_of(tuple(self._exchange.inbound.secrets))):
            self._exchange.record(Kind.CLIENT_FRAME, pack(piece))
            return []
        if piece.first or self._scanner is None:
            self._scanner = RequestScanner(self._exchange.inbound.secrets, memo=self._exchange.service.memo)
        scanner = self._scanner
        text = scanner.feed(piece.payload)
        if piece.last:
            text += scanner.finish()
            self._scanner = None
        if text or piece.first or piece.last:
            self._exchange.record(Kind.CLIENT_FRAME, pack(piece._replace(payload=text)))
        return scanner.secrets if piece.last else []

    @property
    def problem(self) -> str | None:
        """Why the client's frames could not be decoded any further."""
        return self._decoder.problem


class SocketExchange(HttpExchange):
    """One client WebSocket and its upstream twin; until upstream agrees, an HTTP exchange like any other."""

    def __init__(self, service: Service, request: ClientRequest, inbound: Inbound) -> None:
        super().__init__(service, request, inbound)
        self._upgraded = False
        self._client: ClientTape | None = None
        self._guard: FrameGuard | None = None  # of what upstream says
        self._stalled: asyncio.Task[None] | None = None
        self._asked = False  # whether the client spoke last

    def begin(self, done: Done) -> Leave:
        """Forward the handshake, and splice until one side ends."""
        return in_task(self.run(), done)

    async def run(self) -> bool:
        """As `begin`."""
        try:
            keep = await super().run()
        finally:
            if self._upgraded:
                self.service.counters.open_connections -= 1
        return keep and not self._upgraded

    def head(self, head: Head, framing: Framing) -> None:
        """Pass on upstream's answer to the handshake: a refusal as it is, a 101 with all that follows."""
        if head.status != 101:
            super().head(head, framing)
            return
        self._upgraded = True
        self.service.counters.open_connections += 1
        self._head = head
        self.service.counters.statuses[head.status // 100] += 1
        if self._answer_tape is not None:
            self._guard = self._answer_tape.upgrade(head)
            self._client = ClientTape(self, head.get(b"sec-websocket-extensions") or b"")
        self._send(head.raw)
        self._request.connection.take_over(_ClientBytes(self))

    def data(self, data: bytes, payload: list[bytes] | None) -> None:
        """Pass on bytes from upstream."""
        if not self._upgraded:
            super().data(data, payload)
            return
        self._asked = False
        self._last = time.monotonic_ns()
        if self._guard is not None:
            self._kept += self._guard.feed(data)
        self._out += data

    def from_client(self, data: bytes) -> None:
        """Pass on bytes from the client."""
        connection = self._connection
        if connection is None:
            return
        self.service.counters.request_bytes += len(data)
        self._asked = True
        self._now()
        connection.write(data)  # first: while upstream reads it there is time to journal it
        if self._client is not None and (found := self._client.feed(data)) and self._answer_tape is not None:
            self._answer_tape.guard_more(found)
        if connection.stalled and self._stalled is None:
            self._stalled = asyncio.ensure_future(self._wait_for_upstream())

    async def _wait_for_upstream(self) -> None:
        """Upstream is slower than the client: hold the client back."""
        connection, transport = self._connection, self._request.transport
        if connection is not None and transport is not None:
            transport.pause_reading()
            await connection.drain()
            if not transport.is_closing():
                transport.resume_reading()
        self._stalled = None

    def ended(self) -> None:
        """Upstream closed its side: so do we, once all is sent."""
        if not self._upgraded:
            super().ended()
            return
        self._connection = None
        # Behind a close frame of the client, its own or the answer to upstream's, this is the end that both wanted.
        self._end("complete" if self._client is not None and self._client.closed else "upstream_closed")
        self._then(self._close_client)
        self._then(self._resolve)

    def _close_client(self) -> None:
        if self._request.transport is not None:
            self._request.transport.close()

    def failed(self, error: UpstreamError) -> None:
        """Upstream dropped the socket: the client sees it dropped, without a close frame that nobody sent."""
        if self._upgraded:
            self._connection = None
            self._break("timeout" if error.code == "upstream_timeout" else "upstream_closed")
        else:
            super().failed(error)

    def timed_out(self) -> None:
        """A socket may rest between its turns: only where something was asked is silence too long."""
        if self._asked or not self._upgraded:
            super().timed_out()

    def _end(self, outcome: str, code: str | None = None) -> None:
        if not self._ended and self._client is not None:
            self._problem = self._client.problem
        super()._end(outcome, code)

    def _close(self, outcome: str) -> None:
        super()._close(outcome)
        self._client = self._guard = None  # as the tapes: what it decodes with is big

    def _let_go(self) -> None:
        """The client is gone: what it said last, its close frame perhaps, still goes to upstream."""
        if self._upgraded and self._connection is not None:
            self._connection.close()
        else:
            super()._let_go()


class _ClientBytes:
    """Who takes all that comes from the client after the upgrade."""

    def __init__(self, exchange: SocketExchange) -> None:
        self._exchange = exchange

    def feed_data(self, data: bytes) -> None:
        """The next bytes."""
        self._exchange.from_client(data)

    def feed_eof(self) -> None:
        """The connection is lost: what serves it is told otherwise."""

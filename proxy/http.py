"""Forwarding over HTTP: a request goes upstream as it came, the answer goes back as it comes, and both onto the tape."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from playhead.config.errors import UpstreamError
from playhead.storage.journal import Kind

from .answers import answer
from .guards import AnswerGuard, ChunkedGuard, gives_secrets
from .http1 import Chunked, Framing, Head, UntilClose, chunk_of, end_to_end, response_head
from .inbound import Inbound
from .notes import end, opening
from .passed import CLOSE, KEEP, Passed
from .redaction import redact_response_head
from .request_tape import RequestTape
from .service import Service
from .upstream import Leg

_PAUSE_ABOVE = 1 << 20  # bytes on their way to a client before upstream is held back
_BUFFERED = 1 << 18
_REST_SECONDS = 0.1  # for the rest of a request that has been answered before it was whole
_REMEMBERED = 1 << 13  # a shorter body is looked through faster than compared with others
_JOINED = 1 << 14  # copying a longer body costs more than writing twice
BAD_BODY = "The request's body is not framed as HTTP/1.1 demands."
_NOTHING: frozenset[bytes] = frozenset()
_TRANSFER_ENCODING = frozenset((b"transfer-encoding",))


class HttpExchange:
    """One exchange in flight: the receiver of upstream's answer."""

    def __init__(self, service: Service, request: web.BaseRequest, inbound: Inbound) -> None:
        self.service = service
        self.inbound = inbound
        self.number = 0
        self.waits = False  # for its client to leave, and for nothing else
        self._request = request
        self._started = time.monotonic_ns()
        self._connection: Leg | None = None
        self._done: asyncio.Future[None] = service.loop.create_future()
        self._tape = service.tape
        self._request_tape: RequestTape | None = None
        self._sent = False  # whether the request has come whole
        self._head: Head | None = None
        self._framing: Framing | None = None
        self._guard: AnswerGuard | ChunkedGuard | None = None
        self._redacted = False
        self._dechunk = False
        self._keep = request.keep_alive
        self._unsent = 0
        self._held = False
        self._ended = False
        self._last = self._started
        self._problem: str | None = None
        self._again: list[bytes] | None = None
        self._retry: asyncio.Task[None] | None = None
        self._caught_up: asyncio.Event | None = None
        self._rest: asyncio.TimerHandle | None = None  # the answer is whole, and the rest of the request is waited for

    async def run(self) -> Passed:
        """Forward the request, and wait until its answer has gone to the client."""
        service = self.service
        service.exchanges.add(self)
        try:
            if not self._open():
                return await self._finish()
            try:
                await self._send_request()
            except UpstreamError as error:
                self.failed(error)
            return await self._finish()
        except asyncio.CancelledError:
            self._end("complete" if self._rest is not None else "aborted" if service.stopping else "client_closed")
            raise
        finally:
            service.exchanges.discard(self)
            if not self._ended:
                self._end("aborted")
            self._let_go()
            self._request_tape = self._guard = None  # they would hold each other until a garbage collection

    def _let_go(self) -> None:
        """Whatever upstream still does for us is not wanted any more."""
        if self._retry is not None:
            self._retry.cancel()
        if self._rest is not None:
            self._rest.cancel()
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    def _open(self) -> bool:
        """Begin the record; False if strict durability forbids to go on."""
        if not self.inbound.recorded:
            return True
        self.number = self._tape.open()
        self.record(Kind.OPEN, opening(self.inbound.meta, time.time_ns(), self.inbound.recorded_head))
        if self._tape.strict and (problem := self._tape.flush_now()):
            self._tape.forget(self.number)
            self.number = 0
            self._answer("recording_unavailable", f"The request was not made because it could not be recorded: {problem}.")
            return False
        return True

    def record(self, kind: Kind, payload: bytes) -> None:
        """Journal a frame of this exchange."""
        if self.number:
            self._last = now = time.monotonic_ns()
            self._tape.record(kind, self.number, now - self._started, payload)

    def _now(self) -> int:
        self._last = time.monotonic_ns()
        return self._last - self._started

    # The request's way to upstream.

    async def _send_request(self) -> None:
        content = self._request.content
        has_body = self._request.body_exists
        whole = not has_body or (content.is_eof() and content.exception() is None)
        body = content.read_nowait() if has_body and whole else b""
        await self._forward(body, whole=whole)

    async def _forward(self, body: bytes, *, whole: bool) -> None:
        """Send head and body to upstream. `whole`: it is all of the body; else the rest follows as it comes."""
        content, has_body = self._request.content, self._request.body_exists
        if self.number and has_body:
            worth = not whole or len(body) >= _REMEMBERED
            self._request_tape = RequestTape(self.record, self.inbound, self.service.memo if worth else None)
        self.service.counters.request_bytes += len(body)
        if self._request_tape and body:
            self._request_tape.feed(body)
        start = [self.inbound.head, chunk_of(body, last=True) if self.inbound.chunked and whole else body]
        if len(body) < _JOINED:
            start = [b"".join(start)]
        if whole:
            self._request_whole()
        await self._begin(start, may_retry=whole and self.inbound.safe)
        if not whole:
            await self._pump(content)

    async def _begin(self, start: list[bytes], *, may_retry: bool) -> None:
        """Send the head and what is there of the body; on an idle connection that upstream closed meanwhile, once more if that is safe."""
        connection = self.service.live.take()
        if connection is None:
            connection = await self.service.live.connect()
        elif may_retry:
            self._again = start
        self._start(connection, start)

    def _start(self, connection: Leg, start: list[bytes]) -> None:
        self._connection = connection
        connection.begin(self, self._request.method)
        for piece in start:
            connection.write(piece)

    def _request_whole(self) -> None:
        self._sent = True
        if self._request_tape is not None:
            self._request_tape.end()
            self._guard_more(self._request_tape)
        if self._rest is not None:
            self._rest.cancel()
            self._answered()

    def _guard_more(self, request: RequestTape) -> None:
        """An answer that began before the request was whole is guarded against what is found in that later."""
        if self._guard is not None:
            self._guard.add(request.scanner.secrets)

    async def _pump(self, content: Any) -> None:
        """Send the body as it comes, until it ends or the answer does."""
        pump = asyncio.ensure_future(self._pump_body(content))
        pump.add_done_callback(lambda done: done.cancelled() or done.exception())  # it is looked at below, or the client is gone
        try:
            await asyncio.wait((pump, self._done), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not pump.done():
                pump.cancel()
        if pump.done() and not pump.cancelled():
            await self._pumped(pump)

    async def _pumped(self, pump: asyncio.Future[None]) -> None:
        try:
            await pump
        except (web.RequestPayloadError, HttpProcessingError):
            if self._connection is not None:
                self._connection.abort()
            self._keep = False
            if self._head is None:
                self._answer("bad_request", BAD_BODY)
            elif self._rest is not None:
                self._answered()
            else:
                self._break("client_closed")

    async def _pump_body(self, content: Any) -> None:
        connection = self._connection
        if connection is None:  # the answer was faster
            return
        async for piece in content.iter_any():
            if self._request_tape is not None:
                self._request_tape.feed(piece)
                self._guard_more(self._request_tape)
            connection.write(chunk_of(piece, last=False) if self.inbound.chunked else piece)
            self.service.counters.request_bytes += len(piece)
            self._now()  # upstream is not silent while the client speaks
            await connection.drain()
        if self.inbound.chunked:
            connection.write(b"0\r\n\r\n")
        self._request_whole()

    # The answer's way to the client: called by the connection.

    def interim(self, head: Head) -> None:
        """Pass on a 1xx head."""
        self.record_head(head)
        if self._request.version >= (1, 1):
            self._send(head.raw)

    def head(self, head: Head, framing: Framing) -> None:
        """Pass on the head."""
        if head.status == 101:
            assert self._connection is not None
            self._connection.abort()
            self.failed(UpstreamError("upstream_protocol_error", f"{self.service.live.origin} switched protocols though nobody asked"))
            return
        self._head, self._framing = head, framing
        self.service.counters.statuses[head.status // 100] += 1
        self.record_head(head)
        old = self._request.version < (1, 1)
        self._dechunk = old and isinstance(framing, Chunked)
        # A client whose upload is answered before its end may have much to send still: its connection is not worth waiting for that.
        self._keep = self._keep and self._sent and not isinstance(framing, UntilClose) and not self._dechunk and not self.service.stopping
        if self.number:
            # Into compressed bytes no mask can be put: an answer that gives out a new secret is kept by its length alone.
            everything = b"content-encoding" in head.first and gives_secrets(self.inbound.address.target)
            self._guard = (ChunkedGuard if isinstance(framing, Chunked) else AnswerGuard)(self.secrets(), everything=everything)
        headers = end_to_end(head, _TRANSFER_ENCODING if self._dechunk else _NOTHING)
        self._send(response_head(head, headers, keep_alive=self._keep, old=old))

    def record_head(self, head: Head) -> None:
        """Journal a head from upstream."""
        if self.number:
            recorded, redacted = redact_response_head(head.raw, self.secrets())
            self._redacted |= redacted
            self.record(Kind.RESPONSE_HEAD, recorded)

    def secrets(self) -> list[bytes]:
        """What must not be recorded of the answer if it says it again."""
        return [*self.inbound.secrets, *(self._request_tape.scanner.secrets if self._request_tape is not None else ())]

    def data(self, data: bytes, payload: list[bytes] | None) -> None:
        """Pass on a piece of the body."""
        guard = self._guard
        if guard is not None:
            kept = guard.feed(data, payload) if isinstance(guard, ChunkedGuard) else guard.feed(data)
            if kept:
                self.record(Kind.RESPONSE_DATA, kept)
            else:
                self._now()
        else:
            self._now()
        if self._dechunk:
            data = b"".join(payload or ())
        self._send(data)

    def ended(self) -> None:
        """The answer is whole. What is missing of its request is on its way mostly, and a record without it could not be found again."""
        if self._sent:
            self._answered()
        else:
            self._rest = self.service.loop.call_later(_REST_SECONDS, self._answered)

    def _answered(self) -> None:
        connection = self._connection
        if connection is not None:
            if not self._sent:
                connection.reusable = False  # it still waits for the rest of a request that it has answered
                self._keep = False
            if self._held:
                connection.resume_reading()  # the next exchange on it is not ours to hold
            connection.release()
            self._connection = None
        self._end("complete")
        self._tape.then(self, self._resolve)

    def failed(self, error: UpstreamError) -> None:
        """Upstream broke off."""
        connection, self._connection = self._connection, None
        if self._again is not None and connection is not None and not connection.answered and error.code != "upstream_timeout":
            again, self._again = self._again, None
            self._retry = asyncio.ensure_future(self._begin_again(again))
        elif self._head is None:
            self._answer(error.code, f"{error}.")
        else:
            self._break("timeout" if error.code == "upstream_timeout" else "upstream_closed")

    async def _begin_again(self, start: list[bytes]) -> None:
        try:
            self._start(await self.service.live.connect(), start)
        except UpstreamError as error:
            self.failed(error)

    def timed_out(self) -> None:
        """Upstream has been silent for longer than the settings allow."""
        if self._connection is not None and not self._ended and not self._held and self._rest is None:  # held back, it cannot speak
            self._connection.abort()
            limit = self.service.settings.read_timeout
            self.failed(UpstreamError("upstream_timeout", f"{self.service.live.origin} was silent for {limit:g} s"))

    @property
    def silent_since(self) -> int:
        """When something last passed, on the monotonic clock."""
        return self._last

    def unrecordable(self, problem: str) -> None:
        """Strict durability: nothing goes to the client that is not recorded."""
        if self._done.done():
            return
        if self._connection is not None:
            self._connection.abort()
            self._connection = None
        self._end("aborted")
        self._keep = False
        self._hang_up()
        self._resolve()

    def break_off(self) -> None:
        """The server stops and waits no longer."""
        if not self._ended:
            self._let_go()
            self._break("aborted" if self._rest is None else "complete")

    # Endings.

    def _answer(self, code: str, message: str) -> None:
        """Answer ourselves."""
        if self._ended:
            return
        service = self.service
        service.counters.error(code)
        self._keep = self._keep and (not self._request.body_exists or self._request.content.is_eof())
        head, body = answer(code, message, keep_alive=self._keep, head_only=self._request.method == "HEAD")
        self.record(Kind.RESPONSE_HEAD, head)
        if body:
            self.record(Kind.RESPONSE_DATA, body)
        self._send(head + body)
        self._end("timeout" if code == "upstream_timeout" else "unreachable" if code.startswith("upstream") else "aborted", code)
        self._tape.then(self, self._resolve)

    def _break(self, outcome: str) -> None:
        """End the client's transfer so that it sees that it is not whole."""
        self._keep = False
        self._end(outcome)
        self._tape.then(self, self._hang_up)
        self._tape.then(self, self._resolve)

    def _hang_up(self) -> None:
        transport = self._request.transport
        if transport is None:
            return
        if self._head is None or isinstance(self._framing, UntilClose) or self._dechunk:
            # The end of the connection would be the end of the body: only a reset says that it is not.
            with contextlib.suppress(OSError, AttributeError):
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            transport.close()

    def _end(self, outcome: str, code: str | None = None) -> None:
        if self._ended:
            return
        self._ended = True
        if self._request_tape is not None and not self._sent:
            self._request_tape.break_off()
        self.service.counters.outcome(outcome)
        if not self.number:
            return
        if self._guard is not None:
            if rest := self._guard.finish():
                self.record(Kind.RESPONSE_DATA, rest)
            self._redacted |= self._guard.redacted
        at = self._now()
        self._tape.close(self.number, at, Kind.END, lambda lost: end(outcome, code, redacted=self._redacted, lost=lost, problem=self._problem))

    def _resolve(self) -> None:
        if not self._done.done():
            self._done.set_result(None)

    async def _finish(self) -> Passed:
        await self._done
        transport = self._request.transport
        if transport is not None and transport.get_write_buffer_size():
            # It is in flight until its client has it; and a client that does not read is not served further.
            with contextlib.suppress(ConnectionError):
                await self._request.writer.drain()
        return KEEP if self._keep and not self.service.stopping else CLOSE

    # Writing to the client.

    def _send(self, data: bytes) -> None:
        if not data:
            return
        self._unsent += len(data)
        self._tape.then(self, self._write, data)
        if self._unsent > _PAUSE_ABOVE:
            self._hold()

    def _write(self, data: bytes) -> None:
        self._unsent -= len(data)
        if self._caught_up is not None and not self._unsent:
            self._caught_up.set()
        transport = self._request.transport
        if transport is None:
            return
        transport.write(data)
        self.service.counters.response_bytes += len(data)
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
            await self._request.writer.drain()
        self._held = False
        self._now()  # upstream could not speak until now
        if self._connection is not None:
            self._connection.resume_reading()

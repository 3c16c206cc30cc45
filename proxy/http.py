"""Forwarding over HTTP: a request goes upstream as it came, the answer goes back as it comes, and both onto the tape."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from playhead.config.errors import UpstreamError
from playhead.storage.journal import Kind

from .client_side import ClientSide
from .forwarding.answers import answer
from .forwarding.clients import ClientRequest, Done, Leave, in_task
from .forwarding.http1 import Chunked, Framing, Head, UntilClose, chunk_of, end_to_end, response_head
from .forwarding.inbound import Inbound
from .masking.guards import gives_secrets
from .masking.needles import needles_of, unsaid
from .notes import bundle, end, opening, request_end
from .redaction import is_clean
from .service import Service
from .tapes.answer_tape import AnswerTape
from .tapes.request_tape import RequestTape
from .upstream import Leg

_REST_SECONDS = 0.1  # for the rest of a request that has been answered before it was whole
REMEMBERED = 1 << 13  # a shorter body is looked through faster than compared with others
_JOINED = 1 << 14  # copying a longer body costs more than writing twice
BAD_BODY = "The request's body is not framed as HTTP/1.1 demands."
_NOTHING: frozenset[bytes] = frozenset()
_TRANSFER_ENCODING = frozenset((b"transfer-encoding",))


class HttpExchange(ClientSide):
    """One exchange in flight: the receiver of upstream's answer."""

    def __init__(self, service: Service, request: ClientRequest, inbound: Inbound) -> None:
        super().__init__(service, request)
        self.inbound = inbound
        self.waits = False  # for its client to leave, and for nothing else
        self._started = time.monotonic_ns()
        self._request_tape: RequestTape | None = None
        self._sent = False  # whether the request has come whole
        self._head: Head | None = None
        self._framing: Framing | None = None
        self._answer_tape: AnswerTape | None = None
        self._dechunk = False
        self._keep = request.keep_alive
        self._ended = False
        self._last = self._started
        self._problem: str | None = None
        self._again: list[bytes] | None = None
        self._kept = b""  # what the journal is to get of the same read
        self._retry: asyncio.Task[None] | None = None
        self._rest: asyncio.TimerHandle | None = None  # the answer is whole, and the rest of the request is waited for

    def begin(self, done: Done) -> Leave:
        """Forward the request; `done` when its answer has gone to the client. The usual case without a task: all of the request and a connection are there."""
        content, has_body = self._request.content, self._request.body_exists
        whole = not has_body or (content.is_eof() and content.exception() is None)
        connection = self.service.live.take() if whole else None
        if connection is None:
            return in_task(self.run(), done)
        self.service.exchanges.add(self)
        self._done = done
        try:
            self._forward_whole(content.read_nowait() if has_body else b"", connection)
        except BaseException:
            self._close("aborted")
            raise
        return self._left

    def _left(self) -> None:
        """The client is gone."""
        self._done = None
        self._close("complete" if self._rest is not None else "aborted" if self.service.stopping else "client_closed")

    def _close(self, outcome: str) -> None:
        self.service.exchanges.discard(self)
        if not self._ended:
            self._end(outcome)
        self._let_go()
        self._request_tape = self._answer_tape = None  # they would hold each other until a garbage collection

    async def run(self) -> bool:
        """Forward the request, and wait until its answer has gone to the client: whether its connection lives on."""
        waiter = self._waiter = self.service.loop.create_future()
        self.service.exchanges.add(self)
        try:
            try:
                await self._send_request()
            except UpstreamError as error:
                self.failed(error)
                self.settled()
            await waiter
            await self._taken()
            self._close("aborted")
        except asyncio.CancelledError:
            self._left()
            raise
        except BaseException:
            self._close("aborted")
            raise
        return self._keep and not self.service.stopping

    def _let_go(self) -> None:
        """Whatever upstream still does for us is not wanted any more."""
        if self._retry is not None:
            self._retry.cancel()
        if self._rest is not None:
            self._rest.cancel()
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    def _begin_record(self, body: bytes | None, *, has_body: bool) -> bool:
        """Begin the record, with the whole body if that is there; False if strict durability forbids to go on."""
        if not self.inbound.recorded:
            return True
        self.number = self._tape.open()
        self._answer_tape = AnswerTape(self.record, self.secrets)
        start = opening(self.inbound.meta, time.time_ns(), self.inbound.recorded_head)
        text, note = body or b"", b""
        if has_body:
            small = body is not None and len(body) < REMEMBERED
            if small and self.inbound.coding is None and is_clean(text, needles_of(tuple(self.inbound.secrets))):
                note = request_end(len(text), redacted=False)
            else:
                self._request_tape = RequestTape(self.record, self.inbound, None if small else self.service.memo)
                if body is not None:
                    text, note = self._request_tape.whole(body)
        if body is None or len(text) > _JOINED:
            self.record(Kind.OPEN, start)
            if body is not None:
                self.record(Kind.REQUEST_DATA, text)
                self.record(Kind.REQUEST_END, note)
        else:
            self.record(Kind.BEGIN, bundle(start, note, text))
        if self._tape.strict and (problem := self._tape.flush_now()):
            self._tape.forget(self.number)
            self.number = 0
            self._request_tape = self._answer_tape = None
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

    def _forward_whole(self, body: bytes, connection: Leg) -> None:
        """Send all of it to upstream, over a connection that was idle; on one that upstream closed meanwhile, once more if that is safe."""
        if self._begin_record(body, has_body=self._request.body_exists):
            self._sent = True
            start = self._start_of(body, whole=True)
            self._again = start if self.inbound.safe else None
            self._start(connection, start)
        else:
            connection.release()

    def _start_of(self, body: bytes, *, whole: bool) -> list[bytes]:
        self.service.counters.request_bytes += len(body)
        start = [self.inbound.head, chunk_of(body, last=True) if self.inbound.chunked and whole else body]
        return [b"".join(start)] if len(body) < _JOINED else start

    async def _forward(self, body: bytes, *, whole: bool) -> None:
        """Send head and body to upstream. `whole`: it is all of the body; else the rest follows as it comes."""
        content, has_body = self._request.content, self._request.body_exists
        if not self._begin_record(body if whole else None, has_body=has_body):
            return
        start = self._start_of(body, whole=whole)
        self._sent = whole
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
        if self._answer_tape is not None:
            self._answer_tape.guard_more(request.scanner.secrets)

    async def _pump(self, content: Any) -> None:
        """Send the body as it comes, until it ends or the answer does."""
        pump = asyncio.ensure_future(self._pump_body(content))
        pump.add_done_callback(lambda done: done.cancelled() or done.exception())  # it is looked at below, or the client is gone
        assert self._waiter is not None
        try:
            await asyncio.wait((pump, self._waiter), return_when=asyncio.FIRST_COMPLETED)
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
        if self._answer_tape is not None:
            self._answer_tape.interim(head)
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
        old = self._request.version < (1, 1)
        self._dechunk = old and isinstance(framing, Chunked)
        # A client whose upload is answered before its end may have much to send still: its connection is not worth waiting for that.
        self._keep = self._keep and self._sent and not isinstance(framing, UntilClose) and not self._dechunk and not self.service.stopping
        if self._answer_tape is not None:
            # Into compressed bytes no mask can be put: an answer that gives out a new secret is kept by its length alone.
            everything = b"content-encoding" in head.first and gives_secrets(self.inbound.address.target)
            self._answer_tape.begin(head, chunked=isinstance(framing, Chunked), everything=everything)
        headers = end_to_end(head, _TRANSFER_ENCODING if self._dechunk else _NOTHING)
        self._send(response_head(head, headers, keep_alive=self._keep, old=old))

    def secrets(self) -> list[bytes]:
        """What must not be recorded of the answer if it says it again."""
        found = self._request_tape.scanner.secrets if self._request_tape is not None else ()
        return [*self.inbound.secrets, *found] if found else self.inbound.secrets

    def data(self, data: bytes, payload: list[bytes] | None) -> None:
        """Pass on a piece of the body."""
        self._last = time.monotonic_ns()
        if self._answer_tape is not None:
            self._kept += self._answer_tape.kept(data, payload)
        self._out += b"".join(payload or ()) if self._dechunk else data

    def settled(self) -> None:
        """What one read brought goes to the journal, then to the client."""
        tape, kept = self._answer_tape, self._kept
        if tape is not None and kept and not self._tape.strict:
            data, self._out, self._kept = self._out, b"", b""
            self._tape.pass_on(self, tape.kind, self._last - self._started, kept, data)
            return
        if tape is not None:
            self._settle(tape)
        self._push()

    def _settle(self, tape: AnswerTape) -> None:
        if self._kept:
            self.record(tape.kind, self._kept)
            self._kept = b""
        tape.settle()

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
        self._then(self._resolve)

    def failed(self, error: UpstreamError) -> None:
        """Upstream broke off."""
        connection, self._connection = self._connection, None
        if self._again is not None and connection is not None and not connection.answered and error.code != "upstream_timeout":
            again, self._again = self._again, None
            self._retry = asyncio.ensure_future(self._begin_again(again))
        elif self._head is None:
            self._answer(error.code, f"{unsaid(str(error), self.secrets())}.")  # it may quote what upstream said
        else:
            self._break("timeout" if error.code == "upstream_timeout" else "upstream_closed")

    async def _begin_again(self, start: list[bytes]) -> None:
        try:
            self._start(await self.service.live.connect(), start)
        except UpstreamError as error:
            self.failed(error)
            self.settled()

    def timed_out(self) -> None:
        """Upstream has been silent for longer than the settings allow."""
        if self._connection is not None and not self._ended and not self._held and self._rest is None:  # held back, it cannot speak
            self._connection.abort()
            limit = self.service.settings.read_timeout
            self.failed(UpstreamError("upstream_timeout", f"{self.service.live.origin} was silent for {limit:g} s"))
            self.settled()

    @property
    def silent_since(self) -> int:
        """When something last passed, on the monotonic clock."""
        return self._last

    def unrecordable(self, problem: str) -> None:
        """Strict durability: nothing goes to the client that is not recorded."""
        if self._resolved:
            return
        if self._connection is not None:
            self._connection.abort()
            self._connection = None
        self._end("aborted")
        self._out = b""
        self._keep = False
        self._cut()
        self._resolve()

    def break_off(self) -> None:
        """The server stops and waits no longer."""
        if not self._ended:
            self._let_go()
            self._break("aborted" if self._rest is None else "complete")

    # Endings.

    def _answer(self, code: str, message: str, more: Mapping[str, Any] | None = None) -> None:
        """Answer ourselves. `more`: what stands beside the usual in the error."""
        if self._ended:
            return
        service = self.service
        service.counters.error(code)
        self._keep = self._keep and (not self._request.body_exists or self._request.content.is_eof())
        head, body = answer(code, message, keep_alive=self._keep, head_only=self._request.method == "HEAD", more=more)
        self.record(Kind.RESPONSE_HEAD, head)
        if body:
            self.record(Kind.RESPONSE_DATA, body)
        self._send(head + body)
        self._end("timeout" if code == "upstream_timeout" else "unreachable" if code.startswith("upstream") else "aborted", code)
        self._then(self._resolve)

    def _break(self, outcome: str) -> None:
        """End the client's transfer so that it sees that it is not whole."""
        self._keep = False
        self._end(outcome)
        self._then(self._cut)
        self._then(self._resolve)

    def _cut(self) -> None:
        if self._head is None or isinstance(self._framing, UntilClose) or self._dechunk:
            self._reset()  # the end of the connection would be the end of the body: only this says that it is not
        else:
            self._hang_up()

    def _then(self, step: Callable[[], None]) -> None:
        """When all before it has gone to the client."""
        self.settled()
        self._tape.then(self, step)

    def _end(self, outcome: str, code: str | None = None) -> None:
        if self._ended:
            return
        self._ended = True
        if self._kept and self._answer_tape is not None:
            self._settle(self._answer_tape)
        if self._request_tape is not None and not self._sent:
            self._request_tape.break_off()
        self.service.counters.outcome(outcome)
        answer_tape = self._answer_tape
        if answer_tape is None:
            return
        unwritten = answer_tape.finish(whole=outcome == "complete")

        def last(lost: bool) -> bytes:
            note = end(outcome, code, redacted=answer_tape.redacted, lost=lost, problem=self._problem)
            return note if unwritten is None else bundle(unwritten[0], note, unwritten[1])

        self._tape.close(self.number, self._now(), Kind.END if unwritten is None else Kind.FINISH, last)

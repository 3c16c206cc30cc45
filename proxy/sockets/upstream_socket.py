"""playhead's own end of a WebSocket to upstream: where a replay goes live, it asks as the client would have.

What passes is recorded as of a WebSocket that a client opened, but for the events that are not passed on: those the record does not have either.
"""

from __future__ import annotations

import asyncio
import os
import time
from base64 import b64encode
from collections.abc import Awaitable
from typing import Protocol

from websockets.frames import apply_mask  # type: ignore[attr-defined]  # where it is the C version, if there is one

from playhead.config.errors import UpstreamError
from playhead.storage.journal import Kind

from ..assembling.traffic import NO_CODE
from ..decoding import BodyDecoder
from ..forwarding.frames import INSTEAD, FrameDecoder, Message, Opcode
from ..forwarding.http1 import Chunked, Framing, Head
from ..forwarding.inbound import Inbound
from ..masking.needles import unsaid
from ..notes import end, opening
from ..service import Service
from ..tapes.answer_tape import AnswerTape
from ..upstream import Leg
from ..websocket import ClientTape
from .socket_end import accept_of, frame_head

RECORDING = "recording_unavailable"
"""The code of what is told of an `Unrecordable`."""

_REFUSED = 1 << 20  # bytes of a refusal that are held
_OWN = (b"sec-websocket-key:", b"sec-websocket-extensions:")


class Listener(Protocol):
    """Who is told what upstream says over the socket. Each method is called from the event loop and must not raise."""

    def told(self, message: Message) -> bool:
        """A text or binary message. False: it is not passed on to the client, and not recorded."""

    def settled(self) -> None:
        """All that one read brought has been told."""

    def closed(self, code: int | None, reason: bytes) -> None:
        """Nothing more comes. `code`: of upstream's close frame; 1005: it has none; None: the socket was dropped."""


class HandshakeRefused(Exception):
    """Upstream did not agree to a WebSocket: its answer. `whole`: `body` is all of its body, and not only the start of it."""

    def __init__(self, head: Head, body: bytes, *, whole: bool = True) -> None:
        super().__init__(f"upstream answered the WebSocket handshake with status {head.status}")
        self.status = head.status
        self.head = head
        self.body = body
        self.whole = whole

    @property
    def text(self) -> bytes:
        """The body without its codings, as far as it can be decoded."""
        decoder = BodyDecoder(self.head.get(b"content-encoding") or b"")
        return b"".join([*decoder.feed(self.body), *decoder.finish()])


class Unrecordable(Exception):
    """Strict durability: what cannot be recorded is not begun."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"It was not sent because it could not be recorded: {problem}.")


class UpstreamSocket:
    """One connection; `inbound`: the client's handshake, as it is to be recorded. After `open`, messages go to the listener until `closed`."""

    def __init__(self, service: Service, inbound: Inbound, listener: Listener) -> None:
        self.service = service
        self.inbound = inbound
        self.number = 0
        self._listener = listener
        self._started = time.monotonic_ns()
        self.last = self._started
        """When something last passed, on the monotonic clock."""
        self._leg: Leg | None = None
        self._client: ClientTape | None = None
        self._tape: AnswerTape | None = None
        self._decoder = FrameDecoder()
        self._agreed: asyncio.Future[None] = service.loop.create_future()
        self._accept = b""
        self._head: Head | None = None
        self._body = bytearray()  # of a refusal, and one byte more than is held if there is more
        self._close: tuple[int | None, bytes] = (None, b"")
        self._over = False  # whether upstream's close frame has come
        self._ended = False

    async def open(self) -> None:
        """Shake hands. Raises UpstreamError, HandshakeRefused; Unrecordable: strict durability forbids it."""
        leg = self._leg = await self.service.live.connect()
        self.last = time.monotonic_ns()
        key = b64encode(os.urandom(16))
        self._accept = accept_of(key)
        if self.inbound.recorded:
            self._begin_record()
        leg.begin(self, "GET")
        leg.write(_handshake(self.inbound.head, key))
        try:
            await self._agreement()
        except BaseException:
            self.abort()
            raise

    async def _agreement(self) -> None:
        """Upstream has agreed, and was not silent for too long before. Raises UpstreamError, HandshakeRefused."""
        limit = self.service.settings.read_timeout
        while limit is not None and not self._agreed.done():
            left = limit - (time.monotonic_ns() - self.last) / 1e9
            if left <= 0:
                self.timed_out()
            await asyncio.wait([self._agreed], timeout=left)
        await self._agreed

    def timed_out(self) -> UpstreamError:
        """Upstream has been silent for longer than the settings allow: the connection is over, and the listener hears nothing more."""
        error = UpstreamError("upstream_timeout", f"{self.service.live.origin} was silent for {self.service.settings.read_timeout:g} s")
        if self._leg is not None:
            self._leg.abort()
        self._leg = None
        self._end("timeout")
        if not self._agreed.done():
            self._agreed.set_exception(error)
        return error

    def _begin_record(self) -> None:
        tape = self.service.tape
        self.number = tape.open()
        self.record(Kind.OPEN, opening(self.inbound.meta, time.time_ns(), self.inbound.recorded_head))
        if tape.strict and (problem := tape.flush_now()):
            tape.forget(self.number)
            self.number = 0
            self.abort()
            raise Unrecordable(problem)
        self._tape = AnswerTape(self.record, lambda: self.inbound.secrets)

    @property
    def answer(self) -> bytes:
        """The head with which upstream agreed, cookies and all."""
        return self._head.raw if self._head is not None else b""

    @property
    def _agreed_upon(self) -> bool:
        return self._head is not None and self._head.status == 101

    # Sending.

    def send(self, payload: bytes, opcode: int = Opcode.TEXT, *, instead: bool = False) -> None:
        """A message. `instead`: in place of one that was sent for the client."""
        self._write(opcode, payload, flags=INSTEAD if instead else 0)

    def room(self) -> Awaitable[None] | None:
        """To be awaited before more is sent: upstream takes less than it gets."""
        return self._leg.drain() if self._leg is not None and self._leg.stalled else None

    def keep(self, message: Message) -> None:
        """Record a message that was not, since the client gets it after all."""
        if self._tape is not None:
            self._tape.data(_plain(*message), None)

    def close(self, code: int = 1000) -> None:
        """Say goodbye; upstream closes then. Idempotent."""
        if not self._ended and self._close[0] is None:
            self._close = (code, b"")
            self._write(Opcode.CLOSE, code.to_bytes(2, "big"))

    def abort(self) -> None:
        """Close at once; the listener hears nothing more. Idempotent."""
        if self._leg is not None:
            self._leg.abort()
        self._end("client_closed")

    def pause(self) -> None:
        """Hold upstream back: the client is slower."""
        if self._leg is not None:
            self._leg.pause_reading()

    def resume(self) -> None:
        """Go on."""
        self.last = time.monotonic_ns()  # before that it could not speak
        if self._leg is not None:
            self._leg.resume_reading()

    def _write(self, opcode: int, payload: bytes, *, flags: int = 0) -> None:
        frame = _masked(opcode, payload)
        self.last = time.monotonic_ns()
        self.service.counters.request_bytes += len(frame)
        if self._client is not None and (found := self._client.feed(frame, flags)) and self._tape is not None:
            self._tape.guard_more(found)
        if self._leg is not None:
            self._leg.write(frame)

    def record(self, kind: Kind, payload: bytes) -> None:
        """Journal a frame of this connection."""
        if self.number:
            self.service.tape.record(kind, self.number, time.monotonic_ns() - self._started, payload)

    # Called by the leg.

    def interim(self, head: Head) -> None:
        """Of no account."""

    def head(self, head: Head, framing: Framing) -> None:
        """Upstream's answer to the handshake."""
        self._head = head
        self.last = time.monotonic_ns()
        self.service.counters.statuses[head.status // 100] += 1
        if head.status != 101:
            if self._tape is not None:
                self._tape.begin(head, chunked=isinstance(framing, Chunked), everything=False)
            return
        if (head.get(b"sec-websocket-accept") or b"").strip() != self._accept:
            self.failed(UpstreamError("upstream_protocol_error", f"{self.service.live.origin} did not agree to a WebSocket as RFC 6455 demands"))
            return
        if self._tape is not None:
            self._tape.upgrade(head)
            self._client = ClientTape(self, b"")
        if not self._agreed.done():
            self._agreed.set_result(None)

    def data(self, data: bytes, payload: list[bytes] | None) -> None:
        """Frames, or the body of a refusal."""
        self.last = time.monotonic_ns()
        if not self._agreed_upon:
            if self._tape is not None:
                self._tape.data(data, payload)
            self._body += b"".join(payload) if payload is not None else data
            del self._body[_REFUSED + 1 :]
            return
        for message in self._decoder.messages(data):
            self._message(message)
        if self._decoder.problem is not None and self._close[0] is None:
            self.close(1002)

    def _message(self, message: Message) -> None:
        opcode, payload = message
        passed = opcode >= Opcode.CLOSE or self._listener.told(message)
        if passed and self._tape is not None:
            self._tape.data(_plain(opcode, payload), None)
        if opcode == Opcode.PING:
            self._write(Opcode.PONG, payload)
        elif opcode == Opcode.CLOSE:
            said = (int.from_bytes(payload[:2], "big"), payload[2:]) if len(payload) > 1 else (NO_CODE, b"")
            if self._close[0] is None:
                self._write(Opcode.CLOSE, payload[:2])
            self._close = said
            self._over = True

    def settled(self) -> None:
        """One read is over."""
        if self._tape is not None:
            self._tape.settle()
        if self._agreed_upon:
            self._listener.settled()
        if self._over and self._leg is not None:  # nothing can follow (RFC 6455 section 5.5.1)
            leg, self._leg = self._leg, None
            leg.close()
            self._end("complete")
            self._listener.closed(*self._close)

    def ended(self) -> None:
        """The answer is whole, or upstream closed its side."""
        if self._agreed_upon:
            if self._leg is not None:
                self._leg = None
                self._end("upstream_closed")
                self._listener.closed(None, b"")
            return
        if self._leg is not None:
            self._leg.release()
        self._leg = None
        self._end("complete")
        if not self._agreed.done() and self._head is not None:
            self._agreed.set_exception(HandshakeRefused(self._head, bytes(self._body[:_REFUSED]), whole=len(self._body) <= _REFUSED))

    def failed(self, error: UpstreamError) -> None:
        """Upstream broke off."""
        if self._over:
            return
        upgraded = self._agreed.done()
        if self._leg is not None:
            self._leg.abort()
        self._leg = None
        self._end("upstream_closed" if upgraded else "unreachable")
        if upgraded:
            self._listener.closed(None, b"")
        else:
            # It may quote what upstream said.
            self._agreed.set_exception(UpstreamError(error.code, unsaid(str(error), self.inbound.secrets)))

    def _end(self, outcome: str) -> None:
        if self._ended:
            return
        self._ended = True
        tape = self._tape
        if tape is None:
            return
        for kind, payload in zip((Kind.RESPONSE_HEAD, Kind.RESPONSE_DATA), tape.finish(whole=outcome == "complete") or (), strict=False):
            self.record(kind, payload)
        at = time.monotonic_ns() - self._started
        self.service.tape.close(self.number, at, Kind.END, lambda lost: end(outcome, redacted=tape.redacted, lost=lost, problem=self._decoder.problem))


def _handshake(head: bytes, key: bytes) -> bytes:
    """The client's handshake with a key of our own, and without extensions: nobody has to compress what only we read."""
    first, *lines = head[:-4].split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(_OWN)]
    return b"\r\n".join((first, *kept, b"Sec-WebSocket-Key: " + key)) + b"\r\n\r\n"


def _masked(opcode: int, payload: bytes) -> bytes:
    """A frame as a client sends it."""
    head, mask = bytearray(frame_head(opcode, len(payload))), os.urandom(4)
    head[1] |= 0x80
    return bytes(head) + mask + apply_mask(payload, mask)


def _plain(opcode: int, payload: bytes) -> bytes:
    """A frame as a server sends it."""
    return frame_head(opcode, len(payload)) + payload

"""The server's end of a WebSocket (RFC 6455, RFC 7692), where playhead is one itself: bytes in, messages out, and the other way round. Pure."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha1
from typing import Any

from websockets.frames import EXTERNAL_CLOSE_CODES

from ..forwarding.frames import Deflate, FrameDecoder, Message, Opcode

MAX_MESSAGE = 64 << 20
"""Bytes of a client's message; who sends a longer one is told 1009."""

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TAIL = b"\x00\x00\xff\xff"
_PROTOCOL, _INVALID, _TOO_BIG = 1002, 1007, 1009
_SHORT_HEADS: Sequence[Sequence[bytes]] = tuple([tuple([bytes((0x80 | opcode, size)) for size in range(126)]) for opcode in range(16)])


def accept_of(key: bytes) -> bytes:
    """What a server answers to a `Sec-WebSocket-Key`."""
    return b64encode(sha1(key + _GUID, usedforsecurity=False).digest())


def frame_head(opcode: int, size: int, *, deflated: bool = False) -> bytes:
    """What stands before the payload of a whole message or control frame."""
    if size < 126 and not deflated:
        return _SHORT_HEADS[opcode][size]
    first = 0xC0 | opcode if deflated else 0x80 | opcode
    if size < 126:
        return bytes((first, size))
    return struct.pack("!BBH", first, 126, size) if size < 1 << 16 else struct.pack("!BBQ", first, 127, size)


def close_payload(code: int | None, reason: bytes = b"") -> bytes:
    """What a close frame says."""
    return b"" if code is None else struct.pack("!H", code) + reason[:123]


class SocketEnd:
    """One connection after its 101.

    `incoming`, `outgoing`: how the client's and our own messages are compressed. `closed_by_client`, `closing`: whether the client, and whether this end,
    has sent its close frame: after that this end sends nothing. `close_payload`: what the client's said. `problem`: what the client did wrong; a close
    frame for it has been made.
    """

    def __init__(self, incoming: Deflate | None = None, outgoing: Deflate | None = None) -> None:
        self.closed_by_client = False
        self.close_payload = b""
        self.closing = False
        self.problem: str | None = None
        self._decoder = FrameDecoder(incoming, masked=True)
        self._outgoing = outgoing
        self._deflater: Any = None
        self._parts: list[bytes] = []
        self._size = 0
        self._out: list[bytes] = []  # pongs and closes

    @property
    def deflates(self) -> bool:
        """Whether messages are to be compressed one by one."""
        return self._outgoing is not None

    def feed(self, data: bytes) -> list[Message]:
        """The next bytes of the client; gives the text and binary messages that they complete. What has to be answered is in `take` then."""
        messages: list[Message] = []
        for opcode, _, last, payload in self._decoder.feed(data):
            if self.closed_by_client or self.problem is not None:
                return messages
            if opcode >= Opcode.CLOSE:
                self._control(opcode, payload)
                continue
            self._size += len(payload)
            if self._size > MAX_MESSAGE:
                self._parts.clear()
                self._fail(_TOO_BIG, f"a message has more than {MAX_MESSAGE >> 20} MiB")
                return messages
            self._parts.append(payload)
            if last:
                whole = payload if len(self._parts) == 1 else b"".join(self._parts)
                self._parts, self._size = [], 0
                if opcode == Opcode.TEXT and not _is_utf8(whole):
                    self._fail(_INVALID, "a text message is not UTF-8")
                    return messages
                messages.append(Message(opcode, whole))
        if self._decoder.problem is not None and not self.closed_by_client:
            self._fail(_code_of(self._decoder.problem), self._decoder.problem)
        return messages

    def take(self) -> bytes:
        """Pongs and close frames that are to be sent."""
        out, self._out = b"".join(self._out), []
        return out

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == Opcode.PING and not self.closing:
            self._out.append(frame_head(Opcode.PONG, len(payload)) + payload)
        elif opcode == Opcode.CLOSE:
            if (fault := _fault_of_close(payload)) is not None:
                self._fail(*fault)
                return
            self.closed_by_client, self.close_payload = True, payload

    def _fail(self, code: int, problem: str) -> None:
        if self.problem is None:
            self.problem = problem
            self.close(close_payload(code, problem.encode()))

    def close(self, payload: bytes) -> None:
        """Send a close frame, the last that is sent. Idempotent."""
        if not self.closing:
            self.closing = True
            self._out.append(frame_head(Opcode.CLOSE, len(payload)) + payload)

    def message(self, opcode: int, payload: bytes) -> bytes:
        """The frame of a whole message or control frame."""
        if self._outgoing is None or opcode >= Opcode.CLOSE:
            return frame_head(opcode, len(payload)) + payload
        if self._deflater is None or not self._outgoing.takeover:
            self._deflater = zlib.compressobj(wbits=-self._outgoing.bits)
        data: bytes = (self._deflater.compress(payload) + self._deflater.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_TAIL)
        return frame_head(opcode, len(data), deflated=True) + data


def frames_of(payload: bytes, sizes: Iterable[int], opcodes: bytes) -> tuple[bytes, list[int]]:
    """Messages that stand end to end as uncompressed frames, and where each of those begins; behind them, where the last ends."""
    pieces: list[bytes] = []
    starts = [0]
    at = end = 0
    for size, opcode in zip(sizes, opcodes, strict=True):
        head = frame_head(opcode, size)
        pieces += (head, payload[at : at + size])
        at += size
        end += len(head) + size
        starts.append(end)
    return b"".join(pieces), starts


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _fault_of_close(payload: bytes) -> tuple[int, str] | None:
    """What is wrong with a client's close frame: the code to close with, and why."""
    if not payload:
        return None
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (code in EXTERNAL_CLOSE_CODES or 3000 <= code < 5000):
        return _PROTOCOL, "a close frame has no code that may be sent"
    return None if _is_utf8(payload[2:]) else (_INVALID, "the reason of a close frame is not UTF-8")


def _code_of(problem: str) -> int:
    """The close code for what the decoder found."""
    if problem.startswith("a compressed message"):
        return _INVALID
    return _TOO_BIG if problem.startswith("compressed messages") else _PROTOCOL

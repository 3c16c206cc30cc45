"""WebSocket ends on raw sockets: frames are written as told, right or wrong, and read as they came (RFC 6455, RFC 7692)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import struct
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self

from fakes import AHEAD, Answer, Body, Header, RawClient, Received, Socket, Wire, first, headers_of

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
OFFER = b"permessage-deflate; client_max_window_bits"
ACCEPT = b"permessage-deflate"
TAIL = b"\x00\x00\xff\xff"  # RFC 7692 section 7.2.1: ends every flush, and is not sent


@dataclass(frozen=True, slots=True)
class WebSocketFrame:
    """One frame as it came: `payload` unmasked but not inflated. `raw_size` counts its header too."""

    opcode: int
    payload: bytes
    fin: bool
    rsv1: bool
    masked: bool
    raw_size: int


def encode(opcode: int, payload: bytes, *, fin: bool = True, rsv1: bool = False, mask: bytes | None = None) -> bytes:
    """The bytes of one frame. `mask`: four bytes, as clients must send."""
    size = len(payload)
    flag = 0x80 if mask is not None else 0
    length = bytes([flag | size]) if size < 126 else struct.pack("!BH", flag | 126, size) if size < 1 << 16 else struct.pack("!BQ", flag | 127, size)
    body = payload if mask is None else mask + apply_mask(payload, mask)
    return bytes([fin << 7 | rsv1 << 6 | opcode]) + length + body


def apply_mask(data: bytes, mask: bytes) -> bytes:
    """Mask or unmask (RFC 6455 section 5.3)."""
    key = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(len(data), "big")


async def read_frame(reader: asyncio.StreamReader) -> WebSocketFrame:
    """The next frame. Raises IncompleteReadError at the end of the connection."""
    first_byte, second = await reader.readexactly(2)
    size, extra = second & 0x7F, b""
    if size > 125:
        extra = await reader.readexactly(2 if size == 126 else 8)
        size = int.from_bytes(extra, "big")
    masked = bool(second & 0x80)
    mask = await reader.readexactly(4) if masked else b""
    payload = await reader.readexactly(size)
    raw_size = 2 + len(extra) + len(mask) + size
    return WebSocketFrame(
        opcode=first_byte & 0x0F,
        payload=apply_mask(payload, mask) if masked else payload,
        fin=bool(first_byte & 0x80),
        rsv1=bool(first_byte & 0x40),
        masked=masked,
        raw_size=raw_size,
    )


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message, or a control frame. `payload` inflated."""

    opcode: int
    payload: bytes

    @property
    def close(self) -> tuple[int | None, str]:
        """Code and reason of a close frame; no code: None."""
        code = int.from_bytes(self.payload[:2], "big") if len(self.payload) >= 2 else None
        return code, self.payload[2:].decode()


class RawWebSocket(Socket):
    """One end of a WebSocket after its 101. A client masks, a server does not; deflate keeps its context, as both sides do by default."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes, *, client: bool) -> None:
        super().__init__(reader, writer)
        self.head = head
        self._client = client
        extensions = first(headers_of(head), b"sec-websocket-extensions") or b""
        self.deflated = b"permessage-deflate" in extensions
        self._deflate = zlib.compressobj(wbits=-15)
        self._inflate = zlib.decompressobj(wbits=-15)
        self._forget = (b"client" if client else b"server") + b"_no_context_takeover" in extensions
        self._parts: list[bytes] = []
        self._opcode = TEXT
        self._squashed = False

    async def frame(self, opcode: int, payload: bytes = b"", *, fin: bool = True, rsv1: bool = False) -> None:
        """Send one frame as it is."""
        await self.write(encode(opcode, payload, fin=fin, rsv1=rsv1, mask=os.urandom(4) if self._client else None))

    async def send(self, payload: bytes, opcode: int = TEXT, *, fragments: int = 1) -> None:
        """Send one message, deflated where that was agreed, in so many frames."""
        data = self._squeezed(payload) if self.deflated else payload
        size = max(1, -(-len(data) // fragments))
        pieces = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
        for number, piece in enumerate(pieces):
            is_first, is_last = number == 0, number == len(pieces) - 1
            await self.frame(opcode if is_first else CONTINUATION, piece, fin=is_last, rsv1=self.deflated and is_first)

    async def send_close(self, code: int | None = 1000, reason: str = "") -> None:
        """Send a close frame; the connection stays open."""
        await self.frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason.encode())

    async def receive(self) -> Message:
        """The next message or control frame. Control frames between fragments come first. Raises IncompleteReadError at the end."""
        while True:
            frame = await read_frame(self.reader)
            if frame.opcode & 8:
                return Message(frame.opcode, frame.payload)
            if frame.opcode != CONTINUATION:
                self._parts, self._opcode, self._squashed = [], frame.opcode, frame.rsv1
            self._parts.append(frame.payload)
            if frame.fin:
                data = b"".join(self._parts)
                return Message(self._opcode, self._inflate.decompress(data + TAIL) if self._squashed else data)

    async def receive_until_closed(self) -> list[Message]:
        """All that comes until the connection ends, in order or not."""
        messages = []
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                messages.append(await self.receive())
        return messages

    async def at_end(self) -> bool:
        """Whether the other side closes the connection without another byte. Waits for it."""
        try:
            return not await self.reader.read(1)
        except ConnectionError:
            return True

    def _squeezed(self, payload: bytes) -> bytes:
        data = self._deflate.compress(payload) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        if self._forget:
            self._deflate = zlib.compressobj(wbits=-15)
        return data.removesuffix(TAIL)


def handshake(target: bytes, *headers: Header, host: bytes = b"127.0.0.1", deflate: bool = False, key: bytes | None = None) -> bytes:
    """The bytes of an opening handshake."""
    lines = [
        b"GET " + target + b" HTTP/1.1",
        b"Host: " + host,
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Key: " + (key or base64.b64encode(os.urandom(16))),
        b"Sec-WebSocket-Version: 13",
        *([b"Sec-WebSocket-Extensions: " + OFFER] if deflate else []),
        *(name + b": " + value for name, value in headers),
    ]
    return b"\r\n".join([*lines, b"", b""])


class HandshakeError(Exception):
    """The server answered an opening handshake with something else than 101."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"refused with {answer.status}: {answer.body[:200]!r}")
        self.answer = answer


class WebSocketClient(RawWebSocket):
    """The client's end."""

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, port: int, target: bytes, *headers: Header, deflate: bool = False, ahead: int = AHEAD) -> AsyncIterator[Self]:
        """Shake hands with 127.0.0.1; closes the TCP connection at the end, without a close frame. A small `ahead` makes it a slow reader.

        Raises HandshakeError, and AssertionError where the 101 does not answer this key.
        """
        key = base64.b64encode(os.urandom(16))
        async with RawClient.connect(port, ahead=ahead) as client:
            await client.write(handshake(target, *headers, deflate=deflate, key=key))
            head, informational = await client.head()
            if head[9:12] != b"101":
                body = Body(first(headers_of(head), b"transfer-encoding"), first(headers_of(head), b"content-length"))
                async for _ in body.read(client.reader):
                    pass
                raise HandshakeError(Answer(head, body.payload, body.raw, body.complete, [], body.sizes, body.trailers, informational))
            assert first(headers_of(head), b"sec-websocket-accept") == accept_of(key), head
            yield cls(client.reader, client.writer, head, client=True)


def accept_of(key: bytes) -> bytes:
    """What a server answers to a `Sec-WebSocket-Key` (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())


async def accept(request: Received, wire: Wire, *headers: Header, deflate: bool = False) -> RawWebSocket:
    """The server's end: answers 101, with deflate only where the client offered it."""
    key = request.get(b"sec-websocket-key")
    assert key is not None, request.raw_head
    offered = b"permessage-deflate" in (request.get(b"sec-websocket-extensions") or b"")
    lines = [
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept_of(key),
        *([b"Sec-WebSocket-Extensions: " + ACCEPT] if deflate and offered else []),
        *(name + b": " + value for name, value in headers),
    ]
    head = b"\r\n".join([*lines, b"", b""])
    await wire.write(head)
    wire.last = True
    return RawWebSocket(wire.reader, wire.writer, head, client=False)


async def echo_messages(request: Received, wire: Wire) -> None:
    """A handler that sends every message back, pongs, and answers a close with the same code; deflated if the client offers it."""
    socket = await accept(request, wire, deflate=True)
    while True:
        message = await socket.receive()
        if message.opcode == PING:
            await socket.frame(PONG, message.payload)
        elif message.opcode == CLOSE:
            await socket.frame(CLOSE, message.payload)
            await socket.close()
            return
        else:
            await socket.send(message.payload, message.opcode)

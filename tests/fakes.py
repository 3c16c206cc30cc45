"""Both ends of a proxy, on real sockets: an upstream that does what a test scripts, a client that sees every byte.

Nothing here uses the product, so that both cannot be wrong in the same way. Bytes are written exactly as given.
The WebSocket half is in `websocket_fakes`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

Header = tuple[bytes, bytes]
Handler = Callable[["Received", "Wire"], Awaitable[None]]
READ = 1 << 16
AHEAD = 1 << 21  # bytes that are taken before a test asks for them; also the longest head


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of a body that arrived together, `at` nanoseconds after the request was about to be sent; where only an answer is read, after that began."""

    at: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it reached the fake upstream. `raw_head` ends with the empty line.

    `connection` counts the connections of this upstream, `turn` the requests on that connection, both from 0.
    """

    raw_head: bytes
    connection: int
    turn: int

    @property
    def method(self) -> str:
        return self._line()[0].decode("latin-1")

    @property
    def target(self) -> bytes:
        return self._line()[1]

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition(b"?")[0].decode("latin-1")

    @property
    def headers(self) -> list[Header]:
        """In order, with the case and the duplicates that were sent."""
        return headers_of(self.raw_head)

    def get(self, name: bytes) -> bytes | None:
        """The first value of a header."""
        return first(self.headers, name)

    def _line(self) -> list[bytes]:
        return self.raw_head.partition(b"\r\n")[0].split(b" ")


def headers_of(raw_head: bytes) -> list[Header]:
    """The header lines of a head, split at their colon; values without white space around them."""
    pairs = [line.partition(b":") for line in raw_head.split(b"\r\n")[1:] if line]
    return [(name, value.strip(b" \t")) for name, _, value in pairs]


def first(headers: list[Header], name: bytes) -> bytes | None:
    """The first value of a header, whatever its case."""
    return next((value for key, value in headers if key.lower() == name.lower()), None)


def answer(body: bytes = b"", *headers: Header, status: bytes = b"200 OK", length: bool = True) -> bytes:
    """A whole response, with `Content-Length` unless told otherwise."""
    lines = [name + b": " + value for name, value in headers]
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([b"HTTP/1.1 " + status, *lines, b"", body])


def chunked(*pieces: bytes, end: bool = True, trailers: bytes = b"") -> bytes:
    """A chunked body. `trailers`: their lines, CRLF after each."""
    text = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return text + b"0\r\n" + trailers + b"\r\n" if end else text


def chunked_head(*headers: Header, status: bytes = b"200 OK") -> bytes:
    """The head of a chunked response."""
    return answer(b"", *headers, (b"Transfer-Encoding", b"chunked"), status=status, length=False)


def drop(writer: asyncio.StreamWriter) -> None:
    """Close at once, whatever is still unsent. Does nothing to what is closed already."""
    with contextlib.suppress(AttributeError):  # before Python 3.11.5 a TLS transport that is closed cannot be aborted
        writer.transport.abort()


class Socket:
    """A connection seen from one end: raw bytes in both directions."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def write(self, data: bytes) -> None:
        """Send; returns when the other side has taken enough of it. Raises ConnectionError."""
        self.writer.write(data)
        await self.writer.drain()

    async def read_head(self) -> bytes:
        """The next head with its empty line; raises IncompleteReadError where there is none."""
        return await self.reader.readuntil(b"\r\n\r\n")

    def end(self) -> None:
        """Half-close: nothing more will be sent from here."""
        self.writer.write_eof()

    async def close(self) -> None:
        """Close in order."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def abort(self) -> None:
        """Break off: the other side gets a reset, not an end."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        drop(self.writer)
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


class Body:
    """Reads one body, whatever its framing; keeps it as it came and undone."""

    def __init__(self, transfer_encoding: bytes | None, content_length: bytes | None) -> None:
        self._chunked = transfer_encoding is not None and b"chunked" in transfer_encoding.lower()
        self._length = None if self._chunked or content_length is None else int(content_length)
        self._raw: list[bytes] = []
        self._payload: list[bytes] = []
        self.trailers: list[Header] = []
        self.complete = False

    @property
    def raw(self) -> bytes:
        return b"".join(self._raw)

    @property
    def payload(self) -> bytes:
        return b"".join(self._payload)

    @property
    def sizes(self) -> list[int]:
        """The sizes of the chunks, where the body is chunked."""
        return [len(piece) for piece in self._payload] if self._chunked else []

    async def read(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """Yield payload as it comes: chunk by chunk where it is chunked. A broken transfer ends it with `complete` false."""
        pieces = self._chunks(reader) if self._chunked else self._plain(reader)
        try:
            async for piece in pieces:
                self._payload.append(piece)
                yield piece
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            if isinstance(error, asyncio.IncompleteReadError):
                self._raw.append(error.partial)

    async def _plain(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        remaining = self._length
        while remaining != 0:
            data = await reader.read(READ if remaining is None else min(READ, remaining))
            if not data:
                self.complete = remaining is None
                return
            self._raw.append(data)
            yield data
            remaining = None if remaining is None else remaining - len(data)
        self.complete = True

    async def _chunks(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        while size := int((await self._line(reader)).partition(b";")[0], 16):
            data = await reader.readexactly(size + 2)
            self._raw.append(data)
            yield data[:-2]
        while line := await self._line(reader):
            name, _, value = line.partition(b":")
            self.trailers.append((name, value.strip()))
        self.complete = True

    async def _line(self, reader: asyncio.StreamReader) -> bytes:
        line = await reader.readuntil(b"\r\n")
        self._raw.append(line)
        return line[:-2]


class Wire(Socket):
    """What a handler of the fake upstream holds: it must write its answer itself, byte for byte.

    `last`: set it, and the connection is closed after this request.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Received) -> None:
        super().__init__(reader, writer)
        self.last = False
        self._request = request
        self._body: tuple[bytes, bytes, bool] | None = None

    async def body(self) -> bytes:
        """The payload of the request's body. A second call returns the same."""
        return (await self._whole())[0]

    async def raw_body(self) -> bytes:
        """The request's body with its transfer framing."""
        return (await self._whole())[1]

    async def body_is_complete(self) -> bool:
        """Whether the body came whole: false where the sender broke off."""
        return (await self._whole())[2]

    async def _whole(self) -> tuple[bytes, bytes, bool]:
        if self._body is None:
            body = Body(self._request.get(b"transfer-encoding"), self._request.get(b"content-length") or b"0")
            async for _ in body.read(self.reader):
                pass
            self._body = body.payload, body.raw, body.complete
        return self._body


def small_socket(ahead: int) -> socket.socket:
    """A TCP socket whose kernel takes no more than about `ahead` bytes in advance: to be told before it connects or listens."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    raw.setblocking(False)
    if ahead < AHEAD:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ahead)
    return raw


def replying(*raw: bytes, pause: float = 0.0) -> Handler:
    """A handler that reads the request whole and writes these bytes, each with a write of its own."""

    async def handler(_: Received, wire: Wire) -> None:
        await wire.body()
        for piece in raw:
            await wire.write(piece)
            await asyncio.sleep(pause)

    return handler


async def echo(_: Received, wire: Wire) -> None:
    """A handler that sends the request's body back."""
    await wire.write(answer(await wire.body()))


async def tunnel(request: Received, wire: Wire) -> None:
    """A handler for CONNECT: what an HTTP proxy in front of upstream does."""
    host, _, port = request.target.decode().rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    wire.last = True
    await wire.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(READ):
                sink.write(data)
                await sink.drain()
        sink.close()

    try:
        await asyncio.gather(pump(wire.reader, writer), pump(reader, wire.writer))
    finally:
        writer.close()


@dataclass(slots=True)
class FakeUpstream:
    """A server on a free port of 127.0.0.1; each request goes to the handler of its path, else to that of `*`, else gets 404.

    After a handler returns, the next request on the connection is read, unless it closed or broke off.
    What a handler raises is raised when the server is left.
    A small `ahead` makes it a slow reader: about so many bytes are taken before the handler asks for them.
    """

    routes: Mapping[str, Handler] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    ahead: int = AHEAD
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.Task[None]] = field(default_factory=set)
    _faults: list[Exception] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        listener = small_socket(self.ahead)
        listener.bind(("127.0.0.1", 0))
        self._server = await asyncio.start_server(self._connected, sock=listener, ssl=self.tls, limit=self.ahead)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()
        if self._faults and error is None:
            raise self._faults[0]

    async def stop(self) -> None:
        """Refuse new connections and break off those that are open."""
        if self._server is not None:
            self._server.close()
        for task in (tasks := list(self._open)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Its base URL, without a slash at the end. A TLS server goes by the name localhost."""
        return f"https://localhost:{self.port}" if self.tls else f"http://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        return len(self._open)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        number, self.connections = self.connections, self.connections + 1
        try:
            await self._serve(reader, writer, number)
            await Socket(reader, writer).close()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side left: a test that minds looks at what it got
        except asyncio.CancelledError:
            pass  # by stop(): asyncio's streams would report it as unhandled
        except Exception as error:
            self._faults.append(error)
        finally:
            self._open.discard(task)
            drop(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        turn = 0
        while not writer.is_closing():
            try:
                request = Received(await reader.readuntil(b"\r\n\r\n"), number, turn)
            except asyncio.IncompleteReadError:
                return
            self.requests.append(request)
            wire = Wire(reader, writer, request)
            await self.routes.get(request.path, self.routes.get("*", _not_found))(request, wire)
            if wire.last:
                return
            if not writer.is_closing():
                await wire.body()  # what the handler left of it is not the next request
            turn += 1


async def _not_found(_: Received, wire: Wire) -> None:
    await wire.write(answer(b"the fake upstream has no such path", status=b"404 Not Found"))


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it arrived. `complete` is false for a body that broke off; `informational`: the raw 1xx heads before it."""

    raw_head: bytes
    body: bytes
    raw_body: bytes
    complete: bool
    chunks: list[Chunk]
    sizes: list[int]
    trailers: list[Header]
    informational: list[bytes]

    @property
    def status(self) -> int:
        return int(self.raw_head[9:12])

    @property
    def headers(self) -> list[Header]:
        return headers_of(self.raw_head)

    def get(self, name: bytes) -> bytes | None:
        """The first value of a header."""
        return first(self.headers, name)


class RawClient(Socket):
    """A client that sends what it is told and reads answers without judging them."""

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, port: int, tls: ssl.SSLContext | None = None, ahead: int = AHEAD) -> AsyncIterator[Self]:
        """Connect to 127.0.0.1; closes at the end. A small `ahead` makes it a slow reader."""
        await asyncio.get_running_loop().sock_connect(raw := small_socket(ahead), ("127.0.0.1", port))
        client = cls(*await asyncio.open_connection(sock=raw, limit=ahead, ssl=tls, server_hostname="localhost" if tls else None))
        try:
            yield client
            await client.close()
        finally:
            drop(client.writer)  # a test that fails waits for nobody to read

    async def head(self) -> tuple[bytes, list[bytes]]:
        """The next final head and the 1xx heads before it. A 101 is final."""
        heads = [await self.read_head()]
        while heads[-1][9:10] == b"1" and heads[-1][9:12] != b"101":
            heads.append(await self.read_head())
        return heads[-1], heads[:-1]

    async def answer(self, method: str = "GET", *, began: int | None = None) -> Answer:
        """Read one response whole, or as much of it as comes. Raises IncompleteReadError where not even a head comes."""
        began = time.monotonic_ns() if began is None else began
        raw_head, informational = await self.head()
        headers = headers_of(raw_head)
        empty = method == "HEAD" or raw_head[9:12] in (b"101", b"204", b"304")
        body = Body(None, b"0") if empty else Body(first(headers, b"transfer-encoding"), first(headers, b"content-length"))
        chunks = [Chunk(time.monotonic_ns() - began, data) async for data in body.read(self.reader)]
        return Answer(raw_head, body.payload, body.raw, body.complete, chunks, body.sizes, body.trailers, informational)

    async def request(self, raw: bytes) -> Answer:
        """Send a request and read its answer."""
        began = time.monotonic_ns()
        await self.write(raw)
        return await self.answer(raw.partition(b" ")[0].decode("latin-1"), began=began)

    async def at_end(self) -> bool:
        """Whether the server closes without another byte. Waits for it."""
        try:
            return not await self.reader.read(1)
        except ConnectionError:
            return True


async def fetch(port: int, raw: bytes) -> Answer:
    """One request on a connection of its own."""
    async with RawClient.connect(port) as client:
        return await client.request(raw)

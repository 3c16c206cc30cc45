"""A proxy inside the test's process, put together as a worker does it, on an event loop and a thread of its own; and its journal, read back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from fakes import FakeUpstream, Header, Received, Wire, headers_of
from playhead.config.settings import Settings
from playhead.proxy.forwarder import Forwarder
from playhead.proxy.forwarding.clients import Server
from playhead.proxy.notes import unbundle
from playhead.proxy.processes.hosting import replaying, upstream_of
from playhead.proxy.service import Service
from playhead.proxy.sockets.socket_line import SocketLine
from playhead.proxy.tapes.tape import Tape
from playhead.storage.journal import JournalFrame, JournalWriter, Kind, SegmentReader, segments

GET = b"GET /v1/models HTTP/1.1\r\nHost: here\r\n\r\n"
KEY = b"k" * 32


def post(body: bytes, *headers: Header, target: bytes = b"/v1/responses") -> bytes:
    """A whole request."""
    lines = [b"POST " + target + b" HTTP/1.1", b"Host: here", *(name + b": " + value for name, value in headers), b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*lines, b"", body])


@dataclass
class Written:
    """One exchange as the journal holds it."""

    frames: list[JournalFrame] = field(default_factory=list)

    def of(self, *kinds: Kind) -> bytes:
        """The payloads of these kinds, one after the other."""
        return b"".join([frame.payload for frame in self.frames if frame.kind in kinds])

    @property
    def meta(self) -> dict[str, Any]:
        """The first line of the opening."""
        found: dict[str, Any] = json.loads(self.of(Kind.OPEN).partition(b"\n")[0])
        return found

    @property
    def head(self) -> bytes:
        """The request's head."""
        return self.of(Kind.OPEN).partition(b"\n")[2]

    @property
    def headers(self) -> list[Header]:
        return headers_of(self.head)

    @property
    def request(self) -> bytes:
        return self.of(Kind.REQUEST_DATA)

    @property
    def request_end(self) -> dict[str, Any] | None:
        """None if the client broke off."""
        text = self.of(Kind.REQUEST_END)
        return json.loads(text) if text else None

    @property
    def answer(self) -> bytes:
        """The heads and the raw body."""
        return self.of(Kind.RESPONSE_HEAD, Kind.RESPONSE_DATA)

    @property
    def messages(self) -> list[tuple[int, bytes]]:
        """What a client sent over a WebSocket: flags and payload."""
        return [(frame.payload[0], frame.payload[1:]) for frame in self.frames if frame.kind == Kind.CLIENT_FRAME]

    @property
    def upstream_data(self) -> bytes:
        return self.of(Kind.UPSTREAM_DATA)

    @property
    def end(self) -> dict[str, Any]:
        """How it ended; empty if it has not."""
        text = self.of(Kind.END)
        return json.loads(text) if text else {}

    @property
    def outcome(self) -> str | None:
        return self.end.get("outcome")


def read_journal(directory: Path) -> list[Written]:
    """All exchanges of a journal with one writer, in their order."""
    found: dict[int, Written] = {}
    for writer, numbers in segments(directory).items():
        for segment in numbers:
            reader = SegmentReader(directory, writer, segment)
            while frames := reader.read():
                for frame in frames:
                    found.setdefault(frame.number, Written()).frames += apart(frame)
            reader.close()
    return list(found.values())


def apart(frame: JournalFrame) -> list[JournalFrame]:
    """A frame that holds several, as these."""
    kinds = {Kind.BEGIN: (Kind.OPEN, Kind.REQUEST_END, Kind.REQUEST_DATA), Kind.FINISH: (Kind.RESPONSE_HEAD, Kind.END, Kind.RESPONSE_DATA)}
    if frame.kind not in kinds:
        return [frame]
    return [frame._replace(kind=kind, payload=part) for kind, part in zip(kinds[Kind(frame.kind)], unbundle(frame.payload), strict=True) if part]


@dataclass
class Proxy:
    """A running proxy. What it holds belongs to its own thread: tests only look."""

    port: int
    service: Service
    journal_dir: Path
    stop: Callable[[], Awaitable[None]]

    @property
    def journal(self) -> list[Written]:
        return read_journal(self.journal_dir)

    async def written(self, number: int = 0) -> Written:
        """The exchange of that place, once it has ended."""
        await until(lambda: len(self.journal) > number and self.journal[number].outcome is not None)
        return self.journal[number]

    async def idle(self) -> None:
        """Wait until nothing is in flight."""
        await until(lambda: not self.service.exchanges)


def unheard(proxy: Proxy) -> bool:
    """Whether there is a WebSocket whose client is not read from at the moment."""
    requests = [one._request for one in list(proxy.service.exchanges) if isinstance(one, SocketLine)]
    return any(request.transport is not None and not request.transport.is_reading() for request in requests)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that must come; the test's own limit says when it has not."""
    while not condition():
        await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def proxied(
    tmp_path: Path, upstream: FakeUpstream | str, *, journal: Callable[[Path], JournalWriter | None] | None = None, run: str = "run", **changes: Any
) -> AsyncIterator[Proxy]:
    """A proxy in front of that upstream. `changes`: its settings. `run`: which start of the server it is."""
    url = upstream if isinstance(upstream, str) else upstream.url
    settings = Settings(**{"upstream": url, "data": tmp_path, "mode": "record", **changes})
    journal_dir = tmp_path / "journal"
    journal_dir.mkdir(exist_ok=True)
    strict = settings.durability == "strict"
    ready: asyncio.Future[Proxy] = asyncio.get_running_loop().create_future()
    here = asyncio.get_running_loop()

    def writer() -> JournalWriter | None:
        if journal is not None:
            return journal(journal_dir)
        return JournalWriter(journal_dir, f"w-{run}", limit=settings.journal_limit, durable=strict) if settings.records else None

    async def serve() -> None:
        service = Service(settings, upstream_of(settings), Tape(writer(), strict=strict))
        forwarder = Forwarder(service, run=run, key=KEY, replaying=replaying(run))
        server = Server(forwarder.begin)
        accepting = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()

        async def stop() -> None:
            loop.call_soon_threadsafe(stopping.set)
            await asyncio.to_thread(thread.join)

        watch = asyncio.ensure_future(forwarder.watch_silence())
        proxy = Proxy(accepting.sockets[0].getsockname()[1], service, journal_dir, stop)
        here.call_soon_threadsafe(ready.set_result, proxy)
        await stopping.wait()
        accepting.close()
        watch.cancel()
        await server.shutdown()
        if service.upstream is not None:
            service.upstream.close()
        await forwarder.close()
        service.tape.shut()
        await asyncio.sleep(0.01)

    def serve_in_thread() -> None:
        try:
            uvloop.run(serve())
        except BaseException as error:
            if not ready.done():
                here.call_soon_threadsafe(ready.set_exception, error)
            raise

    thread = threading.Thread(target=serve_in_thread, daemon=True)
    thread.start()
    proxy = await ready
    try:
        yield proxy
    finally:
        await proxy.stop()


def gated(*raw: bytes, gate: asyncio.Event) -> Callable[[Received, Wire], Awaitable[None]]:
    """A handler that writes the first of these bytes, and each of the others when the gate is opened; it shuts the gate behind itself."""

    async def handler(_: Received, wire: Wire) -> None:
        await wire.body()
        for number, piece in enumerate(raw):
            if number:
                await gate.wait()
                gate.clear()
            await wire.write(piece)

    return handler

"""playhead's own end of a WebSocket to upstream, with real sockets, and what the journal has of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fakes import FakeUpstream, Received, Wire, answer, drop, replying
from playhead.config.errors import UpstreamError
from playhead.config.settings import Settings
from playhead.proxy.forwarding.addressing import Addressing
from playhead.proxy.forwarding.frames import INSTEAD, Message
from playhead.proxy.forwarding.inbound import Inbound, Reception
from playhead.proxy.processes.hosting import upstream_of
from playhead.proxy.service import Service
from playhead.proxy.sockets.upstream_socket import HandshakeRefused, Unrecordable, UpstreamSocket
from playhead.proxy.tapes.tape import Tape
from playhead.storage.journal import JournalWriter
from proxied import KEY, read_journal, until
from websocket_fakes import CLOSE, PING, PONG, TEXT, RawWebSocket, accept, echo_messages, encode, handshake

SECRET = b"sk-proj-0123456789abcdefghijklmnop"
PATH = b"/v1/responses"


@dataclass
class Heard:
    """What a listener was told. Messages that are in `kept_back` are not passed on."""

    kept_back: tuple[bytes, ...] = ()
    messages: list[bytes] = field(default_factory=list)
    closes: list[tuple[int | None, bytes]] = field(default_factory=list)

    def told(self, message: Message) -> bool:
        self.messages.append(message.payload)
        return message.payload not in self.kept_back

    def settled(self) -> None:
        return None

    def closed(self, code: int | None, reason: bytes) -> None:
        self.closes.append((code, reason))


def read(upstream: FakeUpstream) -> Inbound:
    """A client's handshake, to be recorded."""
    reception = Reception(Addressing("default", "record", ("record",), b""), authority=b"upstream", upstream=upstream.url, run="run", key=KEY)
    first, *lines = handshake(PATH, (b"Authorization", b"Bearer " + SECRET), (b"X-Any", b"1"), deflate=True)[:-4].split(b"\r\n")
    headers = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]
    found = reception.read("GET", first.split(b" ")[1], headers)
    assert isinstance(found, Inbound)
    return found


@contextlib.asynccontextmanager
async def opened(
    tmp_path: Path, handler: Callable[[Received, Wire], Awaitable[None]], heard: Heard, *, limit: int = 1 << 30, strict: bool = False
) -> AsyncIterator[tuple[UpstreamSocket, FakeUpstream]]:
    """A socket to an upstream with that handler, not open yet."""
    async with FakeUpstream({"*": handler}) as upstream:
        settings = Settings(upstream=upstream.url, data=tmp_path, mode="record")
        (tmp_path / "journal").mkdir()
        tape = Tape(JournalWriter(tmp_path / "journal", "w", limit=limit, durable=strict), strict=strict)
        service = Service(settings, upstream_of(settings), tape)
        socket = UpstreamSocket(service, read(upstream), heard)
        yield socket, upstream
        socket.abort()
        service.live.close()
        tape.shut()


def saying(*frames: bytes) -> Callable[[Received, Wire], Awaitable[None]]:
    """A handler that agrees, says this, and waits for the client's end."""

    async def handler(request: Received, wire: Wire) -> None:
        socket = await accept(request, wire)
        await socket.write(b"".join(frames))
        await socket.receive_until_closed()

    return handler


async def test_a_message_is_answered(tmp_path: Path) -> None:
    heard = Heard()
    async with opened(tmp_path, echo_messages, heard) as (socket, _):
        await socket.open()
        socket.send(b"x" * 70_000)
        await until(lambda: heard.messages != [])

    assert heard.messages == [b"x" * 70_000]


async def test_the_handshake_is_the_clients_but_for_its_key_and_its_extensions(tmp_path: Path) -> None:
    async with opened(tmp_path, echo_messages, Heard()) as (socket, upstream):
        await socket.open()

    got = upstream.requests[0]
    assert [got.get(name) for name in (b"x-any", b"authorization", b"sec-websocket-extensions")] == [b"1", b"Bearer " + SECRET, None]


async def test_what_passes_is_in_the_journal(tmp_path: Path) -> None:
    heard = Heard()
    async with opened(tmp_path, echo_messages, heard) as (socket, _):
        await socket.open()
        socket.send(b'{"type":"response.create"}')
        await until(lambda: heard.messages != [])

    written = read_journal(tmp_path / "journal")[0]
    assert written.messages == [(0x91, b'{"type":"response.create"}')]
    assert written.upstream_data == encode(TEXT, b'{"type":"response.create"}')
    assert (written.answer[:12], written.outcome, SECRET in written.head) == (b"HTTP/1.1 101", "client_closed", False)


async def test_with_strict_durability_nothing_is_asked_that_cannot_be_recorded(tmp_path: Path) -> None:
    async with opened(tmp_path, echo_messages, Heard(), limit=1, strict=True) as (socket, upstream):
        with pytest.raises(Unrecordable):
            await socket.open()

        assert (upstream.requests, socket.number) == ([], 0)


async def test_what_is_not_passed_on_is_not_recorded(tmp_path: Path) -> None:
    heard = Heard(kept_back=(b"one",))
    async with opened(tmp_path, saying(encode(TEXT, b"one") + encode(TEXT, b"two")), heard) as (socket, _):
        await socket.open()
        await until(lambda: len(heard.messages) == 2)

    assert read_journal(tmp_path / "journal")[0].upstream_data == encode(TEXT, b"two")


async def test_what_is_sent_in_place_of_something_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path, echo_messages, Heard()) as (socket, _):
        await socket.open()
        socket.send(b"again", instead=True)

    assert read_journal(tmp_path / "journal")[0].messages == [(0x91 | INSTEAD, b"again")]


async def test_a_key_in_a_message_is_neither_recorded_there_nor_in_its_answer(tmp_path: Path) -> None:
    heard = Heard()
    async with opened(tmp_path, echo_messages, heard) as (socket, _):
        await socket.open()
        socket.send(b'{"tools": [{"authorization": "' + SECRET + b'"}]}')
        await until(lambda: heard.messages != [])

    written = read_journal(tmp_path / "journal")[0]
    assert SECRET in heard.messages[0]
    assert SECRET not in written.messages[0][1] + written.upstream_data


async def test_a_ping_is_answered(tmp_path: Path) -> None:
    got: list[RawWebSocket] = []
    answers = []

    async def handler(request: Received, wire: Wire) -> None:
        got.append(await accept(request, wire))
        await got[0].frame(PING, b"there?")
        answers.append(await got[0].receive())

    async with opened(tmp_path, handler, Heard()) as (socket, _):
        await socket.open()
        await until(lambda: answers != [])

    assert (answers[0].opcode, answers[0].payload) == (PONG, b"there?")


async def test_a_refusal_is_told_with_its_body(tmp_path: Path) -> None:
    async with opened(tmp_path, replying(answer(b'{"error":"no"}', status=b"429 Too Many Requests")), Heard()) as (socket, _):
        with pytest.raises(HandshakeRefused) as caught:
            await socket.open()

    assert (caught.value.status, caught.value.body) == (429, b'{"error":"no"}')
    assert read_journal(tmp_path / "journal")[0].outcome == "complete"


async def test_who_is_not_there_cannot_be_asked(tmp_path: Path) -> None:
    async with opened(tmp_path, echo_messages, Heard()) as (socket, upstream):
        await upstream.stop()
        with pytest.raises(UpstreamError):
            await socket.open()


async def test_an_agreement_that_is_none_is_not_taken(tmp_path: Path) -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n")
        wire.last = True

    async with opened(tmp_path, handler, Heard()) as (socket, _):
        with pytest.raises(UpstreamError, match="RFC 6455"):
            await socket.open()


async def test_upstreams_close_is_told_and_answered(tmp_path: Path) -> None:
    heard, answers = Heard(), []

    async def handler(request: Received, wire: Wire) -> None:
        socket = await accept(request, wire)
        await socket.send_close(4001, "over")
        answers.append(await socket.receive())

    async with opened(tmp_path, handler, heard) as (socket, _):
        await socket.open()
        await until(lambda: bool(heard.closes and answers))

    assert (heard.closes, answers[0].opcode, answers[0].close[0]) == ([(4001, b"over")], CLOSE, 4001)
    assert read_journal(tmp_path / "journal")[0].outcome == "complete"


async def test_a_dropped_socket_is_told_as_that(tmp_path: Path) -> None:
    heard = Heard()

    async def handler(request: Received, wire: Wire) -> None:
        socket = await accept(request, wire)
        await socket.receive()
        drop(wire.writer)

    async with opened(tmp_path, handler, heard) as (socket, _):
        await socket.open()
        socket.send(b"one")
        await until(lambda: heard.closes != [])

    assert (heard.closes, read_journal(tmp_path / "journal")[0].outcome) == ([(None, b"")], "upstream_closed")


async def test_a_goodbye_ends_it(tmp_path: Path) -> None:
    heard = Heard()
    async with opened(tmp_path, echo_messages, heard) as (socket, _):
        await socket.open()
        socket.close(1001)
        await asyncio.wait_for(until(lambda: heard.closes != []), 10)

    assert heard.closes == [(1001, b"")]

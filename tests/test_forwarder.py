"""What all exchanges of a worker share: durability, a full journal, stopping."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from fakes import FakeUpstream, RawClient, Received, Wire, answer, chunked, chunked_head, echo, fetch, replying
from playhead.proxy.forwarding.clients import ClientRequest, Server, in_task
from playhead.storage.journal import JournalWriter, Kind
from proxied import GET, Proxy, gated, post, proxied, until
from websocket_fakes import WebSocketClient, echo_messages, handshake

ROOM = 1 << 20


def limited(directory: Path) -> JournalWriter:
    """A journal with room for some exchanges, as long as nobody else fills it."""
    return JournalWriter(directory, "w", limit=ROOM, durable=True)


class Unsyncable(JournalWriter):
    """A journal on a disk that takes bytes and cannot keep them."""

    def duplicate(self) -> int:
        reading, writing = os.pipe()
        os.close(writing)
        return reading


def unsyncable(directory: Path) -> JournalWriter:
    return Unsyncable(directory, "w", limit=ROOM, durable=True)


def fill(proxy: Proxy) -> Path:
    """Another writer's segment takes all the room."""
    path = proxy.journal_dir / "other-000001.seg"
    with path.open("wb") as file:
        file.truncate(2 * ROOM)
    return path


@pytest.fixture
def big() -> bytes:
    """A body so long that the journal looks at its room before it takes it."""
    return os.urandom(ROOM // 4)


# Relaxed.


async def test_a_full_journal_does_not_stop_traffic_and_is_counted(tmp_path: Path, big: bytes) -> None:
    async with FakeUpstream({"*": echo}) as upstream, proxied(tmp_path, upstream, journal=limited) as proxy, RawClient.connect(proxy.port) as client:
        full = fill(proxy)
        got = [await client.request(post(big)) for _ in range(3)]
        await proxy.idle()
        full.unlink()

        assert [one.body for one in got] == [big] * 3
        assert (proxy.service.tape.dropped, list(proxy.journal)) == (3, [])
        assert proxy.service.tape.journal is not None
        assert proxy.service.tape.journal.problem == "the journal has reached its limit"


async def test_recording_goes_on_when_there_is_room_again(tmp_path: Path, big: bytes) -> None:
    async with FakeUpstream({"*": echo}) as upstream, proxied(tmp_path, upstream, journal=limited) as proxy, RawClient.connect(proxy.port) as client:
        full = fill(proxy)
        await client.request(post(big))
        full.unlink()
        await client.request(post(b"seen"))
        written = await proxy.written(0)

        assert (written.request, written.outcome) == (b"seen", "complete")
        assert proxy.service.tape.journal is not None
        assert (proxy.service.tape.dropped, proxy.service.tape.journal.lost) == (1, set())


async def test_an_exchange_that_was_recorded_only_in_part_says_so(tmp_path: Path, big: bytes) -> None:
    gate = asyncio.Event()
    pieces = [chunked_head(), chunked(big, end=False), chunked(b"rest")]
    async with FakeUpstream({"*": gated(*pieces, gate=gate)}) as upstream, proxied(tmp_path, upstream, journal=limited) as proxy:
        async with RawClient.connect(proxy.port) as client:
            await client.write(GET)
            await client.read_head()
            full = fill(proxy)
            gate.set()
            await client.reader.readexactly(len(pieces[1]))
            full.unlink()
            gate.set()
            await client.reader.readexactly(len(pieces[2]))
        written = await proxy.written()

        assert (written.outcome, written.end["lost"], proxy.service.tape.dropped) == ("complete", True, 1)


# Strict.


async def test_strict_durability_refuses_what_it_cannot_record(tmp_path: Path, big: bytes) -> None:
    async with (
        FakeUpstream({"*": echo}) as upstream,
        proxied(tmp_path, upstream, journal=limited, durability="strict") as proxy,
        RawClient.connect(proxy.port) as client,
    ):
        full = fill(proxy)
        assert proxy.service.tape.journal is not None
        proxy.service.tape.journal.problem = "it was full before"  # so that it looks again at once
        refused = [await client.request(GET) for _ in range(2)]
        socket = await client.request(handshake(b"/v1/responses"))
        sent = len(upstream.requests)
        full.unlink()
        got = await client.request(post(b"now"))
        written = await proxy.written()
        assert proxy.service.tape.journal.lost == set()

    assert [(one.status, one.get(b"playhead-error")) for one in (*refused, socket)] == [(503, b"recording_unavailable")] * 3
    assert "the journal has reached its limit" in json.loads(refused[0].body)["error"]["message"]
    assert (sent, got.body, written.request) == (0, b"now", b"now")


async def test_strict_durability_sends_no_byte_of_an_answer_that_it_cannot_record(tmp_path: Path, big: bytes) -> None:
    gate = asyncio.Event()
    pieces = [chunked_head() + chunked(b"recorded", end=False), chunked(big)]
    async with FakeUpstream({"*": gated(*pieces, gate=gate)}) as upstream, proxied(tmp_path, upstream, journal=limited, durability="strict") as proxy:
        async with RawClient.connect(proxy.port) as client:
            await client.write(GET)
            await client.read_head()
            full = fill(proxy)
            gate.set()
            got = await client.reader.read()
            await proxy.idle()
            full.unlink()
        recorded = proxy.journal[0].of(Kind.RESPONSE_DATA)

        assert recorded.startswith(chunked(b"recorded", end=False))
        assert recorded.startswith(got)
        assert (len(recorded) < len(big), proxy.service.tape.dropped) == (True, 1)


async def test_strict_durability_sends_nothing_that_is_not_on_disk(tmp_path: Path) -> None:
    async with (
        FakeUpstream({"*": echo}) as upstream,
        proxied(tmp_path, upstream, journal=unsyncable, durability="strict") as proxy,
        RawClient.connect(proxy.port) as client,
    ):
        await client.write(post(b"x"))
        assert await client.at_end()
        await until(lambda: len(upstream.requests) == 1)
        await proxy.idle()


async def test_strict_durability_leaves_what_is_not_recorded_alone(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream, proxied(tmp_path, upstream, journal=unsyncable, durability="strict") as proxy:
        got = await fetch(proxy.port, post(b"x", (b"Playhead-Mode", b"forward")))
        refused = await fetch(proxy.port, b"GET /@/ HTTP/1.1\r\nHost: x\r\n\r\n")

    assert (got.body, refused.status) == (b"x", 400)


async def test_strict_durability_passes_streams_and_sockets(tmp_path: Path) -> None:
    routes = {"/stream": replying(chunked_head(), *(chunked(b"%d" % number * 1000, end=False) for number in range(20)), chunked()), "*": echo_messages}
    async with FakeUpstream(routes) as upstream, proxied(tmp_path, upstream, durability="strict") as proxy:
        stream = await fetch(proxy.port, b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        async with WebSocketClient.open(proxy.port, b"/v1/responses") as client:
            for number in range(5):
                await client.send(b"%d" % number)
                assert (await client.receive()).payload == b"%d" % number

    assert (stream.complete, len(stream.body)) == (True, 10 * 1000 + 10 * 2000)


async def test_a_strict_proxy_whose_client_does_not_read_slows_upstream(tmp_path: Path) -> None:
    sent = 0

    async def handler(_: Received, wire: Wire) -> None:
        nonlocal sent
        await wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (32 << 20))
        while sent < 32 << 20:
            await wire.write(b"x" * 65_536)
            sent += 65_536

    async with (
        FakeUpstream({"*": handler}) as upstream,
        proxied(tmp_path, upstream, durability="strict") as proxy,
        RawClient.connect(proxy.port, ahead=1 << 16) as client,
    ):
        await client.write(GET)
        await asyncio.sleep(0.5)
        assert sent < 24 << 20
        got = await client.answer()

    assert (got.complete, len(got.body)) == (True, 32 << 20)


# Stopping.


async def test_a_server_that_stops_refuses_what_is_new_and_finishes_what_is_not(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with (
        FakeUpstream({"*": gated(chunked_head(), chunked(b"end"), gate=gate)}) as upstream,
        proxied(tmp_path, upstream) as proxy,
        RawClient.connect(proxy.port) as busy,
        RawClient.connect(proxy.port) as late,
    ):
        await busy.write(GET)
        await busy.read_head()
        proxy.service.stopping = True
        refused = await late.request(GET)
        gate.set()
        assert await busy.reader.readexactly(len(chunked(b"end"))) == chunked(b"end")
        assert await busy.at_end()
        assert await late.at_end()

    assert (refused.status, refused.get(b"playhead-error"), refused.get(b"connection"), len(upstream.requests)) == (503, b"shutting_down", b"close", 1)


async def test_an_answer_that_begins_while_the_server_stops_says_that_the_connection_ends(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with (
        FakeUpstream({"*": gated(b"", answer(b"x"), gate=gate)}) as upstream,
        proxied(tmp_path, upstream) as proxy,
        RawClient.connect(proxy.port) as client,
    ):
        await client.write(GET)
        await until(lambda: len(upstream.requests) == 1)
        proxy.service.stopping = True
        gate.set()
        got = await client.answer()
        assert await client.at_end()

    assert (got.body, got.get(b"connection")) == (b"x", b"close")


async def test_a_stop_lets_an_upload_and_a_socket_go_on() -> None:
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def handler(request: ClientRequest) -> bool:
        async for piece in request.content.iter_any():
            got.put_nowait(piece)
        return True

    server = Server(lambda request, done: in_task(handler(request), done))
    async with await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0) as accepting:
        async with RawClient.connect(accepting.sockets[0].getsockname()[1]) as client:
            await client.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\none")
            assert await got.get() == b"one"
            server.pre_shutdown()
            await client.write(b"two")
            assert await got.get() == b"two"
        await server.shutdown()

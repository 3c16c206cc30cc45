"""The fakes keep their word, alone and against other people's code."""

from __future__ import annotations

import ssl

import pytest
import trustme
from websockets.asyncio.client import connect

from fakes import Answer, FakeUpstream, RawClient, Received, Wire, answer, chunked, chunked_head, echo, fetch, replying, tunnel
from websocket_fakes import CLOSE, PING, PONG, HandshakeError, Message, WebSocketClient, echo_messages

GET = b"GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n"


async def served(raw: bytes, request: bytes = GET) -> Answer:
    async with FakeUpstream({"*": replying(raw)}) as upstream:
        return await fetch(upstream.port, request)


async def test_a_request_arrives_byte_for_byte() -> None:
    async with FakeUpstream({"/a": replying(answer())}) as upstream:
        await fetch(upstream.port, b"GET /a? HTTP/1.1\r\nhOST: x\r\nX: \xe9\r\nx: 2\r\n\r\n")

    assert upstream.requests[0].raw_head == b"GET /a? HTTP/1.1\r\nhOST: x\r\nX: \xe9\r\nx: 2\r\n\r\n"
    assert upstream.requests[0].headers == [(b"hOST", b"x"), (b"X", b"\xe9"), (b"x", b"2")]


async def test_requests_on_one_connection_are_counted() -> None:
    async with FakeUpstream({"*": echo}) as upstream, RawClient.connect(upstream.port) as client:
        for _ in range(2):
            await client.request(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi")

    assert [(request.connection, request.turn) for request in upstream.requests] == [(0, 0), (0, 1)]


async def test_a_chunked_answer_is_undone_and_kept() -> None:
    body = chunked(b"one", b"two", trailers=b"X-End: 1\r\n")
    got = await served(chunked_head() + body)

    assert (b"onetwo", body, [3, 3], [(b"X-End", b"1")], True) == (got.body, got.raw_body, got.sizes, got.trailers, got.complete)


async def test_a_chunked_request_is_undone() -> None:
    async with FakeUpstream({"*": echo}) as upstream:
        got = await fetch(upstream.port, b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"ab", b"c"))

    assert got.body == b"abc"


@pytest.mark.parametrize("framed", [chunked(b"part", end=False), b"4\r\npa"])
async def test_a_broken_chunked_answer_is_incomplete(framed: bytes) -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(chunked_head() + framed)
        await wire.close()

    async with FakeUpstream({"*": handler}) as upstream:
        got = await fetch(upstream.port, GET)

    assert (False, framed) == (got.complete, got.raw_body)


async def test_an_answer_shorter_than_its_length_is_incomplete() -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour")
        await wire.abort()

    async with FakeUpstream({"*": handler}) as upstream:
        got = await fetch(upstream.port, GET)

    assert (got.complete, got.body) == (False, b"four")


async def test_an_answer_without_framing_ends_with_the_connection() -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(b"HTTP/1.1 200 OK\r\n\r\nall")
        wire.last = True

    async with FakeUpstream({"*": handler}) as upstream:
        got = await fetch(upstream.port, GET)

    assert (got.complete, got.body) == (True, b"all")


async def test_interim_answers_are_kept_apart() -> None:
    got = await served(b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + answer(b"x"))

    assert (got.status, got.informational) == (200, [b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"])


async def test_what_a_handler_raises_is_raised_at_the_end() -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(answer())
        raise RuntimeError("planted")

    with pytest.raises(RuntimeError, match="planted"):
        async with FakeUpstream({"*": handler}) as upstream:
            await fetch(upstream.port, GET)


async def test_the_fake_upstream_speaks_tls_and_tunnels() -> None:
    authority, server, client_side = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client_side)
    async with FakeUpstream({"*": echo}, tls=server) as upstream, FakeUpstream({"*": tunnel}) as middle:
        async with RawClient.connect(upstream.port, tls=client_side) as client:
            direct = await client.request(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi")
        async with RawClient.connect(middle.port) as client:
            await client.write(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % upstream.port)
            await client.head()
            await client.writer.start_tls(client_side, server_hostname="localhost")
            tunnelled = await client.request(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nho")

    assert (direct.body, tunnelled.body) == (b"hi", b"ho")


@pytest.mark.parametrize("deflate", [False, True])
async def test_messages_come_back_whole_and_in_fragments(deflate: bool) -> None:
    async with FakeUpstream({"*": echo_messages}) as upstream, WebSocketClient.open(upstream.port, b"/", deflate=deflate) as client:
        for payload in (b"", b"short", b"long" * 50_000):
            await client.send(payload, fragments=3)
            assert payload == (await client.receive()).payload
        await client.frame(PING, b"p")
        assert Message(PONG, b"p") == await client.receive()
        await client.send_close(1001, "bye")
        assert ((last := await client.receive()).opcode, last.close) == (CLOSE, (1001, "bye"))
        assert await client.at_end()


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_another_client_understands_the_fake_websocket(compression: str | None) -> None:
    async with (
        FakeUpstream({"*": echo_messages}) as upstream,
        connect(upstream.url.replace("http", "ws"), compression=compression, proxy=None) as socket,
    ):
        for text in ("one", "one" * 30_000, "one"):
            await socket.send(text)
            assert text == await socket.recv()


async def test_a_refused_handshake_shows_the_answer() -> None:
    async with FakeUpstream() as upstream:
        with pytest.raises(HandshakeError) as refusal:
            async with WebSocketClient.open(upstream.port, b"/nowhere"):
                pytest.fail("it must not open")

    assert refusal.value.answer.status == 404

"""Exchanges over HTTP that do not end well, and the connections to upstream behind them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fakes import FakeUpstream, RawClient, Received, Wire, answer, chunked, chunked_head, echo, fetch, replying
from playhead.storage.journal import Kind
from proxied import GET, post, proxied, until

SECRET = b"sk-proj-0123456789abcdefghijklmnop"
STREAM = (b"data: one\n\n", b"data: two\n\n", b"data: three\n\n")


# Ends that are none.


async def test_a_client_that_leaves_takes_its_upstream_request_with_it(tmp_path: Path) -> None:
    left = asyncio.Event()

    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(chunked_head() + chunked(b"first", end=False))
        await wire.reader.read(1)
        left.set()

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy:
        async with RawClient.connect(proxy.port) as client:
            await client.write(GET)
            await client.read_head()
        await left.wait()
        written = await proxy.written()

    assert (written.outcome, written.of(Kind.RESPONSE_DATA)) == ("client_closed", chunked(b"first", end=False))


async def test_a_client_that_leaves_during_its_upload_leaves_an_unfinished_request(tmp_path: Path) -> None:
    complete: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def handler(_: Received, wire: Wire) -> None:
        complete.set_result(await wire.body_is_complete())

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy:
        async with RawClient.connect(proxy.port) as client:
            await client.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nsome")
            await until(lambda: bool(upstream.requests))
        assert not await complete
        written = await proxy.written()

    assert (written.outcome, written.request, written.request_end) == ("client_closed", b"some", None)


@pytest.mark.parametrize("raw", [chunked_head() + chunked(b"part", end=False), b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npart"])
@pytest.mark.parametrize("reset", [False, True])
async def test_an_answer_that_upstream_breaks_off_is_broken_off_for_the_client(raw: bytes, reset: bool, tmp_path: Path) -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(raw)
        if reset:
            await asyncio.sleep(0.05)
            await wire.abort()
        else:
            await wire.close()

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy:
        got = await fetch(proxy.port, GET)
        written = await proxy.written()

    assert (got.complete, got.body, written.outcome) == (False, b"part", "upstream_closed")
    assert written.answer == raw


async def test_a_reset_of_a_body_without_length_is_no_end_of_it(tmp_path: Path) -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(b"HTTP/1.1 200 OK\r\n\r\npart")
        await asyncio.sleep(0.05)
        await wire.abort()

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
        await client.write(GET)
        await client.read_head()
        with pytest.raises(ConnectionResetError):
            await client.reader.read()
        written = await proxy.written()

    assert (written.outcome, written.of(Kind.RESPONSE_DATA)) == ("upstream_closed", b"part")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "upstream_unreachable"),
        (b"HTTP/1.1 200 OK\r\nX: ", "upstream_protocol_error"),
        (b"SSH-2.0-OpenSSH\r\n", "upstream_protocol_error"),
        (b"HTTP/2 200\r\n\r\n", "upstream_protocol_error"),
        (b"HTTP/1.1 200 OK\r\nno name\r\n\r\n", "upstream_protocol_error"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n", "upstream_protocol_error"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "upstream_protocol_error"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "upstream_protocol_error"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "upstream_protocol_error"),
    ],
)
async def test_an_upstream_that_does_not_answer_in_http_is_a_502(raw: bytes, code: str, tmp_path: Path) -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(raw)
        wire.last = True

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy:
        got = await fetch(proxy.port, post(b"x"))
        written = await proxy.written()

    assert (got.status, got.get(b"playhead-error"), len(upstream.requests)) == (502, code.encode(), 1)
    assert (written.outcome, written.end["error"], written.of(Kind.RESPONSE_DATA)) == ("unreachable", code, got.body)


async def test_a_bad_chunk_breaks_the_answer_off_behind_what_was_sound(tmp_path: Path) -> None:
    async with (
        FakeUpstream({"*": replying(chunked_head() + chunked(b"sound", end=False) + b"nonsense\r\n")}) as upstream,
        proxied(tmp_path, upstream) as proxy,
        RawClient.connect(proxy.port) as client,
    ):
        await client.write(GET)
        await client.read_head()
        rest = await client.reader.read()
        written = await proxy.written()

    assert rest.startswith(b"5\r\nsound")
    assert b"0\r\n\r\n" not in rest
    assert written.outcome == "upstream_closed"


@pytest.mark.parametrize("body", [chunked_head() + chunked(b"mine"), answer(b"mine")])
async def test_what_follows_an_answer_is_nobodys(body: bytes, tmp_path: Path) -> None:
    async with (
        FakeUpstream({"*": replying(body + answer(b"planted"))}) as upstream,
        proxied(tmp_path, upstream) as proxy,
        RawClient.connect(proxy.port) as client,
    ):
        got = [await client.request(GET) for _ in range(2)]

    assert ([(one.body, one.complete) for one in got], upstream.connections) == ([(b"mine", True)] * 2, 2)


async def test_upstreams_silence_is_answered_for_it_when_that_is_limited(tmp_path: Path) -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.body()
        await wire.reader.read(1)

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream, read_timeout=0.2) as proxy:
        got = await fetch(proxy.port, GET)
        written = await proxy.written()

    assert (got.status, got.get(b"playhead-error"), written.outcome) == (504, b"upstream_timeout", "timeout")


async def test_silence_on_a_connection_used_before_is_not_tried_again(tmp_path: Path) -> None:
    async def handler(request: Received, wire: Wire) -> None:
        if request.turn:
            await wire.reader.read(1)
        else:
            await wire.write(answer())

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream, read_timeout=0.2) as proxy, RawClient.connect(proxy.port) as client:
        await client.request(GET)
        got = await client.request(GET)

    assert (got.status, [request.turn for request in upstream.requests]) == (504, [0, 1])


@pytest.mark.parametrize("mode", ["record", "forward"])
async def test_a_stream_that_goes_on_is_not_silent(mode: str, tmp_path: Path) -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(chunked_head())
        for _number in range(12):
            await asyncio.sleep(0.1)
            await wire.write(chunked(b"x", end=False))
        await wire.write(chunked())

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream, read_timeout=0.6, mode=mode) as proxy:
        got = await fetch(proxy.port, GET)

    assert (got.complete, got.body) == (True, b"x" * 12)


async def test_a_slow_client_is_not_upstreams_silence(tmp_path: Path) -> None:
    async with (
        FakeUpstream({"*": replying(answer(b"x" * (32 << 20)))}) as upstream,
        proxied(tmp_path, upstream, read_timeout=0.2) as proxy,
        RawClient.connect(proxy.port, ahead=1 << 16) as client,
    ):
        await client.write(GET)
        await asyncio.sleep(1)
        got = await client.answer()

    assert (got.complete, len(got.body)) == (True, 32 << 20)


async def test_a_stream_that_falls_silent_is_broken_off(tmp_path: Path) -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(chunked_head() + chunked(b"x", end=False))
        await wire.reader.read(1)

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream, read_timeout=0.2) as proxy:
        got = await fetch(proxy.port, GET)
        written = await proxy.written()

    assert (got.complete, got.body, written.outcome) == (False, b"x", "timeout")


# Connections to upstream.


async def test_connections_are_kept_and_used_again(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream, proxied(tmp_path, upstream) as proxy:
        for number in range(5):
            assert (await fetch(proxy.port, post(b"%d" % number))).body == b"%d" % number

    assert upstream.connections == 1


async def closing_when_used_again(request: Received, wire: Wire) -> None:
    if request.turn:
        await wire.body()
        await wire.close()
    else:
        await wire.write(answer(await wire.body()))


async def test_a_get_that_met_the_end_of_an_idle_connection_is_sent_once_more(tmp_path: Path) -> None:
    async with FakeUpstream({"*": closing_when_used_again}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
        got = [(await client.request(GET)).status for _ in range(2)]
        written = await proxy.written(1)

    assert (got, [(request.connection, request.turn) for request in upstream.requests]) == ([200, 200], [(0, 0), (0, 1), (1, 0)])
    assert written.outcome == "complete"


async def test_a_post_is_never_sent_twice(tmp_path: Path) -> None:
    async with FakeUpstream({"*": closing_when_used_again}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
        got = [(await client.request(post(b"x"))).status for _ in range(2)]

    assert (got, len(upstream.requests)) == ([200, 502], 2)


async def test_a_get_is_not_sent_once_more_when_its_answer_had_begun(tmp_path: Path) -> None:
    async def handler(request: Received, wire: Wire) -> None:
        await wire.write(b"HTTP/1.1 2" if request.turn else answer())
        wire.last = bool(request.turn)

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
        got = [(await client.request(GET)).status for _ in range(2)]

    assert (got, len(upstream.requests)) == ([200, 502], 2)


async def test_a_connection_that_upstream_closed_is_not_used(tmp_path: Path) -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(answer(await wire.body()))
        wire.last = True

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy:
        await fetch(proxy.port, post(b"1"))
        await until(lambda: upstream.open_connections == 0)
        await asyncio.sleep(0.05)
        got = await fetch(proxy.port, post(b"2"))

    assert got.body == b"2"


async def test_an_upstream_that_is_not_there_is_a_502(tmp_path: Path) -> None:
    async with FakeUpstream() as gone:
        url = gone.url
    async with proxied(tmp_path, url) as proxy, RawClient.connect(proxy.port) as client:
        got = await client.request(post(b"hello"))
        again = await client.request(GET)
        written = await proxy.written()

    assert (got.status, again.status, got.get(b"playhead-error"), got.get(b"x-should-retry")) == (502, 502, b"upstream_unreachable", None)
    assert url.encode() in got.body
    assert (written.outcome, written.request) == ("unreachable", b"hello")

"""Bodies over HTTP, seen from both ends: streaming, back-pressure, every framing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fakes import FakeUpstream, RawClient, Received, Wire, answer, chunked, chunked_head, echo, fetch, replying
from playhead.storage.journal import Kind
from proxied import GET, gated, proxied, until

SECRET = b"sk-proj-0123456789abcdefghijklmnop"
STREAM = (b"data: one\n\n", b"data: two\n\n", b"data: three\n\n")


# Streaming and back-pressure.


async def test_every_event_arrives_before_the_next_one_is_sent(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with (
        FakeUpstream({"*": gated(chunked_head(), *(chunked(piece, end=False) for piece in STREAM), chunked(), gate=gate)}) as upstream,
        proxied(tmp_path, upstream) as proxy,
        RawClient.connect(proxy.port) as client,
    ):
        await client.write(GET)
        assert await client.read_head() == chunked_head()
        for piece in STREAM:
            gate.set()
            framed = chunked(piece, end=False)
            assert await client.reader.readexactly(len(framed)) == framed
        gate.set()
        assert await client.reader.readexactly(5) == chunked()
        written = await proxy.written()

    assert [frame.kind for frame in written.frames].count(Kind.RESPONSE_DATA) == 4
    assert written.outcome == "complete"


async def test_every_piece_of_an_upload_arrives_before_the_next_one_is_sent(tmp_path: Path) -> None:
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def handler(request: Received, wire: Wire) -> None:
        size, left = 0, int(request.get(b"content-length") or 0)
        while size < left:
            data = await wire.reader.read(100)
            size += len(data)
            arrived.put_nowait(data)
        await wire.write(answer(b"done"))
        wire.last = True

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
        await client.write(b"POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        for piece in (b"one", b"two", b"six"):
            await client.write(piece)
            assert await arrived.get() == piece
        assert (await client.answer()).body == b"done"
        written = await proxy.written()

    assert (written.request, written.request_end and written.request_end["bytes"]) == (b"onetwosix", 9)


async def test_a_chunked_upload_stays_chunked(tmp_path: Path) -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(answer(await wire.raw_body()))

    head = b"POST /v1/files HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy:
        whole = await fetch(proxy.port, head + chunked(b"ab"))
        empty = await fetch(proxy.port, head + chunked())
        async with RawClient.connect(proxy.port) as client:
            await client.write(head)
            await asyncio.sleep(0.05)
            await client.write(b"3\r\nab")
            await asyncio.sleep(0.05)
            await client.write(b"c\r\n" + chunked(b"d" * 300_000))
            split = await client.answer()
        written = [(await proxy.written(number)).request for number in range(3)]

    assert (whole.body, empty.body) == (chunked(b"ab"), chunked())
    assert split.body.endswith(b"\r\n0\r\n\r\n")
    assert written == [b"ab", b"", b"abc" + b"d" * 300_000]


async def test_a_bad_chunk_of_a_client_is_its_own_fault(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
        await client.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await until(lambda: len(upstream.requests) == 1)
        await client.write(b"nonsense\r\n")
        got = await client.answer()
        written = await proxy.written()
        assert await client.at_end()

    assert (got.status, got.get(b"playhead-error"), written.request_end) == (400, b"bad_request", None)


async def test_a_slow_client_slows_upstream_and_gets_every_byte(tmp_path: Path) -> None:
    sent = 0
    size = 64 << 20

    async def handler(_: Received, wire: Wire) -> None:
        nonlocal sent
        await wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            await wire.write(b"x" * 65_536)
            sent += 65_536

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port, ahead=1 << 16) as client:
        await client.write(GET)
        await client.read_head()
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.3)
        assert sent < 24 << 20
        got = 0
        while got < size:
            got += len(await client.reader.read(1 << 20))
        assert (await proxy.written()).outcome == "complete"

    assert got == size


async def test_the_connection_of_a_slow_client_serves_the_next_request(tmp_path: Path) -> None:
    async def handler(request: Received, wire: Wire) -> None:
        await wire.write(answer(b"x" * (8 << 20) if request.target == b"/big" else b"small"))

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy:
        async with RawClient.connect(proxy.port, ahead=1 << 16) as client:
            await client.write(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.sleep(0.2)
            big = await client.answer()
        await proxy.idle()
        got = [(await fetch(proxy.port, GET)).body for _ in range(3)]

    assert (len(big.body), got, upstream.connections) == (8 << 20, [b"small"] * 3, 1)


async def test_a_slow_upstream_slows_the_client(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def handler(_: Received, wire: Wire) -> None:
        await go.wait()
        await wire.write(answer(b"%d" % len(await wire.body())))

    sent, size = 0, 64 << 20
    async with FakeUpstream({"*": handler}, ahead=1 << 16) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:

        async def upload() -> None:
            nonlocal sent
            await client.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
            while sent < size:
                await client.write(b"x" * 65_536)
                sent += 65_536

        uploading = asyncio.ensure_future(upload())
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.3)
        assert sent < 24 << 20
        go.set()
        got = await client.answer()
        await uploading

    assert got.body == b"%d" % size


async def test_a_client_that_pipelines_and_does_not_read_is_not_served_without_end(tmp_path: Path) -> None:
    async with (
        FakeUpstream({"*": replying(answer(b"x" * 500_000))}) as upstream,
        proxied(tmp_path, upstream) as proxy,
        RawClient.connect(proxy.port, ahead=1 << 16) as client,
    ):
        client.writer.write(GET * 100)
        before = -1
        while len(upstream.requests) != before:
            before = len(upstream.requests)
            await asyncio.sleep(0.3)

    assert before < 40


# Framings.


async def test_an_interim_answer_is_passed_on_and_recorded(tmp_path: Path) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    async with FakeUpstream({"*": replying(hints + hints, answer(b"ok"))}) as upstream, proxied(tmp_path, upstream) as proxy:
        async with RawClient.connect(proxy.port) as client:
            got, again = await client.request(GET), await client.request(GET)
        written = await proxy.written()

    assert (got.informational, got.body, again.body, upstream.connections) == ([hints, hints], b"ok", b"ok", 1)
    assert written.of(Kind.RESPONSE_HEAD).startswith(hints + hints)


async def test_expect_is_upstreams_to_answer(tmp_path: Path) -> None:
    go_on = b"HTTP/1.1 100 Continue\r\n\r\n"

    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(go_on)
        await wire.write(answer(await wire.body()))

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
        await client.write(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        assert await client.read_head() == go_on
        await client.write(b"body")
        got = await client.answer()

    assert (got.body, upstream.requests[0].get(b"expect")) == (b"body", b"100-continue")


async def test_an_answer_before_the_upload_ended_reaches_the_client(tmp_path: Path) -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(answer(b"too big", status=b"413 Content Too Large"))
        wire.last = True

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
        await client.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nsome")
        got = await client.answer()
        written = await proxy.written()
        await fetch(proxy.port, GET)

    assert (got.status, got.body, got.get(b"connection")) == (413, b"too big", b"close")
    assert (written.outcome, written.request_end, upstream.connections) == ("complete", None, 2)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_an_answer_without_a_body_ends_at_its_head(status: bytes, tmp_path: Path) -> None:
    raw = b"HTTP/1.1 " + status + b"\r\nETag: x\r\nContent-Length: 77\r\n\r\n" if status.startswith(b"304") else b"HTTP/1.1 " + status + b"\r\n\r\n"
    async with FakeUpstream({"*": replying(raw)}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
        heads = []
        for _ in range(2):
            await client.write(GET)
            heads.append(await client.read_head())

    assert (heads, upstream.connections) == ([raw, raw], 1)


async def test_the_answer_to_head_has_no_body_whatever_its_length_says(tmp_path: Path) -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
    async with FakeUpstream({"*": replying(raw)}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
        heads = [(await client.request(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")).raw_head for _ in range(2)]
        written = await proxy.written()

    assert (heads, written.outcome) == ([raw, raw], "complete")


async def test_an_error_of_our_own_has_no_body_for_head(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
        await client.write(b"HEAD /@/ HTTP/1.1\r\nHost: x\r\n\r\n")
        refused = await client.read_head()
        got = await client.request(GET)

    assert (refused[9:12], got.status) == (b"400", 404)


async def test_a_body_that_ends_with_the_connection_does_so_for_the_client(tmp_path: Path) -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(b"HTTP/1.1 200 OK\r\nX: 1\r\n\r\nall of it")
        wire.last = True

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy:
        got = await fetch(proxy.port, GET)
        written = await proxy.written()

    assert (got.complete, got.body, got.get(b"connection"), written.outcome) == (True, b"all of it", b"close", "complete")


async def test_an_old_client_gets_a_chunked_answer_without_chunks(tmp_path: Path) -> None:
    async with FakeUpstream({"*": replying(chunked_head() + chunked(b"one", b"two"))}) as upstream, proxied(tmp_path, upstream) as proxy:
        got = await fetch(proxy.port, b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
        written = await proxy.written()

    assert (got.body, got.complete, got.get(b"transfer-encoding"), got.get(b"connection")) == (b"onetwo", True, None, b"close")
    assert written.of(Kind.RESPONSE_DATA) == chunked(b"one", b"two")


async def test_an_old_client_may_ask_for_a_connection_that_stays(tmp_path: Path) -> None:
    request = b"GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
    async with FakeUpstream({"*": replying(answer(b"x"))}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
        got = [await client.request(request) for _ in range(2)]

    assert [(one.body, one.get(b"connection")) for one in got] == [(b"x", b"keep-alive")] * 2


async def test_an_old_client_need_not_name_a_host(tmp_path: Path) -> None:
    async with FakeUpstream({"*": replying(answer(b"ok"))}) as upstream, proxied(tmp_path, upstream) as proxy:
        got = await fetch(proxy.port, b"GET /v1/models HTTP/1.0\r\n\r\n")
        written = await proxy.written()

        assert written.head == b"GET /v1/models HTTP/1.1\r\n\r\n"
        assert (got.status, got.body, upstream.requests[0].headers) == (200, b"ok", [(b"Host", b"127.0.0.1:%d" % upstream.port)])


async def test_an_old_client_gets_no_interim_answers(tmp_path: Path) -> None:
    raw = b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer(b"x")
    async with FakeUpstream({"*": replying(raw)}) as upstream, proxied(tmp_path, upstream) as proxy:
        got = await fetch(proxy.port, b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")

    assert (got.informational, got.body) == ([], b"x")


async def test_an_old_upstream_is_understood_and_not_used_twice(tmp_path: Path) -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold")
        wire.last = True

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
        got = [await client.request(GET) for _ in range(2)]

    assert [(one.raw_head[:15], one.body) for one in got] == [(b"HTTP/1.1 200 OK", b"old")] * 2
    assert upstream.connections == 2


async def test_a_client_that_wants_to_close_is_told_so_and_closed(tmp_path: Path) -> None:
    async with FakeUpstream({"*": replying(answer(b"x"))}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
        got = await client.request(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert await client.at_end()

    assert got.get(b"connection") == b"close"


async def test_that_upstream_closes_does_not_close_the_client(tmp_path: Path) -> None:
    async with (
        FakeUpstream({"*": replying(answer(b"x", (b"Connection", b"close")))}) as upstream,
        proxied(tmp_path, upstream) as proxy,
        RawClient.connect(proxy.port) as client,
    ):
        got = [await client.request(GET) for _ in range(2)]

    assert ([one.get(b"connection") for one in got], upstream.connections) == ([None, None], 2)


async def test_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    async def handler(request: Received, wire: Wire) -> None:
        await wire.write(answer(request.target))

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
        await client.write(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(5)))
        got = [(await client.answer()).body for _ in range(5)]

    assert got == [b"/0", b"/1", b"/2", b"/3", b"/4"]


async def test_a_request_that_is_answered_before_its_end_is_recorded_whole_if_the_rest_comes_soon(tmp_path: Path) -> None:
    async with FakeUpstream({"*": lambda _, wire: wire.write(answer(b"at once"))}) as upstream, proxied(tmp_path, upstream) as proxy:
        async with RawClient.connect(proxy.port) as client:
            await client.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n{}")
            got = await client.answer()
            await client.write(b"{}")
            written = await proxy.written()

        assert got.body == b"at once"
        assert (written.request, written.outcome) == (b"{}{}", "complete")
        assert written.request_end is not None


async def test_a_request_whose_rest_does_not_come_is_recorded_as_far_as_it_came(tmp_path: Path) -> None:
    async with (
        FakeUpstream({"*": lambda _, wire: wire.write(answer(b"at once"))}) as upstream,
        proxied(tmp_path, upstream) as proxy,
        RawClient.connect(proxy.port) as client,
    ):
        await client.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n{}")
        got = await client.answer()
        written = await proxy.written()

        assert (got.body, got.get(b"connection")) == (b"at once", b"close")
        assert (written.request, written.request_end, written.outcome) == (b"{}", None, "complete")


async def test_a_client_that_leaves_with_its_answer_before_its_request_is_whole_has_a_complete_exchange(tmp_path: Path) -> None:
    async with FakeUpstream({"*": lambda _, wire: wire.write(answer(b"at once"))}) as upstream, proxied(tmp_path, upstream) as proxy:
        async with RawClient.connect(proxy.port) as client:
            await client.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n{}")
            await client.answer()
            await client.abort()

        assert (await proxy.written()).outcome == "complete"

"""Forwarding over HTTP, seen from both ends and in the journal."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from fakes import FakeUpstream, RawClient, Received, Wire, answer, chunked, chunked_head, echo, fetch, replying
from playhead.storage.journal import Kind
from proxied import GET, gated, post, proxied, until

SECRET = b"sk-proj-0123456789abcdefghijklmnop"
STREAM = (b"data: one\n\n", b"data: two\n\n", b"data: three\n\n")


# What passes untouched.


async def test_the_request_reaches_upstream_byte_for_byte_but_for_its_host(tmp_path: Path) -> None:
    async with FakeUpstream({"*": replying(answer())}) as upstream, proxied(tmp_path, upstream) as proxy:
        head = b"GET /v1//a%5B%5D?x[]=%20&b? HTTP/1.1\r\nhOST: here:1\r\nX-B: \xe9 \xc3\xa9\r\nx-a: 1\r\nX-A: 2\r\nX-a:3\r\nEmpty:\r\n\r\n"
        await fetch(proxy.port, head)

        host = b"hOST: 127.0.0.1:%d" % upstream.port
        expected = b"GET /v1//a%5B%5D?x[]=%20&b? HTTP/1.1\r\n" + host + b"\r\nX-B: \xe9 \xc3\xa9\r\nx-a: 1\r\nX-A: 2\r\nX-a: 3\r\nEmpty: \r\n\r\n"
        assert upstream.requests[0].raw_head == expected


@pytest.mark.parametrize("target", [b"/?", b"/v1/x?", b"//", b"/v1/%7Euser/%2e%2E/b;c=d", b"/a?b?c#d"])
async def test_any_target_reaches_upstream_as_it_is(target: bytes, tmp_path: Path) -> None:
    async with FakeUpstream({"*": replying(answer())}) as upstream, proxied(tmp_path, upstream) as proxy:
        await fetch(proxy.port, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")

        assert upstream.requests[0].target == target


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"PROPFIND", b"QUERY"])
async def test_any_method_is_forwarded(method: bytes, tmp_path: Path) -> None:
    async with FakeUpstream({"*": replying(answer(b"ok"))}) as upstream, proxied(tmp_path, upstream) as proxy:
        got = await fetch(proxy.port, method + b" /v1/x HTTP/1.1\r\nHost: x\r\n\r\n")

    assert (got.body, upstream.requests[0].method) == (b"ok", method.decode())


async def test_the_answers_head_reaches_the_client_byte_for_byte(tmp_path: Path) -> None:
    raw = b"HTTP/1.1 299 Not \xe9  quite\r\nx-request-id: 1\r\nSet-Cookie: a=1\r\nX-Raw:\xe9\r\nset-cookie:  b=2 \r\ncontent-length: 2\r\n\r\nok"
    async with FakeUpstream({"*": replying(raw)}) as upstream, proxied(tmp_path, upstream) as proxy:
        got = await fetch(proxy.port, GET)

    assert got.raw_head + got.raw_body == raw


async def test_a_body_keeps_its_chunks_and_trailers(tmp_path: Path) -> None:
    body = b"4;ext=1\r\nwiki\r\n" + chunked(b"pedia", b"x" * 70_000, trailers=b"X-Sum: 1\r\n")
    async with FakeUpstream({"*": replying(chunked_head() + body)}) as upstream, proxied(tmp_path, upstream) as proxy:
        async with RawClient.connect(proxy.port) as client:
            await client.write(GET)
            assert await client.read_head() == chunked_head()
            assert await client.reader.readexactly(len(body)) == body
        written = await proxy.written()

    assert written.of(Kind.RESPONSE_DATA) == body


async def test_a_hundred_and_fifty_headers_and_a_long_one_pass_both_ways(tmp_path: Path) -> None:
    headers = [(b"X-%d" % number, b"v") for number in range(150)] + [(b"X-Long", b"l" * 60_000)]
    async with FakeUpstream({"*": replying(answer(b"", *headers))}) as upstream, proxied(tmp_path, upstream) as proxy:
        got = await fetch(proxy.port, post(b"", *headers))

    assert [header for header in got.headers if header[0].startswith(b"X-")] == headers
    assert [header for header in upstream.requests[0].headers if header[0].startswith(b"X-")] == headers


async def test_hop_by_hop_headers_and_those_that_connection_lists_go_no_further(tmp_path: Path) -> None:
    hops = (b"Keep-Alive", b"5"), (b"TE", b"trailers"), (b"Connection", b"X-Hop"), (b"x-hop", b"1"), (b"Connection", b"x-other"), (b"X-Other", b"1")
    raw = answer(b"", *hops, (b"Proxy-Authenticate", b"Basic"), (b"Kept", b"1"))
    async with FakeUpstream({"*": replying(raw)}) as upstream, proxied(tmp_path, upstream) as proxy:
        got = await fetch(proxy.port, post(b"", *hops, (b"Proxy-Authorization", b"Basic eDp5"), (b"Proxy-Connection", b"x"), (b"Kept", b"1")))

    assert [name for name, _ in upstream.requests[0].headers] == [b"Host", b"Kept", b"Content-Length"]
    assert [name for name, _ in got.headers] == [b"Kept", b"Content-Length"]


async def test_an_upgrade_that_is_none_of_ours_is_not_passed_on(tmp_path: Path) -> None:
    async with FakeUpstream({"*": replying(answer())}) as upstream, proxied(tmp_path, upstream) as proxy:
        await fetch(proxy.port, b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n\r\n")
        await fetch(proxy.port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n")

    assert [[name for name, _ in request.headers] for request in upstream.requests] == [[b"Host"], [b"Host"]]


@pytest.mark.parametrize("listed", [b"Content-Length", b"close, content-length", b"host, content-length"])
async def test_a_connection_header_cannot_take_away_what_frames_a_request(listed: bytes, tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream, proxied(tmp_path, upstream) as proxy:
        got = await fetch(proxy.port, post(b"GET /stolen HTTP/1.1\r\nHost: x\r\n\r\n", (b"Connection", listed)))
        await proxy.idle()

    assert got.body == b"GET /stolen HTTP/1.1\r\nHost: x\r\n\r\n"
    assert [request.target for request in upstream.requests] == [b"/v1/responses"]


async def test_a_connection_header_cannot_take_away_what_frames_an_answer(tmp_path: Path) -> None:
    async with FakeUpstream({"*": replying(answer(b"whole", (b"Connection", b"content-length")))}) as upstream, proxied(tmp_path, upstream) as proxy:
        got = await fetch(proxy.port, GET)

    assert (got.body, got.get(b"content-length")) == (b"whole", b"5")


# Addressing.


async def test_the_session_of_the_path_is_recorded_and_not_sent(tmp_path: Path) -> None:
    async with FakeUpstream({"*": replying(answer())}) as upstream, proxied(tmp_path, upstream) as proxy:
        await fetch(proxy.port, b"GET /@agent:7/v1/models?a HTTP/1.1\r\nHost: x\r\n\r\n")
        written = await proxy.written()

    assert upstream.requests[0].target == b"/v1/models?a"
    assert (written.meta["session"], written.head.split(b" ")[1]) == ("agent:7", b"/v1/models?a")


async def test_headers_that_speak_to_playhead_reach_neither_upstream_nor_the_record(tmp_path: Path) -> None:
    async with FakeUpstream({"*": replying(answer())}) as upstream, proxied(tmp_path, upstream) as proxy:
        await fetch(proxy.port, post(b"", (b"Playhead-Session", b"other"), (b"playhead-anything", b"x"), (b"PLAYHEAD-MODE", b"Record")))
        written = await proxy.written()

    assert (written.meta["session"], b"layhead" in written.head, b"layhead" in upstream.requests[0].raw_head) == ("other", False, False)


async def test_the_path_of_upstream_stands_in_front_and_v1_counts_once(tmp_path: Path) -> None:
    async with FakeUpstream({"*": replying(answer())}) as upstream, proxied(tmp_path, upstream.url + "/base/v1") as proxy:
        await fetch(proxy.port, b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
        await fetch(proxy.port, b"GET /models HTTP/1.1\r\nHost: x\r\n\r\n")

    assert [request.target for request in upstream.requests] == [b"/base/v1/models"] * 2


async def test_mode_forward_records_nothing(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream, proxied(tmp_path, upstream) as proxy:
        got = await fetch(proxy.port, post(b"hello", (b"Playhead-Mode", b"forward")))
        await fetch(proxy.port, post(b"world"))
        written = await proxy.written()

        assert (got.body, written.request, len(proxy.journal)) == (b"hello", b"world", 1)


REFUSALS = [
    (b"GET /@a%20b/v1 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_session_name"),
    (b"GET / HTTP/1.1\r\nHost: x\r\nPlayhead-Session: \xe9\r\n\r\n", 400, "bad_session_name"),
    (b"GET / HTTP/1.1\r\nHost: x\r\nPlayhead-Mode: replay\r\n\r\n", 403, "mode_not_allowed"),
    (b"GET http://elsewhere/v1 HTTP/1.1\r\nHost: elsewhere\r\n\r\n", 400, "bad_target"),
    (b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere:443\r\n\r\n", 400, "bad_target"),
    (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "bad_target"),
    (b"GET / HTTP/1.1\r\n\r\n", 400, "bad_request"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "bad_request"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, "bad_request"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400, "bad_request"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, "bad_request"),
    (b"no http at all\r\n\r\n", 400, "bad_request"),
]


@pytest.mark.parametrize(("request_bytes", "status", "code"), REFUSALS)
async def test_what_cannot_be_forwarded_is_refused_in_the_shape_of_the_api(request_bytes: bytes, status: int, code: str, tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream, proxied(tmp_path, upstream) as proxy:
        got = await fetch(proxy.port, request_bytes)
        told = json.loads(got.body)["error"]

        assert (got.status, got.get(b"playhead-error"), told["code"], told["type"]) == (status, code.encode(), code, "playhead_error")
        assert (upstream.requests, proxy.journal) == ([], [])


async def test_a_refused_request_leaves_the_connection_usable(tmp_path: Path) -> None:
    async with FakeUpstream({"*": replying(answer(b"ok"))}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
        refused = await client.request(b"GET /@/x HTTP/1.1\r\nHost: x\r\n\r\n")
        got = await client.request(GET)

    assert (refused.status, got.body) == (400, b"ok")


async def test_a_url_that_names_this_server_is_a_path(tmp_path: Path) -> None:
    async with FakeUpstream({"*": replying(answer())}) as upstream, proxied(tmp_path, upstream) as proxy:
        await fetch(proxy.port, b"GET http://LOCALHOST:%d/v1/models?x HTTP/1.1\r\nHost: x\r\n\r\n" % proxy.port)

    assert upstream.requests[0].target == b"/v1/models?x"


# Streaming and back-pressure.


async def test_every_event_arrives_before_the_next_one_is_sent(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with FakeUpstream({"*": gated(chunked_head(), *(chunked(piece, end=False) for piece in STREAM), chunked(), gate=gate)}) as upstream:
        async with proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
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
    async with FakeUpstream({"*": replying(answer(b"x" * 500_000))}) as upstream, proxied(tmp_path, upstream) as proxy:
        async with RawClient.connect(proxy.port, ahead=1 << 16) as client:
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
    async with FakeUpstream({"*": replying(answer(b"x", (b"Connection", b"close")))}) as upstream, proxied(tmp_path, upstream) as proxy:
        async with RawClient.connect(proxy.port) as client:
            got = [await client.request(GET) for _ in range(2)]

    assert ([one.get(b"connection") for one in got], upstream.connections) == ([None, None], 2)


async def test_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    async def handler(request: Received, wire: Wire) -> None:
        await wire.write(answer(request.target))

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
        await client.write(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(5)))
        got = [(await client.answer()).body for _ in range(5)]

    assert got == [b"/0", b"/1", b"/2", b"/3", b"/4"]


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
    async with FakeUpstream({"*": replying(chunked_head() + chunked(b"sound", end=False) + b"nonsense\r\n")}) as upstream:
        async with proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
            await client.write(GET)
            await client.read_head()
            rest = await client.reader.read()
            written = await proxy.written()

    assert rest.startswith(b"5\r\nsound")
    assert b"0\r\n\r\n" not in rest
    assert written.outcome == "upstream_closed"


@pytest.mark.parametrize("body", [chunked_head() + chunked(b"mine"), answer(b"mine")])
async def test_what_follows_an_answer_is_nobodys(body: bytes, tmp_path: Path) -> None:
    async with FakeUpstream({"*": replying(body + answer(b"planted"))}) as upstream, proxied(tmp_path, upstream) as proxy:
        async with RawClient.connect(proxy.port) as client:
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
        for _ in range(12):
            await asyncio.sleep(0.1)
            await wire.write(chunked(b"x", end=False))
        await wire.write(chunked())

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream, read_timeout=0.6, mode=mode) as proxy:
        got = await fetch(proxy.port, GET)

    assert (got.complete, got.body) == (True, b"x" * 12)


async def test_a_slow_client_is_not_upstreams_silence(tmp_path: Path) -> None:
    async with FakeUpstream({"*": replying(answer(b"x" * (32 << 20)))}) as upstream, proxied(tmp_path, upstream, read_timeout=0.2) as proxy:
        async with RawClient.connect(proxy.port, ahead=1 << 16) as client:
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


# The record.


async def test_the_journal_holds_an_exchange_from_its_head_to_its_end(tmp_path: Path) -> None:
    async with FakeUpstream({"*": replying(chunked_head() + chunked(b"one", end=False), chunked(b"two"), pause=0.05)}) as upstream:
        async with proxied(tmp_path, upstream, session="s") as proxy:
            await fetch(proxy.port, post(b'{"model":"m"}', (b"X", b"\xe9")))
            written, url = await proxy.written(), upstream.url

    known = ("session", "run", "mode", "key_id", "upstream", "transport", "redacted")
    assert [written.meta[name] for name in known] == ["s", "run", "record", None, url, "http", False]
    assert written.head == b"POST /v1/responses HTTP/1.1\r\nHost: here\r\nX: \xe9\r\nContent-Length: 13\r\n\r\n"
    assert (written.request, written.request_end) == (b'{"model":"m"}', {"bytes": 13, "redacted": False, "problem": None, "xxh3": None})
    assert written.end == {"outcome": "complete"}
    assert [frame.at for frame in written.frames] == sorted(frame.at for frame in written.frames)


async def test_no_secret_of_a_request_or_of_its_answer_is_in_the_journal(tmp_path: Path) -> None:
    said = b'{"authorization":"mcp-token-of-a-tool"}'

    async def handler(_: Received, wire: Wire) -> None:
        await wire.body()
        await wire.write(chunked_head((b"Set-Cookie", b"__cf_bm=cookie-of-upstream; path=/")) + chunked(said[:30], said[30:], SECRET[:9], end=False))
        await asyncio.sleep(0.02)
        await wire.write(chunked(SECRET[9:]))

    body = b'{"tools":[{"type":"mcp","authorization":"mcp-token-of-a-tool","headers":{"X":"header-of-a-tool"}}],"input":"' + SECRET + b'"}'
    headers = (b"Authorization", b"Bearer " + SECRET), (b"Cookie", b"a=cookie-of-a-client")
    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy:
        got = await fetch(proxy.port, post(body, *headers, target=b"/v1/responses?api-key=key-in-the-query"))
        written = await proxy.written()
        raw = b"".join(path.read_bytes() for path in proxy.journal_dir.iterdir())

    assert upstream.requests[0].get(b"authorization") == b"Bearer " + SECRET
    assert got.body == said + SECRET
    for secret in (SECRET, b"mcp-token-of-a-tool", b"header-of-a-tool", b"cookie-of", b"key-in-the-query"):
        assert secret not in raw
    assert (written.meta["redacted"], written.end["redacted"], str(written.meta["key_id"])[:2]) == (True, True, "k_")


async def test_a_compressed_request_goes_up_as_it_is_and_is_recorded_as_text(tmp_path: Path) -> None:
    import gzip

    packed = gzip.compress(b'{"authorization":"token-in-gzip","input":"hi"}')
    async with FakeUpstream({"*": echo}) as upstream, proxied(tmp_path, upstream) as proxy:
        got = await fetch(proxy.port, post(packed, (b"Content-Encoding", b"gzip")))
        await fetch(proxy.port, post(b"no gzip at all", (b"Content-Encoding", b"gzip")))
        written, undecodable = await proxy.written(), await proxy.written(1)

    assert got.body == packed
    assert written.request == b'{"authorization":"<redacted:authorization>","input":"hi"}'
    assert (written.request_end or {})["bytes"] == len(packed)
    assert (undecodable.request, (undecodable.request_end or {})["problem"] is not None) == (b"", True)


async def test_strict_durability_answers_what_it_has_on_disk(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream, proxied(tmp_path, upstream, durability="strict") as proxy, RawClient.connect(proxy.port) as client:
        for number in range(3):
            got = await client.request(post(b"%d" % number))
            assert (got.body, proxy.journal[number].request) == (b"%d" % number, b"%d" % number)
            assert proxy.journal[number].answer.endswith(b"\r\n\r\n%d" % number)

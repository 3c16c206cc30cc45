"""Forwarding over HTTP, seen from both ends: what passes untouched, what is addressed where, what is recorded."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from fakes import FakeUpstream, RawClient, Received, Wire, answer, chunked, chunked_head, echo, fetch, replying
from playhead.storage.journal import Kind
from proxied import GET, post, proxied

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
    (b"GET / HTTP/1.1\r\nHost: x\r\nPlayhead-Mode: rewind\r\n\r\n", 403, "mode_not_allowed"),
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


# The record.


async def test_the_journal_holds_an_exchange_from_its_head_to_its_end(tmp_path: Path) -> None:
    async with (
        FakeUpstream({"*": replying(chunked_head() + chunked(b"one", end=False), chunked(b"two"), pause=0.05)}) as upstream,
        proxied(tmp_path, upstream, session="s") as proxy,
    ):
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


@pytest.mark.parametrize("said", [SECRET + b"\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: " + SECRET + b"\r\n\r\n", b"HTTP/1.1 2" + SECRET + b"\r\n\r\n"])
async def test_an_error_that_quotes_upstream_does_not_say_the_key(said: bytes, tmp_path: Path) -> None:
    async with FakeUpstream({"*": replying(said)}) as upstream, proxied(tmp_path, upstream) as proxy:
        got = await fetch(proxy.port, post(b"", (b"Authorization", b"Bearer " + SECRET)))
        await proxy.idle()
        raw = b"".join(path.read_bytes() for path in proxy.journal_dir.iterdir())

    assert (got.get(b"playhead-error"), SECRET[:16] in got.body, SECRET[:16] in raw) == (b"upstream_protocol_error", False, False)


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

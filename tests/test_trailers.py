"""Trailers of requests, which belong to no other request: whatever is sent together, and wherever it is torn."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser
from hypothesis import given
from hypothesis import strategies as st

from fakes import FakeUpstream, RawClient, answer, chunked, replying
from playhead.proxy.forwarding.trailers import Trailers
from proxied import GET, proxied

trailers = st.lists(st.sampled_from([b"X-Sum: 1\r\n", b"Authorization: Bearer x\r\n", b"Playhead-Mode: forward\r\n"]), max_size=2).map(b"".join)
texts = st.sampled_from([b"", b"abc", b"\r\n\r\n", b"0\r\n\r\nGET / HTTP/1.1\r\nX-Sum: 1\r\n\r\n", b"x" * 3000])


def whole(number: int, lines: bytes, body: bytes) -> bytes:
    return b"POST /%d HTTP/1.1\r\nX-Number: %d\r\nHost: here\r\n%b\r\n" % (number, number, lines) + body


def with_length(number: int, body: bytes) -> bytes:
    return whole(number, b"Content-Length: %d\r\n" % len(body), body)


def in_chunks(number: int, body: bytes, more: bytes) -> bytes:
    return whole(number, b"transfer-encoding: Chunked\r\n", chunked(*[body] if body else [], trailers=more))


requests = st.lists(st.tuples(texts, st.none() | trailers), max_size=6).map(
    lambda bodies: [with_length(number, body) if more is None else in_chunks(number, body, more) for number, (body, more) in enumerate(bodies)]
)


def names_of(pieces: Sequence[bytes]) -> list[list[bytes]]:
    """The headers of the requests in those reads."""

    async def receive() -> list[list[bytes]]:
        loop = asyncio.get_running_loop()
        parser, followed, found = HttpRequestParser(BaseProtocol(loop), loop, 1 << 18, auto_decompress=False), Trailers(), []
        for piece in pieces:
            messages = parser.feed_data(piece)[0]
            body = messages[0][1].total_bytes if len(messages) == 1 and messages[0][1].is_eof() and not messages[0][0].chunked else None
            trailed = followed.follow(piece, len(messages), body) or [False] * len(messages)
            found += [[name for name, _ in message.raw_headers[first:]] for (message, _), first in zip(messages, trailed, strict=True)]
        return found

    return asyncio.run(receive())


@given(requests, st.lists(st.integers(0, 4000), max_size=12))
def test_a_trailer_is_no_header_of_the_next_request(sent: list[bytes], cuts: list[int]) -> None:
    text = b"".join(sent)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(places) if end > start]
    expected = [[line.partition(b":")[0] for line in one.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]] for one in sent]
    assert names_of(pieces) == expected


@pytest.mark.parametrize("together", [True, False])
async def test_upstream_gets_no_trailer_as_a_header_of_the_next_request(tmp_path: Path, together: bool) -> None:
    begun = b"POST /v1/x HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"hi", trailers=b"Authorization: Bearer x\r\n")
    async with FakeUpstream({"*": replying(answer(b"ok"))}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
        for raw in [begun + GET] if together else [begun, GET]:
            await client.write(raw)
            if not together:
                await client.answer()
        if together:
            await client.answer()
            await client.answer()
        assert [name for name, _ in upstream.requests[1].headers] == [b"Host"]

"""WebSockets of a replay whose handshake was not recorded: upstream's, and what becomes of them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes import FakeUpstream, Received, Wire, answer, replying
from live_sockets import TARGET, Handler, Model, kinds, talking
from playhead.storage.store import Store
from proxied import Proxy
from replays import replaying
from spoken import Socket, create, stored, told
from websocket_fakes import HandshakeError, WebSocketClient, accept

SECRET = b"sk-proj-0123456789abcdefghijklmnop"
BROKEN = b"HTTP/1.1 2" + SECRET + b"\r\n\r\n"
"""An answer of no known status, which repeats the key that the request had."""


async def test_a_handshake_that_was_not_recorded_is_upstreams(tmp_path: Path) -> None:
    async with recorded_nothing(tmp_path, Model()) as proxy, WebSocketClient.open(proxy.port, TARGET) as client:
        assert b"x-any: upstream's" in client.head
        await client.send(create("two"))
        assert kinds(await told(client, 2)) == [("response.created", "live_0"), ("response.completed", "live_0")]


async def test_an_error_for_the_handshake_that_quotes_upstream_does_not_say_the_key(tmp_path: Path) -> None:
    async with recorded_nothing(tmp_path, replying(BROKEN)) as proxy:
        with pytest.raises(HandshakeError) as caught:
            async with WebSocketClient.open(proxy.port, TARGET, (b"Authorization", b"Bearer " + SECRET)):
                pytest.fail("it must not open")

    got = caught.value.answer
    assert (got.get(b"playhead-error"), b"HTTP/1.1 2***" in got.body) == (b"upstream_protocol_error", True)


async def test_a_refused_handshake_is_upstreams_too(tmp_path: Path) -> None:
    refusal = answer(b'{"error":"no"}', (b"Retry-After", b"7"), status=b"429 Too Many Requests")
    async with recorded_nothing(tmp_path, replying(refusal)) as proxy:
        with pytest.raises(HandshakeError) as caught:
            async with WebSocketClient.open(proxy.port, TARGET):
                pytest.fail("it must not open")

    got = caught.value.answer
    assert (got.status, got.get(b"retry-after"), got.body) == (429, b"7", b'{"error":"no"}')


@pytest.mark.parametrize(("size", "whole"), [(300_000, True), (2_000_000, False)])
async def test_a_refusal_that_is_too_long_to_be_held_is_seen_to_be_cut(tmp_path: Path, size: int, whole: bool) -> None:
    async with recorded_nothing(tmp_path, replying(answer(b"x" * size, status=b"403 Forbidden"))) as proxy:
        with pytest.raises(HandshakeError) as caught:
            async with WebSocketClient.open(proxy.port, TARGET):
                pytest.fail("it must not open")

    got = caught.value.answer
    assert (got.status, got.complete, len(got.body) == size) == (403, whole, whole)


@contextlib.asynccontextmanager
async def recorded_nothing(tmp_path: Path, handler: Handler) -> AsyncIterator[Proxy]:
    Store.open(f"sqlite:///{tmp_path / 'store.db'}", create=True).close()
    async with FakeUpstream({"*": handler}) as upstream, replaying(tmp_path, upstream, on_miss="record") as proxy:
        yield proxy


async def test_other_sockets_without_a_recording_go_to_upstream_whole(tmp_path: Path) -> None:
    stored(tmp_path, Socket().recorded())

    async def echoing(request: Received, wire: Wire) -> None:
        socket = await accept(request, wire)
        await socket.send((await socket.receive()).payload)

    async with talking(tmp_path, echoing, b"/v1/realtime?model=m") as (client, _):
        await client.send(b"hello")
        assert (await client.receive()).payload == b"hello"

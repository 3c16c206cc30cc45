"""Replayed WebSockets whose live turns upstream leaves without an answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from fakes import FakeUpstream, Received, Wire
from live_sockets import TARGET, Handler, Model, kinds
from playhead.proxy.forwarding.frames import Message
from playhead.proxy.sockets.socket_line import SocketLine
from playhead.proxy.sockets.socket_live import LiveSocket
from playhead.proxy.sockets.socket_turns import TurnsTalk
from proxied import Proxy, until
from replays import replaying
from spoken import Socket, create, event, steer, stored, told
from websocket_fakes import RawWebSocket, WebSocketClient, accept


def keeping_silent(before: Callable[[RawWebSocket], Awaitable[None]]) -> Handler:
    """A handler that hears a create, says that, and nothing more."""

    async def handler(request: Received, wire: Wire) -> None:
        socket = await accept(request, wire)
        await socket.receive()
        await before(socket)
        await socket.receive_until_closed()

    return handler


async def nothing(_: RawWebSocket) -> None:
    return None


async def a_beginning(socket: RawWebSocket) -> None:
    await socket.send(event("response.created", response={"id": "live_0"}))


async def a_successor(socket: RawWebSocket) -> None:
    await socket.send(event("response.created", response={"id": "live_0"}))
    await socket.receive()
    await socket.send(event("response.steer.accepted", steer={"id": "s", "previous_response_id": "live_0"}))
    await socket.send(event("response.incomplete", response={"id": "live_0"}))


@contextlib.asynccontextmanager
async def impatient(tmp_path: Path, handler: Handler, limit: float = 0.2) -> AsyncIterator[tuple[WebSocketClient, Proxy]]:
    """As `talking`, where upstream may not be silent for long."""
    stored(tmp_path, Socket().recorded())
    async with (
        FakeUpstream({"*": handler}) as upstream,
        replaying(tmp_path, upstream, on_miss="record", read_timeout=limit) as proxy,
        WebSocketClient.open(proxy.port, TARGET) as client,
    ):
        yield client, proxy


async def live_of(proxy: Proxy) -> LiveSocket:
    """That of the only client."""
    await until(lambda: bool(proxy.service.exchanges))
    live = next(one._talk.live for one in list(proxy.service.exchanges) if isinstance(one, SocketLine) and isinstance(one._talk, TurnsTalk))
    assert live is not None
    return live


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def say(self, message: Message) -> None:
        self.told.append(json.loads(message.payload)["error"]["code"])

    def over(self, lane: str | None) -> None:
        self.told.append(("over", lane))

    def drop(self, payload: bytes | None) -> None:
        self.told.append(("drop", payload))

    def flush(self) -> None:
        """It has all."""


async def test_an_upstream_that_says_nothing_of_a_turn_is_an_error_on_its_lane(tmp_path: Path) -> None:
    async with impatient(tmp_path, keeping_silent(nothing)) as (client, proxy):
        await client.send(create("two", "a"))
        got = json.loads((await client.receive()).payload)
        await client.send(create("three", "a"))
        again = json.loads((await client.receive()).payload)

        assert (got["status"], got["error"]["code"], got["stream_id"]) == (504, "upstream_timeout", "a")
        assert again["error"]["code"] == "upstream_timeout"
        assert (len(proxy.journal), proxy.journal[0].outcome, proxy.service.counters.errors) == (2, "timeout", {"upstream_timeout": 2})


async def test_an_upstream_that_agrees_to_nothing_is_an_error_too(tmp_path: Path) -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.reader.read()

    async with impatient(tmp_path, handler) as (client, _):
        await client.send(create("two"))
        got = json.loads((await client.receive()).payload)

    assert (got["status"], got["error"]["code"]) == (504, "upstream_timeout")


async def test_an_upstream_that_goes_silent_in_a_turn_is_broken_off(tmp_path: Path) -> None:
    async with impatient(tmp_path, keeping_silent(a_beginning)) as (client, proxy):
        await client.send(create("two"))
        await client.receive()

        assert await client.receive_until_closed() == []
        assert proxy.journal[0].outcome == "timeout"


async def test_an_upstream_that_goes_silent_before_what_follows_a_steer_is_broken_off(tmp_path: Path) -> None:
    async with impatient(tmp_path, keeping_silent(a_successor)) as (client, _):
        await client.send(create("two"))
        await client.receive()
        await client.send(steer("live_0", "more"))
        await told(client, 2)

        assert await client.receive_until_closed() == []


async def test_an_upstream_may_be_silent_between_turns(tmp_path: Path) -> None:
    async with impatient(tmp_path, Model(), 0.6) as (client, _):
        await client.send(create("two"))
        await told(client, 2)
        await asyncio.sleep(0.9)
        await client.send(create("three", previous_response_id="live_0"))

        assert kinds(await told(client, 2)) == [("response.created", "live_1"), ("response.completed", "live_1")]


async def test_an_upstream_that_is_held_back_is_not_silent(tmp_path: Path) -> None:
    async with impatient(tmp_path, keeping_silent(a_beginning)) as (client, proxy):
        live = await live_of(proxy)
        proxy.service.loop.call_soon_threadsafe(live.pause)
        await client.send(create("two"))
        await client.receive()
        await asyncio.sleep(0.6)
        assert proxy.journal[0].outcome is None
        proxy.service.loop.call_soon_threadsafe(live.resume)

        assert await client.receive_until_closed() == []


async def test_where_a_turn_is_about_to_go_once_more_over_a_silent_socket_the_client_is_told_by_its_end(tmp_path: Path) -> None:
    listener, expanding = Listener(), asyncio.Event()

    async def not_knowing(request: Received, wire: Wire) -> None:
        socket = await accept(request, wire)
        for _ in range(2):
            await socket.receive()
        await socket.send(event("error", "a", status=400, error={"code": "previous_response_not_found", "message": "?"}))
        await socket.receive_until_closed()

    async def slow(_: Mapping[str, Any]) -> list[dict[str, Any]] | None:
        expanding.set()
        await asyncio.Event().wait()
        return None

    async def talk(live: LiveSocket) -> None:
        live.create("a", create("two", "a", previous_response_id="recorded"))
        live.create("b", create("three", "b"))
        await expanding.wait()
        live.timed_out()
        while not listener.told:
            await asyncio.sleep(0.01)
        live.end()

    async with impatient(tmp_path, not_knowing, 60) as (_, proxy):
        live = LiveSocket(proxy.service, (await live_of(proxy))._inbound, slow, listener)
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(talk(live), proxy.service.loop))

    assert listener.told == [("drop", None)]

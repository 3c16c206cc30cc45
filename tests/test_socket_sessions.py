"""Whole sessions over real sockets: recorded through a proxy, replayed without upstream, and every client hears the same again."""

from __future__ import annotations

import asyncio
import json
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiohttp import web
from openai import AsyncOpenAI, OpenAI
from websockets.asyncio.client import connect

from fakes import Received, Wire
from playhead.proxy.simulated_socket import SimulatedSocket
from playhead.proxy.simulator import simulated_upstream
from random_client import RandomClient
from replays import divergences, recording, replaying
from spoken import create
from websocket_fakes import CLOSE, Message, RawWebSocket, WebSocketClient, accept

SEEDS = range(24)


async def converse(port: int, seed: int) -> list[object]:
    """What a random client hears on a session of its own, and how that ends."""
    client, heard = RandomClient(seed), list[object]()
    async with WebSocketClient.open(port, b"/@s%d/v1/responses" % seed) as socket:
        for text in client.begin():
            await socket.send(text.encode())
        while client.leaves is None:
            try:
                message = await socket.receive()
            except (asyncio.IncompleteReadError, ConnectionError):
                return [*heard, "cut"]
            heard.append(message)
            if message.opcode == CLOSE:
                return heard
            for text in client.hear(message.payload.decode()):
                await socket.send(text.encode())
        if client.leaves.code is not None:
            await socket.send_close(client.leaves.code, client.leaves.reason)
            heard += [message.close for message in await socket.receive_until_closed() if message.opcode == CLOSE]
    return heard


async def conversations(port: int) -> dict[int, list[object]]:
    """All of them, some at once."""
    some = asyncio.Semaphore(6)

    async def one(seed: int) -> list[object]:
        async with some:
            return await converse(port, seed)

    return dict(zip(SEEDS, await asyncio.gather(*map(one, SEEDS)), strict=True))


async def test_random_sessions_are_heard_again_as_they_were(tmp_path: Path) -> None:
    numbers = count()

    def next_socket(_: web.Request, stored: dict[str, int]) -> SimulatedSocket:
        number = next(numbers)
        return SimulatedSocket(str(number), Random(number).randrange, stored)

    async with simulated_upstream(0, next_socket) as url, recording(tmp_path, url) as proxy:
        first = await conversations(proxy.port)
    async with replaying(tmp_path) as proxy:
        again = await conversations(proxy.port)

    assert [seed for seed in SEEDS if first[seed] != again[seed]] == []


async def turns(port: int, texts: list[str], **options: Any) -> list[str]:
    """What `websockets` hears, one turn after the other."""
    heard: list[str] = []
    async with connect(f"ws://127.0.0.1:{port}/v1/responses", **options) as socket:
        for text in texts:
            await socket.send(create(text).decode())
            while True:
                heard.append(str(await socket.recv()))
                if json.loads(heard[-1])["type"] in ("response.completed", "error"):
                    break
        await (await socket.ping())
    return heard


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_the_websockets_library_is_served_as_it_was(tmp_path: Path, compression: str | None) -> None:
    async with simulated_upstream(0) as url, recording(tmp_path, url) as proxy:
        first = await turns(proxy.port, ["one", "two"], compression=compression)
    async with replaying(tmp_path) as proxy:
        assert await turns(proxy.port, ["one", "two"], compression=compression) == first
        assert json.loads((await turns(proxy.port, ["three"]))[0])["error"]["code"] == "no_match"
    assert [one.asks for one in divergences(tmp_path)] == ["ws"]


async def test_a_recorded_pace_keeps_what_a_client_hears(tmp_path: Path) -> None:
    async with simulated_upstream(0.002) as url, recording(tmp_path, url) as proxy:
        first = await turns(proxy.port, ["one", "two"])
    for pace in ("recorded", "10x"):
        async with replaying(tmp_path, pace=pace) as proxy:
            assert await turns(proxy.port, ["one", "two"]) == first


async def test_big_messages_come_back_whole_to_a_client_that_is_slow(tmp_path: Path) -> None:
    big = [json.dumps({"type": "response.created", "response": {"id": "resp_1"}, "fill": "x" * (3 << 20)}).encode() for _ in range(5)]

    async def upstream(request: Received, wire: Wire) -> None:
        socket = await accept(request, wire)
        await socket.receive()
        for payload in big:
            await socket.send(payload)
        await socket.send(b'{"type":"response.completed","response":{"id":"resp_1"}}')
        await socket.receive()

    async def hear(socket: RawWebSocket) -> list[Message]:
        await socket.send(create("one"))
        await asyncio.sleep(0.05)
        return [await socket.receive() for _ in range(len(big) + 1)]

    async with recording(tmp_path, upstream) as proxy, WebSocketClient.open(proxy.port, b"/v1/responses") as socket:
        first = await hear(socket)
    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, b"/v1/responses") as socket:
        assert await hear(socket) == first


async def test_the_sdk_is_served_as_it_was(tmp_path: Path) -> None:
    async def asynchronously(port: int) -> list[str]:
        client = AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="unused", max_retries=0)
        heard: list[str] = []
        async with client, client.responses.connect() as connection:
            for text in ("one", "two"):
                await connection.response.create(model="gpt-5", input=text)
                async for event in connection:
                    heard.append(event.to_json())
                    if event.type == "response.completed":
                        break
        return heard

    def synchronously(port: int) -> list[str]:
        with OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="unused", max_retries=0) as client, client.responses.connect() as connection:
            connection.response.create(model="gpt-5", input="three")
            return [event.to_json() for event, _ in zip(connection, range(4), strict=False)]

    async def both(port: int) -> tuple[list[str], list[str]]:
        return await asynchronously(port), await asyncio.to_thread(synchronously, port)

    async with simulated_upstream(0) as url, recording(tmp_path, url) as proxy:
        first = await both(proxy.port)
    async with replaying(tmp_path) as proxy:
        assert await both(proxy.port) == first

"""Whole sessions over real sockets: recorded through a proxy, replayed without upstream, and every client hears the same again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI
from websockets.asyncio.client import connect

from fakes import Received, Wire
from playhead.proxy.simulator import simulated_upstream
from replays import divergences, recording, replaying
from spoken import create
from websocket_fakes import Message, RawWebSocket, WebSocketClient, accept


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

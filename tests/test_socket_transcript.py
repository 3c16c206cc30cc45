"""Other WebSockets, recorded through a proxy and said again: what upstream said waits for what the client had said before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fakes import Received, Wire
from replays import divergences, recording, replaying
from websocket_fakes import BINARY, CLOSE, HandshakeError, Message, RawWebSocket, WebSocketClient, accept

TARGET = b"/v1/realtime?model=gpt-realtime"
Side = Callable[[RawWebSocket], Awaitable[None]]


def say(type_: str, **more: object) -> bytes:
    return json.dumps({"type": type_, **more}).encode()


async def record(tmp_path: Path, upstream: Side, client: Side, target: bytes = TARGET) -> None:
    """One connection through a recording proxy."""

    async def handler(request: Received, wire: Wire) -> None:
        await upstream(await accept(request, wire))

    async with recording(tmp_path, handler) as proxy, WebSocketClient.open(proxy.port, target) as socket:
        await client(socket)


async def talk(socket: RawWebSocket) -> None:
    """Upstream's half of a conversation."""
    await socket.send(say("session.created", event_id="event_1"))
    assert (await socket.receive()).payload == say("session.update", session={"voice": "alto"})
    await socket.send(say("session.updated"))
    for _ in range(3):
        await socket.receive()
    await socket.send(say("input_audio_buffer.speech_started"))
    await socket.receive()
    await socket.send(say("response.done"))
    await socket.send(bytes(range(9)), BINARY)
    await socket.send_close(1001, "enough")
    await socket.receive()


async def converse(socket: RawWebSocket) -> None:
    """The client's."""
    await socket.receive()
    await socket.send(say("session.update", session={"voice": "alto"}))
    await socket.receive()
    for number in range(3):
        await socket.send(say("input_audio_buffer.append", audio=f"AAA{number}"))
    await socket.receive()
    await socket.send(say("response.create", event_id="mine"))
    assert [(await socket.receive()).opcode for _ in range(3)] == [1, 2, 8]
    await socket.send_close(1001)
    assert await socket.at_end()


async def test_what_upstream_said_waits_for_what_the_client_had_said(tmp_path: Path) -> None:
    await record(tmp_path, talk, converse)

    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, TARGET) as socket:
        assert (await socket.receive()).payload == say("session.created", event_id="event_1")
        await socket.send(b'{"session" : {"voice":"alto"}, "type":"session.update"}')
        assert (await socket.receive()).payload == say("session.updated")
        await socket.send(say("input_audio_buffer.append", audio="other sound"))
        for _ in range(7):
            await socket.send(say("input_audio_buffer.append", audio="and more of it"))
        assert (await socket.receive()).payload == say("input_audio_buffer.speech_started")
        await socket.send(say("response.create", event_id="another"))
        assert [await socket.receive() for _ in range(2)] == [Message(1, say("response.done")), Message(2, bytes(range(9)))]
        assert (await socket.receive()).close == (1001, "enough")


async def test_less_sound_will_do_where_the_client_goes_on(tmp_path: Path) -> None:
    await record(tmp_path, talk, converse)

    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, TARGET) as socket:
        await socket.send(say("session.update", session={"voice": "alto"}))
        await socket.send(say("input_audio_buffer.append", audio="all of it"))
        await socket.send(say("response.create"))
        got = [await socket.receive() for _ in range(6)]

    assert [message.opcode for message in got] == [1, 1, 1, 1, 2, 8]


async def test_what_the_client_had_not_said_is_an_error_and_the_connection_lives(tmp_path: Path) -> None:
    await record(tmp_path, talk, converse)

    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, TARGET) as socket:
        await socket.receive()
        await socket.send(say("session.update", session={"voice": "bass"}, event_id="e7"))
        error = json.loads((await socket.receive()).payload)
        assert (error["type"], error["event_id"], error["error"]["code"], error["error"]["event_id"]) == ("error", "event_playhead_1", "no_match", "e7")
        assert "session.voice" in error["error"]["message"]
        await socket.send(say("session.update", session={"voice": "alto"}))
        assert (await socket.receive()).payload == say("session.updated")

    [kept] = divergences(tmp_path)
    assert (kept.code, kept.asks, kept.nearest, len(kept.differences)) == ("no_match", "ws", 1, 1)


async def test_a_handshake_that_was_refused_is_refused_again(tmp_path: Path) -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\nContent-Length: 4\r\n\r\nslow")

    async with recording(tmp_path, handler) as proxy:
        with pytest.raises(HandshakeError):
            async with WebSocketClient.open(proxy.port, b"/v1/responses"):
                pass
    async with replaying(tmp_path) as proxy:
        with pytest.raises(HandshakeError) as refused:
            async with WebSocketClient.open(proxy.port, b"/v1/responses"):
                pass

    assert (refused.value.answer.status, refused.value.answer.get(b"retry-after"), refused.value.answer.body) == (429, b"7", b"slow")


async def test_a_socket_that_was_not_recorded_is_refused(tmp_path: Path) -> None:
    await record(tmp_path, talk, converse)

    async with replaying(tmp_path) as proxy:
        async with WebSocketClient.open(proxy.port, TARGET):
            pass
        for target in (b"/v1/realtime?model=other", TARGET):
            with pytest.raises(HandshakeError) as refused:
                async with WebSocketClient.open(proxy.port, target):
                    pass
            assert refused.value.answer.status == 404
    assert [one.code for one in divergences(tmp_path)] == ["no_match", "exhausted"]


async def test_a_client_that_leaves_is_answered_as_it_was(tmp_path: Path) -> None:
    async def upstream(socket: RawWebSocket) -> None:
        await socket.send(b"hello")
        await socket.receive()
        await socket.send_close(1000, "bye")

    async def client(socket: RawWebSocket) -> None:
        await socket.receive()
        await socket.send_close(1000, "done")
        await socket.receive()

    await record(tmp_path, upstream, client, b"/socket")
    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, b"/socket") as socket:
        assert await socket.receive() == Message(1, b"hello")
        await socket.send_close(1000, "done")
        assert await socket.receive() == Message(CLOSE, b"\x03\xe8bye")


async def test_a_close_waits_for_what_the_client_had_said_behind_the_last_message_of_upstream(tmp_path: Path) -> None:
    async def upstream(socket: RawWebSocket) -> None:
        await socket.send(b"hello")
        await socket.receive()
        await socket.receive()
        await socket.send_close(4001, "done")
        await socket.receive()

    async def client(socket: RawWebSocket) -> None:
        await socket.receive()
        await socket.send(b"one")
        await socket.send(b"two")
        assert (await socket.receive()).close == (4001, "done")
        await socket.send_close(4001)

    await record(tmp_path, upstream, client, b"/socket")
    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, b"/socket") as socket:
        assert await socket.receive() == Message(1, b"hello")
        for said in (b"one", b"two"):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(socket.receive(), 0.1)
            await socket.send(said)
        assert (await socket.receive()).close == (4001, "done")


@pytest.mark.parametrize("sounds", [3, 2])
async def test_a_close_waits_for_sound_as_long_as_the_client_goes_on(tmp_path: Path, sounds: int) -> None:
    sound = say("input_audio_buffer.append", audio="AAA")

    async def upstream(socket: RawWebSocket) -> None:
        await socket.send(b"hello")
        for _ in range(3):
            await socket.receive()
        await socket.send_close(1000, "done")
        await socket.receive()

    async def client(socket: RawWebSocket) -> None:
        await socket.receive()
        for _ in range(3):
            await socket.send(sound)
        await socket.receive()
        await socket.send_close(1000)

    await record(tmp_path, upstream, client, b"/socket")
    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, b"/socket") as socket:
        assert await socket.receive() == Message(1, b"hello")
        for _ in range(sounds):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(socket.receive(), 0.1)
            await socket.send(sound)
        assert (await asyncio.wait_for(socket.receive(), 5)).close == (1000, "done")


async def test_in_recorded_times_it_takes_as_long_as_it_did(tmp_path: Path) -> None:
    async def upstream(socket: RawWebSocket) -> None:
        await socket.receive()
        await asyncio.sleep(0.15)
        await socket.send(b"later")
        await socket.receive()

    async def client(socket: RawWebSocket) -> None:
        await socket.send(b"ask")
        await socket.receive()
        await socket.send_close()

    await record(tmp_path, upstream, client, b"/socket")
    loop = asyncio.get_running_loop()
    async with replaying(tmp_path, pace="recorded") as proxy, WebSocketClient.open(proxy.port, b"/socket") as socket:
        before = loop.time()
        await socket.send(b"ask")
        await socket.receive()

        assert loop.time() - before > 0.14


def secret(key: str) -> bytes:
    """A message with a key in it."""
    return say("session.update", session={"tools": [{"type": "mcp", "server_label": "x", "authorization": key}]})


@pytest.mark.parametrize("key", ["sk-proj-0123456789abcdefghijklmnop", "sk-proj-9876543210zyxwvutsrqponmlk"])
async def test_a_message_with_a_key_in_it_is_known_again_whatever_the_key(tmp_path: Path, key: str) -> None:
    async def upstream(socket: RawWebSocket) -> None:
        await socket.receive()
        await socket.send(say("session.updated"))
        await socket.receive()

    async def client(socket: RawWebSocket) -> None:
        await socket.send(secret("sk-proj-0123456789abcdefghijklmnop"))
        await socket.receive()
        await socket.send_close()

    await record(tmp_path, upstream, client)
    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, TARGET) as socket:
        await socket.send(secret(key))
        assert (await socket.receive()).payload == say("session.updated")


async def test_nothing_secret_is_told_of_a_message_that_was_not_expected(tmp_path: Path) -> None:
    key = "sk-proj-0123456789abcdefghijklmnop"
    await record(tmp_path, talk, converse)

    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, TARGET, (b"Authorization", f"Bearer {key}".encode())) as socket:
        await socket.receive()
        await socket.send(say(key, also=key))
        error = json.loads((await socket.receive()).payload)

    [kept] = divergences(tmp_path)
    assert error["error"]["code"] == "no_match"
    assert key not in error["error"]["message"]
    assert key not in kept.message

"""Responses over a WebSocket, replayed: turns, lanes, steers, misses and endings as they were recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fakes import FakeUpstream, Received, Wire, answer, fetch
from proxied import unheard, until
from replays import ask, code, divergences, numbered, recording, replaying
from spoken import Socket, create, event, ids, steer, stored, told
from websocket_fakes import CLOSE, PING, PONG, TEXT, HandshakeError, Message, WebSocketClient, encode

TARGET = b"/v1/responses"


async def test_a_turn_comes_back_byte_for_byte(tmp_path: Path) -> None:
    socket = Socket()
    said = socket.answers(socket.create("one"))
    stored(tmp_path, socket.recorded())

    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, TARGET) as client:
        await client.send(create("one"))

        assert await told(client, len(said)) == said


async def test_lanes_come_back_in_the_recorded_interleaving(tmp_path: Path) -> None:
    socket = Socket()
    one, two = socket.create("one", "a"), socket.create("two", "b")
    said = [socket.says(turn, event("response.output_text.delta", lane, delta=str(number))) for number in range(5) for turn, lane in ((one, "a"), (two, "b"))]
    said += [*socket.answers(two), *socket.answers(one)]
    stored(tmp_path, socket.recorded())

    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, TARGET) as client:
        await client.send(create("two", "b"))
        await client.send(create("one", "a"))

        assert await told(client, len(said)) == said


async def test_events_carry_the_clients_lane_names(tmp_path: Path) -> None:
    socket = Socket()
    socket.answers(socket.create("one", "a"))
    socket.answers(socket.create("two"))
    stored(tmp_path, socket.recorded())

    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, TARGET) as client:
        await client.send(create("one", "other"))
        assert ids(await told(client, 4)) == ["created other", "output_text.delta other", "output_text.delta other", "completed other"]
        await client.send(create("two", "new"))
        assert ids(await told(client, 4))[0] == "created new"


async def test_a_miss_is_an_error_on_its_lane_and_the_connection_lives(tmp_path: Path) -> None:
    socket = Socket()
    said = socket.answers(socket.create("one", "a"))
    stored(tmp_path, socket.recorded())

    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, TARGET) as client:
        await client.send(create("won", "a"))
        error = json.loads((await told(client, 1))[0])
        assert (error["type"], error["status"], error["stream_id"], error["error"]["code"]) == ("error", 404, "a", "no_match")
        assert 'input: "one"' in error["error"]["message"] or "input" in error["error"]["message"]

        await client.send(create("one", "a"))
        assert await told(client, len(said)) == said
    [kept] = divergences(tmp_path)
    assert (kept.code, kept.asks, kept.nearest) == ("no_match", "ws", 1)


async def test_a_turn_that_was_served_is_exhausted(tmp_path: Path) -> None:
    socket = Socket()
    socket.answers(socket.create("one"))
    stored(tmp_path, socket.recorded())

    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, TARGET) as client:
        await client.send(create("one"))
        await told(client, 4)
        await client.send(create("one"))
        assert json.loads((await told(client, 1))[0])["error"]["code"] == "exhausted"


async def test_the_last_turn_is_served_again_where_that_is_wanted(tmp_path: Path) -> None:
    socket = Socket()
    said = socket.answers(socket.create("one"))
    stored(tmp_path, socket.recorded())

    async with replaying(tmp_path, exhausted="last") as proxy:
        for _ in range(2):
            async with WebSocketClient.open(proxy.port, TARGET) as client:
                for _ in range(3):
                    await client.send(create("one"))
                    assert await told(client, len(said)) == said


async def test_all_turns_are_served_again_where_that_is_wanted(tmp_path: Path) -> None:
    socket = Socket()
    said = [socket.answers(socket.create("one")) for _ in range(2)]
    stored(tmp_path, socket.recorded())

    async with replaying(tmp_path, exhausted="cycle") as proxy:
        for _ in range(2):
            async with WebSocketClient.open(proxy.port, TARGET) as client:
                for turn in (0, 1, 0, 1):
                    await client.send(create("one"))
                    assert await told(client, len(said[turn])) == said[turn]


@pytest.mark.parametrize("exhausted", ["last", "cycle"])
async def test_a_connection_whose_turns_are_served_again_ends_behind_the_last_of_them(exhausted: str, tmp_path: Path) -> None:
    socket = Socket()
    said = {text: socket.answers(socket.create(text)) for text in ("one", "two")}
    socket.close(1, 1001, "bye")
    stored(tmp_path, socket.recorded("upstream_closed"))

    async with replaying(tmp_path, exhausted=exhausted) as proxy:
        for _ in range(3):
            async with WebSocketClient.open(proxy.port, TARGET) as client:
                for text in said:
                    await client.send(create(text))
                    assert await told(client, len(said[text])) == said[text]
                assert (await client.receive()).close == (1001, "bye")


async def test_a_steer_is_waited_for_and_its_successor_follows(tmp_path: Path) -> None:
    socket = Socket()
    one = socket.create("one", "a")
    name = socket.response(one)
    before = [socket.says(one, event("response.created", "a", response={"id": name}))]
    socket.steer(one, "left", after=5000)
    after = [socket.says(one, event("response.steer.accepted", "a", steer={"id": "steer_1", "previous_response_id": name}))]
    after.append(socket.says(one, event("response.incomplete", "a", response={"id": name})))
    after += socket.answers(socket.successor(one))
    stored(tmp_path, socket.recorded())

    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, TARGET) as client:
        await client.send(create("one", "a"))
        assert await told(client, 1) == before
        await client.send(steer(name, "left"))
        assert await told(client, len(after)) == after


async def test_another_steer_is_an_error_on_its_lane(tmp_path: Path) -> None:
    socket = Socket()
    one = socket.create("one", "a")
    name = socket.response(one)
    socket.says(one, event("response.created", "a", response={"id": name}))
    socket.steer(one, "left", after=60_000)
    socket.says(one, event("response.completed", "a", response={"id": name}))
    stored(tmp_path, socket.recorded())

    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, TARGET) as client:
        await client.send(create("one", "a"))
        await told(client, 1)
        await client.send(steer(name, "right"))
        got = [json.loads(message) for message in await told(client, 2)]

    errors = [one for one in got if one["type"] == "error"]
    assert [(error["stream_id"], error["error"]["code"]) for error in errors] == [("a", "no_match")]
    assert "right" in divergences(tmp_path)[0].message


async def test_the_close_comes_back_with_its_code_and_reason(tmp_path: Path) -> None:
    socket = Socket()
    said = socket.answers(socket.create("one"))
    socket.close(1, 1013, "come back later")
    stored(tmp_path, socket.recorded("upstream_closed"))

    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, TARGET) as client:
        await client.send(create("one"))
        got = [await client.receive() for _ in range(len(said) + 1)]
        assert got[-1].close == (1013, "come back later")
        await client.send_close(1013)
        assert await client.at_end()


async def test_a_cut_socket_is_cut_again(tmp_path: Path) -> None:
    socket = Socket()
    one = socket.create("one")
    socket.says(one, event("response.created", response={"id": "resp_x"}))
    stored(tmp_path, socket.recorded("upstream_closed"))

    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, TARGET) as client:
        await client.send(create("one"))
        assert [message.opcode for message in await client.receive_until_closed()] == [1]


async def test_a_client_that_comes_back_goes_on(tmp_path: Path) -> None:
    first, second = Socket(1), Socket(2)
    before = first.answers(first.create("one"))
    first.close(1, 1001, "")
    after = second.answers(second.create("two"))
    stored(tmp_path, first.recorded("upstream_closed"), second.recorded())

    async with replaying(tmp_path) as proxy:
        async with WebSocketClient.open(proxy.port, TARGET) as client:
            await client.send(create("one"))
            assert await told(client, len(before)) == before
        async with WebSocketClient.open(proxy.port, TARGET) as client:
            await client.send(create("two"))
            assert await told(client, len(after)) == after


async def test_more_connections_than_were_recorded_share_its_turns(tmp_path: Path) -> None:
    socket = Socket()
    one, two = socket.answers(socket.create("one")), socket.answers(socket.create("two"))
    stored(tmp_path, socket.recorded())

    async with replaying(tmp_path) as proxy:
        for text, said in (("one", one), ("two", two)):
            async with WebSocketClient.open(proxy.port, TARGET) as client:
                await client.send(create(text))
                assert await told(client, len(said)) == said


async def test_one_connection_serves_what_was_recorded_over_two(tmp_path: Path) -> None:
    first, second = Socket(1), Socket(2)
    one, two = first.answers(first.create("one")), second.answers(second.create("two"))
    stored(tmp_path, first.recorded("client_closed"), second.recorded("client_closed"))

    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, TARGET) as client:
        for text, said in (("two", two), ("one", one)):
            await client.send(create(text))
            assert await told(client, len(said)) == said


@pytest.mark.parametrize("closes", [True, False])
async def test_a_connection_of_which_others_have_had_all_does_not_end_the_next_client(closes: bool, tmp_path: Path) -> None:
    first, second = Socket(1), Socket(2)
    one, two = first.answers(first.create("one")), second.answers(second.create("two"))
    if closes:
        second.close(1, 1001, "")
    stored(tmp_path, first.recorded(), second.recorded("upstream_closed"))

    async with replaying(tmp_path) as proxy:
        for text, said in (("two", two), ("one", one)):  # the first client goes by the first connection, and is answered by the second
            async with WebSocketClient.open(proxy.port, TARGET) as client:
                await client.send(create(text))
                assert await told(client, len(said)) == said


async def test_pings_are_answered_and_a_close_too(tmp_path: Path) -> None:
    socket = Socket()
    socket.answers(socket.create("one"))
    stored(tmp_path, socket.recorded())

    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, TARGET) as client:
        await client.frame(PING, b"here")
        assert await client.receive() == Message(PONG, b"here")
        await client.send_close(1000, "done")
        assert (await client.receive()).close == (1000, "")
        assert await client.at_end()


@pytest.mark.parametrize("recorded", ["permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"])
async def test_compression_is_agreed_on_as_recorded_and_only_if_it_is_offered(tmp_path: Path, recorded: str) -> None:
    socket = Socket(extensions=recorded)
    said = [*socket.answers(socket.create("one")), *socket.answers(socket.create("two"))]
    stored(tmp_path, socket.recorded())

    async with replaying(tmp_path, exhausted="last") as proxy:
        for offered in (True, False):
            async with WebSocketClient.open(proxy.port, TARGET, deflate=offered) as client:
                assert client.deflated is offered
                await client.send(create("one"))
                await client.send(create("two"))
                assert await told(client, len(said)) == said


async def test_the_handshake_is_answered_as_recorded(tmp_path: Path) -> None:
    socket = Socket()
    socket.answers(socket.create("one"))
    stored(tmp_path, socket.recorded())

    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, TARGET) as client:
        assert b"\r\nx-request-id: req_1\r\n" in client.head


async def test_a_session_without_recordings_refuses_the_handshake(tmp_path: Path) -> None:
    stored(tmp_path, Socket().recorded())

    async with replaying(tmp_path, session="other") as proxy:
        with pytest.raises(HandshakeError) as refused:
            async with WebSocketClient.open(proxy.port, TARGET):
                pass

    assert refused.value.answer.status == 404


async def test_a_protocol_error_is_told_by_its_code(tmp_path: Path) -> None:
    stored(tmp_path, Socket().recorded())

    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, TARGET) as client:
        await client.frame(3, b"what")
        message = await client.receive()

    assert (message.opcode, message.close[0]) == (CLOSE, 1002)


async def test_what_was_recorded_over_http_is_told_over_a_websocket(tmp_path: Path) -> None:
    body = json.dumps({"model": "gpt-5", "input": "one"}).encode()
    response = {"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-5", "output": []}

    async def handler(_: Received, wire: Wire) -> None:
        await wire.body()
        await wire.write(answer(json.dumps(response).encode(), (b"Content-Type", b"application/json")))

    async with recording(tmp_path, handler) as recorder:
        await fetch(recorder.port, ask(body, (b"Content-Type", b"application/json")))
    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, TARGET) as client:
        await client.send(create("one", "a"))

        assert ids(await told(client, 3)) == ["created a", "in_progress a", "completed a"]


@pytest.mark.parametrize("mode", ["record", "replay", "forward"])
async def test_where_websockets_are_off_a_handshake_is_answered_426_and_http_goes_on(tmp_path: Path, mode: str) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b"x"))
    async with FakeUpstream({"*": numbered()}) as upstream, replaying(tmp_path, upstream, mode=mode, websockets="off") as proxy:
        with pytest.raises(HandshakeError) as refused:
            async with WebSocketClient.open(proxy.port, TARGET):
                pass
        assert (refused.value.answer.status, code(refused.value.answer)) == (426, "websockets_off")
        assert refused.value.answer.get(b"upgrade") == b"HTTP/1.1"
        assert (await fetch(proxy.port, ask(b"x"))).body == b"0"


@pytest.mark.parametrize("together", [False, True])
async def test_a_client_that_asks_faster_than_it_reads_is_not_heard_until_it_does(tmp_path: Path, together: bool) -> None:
    socket, count = Socket(), 900  # far more than the kernel takes, and than may wait
    one = socket.create("one")
    said = [socket.says(one, event("response.completed", delta=30_000 * "x"))]
    stored(tmp_path, socket.recorded())
    asked = count * [encode(TEXT, create("one"), mask=bytes(4))]

    async with replaying(tmp_path, exhausted="last") as proxy, WebSocketClient.open(proxy.port, TARGET, ahead=1 << 16) as client:
        for some in [b"".join(asked)] if together else asked:
            await client.write(some)
        await until(lambda: unheard(proxy))
        assert await told(client, count) == count * said

"""Replayed WebSockets that go to upstream with the turns that were not recorded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fakes import FakeUpstream, Received, Wire, answer, drop, fetch, replying
from live_sockets import TARGET, Handler, Model, kinds, talking
from playhead.proxy.forwarding.frames import Message
from playhead.proxy.sockets.socket_live import error_event
from proxied import unheard, until
from replays import NOWHERE, ask, divergences, recording, replaying
from spoken import Socket, create, event, steer, stored, told
from websocket_fakes import BINARY, CLOSE, TEXT, RawWebSocket, WebSocketClient, accept

SECRET = b"sk-proj-0123456789abcdefghijklmnop"
BROKEN = b"HTTP/1.1 2" + SECRET + b"\r\n\r\n"
"""An answer of no known status, which repeats the key that the request had."""
LIVE_0 = [("response.created", "live_0"), ("response.completed", "live_0")]


async def test_what_is_recorded_is_replayed_and_the_rest_goes_live(tmp_path: Path) -> None:
    socket = Socket()
    said = socket.answers(socket.create("one"))
    stored(tmp_path, socket.recorded())
    model = Model()

    async with talking(tmp_path, model) as (client, proxy):
        await client.send(create("one"))
        assert await told(client, len(said)) == said
        assert model.sockets == []
        await client.send(create("two"))
        assert kinds(await told(client, 2)) == LIVE_0
        counters = proxy.service.counters
        assert (counters.replayed, counters.live, counters.missed) == (1, 1, {})

    assert model.asked == [json.loads(create("two"))]
    assert divergences(tmp_path) == []


async def test_a_turn_goes_to_upstream_as_the_client_sent_it(tmp_path: Path) -> None:
    stored(tmp_path, Socket().recorded())
    async with FakeUpstream({"*": Model()}) as upstream, replaying(tmp_path, upstream, on_miss="record") as proxy:
        async with WebSocketClient.open(proxy.port, TARGET, (b"X-Any", b"1")) as client:
            await client.send(create("two", "a", odd=[1.0, None]))
            await told(client, 2)
        await until(lambda: not proxy.service.exchanges)
        written = proxy.journal[0]

        assert [one.get(b"x-any") for one in upstream.requests] == [b"1"]
    assert written.messages[0] == (0x91, create("two", "a", odd=[1.0, None]))


async def test_a_turn_behind_a_recorded_response_goes_once_more_with_its_conversation(tmp_path: Path) -> None:
    socket = Socket()
    said = socket.answers(socket.create("one", tools=[{"type": "custom", "name": "t"}]))
    stored(tmp_path, socket.recorded())
    model = Model()

    async with talking(tmp_path, model) as (client, proxy):
        await client.send(create("one", tools=[{"type": "custom", "name": "t"}]))
        await told(client, len(said))
        await client.send(create("two", previous_response_id="resp_1_1"))
        assert kinds(await told(client, 2)) == LIVE_0
        await client.send(create("three", previous_response_id="live_0"))
        assert kinds(await told(client, 2)) == [("response.created", "live_1"), ("response.completed", "live_1")]
        written = proxy.journal[0]

    assert [one.get("previous_response_id") for one in model.asked] == ["resp_1_1", None, "live_0"]
    assert [item["content"] for item in model.asked[1]["input"]] == ["one", "two"]
    assert [flags for flags, _ in written.messages[:3]] == [0x91, 0xB1, 0x91]
    assert b"previous_response_not_found" not in written.upstream_data


async def test_a_turn_that_went_once_more_is_replayed_for_what_the_client_had_sent(tmp_path: Path) -> None:
    socket = Socket()
    said = socket.answers(socket.create("one"))
    stored(tmp_path, socket.recorded())
    asked = create("one"), create("two", previous_response_id="resp_1_1"), create("three", previous_response_id="live_0")

    async def heard(client: WebSocketClient) -> list[bytes]:
        got: list[bytes] = []
        for one, answers in zip(asked, (len(said), 2, 2), strict=True):
            await client.send(one)
            got += await told(client, answers)
        return got

    async with talking(tmp_path, Model()) as (client, _):
        first = await heard(client)
    async with replaying(tmp_path) as proxy, WebSocketClient.open(proxy.port, TARGET) as client:
        assert await heard(client) == first
    assert divergences(tmp_path) == []


async def test_nothing_overtakes_a_turn_that_goes_once_more(tmp_path: Path) -> None:
    socket = Socket()
    said = socket.answers(socket.create("one"))
    stored(tmp_path, socket.recorded())
    model = Model()

    async with talking(tmp_path, model) as (client, _):
        for asked in (create("one"), create("two", previous_response_id="resp_1_1"), create("three")):
            await client.send(asked)
        await told(client, len(said) + 4)

    contents = [one["input"] if isinstance(one["input"], str) else one["input"][-1]["content"] for one in model.asked]
    assert contents == ["two", "two", "three"]


async def test_without_the_whole_conversation_the_client_hears_that_it_is_not_known(tmp_path: Path) -> None:
    stored(tmp_path, Socket().recorded())
    async with talking(tmp_path, Model()) as (client, proxy):
        await client.send(create("two", "a", previous_response_id="nowhere"))
        assert kinds(await told(client, 1)) == [("error", "previous_response_not_found")]
        await client.send(create("three", "a"))
        assert kinds(await told(client, 2)) == LIVE_0

        assert b"previous_response_not_found" in proxy.journal[0].upstream_data


async def test_turns_of_one_lane_go_one_after_the_other(tmp_path: Path) -> None:
    socket = Socket()
    said = socket.answers(socket.create("one"))
    stored(tmp_path, socket.recorded())
    async with talking(tmp_path, Model()) as (client, _):
        for text in ("live", "live too", "one", "live again"):
            await client.send(create(text))
        got = await told(client, 6 + len(said))

    ended = [value["response"]["id"] for value in map(json.loads, got) if value["type"] == "response.completed"]
    assert (ended, got[4 : 4 + len(said)]) == (["live_0", "live_1", "resp_1_1", "live_2"], said)


async def test_a_steer_of_a_live_response_goes_live(tmp_path: Path) -> None:
    stored(tmp_path, Socket().recorded())
    model = Model()
    async with talking(tmp_path, model) as (client, _):
        await client.send(create("two"))
        await told(client, 2)
        await client.send(steer("live_0", "more"))
        assert json.loads((await client.receive()).payload)["type"] == "response.steer.accepted"


async def test_a_steer_of_a_replayed_response_does_not_go_live_and_says_why(tmp_path: Path) -> None:
    socket = Socket()
    said = socket.answers(socket.create("one", "a"))
    stored(tmp_path, socket.recorded())
    model = Model()
    async with talking(tmp_path, model) as (client, _):
        await client.send(create("one", "a"))
        await told(client, len(said))
        await client.send(steer("resp_1_1", "more"))
        error = json.loads((await client.receive()).payload)["error"]

    why = "It did not go to upstream, which has not made the response that it is about: that is replayed from exchange 1."
    helps = "`playhead rerecord default --exchange 1` lets that go live on the next run"
    assert (error["code"], why in error["message"], helps in error["message"], model.asked) == ("no_match", True, True, [])


async def test_nor_does_one_of_a_response_that_was_recorded_over_http(tmp_path: Path) -> None:
    response = {"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-5", "output": []}
    body = json.dumps({"model": "gpt-5", "input": "one"}).encode()
    json_type = (b"Content-Type", b"application/json")
    async with recording(tmp_path, replying(answer(json.dumps(response).encode(), json_type))) as recorder:
        await fetch(recorder.port, ask(body, json_type))
    model = Model()
    async with (
        FakeUpstream({"*": model}) as upstream,
        replaying(tmp_path, upstream, on_miss="record") as proxy,
        WebSocketClient.open(proxy.port, TARGET) as client,
    ):
        await client.send(create("one"))
        await told(client, 3)
        await client.send(steer("resp_1", "more"))
        error = json.loads((await client.receive()).payload)["error"]

    assert (error["code"], "replayed from exchange 1" in error["message"], model.asked) == ("no_match", True, [])


async def test_a_message_that_is_not_known_goes_live(tmp_path: Path) -> None:
    stored(tmp_path, Socket().recorded())
    model = Model()
    async with talking(tmp_path, model) as (client, proxy):
        await client.send(b'{"type": "session.tune", "previous_response_id": "elsewhere"}')
        got = json.loads((await client.receive()).payload)
        assert (proxy.service.counters.live, proxy.service.counters.missed) == (1, {})

    assert (got["steer"]["previous_response_id"], [one["type"] for one in model.asked]) == ("elsewhere", ["session.tune"])


async def test_one_that_is_no_text_goes_live_as_it_is(tmp_path: Path) -> None:
    stored(tmp_path, Socket().recorded())

    async def echoing(request: Received, wire: Wire) -> None:
        socket = await accept(request, wire)
        while (message := await socket.receive()).opcode != CLOSE:
            await socket.send(message.payload, message.opcode)

    async with talking(tmp_path, echoing) as (client, _):
        await client.send(b"\x00\xff", BINARY)
        message = await client.receive()

    assert (message.opcode, message.payload) == (BINARY, b"\x00\xff")


async def test_where_upstream_closes_at_such_a_message_so_does_the_connection(tmp_path: Path) -> None:
    stored(tmp_path, Socket().recorded())

    async def refusing(request: Received, wire: Wire) -> None:
        socket = await accept(request, wire)
        await socket.receive()
        await closing(socket, wire)

    async with talking(tmp_path, refusing) as (client, _):
        await client.send(b'{"type": "session.tune"}')
        got = await client.receive_until_closed()

    assert [message.close for message in got] == [(1011, "gone")]


async def test_a_message_that_cannot_reach_upstream_is_an_error(tmp_path: Path) -> None:
    stored(tmp_path, Socket().recorded())
    async with replaying(tmp_path, NOWHERE, on_miss="record") as proxy, WebSocketClient.open(proxy.port, TARGET) as client:
        await client.send(b'{"type": "session.tune"}')
        got = json.loads((await client.receive()).payload)

    assert (got["status"], got["error"]["code"]) == (502, "upstream_unreachable")


async def test_a_message_counts_as_a_live_call(tmp_path: Path) -> None:
    stored(tmp_path, Socket().recorded())
    async with (
        FakeUpstream({"*": Model()}) as upstream,
        replaying(tmp_path, upstream, on_miss="record", live_calls=1) as proxy,
        WebSocketClient.open(proxy.port, TARGET) as client,
    ):
        await client.send(create("two"))
        await told(client, 2)
        await client.send(steer("live_0", "more"))
        got = json.loads((await client.receive()).payload)

    assert (got["status"], got["error"]["code"], "live_calls" in got["error"]["message"]) == (403, "live_budget", True)


async def test_an_upstream_that_is_gone_is_an_error_on_the_lane(tmp_path: Path) -> None:
    stored(tmp_path, Socket().recorded())
    async with replaying(tmp_path, NOWHERE, on_miss="record") as proxy, WebSocketClient.open(proxy.port, TARGET) as client:
        await client.send(create("two", "a"))
        got = json.loads((await client.receive()).payload)

    assert (got["type"], got["status"], got["error"]["code"], got["stream_id"]) == ("error", 502, "upstream_unreachable", "a")


async def test_an_error_on_the_lane_that_quotes_upstream_does_not_say_the_key(tmp_path: Path) -> None:
    stored(tmp_path, Socket().recorded())
    async with (
        FakeUpstream({"*": replying(BROKEN)}) as upstream,
        replaying(tmp_path, upstream, on_miss="record") as proxy,
        WebSocketClient.open(proxy.port, TARGET, (b"Authorization", b"Bearer " + SECRET)) as client,
    ):
        await client.send(create("two", "a"))
        got = json.loads((await client.receive()).payload)

    assert (got["error"]["code"], "HTTP/1.1 2***" in got["error"]["message"]) == ("upstream_protocol_error", True)


async def test_a_refusal_of_upstream_is_an_error_on_the_lane(tmp_path: Path) -> None:
    stored(tmp_path, Socket().recorded())
    refusal = answer(b'{"error":{"type":"t","code":"no_such_key","message":"No."}}', (b"Retry-After", b"7"), status=b"401 Unauthorized")
    async with talking(tmp_path, replying(refusal)) as (client, _):
        await client.send(create("two"))
        got = json.loads((await client.receive()).payload)

    assert (got["status"], got["error"]["code"], got["error"]["type"]) == (401, "no_such_key", "t")
    assert got["error"]["headers"] == {"retry-after": "7"}


async def test_of_a_refusal_that_says_nothing_the_status_is_told(tmp_path: Path) -> None:
    stored(tmp_path, Socket().recorded())
    async with talking(tmp_path, replying(answer(b"", status=b"503 Service Unavailable"))) as (client, _):
        await client.send(create("two", "a"))
        got = json.loads((await client.receive()).payload)

    assert (got["status"], got["stream_id"], got["error"]["message"]) == (503, "a", "upstream answered the WebSocket handshake with status 503.")


def ending(last: Callable[[RawWebSocket, Wire], Awaitable[None]]) -> Handler:
    """A handler that begins an answer, and ends so."""

    async def handler(request: Received, wire: Wire) -> None:
        socket = await accept(request, wire)
        await socket.receive()
        await socket.send(event("response.created", response={"id": "live_0"}))
        await last(socket, wire)

    return handler


async def closing(socket: RawWebSocket, _: Wire) -> None:
    await socket.send_close(1011, "gone")
    await socket.receive_until_closed()


async def dropping(_: RawWebSocket, wire: Wire) -> None:
    drop(wire.writer)


@pytest.mark.parametrize(("end", "expected"), [(closing, [(1011, "gone")]), (dropping, [])])
async def test_where_upstream_ends_in_a_turn_the_client_sees_it(
    tmp_path: Path, end: Callable[[RawWebSocket, Wire], Awaitable[None]], expected: list[tuple[int, str]]
) -> None:
    stored(tmp_path, Socket().recorded())
    async with talking(tmp_path, ending(end)) as (client, _):
        await client.send(create("two"))
        await client.receive()
        got = await client.receive_until_closed()

    assert [message.close for message in got if message.opcode == CLOSE] == expected


async def test_where_upstream_ends_between_turns_the_next_one_opens_another(tmp_path: Path) -> None:
    stored(tmp_path, Socket().recorded())
    model = Model()
    async with talking(tmp_path, model) as (client, proxy):
        await client.send(create("two"))
        await told(client, 2)
        await model.sockets[0].send_close(1001)
        await until(lambda: proxy.journal[0].outcome is not None)
        await client.send(create("three"))
        assert kinds(await told(client, 2)) == [("response.created", "live_1"), ("response.completed", "live_1")]

    assert len(model.sockets) == 2


async def test_a_client_that_leaves_ends_it(tmp_path: Path) -> None:
    stored(tmp_path, Socket().recorded())
    gate = asyncio.Event()

    async def waiting(_: RawWebSocket, __: Wire) -> None:
        await gate.wait()

    async with FakeUpstream({"*": ending(waiting)}) as upstream, replaying(tmp_path, upstream, on_miss="record") as proxy:
        async with WebSocketClient.open(proxy.port, TARGET) as client:
            await client.send(create("two"))
            await client.receive()
        await until(lambda: not proxy.service.exchanges)
        gate.set()
        await until(lambda: upstream.open_connections == 0)


async def test_a_client_that_asks_faster_than_upstream_takes_is_not_heard_until_it_does(tmp_path: Path) -> None:
    stored(tmp_path, Socket().recorded())
    gate, model = asyncio.Event(), Model()

    async def slow(request: Received, wire: Wire) -> None:
        await gate.wait()
        await model(request, wire)

    async def ask(client: WebSocketClient) -> None:
        for number in range(12):
            await client.send(create(f"{number}" + 1_000_000 * "x"))

    async with talking(tmp_path, slow) as (client, proxy):
        asking = asyncio.ensure_future(ask(client))
        await until(lambda: unheard(proxy))
        assert proxy.service.counters.live < 12
        gate.set()
        assert kinds(await told(client, 24))[-1] == ("response.completed", "live_11")
        await asking


async def test_what_waits_on_its_lane_for_a_turn_before_it_is_bounded(tmp_path: Path) -> None:
    socket = Socket()
    said = socket.answers(socket.create("one"))
    stored(tmp_path, socket.recorded())
    gate, model = asyncio.Event(), Model()

    async def slow(request: Received, wire: Wire) -> None:
        await gate.wait()
        await model(request, wire)

    async def ask(client: WebSocketClient) -> None:
        await client.send(create("two", previous_response_id="resp_1_1"))  # which nothing on its lane may overtake
        for number in range(40):
            await client.send(create(f"{number}" + 1_000_000 * "x"))

    async with talking(tmp_path, slow) as (client, proxy):
        await client.send(create("one"))
        await told(client, len(said))
        asking = asyncio.ensure_future(ask(client))
        await until(lambda: unheard(proxy))
        assert proxy.service.counters.live < 20
        gate.set()
        assert kinds(await told(client, 82))[-1] == ("response.completed", "live_40")
        await asking


def test_an_error_names_its_lane() -> None:
    assert error_event("a", 404, {"code": "no_match", "message": "m"}) == Message(
        TEXT, b'{"type": "error", "status": 404, "error": {"type": "playhead_error", "param": null, "code": "no_match", "message": "m"}, "stream_id": "a"}'
    )

"""Each fault over a WebSocket, as the openai SDK hears it: the exception that it would be in life, and the recorded answer when it asks again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from websockets.exceptions import ConnectionClosedError, InvalidMessage, InvalidStatus

from playhead.proxy import Playhead
from playhead.proxy.simulator import simulated_upstream
from replays import NOWHERE, replaying
from spoken import Socket, ids, stored, told
from spoken import create as creating
from spoken import event as said_event
from test_socket_transcript import TARGET, converse, record, say, talk
from websocket_fakes import CLOSE, HandshakeError, WebSocketClient

TEXT = "This is a simulated answer. No model was asked."
DELTA = "response.output_text.delta"


def sdk(proxy: Playhead) -> OpenAI:
    return OpenAI(base_url=proxy.base_url, api_key="sk-faults-not-a-real-key", max_retries=0, timeout=30)


def connect(client: OpenAI, fault: str = "") -> Any:
    headers = {"Playhead-Fault": fault} if fault else {}
    # What was sent and not read keeps the library from seeing that its close is answered.
    options: Any = {"close_timeout": 0.05}
    return client.responses.connect(extra_headers=headers, websocket_connection_options=options)


def ask(connection: Any) -> str:
    """One turn; an error event in brackets."""
    connection.response.create(model="m", input="Hi.")
    heard: list[str] = []
    for event in connection:
        if event.type == DELTA:
            heard.append(event.delta)
        elif event.type == "error":
            return "".join([*heard, f"[{getattr(event, 'status', None)} {event.error.code}]"])
        elif event.type == "response.completed":
            return "".join(heard)
    return "".join([*heard, "[closed]"])


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playhead]:
    """A replay of one turn, which is served again and again."""
    data = tmp_path_factory.mktemp("faults")

    def once(recording: Playhead) -> None:
        with sdk(recording) as client, connect(client) as connection:
            ask(connection)

    async def recorded() -> None:
        async with simulated_upstream(0) as upstream:
            with Playhead(mode="record", data=data, upstream=upstream) as recording:
                await asyncio.to_thread(once, recording)

    asyncio.run(recorded())
    with Playhead(data=data, upstream=NOWHERE, exhausted="last") as replay:
        yield replay


@pytest.fixture(scope="module")
def client(proxy: Playhead) -> Iterator[OpenAI]:
    with sdk(proxy) as client:
        yield client


def tried(proxy: Playhead, client: OpenAI, fault: str) -> tuple[Any, str, list[str]]:
    """What the first try gave or raised, what the next gave on a new connection, and what the client did, by the faults that were met meanwhile."""
    before = len(proxy.faults)
    asking = f"{fault} seed={before}"  # else one that was met before would be known
    try:
        with connect(client, asking) as connection:
            first: Any = ask(connection)
    except Exception as error:
        first = error
    with connect(client, asking) as connection:
        again = ask(connection)
    return first, again, [str(one.outcome and one.outcome["next"]) for one in proxy.faults[before:]]


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        ("cut", ConnectionClosedError),
        ("cut at start", ConnectionClosedError),
        (f"cut after 2 {DELTA}", ConnectionClosedError),
        ("reset before response.completed", ConnectionClosedError),
        ('close 1011 "internal"', ConnectionClosedError),
        ("close 4000", ConnectionClosedError),
        ("half-event", ConnectionClosedError),
        ("malformed", ValueError),
        ("garbage before response.in_progress", ValueError),
        ("401 at handshake", InvalidStatus),
        ("429 retry-after=2 at handshake", InvalidStatus),
        ("cut at handshake", InvalidMessage),
        ("reset at handshake", InvalidMessage),
    ],
)
def test_it_is_the_exception_that_it_would_be_in_life_and_the_retry_gets_the_recorded_answer(
    proxy: Playhead, client: OpenAI, fault: str, raised: type[Exception]
) -> None:
    first, again, outcomes = tried(proxy, client, fault)

    assert isinstance(first, raised)
    assert (again, outcomes) == (TEXT, ["retried"])


@pytest.mark.parametrize(
    ("fault", "heard", "outcome"),
    [
        ("429 retry-after=2", "[429 rate_limit_exceeded]", "retried"),
        ("503", "[503 server_is_overloaded]", "retried"),
        ("previous_response_not_found", "[400 previous_response_not_found]", "retried"),
        (f"500 after {DELTA}", "This[None None]", "retried"),
        ("close 1000", "[closed]", "retried"),
        ("latency 10ms", TEXT, "went_on"),
        ("latency 10ms after response.created", TEXT, "went_on"),
        ("latency 10ms at handshake", TEXT, "went_on"),
        ("drip 400B/1ms", TEXT, "went_on"),
        (f"duplicate before {DELTA}", f"This{TEXT}", "went_on"),
        (f"reorder before {DELTA}", " isThis" + TEXT.removeprefix("This is"), "went_on"),
    ],
)
def test_what_is_no_exception_in_life_is_none_here(proxy: Playhead, client: OpenAI, fault: str, heard: str, outcome: str) -> None:
    first, again, outcomes = tried(proxy, client, fault)

    assert (first, again, outcomes[0]) == (heard, TEXT, outcome)


def test_after_an_error_it_may_ask_again_on_the_same_connection(proxy: Playhead, client: OpenAI) -> None:
    with connect(client, f"429 seed={len(proxy.faults)}") as connection:
        assert [ask(connection) for _ in range(3)] == ["[429 rate_limit_exceeded]", TEXT, TEXT]


def test_a_close_code_and_its_reason_are_heard(proxy: Playhead, client: OpenAI) -> None:
    error, _, _ = tried(proxy, client, 'close 1013 "try again; later"')

    assert (error.rcvd.code, error.rcvd.reason) == (1013, "try again; later")


def test_a_refused_handshake_says_why(proxy: Playhead, client: OpenAI) -> None:
    error, _, _ = tried(proxy, client, "429 retry-after=7 at handshake")

    assert (error.response.status_code, error.response.headers["retry-after"]) == (429, "7")
    assert json.loads(error.response.body)["error"]["code"] == "rate_limit_exceeded"


async def test_what_else_was_in_flight_when_a_connection_is_cut_is_due_again_too(tmp_path: Path) -> None:
    socket = Socket()
    one, two = socket.create("one", "a"), socket.create("two", "b")
    said = [socket.says(two, said_event("response.created", "b", response={"id": "resp_1_2"}))]
    first = socket.answers(one)
    said += [socket.says(two, said_event("response.completed", "b", response={"id": "resp_1_2"}))]
    stored(tmp_path, socket.recorded())

    async with replaying(tmp_path, fault=("cut after response.created at turn 1",), pace="recorded") as proxy:
        async with WebSocketClient.open(proxy.port, b"/v1/responses") as client:
            await client.send(creating("two", "b"))
            await client.send(creating("one", "a"))
            with pytest.raises(asyncio.IncompleteReadError):
                await told(client, 9)
        async with WebSocketClient.open(proxy.port, b"/v1/responses") as client:
            await client.send(creating("one", "a"))
            await client.send(creating("two", "b"))
            assert sorted(await told(client, 6)) == sorted([*first, *said])


async def test_a_turn_that_hangs_keeps_its_own_lane_alone(tmp_path: Path) -> None:
    socket = Socket()
    one = socket.create("one", "a")
    socket.answers(one)
    socket.answers(socket.create("two", "b"))
    stored(tmp_path, socket.recorded())

    async with replaying(tmp_path, fault=("hang after response.created at turn 1",)) as proxy, WebSocketClient.open(proxy.port, b"/v1/responses") as client:
        await client.send(creating("one", "a"))
        await client.send(creating("two", "b"))
        assert ids(await told(client, 5)) == ["created a", "created b", "output_text.delta b", "output_text.delta b", "completed b"]


async def test_latency_keeps_its_own_lane_alone_and_the_order_on_it(tmp_path: Path) -> None:
    socket = Socket()
    for text, lane in (("one", "a"), ("two", "b"), ("three", "a")):
        socket.answers(socket.create(text, lane), 0)
    stored(tmp_path, socket.recorded())

    async with replaying(tmp_path, fault=("latency 50ms at turn 1",)) as proxy, WebSocketClient.open(proxy.port, b"/v1/responses") as client:
        for text, lane in (("one", "a"), ("two", "b"), ("three", "a")):
            await client.send(creating(text, lane))
        heard = [json.loads(payload)["response"]["id"] for payload in await told(client, 6)]
    assert heard == ["resp_1_2", "resp_1_2", "resp_1_1", "resp_1_1", "resp_1_3", "resp_1_3"]


async def test_events_of_an_afflicted_turn_name_the_lane_that_asked(tmp_path: Path) -> None:
    socket = Socket()
    socket.answers(socket.create("one", "a"))
    stored(tmp_path, socket.recorded())

    async with replaying(tmp_path, fault=("duplicate before response.completed",)) as proxy, WebSocketClient.open(proxy.port, b"/v1/responses") as client:
        await client.send(creating("one", "mine"))
        assert ids(await told(client, 5)) == ["created mine", "output_text.delta mine", "output_text.delta mine", "completed mine", "completed mine"]


# Other WebSockets.


@pytest.mark.parametrize(("fault", "code"), [("cut after session.created", None), ('close 4001 "over" after session.created', 4001)])
async def test_a_realtime_connection_meets_them_too_and_is_whole_when_it_is_opened_again(tmp_path: Path, fault: str, code: int | None) -> None:
    await record(tmp_path, talk, converse)

    async with replaying(tmp_path, fault=(fault,)) as proxy:
        async with WebSocketClient.open(proxy.port, TARGET) as socket:
            assert (await socket.receive()).payload == say("session.created", event_id="event_1")
            if code is None:
                with pytest.raises(asyncio.IncompleteReadError):
                    await socket.receive()
            else:
                closed = await socket.receive()
                assert (closed.opcode, closed.close) == (CLOSE, (code, "over"))
        async with WebSocketClient.open(proxy.port, TARGET) as socket:
            await converse(socket)


async def test_a_status_refuses_its_handshake(tmp_path: Path) -> None:
    await record(tmp_path, talk, converse)

    async with replaying(tmp_path, fault=("429 retry-after=1",)) as proxy:
        with pytest.raises(HandshakeError, match="429"):
            async with WebSocketClient.open(proxy.port, TARGET):
                pass
        async with WebSocketClient.open(proxy.port, TARGET) as socket:
            await converse(socket)


# A response that upstream does not know.


async def test_who_says_the_whole_conversation_again_gets_the_recorded_answer(tmp_path: Path) -> None:
    socket = Socket()
    socket.answers(socket.create("one"))
    second = socket.answers(socket.create("two", previous_response_id="resp_1_1"))
    stored(tmp_path, socket.recorded())
    whole = json.loads(creating("two")) | {
        "input": [{"role": "user", "content": "one"}, {"role": "assistant", "content": "0"}, {"role": "user", "content": "two"}]
    }

    async with replaying(tmp_path, fault=("previous_response_not_found at turn 2",)) as proxy:
        async with WebSocketClient.open(proxy.port, b"/v1/responses") as client:
            await client.send(creating("one"))
            await told(client, 4)
            await client.send(creating("two", previous_response_id="resp_1_1"))
            refused = json.loads((await client.receive()).payload)
            await client.send(json.dumps(whole).encode())
            heard = await told(client, 4)
        [served] = proxy.service.faults.served
    assert (refused["status"], refused["error"]["code"], heard) == (400, "previous_response_not_found", second)
    assert served.outcome is not None
    assert served.outcome["next"] == "resumed"

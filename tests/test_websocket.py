"""WebSockets, spliced: seen from both ends and in the journal."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import struct
from pathlib import Path

import pytest

from fakes import FakeUpstream, RawClient, Received, Wire, answer, chunked, chunked_head, replying
from playhead.proxy.forwarding.frames import FrameDecoder
from playhead.proxy.websocket import handshake_fault
from proxied import GET, Proxy, proxied, until
from websocket_fakes import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    HandshakeError,
    Message,
    RawWebSocket,
    WebSocketClient,
    accept,
    accept_of,
    echo_messages,
    encode,
    handshake,
)

SECRET = b"sk-proj-0123456789abcdefghijklmnop"
KEY = base64.b64encode(b"0123456789abcdef")
PATH = b"/v1/responses"


def text_of(flagged: list[tuple[int, bytes]]) -> bytes:
    return b"".join(payload for _, payload in flagged)


def upstream_messages(proxy: Proxy) -> list[bytes]:
    """What upstream said, decoded from the journal."""
    return [piece.payload for piece in FrameDecoder(masked=False, deflate=None).feed(proxy.journal[0].upstream_data)]


# The handshake.


async def test_the_handshake_reaches_upstream_with_its_own_key_and_the_101_comes_back_as_it_is(tmp_path: Path) -> None:
    raw = b"HTTP/1.1 101 Web Socket\r\nupgrade: WebSocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: x\r\nX-Any:\xe9\r\n\r\n"

    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(raw)
        wire.last = True

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
        await client.write(handshake(PATH, (b"OpenAI-Beta", b"x"), (b"Sec-WebSocket-Protocol", b"realtime, b"), deflate=True, key=KEY))
        assert await client.read_head() == raw
        got = upstream.requests[0]

    names = (b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-extensions", b"sec-websocket-protocol", b"openai-beta", b"upgrade", b"connection")
    assert [got.get(name) for name in names] == [KEY, b"13", b"permessage-deflate; client_max_window_bits", b"realtime, b", b"x", b"websocket", b"Upgrade"]
    assert got.get(b"host") == b"127.0.0.1:%d" % upstream_port(got)


def upstream_port(request: Received) -> int:
    return int((request.get(b"host") or b"").rpartition(b":")[2])


async def test_a_refusal_comes_back_as_it_is(tmp_path: Path) -> None:
    refusal = answer(b'{"error":"slow down"}', (b"Retry-After", b"7"), (b"x-request-id", b"r"), status=b"429 Too Many Requests")
    async with FakeUpstream({"*": replying(refusal)}) as upstream, proxied(tmp_path, upstream) as proxy:
        with pytest.raises(HandshakeError) as caught:
            async with WebSocketClient.open(proxy.port, PATH):
                pytest.fail("it must not open")
        written = await proxy.written()

    assert caught.value.answer.raw_head + caught.value.answer.body == refusal
    assert (written.answer, written.outcome, written.meta["transport"]) == (refusal, "complete", "ws")


async def test_the_connection_of_a_refused_handshake_can_be_used_again(tmp_path: Path) -> None:
    async with (
        FakeUpstream({"*": replying(chunked_head(status=b"426 Upgrade Required") + chunked(b"no"))}) as upstream,
        proxied(tmp_path, upstream) as proxy,
        RawClient.connect(proxy.port) as client,
    ):
        got = [await client.request(handshake(PATH)), await client.request(GET), await client.request(handshake(PATH))]

    assert [(one.status, one.body) for one in got] == [(426, b"no")] * 3
    assert upstream.connections == 1


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", {"Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": b"13"}),
        ("GET", {"Sec-WebSocket-Version": b"13"}),
        ("GET", {"Sec-WebSocket-Key": b"short", "Sec-WebSocket-Version": b"13"}),
        ("GET", {"Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": b"8"}),
        ("GET", {"Sec-WebSocket-Key": KEY}),
    ],
)
def test_a_handshake_that_is_none_has_a_fault(method: str, headers: dict[str, bytes]) -> None:
    assert handshake_fault(method, [(name.encode(), value) for name, value in headers.items()])


def test_a_sound_handshake_has_no_fault() -> None:
    assert handshake_fault("GET", [(b"sec-websocket-key", KEY), (b"SEC-WEBSOCKET-VERSION", b"13")]) is None


async def test_a_bad_handshake_is_refused_and_not_forwarded(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo_messages}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
        got = await client.request(handshake(PATH).replace(b"Version: 13", b"Version: 8"))

    assert (got.status, got.get(b"playhead-error"), upstream.requests) == (400, b"bad_request", [])


async def test_an_upstream_that_is_not_there_refuses_the_handshake(tmp_path: Path) -> None:
    async with FakeUpstream() as gone:
        url = gone.url
    async with proxied(tmp_path, url) as proxy, RawClient.connect(proxy.port) as client:
        got = await client.request(handshake(PATH))

    assert (got.status, got.get(b"playhead-error")) == (502, b"upstream_unreachable")


async def test_bytes_behind_the_handshake_in_one_packet_are_the_first_message(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo_messages}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port) as client:
        await client.write(handshake(PATH, key=KEY) + encode(TEXT, b"early", mask=b"1234"))
        head = await client.read_head()
        socket = RawWebSocket(client.reader, client.writer, head, client=True)
        assert (await socket.receive()).payload == b"early"

    assert accept_of(KEY) in head


async def test_a_message_behind_the_101_in_one_packet_arrives(tmp_path: Path) -> None:
    async def handler(request: Received, wire: Wire) -> None:
        head = b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept_of(request.get(b"sec-websocket-key") or b"")
        await wire.write(head + b"\r\n\r\n" + encode(TEXT, b"at once"))
        await wire.reader.read(1)
        wire.last = True

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy, WebSocketClient.open(proxy.port, PATH) as client:
        assert (await client.receive()).payload == b"at once"
        assert upstream_messages(proxy) == [b"at once"]


# Messages.


@pytest.mark.parametrize("deflate", [False, True])
async def test_messages_pass_both_ways_and_are_recorded(deflate: bool, tmp_path: Path) -> None:
    sent = [b"", b"short", b"x" * 200, b"long" * 50_000, "é\u2028".encode()]
    async with FakeUpstream({"*": echo_messages}) as upstream, proxied(tmp_path, upstream) as proxy:
        async with WebSocketClient.open(proxy.port, PATH, deflate=deflate) as client:
            for payload in sent:
                await client.send(payload, fragments=2)
                assert (await client.receive()).payload == payload
            await client.send_close(1000, "bye")
            assert (await client.receive()).close == (1000, "bye")
            assert await client.at_end()
        written = await proxy.written()

    assert text_of([one for one in written.messages if one[0] & 15 != CLOSE]) == b"".join(sent)
    assert [payload for flags, payload in written.messages if flags & 15 == CLOSE] == [struct.pack("!H", 1000) + b"bye"]
    assert (written.request_end, written.meta["transport"], written.end) == (None, "ws", {"outcome": "complete"})


async def test_pings_and_pongs_are_the_ends_own_affair(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo_messages}) as upstream, proxied(tmp_path, upstream) as proxy, WebSocketClient.open(proxy.port, PATH) as client:
        await client.frame(PING, b"are you there")
        assert await client.receive() == Message(PONG, b"are you there")
        await client.frame(TEXT, b"one", fin=False)
        await client.frame(PING, b"between")
        await client.frame(CONTINUATION, b"two")
        assert await client.receive() == Message(PONG, b"between")
        assert await client.receive() == Message(TEXT, b"onetwo")


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1008, "policy, says upstream"), (4001, "é" * 60), (None, "")])
async def test_upstreams_close_code_and_reason_arrive(code: int | None, reason: str, tmp_path: Path) -> None:
    async def handler(request: Received, wire: Wire) -> None:
        socket = await accept(request, wire)
        await socket.send_close(code, reason)
        assert (await socket.receive()).close == (code, reason)

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy, WebSocketClient.open(proxy.port, PATH) as client:
        got = await client.receive()
        await client.frame(CLOSE, got.payload)
        assert await client.at_end()

    assert got.close == (code, reason)


async def test_whatever_the_client_says_passes_even_what_breaks_the_protocol(tmp_path: Path) -> None:
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    wrong = encode(7, b"no such opcode") + encode(TEXT, b"not masked") + os.urandom(50)

    async def handler(request: Received, wire: Wire) -> None:
        socket = await accept(request, wire)
        got.set_result(await socket.reader.readexactly(len(wrong)))

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy:
        async with WebSocketClient.open(proxy.port, PATH) as client:
            await client.write(wrong)
            assert await got == wrong
        written = await proxy.written()

    assert written.end["problem"]


async def test_a_big_frame_passes_both_ways_piece_by_piece(tmp_path: Path) -> None:
    big = os.urandom(1 << 20) * 20
    async with FakeUpstream({"*": echo_messages}) as upstream, proxied(tmp_path, upstream) as proxy, WebSocketClient.open(proxy.port, PATH) as client:
        sending = asyncio.ensure_future(client.send(big, BINARY))
        assert (await client.receive()).payload == big
        await sending
        await client.send_close()
        await client.receive()
        written = await proxy.written()

    assert text_of([one for one in written.messages if one[0] & 15 != CLOSE]) == big
    assert len(written.messages) > 10


# Ends.


@pytest.mark.parametrize("reset", [False, True])
async def test_a_socket_that_upstream_drops_is_dropped_and_not_closed(reset: bool, tmp_path: Path) -> None:
    async def handler(request: Received, wire: Wire) -> None:
        socket = await accept(request, wire)
        await socket.send(b"last words")
        await asyncio.sleep(0.05)
        await (socket.abort() if reset else socket.close())

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy:
        async with WebSocketClient.open(proxy.port, PATH) as client:
            assert await client.receive_until_closed() == [Message(TEXT, b"last words")]
        written = await proxy.written()

    assert written.outcome == "upstream_closed"


@pytest.mark.parametrize("reset", [False, True])
async def test_a_socket_that_the_client_drops_is_dropped_and_not_closed(reset: bool, tmp_path: Path) -> None:
    got: asyncio.Future[list[Message]] = asyncio.get_running_loop().create_future()

    async def handler(request: Received, wire: Wire) -> None:
        got.set_result(await (await accept(request, wire)).receive_until_closed())

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy:
        async with WebSocketClient.open(proxy.port, PATH) as client:
            await client.send(b"last words")
            await until(lambda: bool(proxy.journal and proxy.journal[0].messages))
            await (client.abort() if reset else client.close())
            assert await got == [Message(TEXT, b"last words")]
        written = await proxy.written()

    assert written.outcome == "client_closed"


async def test_the_close_frame_of_a_client_that_leaves_at_once_still_arrives(tmp_path: Path) -> None:
    got: asyncio.Future[list[Message]] = asyncio.get_running_loop().create_future()

    async def handler(request: Received, wire: Wire) -> None:
        got.set_result(await (await accept(request, wire)).receive_until_closed())

    async with (
        FakeUpstream({"*": handler}) as upstream,
        proxied(tmp_path, upstream) as proxy,
        WebSocketClient.open(proxy.port, PATH) as client,
    ):
        await client.send_close(1001, "going")
        await client.close()
        assert [message.close for message in await got] == [(1001, "going")]


async def test_a_half_closed_client_ends_the_socket_on_both_sides(tmp_path: Path) -> None:
    left = asyncio.Event()

    async def handler(request: Received, wire: Wire) -> None:
        await (await accept(request, wire)).receive_until_closed()
        left.set()

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy, WebSocketClient.open(proxy.port, PATH) as client:
        client.end()
        await left.wait()
        assert await client.at_end()
        assert (await proxy.written()).outcome == "client_closed"


async def test_open_sockets_are_counted(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo_messages}) as upstream, proxied(tmp_path, upstream) as proxy:
        async with WebSocketClient.open(proxy.port, PATH), WebSocketClient.open(proxy.port, PATH):
            await until(lambda: proxy.service.counters.open_connections == 2)
        await until(lambda: proxy.service.counters.open_connections == 0)


# Back-pressure.


async def settled(count: list[int]) -> int:
    """The number in the list when it has stopped growing."""
    before = -1
    while count[0] != before:
        before = count[0]
        await asyncio.sleep(0.3)
    return before


async def test_a_client_that_does_not_read_slows_upstream(tmp_path: Path) -> None:
    sent = [0]
    total = 64

    async def handler(request: Received, wire: Wire) -> None:
        socket = await accept(request, wire)
        while sent[0] < total:
            await socket.send(b"x" * (1 << 20))
            sent[0] += 1
        await socket.receive_until_closed()

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy, RawClient.connect(proxy.port, ahead=1 << 16) as client:
        await client.write(handshake(PATH))
        await client.read_head()
        assert await settled(sent) < 24
        got = 0
        while got < total * ((1 << 20) + 10):
            got += len(await client.reader.read(1 << 20))


async def test_an_upstream_that_does_not_read_slows_the_client(tmp_path: Path) -> None:
    go = asyncio.Event()
    got = [0]
    sent = [0]
    total = 64

    async def handler(request: Received, wire: Wire) -> None:
        socket = await accept(request, wire)
        await go.wait()
        while got[0] < total:
            await socket.receive()
            got[0] += 1
        await socket.send(b"all")

    async with (
        FakeUpstream({"*": handler}, ahead=1 << 16) as upstream,
        proxied(tmp_path, upstream) as proxy,
        WebSocketClient.open(proxy.port, PATH) as client,
    ):

        async def send() -> None:
            while sent[0] < total:
                await client.send(b"x" * (1 << 20))
                sent[0] += 1

        sending = asyncio.ensure_future(send())
        assert await settled(sent) < 24
        go.set()
        assert (await client.receive()).payload == b"all"
        await sending


# Secrets.


async def test_no_secret_of_a_socket_is_in_the_journal(tmp_path: Path) -> None:
    async def handler(request: Received, wire: Wire) -> None:
        socket = await accept(request, wire, deflate=True)
        said = await socket.receive()
        await socket.send(b'{"type":"session.created","echo":"' + SECRET + b'","authorization":"tool-token-of-mine"}')
        await socket.send(said.payload[:1])
        await socket.receive_until_closed()

    protocols = (b"Sec-WebSocket-Protocol", b"realtime, openai-insecure-api-key." + SECRET)
    message = json.dumps({"type": "session.update", "tools": [{"authorization": "tool-token-of-mine"}]}).encode()
    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy:
        async with WebSocketClient.open(proxy.port, PATH + b"?api-key=key-in-the-query", protocols) as client:
            await client.send(message, fragments=5)
            got = await client.receive()
            await client.receive()
        written = await proxy.written()
        raw = b"".join(path.read_bytes() for path in proxy.journal_dir.iterdir())

    assert SECRET in got.payload
    assert SECRET in upstream.requests[0].raw_head
    for secret in (SECRET, b"tool-token-of-mine", b"key-in-the-query"):
        assert secret not in raw
    assert (written.end["redacted"], written.meta["redacted"]) == (True, True)
    assert json.loads(text_of(written.messages))["tools"] == [{"authorization": "<redacted:authorization>"}]


async def test_a_secret_of_the_client_alone_changes_no_answer(tmp_path: Path) -> None:
    async def handler(request: Received, wire: Wire) -> None:
        socket = await accept(request, wire)
        await socket.receive()
        await socket.send(b"fine")
        await socket.receive_until_closed()

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream) as proxy:
        async with WebSocketClient.open(proxy.port, PATH, (b"Authorization", b"Bearer " + SECRET)) as client:
            await client.send(b'{"authorization":"tool-token-of-mine"}')
            await client.receive()
        written = await proxy.written()

    assert (written.meta["redacted"], written.end.get("redacted", False)) == (True, False)


async def test_the_mode_of_a_handshake_may_be_forward(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo_messages}) as upstream, proxied(tmp_path, upstream) as proxy:
        async with WebSocketClient.open(proxy.port, PATH, (b"Playhead-Mode", b"forward")) as client:
            await client.send(b"unrecorded")
            assert (await client.receive()).payload == b"unrecorded"
        await proxy.idle()

        assert proxy.journal == []


async def test_a_socket_that_is_silent_between_its_turns_stays_open(tmp_path: Path) -> None:
    async with (
        FakeUpstream({"*": echo_messages}) as upstream,
        proxied(tmp_path, upstream, read_timeout=0.2) as proxy,
        WebSocketClient.open(proxy.port, PATH) as client,
    ):
        await asyncio.sleep(1)
        await client.send(b"still here")
        assert (await client.receive()).payload == b"still here"


async def test_a_socket_whose_upstream_does_not_answer_is_broken_off_when_silence_is_limited(tmp_path: Path) -> None:
    async def handler(request: Received, wire: Wire) -> None:
        await (await accept(request, wire)).receive_until_closed()

    async with FakeUpstream({"*": handler}) as upstream, proxied(tmp_path, upstream, read_timeout=0.2) as proxy:
        async with WebSocketClient.open(proxy.port, PATH) as client:
            await client.send(b"anybody?")
            assert await client.receive_until_closed() == []
        assert (await proxy.written()).outcome == "timeout"

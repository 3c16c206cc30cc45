"""The short way of a replay: what it answers is what the long way answers, and whatever is unusual takes the long way."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from fakes import Answer, Handler, RawClient, answer, chunked, chunked_head, fetch, replying
from proxied import until
from replays import ask, code, numbered, recording, replaying

JSON = b'{"model": "m", "input": "hello"}'
KEY = (b"Authorization", b"Bearer unused-key")


async def recorded(tmp_path: Path, handler: Handler, raw: bytes, times: int = 4) -> Answer:
    """The same request so many times; its last answer."""
    async with recording(tmp_path, handler) as proxy:
        for _ in range(times):
            first = await fetch(proxy.port, raw)
    return first


def told(got: Answer) -> tuple[bytes, bytes, list[int], bool]:
    return got.raw_head, got.raw_body, got.sizes, got.complete


@pytest.mark.parametrize(
    "pieces",
    [
        [answer(b"hello", (b"X-Odd", b"\xe9"), (b"x-odd", b"2"))],
        [chunked_head((b"Content-Type", b"text/event-stream")), chunked(b"data: 1\n\n", b"data: 2\n\n")],
        [answer(gzip.compress(b"packed"), (b"Content-Encoding", b"gzip"))],
        [answer(b"no", status=b"500 Oh")],
        [b"HTTP/1.1 103 Early Hints\r\n\r\n", answer(b"yes")],
        [answer(b"x" * 300_000)],
        [answer(b"x", (b"Connection", b"keep-alive"), (b"Keep-Alive", b"timeout=5"))],
    ],
    ids=["json", "stream", "gzip", "error", "interim", "long", "hops"],
)
async def test_the_second_answer_comes_as_the_first_did(pieces: list[bytes], tmp_path: Path) -> None:
    first = await recorded(tmp_path, replying(*pieces), ask(JSON, KEY))
    async with replaying(tmp_path) as replay, RawClient.connect(replay.port) as client:
        got = [await client.request(ask(JSON, KEY)) for _ in range(4)]

        assert [told(one) for one in got] == [told(first)] * 4
        counters = replay.service.counters
        assert (counters.replayed, counters.outcomes, counters.requests) == (4, {"complete": 4}, {"http": 4})
        assert counters.request_bytes == 4 * len(JSON)
        assert counters.response_bytes == 4 * (len(first.raw_head) + len(first.raw_body) + sum(map(len, first.informational)))


@pytest.mark.parametrize("size", [0, 100, 20_000])
async def test_bodies_of_any_length_are_found(size: int, tmp_path: Path) -> None:
    body = b"x" * size
    await recorded(tmp_path, numbered(), ask(body))
    async with replaying(tmp_path) as replay, RawClient.connect(replay.port) as client:
        assert [(await client.request(ask(body))).body for _ in range(4)] == [b"0", b"1", b"2", b"3"]


async def test_a_request_in_two_packets_takes_the_long_way(tmp_path: Path) -> None:
    await recorded(tmp_path, numbered(), ask(JSON))
    async with replaying(tmp_path) as replay, RawClient.connect(replay.port) as client:
        await client.request(ask(JSON))
        head = ask(JSON)[: -len(JSON)]
        await client.write(head)
        await until(lambda: bool(replay.service.exchanges))
        await client.write(JSON)
        assert (await client.answer()).body == b"1"
        assert (await client.request(ask(JSON))).body == b"2"


async def test_a_client_that_closes_its_connection_is_told_that_it_is_closed(tmp_path: Path) -> None:
    await recorded(tmp_path, numbered(), ask(JSON))
    async with replaying(tmp_path) as replay:
        for number in range(2):
            async with RawClient.connect(replay.port) as client:
                got = await client.request(ask(JSON, (b"Connection", b"close")))
                assert (got.body, got.get(b"connection")) == (b"%d" % number, b"close")
                assert await client.at_end()


async def test_an_old_client_after_a_new_one_gets_what_it_understands(tmp_path: Path) -> None:
    await recorded(tmp_path, replying(chunked_head(), chunked(b"a", b"b")), ask(JSON))
    async with replaying(tmp_path) as replay:
        await fetch(replay.port, ask(JSON))
        got = await fetch(replay.port, ask(JSON).replace(b"HTTP/1.1", b"HTTP/1.0"))

    assert (got.body, got.get(b"transfer-encoding")) == (b"ab", None)


async def test_a_key_in_the_prompt_is_found_in_every_request(tmp_path: Path) -> None:
    def mine(key: bytes) -> bytes:
        return ask(b'{"input": "' + key + b'"}', (b"Authorization", b"Bearer " + key))

    await recorded(tmp_path, numbered(), mine(b"sk-proj-0123456789abcdefghij"))
    async with replaying(tmp_path) as replay, RawClient.connect(replay.port) as client:
        assert [(await client.request(mine(b"test-key-123456"))).body for _ in range(3)] == [b"0", b"1", b"2"]


async def test_secrets_in_fields_are_found_in_every_request(tmp_path: Path) -> None:
    def mine(secret: str) -> bytes:
        return ask(b'{"tools": [{"type": "mcp", "authorization": "%b"}]}' % secret.encode())

    await recorded(tmp_path, numbered(), mine("a-secret-of-the-recording"))
    async with replaying(tmp_path) as replay, RawClient.connect(replay.port) as client:
        assert [(await client.request(mine(f"another-{number}"))).body for number in range(3)] == [b"0", b"1", b"2"]


async def test_sessions_and_targets_are_not_mixed_up(tmp_path: Path) -> None:
    targets = [b"/@a/v1/x", b"/@b/v1/x", b"/@a/v1/y", b"/@a/v1/x?q=1"]
    async with recording(tmp_path, numbered()) as proxy:
        for target in targets * 2:
            await fetch(proxy.port, ask(JSON, target=target))
    async with replaying(tmp_path) as replay, RawClient.connect(replay.port) as client:
        assert [(await client.request(ask(JSON, target=target))).body for target in targets * 2] == [b"%d" % number for number in range(8)]


async def test_what_ends_is_told_after_it_went_well(tmp_path: Path) -> None:
    await recorded(tmp_path, numbered(), ask(JSON), times=2)
    async with replaying(tmp_path) as replay, RawClient.connect(replay.port) as client:
        got = [await client.request(ask(JSON)) for _ in range(3)] + [await client.request(ask(b"other"))]

    assert [got[0].body, got[1].body, code(got[2]), code(got[3])] == [b"0", b"1", "exhausted", "no_match"]


async def test_a_client_that_does_not_read_is_not_written_to_for_ever(tmp_path: Path) -> None:
    count = 200
    await recorded(tmp_path, replying(answer(b"x" * 200_000)), ask(JSON), times=2)
    async with replaying(tmp_path, exhausted="last") as replay, RawClient.connect(replay.port, ahead=1 << 16) as client:
        await client.write(ask(JSON) * count)
        await until(lambda: bool(replay.service.exchanges))
        assert replay.service.counters.response_bytes < count * 200_000 // 2
        for _ in range(count):
            assert len((await client.answer()).body) == 200_000


async def test_a_stopping_server_serves_nothing_more(tmp_path: Path) -> None:
    await recorded(tmp_path, numbered(), ask(JSON))
    async with replaying(tmp_path) as replay, RawClient.connect(replay.port) as client:
        await client.request(ask(JSON))
        await client.request(ask(JSON))
        replay.service.stopping = True
        assert code(await client.request(ask(JSON))) == "shutting_down"

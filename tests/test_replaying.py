"""Replays over HTTP: what was recorded comes back as it was, with upstream gone."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest

from fakes import Answer, FakeUpstream, Handler, RawClient, Received, Wire, answer, chunked, chunked_head, fetch, replying
from playhead.storage.records import Batch
from playhead.storage.store import Store
from proxied import until
from replays import NOWHERE, ask, code, numbered, recording, replaying
from retold import recorded, stored, stuck

JSON = b'{"model": "m", "input": "hello"}'
STREAM = (b'data: {"n":1}\n\n', b'data: {"n":2}\n\n', b"data: [DONE]\n\n")


async def both(tmp_path: Path, handler: Handler, raw: bytes, **changes: Any) -> tuple[Answer, Answer]:
    """The answer to a request as it was recorded, and as it is replayed."""
    async with recording(tmp_path, handler) as proxy:
        first = await fetch(proxy.port, raw)
    async with replaying(tmp_path, **changes) as replay:
        return first, await fetch(replay.port, raw)


# As it was.


@pytest.mark.parametrize(
    "pieces",
    [
        [answer(b"hello", (b"X-Odd", b"\xe9"), (b"x-odd", b"2"), (b"Content-Type", b"application/json"), (b"x-request-id", b"req_1"))],
        [chunked_head((b"Content-Type", b"text/event-stream")), *(chunked(piece, end=False) for piece in STREAM), chunked()],
        [chunked_head(), chunked(b"a", b"bc", b"d" * 5000, trailers=b"X-Sum: 9\r\n")],
        [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", answer(b"", (b"A", b"1"), status=b"201 Made it")],
        [answer(gzip.compress(b"packed"), (b"Content-Encoding", b"gzip"))],
        [answer(b"slow down", (b"Retry-After", b"20"), status=b"429 Too Many Requests")],
        [answer(b"", status=b"204 No Content", length=False)],
    ],
    ids=["json", "stream", "trailers", "interim", "gzip", "refusal", "empty"],
)
async def test_an_answer_comes_back_as_it_was(pieces: list[bytes], tmp_path: Path) -> None:
    first, again = await both(tmp_path, replying(*pieces), ask(JSON))

    assert again.raw_head == first.raw_head
    assert (again.raw_body, again.complete, again.sizes, again.trailers) == (first.raw_body, True, first.sizes, first.trailers)
    assert again.informational == first.informational


async def test_equal_requests_get_their_answers_in_the_order_of_the_recording(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        for text in (b"a", b"b", b"a"):
            await fetch(proxy.port, ask(text))
    async with replaying(tmp_path) as replay:
        got = [(await fetch(replay.port, ask(text))).body for text in (b"a", b"a", b"b")]

    assert got == [b"0", b"2", b"1"]


async def test_a_second_run_begins_anew(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        for _ in range(2):
            await fetch(proxy.port, ask(b"a"))
    for _ in range(2):
        async with replaying(tmp_path) as replay:
            assert [(await fetch(replay.port, ask(b"a"))).body for _ in range(2)] == [b"0", b"1"]


async def test_what_does_not_count_may_differ(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(JSON, (b"Authorization", b"Bearer sk-proj-0123456789abcdefghij"), (b"x-stainless-retry-count", b"0")))
    async with replaying(tmp_path) as replay:
        other = b'{"input":"hello",  "model":"m"}'
        got = await fetch(replay.port, ask(other, (b"Authorization", b"Bearer unused"), (b"x-stainless-retry-count", b"1"), (b"Accept-Encoding", b"br")))

    assert got.body == b"0"


async def test_a_dummy_key_may_be_a_word_of_the_prompt(tmp_path: Path) -> None:
    prompt = b'{"model": "m", "input": "which of these are unused-variables?"}'
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(prompt, (b"Authorization", b"Bearer sk-proj-0123456789abcdefghij")))
    async with replaying(tmp_path) as replay:
        assert (await fetch(replay.port, ask(prompt, (b"Authorization", b"Bearer unused-variables")))).body == b"0"


async def test_a_key_in_the_prompt_is_found_by_any_other_key(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b'{"input": "sk-proj-0123456789abcdefghij"}', (b"Authorization", b"Bearer sk-proj-0123456789abcdefghij")))
    async with replaying(tmp_path) as replay:
        assert (await fetch(replay.port, ask(b'{"input": "test-key-123456"}', (b"Authorization", b"Bearer test-key-123456")))).body == b"0"


async def test_a_client_of_http_1_0_is_answered_as_such_whoever_asked_before(tmp_path: Path) -> None:
    async with recording(tmp_path, replying(chunked_head(), chunked(b"hello"), chunked())) as proxy:
        for _ in range(3):
            await fetch(proxy.port, ask(b"x"))
    async with replaying(tmp_path) as replay:
        for _ in range(2):
            await fetch(replay.port, ask(b"x"))
        async with RawClient.connect(replay.port) as client:
            got = await client.request(ask(b"x").replace(b"HTTP/1.1", b"HTTP/1.0"))

            assert (got.body, got.get(b"transfer-encoding")) == (b"hello", None)
            assert await client.at_end()


async def test_a_compressed_request_is_the_same_request(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(gzip.compress(JSON), (b"Content-Encoding", b"gzip")))
    async with replaying(tmp_path) as replay:
        assert (await fetch(replay.port, ask(JSON))).body == b"0"


async def test_sessions_are_replayed_apart_from_each_other(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        for session in (b"a", b"b", b"a"):
            await fetch(proxy.port, ask(b"x", target=b"/@" + session + b"/v1/responses"))
    async with replaying(tmp_path) as replay:
        got = [(await fetch(replay.port, ask(b"x", (b"Playhead-Session", session)))).body for session in (b"b", b"a", b"a")]

    assert got == [b"1", b"0", b"2"]


async def test_the_newest_take_is_replayed_unless_told_otherwise(tmp_path: Path) -> None:
    for run, text in (("run 1", b"old"), ("run 2", b"new")):
        async with recording(tmp_path, replying(answer(text)), run=run) as proxy:
            await fetch(proxy.port, ask(b"x"))

    async def replayed(times: int, **changes: Any) -> list[bytes]:
        async with replaying(tmp_path, **changes) as replay:
            return [(await fetch(replay.port, ask(b"x"))).body for _ in range(times)]

    assert await replayed(1) == [b"new"]
    assert await replayed(1, take=1) == [b"old"]
    assert await replayed(2, take="all") == [b"old", b"new"]


async def test_the_last_answer_may_be_served_again(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        for _ in range(2):
            await fetch(proxy.port, ask(b"x"))
    async with replaying(tmp_path, exhausted="last") as replay:
        assert [(await fetch(replay.port, ask(b"x"))).body for _ in range(4)] == [b"0", b"1", b"1", b"1"]


async def test_a_recorded_retry_after_is_served_as_told(tmp_path: Path) -> None:
    limited = answer(b"", (b"Retry-After", b"20"), status=b"429 Slow")
    _, again = await both(tmp_path, replying(limited), ask(b"x"), retry_after=0)

    assert (again.status, again.get(b"retry-after")) == (429, b"0")


async def test_a_recording_is_found_from_behind_another_upstreams_path(tmp_path: Path) -> None:
    async with FakeUpstream({"/base/v1/models": replying(answer(b"m"))}) as upstream, recording(tmp_path, upstream.url + "/base/v1") as proxy:
        assert (await fetch(proxy.port, ask(method=b"GET", target=b"/v1/models"))).body == b"m"
    async with replaying(tmp_path, "https://elsewhere/other") as replay:
        assert (await fetch(replay.port, ask(method=b"GET", target=b"/v1/models"))).body == b"m"


# Endings.


async def test_a_broken_transfer_breaks_where_it_broke(tmp_path: Path) -> None:
    async def breaking(_: Received, wire: Wire) -> None:
        await wire.body()
        await wire.write(chunked_head() + chunked(*STREAM[:2], end=False) + b"10\r\nhalf of")
        await wire.abort()

    first, again = await both(tmp_path, breaking, ask(JSON))

    assert (again.complete, again.body) == (False, b"".join(STREAM[:2]))
    assert again.raw_head == first.raw_head


async def test_a_body_without_an_end_is_reset_where_it_was_reset(tmp_path: Path) -> None:
    async def breaking(_: Received, wire: Wire) -> None:
        await wire.body()
        await wire.write(answer(b"until the end", length=False))
        await wire.abort()

    async with recording(tmp_path, breaking) as proxy, RawClient.connect(proxy.port) as client:
        await client.write(ask(JSON))
        await client.answer()
    async with replaying(tmp_path) as replay, RawClient.connect(replay.port) as client:
        await client.write(ask(JSON))
        await client.read_head()
        with pytest.raises(ConnectionError):
            await client.reader.read(-1)


async def test_a_body_that_ended_with_its_connection_does_so_again(tmp_path: Path) -> None:
    async def closing(_: Received, wire: Wire) -> None:
        await wire.body()
        await wire.write(answer(b"until the end", length=False))
        await wire.close()

    first, again = await both(tmp_path, closing, ask(JSON))

    assert (again.body, again.complete, again.raw_head) == (b"until the end", True, first.raw_head)


async def test_a_recording_whose_client_left_goes_on_to_there_and_then_waits(tmp_path: Path) -> None:
    async def silent(_: Received, wire: Wire) -> None:
        await wire.body()
        await wire.write(chunked_head() + chunked(STREAM[0], end=False))
        await wire.reader.read()

    async with recording(tmp_path, silent) as proxy:
        async with RawClient.connect(proxy.port) as client:
            await client.write(ask(JSON))
            await client.read_head()
            await client.reader.readexactly(len(chunked(STREAM[0], end=False)))
            await client.abort()
        await proxy.idle()
    async with replaying(tmp_path) as replay, RawClient.connect(replay.port) as client:
        await client.write(ask(JSON))
        await client.read_head()
        assert await client.reader.readexactly(len(chunked(STREAM[0], end=False))) == chunked(STREAM[0], end=False)
        waiting = next(iter(replay.service.exchanges))
        assert waiting.waits
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.reader.read(1), 0.1)
        await client.abort()
        await replay.idle()
        assert replay.service.counters.outcomes == {"client_closed": 1}


async def test_what_could_not_be_reached_is_answered_as_it_was(tmp_path: Path) -> None:
    async with recording(tmp_path, NOWHERE) as proxy:
        first = await fetch(proxy.port, ask(JSON))
    async with replaying(tmp_path) as replay:
        again = await fetch(replay.port, ask(JSON))

    assert code(first) == "upstream_unreachable"
    assert (again.raw_head, again.body) == (first.raw_head, first.body)


# The client's own ways.


async def test_a_connection_lives_on_for_the_next_request(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        for _ in range(3):
            await fetch(proxy.port, ask(JSON))
    async with replaying(tmp_path) as replay, RawClient.connect(replay.port) as client:
        assert [(await client.request(ask(JSON))).body for _ in range(3)] == [b"0", b"1", b"2"]


async def test_requests_in_a_row_are_answered_in_that_row(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        for _ in range(3):
            await fetch(proxy.port, ask(JSON))
    async with replaying(tmp_path) as replay, RawClient.connect(replay.port) as client:
        await client.write(ask(JSON) * 3)
        assert [(await client.answer()).body for _ in range(3)] == [b"0", b"1", b"2"]


async def test_head_gets_a_head(tmp_path: Path) -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n")

    first, again = await both(tmp_path, handler, ask(method=b"HEAD", target=b"/v1/models"))

    assert (again.raw_head, again.body) == (first.raw_head, b"")


async def test_a_client_of_http_1_0_gets_what_it_understands(tmp_path: Path) -> None:
    old = ask(JSON).replace(b"HTTP/1.1", b"HTTP/1.0")
    async with recording(tmp_path, replying(chunked_head(), chunked(*STREAM))) as proxy:
        await fetch(proxy.port, ask(JSON))
    async with replaying(tmp_path) as replay:
        got = await fetch(replay.port, old)

    assert (got.body, got.get(b"transfer-encoding"), got.get(b"connection")) == (b"".join(STREAM), None, b"close")


async def test_a_client_that_waits_to_be_told_to_go_on_is_told(tmp_path: Path) -> None:
    async with recording(tmp_path, replying(b"HTTP/1.1 100 Continue\r\n\r\n", answer(b"done"))) as proxy:
        await fetch(proxy.port, ask(JSON, (b"Expect", b"100-continue")))
    async with replaying(tmp_path) as replay, RawClient.connect(replay.port) as client:
        head, body = ask(JSON, (b"Expect", b"100-continue")).split(b"\r\n\r\n")
        await client.write(head + b"\r\n\r\n")
        assert await client.read_head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.write(body)
        got = await client.answer()

    assert (got.body, got.informational) == (b"done", [])


async def test_a_request_may_come_in_pieces(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(JSON))
    async with replaying(tmp_path) as replay, RawClient.connect(replay.port) as client:
        await client.write(ask(JSON)[: -len(JSON)].replace(b"Content-Length: 32", b"Transfer-Encoding: chunked"))
        for place in range(0, len(JSON), 7):
            await client.write(chunked(JSON[place : place + 7], end=False))
        await client.write(chunked())
        assert (await client.answer()).body == b"0"


async def test_a_refusal_that_came_before_the_request_was_whole_comes_back(tmp_path: Path) -> None:
    async def refusing(_: Received, wire: Wire) -> None:
        await wire.write(answer(b"too big", status=b"413 Content Too Large"))

    body = b"0123456789" * 1000
    async with recording(tmp_path, refusing) as proxy, RawClient.connect(proxy.port) as client:
        await client.write(ask(body)[: -len(body) + 500])
        first = await client.answer()
    async with replaying(tmp_path) as replay:
        again = [await fetch(replay.port, ask(text)) for text in (b"other" * 2000, body, body)]

    assert [got.status for got in again] == [404, 413, 404]
    assert (again[1].body, again[1].get(b"content-length")) == (first.body, b"7")


async def test_a_client_that_was_refused_before_it_sent_its_body_is_refused_again(tmp_path: Path) -> None:
    async def refusing(_: Received, wire: Wire) -> None:
        await wire.write(answer(b"no", status=b"401 Unauthorized"))

    asked = ask(JSON, (b"Expect", b"100-continue"))
    async with recording(tmp_path, refusing) as proxy, RawClient.connect(proxy.port) as client:
        await client.write(asked[: -len(JSON)])
        assert (await client.answer()).status == 401
    async with replaying(tmp_path) as replay:
        assert (await fetch(replay.port, asked)).status == 401


async def test_a_body_that_is_no_http_is_refused(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(JSON))
    async with replaying(tmp_path) as replay, RawClient.connect(replay.port) as client:
        await client.write(ask(b"", (b"Transfer-Encoding", b"chunked")).replace(b"Content-Length: 0\r\n", b""))
        await client.write(b"zz\r\n")
        got = await client.answer()

    assert (got.status, code(got)) == (400, "bad_request")


async def test_a_slow_reader_slows_the_replay(tmp_path: Path) -> None:
    big = b"x" * (24 << 20)
    async with recording(tmp_path, replying(answer(big))) as proxy:
        await fetch(proxy.port, ask(JSON))
    async with replaying(tmp_path) as replay, RawClient.connect(replay.port, ahead=1 << 16) as client:
        await client.write(ask(JSON))
        await client.read_head()
        exchange = next(iter(replay.service.exchanges))
        await until(lambda: bool(getattr(exchange, "_held", False)))
        assert replay.service.counters.response_bytes < len(big) // 2
        assert await client.reader.readexactly(len(big)) == big


async def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(tmp_path: Path) -> None:
    async with recording(tmp_path, replying(answer(b"x" * (24 << 20)))) as proxy:
        await fetch(proxy.port, ask(JSON))
    async with replaying(tmp_path) as replay:
        async with RawClient.connect(replay.port, ahead=1 << 16) as client:
            await client.write(ask(JSON))
            await client.read_head()
            await client.abort()
        await replay.idle()
        assert replay.service.counters.outcomes == {"client_closed": 1}


@pytest.mark.parametrize("size", [3 << 20, 40 << 20])
async def test_a_big_request_and_a_big_answer_come_back(size: int, tmp_path: Path) -> None:
    body = b"0123456789abcdef" * (size // 16)
    async with recording(
        tmp_path, replying(chunked_head(), *(chunked(body[at : at + 100_000], end=False) for at in range(0, size, 100_000)), chunked())
    ) as proxy:
        first = await fetch(proxy.port, ask(body))
    async with replaying(tmp_path) as replay:
        again = await fetch(replay.port, ask(body))

    assert (again.raw_body, again.sizes, again.complete) == (first.raw_body, first.sizes, True)


# Pace.


async def test_in_the_recorded_pace_no_piece_comes_before_its_time(tmp_path: Path) -> None:
    pieces = [chunked_head(), *(chunked(piece, end=False) for piece in STREAM), chunked()]
    async with recording(tmp_path, replying(*pieces, pause=0.03)) as proxy:
        first = await fetch(proxy.port, ask(JSON))
    async with replaying(tmp_path, pace="recorded") as replay, RawClient.connect(replay.port) as client:
        began = time.monotonic_ns()
        await client.write(ask(JSON))
        assert await client.read_head() == first.raw_head
        for number, piece in enumerate(pieces[1:], 1):
            assert await client.reader.readexactly(len(piece)) == piece
            assert time.monotonic_ns() - began >= number * 29_000_000


@pytest.mark.parametrize("known", range(len(STREAM) + 1))
async def test_in_the_recorded_pace_pieces_come_one_by_one_as_they_were(known: int, tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}", create=True) as store:
        store.write(Batch(finished=[stored(1, stuck(recorded("http", chunked_head(), *STREAM), known), json.loads(JSON))]))
    async with replaying(tmp_path, pace="recorded") as replay, RawClient.connect(replay.port) as client:
        await client.write(ask(JSON))
        await client.read_head()
        expected = chunked(*STREAM[:known], end=False)
        assert await client.reader.readexactly(len(expected)) == expected


async def test_a_faster_pace_keeps_every_byte(tmp_path: Path) -> None:
    pieces = [chunked_head(), *(chunked(piece, end=False) for piece in STREAM), chunked()]
    first, again = await both(tmp_path, replying(*pieces, pause=0.02), ask(JSON), pace="100x")

    assert (again.raw_head, again.raw_body) == (first.raw_head, first.raw_body)


# The network.


async def test_a_replay_has_nothing_that_could_connect(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(JSON))
    async with FakeUpstream({"*": numbered()}) as upstream, replaying(tmp_path, upstream) as replay:
        answered = [await fetch(replay.port, ask(text)) for text in (JSON, JSON, b"other")]

        assert replay.service.upstream is None
        assert [got.status for got in answered] == [200, 404, 404]
        assert upstream.connections == 0

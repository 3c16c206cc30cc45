"""What was recorded over one transport is served over HTTP to clients that ask for another."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fakes import Answer, RawClient, chunked, fetch
from playhead.proxy import sse
from playhead.proxy.recordings.told import Recording
from playhead.storage.records import Batch
from playhead.storage.store import Store
from proxied import Proxy
from replays import ask, code, replaying
from retold import STEP, as_json, as_sse, as_ws, block, slowed, stored, stuck
from streams import COMPLETED_STREAM as STREAM

Json = dict[str, Any]

WHOLE: Json = STREAM[-1]["response"]
ASKED = {"model": "m", "input": "hello"}
RECORDINGS = {"http": as_json(WHOLE), "sse": as_sse(STREAM), "ws": as_ws(STREAM, "lane")}


@contextlib.asynccontextmanager
async def serving(tmp_path: Path, *recordings: Recording, **settings: Any) -> AsyncIterator[Proxy]:
    """A replay of these, all of them of the same request."""
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}", create=True) as store:
        store.write(Batch(finished=[stored(number, one, ASKED) for number, one in enumerate(recordings, 1)]))
    async with replaying(tmp_path, **settings) as replay:
        yield replay


def create(*, stream: bool) -> bytes:
    return ask(json.dumps(ASKED | {"stream": stream}).encode(), (b"Content-Type", b"application/json"))


def response_of(got: Answer) -> Json:
    """The Response that a client ends with."""
    found: Json = json.loads(got.body) if got.body[:1] == b"{" else json.loads(sse.Decoder().feed(got.body)[-1].data)["response"]
    return found


@pytest.mark.parametrize("asks", ["http", "sse"])
@pytest.mark.parametrize("recorded", ["http", "sse", "ws"])
async def test_a_response_is_the_same_whatever_it_was_recorded_over(recorded: str, asks: str, tmp_path: Path) -> None:
    async with serving(tmp_path, RECORDINGS[recorded]) as replay:
        got = await fetch(replay.port, create(stream=asks == "sse"))

    kind = b"text/event-stream; charset=utf-8" if asks == "sse" else b"application/json"
    assert (got.status, got.complete, got.get(b"content-type"), got.get(b"x-request-id")) == (200, True, kind, b"req_1")
    assert response_of(got) == WHOLE
    assert got.get(b"playhead-replayed") == (None if recorded == asks else b"1; transport=%b" % recorded.encode())


async def test_what_was_recorded_of_the_asking_transport_comes_first_and_then_the_others_in_their_order(tmp_path: Path) -> None:
    recordings = (as_ws(STREAM), as_json(WHOLE), as_sse(STREAM), as_ws(STREAM), as_json(WHOLE))
    async with serving(tmp_path, *recordings) as replay:
        notes = [(await fetch(replay.port, create(stream=False))).get(b"playhead-replayed") for _ in recordings]
        missed = await fetch(replay.port, create(stream=False))
        missed_too = await fetch(replay.port, create(stream=True))

    assert notes == [None, None, b"1; transport=ws", b"3; transport=sse", b"4; transport=ws"]
    assert (code(missed), code(missed_too)) == ("exhausted", "exhausted")
    assert "exchanges 1, 2, 3, 4, 5 have been served" in json.loads(missed.body)["error"]["message"]


async def test_the_last_one_is_served_again_where_the_user_says_so(tmp_path: Path) -> None:
    async with serving(tmp_path, as_json(WHOLE), as_sse(STREAM), exhausted="last") as replay:
        notes = [(await fetch(replay.port, create(stream=False))).get(b"playhead-replayed") for _ in range(4)]

    assert notes == [None, b"2; transport=sse", None, None]


async def test_a_refusal_keeps_its_status_and_may_be_tried_again_later(tmp_path: Path) -> None:
    error = {"type": "tokens", "code": "rate_limit_exceeded", "message": "Slower.", "param": None}
    refused = as_ws([{"type": "error", "status": 429, "error": error | {"headers": {"retry-after": "20"}}}])
    async with serving(tmp_path, refused, retry_after=0) as replay:
        got = await fetch(replay.port, create(stream=True))

    assert (got.status, got.get(b"retry-after"), json.loads(got.body)) == (429, b"0", {"error": error})


@pytest.mark.parametrize("stream", [True, False])
async def test_a_turn_that_was_cut_breaks_off(stream: bool, tmp_path: Path) -> None:
    async with serving(tmp_path, as_ws(STREAM[:4], outcome="upstream_closed")) as replay:
        got = await fetch(replay.port, create(stream=stream))

    assert (got.status, got.complete) == (200, False)
    assert got.body == b"".join(map(block, STREAM[:4])) if stream else got.body[:20] == b'{"id":"resp_1","obje'


async def test_the_events_of_a_turn_come_in_their_times(tmp_path: Path) -> None:
    async with serving(tmp_path, slowed(as_ws(STREAM), 20), pace="recorded") as replay:
        got = await fetch(replay.port, create(stream=True))

    assert [chunk.data for chunk in got.chunks] == [*map(block, STREAM)]
    assert [place for place, chunk in enumerate(got.chunks, 1) if chunk.at < 20 * STEP * place] == []


@pytest.mark.parametrize("known", range(1, len(STREAM)))
async def test_an_event_of_a_turn_does_not_wait_for_those_behind_it(known: int, tmp_path: Path) -> None:
    async with serving(tmp_path, stuck(as_ws(STREAM), known), pace="recorded") as replay, RawClient.connect(replay.port) as client:
        await client.write(create(stream=True))
        await client.head()

        expected = chunked(*map(block, STREAM[:known]), end=False)
        assert await client.reader.readexactly(len(expected)) == expected


async def test_only_what_makes_a_response_is_told_otherwise(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}", create=True) as store:
        store.write(Batch(finished=[stored(1, as_json(WHOLE), ASKED)]))
    async with replaying(tmp_path) as replay:
        got = await fetch(replay.port, ask(json.dumps(ASKED | {"stream": True}).encode(), target=b"/v1/chat/completions"))

    assert code(got) == "no_match"


async def test_a_damaged_recording_is_told_as_that(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}", create=True) as store:
        store.write(Batch(finished=[stored(1, as_json(WHOLE), ASKED)]))
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db")) as connection, connection:
        connection.execute("UPDATE bodies SET data = x'00'")
    async with replaying(tmp_path) as replay:
        got = await fetch(replay.port, create(stream=True))

    assert "exchange 1, which is damaged" in json.loads(got.body)["error"]["message"]

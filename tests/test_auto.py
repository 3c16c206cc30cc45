"""Replays that go to upstream where nothing was recorded, and servers that record and replay at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fakes import FakeUpstream, RawClient, Received, Wire, answer, chunked, chunked_head, fetch, replying
from playhead.proxy.replay import incoming
from playhead.storage.records import ExchangeRecord
from playhead.storage.store import Store
from proxied import Proxy, proxied
from replays import NOWHERE, ask, code, numbered, recorder, recording, replaying
from websocket_fakes import WebSocketClient, echo_messages


def stored(tmp_path: Path, session: str = "default") -> list[ExchangeRecord]:
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        return list(store.exchanges(session))


@contextlib.asynccontextmanager
async def auto(tmp_path: Path, upstream: FakeUpstream | str, **changes: Any) -> AsyncIterator[Proxy]:
    """A replay that records what is missing, where nothing was recorded before: its recorder has made the store."""
    Store.open(f"sqlite:///{tmp_path / 'store.db'}", create=True).close()
    async with replaying(tmp_path, upstream, on_miss="record", **changes) as replay:
        yield replay


async def test_what_is_not_recorded_goes_to_upstream_and_is_recorded_into_the_take(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b"old"))
    async with FakeUpstream({"*": replying(answer(b"live"))}) as upstream:
        async with replaying(tmp_path, upstream, on_miss="record") as replay:
            got = [(await fetch(replay.port, ask(text))).body for text in (b"old", b"new", b"old")]
            counters = replay.service.counters

            assert (got, len(upstream.requests)) == ([b"0", b"live", b"live"], 2)
            assert (counters.replayed, counters.live, counters.missed) == (1, 2, {})
        async with replaying(tmp_path) as replay:
            assert [(await fetch(replay.port, ask(text))).body for text in (b"old", b"new", b"old")] == [b"0", b"live", b"live"]
    assert [(one.take, one.seq) for one in stored(tmp_path)] == [(1, 1), (1, 2), (1, 3)]


async def test_what_went_live_is_not_served_in_the_same_run(tmp_path: Path) -> None:
    async with FakeUpstream({"*": numbered()}) as upstream:
        async with auto(tmp_path, upstream) as replay:
            got = [(await fetch(replay.port, ask(b"x"))).body for _ in range(3)]
        async with replaying(tmp_path, upstream, on_miss="record") as replay:
            again = [(await fetch(replay.port, ask(b"x"))).body for _ in range(4)]

    assert got == [b"0", b"1", b"2"]
    assert again == [b"0", b"1", b"2", b"3"]
    assert {one.take for one in stored(tmp_path)} == {1}


async def test_upstream_gets_the_request_as_the_client_sent_it(tmp_path: Path) -> None:
    async with FakeUpstream({"*": replying(answer(b"live"))}) as upstream, auto(tmp_path, upstream) as replay:
        key = (b"Authorization", b"Bearer sk-proj-0123456789abcdefghij")
        async with RawClient.connect(replay.port) as client:
            await client.request(ask(b'{"input": "x"}', key, (b"Playhead-Mode", b"auto"), target=b"/@s/v1/responses?a=%5B"))
            await client.request(ask(b'{"input": "y"}', key))

        first = upstream.requests[0]
        assert first.raw_head.startswith(b"POST /v1/responses?a=%5B HTTP/1.1\r\n")
        assert (first.get(key[0]), first.get(b"playhead-mode"), first.get(b"host")) == (key[1], None, upstream.url.removeprefix("http://").encode())


async def test_a_body_goes_live_whole(tmp_path: Path) -> None:
    bodies: list[bytes] = []

    async def keeping(_: Received, wire: Wire) -> None:
        bodies.append(await wire.body())
        await wire.write(answer(b"ok"))

    body = b"0123456789abcdef" * 200_000
    async with FakeUpstream({"*": keeping}) as upstream, auto(tmp_path, upstream) as replay:
        assert (await fetch(replay.port, ask(body))).body == b"ok"
        async with RawClient.connect(replay.port) as client:
            await client.write(b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
            assert (await client.answer()).body == b"ok"

    assert bodies == [body, b"abcde"]
    assert [one.request_bytes for one in stored(tmp_path)] == [len(body), 5]


async def test_without_recording_it_only_goes_on(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b"old"))
    async with FakeUpstream({"*": replying(answer(b"live"))}) as upstream, replaying(tmp_path, upstream, on_miss="forward") as replay:
        assert [(await fetch(replay.port, ask(text))).body for text in (b"old", b"new")] == [b"0", b"live"]
        assert code(await fetch(replay.port, ask(b"new", (b"Playhead-Mode", b"auto")))) == "mode_not_allowed"
        assert code(await fetch(replay.port, ask(b"new", (b"Playhead-Mode", b"replay")))) == "no_match"
    assert len(stored(tmp_path)) == 1


async def test_an_upstream_that_is_gone_is_told_as_ever(tmp_path: Path) -> None:
    async with auto(tmp_path, NOWHERE) as replay:
        assert code(await fetch(replay.port, ask(b"x"))) == "upstream_unreachable"
    assert [one.outcome for one in stored(tmp_path)] == ["unreachable"]


async def test_a_request_too_big_to_be_held_is_not_sent_on(tmp_path: Path) -> None:
    size = incoming.LIVE + 1
    async with FakeUpstream({"*": numbered()}) as upstream, auto(tmp_path, upstream) as replay:
        got = await fetch(replay.port, ask(b"x" * size))

        assert (code(got), len(upstream.requests)) == ("no_match", 0)
        assert "64 MiB are kept and it has more: send it in mode record" in json.loads(got.body)["error"]["message"]


async def test_the_replay_token_does_not_go_upstream(tmp_path: Path) -> None:
    token = (b"Authorization", b"Bearer let-me-in")
    async with FakeUpstream({"*": replying(answer(b"live"))}) as upstream, auto(tmp_path, upstream, replay_token="let-me-in") as replay:
        refused = await fetch(replay.port, ask(b"x", token))
        got = await fetch(replay.port, ask(b"x", (b"Authorization", b"Bearer sk-mine"), (b"Playhead-Token", b"let-me-in")))

        assert (code(refused), got.body, len(upstream.requests)) == ("bad_token", b"live", 1)
        assert b"let-me-in" not in upstream.requests[0].raw_head


async def test_a_websocket_goes_to_upstream_into_the_take(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b"old"))
    async with (
        FakeUpstream({"*": echo_messages}) as upstream,
        replaying(tmp_path, upstream, on_miss="record") as replay,
        WebSocketClient.open(replay.port, b"/v1/responses") as socket,
    ):
        await socket.send(b'{"type":"response.create"}')
        assert (await socket.receive()).payload == b'{"type":"response.create"}'
    assert [(one.take, one.transport) for one in stored(tmp_path)] == [(1, "http"), (1, "ws")]


# Servers that record.


async def test_a_server_that_records_replays_what_it_has_recorded(tmp_path: Path) -> None:
    async with FakeUpstream({"*": numbered()}) as upstream, recorder(tmp_path), proxied(tmp_path, upstream) as proxy:
        for text in (b"a", b"b", b"a"):
            await fetch(proxy.port, ask(text))
        mode = (b"Playhead-Mode", b"replay")
        got = [(await fetch(proxy.port, ask(text, mode))).body for text in (b"a", b"a", b"b")]
        await fetch(proxy.port, ask(b"c"))
        got.append((await fetch(proxy.port, ask(b"c", mode))).body)
        missed = code(await fetch(proxy.port, ask(b"d", mode)))

        assert (got, missed, len(upstream.requests)) == ([b"0", b"2", b"1", b"3"], "no_match", 4)


async def test_a_server_that_records_may_be_asked_to_record_what_is_missing(tmp_path: Path) -> None:
    async with FakeUpstream({"*": numbered()}) as upstream, recorder(tmp_path), proxied(tmp_path, upstream) as proxy:
        auto = (b"Playhead-Mode", b"auto")
        got = [(await fetch(proxy.port, ask(b"x", auto))).body for _ in range(2)]
        await fetch(proxy.port, ask(b"y"))
        got += [(await fetch(proxy.port, ask(text, auto))).body for text in (b"x", b"y")]

        assert got == [b"0", b"1", b"3", b"2"]


async def test_what_was_still_going_on_is_replayed_once_it_has_ended(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def slow(_: Received, wire: Wire) -> None:
        await wire.body()
        await wire.write(chunked_head() + chunked(b"x" * (5 << 20), end=False))  # so much is stored before the end
        await gate.wait()
        await wire.write(chunked(b"end"))

    routes = {"/slow": slow, "*": numbered()}
    async with (
        FakeUpstream(routes) as upstream,
        recorder(tmp_path),
        proxied(tmp_path, upstream) as proxy,
        RawClient.connect(proxy.port, ahead=8 << 20) as client,
    ):
        mode = (b"Playhead-Mode", b"replay")
        await client.write(ask(b"s", target=b"/slow"))
        await client.read_head()
        await client.reader.readexactly(5 << 20)
        await fetch(proxy.port, ask(b"a"))
        before = [(await fetch(proxy.port, ask(b"a", mode))).body, code(await fetch(proxy.port, ask(b"s", mode, target=b"/slow")))]
        gate.set()
        while b"end" not in await client.reader.read(100):
            pass
        await proxy.idle()
        after = await fetch(proxy.port, ask(b"s", mode, target=b"/slow"))

        assert before == [b"0", "no_match"]
        assert after.body == b"x" * (5 << 20) + b"end"


async def test_several_workers_replay_nothing(tmp_path: Path) -> None:
    async with FakeUpstream({"*": numbered()}) as upstream, proxied(tmp_path, upstream, workers=2) as proxy:
        got = await fetch(proxy.port, ask(b"x", (b"Playhead-Mode", b"replay")))

        assert code(got) == "mode_not_allowed"
        assert "run in one worker" in json.loads(got.body)["error"]["message"]

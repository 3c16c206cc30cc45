"""Replays under match rules: what rules let pass is answered over every transport, and each such answer is counted, explained and kept."""

from __future__ import annotations

import asyncio
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from fakes import fetch
from playhead.config.rules import rules_of
from playhead.proxy.fingerprint import Asked
from playhead.proxy.fingerprinting.finders import Numbering
from playhead.proxy.recordings.playback import Playback
from playhead.proxy.recordings.replay_index import ReplayIndex
from playhead.proxy.recordings.rule_hits import RuleHits
from playhead.storage.records import Batch, Fingerprint
from playhead.storage.replaying.replay_rows import ReplayRow, RuleHit
from playhead.storage.store import Store
from proxied import until
from replays import ask, code, numbered, recording, replaying
from spoken import Socket, create, stored, told
from stores import recorded as exchange
from test_socket_transcript import converse, record, say, talk
from websocket_fakes import WebSocketClient

ONE, TWO = "76f8b89e-4a41-46fb-86ae-546cc1e4ba6c", "11111111-4a41-46fb-86ae-546cc1e4ba6c"


def body(text: str, size: int = 0, **more: object) -> bytes:
    return json.dumps({"model": "m", "input": [{"role": "user", "content": text}, {"content": "x" * size}], **more}).encode()


async def recorded(tmp_path: Path, *bodies: bytes) -> None:
    """Requests, answered 0, 1, 2, ..."""
    async with recording(tmp_path, numbered()) as proxy:
        for each in bodies:
            await fetch(proxy.port, ask(each))


def store(tmp_path: Path) -> Store:
    return Store.open(f"sqlite:///{tmp_path / 'store.db'}")


def rule(tmp_path: Path, *texts: str, session: str = "default") -> None:
    with store(tmp_path) as opened:
        opened.set_match_rules(session, rules_of(texts))


def hits(tmp_path: Path) -> list[RuleHit]:
    with store(tmp_path) as opened:
        return opened.rule_hits("default")


@pytest.mark.parametrize("size", [0, 1 << 13], ids=["short", "long"])
async def test_under_the_rules_of_the_session_what_is_volatile_may_differ(tmp_path: Path, size: int) -> None:
    await recorded(tmp_path, body(f"of {ONE}", size), body("other", size))
    rule(tmp_path, "uuid")

    async with replaying(tmp_path) as replay:
        got = [(await fetch(replay.port, ask(body(text, size)))).body for text in (f"of {TWO}", "other")]
        assert code(await fetch(replay.port, ask(body(f"on {TWO}", size)))) == "no_match"

    assert got == [b"0", b"1"]
    assert replay.service.counters.ruled == 1
    assert [(hit.exchange, hit.rules, hit.count, hit.run, hit.take) for hit in hits(tmp_path)] == [(1, "normalize uuid", 1, "replay", 1)]


async def test_rules_of_the_settings_hold_beside_those_of_the_session(tmp_path: Path) -> None:
    await recorded(tmp_path, body(f"of {ONE}", metadata={"run": 1}))
    rule(tmp_path, "uuid")

    async with replaying(tmp_path, ignore="$.metadata") as replay:
        assert (await fetch(replay.port, ask(body(f"of {TWO}", metadata={"run": 2})))).body == b"0"

    assert [hit.rules for hit in hits(tmp_path)] == ["ignore $.metadata\nnormalize uuid"]


async def test_no_rules_at_all_may_be_asked_for(tmp_path: Path) -> None:
    await recorded(tmp_path, body(f"of {ONE}"))
    rule(tmp_path, "uuid")

    async with replaying(tmp_path, rules="none") as replay:
        assert code(await fetch(replay.port, ask(body(f"of {TWO}")))) == "no_match"
        assert (await fetch(replay.port, ask(body(f"of {ONE}")))).body == b"0"


async def test_a_request_that_is_equal_without_rules_is_no_hit(tmp_path: Path) -> None:
    await recorded(tmp_path, body(f"of {ONE}"))

    async with replaying(tmp_path, rules="ids,times,paths,agents") as replay:
        assert (await fetch(replay.port, ask(body(f"of {ONE}")))).body == b"0"

    assert (replay.service.counters.ruled, hits(tmp_path)) == (0, [])


async def test_requests_that_rules_make_equal_get_their_answers_in_the_order_of_the_recording(tmp_path: Path) -> None:
    await recorded(tmp_path, body(f"of {ONE}"), body(f"of {TWO}"))

    async with replaying(tmp_path, rules="uuid") as replay:
        got = [(await fetch(replay.port, ask(body(f"of {uuid}")))).body for uuid in (TWO, ONE)]
        assert code(await fetch(replay.port, ask(body(f"of {TWO}")))) == "exhausted"

    assert got == [b"0", b"1"]
    assert replay.service.counters.ruled == 2


async def test_hits_are_kept_while_the_replay_goes_on_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "playhead")
    await recorded(tmp_path, *[body(f"of {ONE}")] * 3)

    async with replaying(tmp_path, rules="uuid", exhausted="last") as replay:
        for _ in range(4):
            await fetch(replay.port, ask(body(f"of {TWO}")))
        await until(lambda: sum(hit.count for hit in hits(tmp_path)) == 4)

    assert "exchange 1 has answered a request that is not its own, by normalize uuid" in caplog.text
    assert not [one for one in (ONE, TWO) if one in caplog.text]


async def test_fingerprints_under_rules_are_kept(tmp_path: Path) -> None:
    await recorded(tmp_path, body(f"of {ONE}"), body("x"))
    for _ in range(2):
        async with replaying(tmp_path, rules="uuid") as replay:
            assert (await fetch(replay.port, ask(body(f"of {TWO}")))).body == b"0"

    with store(tmp_path) as opened, opened._database.reading() as connection:
        kept = connection.exec_driver_sql("SELECT rules, count(*) FROM fingerprints GROUP BY rules ORDER BY rules").fetchall()
    assert [count for _, count in kept] == [2, 2]
    assert kept[0][0] == "f1"


async def test_rules_that_a_recording_is_given_are_stored_with_its_session(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}", create=True) as opened:
        opened.begin_sessions_with(rules_of(["uuid"]), "default")
    await recorded(tmp_path, body(f"of {ONE}"))
    rule(tmp_path, "uuid", session="default")

    async with replaying(tmp_path) as replay:
        assert (await fetch(replay.port, ask(body(f"of {TWO}")))).body == b"0"


async def test_a_header_counts_by_a_rule(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        for tenant in (b"a", b"b"):
            await fetch(proxy.port, ask(body("x"), (b"X-Tenant", tenant)))

    async with replaying(tmp_path, rules="header x-tenant") as replay:
        got = [(await fetch(replay.port, ask(body("x"), (b"X-Tenant", tenant)))).body for tenant in (b"b", b"a")]
        assert code(await fetch(replay.port, ask(body("x"), (b"X-Tenant", b"c")))) == "no_match"
    assert got == [b"1", b"0"]


async def test_what_went_live_is_replayed_under_the_rules(tmp_path: Path) -> None:
    await recorded(tmp_path, body(f"of {ONE}"))

    async with recording(tmp_path, numbered(), run="run 2", mode="replay", on_miss="record", rules="uuid") as auto:
        assert (await fetch(auto.port, ask(body(f"of {TWO}")))).body == b"0"
    assert auto.service.counters.replayed == 1


async def test_turns_over_a_websocket_are_matched_under_rules(tmp_path: Path) -> None:
    socket = Socket()
    said = socket.answers(socket.create(f"of {ONE}"))
    stored(tmp_path, socket.recorded())

    async with replaying(tmp_path, rules="uuid") as replay, WebSocketClient.open(replay.port, b"/v1/responses") as client:
        await client.send(create(f"of {TWO}"))
        assert await told(client, len(said)) == said
    assert replay.service.counters.ruled == 1
    assert [hit.rules for hit in hits(tmp_path)] == ["normalize uuid"]


async def test_messages_of_other_websockets_are_compared_under_rules(tmp_path: Path) -> None:
    await record(tmp_path, talk, converse)
    rule(tmp_path, "ignore $.session.voice for realtime")

    async with replaying(tmp_path) as replay, WebSocketClient.open(replay.port, b"/v1/realtime?model=gpt-realtime") as socket:
        await socket.receive()
        await socket.send(say("session.update", session={"voice": "bass"}))
        assert (await socket.receive()).payload == say("session.updated")


async def test_all_is_kept_when_hits_are_closed_whatever_waits_for_a_thread(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}", create=True) as opened:
        opened.write(Batch(finished=[exchange()]))
        row = ReplayRow(1, 1, 1, b"r" * 16, "http", "complete", False, 10)
        found, busy = RuleHits(opened, "run"), Event()
        executor = ThreadPoolExecutor(1)
        asyncio.get_running_loop().set_default_executor(executor)
        asyncio.get_running_loop().run_in_executor(None, busy.wait)
        try:
            found.saw(Playback("default", 1, None, ReplayIndex([row])), 0, Fingerprint(b"a" * 16, "http"), Asked("GET", "/", {}), b"")
            await until(lambda: executor._work_queue.qsize() > 0)
            found.close()

            assert [hit.count for hit in opened.rule_hits("default")] == [1]
        finally:
            busy.set()


def test_numberings_are_equal_if_they_have_seen_the_same() -> None:
    one, other = Numbering(), Numbering()
    one.number("uuid", "a")
    assert one != other
    other.number("uuid", "a")
    assert one == other

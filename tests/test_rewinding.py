"""A pass over a session that is begun again, and sessions that never touch each other."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import pytest

from fakes import FakeUpstream, RawClient, fetch
from playhead.proxy.embedded import Playhead
from playhead.proxy.recordings.rewinding import RewindError, Rewound
from replays import ask, code, numbered, recording
from running import Running
from spoken import Socket, create, stored, told
from websocket_fakes import WebSocketClient


def port(playhead: Playhead) -> int:
    return int(playhead.url.rpartition(":")[2])


def target(session: str) -> bytes:
    return f"/@{session}/v1/responses".encode()


async def test_a_pass_begins_again(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        for _ in range(3):
            await fetch(proxy.port, ask(b"{}"))
    with Playhead(data=tmp_path) as playhead:
        before = [(await fetch(port(playhead), ask(b"{}"))).body for _ in range(2)]
        rewound = playhead.rewind()
        after = [await fetch(port(playhead), ask(b"{}")) for _ in range(4)]

    assert (before, rewound) == ([b"0", b"1"], Rewound("default", 1, 3, 2))
    assert ([one.body for one in after[:3]], code(after[3])) == ([b"0", b"1", b"2"], "exhausted")


async def test_a_new_pass_is_over_what_is_recorded_now(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b"{}"))
    with Playhead(data=tmp_path) as playhead:
        old = await fetch(port(playhead), ask(b"{}"))
        async with recording(tmp_path, numbered(), run="run 2") as proxy:
            for body in (b"[]", b"{}"):
                await fetch(proxy.port, ask(body))
        rewound = playhead.rewind("default")
        new = await fetch(port(playhead), ask(b"{}"))

    assert (old.body, rewound, new.body) == (b"0", Rewound("default", 2, 2, 1), b"1")


async def test_what_went_live_is_served_in_the_next_pass(tmp_path: Path) -> None:
    async with FakeUpstream({"*": numbered()}) as upstream:
        with Playhead(mode="auto", live="yes", data=tmp_path, upstream=upstream.url) as playhead:
            first = [(await fetch(port(playhead), ask(b"{}"))).body for _ in range(2)]
            rewound = playhead.rewind()
            second = [(await fetch(port(playhead), ask(b"{}"))).body for _ in range(3)]

    assert (first, rewound, second) == ([b"0", b"1"], Rewound("default", 1, 2, 0), [b"0", b"1", b"2"])


async def test_a_websocket_that_stays_open_goes_on_with_the_new_pass(tmp_path: Path) -> None:
    socket = Socket()
    said = [socket.answers(socket.create("one")) for _ in range(2)]
    stored(tmp_path, socket.recorded())
    with Playhead(data=tmp_path) as playhead:
        async with WebSocketClient.open(port(playhead), b"/v1/responses") as client:
            for turn in (0, 1, None, 0, 1):
                if turn is None:
                    playhead.rewind()
                else:
                    await client.send(create("one"))
                    assert await told(client, len(said[turn])) == said[turn]


async def test_what_is_not_there_is_not_rewound(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b"{}"))
    with Playhead(data=tmp_path) as playhead, pytest.raises(RewindError, match="Nothing is recorded in session other") as refused:
        playhead.rewind("other")

    assert refused.value.code == "session_not_found"


def test_what_replays_nothing_rewinds_nothing(tmp_path: Path) -> None:
    with Playhead(mode="forward", data=tmp_path) as playhead, pytest.raises(RewindError, match="runs in mode forward and replays nothing"):
        playhead.rewind()


async def test_the_console_of_a_replay_rewinds(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b"{}", target=target("s")))
    with Running(tmp_path, "http://127.0.0.1:9", command="replay") as running:
        first = await fetch(running.port, ask(b"{}", target=target("s")))
        rewound = await fetch(running.console, b"POST /api/sessions/s/rewind HTTP/1.1\r\nHost: localhost\r\n\r\n")
        again = await fetch(running.port, ask(b"{}", target=target("s")))
        refused = await fetch(running.console, b"POST /api/sessions/t/rewind HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert (first.body, again.body) == (b"0", b"0")
    assert (json.loads(rewound.body), refused.status) == ({"session": "s", "take": 1, "exchanges": 1, "served": 1}, 404)


async def test_many_clients_replay_sessions_that_never_touch_each_other(tmp_path: Path) -> None:
    sessions, asked, passes = [f"s{number}" for number in range(60)], 5, 3

    async with recording(tmp_path, numbered(asked * len(sessions))) as proxy, RawClient.connect(proxy.port) as client:
        recorded = {session: [(await client.request(ask(b"{}", target=target(session)))).body for _ in range(asked)] for session in sessions}

    chance = random.Random(6)
    with Playhead(data=tmp_path) as playhead:

        async def passing(session: str) -> list[list[bytes]]:
            got = []
            for number in range(passes):
                async with RawClient.connect(port(playhead)) as client:
                    stop = asked if number == passes - 1 else chance.randint(1, asked)
                    got.append([(await client.request(ask(b"{}", target=target(session)))).body for _ in range(stop)])
                await asyncio.to_thread(playhead.rewind, session)
            return got

        found = await asyncio.gather(*map(passing, sessions))

    for session, got in zip(sessions, found, strict=True):
        assert all(one == recorded[session][: len(one)] for one in got)
    assert playhead.divergences == []

"""How many requests may go to upstream: counted, and over every transport refused when they are used up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fakes import FakeUpstream, Received, Wire, answer, fetch, replying
from playhead.proxy.live_budget import LiveBudget
from proxied import proxied
from replays import ask, code, divergences, numbered, recorder, recording, replaying
from websocket_fakes import TEXT, WebSocketClient, accept


def test_without_a_budget_any_number_may() -> None:
    budget = LiveBudget()

    assert [budget.take() for _ in range(3)] == [None, None, None]
    assert budget.spent == 3


@pytest.mark.parametrize(("calls", "text"), [(0, "no live call is allowed"), (1, "1 live call is allowed"), (2, "2 live calls are allowed")])
def test_a_budget_is_used_up(calls: int, text: str) -> None:
    budget = LiveBudget(calls)
    refusals = [budget.take() for _ in range(calls + 1)]

    assert refusals[:-1] == [None] * calls
    assert refusals[-1] is not None
    assert (refusals[-1].code, text in refusals[-1].message) == ("live_budget", True)


async def test_what_a_replay_would_pass_on_above_its_budget_is_refused_and_told(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b'{"input": "old"}'))
    async with FakeUpstream({"*": replying(answer(b"live"))}) as upstream, replaying(tmp_path, upstream, on_miss="record", live_calls=1) as replay:
        got = [await fetch(replay.port, ask(b'{"input": "%s"}' % text)) for text in (b"new", b"newer", b"old")]
        counters = replay.service.counters

    assert (got[0].body, got[1].status, code(got[1]), got[1].get(b"x-should-retry"), got[2].body) == (b"live", 403, "live_budget", b"false", b"0")
    assert "It did not go to upstream: 1 live call is allowed here (the setting live_calls)." in json.loads(got[1].body)["error"]["message"]
    assert (len(upstream.requests), counters.live, counters.replayed, counters.missed) == (1, 1, 1, {"live_budget": 1})
    assert [one.nearest for one in divergences(tmp_path)] == [1]


async def test_a_turn_over_a_websocket_counts_as_one_call(tmp_path: Path) -> None:
    async def upstream_talks(request: Received, wire: Wire) -> None:
        socket = await accept(request, wire)
        while (message := await socket.receive()).opcode == TEXT:
            created = json.loads(message.payload)
            await socket.send(json.dumps({"type": "response.completed", "response": {"id": "resp_1", "output": created["input"]}}).encode())

    async with (
        FakeUpstream({"*": upstream_talks}) as upstream,
        recorder(tmp_path),
        replaying(tmp_path, upstream, on_miss="record", live_calls=1) as replay,
        WebSocketClient.open(replay.port, b"/v1/responses") as client,
    ):
        said = []
        for text in ("one", "two"):
            await client.send(json.dumps({"type": "response.create", "model": "m", "input": text}).encode())
            said.append(json.loads((await client.receive()).payload))
        counters = replay.service.counters

    assert (said[0]["response"]["output"], said[1]["type"], said[1]["status"], said[1]["error"]["code"]) == ("one", "error", 403, "live_budget")
    assert (counters.live, counters.missed) == (1, {"live_budget": 1})


async def test_what_is_recorded_or_forwarded_counts_too(tmp_path: Path) -> None:
    async with FakeUpstream({"*": replying(answer(b"live"))}) as upstream:
        for mode in ("record", "forward"):
            async with proxied(tmp_path, upstream, mode=mode, live_calls=1, run=mode) as proxy:
                got = [await fetch(proxy.port, ask(b"{}")) for _ in range(2)]

                assert ([one.status for one in got], code(got[1])) == ([200, 403], "live_budget")
    assert len(upstream.requests) == 2

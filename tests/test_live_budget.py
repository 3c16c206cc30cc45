"""How many requests may go to upstream: counted, and over every transport refused when they are used up."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from fakes import Answer, FakeUpstream, Handler, Received, Wire, answer, fetch, replying
from playhead.proxy.embedded import Mode, Playhead
from playhead.proxy.pricing.live_budget import LiveBudget, Paid
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


DOLLAR = 10**12


@pytest.mark.parametrize(
    ("paid", "flying", "text"),
    [
        (Paid(2, DOLLAR // 2, DOLLAR // 4), 0, ""),
        (Paid(2, DOLLAR // 2, DOLLAR // 4), 1, ""),
        (
            Paid(2, DOLLAR // 2, DOLLAR // 4),
            2,
            "live calls may cost 1 USD here (the setting live_money), and 0.5 are spent, and 2 in flight may cost 0.25 each.",
        ),
        (Paid(2, DOLLAR, DOLLAR // 2), 0, "live calls may cost 1 USD here (the setting live_money), and 1 are spent."),
        (Paid(1, 0, 0, 1, "exchange 7 (m)"), 0, "nobody knows what exchange 7 (m) has cost. price_table or assume can give such a call a price"),
    ],
)
def test_money_is_used_up(paid: Paid, flying: int, text: str) -> None:
    budget = LiveBudget(None, DOLLAR, spent=paid.ended + flying)
    budget.learn(paid)
    refusal = budget.take()

    assert (refusal is None) == (not text)
    assert text in ("" if refusal is None else refusal.message)


def test_what_has_no_price_counts_as_nothing_where_that_is_allowed_and_what_is_not_recorded_never_goes() -> None:
    budget = LiveBudget(None, DOLLAR, strict=False)
    budget.learn(Paid(3, 0, 0, 3, "exchange 7"))

    assert budget.take() is None
    assert "only what is recorded has a price" in str(budget.take(recorded=False))


def test_older_news_of_prices_are_none() -> None:
    budget = LiveBudget(None, DOLLAR)
    budget.learn(Paid(2, 5))
    budget.learn(Paid(1, 3))

    assert budget.paid == Paid(2, 5)


def test_money_of_the_settings_is_counted_exactly() -> None:
    assert [LiveBudget.of(None, text, strict=True).money for text in ("1.50", "0.000000000001", "7", None)] == [3 * DOLLAR // 2, 1, 7 * DOLLAR, None]


PRICED = b'{"id": "resp_%d", "object": "response", "model": "%s", "status": "completed", "usage": {"input_tokens": 1000000, "output_tokens": 0}}'


def sold(model: bytes = b"gpt-5") -> Handler:
    """Answers that cost 1.25 USD each, if their model has a price."""
    left = count(1)

    async def handler(_: Received, wire: Wire) -> None:
        await wire.body()
        body = PRICED % (next(left), model)
        await wire.write(answer(body, (b"Content-Type", b"application/json")))

    return handler


def spending(tmp_path: Path, upstream: FakeUpstream, mode: Mode, **settings: Any) -> Playhead:
    assumed = "provider=openai,region=global,tier=default"
    return Playhead(mode=mode, data=tmp_path, upstream=upstream.url, assume=assumed, live="yes", **settings)


async def posted(playhead: Playhead, text: str) -> Answer:
    body = b'{"model": "gpt-5", "input": "%s"}' % text.encode()
    return await fetch(int(playhead.url.rpartition(":")[2]), ask(body, (b"Content-Type", b"application/json")))


@pytest.mark.parametrize("mode", ["auto", "record"])
async def test_calls_are_refused_when_those_before_have_cost_too_much(tmp_path: Path, mode: Mode) -> None:
    async with FakeUpstream({"*": sold()}) as upstream, spending(tmp_path, upstream, mode, live_money="2.00") as playhead:
        got = [await posted(playhead, text) for text in ("a", "b", "c")]

    assert [one.status for one in got] == [200, 200, 403]
    assert "live calls may cost 2 USD here (the setting live_money), and 2.5 are spent." in json.loads(got[2].body)["error"]["message"]


@pytest.mark.parametrize(("unpriced", "statuses"), [("refuse", [200, 403]), ("allow", [200, 200])])
async def test_a_call_of_which_nobody_knows_the_price_is_the_last_one(tmp_path: Path, unpriced: str, statuses: list[int]) -> None:
    upstreams = FakeUpstream({"*": sold(b"nobody-sells-this")})
    async with upstreams as upstream, spending(tmp_path, upstream, "auto", live_money="2.00", live_unpriced=unpriced) as playhead:
        got = [await posted(playhead, text) for text in ("a", "b")]

    assert [one.status for one in got] == statuses


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


async def test_turns_over_a_websocket_are_refused_when_those_before_have_cost_too_much(tmp_path: Path) -> None:
    async def upstream_talks(request: Received, wire: Wire) -> None:
        socket = await accept(request, wire)
        for number in count(1):
            if (await socket.receive()).opcode != TEXT:
                return
            await socket.send(b'{"type": "response.completed", "response": %s}' % (PRICED % (number, b"gpt-5")))

    async with (
        FakeUpstream({"*": upstream_talks}) as upstream,
        spending(tmp_path, upstream, "auto", live_money="2.00") as playhead,
        WebSocketClient.open(int(playhead.url.rpartition(":")[2]), b"/v1/responses") as client,
    ):
        said = []
        for text in ("a", "b", "c"):
            await client.send(json.dumps({"type": "response.create", "model": "gpt-5", "input": text}).encode())
            said.append(json.loads((await client.receive()).payload))

    assert [one["type"] for one in said] == ["response.completed", "response.completed", "error"]
    assert (said[2]["status"], said[2]["error"]["code"]) == (403, "live_budget")

"""`playhead audit --cache`: traffic that passed a real proxy over every transport, with a prompt that holds the time."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from command_line import Playhead as Command
from command_line import on
from playhead.proxy import Playhead
from prompted import text, user

PRICES = """name = "t"\nversion = "1"\nsource = "invented"
[[price]]\nmodels = ["sim"]\ninput = "2"\ncached_input = "0.2"\noutput = "8"
[[price]]\nprovider = "anthropic"\nmodels = ["sim"]\ninput = "2"\ncached_input = "0.2"\ncache_write_5m = "2.5"\noutput = "8"
"""
WAYS = ("json", "sse", "ws", "chat", "messages")


def instructions(way: str, minute: int) -> str:
    return f"Now it is 2026-11-26T06:{minute:02}:00Z. You are agent {way}. {text(2000)}"


def body(way: str, turn: int) -> dict[str, Any]:
    """The request of a turn: each has the time in its instructions."""
    said = [user(f"{way} {number}") for number in range(turn + 1)]
    if way == "chat":
        return {"model": "sim", "messages": [{"role": "system", "content": instructions(way, turn)}, *said]}
    if way == "messages":
        system = [{"type": "text", "text": instructions(way, turn), "cache_control": {"type": "ephemeral"}}]
        return {"model": "sim", "max_tokens": 9, "system": system, "messages": said}
    return {"model": "sim", "instructions": instructions(way, turn), "input": said, "prompt_cache_key": way}


def response(id_: str) -> dict[str, Any]:
    usage = {"input_tokens": 2060, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 5, "total_tokens": 2065}
    return {"id": id_, "object": "response", "status": "completed", "model": "sim", "service_tier": "default", "output": [], "usage": usage}


async def answered(request: web.Request) -> web.StreamResponse:
    asked = await request.json()
    usage: dict[str, Any]
    if "messages" in request.path:
        usage = {"input_tokens": 60, "cache_creation_input_tokens": 2000, "cache_read_input_tokens": 0, "output_tokens": 5, "service_tier": "standard"}
        usage["cache_creation"] = {"ephemeral_5m_input_tokens": 2000, "ephemeral_1h_input_tokens": 0}
        return web.json_response(
            {"id": "msg_1", "type": "message", "role": "assistant", "model": "sim", "content": [], "stop_reason": "end_turn", "usage": usage}
        )
    if "chat" in request.path:
        usage = {"prompt_tokens": 2060, "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens": 5, "total_tokens": 2065}
        return web.json_response({"id": "chat_1", "object": "chat.completion", "model": "sim", "service_tier": "default", "choices": [], "usage": usage})
    if not asked.get("stream"):
        return web.json_response(response("resp_json"))
    event = json.dumps({"type": "response.completed", "sequence_number": 0, "response": response("resp_sse")})
    return web.Response(text=f"event: response.completed\ndata: {event}\n\n", content_type="text/event-stream")


async def spoken(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        told = response(f"resp_ws_{len(message.data)}")
        await socket.send_json({"type": "response.created", "sequence_number": 0, "response": told | {"status": "in_progress", "usage": None}})
        await socket.send_json({"type": "response.completed", "sequence_number": 1, "response": told})
    return socket


async def work(base_url: str) -> None:
    paths = {"chat": "chat/completions", "messages": "messages"}
    async with aiohttp.ClientSession() as client:
        for way in ("json", "sse", "chat", "messages"):
            for turn in range(2):
                async with client.post(f"{base_url}/{paths.get(way, 'responses')}", json=body(way, turn) | {"stream": way == "sse"}) as answer:
                    await answer.read()
        async with client.ws_connect(f"{base_url}/responses") as socket:
            for turn in range(2):
                await socket.send_json({"type": "response.create", **body("ws", turn)})
                while (await socket.receive_json())["type"] != "response.completed":
                    pass


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("cached") / "data"
    table = place.parent / "prices.toml"
    table.write_text(PRICES)

    async def record() -> None:
        app = web.Application()
        app.add_routes([web.get("/v1/responses", spoken), web.post("/v1/{path:.*}", answered)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        upstream = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with Playhead(mode="record", upstream=upstream, data=place, session="s", price_table=str(table)) as playhead:
            await work(playhead.base_url)
        await runner.cleanup()

    asyncio.run(record())
    return place


@pytest.fixture
def playhead(data: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("PLAYHEAD_PRICE_TABLE", str(data.parent / "prices.toml"))
    return on(data, capfdbinary)


def test_a_time_in_the_prompt_is_found_over_every_transport(playhead: Command) -> None:
    *rows, whole = playhead("audit", "--cache", "--json").rows

    found = {(row["kind"], row["transport"]): (row["cause"], row["path"], row["patterns"]) for row in rows}
    assert found == {
        ("responses", "http"): ("volatile", "$.instructions", ["timestamp"]),
        ("responses", "sse"): ("volatile", "$.instructions", ["timestamp"]),
        ("responses", "ws"): ("volatile", "$.instructions", ["timestamp"]),
        ("chat.completions", "http"): ("volatile", "$.messages[0].content", ["timestamp"]),
        ("messages", "http"): ("volatile", "$.system[0].text", ["timestamp"]),
    }
    assert (whole["turns"], whole["unread"], whole["causes"]["volatile"]["turns"]) == (10, 0, 5)


def test_what_was_lost_costs_the_difference_between_input_and_cached_input(playhead: Command) -> None:
    rows = {(row["kind"], row["transport"]): row for row in playhead("audit", "--cache", "--json").rows[:-1]}

    one, written = rows["responses", "http"], rows["messages", "http"]
    assert one["cost"] == f"{one['lost_tokens'] * 18 / 10**7:.7f}".rstrip("0")  # 2 - 0.2 USD for a million
    # What was not cached was written for 2.5 USD, but for 60 tokens of 2060 for 2.
    paid = (2000 * 2_500_000 + 60 * 2_000_000) * written["lost_tokens"] // 2060
    assert written["cost"].replace(".", "").lstrip("0") == str(paid - written["lost_tokens"] * 200_000).rstrip("0")


def test_a_person_reads_what_differs_and_what_helps(playhead: Command) -> None:
    told = playhead("audit", "--cache", "--top", "1").out

    assert told.splitlines()[1].split()[:2] == ["volatile", "5"]
    assert '$.system[0].text: before …"ow it is 2026-11-26T06:00:00Z.' in told
    assert "what helps: leave the value out" in told


def test_sessions_and_times_choose_the_turns(playhead: Command) -> None:
    assert playhead("audit", "s", "--cache", "--json", "--until", "2020-01-01").rows == [
        {"turns": 0, "lost_tokens": 0, "cost": "0", "unpriced": 0, "unread": 0, "pruned": 0, "causes": {}}
    ]
    assert playhead("audit", "none", "--cache").status == 3


@pytest.mark.parametrize(
    ("flags", "said"), [(("--csv",), "--budget and --cache take --json"), (("--budget", "5/day"), "give one of them"), (("--by", "key"), "not by groups")]
)
def test_what_does_not_go_together_is_refused(playhead: Command, flags: tuple[str, ...], said: str) -> None:
    told = playhead("audit", "--cache", *flags)

    assert told.status == 2
    assert said in told.err

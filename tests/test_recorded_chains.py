"""A chain over HTTP, two lanes, a steer and two connections, recorded from a simulated upstream: what the commands tell of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from command_line import Told
from playhead.proxy import Playhead
from playhead.proxy.cli import run
from playhead.proxy.simulator import simulated_upstream

_ENDS = ("response.completed", "response.incomplete", "response.failed", "error")


async def said(socket: aiohttp.ClientWebSocketResponse, create: dict[str, Any], *, steer: str | None = None, responses: int = 1) -> list[str]:
    """Create a response; the ids of those that came of it. `steer`: sent with its first delta."""
    await socket.send_json({"type": "response.create", "model": "m", **create})
    ids: list[str] = []
    while responses:
        event = await socket.receive_json(timeout=10)
        if event["type"] == "response.created":
            ids.append(event["response"]["id"])
        if steer is not None and event["type"].endswith(".delta"):
            await socket.send_json({"type": "response.steer", "previous_response_id": ids[0], "input": steer})
            steer = None
        responses -= event["type"] in _ENDS
    return ids


async def work(base_url: str) -> None:
    """On two lanes of a socket, steered there, on another socket, and over HTTP."""
    url = f"{base_url}/responses"
    async with aiohttp.ClientSession() as client:
        async with client.ws_connect(url) as socket:
            (first,) = await said(socket, {"input": "one"})
            long = {"input": "two", "previous_response_id": first, "stream_id": "plan", "metadata": {"simulate": "long"}}
            *_, third = await said(socket, long, steer="stop", responses=2)
        async with client.ws_connect(url) as socket:
            (fourth,) = await said(socket, {"input": "four", "previous_response_id": third})
            await said(socket, {"input": "lost", "previous_response_id": "resp_gone"})
        async with client.post(url, json={"model": "m", "input": "six", "previous_response_id": fourth}) as response:
            await response.read()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("recorded") / "data"

    async def record() -> None:
        async with simulated_upstream(pace=0.001) as upstream, Playhead(mode="record", upstream=upstream, data=place, session="s") as playhead:
            await work(playhead.base_url)

    asyncio.run(record())
    return place


@pytest.fixture
def playhead(data: Path, capfd: pytest.CaptureFixture[str]) -> Any:
    def command(*arguments: str) -> Told:
        status = run([*arguments, "--data", str(data)])
        return Told(status, *capfd.readouterr())

    return command


def test_each_turn_is_an_exchange(playhead: Any) -> None:
    rows = playhead("exchanges", "s", "--json").rows

    assert [(row["transport"], row["connection"], row["stream_id"], row["steer"] is not None) for row in rows] == [
        ("ws", 1, None, False),
        ("ws", 1, "plan", False),
        ("ws", 1, "plan", True),
        ("ws", 2, None, False),
        ("ws", 2, None, False),
        ("http", None, None, False),
    ]


def test_the_model_saw_all_of_the_chain(playhead: Any) -> None:
    rows = playhead("show", "6", "--context", "--json").rows
    asked = [(row["exchange"], row["part"], row["item"]["content"]) for row in rows if row["part"] != "output"]

    assert asked == [(1, "input", "one"), (2, "input", "two"), (2, "steer", "stop"), (4, "input", "four"), (6, "input", "six")]
    assert [row["exchange"] for row in rows if row["part"] == "output"] == [1, 2, 3, 4]


def test_the_lanes_of_both_connections_are_drawn(playhead: Any) -> None:
    first, second = playhead("connection", "1").out, playhead("connection", "2").out

    assert "  · ◆  2 is steered\n" in first
    assert "by a steer after 2, m" in first
    assert "client closes 1000\n" in first
    assert "4 completed (after 3, m" in second
    assert "5 previous_response_not_found (after resp_gone, m" in second


def test_what_is_missing_is_told(playhead: Any) -> None:
    lacking = {name: number for name, number in playhead("stats", "--json").rows[0]["completeness"].items() if number}

    assert lacking == {"missing_responses": 1}
    assert playhead("show", "5", "--context", "--json").rows[-1]["missing"] == "response"

"""A program that changed is told what changed: one change at a time is planted in an agent on OpenAI's client, over HTTP and over a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click
import openai
import pytest

from planted import CHANGES, RECORDED, Agent, Refused, changed, over_http, over_websocket
from playhead.proxy.commands.deciding import accept, fork, rerecord
from playhead.proxy.embedded import Playhead
from playhead.proxy.simulator import simulated_upstream
from playhead.storage.store import Store

Work = Callable[[str, Agent], Awaitable[list[dict[str, Any]]]]
OVER: Mapping[str, Work] = MappingProxyType({"http": over_http, "ws": over_websocket})


async def in_a_thread(command: click.Command, *arguments: str) -> None:
    """Run a command beside the event loop."""
    await asyncio.to_thread(command.main, list(arguments), standalone_mode=False)


async def recorded(work: Work, tmp_path: Path) -> None:
    """What the agent does when nothing was changed."""
    async with simulated_upstream(pace=0) as upstream:
        with Playhead(mode="record", data=tmp_path, upstream=upstream) as recording:
            await work(recording.base_url, RECORDED)


async def refused(work: Work, playhead: Playhead, agent: Agent) -> dict[str, Any]:
    """What the agent is told when it meets the first request that has no twin."""
    playhead.rewind()
    try:
        await work(playhead.base_url, agent)
    except openai.NotFoundError as error:
        return dict(error.body) if isinstance(error.body, dict) else {}
    except Refused as error:
        return dict(error.args[0])
    return {}


@pytest.mark.parametrize("over", [*OVER])
async def test_each_change_fails_and_is_named_and_only_the_volatile_one_passes_once_it_is_accepted(over: str, tmp_path: Path) -> None:
    work = OVER[over]
    await recorded(work, tmp_path)
    with Playhead(data=tmp_path) as playhead:
        assert await refused(work, playhead, RECORDED) == {}
        for name in CHANGES:
            change = changed(name)
            error = await refused(work, playhead, change.agent)
            told, kept = error["divergence"], playhead.divergences[-1]

            assert (name, told["nearest"], told["differences"][0]["path"], told["cause"]) == (name, change.exchange, change.path, change.cause)
            assert (kept.id, kept.nearest, kept.cause, kept.parted) == (told["id"], change.exchange, change.cause, told["after"])
            assert error["code"] == "no_match"
            assert f"Cause: {change.cause} " in error["message"]
            assert f"exchange {change.exchange} " in error["message"]

        (volatile,) = [one for one in playhead.divergences if one.cause == "volatile"]
        await in_a_thread(accept, str(volatile.id), "--data", str(tmp_path))
        passed = [name for name in CHANGES if not await refused(work, playhead, changed(name).agent)]

    assert (passed, volatile.proposal) == (["volatile"], ["normalize uuid"])


@pytest.mark.parametrize("over", [*OVER])
async def test_one_request_of_a_conversation_is_recorded_anew(over: str, tmp_path: Path) -> None:
    work = OVER[over]
    await recorded(work, tmp_path)
    await in_a_thread(rerecord, "default", "--exchange", "3", "--data", str(tmp_path))
    async with simulated_upstream(pace=0) as upstream:
        with Playhead(mode="auto", data=tmp_path, upstream=upstream) as auto:
            told = await work(auto.base_url, RECORDED)
    with Playhead(data=tmp_path) as replay:
        again = await work(replay.base_url, RECORDED)

    # Over a WebSocket the simulator makes up new ids, so that what follows is asked in other words.
    assert (auto.live, auto.replayed, replay.replayed) == ((1, 3, 4) if over == "http" else (2, 2, 4))
    assert again == told


@pytest.mark.parametrize("over", [*OVER])
async def test_a_fork_goes_on_where_the_conversation_was_cut(over: str, tmp_path: Path) -> None:
    work = OVER[over]
    await recorded(work, tmp_path)
    await in_a_thread(fork, "default", "--at", "3", "--as", "fork", "--data", str(tmp_path))
    agent = changed("tool result").agent
    async with simulated_upstream(pace=0) as upstream:
        with Playhead(mode="auto", session="fork", data=tmp_path, upstream=upstream) as auto:
            told = await work(auto.base_url, agent)
    with Playhead(session="fork", data=tmp_path) as replay:
        again = await work(replay.base_url, agent)
    with Store.open(f"sqlite:///{tmp_path}/store.db") as store:
        problems = list(store.verify())

    assert (auto.live, auto.replayed, replay.replayed, replay.divergences) == (2, 2, 4, [])
    assert again == told
    assert problems == []

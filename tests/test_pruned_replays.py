"""Replays of sessions of which something is pruned: what is left is served, and who asks for the rest is told why there is none."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from fakes import fetch
from playhead.proxy.cassettes.cassette_files import load, read_file, text_of, write_file
from playhead.proxy.simulator import simulated_upstream
from playhead.storage.evidence.chain_writing import chained
from playhead.storage.evidence.chained import EntryKind
from playhead.storage.removing.deletion import delete_content
from playhead.storage.store import Store
from replays import ask, numbered, recording, replaying
from spoken import create


def prune(data: Path, wanted: Collection[int]) -> None:
    """The content of these exchanges goes, whatever their age."""
    with Store.open(f"sqlite:///{data}/store.db") as store:
        with store._database.writing() as connection, chained(connection, EntryKind.PRUNED) as entries:
            delete_content(connection, entries, [*wanted])
        assert list(store.verify()) == []
        assert list(store.check_chains().problems()) == []


async def test_what_is_left_is_served_and_a_miss_says_what_is_pruned(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        answers = [(await fetch(proxy.port, ask(text))).body for text in (b"one", b"two", b"three")]
    prune(tmp_path, [1, 2])

    async with replaying(tmp_path) as proxy:
        assert (await fetch(proxy.port, ask(b"three"))).body == answers[2]
        missed = await fetch(proxy.port, ask(b"one"))

    assert missed.status == 404
    assert "The content of 2 exchanges of what is replayed is pruned: no request matches those." in json.loads(missed.body)["error"]["message"]


async def test_where_all_is_pruned_it_says_what_to_do(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b"one"))
    prune(tmp_path, [1])

    async with replaying(tmp_path) as proxy:
        missed = await fetch(proxy.port, ask(b"one"))

    error = json.loads(missed.body)["error"]
    assert (missed.status, error["code"]) == (404, "session_not_found")
    assert error["message"].startswith("The content of session default, take 1, is pruned: record it anew, or replay another take.")


async def turn(socket: Any, text: str) -> list[str]:
    """What is heard of one turn."""
    heard: list[str] = []
    await socket.send(create(text).decode())
    while not heard or json.loads(heard[-1])["type"] not in ("response.completed", "error"):
        heard.append(str(await socket.recv()))
    return heard


async def test_the_turns_of_a_websocket_that_are_left_are_served(tmp_path: Path) -> None:
    texts = ["one", "two", "three"]
    async with simulated_upstream(0) as url, recording(tmp_path, url) as proxy, connect(f"ws://127.0.0.1:{proxy.port}/v1/responses") as socket:
        recorded = [await turn(socket, text) for text in texts]
    prune(tmp_path, [2])

    async with replaying(tmp_path) as proxy, connect(f"ws://127.0.0.1:{proxy.port}/v1/responses") as socket:
        heard = [await turn(socket, text) for text in texts]

    assert (heard[0], heard[2]) == (recorded[0], recorded[2])
    error = json.loads(heard[1][0])["error"]
    assert error["code"] == "no_match"
    assert "The content of 1 exchange of what is replayed is pruned" in error["message"]


async def test_a_session_of_which_something_is_pruned_travels_as_a_cassette(tmp_path: Path) -> None:
    texts = ["one", "two", "three"]
    async with simulated_upstream(0) as url, recording(tmp_path, url) as proxy, connect(f"ws://127.0.0.1:{proxy.port}/v1/responses") as socket:
        recorded = [await turn(socket, text) for text in texts]
    prune(tmp_path, [1])
    with Store.open(f"sqlite:///{tmp_path}/store.db") as store, Store.open(f"sqlite:///{tmp_path}/other.db", create=True) as other:
        write_file(tmp_path / "cassette.jsonl", text_of(store, "default")[0])
        assert load(other, read_file(tmp_path / "cassette.jsonl"), "default") == 2
        assert list(other.verify()) == []

    async with replaying(tmp_path, store=f"sqlite:///{tmp_path}/other.db") as proxy, connect(f"ws://127.0.0.1:{proxy.port}/v1/responses") as socket:
        assert [await turn(socket, text) for text in texts[1:]] == recorded[1:]

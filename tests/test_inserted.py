"""Cassettes that are put into a running server and taken out of it again."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fakes import Answer, FakeUpstream, RawClient, chunked, chunked_head, fetch, replying
from playhead.config.settings import Settings
from playhead.proxy.in_process import InProcess
from playhead.storage.store import Store
from proxied import gated
from replays import NOWHERE, ask, code, numbered, recording

OWN = b"/@one/v1/responses"


@contextlib.asynccontextmanager
async def serving(tmp_path: Path, upstream: str = NOWHERE, **changes: Any) -> AsyncIterator[InProcess]:
    """A server without a cassette."""
    plain = {"mode": "replay", "data": tmp_path / "server", "listen": "127.0.0.1:0", "session": "none", "upstream": upstream, "drain_timeout": 0}
    server = InProcess(Settings(**{**plain, **changes}), cassettes=True)
    await asyncio.to_thread(server.start)
    try:
        yield server
    finally:
        await asyncio.to_thread(server.stop)


async def recorded(tmp_path: Path, *bodies: bytes, session: str = "one") -> Store:
    """A store with a session, whose answers are 0, 1, 2, ..."""
    tmp_path.mkdir(exist_ok=True)
    async with recording(tmp_path, numbered(), session=session) as proxy:
        for body in bodies:
            await fetch(proxy.port, ask(body))
    return Store.open(f"sqlite:///{tmp_path / 'store.db'}")


async def asked(server: InProcess, body: bytes = b"a", target: bytes = OWN) -> Answer:
    return await fetch(server.port, ask(body, target=target))


async def test_a_cassette_is_replayed_while_it_is_in(tmp_path: Path) -> None:
    store = await recorded(tmp_path / "r", b"a", b"b")
    async with serving(tmp_path) as server:
        await asyncio.to_thread(server.insert, "one", store)
        got = [(await asked(server, body)).body for body in (b"b", b"a")]
        await asyncio.to_thread(server.eject, "one")
        late = await asked(server)

    assert got == [b"1", b"0"]
    assert (code(late), [one.session for one in server.divergences]) == ("session_not_found", ["one"])


async def test_each_is_replayed_from_its_beginning_by_its_own_numbers(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        for name in ("x", "y"):
            store = await recorded(tmp_path / name, b"a")
            await asyncio.to_thread(server.insert, "one", store)
            assert ((await asked(server)).body, code(await asked(server))) == (b"0", "exhausted")
            await asyncio.to_thread(server.eject, "one")

    assert [one.nearest for one in server.divergences] == [1, 1]


async def test_two_are_in_at_once_and_know_nothing_of_each_other(tmp_path: Path) -> None:
    one, two = await recorded(tmp_path / "x", b"a"), await recorded(tmp_path / "y", b"b", b"a", session="two")
    async with serving(tmp_path) as server:
        await asyncio.to_thread(server.insert, "one", one)
        await asyncio.to_thread(server.insert, "two", two)

        assert [(await asked(server, target=target)).body for target in (OWN, b"/@two/v1/responses")] == [b"0", b"1"]


async def test_who_names_no_session_gets_what_was_put_in_last(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        for name in ("x", "y"):
            store = await recorded(tmp_path / name, b"a", session=name)
            await asyncio.to_thread(server.insert, name, store)
            assert (await asked(server, target=b"/v1/responses")).body == b"0"
            await asyncio.to_thread(server.eject, name)
        assert code(await asked(server, target=b"/v1/responses")) == "session_not_found"


async def test_it_says_what_nobody_has_asked_for(tmp_path: Path) -> None:
    store = await recorded(tmp_path / "r", b"a", b"b", b"c")
    async with serving(tmp_path) as server:
        await asyncio.to_thread(server.insert, "one", store)
        before = await asyncio.to_thread(server.unserved, "one")
        await asked(server, b"b")

        assert (before, await asyncio.to_thread(server.unserved, "one")) == (None, [1, 3])


async def test_where_there_is_none_a_request_is_told_why(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        await asyncio.to_thread(server.insert, "one", "There is no cassette.")
        refused = await asked(server)

        assert json.loads(refused.body)["error"]["message"] == "There is no cassette."
        assert [(one.code, one.message) for one in server.divergences] == [("session_not_found", "There is no cassette.")]
        assert await asyncio.to_thread(server.unserved, "one") == []


async def test_a_cassette_never_goes_live_whatever_the_server_may(tmp_path: Path) -> None:
    store = await recorded(tmp_path / "r", b"a")
    async with FakeUpstream({"*": numbered()}) as upstream, serving(tmp_path, upstream.url, on_miss="record") as server:
        await asyncio.to_thread(server.insert, "one", store)

        assert (code(await asked(server, b"b")), upstream.requests) == ("no_match", [])


async def test_what_may_go_live_is_in_the_store_when_it_is_taken_out(tmp_path: Path) -> None:
    async with FakeUpstream({"*": numbered()}) as upstream, serving(tmp_path, upstream.url, on_miss="record") as server:
        await asyncio.to_thread(server.insert, "one", None)
        got = [(await asked(server, body)).body for body in (b"a", b"b")]
        await asyncio.to_thread(server.eject, "one")
        with Store.open(server.settings.store_url) as store:
            found = [(row.session, row.outcome) for row in store.exchanges("one")]

    assert (got, found) == ([b"0", b"1"], [("one", "complete")] * 2)


@pytest.mark.parametrize("held", [False, True])
async def test_what_still_goes_on_when_it_is_taken_out_is_broken_off(tmp_path: Path, held: bool) -> None:
    gate = asyncio.Event()
    routes = {"*": gated(chunked_head() + chunked(b"beginning", end=False), chunked(b"end"), gate=gate)}
    async with FakeUpstream(routes) as upstream, serving(tmp_path, upstream.url, on_miss="record") as server:
        await asyncio.to_thread(server.insert, "one", None)
        async with RawClient.connect(server.port) as client:
            await client.write(ask(b"a", target=OWN))
            await client.read_head()
            if not held:
                gate.set()
            await asyncio.to_thread(server.eject, "one")
        with Store.open(server.settings.store_url) as store:
            assert [row.outcome for row in store.exchanges("one")] == ["aborted" if held else "complete"]


async def test_a_server_ends_with_cassettes_in_it(tmp_path: Path) -> None:
    store = await recorded(tmp_path / "r", b"a")
    async with FakeUpstream({"*": replying()}), serving(tmp_path) as server:
        await asyncio.to_thread(server.insert, "one", store)
    store.close()

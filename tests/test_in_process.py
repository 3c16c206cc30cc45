"""A proxy on threads of this process: its recorder goes on when the store is taken away, and says what it could not store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fakes import FakeUpstream, fetch
from playhead.config.errors import StoreError
from playhead.config.settings import HostPort, Settings
from playhead.proxy.in_process import InProcess
from playhead.proxy.processes.settle import settle
from playhead.storage.store import Store
from proxied import until
from replays import ask, numbered


def recording(data: Path, upstream: str) -> Settings:
    return Settings(mode="record", data=data, upstream=upstream, listen=HostPort("127.0.0.1", 0), drain_timeout=5)


def bodies(data: Path) -> list[bytes]:
    """The answers in the store."""
    with Store.open(f"sqlite:///{data}/store.db") as store:
        return [b"".join(store.response_chunks(row.id)) for row in (store.exchanges("default") if store.sessions() else ())]


async def test_a_store_that_is_removed_is_made_again_and_recording_goes_on(tmp_path: Path) -> None:
    async with FakeUpstream({"*": numbered()}) as upstream:
        proxy = InProcess(recording(tmp_path, upstream.url))
        proxy.start()
        await fetch(proxy.port, ask(b"{}"))
        await until(lambda: bodies(tmp_path) == [b"0"])
        for file in tmp_path.glob("store.db*"):
            file.unlink()
        await fetch(proxy.port, ask(b"{}"))
        await until(lambda: (tmp_path / "store.db").exists())
        proxy.stop()

    assert bodies(tmp_path)[-1:] == [b"1"]


async def test_what_the_store_does_not_take_is_told_and_waits_in_the_journal(tmp_path: Path) -> None:
    async with FakeUpstream({"*": numbered()}) as upstream:
        proxy = InProcess(recording(tmp_path, upstream.url), patience=0)
        proxy.start()
        with closing(sqlite3.connect(tmp_path / "store.db")) as other:
            other.execute("BEGIN IMMEDIATE")  # a program that holds the store and does not let go
            await fetch(proxy.port, ask(b"{}"))
            with pytest.raises(StoreError, match="wait in the journal"):
                proxy.stop()
    settle(Settings(data=tmp_path))

    assert bodies(tmp_path) == [b"0"]

"""A replayed request waits for what its server has recorded."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from journals import open_store, plain, write, writer
from playhead.proxy.recorder import Recorder
from playhead.proxy.recorders import settled as module
from playhead.proxy.recorders.settled import Settled
from playhead.proxy.tapes.tape import Tape
from playhead.storage.datadir import DataDir
from playhead.storage.journal import JournalWriter


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    found = DataDir(tmp_path / "data")
    found.ensure()
    return found


def settled(data: DataDir, journal: JournalWriter | None, seconds: float = 10.0) -> Settled:
    return Settled(Tape(journal, strict=False), data.journal_dir, seconds=seconds)


async def test_where_nothing_is_recorded_nothing_is_waited_for(data: DataDir) -> None:
    await settled(data, None)()


async def test_it_waits_until_the_recorder_has_stored_what_there_was(data: DataDir) -> None:
    journal = writer(data.journal_dir)
    write(journal, 1, plain("a"))
    waiting = asyncio.ensure_future(settled(data, journal)())
    await asyncio.sleep(0.03)
    before = waiting.done()
    with open_store(data.path) as store:
        recorder = Recorder(store, data.journal_dir)
        while recorder.step():
            pass
        await waiting
        recorder.close()
        assert [row.path for row in store.exchanges("default")] == ["/v1/responses?a"]
    journal.close()

    assert not before


async def test_it_does_not_wait_for_ever(data: DataDir, caplog: pytest.LogCaptureFixture) -> None:
    journal = writer(data.journal_dir)
    write(journal, 1, plain("a"))
    with caplog.at_level(logging.WARNING):
        await settled(data, journal, seconds=0.02)()
    journal.close()

    assert "has not stored everything within 0.02 s" in caplog.text


def test_as_long_as_commands_do(data: DataDir) -> None:
    assert module.SECONDS == 10.0

"""Child processes: started, heard, started again when they die, and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from journals import open_store, plain, tags, write, writer
from playhead.config.settings import Settings
from playhead.proxy.children import Child, Orders
from playhead.storage.datadir import DataDir

RECORDER = "playhead.proxy.recorders.recorder_process"


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    found = DataDir(tmp_path / "data")
    found.ensure()
    return found


@contextlib.asynccontextmanager
async def child(data: DataDir, *, module: str = RECORDER, on_change: Callable[[], None] = lambda: None) -> AsyncIterator[Child]:
    made = Child(module, Orders(Settings(data=data.path), "run"), on_change=on_change)
    try:
        yield made
    finally:
        made.dismiss()
        await made.join(0.5)


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def pid(child: Child) -> int:
    assert child._process is not None
    return child._process.pid


async def test_a_child_is_up_when_it_has_said_that_it_is_ready(data: DataDir) -> None:
    async with child(data) as recorder:
        before = recorder.up
        problem = await recorder.start()

        assert (before, problem, recorder.up) == (False, None, True)


async def test_a_child_that_cannot_start_says_why(data: DataDir) -> None:
    (data.path / "store.db").write_bytes(b"of another program" * 100)
    async with child(data) as recorder:
        problem = await recorder.start()

        assert problem is not None
        assert "is not a playhead store" in problem
        assert not recorder.up


async def test_a_child_that_ends_without_a_word_has_a_problem(data: DataDir) -> None:
    async with child(data, module="playhead.proxy.no_such_module") as nobody:
        assert await nobody.start() == "a process of playhead ended before it was ready"


async def test_a_child_that_dies_is_started_again(data: DataDir) -> None:
    async with child(data) as recorder:
        await recorder.start()
        first = pid(recorder)
        os.kill(first, signal.SIGKILL)
        await until(lambda: recorder.restarts == 1)
        down = recorder.up
        await until(lambda: recorder.up)

        assert not down
        assert pid(recorder) != first


async def test_a_child_that_is_started_again_is_not_up_before_it_is_ready(data: DataDir) -> None:
    async with child(data) as recorder:
        await recorder.start()
        store = data.path / "store.db"
        for path in data.path.glob("store.db*"):
            path.unlink()
        store.write_bytes(b"of another program" * 100)
        os.kill(pid(recorder), signal.SIGKILL)
        seen = set()
        while recorder.restarts < 2:
            await asyncio.sleep(0.005)
            if recorder.restarts:
                seen.add(recorder.up)

        assert seen == {False}


async def test_what_a_child_reports_is_kept_and_told(data: DataDir) -> None:
    told: list[int] = []
    journal = writer(data.journal_dir)
    write(journal, 1, plain("a"))
    async with child(data, on_change=lambda: told.append(1)) as recorder:
        await recorder.start()
        await until(lambda: recorder.state.get("metrics", {}).get("exchanges") == 1)

        assert len(told) >= 2
        journal.close()


async def test_a_dismissed_child_ends_its_work_and_is_not_started_again(data: DataDir) -> None:
    journal = writer(data.journal_dir)
    write(journal, 1, plain("a"))
    journal.close()
    async with child(data) as recorder:
        await recorder.start()
        recorder.dismiss()

        assert await recorder.join(60)
        assert (recorder.up, recorder.restarts) == (False, 0)
    with open_store(data.path) as store:
        assert tags(store) == ["a"]


async def test_a_child_that_does_not_end_is_killed(data: DataDir) -> None:
    journal = writer(data.journal_dir)  # a worker that lives: its recorder stays
    write(journal, 1, plain("a"))
    async with child(data) as recorder:
        await recorder.start()
        await until(lambda: recorder.state.get("metrics", {}).get("exchanges") == 1)
        recorder.dismiss()

        assert not await recorder.join(0.2)
        assert not recorder.up
    journal.close()


async def test_a_child_dismissed_while_it_is_started_again_ends(data: DataDir) -> None:
    async with child(data) as recorder:
        await recorder.start()
        first = pid(recorder)
        os.kill(first, signal.SIGKILL)
        await until(lambda: recorder.restarts == 1)
        recorder.dismiss()

        assert await recorder.join(60)


async def test_a_dismissed_child_that_dies_before_its_work_is_done_is_started_again(data: DataDir) -> None:
    journal = writer(data.journal_dir)
    write(journal, 1, plain("a"))
    async with child(data) as recorder:
        await recorder.start()
        recorder.dismiss()
        os.kill(pid(recorder), signal.SIGKILL)
        journal.close()

        assert await recorder.join(60)
        assert recorder.restarts == 1
    with open_store(data.path) as store:
        assert tags(store) == ["a"]


async def test_one_that_was_never_started_has_ended(data: DataDir) -> None:
    async with child(data) as recorder:
        assert await recorder.join(0)
        recorder.terminate()
        recorder.dismiss()


def test_orders_reach_a_child_as_they_are(data: DataDir) -> None:
    orders = Orders(Settings(data=data.path, workers=3), "run", listen_fd=5, lock_fd=6)

    assert pickle.loads(pickle.dumps(orders)) == orders

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
from playhead.proxy.processes.children import Child, Orders
from playhead.storage.datadir import DataDir

RECORDER = "playhead.proxy.processes.recorder_process"
LIGHT = "light_child"


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    found = DataDir(tmp_path / "data")
    found.ensure()
    return found


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a light child finds what it is to do."""
    monkeypatch.setenv("LIGHT_CHILD", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    return tmp_path


@contextlib.asynccontextmanager
async def child(data: DataDir, *, module: str = LIGHT, on_change: Callable[[], None] = lambda: None) -> AsyncIterator[Child]:
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
    async with child(data) as light:
        before = light.up
        problem = await light.start()

        assert (before, problem, light.up) == (False, None, True)


async def test_a_child_that_cannot_start_says_why(data: DataDir) -> None:
    (data.path / "store.db").write_bytes(b"of another program" * 100)
    async with child(data, module=RECORDER) as recorder:
        problem = await recorder.start()

        assert problem is not None
        assert "is not a playhead store" in problem
        assert not recorder.up


async def test_a_child_that_ends_without_a_word_has_a_problem(data: DataDir) -> None:
    async with child(data, module="no_such_module") as nobody:
        assert await nobody.start() == "a process of playhead ended before it was ready"


async def test_a_child_that_dies_is_started_again(data: DataDir) -> None:
    async with child(data) as light:
        await light.start()
        first = pid(light)
        os.kill(first, signal.SIGKILL)
        await until(lambda: light.restarts == 1)
        down = light.up
        await until(lambda: light.up)

        assert not down
        assert pid(light) != first


async def test_a_child_that_is_started_again_is_not_up_before_it_is_ready(data: DataDir, place: Path) -> None:
    async with child(data) as light:
        await light.start()
        (place / "problem").write_text("The store is not a playhead store.", encoding="utf-8")
        os.kill(pid(light), signal.SIGKILL)
        seen = set()
        while light.restarts < 2:
            await asyncio.sleep(0.005)
            if light.restarts:
                seen.add(light.up)

        assert seen == {False}


async def test_what_a_child_reports_is_kept_and_told(data: DataDir) -> None:
    told: list[int] = []
    async with child(data, on_change=lambda: told.append(1)) as light:
        await light.start()
        await until(lambda: light.state.get("metrics") == {"exchanges": 1})

        assert len(told) >= 2


async def test_a_dismissed_child_ends_its_work_and_is_not_started_again(data: DataDir) -> None:
    journal = writer(data.journal_dir)
    write(journal, 1, plain("a"))
    journal.close()
    async with child(data, module=RECORDER) as recorder:
        await recorder.start()
        recorder.dismiss()

        assert await recorder.join(60)
        assert (recorder.up, recorder.restarts) == (False, 0)
    with open_store(data.path) as store:
        assert tags(store) == ["a"]


async def test_a_child_that_does_not_end_is_killed(data: DataDir, place: Path) -> None:
    (place / "stays").touch()
    async with child(data) as light:
        await light.start()
        light.dismiss()

        assert not await light.join(0.2)
        assert not light.up
    assert not (place / "done").exists()


async def test_a_child_dismissed_while_it_is_started_again_ends(data: DataDir) -> None:
    async with child(data) as light:
        await light.start()
        first = pid(light)
        os.kill(first, signal.SIGKILL)
        await until(lambda: light.restarts == 1)
        light.dismiss()

        assert await light.join(60)


async def test_a_dismissed_child_that_dies_before_its_work_is_done_is_started_again(data: DataDir, place: Path) -> None:
    (place / "stays").touch()
    async with child(data) as light:
        await light.start()
        light.dismiss()
        os.kill(pid(light), signal.SIGKILL)
        (place / "stays").unlink()

        assert await light.join(60)
        assert light.restarts == 1
    assert (place / "done").exists()


async def test_one_that_was_never_started_has_ended(data: DataDir) -> None:
    async with child(data) as light:
        assert await light.join(0)
        light.terminate()
        light.dismiss()


def test_orders_reach_a_child_as_they_are(data: DataDir) -> None:
    orders = Orders(Settings(data=data.path, workers=3), "run", listen_fd=5, lock_fd=6)

    assert pickle.loads(pickle.dumps(orders)) == orders

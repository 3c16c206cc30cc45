"""A recorder at work stands back in a burst, and goes on when that is over or when it is dismissed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from journalled import http
from journals import open_store, tags, write, writer
from playhead.proxy.processes.recorder_loop import RecorderLoop
from playhead.proxy.recorder import Recorder
from playhead.proxy.recorders.processors import Processors
from playhead.proxy.recorders.traffic import Traffic
from playhead.storage.store import Store

MANY = 30  # more than one step takes


class Master:
    """Dismisses its recorder after so many waits; remembers how much was recorded at each."""

    gone = False
    recorder: Recorder

    def __init__(self, waits: int) -> None:
        self._left = waits
        self.recorded: list[int] = []

    def wait(self, seconds: float) -> bool:
        """Not at all."""
        self.recorded.append(self.recorder.exchanges)
        self._left -= 1
        return self._left < 0

    def hear(self, state: dict[str, object]) -> None:
        """Nobody shows it."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "journal").mkdir()
    with open_store(tmp_path) as opened:
        yield opened


def processors(tmp_path: Path, *, busy: bool) -> Processors:
    """All of which are busy, or idle, whenever that is asked: each time a second later."""
    stat, seconds = tmp_path / "stat", count()

    def clock() -> float:
        now = next(seconds)
        stat.write_text(f"cpu{min(os.sched_getaffinity(0))} 1 1 1 {1000 if busy else 1000 * (now + 1)} 0\n")
        return float(now)

    return Processors(stat, clock)


def recorded(store: Store, tmp_path: Path, *, busy: bool) -> list[int]:
    """How much of a burst was recorded each time the recorder waited."""
    journal = writer(tmp_path / "journal")
    for number in range(1, MANY + 1):
        write(journal, number, http(b"{}", [os.urandom(1 << 20)], path=f"/v1/responses?{number}"))
    journal.close()
    for path in (tmp_path / "journal").glob("*.seg"):
        os.utime(path, (2**32, 2**32))  # as if it went on
    master = Master(waits=5)
    recorder = master.recorder = Recorder(store, tmp_path / "journal")
    try:
        RecorderLoop(recorder, store, master, traffic=Traffic(tmp_path / "journal", 8 << 30, processors(tmp_path, busy=busy))).run()
    finally:
        recorder.close()
    return master.recorded


def test_where_processors_are_idle_a_burst_is_recorded_without_a_pause(store: Store, tmp_path: Path) -> None:
    assert recorded(store, tmp_path, busy=False)[0] == MANY


def test_where_all_are_busy_it_stands_back_after_its_first_step(store: Store, tmp_path: Path) -> None:
    waits = recorded(store, tmp_path, busy=True)

    assert 0 < waits[0] < MANY
    assert waits[:6] == [waits[0]] * 6


def test_dismissed_while_it_stands_back_it_records_the_rest(store: Store, tmp_path: Path) -> None:
    recorded(store, tmp_path, busy=True)

    assert tags(store) == [str(number) for number in range(1, MANY + 1)]

"""How many processors are idle is read where the system tells it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from playhead.proxy.recorders.processors import Processors

HUNDREDTHS = os.sysconf("SC_CLK_TCK")  # ticks of a second


def told(path: Path, idle: int, waiting: int = 0) -> Path:
    """What Linux tells of one of our processors, and of one that is not ours."""
    path.write_text(f"cpu  1 1 1 999999 9 0 0 0\ncpu{min(os.sched_getaffinity(0))} 10 0 10 {idle} {waiting} 0 0 0\ncpu9999 1 1 1 {idle * 7} 0\nintr 5 5\n")
    return path


def test_idle_and_waiting_time_of_our_processors_is_counted(tmp_path: Path) -> None:
    processors = Processors(told(tmp_path / "stat", 100), iter((0.0, 2.0)).__next__)
    told(tmp_path / "stat", 100 + HUNDREDTHS, HUNDREDTHS // 2)

    assert processors.idle() == 0.75


def test_of_too_short_a_time_nothing_is_known(tmp_path: Path) -> None:
    processors = Processors(told(tmp_path / "stat", 100), iter((0.0, 0.01, 1.0)).__next__)
    told(tmp_path / "stat", 100 + HUNDREDTHS)

    assert [processors.idle(), processors.idle()] == [None, 1.0]


def test_where_our_processors_are_not_named_nothing_is_known(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  1 1 1 100 0\ncpu9999 1 1 1 100 0\n")
    processors = Processors(stat, iter((0.0, 1.0)).__next__)

    assert processors.idle() is None


def test_where_the_system_does_not_tell_nothing_is_known(tmp_path: Path) -> None:
    processors = Processors(tmp_path / "missing", iter((0.0, 1.0)).__next__)

    assert processors.idle() is None


def test_of_this_machine_no_more_is_idle_than_it_has() -> None:
    processors = Processors()
    time.sleep(0.06)
    idle = processors.idle()

    assert idle is None or idle <= len(os.sched_getaffinity(0)) + 0.5

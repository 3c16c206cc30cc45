"""What a recorder sees of traffic: processors, the journal, the disk."""

from __future__ import annotations

import os
import time
from pathlib import Path

from playhead.proxy.recorders.traffic import Traffic

MIB = 1 << 20


def segment(directory: Path, number: int, size: int, age: float = 0.0) -> None:
    path = directory / f"w-{number:06d}.seg"
    path.write_bytes(bytes(size))
    then = time.time() - age
    os.utime(path, (then, then))


def test_the_segment_written_last_says_when_the_journal_was_written(tmp_path: Path) -> None:
    segment(tmp_path, 1, 10, age=5.0)
    segment(tmp_path, 2, 10, age=100.0)

    assert 5.0 <= Traffic(tmp_path, 8 << 30).look().written < 90.0


def test_a_journal_that_was_never_written_was_not_written_just_now(tmp_path: Path) -> None:
    assert Traffic(tmp_path, 8 << 30).look().written > 1e6


def test_there_is_room_while_the_journal_holds_little_of_its_limit(tmp_path: Path) -> None:
    segment(tmp_path, 1, MIB)

    assert [Traffic(tmp_path, limit).look().room for limit in (8 * MIB, 4 * MIB)] == [True, False]


def test_without_a_journal_there_is_nothing_to_see_and_no_error(tmp_path: Path) -> None:
    assert Traffic(tmp_path / "gone", 8 << 30).look().room

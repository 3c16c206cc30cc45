"""Segments are given up once what they held is on disk, and those that are damaged or cannot be read are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from playhead.config.errors import StoreError
from playhead.proxy.recorders.drained import Drained
from playhead.storage.journal import segment_path


def made(directory: Path, *numbers: int) -> list[Path]:
    paths = [segment_path(directory, "w", number) for number in numbers]
    for path in paths:
        path.write_bytes(b"frames")
    return paths


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def refuse() -> None:
    raise StoreError("the disk is full")


def test_segments_stay_until_what_they_held_is_on_disk(tmp_path: Path) -> None:
    drained = Drained(tmp_path, set(), reuse=False)
    paths, seen = made(tmp_path, 1, 2), list[list[str]]()
    drained.add("w", (1, 2))

    with pytest.raises(StoreError):
        drained.give_up(refuse)
    drained.give_up(lambda: seen.append(names(tmp_path)))

    assert seen == [[path.name for path in paths]]
    assert names(tmp_path) == []


def test_where_none_are_nothing_is_asked_of_the_store(tmp_path: Path) -> None:
    drained = Drained(tmp_path, set(), reuse=False)

    drained.give_up(refuse)

    assert not drained


def test_workers_that_live_write_over_them(tmp_path: Path) -> None:
    drained = Drained(tmp_path, set(), reuse=True)
    made(tmp_path, 1)
    drained.add("w", (1,))

    drained.give_up(lambda: None)

    assert names(tmp_path) == ["w-000001.free"]


def test_the_damaged_and_the_unreadable_are_kept_and_one_that_is_gone_is_no_harm(tmp_path: Path) -> None:
    damaged, unreadable = made(tmp_path, 1, 2)
    drained = Drained(tmp_path, {unreadable}, reuse=True)
    drained.add("w", range(1, 4))
    drained.damaged(damaged)

    drained.give_up(lambda: None)

    assert names(tmp_path) == ["w-000001.bad", "w-000002.seg"]

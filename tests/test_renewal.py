"""Segments that exist are given up by those who write and read them, or it is said that they are not."""

from __future__ import annotations

from pathlib import Path

from journals import writer
from playhead.proxy.recorders.renewal import given_up


def test_where_there_is_no_journal_there_is_nothing_to_give_up(tmp_path: Path) -> None:
    assert given_up(tmp_path / "none")


def test_what_is_drained_is_removed(tmp_path: Path) -> None:
    (tmp_path / "w-000001.free").write_bytes(b"what was recorded")

    assert given_up(tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_a_segment_that_nobody_gives_up_is_told_of(tmp_path: Path) -> None:
    journal = writer(tmp_path)  # of a worker that does not hear
    journal.append(1, 7, 0, b"one")
    journal.flush()

    assert not given_up(tmp_path, seconds=0.1)
    journal.close()


def test_a_segment_that_holds_nothing_need_not_be_given_up(tmp_path: Path) -> None:
    journal = writer(tmp_path)

    assert given_up(tmp_path, seconds=0)
    journal.close()

"""What is written at once stands where it would if it were collected and flushed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journals import Written, crowded, got, put, some, writer
from playhead.storage.journal import retire, segment_path

frames = st.tuples(st.integers(0, 255), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.binary(max_size=60))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "journal"
    path.mkdir()
    return path


@given(st.lists(st.tuples(frames, st.booleans()), max_size=20), st.integers(60, 600))
def test_what_is_written_at_once_stands_behind_what_was_collected(written: list[tuple[Written, bool]], segment_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        journal = writer(Path(place), segment_bytes=segment_bytes)
        for frame, at_once in written:
            if at_once:
                assert (journal.write(*frame), journal.waiting) == (True, 0)
            else:
                journal.append(*frame)
        journal.close()

        assert got(Path(place)) == [frame for frame, _ in written]


def test_more_frames_than_one_call_takes_can_end_with_one_that_is_written_at_once(directory: Path) -> None:
    journal = writer(directory)
    put(journal, *some(1))
    for frame in some(1500):
        journal.append(*frame)

    assert journal.write(5, 2, 0, b"last")
    assert got(directory) == [*some(1), *some(1500), (5, 2, 0, b"last")]
    journal.close()


def test_what_is_written_at_once_is_dropped_beyond_the_limit(directory: Path) -> None:
    journal = writer(directory, limit=1000)
    written = [journal.write(5, number, 0, bytes(200)) for number in range(1, 8)]

    assert written == [True] * 4 + [False] * 3
    assert journal.lost == {5, 6, 7}
    journal.close()


def test_it_is_written_when_there_is_room_again(directory: Path) -> None:
    journal = crowded(directory)
    full = journal.write(5, 1, 0, bytes(200))
    retire(directory, segment_path(directory, "other", 1), reuse=False)

    assert (full, journal.write(5, 2, 0, b"again"), journal.problem) == (False, True, None)
    assert got(directory) == [(5, 2, 0, b"again")]
    journal.close()


def test_writing_at_once_tells_of_frames_that_were_dropped_before(directory: Path) -> None:
    journal = writer(directory, limit=2000, segment_bytes=500)
    journal.append(5, 1, 0, bytes(5000))

    assert (journal.write(5, 2, 0, b"fits"), journal.lost, journal.problem) == (False, {1}, None)
    assert journal.write(5, 2, 0, b"more")
    assert got(directory) == [(5, 2, 0, b"fits"), (5, 2, 0, b"more")]
    journal.close()


def test_a_closed_journal_drops_what_is_written_at_once(directory: Path) -> None:
    journal = writer(directory)
    journal.write(5, 1, 0, b"x")
    journal.close()

    assert not journal.write(5, 1, 1, b"x")
    assert journal.lost == {1}

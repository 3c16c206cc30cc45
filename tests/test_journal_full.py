"""A journal that cannot be written drops frames, tells whose they were, and goes on later."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import strategies as st

from journals import Written, crowded, got, put, some, writer
from playhead.storage.journal import (
    MAGIC,
    retire,
    segment_path,
    segments,
)

frames = st.tuples(st.integers(0, 255), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.binary(max_size=60))
START, HEADER = len(MAGIC) + 8, 29


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "journal"
    path.mkdir()
    return path


def segment_of(written: list[Written]) -> bytes:
    """The bytes of a segment that holds them."""
    with tempfile.TemporaryDirectory() as place:
        journal = writer(Path(place))
        put(journal, *written)
        journal.close()
        return segment_path(Path(place), "w", 1).read_bytes()


def read_bytes(data: bytes) -> list[Written]:
    with tempfile.TemporaryDirectory() as place:
        segment_path(Path(place), "w", 1).write_bytes(data)
        return got(Path(place))


def test_beyond_its_limit_frames_are_dropped_and_their_exchanges_named(directory: Path) -> None:
    journal = writer(directory, limit=1000)
    put(journal, *some(4, size=200))
    journal.append(5, 8, 0, bytes(200))
    journal.append(5, 9, 0, bytes(200))

    assert not journal.flush()
    assert journal.lost == {8, 9}
    assert journal.problem == "the journal has reached its limit"
    assert got(directory) == some(4, size=200)
    journal.close()


def test_recording_goes_on_when_there_is_room_again(directory: Path) -> None:
    journal = crowded(directory)
    journal.append(5, 1, 0, bytes(200))
    full = journal.flush()
    retire(directory, segment_path(directory, "other", 1), reuse=False)
    journal.append(5, 2, 0, b"again")

    assert (full, journal.flush(), journal.problem) == (False, True, None)
    assert got(directory) == [(5, 2, 0, b"again")]
    journal.close()


@pytest.mark.parametrize("free", [0, 16 << 20])
def test_a_small_limit_holds_nothing_back_as_long_as_all_is_stored(directory: Path, free: int) -> None:
    (directory / "x-000001.free").write_bytes(bytes(free))
    journal = writer(directory, limit=1 << 20)
    for number in range(40):
        journal.append(5, number, 0, bytes(100_000))
        journal.flush()
        for segment in segments(directory)["w"][:-1]:
            retire(directory, segment_path(directory, "w", segment), reuse=True)

    assert journal.lost == set()
    journal.close()


def test_room_is_seen_though_nothing_is_written(directory: Path) -> None:
    journal = crowded(directory)
    journal.append(5, 1, 0, bytes(200))
    journal.flush()
    journal.look_again()
    full = journal.problem
    retire(directory, segment_path(directory, "other", 1), reuse=False)
    journal.look_again()

    assert (full, journal.problem) == ("the journal has reached its limit", None)
    journal.close()


def test_a_flush_tells_of_frames_that_were_dropped_before_it(directory: Path) -> None:
    journal = writer(directory, limit=2000, segment_bytes=500)
    journal.append(5, 1, 0, bytes(5000))
    journal.append(5, 2, 0, b"fits")  # begins a new segment: what was collected is written before, or not

    assert (journal.flush(), journal.lost, journal.problem) == (False, {1}, None)
    assert journal.flush()
    assert got(directory) == [(5, 2, 0, b"fits")]
    journal.close()


def test_a_closed_journal_drops_and_does_not_raise(directory: Path) -> None:
    journal = writer(directory)
    journal.close()
    journal.append(5, 1, 0, b"x")

    assert not journal.flush()
    assert journal.lost == {1}


def test_a_journal_whose_directory_is_gone_drops_and_does_not_raise(directory: Path) -> None:
    journal = writer(directory, segment_bytes=100)
    put(journal, *some(1))
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()
    for frame in some(5, size=60, number=3):
        journal.append(*frame)
    journal.flush()

    assert journal.problem is not None
    journal.close()


FULL = """
import resource, sys
from pathlib import Path
from playhead.storage.journal import JournalWriter, SegmentReader
directory, room = Path(sys.argv[1]), int(sys.argv[2])
journal = JournalWriter(directory, "w", limit=1 << 30)
reader = SegmentReader(directory, "w", 1)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
for number in range(1, 5):
    journal.append(5, number, 0, b"%d" % number * 100)
assert not journal.flush()
assert "cannot be written" in journal.problem, journal.problem
early = {frame.number for frame in reader.read()}
assert early | journal.lost == {1, 2, 3, 4} and not early & journal.lost, (early, journal.lost)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
journal.append(5, 5, 0, b"again")
assert journal.flush() and journal.problem is None
journal.close()
assert [frame.number for frame in reader.read()] == [5]
"""


@pytest.mark.parametrize("room", [27, 28, 100, 155, 156, 157, 285, 300, 542])
def test_on_a_full_disk_a_reader_and_the_writer_agree_on_what_was_written(directory: Path, room: int) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(directory), str(room)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


# The same where each frame is written at once, after one that went well.
FULL_AT_ONCE = FULL.replace("journal.append(5, number", "journal.write(5, number").replace("assert not journal.flush()\n", "")
FULL_AT_ONCE = FULL_AT_ONCE.replace("reader =", "assert journal.write(5, 6, 0, b'')\nreader =").replace("reader.read()}", "reader.read()} - {6}")


@pytest.mark.parametrize("room", [56, 57, 100, 184, 185, 186, 314, 330, 571])
def test_on_a_full_disk_they_agree_on_what_was_written_at_once(directory: Path, room: int) -> None:
    done = subprocess.run([sys.executable, "-c", FULL_AT_ONCE, str(directory), str(room)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")

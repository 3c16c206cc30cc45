"""Segments: what is written is read, and nothing else is, wherever they are torn, damaged, full or used again."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journals import Written, got, put, read_all, some, writer
from playhead.storage.journal import (
    FREE_SEGMENTS,
    MAGIC,
    SegmentReader,
    ask_renewal,
    remove_free,
    renewal_asked,
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


# Writing and reading.


@given(st.lists(st.lists(frames, max_size=8), max_size=6), st.integers(60, 600))
def test_what_is_written_is_read_whatever_the_size_of_segments(turns: list[list[Written]], segment_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        journal = writer(Path(place), segment_bytes=segment_bytes)
        for turn in turns:
            put(journal, *turn)
        journal.close()

        assert got(Path(place)) == [frame for turn in turns for frame in turn]


def test_nothing_is_written_before_the_flush(directory: Path) -> None:
    journal = writer(directory)
    journal.append(5, 1, 0, b"x")
    before = got(directory)
    journal.flush()

    assert (before, got(directory)) == ([], [(5, 1, 0, b"x")])
    journal.close()


def test_a_reader_goes_on_where_it_was(directory: Path) -> None:
    journal = writer(directory)
    put(journal, *some(2))
    reader = SegmentReader(directory, "w", 1)
    first, nothing = reader.read(), reader.read()
    put(journal, (6, 2, 9, b"more"))

    assert [frame.at for frame in first] == [0, 1]
    assert nothing == []
    assert [frame.payload for frame in reader.read()] == [b"more"]
    reader.close()
    journal.close()


def test_reading_can_begin_behind_any_frame(directory: Path) -> None:
    journal = writer(directory)
    put(journal, *some(4))
    journal.close()
    ends = [frame.end for frame in read_all(directory)]

    for place, end in enumerate(ends):
        reader = SegmentReader(directory, "w", 1, end)
        assert [frame.at for frame in reader.read()] == list(range(place + 1, 4))
        reader.close()


@pytest.mark.parametrize("size", [100_000, 131_072, 131_100, 3_000_000])
def test_a_frame_bigger_than_what_is_read_at_once_is_read_whole(directory: Path, size: int) -> None:
    journal = writer(directory)
    written = [(5, 1, 0, b"first"), (5, 1, 1, os.urandom(size)), (5, 1, 2, b"last")]
    put(journal, *written)
    journal.close()

    assert got(directory) == written


def test_reading_much_ends_where_the_file_does_even_on_the_border_of_a_page(directory: Path) -> None:
    journal, size = writer(directory), 1 << 20
    put(journal, (5, 1, 0, bytes(size - START - HEADER)))
    with closing(SegmentReader(directory, "w", 1)) as reader:
        assert [len(frame.payload) for frame in reader.read()] == [size - START - HEADER]
        assert (reader.offset, segment_path(directory, "w", 1).stat().st_size) == (size, size)
        assert reader.read() == []


def test_a_frame_bigger_than_a_segment_has_one_of_its_own(directory: Path) -> None:
    journal = writer(directory, segment_bytes=1000)
    written = [(5, 1, 0, b"first"), (5, 1, 1, bytes(5000)), (5, 1, 2, b"last")]
    put(journal, *written)
    journal.close()

    assert got(directory) == written
    assert segments(directory) == {"w": [1, 2, 3]}


def test_more_frames_than_one_call_takes_are_written_in_order(directory: Path) -> None:
    journal = writer(directory)
    put(journal, *some(1700))
    journal.close()

    assert got(directory) == some(1700)


@pytest.mark.parametrize("size", [60_000, 200_000])
def test_a_read_that_ended_before_what_is_there_says_so(directory: Path, size: int) -> None:
    with closing(writer(directory)) as journal, closing(SegmentReader(directory, "w", 1)) as reader:
        put(journal, *some(3, size))
        told = []
        while reader.read():
            told.append(reader.more)

    assert (told[0], reader.more) == (True, False)


def test_its_end_is_behind_the_last_frame_written(directory: Path) -> None:
    journal = writer(directory, segment_bytes=300)
    put(journal, *some(20))
    journal.close()
    last = segments(directory)["w"][-1]

    assert journal.end == (last, segment_path(directory, "w", last).stat().st_size)


def test_segments_are_listed_by_writer_in_order(directory: Path) -> None:
    for name in ("a-1", "b"):
        journal = writer(directory, name, segment_bytes=150)
        put(journal, *some(12))
        journal.close()
    (directory / "notes.txt").touch()

    assert segments(directory) == {"a-1": [1, 2, 3, 4], "b": [1, 2, 3, 4]}


def test_only_their_user_may_read_segments(directory: Path) -> None:
    writer(directory).close()

    assert stat.S_IMODE(segment_path(directory, "w", 1).stat().st_mode) == 0o600


def test_closing_writes_what_was_collected(directory: Path) -> None:
    journal = writer(directory)
    journal.append(5, 1, 0, b"x")
    journal.close()
    journal.close()

    assert got(directory) == [(5, 1, 0, b"x")]


def test_a_durable_journal_holds_the_same(directory: Path) -> None:
    journal = writer(directory, segment_bytes=200, durable=True)
    put(journal, *some(20))
    descriptor = journal.duplicate()
    os.fdatasync(descriptor)
    os.close(descriptor)
    journal.close()

    assert got(directory) == some(20)


# Torn and damaged.


@given(st.lists(frames, min_size=1, max_size=4))
def test_wherever_a_segment_is_cut_the_whole_frames_before_are_read(written: list[Written]) -> None:
    data = segment_of(written)
    ends = [START]
    for frame in written:
        ends.append(ends[-1] + HEADER + len(frame[3]))

    for cut in range(START, len(data) + 1):
        whole = sum(end <= cut for end in ends[1:])
        assert read_bytes(data[:cut]) == written[:whole]


def test_any_damaged_byte_ends_reading_before_its_frame() -> None:
    written = [(5, 1 << 40, 1 << 60, b"one"), (6, 2, 3, b""), (7, 2**64 - 1, 2**64 - 1, b"three")]
    data = segment_of(written)
    first, second = START + HEADER + 3, START + HEADER + 3 + HEADER

    for at in range(START, len(data)):
        broken = bytearray(data)
        broken[at] ^= 0x10
        sound = 0 if at < first else 1 if at < second else 2
        assert read_bytes(bytes(broken)) == written[:sound], at


def test_a_damaged_salt_makes_every_frame_unsound() -> None:
    data = bytearray(segment_of(some(2)))
    data[len(MAGIC)] ^= 1

    assert read_bytes(bytes(data)) == []


@pytest.mark.parametrize("data", [b"", MAGIC, b"x" * 100, b"\0" * 4096])
def test_a_file_that_does_not_begin_as_a_segment_is_none(directory: Path, data: bytes) -> None:
    segment_path(directory, "w", 1).write_bytes(data)

    with pytest.raises(ValueError, match="is no journal segment"):
        SegmentReader(directory, "w", 1)


def test_a_length_that_reaches_beyond_the_file_is_waited_for(directory: Path) -> None:
    data = segment_of(some(1, size=500))
    segment_path(directory, "w", 1).write_bytes(data[:100])
    reader = SegmentReader(directory, "w", 1)
    before = reader.read()
    segment_path(directory, "w", 1).write_bytes(data)

    assert (before, len(reader.read())) == ([], 1)
    reader.close()


# Segments used again.


@given(st.lists(frames, min_size=1, max_size=12), st.lists(frames, max_size=12))
def test_what_an_earlier_life_left_is_never_read(before: list[Written], after: list[Written]) -> None:
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        first = writer(directory, "a")
        put(first, *before)
        first.close()
        retire(directory, segment_path(directory, "a", 1), reuse=True)
        second = writer(directory, "b")
        reader = SegmentReader(directory, "b", 1)
        for frame in after:
            put(second, frame)
            assert [found[:4] for found in reader.read()] == [frame]
            assert reader.read() == []
        reader.close()
        second.close()

        assert list(directory.glob("*.free")) == []
        assert got(directory, "b") == after


def test_the_same_frames_in_a_used_segment_are_read_only_as_far_as_they_are_new(directory: Path) -> None:
    first = writer(directory, "a")
    put(first, *some(10))
    first.close()
    retire(directory, segment_path(directory, "a", 1), reuse=True)
    second = writer(directory, "b")
    put(second, *some(3))

    assert got(directory, "b") == some(3)
    second.close()


def test_an_old_segment_under_a_new_name_gives_nothing(directory: Path) -> None:
    journal = writer(directory, "a")
    put(journal, *some(3))
    journal.close()
    segment_path(directory, "a", 1).rename(segment_path(directory, "b", 1))

    assert got(directory, "b") == []


def test_only_a_few_drained_segments_are_kept(directory: Path) -> None:
    journal = writer(directory, segment_bytes=100)
    put(journal, *some(20))
    journal.close()
    count = len(segments(directory)["w"])
    for number in range(1, count + 1):
        retire(directory, segment_path(directory, "w", number), reuse=True)

    assert count > FREE_SEGMENTS
    assert (len(list(directory.glob("*.free"))), segments(directory)) == (FREE_SEGMENTS, {})


def test_a_segment_that_is_not_to_be_used_again_is_gone(directory: Path) -> None:
    writer(directory).close()
    retire(directory, segment_path(directory, "w", 1), reuse=False)

    assert list(directory.iterdir()) == []


def test_what_was_kept_for_use_can_be_removed(directory: Path) -> None:
    writer(directory).close()
    retire(directory, segment_path(directory, "w", 1), reuse=True)
    (directory / "v-000001.new").touch()  # a worker died here
    remove_free(directory, workers=False)

    assert list(directory.iterdir()) == []


# Locks.


def test_a_segment_is_abandoned_only_when_its_writer_has_left_it(directory: Path) -> None:
    journal = writer(directory)
    reader = SegmentReader(directory, "w", 1)
    before = reader.abandoned()
    journal.close()

    assert (before, reader.abandoned()) == (False, True)
    reader.close()


def test_a_writer_that_goes_on_in_a_new_segment_has_left_the_old_one(directory: Path) -> None:
    journal = writer(directory, segment_bytes=100)
    put(journal, *some(3))
    readers = [SegmentReader(directory, "w", number) for number in segments(directory)["w"]]

    assert [reader.abandoned() for reader in readers] == [True, True, False]
    for reader in readers:
        reader.close()
    journal.close()


def test_asking_does_not_take_the_lock(directory: Path) -> None:
    writer(directory).close()
    readers = [SegmentReader(directory, "w", 1) for _ in range(2)]

    assert [reader.abandoned() for reader in readers * 2] == [True] * 4
    for reader in readers:
        reader.close()
        reader.close()


def test_the_segment_of_a_killed_worker_is_abandoned(directory: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from playhead.storage.journal import JournalWriter
journal = JournalWriter(Path(sys.argv[1]), "w", limit=1 << 30)
journal.append(5, 1, 0, b"x")
journal.flush()
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", script, str(directory)], check=False)
    reader = SegmentReader(directory, "w", 1)

    assert reader.abandoned()
    assert [frame.payload for frame in reader.read()] == [b"x"]
    reader.close()


def test_a_journal_that_is_not_needed_begins_when_it_can(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    journal = writer(directory, needed=False)
    journal.append(1, 7, 0, b"lost")
    assert (journal.begun, journal.flush(), journal.lost, journal.problem) == (
        False,
        False,
        {7},
        "the journal cannot begin a new segment: No such file or directory",
    )

    directory.mkdir()
    journal.append(1, 8, 0, b"kept")

    assert (journal.begun, journal.flush(), journal.problem) == (True, True, None)
    journal.close()
    assert [frame.payload for frame in read_all(directory)] == [b"kept"]


def test_a_journal_that_is_needed_must_begin(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        writer(tmp_path / "none")


def test_a_journal_is_renewed_if_it_holds_anything(directory: Path) -> None:
    journal = writer(directory)
    journal.renew()
    assert [path.name for path in directory.glob("*.seg")] == ["w-000001.seg"]

    journal.append(1, 7, 0, b"one")
    journal.renew()
    journal.append(1, 8, 0, b"other")
    journal.close()

    assert sorted(path.name for path in directory.glob("*.seg")) == ["w-000001.seg", "w-000002.seg"]
    assert [frame.payload for frame in read_all(directory)] == [b"one", b"other"]


def test_a_renewal_that_is_asked_for_is_told_from_the_last_one(directory: Path) -> None:
    assert renewal_asked(directory) == 0
    ask_renewal(directory)

    assert renewal_asked(directory) > 0


def test_a_renewed_segment_holds_nothing_of_an_earlier_life(directory: Path) -> None:
    for name in ("x-000001.free", "x-000002.free"):
        (directory / name).write_bytes(bytes(100) + b"what was recorded")
    journal = writer(directory)  # in one of the two
    journal.renew()
    journal.append(1, 7, 0, b"one")
    journal.close()

    assert [path.name for path in sorted(directory.glob("*.seg")) if b"what was recorded" in path.read_bytes()] == ["w-000001.seg"]

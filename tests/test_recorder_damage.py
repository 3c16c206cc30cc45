"""A damaged place in the journal costs what stood there and nothing behind it, and is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from journals import drain, open_store, plain, tags, write, writer
from playhead.storage.journal import damaged, segments
from playhead.storage.store import Store


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "journal").mkdir()
    return tmp_path


@pytest.fixture
def journal_dir(place: Path) -> Path:
    return place / "journal"


@pytest.fixture
def store(place: Path) -> Iterator[Store]:
    with open_store(place) as opened:
        yield opened


def spoil(directory: Path, text: bytes) -> None:
    """Change one byte of the only segment, inside that text."""
    (segment,) = directory.glob("*.seg")
    raw = bytearray(segment.read_bytes())
    raw[raw.index(text) + 1] ^= 0x20
    segment.write_bytes(raw)


def six(directory: Path) -> None:
    journal = writer(directory)
    for number in range(1, 7):
        write(journal, number, plain(f"tag{number}"))
    journal.close()


def test_what_stands_behind_a_damaged_place_is_stored(store: Store, journal_dir: Path) -> None:
    six(journal_dir)
    spoil(journal_dir, b"tag3")
    drain(store, journal_dir)

    assert {"tag1", "tag2", "tag4", "tag5", "tag6"} <= set(tags(store))


def test_the_damaged_segment_is_kept_and_not_read_again(store: Store, journal_dir: Path) -> None:
    six(journal_dir)
    spoil(journal_dir, b"tag3")
    drain(store, journal_dir)

    assert len(damaged(journal_dir)) == 1
    assert segments(journal_dir) == {}


def test_an_exchange_that_was_open_at_a_damaged_place_is_not_taken_for_sound(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    frames = plain("first")
    write(journal, 1, frames[:3])
    write(journal, 2, plain("other"))
    write(journal, 1, frames[3:])
    journal.close()
    spoil(journal_dir, b"other")
    drain(store, journal_dir)
    (found,) = [one for one in store.exchanges("default") if one.outcome == "complete" and one.seq == 1]

    assert found.parse == "partial"


def test_a_torn_last_frame_is_no_damage(store: Store, journal_dir: Path) -> None:
    six(journal_dir)
    (segment,) = journal_dir.glob("*.seg")
    segment.write_bytes(segment.read_bytes()[:-3])
    drain(store, journal_dir)

    assert damaged(journal_dir) == []

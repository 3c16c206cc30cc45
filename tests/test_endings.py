"""Exchanges that have ended become part of the batch several at a time, each as if it were alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from journals import drain, open_store, plain, stream, tags, write, writer
from playhead.proxy.recording import Assembly
from playhead.storage.records import Recorded
from playhead.storage.store import Store

MANY = 80  # more than are taken at a time, twice


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "journal").mkdir()
    with open_store(tmp_path) as opened:
        yield opened


def journalled(tmp_path: Path) -> Path:
    """Many exchanges that have ended, streams among them."""
    journal = writer(tmp_path / "journal")
    for number in range(1, MANY + 1):
        write(journal, number, (stream if number % 2 else plain)(str(number)))
    journal.close()
    return tmp_path / "journal"


def unparsed(store: Store) -> list[str]:
    """The tags of those that were not looked at."""
    return [row.path.partition("?")[2] for row in store.exchanges("default") if row.parse == "unparsed"]


class Panic(BaseException):
    """As a library written in another language ends a process."""


class Breaks(Assembly):
    """Two of them break when they are looked at: one as its answer is read, one as its record is made."""

    error: type[BaseException] = RuntimeError

    def settle(self, *, halfway: bool = False) -> None:
        if self._parse and self.number == 7:
            raise self.error
        super().settle(halfway=halfway)

    def finish(self, *, aborted: bool = False) -> Recorded:
        if self._parse and self.number == 10:
            raise self.error
        return super().finish(aborted=aborted)


class Kills(Breaks):
    error = Panic


def test_all_of_them_are_stored_in_the_order_of_their_ends(store: Store, tmp_path: Path) -> None:
    drain(store, journalled(tmp_path))

    assert [row.path.partition("?")[2] for row in sorted(store.exchanges("default"), key=lambda row: row.id)] == [str(n) for n in range(1, MANY + 1)]


def test_one_that_breaks_does_not_concern_those_that_are_at_hand_with_it(store: Store, tmp_path: Path) -> None:
    drain(store, journalled(tmp_path), assembly=Breaks)

    assert unparsed(store) == ["7", "10"]


def test_nothing_of_those_at_hand_is_lost_or_doubled_when_one_breaks(store: Store, tmp_path: Path) -> None:
    drain(store, journalled(tmp_path), assembly=Breaks)

    assert tags(store) == [str(number) for number in range(1, MANY + 1)]


def test_the_one_that_kills_is_convicted_and_not_the_one_that_ended_last(store: Store, tmp_path: Path) -> None:
    directory = journalled(tmp_path)
    for _ in range(4):  # each kills twice
        with pytest.raises(Panic):
            drain(store, directory, assembly=Kills)
    drain(store, directory, assembly=Kills)

    assert unparsed(store) == ["7", "10"]

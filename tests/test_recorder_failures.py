"""What fails under the recorder costs no exchange: neither a parser that breaks, nor one that kills, nor a store that does not answer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from journals import EVENTS, drain, locked, open_store, plain, recording, stream, tags, write, writer
from playhead.config.errors import StoreError
from playhead.proxy.matching.request_memo import RequestMemo
from playhead.proxy.recorders.progress import read_progress
from playhead.proxy.recorders.tails import Limits
from playhead.proxy.recording import Assembly
from playhead.storage.journal import segments
from playhead.storage.records import Kind, Recorded, Spill
from playhead.storage.store import Store

ALWAYS = Limits(spill_seconds=-1.0)  # whatever is open is stored in part with every step


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "journal").mkdir()
    return tmp_path


@pytest.fixture
def journal_dir(place: Path) -> Path:
    return place / "journal"


@pytest.fixture
def store(place: Path) -> Iterator[Store]:
    with open_store(place, lock_timeout=0.05) as opened:
        yield opened


# What cannot be parsed.


class Fails(Assembly):
    """Fails at a place of its own when it parses."""

    place = "feed"

    def __init__(self, writer: str, number: int, *, parse: bool = True, memo: RequestMemo | None = None) -> None:
        super().__init__(writer, number, parse=parse, memo=memo)
        self.parses = parse

    def fail(self, place: str) -> None:
        if self.parses and place == self.place:
            raise RuntimeError("the parser is broken")

    def feed(self, kind: int, at: int, payload: bytes) -> None:
        super().feed(kind, at, payload)
        if kind == Kind.RESPONSE_DATA:
            self.fail("feed")

    def finish(self, *, aborted: bool = False) -> Recorded:
        self.fail("finish")
        return super().finish(aborted=aborted)

    def spill(self, *, final: bool, aborted: bool = False) -> Spill:
        self.fail("last spill" if final else "spill")
        return super().spill(final=final, aborted=aborted)

    def snapshot(self) -> dict[str, Any]:
        self.fail("snapshot")
        return super().snapshot()


class FailsAtTheEnd(Fails):
    place = "finish"


class FailsInPart(Fails):
    place = "spill"


class FailsAtTheLastPart(Fails):
    place = "last spill"


class FailsToBeKept(Fails):
    place = "snapshot"


class Panic(BaseException):
    """As a library written in another language ends a process."""


class Dies(Fails):
    def fail(self, place: str) -> None:
        if self.parses and place == "feed":
            raise Panic


def raw_of(store: Store) -> tuple[bytes, bytes]:
    row = next(store.exchanges("default"))
    raw = store.raw(row.id)
    return raw.request, raw.response


@pytest.mark.parametrize("assembly", [Fails, FailsAtTheEnd])
def test_what_breaks_the_parser_is_stored_as_it_came(store: Store, journal_dir: Path, assembly: type[Fails], caplog: pytest.LogCaptureFixture) -> None:
    journal = writer(journal_dir, segment_bytes=300)
    write(journal, 1, stream("a"))
    journal.close()
    drain(store, journal_dir, assembly=assembly)

    row = next(store.exchanges("default"))
    assert (row.parse, row.outcome, row.events) == ("unparsed", "complete", 0)
    assert raw_of(store) == (b'{"model":"m","stream":true}', b"".join(EVENTS))
    assert "writer w, number 1" in caplog.records[0].getMessage()


@pytest.mark.parametrize("assembly", [Fails, FailsInPart, FailsAtTheLastPart, FailsToBeKept])
def test_what_breaks_the_parser_when_stored_in_part_keeps_all_its_bytes(place: Path, store: Store, journal_dir: Path, assembly: type[Fails]) -> None:
    journal = writer(journal_dir, segment_bytes=300)
    for frame in stream("a"):
        write(journal, 1, [frame])
        drain(store, journal_dir, limits=ALWAYS, assembly=assembly)
    journal.close()
    drain(store, journal_dir, limits=ALWAYS, assembly=assembly)

    row = next(store.exchanges("default"))
    assert (row.parse, row.outcome) == ("unparsed", "complete")
    assert raw_of(store) == (b'{"model":"m","stream":true}', b"".join(EVENTS))
    assert list(store.verify()) == []


def test_what_could_not_be_parsed_is_not_parsed_after_a_restart(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    frames = stream("a")
    write(journal, 1, frames[:7])
    drain(store, journal_dir, limits=ALWAYS, assembly=Fails)
    write(journal, 1, frames[7:])
    journal.close()
    drain(store, journal_dir, limits=ALWAYS)

    assert next(store.exchanges("default")).parse == "unparsed"
    assert raw_of(store)[1] == b"".join(EVENTS)


def test_one_that_cannot_be_parsed_does_not_concern_the_others(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, plain("a")[:3])
    drain(store, journal_dir, assembly=Fails)
    write(journal, 1, [plain("a")[-1]])  # no data of an answer: nothing breaks
    write(journal, 2, plain("b"))
    journal.close()
    drain(store, journal_dir, assembly=Fails)

    assert {row.path[-1]: row.parse == "unparsed" for row in store.exchanges("default")} == {"a": False, "b": True}


def die(store: Store, directory: Path) -> None:
    with pytest.raises(Panic):
        drain(store, directory, assembly=Dies)


def test_what_kills_the_recorder_twice_is_stored_as_it_came(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, plain("before"))
    write(journal, 2, [frame for frame in plain("harmless") if frame[0] != Kind.RESPONSE_DATA])
    write(journal, 3, plain("after"))
    journal.close()
    die(store, journal_dir)
    die(store, journal_dir)  # at the first one; now it is known
    die(store, journal_dir)
    die(store, journal_dir)  # and at the other one
    drain(store, journal_dir, assembly=Dies)

    assert {row.path.partition("?")[2]: row.parse == "unparsed" for row in store.exchanges("default")} == {
        "before": True,
        "harmless": False,
        "after": True,
    }


def test_what_kills_the_recorder_once_is_parsed(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, plain("a"))
    journal.close()
    die(store, journal_dir)
    drain(store, journal_dir)

    assert next(store.exchanges("default")).parse == "parsed"


def test_what_kills_the_recorder_after_it_was_stored_in_part_is_convicted_too(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    frames = stream("a")
    write(journal, 1, frames[:4])
    drain(store, journal_dir, limits=ALWAYS)
    write(journal, 1, frames[4:])
    journal.close()
    die(store, journal_dir)
    die(store, journal_dir)
    drain(store, journal_dir, assembly=Dies)

    assert next(store.exchanges("default")).parse == "unparsed"
    assert raw_of(store)[1] == b"".join(EVENTS)


def test_a_store_that_fails_convicts_nobody(place: Path, store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, plain("a"))
    journal.close()
    with locked(place):
        for _ in range(3):
            with recording(store, journal_dir) as recorder, pytest.raises(StoreError):
                recorder.step()
    drain(store, journal_dir)

    assert next(store.exchanges("default")).parse == "parsed"


# A store that fails.


def test_with_a_locked_store_nothing_is_lost_and_it_goes_on_later(place: Path, store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir, segment_bytes=500)
    with recording(store, journal_dir) as recorder:
        with locked(place):
            for number in range(1, 5):
                write(journal, number, plain(str(number)))
                with contextlib.suppress(StoreError):
                    recorder.step()
            with pytest.raises(StoreError, match="locked"):
                recorder.step()
        journal.close()
        while recorder.step():
            pass

    assert tags(store) == list("1234")


def test_with_a_locked_store_no_segment_is_given_up(place: Path, store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir, segment_bytes=500)
    for number in range(1, 5):
        write(journal, number, plain(str(number)))
    journal.close()
    before = segments(journal_dir)
    with recording(store, journal_dir) as recorder, locked(place):
        for _ in range(9):
            with contextlib.suppress(StoreError):
                recorder.step()

    assert segments(journal_dir) == before


def test_with_a_locked_store_no_progress_is_published(place: Path, store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, plain("a"))
    with recording(store, journal_dir) as recorder, locked(place), pytest.raises(StoreError):
        recorder.step()

    assert read_progress(journal_dir) == {}
    journal.close()


def test_a_failure_in_the_midst_of_a_step_repeats_nothing(place: Path, store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    for number in range(1, 5):
        write(journal, number, plain(str(number)))
    journal.close()
    with recording(store, journal_dir, Limits(batch_bytes=1)) as recorder:
        with locked(place):
            for _ in range(3):
                with pytest.raises(StoreError):
                    recorder.step()
        while recorder.step():
            pass

        assert recorder.exchanges == 4
    assert tags(store) == list("1234")


class FailsOnce(Fails):
    """Fails at the end of one exchange."""

    place = "one"

    def finish(self, *, aborted: bool = False) -> Recorded:
        if self.parses and self.number == 70:
            raise RuntimeError("the parser is broken")
        return super().finish(aborted=aborted)


def test_of_many_that_end_together_one_that_fails_takes_its_place_among_the_others(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    for number in range(1, 151):
        write(journal, number, plain(str(number))[:-1])
    for number in range(150, 0, -1):
        write(journal, number, plain(str(number))[-1:])
    journal.close()
    recorder = drain(store, journal_dir, assembly=FailsOnce)

    rows = sorted(store.exchanges("default"), key=lambda row: row.id)
    assert [row.path for row in rows] == [f"/v1/responses?{number}" for number in range(150, 0, -1)]
    assert [row.path for row in rows if row.parse != "parsed"] == ["/v1/responses?70"]
    assert recorder.exchanges == 150

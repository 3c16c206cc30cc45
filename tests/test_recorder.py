"""The recorder: journals become exchanges in the store, in order, and segments go when nobody needs them."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from journals import ANSWER, EVENTS, drain, open_store, plain, recording, stream, tags, write, writer
from playhead.config.errors import StoreError
from playhead.proxy.fingerprint import stored_fingerprint
from playhead.proxy.recorders.progress import read_progress
from playhead.proxy.recorders.tails import Limits
from playhead.proxy.recording import Assembly
from playhead.storage.journal import segment_path, segments
from playhead.storage.records import Kind
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


def outcomes(store: Store) -> dict[str, str | None]:
    rows = (row for session in store.sessions() for row in store.exchanges(session.session))
    return {row.path.partition("?")[2]: row.outcome for row in rows}


# Undisturbed.


def test_an_exchange_is_stored_when_it_has_ended(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    frames = plain("a")
    with recording(store, journal_dir) as recorder:
        write(journal, 1, frames[:-1])
        recorder.step()
        before = store.sessions()
        write(journal, 1, frames[-1:])
        recorder.step()

    assert before == []
    row = next(store.exchanges("default"))
    assert (row.status, row.outcome, row.response_id, row.parse, row.seq) == (200, "complete", "resp_1", "parsed", 1)
    assert store.raw(row.id).response == ANSWER
    journal.close()


def test_an_exchange_is_stored_with_its_fingerprint(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    for number, frames in enumerate((plain("a"), stream("b"), plain("a")), 1):
        write(journal, number, frames)
    journal.close()
    drain(store, journal_dir)
    rows = list(store.replay_index("default"))

    assert [row.asks for row in rows] == ["http", "sse", "http"]
    assert rows[0].digest == rows[2].digest != rows[1].digest
    assert list(store.verify(stored_fingerprint)) == []


def test_an_exchange_stored_in_parts_has_its_fingerprint_if_its_request_came_at_once(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    with recording(store, journal_dir, limits=ALWAYS) as recorder:
        for at, frame in enumerate(stream("a")):
            write(journal, 1, [frame])
            if at > 2:
                recorder.step()
    journal.close()
    drain(store, journal_dir)

    assert [row.asks for row in store.replay_index("default")] == ["sse"]
    assert list(store.verify(stored_fingerprint)) == []


def test_a_stream_is_stored_with_its_events(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, stream("a"))
    journal.close()
    drain(store, journal_dir)

    row = next(store.exchanges("default"))
    assert [event.type for event in store.events(row.id)] == ["response.created", "response.output_text.delta", "response.completed"]
    assert store.raw(row.id).response == b"".join(EVENTS)


def test_exchanges_over_many_segments_are_stored(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir, segment_bytes=400)
    for number in range(1, 8):
        write(journal, number, stream(str(number)))
    journal.close()
    drain(store, journal_dir)

    assert tags(store) == list("1234567")


def test_a_step_tells_whether_there_was_anything(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    with recording(store, journal_dir) as recorder:
        empty = recorder.step()
        write(journal, 1, plain("a"))

        assert (empty, recorder.step(), recorder.step()) == (False, True, False)
    journal.close()


def test_open_exchanges_are_counted(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, plain("a")[:-1])
    write(journal, 2, plain("b"))
    with recording(store, journal_dir) as recorder:
        recorder.step()

        assert (recorder.open_exchanges, recorder.exchanges, recorder.commits) == (1, 1, 1)
    journal.close()


def test_a_recorder_is_idle_only_when_all_writers_are_gone_and_stored(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, plain("a"))
    with recording(store, journal_dir) as recorder:
        while recorder.step():
            pass
        living = recorder.idle
        journal.close()
        while recorder.step():
            pass

        assert (living, recorder.idle) == (False, True)


def test_an_exchange_of_which_only_the_end_was_journalled_is_not_stored(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, plain("a")[2:])
    journal.close()
    drain(store, journal_dir)

    assert store.sessions() == []


def test_lost_frames_are_told_of(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    frames = plain("a")
    write(journal, 1, [*frames[:3], (Kind.END, 9, json.dumps({"outcome": "complete", "lost": True}).encode())])
    journal.close()
    drain(store, journal_dir)

    row = next(store.exchanges("default"))
    assert row.parse != "parsed"
    assert row.outcome == "complete"


def test_how_far_everything_is_stored_is_published(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, plain("a"))
    with recording(store, journal_dir) as recorder:
        recorder.step()

        assert read_progress(journal_dir) == {"w": (1, segment_path(journal_dir, "w", 1).stat().st_size)}
    journal.close()


# Dead writers.


def test_what_a_dead_worker_left_open_is_aborted(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, plain("whole"))
    write(journal, 2, plain("cut")[:-2])
    journal.close()
    drain(store, journal_dir)

    assert outcomes(store) == {"whole": "complete", "cut": "aborted"}


def test_an_aborted_exchange_has_all_that_had_arrived(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, plain("cut")[:-2])
    journal.close()
    drain(store, journal_dir)

    row = next(store.exchanges("default"))
    assert store.raw(row.id).response == ANSWER[:20]


def test_nothing_of_a_living_worker_is_aborted(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, plain("a")[:-1])
    drain(store, journal_dir)

    assert store.sessions() == []
    journal.close()


def test_a_torn_end_of_a_dead_worker_is_no_obstacle(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, plain("whole"))
    write(journal, 2, plain("torn"))
    journal.close()
    path = segment_path(journal_dir, "w", 1)
    path.write_bytes(path.read_bytes()[:-1])
    drain(store, journal_dir)

    assert outcomes(store) == {"whole": "complete", "torn": "aborted"}


# Segments.


def test_segments_of_a_dead_worker_are_removed_once_they_are_stored(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir, segment_bytes=400)
    for number in range(1, 5):
        write(journal, number, plain(str(number)))
    journal.close()
    drain(store, journal_dir)

    assert segments(journal_dir) == {}


def test_segments_behind_the_oldest_open_exchange_are_given_up_while_the_worker_lives(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir, segment_bytes=400)
    for number in range(1, 5):
        write(journal, number, plain(str(number)))
    count = len(segments(journal_dir)["w"])
    drain(store, journal_dir)

    assert segments(journal_dir)["w"] == [count]
    journal.close()


def test_segments_of_an_open_exchange_stay(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir, segment_bytes=400)
    write(journal, 1, plain("open")[:1])
    for number in range(2, 6):
        write(journal, number, plain(str(number)))
    before = segments(journal_dir)
    drain(store, journal_dir)

    assert segments(journal_dir) == before
    journal.close()


def test_an_open_exchange_that_the_journal_has_left_far_behind_does_not_hold_its_segments(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir, segment_bytes=1500)
    write(journal, 1, plain("open")[:1])
    for number in range(2, 9):
        write(journal, number, plain(str(number)))
    count = len(segments(journal_dir)["w"])
    drain(store, journal_dir, limits=Limits(spill_segments=3))

    assert (segments(journal_dir)["w"][0], count > 3) == (count, True)
    journal.close()


@pytest.mark.parametrize(("limit", "count"), [(1 << 20, 3), (64 << 20, 3), (1 << 30, 32), (8 << 30, 256)])
def test_what_is_open_may_hold_half_of_the_journal(limit: int, count: int) -> None:
    assert Limits.within(limit).spill_segments == count


def test_an_exchange_stored_in_part_does_not_hold_its_segments(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir, segment_bytes=400)
    write(journal, 1, plain("open")[:1])
    for number in range(2, 6):
        write(journal, number, plain(str(number)))
    count = len(segments(journal_dir)["w"])
    drain(store, journal_dir, limits=ALWAYS)

    assert segments(journal_dir)["w"][0] >= count - 1
    journal.close()


def test_drained_segments_are_kept_for_living_workers(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir, segment_bytes=400)
    write(journal, 1, plain("a"))
    with recording(store, journal_dir, reuse=True) as recorder:
        while recorder.step():
            pass
        kept = len(list(journal_dir.glob("*.free")))
        write(journal, 2, plain("b"))
        while recorder.step():
            pass

    assert kept > 0
    assert tags(store) == ["a", "b"]
    journal.close()


def test_a_segment_stays_until_what_it_held_is_on_disk(place: Path, store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, plain("a"))
    log, aside = place / "store.db-wal", place / "aside"
    with recording(store, journal_dir) as recorder:
        recorder.step()  # stored; with the next step the worker is found to be gone
        journal.close()
        log.rename(aside)
        log.symlink_to(log.name)  # leads nowhere: what it stands for cannot be brought to disk
        with pytest.raises(StoreError, match="could not be written to disk"):
            recorder.step()
        waiting = segments(journal_dir), recorder.idle
        aside.replace(log)
        while recorder.step():
            pass

    assert waiting == ({"w": [1]}, False)
    assert segments(journal_dir) == {}
    assert tags(store) == ["a"]


@pytest.mark.parametrize("rubbish", [b"", b"rubbish" * 20])
def test_a_segment_that_is_none_is_passed_over_and_stays(store: Store, journal_dir: Path, rubbish: bytes, caplog: pytest.LogCaptureFixture) -> None:
    journal = writer(journal_dir, segment_bytes=400)
    for number in range(1, 7):
        write(journal, number, plain(str(number)))
    journal.close()
    assert len(segments(journal_dir)["w"]) > 5
    segment_path(journal_dir, "w", 3).write_bytes(rubbish)
    drain(store, journal_dir)

    found = tags(store)
    assert (found[0], found[-1]) == ("1", "6")
    assert segments(journal_dir) == {"w": [3]}
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_first_segment_that_is_none_is_complained_about_once(store: Store, journal_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    segment_path(journal_dir, "w", 1).write_bytes(b"rubbish")
    with recording(store, journal_dir) as recorder:
        for _ in range(3):
            recorder.step()

        assert recorder.idle
    assert len(caplog.records) == 1


def test_segments_left_over_from_before_the_position_are_removed(store: Store, journal_dir: Path, place: Path) -> None:
    journal = writer(journal_dir, segment_bytes=400)
    write(journal, 1, plain("a"))
    old = place / "old"
    shutil.copytree(journal_dir, old)
    drain(store, journal_dir)
    for path in old.glob("*.seg"):  # as if the process had died before it removed them
        if not (journal_dir / path.name).exists():
            shutil.copy(path, journal_dir)
    write(journal, 2, plain("b"))
    drain(store, journal_dir)

    assert len(segments(journal_dir)["w"]) == 1
    assert tags(store) == ["a", "b"]
    journal.close()


# Places in the session.


def test_exchanges_are_in_the_order_of_their_requests_not_of_their_ends(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    first, second = plain("first"), plain("second")
    write(journal, 1, first[:2])
    write(journal, 2, second)
    write(journal, 1, first[2:])
    journal.close()
    drain(store, journal_dir)

    assert tags(store) == ["first", "second"]


def test_exchanges_of_several_workers_are_in_the_order_of_their_beginnings(store: Store, journal_dir: Path) -> None:
    journals = [writer(journal_dir, name) for name in ("a", "b", "c")]
    for place in range(9):
        write(journals[place * 2 % 3], place + 1, plain(str(place), started_at=1000 + place))
    for journal in journals:
        journal.close()
    drain(store, journal_dir)

    assert tags(store) == [str(place) for place in range(9)]


def test_an_open_exchange_keeps_its_place_over_a_restart(store: Store, journal_dir: Path, place: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, plain("first")[:2])
    write(journal, 2, plain("second"))
    drain(store, journal_dir)
    with open_store(place) as another:
        write(journal, 3, plain("third"))
        write(journal, 1, plain("first")[2:])
        drain(another, journal_dir)

    assert [(row.seq, row.path[-6:]) for row in store.exchanges("default")][:2] == [(1, "?first"), (2, "second")]
    assert tags(store)[-1] == "third"
    journal.close()


def test_what_workers_write_and_leave_while_the_recorder_is_busy_is_in_the_same_order(store: Store, journal_dir: Path) -> None:
    journals = [writer(journal_dir, name) for name in ("a", "b", "c")]
    left = list(range(1, 9))

    class Busy(Assembly):
        def feed(self, kind: int, at: int, payload: bytes) -> None:
            for place in left:
                write(journals[place * 2 % 3], place + 1, plain(str(place), started_at=1000 + place))
            if left:
                for journal in journals:
                    journal.close()
            left.clear()
            super().feed(kind, at, payload)

    write(journals[0], 1, plain("0", started_at=1000))
    drain(store, journal_dir, assembly=Busy)

    assert tags(store) == [str(place) for place in range(9)]


def test_a_worker_that_is_read_in_parts_keeps_its_places_among_the_others(store: Store, journal_dir: Path) -> None:
    journals = [writer(journal_dir, name) for name in ("a", "b")]
    for place in range(30):
        write(journals[place % 2], place + 1, plain(str(place), size=(300_000, 0)[place % 2], started_at=1000 + place))
    for journal in journals:
        journal.close()
    drain(store, journal_dir)

    assert tags(store) == [str(place) for place in range(30)]


def test_each_session_counts_for_itself(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    for number, session in enumerate(["s", "t", "s", "t"], 1):
        write(journal, number, plain(str(number), session=session))
    journal.close()
    drain(store, journal_dir)

    assert [[row.seq for row in store.exchanges(session)] for session in ("s", "t")] == [[1, 2], [1, 2]]

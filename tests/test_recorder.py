"""The recorder: journals become exchanges in the store, each exactly once, whatever dies when."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journalled import Frames, http, opening
from journals import ANSWER, EVENTS, content, drain, locked, open_store, plain, stream, tags, undisturbed, write, writer
from playhead.config.errors import StoreError
from playhead.proxy.progress import read_progress
from playhead.proxy.recorder import Limits, Recorder
from playhead.proxy.recording import Assembly
from playhead.storage.journal import segment_path, segments
from playhead.storage.records import Kind, Recorded, Spill
from playhead.storage.store import Store

ALWAYS = Limits(spill_seconds=-1.0)  # whatever is open is stored in part with every step
BIG = Limits(spill_bytes=300)
_SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]


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


@contextlib.contextmanager
def recording(store: Store, directory: Path, limits: Limits | None = None, **options: Any) -> Iterator[Recorder]:
    recorder = Recorder(store, directory, limits=limits or Limits(), **options)
    try:
        yield recorder
    finally:
        recorder.close()


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
    journal.close()
    log, aside = place / "store.db-wal", place / "aside"
    with recording(store, journal_dir) as recorder:
        recorder.step()  # stored; with the next step the worker is found to be gone
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


def test_each_session_counts_for_itself(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    for number, session in enumerate(["s", "t", "s", "t"], 1):
        write(journal, number, plain(str(number), session=session))
    journal.close()
    drain(store, journal_dir)

    assert [[row.seq for row in store.exchanges(session)] for session in ("s", "t")] == [[1, 2], [1, 2]]


# Exactly once.


def test_reading_everything_again_stores_nothing_twice(store: Store, journal_dir: Path, place: Path) -> None:
    journal = writer(journal_dir, segment_bytes=500)
    for number in range(1, 6):
        write(journal, number, (plain, stream)[number % 2](str(number)))
    write(journal, 6, stream("cut")[:-2])
    journal.close()
    shutil.copytree(journal_dir, place / "again")
    drain(store, journal_dir)
    before = content(store)
    drain(store, place / "again")

    assert content(store) == before


def test_after_every_frame_a_restart_changes_nothing(place: Path) -> None:
    script = [(1, frame) for frame in plain("a")[:3]] + [(2, frame) for frame in stream("b")] + [(1, frame) for frame in plain("a")[3:]]
    script += [(3, frame) for frame in stream("c")[:-3]]
    wanted = undisturbed(place / "wanted", [("w", script)])
    with open_store(place) as store:
        journal = writer(place / "journal", segment_bytes=700)
        for number, frame in script:
            write(journal, number, [frame])
            drain(store, place / "journal")
        journal.close()
        drain(store, place / "journal")

        assert content(store) == wanted


def test_after_every_frame_a_restart_of_an_exchange_stored_in_part_changes_nothing(place: Path) -> None:
    script = [(1, frame) for frame in stream("a")[:5]] + [(2, frame) for frame in plain("b")] + [(1, frame) for frame in stream("a")[5:]]
    script += [(3, frame) for frame in stream("c")[:-3]]
    wanted = undisturbed(place / "wanted", [("w", script)])
    with open_store(place) as store:
        journal = writer(place / "journal", segment_bytes=700)
        for number, frame in script:
            write(journal, number, [frame])
            drain(store, place / "journal", limits=ALWAYS)
        journal.close()
        drain(store, place / "journal", limits=ALWAYS)

        assert content(store) == wanted


exchanges = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["plain", "stream", "big"]), st.integers(0, 9)), min_size=1, max_size=6)
doings = st.lists(st.one_of(st.integers(0, 5), st.sampled_from(["step", "step", "restart", "reopen", "locked", "die"])), max_size=60)
limits = st.builds(Limits, st.sampled_from([30, 300, 1 << 20]), st.sampled_from([-1.0, 1e9]), st.sampled_from([1, 200, 1 << 20]))


class Disturbed:
    """Workers that write the frames of their exchanges in any interleaving, and a recorder to which things happen."""

    def __init__(self, place: Path, wanted: list[tuple[str, str, int]], options: Limits, segment_bytes: int) -> None:
        self.place, self.options = place, options
        self.directory = place / "journal"
        self.directory.mkdir()
        kinds: dict[str, Callable[[str], Frames]] = {"plain": plain, "stream": stream, "big": partial(plain, size=700)}
        self.scripts: dict[str, list[tuple[int, Any]]] = {"a": [], "b": []}
        self.left: list[tuple[str, int, Frames]] = []
        for number, (name, kind, cut) in enumerate(wanted, 1):
            frames = kinds[kind](f"{name}{number}")
            self.left.append((name, number, frames[: len(frames) - cut] if cut < 3 else frames))
        self.dead: set[str] = set()
        self.clock = 0
        self.journals = {name: writer(self.directory, name, segment_bytes=segment_bytes) for name in "ab"}
        self.store = open_store(place, lock_timeout=0.01)
        self.recorder = Recorder(self.store, self.directory, limits=options)

    def do(self, what: int | str) -> None:
        if isinstance(what, int):
            self.write(what % len(self.left))
        elif what == "step":
            self.recorder.step()
        elif what == "locked":
            with locked(self.place), contextlib.suppress(StoreError):
                self.recorder.step()
        elif what == "die":
            self.journals["a"].close()
            self.dead.add("a")
        else:
            self.restart(reopen=what == "reopen")

    def write(self, which: int) -> None:
        name, number, frames = self.left[which]
        if frames and name not in self.dead:
            frame = frames.pop(0)
            if frame[0] == Kind.OPEN:
                self.clock += 1
                frame = opening(path=f"/v1/responses?{name}{number}", started_at=self.clock)
            write(self.journals[name], number, [frame])
            self.scripts[name].append((number, frame))

    def restart(self, *, reopen: bool = False) -> None:
        self.recorder.close()
        if reopen:
            self.store.close()
            self.store = open_store(self.place, lock_timeout=0.01)
        self.recorder = Recorder(self.store, self.directory, limits=self.options)

    def end(self) -> None:
        for which in range(len(self.left)):
            for _ in self.left[which][2][:]:
                self.write(which)
        for journal in self.journals.values():
            journal.close()
        while self.recorder.step():
            pass

    def close(self) -> None:
        self.recorder.close()
        self.store.close()


@settings(max_examples=40, suppress_health_check=_SLOW)
@given(exchanges, doings, limits, st.sampled_from([200, 900, 1 << 20]))
def test_whatever_happens_in_between_the_store_holds_the_same(wanted: list[tuple[str, str, int]], done: list[int | str], options: Limits, size: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        disturbed = Disturbed(Path(directory), wanted, options, size)
        try:
            for what in done:
                disturbed.do(what)
            disturbed.end()

            assert content(disturbed.store) == undisturbed(Path(directory) / "wanted", list(disturbed.scripts.items()))
            assert disturbed.recorder.idle
            assert segments(disturbed.directory) == {}
            for name, script in disturbed.scripts.items():
                opened = [f"{name}{number}" for number, frame in script if frame[0] == Kind.OPEN]
                assert [tag for tag in (tags(disturbed.store) if opened else []) if tag[0] == name] == opened
        finally:
            disturbed.close()


# Stored in part.


def test_a_big_exchange_is_stored_before_its_end(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, plain("big", size=1000)[:-1])
    with recording(store, journal_dir, BIG) as recorder:
        recorder.step()
        row = next(store.exchanges("default"))
        assert (row.outcome, row.request_bytes) == (None, 1024)

        write(journal, 1, [plain("big")[-1]])
        recorder.step()
    assert outcomes(store) == {"big": "complete"}
    journal.close()


def test_a_long_exchange_is_stored_before_its_end(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, stream("long")[:7])
    drain(store, journal_dir, limits=ALWAYS)

    row = next(store.exchanges("default"))
    assert (row.outcome, row.events) == (None, 2)
    journal.close()


def test_a_restart_in_the_midst_of_a_big_answer_loses_nothing(place: Path) -> None:
    body = b'{"id":"resp_9","object":"response","status":"completed","output":"' + b"y" * 5000 + b'"}'
    frames = http(b'{"model":"m"}', [body[at : at + 500] for at in range(0, len(body), 500)], path="/v1/responses?big")
    wanted = undisturbed(place / "wanted", [("w", [(1, frame) for frame in frames])])
    with open_store(place) as store:
        journal = writer(place / "journal", segment_bytes=1500)
        for start in range(0, len(frames), 3):
            write(journal, 1, frames[start : start + 3])
            drain(store, place / "journal", limits=BIG)
        journal.close()
        drain(store, place / "journal", limits=BIG)

        assert content(store) == wanted


def test_what_was_stored_in_part_of_a_dead_worker_is_aborted(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, stream("long")[:6])
    drain(store, journal_dir, limits=ALWAYS)
    journal.close()
    drain(store, journal_dir)

    assert outcomes(store) == {"long": "aborted"}


def test_a_place_behind_what_was_stored_in_part_is_read_again(place: Path) -> None:
    # One exchange stored in part early (1), one late (2), and between them the beginning of one that is still open (3): a restart that stores
    # something before it has read up to the late place must not go on from there.
    one, two, three, four = (stream(tag) for tag in "1234")
    script = [(1, frame) for frame in one[:4]], [(2, frame) for frame in two[:2]], [(4, frame) for frame in four], [(3, frame) for frame in three[:3]]
    rest = [(2, frame) for frame in two[2:5]]
    last = [*((1, frame) for frame in one[4:]), *((2, frame) for frame in two[5:]), *((3, frame) for frame in three[3:])]
    wanted = undisturbed(place / "wanted", [("w", [frame for part in (*script, rest, last) for frame in part])])
    with open_store(place, lock_timeout=0.01) as store:
        journal = writer(place / "journal", segment_bytes=800)
        for part in (*script, rest):
            for number, frame in part:
                write(journal, number, [frame])
            drain(store, place / "journal", limits=Limits(spill_bytes=400, batch_bytes=1))
        for _ in range(20):
            with recording(store, place / "journal", Limits(spill_bytes=400, batch_bytes=1)) as recorder:
                recorder.step()
        for number, frame in last:
            write(journal, number, [frame])
        journal.close()
        drain(store, place / "journal")

        assert content(store) == wanted


# What cannot be parsed.


class Fails(Assembly):
    """Fails at a place of its own when it parses."""

    place = "feed"

    def __init__(self, writer: str, number: int, *, parse: bool = True) -> None:
        super().__init__(writer, number, parse=parse)
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

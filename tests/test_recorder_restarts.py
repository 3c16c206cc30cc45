"""The recorder stores each exchange exactly once, whole or in parts, whatever dies when."""

from __future__ import annotations

import contextlib
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
from journals import content, drain, locked, open_store, plain, recording, stream, tags, undisturbed, write, writer
from playhead.config.errors import StoreError
from playhead.proxy.recorder import Recorder
from playhead.proxy.recorders.tails import Limits
from playhead.storage.journal import segments
from playhead.storage.records import Kind
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


def outcomes(store: Store) -> dict[str, str | None]:
    rows = (row for session in store.sessions() for row in store.exchanges(session.session))
    return {row.path.partition("?")[2]: row.outcome for row in rows}


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


def test_what_lies_before_the_part_that_was_stored_of_another_one_is_not_passed_over(place: Path) -> None:
    # Three exchanges, each frame in a segment of its own: `early` is stored in part at its beginning, `late` far behind that. A restart that stores
    # the third one, and dies before it has read up to where `late` goes on, must not go on from there.
    early, late, whole = stream("early"), plain("late", size=700), plain("whole")
    first = [(1, early[0])]
    then = [(2, late[0]), *((3, frame) for frame in whole), *((1, frame) for frame in early[1:6]), (2, late[1])]
    last = [*((1, frame) for frame in early[6:]), *((2, frame) for frame in late[2:])]
    wanted = undisturbed(place / "wanted", [("w", [*first, *then, *last])])
    with open_store(place) as store:
        journal, journal_dir = writer(place / "journal", segment_bytes=1), place / "journal"
        for script, limits in ((first, ALWAYS), (then, Limits(spill_bytes=600))):
            for number, frame in script:
                write(journal, number, [frame])
            drain(store, journal_dir, limits=limits)
        for steps in range(1, 15):
            with recording(store, journal_dir) as recorder:
                for _ in range(steps):
                    recorder.step()
        for number, frame in last:
            write(journal, number, [frame])
        journal.close()
        drain(store, journal_dir)

        assert content(store) == wanted

"""The journal ends what it has begun, though there is no room; or else it would stay open there."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from journals import read_all, writer
from playhead.proxy.notes import bundle, end
from playhead.proxy.tapes.tape import Tape
from playhead.storage.journal import Kind

LIMIT = 100
LOSSY = json.loads(end("complete", lost=True))


def ending(lost: bool) -> bytes:
    return end("complete", lost=lost)


def begun(directory: Path, *, strict: bool = False) -> Tape:
    """A tape on which exchange 1 has begun."""
    tape = Tape(writer(directory, limit=LIMIT), strict=strict)
    tape.record(Kind.BEGIN, 1, 0, b"asked")
    assert tape.flush_now() is None
    return tape


def frames(directory: Path) -> list[tuple[int, int]]:
    return [(frame.kind, frame.number) for frame in read_all(directory)]


def ends(directory: Path) -> list[tuple[int, int, Any]]:
    return [(frame.number, frame.at, json.loads(frame.payload)) for frame in read_all(directory) if frame.kind == Kind.END]


async def turns(done: Callable[[], object]) -> None:
    """Let the event loop turn until something is so."""
    while not done():
        await asyncio.sleep(0.001)


def filled(directory: Path, limit: int = LIMIT) -> Path:
    """Another writer's segment takes all the room."""
    path = directory / "other-000001.seg"
    path.write_bytes(bytes(limit))
    return path


@contextlib.contextmanager
def no_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Nothing can be written; gives a list that grows with each try."""
    tries: list[int] = []

    def refuse(fd: int, buffers: object, offset: int) -> int:
        tries.append(offset)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", refuse)
        yield tries


async def test_what_the_journal_has_begun_ends_there_though_there_is_no_room(tmp_path: Path) -> None:
    tape = begun(tmp_path)
    filled(tmp_path)
    tape.close(1, 2, Kind.END, ending)

    assert tape.flush_now() == "the journal has reached its limit"
    assert ends(tmp_path) == [(1, 2, {"outcome": "complete", "lost": True})]
    assert tape.dropped == 1
    tape.shut()


async def test_what_lost_frames_before_ends_there_too(tmp_path: Path) -> None:
    tape = begun(tmp_path)
    filled(tmp_path)
    tape.record(5, 1, 1, b"answered")
    tape.flush_now()
    tape.close(1, 2, Kind.END, ending)
    tape.flush_now()

    assert ends(tmp_path) == [(1, 2, LOSSY)]
    assert tape.dropped == 1
    tape.shut()


async def test_of_an_answer_in_one_frame_that_is_dropped_the_end_is_left(tmp_path: Path) -> None:
    tape = begun(tmp_path)
    filled(tmp_path)
    tape.close(1, 2, Kind.FINISH, lambda lost: bundle(b"HTTP/1.1 200 OK", end("complete", redacted=True, lost=lost), b"answer"))
    tape.flush_now()

    assert ends(tmp_path) == [(1, 2, {**LOSSY, "redacted": True})]
    tape.shut()


async def test_what_the_journal_has_not_begun_has_no_end_there(tmp_path: Path) -> None:
    tape = Tape(writer(tmp_path, limit=1000), strict=False)
    full = filled(tmp_path, 1000)
    tape.record(Kind.BEGIN, 1, 0, b"asked")
    tape.close(1, 2, Kind.END, ending)
    tape.record(Kind.OPEN, 2, 0, b"asked")
    tape.flush_now()
    full.unlink()
    tape.close(2, 2, Kind.END, ending)
    tape.flush_now()

    assert (frames(tmp_path), tape.dropped) == ([], 2)
    tape.shut()


async def test_an_end_that_cannot_be_written_is_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playhead.proxy.tapes.tape._AGAIN", 0.001)
    tape = Tape(writer(tmp_path), strict=False)
    for number in range(1, 201):
        tape.record(Kind.BEGIN, number, 0, b"asked")
    tape.flush_now()
    with no_disk(monkeypatch) as tries:
        for number in range(1, 201):
            tape.close(number, 2, Kind.END, ending)
        tape.flush_now()
        await turns(lambda: len(tries) > 3)
    await turns(lambda: len(ends(tmp_path)) >= 200)

    assert sorted(number for number, _, _ in ends(tmp_path)) == list(range(1, 201))
    assert (tape.dropped, tape.journal and tape.journal.lost) == (200, set())
    tape.shut()


async def test_an_end_that_could_not_be_written_is_written_when_the_tape_is_shut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tape = Tape(writer(tmp_path), strict=False)
    tape.record(Kind.BEGIN, 1, 0, b"asked")
    tape.flush_now()
    with no_disk(monkeypatch):
        tape.close(1, 2, Kind.END, ending)
        tape.flush_now()
    tape.shut()

    assert [number for number, _, _ in ends(tmp_path)] == [1]


async def test_beyond_the_limit_nothing_is_written_but_ends(tmp_path: Path) -> None:
    tape = begun(tmp_path)
    filled(tmp_path)
    tape.close(1, 2, Kind.END, ending)
    tape.record(Kind.BEGIN, 2, 0, b"asked")
    tape.flush_now()
    tape.record(Kind.BEGIN, 3, 0, b"asked")
    tape.flush_now()

    assert frames(tmp_path) == [(Kind.BEGIN, 1), (Kind.END, 1)]
    tape.shut()


async def test_strict_nothing_is_written_beyond_the_limit(tmp_path: Path) -> None:
    tape = begun(tmp_path, strict=True)
    filled(tmp_path)
    tape.close(1, 2, Kind.END, ending)
    tape.flush_now()

    assert (frames(tmp_path), tape.dropped) == ([(Kind.BEGIN, 1)], 1)
    tape.shut()
    await asyncio.sleep(0)

"""Journals as workers write them, recorders that read them, and what they made of it: for the tests of both."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from journalled import COMPLETE, Frames, chunked, http, opening, sse
from playhead.proxy.recorder import Recorder
from playhead.proxy.recorders.tails import Limits
from playhead.proxy.recording import Assembly
from playhead.storage.journal import JournalFrame, JournalWriter, SegmentReader, segments
from playhead.storage.store import Store

LIMIT = 1 << 30
ANSWER = b'{"id":"resp_1","object":"response","status":"completed","model":"m-1","usage":{"input_tokens":1}}'
EVENTS = [
    b'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1"}}\n\n',
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":1,"delta":"x"}\n\n',
    b'event: response.completed\ndata: {"type":"response.completed","sequence_number":2,"response":' + ANSWER + b"}\n\n",
]


Written = tuple[int, int, int, bytes]
"""A frame: kind, number, at, payload."""


def writer(directory: Path, name: str = "w", **options: Any) -> JournalWriter:
    return JournalWriter(directory, name, **{"limit": LIMIT, **options})


def write(journal: JournalWriter, number: int, frames: Iterable[tuple[int, int, bytes]]) -> None:
    for kind, at, payload in frames:
        journal.append(kind, number, at, payload)
    assert journal.flush()


def read_all(directory: Path, name: str = "w") -> list[JournalFrame]:
    """All frames of a writer, over all its segments."""
    found: list[JournalFrame] = []
    for segment in segments(directory).get(name, []):
        reader = SegmentReader(directory, name, segment)
        while frames := reader.read():
            found += frames
        reader.close()
    return found


def put(journal: JournalWriter, *written: Written) -> None:
    """Write frames."""
    for frame in written:
        journal.append(*frame)
    assert journal.flush()


def some(count: int, size: int = 10, number: int = 1) -> list[Written]:
    """So many frames, each with its number as text."""
    return [(5, number, at, b"%0*d" % (size, at)) for at in range(count)]


def crowded(directory: Path) -> JournalWriter:
    """A journal with no room left: another one, which has ended, takes all that its limit allows."""
    other = writer(directory, "other")
    put(other, *some(10, size=100))
    other.close()
    return writer(directory, limit=1000)


def got(directory: Path, name: str = "w") -> list[Written]:
    """All frames of a writer, as `put` takes them."""
    return [(frame.kind, frame.number, frame.at, frame.payload) for frame in read_all(directory, name)]


def plain(tag: str, *, size: int = 0, **meta: Any) -> Frames:
    """An exchange with a JSON answer; `tag` is in its path, `size`: bytes of its request."""
    frames = http(b'{"model":"m","input":"%s"}' % (b"x" * size), [ANSWER[:20], ANSWER[20:]], path=f"/v1/responses?{tag}")
    frames[0] = opening(path=f"/v1/responses?{tag}", **meta)
    return frames


def stream(tag: str, *, end: Any = COMPLETE, **meta: Any) -> Frames:
    """An exchange with a stream of events, cut where it hurts."""
    raw = b"".join(chunked(EVENTS))
    frames = sse([raw[:50], raw[50:61], raw[61:300], raw[300:]], path=f"/v1/responses?{tag}", end=end)
    frames[0] = opening(path=f"/v1/responses?{tag}", **meta)
    return frames


@cache
def _empty_store() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "store.db"
        Store.open(f"sqlite:///{path}", create=True).close()
        return path.read_bytes()


def open_store(directory: Path, *, lock_timeout: float = 5.0) -> Store:
    """The store in a directory, which is made if needed."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "store.db"
    if not path.exists():
        path.write_bytes(_empty_store())
    return Store.open(f"sqlite:///{path}", create=True, lock_timeout=lock_timeout)


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Another program keeps the store from being written."""
    connection = sqlite3.connect(directory / "store.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()


@contextlib.contextmanager
def recording(store: Store, directory: Path, limits: Limits | None = None, **options: Any) -> Iterator[Recorder]:
    """A recorder, closed at the end as if it had died."""
    recorder = Recorder(store, directory, limits=limits or Limits(), **options)
    try:
        yield recorder
    finally:
        recorder.close()


def drain(store: Store, directory: Path, *, limits: Limits | None = None, assembly: type[Assembly] = Assembly) -> Recorder:
    """Record everything; the recorder is closed."""
    recorder = Recorder(store, directory, limits=limits or Limits(), assembly=assembly)
    try:
        while recorder.step():
            pass
    finally:
        recorder.close()
    return recorder


def content(store: Store) -> dict[str, Any]:
    """What is stored, by the path of each exchange, without what depends on the order of storing."""
    found: dict[str, Any] = {}
    for session in store.sessions():
        for row in store.exchanges(session.session):
            assert row.path not in found, "an exchange is there twice"
            known = row.model_dump(exclude={"id", "seq", "connection"})
            found[row.path] = (known, store.raw(row.id), list(store.event_rows(row.id)))
    problems = [problem.problem for problem in store.verify()] + [text for _, text in store.check_chains().problems()]
    assert not problems, problems
    return found


def tags(store: Store, session: str = "default") -> list[str]:
    """What `plain` and `stream` were called with, by seq."""
    return [row.path.partition("?")[2] for row in store.exchanges(session)]


def undisturbed(directory: Path, scripts: Sequence[tuple[str, Sequence[tuple[int, tuple[int, int, bytes]]]]]) -> dict[str, Any]:
    """What one recorder makes of these frames (writer; number and frame) when nothing happens to it."""
    if directory.exists():
        shutil.rmtree(directory)
    journal_dir = directory / "journal"
    journal_dir.mkdir(parents=True)
    for name, script in scripts:
        journal = writer(journal_dir, name)
        for number, frame in script:
            write(journal, number, [frame])
        journal.close()
    with open_store(directory) as store:
        drain(store, journal_dir)
        return content(store)

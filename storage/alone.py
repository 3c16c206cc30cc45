"""Work on a store that only one process does at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import text

from .engine import Database
from .tables import APPLICATION_ID

_REPRICING = APPLICATION_ID + 1  # PostgreSQL: another lock than that of the tables


@contextlib.contextmanager
def alone(database: Database) -> Iterator[bool]:
    """Whether nobody else is at it; nobody else can be until it ends. Raises StoreError."""
    with _file(database.path.parent) if database.path is not None else _session(database) as free:
        yield free


@contextlib.contextmanager
def _file(directory: Path) -> Iterator[bool]:
    """The directory itself is locked: no file is left, and SQLite's own locks are not touched."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        yield False
        return
    try:
        yield True
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _session(database: Database) -> Iterator[bool]:
    with database.autocommit() as connection:
        free = bool(connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _REPRICING}).scalar())
        try:
            yield free
        finally:
            if free:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _REPRICING})

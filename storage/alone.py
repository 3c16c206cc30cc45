"""Work on a store that only one process does at a time, by whatever name it has opened it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import text

from playhead.config.errors import StoreError

from .engine import Database
from .tables import APPLICATION_ID

_REPRICING = APPLICATION_ID + 1  # PostgreSQL: another lock than that of the tables
_BYTE = 1 << 62  # of the file: where nothing is, neither of its content nor of SQLite's own locks
_FLOCK = "hhqqi4x"  # fcntl.h: type, whence, start, length, process
_TAKEN = (errno.EAGAIN, errno.EACCES)


@contextlib.contextmanager
def alone(database: Database) -> Iterator[bool]:
    """Whether nobody else is at it; nobody else can be until it ends. Raises StoreError."""
    with _file(database.path) if database.path is not None else _session(database) as free:
        yield free


@contextlib.contextmanager
def _file(path: Path) -> Iterator[bool]:
    """A byte of the file is locked, which has one whatever links lead to it; where the system or its file system has no such locks, its directory is.

    The descriptor stays open until the process ends: closing it would drop the locks that SQLite has on the file.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise StoreError(f"The store {path} cannot be locked: {error.strerror}.") from None
    free = _locked(descriptor, fcntl.F_WRLCK)
    if free is None:
        with _directory(path.resolve().parent) as free:
            yield free
        return
    try:
        yield free
    finally:
        if free:
            _locked(descriptor, fcntl.F_UNLCK)


def _locked(descriptor: int, kind: int) -> bool | None:
    """Whether the lock is that now; None: there are no locks of this kind, which belong to the open file and not to the process."""
    if not hasattr(fcntl, "F_OFD_SETLK"):
        return None
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, kind, os.SEEK_SET, _BYTE, 1, 0))
    except OSError as error:
        return False if error.errno in _TAKEN else None
    return True


@contextlib.contextmanager
def _directory(directory: Path) -> Iterator[bool]:
    """No file is left, and SQLite's own locks are not touched."""
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

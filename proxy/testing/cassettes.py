"""Cassettes on their way into a store of their own, and out of one into their file."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sqlite3
from pathlib import Path

from playhead.config.errors import StoreError
from playhead.config.settings import Settings
from playhead.storage.store import Store


class Stores:
    """Makes stores for one test each, below one directory. The first one takes as long as a store does; the others are copies of it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._empty = directory / "empty.db"
        self._made = 0

    def place(self) -> Path:
        """A new directory, in which there is a store with nothing in it."""
        if not self._empty.exists():
            Store.open(_url(self._empty), create=True).close()
        self._made += 1
        place = self._directory / str(self._made)
        place.mkdir(mode=0o700)
        shutil.copyfile(self._empty, place / "store.db")
        return place

    def holding(self, cassette: Path, session: str, place: Path) -> Store:
        """The store of that place, in which the session is what the cassette holds. Raises StoreError: it is damaged, or cannot be read."""
        shutil.copyfile(cassette, place / "store.db")
        with contextlib.closing(sqlite3.connect(place / "store.db")) as plain, plain:
            plain.execute("PRAGMA foreign_keys = OFF")
            for (table,) in plain.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                if "session" in [row[1] for row in plain.execute(f"PRAGMA table_info({table})")]:
                    plain.execute(f"UPDATE {table} SET session = ?", (session,))
        return Store.open(_url(place / "store.db"))


def add(cassette: Path, session: str, settings: Settings) -> None:
    """Put what a cassette holds into the store of a server, as that session. Raises StoreError."""
    raise NotImplementedError


def content(settings: Settings, session: str, name: str) -> bytes | None:
    """What is recorded of a session in the store of a server, as a cassette that calls it by that name; None: nothing is. Raises StoreError."""
    with Store.open(settings.store_url) as store:
        if not store.takes(session):
            return None
    with contextlib.closing(sqlite3.connect(settings.data / "store.db")) as plain, contextlib.closing(sqlite3.connect(settings.data / "x.db")) as other:
        plain.backup(other)
    with Store.open(f"sqlite:///{settings.data / 'x.db'}") as store:
        for one in store.sessions():
            if one.session != session:
                store.delete_session(one.session)
    with contextlib.closing(sqlite3.connect(settings.data / "x.db")) as plain:
        return plain.serialize()


def replace(path: Path, content: bytes) -> bool:
    """Write a cassette, at once or not at all, unless it is the same already. Raises StoreError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        if path.exists() and path.read_bytes() == content:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        raise StoreError(f"The cassette {path} cannot be written: {error.strerror}.") from None
    finally:
        draft.unlink(missing_ok=True)
    return True


def _url(path: Path) -> str:
    return f"sqlite:///{path}"

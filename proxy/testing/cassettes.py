"""Cassettes on their way into stores, and out of them into their files."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from playhead.config.errors import StoreError
from playhead.storage.cassettes import Cassette
from playhead.storage.store import Store

from ..formats.cassette import read, write


class Stores:
    """Makes stores for one test each, below one directory: copies of the first one, which takes the longest."""

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

    @staticmethod
    def holding(cassette: Path, session: str, place: Path) -> Store:
        """The store of that place, in which the session is what the cassette holds. Raises StoreError: it is damaged, or cannot be read."""
        held = loaded(cassette)
        store = Store.open(_url(place / "store.db"))
        try:
            store.import_cassette(held, session)
        except BaseException:
            store.close()
            raise
        return store


def loaded(path: Path) -> Cassette:
    """What a cassette holds. Raises StoreError: it is damaged, or cannot be read."""
    try:
        return read(path.read_bytes(), str(path))
    except OSError as error:
        raise StoreError(f"The cassette {path} cannot be read: {error.strerror}.") from None


def add(cassette: Path, session: str, store_url: str) -> None:
    """Put what a cassette holds into a store, as that session. Raises StoreError."""
    held = loaded(cassette)
    with Store.open(store_url) as store:
        store.import_cassette(held, session)


def content(store_url: str, session: str, name: str) -> bytes | None:
    """What is recorded of a session, as a cassette that calls it by that name; None: nothing is. Raises StoreError."""
    with Store.open(store_url) as store:
        if not store.takes(session):
            return None
        cassette, _ = store.export_cassette(session)
    cassette.session = name
    return b"".join(write(cassette))


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

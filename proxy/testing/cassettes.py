"""Cassettes on their way into stores, and out of them into their files."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import event

from playhead.config.errors import StoreError
from playhead.config.rules import Rule, rules_of
from playhead.storage.engine import Database, open_database
from playhead.storage.store import Store

from ..cassette_files import load, read_file, text_of


class Stores:
    """Stores for one test each, below one directory. One that a test has done with serves another one: what takes long is not the file, of which
    there is a new one each time, but what the database library learns about its statements."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._empty = directory / "empty.db"
        self._free: list[Database] = []
        self._made = 0

    def holding(self, cassette: Path, session: str) -> tuple[Store, Database]:
        """A store in which the session is what the cassette holds; when it has been closed, `release` the other. Raises StoreError: it is damaged, ..."""
        held = read_file(cassette)
        database = self._taken()
        store = Store(database)
        try:
            load(store, held, session)
        except BaseException:
            store.close()
            self.release(database)
            raise
        return store, database

    def _taken(self) -> Database:
        """A database with an empty store in it."""
        if not self._empty.exists():
            Store.open(_url(self._empty), create=True).close()
            with contextlib.closing(sqlite3.connect(self._empty)) as plain:
                plain.execute("PRAGMA journal_mode = DELETE")
        if not self._free:
            self._made += 1
            path = self._directory / f"{self._made}.db"
            shutil.copyfile(self._empty, path)
            return _careless(open_database(_url(path), create=False, durability="relaxed", lock_timeout=5.0))
        database = self._free.pop()
        assert database.path is not None
        database.engine.dispose()  # a thread that came too late may have left a connection to the file that is gone
        _remove(database.path)
        shutil.copyfile(self._empty, database.path)
        return database

    def release(self, database: Database) -> None:
        """Nobody uses it any more."""
        self._free.append(database)


def _careless(database: Database) -> Database:
    """Nothing in it outlives the process: what keeps a database from harm when the machine dies costs more than all the rest."""

    @event.listens_for(database.engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in ("synchronous = OFF", "journal_mode = MEMORY"):
            connection.execute(f"PRAGMA {pragma}")

    database.engine.dispose()
    return database


def _remove(path: Path) -> None:
    """A closed database, with what stands beside it: a connection that is still somewhere open keeps what it had."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


class Known(NamedTuple):
    """What stays of a cassette that is recorded: its rules, which are of the program under test, not of what it was answered; and the name of its session."""

    rules: tuple[Rule, ...] = ()
    session: str | None = None


def add(cassette: Path, session: str, store_url: str, rules: Sequence[str]) -> Known:
    """Put what a cassette holds into a store, as that session, on top of whose rules these are to hold.

    Raises StoreError: it is damaged, or cannot be read.
    """
    held = read_file(cassette)
    with Store.open(store_url) as store:
        load(store, held, session)
        own = tuple(store.match_rules(session))
        if rules:
            store.set_match_rules(session, (*own, *rules_of(rules)))
    return Known(own, held.session)


def known_of(cassette: Path) -> Known:
    """Of a cassette that is recorded again; nothing of one that cannot be read."""
    try:
        held = read_file(cassette)
    except StoreError:
        return Known()
    return Known(rules_of(held.rules), held.session)


def content(store_url: str, session: str, name: str, *, allow: Sequence[str], rules: Sequence[Rule]) -> bytes | None:
    """What is recorded of a session, as a cassette that calls it by that name and has these rules; None: nothing is.

    Raises StoreError: it would hold what looks like a secret, somewhere else than at the paths where that is allowed; ...; ConfigError.
    """
    with Store.open(store_url) as store:
        if not store.takes(session):
            return None
        if tuple(store.match_rules(session)) != tuple(rules):
            store.set_match_rules(session, rules)
        return text_of(store, session, "all", allow=allow, name=name, typed=False)[0]


def _url(path: Path) -> str:
    return f"sqlite:///{path}"

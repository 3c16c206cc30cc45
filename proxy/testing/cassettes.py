"""Cassettes on their way into stores, and out of them into their files."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from playhead.config.errors import StoreError
from playhead.config.rules import Rule, rules_of
from playhead.storage.carrying.cassette_store import CassetteStore
from playhead.storage.carrying.cassettes import Cassette
from playhead.storage.store import Store

from ..cassettes.cassette_databases import CassetteDatabase, make_empty
from ..cassettes.cassette_files import bytes_of, cassette_of, load, read_file, text_of
from ..formats.cassette_prints import with_fingerprints

_ROOM = 32 << 20  # bytes of cassettes that are kept
_OVERHEAD = 8192  # bytes that an exchange takes beside its bodies, roughly


class Stores:
    """Stores for one test each, whose files are below one directory. A database that a test has done with serves another one: what takes long is not the
    file, of which there is a new one each time, but what the database library learns about its statements."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._empty = directory / "empty.db"
        self._free: list[CassetteDatabase] = []
        self._made = 0
        self._read = _Read()

    def holding(self, cassette: Path, session: str) -> tuple[CassetteStore, Callable[[], None]]:
        """A store in which the session is what the cassette holds; and what to call when it has been closed. Raises StoreError: it is damaged, ..."""
        held = self._read(cassette)
        if not self._free:
            self._made += 1
            self._free.append(CassetteDatabase(self._directory / f"{self._made}.db", self._new))
        database = self._free.pop()
        return database.holding(held, session), partial(self._free.append, database)

    def _new(self, path: Path) -> None:
        """Make an empty store there."""
        if not self._empty.exists():
            make_empty(self._empty)
            with contextlib.closing(sqlite3.connect(self._empty)) as plain:
                plain.execute("PRAGMA journal_mode = DELETE")
        shutil.copyfile(self._empty, path)


class _Kept(NamedTuple):
    """A cassette that was read. `size`: bytes of memory, roughly."""

    data: bytes
    cassette: Cassette
    size: int


class _Read:
    """Reads cassettes, and keeps those that were read last: several tests may have the same."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Path, _Kept] = OrderedDict()
        self._room = _ROOM

    def __call__(self, path: Path) -> Cassette:
        """What the file holds now, which nobody changes. Raises StoreError: it is damaged, or cannot be read."""
        data = bytes_of(path)
        known = self._kept.pop(path, None)
        self._room += known.size if known is not None else 0
        if known is None or known.data != data:
            cassette = with_fingerprints(cassette_of(data, path))
            known = _Kept(data, cassette, len(data) + sum(len(r.raw.request) + len(r.raw.response) + _OVERHEAD for r in cassette.exchanges))
        self._kept[path] = known
        self._room -= known.size
        while self._room < 0 and self._kept:
            self._room += self._kept.popitem(last=False)[1].size
        return known.cassette


class Known(NamedTuple):
    """What stays of a cassette that is recorded: its rules, which are of the program under test, not of what it was answered; and the name of its session."""

    rules: tuple[Rule, ...] = ()
    session: str | None = None


def add(cassette: Path, session: str, store: Store, rules: Sequence[str]) -> Known:
    """Put what a cassette holds into a store, as that session, on top of whose rules these are to hold.

    Raises StoreError: it is damaged, or cannot be read.
    """
    held = read_file(cassette)
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


def content(store: Store, session: str, name: str, *, allow: Sequence[str], rules: Sequence[Rule]) -> bytes | None:
    """What is recorded of a session, as a cassette that calls it by that name and has these rules; None: nothing is.

    Raises StoreError: it would hold what looks like a secret, somewhere else than at the paths where that is allowed; ...; ConfigError.
    """
    if not store.takes(session):
        return None
    if tuple(store.match_rules(session)) != tuple(rules):
        store.set_match_rules(session, rules)
    return text_of(store, session, "all", allow=allow, name=name, typed=False)[0]

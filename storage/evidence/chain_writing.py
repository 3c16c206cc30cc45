"""Appends entries to chains, within the transaction of the changes that they are about.

Whoever changes what is recorded opens a `ChainWriter` by `chained` inside its transaction, says what it is about to change (`changing`), what is new
(`made`) or gone (`gone`); at the end the rows are read as they are then, and entered.
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table

from ..rows import Inserter, insert_new, marks, run
from .chain_rows import OWNERS, SHARED, RowReader, Wanted
from .chain_tables import chain_entry_rows, chains
from .chained import (
    SALT,
    Entry,
    EntryKind,
    ExchangeRows,
    Subject,
    digest_of,
    entry_id,
    exchange_parts,
    first_head,
    key_of,
    next_head,
    rows_text,
    split_id,
    subject_of,
)
from .chained import rows_of as shared_rows_of

_AT_ONCE = 100  # subjects that are read together
_SALTS = 32  # that are drawn together
_COLUMNS = "chain, seq, id, kind, at, salt, digest, rows"


@contextlib.contextmanager
def chained(connection: Connection, kind: EntryKind) -> Iterator[ChainWriter]:
    """For commands: the entries are appended when the block ends, to the chain of the commands of this host."""
    writer = ChainWriter(connection, commands(), kind)
    yield writer
    writer.append()


def commands() -> str:
    """The name of the chain of the commands of this host."""
    return f"commands {platform.node()}"


def recorder_at(journal: Path) -> str:
    """The name of the chain of the recorder that reads the journal there: one host may have several. It does not tell where that is."""
    return f"recorder {platform.node()} {sha256(str(journal.resolve()).encode()).hexdigest()[:8]}"


class _Made(NamedTuple):
    """An entry that has no place in a chain yet."""

    key: int
    number: int
    kind: int
    salt: bytes | None
    digest: bytes | None
    rows: str | None = None


# Three times as quick as calling them.
_made = partial(tuple.__new__, _Made)
_entry = partial(tuple.__new__, Entry)


class ChainWriter:
    """The entries of one transaction. `name`: of the chain; `kind`: of the entries that are not of another one. `now`: seconds since 1970."""

    def __init__(self, connection: Connection, name: str, kind: EntryKind, now: Callable[[], float] = time.time) -> None:
        self._connection, self._name, self._kind, self._now = connection, name, kind, now
        self._known: dict[int, tuple[bytes, bytes]] = {}  # salts and digests of what is new and whole, by key
        self._touched: dict[int, EntryKind] = {}
        self._new: set[int] = set()  # keys of which there cannot be entries
        self._gone: dict[int, EntryKind] = {}
        self._doubted: dict[int, bytes] = {}
        self._shared: dict[str, list[int]] = {}
        self._remade: dict[int, dict[str, list[int]]] = {}
        self._salts: list[bytes] = []  # that nothing was made with yet
        self._followed: list[int] = []  # ids of entries whose salts are to go

    # What happens to the rows.

    def recorded(self, exchange: int, rows: ExchangeRows) -> None:
        """A new exchange that is whole, with the rows that it has now: unless they change before the end they need not be read again."""
        key = key_of(Subject.EXCHANGE, exchange)
        if key not in self._touched:
            salt = self._salt()
            self._known[key] = salt, digest_of(salt, exchange_parts(rows))

    def _salt(self) -> bytes:
        if not self._salts:  # many at once: each would be a call of the system
            drawn = os.urandom(_SALTS * SALT)
            self._salts += [drawn[start : start + SALT] for start in range(0, len(drawn), SALT)]
        return self._salts.pop()

    def made(self, subject: Subject, ids: Iterable[int]) -> None:
        """These are new."""
        for id_ in ids:
            self._new.add(key_of(subject, id_))
            self._touched[key_of(subject, id_)] = self._kind

    def changing(self, subject: Subject, ids: Iterable[int], kind: EntryKind | None = None) -> None:
        """These are about to change, and nobody else changes them until the end.

        Such as are not what their last entry says, or have none, are doubted for as long as they are there: what others did is not made good by it.
        """
        listed = sorted(set(ids))
        wanted = [id_ for id_ in listed if key_of(subject, id_) not in self._touched and key_of(subject, id_) not in self._known]
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            among = Wanted.among(self._connection, part)
            if self._connection.dialect.name != "sqlite":  # where one writes at a time
                table = OWNERS[subject].name
                self._connection.exec_driver_sql(f"SELECT id FROM {table} WHERE {among.condition.format('id')} ORDER BY id FOR UPDATE", among.parameters)
            self._compare(subject, part, among)
        self.changed(subject, listed, kind)

    def _compare(self, subject: Subject, ids: Sequence[int], among: Wanted) -> None:
        last = last_entries(self._connection, [key_of(subject, id_) for id_ in ids])
        for one in RowReader(self._connection).read(subject, among):
            entry = last.get(key := key_of(subject, one.id))
            begun = entry is not None and entry.kind == EntryKind.BEGUN
            salt = entry.salt if entry is not None and entry.salt is not None else os.urandom(SALT)
            found = digest_of(salt, [one.begun] if begun else one.parts)
            if entry is None or entry.digest != found or begun != one.open:
                self._doubted[key] = found

    def changed(self, subject: Subject, ids: Iterable[int], kind: EntryKind | None = None) -> None:
        """These are not what they were; what they were before is not compared."""
        for id_ in ids:
            key = key_of(subject, id_)
            if self._known.pop(key, None) is not None:
                self._new.add(key)
            self._touched[key] = self._kind if key in self._new or kind is None else kind

    def gone(self, subject: Subject, ids: Iterable[int], kind: EntryKind | None = None) -> None:
        """These are deleted."""
        for id_ in ids:
            self._gone[key_of(subject, id_)] = self._kind if kind is None else kind

    def deciding(self, sessions: Iterable[str], kind: EntryKind | None = None) -> None:
        """What was decided about these sessions is about to change; those that are not there have no entries."""
        names = sorted(set(sessions))
        marks = ", ".join(["{}"] * len(names))
        found = run(self._connection, f"SELECT id FROM sessions WHERE session IN ({marks})", names) if names else []
        self.changing(Subject.SESSION, [id_ for (id_,) in found], kind)

    def share(self, table: Table, id_: int) -> None:
        """A new row that others will refer to."""
        self._shared.setdefault(table.name, []).append(id_)

    def unshare(self, table: Table, ids: Iterable[int]) -> None:
        """Rows that others referred to are gone: the entries about them are made anew, without them."""
        lost = set(ids)
        for entry in shared_entries(self._connection) if lost else ():
            rows = self._remade.get(entry.key) or shared_rows_of(entry.rows)
            if lost & set(rows.get(table.name, ())):
                self._remade[entry.key] = {**rows, table.name: [id_ for id_ in rows[table.name] if id_ not in lost]}

    def reshare(self, table: Table, ids: Iterable[int]) -> None:
        """Rows that others refer to are about to change: the entries about them are made anew.

        An entry that does not say what they are now stays: what others did is not made good by it.
        """
        wanted, reader = set(ids), RowReader(self._connection)
        for entry in shared_entries(self._connection) if wanted else ():
            rows = shared_rows_of(entry.rows)
            ours = entry.key not in self._remade and not wanted.isdisjoint(rows.get(table.name, ()))
            if ours and digest_of(entry.salt or b"", [reader.shared(rows)[0]]) == entry.digest:
                self._remade[entry.key] = rows

    # The end.

    def append(self, insert: Callable[[Table, list[Any]], None] | None = None) -> None:
        """Enter everything; nothing of it may change after this in the transaction. `insert`: puts rows, given as in `Inserter`, into a table."""
        made = [*self._of_known(), *self._of_touched(), *self._of_gone(), *self._of_shared()]
        if not made:
            return
        for start in range(0, len(self._followed), _AT_ONCE):
            part = self._followed[start : start + _AT_ONCE]
            run(self._connection, f"UPDATE chain_entry_rows SET salt = NULL WHERE id IN ({marks(len(part))})", part)
        # Last of all, so that recorders wait for one another as shortly as can be.
        chain, seq, head = self._place()
        at, values = int(self._now()), list[Any]()
        for seq, (key, number, kind, salt, digest, rows) in enumerate(made, seq):  # noqa: B020
            head = next_head(head, _entry((chain, seq, key, number, kind, at, salt, digest, rows)))
            values += (entry_id(key, number), chain, seq, kind, at, salt, digest, rows)
        if insert is None:
            Inserter(self._connection, chain_entry_rows)(self._connection, values)
        else:
            insert(chain_entry_rows, values)
        run(self._connection, "UPDATE chains SET length = {}, head = {} WHERE id = {}", (seq + 1, head, chain))

    def _of_known(self) -> list[_Made]:
        kind = int(self._kind)
        return [_made((key, 0, kind, salt, digest, None)) for key, (salt, digest) in self._known.items() if key not in self._gone]

    def _of_touched(self) -> Iterator[_Made]:
        for subject in OWNERS:
            keys = sorted(key for key in self._touched if subject_of(key)[0] is subject and key not in self._gone)
            for start in range(0, len(keys), _AT_ONCE):
                yield from self._as_they_stand(subject, keys[start : start + _AT_ONCE])

    def _as_they_stand(self, subject: Subject, keys: Sequence[int]) -> Iterator[_Made]:
        last = last_entries(self._connection, [key for key in keys if key not in self._new])
        there = set()
        for one in RowReader(self._connection).read(subject, Wanted.among(self._connection, [subject_of(key)[1] for key in keys])):
            key, salt = key_of(subject, one.id), os.urandom(SALT)
            there.add(key)
            if not one.open:
                yield from self._follow(last.get(key), _Made(key, 0, int(self._touched[key]), salt, digest_of(salt, one.parts)))
            elif key not in last:
                yield _Made(key, 0, int(EntryKind.BEGUN), salt, digest_of(salt, [one.begun]))
        for key in set(keys) - there:
            self._gone[key] = self._touched[key]

    def _follow(self, last: Entry | None, made: _Made) -> Iterator[_Made]:
        """An entry behind the last one of its subject, whose salt is to be thrown away."""
        if last is not None:
            self._followed.append(entry_id(last.key, last.number))
            made = made._replace(number=last.number + 1)
        if made.key in self._doubted:
            yield _Made(made.key, made.number, int(EntryKind.DOUBTED), None, self._doubted[made.key])
            made = made._replace(number=made.number + 1)
        yield made

    def _of_gone(self) -> Iterator[_Made]:
        last = last_entries(self._connection, sorted(self._gone.keys() - self._new))
        for key, kind in sorted(self._gone.items()):
            if key not in self._known and key not in self._new:
                yield from self._follow(last.get(key), _Made(key, 0, int(kind), None, None))

    def _of_shared(self) -> Iterator[_Made]:
        if self._shared:
            table = min(self._shared)
            key = key_of(Subject.SHARED, min(self._shared[table]) << _TABLE_BITS | _PLACES[table])
            known = last_entries(self._connection, [key]).get(key)  # where the id of a row that is gone was given again
            rows = self._remade.get(key) or (shared_rows_of(known.rows) if known is not None else {})
            self._remade[key] = {name: [*rows.get(name, ()), *self._shared.get(name, ())] for name in {*rows, *self._shared}}
        last = last_entries(self._connection, sorted(self._remade))
        for key, rows in self._remade.items():
            rows, salt = {name: sorted(ids) for name, ids in rows.items() if ids}, os.urandom(SALT)
            digest = digest_of(salt, [RowReader(self._connection).shared(rows)[0]])
            yield from self._follow(last.get(key), _Made(key, 0, int(self._kind), salt, digest, rows_text(rows)))

    def _place(self) -> tuple[int, int, bytes]:
        """Id, length and head of the chain, which is made if there is none."""
        lock = "" if self._connection.dialect.name == "sqlite" else " FOR UPDATE"
        wanted = "SELECT id, length, head FROM chains WHERE name = {}" + lock
        found = run(self._connection, wanted, (self._name,))
        if not found:
            first = {"name": self._name, "started_at": datetime.fromtimestamp(self._now(), UTC), "length": 0, "head": first_head(self._name)}
            self._connection.execute(insert_new(self._connection, chains), first)
            found = run(self._connection, wanted, (self._name,))
        id_, length, head = found[0]
        return id_, length, head


_TABLE_BITS = 3
_PLACES: Mapping[str, int] = MappingProxyType({name: place for place, name in enumerate(SHARED)})


def last_entries(connection: Connection, keys: Iterable[int]) -> dict[int, Entry]:
    """The last entries about these subjects, by key."""
    ranges = [(entry_id(key, 0), entry_id(key + 1, 0) - 1) for key in keys]
    newest = f"SELECT {_COLUMNS} FROM chain_entry_rows WHERE id BETWEEN {{}} AND {{}} ORDER BY id DESC LIMIT 1"
    if connection.dialect.name == "sqlite":
        rows = [row for bounds in ranges for row in run(connection, newest, bounds)]
    else:  # where each question goes to a server and back
        rows = []
        each = newest.format("wanted.low", "wanted.high")
        for start in range(0, len(ranges), _AT_ONCE):
            part = ranges[start : start + _AT_ONCE]
            wanted = ", ".join(["({}::bigint, {}::bigint)"] * len(part))
            statement = f"SELECT newest.* FROM (VALUES {wanted}) AS wanted (low, high) CROSS JOIN LATERAL ({each}) AS newest"
            rows += run(connection, statement, [bound for bounds in part for bound in bounds])
    return {entry.key: entry for entry in map(entry_of, rows)}


def shared_entries(connection: Connection) -> list[Entry]:
    """The last entries about rows that are shared."""
    rows = run(connection, f"SELECT {_COLUMNS} FROM chain_entry_rows WHERE rows IS NOT NULL ORDER BY id", ())
    return [*{entry.key: entry for entry in map(entry_of, rows)}.values()]


def entry_of(row: Sequence[Any]) -> Entry:
    """Of a row with its columns in the order of `Entry`, key and number as its id."""
    chain, seq, id_, *rest = row
    return Entry(chain, seq, *split_id(id_), *rest)

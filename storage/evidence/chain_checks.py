"""Compares every row with its last entry, and every chain with its head: finds what was changed, removed or inserted by others than playhead."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select, true

from playhead.config.errors import StoreError

from ..checks import Found, there
from ..costing.verify_sums import sum_problems
from ..engine import Database
from ..replaying.replay_tables import equivalences, rerecordings
from ..tables import sessions, takes
from ..writing import Writer
from .chain_heads import ChainHead
from .chain_rows import OWNERS, SHARED, RowReader, Standing, Wanted
from .chain_tables import chain_entry_rows, chains
from .chain_writing import entry_of, recorder_at, shared_entries
from .chained import Entry, EntryKind, Subject, digest_of, first_head, ids_between, next_head, rows_of, split_id, subject_of
from .head_file import beside, write_heads

_SUBJECTS = 100  # that are read together
_ENTRIES = 2000
_COLUMNS = tuple([chain_entry_rows.c[name] for name in ("chain", "seq", "id", "kind", "at", "salt", "digest", "rows")])


class ChainCheck:
    """One look through a store. `known`: heads that were exported before. May run while recorders write.

    Afterwards `heads` says which chains there are, `compared` how many subjects were compared, `adopted` how many of them were entered when the store got
    its chains and not since, `begun` of how many that still go on no more is entered than that they have begun, `older` whether
    the store lacks what was there when a head was written down.
    """

    def __init__(self, database: Database, known: Sequence[ChainHead] = ()) -> None:
        self._database = database
        self._known = known
        self.heads: list[ChainHead] = []
        self.compared = 0
        self.adopted = 0
        self.begun = 0
        self.older = False

    def problems(self) -> Iterator[Found]:
        """Everything that is wrong."""
        checks: list[Callable[[], Iterator[Found]]] = [self._chains, self._shared, self._strays, *[partial(self._subjects, subject) for subject in OWNERS]]
        checks.append(partial(sum_problems, self._database))  # what an audit says is what it finds there
        for check in checks:
            yield from _told(check)

    # The chains themselves.

    def _chains(self) -> Iterator[Found]:
        with self._database.snapshot() as connection:
            listed = connection.execute(select(chains).order_by(chains.c.id)).all()
            statement = select(*_COLUMNS).order_by(chain_entry_rows.c.chain, chain_entry_rows.c.seq).execution_options(yield_per=1000)
            rows = iter(connection.execute(statement))
            row = next(rows, None)
            for one in listed:
                chain = _Chain(one, [head for head in self._known if head.chain == one.name])
                while row is not None and row.chain <= one.id:
                    if row.chain == one.id:
                        chain.add(row)
                    else:
                        yield None, f"an entry of chain {row.chain} was inserted: there is no such chain"
                    row = next(rows, None)
                self.heads.append(_head(one))
                yield from ((None, f"chain {one.name}: {text}") for text in chain.problems())
                self.older = self.older or chain.older
            if row is not None:
                yield None, f"entries of chain {row.chain} are there, the chain itself is not"
        lost = {head.chain for head in self._known} - {one.name for one in listed}
        self.older = self.older or bool(lost)
        yield from ((None, f"chain {name}: it is gone, although its head was written down") for name in sorted(lost))

    # What it is about.

    def _subjects(self, subject: Subject) -> Iterator[Found]:
        after: int | None = 0
        while after is not None:
            with self._database.snapshot() as connection:
                last = _page_end(connection, subject, after)
                found = [*self._compared(connection, subject, after, last)]
            yield from found
            after = last

    def _compared(self, connection: Connection, subject: Subject, after: int, last: int | None) -> Iterator[Found]:
        entries = _entries(connection, subject, after, last)
        reader = RowReader(connection)
        for one in reader.read(subject, Wanted.between(connection, after, last)):
            for text in self._differences(one, entries.pop(one.id, [])):
                yield _about(subject, one.id, text)
        for id_, theirs in entries.items():
            if theirs[-1].digest is not None:
                yield _about(subject, id_, "it was removed: nothing in its chain has deleted it")
            yield from (_about(subject, id_, text) for text in _kept_salts(theirs))
        for table, key in sorted(reader.strays, key=str):
            yield _about(subject, key, f"rows of {table} were inserted, or what they belong to was removed")

    def _differences(self, one: Standing, entries: Sequence[Entry]) -> Iterator[str]:
        yield from _kept_salts(entries)
        for doubted, then in pairwise(entries):
            if doubted.kind == EntryKind.DOUBTED:
                yield f"it was changed or inserted by another program before {_when(then)}, when it was {_word(then)}"
        if not entries:
            yield "it was inserted: no chain has an entry about it"
            return
        last = entries[-1]
        if last.digest is None:
            yield f"it was inserted again: it was {_word(last)} on {_when(last)}"
            return
        self.compared += 1
        begun = last.kind == EntryKind.BEGUN
        made = digest_of(last.salt or b"", [one.begun] if begun else one.parts)
        if made != last.digest or begun != one.open:
            yield f"it was changed: it is not what was {_word(last)} on {_when(last)}"
        self.begun += begun
        self.adopted += last.kind == EntryKind.ADOPTED

    def _shared(self) -> Iterator[Found]:
        with self._database.snapshot() as connection:
            reader, covered = RowReader(connection), {name: set[int]() for name in SHARED}
            for entry in shared_entries(connection):
                try:
                    rows = rows_of(entry.rows)
                except ValueError:
                    yield None, f"an entry of {_when(entry)} about shared rows was changed"
                    continue
                parts, whole = reader.shared(rows)
                if not whole or digest_of(entry.salt or b"", [parts]) != entry.digest:
                    names = ", ".join(f"{name} ({_ids(ids)})" for name, ids in rows.items())
                    yield None, f"a row was {'changed' if whole else 'removed'} in one of {names}: they are not what was {_word(entry)} on {_when(entry)}"
                for name, ids in rows.items():
                    covered.get(name, set()).update(ids)
            for name, (table, _) in SHARED.items():
                for id_ in connection.execute(select(table.c.id).order_by(table.c.id)).scalars():
                    if id_ not in covered[name]:
                        yield None, f"row {id_} of {name} was inserted: no chain has an entry about it"

    def _strays(self) -> Iterator[Found]:
        """Rows of sessions that are not there."""
        for table in (takes, equivalences, rerecordings):
            lost = select(table.c.session).distinct().where(~there(sessions, sessions.c.session == table.c.session))
            with self._database.reading() as connection:
                names = [*connection.execute(lost).scalars()]
            yield from ((None, f"session {name}: rows of {table.name} were inserted, or the session was removed") for name in names)


class StoredChains:
    """What a store knows of chains; a part of `Store`."""

    _database: Database
    _writer: Writer

    def check_chains(self, known: Sequence[ChainHead] = ()) -> ChainCheck:
        """The way to find what others have changed, removed or inserted. `known`: heads that were exported before."""
        return ChainCheck(self._database, known)

    def chain_heads(self) -> list[ChainHead]:
        """The chains that there are, the oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(chains).order_by(chains.c.id)).all()
        return [_head(row) for row in rows]

    def keep_heads(self) -> None:
        """Write them down beside the store, if that is a file, for the next look; never raises."""
        if self._database.path is not None and self._database.writable:
            with contextlib.suppress(StoreError):  # what keeps them from being written keeps the store from being so, and is told there
                write_heads(beside(self._database.path), self.chain_heads())

    def enter_as_recorder(self, journal: Path) -> None:
        """What is recorded from now on is entered in the chain of the recorder that reads the journal there."""
        self._writer.chain = recorder_at(journal)


class _Chain:
    """A chain that is gone through."""

    def __init__(self, row: Any, known: Sequence[ChainHead]) -> None:
        self._row = row
        self._known = known
        self._head = first_head(row.name)
        self._heads = {0: self._head}
        self._wanted = {head.entries for head in known}
        self._next = 0
        self._broken: str | None = None
        self.older = False

    def add(self, row: Sequence[Any]) -> None:
        """The next entry."""
        if self._broken is not None:
            return
        try:
            entry = entry_of(row)
            if entry.seq != self._next:
                self._broken = f"entry {self._next} was removed" if entry.seq > self._next else f"an entry {entry.seq} was inserted"
                return
            self._head = next_head(self._head, entry)
        except (TypeError, ValueError, AttributeError, struct.error):
            self._broken = f"entry {self._next} was changed"
            return
        self._next += 1
        if self._next in self._wanted:
            self._heads[self._next] = self._head

    def problems(self) -> Iterator[str]:
        """What is wrong with it."""
        if self._broken is not None:
            yield self._broken
            return
        if self._next != self._row.length:
            what = "removed" if self._next < self._row.length else "inserted"
            yield f"it has {self._next} entries, its head is that of {self._row.length}: entries were {what}"
        elif self._head != self._row.head:
            yield "an entry was changed: its head is another than its entries make"
        for head in self._known:
            self.older = self.older or head.entries > self._next or self._heads[head.entries].hex() != head.head.lower()
            if head.entries > self._next:
                yield f"it has {self._next} entries, and had {head.entries} when its head was written down: the newest were removed"
            elif self._heads[head.entries].hex() != head.head.lower():
                yield f"its first {head.entries} entries are not those whose head was written down"


def _head(row: Any) -> ChainHead:
    return ChainHead(chain=row.name, entries=row.length, head=row.head.hex())


def _told(check: Callable[[], Iterator[Found]]) -> Iterator[Found]:
    """Damage is told as well."""
    try:
        yield from check()
    except StoreError as error:
        yield None, str(error)
    except (TypeError, ValueError, AttributeError, OverflowError, struct.error):
        yield None, "a chain or its entries hold values that playhead does not write: they were changed"


def _page_end(connection: Connection, subject: Subject, after: int) -> int | None:
    """Up to which id to read now; None: all the rest."""
    table, e = OWNERS[subject], chain_entry_rows.c
    ids = connection.execute(select(table.c.id).where(table.c.id > after).order_by(table.c.id).offset(_SUBJECTS - 1).limit(1)).scalar()
    order = e.id if subject is Subject.EXCHANGE else e.id.desc()
    far = connection.execute(select(e.id).where(_between(subject, after, None)).order_by(order).offset(_ENTRIES).limit(1)).scalar()
    ends = [end for end in (ids, None if far is None else max(after + 1, subject_of(split_id(far)[0])[1] - 1)) if end is not None]
    return min(ends, default=None)


def _entries(connection: Connection, subject: Subject, after: int, last: int | None) -> dict[int, list[Entry]]:
    """Entries about these, by id, in their order."""
    e = chain_entry_rows.c
    found: dict[int, list[Entry]] = {}
    for row in connection.execute(select(*_COLUMNS).where(_between(subject, after, last)).order_by(e.id)):
        entry = entry_of(row)
        whose, id_ = subject_of(entry.key)
        if whose is subject:
            found.setdefault(id_, []).append(entry)
    return found


def _between(subject: Subject, after: int, last: int | None) -> ColumnElement[bool]:
    low, high = ids_between(subject, after, last)
    wanted = [chain_entry_rows.c.id >= low] if low is not None else []
    return and_(true(), *wanted, *([chain_entry_rows.c.id <= high] if high is not None else []))


def _kept_salts(entries: Sequence[Entry]) -> Iterator[str]:
    if any(entry.salt is not None for entry in entries[:-1]) or (entries and entries[-1].digest is None and entries[-1].salt is not None):
        yield "an entry about it was changed: it has a salt again"


def _about(subject: Subject, id_: int, text: str) -> Found:
    return (id_, text) if subject is Subject.EXCHANGE and isinstance(id_, int) else (None, f"{subject.name.lower()} {id_}: {text}")


def _word(entry: Entry) -> str:
    try:
        return EntryKind(entry.kind).name.lower()
    except ValueError:
        return "written"


def _when(entry: Entry) -> str:
    try:
        return f"{datetime.fromtimestamp(entry.at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError, TypeError):
        return "an unknown day"


def _ids(ids: Sequence[int]) -> str:
    return f"{ids[0]} to {ids[-1]}" if len(ids) > 1 else str(ids[0])

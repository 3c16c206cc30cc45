"""How batches of the recorder become rows: each in one transaction, each exchange exactly once.

An exchange is known for ever by its writer and its number there. What stands already is skipped, what was deleted stays away, what was stored
without its end is completed.
"""

from __future__ import annotations

import json
import platform
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import chain, starmap
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, select, update

from .bodies import BodyCodec, StoredBody, encode_against
from .connecting.connected import RecordedConnection
from .connecting.writing_connections import Connections, number_of_connection
from .costing.ledger_writing import LedgerMemory, LedgerWriter
from .engine import Database
from .evidence.chain_writing import ChainWriter, commands
from .evidence.chained import EntryKind, Subject
from .items import ItemMemory, Sent, WrittenItems, new_items
from .places import Places, first_free_seq, new_ids
from .records import DEFAULT_RULES, Batch, EventRow, Fingerprint, ItemRow, Position, Recorded, Spill
from .replaying.replays import last_lists
from .rows import (
    Inserter,
    Literals,
    Row,
    Words,
    body_row,
    digest,
    event_values,
    exchange_row,
    item_values,
    marks,
    pack_times,
    piece_row,
    put_new,
    run,
    take_nulls,
    update_sql,
)
from .tables import bodies, deleted, event_types, exchanges, fingerprints, item_rows, item_words, pieces, writers
from .tables import event_rows as event_table
from .writing_values import Inserted, fingerprint_values, key, parts, ranges, replace_items

_INSERTERS = 64  # with columns left out that are null in all rows of a batch; each is another statement
_Identity = tuple[int, int]  # id of the writer, number


@dataclass(slots=True)
class _Standing:
    """An exchange that the store holds."""

    id: int
    take: int
    seq: int
    connection: int | None
    open: bool


@dataclass(slots=True)
class _Made:
    """Exchanges that the store has nothing of yet, and their rows, by id."""

    recorded: dict[int, Recorded] = field(default_factory=dict)
    rows: dict[int, Row] = field(default_factory=dict)
    stored: dict[int, StoredBody] = field(default_factory=dict)
    items: dict[int, WrittenItems] = field(default_factory=dict)
    inserted: Inserted = field(default_factory=Inserted)


@dataclass(slots=True)
class _Memory:
    """What saves asking the database.

    `seqs`: the next free one of each session. `shared`: of open exchanges, the digests of their items and what of those was sent before.
    """

    codec: BodyCodec = field(default_factory=BodyCodec)
    items: ItemMemory = field(default_factory=ItemMemory)
    ledger: LedgerMemory = field(default_factory=LedgerMemory)
    host: str = field(default_factory=platform.node)
    types: dict[str | None, int | None] = field(default_factory=lambda: {None: None})
    words: dict[str | None, int | None] = field(default_factory=lambda: {None: None})
    shared: dict[int, tuple[bytes, Sent]] = field(default_factory=dict)
    writers: dict[str, int] = field(default_factory=dict)
    seqs: dict[str, int] = field(default_factory=dict)
    first_rules: list[str] = field(default_factory=list)  # match rules of a session that has none, from its next take on
    inserters: dict[tuple[str, bool, Literals], Inserter] = field(default_factory=dict)


class Writer:
    """Writes batches; remembers between them what saves asking."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._memory = _Memory()
        self.first_rules = self._memory.first_rules
        self.chain = f"recorder {self._memory.host}"  # to which what it records is entered
        self._lock = threading.Lock()

    def write(self, *batches: Batch, kind: EntryKind = EntryKind.RECORDED) -> None:
        """Store all of them, or nothing and raise StoreError. `kind`: of their entries in the chain."""
        with self._lock:
            encoded: list[int] = []
            try:
                with self._database.writing() as connection:
                    entries = ChainWriter(connection, self.chain if kind is EntryKind.RECORDED else commands(), kind)
                    transaction = _Transaction(connection, entries, self._memory, encoded)
                    for batch in batches:
                        transaction.store(batch)
                    entries.append(transaction.insert)
            except BaseException:
                for id_ in encoded:  # their ids will be given to others
                    self._memory.codec.forget(id_)
                    self._memory.shared.pop(id_, None)
                self._memory.items = ItemMemory()  # what they went on from has been forgotten in their favour
                raise
            transaction.remember()

    def next_seq(self, session: str, own: int | None = None) -> int:
        """The place of the next exchange in its session, given once; or `own`, a place that was given before, if no other was since."""
        with self._lock:
            seqs = self._memory.seqs
            free = seqs.get(session)
            if free is None:
                with self._database.reading() as connection:
                    free = seqs[session] = first_free_seq(connection, session)
            if own is not None and own == free - 1:
                return own
            seqs[session] = free + 1
            return free

    def seq_taken(self, session: str, seq: int) -> None:
        """`next_seq` will not give this place."""
        with self._lock, self._database.reading() as connection:
            known = self._memory.seqs.get(session) or first_free_seq(connection, session)
            self._memory.seqs[session] = max(known, seq + 1)


def positions(connection: Connection) -> list[Position]:
    """How far the journals that may go on are stored."""
    rows = connection.execute(select(writers).where(writers.c.state == "live").order_by(writers.c.id))
    return [Position(row.writer, row.segment, row.position, json.loads(row.open)) for row in rows]


class _Transaction:
    """One batch on its way into the store. `encoded`: ids of the exchanges whose bodies the codec remembers from it."""

    def __init__(self, connection: Connection, entries: ChainWriter, memory: _Memory, encoded: list[int]) -> None:
        self._connection = connection
        self._memory = memory
        self._codec = memory.codec
        self._chain = entries
        self._types = Words(connection, event_types, memory.types, entries.share)
        self._words = Words(connection, item_words, memory.words, entries.share)
        self._writers = dict(memory.writers)
        self._fresh: set[str] = set()  # writers that began and are gone with these batches: nothing of them can stand
        self._places = Places(connection, entries, memory.seqs, memory.first_rules)
        self._connections = Connections(connection, entries, self._places, self.insert)
        self._ledger = LedgerWriter(connection, entries, memory.ledger, self.insert, partial(datetime.now, UTC))
        self._encoded = encoded
        self._standing: dict[_Identity, _Standing] = {}
        self._deleted: set[_Identity] = set()

    def remember(self) -> None:
        """The transaction is committed: what it learnt holds."""
        self._memory.types.update(self._types)
        self._memory.words.update(self._words)
        self._ledger.remember()
        self._memory.writers.update(self._writers)

    def store(self, batch: Batch) -> None:
        """Write the rows of a batch."""
        recorded = [*batch.finished, *(spill.recorded for spill in batch.spills)]
        names = {*(r.writer for r in recorded), *(c.writer for c in batch.connections), *(p.writer for p in batch.positions), *batch.gone}
        self._know_writers(names, batch.gone)
        self._look_up([r for r in recorded if r.writer not in self._fresh], [one for one in batch.connections if one.writer not in self._fresh])
        named = [((self._writers[one.writer], one.number), one) for one in batch.connections]
        given = [one for one in named if one[0] not in self._deleted]
        if given:
            self._connections.put(given)
        self._finish(batch.finished)
        for spill in batch.spills:
            self._spill(spill)
        self._connections.tell_turns(given)
        for position in batch.positions:
            self._move(position)
        for writer in batch.gone:
            if writer not in self._fresh:
                self._bury(self._writers[writer])

    # What is known already.

    def _know_writers(self, names: set[str], gone: Iterable[str]) -> None:
        for name in sorted(names - self._writers.keys()):
            row = {"writer": name, "host": self._memory.host, "segment": 0, "position": 0, "open": "{}", "state": "gone" if name in gone else "live"}
            new = put_new(self._connection, writers, row)
            if new is not None:
                self._chain.share(writers, new)
                self._fresh.update({name} & {*gone})
            self._writers[name] = new or self._connection.execute(select(writers.c.id).where(writers.c.writer == name)).scalar_one()

    def _look_up(self, recorded: list[Recorded], given: list[RecordedConnection]) -> None:
        """What stands of a batch, and what was deleted."""
        numbers: dict[int, set[int]] = defaultdict(set)
        turns: dict[int, set[int]] = defaultdict(set)  # far apart: a range for each connection would be a statement for each
        theirs: dict[int, set[int]] = defaultdict(set)
        for r in recorded:
            writer = self._writers[r.writer]
            (numbers if r.number >= 0 else turns)[writer].add(r.number)
            if r.transport == "ws" or r.connection_number is not None:
                theirs[writer].add(number_of_connection(r))
        for one in given:
            theirs[self._writers[one.writer]].add(one.number)
        for writer, wanted in numbers.items():
            for low, high in ranges(sorted(wanted)):
                self._know(writer, "BETWEEN {} AND {}", (low, high))
        for writer in turns.keys() | theirs.keys():
            for part in parts(sorted(turns[writer] | theirs[writer])):
                self._know(writer, f"IN ({marks(len(part))})", part)
                self._connections.look_up(writer, [number for number in part if number in theirs[writer]])

    def _know(self, writer: int, which: str, numbers: Sequence[int]) -> None:
        for number, outcome, id_, take, seq, connection in run(self._connection, f"{_STANDING} AND number {which}", (writer, *numbers)):
            self._standing[writer, number] = _Standing(id_, take, seq, connection, outcome is None)
        for (number,) in run(self._connection, f"{_DELETED} AND number {which}", (writer, *numbers)):
            self._deleted.add((writer, number))

    # Whole exchanges.

    def _finish(self, finished: list[Recorded]) -> None:
        if fresh := self._unstored(finished):
            made = self._made(fresh)
            self._without_lost_bases(made.stored, made.items, made.recorded)
            self._insert(made)

    def _unstored(self, finished: list[Recorded]) -> dict[_Identity, Recorded]:
        """Those of which the store has nothing yet; of which it has the beginning, it has the whole now."""
        fresh: dict[_Identity, Recorded] = {}
        for r in finished:
            identity = (self._writers[r.writer], r.number)
            standing = self._standing.get(identity)
            if identity in self._deleted or identity in fresh:
                continue
            if standing is None:
                fresh[identity] = r
            elif standing.open:
                self._replace(identity, standing, r)
        return fresh

    def _made(self, fresh: dict[_Identity, Recorded]) -> _Made:
        made = _Made()
        inserted, encode, types = made.inserted, self._codec.encode, self._types
        ids = list(new_ids(self._connection, "exchanges", len(fresh)))
        self._ledger.settle([*zip(ids, fresh.values(), strict=True)])
        for id_, (identity, r) in zip(ids, fresh.items(), strict=True):
            take, seq, connection = place = self._place(identity[0], r)
            self._standing[identity] = _Standing(id_, take, seq, connection, False)
            made.rows[id_] = exchange_row(id_, place, identity[0], r)
            self._encoded.append(id_)
            made.recorded[id_] = r
        # One thing for all of them after the other: what a processor has just run it runs again in two thirds of the time.
        for id_, r in made.recorded.items():
            made.stored[id_] = encode(key(id_, r), r.raw)
        for id_, r in made.recorded.items():
            new: Sequence[ItemRow] = r.items
            if r.fingerprint is not None:
                made.items[id_], shared = self._written(id_, r, r.fingerprint)
                new = new_items(new, r.fingerprint.items, shared)
            if new:
                inserted.items[id_] = item_values(id_, new, self._words)
        inserted.events = {id_: event_values(id_, r.events, types) for id_, r in made.recorded.items() if r.events}
        return made

    def _insert(self, made: _Made) -> None:
        """All rows of a table at once, and the entries."""
        inserted = made.inserted
        self.insert(exchanges, [*chain.from_iterable(made.rows.values())])
        self.insert(bodies, list(chain.from_iterable(starmap(body_row, made.stored.items()))))
        inserted.fingerprints = fingerprint_values(made.items, made.recorded)
        self.insert(fingerprints, [*chain.from_iterable(inserted.fingerprints.values())], literals=_DEFAULT)
        self.insert(item_rows, [*chain.from_iterable(inserted.items.values())], ignore=True)
        inserted.costs = self._ledger.put([(id_, 1, r.cost) for id_, r in made.recorded.items() if r.cost is not None])
        alike: dict[Literals, list[Any]] = defaultdict(list)
        for literals, values in inserted.events.values():
            alike[literals] += values
        for literals, values in alike.items():
            self.insert(event_table, values, literals=literals)
        for id_, row in made.rows.items():
            self._chain.recorded(id_, inserted.of(row, made.stored[id_]))

    def _written(self, id_: int, r: Recorded, one: Fingerprint) -> tuple[WrittenItems, Sent]:
        """What to keep of the items of a request, and which of them were sent before."""
        memory = self._memory.items
        if one.items and not memory.knows(r.session):
            memory.recall(r.session, () if r.session in self._places.begun else last_lists(self._connection, r.session, id_))
        return memory.write(r.session, id_, one.items, r.facts.previous_response_id)

    def _replace(self, identity: _Identity, standing: _Standing, r: Recorded) -> None:
        """The whole of an exchange of which the store has the beginning: somebody read the journal again from the start."""
        self._chain.changed(Subject.EXCHANGE, [standing.id])
        for table in (pieces, bodies, event_table):
            self._connection.execute(delete(table).where(table.c.exchange == standing.id))
        self._ledger.settle([(standing.id, r)])
        self._update(identity, standing, r)
        self._ledger.put([(standing.id, 1, r.cost)] if r.cost else [])
        self.insert(bodies, [*body_row(standing.id, encode_against(r.raw, None))])
        self._insert_items(standing.id, r, final=True)
        self._insert_events(standing.id, r.events)
        standing.open = False

    def _without_lost_bases(self, stored: dict[int, StoredBody], items: dict[int, WrittenItems], recorded: dict[int, Recorded]) -> None:
        """Somebody may have deleted or rewritten a base since it was remembered; on PostgreSQL, what is found is kept until the commit."""
        bases = {*(body.base for body in stored.values()), *(written.base for written in items.values())}
        wanted = {base for base in bases if base is not None} - stored.keys()
        lost, kept = set(wanted), "" if self._connection.dialect.name == "sqlite" else " FOR KEY SHARE"
        for part in parts(sorted(wanted)):
            found = run(self._connection, f"SELECT exchange, digest FROM bodies WHERE exchange IN ({marks(len(part))}){kept}", part)
            lost -= {exchange for exchange, digest in found if self._codec.remembers(exchange, digest)}
        if not lost:
            return
        for id_, body in stored.items():
            if body.base in lost:
                # Not against another base: that might be written against this one.
                stored[id_] = encode_against(recorded[id_].raw, None)
        for id_, written in items.items():
            if written.base in lost and (fingerprint := recorded[id_].fingerprint):
                items[id_] = WrittenItems(None, fingerprint.items)
        for base in lost:
            self._codec.forget(base)
            self._memory.items.forget(base)

    # Exchanges piece by piece.

    def _spill(self, spill: Spill) -> None:
        r = spill.recorded
        identity = (self._writers[r.writer], r.number)
        standing = self._standing.get(identity)
        if identity in self._deleted or (standing is not None and not standing.open):
            return
        if standing is None:
            id_ = next(new_ids(self._connection, "exchanges", 1))
            standing = self._standing[identity] = _Standing(id_, *self._place(identity[0], r), open=True)
            row = exchange_row(id_, (standing.take, standing.seq, standing.connection), identity[0], r)
            self.insert(exchanges, [*row])
            self._chain.made(Subject.EXCHANGE, [id_])
        elif standing.connection is None and r.transport == "ws":  # which was not known before upstream had answered
            standing.connection = self._connections.of(identity[0], r, standing.take)
        if spill.final:  # before that only what identifies it is entered
            self._chain.changed(Subject.EXCHANGE, [standing.id])
            self._ledger.settle([(standing.id, r)])
            self._ledger.put([(standing.id, 1, r.cost)] if r.cost else [])
        self._update(identity, standing, r, final=spill.final)
        self._connection.execute(delete(bodies).where(bodies.c.exchange == standing.id))
        self.insert(bodies, [*body_row(standing.id, encode_against(r.raw, None))])
        rows = [piece_row(standing.id, piece.part, piece.seq, piece.data) for piece in spill.pieces]
        if spill.frames or spill.chunks:
            rows += self._times(standing.id, pack_times(spill.frames, spill.chunks))
        self.insert(pieces, list(chain.from_iterable(rows)), ignore=True)
        self._insert_items(standing.id, r, final=spill.final)
        self._insert_events(standing.id, spill.events, ignore=True)
        standing.open = not spill.final

    def _times(self, id_: int, data: bytes) -> Iterator[Row]:
        """Frames and chunk sizes of a spill. They have no number of their own: what equals the last ones is a spill that is given again."""
        last = self._connection.execute(_LAST_TIMES, {"exchange": id_}).first()
        if last is None or last.digest != digest(data):
            yield piece_row(id_, "times", 0 if last is None else last.seq + 1, data)

    def _update(self, identity: _Identity, standing: _Standing, r: Recorded, *, final: bool = True) -> None:
        id_, *values = exchange_row(standing.id, (standing.take, standing.seq, standing.connection), identity[0], r)
        if not final:
            values[_OUTCOME] = None
        self._connection.exec_driver_sql(update_sql(self._connection, exchanges), (*values, id_))
        if standing.connection is not None and final:
            self._connections.end(standing.connection, r)

    def _place(self, writer: int, r: Recorded) -> tuple[int, int, int | None]:
        take, seq = self._places.take(r), self._places.seq(r)
        connected = r.transport == "ws" or r.connection_number is not None
        return take, seq, self._connections.of(writer, r, take) if connected else None

    # Rows.

    def insert(self, table: Table, values: list[Any], *, ignore: bool = False, literals: Literals = ()) -> None:
        """Rows, given as in `Inserter`; their values are used up."""
        if values and len(self._memory.inserters) < _INSERTERS:
            literals = take_nulls(table, values, literals)
        key = (table.name, ignore, literals)
        insert_rows = self._memory.inserters.get(key)
        if insert_rows is None:
            insert_rows = self._memory.inserters[key] = Inserter(self._connection, table, ignore=ignore, literals=literals)
        insert_rows(self._connection, values)

    def _insert_events(self, id_: int, events: Sequence[EventRow], *, ignore: bool = False) -> None:
        if events:
            literals, values = event_values(id_, events, self._types)
            self.insert(event_table, values, ignore=ignore, literals=literals)

    def _insert_items(self, id_: int, r: Recorded, *, final: bool) -> None:
        """Fingerprint and items of an exchange that may have both already: the items that are given replace those of their part."""
        shared, one = self._memory.shared, r.fingerprint
        if one is not None:
            self._encoded.append(id_)
            shared[id_] = one.items, self._written(id_, r, one)[1]
            self.insert(fingerprints, [id_, one.digest, one.asks, None, one.items], ignore=True, literals=_DEFAULT)
        new = new_items(r.items, *shared.get(id_, (b"", Sent())))
        replace_items(self._connection, id_, {row.part for row in r.items})
        self.insert(item_rows, item_values(id_, new, self._words), ignore=True)
        if final:
            shared.pop(id_, None)

    # Journals.

    def _move(self, position: Position) -> None:
        memory = json.dumps(position.open, separators=(",", ":"))
        run(self._connection, _MOVED, (position.segment, position.offset, memory, "live", self._memory.host, self._writers[position.writer]))

    def _bury(self, writer: int) -> None:
        self._connection.execute(update(writers).where(writers.c.id == writer).values(state="gone", open="{}"))
        self._connection.execute(delete(deleted).where(deleted.c.writer == writer))


_STANDING = "SELECT number, outcome, id, take, seq, connection FROM exchanges WHERE writer = {}"
_DELETED = "SELECT number FROM deleted WHERE writer = {}"
_LAST_TIMES = (
    select(pieces.c.seq, pieces.c.digest).where(pieces.c.exchange == bindparam("exchange"), pieces.c.part == "times").order_by(pieces.c.seq.desc()).limit(1)
)
_MOVED = "UPDATE writers SET segment = {}, position = {}, open = {}, state = {}, host = {} WHERE id = {}"
_DEFAULT: Literals = (("rules", f"'{DEFAULT_RULES}'"),)
_OUTCOME = list(exchanges.columns).index(exchanges.c.outcome) - 1  # in a row without its id

"""How WebSocket connections become rows: one for each, whole as far as it is known, and what they keep that is not their exchanges'."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, select, update

from ..evidence.chain_writing import ChainWriter
from ..evidence.chained import Subject
from ..places import Places, new_ids
from ..records import Recorded
from ..rows import Row, clean, piece_row, start_text, update_sql
from ..tables import connection_pieces, connections, exchanges
from ..times import milliseconds
from .connected import RecordedConnection, turn_numbers
from .connection_log import pack_heads, pack_log

_Identity = tuple[int, int]  # id of the writer, number


@dataclass(slots=True)
class _Standing:
    """A connection that the store holds. `heads`: bytes of its heads there; `pruned`: what it kept is gone, and does not come back."""

    id: int
    take: int
    heads: int
    pruned: bool = False


class Connections:
    """The connections of one transaction. `insert`: puts rows, given as in `Inserter`, into a table."""

    def __init__(self, connection: Connection, chain: ChainWriter, places: Places, insert: Callable[..., None]) -> None:
        self._connection = connection
        self._chain = chain
        self._places = places
        self._insert = insert
        self._standing: dict[_Identity, _Standing] = {}

    def look_up(self, writer: int, numbers: Sequence[int]) -> None:
        """Which of these are there; to be asked before anything else is wanted of them."""
        if numbers:
            for row in self._connection.execute(_STANDING, {"writer": writer, "numbers": numbers}):
                self._standing[writer, row.number] = _Standing(row.id, row.take, row.raw_bytes or 0, row.pruned is not None)

    def put(self, given: Sequence[tuple[_Identity, RecordedConnection]]) -> None:
        """Insert them, or bring them up to date: of one that is given more than once the last says how it is."""
        inserted: list[Any] = []
        updated: list[Row] = []
        heads: dict[int, Row] = {}
        gifts: list[Any] = []
        fresh = {identity for identity, _ in given if identity not in self._standing}
        ids = new_ids(self._connection, "connections", len(fresh)) if fresh else iter(())
        for identity, r in given:
            standing = self._standing.get(identity)
            if standing is None:
                standing = self._standing[identity] = _Standing(next(ids), self._places.take(r), 0)
                inserted += _row(standing, identity, r)
                self._chain.made(Subject.CONNECTION, [standing.id])
            elif standing.pruned:
                continue
            else:
                if r.outcome is not None:  # while it goes on only what identifies it is entered
                    self._chain.changed(Subject.CONNECTION, [standing.id])
                id_, *values = _row(standing, identity, r)
                updated.append((*values, id_))
            if any(r.heads) and len(packed := pack_heads(*r.heads)) > standing.heads:
                heads[standing.id] = piece_row(standing.id, "heads", 0, packed)
                standing.heads = len(packed)
            gifts += chain.from_iterable(_gift(standing.id, r))
        self._insert(connections, inserted)
        if updated:
            self._connection.exec_driver_sql(update_sql(self._connection, connections), updated)
        if heads:  # the response's may come later than the request's
            known = connection_pieces.c
            self._connection.execute(delete(connection_pieces).where(known.connection.in_([*heads]), known.part == "heads"))
            self._insert(connection_pieces, [*chain.from_iterable(heads.values())])
        self._insert(connection_pieces, gifts, ignore=True)

    def of(self, writer: int, r: Recorded, take: int) -> int | None:
        """The connection of an exchange. If it is all of one of which nothing is known, that is inserted; of a turn there is none then."""
        identity = (writer, number_of_connection(r))
        standing = self._standing.get(identity)
        if standing is None:
            if r.connection_number is not None:
                return None
            standing = self._standing[identity] = _Standing(next(new_ids(self._connection, "connections", 1)), take, 0)
            self._insert(connections, [*_row(standing, identity, _only(r))])
            self._chain.made(Subject.CONNECTION, [standing.id])
        return standing.id

    def tell_turns(self, given: Sequence[tuple[_Identity, RecordedConnection]]) -> None:
        """Say to the turns that are there what was known only at the end of their connection."""
        e = exchanges.c
        for (writer, number), r in given:
            if r.redacted:
                theirs = and_(e.writer == writer, e.number.between(*turn_numbers(number)), e.redacted.is_(None))
                self._chain.changed(Subject.EXCHANGE, self._connection.execute(select(e.id).where(theirs)).scalars())
                self._connection.execute(update(exchanges).where(theirs).values(redacted="response"))

    def end(self, id_: int, r: Recorded) -> None:
        """An exchange of it has ended: with that it has, too, if it is that exchange."""
        if r.connection_number is None:
            self._chain.changed(Subject.CONNECTION, [id_])
            ended = update(connections).where(connections.c.id == id_)
            self._connection.execute(ended.values(duration_ms=milliseconds(r.duration_ns), status=r.status, outcome=r.outcome))


def number_of_connection(r: Recorded) -> int:
    """Of the connection that an exchange belongs to, or that it is."""
    return r.number if r.connection_number is None else r.connection_number


def _only(r: Recorded) -> RecordedConnection:
    """A connection of which no more is known than an exchange says."""
    return RecordedConnection(
        writer=r.writer,
        number=r.number,
        session=r.session,
        run=r.run,
        path=r.path,
        upstream=r.upstream,
        started_at_ns=r.started_at_ns,
        status=r.status,
        outcome=r.outcome,
        duration_ns=r.duration_ns,
        problem=r.facts.problem,
        key_id=r.key_id,
    )


def _row(standing: _Standing, identity: _Identity, r: RecordedConnection) -> Row:
    return (
        standing.id,
        r.session,
        standing.take,
        clean(r.path),
        clean(r.upstream),
        start_text(r.started_at_ns),
        milliseconds(r.duration_ns),
        *identity,
        r.status,
        r.outcome,
        clean(r.subprotocol),
        clean(r.extensions),
        json.dumps([clean(lane) for lane in r.lanes]),
        r.turns,
        r.client_messages,
        r.upstream_messages,
        r.client_bytes,
        r.upstream_bytes,
        r.client_pings,
        r.upstream_pings,
        r.client_close,
        clean(r.client_reason),
        r.upstream_close,
        clean(r.upstream_reason),
        r.unassigned,
        clean(r.problem),
        r.key_id,
        r.digest,
        None,
    )


def _gift(id_: int, r: RecordedConnection) -> Iterator[Row]:
    """Pieces of what is new of it: those of a gift that was given before have the numbers of what is there."""
    if r.log or r.client_data or r.upstream_data:
        yield piece_row(id_, "log", r.part, pack_log(r.log))
    if r.client_data:
        yield piece_row(id_, "client", r.part, r.client_data)
    if r.upstream_data:
        yield piece_row(id_, "upstream", r.part, r.upstream_data)


_HEADS = and_(connection_pieces.c.connection == connections.c.id, connection_pieces.c.part == "heads", connection_pieces.c.seq == 0)
_STANDING = (
    select(*connections.c["id", "number", "take", "pruned"], connection_pieces.c.raw_bytes)
    .select_from(connections.outerjoin(connection_pieces, _HEADS))
    .where(connections.c.writer == bindparam("writer"), connections.c.number.in_(bindparam("numbers", expanding=True)))
    .with_for_update(read=True, key_share=True, of=connections)  # nobody may delete it before this is committed
)

"""Proves that the store holds what was put into it: every body decodes to what its digest says, every reference leads somewhere."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from sqlalchemy import ColumnElement, Connection, and_, func, not_, or_, select

from playhead.config.errors import StoreError

from .checks import Found, each, ids_of, readable, sound_pieces, there
from .connecting.verify_connections import connection_problems
from .costing.cost_tables import cost_history, cost_line_rows, costs
from .costing.verify_sums import sum_problems
from .engine import Database
from .queries import BodyReader
from .records import DEFAULT_RULES, Record
from .replaying.replays import Compute, load_items, stored_request
from .rows import unpack_times
from .tables import bodies, connections, event_rows, event_types, exchanges, fingerprints, item_rows, item_words, pieces, sessions, takes, writers


class Problem(Record):
    """What is wrong. `exchange`: null if it is not about one."""

    exchange: int | None
    problem: str


_WHOLE = exchanges.c.pruned.is_distinct_from("content")
_CONTENT = (bodies, event_rows, item_rows, fingerprints)


def find_problems(database: Database, compute: Compute | None = None) -> Iterator[Problem]:
    """All that is wrong with the store; nothing if it is sound. Never raises for damage. May run while a recorder writes.

    `compute`: makes fingerprints anew.
    """
    checks = [_file, _references, _bodies, _pieces, _events, _items, connection_problems, sum_problems]
    if compute is not None:
        checks.append(partial(_fingerprints, compute=compute))
    for check in checks:
        try:
            for exchange, text in check(database):
                yield Problem(exchange=exchange, problem=text)
        except StoreError as error:
            yield Problem(exchange=None, problem=str(error))


def _file(database: Database) -> Iterator[Found]:
    """What the database itself finds."""
    if not database.sqlite:
        return
    with database.reading() as connection:
        found = connection.exec_driver_sql("PRAGMA integrity_check(20)").scalars().all()
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    yield from ((None, f"the file is damaged: {line}") for line in found if line != "ok")
    yield from ((None, f"a row of {table} refers to a row of {parent} that is not there") for table, _, parent, _ in broken)


def _references(database: Database) -> Iterator[Found]:
    e = exchanges.c
    take = and_(takes.c.session == e.session, takes.c.take == e.take)
    wanted: list[tuple[str, ColumnElement[bool]]] = [
        ("its session is not there", ~there(sessions, sessions.c.session == e.session)),
        ("its take is not there", ~there(takes, take)),
        ("its connection is not there", and_(e.connection.is_not(None), ~there(connections, connections.c.id == e.connection))),
        ("its writer is not there", ~there(writers, writers.c.id == e.writer)),
        ("it has no body", and_(~there(bodies, bodies.c.exchange == e.id), _WHOLE)),
        ("its content is pruned, and something of it is left", and_(not_(_WHOLE), or_(*(there(table, table.c.exchange == e.id) for table in _CONTENT)))),
    ]
    for text, condition in wanted:
        yield from each(database, select(e.id).where(condition), e.id, text)
    for table in (bodies, pieces, event_rows, item_rows, fingerprints, costs, cost_history, cost_line_rows):
        column = table.c.exchange
        orphans = select(column).distinct().where(~there(exchanges, exchanges.c.id == column))
        yield from each(database, orphans, column, f"rows of {table.name} are left of it, the exchange itself is not there")
    f, begun = fingerprints.c, fingerprints.alias()
    lost = select(f.exchange).where(f.base.is_not(None), ~there(begun, and_(begun.c.exchange == f.base, begun.c.rules == f.rules)))
    yield from each(database, lost, f.exchange, "the items that its own go on from are not there")
    other = exchanges.alias()
    same = and_(other.c.session == e.session, other.c.seq == e.seq, other.c.take == e.take, other.c.id < e.id)
    yield from each(database, select(e.id).where(there(other, same)), e.id, "another exchange has its place (seq) in the take")


def _bodies(database: Database) -> Iterator[Found]:
    """Decoding compares with the digest."""
    reader = BodyReader()
    yield from readable(database, select(bodies.c.exchange), bodies.c.exchange, lambda connection, id_: reader.row(connection, id_))


def _pieces(database: Database) -> Iterator[Found]:
    # Of pruned content pieces may be left, if that was broken off: the next `playhead prune` takes them away.
    whole = there(exchanges, and_(exchanges.c.id == pieces.c.exchange, _WHOLE))
    yield from readable(database, select(pieces.c.exchange).distinct().where(whole), pieces.c.exchange, _read_pieces)


def _read_pieces(connection: Connection, id_: int) -> None:
    for part, data in sound_pieces(connection, pieces, id_):
        if part == "times":
            unpack_times(data)


def _events(database: Database) -> Iterator[Found]:
    e, r = exchanges.c, event_rows.c
    counted = select(func.count()).where(r.exchange == e.id).scalar_subquery()
    last = select(func.max(r.seq)).where(r.exchange == e.id).scalar_subquery()
    yield from each(database, select(e.id).where(e.events != counted, _WHOLE), e.id, "the number of its events is not what its row says")
    yield from each(database, select(e.id).where(last != counted - 1), e.id, "events are missing between others")
    untyped = select(r.exchange).distinct().where(r.type.is_not(None), ~there(event_types, event_types.c.id == r.type))
    yield from each(database, untyped, r.exchange, "the type of an event is not there")


def _items(database: Database) -> Iterator[Found]:
    r = item_rows.c
    for column in (r.type, r.name, r.status):
        lost = select(r.exchange).distinct().where(column.is_not(None), ~there(item_words, item_words.c.id == column))
        yield from each(database, lost, r.exchange, f"the {column.name} of an item is not there")


def _fingerprints(database: Database, compute: Compute) -> Iterator[Found]:
    """Those under the default rules."""
    f, reader = fingerprints.c, BodyReader()
    for id_ in ids_of(database, select(f.exchange).where(f.rules == DEFAULT_RULES), f.exchange):
        try:
            made = compute(stored_request(database, reader, id_))
        except StoreError:
            continue  # that its request cannot be read has been said
        with database.reading() as connection:
            row = connection.execute(select(f.digest, f.asks).where(f.exchange == id_, f.rules == DEFAULT_RULES)).first()
            items = load_items(connection, [id_]).get(id_)
        if row is not None and (row.digest, row.asks, items) != made[:3]:
            yield id_, "its fingerprint is not that of its request"

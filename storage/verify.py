"""Proves that the store holds what was put into it: every body decodes to what its digest says, every reference leads somewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, exists, func, literal, select

from playhead.config.errors import StoreError

from .engine import Database
from .queries import BodyReader
from .records import DEFAULT_RULES, Record
from .replays import Compute, load_items, stored_request
from .rows import digest, piece_data, unpack_times
from .tables import bodies, connections, event_rows, event_types, exchanges, fingerprints, item_rows, item_words, pieces, sessions, takes, writers

_AT_ONCE = 200
_Found = tuple[int | None, str]


class Problem(Record):
    """What is wrong. `exchange`: null if it is not about one."""

    exchange: int | None
    problem: str


def find_problems(database: Database, compute: Compute | None = None) -> Iterator[Problem]:
    """All that is wrong with the store; nothing if it is sound. Never raises for damage. May run while a recorder writes.

    `compute`: makes fingerprints anew.
    """
    checks = [_file, _references, _bodies, _pieces, _events, _items]
    if compute is not None:
        checks.append(partial(_fingerprints, compute=compute))
    for check in checks:
        try:
            for exchange, text in check(database):
                yield Problem(exchange=exchange, problem=text)
        except StoreError as error:
            yield Problem(exchange=None, problem=str(error))


def _file(database: Database) -> Iterator[_Found]:
    """What the database itself finds."""
    if not database.sqlite:
        return
    with database.reading() as connection:
        found = connection.exec_driver_sql("PRAGMA integrity_check(20)").scalars().all()
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    yield from ((None, f"the file is damaged: {line}") for line in found if line != "ok")
    yield from ((None, f"a row of {table} refers to a row of {parent} that is not there") for table, _, parent, _ in broken)


def _references(database: Database) -> Iterator[_Found]:
    e = exchanges.c
    take = and_(takes.c.session == e.session, takes.c.take == e.take)
    wanted: list[tuple[str, ColumnElement[bool]]] = [
        ("its session is not there", ~_there(sessions, sessions.c.name == e.session)),
        ("its take is not there", ~_there(takes, take)),
        ("its connection is not there", and_(e.connection.is_not(None), ~_there(connections, connections.c.id == e.connection))),
        ("its writer is not there", ~_there(writers, writers.c.id == e.writer)),
        ("it has no body", ~_there(bodies, bodies.c.exchange == e.id)),
    ]
    for text, condition in wanted:
        yield from _each(database, select(e.id).where(condition), e.id, text)
    for table in (bodies, pieces, event_rows, item_rows, fingerprints):
        column = table.c.exchange
        orphans = select(column).distinct().where(~_there(exchanges, exchanges.c.id == column))
        yield from _each(database, orphans, column, f"rows of {table.name} are left of it, the exchange itself is not there")
    f, begun = fingerprints.c, fingerprints.alias()
    lost = select(f.exchange).where(f.base.is_not(None), ~_there(begun, and_(begun.c.exchange == f.base, begun.c.rules == f.rules)))
    yield from _each(database, lost, f.exchange, "the items that its own go on from are not there")
    other = exchanges.alias()
    same = and_(other.c.session == e.session, other.c.seq == e.seq, other.c.take == e.take, other.c.id < e.id)
    yield from _each(database, select(e.id).where(_there(other, same)), e.id, "another exchange has its place (seq) in the take")


def _there(table: FromClause, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists(select(literal(1)).select_from(table).where(condition))


def _each(database: Database, statement: Select[int], column: ColumnElement[int], text: str) -> Iterator[_Found]:
    yield from ((id_, text) for id_ in _ids(database, statement, column))


def _ids(database: Database, statement: Select[int], column: ColumnElement[int]) -> Iterator[int]:
    """Ids in order, some at a time, so that the state of the store is not held for long."""
    after = -1
    while True:
        with database.reading() as connection:
            ids = connection.execute(statement.where(column > after).order_by(column).limit(_AT_ONCE)).scalars().all()
        yield from ids
        if len(ids) < _AT_ONCE:
            return
        after = ids[-1]


def _bodies(database: Database) -> Iterator[_Found]:
    """Decoding compares with the digest."""
    reader = BodyReader()
    yield from _readable(database, select(bodies.c.exchange), bodies.c.exchange, lambda connection, id_: reader.row(connection, id_))


def _readable(database: Database, statement: Select[int], column: ColumnElement[int], read: Callable[[Connection, int], object]) -> Iterator[_Found]:
    """Those that cannot be read and why."""
    for id_ in _ids(database, statement, column):
        try:
            with database.reading() as connection:
                if connection.execute(select(column).where(column == id_).limit(1)).first() is not None:  # not deleted since
                    read(connection, id_)
        except StoreError as error:
            yield id_, str(error)


def _pieces(database: Database) -> Iterator[_Found]:
    yield from _readable(database, select(pieces.c.exchange).distinct(), pieces.c.exchange, _read_pieces)


def _read_pieces(connection: Connection, id_: int) -> None:
    places = connection.execute(select(pieces.c.part, pieces.c.seq).where(pieces.c.exchange == id_).order_by(pieces.c.part, pieces.c.seq)).all()
    expected: dict[str, int] = {}
    for part, seq in places:
        if seq != expected.get(part, 0):
            raise StoreError(f"its {part} lacks piece {expected.get(part, 0)}")
        expected[part] = seq + 1
        row = connection.execute(select(pieces).where(pieces.c.exchange == id_, pieces.c.part == part, pieces.c.seq == seq)).one()
        data = piece_data(row.codec, row.data, row.raw_bytes)
        if len(data) != row.raw_bytes or digest(data) != row.digest:
            raise StoreError(f"piece {seq} of its {part} is damaged: it is not what its digest says")
        if part == "times":
            unpack_times(data)


def _events(database: Database) -> Iterator[_Found]:
    e, r = exchanges.c, event_rows.c
    counted = select(func.count()).where(r.exchange == e.id).scalar_subquery()
    last = select(func.max(r.seq)).where(r.exchange == e.id).scalar_subquery()
    yield from _each(database, select(e.id).where(e.events != counted), e.id, "the number of its events is not what its row says")
    yield from _each(database, select(e.id).where(last != counted - 1), e.id, "events are missing between others")
    untyped = select(r.exchange).distinct().where(r.type.is_not(None), ~_there(event_types, event_types.c.id == r.type))
    yield from _each(database, untyped, r.exchange, "the type of an event is not there")


def _items(database: Database) -> Iterator[_Found]:
    r = item_rows.c
    for column in (r.type, r.name, r.status):
        lost = select(r.exchange).distinct().where(column.is_not(None), ~_there(item_words, item_words.c.id == column))
        yield from _each(database, lost, r.exchange, f"the {column.name} of an item is not there")


def _fingerprints(database: Database, compute: Compute) -> Iterator[_Found]:
    """Those under the default rules."""
    f, reader = fingerprints.c, BodyReader()
    for id_ in _ids(database, select(f.exchange).where(f.rules == DEFAULT_RULES), f.exchange):
        try:
            made = compute(stored_request(database, reader, id_))
        except StoreError:
            continue  # that its request cannot be read has been said
        with database.reading() as connection:
            row = connection.execute(select(f.digest, f.asks).where(f.exchange == id_, f.rules == DEFAULT_RULES)).first()
            items = load_items(connection, [id_]).get(id_)
        if row is not None and (row.digest, row.asks, items) != made:
            yield id_, "its fingerprint is not that of its request"

"""What all checks of the store are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, Table, exists, literal, select

from playhead.config.errors import StoreError

from .engine import Database
from .rows import digest, piece_data

_AT_ONCE = 200
Found = tuple[int | None, str]
"""What is wrong: the exchange, if it is about one, and the words."""


def there(table: FromClause, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether there is such a row."""
    return exists(select(literal(1)).select_from(table).where(condition))


def each(database: Database, statement: Select[int], column: ColumnElement[int], text: str) -> Iterator[Found]:
    """The same of all these exchanges."""
    yield from ((id_, text) for id_ in ids_of(database, statement, column))


def ids_of(database: Database, statement: Select[int], column: ColumnElement[int]) -> Iterator[int]:
    """Ids in order, some at a time, so that the state of the store is not held for long."""
    after = -1
    while True:
        with database.reading() as connection:
            ids = connection.execute(statement.where(column > after).order_by(column).limit(_AT_ONCE)).scalars().all()
        yield from ids
        if len(ids) < _AT_ONCE:
            return
        after = ids[-1]


def readable(database: Database, statement: Select[int], column: ColumnElement[int], read: Callable[[Connection, int], object]) -> Iterator[tuple[int, str]]:
    """Those that cannot be read and why."""
    for id_ in ids_of(database, statement, column):
        try:
            with database.reading() as connection:
                if connection.execute(select(column).where(column == id_).limit(1)).first() is not None:  # not deleted since
                    read(connection, id_)
        except StoreError as error:
            yield id_, str(error)


def sound_pieces(connection: Connection, table: Table, id_: int, gaps: Sequence[str] = ()) -> Iterator[tuple[str, bytes]]:
    """The pieces of an exchange or a connection, by part. `gaps`: parts whose numbers need not follow one another.

    Raises StoreError if one lacks, or is not what its digest says.
    """
    key, part, seq = [*table.columns][:3]
    expected: dict[str, int] = {}
    for place in connection.execute(select(part, seq).where(key == id_).order_by(part, seq)).all():
        if place.part not in gaps and place.seq != expected.get(place.part, 0):
            raise StoreError(f"its {place.part} lacks piece {expected.get(place.part, 0)}")
        expected[place.part] = place.seq + 1
        row: Any = connection.execute(select(table).where(key == id_, part == place.part, seq == place.seq)).first()
        if row is None:
            return  # deleted since
        data = piece_data(row.codec, row.data, row.raw_bytes)
        if len(data) != row.raw_bytes or digest(data) != row.digest:
            raise StoreError(f"piece {place.seq} of its {place.part} is damaged: it is not what its digest says")
        yield place.part, data

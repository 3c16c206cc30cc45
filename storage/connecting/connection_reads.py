"""What is asked of the store about WebSocket connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row, Select, and_, func, or_, select

from playhead.config.errors import StoreError

from ..engine import Database
from ..queries import ROW_COLUMNS, exchange_record, require_session
from ..records import DEFAULT_RULES, ExchangeRecord
from ..rows import piece_data
from ..tables import IS_TURN, IS_WHOLE, connection_pieces, connections, exchanges, fingerprints
from .connected import ConnectionRecord, Handshake, LogColumns, LogEntry, turn_numbers, turn_of
from .connection_log import PARTS, unpack_columns, unpack_heads, unpack_log

_AT_ONCE = 200


def _exchange_count() -> Any:
    """How many exchanges of a connection are stored: found by identity, which is indexed."""
    counted = select(func.count()).select_from(exchanges).correlate(connections)
    turns, own = counted.where(IS_TURN).scalar_subquery(), counted.where(IS_WHOLE).scalar_subquery()
    return (turns + own).label("exchanges")


_COLUMNS = tuple([_exchange_count() if name == "exchanges" else connections.c[name] for name in ConnectionRecord.model_fields])


def list_connections(database: Database, session: str, take: int | None) -> Iterator[ConnectionRecord]:
    """See `Store.connections`."""
    require_session(database, session)
    return _listed(database, session, take)


def _listed(database: Database, session: str, take: int | None) -> Iterator[ConnectionRecord]:
    c = connections.c
    wanted = select(c.id).where(c.session == session, *([] if take is None else [c.take == take])).order_by(c.take, c.started_at, c.id)
    with database.reading() as connection:
        ids = connection.execute(wanted).scalars().all()
    for start in range(0, len(ids), _AT_ONCE):
        part = ids[start : start + _AT_ONCE]
        with database.reading() as connection:
            rows = {row.id: row for row in connection.execute(select(*_COLUMNS).where(c.id.in_(part)))}
        yield from (_record(rows[id_]) for id_ in part if id_ in rows)


def _record(row: Row[Any]) -> ConnectionRecord:
    fields = dict(row._mapping)
    fields["lanes"] = fields["lanes"] or []
    return ConnectionRecord.model_construct(**fields)


def find_connection(database: Database, id_: int) -> ConnectionRecord:
    """See `Store.connection`."""
    return _record(_row(database, id_, select(*_COLUMNS)))


def _row(database: Database, id_: int, wanted: Select[Any]) -> Row[Any]:
    """Of a connection. Raises StoreError if there is none."""
    with database.reading() as connection:
        row = connection.execute(wanted.where(connections.c.id == (id_ if 0 <= id_ < 1 << 63 else -1))).first()
    if row is None:
        raise StoreError(f"There is no connection {id_} in the store {database.name}. `playhead connections SESSION` lists those there are.")
    return row


# What it keeps.


def read_heads(database: Database, id_: int) -> tuple[bytes, bytes]:
    """See `Store.connection_heads`."""
    _row(database, id_, select(connections.c.id))
    return unpack_heads(b"".join(_pieces(database, id_, "heads")))


def read_log(database: Database, id_: int) -> Iterator[LogEntry]:
    """See `Store.connection_log`; some at a time. Raises StoreError at once if there is no such connection."""
    _row(database, id_, select(connections.c.id))
    return (entry for data in _pieces(database, id_, "log") for entry in unpack_log(data))


def read_columns(database: Database, id_: int) -> Iterator[LogColumns]:
    """See `Store.connection_columns`."""
    _row(database, id_, select(connections.c.id))
    return map(unpack_columns, _pieces(database, id_, "log"))


def read_messages(database: Database, id_: int) -> Iterator[tuple[LogEntry, bytes]]:
    """See `Store.connection_messages`. Raises StoreError at once if there is no such connection."""
    return _messages(database, id_, read_log(database, id_))


def _messages(database: Database, id_: int, log: Iterator[LogEntry]) -> Iterator[tuple[LogEntry, bytes]]:
    payloads = [_Payloads(_pieces(database, id_, part)) for part in PARTS]
    for entry in log:
        if not entry.turn:
            data = payloads[entry.direction].take(entry.bytes)
            if len(data) < entry.bytes:
                raise StoreError(f"connection {id_} is damaged: it lacks bytes of the messages that belong to no turn")
            yield entry, data


class _Payloads:
    """Payloads that stand end to end in pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece, self._place = b"", 0

    def take(self, size: int) -> bytes:
        """The next one; shorter at the end."""
        found = self._piece[self._place : self._place + size]
        self._place += size
        while len(found) < size and (piece := next(self._pieces, None)) is not None:
            self._piece, self._place = piece, size - len(found)
            found += piece[: self._place]
        return found


def _pieces(database: Database, id_: int, part: str) -> Iterator[bytes]:
    """In order, a transaction for each. Raises StoreError if one is damaged."""
    p = connection_pieces.c
    after = -1
    wanted = select(connection_pieces).where(p.connection == id_, p.part == part).order_by(p.seq).limit(1)
    while True:
        with database.reading() as connection:
            row = connection.execute(wanted.where(p.seq > after)).first()
        if row is None:
            return
        yield piece_data(row.codec, row.data, row.raw_bytes)
        after = row.seq


# Its exchanges.


def list_turns(database: Database, id_: int) -> dict[int, ExchangeRecord]:
    """See `Store.turns`."""
    row = _row(database, id_, select(connections.c.writer, connections.c.number))
    if row.number is None:
        return {}
    e, (least, greatest) = exchanges.c, turn_numbers(row.number)
    theirs = or_(and_(e.writer == row.writer, e.number.between(least, greatest)), and_(e.writer == row.writer, e.number == row.number))
    with database.reading() as connection:
        numbers = dict(connection.execute(select(e.id, e.number).where(theirs)).all())
        rows = connection.execute(select(*ROW_COLUMNS).where(theirs).order_by(e.number.desc())).all()
    return {turn_of(numbers[found.id]): exchange_record(found) for found in rows}


def list_handshakes(database: Database, session: str, take: int | None) -> list[Handshake]:
    """See `Store.handshakes`."""
    c, e, f = connections.c, exchanges.c, fingerprints.c
    told = connections.outerjoin(exchanges, IS_WHOLE).outerjoin(fingerprints, and_(f.exchange == e.id, f.rules == DEFAULT_RULES))
    wanted = (
        select(c.id, c.take, func.coalesce(c.digest, f.digest), c.status, e.id, c.outcome)
        .select_from(told)
        .where(c.session == session, *([] if take is None else [c.take == take]), or_(c.digest.is_not(None), f.digest.is_not(None)))
        .order_by(c.take, c.started_at, c.id)
    )
    with database.reading() as connection:
        return [Handshake(*row) for row in connection.execute(wanted)]

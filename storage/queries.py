"""What is asked of the store: listings, and the raw bytes of an exchange."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, func, select, true

from playhead.config.errors import ConfigError, StoreError

from .bodies import StoredBody, decode_against, decode_chain
from .costing.costs import dollars
from .engine import Database
from .packing.deltas import Readers
from .records import EventRecord, EventRow, ExchangeRecord, Frame, ItemRow, Raw, Record, SessionRecord, WireProblems
from .rows import piece_data, rows_by_key, unpack_times
from .tables import bodies, event_rows, event_types, events, exchanges, items, pieces, sessions, takes

_PAGE = 500  # rows read at once, so that no listing holds the store's state for long
_AT_ONCE = 64  # bodies read at once
_OVERHEAD = 1024  # bytes that an exchange takes beside its bodies, roughly
_CACHE = 64 << 20  # bytes of decoded bodies kept while many are read in a row

ROW_COLUMNS = tuple([exchanges.c[name] for name in ExchangeRecord.model_fields])


class Filter(Record):
    """Which exchanges of a session to list. `status`: "200" or "4xx". `after`: only those with greater ids, in the order in which they were
    stored: what is new since the last look.
    """

    take: int | None = None
    since: datetime | None = None
    status: str | None = None
    model: str | None = None
    after: int | None = None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """As SQL. Raises ConfigError for a status that cannot be."""
        columns = exchanges.c
        if self.take is not None:
            yield columns["take"] == self.take
        if self.since is not None:
            yield columns["started_at"] >= self.since
        if self.model is not None:
            yield columns["model"] == self.model
        if self.after is not None:
            yield columns["id"] > self.after
        if self.status is not None:
            if not re.fullmatch(r"[1-5](?:\d\d|xx)", self.status):
                raise ConfigError(f"There is no status {self.status!r}: give one such as 200, or a class such as 4xx.")
            low = int(self.status.replace("x", "0"))
            yield columns["status"].between(low, low + 99 if self.status.endswith("xx") else low)


def list_sessions(database: Database) -> list[SessionRecord]:
    """All sessions by name."""
    columns = exchanges.c
    found = (
        select(
            sessions.c.session.label("session"),
            select(func.count()).where(takes.c.session == sessions.c.session).scalar_subquery().label("takes"),
            func.count(columns.id).label("exchanges"),
            func.min(columns.started_at, type_=columns.started_at.type).label("started_at"),
            func.max(columns.started_at, type_=columns.started_at.type).label("last_at"),
            func.coalesce(func.sum(columns.request_bytes), 0).label("request_bytes"),
            func.coalesce(func.sum(columns.response_bytes), 0).label("response_bytes"),
        )
        .select_from(sessions.outerjoin(exchanges, columns.session == sessions.c.session))
        .group_by(sessions.c.session)
        .order_by(sessions.c.session)
    )
    with database.reading() as connection:
        return [SessionRecord.model_validate(dict(row._mapping)) for row in connection.execute(found)]


def list_exchanges(database: Database, session: str, wanted: Filter, limit: int | None) -> Iterator[ExchangeRecord]:
    """Those of a session by seq; with `wanted.after` by id. Raises StoreError at once if there is no such session."""
    require_session(database, session)
    statement = select(*ROW_COLUMNS).where(exchanges.c.session == session, *wanted.conditions())
    return _paged_exchanges(database, statement, limit, by_id=wanted.after is not None)


def require_session(database: Database, session: str) -> None:
    """Raises StoreError if there is no such session."""
    with database.reading() as connection:
        if connection.execute(select(sessions.c.id).where(sessions.c.session == session)).first() is None:
            raise no_session(database, session)


def no_session(database: Database, session: str) -> StoreError:
    """What to raise."""
    return StoreError(f"There is no session {session!r} in the store {database.name}. `playhead sessions` lists those there are.")


def _paged_exchanges(database: Database, statement: Select[Any], limit: int | None, *, by_id: bool) -> Iterator[ExchangeRecord]:
    order = [exchanges.c.id] if by_id else [exchanges.c.seq, exchanges.c.id]
    after: ColumnElement[bool] = true()
    left = limit
    while left is None or left > 0:
        size = _PAGE if left is None else min(_PAGE, left)
        with database.reading() as connection:
            rows = connection.execute(statement.where(after).order_by(*order).limit(size)).all()
        yield from map(exchange_record, rows)
        if len(rows) < size:
            return
        last = rows[-1]
        after = exchanges.c.id > last.id if by_id else behind(last.seq, last.id)
        left = None if left is None else left - size


def behind(seq: int, id_: int) -> ColumnElement[bool]:
    """Exchanges of a session that follow another one. Written so that databases begin reading the index there."""
    columns = exchanges.c
    return (columns.seq >= seq) & ((columns.seq > seq) | (columns.id > id_))


def exchange_record(row: Row[Any]) -> ExchangeRecord:
    """As the listings print it."""
    fields = dict(row._mapping)
    if fields["cost"] is not None:
        fields["cost"] = dollars(fields["cost"])
    return ExchangeRecord.model_construct(**fields)


def find_exchange(database: Database, id_: int) -> ExchangeRecord:
    """Raises StoreError if there is none."""
    with database.reading() as connection:
        row = connection.execute(select(*ROW_COLUMNS).where(exchanges.c.id == _id(id_))).first()
    if row is None:
        raise no_exchange(database, id_)
    return exchange_record(row)


def no_exchange(database: Database, id_: int) -> StoreError:
    """What to raise."""
    return StoreError(f"There is no exchange {id_} in the store {database.name}. `playhead exchanges SESSION` lists those there are.")


def pruned(id_: int) -> StoreError:
    """What to raise where something is asked of content that is gone."""
    return StoreError(
        f"The content of exchange {id_} is pruned: it was kept as long as keep_content and keep_size say. "
        f"What is left is its row, with usage and costs: `playhead show {id_}`."
    )


def require_content(database: Database, id_: int) -> None:
    """Raises StoreError if there is no such exchange, or its content is pruned."""
    with database.reading() as connection:
        row = connection.execute(select(exchanges.c.pruned).where(exchanges.c.id == _id(id_))).first()
    if row is None:
        raise no_exchange(database, id_)
    if row.pruned == "content":
        raise pruned(id_)


def _id(id_: int) -> int:
    return id_ if 0 <= id_ < 1 << 63 else -1


def require(database: Database, id_: int) -> None:
    """Raises StoreError if there is no such exchange."""
    with database.reading() as connection:
        if connection.execute(select(exchanges.c.id).where(exchanges.c.id == _id(id_))).first() is None:
            raise no_exchange(database, id_)


def list_events(database: Database, id_: int, after: int = -1) -> Iterator[EventRecord]:
    """Events of an exchange by seq, those after `after`. Raises StoreError at once if there is no such exchange."""
    require_content(database, id_)
    statement = select(events).where(events.c.exchange == id_)
    return (EventRecord.model_construct(**row._mapping) for row in _paged(database, statement, events.c.seq, after))


def list_event_rows(database: Database, id_: int) -> Iterator[EventRow]:
    """As `list_events`, as they were recorded: with opcodes and nanoseconds."""
    require_content(database, id_)
    wanted = [event_rows.c[name] for name in EventRow._fields if name != "type"]
    joined = event_rows.outerjoin(event_types, event_types.c.id == event_rows.c.type)
    statement = select(*wanted, event_types.c.type).select_from(joined).where(event_rows.c.exchange == id_)
    return (EventRow(**row._mapping) for row in _paged(database, statement, event_rows.c.seq, -1))


def list_items(database: Database, id_: int) -> list[ItemRow]:
    """Those of the request first. Raises StoreError if there is no such exchange."""
    require_content(database, id_)
    wanted = select(*[items.c[name] for name in ItemRow._fields]).where(items.c.exchange == id_).order_by(items.c.part, items.c.position)
    with database.reading() as connection:
        return [ItemRow(*row) for row in connection.execute(wanted)]


def find_problems(database: Database, id_: int) -> WireProblems:
    """What does not fit its field. Raises StoreError if there is no such exchange."""
    with database.reading() as connection:
        row = connection.execute(select(exchanges.c.problems).where(exchanges.c.id == _id(id_))).first()
    if row is None:
        raise no_exchange(database, id_)
    found = row.problems or {"count": 0, "first": []}
    return WireProblems(found["count"], tuple([(one["path"], one["expected"], one["found"]) for one in found["first"]]))


def _paged(database: Database, statement: Select[Any], seq: ColumnElement[int], after: int, size: int = _PAGE) -> Iterator[Row[Any]]:
    """Rows by a column that counts up, a page for each transaction."""
    while True:
        with database.reading() as connection:
            rows = connection.execute(statement.where(seq > after).order_by(seq).limit(size)).all()
        yield from rows
        if len(rows) < size:
            return
        after = rows[-1].seq


# Raw bytes.


class BodyReader:
    """Decodes bodies; keeps some of them, for those that are written against them. `cache`: bytes to keep; `framed`: `Raw.framed` is wanted of `rows`."""

    def __init__(self, cache: int = _CACHE, *, framed: bool = False) -> None:
        self._readers = Readers(framed=framed)
        self._room = cache
        self._kept: OrderedDict[int, Raw] = OrderedDict()

    def row(self, connection: Connection, id_: int) -> Raw:
        """What the row of bodies of an exchange holds: all of it, or the start where there are pieces. Raises StoreError if it cannot be read."""
        chain = list(self._chain(connection, id_))
        if not chain:
            if connection.execute(select(exchanges.c.pruned).where(exchanges.c.id == id_)).scalar() == "content":
                raise pruned(id_)
            raise StoreError(f"exchange {id_} has no body in the store")
        known = self._kept.get(chain[-1].base or 0)
        if known is None:
            raw = decode_chain(chain)
        else:
            raw = known
            for stored in reversed(chain):
                raw = decode_against(stored, raw)
        self._keep(id_, raw)
        return raw

    def rows(self, connection: Connection, ids: Sequence[int], most: int, *, times: bool = True) -> list[Raw]:
        """As `row`, of the first of these exchanges that take `most` bytes, at least one; quick where each is written against one of the others.

        `times` False: without their frames. Raises StoreError if one cannot be read.
        """
        raws: list[Raw] = []
        for start in range(0, len(ids), _AT_ONCE):
            part = ids[start : start + _AT_ONCE]
            found = {row[0]: _stored(row) for row in rows_by_key(connection, bodies, part)}
            bases = {stored.base for stored in found.values()}
            for id_ in part:
                stored = found.get(id_)
                most -= _OVERHEAD if stored is None else stored.raw_bytes + _OVERHEAD
                if most < 0 and raws:
                    return raws
                raws.append(raw := self._one(connection, id_, stored, times=times))
                if id_ in bases or id_ == part[-1]:  # what others are written against; the others would only take its place
                    self._keep(id_, raw)
        return raws

    def _one(self, connection: Connection, id_: int, stored: StoredBody | None, *, times: bool) -> Raw:
        base = None if stored is None else stored.base
        if base is not None and base not in self._kept:
            self.row(connection, base)
        known = self._kept.get(base or 0)
        if stored is None or (base is not None and known is None):
            return self.row(connection, id_)  # it is not there, or its base is too big to be kept
        if base is not None:
            self._kept.move_to_end(base)
        try:
            raw = decode_against(stored, known if base is not None else None, readers=self._readers, times=times)
        except StoreError:
            return BodyReader(0).row(connection, id_)  # which knows exactly what is damaged
        return raw

    def _chain(self, connection: Connection, id_: int) -> Iterator[StoredBody]:
        """Its row and those it is written against, as far as what is kept."""
        own = connection.execute(select(bodies).where(bodies.c.exchange == id_)).first()
        if own is None:
            return
        rows = [own]
        if own.base is not None and own.base not in self._kept:
            rows += connection.execute(_LINEAGE, {"exchange": own.base}).all()
        for row in rows:
            yield _stored(row)
            if row.base in self._kept:
                return

    def _keep(self, id_: int, raw: Raw) -> None:
        if (before := self._kept.pop(id_, None)) is not None:
            self._room += _size(before)
        self._kept[id_] = raw
        self._room -= _size(raw)
        while self._room < 0 and self._kept:
            _, forgotten = self._kept.popitem(last=False)
            self._room += _size(forgotten)


def _stored(row: Any) -> StoredBody:
    """Raises StoreError for a base that cannot be one."""
    exchange, base, depth, codec, digest, raw_bytes, data = row
    if base is not None and base >= exchange:
        raise StoreError(f"exchange {exchange} cannot be read: its base {base} is not older than itself")
    return StoredBody(base, data, codec, digest, raw_bytes, depth)


def _lineage() -> Select[Any]:
    """Rows of bodies from an exchange to the one that has no base; bases are older, so that not even damage goes round in circles."""
    b = bodies.c
    start = select(b.exchange, b.base).where(b.exchange == bindparam("exchange")).cte("lineage", recursive=True)
    line = start.union_all(select(b.exchange, b.base).where(b.exchange == start.c.base, b.exchange < start.c.exchange))
    return select(bodies).join(line, line.c.exchange == b.exchange).order_by(b.exchange.desc())


_LINEAGE = _lineage()


def _size(raw: Raw) -> int:
    return len(raw.request) + len(raw.response) + len(raw.framed) + 64 * len(raw.frames) + 2048


def read_raw(database: Database, id_: int) -> Raw:
    """Everything of an exchange, put together from its pieces. Raises StoreError: no such exchange, or damaged."""
    with database.reading() as connection:
        if connection.execute(select(exchanges.c.id).where(exchanges.c.id == _id(id_))).first() is None:
            raise no_exchange(database, id_)
        raw = BodyReader(0).row(connection, id_)
        rows = connection.execute(select(pieces).where(pieces.c.exchange == id_).order_by(pieces.c.part, pieces.c.seq)).all()
    return _joined(raw, [(row.part, piece_data(row.codec, row.data, row.raw_bytes)) for row in rows]) if rows else raw


def _joined(raw: Raw, parts: Iterable[tuple[str, bytes]]) -> Raw:
    request, response = [raw.request], [raw.response]
    frames: list[Frame] = list(raw.frames)
    chunks: list[int] = list(raw.chunks)
    for part, data in parts:
        if part == "times":
            more = unpack_times(data)
            frames += more[0]
            chunks += more[1]
        else:
            (request if part == "request" else response).append(data)
    return Raw(raw.request_head, b"".join(request), raw.response_heads, b"".join(response), raw.trailers, tuple(frames), tuple(chunks))


def read_heads(database: Database, id_: int) -> Raw:
    """Heads and trailers of an exchange, and of its bodies what is not in pieces."""
    require(database, id_)
    with database.reading() as connection:
        return BodyReader(0).row(connection, id_)


def read_part(database: Database, id_: int, part: str) -> Iterator[bytes]:
    """A body of an exchange piece by piece, `part`: request or response. Raises StoreError at once if there is no such exchange."""
    require(database, id_)
    return _read_part(database, id_, part)


def _read_part(database: Database, id_: int, part: str) -> Iterator[bytes]:
    with database.reading() as connection:
        raw = BodyReader(0).row(connection, id_)
    if start := raw.request if part == "request" else raw.response:
        yield start
    yield from read_pieces(database, id_, part)


def read_pieces(database: Database, id_: int, part: str) -> Iterator[bytes]:
    """The pieces of a part in order. Raises StoreError if one is damaged."""
    statement = select(pieces).where(pieces.c.exchange == id_, pieces.c.part == part)
    for row in _paged(database, statement, pieces.c.seq, -1, 4):
        yield piece_data(row.codec, row.data, row.raw_bytes)

"""Replaces what was derived of exchanges, in batches; what was recorded of them stays as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, bindparam, cast, delete, exists, func, literal, or_, select, update

from .chain_writing import ChainWriter, chained
from .chained import EntryKind, Subject
from .connected import turn_of
from .deletion import free_items
from .derived import Derived, Stored, gathered
from .engine import Database
from .items import ItemMemory, WrittenItems, new_items
from .queries import BodyReader, list_event_rows, read_pieces, require_session
from .records import DEFAULT_RULES, PARSER, Direction, ExchangeRecord, Fingerprint, Frame, Raw, Recorded
from .replays import last_lists, load_items
from .rows import Inserter, Words, clean, event_values, exchange_row, fitting, item_values, marker, quoted, unpack_times
from .tables import event_rows, event_types, exchanges, fingerprints, item_rows, item_words, pieces

_AT_ONCE = 100
_EVENTS = 500  # of one statement
_MARKED = 5000  # exchanges of one transaction
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DERIVED = (
    *("events", "parse", "kind", "model", "response_id", "previous_response_id", "response_status", "service_tier", "conversation", "error_code"),
    *("request_id", "attempt", "organization", "project", "user", "usage", "billing", "problem", "problems", "parser"),
)


@dataclass(slots=True)
class _Memory:
    """What saves asking the database."""

    items: ItemMemory = field(default_factory=ItemMemory)
    types: dict[str | None, int | None] = field(default_factory=lambda: {None: None})
    words: dict[str | None, int | None] = field(default_factory=lambda: {None: None})


class Rederivation:
    """Goes through the ended exchanges that an older version has parsed, by id. Broken off, another one goes on where this one stood.

    `session`: those of this one only. Raises StoreError if there is no such session.
    """

    def __init__(self, database: Database, session: str | None = None) -> None:
        if session is not None:
            require_session(database, session)
        self._database = database
        self._reader = BodyReader()
        self._memory = _Memory()
        e = exchanges.c
        ours = [e.outcome.is_not(None), *([] if session is None else [e.session == session])]
        self._pruned: list[ColumnElement[bool]] = [*ours, e.pruned == "content"]
        self._ended: list[ColumnElement[bool]] = [*ours, e.pruned.is_distinct_from("content")]
        self._wanted = [*self._ended, or_(e.parser.is_(None), e.parser < PARSER)]

    def mark(self) -> None:
        """Take all exchanges for such that an older version has parsed."""
        e = exchanges.c
        after = 0
        while True:
            part = select(e.id).where(e.id > after, *self._ended).order_by(e.id).limit(_MARKED)
            with self._database.writing() as connection, chained(connection, EntryKind.REPARSED) as entries:
                ids = connection.execute(part).scalars().all()
                if not ids:
                    return
                entries.changing(Subject.EXCHANGE, ids)
                marked = update(exchanges).where(e.id.between(after + 1, ids[-1]), *self._ended)
                connection.execute(marked.values(parser=None))
            after = ids[-1]

    def count(self) -> int:
        """How many they are."""
        with self._database.reading() as connection:
            return connection.execute(select(func.count()).select_from(exchanges).where(*self._wanted)).scalar_one()

    def pruned(self) -> int:
        """How many cannot be parsed again, since their content is pruned."""
        with self._database.reading() as connection:
            return connection.execute(select(func.count()).select_from(exchanges).where(*self._pruned)).scalar_one()

    def ids(self) -> Iterator[int]:
        """Those there are, by id."""
        after = 0
        while True:
            statement = select(exchanges.c.id).where(exchanges.c.id > after, *self._wanted).order_by(exchanges.c.id).limit(_AT_ONCE)
            with self._database.reading() as connection:
                ids = connection.execute(statement).scalars().all()
            yield from ids
            if len(ids) < _AT_ONCE:
                return
            after = ids[-1]

    def stored(self, id_: int) -> Stored | None:
        """An exchange as it is stored; None if it was deleted meanwhile. Raises StoreError if it is damaged; so does drawing from the iterators."""
        columns = [exchanges.c[name] for name in ExchangeRecord.model_fields]
        big = exists(select(literal(1)).where(pieces.c.exchange == id_)).label("big")
        with self._database.reading() as connection:
            row = connection.execute(select(*columns, exchanges.c.problem, exchanges.c.number, big).where(exchanges.c.id == id_)).first()
            if row is None:
                return None
            raw = self._reader.row(connection, id_)
        known = row._asdict()
        problem, number, pieced = known.pop("problem"), known.pop("number"), bool(known.pop("big"))
        record = ExchangeRecord.model_construct(**known)
        return Stored(
            row=record,
            problem=problem,
            started_at_ns=(record.started_at - _EPOCH) // timedelta(microseconds=1) * 1000,
            heads=Raw(raw.request_head, response_heads=raw.response_heads, trailers=raw.trailers),
            big=pieced,
            request=self._body(id_, raw.request, "request", pieced),
            response=self._body(id_, raw.response, "response", pieced),
            frames=self._frames(id_, raw, pieced),
            events=list_event_rows(self._database, id_) if record.transport == "ws" else iter(()),
            turn=turn_of(number),
        )

    def _body(self, id_: int, start: bytes, part: str, pieced: bool) -> Iterator[bytes]:
        if start:
            yield start
        if pieced:
            yield from read_pieces(self._database, id_, part)

    def _frames(self, id_: int, raw: Raw, pieced: bool) -> Iterator[Frame]:
        yield from (frame for frame in raw.frames if frame.direction == Direction.UPSTREAM)
        for data in read_pieces(self._database, id_, "times") if pieced else ():
            yield from (frame for frame in unpack_times(data)[0] if frame.direction == Direction.UPSTREAM)

    def derived(self, id_: int, parts: Iterable[Recorded]) -> Derived:
        """What is to be written of an exchange that was parsed again. Draws the parts; raises what that raises."""
        return gathered(id_, map(_fit, parts), list_event_rows(self._database, id_))

    def write(self, batch: Sequence[Derived]) -> int:
        """Store it in one transaction; how many of them have changed. Those that were deleted meanwhile are left out.

        Raises StoreError: nothing of it is stored.
        """
        memory = _Memory(self._memory.items, {**self._memory.types}, {**self._memory.words})
        self._memory = _Memory()  # should this fail
        with self._database.writing() as connection, chained(connection, EntryKind.REPARSED) as entries:
            there = select(exchanges.c.id, exchanges.c.pruned).where(exchanges.c.id.in_([one.exchange for one in batch])).with_for_update()
            pruned = {row.id: row.pruned for row in connection.execute(there) if row.pruned != "content"}
            entries.changing(Subject.EXCHANGE, pruned)
            transaction = _Transaction(connection, entries, memory)
            changed = 0
            for one in batch:
                if pruned.get(one.exchange) == "costs":
                    one.recorded.facts.usage = one.recorded.facts.billing = None
                changed += one.exchange in pruned and transaction.replace(one)
        self._memory = memory
        return changed


class _Transaction:
    """A batch on its way into the store."""

    def __init__(self, connection: Connection, entries: ChainWriter, memory: _Memory) -> None:
        self._connection = connection
        self._entries = entries
        self._items = memory.items
        self._types = memory.types = Words(connection, event_types, memory.types, entries.share)
        self._words = memory.words = Words(connection, item_words, memory.words, entries.share)
        names = ", ".join(f"{quoted(connection, name)} = {marker(connection)}" for name in _DERIVED)
        self._update = f"UPDATE exchanges SET {names} WHERE id = {marker(connection)}"

    def replace(self, one: Derived) -> bool:
        """Everything that was derived of an exchange. Whether anything has changed."""
        id_, r = one.exchange, one.recorded
        row = exchange_row(id_, (0, 0, None), 0, r)
        values = tuple([row[place] for place in _PLACES])
        before = self._connection.execute(_BEFORE, {"exchange": id_}).one()
        self._connection.exec_driver_sql(self._update, (*values, id_))
        self._replace_events(one)
        new = r.items if r.fingerprint is None else new_items(r.items, r.fingerprint.items, self._fingerprint(id_, r, r.fingerprint))
        other_items = self._replace_items(id_, item_values(id_, new, self._words))
        return other_items or bool(one.events) or tuple(before)[:-1] != values[:-1]

    def _replace_items(self, id_: int, values: list[Any]) -> bool:
        known = self._connection.execute(_ITEMS, {"exchange": id_}).all()
        if [*chain.from_iterable(known)] == values:
            return False
        self._connection.execute(delete(item_rows).where(item_rows.c.exchange == id_))
        Inserter(self._connection, item_rows, ignore=True)(self._connection, values)
        return True

    def _replace_events(self, one: Derived) -> None:
        id_, e = one.exchange, event_rows.c
        self._connection.execute(delete(event_rows).where(e.exchange == id_, e.seq >= one.recorded.event_count))
        for start in range(0, len(one.events), _EVENTS):
            part = one.events[start : start + _EVENTS]
            self._connection.execute(delete(event_rows).where(e.exchange == id_, e.seq.in_([row.seq for row in part])))
            literals, values = event_values(id_, part, self._types)
            Inserter(self._connection, event_rows, literals=literals)(self._connection, values)

    def _fingerprint(self, id_: int, r: Recorded, one: Fingerprint) -> int:
        """Bytes of the digests of its items that belong to items that were sent before."""
        if one.items and not self._items.knows(r.session):
            self._items.recall(r.session, last_lists(self._connection, r.session, id_))
        written, shared = self._items.write(r.session, id_, one.items, r.facts.previous_response_id)
        f = fingerprints.c
        own = (f.exchange == id_, f.rules == DEFAULT_RULES)
        known = self._connection.execute(select(f.digest, f.asks).where(*own)).first()
        if known is None:
            if written.base is not None and not load_items(self._connection, [written.base]):
                written = WrittenItems(None, one.items)
            Inserter(self._connection, fingerprints)(self._connection, [id_, DEFAULT_RULES, one.digest, one.asks, *written])
        elif (known.digest, known.asks) != (one.digest, one.asks):
            free_items(self._connection, self._entries, [id_])
            values = {"digest": one.digest, "asks": one.asks, "base": None, "items": one.items}
            self._connection.execute(update(fingerprints).where(*own).values(values))
        return shared


_ITEMS = select(item_rows).where(item_rows.c.exchange == bindparam("exchange")).order_by(item_rows.c.part, item_rows.c.position)
_PLACES = tuple([[*exchanges.columns.keys()].index(name) for name in _DERIVED])
# JSON as its text: what has not changed is written in the same way.
_BEFORE = select(*[cast(exchanges.c[name], Text) if name in ("usage", "billing", "problems") else exchanges.c[name] for name in _DERIVED]).where(
    exchanges.c.id == bindparam("exchange")
)


def _fit(part: Recorded) -> Recorded:
    """With its events as they come back from the store."""
    part.events = [row._replace(type=clean(row.type), sequence_number=fitting(row.sequence_number), stream_id=clean(row.stream_id)) for row in part.events]
    return part

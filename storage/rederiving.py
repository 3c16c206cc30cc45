"""Replaces what was derived of exchanges, in batches; what was recorded of them stays as it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Text, and_, bindparam, cast, delete, exists, func, literal, or_, select, update

from .connecting.connected import turn_of
from .derived import Derived, Stored, gathered
from .engine import Database, insisting
from .evidence.chain_writing import ChainWriter, chained
from .evidence.chained import EntryKind, Subject
from .items import ItemMemory, Sent, WrittenItems, new_items
from .queries import BodyReader, list_event_rows, read_pieces, require_session
from .records import DEFAULT_RULES, PARSER, Direction, ExchangeRecord, Fingerprint, Frame, Raw, Recorded
from .removing.deletion import free_items
from .replaying.replays import last_lists, load_items
from .rows import Inserter, Words, clean, event_values, exchange_row, fitting, item_values, marker, quoted, unpack_times
from .tables import event_rows, event_types, exchanges, fingerprints, item_rows, item_words, meta, pieces

_AT_ONCE = 100
_READ_BEFORE = 64  # exchanges, of which those that follow tell what is new only
_LISTS = 4096  # of items, as many as to remember what the recorder did, which had been at it for long
_EVENTS = 500  # of one statement
_MARKS = "reparse"  # of the meta table: what is to be parsed again, whoever has parsed it
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DERIVED = (
    *("events", "parse", "kind", "model", "response_id", "previous_response_id", "response_status", "service_tier", "conversation", "error_code"),
    *("request_id", "attempt", "organization", "project", "user", "usage", "billing", "problem", "problems", "parser"),
)


@dataclass(slots=True)
class _Memory:
    """What saves asking the database. `met`: sessions whose lists of items were recalled."""

    items: ItemMemory = field(default_factory=ItemMemory)
    met: set[str] = field(default_factory=set)
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
        self._session = session
        self._reader = BodyReader()
        self._memory = _Memory()
        e = exchanges.c
        ours = [e.outcome.is_not(None), *([] if session is None else [e.session == session])]
        self._pruned: list[ColumnElement[bool]] = [*ours, e.pruned == "content"]
        self._ended: list[ColumnElement[bool]] = [*ours, e.pruned.is_distinct_from("content")]

    def mark(self) -> None:
        """Take all exchanges that there are now for such that an older version has parsed, until `finish`. Of their rows nothing changes by that."""
        with self._database.writing() as connection:
            last = connection.execute(select(func.coalesce(func.max(exchanges.c.id), 0))).scalar_one()
            marked = [mark for mark in _marks(connection) if not self._covers(mark)]
            _keep(connection, [*marked, _Mark(self._session, 0, last)])

    def finish(self) -> None:
        """All have been parsed again, or cannot be."""
        with self._database.writing() as connection:
            marks = _marks(connection)
            if any(map(self._covers, marks)):
                _keep(connection, [mark for mark in marks if not self._covers(mark)])

    def _covers(self, mark: _Mark) -> bool:
        """Whether this goes through all that is marked so."""
        return self._session is None or mark.session == self._session

    def _wanted(self, connection: Connection) -> list[ColumnElement[bool]]:
        e = exchanges.c
        marked = [
            e.id.between(mark.after + 1, mark.last) if mark.session is None else and_(e.id.between(mark.after + 1, mark.last), e.session == mark.session)
            for mark in _marks(connection)
        ]
        return [*self._ended, or_(e.parser.is_(None), e.parser < PARSER, *marked)]

    def count(self) -> int:
        """How many they are."""
        with self._database.reading() as connection:
            return connection.execute(select(func.count()).select_from(exchanges).where(*self._wanted(connection))).scalar_one()

    def pruned(self) -> int:
        """How many cannot be parsed again, since their content is pruned."""
        with self._database.reading() as connection:
            return connection.execute(select(func.count()).select_from(exchanges).where(*self._pruned)).scalar_one()

    def ids(self) -> Iterator[int]:
        """Those there are, by id."""
        after = 0
        while True:
            with self._database.reading() as connection:
                statement = select(exchanges.c.id).where(exchanges.c.id > after, *self._wanted(connection)).order_by(exchanges.c.id).limit(_AT_ONCE)
                ids = connection.execute(statement).scalars().all()
            yield from ids
            if len(ids) < _AT_ONCE:
                return
            after = ids[-1]

    def before(self, id_: int) -> list[int]:
        """The last exchanges before one, whoever has parsed them: what it says may be told by what they said."""
        e = exchanges.c
        with self._database.reading() as connection:
            statement = select(e.id).where(e.id < id_, *self._ended).order_by(e.id.desc()).limit(_READ_BEFORE)
            return sorted(connection.execute(statement).scalars())

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
        """Store in one transaction what has changed; of how many of them. Those that were deleted meanwhile are left out.

        Raises StoreError: nothing of it is stored.
        """
        return insisting(partial(self._write, batch))

    def _write(self, batch: Sequence[Derived]) -> int:
        memory = _Memory(self._memory.items, self._memory.met, {**self._memory.types}, {**self._memory.words})
        self._memory = _Memory()  # should this fail
        with self._database.writing() as connection, chained(connection, EntryKind.REPARSED) as entries:
            there = select(exchanges.c.id, exchanges.c.pruned).where(exchanges.c.id.in_([one.exchange for one in batch])).order_by(exchanges.c.id)
            there = there.with_for_update()
            pruned = {row.id: row.pruned for row in connection.execute(there) if row.pruned != "content"}
            transaction = _Transaction(connection, entries, memory)
            changes = []
            for one in batch:
                if pruned.get(one.exchange) == "costs":
                    one.recorded.facts.usage = one.recorded.facts.billing = None
                if one.exchange in pruned and (change := transaction.change(one)) is not None:
                    changes.append(change)
            entries.changing(Subject.EXCHANGE, [change.one.exchange for change in changes])
            changed = sum([transaction.make(change) for change in changes])
            self._pass(connection, max([one.exchange for one in batch], default=0))
        self._memory = memory
        return changed

    def _pass(self, connection: Connection, id_: int) -> None:
        """All that is marked up to there is done."""
        marks = _marks(connection)
        if id_ and any(map(self._covers, marks)):
            _keep(connection, [mark._replace(after=max(mark.after, id_)) if self._covers(mark) else mark for mark in marks])


class _Mark(NamedTuple):
    """Exchanges that are to be parsed again, whoever has parsed them: those of a session, or of all, behind one and up to another."""

    session: str | None
    after: int
    last: int


class _Change(NamedTuple):
    """What is to be written of an exchange. `values`: of its row; `items`, `print`: None: they are there. `seen`: more has changed than who parsed it."""

    one: Derived
    values: tuple[Any, ...]
    items: list[Any] | None
    print: WrittenItems | None
    seen: bool


class _Transaction:
    """A batch on its way into the store."""

    def __init__(self, connection: Connection, entries: ChainWriter, memory: _Memory) -> None:
        self._connection = connection
        self._entries = entries
        self._items = memory.items
        self._met = memory.met
        self._types = memory.types = Words(connection, event_types, memory.types, entries.share)
        self._words = memory.words = Words(connection, item_words, memory.words, entries.share)
        names = ", ".join(f"{quoted(connection, name)} = {marker(connection)}" for name in _DERIVED)
        self._update = f"UPDATE exchanges SET {names} WHERE id = {marker(connection)}"

    def change(self, one: Derived) -> _Change | None:
        """What of an exchange is not as it was derived now; None: nothing."""
        id_, r = one.exchange, one.recorded
        row = exchange_row(id_, (0, 0, None), 0, r)
        values = tuple([row[place] for place in _PLACES])
        before = tuple(self._connection.execute(_BEFORE, {"exchange": id_}).one())
        written = None if r.fingerprint is None else self._item_list(id_, r, r.fingerprint)
        new = r.items if r.fingerprint is None or written is None else new_items(r.items, r.fingerprint.items, written[1])
        items = item_values(id_, new, self._words)
        same_items = [*chain.from_iterable(self._connection.execute(_ITEMS, {"exchange": id_}))] == items
        same_print = r.fingerprint is None or self._known(id_) == (r.fingerprint.digest, r.fingerprint.asks)
        if before == values and same_items and same_print and not one.events:
            return None
        seen = before[:-1] != values[:-1] or not same_items or bool(one.events)
        return _Change(one, values, None if same_items else items, None if same_print or written is None else written[0], seen)

    def make(self, change: _Change) -> bool:
        """Write it. Whether more has changed than who parsed it."""
        id_, one = change.one.exchange, change.one.recorded.fingerprint
        self._connection.exec_driver_sql(self._update, (*change.values, id_))
        self._replace_events(change.one)
        if one is not None and change.print is not None:
            self._replace_fingerprint(id_, one, change.print)
        if change.items is not None:
            self._connection.execute(delete(item_rows).where(item_rows.c.exchange == id_))
            Inserter(self._connection, item_rows, ignore=True)(self._connection, change.items)
        return change.seen

    def _replace_events(self, one: Derived) -> None:
        id_, e = one.exchange, event_rows.c
        self._connection.execute(delete(event_rows).where(e.exchange == id_, e.seq >= one.recorded.event_count))
        for start in range(0, len(one.events), _EVENTS):
            part = one.events[start : start + _EVENTS]
            self._connection.execute(delete(event_rows).where(e.exchange == id_, e.seq.in_([row.seq for row in part])))
            literals, values = event_values(id_, part, self._types)
            Inserter(self._connection, event_rows, literals=literals)(self._connection, values)

    def _item_list(self, id_: int, r: Recorded, one: Fingerprint) -> tuple[WrittenItems, Sent]:
        """Its list of items as it is to be written, and which of them were sent before."""
        if one.items and not self._items.knows(r.session):
            # What fell out of memory since is recalled as the recorder does.
            most = () if r.session in self._met else (_LISTS,)
            self._items.recall(r.session, last_lists(self._connection, r.session, id_, *most))
            self._met.add(r.session)
        return self._items.write(r.session, id_, one.items, r.facts.previous_response_id)

    def _known(self, id_: int) -> tuple[bytes, str] | None:
        row = self._connection.execute(_PRINT, {"exchange": id_}).first()
        return None if row is None else (row.digest, row.asks)

    def _replace_fingerprint(self, id_: int, one: Fingerprint, written: WrittenItems) -> None:
        f = fingerprints.c
        if self._known(id_) is None:
            if written.base is not None and not load_items(self._connection, [written.base]):
                written = WrittenItems(None, one.items)
            Inserter(self._connection, fingerprints)(self._connection, [id_, DEFAULT_RULES, one.digest, one.asks, *written])
        else:
            free_items(self._connection, self._entries, [id_])
            values = {"digest": one.digest, "asks": one.asks, "base": None, "items": one.items}
            self._connection.execute(update(fingerprints).where(f.exchange == id_, f.rules == DEFAULT_RULES).values(values))


def _marks(connection: Connection) -> list[_Mark]:
    text = connection.execute(select(meta.c.value).where(meta.c.key == _MARKS)).scalar()
    return [_Mark(*mark) for mark in json.loads(text or "[]")]


def _keep(connection: Connection, marks: Sequence[_Mark]) -> None:
    connection.execute(delete(meta).where(meta.c.key == _MARKS))
    if marks:
        connection.execute(meta.insert().values(key=_MARKS, value=json.dumps(marks)))


_ITEMS = select(item_rows).where(item_rows.c.exchange == bindparam("exchange")).order_by(item_rows.c.part, item_rows.c.position)
_PRINT = select(fingerprints.c.digest, fingerprints.c.asks).where(fingerprints.c.exchange == bindparam("exchange"), fingerprints.c.rules == DEFAULT_RULES)
_PLACES = tuple([[*exchanges.columns.keys()].index(name) for name in _DERIVED])
# JSON as its text: what has not changed is written in the same way.
_BEFORE = select(*[cast(exchanges.c[name], Text) if name in ("usage", "billing", "problems") else exchanges.c[name] for name in _DERIVED]).where(
    exchanges.c.id == bindparam("exchange")
)


def _fit(part: Recorded) -> Recorded:
    """With its events as they come back from the store."""
    part.events = [row._replace(type=clean(row.type), sequence_number=fitting(row.sequence_number), stream_id=clean(row.stream_id)) for row in part.events]
    return part

"""Rewrites what is recorded of a session, all of it in one transaction: nobody sees half of it, and broken off it has not happened.

What is written as a difference to an exchange goes through the same change, the newest first: it is written against what its base is to be. Afterwards the
files are made anew, so that nothing of what was there before is left in pages that are free.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import zstandard
from sqlalchemy import Connection, Row, bindparam, delete, select, update

from playhead.config.errors import StoreError

from .bodies import Base, StoredBody, encode_against
from .connecting.rewriting_connections import ConnectionsRewriting
from .costing.cost_tables import cost_history, price_bases, price_rates
from .costing.rewriting_ledger import LedgerRewriting
from .engine import Database, insisting
from .evidence.chain_writing import ChainWriter, chained
from .evidence.chained import EntryKind, Subject
from .packing.content import Change, Content, Rewritten
from .queries import BodyReader, no_session
from .records import DEFAULT_RULES, EventRow, Raw
from .rows import Inserter, pack_times, piece_data, piece_row, unpack_times
from .tables import (
    bodies,
    connection_pieces,
    connections,
    divergences,
    event_rows,
    event_types,
    exchanges,
    fingerprints,
    item_rows,
    item_words,
    pieces,
    sessions,
)

_HELD = 64 << 20  # bytes of exchanges that were rewritten and may be written against
_MOST = 1 << 25
_PARAMETERS = 500  # of one statement


class Changed(NamedTuple):
    """How many exchanges, connections and divergences a change changes."""

    exchanges: int
    connections: int
    divergences: int


class _Kept(NamedTuple):
    raw: Raw
    depth: int
    changed: bool


def rewrite(database: Database, session: str, change: Change, *, dry: bool = False) -> Changed:
    """Raises StoreError: no such session, or something that cannot be read; then nothing is changed. `dry`: it is only counted.

    A `change` may be asked more than once for the same: on PostgreSQL a recorder that goes on may wait for what waits for it."""
    if dry:
        with database.reading() as connection:
            return _Rewriting(connection, database, session, change, None).run()
    return insisting(partial(_rewrite, database, session, change))


def _rewrite(database: Database, session: str, change: Change) -> Changed:
    with database.writing() as connection, chained(connection, EntryKind.REDACTED) as entries:
        return _Rewriting(connection, database, session, change, entries).run()


class _Rewriting:
    """`entries`: None: it is only counted."""

    def __init__(self, connection: Connection, database: Database, session: str, change: Change, entries: ChainWriter | None) -> None:
        if connection.execute(select(sessions.c.id).where(sessions.c.session == session)).first() is None:
            raise no_session(database, session)
        open_ = select(exchanges.c.id).where(exchanges.c.session == session, exchanges.c.outcome.is_(None)).limit(1)
        if (still := connection.execute(open_).scalar()) is not None:
            raise StoreError(f"Exchange {still} of session {session} still goes on: redact the session when everything in it has ended.")
        self._connection = connection
        self._session = session
        self._change = change
        self._entries = entries
        self._reader = BodyReader()
        self._made: OrderedDict[int, _Kept] = OrderedDict()
        self._room = _HELD
        self._sizes: dict[int, Sequence[int]] = {}  # of the messages of turns, by exchange

    def run(self) -> Changed:
        """All of it."""
        own = set(self._connection.execute(select(exchanges.c.id).where(exchanges.c.session == self._session)).scalars())
        ids = sorted(self._locked(own), reverse=True)
        changed = [id_ for id_ in ids if self._exchange(id_, own=id_ in own)]
        if self._entries is not None:
            if changed:
                self._forget_derived(changed)
            LedgerRewriting(self._connection, self._session, self._change, self._entries).run()
        theirs = ConnectionsRewriting(self._connection, self._change, self._sizes, self._entries)
        linked = theirs.run(self._session)
        missed = self._connection.execute(select(divergences).where(divergences.c.session == self._session)).all()
        bare = self._connection.execute(_PRUNED, {"session": self._session}).all()
        return Changed(len(changed) + sum(map(self._bare, bare)), linked, sum(self._diverged(row) for row in missed))

    def _locked(self, own: set[int]) -> set[int]:
        """These, and all that is written against them. Nobody may choose them as a base now: a recorder goes on meanwhile."""
        locked: set[int] = set()
        while fresh := sorted((own | self._dependents(own)) - locked):
            for at in range(0, len(fresh), _PARAMETERS) if self._entries is not None else ():
                self._connection.execute(_LOCKED, {"exchanges": fresh[at : at + _PARAMETERS]})
            locked.update(fresh)
        return locked

    def _dependents(self, ids: set[int]) -> set[int]:
        """Exchanges of other sessions that are written against these, or against those."""
        found: set[int] = set()
        newest = ids
        while newest:
            ordered = sorted(newest)
            parts = (ordered[at : at + _PARAMETERS] for at in range(0, len(ordered), _PARAMETERS))
            below = {id_ for part in parts for id_ in self._connection.execute(_BELOW, {"bases": part}).scalars()}
            newest = below - ids - found
            found |= newest
        return found

    # Exchanges.

    def _exchange(self, id_: int, *, own: bool) -> bool:
        """One of them; whether it has changed."""
        row = self._connection.execute(_BODY, {"exchange": id_}).first()
        if row is None:
            return False
        content, big = self._content(id_)
        made = self._changed(content) if own else None
        new = made.raw if made is not None else content.raw
        if made is not None and content.socket:
            self._sizes[id_] = [event.bytes for event in made.events]
        base = self._base(row.base) if row.base is not None else None
        if self._entries is None or (made is None and (base is None or not base.changed)):
            return made is not None
        self._entries.changing(Subject.EXCHANGE, [id_], EntryKind.REDACTED if own else EntryKind.REWRITTEN)
        start = self._start(id_, big, made, new)
        stored = encode_against(start, None if base is None or row.base is None else Base(row.base, base.raw, base.depth))
        self._put_body(id_, stored)
        if made is not None:
            self._put_events(id_, content.events, made.events)
            if big:
                self._put_pieces(id_, made, new)
        return made is not None

    def _changed(self, content: Content) -> Rewritten | None:
        try:
            return self._change.exchange(content)
        except StoreError as error:
            raise StoreError(f"Exchange {content.exchange} of session {self._session} cannot be rewritten, so nothing was. {error}") from None

    def _content(self, id_: int) -> tuple[Content, bool]:
        raw = self._reader.row(self._connection, id_)
        rows = self._connection.execute(_PIECES, {"exchange": id_}).all()
        if rows:
            raw = _whole(raw, rows)
        events = [EventRow(**event._mapping) for event in self._connection.execute(_EVENTS, {"exchange": id_})]
        socket = self._connection.execute(_TRANSPORT, {"exchange": id_}).scalar() == "ws"
        return Content(id_, raw, events, socket), bool(rows)

    def _base(self, id_: int) -> _Kept:
        """What an older exchange is to be."""
        known = self._made.get(id_)
        if known is None:
            row = self._connection.execute(_BODY, {"exchange": id_}).one()
            content, big = self._content(id_)
            own = self._connection.execute(_SESSION, {"exchange": id_}).scalar() == self._session
            made = self._changed(content) if own else None
            above = self._base(row.base) if row.base is not None else None
            raw = self._start(id_, big, made, made.raw if made is not None else content.raw)
            known = _Kept(raw, row.depth, made is not None or (above is not None and above.changed))
            self._keep(id_, known)
        return known

    def _keep(self, id_: int, one: _Kept) -> None:
        self._made[id_] = one
        self._room -= _size(one.raw)
        while self._room < 0 and len(self._made) > 1:
            self._room += _size(self._made.popitem(last=False)[1].raw)

    def _start(self, id_: int, big: bool, made: Rewritten | None, new: Raw) -> Raw:
        """What the row of bodies holds of it: of a big one the start, behind which its pieces follow."""
        if not big:
            return new
        old = self._reader.row(self._connection, id_)
        if made is None:
            return old
        ends = made.request_at(len(old.request)), made.response_at(len(old.response))
        return Raw(new.request_head, new.request[: ends[0]], new.response_heads, new.response[: ends[1]], new.trailers)

    def _put_body(self, id_: int, stored: StoredBody) -> None:
        values = {"base": stored.base, "depth": stored.depth, "codec": stored.codec, "digest": stored.digest, "data": stored.data}
        self._connection.execute(update(bodies).where(bodies.c.exchange == id_).values(raw_bytes=stored.raw_bytes, **values))

    def _put_events(self, id_: int, old: Sequence[EventRow], new: Sequence[EventRow]) -> None:
        e = event_rows.c
        for before, after in zip(old, new, strict=True):
            if before.bytes != after.bytes:
                self._connection.execute(update(event_rows).where(e.exchange == id_, e.seq == after.seq).values(bytes=after.bytes))

    def _put_pieces(self, id_: int, made: Rewritten, new: Raw) -> None:
        """Cut where they were; all times in one."""
        old = self._reader.row(self._connection, id_)
        rows = self._connection.execute(_PIECES, {"exchange": id_}).all()
        self._connection.execute(delete(pieces).where(pieces.c.exchange == id_))
        values: list[Any] = []
        for part, at, data, start in (
            ("request", made.request_at, new.request, len(old.request)),
            ("response", made.response_at, new.response, len(old.response)),
        ):
            end = start
            for row in rows:
                if row.part == part:
                    start, end = end, end + row.raw_bytes
                    values += piece_row(id_, part, row.seq, data[at(start) : at(end)])
        values += piece_row(id_, "times", 0, pack_times(new.frames, new.chunks))
        Inserter(self._connection, pieces)(self._connection, values)

    def _forget_derived(self, ids: Sequence[int]) -> None:
        """All that was derived of them is to be derived again; fingerprints under other rules are made when they are asked for."""
        e, f = exchanges.c, fingerprints.c
        for id_ in ids:
            row = self._connection.execute(select(e.path, e.problem, e.cost_note).where(e.id == id_)).one()
            told = {name: self._change.value(text) for name, text in row._mapping.items()}  # a note names the model that has no price
            self._connection.execute(update(exchanges).where(e.id == id_).values(parser=None, **told))
        theirs = select(e.id).where(e.session == self._session)
        self._connection.execute(delete(fingerprints).where(f.exchange.in_(theirs), f.rules != DEFAULT_RULES))

    def _bare(self, row: Row[Any]) -> bool:
        """An exchange whose content is pruned, so that nothing of it can be derived again; whether it has changed."""
        told = {name: new for name, value in row._mapping.items() if (new := self._change.value(value)) != value}
        if told and self._entries is not None:
            self._entries.changing(Subject.EXCHANGE, [row.id])
            self._connection.execute(update(exchanges).where(exchanges.c.id == row.id).values(told))
        return bool(told)

    # What replays met.

    def _diverged(self, row: Row[Any]) -> bool:
        """A divergence; whether it has changed."""
        data = zstandard.ZstdDecompressor().decompress(row.data, max_output_size=_MOST)
        head, body = data[: row.head_bytes], data[row.head_bytes :]
        new_head, new_body = self._change.head(head), self._change.message(body)
        texts = ("path", "model", "message", "differences", "proposal")
        told = {name: self._change.value(getattr(row, name)) for name in texts}
        changed = (new_head, new_body) != (head, body) or any(told[name] != getattr(row, name) for name in texts)
        if changed and self._entries is not None:
            packed = zstandard.ZstdCompressor(level=3).compress(new_head + new_body)
            self._connection.execute(update(divergences).where(divergences.c.id == row.id).values(data=packed, head_bytes=len(new_head), **told))
        return changed


def _whole(raw: Raw, rows: Sequence[Row[Any]]) -> Raw:
    """Of the start of a big exchange and its pieces."""
    parts: dict[str, list[bytes]] = {"request": [raw.request], "response": [raw.response]}
    frames, chunks = [*raw.frames], [*raw.chunks]
    for row in rows:
        data = piece_data(row.codec, row.data, row.raw_bytes)
        if row.part == "times":
            more = unpack_times(data)
            frames += more[0]
            chunks += more[1]
        else:
            parts[row.part].append(data)
    return Raw(raw.request_head, b"".join(parts["request"]), raw.response_heads, b"".join(parts["response"]), raw.trailers, tuple(frames), tuple(chunks))


def _size(raw: Raw) -> int:
    return len(raw.request) + len(raw.response) + 1024


_BODY = select(bodies.c.base, bodies.c.depth).where(bodies.c.exchange == bindparam("exchange"))
_PRUNED = select(
    *exchanges.c["id", "stream_id", "path", "model", "response_id", "previous_response_id", "response_status", "service_tier", "error_code", "request_id"],
    *exchanges.c["organization", "project", "user", "cost_note", "conversation", "problem", "billing"],
).where(exchanges.c.session == bindparam("session"), exchanges.c.pruned == "content")
_LOCKED = select(bodies.c.exchange).where(bodies.c.exchange.in_(bindparam("exchanges", expanding=True))).order_by(bodies.c.exchange).with_for_update()
_BELOW = select(bodies.c.exchange).where(bodies.c.base.in_(bindparam("bases", expanding=True)))
_PIECES = select(pieces).where(pieces.c.exchange == bindparam("exchange")).order_by(pieces.c.part, pieces.c.seq)
_TRANSPORT = select(exchanges.c.transport).where(exchanges.c.id == bindparam("exchange"))
_SESSION = select(exchanges.c.session).where(exchanges.c.id == bindparam("exchange"))
_EVENTS = (
    select(*event_rows.c["seq", "offset_ns", "direction"], event_types.c.type, *event_rows.c["sequence_number", "stream_id", "bytes", "flags"])
    .select_from(event_rows.outerjoin(event_types, event_types.c.id == event_rows.c.type))
    .where(event_rows.c.exchange == bindparam("exchange"))
    .order_by(event_rows.c.seq)
)


def make_anew(database: Database) -> None:
    """Make the files anew, without what was there before. Raises StoreError: somebody else uses the store."""
    with database.autocommit() as connection:
        if not database.sqlite:
            for table in _REWRITTEN:
                connection.exec_driver_sql(f"VACUUM {table.name}")
            return
        connection.exec_driver_sql("VACUUM")
        busy, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
    if busy:
        raise StoreError(
            f"The session is rewritten, but the log of the store {database.name} still holds what was there before, since another program reads the store: "
            "stop that, and run the same command again."
        )


def forget_words(database: Database, found: Callable[[str], bool]) -> None:
    """Take away words of the tables of words that nothing refers to any more and in which something is found."""
    insisting(partial(_forget_words, database, found))


def _forget_words(database: Database, found: Callable[[str], bool]) -> None:
    with database.writing() as connection, chained(connection, EntryKind.REDACTED) as entries:
        for table, column, users in ((item_words, item_words.c.word, _ITEM_USERS), (event_types, event_types.c.type, (event_rows.c.type,))):
            wrong = [row.id for row in connection.execute(select(table.c.id, column.label("word"))) if found(row.word)]
            used = {id_ for user in users for id_ in connection.execute(select(user).where(user.in_(wrong)).distinct()).scalars()} if wrong else set()
            unused = sorted(set(wrong) - used)
            entries.unshare(table, unused)
            for id_ in unused:
                connection.execute(delete(table).where(table.c.id == id_))


_REWRITTEN = (
    *(pieces, bodies, event_rows, event_types, item_rows, item_words, fingerprints, divergences, exchanges, connection_pieces, connections),
    *(price_bases, price_rates, cost_history),
)
_ITEM_USERS = (item_rows.c.type, item_rows.c.name, item_rows.c.status)

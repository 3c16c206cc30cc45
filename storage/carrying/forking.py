"""A session made of the beginning of another one: what was recorded before an exchange, as a take of its own.

All rows are copied, so that either session can be deleted, redacted or recorded anew without the other. Bodies are copied as they are kept: as differences
to the copies of those that theirs are differences to, so that a fork takes as little room as its beginning did.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, FromClause, Table, Text, and_, case, cast, func, literal, null, or_, select

from playhead.config.errors import StoreError

from ..costing.cost_tables import costs
from ..costing.costs import ELSEWHERE
from ..engine import Database
from ..evidence.chain_writing import ChainWriter, chained
from ..evidence.chained import EntryKind, Subject
from ..queries import find_exchange
from ..records import ExchangeRecord
from ..replaying.replay_tables import equivalences, match_rules, rerecordings
from ..tables import bodies, connection_pieces, connections, event_rows, exchanges, fingerprints, item_rows, pieces, sessions, takes, writers

_IDS = ("id",)


class _Fork(NamedTuple):
    """What is copied. `writers`: of the copies, by those of the originals. `anew`: what was recorded in the place of others, which comes with these."""

    session: str
    take: int
    before: int
    name: str
    writers: Mapping[int, int]
    anew: tuple[int, ...] = ()

    def writer(self, of: ColumnElement[int]) -> ColumnElement[int]:
        """Of the copy, in SQL."""
        return case(dict(self.writers), value=of, else_=None)

    def chosen(self, e: Any) -> ColumnElement[bool]:
        """Whether an exchange belongs to it."""
        return and_(e.session == self.session, e.take == self.take, or_(e.seq < self.before, e.id.in_(self.anew)), e.outcome.is_not(None))

    def pairs(self, table: Table) -> FromClause:
        """Ids of the originals and of their copies."""
        old, new = table.alias(), table.alias()
        alike = and_(new.c.writer == self.writer(old.c.writer), new.c.number == old.c.number)
        return select(old.c.id.label("old"), new.c.id.label("new")).join(new, alike).where(new.c.session == self.name).subquery()


def fork(database: Database, session: str, exchange: int, name: str, anew: Mapping[int, int]) -> int:
    """See `Decisions.fork`."""
    olds = {new: old for old, new in anew.items()}
    at = find_exchange(database, exchange)
    while at.id in olds:  # it stands where the first one of its request stood
        at = find_exchange(database, olds[at.id])
    if at.session != session:
        raise StoreError(f"Exchange {exchange} is not one of session {session!r}, but of {at.session!r}.")
    with database.writing() as connection, chained(connection, EntryKind.FORKED) as entries:
        if connection.execute(select(sessions.c.id).where(sessions.c.session == name)).first() is not None:
            raise StoreError(f"There is a session {name!r} already: give the fork another name.")
        _require_whole(connection, at)
        started = _begin(connection, session, exchange, name)
        wanted = _Fork(session, at.take, at.seq, name, {}, _in_place(connection, at, anew))
        made = wanted._replace(writers=_writers(connection, entries, wanted))
        connection.execute(takes.insert(), {"session": name, "take": 1, "run": f"fork-{uuid.uuid4().hex}", "started_at": started})
        if made.writers:
            _copy_connections(connection, made)
            _copy_exchanges(connection, made)
        _copy_rules(connection, made)
        count = connection.execute(select(func.count()).select_from(exchanges).where(exchanges.c.session == name)).scalar_one()
        hidden = _copy_marks(connection, made, anew)
        for subject, table in ((Subject.EXCHANGE, exchanges), (Subject.CONNECTION, connections)):
            entries.made(subject, connection.execute(select(table.c.id).where(table.c.session == name)).scalars())
        entries.made(Subject.SESSION, connection.execute(select(sessions.c.id).where(sessions.c.session == name)).scalars())
        return count - hidden


def _in_place(connection: Connection, at: ExchangeRecord, anew: Mapping[int, int]) -> tuple[int, ...]:
    """What is served in the places before that one since it was recorded anew."""
    e = exchanges.c
    before = set(connection.execute(select(e.id).where(e.session == at.session, e.take == at.take, e.seq < at.seq, e.id.in_([*anew]))).scalars())
    found: list[int] = []
    for old, new in anew.items():  # what is recorded anew may have been recorded anew itself
        if old in before:
            before.add(new)
            found.append(new)
    return tuple(found)


def _copy_marks(connection: Connection, made: _Fork, anew: Mapping[int, int]) -> int:
    """What was recorded anew is so in the fork; how many exchanges are not served for that."""
    if not made.anew:
        return 0
    pairs = made.pairs(exchanges)
    copies: dict[int, int] = dict(connection.execute(select(pairs.c.old, pairs.c.new)).all())
    now = datetime.now(UTC)
    pairs_anew = [(copies[old], copies[new]) for old, new in anew.items() if old in copies and new in copies]
    rows = [{"exchange": old, "session": made.name, "after": new - 1, "at": now} for old, new in pairs_anew]
    connection.execute(rerecordings.insert(), rows)
    return len(rows)


def _require_whole(connection: Connection, at: ExchangeRecord) -> None:
    """Raises StoreError if something of what stands before it has no content any more."""
    e = exchanges.c
    before = (e.session == at.session, e.take == at.take, e.seq < at.seq, e.pruned == "content")
    if pruned := connection.execute(select(func.count()).where(*before)).scalar_one():
        raise StoreError(
            f"The content of {pruned:,} exchange{'s'[: pruned != 1]} before exchange {at.id} is pruned, so that they cannot be replayed: "
            "record the session anew, or fork another take."
        )


def _begin(connection: Connection, session: str, exchange: int, name: str) -> datetime:
    """Make the session; when it began."""
    created = connection.execute(select(sessions.c.created_at).where(sessions.c.session == session)).scalar() or datetime.now(UTC)
    connection.execute(sessions.insert(), {"session": name, "created_at": created, "forked_from": session, "forked_at": exchange})
    return created


def _writers(connection: Connection, entries: ChainWriter, wanted: _Fork) -> dict[int, int]:
    """Writers for the copies, which never say more: of each original's one."""
    old = connection.execute(select(exchanges.c.writer).where(wanted.chosen(exchanges.c)).distinct().order_by(exchanges.c.writer)).scalars().all()
    found = {}
    for one in old:
        row = {"writer": f"fork-{uuid.uuid4().hex}", "host": "", "segment": 0, "position": 0, "open": "{}", "state": "gone"}
        key = connection.execute(writers.insert(), row).inserted_primary_key
        assert key is not None
        found[one] = int(key[0])
        entries.share(writers, found[one])
    return found


def _copy_connections(connection: Connection, made: _Fork) -> None:
    e = exchanges.c
    used = select(e.connection).where(made.chosen(e), e.connection.is_not(None))
    changed = {"session": literal(made.name), "take": literal(1), "writer": made.writer(connections.c.writer)}
    _copy(connection, connections, changed, connections.c.id.in_(used))
    pairs = made.pairs(connections)
    _copy(connection, connection_pieces, {"connection": pairs.c.new}, connection_pieces.c.connection == pairs.c.old)


def _copy_exchanges(connection: Connection, made: _Fork) -> None:
    links = made.pairs(connections)
    link = select(links.c.new).where(links.c.old == exchanges.c.connection).scalar_subquery()
    e = exchanges.c
    paid = case((e.cost.is_not(None), literal(ELSEWHERE.format("")) + cast(e.id, Text)), else_=e.cost_note)  # money is counted once
    changed = {"session": literal(made.name), "take": literal(1), "writer": made.writer(e.writer), "connection": link, "cost": null(), "cost_note": paid}
    _copy(connection, exchanges, changed, made.chosen(exchanges.c))
    pairs, base = made.pairs(exchanges), made.pairs(exchanges)
    for table in (bodies, fingerprints):  # each base stands before what is written against it
        copied = select(base.c.new).where(base.c.old == table.c.base).scalar_subquery()
        _copy(connection, table, {"exchange": pairs.c.new, "base": func.coalesce(copied, table.c.base)}, table.c.exchange == pairs.c.old)
    for table in (pieces, event_rows, item_rows):
        _copy(connection, table, {"exchange": pairs.c.new}, table.c.exchange == pairs.c.old)
    _copy_costs(connection, pairs)


def _copy_costs(connection: Connection, pairs: FromClause) -> None:
    """What the copies would cost is counted in the originals."""
    c = costs.c
    none = {column.name: null() for column in c if column.name == "told" or column.name.endswith("amount")}
    state = case((c.state == "free", c.state), else_="elsewhere")
    changed = {"exchange": pairs.c.new, "version": literal(1), "state": state, "counted_in": func.coalesce(c.counted_in, pairs.c.old), **none}
    _copy(connection, costs, changed, c.exchange == pairs.c.old)


def _copy_rules(connection: Connection, made: _Fork) -> None:
    """The match rules that are in force, and what was accepted of the exchanges that are copied."""
    m = match_rules.c
    newest = select(func.max(m.version)).where(m.session == made.session).scalar_subquery()
    _copy(connection, match_rules, {"session": literal(made.name), "version": literal(1)}, and_(m.session == made.session, m.version == newest))
    pairs = made.pairs(exchanges)
    if made.writers:
        _copy(connection, equivalences, {"session": literal(made.name), "exchange": pairs.c.new}, equivalences.c.exchange == pairs.c.old)


def _copy(connection: Connection, table: Table, changed: Mapping[str, Any], condition: ColumnElement[bool]) -> None:
    """Copy rows, the oldest first, with these columns changed."""
    names = [column.name for column in table.columns if column.name not in _IDS]
    columns = [changed.get(name, table.c[name]) for name in names]
    order = table.c.id if "id" in table.c else table.c.exchange if "exchange" in table.c else next(iter(table.primary_key.columns))
    connection.execute(table.insert().from_select(names, select(*columns).where(condition).order_by(order)))

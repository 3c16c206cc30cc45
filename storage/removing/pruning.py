"""Deletes what is due by the clocks, in short transactions between which a recorder goes on.

The newest goes first: what is written against others goes before them, so that only what stays has to be written anew, and once. Broken off, the next
pass goes on: nothing is half deleted but big bodies, whose exchange is marked first, and whose pieces the next pass finds.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Generator, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, func, literal, or_, select, tuple_

from playhead.config.retention import Retention

from ..costing.cost_tables import costs
from ..engine import Database, insisting
from ..evidence.chain_writing import chained
from ..evidence.chained import EntryKind, Subject
from ..replaying.replay_tables import equivalences, match_rules, rerecordings, rule_hits, served_faults
from ..tables import IS_TURN, IS_WHOLE, connections, divergences, exchanges, pieces, sessions, takes
from .deletion import delete_connection_content, delete_connections, delete_content, delete_costs, delete_exchanges, empty_log, give_back
from .due import CONTENT, COSTS, ROW, Due, Plan, Share

_SECONDS = 0.15  # that a transaction should take
_FEWEST, _MOST = 10, 500  # exchanges of one transaction
_BIG = 16 << 20  # bytes of pieces that are too much for one transaction
_PIECES = 16  # of one transaction
_FREED = 16  # thousand pages that are given back behind one
_ROUNDS = 8  # what is written anew may make the store too big again
_PAGE = 500


class Pruning:
    """One pass over the store. `sessions`: only these; none: all. `empties`: an earlier pass has left the log full, so that this one is to empty it.
    `vacuums`: PostgreSQL frees rows at once, which takes long in a big store; else it does so in its own time.

    Everything raises StoreError; what was done until then stays done.
    """

    def __init__(
        self, database: Database, retention: Retention, now: datetime, sessions: Collection[str] = (), *, empties: bool = False, vacuums: bool = True
    ) -> None:
        self._database = database
        self._retention = retention
        self._sessions = sessions
        self._due = Due(database, retention, now, sessions)
        self._deleted, self._vacuums = empties, vacuums
        self.shares: dict[str, Share] = {}
        self.emptied = True
        """Whether nothing of it is left in the store's log: a program that reads the store may keep it there for a while."""

    def look(self) -> dict[str, Share]:
        """What a pass would do, by session."""
        aged, oversized = Plan(), Plan()
        for _ in self._due.by_age(aged):
            pass
        for _ in self._due.by_size(oversized, aged):
            pass
        self._count(aged)
        self._count(oversized)
        return self.shares

    def steps(self) -> Generator[float]:
        """Do it: after each transaction, the seconds that it took."""
        yield from _timed(self._sweep())
        plan = Plan()
        yield from _timed(self._due.by_age(plan))
        yield from self._carry_out(plan)
        for _ in range(_ROUNDS):
            plan = Plan()
            yield from _timed(self._due.by_size(plan, Plan()))
            if not plan.ids:
                break
            yield from self._carry_out(plan)
        yield from _timed(self._prune_connections())
        yield from _timed(self._prune_replays())
        for session in [name for name, share in self.shares.items() if share.counts[ROW]]:
            yield from _timed(self._leave_session(session))
        yield from _timed(self._give_back())
        if self._deleted and (self._database.sqlite or self._vacuums):
            self.emptied = empty_log(self._database)

    def _count(self, plan: Plan) -> None:
        for session, share in plan.sessions.items():
            mine = self.shares.setdefault(session, Share())
            mine.counts = [one + more for one, more in zip(mine.counts, share.counts, strict=True)]
            mine.bytes += share.bytes

    # Exchanges.

    def _carry_out(self, plan: Plan) -> Iterator[float]:
        size, end = _MOST // 4, len(plan.ids)
        while end:
            start = max(end - size, 0)
            ids, what = plan.ids[start:end], plan.what[start:end]
            yield from _timed(self._unpiece([id_ for id_, kind in zip(ids, what, strict=True) if kind != COSTS]))
            began = time.perf_counter()
            going = {kind: [id_ for id_, one in zip(ids, what, strict=True) if one == kind] for kind in (CONTENT, COSTS, ROW)}
            insisting(partial(self._delete, going))
            give_back(self._database, _FREED)
            seconds = time.perf_counter() - began
            size = min(max(int(size * min(max(_SECONDS / seconds, 0.5), 2)), _FEWEST), _MOST)
            end = start
            yield seconds
        self._count(plan)

    def _delete(self, going: dict[int, list[int]]) -> None:
        self._deleted = True
        with self._database.writing() as connection, chained(connection, EntryKind.PRUNED) as entries:
            content, spent, rows = going[CONTENT], going[COSTS], going[ROW]
            held = _held(connection, [*spent, *rows])
            locked = select(exchanges.c.id, exchanges.c.pruned).where(exchanges.c.id.in_([*content, *spent, *rows])).order_by(exchanges.c.id).with_for_update()
            known = {row.id: row.pruned for row in connection.execute(locked)}  # nobody may derive anything of them now
            content = [id_ for id_ in [*content, *held.intersection(rows)] if id_ in known and known[id_] is None]
            spent = [id_ for id_ in spent if id_ in known and known[id_] is None and id_ not in held]
            rows = [id_ for id_ in rows if id_ in known and id_ not in held]
            if content:
                delete_content(connection, entries, [*content, *rows])  # together: what of them is written against others of them goes as well
            if rows:
                delete_exchanges(connection, entries, rows)
            if spent:
                delete_costs(connection, entries, spent)

    def _unpiece(self, ids: Sequence[int]) -> Iterator[None]:
        """Delete the content of those that are too big to be deleted at once."""
        p = pieces.c
        with self._database.reading() as connection:
            size = func.sum(func.length(p.data))
            big = connection.execute(select(p.exchange).where(p.exchange.in_(ids)).group_by(p.exchange).having(size > _BIG)).scalars().all()
        if big:
            with self._database.writing() as connection, chained(connection, EntryKind.PRUNED) as entries:
                delete_content(connection, entries, big, pieces_too=False)
            yield from self._sweep()

    def _sweep(self) -> Iterator[None]:
        """Delete the pieces of exchanges whose content is pruned, some at a time."""
        p = pieces.c
        wanted = select(p.exchange, p.part, p.seq).join_from(pieces, exchanges, exchanges.c.id == p.exchange).where(exchanges.c.pruned == "content")
        while True:
            with self._database.reading() as connection:
                found = [tuple(row) for row in connection.execute(wanted.limit(_PIECES))]
            if not found:
                return
            with self._database.writing() as connection:
                connection.execute(delete(pieces).where(tuple_(p.exchange, p.part, p.seq).in_(found)))
            self._deleted = True
            give_back(self._database, _FREED)
            yield

    def _give_back(self) -> Iterator[None]:
        while give_back(self._database, 1):
            yield

    # What is no exchange.

    def _prune_connections(self) -> Iterator[None]:
        """Connections of which no exchange has content any more, or which are too old and never had one."""
        c, after = connections.c, 0
        costs_kept = self._retention.shortest_of("costs")
        again = c.pruned.is_(None) if costs_kept is None else or_(c.pruned.is_(None), c.started_at < self._due.before(costs_kept))
        own = [again, *([c.session.in_(self._sessions)] if self._sessions else [])]
        columns = (c.id, c.session, c.started_at, c.pruned, _any(exchanges.c.pruned.is_distinct_from("content")), _any())
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(select(*columns).where(c.id > after, c.outcome.is_not(None), *own).order_by(c.id).limit(_PAGE)).all()
            content, whole = [], []
            for id_, session, started_at, pruned, speaks, stored in rows:
                clocks = self._retention.of(session)
                over = [age is not None and started_at < self._due.before(age) for age in (clocks.content, clocks.costs)]
                if not stored and (over[0] or pruned) and over[1]:
                    whole.append(id_)
                elif not speaks and not pruned and (over[0] or stored):
                    content.append(id_)
            if content or whole:
                insisting(partial(self._delete_connections, content, whole))
                give_back(self._database, _FREED)
                self._deleted = True
            yield
            if len(rows) < _PAGE:
                return
            after = rows[-1].id

    def _delete_connections(self, content: Sequence[int], whole: Sequence[int]) -> None:
        with self._database.writing() as connection, chained(connection, EntryKind.PRUNED) as entries:
            delete_connection_content(connection, entries, content)
            delete_connections(connection, entries, whole)

    def _prune_replays(self) -> Iterator[None]:
        """What replays met, too, when it is older than content is kept."""
        for table, at in ((divergences, divergences.c.at), (served_faults, served_faults.c.at), (rule_hits, rule_hits.c.last_at)):
            with self._database.reading() as connection:
                names = connection.execute(select(table.c.session).distinct()).scalars().all()
            for session in names:
                age = self._retention.of(session).content
                if age is None or (self._sessions and session not in self._sessions):
                    continue
                yield from self._prune_table(table, and_(table.c.session == session, at < self._due.before(age)))

    def _prune_table(self, table: Table, condition: ColumnElement[bool]) -> Iterator[None]:
        key = tuple_(*table.primary_key.columns)
        while True:
            with self._database.writing() as connection:
                some: Any = select(*table.primary_key.columns).where(condition).limit(_PAGE)
                count = connection.execute(delete(table).where(key.in_(some))).rowcount
            self._deleted = self._deleted or count > 0
            yield
            if count < _PAGE:
                return

    def _leave_session(self, session: str) -> Iterator[None]:
        """Takes of which nothing is left go, and so does the session, unless it has match rules, which somebody made."""
        e, c, t = exchanges.c, connections.c, takes.c
        with self._database.writing() as connection, chained(connection, EntryKind.PRUNED) as entries:
            own = connection.execute(select(sessions.c.id).where(sessions.c.session == session)).scalars().all()
            entries.changing(Subject.SESSION, own)
            stored = [exists(select(literal(1)).where(one.session == session, one["take"] == t["take"]).correlate(takes)) for one in (e, c)]
            connection.execute(delete(takes).where(t.session == session, ~or_(*stored)))
            left = [select(table.c.session).where(table.c.session == session).limit(1) for table in (takes, match_rules)]
            if all(connection.execute(one).first() is None for one in left):
                for table in (divergences, equivalences, rerecordings, rule_hits, served_faults):
                    connection.execute(delete(table).where(table.c.session == session))
                connection.execute(delete(sessions).where(sessions.c.session == session))
                entries.gone(Subject.SESSION, own)
        yield


def _held(connection: Connection, ids: Sequence[int]) -> set[int]:
    """Those in which the money of others is counted that stay."""
    c = costs.c
    return set(connection.execute(select(c.counted_in).where(c.counted_in.in_(ids), c.exchange.not_in(ids))).scalars())


def _any(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a connection has such exchanges."""
    found = [exists(select(literal(1)).select_from(exchanges).where(one, *conditions).correlate(connections)) for one in (IS_TURN, IS_WHOLE)]
    return or_(*found)


def _timed(steps: Iterator[None]) -> Iterator[float]:
    began = time.perf_counter()
    for _ in steps:
        yield time.perf_counter() - began
        began = time.perf_counter()

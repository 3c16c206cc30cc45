"""Where things go in the store: takes, places in a session, ids."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, func, insert, select, text

from .connecting.connected import RecordedConnection
from .evidence.chain_writing import ChainWriter
from .evidence.chained import Subject
from .records import Recorded
from .replaying.replay_tables import match_rules
from .rows import insert_new, put_new, run
from .tables import exchanges, sessions, takes, writers


def first_free_seq(connection: Connection, session: str) -> int:
    """One more than the greatest seq of the session, stored or promised to an exchange that is still open; 1 in a new session."""
    greatest: int = connection.execute(select(func.max(exchanges.c.seq)).where(exchanges.c.session == session)).scalar() or 0
    for row in connection.execute(select(writers.c.open).where(writers.c.state == "live")):
        for promised in json.loads(row.open).values():
            if promised.get("session") == session:
                greatest = max(greatest, promised.get("seq") or 0)
    return greatest + 1


def new_ids(connection: Connection, table: str, count: int) -> Iterator[int]:
    """Ids that were never given before, ascending."""
    if connection.dialect.name == "sqlite":
        found = run(connection, "SELECT seq FROM sqlite_sequence WHERE name = {}", (table,))
        last = found[0][0] if found else 0
        return iter(range(last + 1, last + 1 + count))
    asked = text("SELECT nextval(pg_get_serial_sequence(:table, 'id')) FROM generate_series(1, :count)")
    return iter(sorted(connection.execute(asked, {"table": table, "count": count}).scalars()))


class Places:
    """The takes of one transaction, which it makes where there are none, and places in sessions. `seqs`: the next free one of each session. `rules`: match
    rules of a session that has none when a take of it begins."""

    def __init__(self, connection: Connection, chain: ChainWriter, seqs: dict[str, int], rules: Sequence[str] = ()) -> None:
        self._rules = rules
        self._chain = chain
        self._connection = connection
        self._seqs = seqs
        self._takes: dict[tuple[str, str], int] = {}
        self.begun: set[str] = set()  # sessions of which there was nothing before

    def seq(self, r: Recorded) -> int:
        """The place of an exchange: the next one if it has none."""
        seq, free = r.seq, self._seqs.get(r.session)
        if seq is None:
            seq = first_free_seq(self._connection, r.session) if free is None else free
            self._seqs[r.session] = seq + 1
        elif free is not None and free <= seq:
            self._seqs[r.session] = seq + 1
        return seq

    def take(self, r: Recorded | RecordedConnection) -> int:
        """The take of its session that its run is."""
        key = (r.session, r.run)
        take = self._takes.get(key)
        if take is None:
            found = run(self._connection, "SELECT take FROM takes WHERE session = {} AND run = {}", key)
            take = self._takes[key] = found[0][0] if found else self._new_take(r)
        return take

    def _new_take(self, r: Recorded | RecordedConnection) -> int:
        started = datetime.fromtimestamp(r.started_at_ns / 1e9, UTC)
        if put_new(self._connection, sessions, {"session": r.session, "created_at": started}) is not None:
            self.begun.add(r.session)
        # Another recorder may be about to begin a take of this session: it has to wait here.
        if self._connection.dialect.name != "sqlite":  # where one writes at a time
            self._connection.execute(_LOCKED, {"session": r.session})
        id_ = self._connection.execute(_ID, {"session": r.session}).scalar_one()
        if r.session in self.begun:
            self._chain.made(Subject.SESSION, [id_])
        else:
            self._chain.changing(Subject.SESSION, [id_])
        last = self._connection.execute(_LAST, {"session": r.session}).scalar() or 0
        self._connection.execute(_NEW, {"session": r.session, "take": last + 1, "run": r.run, "started_at": started})
        if self._rules:
            first = {"session": r.session, "version": 1, "at": started, "rules": list(self._rules)}
            self._connection.execute(insert_new(self._connection, match_rules), first)
        return int(last) + 1


_LOCKED = select(sessions.c.id).where(sessions.c.session == bindparam("session")).with_for_update()
_ID = select(sessions.c.id).where(sessions.c.session == bindparam("session"))
_LAST = select(func.max(takes.c.take)).where(takes.c.session == bindparam("session"))
_NEW = insert(takes)

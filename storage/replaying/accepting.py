"""What was decided about divergences: requests that stand for recorded ones, exchanges that are recorded anew, and forks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, func, select

from playhead.config.errors import StoreError

from ..carrying import forking
from ..engine import Database
from ..evidence.chain_writing import chained
from ..evidence.chained import EntryKind
from ..queries import find_exchange, require_content, require_session
from ..records import DivergenceRecord
from ..rows import insert_new
from ..tables import divergences, exchanges
from .replay_rows import Equivalence, Rerecording
from .replay_tables import equivalences, rerecordings

_LISTED = tuple([divergences.c[name] for name in DivergenceRecord.model_fields])


class Decisions:
    """Of one store. Everything raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def divergence(self, id_: int) -> tuple[DivergenceRecord, bytes | None]:
        """A divergence, and the digest of its request's fingerprint without rules, if that is known. Raises StoreError: there is none."""
        d = divergences.c
        with self._database.reading() as connection:
            row = connection.execute(select(*_LISTED, d.digest).where(d.id == (id_ if 0 <= id_ < 1 << 63 else -1))).first()
        if row is None:
            raise StoreError(f"There is no divergence {id_} in the store {self._database.name}. `playhead divergences SESSION` lists those there are.")
        values: dict[str, Any] = dict(row._mapping)
        digest = values.pop("digest")
        return DivergenceRecord.model_construct(**values), digest

    def accept(self, one: Equivalence) -> None:
        """From now on such a request is answered by that exchange; idempotent. Raises StoreError: there is no such exchange."""
        require_content(self._database, one.exchange)
        with self._database.writing() as connection, chained(connection, EntryKind.DECIDED) as entries:
            same = select(equivalences.c.id).where(*(equivalences.c[name] == value for name, value in one._asdict().items()))
            if connection.execute(same).first() is None:
                entries.deciding([one.session])
                connection.execute(equivalences.insert(), {**one._asdict(), "at": datetime.now(UTC)})

    def accepted(self, session: str) -> list[Equivalence]:
        """The requests of a session that stand for recorded ones, the oldest first."""
        e = equivalences.c
        with self._database.reading() as connection:
            rows = connection.execute(select(e.session, e.exchange, e.digest, e.asks, e.divergence).where(e.session == session).order_by(e.id))
            return [Equivalence(*row) for row in rows]

    def rerecord(self, session: str, exchange: int) -> None:
        """An exchange is to be recorded anew. Raises StoreError: there is no such session, or exchange in it."""
        require_session(self._database, session)
        if find_exchange(self._database, exchange).session != session:
            raise StoreError(f"Exchange {exchange} is not one of session {session!r}: `playhead exchanges {session}` lists those there are.")
        require_content(self._database, exchange)
        with self._database.writing() as connection, chained(connection, EntryKind.DECIDED) as entries:
            entries.deciding([session])
            newest = connection.execute(select(func.max(exchanges.c.id))).scalar() or exchange
            connection.execute(delete(rerecordings).where(rerecordings.c.exchange == exchange))
            values = {"exchange": exchange, "session": session, "after": newest, "at": datetime.now(UTC)}
            connection.execute(insert_new(connection, rerecordings), values)

    def leave(self, session: str, exchange: int) -> bool:
        """It is not, after all; whether it was to be. What was recorded in its place stands for itself then."""
        r = rerecordings.c
        with self._database.writing() as connection, chained(connection, EntryKind.DECIDED) as entries:
            entries.deciding([session])
            return connection.execute(delete(rerecordings).where(r.session == session, r.exchange == exchange)).rowcount > 0

    def rerecorded(self, session: str) -> list[Rerecording]:
        """The exchanges of a session that are to be recorded anew, or were, in the order in which that was asked for."""
        r = rerecordings.c
        with self._database.reading() as connection:
            rows = connection.execute(select(r.exchange, r.after).where(r.session == session).order_by(r.after, r.exchange))
            return [Rerecording(*row) for row in rows]

    def fork(self, session: str, exchange: int, name: str, anew: Mapping[int, int] | None = None) -> int:
        """Make a session of what stands before an exchange in its take; of how many exchanges. `anew`: exchanges that were recorded anew, with those in
        their places, as replays have it. Raises StoreError: no such exchange, or the name is taken."""
        return forking.fork(self._database, session, exchange, name, anew or {})

"""What was decided about divergences: requests that stand for recorded ones, and exchanges that are recorded anew."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select

from playhead.config.errors import StoreError

from .engine import Database
from .queries import find_exchange, require_session
from .records import DivergenceRecord
from .replay_rows import Equivalence, Rerecording
from .replay_tables import equivalences, rerecordings
from .rows import insert_new
from .tables import divergences, exchanges

_LISTED = tuple([divergences.c[name] for name in DivergenceRecord.model_fields])


def find_divergence(database: Database, id_: int) -> tuple[DivergenceRecord, bytes | None]:
    """See `Store.divergence`."""
    d = divergences.c
    with database.reading() as connection:
        row = connection.execute(select(*_LISTED, d.digest).where(d.id == (id_ if 0 <= id_ < 1 << 63 else -1))).first()
    if row is None:
        raise StoreError(f"There is no divergence {id_} in the store {database.name}. `playhead divergences SESSION` lists those there are.")
    values: dict[str, Any] = dict(row._mapping)
    digest = values.pop("digest")
    return DivergenceRecord.model_construct(**values), digest


def add_equivalence(database: Database, one: Equivalence, at: datetime) -> None:
    """See `Store.add_equivalence`."""
    find_exchange(database, one.exchange)
    values = {**one._asdict(), "at": at}
    with database.writing() as connection:
        same = select(equivalences.c.id).where(*(equivalences.c[name] == value for name, value in one._asdict().items()))
        if connection.execute(same).first() is None:
            connection.execute(equivalences.insert(), values)


def list_equivalences(database: Database, session: str) -> list[Equivalence]:
    """See `Store.equivalences`."""
    e = equivalences.c
    with database.reading() as connection:
        rows = connection.execute(select(e.session, e.exchange, e.digest, e.asks, e.divergence).where(e.session == session).order_by(e.id))
        return [Equivalence(*row) for row in rows]


def add_rerecording(database: Database, session: str, exchange: int, at: datetime) -> None:
    """See `Store.add_rerecording`."""
    require_session(database, session)
    if find_exchange(database, exchange).session != session:
        raise StoreError(f"Exchange {exchange} is not one of session {session!r}: `playhead exchanges {session}` lists those there are.")
    with database.writing() as connection:
        newest = connection.execute(select(func.max(exchanges.c.id))).scalar() or exchange
        connection.execute(delete(rerecordings).where(rerecordings.c.exchange == exchange))
        connection.execute(insert_new(connection, rerecordings), {"exchange": exchange, "session": session, "after": newest, "at": at})


def drop_rerecording(database: Database, session: str, exchange: int) -> bool:
    """See `Store.drop_rerecording`."""
    r = rerecordings.c
    with database.writing() as connection:
        return connection.execute(delete(rerecordings).where(r.session == session, r.exchange == exchange)).rowcount > 0


def list_rerecordings(database: Database, session: str) -> list[Rerecording]:
    """See `Store.rerecordings`."""
    r = rerecordings.c
    with database.reading() as connection:
        rows = connection.execute(select(r.exchange, r.after).where(r.session == session).order_by(r.after, r.exchange))
        return [Rerecording(*row) for row in rows]

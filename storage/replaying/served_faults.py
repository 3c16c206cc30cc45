"""Faults that replays served, in the store; and which exchanges are turns, by which faults are placed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update

from ..engine import Database
from ..queries import require_session
from ..records import FaultRecord
from ..rows import clean
from ..tables import exchanges
from .replay_rows import CREATES
from .replay_tables import served_faults

_COLUMNS = tuple([served_faults.c[name] for name in FaultRecord.model_fields])
_MOST = 100_000  # that are listed


def add(database: Database, fault: FaultRecord) -> int:
    """See `Store.add_fault`."""
    row = fault.model_dump(exclude={"id"}) | {"fault": clean(fault.fault), "place": clean(fault.place)}
    with database.writing() as connection:
        key = connection.execute(served_faults.insert(), row).inserted_primary_key
    assert key is not None
    return int(key[0])


def set_outcome(database: Database, id_: int, outcome: Mapping[str, Any]) -> None:
    """See `Store.fault_outcome`."""
    with database.writing() as connection:
        connection.execute(update(served_faults).where(served_faults.c.id == id_).values(outcome=dict(outcome)))


def listed(database: Database, session: str, *, run: str | None, limit: int | None) -> list[FaultRecord]:
    """See `Store.faults`."""
    require_session(database, session)
    f = served_faults.c
    conditions = [f.session == session, *([f.run == run] if run is not None else [])]
    newest = select(*_COLUMNS).where(*conditions).order_by(f.id.desc()).limit(min(limit or _MOST, _MOST))
    with database.reading() as connection:
        rows = connection.execute(newest).all()
    return [FaultRecord.model_construct(**row._mapping) for row in reversed(rows)]


def creates(database: Database, session: str, take: int | None) -> list[int]:
    """See `Store.creates`."""
    e = exchanges.c
    path = func.rtrim(func.substr(e.path, 1, 300), "/")
    asked = [path.like(f"%{end}") for end in CREATES] + [path.like(f"%{end}?%") for end in CREATES]
    # A turn of a WebSocket has a number below 0; one that a steer began was not asked for.
    turn: ColumnElement[bool] = and_(e.number < 0, e.steer.is_(None))
    wanted = [e.session == session, e.outcome.is_not(None), or_(turn, and_(e.number >= 0, e.method == "POST", or_(*asked)))]
    if take is not None:
        wanted.append(e["take"] == take)
    with database.reading() as connection:
        return list(connection.execute(select(e.id).where(*wanted).order_by(e["take"], e.seq, e.id)).scalars())

"""Enters what stood in a store before it had chains: once, when it is brought up to date."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Table, func, select

from .chain_rows import OWNERS, SHARED
from .chain_writing import ChainWriter, commands
from .chained import EntryKind

_AT_ONCE = 2000


def adopt(connection: Connection, advance: Callable[[int, int], object]) -> None:
    """Enter every row there is, as it is. `advance`: is told how many rows are, and how many there are."""
    of = sum(_count(connection, table) for table in (*(table for table, *_ in SHARED.values()), *OWNERS.values()))
    done = 0
    for name in SHARED:
        table = SHARED[name][0]
        rows = [*connection.execute(select(table.c.id).order_by(table.c.id)).scalars()]
        for start in range(0, len(rows), _AT_ONCE):
            advance(done, of)
            entries = ChainWriter(connection, commands(), EntryKind.ADOPTED)
            for id_ in rows[start : start + _AT_ONCE]:
                entries.share(table, id_)
            entries.append()
            done += len(rows[start : start + _AT_ONCE])
    for subject, table in OWNERS.items():
        ids = _after(connection, table, 0)
        while ids:
            advance(done, of)
            entries = ChainWriter(connection, commands(), EntryKind.ADOPTED)
            entries.made(subject, ids)
            entries.append()
            done += len(ids)
            ids = _after(connection, table, ids[-1])
    advance(done, of)


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def _after(connection: Connection, table: Table, id_: int) -> Sequence[int]:
    return connection.execute(select(table.c.id).where(table.c.id > id_).order_by(table.c.id).limit(_AT_ONCE)).scalars().all()

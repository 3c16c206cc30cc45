"""Enters what stood in a store before it had chains: once, when it is brought up to date."""

from __future__ import annotations

from sqlalchemy import Connection, select

from .chain_rows import OWNERS, SHARED
from .chain_writing import ChainWriter, commands
from .chained import EntryKind

_AT_ONCE = 2000


def adopt(connection: Connection) -> None:
    """Enter every row there is, as it is."""
    for name in SHARED:
        table = SHARED[name][0]
        ids = [*connection.execute(select(table.c.id).order_by(table.c.id)).scalars()]
        for start in range(0, len(ids), _AT_ONCE):
            entries = ChainWriter(connection, commands(), EntryKind.ADOPTED)
            for id_ in ids[start : start + _AT_ONCE]:
                entries.share(table, id_)
            entries.append()
    for subject, table in OWNERS.items():
        after = 0
        while ids := [*connection.execute(select(table.c.id).where(table.c.id > after).order_by(table.c.id).limit(_AT_ONCE)).scalars()]:
            entries = ChainWriter(connection, commands(), EntryKind.ADOPTED)
            entries.made(subject, ids)
            entries.append()
            after = ids[-1]

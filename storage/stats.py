"""What a store holds and how big it is."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, func, select, text

from .column_types import metadata
from .engine import Database
from .records import Record
from .tables import HEAD, bodies, connection_pieces, connections, exchanges, pieces, sessions, takes


class Stats(Record):
    """What `playhead stats` prints. Sizes in bytes; `raw_bytes`: what was recorded, decoded; `store_bytes`: what the store takes on disk."""

    sessions: int
    takes: int
    exchanges: int
    pruned: int
    open: int
    connections: int
    events: int
    request_bytes: int
    response_bytes: int
    raw_bytes: int
    stored_bytes: int
    store_bytes: int
    first_at: datetime | None
    last_at: datetime | None
    outcomes: dict[str, int]
    transports: dict[str, int]
    schema_version: str
    store: str


def store_stats(database: Database) -> Stats:
    """Counts and sizes."""
    columns = exchanges.c
    with database.reading() as connection:
        counts = connection.execute(
            select(
                func.count().label("exchanges"),
                func.count().filter(columns.pruned == "content").label("pruned"),
                func.count().filter(columns.outcome.is_(None)).label("open"),
                func.coalesce(func.sum(columns.events), 0).label("events"),
                func.coalesce(func.sum(columns.request_bytes), 0).label("request_bytes"),
                func.coalesce(func.sum(columns.response_bytes), 0).label("response_bytes"),
                func.min(columns.started_at, type_=columns.started_at.type).label("first_at"),
                func.max(columns.started_at, type_=columns.started_at.type).label("last_at"),
            )
        ).one()
        sizes = [
            connection.execute(select(func.coalesce(func.sum(table.c.raw_bytes), 0), func.coalesce(func.sum(func.length(table.c.data)), 0))).one()
            for table in (bodies, pieces, connection_pieces)
        ]
        return Stats(
            **counts._mapping,
            sessions=connection.execute(select(func.count()).select_from(sessions)).scalar_one(),
            takes=connection.execute(select(func.count()).select_from(takes)).scalar_one(),
            connections=connection.execute(select(func.count()).select_from(connections)).scalar_one(),
            raw_bytes=sum(int(size[0]) for size in sizes),
            stored_bytes=sum(int(size[1]) for size in sizes),
            store_bytes=_disk_bytes(connection, database.path),
            outcomes=_counted(connection, columns.outcome),
            transports=_counted(connection, columns.transport),
            schema_version=HEAD,
            store=database.name,
        )


def _counted(connection: Connection, column: ColumnElement[str]) -> dict[str, int]:
    rows = connection.execute(select(column, func.count()).where(column.is_not(None)).group_by(column).order_by(column))
    return dict(rows.all())


def _disk_bytes(connection: Connection, path: Path | None) -> int:
    if path is not None:
        beside = [path, path.with_name(path.name + "-wal")]
        return sum(file.stat().st_size for file in beside if file.exists())
    asked = text("SELECT sum(pg_total_relation_size(to_regclass(name))) FROM unnest(CAST(:names AS text[])) AS name")
    return int(connection.execute(asked, {"names": [table.name for table in metadata.sorted_tables]}).scalar_one())

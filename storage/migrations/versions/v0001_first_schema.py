"""The first schema.

The tables stand here as they were then: what `tables.py` says later must not change what this migration makes.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "0001"
down_revision = None

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Time = Text().with_variant(TIMESTAMP(timezone=True), "postgresql")
Id = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER PRIMARY KEY is the rowid

Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", Time, nullable=False),
    sqlite_autoincrement=True,
)

Table(
    "takes",
    metadata,
    Column("session", Text, ForeignKey("sessions.name"), primary_key=True),
    Column("take", Integer, primary_key=True, autoincrement=False),
    Column("run", Text, nullable=False),
    Column("started_at", Time, nullable=False),
    UniqueConstraint("session", "run"),
    sqlite_with_rowid=False,
)

Table(
    "connections",
    metadata,
    Column("id", Id, primary_key=True),
    Column("session", Text, nullable=False),
    Column("take", Integer, nullable=False),
    Column("path", Text, nullable=False),
    Column("upstream", Text, nullable=False),
    Column("started_at", Time, nullable=False),
    Column("duration_ms", Double),
    sqlite_autoincrement=True,
)

Table(
    "writers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("writer", Text, nullable=False, unique=True),
    Column("host", Text, nullable=False),
    Column("segment", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("open", Text, nullable=False),
    Column("state", Text, nullable=False),
)

Table(
    "exchanges",
    metadata,
    Column("id", Id, primary_key=True),
    Column("session", Text, ForeignKey("sessions.name"), nullable=False),
    Column("take", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("connection", BigInteger),
    Column("stream_id", Text),
    Column("transport", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("status", Integer),
    Column("outcome", Text),
    Column("started_at", Time, nullable=False),
    Column("first_event_ms", Double),
    Column("duration_ms", Double),
    Column("request_bytes", BigInteger, nullable=False),
    Column("response_bytes", BigInteger, nullable=False),
    Column("events", Integer, nullable=False),
    Column("parse", Text, nullable=False),
    Column("redacted", Text),
    Column("kind", Text, nullable=False),
    Column("model", Text),
    Column("response_id", Text),
    Column("previous_response_id", Text),
    Column("response_status", Text),
    Column("service_tier", Text),
    Column("error_code", Text),
    Column("request_id", Text),
    Column("attempt", Integer),
    Column("key_id", Text),
    Column("organization", Text),
    Column("project", Text),
    Column("user", Text),
    Column("upstream", Text, nullable=False),
    Column("usage", JSON(none_as_null=True)),
    Column("cost", BigInteger),
    Column("cost_note", Text),
    Column("problem", Text),
    Column("writer", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Index(None, "session", "seq"),
    UniqueConstraint("writer", "number"),
    sqlite_autoincrement=True,
)

Table(
    "event_types",
    metadata,
    Column("id", Id, primary_key=True),
    Column("type", Text, nullable=False, unique=True),
)

Table(
    "event_rows",
    metadata,
    Column("exchange", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("offset_ns", BigInteger, nullable=False),
    Column("direction", SmallInteger, nullable=False),
    Column("type", Integer),
    Column("sequence_number", BigInteger),
    Column("stream_id", Text),
    Column("bytes", BigInteger, nullable=False),
    Column("flags", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)

Table(
    "bodies",
    metadata,
    Column("exchange", Id, ForeignKey("exchanges.id"), primary_key=True, autoincrement=False),
    Column("base", BigInteger, ForeignKey("bodies.exchange"), index=True),
    Column("depth", Integer, nullable=False),
    Column("codec", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("raw_bytes", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

Table(
    "pieces",
    metadata,
    Column("exchange", BigInteger, ForeignKey("exchanges.id"), primary_key=True, autoincrement=False),
    Column("part", Text, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("codec", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("raw_bytes", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

Table(
    "deleted",
    metadata,
    Column("writer", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

EVENTS_VIEW = """
CREATE VIEW events AS
SELECT r.exchange, r.seq, CAST(r.offset_ns AS DOUBLE PRECISION) / 1000000 AS offset_ms,
       CASE r.direction WHEN 0 THEN 'client' ELSE 'upstream' END AS direction,
       t.type, r.sequence_number, r.stream_id, r.bytes
FROM event_rows AS r LEFT JOIN event_types AS t ON t.id = r.type
"""


def upgrade() -> None:
    """Make the tables and the view."""
    bind = op.get_bind()
    metadata.create_all(bind, checkfirst=False)
    op.execute(EVENTS_VIEW)
    if bind.dialect.name == "postgresql":
        # What is compressed already is only slowed down by another attempt.
        for table in ("bodies", "pieces"):
            op.execute(f"ALTER TABLE {table} ALTER COLUMN data SET STORAGE EXTERNAL")

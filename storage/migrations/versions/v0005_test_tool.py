"""Replay as a test tool: match rules, accepted requests, exchanges to record anew, and what rules and faults did."""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import TIMESTAMP

# While this changes: `python tests/migrated.py` writes down anew what new stores are made of.
revision = "0005"
down_revision = "0004"

metadata = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"})
Time = Text().with_variant(TIMESTAMP(timezone=True), "postgresql")
Id = BigInteger().with_variant(Integer, "sqlite")

Table(
    "match_rules",
    metadata,
    Column("session", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("at", Time, nullable=False),
    Column("rules", JSON, nullable=False),
    sqlite_with_rowid=False,
)

Table(
    "equivalences",
    metadata,
    Column("id", Id, primary_key=True),
    Column("session", Text, nullable=False),
    Column("exchange", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("asks", Text, nullable=False),
    Column("divergence", BigInteger, nullable=False),
    Column("at", Time, nullable=False),
    Index(None, "session"),
    sqlite_autoincrement=True,
)

Table(
    "rerecordings",
    metadata,
    Column("exchange", BigInteger, primary_key=True, autoincrement=False),
    Column("session", Text, nullable=False),
    Column("after", BigInteger, nullable=False),
    Column("at", Time, nullable=False),
    Index(None, "session"),
    sqlite_with_rowid=False,
)

Table(
    "rule_hits",
    metadata,
    Column("session", Text, primary_key=True),
    Column("run", Text, primary_key=True),
    Column("exchange", BigInteger, primary_key=True, autoincrement=False),
    Column("rules", Text, primary_key=True),
    Column("take", Integer),
    Column("count", BigInteger, nullable=False),
    Column("first_at", Time, nullable=False),
    Column("last_at", Time, nullable=False),
    sqlite_with_rowid=False,
)

Table(
    "served_faults",
    metadata,
    Column("id", Id, primary_key=True),
    Column("session", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("at", Time, nullable=False),
    Column("exchange", BigInteger),
    Column("fault", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("outcome", JSON(none_as_null=True)),
    Index(None, "session", "id"),
    sqlite_autoincrement=True,
)

COLUMNS = (
    ("sessions", "forked_from", Text()),
    ("sessions", "forked_at", BigInteger()),
    ("divergences", "cause", Text()),
    ("divergences", "proposal", JSON()),
    ("divergences", "parted", BigInteger()),
    ("divergences", "expected", BigInteger()),
    ("divergences", "served", Boolean()),
    ("divergences", "digest", LargeBinary()),
)


def upgrade() -> None:
    """Make the tables, and add the columns."""
    metadata.create_all(op.get_bind(), checkfirst=False)
    for table, name, kind in COLUMNS:
        op.add_column(table, Column(name, kind))

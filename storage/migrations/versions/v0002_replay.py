"""What replay needs: fingerprints of requests, and the divergences it met.

Exchanges that are there already get their fingerprints when their session is first replayed.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "0002"
down_revision = "0001"

metadata = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"})
Time = Text().with_variant(TIMESTAMP(timezone=True), "postgresql")
Id = BigInteger().with_variant(Integer, "sqlite")

Table(
    "fingerprints",
    metadata,
    Column("exchange", BigInteger, primary_key=True, autoincrement=False),
    Column("rules", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("asks", Text, nullable=False),
    Column("base", BigInteger),
    Column("items", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

Table(
    "divergences",
    metadata,
    Column("id", Id, primary_key=True),
    Column("session", Text, nullable=False),
    Column("take", Integer),
    Column("run", Text, nullable=False),
    Column("at", Time, nullable=False),
    Column("code", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("model", Text),
    Column("asks", Text, nullable=False),
    Column("nearest", BigInteger),
    Column("differences", JSON, nullable=False),
    Column("message", Text, nullable=False),
    Column("head_bytes", Integer, nullable=False),
    Column("request_bytes", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Index(None, "session", "id"),
    sqlite_autoincrement=True,
)


def upgrade() -> None:
    """Make the tables."""
    bind = op.get_bind()
    metadata.create_all(bind, checkfirst=False)
    if bind.dialect.name == "postgresql":
        # What is compressed already is only slowed down by another attempt.
        op.execute("ALTER TABLE divergences ALTER COLUMN data SET STORAGE EXTERNAL")

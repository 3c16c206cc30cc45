"""Chains of entries that make changes by others evident. What stands in the store is entered by `schema.migrate` when all migrations are done."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import TIMESTAMP

# While this changes: `python tests/migrated.py` writes down anew what new stores are made of.
revision = "0007"
down_revision = "0006"

metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"})
Time = Text().with_variant(TIMESTAMP(timezone=True), "postgresql")
Id = BigInteger().with_variant(Integer, "sqlite")

Table(
    "chains",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("started_at", Time, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("head", LargeBinary, nullable=False),
)

Table(
    "chain_entry_rows",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("chain", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("salt", LargeBinary),
    Column("digest", LargeBinary),
    Column("rows", Text),
)

KINDS = "begun recorded adopted imported forked reparsed repriced redacted rewritten decided pruned deleted doubted"
SUBJECTS = "shared exchange connection session"


def words(column: str, names: str) -> str:
    """SQL that makes the words of numbers."""
    return f"CASE {column} {' '.join(f'WHEN {number} THEN {name!r}' for number, name in enumerate(names.split()))} END"


# Exchanges have the ids above 0.
CHAIN_ENTRIES = (
    f"CREATE VIEW chain_entries AS SELECT chain, seq, at, {words('kind', KINDS)} AS kind,"
    f" CASE WHEN id > 0 THEN 'exchange' ELSE {words('(-(id >> 20) & 3)', SUBJECTS)} END AS subject,"
    " CASE WHEN id > 0 THEN id >> 20 ELSE -(id >> 20) >> 2 END AS subject_id, id & 1048575 AS number, digest FROM chain_entry_rows"
)


def upgrade() -> None:
    """Make the tables and the view."""
    metadata.create_all(op.get_bind(), checkfirst=False)
    op.execute(CHAIN_ENTRIES)

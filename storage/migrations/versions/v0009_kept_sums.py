"""Sums over parts of the store that audits keep for the next one. SQLite removes them by triggers; on PostgreSQL none are kept."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, Table, Text

revision = "0009"
down_revision = "0008"

metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s"})

Table(
    "kept_sums",
    metadata,
    Column("part", BigInteger, primary_key=True, autoincrement=False),
    Column("grouping", Text, primary_key=True),
    Column("made_by", Text, nullable=False),
    Column("claim", LargeBinary, nullable=False),
    Column("data", LargeBinary),
    sqlite_with_rowid=False,
)


def upgrade() -> None:
    """Make the table and the triggers."""
    metadata.create_all(op.get_bind(), checkfirst=False)
    if op.get_bind().dialect.name != "sqlite":
        return
    for table, key in (("exchanges", "id"), ("costs", "exchange")):
        # None for what is inserted: each exchange would pay for it, and into a closed part nothing is.
        for event, parts in (("UPDATE", f"OLD.{key} / 25000, NEW.{key} / 25000"), ("DELETE", f"OLD.{key} / 25000")):
            op.execute(f"CREATE TRIGGER kept_sums_{table}_{event.lower()} AFTER {event} ON {table} BEGIN DELETE FROM kept_sums WHERE part IN ({parts}); END")

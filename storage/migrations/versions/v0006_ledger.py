"""The ledger: what exchanges cost, line by line, by which price tables, and what it was before."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import TIMESTAMP

# While this changes: `python tests/migrated.py` writes down anew what new stores are made of.
revision = "0006"
down_revision = "0005"

metadata = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"})
Time = Text().with_variant(TIMESTAMP(timezone=True), "postgresql")
Id = BigInteger().with_variant(Integer, "sqlite")

Table(
    "pricings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("at", Time, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("as_of", Time),
    Column("tables", JSON, nullable=False),
    Column("assumed", Text, nullable=False),
)

Table(
    "price_bases",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("dimensions", JSON, nullable=False),
    Column("reason", Text),
)

Table(
    "price_rates",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("item", Text, nullable=False),
    Column("model", Text),
    Column("counts", Text, nullable=False),
    Column("price", Text),
    Column("per", BigInteger, nullable=False),
    Column("tables", Text),
    Column("dimensions", JSON(none_as_null=True)),
    Column("reason", Text),
)


def _columns() -> list[Column[Any]]:
    return [
        Column("pricing", Integer, nullable=False),
        Column("basis", Integer, nullable=False),
        Column("state", Text, nullable=False),
        Column("amount", BigInteger),
        Column("told", Boolean),
        Column("counted_in", BigInteger),
        *[Column(f"{name}_tokens", BigInteger) for name in ("input", "cached", "written", "output", "reasoning")],
        *[Column(f"{name}_amount", BigInteger) for name in ("input", "cached", "written", "output", "tools")],
    ]


Table(
    "costs",
    metadata,
    Column("exchange", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    *_columns(),
    sqlite_with_rowid=False,
)

Table(
    "cost_history",
    metadata,
    Column("exchange", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    *_columns(),
    Column("note", Text),
    Column("until", Time, nullable=False),
    sqlite_with_rowid=False,
)

Table(
    "cost_line_rows",
    metadata,
    Column("exchange", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("rate", Integer, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("amount", BigInteger),
    sqlite_with_rowid=False,
)

Table(
    "paid_responses",
    metadata,
    Column("response_id", Text, primary_key=True),
    Column("exchange", BigInteger, nullable=False),
    Index(None, "exchange"),
    sqlite_with_rowid=False,
)

COST_LINES = (
    "CREATE VIEW cost_lines AS SELECT l.exchange, l.line, r.item, r.model, l.quantity, r.counts, r.price, r.per, l.amount, r.tables, r.reason"
    " FROM cost_line_rows l JOIN costs c ON c.exchange = l.exchange AND c.version = l.version JOIN price_rates r ON r.id = l.rate"
)


def upgrade() -> None:
    """Make the tables and the view, and add the column."""
    metadata.create_all(op.get_bind(), checkfirst=False)
    op.add_column("exchanges", Column("billing", JSON(none_as_null=True)))
    op.execute(COST_LINES)

"""What WebSocket connections keep beside their exchanges, and exchanges that are turns of a connection.

Connections that are there already were one exchange each: they get its identity, its status and its outcome.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Integer, LargeBinary, MetaData, Table, Text, text

revision = "0004"
down_revision = "0003"

metadata = MetaData(naming_convention={"fk": "fk_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"})
Id = BigInteger().with_variant(Integer, "sqlite")

Table("connections", metadata, Column("id", Id, primary_key=True))

pieces = Table(
    "connection_pieces",
    metadata,
    Column("connection", BigInteger, ForeignKey("connections.id"), primary_key=True, autoincrement=False),
    Column("part", Text, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("codec", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("raw_bytes", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

COLUMNS = (
    *(("writer", BigInteger), ("number", BigInteger), ("status", Integer), ("outcome", Text), ("subprotocol", Text), ("extensions", Text)),
    *(("lanes", JSON), ("turns", Integer), ("client_messages", BigInteger), ("upstream_messages", BigInteger), ("client_bytes", BigInteger)),
    *(("upstream_bytes", BigInteger), ("client_pings", BigInteger), ("upstream_pings", BigInteger), ("client_close", Integer)),
    *(("client_reason", Text), ("upstream_close", Integer), ("upstream_reason", Text), ("unassigned", BigInteger), ("problem", Text)),
    *(("key_id", Text), ("digest", LargeBinary)),
)

KNOWN = """
UPDATE connections
SET writer = e.writer, number = e.number, status = e.status, outcome = e.outcome, problem = e.problem, key_id = e.key_id
FROM exchanges AS e WHERE e.connection = connections.id
"""


def upgrade() -> None:
    """Add the columns and the table."""
    bind = op.get_bind()
    op.add_column("exchanges", Column("conversation", Text))
    op.add_column("exchanges", Column("steer", Text))
    for name, kind in COLUMNS:
        op.add_column("connections", Column(name, kind))
    if bind.execute(text("SELECT 1 FROM connections")).first() is not None:
        op.execute(KNOWN)
    op.create_index("ix_connections_writer_number", "connections", ["writer", "number"], unique=True)
    for name in ("response_id", "conversation"):  # chains are followed link by link
        there = text(f"{name} IS NOT NULL")
        op.create_index(f"ix_exchanges_{name}", "exchanges", [name], sqlite_where=there, postgresql_where=there)
    pieces.create(bind)
    if bind.dialect.name == "postgresql":
        # What is compressed already is only slowed down by another attempt.
        op.execute("ALTER TABLE connection_pieces ALTER COLUMN data SET STORAGE EXTERNAL")

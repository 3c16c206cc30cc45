"""What WebSocket connections keep beside their exchanges, and exchanges that are turns of a connection.

Connections that are there already were one exchange each: they get its identity, its status and its outcome. Handshakes that were refused had none.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, BigInteger, Column, Connection, ForeignKey, Integer, LargeBinary, MetaData, Table, Text, text

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

REFUSED = """
INSERT INTO connections (session, take, path, upstream, started_at, duration_ms, writer, number, status, outcome, problem, key_id)
SELECT e.session, e.take, e.path, e.upstream, e.started_at, e.duration_ms, e.writer, e.number, e.status, e.outcome, e.problem, e.key_id
FROM fingerprints AS f JOIN exchanges AS e ON e.id = f.exchange
WHERE f.asks = 'ws' AND f.rules = 'f1' AND e.connection IS NULL AND e.transport = 'http' ORDER BY e.id
"""

THEIRS = """
UPDATE exchanges SET connection = c.id
FROM connections AS c WHERE c.writer = exchanges.writer AND c.number = exchanges.number AND exchanges.connection IS NULL
"""


def there(bind: Connection) -> bool:
    """Whether the store has any connections: without them it need not be read."""
    return bind.execute(text("SELECT 1 FROM connections LIMIT 1")).first() is not None


def upgrade() -> None:
    """Add the columns and the table."""
    bind = op.get_bind()
    op.add_column("exchanges", Column("conversation", Text))
    op.add_column("exchanges", Column("steer", Text))
    for name, kind in COLUMNS:
        op.add_column("connections", Column(name, kind))
    if there(bind):
        op.execute(KNOWN)
    op.execute(REFUSED)
    op.create_index("ix_connections_writer_number", "connections", ["writer", "number"], unique=True)
    if there(bind):
        op.execute(THEIRS)
    for name in ("response_id", "conversation"):  # chains are followed link by link
        known = text(f"{name} IS NOT NULL")
        op.create_index(f"ix_exchanges_{name}", "exchanges", [name], sqlite_where=known, postgresql_where=known)
    pieces.create(bind)
    if bind.dialect.name == "postgresql":
        # What is compressed already is only slowed down by another attempt.
        op.execute("ALTER TABLE connection_pieces ALTER COLUMN data SET STORAGE EXTERNAL")

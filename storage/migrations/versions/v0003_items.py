"""What the wire models find: items of requests and responses, values that do not fit, and which version of the parsing found them.

Exchanges that are there already get theirs by `playhead reparse`.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, BigInteger, Column, Integer, MetaData, SmallInteger, Table, Text

revision = "0003"
down_revision = "0002"

metadata = MetaData(naming_convention={"uq": "uq_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"})
Id = BigInteger().with_variant(Integer, "sqlite")

Table(
    "item_words",
    metadata,
    Column("id", Id, primary_key=True),
    Column("word", Text, nullable=False, unique=True),
)

Table(
    "item_rows",
    metadata,
    Column("exchange", BigInteger, primary_key=True, autoincrement=False),
    Column("part", SmallInteger, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("type", Integer),
    Column("id", Text),
    Column("call_id", Text),
    Column("name", Integer),
    Column("status", Integer),
    sqlite_with_rowid=False,
)

ITEMS_VIEW = """
CREATE VIEW items AS
SELECT r.exchange, CASE r.part WHEN 0 THEN 'input' ELSE 'output' END AS part, r.position,
       t.word AS type, r.id, r.call_id, n.word AS name, s.word AS status
FROM item_rows AS r
LEFT JOIN item_words AS t ON t.id = r.type
LEFT JOIN item_words AS n ON n.id = r.name
LEFT JOIN item_words AS s ON s.id = r.status
"""


def upgrade() -> None:
    """Make the tables, the view and the columns."""
    metadata.create_all(op.get_bind(), checkfirst=False)
    op.execute(ITEMS_VIEW)
    op.add_column("exchanges", Column("problems", JSON))
    op.add_column("exchanges", Column("parser", Integer))

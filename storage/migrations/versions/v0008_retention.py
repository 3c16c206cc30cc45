"""Retention: what of exchanges and connections is pruned, and the way to what depends on a row that is to go."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Text, text

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the columns and the indexes."""
    for table in ("exchanges", "connections"):
        op.add_column(table, Column("pruned", Text))
    for table, name in (("fingerprints", "base"), ("costs", "counted_in")):
        known = text(f"{name} IS NOT NULL")
        op.create_index(f"ix_{table}_{name}", table, [name], sqlite_where=known, postgresql_where=known)

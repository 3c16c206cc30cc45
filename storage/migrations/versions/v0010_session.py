"""What a session is called stands in the column `session`, as in every other table and in the listings."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Rename it; who refers to it is told by the database."""
    op.execute("ALTER TABLE sessions RENAME COLUMN name TO session")

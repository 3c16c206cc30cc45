"""Makes the tables of a new store, and brings those of an old one up to date.

The migrations are what makes the tables. What they make of nothing is written down beside them, in `new-sqlite.sql` and `new-postgresql.sql`: a new store
is made of that, in a few milliseconds and without Alembic. Migrations that came after it was written down are run on top.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.schema import DDLElement, SetColumnComment, SetTableComment

from .column_types import metadata
from .tables import HEAD, VERSION_TABLE, meta

_CHAINED = "0007"  # from which on what is recorded is entered in chains
_END = ";\n\n"
_FIRST = "-- What the migrations make, up to "
_MIGRATIONS = Path(__file__).parent / "migrations"
_ALEMBIC = threading.Lock()  # it keeps the migration that runs in globals of its own
_ABOUT = "A store of playhead, a recording proxy for LLM API traffic. Query exchanges and events; `playhead help` has all columns."


def _silent(_done: int, _of: int) -> None:
    """Nobody waits for it."""


@dataclass(frozen=True, slots=True)
class New:
    """What the migrations make of nothing. `revision`: the last of them."""

    revision: str
    statements: Sequence[str]

    def __str__(self) -> str:
        return "".join(part + _END for part in (_FIRST + self.revision, *self.statements))

    @classmethod
    def parse(cls, text: str) -> New:
        """From its text."""
        first, *statements = text.removesuffix(_END).split(_END)
        return cls(first.removeprefix(_FIRST), tuple(statements))


def make(connection: Connection, new: New | None = None) -> None:
    """Make the tables in an empty database, within the caller's transaction. `new`: of what, if not of what is written down."""
    new = new or written(connection.dialect.name)
    cursor = connection.connection.cursor()  # the driver's own takes them as they are
    if connection.dialect.name == "postgresql":
        cursor.execute(";".join(new.statements))
    else:
        for statement in new.statements:
            cursor.execute(statement)
    connection.exec_driver_sql(f"INSERT INTO {VERSION_TABLE} (version_num) VALUES ('{new.revision}')")
    if new.revision == HEAD:
        _finish(connection)
    else:
        migrate(connection)


def migrate(connection: Connection, advance: Callable[[int, int], object] = _silent) -> None:
    """Bring the tables of an older schema to HEAD, within the caller's transaction. `advance`: is told how much is done, of how much; 0: that is not known."""
    advance(0, 0)
    before = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()
    run_migrations(connection, HEAD)
    _finish(connection)
    if before is not None and str(before) < _CHAINED:
        from .evidence.chain_adopting import adopt

        adopt(connection, advance)


def run_migrations(connection: Connection, to: str) -> None:
    """Run those that the tables lack, which may be all."""
    from alembic import command  # costs 100 ms, which only an old store has to pay
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "playhead.storage:migrations")
    config.attributes.update(connection=connection, version_table=VERSION_TABLE)
    with _ALEMBIC:
        command.upgrade(config, to)


def _finish(connection: Connection) -> None:
    """Say what the store is, and on PostgreSQL what its tables are for."""
    if connection.execute(select(meta.c.value).where(meta.c.key == "about")).first() is None:
        connection.execute(meta.insert().values(key="about", value=_ABOUT))
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql.base import PGDialect

        comments: list[DDLElement] = [SetTableComment(table) for table in metadata.sorted_tables]
        comments += [SetColumnComment(column) for table in metadata.sorted_tables for column in table.columns]
        plain = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]  # the driver's own doubles each %
        text = ";".join(str(comment.compile(dialect=plain)) for comment in comments)
        connection.connection.cursor().execute(text)


def written(dialect: str) -> New:
    """What is written down for that database."""
    return New.parse(path(dialect).read_text(encoding="utf-8"))


def path(dialect: str) -> Path:
    """Where it is written down."""
    return _MIGRATIONS / f"new-{dialect}.sql"

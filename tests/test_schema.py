"""New stores are made of what the migrations make."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine, inspect, select
from sqlalchemy.engine import make_url

from migrated import made
from playhead.storage.schema import New, make, run_migrations, written
from playhead.storage.tables import HEAD, VERSION_TABLE, meta


@pytest.fixture
def empty(url: str) -> Iterator[Connection]:
    """An empty database, in a transaction."""
    parsed = make_url(url)
    engine = create_engine(parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed)
    with engine.connect() as connection, connection.begin():
        yield connection
    engine.dispose()


def test_what_is_written_down_is_what_the_migrations_make(empty: Connection) -> None:
    kept = written(empty.dialect.name)

    assert kept == made(empty, kept.revision), "run `python tests/migrated.py`"


def test_what_is_written_down_comes_back(empty: Connection) -> None:
    kept = written(empty.dialect.name)

    assert New.parse(str(kept)) == kept


def test_migrations_that_came_later_are_run_on_top(empty: Connection) -> None:
    savepoint = empty.begin_nested()
    older = made(empty, "0003")
    savepoint.rollback()
    make(empty, older)

    assert empty.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalars().all() == [HEAD]
    assert "digest" in [column["name"] for column in inspect(empty).get_columns("connections")]
    assert empty.execute(select(meta.c.key)).scalars().all() == ["about"]


def test_a_new_store_has_nothing_left_to_migrate(empty: Connection) -> None:
    make(empty)
    tables = sorted(inspect(empty).get_table_names())
    run_migrations(empty, HEAD)

    assert sorted(inspect(empty).get_table_names()) == tables

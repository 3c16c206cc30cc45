"""The tables: what the migrations make, what the listings promise and what people read are one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import inspect, text
from sqlalchemy.dialects import sqlite

from playhead.storage.column_types import UtcTime, metadata, ns_text, time_text
from playhead.storage.engine import Database, open_database
from playhead.storage.records import EventRecord, ExchangeRecord, ItemRow
from playhead.storage.rows import exchange_row
from playhead.storage.tables import HEAD, VERSION_TABLE, describe, events, exchanges, items
from stores import place_for_store, recorded


def test_the_migrations_make_the_tables(database: Database) -> None:
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_last_migration_is_the_schema_of_this_version() -> None:
    config = Config()
    config.set_main_option("script_location", "playhead.storage:migrations")

    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_the_view_of_events_has_the_columns_of_the_listing(database: Database) -> None:
    with database.reading() as connection:
        found = [column["name"] for column in inspect(connection).get_columns("events")]

    assert found == list(EventRecord.model_fields) == [column.name for column in events.columns]


def test_the_view_of_items_has_the_fields_of_an_item(database: Database) -> None:
    with database.reading() as connection:
        found = [column["name"] for column in inspect(connection).get_columns("items")]

    assert found == ["exchange", *ItemRow._fields] == [column.name for column in items.columns]


def test_exchanges_have_the_columns_of_the_listing_in_its_order() -> None:
    names = [column.name for column in exchanges.columns]

    *first, last = ExchangeRecord.model_fields
    assert names == [*first, "problem", "writer", "number", "problems", "parser", "billing", last]


def test_a_row_has_a_value_for_each_column_of_exchanges() -> None:
    assert len(exchange_row(1, (1, 1, None), 1, recorded())) == len(exchanges.columns)


def test_postgresql_knows_what_the_tables_are_for(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with place_for_store("postgresql", request, tmp_path) as url:
        made = open_database(url, create=True, durability="relaxed", lock_timeout=5)
        with made.reading() as connection:
            asked = text("SELECT obj_description('exchanges'::regclass), col_description('exchanges'::regclass, 1)")
            table, column = connection.execute(asked).one()
        made.engine.dispose()

    assert (table, column) == (exchanges.comment, exchanges.c.id.comment)


def test_sqlite_gives_freed_pages_back_and_overwrites_them(tmp_path: Path) -> None:
    made = open_database(f"sqlite:///{tmp_path}/store.db", create=True, durability="relaxed", lock_timeout=5)
    with made.reading() as connection:
        pragmas = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("auto_vacuum", "secure_delete", "foreign_keys")}
    made.engine.dispose()

    assert pragmas == {"auto_vacuum": 2, "secure_delete": 1, "foreign_keys": 1}


@pytest.mark.parametrize(("durability", "synchronous"), [("relaxed", 1), ("strict", 2)])
def test_sqlite_syncs_each_commit_only_if_strict(tmp_path: Path, durability: str, synchronous: int) -> None:
    made = open_database(f"sqlite:///{tmp_path}/store.db", create=True, durability=durability, lock_timeout=5)  # type: ignore[arg-type]
    with made.reading() as connection:
        found = connection.exec_driver_sql("PRAGMA synchronous").scalar(), connection.exec_driver_sql("PRAGMA journal_mode").scalar()
    made.engine.dispose()

    assert found == (synchronous, "wal")


def test_every_table_and_column_is_described() -> None:
    words = describe().split()

    for table in (*metadata.sorted_tables, events, items):
        assert f"{table.name}:" in words
        assert {column.name for column in table.columns} <= set(words)


def test_the_description_fits_its_readers() -> None:
    assert "user                 text" in describe()
    assert "started_at           time       UTC.\n" in describe()


@given(st.integers(0, 4_102_444_800_000_000_000))
def test_both_ways_to_write_a_time_agree(nanoseconds: int) -> None:
    moment = datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC).replace(microsecond=nanoseconds // 1000 % 1_000_000)

    assert ns_text(nanoseconds) == time_text(moment)


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_times_on_sqlite_come_back_and_sort(first: datetime, second: datetime) -> None:
    kind, dialect = UtcTime(), sqlite.dialect()
    a, b = kind.process_bind_param(first, dialect), kind.process_bind_param(second, dialect)

    assert kind.process_result_value(a, dialect) == first
    assert (str(a) < str(b)) == (first < second)


def test_no_time_is_no_time() -> None:
    kind, dialect = UtcTime(), sqlite.dialect()

    assert kind.process_bind_param(None, dialect) is None
    assert kind.process_result_value(None, dialect) is None

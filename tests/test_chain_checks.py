"""Whatever is changed, removed or inserted behind playhead's back is found by the chains, and nothing else is."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Table
from sqlalchemy.exc import DatabaseError

import stores
from entered import COVERED, changed, edits, fill, in_pieces, problems, reprice, rows_of, without_references
from playhead.storage.column_types import metadata
from playhead.storage.engine import Database
from playhead.storage.evidence.chain_heads import ChainHead
from playhead.storage.evidence.chain_tables import chain_entry_rows, chains
from playhead.storage.records import Batch
from playhead.storage.store import Store
from stores import recorded

UNCOVERED = {
    *("writers", "deleted", "meta"),  # how far recorders have come, what is not to come back, notes about the store
    *("divergences", "rule_hits", "served_faults"),  # what replays have met
    *("chains", "chain_entry_rows"),
    "kept_sums",  # which are compared with what they are sums of
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with something of everything."""
    path = tmp_path_factory.mktemp("filled") / "store.db"
    with Store.open(f"sqlite:///{path}", create=True) as store:
        fill(store)
    return path


@pytest.fixture
def opened(filled: Path, tmp_path: Path) -> Iterator[Database]:
    """A copy of it."""
    shutil.copy(filled, tmp_path / "store.db")
    found = stores.opened(f"sqlite:///{tmp_path / 'store.db'}")
    yield found
    found.engine.dispose()


def checked(database: Database) -> list[str]:
    with Store(database) as store:
        return problems(store)


def test_every_table_is_covered_or_named_here() -> None:
    assert {table.name for table in COVERED} | UNCOVERED == set(metadata.tables)


def test_a_store_that_nobody_has_changed_has_no_problems(store: Store) -> None:
    fill(store)

    assert problems(store) == []
    assert [str(one) for one in store.verify()] == []


@pytest.mark.parametrize("table", COVERED, ids=lambda table: str(table.name))
def test_a_change_of_any_column_is_found(opened: Database, table: Table) -> None:
    row = rows_of(opened, table)[-1]
    for edited in edits(table, row):
        with changed(opened, table, row, edited):
            assert checked(opened), edited
    assert checked(opened) == []


@pytest.mark.parametrize("table", COVERED, ids=lambda table: str(table.name))
def test_the_removal_of_any_row_is_found(opened: Database, table: Table) -> None:
    for row in rows_of(opened, table):
        with changed(opened, table, row, None):
            assert checked(opened), row
    assert checked(opened) == []


@pytest.mark.parametrize("table", COVERED, ids=lambda table: str(table.name))
def test_a_row_that_was_inserted_is_found(opened: Database, table: Table) -> None:
    row = rows_of(opened, table)[0]
    for edited in edits(table, row):
        unlike = {column.name: edited[column.name] for column in table.primary_key} != {column.name: row[column.name] for column in table.primary_key}
        foreign = (table.name == "match_rules" and edited["session"] != row["session"]) or (table.name == "fingerprints" and edited["rules"] != row["rules"])
        if unlike and not foreign:  # rules of a session that is not there, and fingerprints under other rules, are nobody's
            new = {**edited, **{name: f"{row[name]}x" for name in ("name", "run", "type", "word", "writer") if isinstance(row.get(name), str)}}
            new |= {"digest": b"new"} if "digest" in new and table.name.startswith("pric") else {}
            new |= {"number": 4711} if table.name in ("exchanges", "connections") else {}
            new |= {"session": "another"} if table.name == "sessions" else {}
            with changed(opened, table, None, new):
                assert checked(opened), new
    assert checked(opened) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE fingerprints SET digest = lower(hex(digest)) WHERE exchange = 1",
        "UPDATE bodies SET data = CAST(data AS TEXT) WHERE exchange = 1",
        "UPDATE pieces SET data = lower(hex(data))",
        "UPDATE exchanges SET model = CAST(model AS BLOB) WHERE id = 1",
        "UPDATE exchanges SET first_event_ms = 9e999 WHERE id = 1",
        "UPDATE cost_line_rows SET amount = 9e999 WHERE exchange = 1",
        "UPDATE event_rows SET type = 'none' WHERE exchange = 1 AND seq = 0",
        "UPDATE event_rows SET stream_id = x'ff' WHERE exchange = 1 AND seq = 0",
        "UPDATE takes SET take = 'first'",
        "UPDATE bodies SET exchange = 'x' WHERE exchange = 1",
    ],
)
def test_a_value_of_another_kind_is_found(opened: Database, statement: str) -> None:
    with opened.autocommit() as connection:
        for each in ("PRAGMA foreign_keys = OFF", "PRAGMA ignore_check_constraints = ON", statement):
            with contextlib.suppress(DatabaseError):  # where SQLite does not take it, nothing was changed
                connection.exec_driver_sql(each)
        changes = connection.exec_driver_sql("SELECT changes()").scalar()
    assert bool(checked(opened)) == bool(changes)


def test_all_this_is_found_on_both_databases(store: Store) -> None:
    fill(store)
    database = store._database
    without_references(database)
    for table in COVERED:
        row = rows_of(database, table)[-1]
        with changed(database, table, row, [*edits(table, row)][-1]):
            assert problems(store), table.name
    assert problems(store) == []


def test_what_is_found_is_said(opened: Database) -> None:
    database, store = opened, Store(opened)
    exchanges, costs = metadata.tables["exchanges"], metadata.tables["costs"]
    row = rows_of(database, exchanges)[1]
    with changed(database, exchanges, row, {**row, "model": "gpt-6"}):
        [text] = problems(store)
        assert text.startswith("exchange 2: it was changed: it is not what was recorded on 20")
    with changed(database, exchanges, row, None):
        assert "exchange 2: it was removed: nothing in its chain has deleted it" in problems(store)
    with changed(database, exchanges, None, {**row, "id": 99, "number": 99}):
        assert problems(store) == ["exchange 99: it was inserted: no chain has an entry about it"]
    cost = rows_of(database, costs)[0]
    with changed(database, costs, None, {**cost, "exchange": 98}):
        assert problems(store) == ["exchange 98: rows of costs were inserted, or what they belong to was removed"]
    store.close()


# The chains themselves.


@pytest.mark.parametrize("table", [chains, chain_entry_rows], ids=lambda table: str(table.name))
def test_a_change_of_any_entry_or_head_is_found(opened: Database, table: Table) -> None:
    for row in rows_of(opened, table)[::6]:
        for edited in (*edits(table, row), None):
            if table is chains and edited is not None and edited["started_at"] != row["started_at"]:
                continue  # only a note
            with changed(opened, table, row, edited):
                assert checked(opened), edited
    assert checked(opened) == []


def newest_removed(database: Database) -> None:
    """As somebody does it who knows what a chain is: the last exchange, its entries, and the head of its chain."""
    assert database.path is not None
    with closing(sqlite3.connect(database.path)) as plain, plain:
        [(chain, length)] = plain.execute("SELECT id, length FROM chains WHERE name LIKE 'recorder%'").fetchall()
        assert length
        for table in ("bodies", "event_rows"):
            plain.execute(f"DELETE FROM {table} WHERE exchange = (SELECT max(id) FROM exchanges)")
        plain.execute("DELETE FROM exchanges WHERE id = (SELECT max(id) FROM exchanges)")
        plain.execute("DELETE FROM chain_entry_rows WHERE chain = ? AND seq = ?", (chain, length - 1))


def test_the_removal_of_the_newest_exchange_and_its_entry_is_found(opened: Database) -> None:
    with Store(opened) as store:
        store.write(Batch([recorded(50)]))
        newest_removed(opened)

        [text] = problems(store)
        assert text.endswith("entries were removed")


def test_if_its_head_is_put_back_too_that_is_found_by_a_head_that_was_exported(opened: Database) -> None:
    with Store(opened) as store:
        before = rows_of(opened, chains)[0]
        store.write(Batch([recorded(50)]))
        exported = store.chain_heads()
        newest_removed(opened)
        with changed(opened, chains, rows_of(opened, chains)[0], before):
            assert problems(store) == []
            [(_, text)] = store.check_chains(exported).problems()
        assert text.endswith("when its head was written down: the newest were removed")


def test_heads_that_were_exported_hold_for_ever(opened: Database) -> None:
    with Store(opened) as store:
        exported = store.chain_heads()
        store.write(Batch([recorded(50)]))
        reprice(store, 2, 1000)
        store.delete_session("other")

        assert list(store.check_chains(exported).problems()) == []
        assert {head.chain: head.entries for head in exported}.items() != {head.chain: head.entries for head in store.chain_heads()}.items()


def test_a_chain_that_was_made_anew_is_found_by_a_head_that_was_exported(opened: Database) -> None:
    with Store(opened) as store:
        [one, *_] = store.chain_heads()
        other = ChainHead(chain=one.chain, entries=one.entries - 1, head=one.head)
        gone = ChainHead(chain="recorder elsewhere", entries=1, head=one.head)

        assert [text for _, text in store.check_chains([other, gone]).problems()] == [
            f"chain {one.chain}: its first {other.entries} entries are not those whose head was written down",
            "chain recorder elsewhere: it is gone, although its head was written down",
        ]


# What changes lawfully.


def test_what_was_deleted_is_no_alarm(store: Store) -> None:
    fill(store)
    store.delete_exchange(2)
    assert problems(store) == []
    store.delete_session("default")
    assert problems(store) == []


def test_what_comes_back_after_it_was_deleted_is_found(opened: Database) -> None:
    table = metadata.tables["exchanges"]
    row = next(row for row in rows_of(opened, table) if row["session"] == "other")
    with Store(opened) as store:
        store.delete_exchange(row["id"])
        with changed(opened, table, None, row):
            [text] = problems(store)
    assert text.startswith(f"exchange {row['id']}: it was inserted again: it was deleted on 20")


def test_nothing_of_what_was_deleted_can_be_guessed_from_its_entries(opened: Database) -> None:
    with Store(opened) as store:
        store.delete_session("default")
        store.delete_session("other")

    left = [row for row in rows_of(opened, chain_entry_rows) if row["salt"] is not None]
    assert all(row["rows"] is not None for row in left)  # words and unit prices, which are still there


def test_what_others_had_changed_before_it_changed_lawfully_stays_known(opened: Database) -> None:
    table = metadata.tables["exchanges"]
    row = rows_of(opened, table)[2]
    with Store(opened) as store, changed(opened, table, row, {**row, "model": "cheap"}):
        reprice(store, row["id"], 1000)
        [text] = problems(store)

    assert text.startswith(f"exchange {row['id']}: it was changed or inserted by another program before 20")
    assert text.endswith("when it was repriced")


def test_what_others_had_inserted_is_not_made_good_by_a_lawful_change(opened: Database) -> None:
    table = metadata.tables["exchanges"]
    row = rows_of(opened, table)[2]
    with Store(opened) as store, changed(opened, table, None, {**row, "id": 99, "number": 99}):
        reprice(store, 99, 1000)
        [text] = problems(store)

    assert text.startswith("exchange 99: it was changed or inserted by another program before 20")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE chain_entry_rows SET chain = 'x' WHERE id = 1048576",
        "UPDATE chain_entry_rows SET seq = 'x' WHERE id = 1048576",
        "UPDATE chain_entry_rows SET kind = 'x', at = 'y' WHERE id = 1048576",
        "UPDATE chain_entry_rows SET salt = 'x' WHERE id = 3145728",
        "UPDATE chain_entry_rows SET digest = 'x' WHERE id = 3145728",
        "UPDATE chain_entry_rows SET rows = '{' WHERE rows IS NOT NULL",
        """UPDATE chain_entry_rows SET rows = '{"nothing":[1]}' WHERE rows IS NOT NULL""",
        "UPDATE chains SET head = 'x', length = 'y'",
    ],
)
def test_entries_that_nobody_can_read_are_found(opened: Database, statement: str) -> None:
    with opened.autocommit() as connection:
        assert connection.exec_driver_sql(statement).rowcount > 0
    assert checked(opened)


def test_what_goes_on_is_entered_when_it_has_ended(store: Store) -> None:
    store.write(Batch(spills=[in_pieces(1, final=False)]))
    check = store.check_chains()
    assert (list(check.problems()), check.begun) == ([], 1)
    store.write(Batch(spills=[in_pieces(1)]))
    check = store.check_chains()
    assert (list(check.problems()), check.begun) == ([], 0)


def test_what_goes_on_cannot_be_inserted(store: Store) -> None:
    store.write(Batch(spills=[in_pieces(1, final=False)]))
    table = metadata.tables["exchanges"]
    [row] = rows_of(store._database, table)
    with changed(store._database, table, None, {**row, "id": 2, "number": 2}):
        assert problems(store) == ["exchange 2: it was inserted: no chain has an entry about it"]

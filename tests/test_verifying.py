"""`verify --chain`: what was done to a store by others, and heads that were written down."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import journals
from command_line import Playhead, on, recorded, write, write_some
from playhead.storage.evidence.chain_tables import chain_entry_rows
from playhead.storage.evidence.head_file import beside, read_heads
from playhead.storage.store import Store


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_some(tmp_path / "data")


@pytest.fixture
def playhead(data: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Playhead:
    return on(data, capsysbinary)


def sql(data: Path, *statements: str) -> None:
    with closing(sqlite3.connect(data / "store.db")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_chains_that_nobody_has_touched_are_listed_with_their_heads(playhead: Playhead, data: Path) -> None:
    told = playhead("verify", "--chain")

    assert told.status == 0
    assert told.out.splitlines()[0].split() == ["CHAIN", "ENTRIES", "HEAD"]
    assert told.out.splitlines()[1].startswith("recorder ")
    assert told.out.endswith("9 exchanges, connections and sessions compared with their entries, no problems found.\n")
    assert playhead("verify", "--chain", "--json").rows[0].keys() == {"chain", "entries", "head"}
    assert (data / "store.db-heads").exists()


def test_a_change_is_told_and_status_1(playhead: Playhead, data: Path) -> None:
    sql(data, "UPDATE exchanges SET cost = 1 WHERE id = 3")
    told = playhead("verify", "--chain")

    assert told.status == 1
    assert told.out.startswith("exchange 3: it was changed: it is not what was recorded on 20")
    assert told.out.endswith(", 1 problem found.\n")
    assert playhead("verify", "--chain", "--json").rows[0]["exchange"] == 3


def test_what_is_deleted_by_command_is_no_alarm(playhead: Playhead) -> None:
    assert playhead("verify", "--chain").status == 0
    playhead("delete", "2", "--yes")
    playhead("delete", "@7", "--yes")

    assert playhead("verify", "--chain").status == 0


def test_heads_that_were_exported_are_checked_later(playhead: Playhead, data: Path, tmp_path: Path) -> None:
    heads = tmp_path / "heads"
    assert playhead("verify", "--export-heads", str(heads)).status == 0
    write(data, recorded(50))

    assert playhead("verify", "--heads", str(heads)).status == 0
    heads.write_text(heads.read_text().replace('"head":"', '"head":"00')[:-5] + '"}\n')
    assert "entries are not those whose head was written down" in playhead("verify", "--heads", str(heads)).out


def test_a_store_that_was_put_back_is_found_by_the_heads_beside_it(playhead: Playhead, data: Path) -> None:
    before = (data / "store.db").read_bytes()
    write(data, recorded(50))
    assert playhead("verify", "--chain").status == 0
    (data / "store.db").write_bytes(before)
    told = playhead("verify", "--chain")

    assert told.status == 1
    assert "the newest were removed" in told.out
    assert "store.db-heads" in told.err
    assert "remove that file" in told.err


def test_heads_are_not_exported_where_something_is_wrong(playhead: Playhead, data: Path, tmp_path: Path) -> None:
    sql(data, "DELETE FROM exchanges WHERE id = 3")
    told = playhead("verify", "--export-heads", str(tmp_path / "heads"))

    assert told.status == 1
    assert "were not written" in told.err
    assert not (tmp_path / "heads").exists()


def test_a_file_without_heads_is_refused(playhead: Playhead, tmp_path: Path) -> None:
    told = playhead("verify", "--heads", str(tmp_path / "none"))

    assert (told.status, told.out) == (3, "")
    assert "cannot be read" in told.err


def test_a_recorder_writes_the_heads_down_when_it_ends(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    directory.mkdir()
    with journals.open_store(tmp_path) as store:
        journal = journals.writer(directory)
        journals.write(journal, 1, journals.plain("a"))
        journal.close()
        journals.drain(store, directory)
        assert store.path is not None
        [head] = read_heads(beside(store.path))

        assert [head] == store.chain_heads()
        assert head.entries >= 2


def test_no_salt_of_what_was_deleted_stays_in_the_files(playhead: Playhead, data: Path) -> None:
    with Store.open(f"sqlite:///{data}/store.db") as store, store._database.reading() as connection:
        salts = [row.salt for row in connection.execute(chain_entry_rows.select().where(chain_entry_rows.c.id > 0))]
    assert len(salts) == 6
    assert all(salt in (data / "store.db").read_bytes() for salt in salts)
    playhead("delete", "@default", "--yes")

    left = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
    assert [salt in left for salt in salts] == [False] * 5 + [True]

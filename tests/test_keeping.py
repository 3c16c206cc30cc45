"""`stats`, `verify`, `delete`, `config`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from command_line import Playhead, Told, in_a_process, on, recorded, write, write_some
from playhead.config.settings import Settings
from playhead.proxy.cli import run
from playhead.storage.records import Facts
from playhead.storage.store import Store


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_some(tmp_path / "data")


@pytest.fixture
def playhead(data: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Playhead:
    return on(data, capsysbinary)


def test_stats_count_what_there_is(playhead: Playhead) -> None:
    row = playhead("stats", "--json").rows[0]

    assert (row["sessions"], row["exchanges"], row["events"]) == (2, 6, 4)
    assert "exchanges       6\n" in playhead("stats").out


def test_stats_say_what_is_missing(playhead: Playhead, data: Path) -> None:
    assert playhead("stats").out.endswith("\nNothing is known to be missing.\n")

    write(data, recorded(7, facts=Facts(kind="responses", previous_response_id="resp_x", response_status="completed")))

    assert playhead("stats").out.endswith("\nMISSING, as far as what there is tells\nmissing_responses  1\n")
    assert playhead("stats", "--json").rows[0]["completeness"]["missing_responses"] == 1


def test_the_schema_is_documented_without_a_store(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stats", "--schema"]) == 0
    assert "\nevents: " in capsys.readouterr().out


def test_the_schema_is_json_for_programs(playhead: Playhead) -> None:
    rows = playhead("stats", "--schema", "--json").rows

    assert {"table": "exchanges", "column": "seq", "type": "integer"}.items() <= next(row for row in rows if row["column"] == "seq").items()


def test_a_sound_store_is_verified(playhead: Playhead) -> None:
    assert playhead("verify") == Told(0, "6 exchanges checked, no problems found.\n", "")


def test_damage_is_found_and_named_and_status_1(playhead: Playhead, data: Path) -> None:
    with closing(sqlite3.connect(data / "store.db")) as connection, connection:
        connection.execute("UPDATE exchanges SET events = 9 WHERE id = 2")
    told = playhead("verify")

    assert told.status == 1
    assert told.out.startswith("exchange 2: ")
    assert playhead("verify", "--json").rows[0]["exchange"] == 2


def test_a_journal_that_cannot_be_read_is_found(playhead: Playhead, data: Path) -> None:
    (data / "journal").mkdir()
    (data / "journal" / "w1-000001.seg").write_bytes(b"this is no segment of a journal at all")
    told = playhead("verify")

    assert told.status == 1
    assert "the journal holds what cannot be read" in told.out


def test_an_exchange_is_deleted_for_good(playhead: Playhead) -> None:
    assert playhead("delete", "2", "--yes") == Told(0, "Exchange 2 is deleted.\n", "")
    assert playhead("show", "2").status == 3


def test_a_session_is_deleted_with_its_exchanges(playhead: Playhead) -> None:
    assert playhead("delete", "default", "--yes").out == "Session default is deleted with 5 exchanges in 1 take.\n"
    assert playhead("exchanges", "default").status == 3


def test_a_session_with_a_number_for_a_name_is_deleted_as_such(playhead: Playhead) -> None:
    assert playhead("delete", "@7", "--yes").out == "Session 7 is deleted with 1 exchange in 1 take.\n"


def test_what_could_be_an_exchange_or_a_session_is_not_deleted(playhead: Playhead, data: Path) -> None:
    write(data, recorded(7))
    told = playhead("delete", "7", "--yes")

    assert told.status == 2
    assert "7 is an exchange and a session" in told.err


@pytest.mark.parametrize("what", ["99", "nope", "@99"])
def test_what_is_not_there_cannot_be_deleted(playhead: Playhead, what: str) -> None:
    assert playhead("delete", what, "--yes").status == 3


@pytest.mark.parametrize(("answer", "status", "left"), [("y\n", 0, 0), ("n\n", 1, 5), ("", 2, 5)])
def test_delete_asks_first(data: Path, answer: str, status: int, left: int) -> None:
    told = in_a_process("delete", "default", "--data", str(data), stdin=answer)

    assert told.status == status
    assert "Delete session default with 5 exchanges in 1 take? [y/N]: " in told.err
    with Store.open(f"sqlite:///{data}/store.db") as store:
        assert sum(row.exchanges for row in store.sessions() if row.session == "default") == left


def test_config_shows_every_setting_with_its_source(playhead: Playhead, data: Path) -> None:
    told = playhead("config", "--json", "--store", "postgresql://me:hunter2@host/db")
    found = {row["setting"]: (row["value"], row["source"]) for row in told.rows}

    assert found.keys() == Settings.model_fields.keys()
    assert found["data"] == (str(data), "flag --data")
    assert found["store"] == ("postgresql+psycopg://me:***@host/db", "flag --store")
    assert "hunter2" not in told.out

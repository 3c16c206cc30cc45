"""`reparse`: says what it did, goes on where it was broken off, and lets nothing stop it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from command_line import Playhead, on, recorded, write, write_some
from playhead.proxy import reparsing
from playhead.proxy.commands import deriving
from playhead.storage.derived import Stored
from playhead.storage.store import Store


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_some(tmp_path / "data")


@pytest.fixture
def playhead(data: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Playhead:
    return on(data, capfdbinary)


def outdated(data: Path) -> list[int]:
    with closing(sqlite3.connect(data / "store.db")) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM exchanges WHERE parser IS NULL ORDER BY id")]


def age(data: Path) -> None:
    with closing(sqlite3.connect(data / "store.db")) as connection, connection:
        connection.execute("UPDATE exchanges SET parser = NULL, model = 'wrong'")


def test_where_nothing_is_old_there_is_nothing_to_do(playhead: Playhead) -> None:
    assert playhead("reparse") == (told := playhead("reparse"))
    assert (told.status, told.err) == (0, "")
    assert told.out == "There is nothing to parse again: this version has parsed everything.\n"


def test_what_is_old_is_parsed_again(playhead: Playhead, data: Path) -> None:
    age(data)

    assert playhead("reparse", "--json").rows == [{"parsed": 6, "changed": 6, "failed": 0, "pruned": 0}]
    assert [row["model"] for row in playhead("exchanges", "default", "--json").rows] == ["m"] * 4 + [None]


def test_one_session_can_be_parsed_again(playhead: Playhead, data: Path) -> None:
    age(data)

    assert playhead("reparse", "@7").out == "1 exchange parsed again, 1 of them changed.\n"
    assert outdated(data) == [1, 2, 3, 4, 5]


def test_everything_can_be_parsed_again(playhead: Playhead, data: Path) -> None:
    playhead("reparse", "--all")

    assert playhead("reparse", "--all").out == "6 exchanges parsed again, none of them changed.\n"


def test_no_such_session(playhead: Playhead) -> None:
    told = playhead("reparse", "nobody")

    assert (told.status, told.out) == (3, "")
    assert "There is no session 'nobody'" in told.err


def test_broken_off_it_goes_on_where_it_was(playhead: Playhead, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deriving, "_AT_ONCE", 2)
    read = reparsing._opening

    def interrupted(stored: Stored) -> tuple[int, int, bytes]:
        if stored.row.id == 4:
            raise KeyboardInterrupt
        return read(stored)

    with monkeypatch.context() as patched:
        patched.setattr(reparsing, "_opening", interrupted)
        assert playhead("reparse", "--all").status == 130

    assert playhead("reparse", "--json").rows[0]["parsed"] == 4
    assert playhead("reparse", "--json").rows[0]["parsed"] == 0


@pytest.mark.parametrize("at", range(1, 9))
def test_wherever_it_was_broken_off_the_items_are_those_of_one_that_was_not(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Two conversations by turns, one with the time in its prompt, and a fork from the middle of the other."""
    said = [{"role": "user", "content": f"{number} " + "x" * 2000} for number in range(8)]
    lists = [said[:2], [said[7], *said[2:4]], said[:4], [said[6], *said[2:7]], said[:6], said[:3] + said[7:], said[:4] + said[6:], said]
    bodies = [json.dumps({"model": "m", "input": items}).encode() for items in lists]
    write(tmp_path / "data", *[recorded(number, raw=replace(recorded(0).raw, request=body)) for number, body in enumerate(bodies, 1)])
    playhead, read = on(tmp_path / "data", capfdbinary), reparsing._opening
    monkeypatch.setattr(deriving, "_AT_ONCE", 1)

    def interrupted(stored: Stored) -> tuple[int, int, bytes]:
        if stored.row.id == at:
            raise KeyboardInterrupt
        return read(stored)

    def items() -> list[tuple[int, ...]]:
        with closing(sqlite3.connect(tmp_path / "data" / "store.db")) as connection:
            return connection.execute("SELECT exchange, position FROM items ORDER BY 1, 2").fetchall()

    playhead("reparse", "--all")
    whole = items()
    with monkeypatch.context() as patched:
        patched.setattr(reparsing, "_opening", interrupted)
        playhead("reparse", "--all")
    playhead("reparse")

    assert whole
    assert items() == whole


def test_broken_off_one_session_goes_on_alone_and_the_others_later(playhead: Playhead, data: Path) -> None:
    with Store.open(f"sqlite:///{data}/store.db") as store:
        store.rederivation().mark()

    assert playhead("reparse", "7", "--json").rows[0]["parsed"] == 1
    assert playhead("reparse", "--json").rows[0]["parsed"] == 6
    assert playhead("reparse", "--json").rows[0]["parsed"] == 0


def test_one_session_whole_leaves_the_others_alone(playhead: Playhead) -> None:
    assert playhead("reparse", "7", "--all", "--json").rows[0]["parsed"] == 1
    assert playhead("reparse", "--json").rows[0]["parsed"] == 0


def test_what_cannot_be_parsed_does_not_keep_the_others_from_it(playhead: Playhead, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    age(data)
    read = reparsing._opening

    def failing(stored: Stored) -> tuple[int, int, bytes]:
        if stored.row.id == 2:
            raise RecursionError("too deep")
        return read(stored)

    monkeypatch.setattr(reparsing, "_opening", failing)
    with closing(sqlite3.connect(data / "store.db")) as connection, connection:
        connection.execute("UPDATE bodies SET digest = 'xxh3:other' WHERE exchange = 6")

    told = playhead("reparse")

    assert told.status == 1
    assert told.out == "4 exchanges parsed again, 4 of them changed. 2 could not be parsed.\n"
    assert "exchange 2 could not be parsed: RecursionError: too deep" in told.err
    assert "exchange 6: a stored body is damaged" in told.err
    assert outdated(data) == [2, 6]

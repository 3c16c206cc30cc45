"""`export` and `import`: sessions as files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from command_line import Playhead, on, recorded, write, write_some
from playhead.proxy.cli import run
from playhead.storage.store import Store
from taped import agent_loop, everything, posted

KEY = "sk-proj-" + "a1B2" * 12


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_some(tmp_path / "data")


@pytest.fixture
def playhead(data: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Playhead:
    return on(data, capsysbinary)


def test_a_session_goes_out_and_comes_in_under_its_name(playhead: Playhead, data: Path) -> None:
    assert playhead("export", "default", "-o", "a.jsonl").status == 0

    assert run(["import", "a.jsonl", "--data", "other"]) == 0
    assert everything(Path("other/store.db"))["raw"] == everything(data / "store.db")["raw"]


def test_what_was_imported_is_parsed_whole(playhead: Playhead) -> None:
    write(Path("first"), *agent_loop(3))
    assert run(["export", "default", "--data", "first", "-o", "a.jsonl"]) == 0
    assert run(["import", "a.jsonl", "--data", "other"]) == 0

    with Store.open("sqlite:///other/store.db") as store:
        ids = [row.id for row in store.exchanges("default")]
        assert [len(store.items(id_)) for id_ in ids] == [2, 2, 2]
        assert list(store.verify()) == []
        assert store.rederivation().count() == 0


def test_an_export_goes_to_standard_output(playhead: Playhead) -> None:
    told = playhead("export", "default", "-o", "-")

    assert told.out.startswith('{"playhead":"cassette"')
    assert told.err == ""


def test_a_file_that_would_not_change_is_left_alone(playhead: Playhead) -> None:
    playhead("export", "default")
    os.utime("default.jsonl", (1, 1))

    assert playhead("export", "default").err == "playhead: default.jsonl is as it was\n"
    assert Path("default.jsonl").stat().st_mtime == 1


def test_a_session_can_be_imported_under_another_name(playhead: Playhead) -> None:
    playhead("export", "default")

    assert playhead("import", "default.jsonl", "--session", "copy").status == 0
    assert "copy" in [row["session"] for row in playhead("sessions", "--json").rows]


def test_nothing_is_imported_if_one_of_the_files_is_damaged(playhead: Playhead) -> None:
    playhead("export", "default")
    Path("damaged.jsonl").write_text('{"playhead":"cassette"')
    before = playhead("sessions", "--json").rows
    told = playhead("import", "default.jsonl", "damaged.jsonl", "--session", "copy")

    assert told.status == 3
    assert told.err == "playhead: The cassette damaged.jsonl cannot be read, line 1: it is cut off.\n"
    assert playhead("sessions", "--json").rows == before


def test_a_file_that_is_not_there_is_told(playhead: Playhead) -> None:
    assert playhead("import", "none.jsonl").err == "playhead: There is no cassette none.jsonl.\n"


def test_a_secret_is_refused_with_its_place_and_nothing_is_written(playhead: Playhead, data: Path) -> None:
    write(data, posted(50, b'{"metadata":{"note":"%b"}}' % KEY.encode(), session="leaky"))
    told = playhead("export", "leaky")

    assert told.status == 3
    assert "exchange 1, $.request.metadata.note: it looks like a key" in told.err
    assert KEY not in told.err
    assert not Path("leaky.jsonl").exists()


def test_a_secret_passes_where_it_is_allowed(playhead: Playhead, data: Path) -> None:
    write(data, posted(50, b'{"metadata":{"note":"%b"}}' % KEY.encode(), session="leaky"))

    assert playhead("export", "leaky", "--allow", "$.request.metadata.note").status == 0


def test_what_allows_nothing_is_wrong_usage(playhead: Playhead) -> None:
    assert playhead("export", "default", "--allow", "a b").status == 2


@pytest.mark.parametrize("take", ["0", "x", "1.5"])
def test_a_take_must_be_a_number(playhead: Playhead, take: str) -> None:
    told = playhead("export", "default", "--take", take)

    assert (told.status, told.err) == (2, f"playhead: --take '{take}': allowed is the number of a take, newest, or all\n")


def test_what_still_goes_on_is_said(playhead: Playhead, data: Path) -> None:
    write(data, recorded(60, session="open"), recorded(61, session="open", outcome=None))

    assert "warning: 1 exchange of session open still go" in playhead("export", "open").err

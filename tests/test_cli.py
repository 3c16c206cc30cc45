"""The command line as a whole: help, exit statuses, and one line for every failure."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest

from command_line import PLAYHEAD, recorded, write, write_some
from playhead.proxy.cli import Commands, cli, run
from playhead.storage.records import Facts


def test_help_is_quick_because_it_imports_no_command() -> None:
    code = "import sys; from playhead.proxy.cli import run; run(['--help']); print(sorted({'pydantic', 'sqlalchemy', 'aiohttp', 'rich'} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.endswith("[]\n")


def test_nothing_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys, playhead.proxy.processes.worker, playhead.proxy.processes.settle;"
        "print(sorted({'sqlalchemy', 'playhead.proxy.recorder'} & set(sys.modules)));"
        "import playhead.storage.store;"
        "print(sorted({'alembic', 'sqlalchemy.dialects.postgresql', 'playhead.proxy.recorder'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)

    assert done.stdout == "[]\n[]\n"


def test_every_command_has_a_help_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    for name in cli.list_commands(click.Context(cli)):
        assert run([name, "--help"]) == 0
        assert f"Usage: playhead {name} " in capsys.readouterr().out


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("playhead 0.")


def test_without_a_command_the_help_is_shown_and_the_status_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert capsys.readouterr().err.startswith("Usage: playhead")


def test_it_runs_as_a_module_too() -> None:
    assert subprocess.run([*PLAYHEAD, "--help"], capture_output=True, check=True).stdout.startswith(b"Usage: playhead")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["exchange"], "there is no command 'exchange'; did you mean exchanges? (see playhead --help)"),
        (["qqq"], "there is no command 'qqq' (see playhead --help)"),
        (["sessions", "--jsno"], "No such option"),
        (["exchanges"], "Missing argument 'SESSION'. (see playhead exchanges --help)"),
        (["exchanges", "x", "--take", "0"], "Invalid value for '--take'"),
        (["exchanges", "a b"], "'a b' is no name of a session: 1 to 128 of the characters"),
        (["exchanges", "x", "--since", "yesterday"], "--since 'yesterday': allowed is a time such as "),
        (["events", "x"], "'x' is no exchange: exchanges have numbers"),
        (["show", "1", "--decoded"], "--decoded goes with --raw"),
        (["sessions", "--data", ""], "data = '' (flag --data): allowed is the path of a directory"),
        (["record", "--workers", "many"], "workers = 'many' (flag --workers): allowed is a whole number from 1 to 64"),
        (["record", "--", "no-such-command-here"], "there is no command 'no-such-command-here' to run"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"playhead: {text}")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    "command", [["sessions"], ["exchanges", "x"], ["events", "1"], ["show", "1"], ["stats"], ["verify"], ["reparse"], ["delete", "1", "--yes"]]
)
def test_without_a_store_a_command_cannot_run_and_makes_none(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--data", str(tmp_path / "none")]) == 3
    told = capsys.readouterr().err
    assert told.startswith("playhead: There is no store at ")
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_store_of_ours_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.db").write_bytes(b"these are my notes")

    assert run(["sessions", "--store", f"sqlite:///{tmp_path}/notes.db", "--data", str(tmp_path / "none")]) == 3
    assert capsys.readouterr().err.count("\n") == 1
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("notes.db", b"these are my notes")]


def test_a_reader_that_has_enough_is_no_failure(tmp_path: Path) -> None:
    command = [*PLAYHEAD, "show", "1", "--data", str(write_some(tmp_path / "data"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 0)


@pytest.mark.parametrize("command", [["exchanges", "default", "--json"], ["verify"], ["--help"], ["exchanges", "--help"]])
def test_a_reader_that_has_gone_before_the_first_line_is_none_either(command: list[str], tmp_path: Path) -> None:
    place = [] if "--help" in command else ["--data", str(write_some(tmp_path))]
    with subprocess.Popen([*PLAYHEAD, *command, *place], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()

        assert (process.wait(), process.stderr and process.stderr.read()) == (0, b"")


def test_a_connection_that_breaks_within_a_command_is_a_failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def breaks() -> None:
        ours, theirs = socket.socketpair()
        theirs.close()
        with ours:
            ours.sendall(b"?")

    monkeypatch.setattr(Commands, "get_command", lambda *_: click.Command("stats", callback=breaks))

    assert (run(["stats"]), capsys.readouterr().err) == (3, "playhead: Broken pipe\n")


def test_a_command_of_whose_messages_nobody_reads_ends_as_it_would(tmp_path: Path) -> None:
    with subprocess.Popen([*PLAYHEAD, "sessions", "--data", str(tmp_path / "none")], stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        process.stderr.close()

        assert process.wait() == 3


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_standard_stream_is_no_failure(closed: str, tmp_path: Path) -> None:
    command = [*PLAYHEAD, "exchanges", "default", "--json", "--data", str(write_some(tmp_path))]

    done = subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", *command], capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == (0 if closed in (">&-", "<&- >&- 2>&-") else 5)


def test_no_file_gets_the_number_of_a_stream_that_was_closed(tmp_path: Path) -> None:
    code = "import os, sys; from playhead.proxy import cli; cli._prepare_streams(); os._exit(os.open(sys.argv[1], os.O_RDONLY))"

    done = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code, str(tmp_path)], check=False)

    assert done.returncode > 2


def test_what_the_locale_cannot_write_is_spelled_out_for_people_and_is_utf_8_for_programs(tmp_path: Path) -> None:
    write(tmp_path, recorded(1, facts=Facts(model="modèle 模型", parse="parsed")))

    environ = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    commands = (["exchanges", "default"], ["exchanges", "default", "--json"], ["audit", "--csv"], ["audit", "--html", "-"])

    told = [subprocess.run([*PLAYHEAD, *each, "--data", str(tmp_path)], stdout=subprocess.PIPE, env=environ, check=True).stdout for each in commands]

    assert b"mod\xe8le \\u6a21\\u578b" in told[0]
    assert all("modèle 模型" in each.decode() for each in told[1:])

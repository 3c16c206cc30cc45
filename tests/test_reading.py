"""`sessions`, `exchanges`, `events`: what they list, in which order, until when."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from command_line import PLAYHEAD, Playhead, on, recorded, write, write_some
from playhead.config.errors import ConfigError
from playhead.proxy.commands.options import in_words, since_time
from playhead.storage.records import Spill

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_some(tmp_path / "data")


@pytest.fixture
def playhead(data: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Playhead:
    return on(data, capsysbinary)


def test_sessions_are_listed_with_what_they_hold(playhead: Playhead) -> None:
    told = playhead("sessions", "--json")

    assert told.status == 0
    assert [(row["session"], row["exchanges"]) for row in told.rows] == [("7", 1), ("default", 5)]


def test_exchanges_are_listed_in_order(playhead: Playhead) -> None:
    told = playhead("exchanges", "default", "--json")

    assert [row["id"] for row in told.rows] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("flags", "ids"),
    [
        (["--status", "5xx"], [3]),
        (["--status", "101"], [5]),
        (["--model", "other"], [3]),
        (["--limit", "2"], [1, 2]),
        (["--since", "2026-11-22T08:31:09Z"], [4, 5]),
        (["--take", "2"], []),
    ],
)
def test_exchanges_are_filtered(playhead: Playhead, flags: list[str], ids: list[int]) -> None:
    told = playhead("exchanges", "@default", "--json", *flags)

    assert [row["id"] for row in told.rows] == ids


def test_a_listing_for_people_has_a_row_for_each(playhead: Playhead) -> None:
    told = playhead("exchanges", "default")

    assert len(told.out.splitlines()) == 7
    assert "500 server_error" in told.out


def test_a_listing_of_nothing_says_so(playhead: Playhead) -> None:
    assert playhead("exchanges", "default", "--take", "9").out == "There are no such exchanges in session default.\n"


def test_a_session_that_is_empty_says_so(playhead: Playhead, data: Path) -> None:
    playhead("fork", "default", "--at", "1", "--as", "empty")

    assert playhead("exchanges", "empty").out == "There are no exchanges in session empty.\n"


def test_an_unknown_session_cannot_be_listed(playhead: Playhead) -> None:
    told = playhead("exchanges", "nope", "--json")

    assert (told.status, told.out) == (3, "")
    assert "There is no session 'nope'" in told.err


def test_events_are_listed_by_their_names(playhead: Playhead) -> None:
    told = playhead("events", "2", "--json")

    assert [(row["seq"], row["type"], row["direction"], row["offset_ms"]) for row in told.rows] == [
        (0, "response.created", "upstream", 0.0),
        (1, "response.completed", "upstream", 1.0),
    ]


def test_an_exchange_without_events_says_so(playhead: Playhead) -> None:
    assert "Exchange 1 has no events" in playhead("events", "1").out


@pytest.mark.parametrize("interrupt", [signal.SIGINT, None])
def test_follow_goes_on_with_what_is_stored_until_it_is_stopped(data: Path, interrupt: signal.Signals | None) -> None:
    limit = [] if interrupt else ["--limit", "4"]
    command = [*PLAYHEAD, "exchanges", "default", "--follow", "--json", "--status", "200", "--data", str(data), *limit]
    going_on = recorded(8, outcome=None, status=None)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        seen = [json.loads(process.stdout.readline())["id"] for _ in range(3)]
        write(data, recorded(7, status=404), spills=[Spill(going_on, [], [], (), (), final=False)])
        time.sleep(0.5)
        write(data, spills=[Spill(replace(going_on, outcome="complete", status=200), [], [], (), (), final=True)])
        seen.append(json.loads(process.stdout.readline())["id"])
        if interrupt:
            process.send_signal(interrupt)
        status, said = process.wait(), process.stderr.read()

    assert (seen, status, said) == ([1, 2, 4, 8], 0, "")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("10m", datetime(2026, 11, 22, 11, 50, tzinfo=UTC)),
        ("3d", datetime(2026, 11, 19, 12, tzinfo=UTC)),
        ("2026-11-22", datetime(2026, 11, 22, tzinfo=UTC)),
        ("2026-11-22T08:30:00Z", datetime(2026, 11, 22, 8, 30, tzinfo=UTC)),
        ("2026-11-22T08:30:00+02:00", datetime(2026, 11, 22, 6, 30, tzinfo=UTC)),
    ],
)
def test_since_is_a_time_or_an_age(text: str, moment: datetime) -> None:
    assert since_time(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "10", "10y", "-1h", "999999d", "now"])
def test_since_is_nothing_else(text: str) -> None:
    with pytest.raises(ConfigError):
        since_time(text, NOW)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("journal_limit", 8 << 30, "8GiB"), ("journal_limit", (1 << 20) + 1, "1048577"), ("read_timeout", 0.5, "0.5s"), ("store", None, "none")],
)
def test_values_are_written_as_they_may_be_given(name: str, value: object, words: str) -> None:
    assert in_words(name, value) == words

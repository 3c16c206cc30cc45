"""`playhead faults`, and what a replay around a command says of the faults that it met."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from command_line import Playhead, on, write_some
from playhead.config.settings import Settings
from playhead.proxy.commands.serving import _replayed
from playhead.storage.records import FaultRecord
from playhead.storage.store import Store


@pytest.fixture
def data(tmp_path: Path) -> Path:
    found = write_some(tmp_path / "data")
    served: dict[str, Any] = {"id": 0, "session": "default", "run": "r", "at": datetime(2026, 11, 26, 3, 4, 5, tzinfo=UTC)}
    with Store.open(f"sqlite:///{found / 'store.db'}") as store:
        retried = FaultRecord(**served, exchange=1, fault="429 at turn 1", place="turn 1", outcome={"next": "retried", "after_ms": 513.2})
        store.add_fault(retried)
        store.add_fault(FaultRecord(**served, exchange=None, fault="cut at handshake", place="handshake 1", outcome={"next": "gave_up"}))
    return found


@pytest.fixture
def playhead(data: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Playhead:
    return on(data, capsysbinary)


def test_faults_are_listed_with_what_the_client_did(playhead: Playhead) -> None:
    told = playhead("faults", "default").out

    assert [line.split()[-3:] for line in told.splitlines() if "turn 1" in line] == [["after", "513", "ms"]]
    assert "cut at handshake" in told
    assert "gave up" in told


def test_or_as_json(playhead: Playhead) -> None:
    rows = playhead("faults", "@default", "--json", "--limit", "1").rows

    assert rows == [
        {
            "id": 2,
            "session": "default",
            "run": "r",
            "at": "2026-11-26T03:04:05Z",
            "exchange": None,
            "fault": "cut at handshake",
            "place": "handshake 1",
            "outcome": {"next": "gave_up"},
        }
    ]


def test_a_session_without_any_says_so(playhead: Playhead) -> None:
    assert "No replay of session 7 has served a fault." in playhead("faults", "7").out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("playhead replayed 3  diverged 0  live 0  faults 1", ["3 served, 0 diverged, 1 fault met", "`playhead faults default` shows what the command did"]),
        ("playhead replayed 3  diverged 0  live 0  faults 0", ["0 faults met", "no request met 429 at turn 9: is there such a place?"]),
    ],
)
def test_a_replay_says_whether_its_faults_were_met(line: str, said: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    _replayed(Settings(fault=("429 at turn 9",)), line)

    told = capsys.readouterr()
    assert all(text in told.out + told.err for text in said)

"""An exchange that is at hand at two deaths of the recorder is convicted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from playhead.proxy.recorders.suspects import Suspects


def died(directory: Path, writer: str = "w", number: int = 7, place: tuple[int, int] = (1, 100)) -> None:
    """A recorder dies with this exchange at hand, at that frame."""
    suspects = Suspects(directory)
    suspects.mark(writer, number, place)
    suspects.close()


def convicted(directory: Path, writer: str = "w", number: int = 7) -> bool:
    suspects = Suspects(directory)
    try:
        return suspects.convicted(writer, number)
    finally:
        suspects.close()


def test_nobody_is_suspected_at_first(tmp_path: Path) -> None:
    assert not convicted(tmp_path)


def test_one_death_proves_nothing(tmp_path: Path) -> None:
    died(tmp_path)

    assert not convicted(tmp_path)


def test_two_deaths_convict(tmp_path: Path) -> None:
    died(tmp_path)
    died(tmp_path)

    assert convicted(tmp_path)


def test_two_deaths_at_two_frames_prove_nothing(tmp_path: Path) -> None:
    died(tmp_path)
    died(tmp_path, place=(1, 200))

    assert not convicted(tmp_path)


def test_many_deaths_convict_wherever_they_were(tmp_path: Path) -> None:
    for segment in range(8):
        died(tmp_path, place=(segment, 100))

    assert convicted(tmp_path)


def test_what_an_older_version_convicted_stays_so(tmp_path: Path) -> None:
    (tmp_path / "suspects.json").write_text('{"w:7": 2}')

    assert convicted(tmp_path)


def test_a_conviction_stands(tmp_path: Path) -> None:
    died(tmp_path)
    died(tmp_path)
    died(tmp_path, number=8)

    assert [convicted(tmp_path) for _ in range(3)] == [True] * 3


def test_deaths_at_other_exchanges_do_not_count(tmp_path: Path) -> None:
    died(tmp_path, number=8)
    died(tmp_path, writer="v")
    died(tmp_path)

    assert not convicted(tmp_path)


def test_deaths_need_not_follow_each_other(tmp_path: Path) -> None:
    died(tmp_path)
    died(tmp_path, number=8)
    died(tmp_path)

    assert convicted(tmp_path)


def test_the_first_exchange_of_all_can_be_convicted(tmp_path: Path) -> None:
    died(tmp_path, number=0)
    died(tmp_path, number=0)

    assert convicted(tmp_path, number=0)


def test_an_end_without_an_exchange_at_hand_is_no_death(tmp_path: Path) -> None:
    for _ in range(3):
        suspects = Suspects(tmp_path)
        suspects.mark("w", 7)
        suspects.clear()
        suspects.close()

    assert not convicted(tmp_path)


def test_the_same_exchange_can_be_marked_again_after_it_was_cleared(tmp_path: Path) -> None:
    for _ in range(2):
        suspects = Suspects(tmp_path)
        suspects.mark("w", 7)
        suspects.clear()
        suspects.mark("w", 7)
        suspects.close()

    assert convicted(tmp_path)


def test_a_mark_survives_the_process(tmp_path: Path) -> None:
    script = "import os, sys; from pathlib import Path; from playhead.proxy.recorders.suspects import Suspects; s = Suspects(Path(sys.argv[1])); s.mark('w', 7)"
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", script + "; os.kill(os.getpid(), 9)", str(tmp_path)], check=False)
        assert done.returncode == -9

    assert convicted(tmp_path)


@pytest.mark.parametrize("rubbish", [b"", b"{", b"[]", b'{"w:7": "x"}', b"\xff"])
def test_rubbish_where_deaths_are_counted_is_no_obstacle(tmp_path: Path, rubbish: bytes) -> None:
    (tmp_path / "suspects.json").write_bytes(rubbish)
    died(tmp_path)
    died(tmp_path)

    assert convicted(tmp_path)


@pytest.mark.parametrize("rubbish", [b"", b"\xff" * 300, b"\0" * 210, b"x"])
def test_rubbish_where_the_mark_is_convicts_nobody(tmp_path: Path, rubbish: bytes) -> None:
    (tmp_path / "recorder.mark").write_bytes(rubbish)

    assert not convicted(tmp_path)

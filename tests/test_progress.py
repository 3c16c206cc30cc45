"""How far the recorder has come is what it published last."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playhead.proxy.recorders.progress import Progress, read_progress

places = st.dictionaries(st.text(max_size=20), st.tuples(st.integers(0, 10**6), st.integers(0, 2**62)), max_size=4)


def published(directory: Path, *told: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    progress = Progress(directory)
    for one in told:
        progress.publish(one)
    progress.close()
    progress.close()
    return read_progress(directory)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(places, min_size=1, max_size=4))
def test_what_was_published_last_is_read(tmp_path: Path, told: list[dict[str, tuple[int, int]]]) -> None:
    assert published(tmp_path, *told) == told[-1]


def test_where_nothing_was_published_there_is_no_progress(tmp_path: Path) -> None:
    assert read_progress(tmp_path) == {}
    assert published(tmp_path) == {}


def test_what_an_earlier_recorder_published_stands_until_the_next_one_does(tmp_path: Path) -> None:
    published(tmp_path, {"w": (1, 2)})

    assert published(tmp_path) == {"w": (1, 2)}


def test_half_of_what_is_being_written_is_no_progress(tmp_path: Path) -> None:
    published(tmp_path, {"w": (1, 199)})
    before = (tmp_path / "progress").read_bytes()
    published(tmp_path, {"w": (1, 200)})
    after = (tmp_path / "progress").read_bytes()

    for cut in range(1, len(after) - 1):
        (tmp_path / "progress").write_bytes(after[:cut] + before[cut:])
        assert read_progress(tmp_path) in ({}, {"w": (1, 199)}, {"w": (1, 200)}), cut


@pytest.mark.parametrize("rubbish", [b"", b"\n", b"rubbish", b"[]\n", b"\0" * 100])
def test_rubbish_is_no_progress(tmp_path: Path, rubbish: bytes) -> None:
    (tmp_path / "progress").write_bytes(rubbish)

    assert read_progress(tmp_path) == {}

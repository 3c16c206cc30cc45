"""Cassettes as files: written whole or not at all, and replayed with nothing written beside them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fakes import fetch
from playhead.config.errors import StoreError
from playhead.config.settings import Settings
from playhead.proxy import Playhead
from playhead.proxy.cassettes.cassette_files import unpacked, write_file
from replays import ask
from taped import batch, posted, taped


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    path = tmp_path / "cassettes" / "one.jsonl"
    path.parent.mkdir()
    path.write_bytes(taped(tmp_path, batch(posted(1, b'{"input":"hi"}', b"hello"))))
    return path


def test_a_file_is_written_once_and_then_only_if_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.jsonl"

    assert [write_file(path, b"1"), write_file(path, b"1"), write_file(path, b"2")] == [True, False, True]
    assert [each.name for each in path.parent.iterdir()] == ["b.jsonl"]


def test_a_file_stays_where_a_link_leads_and_as_it_may_be_read(tmp_path: Path) -> None:
    real, link = tmp_path / "real" / "b.jsonl", tmp_path / "b.jsonl"
    write_file(real, b"1")
    real.chmod(0o640)
    link.symlink_to(real)
    write_file(link, b"2")

    assert (link.is_symlink(), real.read_bytes(), real.stat().st_mode & 0o777) == (True, b"2", 0o640)


def test_a_pipe_or_a_device_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    written = write_file(pipe, b"1")

    assert (written, os.read(reader, 9), pipe.is_fifo()) == (True, b"1", True)
    os.close(reader)


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreError, match="cannot be written"):
        write_file(tmp_path / "file" / "b.jsonl", b"1")


async def test_a_cassette_is_replayed(cassette: Path) -> None:
    async with Playhead(cassette=cassette) as playhead:
        got = await fetch(int(playhead.url.rpartition(":")[2]), ask(b'{"input":"hi"}'))

        assert got.body == b"hello"
        assert playhead.replayed == 1


async def test_nothing_is_written_beside_it(cassette: Path) -> None:
    async with Playhead(cassette=cassette) as playhead:
        await fetch(int(playhead.url.rpartition(":")[2]), ask(b'{"input":"other"}'))
        place = playhead._started.settings.data
        assert place.exists()

    assert not place.exists()
    assert [each.name for each in cassette.parent.iterdir()] == ["one.jsonl"]


def test_settings_without_a_cassette_stay_as_they_are() -> None:
    settings = Settings()
    with unpacked(settings) as own:
        assert own is settings


def test_a_cassette_that_is_not_there_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no cassette"):
        Playhead(cassette=tmp_path / "none.jsonl").start()

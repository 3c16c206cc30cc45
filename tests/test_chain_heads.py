"""Heads of chains as files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from playhead.config.errors import StoreError
from playhead.storage.evidence.chain_heads import ChainHead, heads_text, parse_heads
from playhead.storage.evidence.head_file import beside, read_heads, write_heads

HEADS = [ChainHead(chain="recorder here", entries=7, head="ab" * 32), ChainHead(chain="commands here", entries=1, head="cd" * 32)]


def test_heads_are_lines_of_json_and_come_back() -> None:
    assert heads_text(HEADS[:1]) == f'{{"chain":"recorder here","entries":7,"head":"{"ab" * 32}"}}\n'
    assert parse_heads(heads_text(HEADS) + "\n") == HEADS


@pytest.mark.parametrize("line", ["{", "[]", "1", '{"chain":"x"}', '{"chain":"x","entries":1,"head":"xyz"}'])
def test_what_is_no_head_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(ValueError, match="line 2 is not the head of a chain"):
        parse_heads(heads_text(HEADS[:1]) + line)


def test_they_are_written_whole_for_their_owner_alone(tmp_path: Path) -> None:
    path = beside(tmp_path / "store.db")
    write_heads(path, HEADS)
    write_heads(path, HEADS[:1])

    assert (path.name, path.stat().st_mode & 0o777, read_heads(path)) == ("store.db-heads", 0o600, HEADS[:1])
    assert [each.name for each in tmp_path.iterdir()] == ["store.db-heads"]


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"\xff\xfe")
    with pytest.raises(StoreError, match="does not hold the heads of chains"):
        read_heads(tmp_path / "other")


def test_a_file_that_is_not_there_and_a_place_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read: No such file"):
        read_heads(tmp_path / "none")
    with pytest.raises(StoreError, match=r"cannot be written to .*: No such file"):
        write_heads(tmp_path / "none" / "heads", HEADS)


def test_heads_go_through_a_pipe_which_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_heads(pipe, HEADS)

    assert (os.read(reader, 1 << 16).decode(), pipe.is_fifo()) == (heads_text(HEADS), True)
    os.close(reader)

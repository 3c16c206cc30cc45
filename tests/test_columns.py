"""Columns: frames and chunk sizes come back as they were, in few bytes, and damage is told."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.config.errors import StoreError
from playhead.storage.packing.columns import Columns, Timeline, pack_frames, pack_sizes, read_varints, sizes_of, unpack_frames, unpack_sizes, varints
from playhead.storage.records import Frame, Raw

NUMBERS = st.integers(0, 2**64 - 1)
FRAMES = st.lists(st.builds(Frame, st.integers(0, 255), NUMBERS, NUMBERS), max_size=40).map(tuple)


@given(FRAMES)
def test_frames_come_back_as_they_were(frames: tuple[Frame, ...]) -> None:
    assert unpack_frames(pack_frames(frames)) == frames


@given(st.lists(NUMBERS, max_size=40).map(tuple))
def test_sizes_come_back_as_they_were(sizes: tuple[int, ...]) -> None:
    assert unpack_sizes(pack_sizes(sizes)) == sizes


@given(st.lists(NUMBERS, max_size=20))
def test_varints_come_back_as_they_were(values: list[int]) -> None:
    written = varints(values)

    assert read_varints(written, 0, len(values)) == (values, len(written))


def test_two_empty_frames_come_back_as_they_were() -> None:
    frames = (Frame(0, 5, 0), Frame(1, 7, 0))

    assert unpack_frames(pack_frames(frames)) == frames


def test_a_frame_takes_a_few_bytes() -> None:
    frames = tuple(Frame(1, 40_000_000 * turn, 300 + turn) for turn in range(60))

    assert len(pack_frames(frames)) <= 60 * 7 + 8


@given(FRAMES.filter(bool), st.data())
def test_frames_cut_short_are_refused(frames: tuple[Frame, ...], data: st.DataObject) -> None:
    packed = pack_frames(frames)

    with pytest.raises(StoreError, match="stored frames cannot be read"):
        unpack_frames(packed[: data.draw(st.integers(0, len(packed) - 1))])


@given(st.binary(max_size=40))
def test_any_bytes_are_frames_or_a_store_error(data: bytes) -> None:
    with contextlib.suppress(StoreError):
        assert isinstance(unpack_frames(data), tuple)


@given(st.binary(max_size=40))
def test_any_bytes_are_sizes_or_a_store_error(data: bytes) -> None:
    with contextlib.suppress(StoreError):
        assert isinstance(unpack_sizes(data), tuple)


def test_sizes_with_bytes_behind_them_are_refused() -> None:
    with pytest.raises(StoreError, match="bytes too many"):
        unpack_sizes(pack_sizes((1, 2, 3)) + b"x")


def test_frames_with_bytes_behind_them_are_refused() -> None:
    with pytest.raises(StoreError, match="bytes too many"):
        unpack_frames(pack_frames((Frame(1, 2, 3),)) + b"x")


def test_a_count_without_the_numbers_asks_for_no_memory() -> None:
    with pytest.raises(StoreError, match="cut off"):
        unpack_sizes(varints((1 << 60,)) + b"\0")


def test_blocks_that_are_known_already_change_nothing() -> None:
    response = b"event: a\ndata: {}\n\n" * 3
    raw = Raw(response=response, frames=(Frame(1, 5, 40), Frame(1, 6, 20)), chunks=(20, 20, 20))
    known = replace(raw, blocks=sizes_of(response))

    assert Columns.of(known, Timeline.of(known)) == Columns.of(raw, Timeline.of(raw))
    assert known == raw

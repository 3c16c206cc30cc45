from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.masking.framings import ChunkSlices, FrameSlices

PARTS = st.lists(st.binary(min_size=1, max_size=300), max_size=8)
CUTS = st.lists(st.integers(0, 2500), max_size=12)


def chunked(parts: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def framed(parts: list[bytes]) -> bytes:
    return b"".join(b"\x81" + (bytes((len(part),)) if len(part) < 126 else b"\x7e" + len(part).to_bytes(2, "big")) + part for part in parts)


def payload(slices: ChunkSlices | FrameSlices, raw: bytes, cuts: list[int]) -> bytes:
    places = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    pieces = [raw[start:end] for start, end in pairwise(places)]
    return b"".join(piece[start:end] for piece in pieces for start, end in slices.feed(piece))


@given(PARTS, CUTS)
def test_the_payload_of_chunks_is_found_at_any_split(parts: list[bytes], cuts: list[int]) -> None:
    assert payload(ChunkSlices(), chunked(parts), cuts) == b"".join(parts)


@given(PARTS, CUTS)
def test_the_payload_of_frames_is_found_at_any_split(parts: list[bytes], cuts: list[int]) -> None:
    assert payload(FrameSlices(), framed(parts), cuts) == b"".join(parts)


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=125)), max_size=12), CUTS)
def test_the_payload_of_control_frames_is_told_from_that_of_messages(parts: list[tuple[bool, bytes]], cuts: list[int]) -> None:
    raw = b"".join(bytes((0x89 if control else 0x80, len(part))) + part for control, part in parts)
    slices, said = FrameSlices(), {True: b"", False: b""}
    for start, end in pairwise(sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})):
        piece = raw[start:end]
        said[False] += b"".join(piece[first:last] for first, last in slices.feed(piece))
        said[True] += b"".join(piece[first:last] for first, last in slices.controls)

    assert said == {kind: b"".join(part for control, part in parts if control is kind) for kind in (True, False)}


def test_a_control_frame_longer_than_any_counts_as_a_message() -> None:
    slices, raw = FrameSlices(), b"\x89\x7e\x00\x7e" + b"x" * 126

    assert slices.feed(raw) == [(4, 130)]
    assert slices.controls == []


def test_frames_with_a_control_frame_among_them_do_not_count_as_whole() -> None:
    assert FrameSlices().whole(framed([b"{}"]) + b"\x89\x04ping") is None


@pytest.mark.parametrize("raw", [b"zz\r\nsecret", b"-5\r\nsecret"])
def test_what_breaks_the_framing_counts_as_payload(raw: bytes) -> None:
    assert payload(ChunkSlices(), raw, []).endswith(b"secret")


def test_a_frame_of_64_kib_and_more_is_found() -> None:
    part = b"x" * 70000
    raw = b"\x82\x7f" + len(part).to_bytes(8, "big") + part

    assert payload(FrameSlices(), raw, [1, 5, 9, 30000]) == part


@given(PARTS, st.integers(0, 2500))
def test_frames_that_are_cut_are_not_whole(parts: list[bytes], cut: int) -> None:
    raw = framed(parts)[:cut]
    ends = {len(framed(parts[:number])) for number in range(len(parts) + 1)}

    assert FrameSlices().whole(raw) is None or len(raw) in ends


@given(PARTS)
def test_the_payload_of_whole_frames_is_found_at_once(parts: list[bytes]) -> None:
    assert FrameSlices().whole(framed([*parts, b"{}"])) == b"".join([*parts, b"{}"])


def test_frames_that_go_on_are_not_whole() -> None:
    slices = FrameSlices()
    slices.feed(framed([b"x" * 300])[:10])

    assert slices.whole(framed([b"{}"])) is None


@pytest.mark.parametrize("raw", [b"\x81\x85maskx", b"\x82\x7f" + (70000).to_bytes(8, "big") + b"x" * 70000])
def test_masked_and_very_long_frames_do_not_count_as_whole(raw: bytes) -> None:
    assert FrameSlices().whole(raw) is None

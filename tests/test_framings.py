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


@pytest.mark.parametrize("raw", [b"zz\r\nsecret", b"-5\r\nsecret"])
def test_what_breaks_the_framing_counts_as_payload(raw: bytes) -> None:
    assert payload(ChunkSlices(), raw, []).endswith(b"secret")


def test_a_frame_of_64_kib_and_more_is_found() -> None:
    part = b"x" * 70000
    raw = b"\x82\x7f" + len(part).to_bytes(8, "big") + part

    assert payload(FrameSlices(), raw, [1, 5, 9, 30000]) == part

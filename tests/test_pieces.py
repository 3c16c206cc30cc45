"""Bodies in pieces: cut into any lengths, whatever the pieces are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.pieces import Cutter


def test_a_body_is_cut_into_lengths_whatever_its_pieces() -> None:
    cutter = Cutter([b"a", b"bcd", b"", b"ef"])

    assert [cutter.take(size) for size in (2, 0, 3, 9, 1)] == [b"ab", b"", b"cde", b"f", b""]


@given(st.lists(st.binary(max_size=9)), st.lists(st.integers(0, 12)))
def test_what_is_taken_end_to_end_is_the_body(pieces: list[bytes], sizes: list[int]) -> None:
    body, cutter = b"".join(pieces), Cutter(pieces)

    taken = [cutter.take(size) for size in sizes]

    assert b"".join(taken) == body[: sum(sizes)]
    assert all(len(each) == size for each, size in zip(taken, sizes, strict=True)) or sum(sizes) > len(body)


@given(st.lists(st.binary(max_size=9)), st.integers(0, 40), st.integers(0, 40))
def test_what_is_skipped_is_left_out(pieces: list[bytes], skipped: int, taken: int) -> None:
    cutter = Cutter(pieces)

    cutter.skip(skipped)

    assert cutter.take(taken) == b"".join(pieces)[skipped : skipped + taken]

"""Chunked framing taken off: every split gives the same payload."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.forwarding.chunks import ChunkScanner

BODY = b"5\r\nhello\r\nA;name=value\r\n0123456789\r\n1\r\n\r\r\n0\r\nX-Trailer: 1\r\nOther: 2\r\n\r\n"
PAYLOAD = b"hello0123456789\r"


def scanned(*pieces: bytes) -> tuple[bytes, ChunkScanner]:
    scanner = ChunkScanner([])
    return b"".join([scanner.feed(piece) for piece in pieces]), scanner


@pytest.mark.parametrize("at", range(len(BODY) + 1))
def test_a_split_anywhere_changes_nothing(at: int) -> None:
    payload, scanner = scanned(BODY[:at], BODY[at:])

    assert (payload, scanner.sizes, scanner.trailers) == (PAYLOAD, [5, 10, 1], b"X-Trailer: 1\r\nOther: 2\r\n")
    assert scanner.done
    assert scanner.problem is None


def test_single_bytes_give_the_same_payload() -> None:
    payload, scanner = scanned(*(BODY[at : at + 1] for at in range(len(BODY))))

    assert (payload, scanner.done) == (PAYLOAD, True)


@pytest.mark.parametrize("at", range(len(BODY) + 1))
def test_a_scanner_restored_from_its_state_goes_on_alike(at: int) -> None:
    sizes: list[int] = []
    first, second = ChunkScanner(sizes), ChunkScanner(sizes)
    payload = first.feed(BODY[:at])
    second.restore(json.loads(json.dumps(first.state())))
    payload += second.feed(BODY[at:])

    assert (payload, sizes, second.trailers, second.done) == (PAYLOAD, [5, 10, 1], b"X-Trailer: 1\r\nOther: 2\r\n", True)


@given(st.lists(st.binary(min_size=1, max_size=40) | st.sampled_from([b"\r\n\r\n", b"x\r\n"])), st.lists(st.integers(0, 400)))
def test_any_chunks_at_any_splits(chunks: list[bytes], cuts: list[int]) -> None:
    body = b"".join([b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks]) + b"0\r\n\r\n"
    places = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    payload, scanner = scanned(*(body[start:end] for start, end in itertools.pairwise(places)))

    assert (payload, scanner.sizes, scanner.done) == (b"".join(chunks), [len(chunk) for chunk in chunks], True)


def test_a_cut_chunk_gives_what_came() -> None:
    payload, scanner = scanned(b"5\r\nhello\r\nA\r\n012")

    assert (payload, scanner.sizes, scanner.done) == (b"hello012", [5], False)


@pytest.mark.parametrize(
    ("body", "story"),
    [
        (b"5\r\nhello\r\nx\r\n", "its size is b'x'"),
        (b"5\r\nhello\r\n-1\r\n", "its size is b'-1'"),
        (b"5\r\nhelloworld\r\n", "longer than its size"),
        (b"5\r\nhello\r\n" + b"1" * 70_000, "does not end"),
        (b"5\r\nhello\r\n0\r\n\r\nmore\r\n", "went on after the end"),
    ],
)
def test_a_bad_chunk_is_a_problem_behind_what_was_good(body: bytes, story: str) -> None:
    payload, scanner = scanned(body)

    assert payload == b"hello"
    assert story in (scanner.problem or "")
    assert scanner.feed(b"5\r\nhello\r\n") == b""


@given(st.lists(st.binary(max_size=30)))
def test_garbage_never_raises(pieces: list[bytes]) -> None:
    scanned(*pieces)

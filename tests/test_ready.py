"""An exchange in memory: its steps, put together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.forwarding.http1 import Length, parse_head
from playhead.proxy.recordings.ready import ready, together, usual
from playhead.proxy.script import Begin, Data, End, Hold, Interim, Source, script
from playhead.storage.packing.deltas import Readers, encode, read
from playhead.storage.records import Outcome, Raw

HEAD = parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
EARLY = parse_head(b"HTTP/1.1 103 Early Hints\r\n\r\n")
STEPS = (Interim(1, EARLY), Begin(2, HEAD, Length(3)), Data(3, b"1\r\na\r\n", b"a"), Data(4, b"2\r\nbc\r\n", b"bc"), End(5))


def test_what_is_taken_at_once_is_in_one_piece() -> None:
    one = ready(iter(STEPS), at_once=True)

    assert (one.interims, one.begin, one.finale, one.steps) == (STEPS[:1], STEPS[1], STEPS[-1], ())
    assert (one.data, one.payload) == (b"1\r\na\r\n2\r\nbc\r\n", b"abc")


def test_what_is_taken_in_its_times_keeps_its_steps() -> None:
    one = ready(iter(STEPS), at_once=False)

    assert (one.steps, one.data, one.finale) == (STEPS, b"", STEPS[-1])


def test_its_size_counts_its_bytes() -> None:
    for at_once in (True, False):
        assert ready((*STEPS[:2], Data(3, b"x" * 5000, b"x" * 5000), End(5)), at_once).size > 10_000


def test_there_may_be_no_answer_at_all() -> None:
    one = ready([Hold(7)], at_once=True)

    assert (one.begin, one.data, one.finale) == (None, b"", Hold(7))


def test_pieces_that_follow_one_another_go_together() -> None:
    assert together(STEPS) == [*STEPS[:2], Data(4, b"1\r\na\r\n2\r\nbc\r\n", b"abc"), STEPS[-1]]
    assert together(STEPS[:3]) == list(STEPS[:3])
    assert together([]) == []


# The usual exchanges: what is made of them directly is what is made of their steps.

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
ASKED = b"POST / HTTP/1.1\r\n\r\n"


def plainly(raw: Raw, outcome: Outcome = "complete") -> bytes | None:
    """The answer that its steps make."""
    return ready(script(Source.of(raw, outcome, 0)), at_once=True).plain


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=9), st.sampled_from([b"", b"X-Sum: 1\r\n"]))
def test_a_usual_stream_is_what_its_steps_make(chunks: list[bytes], trailers: bytes) -> None:
    raw = Raw(ASKED, b"x", CHUNKED, b"".join(chunks), trailers, chunks=tuple(map(len, chunks)))
    one = usual(raw, "complete")

    assert one is not None
    assert (one.plain, one.status) == (plainly(raw), 200)
    assert one.whole().plain == one.plain


@pytest.mark.parametrize("rest", [b"", b": rest", b"\n"])
@pytest.mark.parametrize("trailers", [b"", b"X-Sum: 1\r\n"])
def test_a_stream_that_is_read_in_its_chunks_is_what_its_steps_make(rest: bytes, trailers: bytes) -> None:
    blocks = [b"data: %s\n\n" % (b"x" * size) for size in (1, 4080, 9, 5000)] + [rest] * bool(rest)
    raw = Raw(ASKED, b"x", CHUNKED, b"".join(blocks), trailers, chunks=tuple(map(len, blocks)))
    data, readers = encode(raw, None).data, Readers(framed=True)
    for _ in range(2):
        read_ = read(data, None, sum(map(len, (ASKED, b"x", CHUNKED, raw.response, trailers))), readers=readers).raw(times=False)
        one = usual(read_, "complete")

        assert read_.framed
        assert one is not None
        assert one.plain == plainly(raw)


@pytest.mark.parametrize("size", [4095, 4096, 70_000])
def test_long_chunks_are_usual_too(size: int) -> None:
    raw = Raw(ASKED, b"", CHUNKED, b"x" * size, chunks=(size,))
    one = usual(raw, "complete")

    assert one is not None
    assert one.plain == plainly(raw)


HEADS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nX: y\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length:2\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 02\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX-Content-Length: 9\r\nContent-Length: 2\r\n\r\n",
    b"",
]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("method", [b"POST", b"HEAD"])
@pytest.mark.parametrize("outcome", ["complete", "client_closed", "upstream_closed"])
@pytest.mark.parametrize("chunks", [(), (2,), (1,)])
def test_whatever_is_taken_for_usual_is_what_its_steps_make(head: bytes, method: bytes, outcome: Outcome, chunks: tuple[int, ...]) -> None:
    raw = Raw(method + b" / HTTP/1.1\r\n\r\n", b"", head, b"ab", chunks=chunks)
    one = usual(raw, outcome)

    assert one is None or one.plain == plainly(raw, outcome)


def test_the_usual_is_taken_for_usual() -> None:
    assert all(usual(Raw(ASKED, b"", head, b"ab"), "complete") for head in HEADS[:2])


def test_a_long_answer_is_not() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n"

    assert usual(Raw(ASKED, b"", head, b"x" * 300_000), "complete") is None
    assert plainly(Raw(ASKED, b"", head, b"x" * 300_000)) is None

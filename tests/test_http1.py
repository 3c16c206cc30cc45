"""HTTP/1.1 heads and framings: what belongs to a message, at every split."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.forwarding.http1 import Chunked, Length, ProtocolError, UntilClose, end_to_end, framing_of, parse_head, response_head, tokens

BODY = b"5\r\nhello\r\nA;name=value\r\n0123456789\r\n4\r\n\r\n\r\n\r\n1\r\n1\r\n0\r\nX-Trailer: 1\r\nOther: 2\r\n\r\n"
PAYLOAD = b"hello0123456789\r\n\r\n1"
BEHIND = [b"", b"\r\n", b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted", b"0\r\n\r\n", b"\n"]


def head(*lines: bytes) -> bytes:
    return b"".join(line + b"\r\n" for line in (*lines, b""))


def test_a_head_keeps_its_bytes_and_gives_its_parts() -> None:
    raw = head(b"HTTP/1.1 299 Not  \xe9", b"B:  x ", b"a: 1", b"A:2", b"Empty:")
    parsed = parse_head(raw)

    assert (parsed.raw, parsed.minor, parsed.status, parsed.reason) == (raw, 1, 299, b"Not  \xe9")
    assert parsed.headers == [(b"B", b"x"), (b"a", b"1"), (b"A", b"2"), (b"Empty", b"")]
    assert (parsed.get(b"a"), parsed.get(b"none")) == (b"1", None)


@pytest.mark.parametrize("line", [b"HTTP/1.1 200", b"HTTP/1.0 404 Not Found", b"HTTP/1.1 100 "])
def test_a_status_line_may_be_short(line: bytes) -> None:
    assert parse_head(head(line)).status == int(line[9:12])


@pytest.mark.parametrize("line", [b"", b"HTTP/2 200", b"HTTP/1.2 200 OK", b"HTTP/1.1 99 x", b"HTTP/1.1 2000", b"HTTP/1.1  200 OK", b"http/1.1 200 OK"])
def test_what_is_no_status_line_is_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError, match="status line"):
        parse_head(head(line))


@pytest.mark.parametrize("line", [b"no colon", b": no name", b"Name : x", b"Name\t: x", b" the rest: of a folded line", b"\tX: y"])
def test_a_line_without_a_name_is_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError, match="without a name"):
        parse_head(head(b"HTTP/1.1 200 OK", line))


def test_tokens_are_taken_from_all_lists() -> None:
    headers = [(b"Connection", b"Close, X-a,"), (b"X", b"y"), (b"connection", b" b ")]

    assert tokens(headers, b"connection") == {b"close", b"x-a", b"b"}


def test_hop_by_hop_headers_are_left_out_and_the_others_stay_as_they_are() -> None:
    parsed = parse_head(head(b"HTTP/1.1 200 OK", b"B: 1", b"Connection: x-hop", b"X-Hop: 1", b"Keep-Alive: 5", b"b: 2", b"A: 3"))

    assert end_to_end(parsed) == [(b"B", b"1"), (b"b", b"2"), (b"A", b"3")]


@pytest.mark.parametrize("name", [b"Content-Length", b"Transfer-Encoding"])
def test_what_frames_a_message_stays_whatever_connection_lists(name: bytes) -> None:
    parsed = parse_head(head(b"HTTP/1.1 200 OK", b"Connection: " + name.lower(), name + b": 1"))

    assert end_to_end(parsed) == [(name, b"1")]


@pytest.mark.parametrize(
    ("method", "lines", "kind"),
    [
        ("GET", [b"HTTP/1.1 200 OK", b"Content-Length: 5"], Length),
        ("GET", [b"HTTP/1.1 200 OK", b"Content-Length: 5", b"content-length: 5"], Length),
        ("GET", [b"HTTP/1.1 200 OK", b"Transfer-Encoding: Chunked"], Chunked),
        ("GET", [b"HTTP/1.1 200 OK"], UntilClose),
        ("HEAD", [b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked"], Length),
        ("GET", [b"HTTP/1.1 204 No Content"], Length),
        ("GET", [b"HTTP/1.1 304 Not Modified", b"Content-Length: 5"], Length),
        ("GET", [b"HTTP/1.1 103 Early Hints"], Length),
    ],
)
def test_the_framing_follows_from_method_and_head(method: str, lines: list[bytes], kind: type) -> None:
    assert type(framing_of(parse_head(head(*lines)), method)) is kind


@pytest.mark.parametrize(
    "lines",
    [
        [b"HTTP/1.1 200 OK", b"Content-Length: -1"],
        [b"HTTP/1.1 200 OK", b"Content-Length: 1, 1"],
        [b"HTTP/1.1 200 OK", b"Content-Length: 1", b"Content-Length: 2"],
        [b"HTTP/1.1 200 OK", b"Content-Length: " + b"9" * 30],
        [b"HTTP/1.1 200 OK", b"Content-Length:"],
        [b"HTTP/1.1 200 OK", b"Transfer-Encoding: gzip, chunked"],
        [b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", b"Content-Length: 1"],
        [b"HTTP/1.0 200 OK", b"Transfer-Encoding: chunked"],
    ],
)
def test_a_framing_that_can_be_read_in_two_ways_is_refused(lines: list[bytes]) -> None:
    with pytest.raises(ProtocolError):
        framing_of(parse_head(head(*lines)), "GET")


def test_a_body_of_known_length_takes_no_more() -> None:
    body = Length(5)

    assert (body.feed(b"abc"), body.done, body.feed(b"defg"), body.done) == (3, False, 2, True)


def scanned(pieces: list[bytes]) -> tuple[int, bytes, Chunked]:
    """How many bytes were taken until the end, and the payload."""
    body, taken, payload = Chunked(), 0, b""
    for piece in pieces:
        if not body.done:
            taken += body.feed(piece)
            payload += b"".join(body.payload)
    return taken, payload, body


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("at", range(len(BODY) + 3))
def test_a_chunked_body_ends_where_it_ends_at_every_split(at: int, behind: bytes) -> None:
    raw = BODY + behind
    taken, payload, body = scanned([raw[:at], raw[at:]])

    assert (taken, payload, body.done) == (len(BODY), PAYLOAD, True)
    assert body.trailers == b"X-Trailer: 1\r\nOther: 2\r\n"


@pytest.mark.parametrize("behind", BEHIND)
def test_single_bytes_give_the_same_end(behind: bytes) -> None:
    raw = BODY + behind
    taken, payload, _ = scanned([raw[at : at + 1] for at in range(len(raw))])

    assert (taken, payload) == (len(BODY), PAYLOAD)


@given(st.lists(st.binary(min_size=1, max_size=30) | st.sampled_from([b"\r\n\r\n", b"0\r\n\r\n"])), st.lists(st.integers(0, 600)), st.sampled_from(BEHIND))
def test_any_chunks_at_any_splits(chunks: list[bytes], cuts: list[int], behind: bytes) -> None:
    body = b"".join([b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks]) + b"0\r\n\r\n"
    raw = body + behind
    places = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    taken, payload, _ = scanned([raw[start:end] for start, end in itertools.pairwise(places)])

    assert (taken, payload) == (len(body), b"".join(chunks))


@given(st.lists(st.binary(min_size=1, max_size=30) | st.sampled_from([b"\r\n\r\n", b"0\r\n\r\n", b"\r\n", b"\r"]), min_size=1))
def test_the_chunks_of_a_whole_body_are_those_that_were_sent_unless_an_empty_line_may_cut_them(chunks: list[bytes]) -> None:
    body = b"".join([b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks]) + b"0\r\n\r\n"

    assert Chunked().chunks(body) == (chunks if body.find(b"\r\n\r\n") == len(body) - 4 else None)


@pytest.mark.parametrize("raw", [BODY, b"5\r\nhello\r\n", b"5\r\nhello\r\n0\r\n\r\nx", b"6\r\nhello\r\n0\r\n\r\n", b"x\r\nhello\r\n0\r\n\r\n", b""])
def test_what_is_not_one_whole_sound_body_without_trailers_has_no_chunks(raw: bytes) -> None:
    assert Chunked().chunks(raw) is None


@pytest.mark.parametrize("raw", [b"5\r\nhello\r\nx\r\n", b"5\r\nhello\r\n-1\r\n", b"5\r\nhelloworld\r\n", b"5\r\nhello\r\n\r\n"])
def test_a_bad_chunk_is_refused_behind_what_was_sound(raw: bytes) -> None:
    body = Chunked()
    with pytest.raises(ProtocolError, match="bad chunk"):
        body.feed(raw)

    assert b"".join(body.payload) == b"hello"


@pytest.mark.parametrize("raw", [b"5 \r\nhello\r\n0\r\n\r\n", b"0005  \r\nhello\r\n0000  \r\n\r\n", b"5 ;a=b\r\nhello\r\n0\t;c\r\n\r\n"])
def test_white_space_may_stand_behind_the_size_of_a_chunk(raw: bytes) -> None:
    assert scanned([raw])[:2] == (len(raw), b"hello")
    assert scanned([raw[at : at + 1] for at in range(len(raw))])[:2] == (len(raw), b"hello")


def answered(raw: bytes, *, keep_alive: bool = True, old: bool = False) -> bytes:
    parsed = parse_head(raw)
    return response_head(parsed, end_to_end(parsed), keep_alive=keep_alive, old=old)


def test_a_head_that_needs_no_change_stays_as_it_is() -> None:
    raw = head(b"HTTP/1.1 200  odd", b"A:1", b"B:  2 ")

    assert answered(raw) is parse_head(raw).raw or answered(raw) == raw


def test_a_client_is_told_what_becomes_of_its_connection() -> None:
    raw = head(b"HTTP/1.1 200 OK", b"A: 1", b"Connection: keep-alive")

    assert answered(raw) == head(b"HTTP/1.1 200 OK", b"A: 1")
    assert answered(raw, keep_alive=False) == head(b"HTTP/1.1 200 OK", b"A: 1", b"Connection: close")
    assert answered(raw, old=True) == head(b"HTTP/1.1 200 OK", b"A: 1", b"Connection: keep-alive")


def test_an_old_answer_is_passed_on_in_the_version_that_is_spoken_here() -> None:
    assert answered(head(b"HTTP/1.0 404 Gone", b"A: 1")) == head(b"HTTP/1.1 404 Gone", b"A: 1")

"""What is journalled of an answer: the same whatever comes in one read, and in one frame what is whole."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.forwarding.http1 import Chunked, Head, parse_head
from playhead.proxy.tapes.answer_tape import AnswerTape
from playhead.storage.records import Kind
from websocket_fakes import TEXT, encode

KEY = b"sk-proj-Sekret+9876543210"
HEAD = parse_head(b"HTTP/1.1 200 OK\r\nX-Key: " + KEY + b"\r\nSet-Cookie: a=b\r\n\r\n")
CLEAN_HEAD = b"HTTP/1.1 200 OK\r\nX-Key: " + b"*" * len(KEY) + b"\r\nSet-Cookie: a=<redacted:cookie>\r\n\r\n"
PLAIN = parse_head(b"HTTP/1.1 200 OK\r\n\r\n")

answers = st.lists(st.sampled_from([KEY, KEY[:7], KEY[7:], b"x", b'"client_secret":"', b'","', b"\n\n"]), max_size=12).map(b"".join)
cuts = st.lists(st.integers(0, 200), max_size=6)


class Taped:
    """An answer tape and what it journals."""

    def __init__(self, *secrets: bytes) -> None:
        self.frames: list[tuple[Kind, bytes]] = []
        self.tape = AnswerTape(lambda kind, payload: self.frames.append((kind, payload)), lambda: list(secrets))

    def begin(self, head: Head = PLAIN, *, chunked: bool = False, everything: bool = False) -> None:
        self.tape.begin(head, chunked=chunked, everything=everything)

    def body(self) -> bytes:
        """What was journalled behind the head."""
        return b"".join(payload for kind, payload in self.frames if kind == Kind.RESPONSE_DATA)


def fed(taped: Taped, answer: bytes, borders: list[int], *, chunked: bool = False) -> bytes:
    """The body as it is journalled, if reads end at these places."""
    framing = Chunked()
    places = sorted({0, *(min(border, len(answer)) for border in borders), len(answer)})
    taped.begin(chunked=chunked)
    for number, (start, end) in enumerate(pairwise(places)):
        if number:
            taped.tape.settle()
        if chunked:
            framing.feed(answer[start:end])
        taped.tape.data(answer[start:end], framing.payload if chunked else None)
    unwritten = taped.tape.finish(whole=True)
    return unwritten[1] if unwritten is not None else taped.body()


@given(answers, cuts)
def test_how_an_answer_is_split_into_reads_makes_no_difference(answer: bytes, borders: list[int]) -> None:
    apart, at_once = Taped(KEY), Taped(KEY)

    assert fed(apart, answer, borders) == fed(at_once, answer, [])
    assert apart.tape.redacted == at_once.tape.redacted
    assert KEY not in fed(Taped(KEY), answer, borders)


@given(answers, cuts)
def test_who_journals_the_pieces_himself_is_given_the_same(answer: bytes, borders: list[int]) -> None:
    told, given_ = Taped(KEY), Taped(KEY)
    kept = b""
    for taped in (told, given_):
        taped.begin()
        taped.tape.settle()
    for start, end in pairwise(sorted({0, *(min(border, len(answer)) for border in borders), len(answer)})):
        told.tape.data(answer[start:end], None)
        kept += given_.tape.kept(answer[start:end], None)

    assert kept == told.body()
    assert given_.body() == b""


def test_what_comes_with_the_head_is_journalled_with_it() -> None:
    taped = Taped(KEY)
    taped.begin()
    kept = taped.tape.kept(b"body", None)
    taped.tape.settle()

    assert (kept, taped.body()) == (b"", b"body")


@given(answers, cuts, st.integers(1, 9))
def test_a_chunked_answer_is_guarded_across_its_chunks_however_it_is_read(answer: bytes, borders: list[int], size: int) -> None:
    pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
    raw = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"

    assert fed(Taped(KEY), raw, borders, chunked=True) == fed(Taped(KEY), raw, [], chunked=True)
    assert Taped(KEY).tape.finish(whole=True) is None


def test_what_is_whole_in_one_read_is_left_to_the_frame_of_the_end() -> None:
    taped = Taped(KEY)
    taped.begin()
    taped.tape.data(b"answer", None)

    assert taped.tape.finish(whole=True) == (PLAIN.raw, b"answer")
    assert taped.frames == []


def test_what_is_not_over_with_its_first_read_is_journalled_then() -> None:
    taped = Taped(KEY)
    taped.begin()
    taped.tape.data(b"one", None)
    taped.tape.settle()
    taped.tape.data(b"two", None)

    assert taped.tape.finish(whole=True) is None
    assert taped.frames == [(Kind.RESPONSE_HEAD, PLAIN.raw), (Kind.RESPONSE_DATA, b"one"), (Kind.RESPONSE_DATA, b"two")]


def test_a_head_is_cleaned_of_cookies_and_keys_and_says_so() -> None:
    taped = Taped(KEY)
    taped.begin(HEAD)

    assert taped.tape.finish(whole=True) == (CLEAN_HEAD, b"")
    assert taped.tape.redacted


def test_an_interim_head_is_journalled_at_once() -> None:
    taped = Taped()
    taped.tape.interim(parse_head(b"HTTP/1.1 103 Early Hints\r\n\r\n"))

    assert taped.frames == [(Kind.RESPONSE_HEAD, b"HTTP/1.1 103 Early Hints\r\n\r\n")]


def test_the_start_of_a_key_with_which_a_cut_answer_ends_is_masked() -> None:
    taped = Taped(KEY)
    taped.begin()
    taped.tape.data(b"text " + KEY[:20], None)

    assert taped.tape.finish(whole=False) == (PLAIN.raw, b"text " + b"*" * 20)


def test_a_body_that_is_a_secret_as_a_whole_is_masked_as_a_whole() -> None:
    taped = Taped()
    taped.begin(everything=True)
    taped.tape.data(b"gzipped", None)

    assert taped.tape.finish(whole=True) == (PLAIN.raw, b"*******")
    assert taped.tape.redacted


def test_secrets_that_are_found_later_are_guarded_against_from_then_on() -> None:
    taped = Taped()
    taped.begin()
    taped.tape.settle()
    taped.tape.guard_more([KEY])
    taped.tape.data(b"it is " + KEY + b".", None)
    taped.tape.finish(whole=True)

    assert taped.body() == b"it is " + b"*" * len(KEY) + b"."


@pytest.mark.parametrize("cut", [1, 2, 9, 20])
def test_the_bytes_of_a_socket_are_journalled_as_such_to_the_last(cut: int) -> None:
    taped, raw = Taped(KEY), encode(TEXT, KEY[:12])
    taped.tape.upgrade(parse_head(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"))
    taped.tape.data(raw[:cut], None)
    taped.tape.data(raw[cut:], None)
    taped.tape.finish(whole=False)

    assert {kind for kind, _ in taped.frames[1:]} == {Kind.UPSTREAM_DATA}
    assert b"".join(payload for _, payload in taped.frames[1:]) == raw

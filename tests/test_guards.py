"""Answers without secrets: whatever the split, whatever the framing."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.masking.guards import AnswerGuard, ChunkedGuard, FrameGuard, gives_secrets
from websocket_fakes import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, encode

KEY = b"sk-proj-Sekret+/9876543210"
# Secrets that begin alike, end alike and overlap one another.
SECRETS = (KEY, b"sk-sk-secret-1", b"secret-1sk-sk-zz", b"aaaaaaaaab")
GIVEN = b'{"client_secret": {"expires_at": 12, "value": "ek_68af296e8e408191"}, "id": "sess_1"}'

fragments = st.sampled_from(
    [
        *SECRETS,
        *(b"sk-", b"sk-sk-", b"secret-1", b"aaaaaaaa", b"a", b"xyz", b"\n\n", b"\xff", b"null", b" ", b":", b"{", b"}", b'"', b"\\", b'\\"'),
        *(b'"client_secret"', b'"client_secret": {"value": "', b'"client_secret":"', b'"expires_at":12,', b'"value":"', b"<redacted>", b"***"),
        b'"ek_0123456789abcdef01',
    ]
)
answers = st.lists(fragments, max_size=25).map(b"".join)
cuts = st.lists(st.integers(0, 400), max_size=12)
secrets_of_a_request = st.lists(st.sampled_from(SECRETS), unique=True)


def guarded(guard: AnswerGuard | ChunkedGuard, data: bytes, borders: Sequence[int] = ()) -> bytes:
    places = [0, *sorted(min(border, len(data)) for border in borders), len(data)]
    return b"".join(guard.feed(data[start:end]) for start, end in pairwise(places)) + guard.finish()


def chunked(data: bytes, sizes: Sequence[int]) -> bytes:
    out, pos = b"", 0
    for size in [*sizes, len(data) or 1]:
        piece, pos = data[pos : pos + size], pos + size
        if piece:
            out += b"%x;a=b\r\n%s\r\n" % (len(piece), piece) if size % 2 else b"%X\r\n%s\r\n" % (len(piece), piece)
    return out + b"0\r\nX-Trailer: 1\r\n\r\n"


@given(answers, secrets_of_a_request, cuts)
def test_the_split_makes_no_difference(answer: bytes, secrets: list[bytes], borders: list[int]) -> None:
    assert guarded(AnswerGuard(secrets), answer, borders) == guarded(AnswerGuard(secrets), answer)


@given(answers, secrets_of_a_request, cuts, st.lists(st.integers(1, 40), max_size=12))
def test_chunks_make_no_difference(answer: bytes, secrets: list[bytes], borders: list[int], sizes: list[int]) -> None:
    clean = guarded(AnswerGuard(secrets), answer)
    assert guarded(ChunkedGuard(secrets), chunked(answer, sizes), borders) == chunked(clean, sizes)


def framed(data: bytes, sizes: Sequence[int], controls: Sequence[bytes] = (), *, opcode: int = TEXT, rsv1: bool = False) -> bytes:
    """One message in frames of those sizes, the control frames one by one between them."""
    out, pos, between = b"", 0, iter(controls)
    for number, size in enumerate([*sizes, 70_000]):
        piece, pos = data[pos : pos + size], pos + size
        out += next(between, b"")
        out += encode(CONTINUATION if number else opcode, piece, fin=number == len(sizes), rsv1=rsv1 and not number)
    return out + b"".join(between)


def control_frames(texts: Sequence[bytes]) -> list[bytes]:
    return [encode((PING, PONG, CLOSE)[number % 3], text) if text else b"" for number, text in enumerate(texts)]


texts_of_control_frames = st.lists(st.lists(fragments, max_size=3).map(lambda parts: b"".join(parts)[:125]), max_size=14)


@given(answers, secrets_of_a_request, cuts, st.lists(st.integers(0, 300), max_size=12), texts_of_control_frames)
def test_frames_make_no_difference(answer: bytes, secrets: list[bytes], borders: list[int], sizes: list[int], texts: list[bytes]) -> None:
    clean, clean_texts = guarded(AnswerGuard(secrets), answer), [guarded(AnswerGuard(secrets), text) for text in texts]
    guard = FrameGuard(secrets)

    assert guarded(guard, framed(answer, sizes, control_frames(texts)), borders) == framed(clean, sizes, control_frames(clean_texts))
    assert guard.redacted == ((clean, clean_texts) != (answer, texts))


def stored(text: bytes) -> bytes:
    """As permessage-deflate may say it, plainly."""
    deflater = zlib.compressobj(0, wbits=-15)
    return (deflater.compress(text) + deflater.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


@pytest.mark.parametrize("control", [PING, PONG, CLOSE])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("deflated", [False, True])
def test_a_secret_is_found_around_a_control_frame_wherever_that_stands_and_the_bytes_are_split(control: int, opcode: int, deflated: bool) -> None:
    said = b'{"key":"' + KEY + b'"}'
    data = stored(said) if deflated else said
    clean = data.replace(KEY, b"*" * len(KEY))
    for place in range(len(data) + 1):
        between = [b"", encode(control, b"key " + KEY + b" sk-")]
        raw = framed(data, [place], between, opcode=opcode, rsv1=deflated)
        expected = framed(clean, [place], [b"", encode(control, b"key " + b"*" * len(KEY) + b" sk-")], opcode=opcode, rsv1=deflated)

        assert all(guarded(FrameGuard([KEY]), raw, [border]) == expected for border in range(len(raw)))
        assert guarded(FrameGuard([KEY]), raw, range(len(raw))) == expected


def test_what_a_control_frame_ends_with_does_not_begin_a_secret_of_the_message() -> None:
    raw = framed(KEY[3:], [], [encode(PING, KEY[:3])])
    assert guarded(FrameGuard([KEY]), raw) == raw


def test_a_control_frame_that_is_broken_off_in_a_secret_keeps_nothing_of_it() -> None:
    raw = framed(b"sk-proj", [3], [b"", encode(PING, KEY)])[: 2 + 3 + 2 + 20]
    guard = FrameGuard([KEY])

    assert guarded(guard, raw) == raw[:-20] + b"*" * 20
    assert guard.redacted


def test_control_frames_without_end_are_not_held() -> None:
    guard, pings = FrameGuard([KEY]), encode(PING, b"x" * 125) * 100
    held = len(encode(TEXT, KEY[:9], fin=False)) - len(guard.feed(encode(TEXT, KEY[:9], fin=False)))
    for _ in range(100):
        held += len(pings) - len(guard.feed(pings))
        assert held < 300_000
    assert held == 0


@pytest.mark.parametrize("size", [70, 700, 70_000])
def test_frames_of_every_length_are_understood(size: int) -> None:
    whole = encode(TEXT, b"x" * size + KEY[:9], fin=False) + encode(CONTINUATION, KEY[9:] + b"x" * size)

    guard = FrameGuard([KEY])
    clean = b"".join(guard.feed(whole[at : at + 3]) for at in range(0, len(whole), 3)) + guard.finish()
    assert clean == encode(TEXT, b"x" * size + b"*" * 9, fin=False) + encode(CONTINUATION, b"*" * (len(KEY) - 9) + b"x" * size)
    assert guard.redacted


@given(cuts, st.booleans())
def test_a_key_in_trailers_is_overwritten(borders: list[int], told: bool) -> None:
    raw = b"3\r\nabc\r\n0\r\nX-Key: %b\r\nX-End: 1\r\n\r\n"
    guard = ChunkedGuard([KEY])
    places = [0, *sorted(min(border, len(raw % KEY)) for border in borders), len(raw % KEY)]
    pieces = [(raw % KEY)[start:end] for start, end in pairwise(places)]
    payloads = [bytes(byte for at, byte in enumerate(piece, start) if 3 <= at < 6) for start, piece in zip(places, pieces, strict=False)]
    out = [guard.feed(piece, ([payload] if payload else []) if told else None) for piece, payload in zip(pieces, payloads, strict=True)]

    assert b"".join(out) + guard.finish() == raw % (b"*" * len(KEY))


@given(cuts)
def test_a_cookie_in_trailers_is_overwritten(borders: list[int]) -> None:
    raw = b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nset-Cookie: a=secret-of-upstream; path=/\r\n\r\n"
    guard = ChunkedGuard()

    assert (guarded(guard, raw, borders), guard.redacted) == (raw.replace(b"secret-of-upstream", b"*" * 18), True)


@pytest.mark.parametrize(("value", "stored"), [("***secret", "*********"), ("<redacted>secret", "*" * 16), ("<redacted> ", "<redacted> "), ("***", "***")])
def test_a_cookie_in_trailers_stays_only_if_all_of_it_is_masked(value: str, stored: str) -> None:
    raw = "0\r\nSet-Cookie: sid={}; path=/\r\n\r\n"
    guard = ChunkedGuard()

    assert (guarded(guard, raw.format(value).encode()), guard.redacted) == (raw.format(stored).encode(), value != stored)


@given(cuts, st.booleans())
def test_an_answer_that_is_cut_in_a_secret_keeps_nothing_of_it(borders: list[int], in_chunks: bool) -> None:
    answer, guard = b"it is " + KEY[:18], ChunkedGuard([KEY]) if in_chunks else AnswerGuard([KEY])
    raw = b"63\r\n" + answer if in_chunks else answer

    assert guarded(guard, raw, borders) == raw[:-18] + b"*" * 18
    assert guard.redacted


@given(answers, secrets_of_a_request, cuts)
def test_no_secret_survives_and_every_byte_keeps_its_place(answer: bytes, secrets: list[bytes], borders: list[int]) -> None:
    clean = guarded(AnswerGuard(secrets), answer, borders)
    assert len(clean) == len(answer)
    assert all(new in (old, ord("*")) for old, new in zip(answer, clean, strict=True))
    assert not any(secret in clean for secret in secrets)


@given(answers, secrets_of_a_request)
def test_redacted_says_whether_anything_was_overwritten(answer: bytes, secrets: list[bytes]) -> None:
    guard = AnswerGuard(secrets)
    clean = guarded(guard, answer)
    assert guard.redacted or clean == answer


@given(st.binary(max_size=300), cuts)
def test_garbage_where_chunks_should_be_passes(data: bytes, borders: list[int]) -> None:
    assert guarded(ChunkedGuard(SECRETS), data, borders) == data


def test_a_secret_is_found_byte_by_byte() -> None:
    answer = b'data: {"error":"bad key ' + KEY + b'"}\n\n'
    assert guarded(AnswerGuard([KEY]), answer, range(len(answer))) == answer.replace(KEY, b"*" * len(KEY))


def test_a_secret_is_found_across_chunks() -> None:
    raw = b"8\r\nkey sk-p\r\n1\r\nr\r\n15\r\noj-Sekret+/9876543210\r\n0\r\n\r\n"
    assert guarded(ChunkedGuard([KEY]), raw) == b"8\r\nkey ****\r\n1\r\n*\r\n15\r\n" + b"*" * 21 + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [GIVEN, GIVEN.replace(b" ", b"\n  "), b'{"client_secret":"ek_68af296e8e408191","x":1}', b'{"value":"ek_68af296e8e408191aa"}'],
)
def test_new_secrets_are_overwritten(answer: bytes) -> None:
    clean = guarded(AnswerGuard(), answer, range(len(answer)))
    assert clean == answer.replace(b"ek_68af296e8e408191aa", b"*" * 21).replace(b"ek_68af296e8e408191", b"*" * 19)


@pytest.mark.parametrize("value", [b"<redacted>", b"***", b"[REDACTED]", b""])
def test_values_that_are_masked_already_stay(value: bytes) -> None:
    guard = AnswerGuard()
    answer = GIVEN.replace(b"ek_68af296e8e408191", value)
    assert guarded(guard, answer, range(len(answer))) == answer
    assert not guard.redacted


def test_a_null_client_secret_holds_nothing_back() -> None:
    assert AnswerGuard().feed(b'{"client_secret": null') == b'{"client_secret": null'


def test_an_event_is_not_held_back() -> None:
    event = b'event: response.output_text.delta\ndata: {"type":"x","delta":"sk-"}\n\n'
    assert AnswerGuard([KEY]).feed(event) == event


def test_only_what_may_be_a_secret_is_held_back() -> None:
    guard = AnswerGuard([KEY])
    assert guard.feed(b"abc sk-pro") == b"abc "
    assert guard.feed(b"be") == b"sk-probe"


def test_secrets_added_later_are_found() -> None:
    guard = AnswerGuard()
    guard.add([KEY])
    assert guarded(guard, b"x" + KEY) == b"x" + b"*" * len(KEY)


def test_short_secrets_and_the_words_of_placeholders_are_not_looked_for() -> None:
    answer = b"short <redacted:api-key> redacted:api-key"
    assert guarded(AnswerGuard([b"short", b"redacted:api-key"]), answer) == answer


def test_a_secret_that_is_no_ascii_is_found() -> None:
    secret = "pässwörd-12345".encode()
    assert guarded(AnswerGuard([secret]), b"a " + secret) == b"a " + b"*" * len(secret)


def test_everything_can_be_overwritten_but_framing() -> None:
    assert guarded(AnswerGuard(everything=True), b"\x1f\x8bdata") == b"******"
    assert guarded(ChunkedGuard(everything=True), b"3\r\nabc\r\n0\r\n\r\n", [4]) == b"3\r\n***\r\n0\r\n\r\n"


def test_answers_with_new_secrets_are_known_by_their_path() -> None:
    assert gives_secrets(b"/v1/realtime/client_secrets")
    assert not gives_secrets(b"/v1/responses/resp_1")

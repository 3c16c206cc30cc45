"""One exchange rewritten: with its bodies the lengths of frames, chunks and events, and what its head says of them."""

from __future__ import annotations

import gzip
from itertools import accumulate

import pytest

from playhead.config.errors import StoreError
from playhead.config.rules import parse_rule
from playhead.proxy.redacting.redactor import Redactor
from playhead.proxy.redacting.rewriting import Places, head, rewritten
from playhead.storage.packing.content import Content, Rewritten
from playhead.storage.records import EventRow, Frame, Raw

PUT = b"<redacted:p>"


def redactor(pattern: str = "secret") -> Redactor:
    return Redactor((parse_rule(f"redact /{pattern}/ as p"),))


def made(raw: Raw, *events: EventRow, socket: bool = False, pattern: str = "secret") -> Rewritten:
    found = rewritten(Content(1, raw, events, socket), redactor(pattern))
    assert found is not None
    return found


def answer(body: bytes, *headers: bytes) -> Raw:
    return Raw(b"POST /x HTTP/1.1\r\n\r\n", b"", b"\r\n".join([b"HTTP/1.1 200 OK", *headers, b"", b""]), body)


def test_where_nothing_is_found_nothing_is_made() -> None:
    assert rewritten(Content(1, answer(b"hello"), (), False), redactor()) is None


def test_a_length_in_the_head_is_that_of_the_body() -> None:
    found = made(answer(b"a secret", b"Content-Length: 8", b"X-A: 8")).raw

    assert (found.response, found.response_heads) == (b"a " + PUT, b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\nX-A: 8\r\n\r\n")


def test_frames_and_chunks_add_up_to_the_body_and_none_is_empty() -> None:
    raw = answer(b"ab se|cr|et cd".replace(b"|", b""), b"Transfer-Encoding: chunked")
    frames = (Frame(1, 1, 0), Frame(1, 2, 5), Frame(1, 3, 2), Frame(1, 4, 5))
    found = made(Raw(raw.request_head, b"", raw.response_heads, raw.response, b"", frames, (5, 2, 5))).raw

    assert found.response == b"ab " + PUT + b" cd"
    assert (sum(frame.length for frame in found.frames), sum(found.chunks)) == (len(found.response), len(found.response))
    assert found.frames[0] == Frame(1, 1, 0)
    assert all(frame.length for frame in found.frames[1:])
    assert all(found.chunks)


def test_events_stand_end_to_end_in_the_new_body() -> None:
    blocks = [b'data: {"delta": "se"}\n\n', b'data: {"delta": "cret!"}\n\n', b"data: secret\n\n"]
    rows = [EventRow(seq, seq, 1, None, None, None, len(block), 0) for seq, block in enumerate(blocks)]
    found = made(answer(b"".join(blocks)), *rows)

    ends = [*accumulate(row.bytes for row in found.events)]
    assert [found.raw.response[start:end] for start, end in zip([0, *ends], ends, strict=False)] == [
        b'data: {"delta": "<redacted:p>"}\n\n',
        b'data: {"delta": "!"}\n\n',
        b"data: <redacted:p>\n\n",
    ]


def test_messages_of_both_directions_are_told_apart() -> None:
    rows = [EventRow(0, 0, 0, None, None, None, 6, 1), EventRow(1, 1, 1, None, None, None, 2, 1), EventRow(2, 2, 0, None, None, None, 2, 1)]
    found = made(Raw(b"GET / HTTP/1.1\r\n\r\n", b"secrethi", b"HTTP/1.1 101 X\r\n\r\n", b"ok"), *rows, socket=True)

    assert (found.raw.request, found.raw.response, [row.bytes for row in found.events]) == (PUT + b"hi", b"ok", [12, 2, 2])


def test_a_coded_answer_is_stored_as_it_reads() -> None:
    packed = gzip.compress(b'{"a": "secret", "b": "' + bytes(range(32, 127)).replace(b'"', b"").replace(b"\\", b"") * 9 + b'"}')
    raw = answer(packed, b"Content-Encoding: gzip", b"Content-Length: %d" % len(packed))
    half = len(packed) // 2
    found = made(Raw(raw.request_head, b"", raw.response_heads, packed, b"", (Frame(1, 1, half), Frame(1, 2, len(packed) - half)))).raw

    assert found.response == gzip.decompress(packed).replace(b"secret", PUT)
    assert found.response_heads == b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(found.response)
    assert sum(frame.length for frame in found.frames) == len(found.response)


def test_a_coded_answer_that_holds_nothing_stays_coded() -> None:
    assert rewritten(Content(1, answer(gzip.compress(b"hello"), b"Content-Encoding: gzip"), (), False), redactor()) is None


def test_a_coded_answer_that_broke_off_is_looked_through_as_far_as_it_goes() -> None:
    cut = gzip.compress(b"a secret and more", mtime=0)[:-9]

    assert made(answer(cut, b"Content-Encoding: gzip"), pattern="a").raw.response.startswith(PUT)


def test_a_coding_that_is_not_known_is_an_error() -> None:
    with pytest.raises(StoreError, match="unknown content coding 'rot13'"):
        rewritten(Content(1, answer(b"frperg", b"Content-Encoding: rot13"), (), False), redactor())


def test_of_a_head_the_target_and_the_values_of_headers_change_and_what_frames_it_does_not() -> None:
    text = b"POST /v1/5?u=5 HTTP/1.1\r\nX-5: 5\r\nContent-Length: 5\r\nHost: 5\r\n\r\n"
    kept = b"POST /v<redacted:p>/5 HTTP/1.1"

    assert head(text, redactor("5")) == text.replace(b"/v1/5?u=5", b"/v1/<redacted:p>?u=<redacted:p>").replace(b"X-5: 5", b"X-5: <redacted:p>")
    assert head(b"HTTP/1.1 500 5\r\n\r\n", redactor("5")) == b"HTTP/1.1 500 5\r\n\r\n"
    assert kept not in head(text, redactor("5"))


def test_places_inside_what_was_replaced_move_to_its_end() -> None:
    places = Places((0, 5, 10), (0, 2, 20))

    assert [places.at(place) for place in (0, 1, 4, 5, 7, 10, 12)] == [0, 1, 2, 2, 4, 20, 22]

"""Answers with a Content-Encoding stand in a cassette as their text, and come back byte for byte."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import brotli
import pytest
import zstandard
from xxhash import xxh3_64

from playhead.proxy.decoding import BodyDecoder
from playhead.proxy.formats.cassette import read, write
from playhead.proxy.formats.secret_scan import secrets_in
from playhead.storage.carrying.cassettes import Cassette
from playhead.storage.records import Frame, Recorded
from taped import posted, sse, stream
from test_cassette import cassette, kept, lines, refusal

ANSWER = {"id": "resp_1", "output": [{"type": "message", "text": f"word {number}"} for number in range(20)]}
TEXT = json.dumps(ANSWER).encode()
EVENTS = [{"type": "response.created", "sequence_number": 0}, {"type": "response.completed", "sequence_number": 1, "response": {"id": "resp_1"}}]
KEY = "sk-proj-" + "a1B2" * 12


def odd(text: bytes) -> bytes:
    """As an encoder makes it that is not known here: two members."""
    return gzip.compress(text[:9], mtime=0) + gzip.compress(text[9:], mtime=0)


def answered(data: bytes, coding: str = "gzip", **changes: Any) -> Recorded:
    """An exchange whose answer has a coding."""
    one = posted(1, b'{"input":"x"}', data, **changes)
    one.raw = replace(one.raw, response_heads=f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(data)}\r\n\r\n".encode())
    return one


def streamed(encode: Callable[[list[bytes]], list[bytes]], rest: bytes = b"") -> Recorded:
    """A stream whose server flushes its encoder behind each event."""
    blocks = [*map(sse, EVENTS)]
    one = stream(1, blocks, rest=rest)
    made = encode([*blocks, *([rest] if rest else [])])
    frames = [*one.raw.frames[:2], *(Frame(1, 3000 + place * 1000, len(piece)) for place, piece in enumerate(made))]
    heads = one.raw.response_heads.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    one.raw = replace(one.raw, response_heads=heads, response=b"".join(made), frames=tuple(frames), chunks=(*map(len, made),))
    one.response_bytes = len(one.raw.response)
    return one


def flushed(blocks: list[bytes]) -> list[bytes]:
    made = zlib.compressobj(6, zlib.DEFLATED, 31)
    return [*(made.compress(block) + made.flush(zlib.Z_SYNC_FLUSH) for block in blocks), made.flush()]


def decoded(one: Recorded) -> bytes:
    decoder = BodyDecoder(b"gzip")
    text = b"".join(decoder.feed(one.raw.response))
    assert [*decoder.finish()] == []
    assert decoder.problem is None
    return text


def coded(found: list[dict[str, Any]]) -> dict[str, Any]:
    return next(line for line in found if "coded" in line)


@pytest.mark.parametrize(
    ("coding", "data", "by"),
    [
        ("gzip", gzip.compress(TEXT, 6, mtime=0), "zlib 6"),
        ("deflate", zlib.compress(TEXT), "zlib 6"),
        ("br", brotli.compress(TEXT, quality=4), "brotli 4"),
        ("zstd", zstandard.compress(TEXT), "zstd 3 whole"),
    ],
)
def test_an_answer_is_readable_and_needs_no_base64_where_its_encoder_is_known(coding: str, data: bytes, by: str) -> None:
    found = kept(cassette(answered(data, coding)))

    assert {"response": ANSWER, "as": "spaced"} in found
    assert coded(found)["by"] == by
    assert b"base64" not in b"".join(write(cassette(answered(data, coding))))


def test_a_head_of_gzip_that_is_another_one_stands_there() -> None:
    data = gzip.compress(TEXT, 6, mtime=1_700_000_000)

    assert "head" in coded(kept(cassette(answered(data))))


@pytest.mark.parametrize(("coding", "data"), [("gzip", odd(TEXT)), ("gzip, br", brotli.compress(gzip.compress(TEXT, mtime=0)))])
def test_bytes_of_another_encoder_stand_beside_the_text(coding: str, data: bytes) -> None:
    found = kept(cassette(answered(data, coding)))

    assert {"response": ANSWER, "as": "spaced"} in found
    assert [*coded(found)] == ["coded", "coded_base64"]


def test_each_event_of_an_encoded_stream_is_a_line() -> None:
    found = kept(cassette(streamed(flushed, b": the end")))

    assert [line for line in found if "event" in line or "rest_text" in line] == [{"event": EVENTS[0]}, {"event": EVENTS[1]}, {"rest_text": ": the end"}]
    assert coded(found)["by"] == "zlib 6"


def test_a_stream_that_was_flushed_behind_each_event_says_so() -> None:
    assert coded(kept(cassette(streamed(flushed))))["flushed"] == "events"


def test_a_stream_of_another_encoder_comes_back() -> None:
    assert "coded_base64" in coded(kept(cassette(streamed(lambda blocks: [odd(b"".join(blocks))]))))


@pytest.mark.parametrize(
    "data",
    [gzip.compress(TEXT, mtime=0)[:-20], b"\x1f\x8b no gzip \xff", gzip.compress(b"\xff\xfe", mtime=0), gzip.compress(b"", mtime=0)],
    ids=["cut", "damaged", "no text", "nothing"],
)
def test_what_was_cut_or_is_no_text_stands_as_it_came(data: bytes) -> None:
    found = kept(cassette(answered(data)))

    assert not any("coded" in line for line in found)
    assert any("response_base64" in line for line in found)


def test_an_encoded_stream_that_was_cut_stands_as_it_came() -> None:
    one = streamed(flushed)
    one.raw = replace(one.raw, response=one.raw.response[:-10])
    found = kept(cassette(one))

    assert any("rows" in line for line in found)
    assert any("response_base64" in line for line in found)


def test_what_unfolds_to_more_than_there_is_room_for_stands_as_it_came() -> None:
    assert not any("coded" in line for line in kept(cassette(answered(gzip.compress(b" " * (17 << 20))))))


def changed(one: Cassette, old: bytes, new: bytes) -> bytes:
    """Its lines, changed by hand, without checks."""
    found = [json.loads(line) for line in b"".join(write(one)).replace(old, new).splitlines()]
    return b"".join([json.dumps({key: value for key, value in line.items() if key != "check"}, separators=(",", ":")).encode() + b"\n" for line in found])


@pytest.mark.parametrize("data", [gzip.compress(TEXT, 6, mtime=0), odd(TEXT)])
def test_a_text_that_was_changed_by_hand_is_encoded_anew(data: bytes) -> None:
    found = read(changed(cassette(answered(data)), b"word 7", b"something else"), "x").exchanges[0]

    assert decoded(found) == TEXT.replace(b"word 7", b"something else")
    assert f"Content-Length: {len(found.raw.response)}\r\n".encode() in found.raw.response_heads
    assert sum(frame.length for frame in found.raw.frames if frame.direction) == len(found.raw.response) == found.response_bytes


def test_an_event_that_was_changed_by_hand_comes_when_it_came() -> None:
    found = read(changed(cassette(streamed(flushed)), b'"id":"resp_1"', b'"id":"resp_1","status":"failed"'), "x").exchanges[0]
    decoder = BodyDecoder(b"gzip")
    ends = [sum(found.raw.chunks[:place]) for place in range(len(found.raw.chunks) + 1)]
    parts = [b"".join(decoder.feed(found.raw.response[start:end])) for start, end in pairwise(ends)]

    assert parts == [sse(EVENTS[0]), sse(EVENTS[1] | {"response": {"id": "resp_1", "status": "failed"}})]
    assert [(frame.offset_ns, frame.length) for frame in found.raw.frames[2:]] == [*zip((3000, 4000), found.raw.chunks, strict=True)]


def test_a_text_that_was_changed_by_hand_stays_as_it_is_from_then_on() -> None:
    found = read(changed(cassette(streamed(flushed)), b"resp_1", b"resp_1000"), "x")

    kept(found)


def test_a_library_that_compresses_otherwise_gives_the_same_text() -> None:
    data = b"".join(write(cassette(answered(gzip.compress(TEXT, 6, mtime=0)))))
    found = read(rechecked(data.replace(coded(lines(data))["hash"].encode(), b"0" * 16)), "x")

    assert decoded(found.exchanges[0]) == TEXT


def test_text_and_bytes_that_do_not_agree_are_refused_with_the_line() -> None:
    data = rechecked(b"".join(write(cassette(answered(odd(TEXT))))).replace(b"word 7", b"word 8"))

    assert "line 11: the text of the answer is not what its bytes ('coded_base64') say." in refusal(data)


def rechecked(data: bytes) -> bytes:
    """With checks that are right."""
    state, found = xxh3_64(), []
    for line in data.splitlines():
        value = json.loads(line)
        if "check" in value:
            value["check"] = state.hexdigest()
            state.reset()
            line = json.dumps(value, separators=(",", ":")).encode()
        else:
            state.update(line)
        found.append(line + b"\n")
    return b"".join(found)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"coded":"gzip"', b'"coded":"br"', "'by' must be an encoder of that coding"),
        (b'"coded":"gzip"', b'"coded":"rot13"', "'coded' must be what the answer's Content-Encoding says"),
        (b"Content-Encoding: gzip", b"Content-Encoding: br", "'coded' says 'gzip', and the Content-Encoding of the head 'br'"),
        (b'"flushed":"events"', b'"flushed":[-1]', "'flushed' must be"),
        (b'"by":"zlib 6"', b'"by":"zlib 66"', "'by' must be an encoder"),
    ],
)
def test_what_cannot_be_is_refused(old: bytes, new: bytes, reason: str) -> None:
    assert reason in refusal(changed(cassette(streamed(flushed)), old, new))


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (gzip.compress(b'{"note":"%b"}' % KEY.encode()), "$.response.note"),
        (gzip.compress(b'{"note":"%b"}' % KEY.encode())[:-9], "$.response_base64"),
    ],
    ids=["whole", "cut"],
)
def test_secrets_are_looked_for_in_the_text(data: bytes, path: str) -> None:
    found = [*secrets_in([*write(cassette(answered(data)))])]

    assert [(finding.exchange, str(finding).partition(": ")[0].rpartition(", ")[2]) for finding in found] == [(1, path)]
    assert [*secrets_in([*write(cassette(answered(data)))], (path,))] == []

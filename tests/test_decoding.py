"""Content codings undone: whatever the split, whatever is sent."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from itertools import pairwise

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.decoding import PIECE, BodyDecoder, codings_of, content_encoding

TEXT = b'{"model":"gpt","input":"' + b"words and more words " * 60 + b'"}'


def raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-15)


def zstd_of_unknown_size(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True, write_content_size=False).compress(data)


ENCODERS = {
    "gzip": (b"gzip", gzip.compress),
    "x-gzip": (b"X-GZip", gzip.compress),
    "gzip of two members": (b"gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
    "zlib": (b"deflate", zlib.compress),
    "raw deflate": (b"deflate", raw_deflate),
    "br": (b"br", brotli.compress),
    "zstd": (b"zstd", zstandard.compress),
    "zstd of unknown size, with a checksum": (b"zstd", zstd_of_unknown_size),
    "zstd of two frames and a skippable one": (
        b"zstd",
        lambda data: zstandard.compress(data[:9]) + b"\x50\x2a\x4d\x18\x03\0\0\0abc" + zstandard.compress(data[9:]),
    ),
    "two in a row": (b"gzip, br", lambda data: brotli.compress(gzip.compress(data))),
    "three in a row": (b"br,identity ,zstd, deflate", lambda data: zlib.compress(zstandard.compress(brotli.compress(data)))),
    "identity": (b"identity", bytes),
    "none": (b"", bytes),
}
every_coding = pytest.mark.parametrize(("coding", "encode"), ENCODERS.values(), ids=ENCODERS)


def decoded(decoder: BodyDecoder, *pieces: bytes) -> bytes:
    out = b"".join(part for piece in pieces for part in decoder.feed(piece))
    return out + b"".join(decoder.finish())


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@every_coding
@pytest.mark.parametrize("size", [1, 2, 7, 1 << 20])
def test_a_body_is_decoded_whatever_the_split(coding: bytes, encode, size: int) -> None:  # type: ignore[no-untyped-def]
    decoder = BodyDecoder(coding)
    assert decoded(decoder, *in_pieces(encode(TEXT), size)) == TEXT
    assert decoder.problem is None


@every_coding
def test_pieces_of_a_big_body_are_bounded(coding: bytes, encode) -> None:  # type: ignore[no-untyped-def]
    decoder = BodyDecoder(coding)
    sizes = [len(piece) for piece in decoder.feed(encode(bytes(5 * PIECE + 3)))]
    assert sum(sizes) == 5 * PIECE + 3
    assert max(sizes) <= PIECE


@pytest.mark.parametrize("coding", ["gzip", "zlib", "raw deflate", "br", "zstd", "two in a row"])
def test_a_truncated_body_is_a_problem(coding: str) -> None:
    name, encode = ENCODERS[coding]
    whole = encode(TEXT)
    for cut in (1, 5, len(whole) // 2, len(whole) - 1):
        decoder = BodyDecoder(name)
        assert TEXT.startswith(decoded(decoder, whole[:cut]))
        assert "truncated" in str(decoder.problem)


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"zstd", b"gzip, br"])
def test_garbage_is_a_problem_and_ends_the_decoding(coding: bytes) -> None:
    decoder = BodyDecoder(coding)
    assert decoded(decoder, b"\xff\xfe no such thing, surely not " * 40) == b""
    assert "undecodable" in str(decoder.problem)
    assert list(decoder.feed(b"more")) == []


@pytest.mark.parametrize("coding", ["zlib", "raw deflate", "br"])
def test_bytes_behind_the_end_are_a_problem(coding: str) -> None:
    name, encode = ENCODERS[coding]
    for pieces in ([encode(TEXT) + b"more"], [encode(TEXT), b"more"]):
        decoder = BodyDecoder(name)
        decoded(decoder, *pieces)
        assert decoder.problem is not None


def test_zeros_behind_the_last_gzip_member_are_padding() -> None:
    decoder = BodyDecoder(b"gzip")
    assert decoded(decoder, gzip.compress(TEXT) + bytes(7)) == TEXT
    assert decoder.problem is None


def test_an_unknown_coding_is_named_and_nothing_comes() -> None:
    decoder = BodyDecoder(b"gzip, rot13")
    assert decoded(decoder, b"nop") == b""
    assert decoder.problem == "unknown content coding 'rot13'"


def test_an_empty_body_is_no_problem() -> None:
    decoder = BodyDecoder(b"gzip")
    assert decoded(decoder) == b""
    assert decoder.problem is None


def test_a_zstd_window_that_takes_too_much_memory_is_a_problem() -> None:
    decoder = BodyDecoder(b"zstd")
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    encoder = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    decoded(decoder, encoder.compress(bytes(1000)) + encoder.flush())
    assert "undecodable zstd body" in str(decoder.problem)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_a_bomb_unfolds_in_bounded_memory(coding: str) -> None:
    name, encode = ENCODERS[coding]
    bomb = encode(bytes(64 << 20))
    decoder = BodyDecoder(name)
    tracemalloc.start()
    try:
        assert sum(map(len, decoder.feed(bomb))) == 64 << 20
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


@given(st.sampled_from(list(ENCODERS)), st.binary(max_size=300), st.lists(st.integers(0, 400), max_size=6), st.integers(0, 400), st.binary(max_size=3))
def test_damage_never_raises(coding: str, data: bytes, cuts: list[int], place: int, damage: bytes) -> None:
    name, encode = ENCODERS[coding]
    sent = encode(data)
    sent = sent[:place] + damage + sent[place + len(damage) :]
    borders = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    decoder = BodyDecoder(name)
    decoded(decoder, *[sent[start:end] for start, end in pairwise(borders)])
    assert decoder.problem is None or isinstance(decoder.problem, str)


def test_the_content_encoding_is_that_of_the_final_head() -> None:
    heads = b"HTTP/1.1 103 Hint\r\ncontent-encoding: br\r\n\r\nHTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\ncontent-encoding: zstd\r\n\r\n"

    assert content_encoding(heads) == b"gzip, zstd"


def test_codings_are_those_that_change_something() -> None:
    assert codings_of(b" GZip,identity,, br") == ["gzip", "br"]

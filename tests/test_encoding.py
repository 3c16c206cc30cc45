"""The encoders that make the bytes of a server again: which one it was is found from the bytes."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from itertools import pairwise

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.decoding import BodyDecoder
from playhead.proxy.encoding import GZIP_HEAD, anew, encoded, encoder_of, gzip_head, is_encoder, parted

TEXT = json.dumps([{"number": number, "text": f"word {number * 7919}"} for number in range(300)]).encode()
ENDS = [*range(700, len(TEXT), 700), len(TEXT)]


def flushed(compress: Callable[[bytes], bytes], flush: Callable[[], bytes], finish: Callable[[], bytes]) -> bytes:
    return b"".join([compress(TEXT[start:end]) + flush() for start, end in pairwise([0, *ENDS])]) + finish()


def zlib_flushed(level: int, window: int) -> bytes:
    made = zlib.compressobj(level, zlib.DEFLATED, window)
    return flushed(made.compress, lambda: made.flush(zlib.Z_SYNC_FLUSH), made.flush)


def brotli_flushed(quality: int) -> bytes:
    made = brotli.Compressor(quality=quality)
    return flushed(made.process, made.flush, made.finish)


def zstd_flushed(level: int) -> bytes:
    made = zstandard.ZstdCompressor(level=level).compressobj()
    return flushed(made.compress, lambda: made.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK), made.flush)


def zstd_streamed(level: int) -> bytes:
    made = zstandard.ZstdCompressor(level=level).compressobj()
    return made.compress(TEXT) + made.flush()


@pytest.mark.parametrize(
    ("coding", "data", "name", "ends"),
    [
        ("gzip", gzip.compress(TEXT, 6), "zlib 6", []),
        ("gzip", gzip.compress(TEXT, 1), "zlib 1", []),
        ("x-gzip", gzip.compress(TEXT, 9), "zlib 9", []),
        ("gzip", zlib_flushed(6, 31), "zlib 6", ENDS),
        ("deflate", zlib.compress(TEXT), "zlib 6", []),
        ("deflate", zlib.compress(TEXT, 4, -15), "raw 4", []),
        ("deflate", zlib_flushed(5, -15), "raw 5", ENDS),
        ("br", brotli.compress(TEXT), "brotli 11", []),
        ("br", brotli.compress(TEXT, quality=5), "brotli 5", []),
        ("br", brotli_flushed(4), "brotli 4", ENDS),
        ("zstd", zstandard.compress(TEXT), "zstd 3 whole", []),
        ("zstd", zstandard.ZstdCompressor(level=5, write_checksum=True).compress(TEXT), "zstd 5 whole checked", []),
        ("zstd", zstd_streamed(3), "zstd 3", []),
        ("zstd", zstd_flushed(3), "zstd 3", ENDS),
    ],
)
def test_the_encoder_of_a_body_is_found_and_makes_it_again(coding: str, data: bytes, name: str, ends: list[int]) -> None:
    head = gzip_head(data) if "gzip" in coding else b""
    found = encoder_of(data[len(head) :], TEXT, coding, ([], ENDS))

    assert found is not None
    assert (found[0], [*found[1]]) == (name, ends)
    assert head + encoded(parted(TEXT, ends), coding, name) == data


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_what_no_encoder_makes_is_told(coding: str) -> None:
    made = anew([TEXT], [coding])[0]
    data = made[: len(made) // 2] + b"?" + made[len(made) // 2 :]

    assert encoder_of(data[len(GZIP_HEAD) :] if coding == "gzip" else data, TEXT, coding, ([],)) is None


def test_the_head_of_gzip_has_a_name_a_comment_and_more() -> None:
    head = b"\x1f\x8b\x08\x1e\1\2\3\4\2\3" + b"\2\0ab" + b"name\0" + b"a comment\0" + b"\1\2"

    assert gzip_head(head + b"rest") == head
    assert gzip_head(gzip.compress(b"")) == gzip.compress(b"")[:10]


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=6), st.lists(st.sampled_from(["gzip", "deflate", "br", "zstd"]), min_size=1, max_size=2))
def test_each_part_that_is_encoded_anew_can_be_decoded_once_it_is_there(parts: list[bytes], codings: list[str]) -> None:
    decoder = BodyDecoder(", ".join(codings).encode())
    found = [b"".join(decoder.feed(made)) for made in anew(parts, codings)]

    assert [*decoder.finish()] == []
    assert (found, decoder.problem) == (parts, None)


@given(st.binary(max_size=40), st.lists(st.integers(-5, 60)))
def test_a_text_in_parts_is_that_text(text: bytes, ends: list[int]) -> None:
    assert b"".join(parted(text, ends).texts) == text


@pytest.mark.parametrize(
    ("name", "coding"), [("zlib 10", "gzip"), ("raw 6", "gzip"), ("brotli 12", "br"), ("zstd 3", "br"), ("zstd 3 x", "zstd"), ("", "gzip")]
)
def test_an_encoder_that_is_none_is_told(name: str, coding: str) -> None:
    assert not is_encoder(name, coding)

"""Bodies of answers as they are when their codings are undone, for commands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .saying import warn


def content_encoding(heads: bytes) -> bytes:
    """The Content-Encoding of the final head, all its headers of that name joined."""
    final = heads.rstrip(b"\r\n").rpartition(b"\r\n\r\n")[2]
    lines = (line.partition(b":") for line in final.split(b"\r\n")[1:])
    return b", ".join(value.strip() for name, _, value in lines if name.strip().lower() == b"content-encoding")


def decode(pieces: Iterable[bytes], encoding: bytes) -> Iterator[bytes]:
    """The pieces of a body with its codings undone; warns where that fails, after what could be decoded."""
    from ..decoding import BodyDecoder

    decoder = BodyDecoder(encoding)
    for piece in pieces:
        yield from decoder.feed(piece)
    yield from decoder.finish()
    if decoder.problem:
        warn(decoder.problem)

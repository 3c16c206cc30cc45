"""Bodies of answers as they are when their codings are undone, for commands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .saying import warn


def decode(pieces: Iterable[bytes], heads: bytes) -> Iterator[bytes]:
    """The pieces of the body behind these heads with its codings undone; warns where that fails, after what could be decoded."""
    from ..decoding import BodyDecoder, content_encoding

    decoder = BodyDecoder(content_encoding(heads))
    for piece in pieces:
        yield from decoder.feed(piece)
    yield from decoder.finish()
    if decoder.problem:
        warn(decoder.problem)

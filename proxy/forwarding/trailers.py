"""Trailers of chunked requests, decided without I/O.

aiohttp's parser gives the last one out as the first header of the next request on the connection: a header that nobody sent with that, and be it a
Content-Length. Which request has one can only be told by where the one before ended, so the bytes are followed here a second time.
"""

from __future__ import annotations

import re
from collections import deque

from .http1 import Chunked, ProtocolError

_END = b"\r\n\r\n"
_CHUNKED = re.compile(rb"(?im)^transfer-encoding[ \t]*:[^\r\n]*chunked[ \t]*\r?$")
_LENGTH = re.compile(rb"(?im)^content-length[ \t]*:[ \t]*([0-9]{1,18})[ \t]*\r?$")


class Trailers:
    """Follows the requests of one connection."""

    def __init__(self) -> None:
        self._head = b""  # as far as it has come
        self._left = 0  # bytes of a body that are still to come
        self._chunks: Chunked | None = None  # a body that is still to come
        self._trailed = False  # whether the last body had trailers
        self._verdicts: deque[bool] = deque()  # of requests that the parser has not given out yet
        self._lost = False  # what comes is no HTTP

    def follow(self, data: bytes, requests: int, body: int | None) -> list[bool]:
        """The parser was fed that, and has given out so many requests. Gives for each whether it begins with a trailer; nothing: none does.

        `body`: its size, if there is one request and it is whole, not in chunks.
        """
        between = not (self._head or self._left or self._verdicts or self._trailed) and self._chunks is None
        if between and body is not None and data.startswith(_END, len(data) - body - len(_END)):
            return []  # one request from its beginning to its end, as nearly all are
        self._walk(data)
        return [self._verdicts.popleft() for _ in range(min(requests, len(self._verdicts)))]

    def _walk(self, data: bytes) -> None:
        at = 0
        while at < len(data) and not self._lost:
            if self._chunks is not None:
                at += self._chunk(self._chunks, data[at:])
            elif self._left:
                taken = min(self._left, len(data) - at)
                self._left -= taken
                at += taken
            else:
                at = self._line(data, at)

    def _chunk(self, chunks: Chunked, data: bytes) -> int:
        try:
            taken = chunks.feed(data)
        except ProtocolError:
            self._lost = True
            return 0
        if chunks.done:
            self._trailed, self._chunks = bool(chunks.trailers), None
        return taken

    def _line(self, data: bytes, at: int) -> int:
        """Reads on in a head."""
        before = len(self._head)
        head = self._head + data[at:] if before else data[at:].lstrip(b"\r\n")  # empty lines may stand before one
        end = head.find(_END, max(0, before - len(_END)))
        if end < 0:
            self._head = head
            return len(data)
        rest = len(head) - end - len(_END)
        head, self._head = head[: end + len(_END)], b""
        self._verdicts.append(self._trailed)
        self._trailed = False
        if _CHUNKED.search(head) is not None:
            self._chunks = Chunked()
        elif (length := _LENGTH.search(head)) is not None:
            self._left = int(length[1])
        return len(data) - rest

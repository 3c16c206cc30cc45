"""HTTP/1.1 messages as upstream sends them: heads and body framing, decided without I/O (RFC 9112).

Bytes are never rewritten here: a `Head` keeps its raw lines, a framing says how many of the bytes that came belong to the message, so that they
can be passed on verbatim and recorded as they were.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import NamedTuple

import httptools

from ..masking.needles import finds, readable

MAX_HEAD = 1 << 20
_EMPTY_LINE = b"\r\n\r\n"
_BLANK = b" \t"
# RFC 9110 section 7.6.1, with `Proxy-Connection`, which is none but is treated as one everywhere.
HOP_BY_HOP = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade", b"proxy-authenticate", b"proxy-authorization"))
# What says where a message ends is nobody's to take away, whatever `Connection` lists: the next hop would see another message behind it.
FRAMING = frozenset((b"content-length", b"transfer-encoding", b"host"))
_USUAL_HEAD = 4096  # bytes
_FEW = 2048  # bytes
_HEX = b"0123456789abcdefABCDEF"
_LONGEST_SIZE = 8  # of a chunk, its CRLF included
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([^\r\n]*))?\Z")

_goes_on_behind_empty_line = finds(r"\r\n\r\n(?s:.)")  # a tenth of what looking for the place costs

Header = tuple[bytes, bytes]
Headers = list[Header]


class ProtocolError(ValueError):
    """The peer broke HTTP/1.1: the text says how."""


class Head(NamedTuple):
    """The head of a response. `raw` ends with the empty line; header values have no white space around them.

    `first` holds the first value of each header, by lower-case name.
    """

    raw: bytes
    minor: int
    status: int
    reason: bytes
    headers: Headers
    first: dict[bytes, bytes]

    def get(self, name: bytes) -> bytes | None:
        """The first value of a header, by lower-case name."""
        return self.first.get(name)


def parse_head(raw: bytes) -> Head:
    """Parse a response head up to and with its empty line. Raises ProtocolError."""
    start, *lines = raw[:-4].split(b"\r\n")
    match = _STATUS_LINE.match(start)
    if match is None:
        raise ProtocolError(f"its answer does not begin with an HTTP/1 status line but with {start[:40]!r}")
    found = [*map(_usual_line if len(raw) <= _USUAL_HEAD else _line, lines)]
    first = {name: header[1] for name, header in reversed(found)}
    return Head(raw, int(match[1]), int(match[2]), match[3] or b"", [header for _, header in found], first)


def _line(line: bytes) -> tuple[bytes, Header]:
    """The lower-case name, and the header. Raises ProtocolError."""
    name, colon, value = line.partition(b":")
    if not colon or not name or name[-1] in _BLANK or name[0] in _BLANK:  # at its start: the rest of the line before, in the way of old (RFC 9112, 5.2)
        raise ProtocolError(f"its answer has a header line without a name: {line[:40]!r}")
    return name.lower(), (name, value.strip(b" \t"))


_usual_line = lru_cache(1 << 11)(_line)  # most lines come again and again


def tokens(headers: Headers, name: bytes) -> set[bytes]:
    """The lower-case members of all comma-separated lists of that header name."""
    return {member.strip().lower() for key, value in headers if len(key) == len(name) and key.lower() == name for member in value.split(b",")} - {b""}


def end_to_end(head: Head, drop: frozenset[bytes] = frozenset()) -> Headers:
    """The headers less the hop-by-hop ones, those that `Connection` lists, and `drop`; order, case and duplicates stay."""
    if HOP_BY_HOP.isdisjoint(head.first) and drop.isdisjoint(head.first):
        return head.headers
    unwanted = HOP_BY_HOP | (tokens(head.headers, b"connection") - FRAMING) | drop
    return [header for header in head.headers if header[0].lower() not in unwanted]


class Length:
    """A body of known length."""

    __slots__ = ("remaining",)

    def __init__(self, length: int) -> None:
        self.remaining = length

    @property
    def done(self) -> bool:
        return self.remaining == 0

    def feed(self, data: bytes) -> int:
        """How many of these bytes belong to the message."""
        taken = min(len(data), self.remaining)
        self.remaining -= taken
        return taken


class UntilClose:
    """A body that ends with the connection."""

    __slots__ = ()
    done = False

    def feed(self, data: bytes) -> int:
        """How many of these bytes belong to the message: all."""
        return len(data)


class Chunked:
    """A chunked body (RFC 9112 section 7.1), scanned incrementally at any split.

    `payload` holds the slices of chunk data that the last `feed` found; `done`: whether the body has ended.
    """

    __slots__ = ("_between", "_done", "_found", "_last", "_parser", "_trailers", "done", "payload")

    def __init__(self) -> None:
        self.done = False
        self.payload: list[bytes] = []
        self._last = b""  # the last bytes fed: the empty line that ends the body may have begun in them
        self._between = True  # only whole chunks have been fed, so that the parser still waits for the first
        # The parser finds its callbacks as attributes: one that is absent costs nothing, list.append costs less than any method of ours, and
        # none of them holds this object, so that no reference cycle is left behind for every answer.
        found: list[bytes] = []
        done: list[bool] = []
        trailers: list[Header] = []
        callbacks = SimpleNamespace(
            on_body=found.append,
            on_message_complete=partial(done.append, True),
            on_header=lambda name, value: trailers.append((name, value)),
        )
        self._found, self._done, self._trailers = found, done, trailers
        self._parser = httptools.HttpResponseParser(callbacks)
        # "A recipient MUST parse for such bad whitespace": between the size and what follows it. Some servers pad the size with it.
        self._parser.set_dangerous_leniencies(lenient_spaces_after_chunk_size=True)
        self._parser.feed_data(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        trailers.clear()

    @property
    def trailers(self) -> bytes:
        """The trailer lines, CRLF after each."""
        return b"".join([name + b": " + value + b"\r\n" for name, value in self._trailers])

    def feed(self, data: bytes) -> int:
        """Scan the next bytes; returns how many belong to the message.

        Raises ProtocolError; what came before the fault is in `payload`.
        """
        if self._between and len(data) < _FEW and (payload := _whole_chunks(data)) is not None:
            self.payload, self._last = payload, data[-3:]
            return len(data)
        self._between = self._between and not data  # nothing comes with a head that has a read of its own
        self._found.clear()
        taken = 0
        try:
            for end in self._ends(data):
                self._parser.feed_data(data[taken:end] if taken or end < len(data) else data)
                taken = end
                if self._done:
                    break
        except httptools.HttpParserError as error:
            raise ProtocolError(f"upstream sent a bad chunk: {error}") from None
        finally:
            self.payload, self.done = self._found[:], bool(self._done)
        return taken

    def chunks(self, data: bytes) -> list[bytes] | None:
        """The chunks of a body that is here from its beginning to its end, as the first and only bytes that are fed. None: it is not, it has trailers
        or faults, or an empty line stands in a chunk, whose data would come in two pieces."""
        if self._ends(data) != [len(data)]:
            return None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            return None
        return self._found if self._done and not self._trailers else None

    def _ends(self, data: bytes) -> list[int]:
        """Where the body may end: behind each empty line, and with the data. The parser must not see what follows: it would take it for a message."""
        ends = []
        seam = self._last + data[:3]
        at = seam.find(_EMPTY_LINE)
        if at >= 0:
            ends.append(at + 4 - len(self._last))
        at = data.find(_EMPTY_LINE) if _goes_on_behind_empty_line(readable(data)) else -1
        while at >= 0:
            ends.append(at + 4)
            at = data.find(_EMPTY_LINE, at + 4)
        self._last = (self._last + data)[-3:] if len(data) < 3 else data[-3:]
        if not ends or ends[-1] != len(data):
            ends.append(len(data))
        return ends


def _whole_chunks(data: bytes) -> list[bytes] | None:
    """What whole chunks hold, which begin with these bytes and end with them; None: there is more to it. For few bytes, as events come one by one."""
    found, pos, end = [], 0, len(data)
    while pos < end:
        stop = data.find(b"\r\n", pos, pos + _LONGEST_SIZE)
        size = data[pos:stop]
        if stop <= pos or size.translate(None, _HEX) or not (length := int(size, 16)):
            return None
        start = stop + 2
        stop = start + length
        pos = stop + 2
        if pos > end or data[stop:pos] != b"\r\n":
            return None
        found.append(data[start:stop])
    return found or None


Framing = Length | UntilClose | Chunked


def framing_of(head: Head, method: str) -> Framing:
    """How the body of an answer to `method` is framed (RFC 9112 section 6.3). Raises ProtocolError."""
    if method == "HEAD" or head.status in (204, 304) or head.status < 200:
        return Length(0)
    coding = head.get(b"transfer-encoding")
    length = head.get(b"content-length")
    if coding is not None:
        # "A server MUST NOT send both"; a proxy that keeps both lets the next hop choose another end: response splitting.
        if length is not None:
            raise ProtocolError("its answer has both Content-Length and Transfer-Encoding")
        plain = coding == b"chunked" and len(head.first) == len(head.headers)
        if head.minor == 0 or not (plain or tokens(head.headers, b"transfer-encoding") == {b"chunked"}):
            raise ProtocolError(f"its answer has an unknown Transfer-Encoding {coding[:40]!r}")
        return Chunked()
    if length is None:
        return UntilClose()
    if _is_doubted(head, length) or not length.isdigit() or len(length) > 18:
        raise ProtocolError(f"its answer has a bad Content-Length {length[:40]!r}")
    return Length(int(length))


def _is_doubted(head: Head, length: bytes) -> bool:
    """Whether another Content-Length says otherwise."""
    return len(head.first) < len(head.headers) and any(value != length for name, value in head.headers if name.lower() == b"content-length")


def response_head(head: Head, headers: Headers, *, keep_alive: bool, old: bool) -> bytes:
    """The head of an answer for the client, with what `Connection` must say to it; `old`: the client speaks HTTP/1.0."""
    connection = b"" if keep_alive and not old else b"Connection: keep-alive\r\n" if keep_alive else b"Connection: close\r\n"
    if not connection and head.minor and len(headers) == len(head.headers):
        return head.raw
    lines = [b"HTTP/1.1 %d %b" % (head.status, head.reason)]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n" + connection + b"\r\n"


def chunk_of(data: bytes, *, last: bool) -> bytes:
    """Data of a chunked body with its framing; `last`: the end of the body, too."""
    chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
    return chunk + b"0\r\n\r\n" if last else chunk

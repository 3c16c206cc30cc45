"""Content codings undone: gzip, deflate, br and zstd, one or several, as the bytes come and in bounded pieces (RFC 9110 section 8.4)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Protocol

import brotli
import zstandard

# No piece is larger, however much a few bytes unfold to.
PIECE = 1 << 20
# RFC 8878 section 3.1.1.1.2: decoders should not be asked for more. It is what a body can make us allocate.
_ZSTD_WINDOW = 8 << 20
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class CodingError(ValueError):
    """The body is not what its coding says: the text says how."""


class _Stage(Protocol):
    def feed(self, data: bytes) -> Iterator[bytes]:
        """Raises CodingError."""

    def finish(self) -> None:
        """Raises CodingError if the coded data ended too early."""


class _Zlib:
    """gzip, of any number of members, or deflate, with zlib's header or, as some send it, without."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._start = b""
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16) if name == "gzip" else None
        self._begun = self._ended = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        full = False  # a full piece may leave output inside although all input is taken
        while data or full:
            if self._ended and not (data := self._next_member(data)):
                return
            inflate, data = self._begin(data)
            if inflate is None:
                return
            self._begun = True
            try:
                piece = inflate.decompress(data, PIECE)
            except zlib.error as error:
                raise CodingError(f"undecodable {self._name} body: {error}") from None
            if piece:
                yield piece
            self._ended = inflate.eof
            data = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
            full = not inflate.eof and len(piece) == PIECE

    def _begin(self, data: bytes) -> tuple[zlib._Decompress | None, bytes]:
        if self._inflate is None:
            self._start += data
            if len(self._start) < 2:
                return None, b""
            wrapped = self._start[0] & 15 == 8 and int.from_bytes(self._start[:2]) % 31 == 0
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
            data = self._start
        return self._inflate, data

    def _next_member(self, data: bytes) -> bytes:
        data = data.lstrip(b"\0")  # padding is allowed behind the last member
        if data:
            if self._name != "gzip":
                raise CodingError(f"undecodable {self._name} body: it goes on behind its end")
            self._inflate, self._ended = zlib.decompressobj(zlib.MAX_WBITS | 16), False
        return data

    def finish(self) -> None:
        if not self._ended:
            raise CodingError(f"truncated {self._name} body" if self._begun or self._start else f"empty {self._name} body")


class _Brotli:
    def __init__(self) -> None:
        self._brotli = brotli.Decompressor()
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        try:
            more = bool(data)
            while more:
                if data and self._brotli.is_finished():
                    raise CodingError("undecodable br body: it goes on behind its end")
                piece, data, self._begun = self._brotli.process(data, output_buffer_limit=PIECE // 2), b"", True
                for start in range(0, len(piece), PIECE):
                    yield piece[start : start + PIECE]
                # It may have taken all input and still hold output.
                more = not self._brotli.can_accept_more_data() or len(piece) >= PIECE // 2
        except brotli.error as error:
            raise CodingError(f"undecodable br body: {error}") from None

    def finish(self) -> None:
        if not self._brotli.is_finished():
            raise CodingError("truncated br body" if self._begun else "empty br body")


class _Source:
    """What zstandard's reader reads from: all that is here, and then an exception instead of an end."""

    def __init__(self) -> None:
        self.data = b""

    def read(self, size: int) -> bytes:
        if not self.data:
            raise BlockingIOError
        piece, self.data = self.data[:size], self.data[size:]
        return piece


class _Zstd:
    """Any number of zstd frames. The reader gives as much as it is asked for, where the other interfaces give all that the input unfolds to."""

    def __init__(self) -> None:
        self._source = _Source()
        self._frames = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._reader = self._frames.stream_reader(self._source, read_across_frames=True)  # type: ignore[arg-type]
        self._end = _ZstdEnd()

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._end.feed(data)
        self._source.data = data
        try:
            while piece := self._reader.read1(PIECE):
                yield piece
        except BlockingIOError:
            return
        except zstandard.ZstdError as error:
            raise CodingError(f"undecodable zstd body: {error}") from None

    def finish(self) -> None:
        if not self._end.whole:
            raise CodingError("truncated zstd body" if self._end.begun else "empty zstd body")


class _ZstdEnd:
    """Follows frames and blocks (RFC 8878 section 3.1), to know whether the last frame is whole: the reader does not tell."""

    def __init__(self) -> None:
        self.begun = False
        self._held = b""
        self._skip = 0
        self._next: Callable[[bytes], int] = self._frame
        self._checksum = False
        self.whole = True

    def feed(self, data: bytes) -> None:
        """The next bytes."""
        self.begun = self.begun or bool(data)
        data = self._held + data
        pos = 0
        while True:
            if self._skip:
                step = min(self._skip, len(data) - pos)
                self._skip -= step
                pos += step
                if self._skip:
                    break
                self.whole = self._next == self._frame
            size = self._next(data[pos : pos + 18])
            if not size:
                break
            self.whole = False
            self._skip = size
        self._held = data[pos:]
        self.whole = self.whole and not self._held

    def _frame(self, start: bytes) -> int:
        if len(start) < 5:
            return 0
        if start[:4] != _ZSTD_MAGIC:
            return 8 + int.from_bytes(start[4:8], "little") if len(start) >= 8 else 0
        flags = start[4]
        self._checksum = bool(flags & 4)
        self._next = self._block
        content = (1 if flags & 32 else 0, 2, 4, 8)[flags >> 6]
        return 5 + (0 if flags & 32 else 1) + (0, 1, 2, 4)[flags & 3] + content

    def _block(self, start: bytes) -> int:
        if len(start) < 3:
            return 0
        header = int.from_bytes(start[:3], "little")
        size = 3 + (1 if header >> 1 & 3 == 1 else header >> 3)
        if not header & 1:
            return size
        self._next = self._frame
        return size + 4 * self._checksum


_STAGES: Mapping[str, Callable[[], _Stage]] = MappingProxyType(
    {
        "gzip": lambda: _Zlib("gzip"),
        "x-gzip": lambda: _Zlib("gzip"),
        "deflate": lambda: _Zlib("deflate"),
        "br": _Brotli,
        "zstd": _Zstd,
    }
)


def content_encoding(heads: bytes) -> bytes:
    """The Content-Encoding of the final head, all its headers of that name joined."""
    final = heads.rstrip(b"\r\n").rpartition(b"\r\n\r\n")[2]
    lines = (line.partition(b":") for line in final.split(b"\r\n")[1:])
    return b", ".join(value.strip() for name, _, value in lines if name.strip().lower() == b"content-encoding")


def codings_of(encoding: bytes) -> list[str]:
    """The codings that a Content-Encoding names, in the order in which they were applied."""
    names = [name.strip() for name in encoding.decode("latin-1").lower().split(",")]
    return [name for name in names if name not in ("", "identity")]


class BodyDecoder:
    """Undoes the codings that a Content-Encoding names. Never raises: `problem` says what was wrong, and then nothing more comes.

    `feed` and `finish` must be consumed to their end. An empty body is no problem, whatever its coding.
    """

    def __init__(self, encoding: bytes) -> None:
        self.problem: str | None = None
        self._stages: list[_Stage] = []
        self._fed = False
        for name in reversed(codings_of(encoding)):
            if name not in _STAGES:
                self.problem = f"unknown content coding {name[:40]!r}"
                return
            self._stages.append(_STAGES[name]())

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decode the next bytes, into pieces of 1 MiB at most."""
        if self.problem is not None or not data:
            return
        self._fed = True
        pieces: Iterable[bytes] = (data[start : start + PIECE] for start in range(0, len(data), PIECE)) if len(data) > PIECE else (data,)
        for stage in self._stages:
            pieces = _through(stage, pieces)
        try:
            yield from pieces
        except CodingError as error:
            self.problem = str(error)

    def finish(self) -> Iterator[bytes]:
        """The body is whole: what is left, which is nothing, and `problem` if something is missing."""
        if self.problem is None and self._fed:
            try:
                for stage in self._stages:
                    stage.finish()
            except CodingError as error:
                self.problem = str(error)
        yield from ()


def _through(stage: _Stage, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield from stage.feed(piece)

"""Takes the transfer framing off a recorded chunked body (RFC 9112 section 7.1), decided without I/O.

The worker has parsed and judged the same bytes before with `http1.Chunked`. This scanner serves the recorder, which must be able to write down where it
stands (`state`) and to go on from there after a restart: a parser in C cannot.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from .http1 import Chunked

_SIZE, _DATA, _AFTER, _TRAILERS, _DONE = range(5)
_MAX_LINE = 1 << 16


class ChunkScanner:
    """Gives the payload; at any split of the same bytes the same. Never raises.

    `sizes`: gets the size of every chunk that has ended. `trailers`: raw lines, CRLF behind each. `problem`: why nothing further is read.
    """

    __slots__ = ("_fresh", "_held", "_left", "_open", "_phase", "problem", "sizes", "trailers")

    def __init__(self, sizes: list[int]) -> None:
        self.problem: str | None = None
        self.sizes = sizes
        self.trailers = b""
        self._fresh = True  # nothing has come yet
        self._phase = _SIZE
        self._held = b""  # a line of which the end is missing
        self._open = 0  # size of this chunk
        self._left = 0  # bytes of it that are still to come

    @property
    def done(self) -> bool:
        """Whether the body has ended."""
        return self._phase == _DONE

    def feed(self, data: bytes) -> bytes:
        """The payload in these bytes."""
        if self._fresh and data.endswith(b"\r\n0\r\n\r\n") and (payload := self._whole(data)) is not None:
            return payload
        self._fresh = False
        if self._held:
            data, self._held = self._held + data, b""
        found: list[bytes] = []
        at, size = 0, len(data)
        while at < size and self.problem is None:
            if self._phase == _DATA:
                end = min(at + self._left, size)
                found.append(data[at:end])
                self._left -= end - at
                at = end
                if not self._left:
                    self.sizes.append(self._open)
                    self._phase = _AFTER
                continue
            if self._phase == _SIZE:
                at = self._whole_chunks(data, at, found)
            end = data.find(b"\r\n", at)
            if end < 0:
                self._hold(data[at:])
                break
            self._line(data[at:end])
            at = end + 2
        return found[0] if len(found) == 1 else b"".join(found)

    def _whole(self, data: bytes) -> bytes | None:
        """The payload of a body that is here from its beginning to its end; None if it is not, or has trailers or faults."""
        chunks = Chunked().chunks(data)
        if chunks is None:
            return None
        self._fresh = False
        self._phase = _DONE
        self.sizes += map(len, chunks)
        return b"".join(chunks)

    def _whole_chunks(self, data: bytes, at: int, found: list[bytes]) -> int:
        """Take the chunks that are here from size to end, as nearly all are. Returns where they end."""
        while (end := data.find(b"\r\n", at)) > 0:
            try:
                size = int(data[at:end], 16)
            except ValueError:
                break
            stop = end + 2 + size
            if size <= 0 or data[stop : stop + 2] != b"\r\n":
                break
            found.append(data[end + 2 : stop])
            self.sizes.append(size)
            at = stop + 2
        return at

    def _hold(self, line: bytes) -> None:
        if len(line) > _MAX_LINE:
            self.problem = "upstream sent a bad chunk: its size line does not end"
        else:
            self._held = line

    def _line(self, line: bytes) -> None:
        if self._phase == _SIZE:
            try:
                self._open = self._left = int(line.partition(b";")[0], 16)
            except ValueError:
                self._open = -1
            if self._open < 0:
                self.problem = f"upstream sent a bad chunk: its size is {line[:40]!r}"
            self._phase = _DATA if self._open else _TRAILERS
        elif self._phase == _AFTER:
            if line:
                self.problem = "upstream sent a bad chunk: it is longer than its size"
            self._phase = _SIZE
        elif self._phase == _TRAILERS:
            if line:
                self.trailers += line + b"\r\n"
            else:
                self._phase = _DONE
        else:
            self.problem = "upstream went on after the end of its answer"

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, as JSON; the sizes given so far are not in it."""
        position = [self._phase, self._open, self._left]
        return {
            "position": position,
            "held": b64encode(self._held).decode(),
            "trailers": b64encode(self.trailers).decode(),
            "problem": self.problem,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where the scanner stood that gave this state."""
        self._phase, self._open, self._left = state["position"]
        self._held, self.trailers = b64decode(state["held"]), b64decode(state["trailers"])
        self.problem = state["problem"]
        self._fresh = False

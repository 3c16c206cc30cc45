"""Recorded exchanges in memory, ready to be served. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from playhead.storage.records import Outcome, Raw

from ..forwarding.http1 import HOP_BY_HOP, end_to_end, response_head
from ..script import Begin, Data, End, Interim, Source, Step, script, until_close

_OVERHEAD = 1024
_SHORT = 1 << 18  # bytes of an answer that is written without looking whether its client takes it
_SIZE_LINES = tuple([b"%x\r\n" % size for size in range(4096)])
_HOPS = re.compile(b"\r\n(?:" + b"|".join(sorted(HOP_BY_HOP)) + b"):")
_UPGRADED = b"HTTP/1.1 101 "
_LENGTH, _CHUNKED = b"\r\ncontent-length: ", b"\r\ntransfer-encoding: chunked\r\n"


@dataclass(frozen=True, slots=True)
class Ready:
    """The steps of an exchange; where they are to be taken at once, put together as far as they can be.

    `steps`: in their times; empty where they are taken at once. Then `interims`, `begin`, the body in one piece (`data` with its transfer framing,
    `payload` without), and `finale`. `plain`: all of it as a client of HTTP/1.1 gets it that keeps its connection; None if that is not all there is to it.
    `size`: bytes of memory, roughly.
    """

    steps: tuple[Step, ...]
    interims: tuple[Interim, ...]
    begin: Begin | None
    data: bytes
    payload: bytes
    finale: Step
    size: int
    plain: bytes | None = None
    status: int = 0


class Usual(NamedTuple):
    """An exchange as nearly all are: one head, a whole body, nothing between two hops. `plain`: as in Ready; what else there is to know, `whole` finds."""

    plain: bytes
    status: int
    size: int
    line: bytes  # of the request
    head: bytes
    body: bytes
    trailers: bytes
    chunks: tuple[int, ...]

    def whole(self) -> Ready:
        """The same, put apart. Raises ProtocolError as `script` does."""
        raw = Raw(self.line, b"", self.head, self.body, self.trailers, (), self.chunks)
        return ready(script(Source.of(raw, "complete", 0)), at_once=True)


class Spoken(NamedTuple):
    """An exchange over a WebSocket: the payloads of what upstream said, end to end."""

    response: bytes
    size: int
    plain: None = None
    status: int = 101

    @classmethod
    def of(cls, raw: Raw) -> Spoken | None:
        """None: it was over HTTP."""
        return cls(raw.response, len(raw.response) + _OVERHEAD) if raw.response_heads.startswith(_UPGRADED) else None


def usual(raw: Raw, outcome: Outcome) -> Usual | None:
    """The exchange, if it is one of the usual, at a fifth of the cost of its steps. What comes of it is what comes of them."""
    head, body = raw.response_heads, raw.response
    if outcome != "complete" or len(body) > _SHORT or head.find(b"\r\n\r\n") != len(head) - 4 or raw.request_head.startswith(b"HEAD "):
        return None
    lower = head.lower()
    if lower[:9] != b"http/1.1 " or lower[9:10] not in (b"2", b"4", b"5") or lower[9:12] == b"204" or _HOPS.search(lower):
        return None
    length = lower.find(_LENGTH)
    if _CHUNKED in lower:
        if length >= 0 or lower.count(b"transfer-encoding") > 1 or sum(raw.chunks) != len(body):
            return None
        framed = (raw.framed, b"0\r\n") if raw.framed else (_chunked(body, raw.chunks),)
        plain = b"".join((head, *framed, raw.trailers, b"\r\n"))
    elif length >= 0 and lower.count(_LENGTH[2:-2]) == 1 and b"transfer-encoding" not in lower:
        start = length + len(_LENGTH)
        if lower[start : lower.find(b"\r", start)] != b"%d" % len(body):
            return None
        plain = head + body
    else:
        return None
    line = raw.request_head[: raw.request_head.find(b"\r\n") + 2]
    return Usual(plain, int(lower[9:12]), len(plain) + len(body) + _OVERHEAD, line, head, body, raw.trailers, raw.chunks)


def _chunked(body: bytes, sizes: Sequence[int]) -> bytes:
    """In these chunks, up to the size line of the last one, which has none."""
    ends = [*accumulate(sizes)]
    pieces = [b"\r\n"] * (3 * len(ends) + 1)
    pieces[:-1:3] = [_SIZE_LINES[size] if size < 4096 else b"%x\r\n" % size for size in sizes]
    pieces[1::3] = [body[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)] if ends else []
    pieces[-1] = b"0\r\n"
    return b"".join(pieces)


def ready(steps: Iterable[Step], at_once: bool) -> Ready:
    """Of the steps of an exchange that fits into memory. Raises ProtocolError as `script` does."""
    if not at_once:
        all_ = tuple(steps)
        size = sum(len(step.data) + len(step.payload) + 200 for step in all_ if isinstance(step, Data))
        return Ready(all_, (), None, b"", b"", all_[-1], size + _OVERHEAD)
    interims: list[Interim] = []
    begin: Begin | None = None
    pieces: list[Data] = []
    for step in steps:
        if isinstance(step, Data):
            pieces.append(step)
        elif isinstance(step, Begin):
            begin = step
        elif isinstance(step, Interim):
            interims.append(step)
        else:
            finale = step
    data = pieces[0].data if len(pieces) == 1 else b"".join([piece.data for piece in pieces])
    payload = pieces[0].payload if len(pieces) == 1 else b"".join([piece.payload for piece in pieces])
    plain: bytes | None = None
    if begin is not None and isinstance(finale, End) and not interims and not until_close(begin) and len(data) <= _SHORT:
        plain = response_head(begin.head, end_to_end(begin.head), keep_alive=True, old=False) + data
    size = len(data) + len(payload) + len(plain or b"") + _OVERHEAD
    return Ready((), tuple(interims), begin, data, payload, finale, size, plain, begin.head.status if begin is not None else 0)


def together(steps: Iterable[Step]) -> list[Step]:
    """The steps with pieces of the body that follow one another in one."""
    joined: list[Step] = []
    run: list[Data] = []
    for step in steps:
        if isinstance(step, Data):
            run.append(step)
            continue
        if run:
            joined.append(_joined(run))
            run.clear()
        joined.append(step)
    return [*joined, _joined(run)] if run else joined


def _joined(run: list[Data]) -> Data:
    return run[0] if len(run) == 1 else Data(run[-1].at, b"".join([piece.data for piece in run]), b"".join([piece.payload for piece in run]))

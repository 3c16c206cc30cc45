"""Faults over HTTP: edits of the steps of an answer (`script`). Pure.

What a fault does not touch stays as it was, but for its framing: an answer that is edited comes without a content coding, each event in a chunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from playhead.config.faults import Fault

from ..decoding import BodyDecoder
from ..forwarding.http1 import Chunked, Framing, Head, chunk_of, framing_of, parse_head
from ..script import Begin, Break, Data, End, Hold, Interim, Met, Reset, Step, Wait
from .blocks import BODY, Block, Form, Splitter, number_of
from .edits import Act, Edits, Ending, Failure, Fell, Part, Pause, Slow
from .errors import ErrorSubject, block_of, refusal

_GATHERED = 16 << 20  # bytes of a body that are one event; of a longer one each piece is
_UNCODED = frozenset((b"content-length", b"content-encoding", b"transfer-encoding", b"content-md5", b"content-digest", b"digest", b"etag"))
_UNTYPED = frozenset(("", "done", "chat.completion.chunk", "text_completion"))


def afflicted(steps: Iterable[Step], faults: Sequence[Fault], asked: ErrorSubject, *, method: str) -> Iterator[Step]:
    """The steps of an answer that meets these faults. Raises ProtocolError as `script` does."""
    left = iter(steps)
    before: list[Step] = []
    for step in left:
        before.append(step)
        if not isinstance(step, Interim):
            break
    begin = before[-1] if before and isinstance(before[-1], Begin) else None
    answer = _Answer(begin, asked, method)
    edits = Edits(faults, answer.form, asked.place)
    yield from answer.told(edits.begin(), 0)
    if edits.over:
        return
    if begin is None:
        yield from before
        return
    yield from (*before[:-1], answer.begin(begin))
    for step in left:
        for block in answer.blocks(step):
            yield from answer.told(edits.feed(block), step.at)
            if edits.over:
                return
        if isinstance(step, End):
            yield from answer.told(edits.end(), step.at)
            if edits.over:
                return
        if not isinstance(step, Data):
            yield from answer.finale(step)


class _Answer:
    """Takes the steps apart, and puts them together again."""

    def __init__(self, begin: Begin | None, asked: ErrorSubject, method: str) -> None:
        self._asked = asked
        self._method = method
        kind = (begin.head.get(b"content-type") or b"").lower() if begin is not None else b""
        self.form: Form = "sse" if kind.startswith(b"text/event-stream") else BODY
        self._splitter = Splitter()
        codings = b",".join([value for name, value in begin.head.headers if name.lower() == b"content-encoding"]) if begin is not None else b""
        self._decoder = BodyDecoder(codings) if codings else None
        self._framing: Framing | None = None
        self._gathered: list[bytes] = []
        self._size = 0

    def begin(self, begin: Begin) -> Begin:
        """The head of what follows."""
        head = begin.head
        has_body = not isinstance(begin.framing, Chunked) and not (self._method == "HEAD" or head.status in (204, 304))
        if isinstance(begin.framing, Chunked) or (has_body and (self.form == "sse" or self._decoder is not None)):
            head = _chunked(head)
        self._framing = framing_of(head, self._method)
        return Begin(begin.at, head, self._framing)

    def blocks(self, step: Step) -> Iterator[Block]:
        """The events that are whole with this step."""
        if isinstance(step, Data):
            for piece in self._decoder.feed(step.payload) if self._decoder is not None else (step.payload,):
                yield from self._pieces(step.at, piece)
            return
        if isinstance(step, End | Break | Hold | Reset):
            for piece in self._decoder.finish() if self._decoder is not None and isinstance(step, End) else ():
                yield from self._pieces(step.at, piece)
            if self.form == "sse" and (rest := self._splitter.rest(step.at)) is not None:
                yield rest
            elif self._gathered:
                yield self._body(step.at)

    def _pieces(self, at: int, data: bytes) -> Iterator[Block]:
        if self.form == "sse":
            yield from self._splitter.feed(at, data)
        elif data:
            self._gathered.append(data)
            self._size += len(data)
            if self._size > _GATHERED:
                yield self._body(at)

    def _body(self, at: int) -> Block:
        data = b"".join(self._gathered)
        self._gathered.clear()
        return Block(at, data, BODY)

    def told(self, acts: Iterable[Act], at: int) -> Iterator[Step]:
        """What the edits make of it, as steps."""
        for act in acts:
            if isinstance(act, Block | Part):
                yield self._data(act.at, act.data)
            elif isinstance(act, Slow):
                for start in range(0, len(act.block.data), act.size):
                    yield Wait(at, act.ns)
                    yield self._data(at, act.block.data[start : start + act.size])
            elif isinstance(act, Fell):
                yield Met(at, act.fault)
            elif isinstance(act, Pause):
                yield Wait(at, act.ns)
            elif isinstance(act, Failure):
                yield from self._failure(act, at)
            elif isinstance(act, Ending):
                yield Hold(at) if act.how == "hang" else Reset(at) if act.how == "reset" else Break(at)

    def _data(self, at: int, data: bytes) -> Data:
        return Data(at, chunk_of(data, last=False) if isinstance(self._framing, Chunked) else data, data)

    def finale(self, step: Step) -> Iterator[Step]:
        """How the answer ends."""
        if isinstance(step, End) and isinstance(self._framing, Chunked):
            yield Data(step.at, b"0\r\n\r\n", b"")
        yield step

    def _failure(self, act: Failure, at: int) -> Iterator[Step]:
        if self._framing is None:
            head, body = refusal(act.fault, self._asked)
            parsed = parse_head(head)
            yield Begin(at, parsed, framing_of(parsed, self._method))
            if self._method != "HEAD":
                yield Data(at, body, body)
        elif self.form == "sse":
            number = number_of(act.behind) if act.behind is not None else None
            typed = act.behind is None or act.behind.name not in _UNTYPED
            yield self._data(at, block_of(act.fault, self._asked, typed=typed, number=0 if number is None else number + 1))
        yield from self.finale(End(at))


def _chunked(head: Head) -> Head:
    """A head whose body has no coding, and comes in chunks."""
    kept = [name + b": " + value for name, value in head.headers if name.lower() not in _UNCODED]
    return parse_head(b"\r\n".join([b"HTTP/1.1 %d %b" % (head.status, head.reason), *kept, b"Transfer-Encoding: chunked", b"", b""]))

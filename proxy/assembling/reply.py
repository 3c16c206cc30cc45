"""The answer of one HTTP exchange, made of its journal frames: body, events and facts. Pure.

A body that is `text/event-stream` is split into events as its bytes come, so that each has its time. Where the body is encoded, it is decoded for
parsing only: the bytes kept are those that came, and the sizes of events are those of the decoded body's pieces.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from playhead.storage.records import Direction, Facts, ItemRow

from ..decoding import BodyDecoder
from ..edges import Edges
from ..facts import output_rows, take_answer
from ..forwarding.chunks import ChunkScanner
from ..heads import headers_of
from ..models.doors import parse_body
from ..models.kind import Shape
from ..models.wire import Unparsed
from .event_stream import EventStream
from .gathered import Gathered, as_frame

MAX_TEXT = 32 << 20
"""A body that decodes to more is not parsed."""

MAX_FED = 1 << 20
"""Encoded bytes that are kept to go on after a restart; of a longer body the rest cannot be decoded then."""

_MAX_SPACE = 1 << 16
_TOO_LONG = "the answer is too long to be read whole: its items are not known"
_UNREAD: Mapping[str, str | None] = {
    "no object": None,
    "no JSON": "the answer is not JSON",
    "nested too deeply": "the answer is nested too deeply to be parsed",
    "number too long": "the answer has a number that is too long to be parsed",
}
_NAMED = ("responses", "chat.completions", "embeddings", "messages")  # kinds whose answers are never anything but JSON or events


def has_body(head: bytes, *, gathered: int) -> bool:
    """Whether more of a request's body was to come than has been gathered."""
    asked = headers_of(head)
    length = asked.get(b"content-length", b"")
    return b"transfer-encoding" in asked or (length.isdigit() and len(length) < 19 and int(length) > gathered)


class _Form(NamedTuple):
    """How an answer comes, by its headers. `coding`: what is to be undone."""

    content_type: bytes
    coding: bytes
    chunked: bool
    is_stream: bool


@lru_cache(256)
def _form(content_type: bytes, coding: bytes, transfer: bytes) -> _Form:
    coding, content_type = coding.lower(), content_type.lower()
    is_stream = content_type.partition(b";")[0].strip() == b"text/event-stream"
    return _Form(content_type, b"" if coding == b"identity" else coding, b"chunked" in transfer.lower(), is_stream)


def _start(text: bytes) -> bytes:
    """What a body begins with, behind the white space that some servers send to keep the connection open."""
    return text[:_MAX_SPACE].lstrip()[:8]


class _Decoding:
    """Undoes a content-encoding piece by piece. Never raises."""

    __slots__ = ("_decoder", "_fed", "_fed_bytes", "_lost")

    def __init__(self, coding: bytes) -> None:
        self._decoder = BodyDecoder(coding)
        self._fed: list[bytes] = []
        self._fed_bytes = 0
        self._lost = False

    def feed(self, data: bytes) -> bytes:
        if self._lost:
            return b""
        self._fed_bytes += len(data)
        if self._fed_bytes <= MAX_FED:
            self._fed.append(data)
        else:
            self._fed.clear()
        return b"".join(self._decoder.feed(data))

    def finish(self, *, whole: bool) -> str | None:
        """Why the body, or its end, could not be decoded. That the end of a cut body is missing is no news."""
        if self._lost:
            return "a long encoded body was cut by a restart of the recorder"
        if whole:
            deque(self._decoder.finish(), maxlen=0)
        return self._decoder.problem

    def state(self) -> str | None:
        return b64encode(b"".join(self._fed)).decode() if self._fed_bytes <= MAX_FED and not self._lost else None

    def restore(self, state: str | None) -> None:
        self._lost = state is None
        if state:
            self.feed(b64decode(state))


class Reply:
    """One final answer. `parse` False: its body is kept and not looked at."""

    __slots__ = ("_chunked", "_decoding", "_edges", "_form", "_gathered", "_parse", "_rows", "_shape", "_status", "_stream", "is_stream")

    def __init__(self, status: int | None, headers: Mapping[bytes, bytes], gathered: Gathered, shape: Shape, *, parse: bool) -> None:
        get = headers.get
        form = self._form = _form(get(b"content-type", b""), get(b"content-encoding", b""), get(b"transfer-encoding", b""))
        self._status, self._gathered, self._shape, self._parse = status, gathered, shape, parse
        self._chunked = ChunkScanner(gathered.chunks) if form.chunked else None
        self._rows: tuple[ItemRow, ...] = ()
        self.is_stream = form.is_stream
        """Whether the answer says that it is a stream of events."""
        self._stream = EventStream(shape, gathered) if form.is_stream and parse else None
        self._decoding = _Decoding(form.coding) if form.coding and self._stream else None
        self._edges: Edges | None = None  # of the decoded body, once parts of it have left

    @property
    def trailers(self) -> bytes:
        return self._chunked.trailers if self._chunked else b""

    @property
    def blocks(self) -> tuple[int, ...]:
        """What lies between the blank lines of the body, with these, where that is known; `Raw.blocks` of an answer that was never spilled."""
        return self._stream.blocks if self._stream is not None and self._decoding is None else ()

    def feed(self, at: int, data: bytes) -> None:
        """Bytes after the head, as they came."""
        payload = self._chunked.feed(data) if self._chunked else data
        if not payload:
            return
        gathered = self._gathered
        gathered.response.append(payload)
        gathered.response_bytes += len(payload)
        gathered.frames.append(as_frame((Direction.UPSTREAM, at, len(payload))))
        if self._stream is not None:
            self._stream.feed(at, self._decoding.feed(payload) if self._decoding else payload)
        elif gathered.first_ns is None:
            gathered.first_ns = at

    def settle(self, *, halfway: bool = False) -> None:
        """Read what the stream of events holds: `feed` need not."""
        if self._stream is not None:
            self._stream.settle(halfway=halfway)

    def close(self, at: int) -> None:
        """Nothing more will come."""
        if self._stream is not None:
            self._stream.close(at)

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the body has left so far."""
        return self._edges is None

    def leave(self) -> None:
        """The body gathered so far is about to be stored: keep what the facts need of it."""
        if not self._parse or self._stream is not None:
            return
        if self._edges is None:
            self._edges = Edges()
            self._decoding = _Decoding(self._form.coding) if self._form.coding else None
        for piece in self._gathered.response:
            self._edges.feed(self._decoding.feed(piece) if self._decoding else piece)

    def read(self, facts: Facts, *, whole: bool, final: bool) -> list[str]:
        """Take what the answer says, and how well it was understood; gives the problems.

        `whole`: it was not cut. `final`: nothing more will come. Call `leave` before if parts of the body have left.
        """
        problems = [self._chunked.problem] if self._chunked and self._chunked.problem else []
        if not self._parse:
            return problems
        if self._stream is None:
            problem = self._read_body(facts, whole=whole) if final else None
        else:
            problem = self._decoding.finish(whole=whole) if self._decoding and final else None
            problem = self._stream.judge(facts) or problem
            if self._stream.unstreamed is not None:  # above all errors, which some servers send so where a stream was asked for
                problem = self._read_object(facts, self._stream.unstreamed, whole=whole) or problem
        return [*problems, problem] if problem else problems

    def _read_body(self, facts: Facts, *, whole: bool) -> str | None:
        text: bytes | None
        if self._edges is not None:
            problem = self._decoding.finish(whole=whole) if self._decoding else None
            text, start = self._edges.whole, _start(self._edges.head)
        else:
            text = b"".join(self._gathered.response)
            if text[:1] == b"{" and not self._form.coding:  # as nearly all do
                return self._read_object(facts, text, whole=whole)
            text, problem = self._decoded(text, whole=whole)
            start = _start(text)
        if problem is not None:
            unread = self._take(facts, text or b"")
            facts.parse = "unparsed" if unread else "partial"
            return problem
        if not start:
            return None
        if text is not None and (start[:5] == b"data:" or start[:6] == b"event:"):  # a stream whose server does not say so
            self._stream = EventStream(self._shape, self._gathered)
            self._stream.hear(text)
            return self._stream.judge(facts)
        if b"json" not in self._form.content_type and start[:1] not in (b"{", b"["):
            return self._not_json(facts)
        if text is None and self._edges is not None:
            self._take(facts, self._edges.members())
            facts.parse = "partial"
            return _TOO_LONG
        return self._read_object(facts, text or b"", whole=whole)

    def _read_object(self, facts: Facts, text: bytes, *, whole: bool) -> str | None:
        unread = self._take(facts, text)
        facts.parse = "parsed" if unread is None else "unparsed" if whole else "partial"
        return unread if whole else None

    def _take(self, facts: Facts, body: bytes | dict[str, Any]) -> str | None:
        """Take what the object says; why it could not be read."""
        answer = parse_body(self._shape, body, status=self._status)
        if isinstance(answer, Unparsed):
            return _UNREAD[answer.reason]
        take_answer(facts, answer)
        facts.problems += answer.problems
        self._rows = output_rows(answer)
        return None

    def items(self) -> Sequence[ItemRow]:
        """Rows of the output items and tool calls; call `read` before."""
        return self._rows or (self._stream.items() if self._stream is not None else ())

    @property
    def notes(self) -> list[str]:
        """What is odd about a stream that was understood all the same; known once `read` was called."""
        return self._stream.notes if self._stream is not None else []

    def _not_json(self, facts: Facts) -> str | None:
        """Sound, pictures and text are answers of some kinds; where JSON is the rule, the answer comes from something in between."""
        if self._shape.kind not in _NAMED:
            facts.parse = "not_applicable"
            return None
        facts.parse = "unparsed"
        kind = self._form.content_type.decode("latin-1")[:80] or "of no declared type"
        return f"the answer is not JSON but {kind}"

    def _decoded(self, body: bytes, *, whole: bool) -> tuple[bytes, str | None]:
        """The body with its encoding undone, and why that failed."""
        if not self._form.coding or not body:
            return body, None
        decoder = BodyDecoder(self._form.coding)
        pieces: list[bytes] = []
        size = 0
        for piece in decoder.feed(body):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_TEXT:
                return b"", f"the answer decodes to more than {MAX_TEXT >> 20} MiB and is not parsed"
        if whole:
            pieces += decoder.finish()
        return b"".join(pieces), decoder.problem

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, as JSON; what was gathered so far is not in it. Call `leave` before."""
        return {
            "chunked": self._chunked.state() if self._chunked else None,
            "stream": self._stream.state() if self._stream else None,
            "decoding": self._decoding.state() if self._decoding else None,
            "edges": self._edges.state() if self._edges else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on, in a new reply to the same head, where the one stood that gave this state."""
        if self._chunked:
            self._chunked.restore(state["chunked"])
        if not self._parse:
            return
        if state["edges"] is not None:
            self.leave()
        if self._edges is not None:
            self._edges.restore(state["edges"])
        if self._stream is not None and state.get("stream") is not None:  # older versions have another one: what was heard before is not known then
            self._stream.restore(state["stream"])
        if self._decoding is not None:
            self._decoding.restore(state["decoding"])

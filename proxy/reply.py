"""The answer of one HTTP exchange, made of its journal frames: body, events and facts. Pure.

A body that is `text/event-stream` is split into events as its bytes come, so that each has its time. Where the body is encoded, it is decoded for
parsing only: the bytes kept are those that came, and the sizes of events are those of the decoded body's pieces.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import deque
from functools import lru_cache, partial
from itertools import repeat
from typing import Any

from playhead.storage.records import Direction, EventRow, Facts, Frame, ItemRow

from . import sse
from .chunks import ChunkScanner
from .decoding import BodyDecoder
from .edges import Edges
from .facts import number_of, output_rows, take_answer, type_of
from .gathered import Gathered
from .hearing import hearing_for
from .models.doors import event_door, parse_body
from .models.kind import Shape
from .models.wire import Unparsed, Wire
from .passing import Passing

MAX_TEXT = 32 << 20
"""A body that decodes to more is not parsed."""

MAX_FED = 1 << 20
"""Encoded bytes that are kept to go on after a restart; of a longer body the rest cannot be decoded then."""

_MAX_SPACE = 1 << 16
_USUAL_LINE = 200  # bytes
_DONE = b"[DONE]"
_DATA = len(b"data: ")
_as_row = partial(tuple.__new__, EventRow)  # of a tuple, at a third of the cost of EventRow(*row)
_NAMED = ("responses", "chat.completions", "embeddings", "messages")  # kinds whose answers are never anything but JSON or events


def headers_of(head: bytes) -> dict[bytes, bytes]:
    """The headers of a raw head by lower-case name; the values of one that stands there several times are joined by commas."""
    found: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n")[1:]:
        name, value = _usual_header(line) if len(line) <= _USUAL_LINE else _header(line)
        if value is not None:
            found[name] = found[name] + b", " + value if name in found else value
    return found


def _header(line: bytes) -> tuple[bytes, bytes | None]:
    name, colon, value = line.partition(b":")
    return name.lower(), value.strip(b" \t") if colon else None


_usual_header = lru_cache(1 << 12)(_header)  # most lines come again and again


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

    __slots__ = (
        *("_chunked", "_coding", "_decoding", "_door", "_edges", "_gathered", "_hearing", "_lost", "_parse", "_passing", "_rows", "_shape", "_sse"),
        *("content_type", "headers", "notes"),
    )

    def __init__(self, head: bytes, gathered: Gathered, shape: Shape, *, parse: bool) -> None:
        self.headers = headers_of(head)
        self.content_type = self.headers.get(b"content-type", b"").lower()
        coding = self.headers.get(b"content-encoding", b"").lower()
        self._coding = coding if coding != b"identity" else b""
        self._gathered, self._shape, self._parse = gathered, shape, parse
        self._chunked = ChunkScanner(gathered.chunks) if b"chunked" in self.headers.get(b"transfer-encoding", b"").lower() else None
        self._door = event_door(shape)
        self._hearing = hearing_for(shape)
        self._passing = Passing(shape.kind)
        self._lost = 0  # events that are no JSON objects
        self._rows: tuple[ItemRow, ...] = ()
        self.notes: list[str] = []
        """What is odd about a stream that was understood all the same; known once `read` was called."""
        self._sse = sse.Decoder() if self.is_stream and parse else None
        self._decoding = _Decoding(self._coding) if self._coding and self._sse else None
        self._edges: Edges | None = None  # of the decoded body, once parts of it have left

    @property
    def is_stream(self) -> bool:
        """Whether the answer says that it is a stream of events."""
        return self.content_type.partition(b";")[0].strip() == b"text/event-stream"

    @property
    def trailers(self) -> bytes:
        return self._chunked.trailers if self._chunked else b""

    def feed(self, at: int, data: bytes) -> None:
        """Bytes after the head, as they came."""
        payload = self._chunked.feed(data) if self._chunked else data
        if not payload:
            return
        gathered = self._gathered
        gathered.response.append(payload)
        gathered.response_bytes += len(payload)
        gathered.frames.append(Frame(Direction.UPSTREAM, at, len(payload)))
        if self._sse is not None:
            text = self._decoding.feed(payload) if self._decoding else payload
            usual = self._sse.usual(text)
            if usual is not None:
                self._usual_events(at, *usual)
            else:
                self._events(at, self._sse.feed(text))
        elif gathered.first_ns is None:
            gathered.first_ns = at

    def _usual_events(self, at: int, types: list[str], texts: list[bytes]) -> None:
        """As `_events`, for the form that nearly all of them have: most of the recorder's time goes by here."""
        gathered = self._gathered
        if gathered.first_ns is None:
            gathered.first_ns = at
        numbers = self._passing.numbers(texts, _DATA)
        heard: list[Wire | int] = [*numbers]  # type: ignore[list-item]  # None for those that are filled in here
        told = [place for place, number in enumerate(numbers) if number is None]
        for place, model in zip(told, self._parsed([(types[place], texts[place][_DATA:]) for place in told]), strict=True):
            heard[place], numbers[place] = model, number_of(model)
        self._hear(heard)
        sizes = [len(kind) + len(text) + 10 for kind, text in zip(types, texts, strict=True)]
        places = range(gathered.count, gathered.count + len(texts))
        columns = zip(places, repeat(at), repeat(1), types, numbers, repeat(None), sizes, repeat(0), strict=False)
        gathered.rows += map(_as_row, columns)
        gathered.count += len(texts)

    def _parsed(self, events: list[tuple[str | None, bytes]]) -> list[Wire]:
        """Models of events, each given as name and JSON. A type that stands in the name only is put into the model."""
        models = self._door.many([text for _, text in events])
        if None in [model.__dict__.get("type") for model in models]:
            for place, (name, _) in enumerate(events):
                if name and not isinstance(models[place], Unparsed) and "type" not in models[place].model_fields_set:
                    models[place] = self._door({**models[place].to_wire(), "type": name})
        return models

    def _hear(self, events: list[Wire | int]) -> None:
        if Unparsed in map(type, events):
            sound = [event for event in events if not isinstance(event, Unparsed)]
            self._lost += len(events) - len(sound)
            events = sound
        self._hearing.hear(events)

    def _events(self, at: int, events: list[sse.SseEvent]) -> None:
        gathered = self._gathered
        models = self._models(events)
        for (name, data, size), model in zip(events, models, strict=True):
            if gathered.first_ns is None and data:
                gathered.first_ns = at
            kind = name if name is not None else type_of(model, data)
            gathered.rows.append(EventRow(gathered.count, at, 1, kind, number_of(model), None, size))
            gathered.count += 1

    def _models(self, events: list[sse.SseEvent]) -> list[Wire | None]:
        """What the events say, told on; None for comments and for the `[DONE]` that ends some streams."""
        told = [bool(data) and data[:6] != _DONE for _, data, _ in events]
        parsed = self._parsed([(name, data) for (name, data, _), tell in zip(events, told, strict=True) if tell])
        self._hear([*parsed])
        if any(data[:6] == _DONE for _, data, _ in events):
            self._hearing.done()
        rest = iter(parsed)
        return [next(rest) if tell else None for tell in told]

    def close(self, at: int) -> None:
        """Nothing more will come: the rest that is no whole event becomes a row without a type."""
        rest = self._sse.flush() if self._sse is not None else None
        if rest is None:
            return
        gathered = self._gathered
        gathered.rows.append(EventRow(gathered.count, at, 1, None, None, None, rest.size))
        gathered.count += 1
        event = sse.parse(rest.data, rest.size)
        if event.data and not isinstance(self._door(event.data), Unparsed):  # all of an event but its blank line
            self._models([event])

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the body has left so far."""
        return self._edges is None

    def leave(self) -> None:
        """The body gathered so far is about to be stored: keep what the facts need of it."""
        if not self._parse or self._sse is not None:
            return
        if self._edges is None:
            self._edges = Edges()
            self._decoding = _Decoding(self._coding) if self._coding else None
        for piece in self._gathered.response:
            self._edges.feed(self._decoding.feed(piece) if self._decoding else piece)

    def read(self, facts: Facts, *, whole: bool, final: bool) -> list[str]:
        """Take what the answer says, and how well it was understood; gives the problems.

        `whole`: it was not cut. `final`: nothing more will come. Call `leave` before if parts of the body have left.
        """
        problems = [self._chunked.problem] if self._chunked and self._chunked.problem else []
        if not self._parse:
            return problems
        if self._sse is None:
            problem = self._read_body(facts, whole=whole) if final else None
        else:
            problem = self._decoding.finish(whole=whole) if self._decoding and final else None
            problem = self._judge_stream(facts) or problem
        return [*problems, problem] if problem else problems

    def _judge_stream(self, facts: Facts) -> str | None:
        self.notes = self._hearing.tell(facts)
        facts.parse = "parsed" if self._hearing.ended and not self._lost else "partial"
        return f"{self._lost} of its events are no JSON objects" if self._lost else None

    def _read_body(self, facts: Facts, *, whole: bool) -> str | None:
        text: bytes | None
        if self._edges is not None:
            problem = self._decoding.finish(whole=whole) if self._decoding else None
            text, start = self._edges.whole, _start(self._edges.head)
        else:
            text, problem = self._decoded(b"".join(self._gathered.response), whole=whole)
            start = _start(text)
        if problem is not None:
            sound = self._take(facts, text or b"")
            facts.parse = "partial" if sound else "unparsed"
            return problem
        if not start:
            return None
        if text is not None and (start[:5] == b"data:" or start[:6] == b"event:"):  # a stream whose server does not say so
            self._models(sse.Decoder().feed(text))
            return self._judge_stream(facts)
        if b"json" not in self.content_type and start[:1] not in (b"{", b"["):
            return self._not_json(facts)
        sound = self._take(facts, self._edges.members() if text is None and self._edges is not None else text or b"")
        facts.parse = "parsed" if sound else "unparsed" if whole else "partial"
        return None if sound or not whole else "the answer is not JSON"

    def _take(self, facts: Facts, body: bytes | dict[str, Any]) -> bool:
        """Take what the object says; whether it is JSON."""
        answer = parse_body(self._shape, body)
        if isinstance(answer, Unparsed):
            return answer.reason == "no object"
        take_answer(facts, answer)
        facts.problems += answer.problems
        self._rows = output_rows(answer)
        return True

    def items(self) -> list[ItemRow]:
        """Rows of the output items and tool calls; call `read` before."""
        return [*self._rows] or self._hearing.items()

    def _not_json(self, facts: Facts) -> str | None:
        """Sound, pictures and text are answers of some kinds; where JSON is the rule, the answer comes from something in between."""
        if self._shape.kind not in _NAMED:
            facts.parse = "not_applicable"
            return None
        facts.parse = "unparsed"
        kind = self.content_type.decode("latin-1")[:80] or "of no declared type"
        return f"the answer is not JSON but {kind}"

    def _decoded(self, body: bytes, *, whole: bool) -> tuple[bytes, str | None]:
        """The body with its encoding undone, and why that failed."""
        if not self._coding or not body:
            return body, None
        decoder = BodyDecoder(self._coding)
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
            "hearing": self._hearing.state(),
            "lost": self._lost,
            "sse": self._sse.state() if self._sse else None,
            "decoding": self._decoding.state() if self._decoding else None,
            "edges": self._edges.state() if self._edges else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on, in a new reply to the same head, where the one stood that gave this state."""
        if self._chunked:
            self._chunked.restore(state["chunked"])
        if not self._parse:
            return
        self._hearing.restore(state["hearing"])
        self._lost = state["lost"]
        if state["edges"] is not None:
            self.leave()
        if self._edges is not None:
            self._edges.restore(state["edges"])
        if self._sse is not None and state["sse"] is not None:
            self._sse = sse.Decoder.restore(state["sse"])
        if self._decoding is not None:
            self._decoding.restore(state["decoding"])

"""What a recorded create tells, whichever transport it was recorded over: the events of a stream, each with its time, or a body. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from playhead.storage.records import Asks, Direction, Outcome, Raw

from .. import sse
from ..decoding import BodyDecoder
from ..forwarding.http1 import Head, ProtocolError, parse_head
from ..pieces import Cutter
from .members import with_member

Json = dict[str, Any]

ENDS = frozenset(("error", "response.completed", "response.failed", "response.incomplete", "response.done"))
"""Events behind which a response is over."""

_EMPTY_LINE = b"\r\n\r\n"


class Recording(NamedTuple):
    """A recorded create. `asks`: over which transport it was recorded. `ended_ns`: when it ended, in ns from its start."""

    asks: Asks
    raw: Raw
    outcome: Outcome
    ended_ns: int


class Event(NamedTuple):
    """An event. `at`: ns since the exchange's start. `text`: its JSON as it was sent. `value`: of it; empty if it is no JSON object."""

    at: int
    text: bytes
    value: Json

    @property
    def type(self) -> str:
        """Empty if it has none."""
        type_ = self.value.get("type")
        return type_ if isinstance(type_, str) else ""


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer tells. `head`: the final one, that of the handshake on a WebSocket; None: there was none. `head_at`: when it came.

    `events`: None where it is no stream, but `body`, its codings undone, which had come `at` that time.
    """

    head: Head | None
    head_at: int
    events: list[Event] | None
    body: bytes
    at: int

    @property
    def ended(self) -> bool:
        """Whether the stream says that its response is over."""
        return self.events is not None and any(event.type in ENDS for event in self.events)

    @property
    def goes_on(self) -> bool:
        """Whether it tells of a response that goes on in the background, whoever listens."""
        told = [event.value["response"] for event in self.events or () if "response" in event.value]
        return not self.ended and bool(told) and isinstance(told[-1], dict) and told[-1].get("background") is True


def told(recording: Recording) -> Told:
    """Read it. Never raises for what it holds."""
    head, raw = _final_head(recording.raw.response_heads), recording.raw
    if recording.asks == "ws":
        events = [event for event in _messages(raw) if event.text]
        return Told(head, events[0].at if events else recording.ended_ns, events, b"", recording.ended_ns)
    first = next((frame.offset_ns for frame in raw.frames if frame.direction == Direction.UPSTREAM), recording.ended_ns)
    pieces = list(_decoded(recording, head))
    text = b"".join([data for _, data in pieces])
    kind = (head.get(b"content-type") or b"").lower() if head is not None else b""
    streams = kind.startswith(b"text/event-stream") or text.lstrip()[:6].startswith((b"data:", b"event:"))
    last = pieces[-1][0] if pieces else recording.ended_ns
    return Told(head, first, list(_events(pieces)), b"", last) if streams else Told(head, first, None, text, last)


def json_object(text: bytes) -> Json | None:
    """The value of the text, if it is a JSON object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _final_head(heads: bytes) -> Head | None:
    start, final = 0, None
    while (end := heads.find(_EMPTY_LINE, start)) >= 0:
        try:
            final = parse_head(heads[start : end + 4])
        except ProtocolError:
            return None
        start = end + 4
    return final if final is not None and (final.status >= 200 or final.status == 101) else None


def _messages(raw: Raw) -> Iterator[Event]:
    """What the server said in a turn."""
    body = Cutter([raw.response])
    for direction, at, length in raw.frames:
        if direction == Direction.UPSTREAM:
            text = body.take(length)
            yield Event(at, text, json_object(text) or {})


def _pieces(recording: Recording) -> Iterator[tuple[int, bytes]]:
    """The body as it came; what no frame tells of came at the end."""
    body = Cutter([recording.raw.response])
    for direction, at, length in recording.raw.frames:
        if direction == Direction.UPSTREAM and length and (data := body.take(length)):
            yield at, data
    if rest := body.take(len(recording.raw.response)):
        yield recording.ended_ns, rest


def _decoded(recording: Recording, head: Head | None) -> Iterator[tuple[int, bytes]]:
    codings = b",".join([value for name, value in head.headers if name.lower() == b"content-encoding"]) if head is not None else b""
    decoder = BodyDecoder(codings)
    for at, data in _pieces(recording):
        for piece in decoder.feed(data):
            yield at, piece


def _events(pieces: list[tuple[int, bytes]]) -> Iterator[Event]:
    """The events of a stream; not its comments, not `[DONE]`, not what was cut off: a last one that only lacks its blank line is none of that."""
    decoder = sse.Decoder()
    found = [(at, event) for at, data in pieces for event in decoder.feed(data)]
    if (rest := decoder.flush()) is not None and json_object((last := sse.parse(rest.data, rest.size)).data) is not None:
        found.append((pieces[-1][0], last))
    for at, (type_, text, _) in found:
        if text and not text.startswith(b"[DONE]"):
            yield _event(at, type_, text)


def _event(at: int, type_: str | None, text: bytes) -> Event:
    value = json_object(text)
    if value is not None and type_ is not None and "type" not in value:
        return Event(at, with_member(text, "type", type_), value | {"type": type_})
    return Event(at, text, value or {})

"""A recorded create as another transport tells it: JSON, a stream of events and the messages of a WebSocket, each made of each of the others. Pure.

Events keep their times and, as far as the transport lets them, their bytes. What was cut is cut in the target's way: a transfer that breaks, a socket
that drops.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from playhead.storage.records import Direction, Frame, Outcome, Raw

from ..folds.response_fold import ResponseFold
from ..forwarding.http1 import Head, Headers, end_to_end
from ..models.doors import parse_event
from ..unfold import unfold
from .error_shapes import as_event, as_message, message_of, refused
from .members import dumped, with_member, without_member
from .told import Event, Json, Recording, Told, json_object, told

Ending = Literal["end", "cut", "hold"]
"""`end`: the response is over; `cut`: the connection broke; `hold`: nothing more is known, since the client had left."""

_JSON, _SSE = b"application/json", b"text/event-stream; charset=utf-8"
_OF_THE_BODY = frozenset(
    (
        *(b"content-type", b"content-length", b"transfer-encoding", b"content-encoding", b"content-md5", b"content-digest", b"digest", b"etag"),
        *(b"sec-websocket-accept", b"sec-websocket-protocol", b"sec-websocket-extensions", b"sec-websocket-version"),
    )
)
"""Headers that speak of the body as it was, or of the socket."""
_SOCKETS_ONLY = re.compile(r"response\.(steer|inject)\.|codex\.|responsesapi\.websocket")
"""Events that no stream over HTTP has."""
_REASONS: Mapping[int, bytes] = {
    200: b"OK",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    409: b"Conflict",
    429: b"Too Many Requests",
}
_LINE = re.compile(rb"\r\n|\n|\r")
_UNSPEAKABLE = re.compile(r"[\r\n\0]")


class Messages(NamedTuple):
    """What a WebSocket says: ns since the exchange's start and JSON text of each message, without `stream_id`; and what comes then."""

    texts: Sequence[tuple[int, bytes]]
    ending: Ending


# On a WebSocket.


def messages_of(recording: Recording) -> Messages:
    """What a WebSocket says of a create."""
    heard = told(recording)
    if heard.events is not None:
        refusal = _refusal_in(heard.events)
        messages = [(event.at, _message(event, refusal=event is refusal)) for event in heard.events]
        return Messages(messages, "end" if _is_whole(heard, recording.outcome) else _unfinished(recording.outcome))
    if heard.head is None:
        return Messages((), _unfinished(recording.outcome))
    if (events := _unfolded(heard)) is not None:
        return Messages([(heard.at, text) for _, text in events], "end")
    if recording.outcome != "complete" and json_object(heard.body) is None:
        return Messages((), _unfinished(recording.outcome))
    headers = heard.head.first
    return Messages([(heard.at, dumped(message_of(heard.head.status, headers, heard.body)))], "end")


def _message(event: Event, *, refusal: bool) -> bytes:
    """An event of a stream as a message."""
    value = event.value
    if not value:
        return event.text.decode("utf-8", "replace").encode()  # whatever it is, a message of text is UTF-8
    if event.type == "error" and (not isinstance(value.get("error"), dict) or (refusal and "status" not in value)):
        return dumped(as_message(value, refusal=refusal))
    return without_member(event.text, "stream_id")


def _refusal_in(events: Sequence[Event]) -> Event | None:
    """The error that answers the request instead of a response, if that is what came."""
    telling = [event for event in events[:20] if event.type.startswith("response.") or event.type == "error"]
    return telling[0] if telling and telling[0].type == "error" and not any(event.type.startswith("response.") for event in telling) else None


def _is_whole(heard: Told, outcome: Outcome) -> bool:
    """Whether a stream ended as it should."""
    return heard.ended or (heard.goes_on and outcome == "complete")


def _unfinished(outcome: Outcome) -> Ending:
    return "hold" if outcome == "client_closed" else "cut"


def _unfolded(heard: Told) -> list[tuple[str, bytes]] | None:
    """Types and texts of the events that tell a Response; None if the answer is none."""
    response = json_object(heard.body) if heard.head is not None and heard.head.status < 400 else None
    if response is None or _is_error(response):
        return None
    try:
        return [(event["type"], dumped(event)) for event in unfold(response)]
    except RecursionError:  # it could be read, and is an event's depth too deep to be written
        return None


def _is_error(answer: Json) -> bool:
    """Whether an answer with a good status tells of an error all the same, as gateways do."""
    return bool(answer.get("error")) and "output" not in answer and answer.get("object") != "response"


# Over HTTP.


def retell(recording: Recording, *, streams: bool, exchange: int) -> tuple[Raw, Outcome]:
    """The exchange as a client gets it that asked over HTTP, for a stream of events or for JSON; and how it ends.

    What HTTP says in one way only, such as an error, stays as it was. A header says which exchange it is and how it was recorded.
    """
    heard = told(recording)
    note = (b"Playhead-Replayed", b"%d; transport=%b" % (exchange, recording.asks.encode()))
    if heard.head is None:
        return recording.raw, recording.outcome
    if heard.events is None:
        return _of_body(recording, heard, note) if streams else (_noted(recording.raw, note), recording.outcome)
    events = heard.events if recording.asks != "ws" else _over_http(heard.events)
    refusal = _refusal_in(events)
    if refusal is not None and not (streams and recording.asks != "ws"):
        return _refusal(recording, heard.head, refusal, note)
    if not streams:
        return _as_json(recording, replace(heard, events=events), note)
    if recording.asks != "ws":
        return _noted(recording.raw, note), recording.outcome
    blocks = [(event.at, _block(event.type, _flat(event, number))) for number, event in enumerate(events)]
    return _streamed(recording, heard, blocks, "complete" if _is_whole(heard, recording.outcome) else _unended(recording.outcome), note)


def _of_body(recording: Recording, heard: Told, note: tuple[bytes, bytes]) -> tuple[Raw, Outcome]:
    """A stream made of what was no stream."""
    assert heard.head is not None  # `retell` has looked
    if (events := _unfolded(heard)) is not None:
        return _streamed(recording, heard, [(heard.at, _block(type_, text)) for type_, text in events], "complete", note)
    if heard.head.status < 400 and recording.outcome != "complete":
        return _streamed(recording, heard, [], recording.outcome, note)
    return _noted(recording.raw, note), recording.outcome


def _unended(outcome: Outcome) -> Outcome:
    """A stream that stopped before its end, though the transfer may have been whole."""
    return outcome if outcome != "complete" else "upstream_closed"


def _over_http(events: Iterable[Event]) -> list[Event]:
    """Those of a socket that streams over HTTP have, too, counted without the others."""
    kept: list[Event] = []
    numbers: list[int] = []  # that are left out
    for event in events:
        number = event.value.get("sequence_number")
        if _SOCKETS_ONLY.match(event.type):
            numbers += [number] if isinstance(number, int) else []
            continue
        text, value = without_member(event.text, "stream_id"), {name: inner for name, inner in event.value.items() if name != "stream_id"}
        if isinstance(number, int) and (before := sum(1 for left in numbers if left < number)):
            text, value = with_member(text, "sequence_number", number - before), value | {"sequence_number": number - before}
        kept.append(Event(event.at, text, value))
    return kept


def _flat(event: Event, number: int) -> bytes:
    nested = event.type == "error" and isinstance(event.value.get("error"), dict)
    return dumped(as_event(event.value, number)) if nested else event.text


def _block(type_: str, text: bytes) -> bytes:
    """An event as a stream has it."""
    named = b"event: " + type_.encode("utf-8", "replace") + b"\n" if type_ and not _UNSPEAKABLE.search(type_) else b""
    return named + b"".join([b"data: " + line + b"\n" for line in _LINE.split(text)]) + b"\n"


def _streamed(recording: Recording, heard: Told, blocks: list[tuple[int, bytes]], outcome: Outcome, note: tuple[bytes, bytes]) -> tuple[Raw, Outcome]:
    assert heard.head is not None  # `retell` has looked
    head = _head(heard.head, 200 if heard.head.status == 101 else heard.head.status, [(b"Content-Type", _SSE), (b"Transfer-Encoding", b"chunked"), note])
    frames = [Frame(Direction.UPSTREAM, heard.head_at, 0), *(Frame(Direction.UPSTREAM, at, len(block)) for at, block in blocks)]
    body = b"".join([block for _, block in blocks])
    return _raw(recording, head, body, frames, [len(block) for _, block in blocks]), outcome


def _as_json(recording: Recording, heard: Told, note: tuple[bytes, bytes]) -> tuple[Raw, Outcome]:
    """What the events add up to. Of a stream that was cut all but the last byte comes, and then the transfer breaks."""
    assert heard.head is not None  # `retell` has looked
    events = heard.events or []
    fold = ResponseFold()
    for event in events:
        parsed = parse_event(event.text)
        parsed.link()  # what it carries keeps the order of its keys
        fold.add(parsed)
    result = fold.result()
    body = b"" if result is None else dumped(result.to_wire())
    ended = result is not None and _is_whole(heard, recording.outcome)
    outcome = "complete" if ended else _unended(recording.outcome)
    if outcome == "client_closed":
        return _raw(recording, b"", b"", [], []), outcome  # who asks for JSON sees nothing before it is whole
    at = next((event.at for event in reversed(events)), heard.head_at)
    head = _head(heard.head, 200, [(b"Content-Type", _JSON), (b"Content-Length", b"%d" % max(len(body), 1)), note])
    body = body if ended else body[:-1]
    return _raw(recording, head, body, [Frame(Direction.UPSTREAM, at, 0), Frame(Direction.UPSTREAM, at, len(body))], []), outcome


def _refusal(recording: Recording, socket: Head, event: Event, note: tuple[bytes, bytes]) -> tuple[Raw, Outcome]:
    """A request that was refused by an event."""
    status, error, told_headers = refused(event.value)
    body = json.dumps(error, indent=2, ensure_ascii=False).encode("utf-8", "replace")
    headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in told_headers]
    said = {name.lower() for name, _ in headers}
    own = [(b"Content-Type", _JSON), (b"Content-Length", b"%d" % len(body)), note]
    head = _head(socket, status, [*headers, *own], without=said)
    return _raw(recording, head, body, [Frame(Direction.UPSTREAM, event.at, 0), Frame(Direction.UPSTREAM, event.at, len(body))], []), "complete"


def _raw(recording: Recording, head: bytes, body: bytes, frames: Sequence[Frame], chunks: Sequence[int]) -> Raw:
    return Raw(recording.raw.request_head, b"", head, body, b"", tuple(frame for frame in frames if frame.length or head), tuple(chunks))


def _head(before: Head, status: int, headers: Headers, without: Iterable[bytes] = ()) -> bytes:
    """A head with what the recorded one says of anything but the body, and these headers."""
    reason = before.reason if before.status == status else _REASONS.get(status, b"")
    kept = end_to_end(before, _OF_THE_BODY.union(without))
    lines = [b"HTTP/1.1 %d %b" % (status, reason), *(name + b": " + value for name, value in (*kept, *headers))]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _noted(raw: Raw, note: tuple[bytes, bytes]) -> Raw:
    """As it was, with one header more."""
    name, value = note
    return replace(raw, response_heads=raw.response_heads[:-2] + name + b": " + value + b"\r\n\r\n")

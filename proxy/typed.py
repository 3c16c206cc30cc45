"""The models that a recorded exchange is made of: of its request, and of its answer, however that was sent. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from . import sse
from .assembling.hearing import BEGIN
from .assembling.transcript import ASKS
from .fold import Fold, ResponseFold, fold_for
from .folds.folding import text_in
from .models.doors import client_event_door, event_door, parse_body, parse_request
from .models.kind import Shape
from .models.wire import Unparsed, Wire, field

MAX_BODY = 64 << 20
"""A longer body that is no stream is not parsed."""

_DONE = b"[DONE]"


class Message(NamedTuple):
    """One WebSocket message. `client`: who sent it."""

    client: bool
    payload: bytes


def request_of(shape: Shape, body: Iterable[bytes]) -> Wire | None:
    """The model of a request's body; None: it has none, or one that is too long."""
    text = _whole(body)
    return parse_request(shape, text) if text and text.strip() else None


def answer_of(shape: Shape, status: int | None, body: Iterable[bytes]) -> Wire | None:
    """The model of an answer's body: the one it is, or the one that its events tell, or the last of those. None: there is nothing to tell."""
    pieces = iter(body)
    start = b""
    for piece in pieces:
        start += piece
        if len(start) >= 64:
            break
    if start.removeprefix(sse.BOM).lstrip()[:6].startswith((b"data:", b"event:", b":", b"id:", b"retry:")):
        return _told(shape, _chained(start, pieces))
    text = _whole(_chained(start, pieces))
    return parse_body(shape, text.removeprefix(sse.BOM), status=status) if text and text.strip() else None


def conversation_of(shape: Shape, messages: Iterable[Message]) -> tuple[Wire | None, Wire | None]:
    """Of a WebSocket the last request, and what was answered last: of Responses the response that began last."""
    sent_door, door = client_event_door(shape), event_door(shape)
    asked: Wire | None = None
    last: Wire | None = None
    folds: dict[object, ResponseFold] = {}
    newest: ResponseFold | None = None
    for client, payload in messages:
        event = (sent_door if client else door)(payload)
        if isinstance(event, Unparsed):
            continue
        type_ = text_in(event, "type")
        if client:
            asked = event if asked is None or type_ in ASKS else asked
            continue
        last = event
        if shape.kind != "responses":
            continue
        lane = _lane(event)
        if type_ == "response.created" or (type_ in BEGIN and lane not in folds):
            newest = folds[lane] = ResponseFold()
        if lane in folds:
            _add(folds[lane], event)
    response = newest.result() if newest is not None else None
    return asked, response or last


def _add(fold: Fold[Any], event: Wire) -> None:
    if not event.model_fields_set.isdisjoint(("response", "item")):
        event.link()  # what it carries keeps the order of its keys
    fold.add(event)


def _lane(event: Wire) -> str | None:
    lane = field(event, "stream_id")
    return lane if isinstance(lane, str) else None


def _told(shape: Shape, body: Iterator[bytes]) -> Wire | None:
    fold, door = fold_for(shape), event_door(shape)
    last: Wire | None = None
    for data in _events(body):
        last = door(data)
        if fold is not None and not isinstance(last, Unparsed):
            _add(fold, last)
    folded: Wire | None = fold.result() if fold is not None else None
    return folded or last


def _events(body: Iterator[bytes]) -> Iterator[bytes]:
    decoder = sse.Decoder()
    for piece in body:
        yield from (data for _, data, _ in decoder.feed(piece) if data and data != _DONE)
    rest = decoder.flush()
    data = sse.parse(rest.data, rest.size).data if rest is not None else b""
    if data and data != _DONE and _is_json(data):
        yield data


def _is_json(data: bytes) -> bool:
    """Whether this is all of an event but its blank line."""
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def _chained(start: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield start
    yield from pieces


def _whole(body: Iterable[bytes]) -> bytes | None:
    pieces: list[bytes] = []
    size = 0
    for piece in body:
        pieces.append(piece)
        size += len(piece)
        if size > MAX_BODY:
            return None
    return b"".join(pieces)


# In words.


def items_of(model: Wire | None, name: str) -> list[dict[str, Any]]:
    """The items in a list of a model, as JSON objects; an input that is a text is one message."""
    value = model.to_wire() if model is not None else None
    listed = value.get(name) if isinstance(value, dict) else None
    if isinstance(listed, str):
        return [{"type": "message", "role": "user", "content": listed}]
    return [item if isinstance(item, dict) else {"type": None, "value": item} for item in listed] if isinstance(listed, list) else []


_TEXTS = ("content", "summary", "arguments", "input", "output", "action", "actions", "operation", "queries", "code", "tools", "result", "encrypted_content")


def item_text(item: dict[str, Any]) -> str:
    """What an item says, on one line."""
    for name in _TEXTS:
        if value := item.get(name):
            return " ".join(_plain(value).split())
    return ""


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " ".join(filter(None, map(_plain, value)))
    if isinstance(value, dict):
        for name in ("text", "refusal", "transcript"):
            if isinstance(text := value.get(name), str):
                return text
        return json.dumps({key: inner for key, inner in value.items() if inner not in (None, [], {})}, ensure_ascii=False)
    return "" if value is None else json.dumps(value)

"""What a recorded exchange says: its request and its answer as JSON, and the steers on a WebSocket. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic_core import from_json

from ..models.kind import Shape
from ..models.wire import Unparsed, Wire, field
from ..typed import MAX_BODY, Message, answer_of, conversation_of

_STEER = b'"response.steer'
_CREATE = b'"response.create'
_TERMINALS = ("response.completed", "response.incomplete", "response.failed")
_NONE: Mapping[str, Any] = MappingProxyType({})


class Steer(NamedTuple):
    """Input that a client sent into a response. `id`: None until it is accepted. `pending`: it waits for the next create; `failed`: it was refused."""

    input: Any
    id: str | None = None
    pending: bool = False
    failed: bool = False


class Said(NamedTuple):
    """`request`, `answer`: empty where there is none. `unread`: what of the two is there and cannot be read."""

    request: Mapping[str, Any] = _NONE
    answer: Mapping[str, Any] = _NONE
    steers: tuple[Steer, ...] = ()
    unread: tuple[str, ...] = ()


def said_by_http(shape: Shape, status: int | None, request: Iterable[bytes], answer: Iterable[bytes]) -> Said:
    """`request`, `answer`: the bodies, decoded, piece by piece."""
    asked, unread = _object(request)
    lost = ("request",) if unread else ()
    pieces = iter(answer)
    first = [*islice(pieces, 2)]
    if len(first) == 1 and (told := _told_at_the_end(first[0])) is not None:
        return Said(asked, told, unread=lost)
    model = answer_of(shape, status, chain(first, pieces))
    if isinstance(model, Unparsed):
        return Said(asked, unread=(*lost, "answer"))
    return Said(asked, _wire(model), unread=lost)


def _told_at_the_end(stream: bytes) -> Mapping[str, Any] | None:
    """The Response that the last event of a stream of them tells wholly, as it mostly does; the others need not be read then."""
    if stream[:6] != b"event:" and stream[:5] != b"data:":
        return None
    event = _object([stream[stream.rfind(b"\ndata: ") + 7 :]])[0]
    response = event.get("response")
    whole = event.get("type") in _TERMINALS and isinstance(response, dict) and isinstance(response.get("output"), list) and response["output"]
    return response if whole else None


def said_on_socket(shape: Shape, messages: Iterable[Message]) -> Said:
    """Of a turn, or of a whole socket the last request and the last response."""
    watched = _Watched()
    asked, told = conversation_of(shape, watched.all(messages))
    created = asked if field(asked, "type") != "response.steer" else None  # a successor has no create of its own
    if watched.responses < 2 and watched.create is not None:
        # What stands for it after a refusal, sent by playhead, is not what the client asked.
        return Said(watched.create, _wire(told), tuple(watched.steers))
    return Said(_wire(created), _wire(told), tuple(watched.steers))


class _Watched:
    """Messages that pass. `create`: the first; `responses`: how many have begun."""

    def __init__(self) -> None:
        self.steers: list[Steer] = []
        self.create: Mapping[str, Any] | None = None
        self.responses = 0

    def all(self, messages: Iterable[Message]) -> Iterator[Message]:
        """They, one by one."""
        for message in messages:
            if _STEER in message.payload:
                _take_steer(self.steers, _object([message.payload])[0])
            if _CREATE in message.payload:
                self._begin(message)
            yield message

    def _begin(self, message: Message) -> None:
        event = _object([message.payload])[0] if self.create is None or not message.client else {}
        if message.client:
            self.create = event if self.create is None and event.get("type") == "response.create" else self.create
        else:
            self.responses += event.get("type") == "response.created"


def _take_steer(steers: list[Steer], event: Mapping[str, Any]) -> None:
    type_, told = event.get("type"), event.get("steer")
    if type_ == "response.steer":
        steers.append(Steer(event.get("input")))
        return
    id_ = told.get("id") if isinstance(told, dict) else None
    place = next((place for place, steer in enumerate(steers) if id_ is not None and steer.id == id_), None)
    if place is None:  # outcomes come in the order of the steers
        place = next((place for place, steer in enumerate(steers) if steer.id is None and not steer.failed), None)
    if place is None:
        return
    if type_ == "response.steer.accepted":
        steers[place] = steers[place]._replace(id=id_)
    elif type_ == "response.steer.pending":
        steers[place] = steers[place]._replace(id=id_, pending=True)
    elif type_ == "response.steer.failed":
        steers[place] = steers[place]._replace(id=id_, failed=True)


def _object(body: Iterable[bytes]) -> tuple[Mapping[str, Any], bool]:
    """The JSON object that a body is; whether there is one that cannot be read."""
    pieces: list[bytes] = []
    size = 0
    for piece in body:
        pieces.append(piece)
        size += len(piece)
        if size > MAX_BODY:
            return _NONE, True
    text = b"".join(pieces)
    if not text.strip():
        return _NONE, False
    try:
        found = from_json(text)
    except ValueError:
        return _NONE, True
    return (found, False) if isinstance(found, dict) else (_NONE, True)


def _wire(model: Wire | None) -> Mapping[str, Any]:
    if model is None or isinstance(model, Unparsed):
        return _NONE
    found = model.to_wire()
    return found if isinstance(found, dict) else _NONE

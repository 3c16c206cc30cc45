"""The events of one Response folded into it: as it stands after each of them, however it ends. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from playhead.storage.records import ItemRow

from ..models.doors import parse_event, parse_response
from ..models.wire import Unparsed, Wire, field
from .folding import Fold, Heard, as_json, as_object, item_row, named, short, text_in
from .growth import Item
from .output_items import GROWTH, STATUSES, Handler, OutputItems

if TYPE_CHECKING:  # a worker that forwards loads no models
    from ..models.responses import Response

Ending = Literal["completed", "failed", "incomplete", "error"]

_ENDINGS: Mapping[str, Ending] = {"completed": "completed", "failed": "failed", "incomplete": "incomplete", "cancelled": "incomplete"}
_TERMINALS = frozenset(f"response.{name}" for name in ("completed", "failed", "incomplete", "done"))
_LIFECYCLE = frozenset(("response.created", "response.queued", "response.in_progress"))
_BEGINNINGS = _LIFECYCLE | {"error"}
_WHOLE = _LIFECYCLE | _TERMINALS | {"error", "response.output_item.added", "response.output_item.done"}
"""Events that say how something stands, not what comes to it: they may come twice."""

_ASIDE = frozenset(
    (
        *("keepalive", "response.metadata", "codex.response.metadata", "codex.rate_limits", "responsesapi.websocket_timing"),
        *("response.steer.accepted", "response.steer.pending", "response.steer.failed"),
        *("response.inject.created", "response.inject.failed"),
    )
)
"""What comes between the events of a Response, or behind its end, and is not of it."""

_SILENT = frozenset(
    (
        *("response.audio.delta", "response.audio.done", "response.audio.transcript.done", "response.compaction.compacting"),
        *(f"response.mcp_list_tools.{end}" for end in ("in_progress", "completed", "failed")),  # this item has no status
    )
)
"""What is of a Response and says nothing that it has a place for."""

_KNOWN = _WHOLE | _ASIDE | _SILENT | frozenset(GROWTH) | frozenset(STATUSES)
_UNGATHERED: Final[Mapping[str, Handler | None]] = {**STATUSES, **dict.fromkeys(GROWTH)}
_GATHERED: Final[Mapping[str, Handler | None]] = {**STATUSES, **GROWTH}
_ENDED: Final[Mapping[str, Handler | None]] = {}
_ERROR_FIELDS = ("code", "message", "param", "type", "misalignment")


def _passed(number: int) -> Wire:
    """Stands for an event that was let pass."""
    return parse_event({"type": "response.output_text.delta", "sequence_number": number})


def _elsewhere(items: OutputItems, event: Any) -> None:
    """Stands for the handlers of what is not about the growth of an item."""


class ResponseFold(Fold["Response"]):
    """Takes the events of one Response, from HTTP or from one lane of a WebSocket.

    Events after the end are noted and not applied, but for a terminal behind an `error`. A repeated sequence number is noted; where numbers rise
    otherwise, what such an event would add is not added again.
    """

    __slots__ = ("_begun", "_created", "_error", "_handlers", "_next", "_output", "_response", "_start", "_unnumbered", "ending")

    def __init__(self, *, text: bool = True) -> None:
        super().__init__(text=text)
        self.ending: Ending | None = None
        """None: not ended; cut, if nothing more comes."""
        self._handlers = _GATHERED if text else _UNGATHERED
        self._output = OutputItems(self._notes)
        self._response: Wire | dict[str, Any] | None = None  # the newest that an event carried, as it came if it was whole
        self._error: dict[str, Any] | None = None
        self._next = -1  # the sequence number expected; -1: none came yet
        self._start = 0
        self._begun = self._created = self._unnumbered = False

    def add(self, event: Wire) -> None:
        values = event.__dict__
        try:
            kind, number = values["type"], values["sequence_number"]
            handler = self._handlers.get(kind, _elsewhere)
        except (KeyError, TypeError):  # no type, or none that is a text
            kind, number = text_in(event, "type"), values.get("sequence_number")
            handler = _elsewhere
        if number == self._next:
            self._next += 1
        elif self._odd_number(kind, event) and kind not in _WHOLE:
            return
        if handler is _elsewhere:
            self._apply(kind, event)
        elif handler is not None:
            handler(self._output, event)

    def add_all(self, events: Iterable[Heard]) -> None:
        for event in events:
            if not isinstance(event, list):
                self.add(event)
            elif self.ending is None and event == [*range(self._next, self._next + len(event))]:
                self._next += len(event)
            else:
                self._add_passed(event)

    def _add_passed(self, numbers: Iterable[int]) -> None:
        """Some of them come out of order, or behind the end."""
        for number in numbers:
            if number == self._next and self.ending is None:
                self._next += 1
            else:
                self.add(_passed(number))

    # As it stands.

    @property
    def ended(self) -> bool:
        return self.ending is not None

    @property
    def newest(self) -> Wire | dict[str, Any] | None:
        """The Response as the last event that carried one told it."""
        return self._response

    @property
    def id(self) -> str | None:
        return text_in(self._response, "id")

    @property
    def model(self) -> str | None:
        return text_in(self._response, "model")

    @property
    def status(self) -> str | None:
        return "failed" if self.ending == "error" else text_in(self._response, "status")

    @property
    def service_tier(self) -> str | None:
        return text_in(self._response, "service_tier")

    @property
    def usage(self) -> dict[str, Any] | None:
        return as_object(field(self._response, "usage")) or None

    @property
    def error(self) -> dict[str, Any] | None:
        return as_object(field(self._response, "error")) or self._error

    def said(self, name: str) -> Any:
        return as_json(field(self._response, name))

    @property
    def transcript(self) -> str:
        """What was said in sound: a Response has no place for it."""
        return self._output.transcript

    def result(self) -> Response | None:
        """The Response. An `error` that ended it is its error, with status failed. Without `text` its items are as empty as they began."""
        if self._response is None and self._error is None and not self._output:
            return None
        whole = as_object(self._response)
        output = self._rebuilt(whole.get("output"))
        if output is not None:
            whole["output"] = output
        if self.ending == "error":
            whole["status"], whole["error"] = "failed", self._error
        response = parse_response(whole)
        assert not isinstance(response, Unparsed)  # it is made of an object
        return response

    def output(self) -> list[Any]:
        """Its items as JSON. Values inside are shared and not to be changed."""
        own = self.said("output")
        rebuilt = self._rebuilt(own)
        return rebuilt if rebuilt is not None else own if isinstance(own, list) else []

    def _rebuilt(self, own: Any) -> list[Any] | None:
        """The items as JSON; None if those that the Response itself tells hold."""
        if own and self._terminated:
            return None
        items = self._standing()
        if not items:
            return None
        taken = {item.index for item in items}
        told = own if isinstance(own, list) else []
        found = [*((index, item) for index, item in enumerate(told) if index not in taken), *((item.index, item.stands()) for item in items)]
        return [item for _, item in sorted(found, key=lambda pair: pair[0])]

    @property
    def _terminated(self) -> bool:
        """Ended with a Response that says what it is made of."""
        return self.ending is not None and self.ending != "error"

    def _standing(self) -> list[Item]:
        return self._output.standing(done=self._terminated)

    def items(self) -> list[ItemRow]:
        """The output items in short; much cheaper than the Response."""
        own = field(self._response, "output")
        if own and isinstance(own, list) and (self._terminated or not self._output):
            return [item_row(position, item) for position, item in enumerate(own) if isinstance(item, Wire | dict)]
        return [item_row(item.index, item.newest, item.status) for item in self._standing()]

    def newest_items(self) -> list[Any]:
        """The output items, models or JSON, right in all that does not grow."""
        own = field(self._response, "output")
        if own and isinstance(own, list) and (self._terminated or not self._output):
            return own
        return [item.newest for item in self._standing()]

    def state(self) -> dict[str, Any]:
        return super().state() | {
            "ending": self.ending,
            "response": as_json(self._response),
            "error": self._error,
            "output": self._output.state(),
            "numbers": [self._next, self._start],
            "seen": [self._begun, self._created, self._unnumbered],
        }

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._handlers = _ENDED if state["ending"] else _GATHERED if self.text else _UNGATHERED
        self.ending, self._response, self._error = state["ending"], state["response"], state["error"]
        self._output.restore(state["output"])
        self._next, self._start = state["numbers"]
        self._begun, self._created, self._unnumbered = state["seen"]

    # What is odd.

    def _odd_number(self, kind: str | None, event: Wire) -> bool:
        """An event that is not the next one by its number. Whether it came before."""
        number = field(event, "sequence_number")
        if not self._begun and kind not in _ASIDE:
            self._begin(kind, number)
        if not isinstance(number, int) or isinstance(number, bool):
            if not self._unnumbered and kind != "error":  # that of a request which is refused has none
                self._unnumbered = True
                self._notes.add(f"{short(kind)} has no sequence number")
            return False
        if number < self._next:
            self._notes.add(f"{short(kind)} comes with {number}, a sequence number that had passed")
            return self._next - self._start > 1
        if self._next < 0:
            self._start = number
        elif number > self._next:
            self._notes.add(f"{number - self._next} events before {number} ({short(kind)}) are missing")
        self._next = number + 1
        return False

    def _begin(self, kind: str | None, number: Any) -> None:
        self._begun = True
        if kind not in _BEGINNINGS or (kind != "response.created" and number not in (None, 0)):
            self._notes.add(f"begins with {short(kind)} at {number if isinstance(number, int) else '?'}: what came before is missing")

    def _late(self, kind: str, event: Wire) -> None:
        if self.ending == "error" and kind in _TERMINALS:
            self._terminal(event)
        elif kind not in _ASIDE:
            self._notes.add(f"{named(event)} comes after the end")

    # The Response itself.

    def _apply(self, kind: str, event: Wire) -> None:
        if kind is None and self.ending is None and field(event, "error"):  # as gateways tell of a failure in any stream
            self._failed(event)
        elif kind not in _KNOWN:
            self._count_unknown(kind)
        elif self.ending is not None:
            self._late(kind, event)
        elif kind == "response.output_item.added":
            self._output.added(event)
        elif kind == "response.output_item.done":
            self._output.finished(event)
        elif kind in _LIFECYCLE:
            self._lifecycle(kind, event)
        elif kind in _TERMINALS:
            self._terminal(event)
        elif kind == "error":
            self._failed(event)

    def _lifecycle(self, kind: str, event: Wire) -> None:
        if kind == "response.created":
            if self._created:
                self._notes.add(f"{named(event)} comes again")
            self._created = True
        self._take(event)

    def _take(self, event: Wire) -> Any:
        """What the event says of the Response. Where that is a part of it only, what was known before stays."""
        response = field(event, "response")
        if not isinstance(response, Wire | dict):
            self._notes.add(f"{named(event)} has no response")
            return None
        id_, before = text_in(response, "id"), self.id
        if id_ and before and id_ != before:
            self._notes.add(f"{named(event)} has another response id: {id_[:80]}")
        partial = self._response is not None and field(response, "model") is None
        self._response = {**as_object(self._response), **as_object(response)} if partial else response
        return response

    def _terminal(self, event: Wire) -> None:
        status = text_in(self._take(event), "status")
        ending = str(field(event, "type")).rpartition(".")[2]
        self._end(_ENDINGS.get(status or "", "completed") if ending == "done" else _ENDINGS[ending])
        if status is None:
            self._response = {**as_object(self._response), "status": self.ending}
        elif ending not in ("done", status):
            self._notes.add(f"{named(event)} says that its status is {status[:80]}")

    def _failed(self, event: Wire) -> None:
        """An `error` event; what it tells may stand in an object of its own."""
        told = as_object(event)
        nested = told.get("error")
        flat = {key: value for key, value in told.items() if key != "type"} | ({"message": nested} if isinstance(nested, str) else {})
        error = nested if isinstance(nested, dict) else flat
        self._error = {key: error[key] for key in _ERROR_FIELDS if key in error}
        self._end("error")

    def _end(self, ending: Ending) -> None:
        self.ending, self._handlers = ending, _ENDED

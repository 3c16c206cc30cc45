"""What all folds are: events of one answer in, in order; the answer as it stands after each of them out. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from playhead.storage.records import ItemRow

from ..models.wire import Wire, field, members

R_co = TypeVar("R_co", bound=Wire, covariant=True)
Heard = Wire | list[int]
"""An event; or the sequence numbers of some, one behind the other, that say nothing that is gathered here."""

MAX_NOTES = 100
"""More notes than this on one stream are only counted."""

_TEXTS = frozenset((str, type(None)))
_MAX_UNKNOWN = 100  # types of events that are counted one by one


class Notes:
    """What was odd about a stream, in the order seen."""

    __slots__ = ("texts", "untold")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.untold = 0

    def add(self, text: str) -> None:
        if len(self.texts) < MAX_NOTES:
            self.texts.append(text)
        else:
            self.untold += 1


class Fold(ABC, Generic[R_co]):
    """Takes the events of one answer. Never raises for what they say.

    `text` False: what deltas bring is not kept, so that memory does not grow with a stream and a delta costs next to nothing; ids, items, usage,
    ending and notes are the same.
    """

    __slots__ = ("_notes", "text", "unknown")

    def __init__(self, *, text: bool = True) -> None:
        self.text = text
        self.unknown: dict[str, int] = {}
        """How many came of each type that is not known here; they change nothing."""
        self._notes = Notes()

    @abstractmethod
    def add(self, event: Wire) -> None:
        """The next event."""

    def add_all(self, events: Iterable[Heard]) -> None:
        """The next events."""
        for event in events:
            if not isinstance(event, list):
                self.add(event)

    def end(self) -> None:
        """`[DONE]` came: no event, but the end where events do not tell it themselves."""

    @abstractmethod
    def result(self) -> R_co | None:
        """The answer as it stands: a fresh model. None as long as no event said anything of it."""

    @abstractmethod
    def items(self) -> list[ItemRow]:
        """What the answer is made of, as it stands: output items, tool calls or content blocks, each by its output_index, or its place among its like."""

    @property
    @abstractmethod
    def ended(self) -> bool:
        """Whether what came is all. If not and nothing more comes, the stream was cut."""

    @property
    @abstractmethod
    def id(self) -> str | None: ...

    @property
    @abstractmethod
    def model(self) -> str | None: ...

    @property
    @abstractmethod
    def service_tier(self) -> str | None: ...

    @property
    @abstractmethod
    def usage(self) -> dict[str, Any] | None:
        """The JSON of the usage as it stands; None if the provider said nothing."""

    @property
    @abstractmethod
    def error(self) -> dict[str, Any] | None:
        """The JSON of the error that the stream told of."""

    @abstractmethod
    def said(self, name: str) -> Any:
        """The JSON that the answer has under a name, as the newest event that carried the answer says; much cheaper than the answer. None if nothing.

        Of what the answer is made of, and of usage, result and properties know more.
        """

    @property
    def notes(self) -> list[str]:
        """What was odd about the stream, in the order seen."""
        texts, untold = self._notes.texts, self._notes.untold
        return [*texts, f"and {untold} more"] if untold else list(texts)

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, as JSON."""
        notes = {"notes": list(self._notes.texts), "untold": self._notes.untold}
        return {"text": self.text, "unknown": dict(self.unknown), **notes}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on, in a new fold, where the one stood that gave this state."""
        self.text, self.unknown = state["text"], dict(state["unknown"])
        self._notes.texts[:], self._notes.untold = state["notes"], state["untold"]

    def _count_unknown(self, kind: object) -> None:
        name = kind[:200] if isinstance(kind, str) else ""
        if name in self.unknown or len(self.unknown) < _MAX_UNKNOWN:
            self.unknown[name] = self.unknown.get(name, 0) + 1


def text_in(source: Any, name: str) -> str | None:
    """As `field`, if it is a text."""
    value = field(source, name)
    return value if isinstance(value, str) else None


def as_json(value: Any) -> Any:
    """A model, or a list of models, as JSON. Outer containers are fresh, so that members can be exchanged."""
    if isinstance(value, Wire):
        return value.to_wire()
    if isinstance(value, list):
        return [member.to_wire() if isinstance(member, Wire) else member for member in value]
    return dict(value) if isinstance(value, dict) else value


def as_object(value: Any) -> dict[str, Any]:
    """A model as JSON; empty if it is no object."""
    found = as_json(value)
    return found if isinstance(found, dict) else {}


def item_row(position: int, item: Any, status: str | None = None) -> ItemRow:
    """An item, model or JSON, in short. `status`: a newer one than its own."""
    get = members(item).get
    said = get("type"), get("id"), get("call_id"), get("name") or get("server_label"), status or get("status")
    if _TEXTS.issuperset(map(type, said)):
        return ItemRow("output", position, *said)
    name = text_in(item, "name") or text_in(item, "server_label")
    kind, id_, call_id = (text_in(item, key) for key in ("type", "id", "call_id"))
    return ItemRow("output", position, kind, id_, call_id, name, status or text_in(item, "status"))


def short(kind: Any) -> str:
    """The type of an event, for notes."""
    return kind[:80] if isinstance(kind, str) else "an event without a type"


def named(event: Wire) -> str:
    """An event, for notes."""
    number = field(event, "sequence_number")
    return f"{short(field(event, 'type'))} at {number if isinstance(number, int) else '?'}"

"""What the events of an exchange tell the listings: they are heard one by one, and only what must be is remembered. Pure; nothing here raises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from playhead.storage.records import Facts, ItemRow

from ..facts import error_code, row_of, take_answer, take_told, usage_of
from ..fold import Fold, ResponseFold, fold_for
from ..folds.folding import Heard, text_in
from ..models.kind import Shape
from ..models.wire import PROBLEMS, Problem, Wire, field
from ..plain import text_of
from .socket_usage import SocketUsage

MAX_PROBLEMS = 50
"""Of the events of an exchange; more are let go."""

_MAX_LANES = 64  # a server takes 32
_MAX_PLACE = 1 << 30  # what a database takes, with room behind it
BEGIN = frozenset(("response.created", "response.queued", "response.in_progress", "response.completed", "response.failed", "response.incomplete"))
_TERMINALS = frozenset(("response.done", "image_generation.completed", "image_edit.completed", "transcript.text.done", "speech.audio.done", "session.closed"))
_SESSIONS = frozenset(("session.created", "session.updated", "session.started"))


class Hearing(ABC):
    """The events of one exchange, in order."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self.heard = 0
        """How many events so far."""

    def hear(self, events: Sequence[Heard]) -> None:
        """The next events of upstream. A list stands for those that were let pass (passing.py)."""
        self._hear(events)
        for event in events:
            if isinstance(event, list):
                self.heard += len(event)
                continue
            if PROBLEMS in event.__dict__ and len(self._problems) < MAX_PROBLEMS:
                self._problems += (Problem(f"events[{self.heard}].{path}", wanted, found) for path, wanted, found in event.problems)
            self.heard += 1

    @abstractmethod
    def _hear(self, events: Sequence[Heard]) -> None: ...

    @property
    @abstractmethod
    def ended(self) -> bool:
        """Whether what ends a stream was heard, and nothing has begun since."""

    def done(self) -> None:
        """The `[DONE]` that ends some streams."""
        return None

    def tell(self, facts: Facts) -> list[str]:
        """Take what was told. Gives what was odd about the events."""
        facts.problems += self._problems[:MAX_PROBLEMS]
        return self._tell(facts)

    @abstractmethod
    def _tell(self, facts: Facts) -> list[str]: ...

    def items(self) -> list[ItemRow]:
        """Rows of the output items and tool calls heard of so far."""
        return []

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, as JSON."""
        return {"problems": [list(problem) for problem in self._problems], "heard": self.heard}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where the one stood that gave this state."""
        self._problems, self.heard = [Problem(*problem) for problem in state["problems"]], state["heard"]


def hearing_for(shape: Shape, *, socket: bool = False) -> Hearing:
    """For the events of a stream, or of a WebSocket."""
    if socket and shape.kind == "responses":
        return _Lanes()
    fold = fold_for(shape, text=False)
    return _Stream(fold) if fold is not None else _Others(shape.kind)


class _Stream(Hearing):
    """One answer."""

    def __init__(self, fold: Fold[Any]) -> None:
        super().__init__()
        self._fold = fold

    def _hear(self, events: Sequence[Heard]) -> None:
        self._fold.add_all(events)

    @property
    def ended(self) -> bool:
        return self._fold.ended

    def done(self) -> None:
        self._fold.end()

    def _tell(self, facts: Facts) -> list[str]:
        take_fold(facts, self._fold)
        return self._fold.notes

    def items(self) -> list[ItemRow]:
        return _placed(self._fold.items())

    def state(self) -> dict[str, Any]:
        return super().state() | {"fold": self._fold.state()}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._fold.restore(state["fold"])


def _placed(rows: Iterable[ItemRow]) -> list[ItemRow]:
    """Each in its place; what says that its place is that of another one, or is none at all, comes behind the one before it."""
    placed: list[ItemRow] = []
    for _, position, *said in rows:
        least = placed[-1].position + 1 if placed else 0
        placed.append(row_of("output", position if least <= position < _MAX_PLACE else least, said))
    return placed


def take_fold(facts: Facts, fold: Fold[Any]) -> None:
    """What was folded says."""
    if isinstance(fold, ResponseFold):
        take_answer(facts, fold.newest or {}, fold.newest_items())
    else:
        if facts.kind != "other":
            facts.response_id = text_of(fold.id) or facts.response_id
        facts.model = text_of(fold.model) or facts.model
        facts.usage = usage_of(fold.usage) or facts.usage
        facts.service_tier = text_of(fold.service_tier or (facts.usage or {}).get("service_tier")) or facts.service_tier
    if (error := fold.error) is not None:
        facts.error_code = error_code({"error": error}) or facts.error_code or "error"


class _Lanes(Hearing):
    """The responses on a WebSocket that is one exchange, as older stores (schema 0003) have those in Responses mode. The last that ended counts."""

    def __init__(self) -> None:
        super().__init__()
        self._lanes: dict[str, ResponseFold] = {}
        self._told = Facts("responses")  # by the last that ended
        self._items: list[ItemRow] = []  # of all that ended

    def _hear(self, events: Sequence[Heard]) -> None:
        for event in events:
            if isinstance(event, list):
                self._pass(event)
                continue
            kind, lane = text_in(event, "type"), field(event, "stream_id")
            key = lane if isinstance(lane, str) and (lane in self._lanes or len(self._lanes) < _MAX_LANES) else ""
            fold = self._lanes.get(key)
            if kind == "response.created" or (fold is None and kind in BEGIN):
                self._end(key)
                fold = self._lanes[key] = ResponseFold(text=False)
                self._told.error_code = None
            if fold is not None:
                fold.add(event)
                if fold.ended:
                    self._end(key)
            elif kind == "error":
                self._told.error_code = error_code(event) or "error"

    def _pass(self, numbers: list[int]) -> None:
        """Only events of the default lane do: the others say theirs."""
        fold = self._lanes.get("")
        if fold is not None:
            fold.add_all([numbers])

    def _end(self, lane: str) -> None:
        fold = self._lanes.pop(lane, None)
        if fold is not None:
            take_fold(self._told, fold)
            self._items += (row_of("output", place, row[2:]) for place, row in enumerate(fold.items(), len(self._items)))

    @property
    def ended(self) -> bool:
        return not self._lanes and (self._told.response_id is not None or self._told.error_code is not None)

    def _tell(self, facts: Facts) -> list[str]:
        take_told(facts, self._told)
        if self._told.response_id is None:
            for fold in self._lanes.values():
                take_fold(facts, fold)
        return []

    def items(self) -> list[ItemRow]:
        open_ = [row for fold in self._lanes.values() for row in fold.items()]
        return self._items + [row_of("output", place, row[2:]) for place, row in enumerate(open_, len(self._items))]

    def state(self) -> dict[str, Any]:
        lanes = {lane: fold.state() for lane, fold in self._lanes.items()}
        return super().state() | {"lanes": lanes, "told": asdict(self._told), "items": [list(row) for row in self._items]}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._told, self._items = Facts(**state["told"]), [ItemRow(*row) for row in state["items"]]
        for lane, known in state["lanes"].items():
            self._lanes[lane] = ResponseFold(text=False)
            self._lanes[lane].restore(known)


class _Others(Hearing):
    """What has no fold: sound, pictures, Realtime and Live."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._told = Facts(kind)
        self._usage = SocketUsage()
        self._ended = False

    def _hear(self, events: Sequence[Heard]) -> None:
        for event in events:
            if isinstance(event, Wire):
                self._hear_one(text_in(event, "type"), event)

    def _hear_one(self, kind: str | None, event: Wire) -> None:
        told, inner = self._told, field(event, "response")
        self._usage.hear(kind, event)
        if kind == "error":
            told.error_code = error_code(event) or "error"
            self._ended = True
        elif kind in _SESSIONS:
            told.model = text_of(field(field(event, "session"), "model")) or told.model
        elif isinstance(inner, Wire | dict) and kind in ("response.created", "response.done"):
            take_answer(told, inner)
            self._ended = kind in _TERMINALS
        elif kind in _TERMINALS or kind is None:
            take_answer(told, event)
            self._ended = kind in _TERMINALS or field(event, "usage") is not None

    @property
    def ended(self) -> bool:
        return self._ended

    def _tell(self, facts: Facts) -> list[str]:
        take_told(facts, self._told)
        facts.usage = self._usage.total or facts.usage
        return []

    def state(self) -> dict[str, Any]:
        return super().state() | {"told": asdict(self._told), "ended": self._ended, "usage": self._usage.total}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._told, self._ended = Facts(**state["told"]), state["ended"]
        self._usage = SocketUsage(state.get("usage"))

"""The open turns of a WebSocket in Responses mode: by lane, in the order of their creates, and by the id of their response. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from .models.lenient import json_type
from .models.wire import Wire, field

MAX_NAME = 512  # of an id or a lane; a server takes 256
MAX_LANES = 64  # names that are remembered; a server takes 32
MAX_STEERS = 64  # of one turn
_MAX_LEFT = 64
_MAX_PAST = 64
_FAIR = re.compile(r"[A-Za-z0-9_.-]{1,256}").fullmatch

Lane = str | None
"""The name of a lane; None: the default one."""


def name_in(source: Any, key: str) -> str | None:
    """As `field`, if it can be an id."""
    value = field(source, key)
    return value if isinstance(value, str) and len(value) <= MAX_NAME else None


def lane_of(event: Wire) -> Lane:
    """The lane that an event says it is of; for what cannot be a lane, a name in brackets."""
    value = field(event, "stream_id")
    if isinstance(value, str):
        return value[:MAX_NAME]
    return None if value is None else f"({json_type(value)})"


class Turn:
    """A turn that goes on. `previous`: what its create continues. `accepted`: steers without an outcome so far."""

    __slots__ = ("accepted", "begun", "erred", "id", "lane", "last", "number", "over", "previous", "steered", "token")

    def __init__(self, number: int, lane: Lane, token: int, previous: str | None) -> None:
        self.number, self.lane, self.token, self.previous = number, lane, token, previous
        self.id: str | None = None  # of its response
        self.begun = False  # an event of its response has come
        self.over = False  # the event that ends its response has come
        self.erred = False  # an error of the running response has come, which ends it, but for a `response.failed`
        self.steered = 0  # steers that are not answered
        self.accepted: list[str] = []
        self.last = token  # of those that were not plain

    @property
    def fair(self) -> bool:
        """Whether a server takes the name of its lane."""
        return self.lane is None or _FAIR(self.lane) is not None

    @property
    def settled(self) -> bool:
        """Whether nothing more can come that belongs to it."""
        return self.over and not self.steered and not self.accepted

    def state(self) -> list[Any]:
        return [self.number, self.lane, self.token, self.previous, self.id, self.begun, self.over, self.erred, self.steered, list(self.accepted), self.last]

    @classmethod
    def restore(cls, state: list[Any]) -> Turn:
        turn = cls(*state[:4])
        turn.id, turn.begun, turn.over, turn.erred, turn.steered, turn.accepted, turn.last = (*state[4:9], list(state[9]), state[10])
        return turn


class OpenTurns:
    """All that are open. Bounded by those, but for a few names."""

    __slots__ = ("_by_id", "_left", "_past", "_queues", "names")

    def __init__(self) -> None:
        self._queues: dict[Lane, deque[Turn]] = {}  # none is empty
        self._left: list[Turn] = []  # out of their queue: over, or passed by another response of their lane
        self._by_id: dict[str, list[Turn]] = {}  # most often one: ids are only unique where servers make them so
        self._past: dict[str, None] = {}  # responses that ended lately
        self.names: list[Lane] = []
        """Lanes by first use, as far as they are remembered."""

    def queue(self, lane: Lane) -> Sequence[Turn]:
        """The turns of a lane that are not over: one that may run, then those that wait."""
        return self._queues.get(lane, ())

    def head(self, lane: Lane) -> Turn | None:
        queue = self._queues.get(lane)
        return queue[0] if queue else None

    def named(self, id_: str | None) -> Turn | None:
        """The newest with a response of this id."""
        turns = self._by_id.get(id_) if id_ is not None else None
        return turns[-1] if turns else None

    def named_on(self, lane: Lane, id_: str | None, *, sure: bool = False) -> Turn | None:
        """The same, on that lane if there is one. `sure`: one of another lane only if nothing goes on on this: the server forgot to say the other."""
        turns = self._by_id.get(id_) if id_ is not None else None
        if not turns:
            return None
        on_lane = [turn for turn in turns if turn.lane == lane]
        others = turns if not sure or lane not in self._queues else ()
        return on_lane[-1] if on_lane else others[-1] if others else None

    def past(self, id_: str | None) -> bool:
        """Whether a response ended lately."""
        return id_ in self._past

    def waiting(self, lane: Lane) -> list[Turn]:
        """Turns of the lane that are out of its queue and wait for the successor of an accepted steer."""
        return [turn for turn in self._left if turn.lane == lane and turn.accepted]

    def heads(self) -> Iterator[Turn]:
        """The first turn of each lane."""
        return (queue[0] for queue in self._queues.values())

    def beyond(self, turn: Turn, limit: int) -> bool:
        """Whether the lane came into use after so many others with a name."""
        named = [name for name in self.names if name is not None and _FAIR(name)]
        return turn.lane is not None and turn.lane not in named[:limit]

    def add(self, turn: Turn, *, first: bool = False) -> None:
        queue = self._queues.setdefault(turn.lane, deque())
        if first:
            queue.appendleft(turn)
        else:
            queue.append(turn)
        if len(self.names) < MAX_LANES and turn.lane not in self.names:
            self.names.append(turn.lane)

    def begin(self, turn: Turn, id_: str | None) -> None:
        """An event of its response has come."""
        turn.begun = True
        if turn.id is None and id_ is not None:
            turn.id = id_
            turns = self._by_id.setdefault(id_, [])
            turns.append(turn)
            turns.sort(key=lambda each: each.number)

    def leave(self, turn: Turn) -> Turn | None:
        """Out of its queue, for the next; it stays open. Gives one that had stayed for too long."""
        self._unqueue(turn)
        if turn not in self._left:
            self._left.append(turn)
        return self._left[0] if len(self._left) > _MAX_LEFT else None

    def remove(self, turn: Turn) -> None:
        """It has ended."""
        self._unqueue(turn)
        if turn in self._left:
            self._left.remove(turn)
        if turn.id is not None:
            self._by_id[turn.id].remove(turn)
            if not self._by_id[turn.id]:
                del self._by_id[turn.id]
            self._past[turn.id] = None
            if len(self._past) > _MAX_PAST:
                del self._past[next(iter(self._past))]

    def _unqueue(self, turn: Turn) -> None:
        queue = self._queues.get(turn.lane)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._queues[turn.lane]

    def all(self) -> list[Turn]:
        """By their numbers."""
        queued = (turn for queue in self._queues.values() for turn in queue)
        return sorted((*queued, *self._left), key=lambda turn: turn.number)

    def state(self) -> dict[str, Any]:
        queues = [[turn.state() for turn in queue] for queue in self._queues.values()]
        return {"queues": queues, "left": [turn.state() for turn in self._left], "past": list(self._past), "names": list(self.names)}

    def restore(self, state: dict[str, Any]) -> None:
        queues = [deque(Turn.restore(known) for known in queue) for queue in state["queues"]]
        self._queues = {queue[0].lane: queue for queue in queues}
        self._left = [Turn.restore(known) for known in state["left"]]
        for turn in self.all():
            if turn.id is not None:
                self._by_id.setdefault(turn.id, []).append(turn)
        self._past, self.names = dict.fromkeys(state["past"]), list(state["names"])

"""Turns that a replay sends to upstream: which of its messages belongs to which, and which turn has to be sent once more. Pure."""

from __future__ import annotations

from typing import NamedTuple

from ..folds.folding import text_in
from ..lanes import Assigned, Begun, Ended, Lanes
from ..models.wire import Wire, field

_OVER = frozenset(f"response.{name}" for name in ("completed", "failed", "incomplete", "done")) | {"error"}
_NOT_FOUND = "previous_response_not_found"


class Heard(NamedTuple):
    """What a message of upstream is. `turn`: 0: of none. `lost`: upstream does not know the response that this turn goes on from: nothing else was said in
    it, and nothing will be. `over`: the turn has what ends it."""

    turn: int
    lost: bool = False
    over: bool = False


class LiveTurns:
    """The turns on one socket to upstream. Turns are known by numbers: 1, 2, ..."""

    def __init__(self) -> None:
        self._lanes = Lanes()
        self._token = 0
        self._fresh: dict[int, bool] = {}  # turns of which nothing has come; whether upstream may not know what they go on from
        self._responses: set[str] = set()

    def sent(self, event: Wire, *, again: bool = False) -> int:
        """A message of the client that went to upstream; the turn that a create begins, else 0. `again`: a create that is sent once more."""
        self._token += 1
        begun = 0
        for step in self._lanes.client(self._token, event):
            if isinstance(step, Begun):
                begun = step.turn
                self._fresh[begun] = not again and text_in(event, "previous_response_id") is not None
        return begun

    def heard(self, event: Wire) -> Heard:
        """A message of upstream."""
        self._token += 1
        turn = 0
        for step in self._lanes.server(self._token, event):
            if isinstance(step, Assigned) and step.token == self._token:
                turn = step.turn
            elif isinstance(step, Ended) and step.turn != turn:
                self._fresh.pop(step.turn, None)
        kind = text_in(event, "type")
        if (id_ := text_in(field(event, "response"), "id")) is not None:
            self._responses.add(id_)
        fresh = self._fresh.pop(turn, False)
        lost = fresh and kind == "error" and text_in(field(event, "error"), "code") == _NOT_FOUND
        return Heard(turn, lost, over=kind in _OVER)

    def made(self, response_id: object) -> bool:
        """Whether upstream made that response over this socket."""
        return response_id in self._responses

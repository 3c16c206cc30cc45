"""Turns that a replay sends to upstream: which of its messages belongs to which, what it owes, and which turn has to be sent once more. Pure."""

from __future__ import annotations

from typing import NamedTuple

from ..folds.folding import text_in
from ..lanes import Begun, Ended, Lanes
from ..models.wire import Wire, field

_TERMINALS = frozenset(f"response.{name}" for name in ("completed", "failed", "incomplete", "done"))
_NOT_FOUND = "previous_response_not_found"


class Heard(NamedTuple):
    """What a message of upstream is. `turn`: 0: of none, or that is not sure yet. `lost`: upstream does not know the response that this turn goes on from:
    nothing else was said in it, and nothing will be. `over`: turns that have what ends them now."""

    turn: int
    lost: bool = False
    over: tuple[int, ...] = ()


class LiveTurns:
    """The turns on one socket to upstream. Turns are known by numbers: 1, 2, ..."""

    def __init__(self) -> None:
        self._lanes = Lanes()
        self._token = 0
        self._fresh: dict[int, bool] = {}  # turns of which nothing has come; whether upstream may not know what they go on from
        self._responses: set[str] = set()
        self._owed: set[int] = set()  # turns without their end, and those that have it and a steer, behind which another follows
        self._doubted: set[int] = set()  # tokens of errors of which it is not sure yet what they answer

    def sent(self, event: Wire, *, again: bool = False) -> int:
        """A message of the client that went to upstream; the turn that a create begins, else 0. `again`: a create that is sent once more."""
        self._token += 1
        begun = 0
        for step in self._lanes.client(self._token, event):
            if isinstance(step, Begun):
                begun = step.turn
                self._owed.add(begun)
                self._fresh[begun] = not again and text_in(event, "previous_response_id") is not None
        return begun

    def heard(self, event: Wire) -> Heard:
        """A message of upstream."""
        self._token += 1
        kind, turn = text_in(event, "type"), 0
        over, settled = set[int](), set[int]()
        if kind == "error":
            self._doubted.add(self._token)
        for step in self._lanes.server(self._token, event):
            if isinstance(step, Begun):
                self._owed.add(step.turn)
            elif isinstance(step, Ended):
                settled.add(step.turn)
                if step.turn != turn:
                    self._fresh.pop(step.turn, None)
            else:
                turn = step.turn if step.token == self._token else turn
                if step.token in self._doubted:
                    self._doubted.discard(step.token)
                    over.add(step.turn)
        self._owed -= over | settled
        over |= settled | ({turn} if kind in _TERMINALS else set())
        if (id_ := text_in(field(event, "response"), "id")) is not None:
            self._responses.add(id_)
        fresh = self._fresh.pop(turn, False)
        lost = fresh and kind == "error" and text_in(field(event, "error"), "code") == _NOT_FOUND
        return Heard(turn, lost, tuple(sorted(over - {0})))

    def unsure(self, turn: int) -> bool:
        """Whether it may turn out that upstream does not know what that turn goes on from."""
        return self._fresh.get(turn, False)

    @property
    def owed(self) -> bool:
        """Whether upstream has to say more; not where that is in doubt."""
        return bool(self._owed) and not self._doubted

    @property
    def silent(self) -> bool:
        """Whether nothing has come of any turn that it owes."""
        return self._owed <= self._fresh.keys()

    def made(self, response_id: object) -> bool:
        """Whether upstream made that response over this socket."""
        return response_id in self._responses

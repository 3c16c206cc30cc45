"""What becomes of the messages of a WebSocket in Responses mode: turns begin, get their messages and end. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from playhead.storage.connecting.connected import MAX_TURNS

from .lane_turns import MAX_STEERS, Lane, OpenTurns, Turn


class Begun(NamedTuple):
    """A turn begins. `parent`: the response that it follows without a create, `steer`: the steer that made it do so."""

    turn: int
    lane: Lane
    parent: str | None = None
    steer: str | None = None


class Assigned(NamedTuple):
    """A message belongs to a turn; 0: to the connection itself."""

    token: int
    turn: int


class Ended(NamedTuple):
    """Nothing more will belong to a turn. `whole` False: it was cut off."""

    turn: int
    whole: bool


Step = Begun | Assigned | Ended


class Ledger:
    """The open turns, and the steps that the message at hand leads to."""

    __slots__ = ("_behind", "_out", "_spare", "_touched", "_turns", "open", "plain", "unassigned")

    def __init__(self) -> None:
        self.open = OpenTurns()
        self.plain: dict[Any, int] = {}
        """By lane: the turn that plain events belong to; only where that is sure."""
        self.unassigned = 0
        self._turns = 0
        self._behind: list[int] = []  # tokens of no turn, behind one that is held
        self._spare: dict[Lane, tuple[list[str | None], list[str]]] = {}  # where a successor began: its parents; further steers of theirs
        self._touched: set[Lane] = set()
        self._out: list[Step] = []

    # Turns.

    def create(self, token: int, lane: Lane, previous: str | None) -> Turn | None:
        """A turn more, at the end of its lane. None if there are too many."""
        if self._turns >= MAX_TURNS:
            return None
        self._turns += 1
        turn = Turn(self._turns, lane, token, previous)
        self.open.add(turn)
        self._out.append(Begun(turn.number, lane))
        return turn

    def follow(self, token: int, lane: Lane, ids: tuple[str | None, str | None], parent: Turn | None) -> Turn | None:
        """A turn without a create, before those that wait. `ids`: the response that its own continues, and its own; `parent`: whose steers it answers."""
        if self._turns >= MAX_TURNS:
            return None
        parents, (previous, id_) = list[str | None](), ids
        steers, known = list[str](), self._spare.pop(lane, None)
        if parent is not None:
            previous, steers, parent.accepted = parent.id, parent.accepted, []
        elif known is not None:
            parents, steers = known
        self._turns += 1
        turn = Turn(self._turns, lane, token, None)
        self.open.add(turn, first=True)
        self._out.append(Begun(turn.number, lane, previous, steers[0] or None if steers else None))
        if steers[1:] and len(self._spare) < MAX_STEERS:
            self._spare[lane] = ([*parents, previous, id_][-MAX_STEERS:], steers[1:])
        if parent is not None and parent.settled:
            self.end(parent)
        return turn

    def spare(self, lane: Lane, previous: str | None) -> bool:
        """Whether a response that continues this one can be one more successor of it."""
        return lane in self._spare and previous in self._spare[lane][0]

    def forget_spare(self, lane: Lane) -> None:
        """The steers of the lane have all had their successor."""
        self._spare.pop(lane, None)

    def give(self, token: int, turn: Turn | None) -> None:
        """A message belongs to a turn; None: to none."""
        if turn is None:
            self._behind.append(token)
        else:
            turn.last = token
            self._touched.add(turn.lane)
            self._out.append(Assigned(token, turn.number))

    def give_at_once(self, token: int, turn: Turn | None) -> None:
        """As `give`, for a message of the client: it does not wait behind those of the server."""
        self.unassigned += turn is None
        self._out.append(Assigned(token, 0 if turn is None else turn.number))

    def end(self, turn: Turn, *, whole: bool = True) -> None:
        """Nothing more belongs to it."""
        self._touched.add(turn.lane)
        self.open.remove(turn)
        self._out.append(Ended(turn.number, whole))

    def settle(self, turn: Turn) -> None:
        """End it if nothing more can come."""
        if turn.settled:
            self.end(turn)

    def leave(self, turn: Turn) -> None:
        """Out of its queue; it goes on beside it."""
        self._touched.add(turn.lane)
        oldest = self.open.leave(turn)
        if oldest is not None:
            self.end(oldest, whole=oldest.over)

    def answer(self, token: int, turn: Turn) -> None:
        """An error is the answer to a create, or the end of its response."""
        self.give(token, turn)
        if turn.begun:
            turn.erred = True
        else:
            self.end(turn)

    # Steps.

    def touch(self, lane: Lane) -> None:
        """Something has changed on a lane."""
        self._touched.add(lane)

    @property
    def behind(self) -> Collection[int]:
        """Tokens of no turn that wait for those that are held."""
        return self._behind

    def take(self, held: Collection[Lane] = (), least: int | None = None) -> list[Step]:
        """The steps since they were taken last. `held`: lanes whose next event has to be looked at; `least`: of the tokens held there."""
        if self._behind:
            free = sorted(token for token in self._behind if least is None or token < least)
            self._behind = [token for token in self._behind if least is not None and token > least]
            self._out += (Assigned(token, 0) for token in free)
            self.unassigned += len(free)
        for lane in self._touched:
            head = self.open.head(lane)
            if head is None or not head.begun or head.erred or lane in held:
                self.plain.pop(lane, None)
            else:
                self.plain[lane] = head.number
        self._touched.clear()
        out, self._out = self._out, []
        return out

    def state(self) -> dict[str, Any]:
        return {
            "open": self.open.state(),
            "turns": self._turns,
            "behind": list(self._behind),
            "spare": [[lane, list(parents), list(steers)] for lane, (parents, steers) in self._spare.items()],
            "unassigned": self.unassigned,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.open.restore(state["open"])
        self._turns, self.unassigned, self._behind = state["turns"], state["unassigned"], list(state["behind"])
        self._spare = {lane: (parents, steers) for lane, parents, steers in state["spare"]}
        self._touched = {turn.lane for turn in self.open.heads()}

"""Which turn of a WebSocket in Responses mode each message belongs to. Pure; nothing here raises.

A `response.create` begins a turn at the end of its lane's queue, and a `response.created` that no create explains (the successor of a steer) one before
it. What the server says on a lane is of the first in its queue, unless it names another response; until that ends. PROTOCOL.md 3.9, 4.1 and 4.2 say
why. Most errors do not name a response, nor what they answer: where two things are possible, such a message is held until the next event of its lane
shows which of them it was.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .folds.folding import text_in
from .folds.output_items import GROWTH, STATUSES
from .lane_steps import Assigned, Begun, Ended, Ledger, Step
from .lane_turns import MAX_STEERS, Lane, Turn, lane_of, name_in
from .models.wire import Unparsed, Wire, field

__all__ = ["Assigned", "Begun", "Ended", "Lanes", "Step"]

_CREATED, _TIMING = "response.created", "responsesapi.websocket_timing"
_TERMINALS = frozenset(f"response.{name}" for name in ("completed", "failed", "incomplete", "done"))
_LIFE = _TERMINALS | {_CREATED, "response.queued", "response.in_progress"}
_STEERS = frozenset(f"response.steer.{name}" for name in ("accepted", "failed", "pending"))
_INJECTS = frozenset(f"response.inject.{name}" for name in ("created", "failed"))
_STEERED_LATE = frozenset(("successor_creation_failed", "response_already_completed"))
_AHEAD = frozenset(("codex.rate_limits",))
"""What comes before a response begins."""

_PLAIN = frozenset((*GROWTH, *STATUSES, "response.output_item.added", "response.output_item.done"))
"""What only comes while a response runs, and says neither which nor anything of its begin or end."""

_ASKS = {"response.steer": "previous_response_id", "response.inject": "response_id"}.get
_MAX_NAMED_LANES = 32
_MAX_ODD = 64
_MAX_BEHIND = 64


class _Said(NamedTuple):
    """What decides where an event of the server belongs. `id`: the response that it names; `previous`: the one before that; `code`: of its error."""

    kind: str | None
    lane: Lane
    id: str | None
    previous: str | None
    code: str | None


class _Odd(NamedTuple):
    """A message of the client that is no create, and without an answer so far. `id`: the response that it names; `turn`: that it belongs to."""

    token: int
    id: str | None
    turn: int


class _Held(NamedTuple):
    """An error that says neither its place in a response nor what it answers, perhaps until the next event of its lane shows that.

    `create`: it speaks of a create; `odd`: of a message that cannot be understood; `grave`: of a server that cannot go on.
    """

    token: int
    code: str | None
    create: bool
    odd: bool
    grave: bool


class Lanes:
    """The messages of one connection in order. Tokens are the caller's, ascending; each is assigned once, those of each direction of a turn in order."""

    __slots__ = ("_held", "_ledger", "_odd", "_open", "_plain")

    def __init__(self) -> None:
        self._ledger = Ledger()
        self._open, self._plain = self._ledger.open, self._ledger.plain
        self._odd: list[_Odd] = []
        self._held: dict[Lane, _Held] = {}

    def client(self, token: int, event: Wire) -> list[Step]:
        """The next message of the client."""
        kind = text_in(event, "type")
        if kind == "response.create":
            turn = self._ledger.create(token, lane_of(event), name_in(event, "previous_response_id"))
        else:
            turn = self._ask(token, kind, event)
        self._ledger.give_at_once(token, turn)
        return self._done()

    def server(self, token: int, event: Wire) -> list[Step]:
        """The next message of the server."""
        if turn := self.plain(event):
            return [Assigned(token, turn)]
        if isinstance(event, Unparsed):
            self._ledger.give(token, None)
        else:
            self._hear(token, event)
        return self._done()

    def plain(self, event: Wire) -> int:
        """The turn that an event of the server belongs to if that is all there is to say of it; 0: it is to be given to `server`."""
        try:
            values, more = event.__dict__, event.__pydantic_extra__
            if values["type"] in _PLAIN and (not more or "response_id" not in more):
                return self._plain[values["stream_id"]]
        except (KeyError, TypeError):  # not plain, or not yet, or of the wrong type
            pass
        return 0

    def running(self, lane: Lane) -> int:
        """The turn that plain events (growth of an item) on that lane belong to. 0: that is not sure; they are to be given to `server`."""
        return self._plain.get(lane, 0)

    def awaited(self, lane: Lane) -> int:
        """The turn that is the first in the queue of a lane; 0: there is none."""
        head = self._open.head(lane)
        return head.number if head is not None else 0

    def close(self) -> list[Step]:
        """Nothing more will come."""
        self._decide_all()
        for turn in self._open.all():
            self._ledger.end(turn, whole=turn.over or turn.erred)
        return self._done()

    def _done(self) -> list[Step]:
        if len(self._ledger.behind) > _MAX_BEHIND:
            self._decide_all()
        if not self._held:
            return self._ledger.take()
        return self._ledger.take(self._held.keys(), min(held.token for held in self._held.values()))

    @property
    def lanes(self) -> list[Lane]:
        """Those that were used, by first use; None: the default one."""
        return list(self._open.names)

    @property
    def unassigned(self) -> int:
        """Messages that belong to no turn."""
        return self._ledger.unassigned

    @property
    def held(self) -> tuple[int, ...]:
        """Tokens that will be assigned later, ascending."""
        return tuple(sorted((*(held.token for held in self._held.values()), *self._ledger.behind)))

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, as JSON."""
        held = [[lane, list(held)] for lane, held in self._held.items()]
        return {"ledger": self._ledger.state(), "odd": [list(odd) for odd in self._odd], "held": held}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on, in a new one, where the one stood that gave this state."""
        self._ledger.restore(state["ledger"])
        self._odd = [_Odd(*odd) for odd in state["odd"]]
        self._held = {lane: _Held(*held) for lane, held in state["held"]}
        self._done()

    # What the client asks for beside creates.

    def _ask(self, token: int, kind: str | None, event: Wire) -> Turn | None:
        key = _ASKS(kind or "")
        id_ = name_in(event, key) if key is not None else None
        turn = self._open.named(id_)
        if turn is not None and kind == "response.steer":
            turn.steered += 1
        self._odd = [*self._odd, _Odd(token, id_, 0 if turn is None else turn.number)][-_MAX_ODD:]
        return turn

    def _answered(self, id_: str | None) -> None:
        """The oldest that named this response has its answer."""
        found = next((place for place, odd in enumerate(self._odd) if odd.id == id_), None)
        if found is not None:
            del self._odd[found]

    def _refuse(self, token: int, lane: Lane) -> None:
        """An error answers the oldest that has no answer, which is no create."""
        odd = self._odd.pop(0) if self._odd else None
        turn = self._open.named(odd.id) if odd is not None else None
        if turn is None or odd is None or turn.number != odd.turn or turn.lane != lane or turn.last > token:  # it may have gone on
            self._ledger.give(token, None)
            return
        self._ledger.give(token, turn)
        turn.steered = max(0, turn.steered - 1)
        self._ledger.settle(turn)

    # What the server says.

    def _hear(self, token: int, event: Wire) -> None:
        kind, error = text_in(event, "type"), field(event, "error")
        code = text_in(error, "code") or text_in(event, "code")
        if kind == "error" or (kind is None and error):
            self._error(token, event, _Said("error", lane_of(event), None, None, code))
            return
        inner = field(event, "response")
        if kind in _LIFE:
            id_, previous, code = name_in(inner, "id"), name_in(inner, "previous_response_id"), text_in(field(inner, "error"), "code")
        else:
            id_, previous = name_in(field(event, "steer"), "previous_response_id") if kind in _STEERS else name_in(event, "response_id"), None
        said = _Said(kind, lane_of(event), id_, previous, code)
        if self._held:
            self._decide_by(said)
        if kind == _CREATED:
            self._created(token, said)
        elif kind in _STEERS:
            self._steer(token, said, name_in(field(event, "steer"), "id"))
        elif kind in _INJECTS:
            self._answered(id_)
            self._ledger.give(token, self._named(said))
        else:
            self._tell(token, said)

    def _decide_by(self, said: _Said) -> None:
        """What is held on the lanes that this may be of."""
        named = self._named(said)
        for lane in dict.fromkeys((said.lane, said.lane if named is None else named.lane)):
            if lane in self._held and not self._beside(lane, said):
                self._decide(lane, said)

    def _named(self, said: _Said) -> Turn | None:
        return self._open.named_on(said.lane, said.id, sure=said.kind in _LIFE)

    def _created(self, token: int, said: _Said) -> None:
        turn, head = self._named(said), self._open.head(said.lane)
        waits = head is not None and not head.begun  # then it need not be a late one: servers of tests give the same id again and again
        if turn is None and (waits or not self._open.past(said.id)):
            turn = self._opened(token, said)
        if turn is not None:
            self._open.begin(turn, said.id)
        self._ledger.give(token, turn)

    def _opened(self, token: int, said: _Said) -> Turn | None:
        """The turn that a new response begins, or is."""
        lane, previous = said.lane, said.previous
        head = self._open.head(lane)
        while head is not None and (head.begun or head.erred):
            if head.id is None and not head.erred:  # a part of it came first
                return head
            if head.erred:
                self._ledger.end(head)
            else:  # it should be over
                self._ledger.leave(head)
            if head.accepted and previous in (head.id, None):
                return self._ledger.follow(token, lane, (previous, said.id), head)
            head = self._open.head(lane)
        waiting = self._open.waiting(lane)
        parent = next((turn for turn in waiting if previous is not None and turn.id == previous), None)
        fits = head is not None and previous == head.previous
        if parent is None and head is not None and (fits or not (waiting or self._ledger.spare(lane, previous))):
            self._ledger.forget_spare(lane)
            return head
        return self._ledger.follow(token, lane, (previous, said.id), parent or (waiting[0] if waiting else None))

    def _tell(self, token: int, said: _Said) -> None:
        """An event of a response, or one beside them."""
        turn = self._about(said)
        self._ledger.give(token, turn)
        if turn is None or (said.kind not in _LIFE and said.kind not in _PLAIN and said.kind not in _AHEAD):
            return
        self._open.begin(turn, said.id)
        turn.erred = False  # it goes on all the same
        if said.kind in _TERMINALS:
            turn.over = True
            if turn.settled:
                self._ledger.end(turn)
            else:
                self._ledger.leave(turn)

    def _about(self, said: _Said) -> Turn | None:
        turn = self._named(said)
        if turn is not None or self._open.past(said.id):
            return turn
        head = self._open.head(said.lane)
        if head is not None and head.erred and not self._own(head, said):
            self._ledger.end(head)
            head = self._open.head(said.lane)
        if said.kind in _LIFE or said.kind in _PLAIN or (head is not None and head.begun):
            return head
        waiting = self._open.waiting(said.lane)
        if waiting:
            return waiting[0]
        return None if said.kind == _TIMING else head  # timing tells of what is over, the others of what is to come

    def _own(self, turn: Turn, said: _Said) -> bool:
        """Whether an event of a lane can be of the turn that had an error there."""
        if said.kind not in _LIFE or said.id is None:
            return said.kind not in _AHEAD or len(self._open.queue(turn.lane)) == 1
        return said.kind == "response.failed" if turn.id is None else turn.id == said.id

    def _steer(self, token: int, said: _Said, steer: str | None) -> None:
        turn, kind = self._named(said), said.kind
        if kind != "response.steer.pending" and (turn is None or steer not in turn.accepted):
            self._answered(said.id)
            if turn is not None:
                turn.steered = max(0, turn.steered - 1)
        self._ledger.give(token, turn)
        if turn is None:
            return
        if kind == "response.steer.accepted":
            turn.accepted += [steer or ""][: MAX_STEERS - len(turn.accepted)]
        elif steer in turn.accepted:
            turn.accepted.remove(steer)
        elif kind == "response.steer.pending" and steer is None:
            del turn.accepted[:1]
        self._ledger.settle(turn)

    # Errors.

    def _error(self, token: int, event: Wire, said: _Said) -> None:
        number, status, param = (field(event, name) for name in ("sequence_number", "status", "param"))
        param = text_in(field(event, "error"), "param") or param
        create = said.code == "previous_response_not_found" or (isinstance(param, str) and param not in ("", "type"))
        create = create or (isinstance(status, int) and status != 400)
        odd = not create and (param == "type" or "json" in (said.code or "").lower())
        held = _Held(token, said.code, create, odd, isinstance(status, int) and status >= 500)
        if isinstance(number, int) and not isinstance(number, bool):
            self._broken(token, said)
        elif said.lane is not None or not self._refused_lane(token, said, param):
            self._refused(held, said)

    def _broken(self, token: int, said: _Said) -> None:
        """What runs on a lane has an error."""
        if said.lane in self._held:
            self._decide(said.lane, said)
        head = self._open.head(said.lane)
        if head is None:
            self._ledger.give(token, None)
        else:
            head.begun = True
            self._ledger.answer(token, head)

    def _refused_lane(self, token: int, said: _Said, param: Any) -> bool:
        """An error that says no lane, since the name of one is wrong, or there are no more. Whether that is so."""
        heads = [turn for turn in self._open.heads() if not turn.begun]
        if said.code == "websocket_connection_limit_reached":
            if None in self._held:
                self._decide(None, said)
            head = next((turn for turn in self._open.queue(None) if not turn.begun), None)
            if head is None:
                self._ledger.give(token, None)
            else:
                self._ledger.answer(token, head)
            return True
        if said.code == "websocket_stream_limit_reached":
            heads = [turn for turn in heads if self._open.beyond(turn, _MAX_NAMED_LANES)]
        elif said.code == "invalid_stream_id" or param == "stream_id":
            heads = [turn for turn in heads if not turn.fair]
        else:
            return False
        if heads:
            self._ledger.answer(token, min(heads, key=lambda turn: turn.token))
        return bool(heads)

    def _refused(self, held: _Held, said: _Said) -> None:
        """A request is refused, or what runs has an error that does not say so."""
        lane, odd = said.lane, bool(self._odd) and said.lane is None
        if odd and held.odd:
            self._refuse(held.token, lane)
            return
        if lane in self._held:
            self._decide(lane, said)
        head, alone = self._open.head(lane), len(self._open.queue(lane)) == 1
        if head is not None and head.erred and not alone:
            self._ledger.end(head)
            head, alone = self._open.head(lane), len(self._open.queue(lane)) == 1
        if head is None:
            self._refused_somewhere(held, lane)
        elif (held.create or not odd) and (alone or not head.begun):
            self._ledger.answer(held.token, head)
        else:
            self._hold(lane, held)

    def _refused_somewhere(self, held: _Held, lane: Lane) -> None:
        """Nothing is asked for on the lane that an error is of."""
        heads = [turn for turn in self._open.heads() if not turn.begun] if lane is None and not self._odd else []
        if len(heads) == 1 and heads[0].lane not in self._held:  # an error that should have said its lane
            self._hold(heads[0].lane, held)
        elif lane is None:
            self._refuse(held.token, lane)
        else:
            self._ledger.give(held.token, None)

    def _hold(self, lane: Lane, held: _Held) -> None:
        self._ledger.touch(lane)
        self._held[lane] = held

    def _beside(self, lane: Lane, said: _Said) -> bool:
        """Whether an event says nothing of what a lane does now."""
        head = self._open.head(lane)
        return (said.kind in _STEERS or said.kind in _INJECTS) and (head is None or head.id is None or head.id != said.id)

    def _decide_all(self) -> None:
        for lane, _ in sorted(self._held.items(), key=lambda pair: pair[1].token):
            self._decide(lane, None)

    def _decide(self, lane: Lane, said: _Said | None) -> None:
        """What the error of a lane answers, by the event that came next; None: nothing came."""
        held, queue = self._held.pop(lane), self._open.queue(lane)
        self._ledger.touch(lane)
        head = queue[0] if queue else None
        behind = queue[1] if len(queue) > 1 else None
        if head is not None and self._hits(held, head, behind, said):
            self._ledger.answer(held.token, head)
            return
        odd = self._odd[0] if self._odd and lane is None else None
        if behind is not None and head is not None and head.begun and (held.create or odd is None or behind.token < odd.token):
            self._ledger.answer(held.token, behind)
        elif lane is None:
            self._refuse(held.token, lane)
        else:
            self._ledger.give(held.token, None)

    def _hits(self, held: _Held, head: Turn, behind: Turn | None, said: _Said | None) -> bool:
        """Whether it is the first of its lane that has the error."""
        if said is None or said.kind == "error":
            if head.begun:
                return held.grave or (behind is None and not self._odd)
            return not (self._odd and self._odd[0].token < head.token)
        if said.kind == _CREATED and said.id != head.id:
            if head.begun:
                return not (head.accepted and said.previous == head.id)
            return behind is not None and said.previous != head.previous and said.previous == behind.previous
        if said.kind in _AHEAD or said.kind == _TIMING:
            return head.begun
        if said.kind == "response.steer.failed":
            return said.code in _STEERED_LATE
        return said.kind == "response.failed" and said.code == held.code and head.begun

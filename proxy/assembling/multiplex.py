"""A WebSocket in Responses mode: its messages sorted into turns as they come. What belongs to none stays with the connection, as does the order. Pure.

Turns that have ended wait in `ready`; the others, and what the connection itself keeps, are handed over in parts (`spill`, `tell`).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, Literal, NamedTuple

from playhead.storage.connecting.connected import MAX_TURNS, LogEntry, RecordedConnection
from playhead.storage.connecting.log_rows import LogRows
from playhead.storage.records import Direction, Outcome, Recorded, Spill

from ..edges import Edges, leading
from ..forwarding.frames import INSTEAD, Opcode
from ..lane_turns import lane_of
from ..lanes import Assigned, Begun, Lanes, Step
from ..models.doors import client_event_door, event_door
from ..models.kind import Shape
from ..models.wire import Wire
from ..plain import text_of
from .channels import Channels
from .passing import Passing
from .turns import Setting, Turn, TurnMessage, data_of, said_state

_SOCKET = Shape("responses", "socket")
_CLIENT, _UPSTREAM = int(Direction.CLIENT), int(Direction.UPSTREAM)  # rows have plain numbers: to write an enum's member as JSON takes 4 us
_MOST_LATE = 1 << 16  # bytes
_START = 1 << 16  # bytes of a long message that are looked at


class _Waiting(NamedTuple):
    """A message of which it is not known to whom it belongs. `place`: of its entry in the log."""

    said: TurnMessage
    place: int


class _Long(NamedTuple):
    """The long message that goes on in a direction: whose it is, and which turns end with it. `edges`: of its text; `hidden`: it is playhead's own."""

    turn: int
    ends: list[tuple[int, bool]]
    edges: Edges
    hidden: bool = False

    def state(self) -> list[Any]:
        return [self.turn, self.ends, self.hidden, self.edges.state()]

    @classmethod
    def restore(cls, turn: int, ends: list[list[Any]], hidden: bool = False, edges: dict[str, Any] | None = None) -> _Long:
        """The one that gave this state; of an older version's the text so far is not known."""
        long = cls(turn, [(number, whole) for number, whole in ends], Edges(), hidden)
        if edges is not None:
            long.edges.restore(edges)
        return long


class Multiplex(Channels):
    """One connection. `setting`: what its turns have in common. `seq_of`: the place in the session that a turn has, given when it begins."""

    __slots__ = (
        *("_begun", "_door", "_given", "_instead", "_lanes", "_late", "_late_bytes", "_log", "_long", "_open", "_own", "_part", "_passing", "_sent_door"),
        *("_seq_of", "_token", "_unassigned", "_waiting", "ready", "setting"),
    )

    def __init__(self, setting: Setting, seq_of: Callable[[int], int | None]) -> None:
        super().__init__(setting.extensions)
        self.ready: list[Recorded | Spill] = []
        """Turns that have ended, to be taken away."""
        self.setting, self._seq_of = setting, seq_of
        self._door, self._sent_door = event_door(_SOCKET), client_event_door(_SOCKET)
        self._passing = Passing(_SOCKET.kind)
        self._lanes = Lanes()
        self._late: list[tuple[int, bytes, int]] = []  # deltas of the running turn that it has not got yet: time, JSON, number
        self._late_bytes = 0
        self._open: dict[int, Turn] = {}
        self._begun = 0  # turns
        self._instead = False  # whether what comes from the client is playhead's own
        self._token = 0  # the last one given to a message
        self._waiting: dict[int, _Waiting] = {}  # by token
        self._long: dict[int, _Long] = {}  # by direction
        self._log = LogRows()  # what was not given away of it
        self._given = 0  # how many entries were before those
        self._own: tuple[list[tuple[int, bytes]], list[tuple[int, bytes]]] = ([], [])  # payloads that belong to no turn, by the places of their entries
        self._part = 0  # how often something was given away
        self._unassigned = 0

    # Messages.

    def upstream(self, at: int, data: bytes) -> None:
        """Raw bytes from upstream after the 101. Deltas that come one by one are held: to take one costs nearly as much as to take a hundred."""
        text = self._decoder.whole_text(data)
        number = self._passing.number(text) if text is not None and not self._told.opcode and self._running is not None else None
        if text is None or number is None:
            self.settle()
            super().upstream(at, data)
            return
        self._late.append((at, text, number))
        self._late_bytes += len(text)
        if self._late_bytes > _MOST_LATE:
            self.settle()

    @property
    def _running(self) -> Turn | None:
        """The turn that plain events of the default lane belong to."""
        return self._open.get(self._lanes.running(None))

    def settle(self) -> None:
        """Take what is held."""
        if not self._late:
            return
        turn = self._running
        assert turn is not None  # what would end it settles before
        times, texts, numbers = map(list, zip(*self._late, strict=True))
        self._late, self._late_bytes = [], 0
        opcodes, start = [int(Opcode.TEXT)] * len(texts), len(self._log)
        self._count_texts(texts)
        self._log.add_answered(times, opcodes, map(len, texts))
        self._log.assign(slice(start, len(self._log)), turn.number)
        turn.passed(times, opcodes, texts, numbers)

    def close(self, at: int) -> None:
        """Nothing more will come."""
        self.settle()
        super().close(at)

    def client(self, at: int, payload: bytes) -> None:
        """A CLIENT_FRAME of the journal."""
        self.settle()
        self._instead = bool(payload and payload[0] & INSTEAD)
        super().client(at, payload)

    def _said(self, at: int, opcode: int, data: bytes) -> None:
        said = TurnMessage(_CLIENT, at, opcode, data, len(data), self._sent_door(data))
        if self._instead:
            self._say_instead(said)
        else:
            self._log.add((said.direction, opcode, at, 0, said.size, False))
            self._message(said, self._next - 1)

    def _say_instead(self, said: TurnMessage) -> None:
        """What playhead sent in place of the create that waits for its response, which its client never saw."""
        turn = self._open.get(self._lanes.awaited(lane_of(said.model)))
        self._log.add((said.direction, said.opcode, said.at, turn.number if turn is not None else 0, said.size, True))
        if turn is not None:
            turn.take(said)
        else:
            self._own[said.direction].append((self._next - 1, said.data))

    def _answered(self, at: int, opcodes: list[int], texts: list[bytes]) -> None:
        _, told, parts = self._passing.look(texts)
        models = iter(self._door.many(told))
        start, done = self._next, 0
        self._log.add_answered(repeat(at, len(texts)), opcodes, map(len, texts))
        for part in parts:
            if part is None:
                self._answered_one(at, opcodes[done], texts[done], next(models), start + done)
                done += 1
            else:
                end = done + len(part)
                self._pass(at, opcodes[done:end], texts[done:end], part, start + done)
                done = end

    def _pass(self, at: int, opcodes: list[int], texts: list[bytes], numbers: list[int], start: int) -> None:
        """Events of the default lane that need no model, if it is plain whose they are. `start`: the place of the first of them in the log."""
        for place, data in enumerate(texts):
            turn = self._running
            if turn is not None:
                turn.passed((at,), opcodes[place:], texts[place:], numbers[place:])
                self._log.assign(slice(start + place - self._given, start + len(texts) - self._given), turn.number)
                return
            self._answered_one(at, opcodes[place], data, self._door(data), start + place)

    def _answered_one(self, at: int, opcode: int, data: bytes, model: Wire, place: int) -> None:
        """A message of upstream. `place`: of its entry in the log."""
        turn = self._open.get(self._lanes.plain(model))
        if turn is None:
            self._message(TurnMessage(_UPSTREAM, at, opcode, data, len(data), model), place)
            return
        self._token += 1
        self._log.turns[place - self._given] = turn.number
        turn.told(at, opcode, data, model)

    def _message(self, said: TurnMessage, place: int) -> None:
        """One of which it is to be found out whose it is."""
        self._token += 1
        steps = self._steps(said)
        self._waiting[self._token] = _Waiting(said, place)
        for step in steps:
            self._take(step)

    def _steps(self, said: TurnMessage) -> list[Step]:
        return (self._lanes.server if said.direction else self._lanes.client)(self._token, said.model)

    def _take(self, step: Step) -> None:
        if isinstance(step, Assigned):
            waiting = self._waiting.pop(step.token, None)
            if waiting is not None:
                self._assign(waiting, self._open.get(step.turn))
        elif isinstance(step, Begun):
            self._begin(step)
        else:
            self._end_turn(step.turn, whole=step.whole)

    def _assign(self, waiting: _Waiting, turn: Turn | None) -> None:
        said, place = waiting
        if turn is not None:
            self._log.turns[place - self._given] = turn.number
            turn.take(said)
        else:
            self._unassigned += 1
            self._own[said.direction].append((place, said.data))

    def _begin(self, begun: Begun) -> None:
        self._begun = begun.turn
        if begun.turn <= MAX_TURNS:
            self._open[begun.turn] = Turn(self.setting, begun, self._seq_of(begun.turn))

    def _end_turn(self, number: int, *, whole: bool) -> None:
        for long in self._long.values():
            if long.turn == number:
                long.ends.append((number, whole))
                return
        if (turn := self._open.pop(number, None)) is not None:
            self.ready.append(turn.end("complete" if whole else "aborted"))

    @property
    def _next(self) -> int:
        """The place of the next entry in the log."""
        return self._given + len(self._log)

    # What is no message of a turn.

    def _control(self, direction: Direction, at: int, opcode: int, payload: bytes) -> None:
        self._loose(direction, payload)
        self._log.add((direction, opcode, at, 0, len(payload), False))

    def _loose(self, direction: Direction, data: bytes) -> None:
        self._own[direction].append((self._next, data))

    def _rest(self, direction: Direction, at: int, opcode: int, size: int) -> None:
        """What does not end is no message, whatever it was going to be."""
        self._unassigned += 1
        self._log.add((direction, 0, at, 0, size, False))

    # Messages that are not held.

    def _begin_long(self, direction: Direction, at: int, opcode: int, start: bytes) -> None:
        """Whose it is has to be said by its beginning."""
        told = leading(start[:_START])
        model: Wire = (self._door if direction else self._sent_door)(told or start[:_START])
        if self._instead and direction == Direction.CLIENT:
            self._long[direction] = _Long(self._lanes.awaited(lane_of(model)), [], Edges(), True)
        else:
            self._token += 1
            steps = self._steps(TurnMessage(direction, at, opcode, b"", 0, model))
            turn = next((step.turn for step in steps if isinstance(step, Assigned) and step.token == self._token), 0)
            self._long[direction] = _Long(turn, [], Edges())
            for step in steps:
                self._take(step)
        if (begun := self._open.get(self._long[direction].turn)) is not None:
            begun.begin_long(direction)
        self._more(direction, start)

    def _more(self, direction: Direction, data: bytes) -> None:
        long = self._long[direction]
        long.edges.feed(data)
        turn = self._open.get(long.turn)
        if turn is not None:
            turn.more(direction, data)
        else:
            self._loose(direction, data)

    def _end_long(self, direction: Direction, at: int, opcode: int, start: bytes, size: int, *, whole: bool) -> None:
        long = self._long.pop(direction)
        turn = self._open.get(long.turn)
        if turn is not None:
            told = long.edges.event()
            model: Wire = (self._door if direction else self._sent_door)(told or start)
            turn.tell(TurnMessage(direction, at, opcode, start, size, model), whole=whole)
        else:
            self._unassigned += not long.hidden
        self._log.add((direction, opcode if whole else 0, at, 0 if turn is None else turn.number, size, long.hidden))
        for number, ended in long.ends:
            self._end_turn(number, whole=ended)

    # The end.

    def end(self, at: int, outcome: Outcome, problems: Sequence[str], *, redacted: Literal["response"] | None = None) -> None:
        """The connection ended so, or its worker did: so do the turns that are open, unless what came is all of them."""
        self.close(at)
        for step in self._lanes.close():
            if isinstance(step, Assigned | Begun) or step.whole:
                self._take(step)
        self._give_up_waiting()
        self.ready += [turn.end(self._cut_outcome(outcome), problems=problems, redacted=redacted) for turn in self._open.values()]
        self._open.clear()

    def _cut_outcome(self, outcome: Outcome) -> Outcome:
        """How a turn ended that was open at the end."""
        if outcome != "complete":
            return outcome
        return {Direction.CLIENT: "client_closed", Direction.UPSTREAM: "upstream_closed", None: "aborted"}[self.traffic.first_close]  # type: ignore[return-value]

    def give_up(self, at: int) -> None:
        """It cannot be parsed on. What is open is stored as it came; what comes from now on is nothing of this."""
        self.close(at)
        self._give_up_waiting()
        self.ready += [turn.give_up() for turn in self._open.values()]
        self._open.clear()

    def _give_up_waiting(self) -> None:
        for waiting in self._waiting.values():
            self._assign(waiting, None)
        self._waiting.clear()

    # Handing over.

    @property
    def busy(self) -> bool:
        """Whether something is open of which a part would have to be stored."""
        return bool(self._open or self._waiting or self._long)

    def spill(self) -> list[Spill]:
        """What came of the open turns since the last time; it is forgotten here."""
        self.settle()
        return [spill for turn in self._open.values() if (spill := turn.spill()) is not None]

    def tell(self, connection: RecordedConnection, *, give: bool) -> None:
        """Say what is known of the connection. `give`: with what is new in its log, which is forgotten here."""
        self.settle()
        self.traffic.tell(connection)
        connection.lanes = [text_of(lane) for lane in self._lanes.lanes]
        connection.turns, connection.unassigned, connection.part = self._begun, self._unassigned, self._part
        if not give:
            return
        sure = min((waiting.place for waiting in self._waiting.values()), default=self._next)
        connection.log = self._log.take(sure - self._given)
        connection.client_data, connection.upstream_data = (self._give_own(own, sure if self._waiting else None) for own in self._own)
        self._given = sure
        self._part += bool(connection.log or connection.client_data or connection.upstream_data)

    def _give_own(self, own: list[tuple[int, bytes]], before: int | None) -> bytes:
        """Payloads in the order of their entries, up to that place."""
        own.sort(key=lambda pair: pair[0])
        given = [data for place, data in own if before is None or place < before]
        del own[: len(given)]
        return b"".join(given)

    # Going on after a restart.

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, as JSON. Call it right after `spill` and `tell`: what was not given away is not in it."""
        self.settle()
        own = [[[place, b64encode(data).decode()] for place, data in side] for side in self._own]
        return {
            **super().state(),
            "lanes": self._lanes.state(),
            "open": [turn.state() for turn in self._open.values()],
            "waiting": [[token, waiting.place, said_state(waiting.said)] for token, waiting in self._waiting.items()],
            "long": [[direction, *long.state()] for direction, long in self._long.items()],
            "log": [list(entry) for entry in self._log],
            "own": own,
            "counts": [self._begun, self._token, self._given, self._part, self._unassigned],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on, in a new one of the same handshake, where the one stood that gave this state."""
        super().restore(state)
        self._lanes.restore(state["lanes"])
        for known in state["open"]:
            turn = Turn.restore(self.setting, known)
            self._open[turn.number] = turn
        for token, place, known in state["waiting"]:
            data = data_of(known)
            model: Wire = (self._door if known[0] else self._sent_door)(data)
            self._waiting[token] = _Waiting(TurnMessage(known[0], known[1], known[2], data, known[4], model), place)
        self._long = {direction: _Long.restore(*known) for direction, *known in state["long"]}
        self._log = LogRows([LogEntry(*entry) for entry in state["log"]])
        self._own = tuple([(place, b64decode(data)) for place, data in side] for side in state["own"])  # type: ignore[assignment]
        self._begun, self._token, self._given, self._part, self._unassigned = state["counts"]

"""A forwarded WebSocket that is one exchange, made of its journal frames: bodies, events and facts of the whole connection. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playhead.storage.records import Direction, Facts, Frame, ItemRow

from ..facts import NOTHING, Told, item_rows, number_of, told_of, type_of
from ..folds.folding import Heard
from ..forwarding.frames import Opcode, unpack
from ..models.doors import client_event_door, event_door
from ..models.kind import Shape
from ..models.wire import Unparsed, Wire, field
from ..plain import text_of
from ..sse import type_of as type_name
from .channels import Channels
from .gathered import Gathered
from .hearing import hearing_for
from .passing import Passing

ASKS = frozenset(("response.create", "session.start", "session.update"))
"""Events of a client that say what it wants."""

CONTROL: Mapping[int, str] = {Opcode.CLOSE: "websocket.close", Opcode.PING: "websocket.ping", Opcode.PONG: "websocket.pong"}
"""What control frames are called among the events."""

TYPE_AT = len('{"type":"')
"""Where the type stands in an event that may pass (passing.py)."""


class Transcript(Channels):
    """One connection. `parse` False: what came is kept as it is, framing of upstream's half included, and not looked at."""

    __slots__ = (*("_door", "_gathered", "_hearing", "_inputs", "_parse", "_passing", "_sent", "_sent_door"), "told")

    def __init__(self, extensions: bytes, gathered: Gathered, shape: Shape, *, parse: bool) -> None:
        super().__init__(extensions)
        self._gathered, self._parse = gathered, parse
        self._door, self._sent_door = event_door(shape), client_event_door(shape)
        self._hearing = hearing_for(shape, socket=True)
        self._passing = Passing(shape.kind)
        self._inputs: list[ItemRow] = []  # items that the client sent
        self._sent = 0  # how many those were, with what is no item
        self.told: Told = NOTHING
        """What the client's last request says."""

    def client(self, at: int, payload: bytes) -> None:
        """A CLIENT_FRAME of the journal."""
        gathered, size = self._gathered, max(len(payload) - 1, 0)
        gathered.frames.append(Frame(Direction.CLIENT, at, size))
        gathered.request_bytes += size
        if self._parse:
            super().client(at, payload)
        else:
            gathered.request.append(unpack(payload).payload)
            self.traffic.take(Direction.CLIENT, 0, size)

    def upstream(self, at: int, data: bytes) -> None:
        """Raw bytes from upstream after the 101."""
        gathered, size = self._gathered, len(data)
        if self._parse:
            pieces = self._decoder.feed(data)
            size = sum([len(piece.payload) for piece in pieces]) + self._sort(at, pieces)
        else:
            gathered.response.append(data)
            self.traffic.take(Direction.UPSTREAM, 0, size)
        gathered.response_bytes += size
        gathered.frames.append(Frame(Direction.UPSTREAM, at, size))

    # Messages.

    def _said(self, at: int, opcode: int, data: bytes) -> None:
        self._gathered.request.append(data)
        model: Wire = self._sent_door(data)
        if type_of(model, data) in ASKS:
            self._take(model)
        self._message_row(Direction.CLIENT, at, (opcode, data), len(data), model)

    def _take(self, request: Wire) -> None:
        given = field(request, "input")
        self.told = told_of(request, ())
        if isinstance(given, list):
            self._inputs += item_rows("input", enumerate(given, self._sent))
            self._sent += len(given)

    def _answered(self, at: int, opcodes: list[int], texts: list[bytes]) -> None:
        gathered = self._gathered
        gathered.response += texts
        if gathered.first_ns is None:
            gathered.first_ns = at
        _, told, parts = self._passing.look(texts)
        models = iter(self._door.many(told))
        heard: list[Heard] = [part or next(models) for part in parts]
        place = 0
        for event in heard:
            if not isinstance(event, list):
                self._message_row(Direction.UPSTREAM, at, (opcodes[place], texts[place]), len(texts[place]), event)
                place += 1
                continue
            for number in event:
                data = texts[place]
                name = type_name(data[TYPE_AT : data.find(b'"', TYPE_AT)])
                gathered.rows.add((at, 1, name, number, None, len(data), opcodes[place]))
                place += 1
        self._hearing.hear([event for event in heard if not isinstance(event, Unparsed)])

    def _message_row(self, direction: Direction, at: int, message: tuple[int, bytes], size: int, model: Wire) -> None:
        opcode, data = message
        kind = type_of(model, data) or ("websocket.text" if opcode == Opcode.TEXT else "websocket.binary")
        self._gathered.rows.add((at, int(direction), kind, number_of(model), text_of(field(model, "stream_id")), size, opcode))

    def _row(self, direction: Direction, at: int, kind: str | None, size: int, opcode: int) -> None:
        self._gathered.rows.add((at, int(direction), kind, None, None, size, opcode))

    def _control(self, direction: Direction, at: int, opcode: int, payload: bytes) -> None:
        self._loose(direction, payload)
        self._row(direction, at, CONTROL.get(opcode, "websocket.control"), len(payload), opcode)

    def _begin_long(self, direction: Direction, at: int, opcode: int, start: bytes) -> None:
        self._loose(direction, start)

    def _more(self, direction: Direction, data: bytes) -> None:
        self._loose(direction, data)

    def _end_long(self, direction: Direction, at: int, opcode: int, start: bytes, size: int, *, whole: bool) -> None:
        if not whole:
            self._row(direction, at, None, size, opcode)
            return
        if direction == Direction.UPSTREAM and self._gathered.first_ns is None:
            self._gathered.first_ns = at
        self._message_row(direction, at, (opcode, start), size, (self._door if direction else self._sent_door)(start))

    def _loose(self, direction: Direction, data: bytes) -> None:
        (self._gathered.response if direction else self._gathered.request).append(data)

    def _rest(self, direction: Direction, at: int, opcode: int, size: int) -> None:
        self._row(direction, at, None, size, opcode)

    # What they say.

    def read(self, facts: Facts) -> list[str]:
        """Take what the messages say: of responses the last that ended. Gives the problems."""
        odd = self._hearing.tell(facts)
        if self._parse and self._gathered.first_ns is not None:
            facts.parse = "parsed" if self._hearing.ended else "partial"
        return [self.problem, *odd] if self.problem else odd

    def items(self) -> list[ItemRow]:
        """Rows of the items that both sides sent."""
        return [*self._inputs, *self._hearing.items()]

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, as JSON; what was gathered so far is not in it."""
        inputs = [list(row) for row in self._inputs]
        return {**super().state(), "hearing": self._hearing.state(), "inputs": inputs, "sent": self._sent, "told": self.told.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on, in a new transcript of the same handshake, where the one stood that gave this state."""
        super().restore(state)
        if "hearing" in state:  # of an older version what was heard before is not known
            self._hearing.restore(state["hearing"])
            self._inputs = [ItemRow(*row) for row in state["inputs"]]
            self._sent, self.told = state["sent"], Told.restore(state["told"])

"""The messages of one forwarded WebSocket, made of its journal frames: bodies, events and facts of the whole connection. Pure.

The seam for splitting a connection into exchanges by lane and turn is `_message`: it gets every whole message of both directions in order, with its
time, type and lane.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple

from playhead.storage.records import Direction, EventRow, Facts, Frame, ItemRow

from .facts import NOTHING, Told, item_rows, number_of, text_of, told_of, type_of
from .frames import FrameDecoder, MessagePiece, Opcode, deflate_of, unpack
from .gathered import Gathered
from .hearing import hearing_for
from .models.doors import client_event_door, event_door
from .models.kind import Shape
from .models.wire import Unparsed, Wire, field
from .passing import Passing
from .sse import type_of as type_name

MAX_MESSAGE = 16 << 20
"""Of a longer message only the size is known."""

_KEEP = 4096  # of a longer message
_TYPE_AT = len('{"type":"')  # where it stands in an event that may pass
ASKS = frozenset(("response.create", "session.start", "session.update"))
"""Events of a client that say what it wants."""

_CONTROL: Mapping[int, str] = {Opcode.CLOSE: "websocket.close", Opcode.PING: "websocket.ping", Opcode.PONG: "websocket.pong"}


class _Channel:
    """One direction. Control frames that interrupt a message wait for its end, so that each message is one piece of the body."""

    __slots__ = ("body", "broken", "closed", "direction", "kept", "opcode", "parts", "size", "waiting")

    def __init__(self, direction: Direction, body: list[bytes]) -> None:
        self.direction = direction
        self.body = body
        self.opcode = 0  # of the message that goes on; 0: none
        self.size = 0  # of what has come of it
        self.parts: list[bytes] = []  # the same, as far as it is kept
        self.kept = 0
        self.waiting: list[tuple[int, int, bytes]] = []  # time, opcode, payload
        self.broken = 0  # bytes behind a violation of the protocol
        self.closed = False  # whether a close frame has come

    def take(self, payload: bytes) -> None:
        """One more piece of the message that goes on."""
        self.body.append(payload)
        self.size += len(payload)
        if self.size <= MAX_MESSAGE:
            self.parts.append(payload)
        else:
            self.parts = [b"".join(self.parts)[:_KEEP]]

    def end(self) -> tuple[bytes, int]:
        """The message that ended, as far as it was kept, and its size."""
        ended = b"".join(self.parts), self.size
        self.opcode, self.size, self.parts = 0, 0, []
        return ended

    def state(self) -> dict[str, Any]:
        waiting = [[at, opcode, b64encode(payload).decode()] for at, opcode, payload in self.waiting]
        return {
            "opcode": self.opcode,
            "size": self.size,
            "parts": b64encode(b"".join(self.parts)).decode(),
            "waiting": waiting,
            "broken": self.broken,
            "closed": self.closed,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.opcode, self.size, self.broken = state["opcode"], state["size"], state["broken"]
        self.closed = state["closed"]
        self.parts = [b64decode(state["parts"])]
        self.waiting = [(at, opcode, b64decode(payload)) for at, opcode, payload in state["waiting"]]


class _Message(NamedTuple):
    at: int
    opcode: int
    data: bytes
    size: int


class Transcript:
    """One connection. `parse` False: what came is kept as it is, framing of upstream's half included, and not looked at."""

    __slots__ = (
        *("_client", "_decoder", "_door", "_gathered", "_hearing", "_inputs", "_parse", "_passing", "_sent", "_sent_door", "_upstream", "_waiting"),
        "told",
    )

    def __init__(self, extensions: bytes, gathered: Gathered, shape: Shape, *, parse: bool) -> None:
        self._gathered, self._parse = gathered, parse
        self._door, self._sent_door = event_door(shape), client_event_door(shape)
        self._client = _Channel(Direction.CLIENT, gathered.request)
        self._upstream = _Channel(Direction.UPSTREAM, gathered.response)
        self._decoder = FrameDecoder(deflate_of(extensions, "server"), resumable=True)
        self._hearing = hearing_for(shape, socket=True)
        self._passing = Passing(shape.kind)
        self._waiting: list[_Message] = []  # of upstream, without a row so far
        self._inputs: list[ItemRow] = []  # items that the client sent
        self._sent = 0  # how many those were, with what is no item
        self.told: Told = NOTHING
        """What the client's last request says."""

    def client(self, at: int, payload: bytes) -> None:
        """A CLIENT_FRAME of the journal."""
        piece = unpack(payload)
        self._gathered.frames.append(Frame(Direction.CLIENT, at, len(piece.payload)))
        self._gathered.request_bytes += len(piece.payload)
        if self._parse:
            self._piece(self._client, at, piece)
        else:
            self._client.body.append(piece.payload)

    def upstream(self, at: int, data: bytes) -> None:
        """Raw bytes from upstream after the 101."""
        gathered, channel = self._gathered, self._upstream
        before = gathered.response_bytes
        if not self._parse:
            channel.body.append(data)
            gathered.response_bytes += len(data)
        else:
            for piece in self._decoder.feed(data):
                gathered.response_bytes += len(piece.payload)
                self._piece(channel, at, piece)
            self._flush()
            if self._decoder.problem is not None and self._decoder.rest:
                self._break(channel, at, self._decoder.rest)
        gathered.frames.append(Frame(Direction.UPSTREAM, at, gathered.response_bytes - before))

    def _piece(self, channel: _Channel, at: int, piece: MessagePiece) -> None:
        opcode, first, last, payload = piece
        if opcode >= Opcode.CLOSE:
            if channel.opcode:
                channel.waiting.append((at, opcode, payload))
            else:
                self._control(channel, at, opcode, payload)
        elif first and last and not channel.opcode:
            channel.body.append(payload)
            self._message(channel.direction, at, opcode, payload, len(payload))
        else:
            channel.opcode = opcode or Opcode.BINARY
            channel.take(payload)
            if last:
                self._message(channel.direction, at, channel.opcode, *channel.end())
                self._release(channel)

    def _message(self, direction: Direction, at: int, opcode: int, data: bytes, size: int) -> None:
        """A whole message: one event. `data`: its payload, or its beginning if it is very long."""
        if direction == Direction.UPSTREAM:
            self._waiting.append(_Message(at, opcode, data, size))  # those of one read are looked at together
            return
        model: Wire = self._sent_door(data)
        kind = type_of(model, data)
        if kind in ASKS:
            self._take(model)
        self._message_row(direction, _Message(at, opcode, data, size), model)

    def _message_row(self, direction: Direction, message: _Message, model: Wire) -> None:
        at, opcode, data, size = message
        shown = type_of(model, data) or ("websocket.text" if opcode == Opcode.TEXT else "websocket.binary")
        gathered = self._gathered
        gathered.rows.append(EventRow(gathered.count, at, direction, shown, number_of(model), text_of(field(model, "stream_id")), size, opcode))
        gathered.count += 1

    def _flush(self) -> None:
        """Rows for the messages of upstream that wait for one, and what they tell."""
        gathered, messages, new = self._gathered, self._waiting, tuple.__new__
        if not messages:
            return
        self._waiting = []
        if gathered.first_ns is None:
            gathered.first_ns = messages[0].at
        numbers = self._passing.numbers([message.data for message in messages])
        models = iter(self._door.many([message.data for message, number in zip(messages, numbers, strict=True) if number is None]))
        heard: list[Wire | int] = []
        for message, number in zip(messages, numbers, strict=True):
            if number is None:
                model = next(models)
                heard.append(model)
                self._message_row(Direction.UPSTREAM, message, model)
            else:
                heard.append(number)
                at, opcode, data, size = message
                name = type_name(data[_TYPE_AT : data.find(b'"', _TYPE_AT)])
                gathered.rows.append(new(EventRow, (gathered.count, at, 1, name, number, None, size, opcode)))
                gathered.count += 1
        self._hearing.hear([event for event in heard if not isinstance(event, Unparsed)])

    def _take(self, request: Wire) -> None:
        given = field(request, "input")
        self.told = told_of(request, ())
        if isinstance(given, list):
            self._inputs += item_rows("input", enumerate(given, self._sent))
            self._sent += len(given)

    def _control(self, channel: _Channel, at: int, opcode: int, payload: bytes) -> None:
        channel.body.append(payload)
        channel.closed = channel.closed or opcode == Opcode.CLOSE
        self._row(channel, at, _CONTROL.get(opcode, "websocket.control"), len(payload), opcode)

    def _release(self, channel: _Channel) -> None:
        for waiting in channel.waiting:
            self._control(channel, *waiting)
        channel.waiting.clear()

    def _row(self, channel: _Channel, at: int, kind: str | None, size: int, opcode: int) -> None:
        self._flush()
        gathered = self._gathered
        gathered.rows.append(EventRow(gathered.count, at, channel.direction, kind, None, None, size, opcode))
        gathered.count += 1

    def _break(self, channel: _Channel, at: int, rest: bytes) -> None:
        """Bytes that are no frames: they are kept as one last event without a type."""
        self._cut(channel, at)
        channel.body.append(rest)
        channel.broken += len(rest)
        self._gathered.response_bytes += len(rest)

    def _cut(self, channel: _Channel, at: int) -> None:
        """The message that goes on will not end: what came of it becomes a row without a type."""
        if channel.opcode:
            opcode = channel.opcode
            self._row(channel, at, None, channel.end()[1], opcode)
        self._release(channel)

    def close(self, at: int) -> None:
        """Nothing more will come."""
        for channel in (self._client, self._upstream):
            self._cut(channel, at)
            if channel.broken:
                self._row(channel, at, None, channel.broken, 0)
                channel.broken = 0

    def read(self, facts: Facts) -> list[str]:
        """Take what the messages say: of responses the last that ended. Gives the problems."""
        odd = self._hearing.tell(facts)
        if self._parse and self._gathered.first_ns is not None:
            facts.parse = "parsed" if self._hearing.ended else "partial"
        problem = self._decoder.problem
        return [f"upstream broke the WebSocket protocol: {problem}", *odd] if problem else odd

    def items(self) -> list[ItemRow]:
        """Rows of the items that both sides sent."""
        return [*self._inputs, *self._hearing.items()]

    @property
    def closed(self) -> bool:
        """Whether both sides have sent a close frame: nothing can follow (RFC 6455 section 5.5.1)."""
        return self._client.closed and self._upstream.closed

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, as JSON; what was gathered so far is not in it."""
        return {
            "channels": [self._client.state(), self._upstream.state()],
            "decoder": self._decoder.state(),
            "hearing": self._hearing.state(),
            "inputs": [list(row) for row in self._inputs],
            "sent": self._sent,
            "told": self.told.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on, in a new transcript of the same handshake, where the one stood that gave this state."""
        for channel, known in zip((self._client, self._upstream), state["channels"], strict=True):
            channel.restore(known)
        self._decoder.restore(state["decoder"])
        if "hearing" in state:  # of an older version what was heard before is not known
            self._hearing.restore(state["hearing"])
            self._inputs = [ItemRow(*row) for row in state["inputs"]]
            self._sent, self.told = state["sent"], Told.restore(state["told"])

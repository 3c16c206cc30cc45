"""Both directions of a forwarded WebSocket, made of its journal frames: whole messages and control frames, in order, with their times. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from typing import Any

from playhead.storage.records import Direction

from ..forwarding.frames import FrameDecoder, MessagePiece, Opcode, deflate_of, unpack
from .traffic import Traffic

MAX_MESSAGE = 16 << 20
"""A longer message is not held until it is whole: it is given piece by piece."""

START = 4096
"""What is known of the text of a longer message in the end."""

_CONTROL = int(Opcode.CLOSE)  # and above; a plain number, since an enum's member costs more to compare


class _Channel:
    """One direction. Control frames that interrupt a message wait for its end, so that each message is one piece of a body."""

    __slots__ = ("broken", "direction", "long", "opcode", "parts", "size", "waiting")

    def __init__(self, direction: Direction) -> None:
        self.direction = direction
        self.opcode = 0  # of the message that goes on; 0: none
        self.size = 0  # of what has come of it
        self.parts: list[bytes] = []  # the same; of a long one its beginning
        self.long = False
        self.waiting: list[tuple[int, int, bytes]] = []  # time, opcode, payload
        self.broken = 0  # bytes behind a violation of the protocol

    def end(self) -> tuple[int, bytes, int, bool]:
        """The message that goes on is over: opcode, what is held of it, size, and whether it was long."""
        ended = self.opcode, b"".join(self.parts), self.size, self.long
        self.opcode, self.size, self.parts, self.long = 0, 0, [], False
        return ended

    def state(self) -> dict[str, Any]:
        waiting = [[at, opcode, b64encode(payload).decode()] for at, opcode, payload in self.waiting]
        message = {"opcode": self.opcode, "size": self.size, "held": b64encode(b"".join(self.parts)).decode(), "long": self.long}
        return {**message, "waiting": waiting, "broken": self.broken}

    def restore(self, state: dict[str, Any]) -> None:
        self.opcode, self.size, self.broken = state["opcode"], state["size"], state["broken"]
        if "held" in state:
            self.long, self.parts = state["long"], [b64decode(state["held"])]
        else:  # of an older version, which gave the pieces of a message as they came
            self.long, self.parts = self.opcode != 0, [b64decode(state["parts"])[:START]]
        self.waiting = [(at, opcode, b64decode(payload)) for at, opcode, payload in state["waiting"]]


class Channels(ABC):
    """Takes frames; gives messages to the methods at its end. Never raises by itself, whatever comes."""

    __slots__ = ("_asking", "_decoder", "_told", "traffic")

    def __init__(self, extensions: bytes) -> None:
        self.traffic = Traffic()
        self._asking, self._told = _Channel(Direction.CLIENT), _Channel(Direction.UPSTREAM)
        self._decoder = FrameDecoder(deflate_of(extensions, "server"), resumable=True)

    def client(self, at: int, payload: bytes) -> None:
        """A CLIENT_FRAME of the journal."""
        self._piece(self._asking, at, unpack(payload), [])

    def upstream(self, at: int, data: bytes) -> None:
        """Raw bytes from upstream after the 101."""
        texts, end = self._decoder.texts(data) if not self._told.opcode else ([], 0)
        if texts:
            self._give_texts(at, [int(Opcode.TEXT)] * len(texts), texts)
        if end < len(data):
            self._sort(at, self._decoder.feed(data[end:]))

    def _sort(self, at: int, pieces: list[MessagePiece]) -> int:
        """What upstream's decoder gave. How many bytes there are behind that which are no frames."""
        whole: list[MessagePiece] = []
        channel = self._told
        for piece in pieces:
            if piece[1] and piece[2] and piece[0] < _CONTROL and not channel.opcode:
                whole.append(piece)
            else:
                self._piece(channel, at, piece, whole)
        self._give(at, whole)
        if self._decoder.problem is not None and self._decoder.rest:
            return self._break(channel, at, self._decoder.rest)
        return 0

    def _piece(self, channel: _Channel, at: int, piece: MessagePiece, whole: list[MessagePiece]) -> None:
        """`whole`: messages of upstream from before, which are to be given first, and together."""
        opcode, first, last, payload = piece
        if opcode >= _CONTROL:
            if channel.opcode:
                channel.waiting.append((at, opcode, payload))
            else:
                self._give(at, whole)
                self._controlled(channel.direction, at, opcode, payload)
        elif first and last and not channel.opcode:
            self._said_one(at, opcode, payload)
        else:
            channel.opcode = opcode or Opcode.BINARY
            self._go_on_with(channel, at, payload, whole)
            if last:
                self._end(channel, at, whole)

    def _go_on_with(self, channel: _Channel, at: int, payload: bytes, whole: list[MessagePiece]) -> None:
        channel.size += len(payload)
        if channel.long:
            self.traffic.take(channel.direction, 0, len(payload))
            self._more(channel.direction, payload)
            return
        channel.parts.append(payload)
        if channel.size > MAX_MESSAGE:
            self._give(at, whole)
            start = b"".join(channel.parts)
            channel.long, channel.parts = True, [start[:START]]
            self.traffic.take(channel.direction, 0, len(start))
            self._begin_long(channel.direction, at, channel.opcode, start)

    def _end(self, channel: _Channel, at: int, whole: list[MessagePiece]) -> None:
        opcode, held, size, long = channel.end()
        if long:
            self._give(at, whole)
            self.traffic.take(channel.direction, 1, 0)
            self._end_long(channel.direction, at, opcode, held, size, whole=True)
        elif channel.direction == Direction.CLIENT:
            self._said_one(at, opcode, held)
        else:
            whole.append(MessagePiece(opcode, True, True, held))
        if channel.waiting:
            self._give(at, whole)
            self._release(channel)

    def _said_one(self, at: int, opcode: int, data: bytes) -> None:
        self.traffic.take(Direction.CLIENT, 1, len(data))
        self._said(at, opcode, data)

    def _give(self, at: int, whole: list[MessagePiece]) -> None:
        if whole:
            self._give_texts(at, [piece[0] for piece in whole], [piece[3] for piece in whole])
            whole.clear()

    def _give_texts(self, at: int, opcodes: list[int], texts: list[bytes]) -> None:
        self._count_texts(texts)
        self._answered(at, opcodes, texts)

    def _count_texts(self, texts: list[bytes]) -> None:
        self.traffic.take(Direction.UPSTREAM, len(texts), sum(map(len, texts)))

    def _controlled(self, direction: Direction, at: int, opcode: int, payload: bytes) -> None:
        self.traffic.control(direction, opcode, payload)
        self._control(direction, at, opcode, payload)

    def _release(self, channel: _Channel) -> None:
        for waiting in channel.waiting:
            self._controlled(channel.direction, *waiting)
        channel.waiting.clear()

    # What is no whole message.

    def _break(self, channel: _Channel, at: int, rest: bytes) -> int:
        """Bytes that are no frames stand behind all messages, as one."""
        self._cut(channel, at)
        channel.broken += len(rest)
        self.traffic.take(channel.direction, 0, len(rest))
        self._loose(channel.direction, rest)
        return len(rest)

    def _cut(self, channel: _Channel, at: int) -> None:
        """The message that goes on will not end."""
        if channel.opcode:
            opcode, held, size, long = channel.end()
            if long:
                self._end_long(channel.direction, at, opcode, held, size, whole=False)
            else:
                self.traffic.take(channel.direction, 0, size)
                self._loose(channel.direction, held)
                self._rest(channel.direction, at, opcode, size)
        self._release(channel)

    def close(self, at: int) -> None:
        """Nothing more will come."""
        for channel in (self._asking, self._told):
            self._cut(channel, at)
            if channel.broken:
                self._rest(channel.direction, at, 0, channel.broken)
                channel.broken = 0

    @property
    def problem(self) -> str | None:
        """How upstream broke the protocol."""
        return f"upstream broke the WebSocket protocol: {self._decoder.problem}" if self._decoder.problem else None

    @property
    def undecoded(self) -> bytes:
        """Bytes of upstream that are no whole frame so far, and were not given."""
        return self._decoder.held

    @property
    def closed(self) -> bool:
        """Whether both sides have sent a close frame."""
        return self.traffic.closed

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, as JSON; what was given away is not in it."""
        return {"channels": [self._asking.state(), self._told.state()], "decoder": self._decoder.state(), "traffic": self.traffic.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on, in a new one of the same handshake, where the one stood that gave this state."""
        for channel, known in zip((self._asking, self._told), state["channels"], strict=True):
            channel.restore(known)
        self._decoder.restore(state["decoder"])
        if "traffic" in state:
            self.traffic.restore(state["traffic"])
        else:  # of an older version
            for channel, known in zip((self._asking, self._told), state["channels"], strict=True):
                if known["closed"]:
                    self.traffic.control(channel.direction, Opcode.CLOSE, b"")

    # What is given.

    @abstractmethod
    def _said(self, at: int, opcode: int, data: bytes) -> None:
        """A message of the client."""

    @abstractmethod
    def _answered(self, at: int, opcodes: list[int], texts: list[bytes]) -> None:
        """Messages of upstream that came at once: opcode and payload of each."""

    @abstractmethod
    def _control(self, direction: Direction, at: int, opcode: int, payload: bytes) -> None:
        """A control frame."""

    @abstractmethod
    def _begin_long(self, direction: Direction, at: int, opcode: int, start: bytes) -> None:
        """What there is so far of a message that is too long to be held."""

    @abstractmethod
    def _more(self, direction: Direction, data: bytes) -> None:
        """More of that message."""

    @abstractmethod
    def _end_long(self, direction: Direction, at: int, opcode: int, start: bytes, size: int, *, whole: bool) -> None:
        """Its end, if it is `whole`; else it was cut."""

    @abstractmethod
    def _loose(self, direction: Direction, data: bytes) -> None:
        """Bytes of no whole message; `_rest` will say what they were."""

    @abstractmethod
    def _rest(self, direction: Direction, at: int, opcode: int, size: int) -> None:
        """What was loose: the beginning of a message of that opcode; 0: no frames at all."""

"""What is going on over a replayed WebSocket in Responses mode: the client's lanes, what they ask for, and the recorded connections that answer."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from ..forwarding.frames import Message
from ..recordings.following import Follower
from .backlog import Backlog
from .faulty_speech import FaultySpeech
from .interleaving import HIDDEN, OPCODE, Interleaving
from .recorded_sockets import RecordedSocket
from .speech import Speech

NEVER = 1 << 62
"""When a group is due that hangs."""

_AHEAD = 16 << 20  # bytes of what waits for its turn on the lanes before the client does
_LANE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,256}")
_ASKED = 512  # bytes that are kept of a create whose answer is recorded, roughly


@dataclass(eq=False, slots=True)
class ClientLane:
    """A lane of the client. `queue`: what is asked for on it, one after the other: groups, live turns, and errors that wait for their turn. `fair`: it has a
    name that may be given; what is said on another one comes as it was recorded. `backlog`: has what is in the queue."""

    name: str | None
    follower: Follower
    backlog: Backlog
    queue: deque[AskedGroup | LiveTurn | Message] = field(default_factory=deque)
    fair: bool = True

    def put(self, one: AskedGroup | LiveTurn | Message) -> None:
        """It is the last on the lane."""
        self.queue.append(one)
        self.backlog.add(_size(one))

    def drop(self, one: AskedGroup | LiveTurn | Message) -> None:
        """It is over."""
        self.queue.remove(one)
        self.backlog.remove(_size(one))

    def sent(self, turn: LiveTurn, *, alone: bool) -> None:
        """It went to upstream; `alone`: and may have to go there once more."""
        turn.sent, turn.alone = True, alone
        if not alone:
            self.backlog.remove(_size(turn))
            turn.payload = b""

    @property
    def late(self) -> int:
        """When the first group on it is due, if it comes late and ever."""
        head = self.queue[0] if self.queue else None
        return head.due if isinstance(head, AskedGroup) and head.held and head.due < NEVER else 0


class ClientLanes:
    """The lanes of one client. `connection`: the recorded one that it goes by, if one is known."""

    def __init__(self, connection: int | None) -> None:
        self.backlog = Backlog(_AHEAD)
        self._connection = connection
        self._known: dict[str | None, ClientLane] = {}

    def __iter__(self) -> Iterator[ClientLane]:
        return iter(self._known.values())

    def of(self, create: Mapping[str, Any]) -> ClientLane:
        """The lane that a create names; one of its own if that is no name, which is refused whatever else goes on."""
        if "stream_id" not in create:
            return self.named(None)
        name = create["stream_id"]
        if isinstance(name, str) and _LANE_NAME.fullmatch(name):
            return self.named(name)
        return ClientLane(None, Follower("", self._connection), self.backlog, fair=False)

    def named(self, name: str | None) -> ClientLane:
        """The lane of that name; None: the default one."""
        lane = self._known.get(name)
        if lane is None:
            lane = self._known[name] = ClientLane(name, Follower(name, self._connection), self.backlog)
        return lane

    def go_by(self, connection: int) -> None:
        """The recorded connection is known."""
        self._connection = connection
        for lane in self:
            lane.follower.connection = connection


@dataclass(eq=False, slots=True)
class Going:
    """A recorded connection as it goes on here. `lanes`: which lane of the client a group is on. `used`: places of the client's other messages that came."""

    socket: RecordedSocket
    inter: Interleaving
    lanes: dict[int, ClientLane] = field(default_factory=dict)
    speeches: dict[int, Speech] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)  # in the index, by turn
    used: set[int] = field(default_factory=set)
    primary: bool = False
    faulty: FaultySpeech | None = None

    def hear(self, said: bytes, now: int) -> bool:
        """Whether a message of the client that means this was recorded here, and had not come: it has now."""
        log = self.socket.log
        for place in self.socket.said.get(said, ()):
            root = log.root(log.turns[place])
            if place not in self.used and (self.inter.has_come(root) if root else self.primary):
                self.used.add(place)
                self.inter.said(place, now)
                return True
        return False

    def made(self, response: object) -> int | None:
        """The turn in which that response was made, if it has begun here."""
        log = self.socket.log
        turns = (turn for turn, record in self.socket.turns.items() if record.response_id == response and self.inter.has_come(log.root(turn)))
        return None if response is None else next(turns, None)

    def responses(self, root: int) -> dict[str, int]:
        """The responses of a group, and the exchange of each."""
        followers = [turn for turn, first in self.socket.log.roots.items() if first == root]
        records = [record for turn in (root, *followers) if (record := self.socket.turns.get(turn)) is not None]
        return {record.response_id: record.exchange for record in records if record.response_id is not None}

    def due(self, turn: int) -> tuple[int, int] | None:
        """Of what the client said in a turn beside its create, the first that has not come: where it begins in the recorded request, and its size."""
        log, at = self.socket.log, 0
        for place in log.requests.get(turn, ()):
            if place != log.asked(log.root(turn)) and place not in self.used and not log.flags[place] & HIDDEN:
                return at, log.sizes[place]
            at += log.sizes[place]
        return None


@dataclass(eq=False, slots=True)
class AskedGroup:
    """A group that was asked for. `held`: it is not the first on its lane, and nothing but that keeps it back; or it comes late: `due`, on the monotonic
    clock in ns."""

    going: Going
    root: int
    held: bool
    due: int = 0


@dataclass(eq=False, slots=True)
class LiveTurn:
    """A turn that upstream answers. `sent`: it went there; before that it waits for what is asked before it on its lane. `alone`: it may have to go there
    once more, which nothing that is asked behind it must overtake. `payload`: as long as it may have to be sent."""

    payload: bytes
    sent: bool = False
    alone: bool = False


def _size(one: AskedGroup | LiveTurn | Message) -> int:
    return _ASKED if isinstance(one, AskedGroup) else len(one.payload)


def object_in(payload: bytes) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    try:
        value = from_json(payload)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def messages_of(socket: RecordedSocket, turn: int) -> tuple[list[int], bytes]:
    """Sizes and opcodes of what upstream said in a turn."""
    log = socket.log
    places = log.answers.get(turn, ())
    return [log.sizes[place] for place in places], bytes([log.flags[place] & OPCODE for place in places])


def speech_of(socket: RecordedSocket, turn: int, payload: bytes) -> Speech:
    sizes, opcodes = messages_of(socket, turn)
    return Speech(sizes, opcodes, payload=payload)

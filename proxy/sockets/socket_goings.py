"""What is going on over a replayed WebSocket in Responses mode: the client's lanes, what they ask for, and the recorded connections that answer."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from ..frames import Message
from .faulty_speech import FaultySpeech
from .following import Follower
from .interleaving import OPCODE, Interleaving
from .recorded_sockets import RecordedSocket
from .speech import Speech

NEVER = 1 << 62
"""When a group is due that hangs."""


@dataclass(eq=False, slots=True)
class ClientLane:
    """A lane of the client. `queue`: what is asked for on it, one after the other: groups, live turns, and errors that wait for their turn. `fair`: it has a
    name that may be given; what is said on another one comes as it was recorded."""

    name: str | None
    follower: Follower
    queue: deque[Asked | LiveTurn | Message] = field(default_factory=deque)
    fair: bool = True

    @property
    def late(self) -> int:
        """When the first group on it is due, if it comes late and ever."""
        head = self.queue[0] if self.queue else None
        return head.due if isinstance(head, Asked) and head.held and head.due < NEVER else 0


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


@dataclass(eq=False, slots=True)
class Asked:
    """A group that was asked for. `held`: it is not the first on its lane, and nothing but that keeps it back; or it comes late: `due`, on the monotonic
    clock in ns."""

    going: Going
    root: int
    held: bool
    due: int = 0


@dataclass(eq=False, slots=True)
class LiveTurn:
    """A turn that upstream answers. `sent`: it went there; before that it waits for what is asked before it on its lane. `alone`: it may have to go there
    once more, which nothing that is asked behind it must overtake."""

    payload: bytes
    sent: bool = False
    alone: bool = False


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

"""WebSocket connections as they are stored and listed.

A connection in Responses mode is no exchange: its turns are. A turn is a `response.create` and the events of that response, or a response that a steer
began; each is stored as an exchange of its own, with its bytes. The connection keeps what belongs to none of them, and the order of everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

MAX_TURNS = (1 << 20) - 1
"""Of one connection; what begins behind them belongs to the connection itself."""


def turn_number(connection: int, turn: int) -> int:
    """The number (`Recorded.number`) of a turn: negative, so that none has two meanings. `connection`: number in the journal; `turn`: 1, 2, ..."""
    return -(connection << 20 | turn)


def turn_of(number: int) -> int:
    """The turn that an exchange's number says; 0: it is no turn."""
    return -number & MAX_TURNS if number < 0 else 0


def turn_numbers(connection: int) -> tuple[int, int]:
    """The least and the greatest number that a turn of this connection can have."""
    return turn_number(connection, MAX_TURNS), turn_number(connection, 1)


class LogEntry(NamedTuple):
    """One message of a connection in Responses mode, control frames included, in the order of both directions and all lanes.

    `direction`: as `Direction`. `opcode`: of the message; 0: bytes that are no whole message, since the connection was cut or upstream broke the protocol.
    `at`: ns since the connection's start, of its last byte. `turn`: the turn that has its bytes; 0: the connection itself. `bytes`: of its payload.
    `hidden`: one end never saw it (playhead spoke with upstream on its own).
    """

    direction: int
    opcode: int
    at: int
    turn: int
    bytes: int
    hidden: bool = False


class LogColumns(NamedTuple):
    """A part of a log by column. `flags`: the direction, the opcode shifted by `FLAG_OPCODE`, and `FLAG_HIDDEN`, in a byte for each message."""

    flags: bytes
    turns: Sequence[int]
    sizes: Sequence[int]
    times: Sequence[int]


FLAG_OPCODE = 1
FLAG_HIDDEN = 1 << 5


@dataclass(slots=True)
class RecordedConnection:
    """What the recorder knows of a connection; given again whenever something has changed. `writer`, `number` identify it for ever.

    Counts and closes are those known so far; `outcome` is None while it goes on. `digest`: of the handshake's fingerprint. `heads`: request head and
    response heads. `log`, `client_data`, `upstream_data`: what is new since they were given last: entries, and the payloads of messages of each direction
    that belong to no turn, end to end; empty for a connection that is one exchange. `part`: number of this gift of new things, 0, 1, ...; the same gift
    given twice counts once. `redacted`: secrets were replaced in what upstream said, which is known when it is over: so they may have been in any turn.
    """

    writer: str
    number: int
    session: str
    run: str
    path: str
    upstream: str
    started_at_ns: int
    status: int | None = None
    outcome: str | None = None
    duration_ns: int | None = None
    subprotocol: str | None = None
    extensions: str | None = None
    lanes: list[str | None] = field(default_factory=list)  # by first use; None: the default lane
    turns: int = 0
    client_messages: int = 0
    upstream_messages: int = 0
    client_bytes: int = 0
    upstream_bytes: int = 0
    client_pings: int = 0
    upstream_pings: int = 0
    client_close: int | None = None  # code; 1005: a close frame without one; None: no close frame came
    client_reason: str | None = None
    upstream_close: int | None = None
    upstream_reason: str | None = None
    unassigned: int = 0  # messages, control frames not counted, that belong to no turn
    problem: str | None = None
    key_id: str | None = None
    digest: bytes | None = None
    heads: tuple[bytes, bytes] = (b"", b"")
    part: int = 0
    log: Sequence[LogEntry] = field(default_factory=list)
    client_data: bytes = b""
    upstream_data: bytes = b""
    redacted: bool = False


class ConnectionRecord(BaseModel):
    """One connection as `playhead connections --json` prints it. `exchanges`: those stored so far. `lanes`: null in the list: the default lane."""

    model_config = ConfigDict(frozen=True)

    id: int
    session: str
    take: int
    path: str
    upstream: str
    started_at: datetime
    duration_ms: float | None
    status: int | None
    outcome: str | None
    subprotocol: str | None
    extensions: str | None
    lanes: list[str | None]
    exchanges: int
    client_messages: int | None
    upstream_messages: int | None
    client_bytes: int | None
    upstream_bytes: int | None
    client_pings: int | None
    upstream_pings: int | None
    client_close: int | None
    client_reason: str | None
    upstream_close: int | None
    upstream_reason: str | None
    unassigned: int | None
    problem: str | None
    key_id: str | None
    pruned: str | None


class Handshake(NamedTuple):
    """A recorded WebSocket handshake, for replay. `exchange`: what came of it, if that is one exchange (refused, or not in Responses mode); else None."""

    connection: int
    take: int
    digest: bytes
    status: int | None
    exchange: int | None
    outcome: str | None

"""What is stored, listed and exported.

Dataclasses travel inside the program; pydantic models (`...Record`) are listed: their fields are the names of `--json` and of columns, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from .connecting.connected import RecordedConnection
from .costing.costs import Cost
from .times import moment

Transport = Literal["http", "sse", "ws"]
Outcome = Literal["complete", "client_closed", "upstream_closed", "timeout", "unreachable", "aborted"]
Parse = Literal["parsed", "partial", "unparsed", "not_applicable"]
Asks = Literal["http", "sse", "ws"]
Pruned = Literal["content", "costs"]
DivergenceCode = Literal["no_match", "exhausted", "session_not_found"]
DEFAULT_RULES = "f1"
"""The name of the match rules whose fingerprints the recorder stores. Other rules, or the same ones changed, have another name."""

PARSER = 4
"""The version of what is derived from raw bytes. Whoever changes what parsing finds counts it up: `playhead reparse` then derives it again."""

ENDED = ("completed", "failed", "incomplete", "cancelled")
"""What a Response says of itself when nothing more will be added to it."""

ANSWERED_EARLY = "it was answered before its request was whole"
"""In `Facts.problem` of an exchange: of its request only a part is known."""


class Direction(IntEnum):
    """Who sent it."""

    CLIENT = 0
    UPSTREAM = 1


class Kind(IntEnum):
    """What a frame of the journal holds. Payloads named JSON are UTF-8."""

    OPEN = 1
    """JSON meta, a line feed, the redacted request head."""
    REQUEST_DATA = 2
    """Body bytes of the client, codings undone, secrets replaced."""
    REQUEST_END = 3
    """JSON: the request is whole."""
    RESPONSE_HEAD = 4
    """One head from upstream as it came, cookies replaced; interim ones too."""
    RESPONSE_DATA = 5
    """Raw bytes after the final head, transfer framing included, secrets masked."""
    CLIENT_FRAME = 6
    """A flag byte and a piece of a WebSocket message of the client."""
    UPSTREAM_DATA = 7
    """Raw WebSocket bytes from upstream after the 101, secrets masked."""
    END = 8
    """JSON: how the exchange ended."""
    BEGIN = 9
    """A whole request in one frame: lengths of what OPEN and REQUEST_END hold (u32 each), these two, the body. An empty note: it has no body."""
    FINISH = 10
    """A whole answer in one frame: lengths of what RESPONSE_HEAD and END hold (u32 each), these two, what RESPONSE_DATA holds."""


class Frame(NamedTuple):
    """One piece of body or message as it arrived from the network. `offset_ns`: from the exchange's start.

    `length`: bytes of payload (de-chunked body, or message), not of framing. One of length 0 from upstream in an answer over HTTP is the time
    of a response head (also of 1xx, and of a WebSocket's 101); stores of schema 0001 have none.
    """

    direction: int
    offset_ns: int
    length: int


@dataclass(slots=True)  # not frozen, which would take five times as long for each exchange; nobody changes one
class Raw:
    """Everything of one exchange as it came, secrets replaced.

    `request_head`, `response_heads`: request line or status line and headers, CRLF, ending with an empty line; `response_heads` holds 1xx heads before the
    final one. `request`: body, content-encoding undone. `response`: body as the client got it, transfer framing undone, content-encoding kept. `trailers`:
    raw trailer lines of a chunked answer. `chunks`: chunk sizes of a chunked answer (empty: not chunked). For a WebSocket, `request` and `response` are the
    payloads of all messages of each direction end to end, and the events say where each begins. `framed`: of some chunked answers the response in its chunks,
    without the empty one at its end; it is not kept. `blocks`: what `sizes_of` (columns.py) says of the response, where that is known already.
    """

    request_head: bytes = b""
    request: bytes = b""
    response_heads: bytes = b""
    response: bytes = b""
    trailers: bytes = b""
    frames: tuple[Frame, ...] = ()
    chunks: tuple[int, ...] = ()
    framed: bytes = field(default=b"", compare=False, repr=False)
    blocks: tuple[int, ...] = field(default=(), compare=False, repr=False)


class EventRow(NamedTuple):
    """One SSE event or one WebSocket message (control frames included: type `websocket.ping`, `.pong`, `.close`).

    `bytes`: length of its piece of the body: blocks of SSE with their blank line, payloads of messages; the pieces of one direction stand end
    to end in the body. `type`: the event's type, or `websocket.text` / `websocket.binary` for messages that have none. `flags`: WebSocket opcode (0 for SSE).
    """

    seq: int
    offset_ns: int
    direction: int
    type: str | None
    sequence_number: int | None
    stream_id: str | None
    bytes: int
    flags: int = 0


class ItemRow(NamedTuple):
    """One item of a request's `input` or of a response's `output`.

    `position`: 0, 1, ... in that list. `id`, `call_id`, `name`, `status`: as the item says; `name`: of the function or tool.
    """

    part: Literal["input", "output"]
    position: int
    type: str | None
    id: str | None
    call_id: str | None
    name: str | None
    status: str | None


class WireProblems(NamedTuple):
    """Values of an exchange that do not fit their fields: how many they are; path, what was expected and what was found of the first of them."""

    total: int = 0
    first: tuple[tuple[str, str, str], ...] = ()


class Fingerprint(NamedTuple):
    """What identifies a request for matching, under one set of match rules.

    `digest`: 16 bytes; equal requests have equal ones. `asks`: over which transport the request wants its answer (ws: it is a WebSocket's handshake).
    `items`: 4 bytes for each of the last 4096 items of its `input` or `messages`, in order, end to end; empty if it has none. They tell how alike two
    requests are. `plain`: under match rules the digest without them, of a request that is being replayed.
    """

    digest: bytes
    asks: Asks
    items: bytes = b""
    plain: bytes = b""

    @property
    def unruled(self) -> bytes:
        """The digest without rules, in any case."""
        return self.plain or self.digest


@dataclass(slots=True)
class Facts:
    """The columns of an exchange that parsing finds; all optional, so that garbage gives an empty one."""

    kind: str = "other"
    model: str | None = None
    response_id: str | None = None
    previous_response_id: str | None = None
    response_status: str | None = None
    service_tier: str | None = None
    error_code: str | None = None
    prompt_cache_key: str | None = None
    user: str | None = None
    usage: dict[str, Any] | None = None
    conversation: str | None = None
    billing: dict[str, Any] | None = None
    """What decides about the price beside model, tier and usage: see proxy/pricing/billing.py."""
    parse: Parse = "not_applicable"
    problem: str | None = None
    problems: list[tuple[str, str, str]] = field(default_factory=list)
    """Values that do not fit their fields: path, what was expected, what was found. The store keeps the first 50 and counts all."""


@dataclass(slots=True)
class Recorded:
    """One exchange made of its journal frames: what the recorder hands to the store.

    `writer`, `number` identify it for ever. `outcome` is None while it goes on (it was stored piece by piece so far).
    `request_bytes`, `response_bytes`: body bytes on the wire, transfer framing not counted.
    `connection_number`: of the connection of a turn, and of a handshake that was refused: there its own. `stream_id`, `steer`: as in exchanges.
    """

    writer: str
    number: int
    session: str
    run: str
    transport: Transport
    method: str
    path: str
    started_at_ns: int
    status: int | None = None
    outcome: Outcome | None = None
    first_event_ns: int | None = None
    duration_ns: int | None = None
    request_bytes: int = 0
    response_bytes: int = 0
    event_count: int = 0
    redacted: Literal["response"] | None = None  # what was changed beyond a request's own secrets
    request_id: str | None = None
    attempt: int | None = None
    key_id: str | None = None
    organization: str | None = None
    project: str | None = None
    upstream: str = ""
    facts: Facts = field(default_factory=Facts)
    raw: Raw = field(default_factory=Raw)
    events: Sequence[EventRow] = field(default_factory=list)
    seq: int | None = None  # given by the recorder when the exchange opens; the store gives one if it is None
    fingerprint: Fingerprint | None = None  # under DEFAULT_RULES; None: it is computed when its session is first replayed
    connection_number: int | None = None
    stream_id: str | None = None
    steer: str | None = None
    cost: Cost | None = None
    paid: tuple[int | None, str | None] = (None, None)  # cost and cost_note of what was paid elsewhere: listed where `cost` is None
    items: list[ItemRow] = field(default_factory=list)
    """All items of the answer; of the request all, or those that are new. The store leaves out what the exchange before has sent already."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a body of an exchange too long or too big to be stored at once: `seq` counts from 0 within the body."""

    part: Literal["request", "response"]
    seq: int
    data: bytes


@dataclass(slots=True)
class Spill:
    """What an open exchange hands to the store before its end, and forgets.

    The first spill of an exchange inserts its row (`outcome` null); the last write of it completes the row. Pieces, events and frames
    given once are not given again.
    """

    recorded: Recorded  # facts as known so far; raw holds only the heads
    pieces: list[Piece]
    events: Sequence[EventRow]
    frames: tuple[Frame, ...]
    chunks: tuple[int, ...]
    final: bool  # True: the exchange ended with this spill, the row becomes complete


@dataclass(frozen=True, slots=True)
class Position:
    """How far the recorder has come in a writer's journal.

    `segment`, `offset`: where reading starts again after a restart (the start of the oldest open exchange). `open`: per open exchange number
    what must survive a restart: seq, and for spilled exchanges the state to go on from, with the place up to which it is stored.
    """

    writer: str
    segment: int
    offset: int
    open: dict[str, Any]


@dataclass(slots=True)
class Batch:
    """What one transaction of the recorder stores. `connections`: stored first, for the turns of the same batch."""

    finished: list[Recorded] = field(default_factory=list)
    spills: list[Spill] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)  # writers whose journal is drained for ever
    connections: list[RecordedConnection] = field(default_factory=list)


class StoredRequest(NamedTuple):
    """A recorded request whose fingerprint is wanted. `body`: piece by piece, drawn once. `problem`: as in exchanges. `turn`: it is a create over a
    WebSocket: `head` is that of the handshake, `body` the create's message."""

    head: bytes
    upstream: str
    problem: str | None
    body: Iterator[bytes]
    turn: bool = False


@dataclass(frozen=True, slots=True)
class Divergence:
    """A replayed request that had no recorded twin, to be stored. Everything is redacted.

    `run`: the start of the server that met it. `at_ns`: wall clock. `request`: the body, decoded; of a longer one the first MiB is kept.
    `request_bytes`: of all of it, on the wire.
    `nearest`: the exchange it resembles most. `differences`: JSON objects, as `divergence.py` makes them. `message`: what the log said.
    `cause`: its class. `proposal`: the rules under which it would match. `parted`: the exchange after which the program left the recording; `expected`:
    the one that was due then. `served`: the nearest had answered another request already. `digest`: of its fingerprint without rules.
    """

    session: str
    take: int | None
    run: str
    at_ns: int
    code: DivergenceCode
    method: str
    path: str
    model: str | None
    asks: Asks
    request_head: bytes
    request: bytes
    request_bytes: int
    nearest: int | None
    differences: Sequence[dict[str, Any]]
    message: str
    cause: str | None = None
    proposal: list[str] | None = None
    parted: int | None = None
    expected: int | None = None
    served: bool | None = None
    digest: bytes | None = None

    @property
    def at(self) -> datetime:
        """To the microsecond, UTC."""
        return moment(self.at_ns)

    def listed(self, id_: int) -> DivergenceRecord:
        """As it is listed. `id_`: its own in the store; 0: it is not there."""
        plain = {name: getattr(self, name) for name in DivergenceRecord.model_fields if name not in ("id", "differences")}
        return DivergenceRecord.model_construct(id=id_, differences=list(self.differences), **plain)


class Record(BaseModel):
    """Base of what listings print."""

    model_config = ConfigDict(frozen=True)


class SessionRecord(Record):
    session: str
    takes: int
    exchanges: int
    started_at: datetime | None
    last_at: datetime | None
    request_bytes: int
    response_bytes: int


class ExchangeRecord(Record):
    """One exchange as `playhead exchanges --json` prints it (DESIGN 2.2)."""

    id: int
    session: str
    take: int
    seq: int
    connection: int | None
    stream_id: str | None
    transport: Transport
    method: str
    path: str
    status: int | None
    outcome: Outcome | None
    started_at: datetime
    first_event_ms: float | None
    duration_ms: float | None
    request_bytes: int
    response_bytes: int
    events: int
    parse: Parse
    redacted: str | None
    kind: str
    model: str | None
    response_id: str | None
    previous_response_id: str | None
    response_status: str | None
    service_tier: str | None
    error_code: str | None
    request_id: str | None
    attempt: int | None
    key_id: str | None
    organization: str | None
    project: str | None
    user: str | None
    upstream: str
    usage: dict[str, Any] | None
    cost: str | None
    cost_note: str | None
    conversation: str | None
    steer: str | None
    pruned: Pruned | None


class EventRecord(Record):
    """One event as `playhead events --json` prints it."""

    exchange: int
    seq: int
    offset_ms: float
    direction: Literal["client", "upstream"]
    type: str | None
    sequence_number: int | None
    stream_id: str | None
    bytes: int


class FaultRecord(Record):
    """One fault that a replay served, as `playhead faults --json` prints it. `exchange`: whose answer met it; null: the opening of a WebSocket did.

    `place`: where. `outcome`: what the client did next: `next` (retried, resumed, went_on, gave_up), and `after_ms`; null: nothing is known of that.
    """

    id: int
    session: str
    run: str
    at: datetime
    exchange: int | None
    fault: str
    place: str
    outcome: dict[str, Any] | None


class DivergenceRecord(Record):
    """One divergence as `playhead divergences --json` prints it. `nearest`: id of the exchange it resembles most; null: none, or it was deleted.

    `cause`: its class; `proposal`: the rules under which it would match. `parted`: the exchange after which the program left the recording; `expected`: the
    one that was due then. `served`: the nearest had answered another request already.
    """

    id: int
    session: str
    take: int | None
    run: str
    at: datetime
    code: DivergenceCode
    method: str
    path: str
    model: str | None
    asks: Asks
    nearest: int | None
    differences: list[dict[str, Any]]
    message: str
    request_bytes: int
    cause: str | None = None
    proposal: list[str] | None = None
    parted: int | None = None
    expected: int | None = None
    served: bool | None = None

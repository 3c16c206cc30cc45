"""Parses a recorded exchange again: what the store has of it becomes journal frames, which go the way of those of a worker. Pure.

What only the journal knew stands in the columns that it gave: how the exchange ended, what could not be decoded or recorded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic_core import to_json

from playhead.storage.derived import Stored
from playhead.storage.records import ANSWERED_EARLY, Direction, EventRow, Facts, Kind, Recorded, Spill

from .assembling.channels import MAX_MESSAGE, START
from .assembling.turns import Setting, Turn, TurnMessage
from .edges import Edges
from .facts import UNPARSED
from .forwarding.answers import ERRORS
from .forwarding.frames import MessagePiece, Opcode, pack
from .heads import headers_of
from .lanes import Begun
from .matching.request_memo import RequestMemo
from .models.doors import client_event_door, event_door
from .models.kind import Shape
from .models.wire import Wire
from .notes import end
from .pieces import Cutter
from .recording import Assembly

_PART = 4 << 20  # bytes of a big exchange that are held at once
_PIECE = 1 << 20  # bytes of a message that are fed at once
_EMPTY_LINE = re.compile(rb"(?<=\r\n\r\n)")
_UNDECODED = re.compile(r"(.+?) \((\d+) bytes(?:, xxh3 ([0-9a-f]{32}))?\)(?=; |$)")
# Of what stands in `problem`, that which cannot be found out again from what is stored: faults of framing, and what the journal told.
_TOLD_ONCE = re.compile(
    r"upstream sent a bad chunk|upstream went on after the end|upstream broke the WebSocket protocol|parts of it could not be journalled"
    r"|a frame |a frame's |a control frame |a message begins |a compressed message |compressed messages |a long compressed message "
)

_SOCKET = Shape("responses", "socket")
_Fed = tuple[int, int, bytes]


def reparsed(stored: Stored, memo: RequestMemo) -> Iterator[Recorded]:
    """The exchange as this version records it, without its raw; of a big one several parts, each with what is new in it but all facts known so far."""
    if stored.turn:
        yield from _turn(stored, memo)
        return
    websocket = stored.row.transport == "ws"
    # Of a WebSocket that could not be parsed the framing was kept, too.
    parse = not (websocket and UNPARSED in (stored.problem or ""))
    assembly = Assembly("", 0, parse=parse, memo=memo, turns=False)
    kept: list[EventRow] = []
    held = 0
    for kind, at, payload in _messages(stored, kept) if websocket else _http(stored):
        assembly.feed(kind, at, payload)
        held += len(payload)
        if stored.big and held > _PART:
            spilled = assembly.spill(final=False)
            yield _part(spilled.recorded, spilled.events, kept)
            held = 0
    if stored.big:
        spilled = assembly.spill(final=True)
        recorded, events = spilled.recorded, spilled.events
    else:
        recorded = assembly.finish()
        events = recorded.events
    _carry(recorded.facts, stored.problem)
    if websocket:
        recorded.event_count = stored.row.events
    yield _part(recorded, events, kept)


def _part(recorded: Recorded, events: Sequence[EventRow], kept: list[EventRow]) -> Recorded:
    """`kept`: the rows of a WebSocket's messages, which tell their borders; of what was not fed, because it is no whole message, they stay."""
    if kept:
        found = iter(events)
        events = [row if row.type is None else row._replace(**_named(next(found))) for row in kept]
        kept.clear()
    recorded.events = events
    return recorded


def _named(row: EventRow) -> dict[str, Any]:
    return {"type": row.type, "sequence_number": row.sequence_number, "stream_id": row.stream_id}


def _carry(facts: Facts, before: str | None) -> None:
    """Keep the problems that only the journal told."""
    now = (facts.problem or "").split("; ")
    known = (before or "").split("; ")
    lost = [text for text in known if text not in now and _TOLD_ONCE.match(text)]
    if not lost:
        return
    facts.problem = "; ".join(filter(None, (facts.problem, *lost)))
    if sorted(known) == sorted(facts.problem.split("; ")):
        facts.problem = before
    if facts.parse == "parsed":
        facts.parse = "partial"


# HTTP.


def _http(stored: Stored) -> Iterator[_Fed]:
    yield _opening(stored)
    for piece in stored.request:
        yield Kind.REQUEST_DATA, 0, piece
    if ANSWERED_EARLY not in (stored.problem or ""):
        yield _request_end(stored)
    heads = _heads(stored)
    for head in heads:
        yield Kind.RESPONSE_HEAD, 0, head
    yield from _answer(stored, heads)
    yield _end(stored)


def _heads(stored: Stored) -> list[bytes]:
    return [head for head in _EMPTY_LINE.split(stored.heads.response_heads) if head]


def _answer(stored: Stored, heads: list[bytes]) -> Iterator[_Fed]:
    chunked = bool(heads) and b"chunked" in headers_of(heads[-1]).get(b"transfer-encoding", b"").lower()
    body = Cutter(stored.response)
    at = 0
    for direction, at, length in stored.frames:
        if direction == Direction.UPSTREAM and (payload := body.take(length)):
            yield Kind.RESPONSE_DATA, at, _chunk(payload) if chunked else payload
    while payload := body.take(_PIECE):
        yield Kind.RESPONSE_DATA, at, _chunk(payload) if chunked else payload


def _chunk(payload: bytes) -> bytes:
    """Any chunks will do: those that came are kept as they are."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)


# WebSockets.


def _messages(stored: Stored, kept: list[EventRow]) -> Iterator[_Fed]:
    yield _opening(stored)
    yield _request_end(stored)
    for head in _heads(stored):
        yield Kind.RESPONSE_HEAD, 0, head
    bodies = (Cutter(stored.request), Cutter(stored.response))
    for row in stored.events:
        kept.append(row)
        if row.type is None:
            bodies[row.direction].skip(row.bytes)  # cut off, or no message at all
        else:
            yield from _message(row, bodies[row.direction])
    yield _end(stored)


def _message(row: EventRow, body: Cutter) -> Iterator[_Fed]:
    left, opcode, first = row.bytes, row.flags, True
    while first or left:
        payload = body.take(min(left, _PIECE))
        left = left - len(payload) if payload else 0
        piece = MessagePiece(opcode, first, not left, payload)
        if row.direction == Direction.CLIENT:
            yield Kind.CLIENT_FRAME, row.offset_ns, pack(piece)
        else:
            yield Kind.UPSTREAM_DATA, row.offset_ns, _frame(piece)
        first = False


def _frame(piece: MessagePiece) -> bytes:
    """A frame as a server sends it, not compressed."""
    size = len(piece.payload)
    length = bytes((size,)) if size < 126 else b"\x7e" + size.to_bytes(2, "big") if size < 1 << 16 else b"\x7f" + size.to_bytes(8, "big")
    opcode = piece.opcode if piece.first else Opcode.CONTINUATION
    return bytes((opcode | 0x80 * piece.last,)) + length + piece.payload


# Turns.


def _turn(stored: Stored, memo: RequestMemo) -> Iterator[Recorded]:
    """One of a WebSocket in Responses mode: all its messages are its own."""
    row = stored.row
    turn = Turn(_setting(stored, memo), Begun(1, row.stream_id, row.previous_response_id if row.steer else None, row.steer), None)
    doors = (client_event_door(_SOCKET), event_door(_SOCKET))
    bodies = (Cutter(stored.request), Cutter(stored.response))
    held = 0
    for event in stored.events:
        body, start, edges = bodies[event.direction], b"", Edges()
        if event.bytes > MAX_MESSAGE:
            turn.begin_long(event.direction)
        for piece in _pieces(event.bytes, body):
            start += piece if len(start) < START or event.bytes <= MAX_MESSAGE else b""
            edges.feed(piece)
            turn.more(event.direction, piece)
        if event.bytes > MAX_MESSAGE:
            start = start[:START]
        model: Wire = doors[event.direction]((edges.event() or start) if event.bytes > MAX_MESSAGE else start)
        turn.tell(TurnMessage(event.direction, event.offset_ns, event.flags, start, event.bytes, model), whole=event.type is not None)
        held += event.bytes
        if stored.big and held > _PART and (spill := turn.spill()) is not None:
            yield _part(spill.recorded, spill.events, [])
            held = 0
    ended = turn.end(row.outcome or "aborted")
    recorded, events = (ended.recorded, ended.events) if isinstance(ended, Spill) else (ended, ended.events)
    _carry(recorded.facts, stored.problem)
    yield _part(recorded, events, [])


def _pieces(size: int, body: Cutter) -> Iterator[bytes]:
    while size and (piece := body.take(min(size, _PIECE))):
        size -= len(piece)
        yield piece


def _setting(stored: Stored, memo: RequestMemo) -> Setting:
    """What its connection gives to each turn."""
    assembly = Assembly("", 0, memo=memo)
    for fed in (_opening(stored), *((Kind.RESPONSE_HEAD, 0, head) for head in _heads(stored))):
        assembly.feed(*fed)
    if assembly.multiplex is None:
        raise ValueError("a turn belongs to a WebSocket in Responses mode")
    return assembly.multiplex.setting


# What both have.


def _opening(stored: Stored) -> _Fed:
    row = stored.row
    meta = {"session": row.session, "run": "", "key_id": row.key_id, "upstream": row.upstream, "started_at": stored.started_at_ns}
    return Kind.OPEN, 0, to_json(meta) + b"\n" + stored.heads.request_head


def _request_end(stored: Stored) -> _Fed:
    undecoded = _UNDECODED.match(stored.problem or "")
    problem, digest = (undecoded[1], undecoded[3]) if undecoded else (None, None)
    note = {"bytes": stored.row.request_bytes, "redacted": False, "problem": problem, "xxh3": digest}
    return Kind.REQUEST_END, 0, to_json(note)


def _end(stored: Stored) -> _Fed:
    row = stored.row
    own = row.outcome != "complete" and row.error_code in ERRORS
    return Kind.END, round((row.duration_ms or 0) * 1_000_000), end(row.outcome or "aborted", row.error_code if own else None)

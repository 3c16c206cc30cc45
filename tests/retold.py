"""Recorded creates for tests of what becomes of them on another transport."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from playhead.proxy.fingerprint import Asked, fingerprint
from playhead.proxy.recordings.told import Recording
from playhead.storage.connecting.connected import turn_number
from playhead.storage.records import Asks, Direction, Frame, Outcome, Raw, Recorded
from stores import recorded as exchange

Json = dict[str, Any]

POST = b"POST /v1/responses HTTP/1.1\r\nHost: here\r\n\r\n"
SOCKET = b"GET /v1/responses HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\n\r\n"
ID = b"x-request-id: req_1\r\n"
JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + ID + b"\r\n"
SSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n" + ID + b"Transfer-Encoding: chunked\r\n\r\n"
WS_HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n" + ID + b"\r\n"
STEP = 1_000_000
"""ns between two pieces."""
NEVER = 3_600_000_000_000
"""ns that no test waits for."""


def recorded(asks: Asks, head: bytes, *pieces: bytes, outcome: Outcome = "complete") -> Recording:
    """A recording of that answer: its head came at once, each piece one step after the one before."""
    first = [Frame(Direction.UPSTREAM, 0, 0)] if asks != "ws" else [Frame(Direction.CLIENT, 0, 2)]
    frames = [Frame(Direction.UPSTREAM, STEP * place, len(piece)) for place, piece in enumerate(pieces, 1)]
    chunks = tuple(len(piece) for piece in pieces) if b"chunked" in head else ()
    raw = Raw(SOCKET if asks == "ws" else POST, b"{}", head, b"".join(pieces), b"", (*first, *frames), chunks)
    return Recording(asks, raw, outcome, STEP * (len(pieces) + 1))


def slowed(recording: Recording, times: int) -> Recording:
    """The same, that many times as slow."""
    frames = tuple([frame._replace(offset_ns=times * frame.offset_ns) for frame in recording.raw.frames])
    return recording._replace(raw=replace(recording.raw, frames=frames), ended_ns=times * recording.ended_ns)


def stuck(recording: Recording, known: int) -> Recording:
    """The same, with so many pieces in their times, and the others so late that nobody lives to see them."""
    frames = recording.raw.frames[: 1 + known], recording.raw.frames[1 + known :]
    late = [frame._replace(offset_ns=NEVER + frame.offset_ns) for frame in frames[1]]
    return recording._replace(raw=replace(recording.raw, frames=(*frames[0], *late)), ended_ns=NEVER + recording.ended_ns)


def as_json(value: Any, head: bytes = JSON_HEAD, outcome: Outcome = "complete") -> Recording:
    return recorded("http", head, value if isinstance(value, bytes) else json.dumps(value, indent=2).encode(), outcome=outcome)


def block(event: Json) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def as_sse(events: Sequence[Json], head: bytes = SSE_HEAD, outcome: Outcome = "complete") -> Recording:
    return recorded("sse", head, *map(block, events), outcome=outcome)


def as_ws(events: Sequence[Json], lane: str | None = None, outcome: Outcome = "complete") -> Recording:
    lanes = {"stream_id": lane} if lane is not None else {}
    return recorded("ws", WS_HEAD, *(json.dumps(event | lanes).encode() for event in events), outcome=outcome)


def stored(number: int, recording: Recording, request: Json, **changes: Any) -> Recorded:
    """The exchange as a recorder writes it. `request`: its body."""
    asks, raw = recording.asks, recording.raw
    body = json.dumps(request | {"type": "response.create"} if asks == "ws" else request).encode()
    found = fingerprint(Asked("POST", "/v1/responses", {}), body)
    values: dict[str, Any] = {
        "transport": "ws" if asks == "ws" else "sse" if b"event-stream" in raw.response_heads else "http",
        "method": "GET" if asks == "ws" else "POST",
        "status": int(raw.response_heads[9:12] or 0) or None,
        "outcome": recording.outcome,
        "duration_ns": recording.ended_ns,
        "raw": replace(raw, request=body),
        "fingerprint": found._replace(asks=asks),
        "request_bytes": len(body),
        "response_bytes": len(raw.response),
    }
    return exchange(turn_number(1, number) if asks == "ws" else number, **values | changes)

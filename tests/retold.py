"""Recorded creates for tests of what becomes of them on another transport."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from playhead.proxy.told import Recording
from playhead.storage.records import Asks, Direction, Frame, Outcome, Raw

Json = dict[str, Any]

POST = b"POST /v1/responses HTTP/1.1\r\nHost: here\r\n\r\n"
SOCKET = b"GET /v1/responses HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\n\r\n"
ID = b"x-request-id: req_1\r\n"
JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + ID + b"\r\n"
SSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n" + ID + b"Transfer-Encoding: chunked\r\n\r\n"
WS_HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n" + ID + b"\r\n"
STEP = 1_000_000
"""ns between two pieces."""


def recorded(asks: Asks, head: bytes, *pieces: bytes, outcome: Outcome = "complete") -> Recording:
    """A recording of that answer: its head came at once, each piece one step after the one before."""
    first = [Frame(Direction.UPSTREAM, 0, 0)] if asks != "ws" else [Frame(Direction.CLIENT, 0, 2)]
    frames = [Frame(Direction.UPSTREAM, STEP * place, len(piece)) for place, piece in enumerate(pieces, 1)]
    chunks = tuple(len(piece) for piece in pieces) if b"chunked" in head else ()
    raw = Raw(SOCKET if asks == "ws" else POST, b"{}", head, b"".join(pieces), b"", (*first, *frames), chunks)
    return Recording(asks, raw, outcome, STEP * (len(pieces) + 1))


def as_json(value: Any, head: bytes = JSON_HEAD, outcome: Outcome = "complete") -> Recording:
    return recorded("http", head, value if isinstance(value, bytes) else json.dumps(value, indent=2).encode(), outcome=outcome)


def block(event: Json) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def as_sse(events: Sequence[Json], head: bytes = SSE_HEAD, outcome: Outcome = "complete") -> Recording:
    return recorded("sse", head, *map(block, events), outcome=outcome)


def as_ws(events: Sequence[Json], lane: str | None = None, outcome: Outcome = "complete") -> Recording:
    lanes = {"stream_id": lane} if lane is not None else {}
    return recorded("ws", WS_HEAD, *(json.dumps(event | lanes).encode() for event in events), outcome=outcome)

"""Recorded WebSocket connections in Responses mode, written into a store as the recorder does it, and their replay."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from playhead.proxy.fingerprint import Asked, create_over, fingerprint
from playhead.storage.connecting.connected import LogEntry, RecordedConnection, turn_number
from playhead.storage.records import Batch, EventRow, Facts, Fingerprint, Frame, Outcome, Raw, Recorded
from playhead.storage.store import Store
from websocket_fakes import CLOSE, TEXT, RawWebSocket

UPSTREAM = "http://127.0.0.1:9"
HEAD = b"GET /v1/responses HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n"
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: abc\r\nx-request-id: req_1\r\n"
MS = 1_000_000
START = 1_790_000_000_000_000_000


def create(text: str, lane: str | None = None, **more: Any) -> bytes:
    """A `response.create`."""
    named = {} if lane is None else {"stream_id": lane}
    return json.dumps({"type": "response.create", **named, "model": "gpt-5", "input": text, **more}).encode()


def steer(response: str, text: str) -> bytes:
    """A `response.steer`."""
    return json.dumps({"type": "response.steer", "previous_response_id": response, "input": text}).encode()


def event(type_: str, lane: str | None = None, **more: Any) -> bytes:
    """An event of upstream."""
    named = {} if lane is None else {"stream_id": lane}
    return json.dumps({"type": type_, **more, **named}, separators=(",", ":")).encode()


class Socket:
    """A connection as it is told, message after message, each a ms after the one before unless `after` says otherwise."""

    def __init__(self, number: int = 1, *, extensions: str | None = None, session: str = "default") -> None:
        self.number = number
        self.session = session
        self.at = 0
        self.log: list[LogEntry] = []
        self.own: tuple[list[bytes], list[bytes]] = ([], [])
        self.turns: list[_Turn] = []
        self.extensions = extensions
        self.closes: list[tuple[int | None, str | None]] = [(None, None), (None, None)]

    def _log(self, direction: int, turn: int, payload: bytes, opcode: int = TEXT, *, after: float = 1, hidden: bool = False) -> None:
        self.at += round(after * MS)
        self.log.append(LogEntry(direction, opcode, self.at, turn, len(payload), hidden))
        if not turn:
            self.own[direction].append(payload)
            return
        told = self.turns[turn - 1]
        told.said[direction].append(payload)
        told.rows.append(EventRow(len(told.rows), self.at - told.start, direction, _type(payload), None, told.lane, len(payload), opcode))

    def create(self, text: str, lane: str | None = None, *, after: float = 1, **more: Any) -> int:
        """The client creates a response; gives its turn."""
        self.turns.append(_Turn(lane, self.at + round(after * MS)))
        self._log(0, len(self.turns), create(text, lane, **more), after=after)
        return len(self.turns)

    def successor(self, parent: int, steer_id: str = "steer_1") -> int:
        """A response that a steer begins; gives its turn."""
        self.turns.append(_Turn(self.turns[parent - 1].lane, self.at, steer=steer_id, parent=self.turns[parent - 1].response))
        return len(self.turns)

    def steer(self, turn: int, text: str, *, after: float = 1) -> None:
        """The client steers it."""
        self._log(0, turn, steer(self.turns[turn - 1].response, text), after=after)

    def says(self, turn: int, payload: bytes, *, after: float = 1, hidden: bool = False) -> bytes:
        """Upstream says something in a turn."""
        self._log(1, turn, payload, after=after, hidden=hidden)
        return payload

    def answers(self, turn: int, deltas: int = 2, *, after: float = 1) -> list[bytes]:
        """All of a response."""
        lane, name = self.turns[turn - 1].lane, self.response(turn)
        begun = [event("response.created", lane, response={"id": name, "status": "in_progress"})]
        parts = [event("response.output_text.delta", lane, delta=f"{name} {number}", sequence_number=number) for number in range(deltas)]
        ended = [event("response.completed", lane, response={"id": name, "status": "completed", "output": []})]
        return [self.says(turn, payload, after=after) for payload in (*begun, *parts, *ended)]

    def response(self, turn: int) -> str:
        """The id of its response."""
        told = self.turns[turn - 1]
        told.response = told.response or f"resp_{self.number}_{turn}"
        return told.response

    def aside(self, direction: int, payload: bytes, opcode: int = TEXT, *, after: float = 1) -> bytes:
        """A message of no turn."""
        self._log(direction, 0, payload, opcode, after=after)
        return payload

    def close(self, direction: int, code: int = 1000, reason: str = "") -> None:
        """A close frame."""
        self.closes[direction] = (code, reason)
        self.aside(direction, struct.pack("!H", code) + reason.encode(), CLOSE)

    def recorded(self, outcome: Outcome = "complete") -> Batch:
        """What the recorder makes of it."""
        extensions = b"" if self.extensions is None else b"Sec-WebSocket-Extensions: " + self.extensions.encode() + b"\r\n"
        heads = (HEAD, ANSWER + extensions + b"\r\n")
        digest = fingerprint(Asked.of(HEAD, UPSTREAM), b"").digest
        connection = RecordedConnection(
            "w", self.number, self.session, "run 1", "/v1/responses", UPSTREAM, START + self.number * 1000 * MS, 101, outcome, self.at, None, self.extensions
        )
        connection.lanes = list(dict.fromkeys(turn.lane for turn in self.turns))
        (connection.client_close, connection.client_reason), (connection.upstream_close, connection.upstream_reason) = self.closes
        connection.turns, connection.digest, connection.heads, connection.log = len(self.turns), digest, heads, self.log
        connection.client_data, connection.upstream_data = b"".join(self.own[0]), b"".join(self.own[1])
        finished = [turn.recorded(self, number, heads, outcome) for number, turn in enumerate(self.turns, 1)]
        return Batch(connections=[connection], finished=finished)


class _Turn:
    def __init__(self, lane: str | None, start: int, *, steer: str | None = None, parent: str | None = None) -> None:
        self.lane, self.start, self.steer, self.parent = lane, start, steer, parent
        self.said: tuple[list[bytes], list[bytes]] = ([], [])
        self.rows: list[EventRow] = []
        self.response = ""

    def recorded(self, socket: Socket, number: int, heads: tuple[bytes, bytes], outcome: Outcome) -> Recorded:
        told = self.said[1][-1] if self.said[1] else b"{}"
        whole = _type(told) in ("response.completed", "response.incomplete", "response.failed", "error")
        created = self.said[0][0] if self.said[0] and self.steer is None else None
        made: Fingerprint | None = None if created is None else fingerprint(create_over(Asked.of(heads[0], UPSTREAM)), created)._replace(asks="ws")
        frames = tuple([Frame(row.direction, row.offset_ns, row.bytes) for row in self.rows])
        raw = Raw(heads[0], b"".join(self.said[0]), heads[1], b"".join(self.said[1]), frames=frames)
        return Recorded(
            "w",
            turn_number(socket.number, number),
            socket.session,
            "run 1",
            "ws",
            "GET",
            "/v1/responses",
            START + socket.number * 1000 * MS + self.start,
            status=101,
            outcome="complete" if whole else outcome if outcome != "complete" else "upstream_closed",
            duration_ns=self.rows[-1].offset_ns if self.rows else 0,
            request_bytes=len(raw.request),
            response_bytes=len(raw.response),
            event_count=len(self.rows),
            upstream=UPSTREAM,
            facts=Facts(
                kind="responses",
                model="gpt-5",
                response_id=self.response or None,
                previous_response_id=self.parent,
                response_status=(_type(told) or "").removeprefix("response.") if whole else None,
                parse="parsed",
            ),
            raw=raw,
            events=self.rows,
            fingerprint=made,
            connection_number=socket.number,
            stream_id=self.lane,
            steer=self.steer,
        )


def _type(payload: bytes) -> str | None:
    try:
        value = json.loads(payload)
    except ValueError:
        return None
    found = value.get("type") if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def stored(directory: Path, *batches: Batch) -> None:
    """Write them into the store of that data directory."""
    with Store.open(f"sqlite:///{directory / 'store.db'}", create=True) as store:
        for batch in batches:
            store.write(batch)


async def told(socket: RawWebSocket, count: int) -> list[bytes]:
    """The payloads of so many messages."""
    return [(await socket.receive()).payload for _ in range(count)]


def ids(messages: Iterable[bytes]) -> list[str]:
    """For short comparisons: type and lane of each."""
    values = [json.loads(message) for message in messages]
    return [f"{value['type'].removeprefix('response.')} {value.get('stream_id', '-')}" for value in values]

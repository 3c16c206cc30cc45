"""For tests of commands: a data directory with recordings of every kind, and a way to run a command on it."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import warm
from playhead.proxy.cli import run
from playhead.storage.connecting.connected import RecordedConnection
from playhead.storage.records import Batch, EventRow, Facts, Raw, Recorded, Spill
from playhead.storage.store import Store

STARTED = 1_795_336_265_123_456_789  # 2026-11-22T08:31:05Z
HEAD = b"POST /v1/responses HTTP/1.1\r\nHost: api.openai.com\r\nAuthorization: Bearer <redacted:api-key>\r\n\r\n"
JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
BLOCKS = (b'event: response.created\ndata: {"n":0}\n\n', b'event: response.completed\ndata: {"n":1}\n\n')
PLAYHEAD = (sys.executable, "-m", "playhead.proxy")


def recorded(number: int, **changes: Any) -> Recorded:
    """An exchange that went well, changed as told."""
    raw = Raw(HEAD, b'{"model":"m","input":"hi"}', JSON_HEAD, b'{"id":"resp_1"}')
    one = Recorded("w", number, "default", "run 1", "http", "POST", "/v1/responses", STARTED + number * 10**9)
    plain: dict[str, Any] = {"status": 200, "outcome": "complete", "duration_ns": 10**9, "upstream": "https://api.openai.com", "raw": raw}
    return replace(one, **(plain | {"facts": Facts(kind="responses", model="gpt-5-mini", parse="parsed")} | changes))


def write(data: Path, *finished: Recorded, spills: list[Spill] | None = None, connections: list[RecordedConnection] | None = None) -> None:
    """Store exchanges in a data directory."""
    data.mkdir(exist_ok=True, mode=0o700)
    with Store.open(f"sqlite:///{data}/store.db", create=True) as store:
        store.write(Batch(finished=list(finished), spills=spills or [], connections=connections or []))


def write_some(data: Path) -> Path:
    """A session `default` with JSON (1), SSE (2), an error (3), gzip (4) and a WebSocket (5), and a session named `7` with one exchange (6)."""
    raw = recorded(0).raw
    stream = [EventRow(seq, seq * 10**6, 1, block.split()[1].decode(), seq, None, len(block)) for seq, block in enumerate(BLOCKS)]
    messages = [EventRow(0, 1000, 0, "session.update", None, None, 2, 1), EventRow(1, 2000, 1, "session.created", None, None, 5, 1)]
    packed = replace(raw, response_heads=b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n", response=gzip.compress(b"unpacked"))
    write(
        data,
        recorded(1),
        recorded(2, transport="sse", event_count=2, events=stream, raw=replace(raw, response=b"".join(BLOCKS))),
        recorded(3, status=500, facts=Facts(error_code="server_error", model="other")),
        recorded(4, raw=packed),
        recorded(5, transport="ws", status=101, event_count=2, events=messages, raw=Raw(HEAD, b"{}", b"HTTP/1.1 101 X\r\n\r\n", b"hello")),
        recorded(6, session="7", run="run 2"),
    )
    return data


@dataclass(frozen=True, slots=True)
class Told:
    """What a command did: its exit status, what it wrote."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Its JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


Playhead = Callable[..., Told]


def on(data: Path, captured: pytest.CaptureFixture[bytes]) -> Playhead:
    """Runs commands, in this process, on that data directory."""

    def command(*arguments: str) -> Told:
        status = run([*arguments, "--data", str(data)])
        told = captured.readouterr()
        return Told(status, told.out.decode(), told.err.decode())

    return command


def in_a_process(*arguments: str, stdin: str = "") -> Told:
    """Run a command in a process of its own, to its end."""
    done = warm.run(["playhead", *arguments], stdin=stdin)
    return Told(done.returncode, done.stdout.decode(), done.stderr.decode())

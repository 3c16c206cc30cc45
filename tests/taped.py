"""Sessions as cassettes, for tests: what is put into one store, written, read and put into another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playhead.proxy.cassettes.cassette_files import load, text_of
from playhead.proxy.formats.cassette import read
from playhead.storage.records import Batch, EventRow, Frame, Raw, Recorded
from playhead.storage.store import Store
from stores import recorded, streamed

SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
HEAD = b"POST /v1/responses HTTP/1.1\r\nHost: here\r\n\r\n"


def stream(number: int, blocks: list[bytes], request: bytes = b'{"input":"x"}', rest: bytes = b"", **changes: Any) -> Recorded:
    """An exchange over SSE that came block by block."""
    rows, frames = [], [Frame(0, 1000, len(request)), Frame(1, 2000, 0)]
    for seq, block in enumerate(blocks):
        value = _json(block)
        rows.append(EventRow(seq, 3000 + seq * 1000, 1, value.get("type"), value.get("sequence_number"), None, len(block)))
        frames.append(Frame(1, 3000 + seq * 1000, len(block)))
    if rest:
        frames.append(Frame(1, 10**6, len(rest)))
    body = b"".join([*blocks, rest])
    raw = Raw(HEAD, request, SSE, body, frames=tuple(frames), chunks=tuple([frame.length for frame in frames[2:]]))
    return streamed(number, rows, raw=raw, request_bytes=len(request), response_bytes=len(body), **changes)


def _json(block: bytes) -> dict[str, Any]:
    try:
        found = json.loads(block.partition(b"data: ")[2])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def sse(value: Any, separators: tuple[str, str] = (",", ":")) -> bytes:
    return f"event: {value['type']}\ndata: {json.dumps(value, separators=separators)}\n\n".encode()


def posted(number: int, request: bytes, answer: bytes = b'{"id":"resp"}', **changes: Any) -> Recorded:
    """An exchange over HTTP."""
    raw = Raw(HEAD, request, b"HTTP/1.1 200 OK\r\n\r\n", answer, frames=(Frame(0, 5, len(request)), Frame(1, 9, len(answer))))
    return recorded(number, **{"raw": raw, "request_bytes": len(request), "response_bytes": len(answer), **changes})


def agent_loop(turns: int, lines: int = 40) -> list[Recorded]:
    """Each request repeats the history before it; tools and instructions stay. `lines`: of the output of each tool call."""
    tools = [{"type": "function", "name": "shell", "description": "Runs it. " * 40}]
    history: list[dict[str, Any]] = []
    found = []
    for turn in range(turns):
        history.append({"type": "function_call_output", "call_id": f"call_{turn}", "output": f"line {turn}\n" * lines})
        body = json.dumps({"model": "gpt-5", "instructions": "Be good. " * 100, "tools": tools, "input": history}).encode()
        ended = {"type": "response.completed", "sequence_number": 1, "response": {"id": f"resp_{turn}", "tools": tools, "output": history[-1:]}}
        found.append(stream(turn, [sse({"type": "response.created", "sequence_number": 0}), sse(ended)], body))
    return found


def batch(*exchanges: Recorded) -> Batch:
    return Batch(finished=list(exchanges), gone=["w1"])


def taped(directory: Path, *batches: Batch, session: str = "default", take: Any = "all") -> bytes:
    """The cassette of what a new store is given."""
    with Store.open(f"sqlite:///{directory / 'first.db'}", create=True) as store:
        for one in batches:
            store.write(one)
        return text_of(store, session, take)[0]


def again(directory: Path, data: bytes, session: str = "default") -> bytes:
    """The cassette of a new store that was given a cassette."""
    with Store.open(f"sqlite:///{directory / 'second.db'}", create=True) as store:
        load(store, read(data, "the cassette"), session)
        return text_of(store, session, "all")[0]


def everything(path: Path, session: str = "default") -> dict[str, Any]:
    """All that listings and `show` say of a session, less ids."""
    with Store.open(f"sqlite:///{path}") as store:
        rows = list(store.exchanges(session))
        known = list(store.connections(session))
        places = {one.id: place for place, one in enumerate(known)}
        return {
            "exchanges": [row.model_dump() | {"id": 0, "connection": places.get(row.connection or 0)} for row in rows],
            "events": [store_events for row in rows for store_events in store.event_rows(row.id)],
            "raw": [store.raw(row.id) for row in rows],
            "connections": [one.model_dump() | {"id": 0} for one in known],
            "logs": [(store.connection_heads(one.id), store.connection_log(one.id), list(store.connection_messages(one.id))) for one in known],
            "handshakes": [one[1:] for one in store.handshakes(session)],
        }

"""Journal frames of exchanges, as a worker writes them: what the recorder's tests feed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from playhead.proxy.fingerprint import stored_fingerprint
from playhead.proxy.recording import Assembly
from playhead.storage.journal import Kind
from playhead.storage.records import Piece, Recorded, Spill, StoredRequest

Frames = list[tuple[int, int, bytes]]
COMPLETE = {"outcome": "complete"}


def head(first: str, headers: dict[str, str] | Sequence[tuple[str, str]]) -> bytes:
    lines = [first, *(f"{name}: {value}" for name, value in (headers.items() if isinstance(headers, dict) else headers))]
    return "".join(line + "\r\n" for line in (*lines, "")).encode("latin-1")


def opening(method: str = "POST", path: str = "/v1/responses", headers: dict[str, str] | None = None, **meta: Any) -> tuple[int, int, bytes]:
    known = {"session": "default", "run": "run1", "mode": "record", "started_at": 17, "key_id": "k_1", "upstream": "https://api.openai.com"}
    text = json.dumps({**known, "transport": "http", "redacted": False, **meta}).encode()
    return Kind.OPEN, 0, text + b"\n" + head(f"{method} {path} HTTP/1.1", headers or {"Host": "x", "Content-Type": "application/json"})


def chunked(pieces: Iterable[bytes]) -> list[bytes]:
    return [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece] + [b"0\r\n\r\n"]


def http(
    request: bytes, pieces: Sequence[bytes], *, path: str = "/v1/responses", status: int = 200, headers: dict[str, str] | None = None, end: Any = COMPLETE
) -> Frames:
    """An HTTP exchange: the pieces of the answer are journalled one by one, a millisecond apart, framing included."""
    sent = headers if headers is not None else {"Content-Type": "application/json"}
    frames: Frames = [opening(path=path), (Kind.REQUEST_DATA, 1_000, request)] if request else [opening(path=path)]
    frames.append((Kind.REQUEST_END, 2_000, json.dumps({"bytes": len(request), "redacted": False, "problem": None, "xxh3": None}).encode()))
    frames.append((Kind.RESPONSE_HEAD, 3_000, head(f"HTTP/1.1 {status} X", sent)))
    frames += [(Kind.RESPONSE_DATA, (at + 1) * 1_000_000, piece) for at, piece in enumerate(pieces)]
    return [*frames, (Kind.END, (len(pieces) + 1) * 1_000_000, json.dumps(end).encode())] if end else frames


def sse(pieces: Sequence[bytes], *, path: str = "/v1/responses", end: Any = COMPLETE, **headers: str) -> Frames:
    """A chunked stream of events."""
    sent = {"Content-Type": "text/event-stream; charset=utf-8", "Transfer-Encoding": "chunked", **headers}
    return http(b'{"model":"m","stream":true}', pieces, path=path, headers=sent, end=end)


def fold(frames: Frames, *, parse: bool = True, aborted: bool = False) -> Recorded:
    assembly = Assembly("w1", 7, parse=parse, turns=False)
    for kind, at, payload in frames:
        assembly.feed(kind, at, payload)
    return assembly.finish(aborted=aborted)


def fold_in_parts(frames: Frames, cuts: Iterable[int], *, aborted: bool = False) -> tuple[Recorded, list[Spill]]:
    """The same, spilled, written down as JSON and restored before each of these frames; joined again as a store would join it."""
    assembly, spills, wanted = Assembly("w1", 7, turns=False), [], set(cuts)
    for place, (kind, at, payload) in enumerate(frames):
        if place in wanted:
            spills.append(assembly.spill(final=False))
            assembly = Assembly.restore(json.loads(json.dumps(assembly.snapshot())))
        assembly.feed(kind, at, payload)
    spills.append(assembly.spill(final=True, aborted=aborted))
    return join(spills), spills


def join(spills: Sequence[Spill]) -> Recorded:
    pieces: list[Piece] = [piece for spill in spills for piece in spill.pieces]
    for part in ("request", "response"):
        assert [piece.seq for piece in pieces if piece.part == part] == list(range(sum(piece.part == part for piece in pieces)))
    last = spills[-1].recorded
    bodies = {part: b"".join([piece.data for piece in pieces if piece.part == part]) for part in ("request", "response")}
    frames, chunks = (tuple(item for spill in spills for item in getattr(spill, name)) for name in ("frames", "chunks"))
    raw = last.raw
    last.raw = type(raw)(raw.request_head, bodies["request"], raw.response_heads, bodies["response"], raw.trailers, frames, chunks)
    last.events = [event for spill in spills for event in spill.events]
    known = [spill.recorded.fingerprint for spill in spills if spill.recorded.fingerprint is not None]
    assert len(known) <= 1
    stored = StoredRequest(raw.request_head, last.upstream, last.facts.problem, iter([bodies["request"]]))
    last.fingerprint = known[0] if known else stored_fingerprint(stored)
    return last

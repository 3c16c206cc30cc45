"""The JSON that a worker puts into journal frames: pure."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

_LENGTHS = struct.Struct("<II")
_STARTED = b', "started_at": '


def opening_meta(meta: dict[str, Any]) -> bytes:
    """What is the same for many exchanges in the payload of Kind.OPEN: session, run, mode, key_id, upstream, transport, redacted."""
    return json.dumps(meta)[:-1].encode() + _STARTED


def opening(meta: bytes, started_at_ns: int, head: bytes) -> bytes:
    """The payload of Kind.OPEN. `head`: the request head, secrets replaced."""
    return b"%b%d}\n%b" % (meta, started_at_ns, head)


def request_end(size: int, *, redacted: bool, problem: str | None = None, digest: str | None = None) -> bytes:
    """The payload of Kind.REQUEST_END. `size`: bytes on the wire; `digest`: what stands for a body that could not be decoded."""
    if problem is None and not redacted:
        return b'{"bytes": %d, "redacted": false, "problem": null, "xxh3": null}' % size
    return json.dumps({"bytes": size, "redacted": redacted, "problem": problem, "xxh3": digest}).encode()


def end(outcome: str, error: str | None = None, *, redacted: bool = False, lost: bool = False, problem: str | None = None) -> bytes:
    """The payload of Kind.END. `error`: the code of an answer of playhead's own; `lost`: frames of the exchange could not be journalled."""
    if outcome == "complete" and not (error or redacted or lost or problem):
        return b'{"outcome": "complete"}'
    return json.dumps({"outcome": outcome, "error": error, "redacted": redacted, "lost": lost, "problem": problem}).encode()


def undecoded(request_end: dict[str, Any]) -> str:
    """What stands for a request body that could not be decoded."""
    digest = request_end.get("xxh3")
    return f"{request_end['problem']} ({request_end.get('bytes')} bytes{f', xxh3 {digest}' if digest else ''})"


def bundle(first: bytes, note: bytes, data: bytes) -> bytes:
    """The payload of Kind.BEGIN and Kind.FINISH."""
    return b"".join((_LENGTHS.pack(len(first), len(note)), first, note, data))


def unbundle(payload: bytes) -> tuple[bytes, bytes, bytes]:
    """What `bundle` was given."""
    first, note = _LENGTHS.unpack_from(payload)
    end = 8 + first
    return payload[8:end], payload[end : end + note], payload[end + note :]


def with_loss(payload: bytes, *, bundled: bool = False) -> bytes:
    """The end of an exchange, in what Kind.END holds or (`bundled`) Kind.FINISH, which says that something of it was lost."""
    head, note, data = unbundle(payload) if bundled else (b"", payload, b"")
    note = to_json({**from_json(note), "lost": True})
    return bundle(head, note, data) if bundled else note


class Meta(NamedTuple):
    """What an opening says that is the same for many exchanges, as far as the recorder asks for it."""

    session: str = ""
    run: str = ""
    key_id: str | None = None
    upstream: str = ""
    transport: str | None = None


NO_META = Meta()


def read_opening(payload: bytes, *, bundled: bool = False) -> tuple[Meta, int]:
    """What stands at the start of what Kind.OPEN holds, or (`bundled`) of a Kind.BEGIN: meta, and when the exchange began."""
    start = _LENGTHS.size if bundled else 0
    text = payload[start : payload.find(b"\n", start)]
    same, mark, rest = text.rpartition(_STARTED)
    if mark and rest[:-1].isdigit():
        return _usual_meta(same), int(rest[:-1])
    found = from_json(text)
    return _meta_of(found), found.get("started_at", 0)


def _meta_of(found: Mapping[str, Any]) -> Meta:
    return Meta(*[found.get(name, unsaid) for name, unsaid in zip(Meta._fields, NO_META, strict=True)])


@lru_cache(maxsize=64)
def _usual_meta(text: bytes) -> Meta:
    return _meta_of(from_json(text + b"}"))

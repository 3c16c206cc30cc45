"""The JSON that a worker puts into journal frames: pure."""

from __future__ import annotations

import json
from typing import Any


def opening_meta(meta: dict[str, Any]) -> bytes:
    """What is the same for many exchanges in the payload of Kind.OPEN: session, run, mode, key_id, upstream, transport, redacted."""
    return json.dumps(meta)[:-1].encode() + b', "started_at": '


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

"""What the simulated upstream says on a WebSocket in the course of one response. Pure.

A request may ask for trouble: `"metadata": {"simulate": "keepalive error_failed"}`. The words:

- how it ends: `incomplete`, `failed`, `done` (a `response.done`, as Codex' upstream sends), `empty` (the terminal tells no output), `error` (an event
  with its place in the response), `error_failed` (and a `response.failed` behind it), `error_status` (one with a status in place of that), `drop` (the
  connection is cut), `close:CODE` (it is closed when the response is over)
- what comes on top: `keepalive`, `metadata`, `limits`, `timing`
- before it begins: `refuse`, `overloaded` (its create has an error for an answer)
- `long` (it says more), `no_successor` (a steer is accepted and comes to nothing)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from .simulated import Json, events_of, metadata_of, tokens, usage

Chooser = Callable[[int], int]
"""Gives one of so many numbers, from 0."""

UNNUMBERED = frozenset(("codex.rate_limits", "codex.response.metadata", "responsesapi.websocket_timing"))
"""Types of events that have no place in the order of a response."""

TERMINALS = frozenset(f"response.{name}" for name in ("completed", "failed", "incomplete", "done"))
_LIMITS: Mapping[str, Any] = {"type": "codex.rate_limits", "plan_type": "simulated", "rate_limits": {"allowed": True, "limit_reached": False}}
TIMING: Mapping[str, Any] = {"type": "responsesapi.websocket_timing", "timing_metrics": {"engine_service_total_ms": 1}}
_MORE = " It goes on, and on, for as long as one may want to interrupt it, and says nothing at all." * 2


class Close(NamedTuple):
    """The connection is to be closed."""

    code: int
    reason: str


class Cut(NamedTuple):
    """The connection is to be dropped without a word."""


Planned = Json | Close | Cut


def words_of(asked: Json) -> frozenset[str]:
    """What trouble a request asks for."""
    words = metadata_of(asked).get("simulate")
    return frozenset(words.split()) if isinstance(words, str) else frozenset()


def simulated_error(code: str, message: str, *, status: int | None = None, param: str | None = None, headers: Json | None = None) -> Json:
    """An error as WebSockets have it."""
    kind = "invalid_request_error" if status is not None and status < 500 else "server_error"
    error: Json = {"type": kind, "code": code, "message": message, "param": param} | ({} if headers is None else {"headers": headers})
    return {"type": "error"} | ({} if status is None else {"status": status}) | {"error": error}


def lengthened(response: Json) -> Json:
    """A Response that says more."""
    [item] = response["output"]
    if item["type"] != "message":
        return response
    part = item["content"][0]
    longer = item | {"content": [part | {"text": part["text"] + _MORE}]}
    return response | {"output": [longer], "usage": usage(response["usage"]["input_tokens"], tokens(longer))}


def plan(response: Json, words: frozenset[str], choose: Chooser) -> list[Planned]:
    """The events of a response, numbers and lane not yet given."""
    *events, completed = events_of(response)
    *events, last = [*events, _terminal(completed, words)]
    planned: list[Planned] = [*events, *_ending(events, last, words, choose)]
    for word, kind in (("keepalive", "keepalive"), ("metadata", "codex.response.metadata")):
        if word in words:
            planned.insert(1 + choose(max(1, len(planned) - 2)), {"type": kind})
    if "limits" in words:
        planned.insert(0, dict(_LIMITS))
    if "drop" in words:
        return [*planned[: 1 + choose(len(planned) - 1)], Cut()]
    if "timing" in words:
        planned.append(dict(TIMING))
    closing = next((word.partition(":")[2] for word in sorted(words) if word.startswith("close:")), "")
    return [*planned, Close(int(closing), "as simulated")] if closing.isdecimal() else planned


def _terminal(completed: Json, words: frozenset[str]) -> Json:
    response = completed["response"]
    if "empty" in words:
        response = response | {"output": []}
    if "incomplete" in words:
        cut = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        return {"type": "response.incomplete", "response": response | cut}
    if "failed" in words:
        return {"type": "response.failed", "response": _failed(response)}
    return {"type": "response.done" if "done" in words else "response.completed", "response": response}


def _failed(response: Json) -> Json:
    return response | {"status": "failed", "error": {"code": "server_error", "message": "The simulated model failed."}}


def _ending(events: list[Json], last: Json, words: frozenset[str], choose: Chooser) -> list[Planned]:
    """What follows the events of the body, of which it may take some away."""
    if not words & {"error", "error_failed", "error_status"}:
        return [last]
    del events[2 + choose(len(events) - 1) :]
    error = simulated_error("server_error", "The simulated model failed.", status=500 if "error_status" in words else None)
    return [error, {"type": "response.failed", "response": _failed(last["response"])}] if "error_failed" in words else [error]


def steered(response: Json, text: str | None) -> Json:
    """The event that ends a response early, for a steer. `text`: what it had said; None: it had not begun to."""
    output = []
    if text is not None:
        [item] = response["output"]
        output = [item | {"status": "incomplete", "content": [item["content"][0] | {"text": text}]}]
    taken = response["usage"]["input_tokens"]
    cached = response["usage"]["input_tokens_details"]["cached_tokens"]
    cut = {"status": "incomplete", "incomplete_details": {"reason": "steered"}, "output": output, "usage": usage(taken, tokens(output), cached)}
    return {"type": "response.incomplete", "response": response | cut}


def obfuscation(event: Json, number: int) -> str:
    """What hides how long a delta is."""
    size = 16 - len(str(event.get("delta"))) % 16
    return sha256(f"{number}{event}".encode()).hexdigest()[:size]

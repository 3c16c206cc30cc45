"""The shapes that an error has on each transport (PROTOCOL 3.9), one made of the other. Pure.

Over HTTP an error is a status and a body with `error`; in a stream an event with code and message at its top; on a WebSocket an event with `error` inside,
and a `status` where the request was refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

Json = dict[str, Any]

_FIELDS = ("code", "message", "param", "misalignment")
_BY_CODE: Mapping[str, int] = {
    "invalid_api_key": 401,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    **dict.fromkeys(("rate_limit_exceeded", "slow_down", "insufficient_quota", "credit_balance_exhausted", "rate_limit_error"), 429),
    **dict.fromkeys((f"{whose}_limit_exceeded" for whose in ("organization_spend", "project_spend", "organization_usage")), 429),
    "server_is_overloaded": 503,
    "server_error": 500,
    "invalid_request_error": 400,
}
_TOLD = re.compile(r"retry-after(-ms)?|x-should-retry|x-request-id|x-ratelimit-[a-z-]+")
"""Headers of a refusal that say something to a client: they go where a WebSocket has room for them."""
_LONGEST = 1000  # characters of a body that is no JSON
_NAME = re.compile(r"[A-Za-z0-9-]{1,100}")
_FRAMING = frozenset(("content-length", "content-type", "content-encoding", "transfer-encoding", "connection", "upgrade", "trailer"))


class RefusedOverHttp(NamedTuple):
    """A request that was refused, as HTTP says it."""

    status: int
    body: Json
    headers: list[tuple[str, str]]


def error_in(event: Json) -> Json:
    """What an `error` event tells, in whichever shape."""
    inside = event.get("error")
    if isinstance(inside, dict):
        return inside
    told = {name: event[name] for name in _FIELDS if name in event}
    return told | {"message": inside} if isinstance(inside, str) else told


def status_of(event: Json) -> int:
    """The status that HTTP has for the error of an event."""
    status = event.get("status")
    if isinstance(status, int) and 400 <= status < 600:
        return status
    error = error_in(event)
    named = (error.get(name) for name in ("code", "type"))
    return next((_BY_CODE[name] for name in named if isinstance(name, str) and name in _BY_CODE), 500)


def as_event(event: Json, number: int) -> Json:
    """An `error` event as a stream over HTTP has it. `number`: its sequence number, if it has none."""
    error = error_in(event)
    told = {name: error[name] for name in _FIELDS if name in error}
    return {"type": "error", "sequence_number": event.get("sequence_number", number), "code": None, "message": "", "param": None} | told


def as_message(event: Json, *, refusal: bool) -> Json:
    """An `error` event as a WebSocket has it. `refusal`: it is the answer to the request, and no response had begun."""
    error = error_in(event)
    status = {"status": status_of(event)} if refusal else {}
    number = {"sequence_number": event["sequence_number"]} if "sequence_number" in event and not refusal else {}
    return {"type": "error", **status, "error": _full(error, status_of(event)), **number}


def _full(error: Json, status: int) -> Json:
    """The error with all that a client may ask for."""
    type_ = "invalid_request_error" if 400 <= status < 500 and status != 429 else "rate_limit_error" if status == 429 else "server_error"
    return {"type": type_, "code": None, "message": "", "param": None} | error


def refused(event: Json) -> RefusedOverHttp:
    """An `error` event that answers a request, as HTTP says it."""
    error = error_in(event)
    status = status_of(event)
    headers = error.get("headers")
    told = headers.items() if isinstance(headers, dict) else ()
    sound = [(name, value) for name, value in told if isinstance(value, str) and _NAME.fullmatch(name) and not {*value} & {"\r", "\n", "\0"}]
    body = {name: value for name, value in _full(error, status).items() if name != "headers"}
    return RefusedOverHttp(status, {"error": body}, [(name, value) for name, value in sound if name.lower() not in _FRAMING])


def message_of(status: int, headers: Mapping[bytes, bytes], body: bytes) -> Json:
    """What a WebSocket says where HTTP refuses. `headers`: by lower-case name; `body`: decoded."""
    told = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
    kept = {name: value for name, value in told.items() if _TOLD.fullmatch(name)}
    code = status if 400 <= status < 600 else 502
    error = _full(_error_of(body), code) | ({"headers": kept} if kept else {})
    return {"type": "error", "status": code, "error": error}


def _error_of(body: bytes) -> Json:
    """The error in the body of an answer."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {"message": body[: 4 * _LONGEST].decode("utf-8", "replace")[:_LONGEST]}
    error = value.get("error") if isinstance(value, dict) else None
    if isinstance(error, dict):
        return error
    text = error if isinstance(error, str) else json.dumps(value, ensure_ascii=False)
    return {"message": text[:_LONGEST]}

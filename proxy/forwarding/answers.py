"""What the proxy itself has to say: pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Refusal:
    """The proxy answers itself: `code` is one of ERRORS, `message` tells the client what to do."""

    code: str
    message: str
    more: Mapping[str, Any] | None = None
    """What stands beside them in the error."""


@dataclass(frozen=True, slots=True)
class Error:
    """One of the errors that playhead answers with. `retry`: whether sending the same again can help."""

    code: str
    status: int
    reason: str
    retry: bool
    meaning: str


ERRORS = MappingProxyType(
    {
        error.code: error
        for error in (
            Error("upstream_unreachable", 502, "Bad Gateway", True, "upstream could not be reached, or closed the connection without an answer"),
            Error("upstream_protocol_error", 502, "Bad Gateway", True, "upstream's answer is not HTTP/1.1"),
            Error("upstream_timeout", 504, "Gateway Timeout", True, "upstream took no connection in time, or was silent for longer than read_timeout"),
            Error("bad_session_name", 400, "Bad Request", False, "the session's name has characters that are not allowed"),
            Error("bad_fault", 400, "Bad Request", False, "Playhead-Fault is no fault, or the request is not replayed"),
            Error("bad_target", 400, "Bad Request", False, "the request names another host, or none"),
            Error("bad_request", 400, "Bad Request", False, "the request is not HTTP/1.1, or not a WebSocket handshake"),
            Error("websockets_off", 426, "Upgrade Required", False, "a WebSocket handshake, and the setting websockets is off: ask over HTTP"),
            Error("mode_not_allowed", 403, "Forbidden", False, "Playhead-Mode asks for a mode that this server does not take"),
            Error(
                "live_budget",
                403,
                "Forbidden",
                False,
                "the request would go to upstream, and as many have gone there as live_calls allows, or have cost as much as live_money allows",
            ),
            Error("bad_token", 401, "Unauthorized", False, "the server replays to those who know its replay_token, and the request has another key, or none"),
            Error(
                "no_match",
                404,
                "Not Found",
                False,
                "a replay: nothing that was recorded matches the request; the message names the nearest and the differences",
            ),
            Error("exhausted", 404, "Not Found", False, "a replay: the request came more often than it was recorded"),
            Error("session_not_found", 404, "Not Found", False, "a replay: nothing was recorded in that session, or not in that take"),
            Error("recording_unavailable", 503, "Service Unavailable", True, "strict durability: the request could not be recorded, so it was not made"),
            Error("shutting_down", 503, "Service Unavailable", True, "the server is stopping"),
        )
    }
)


def answer(code: str, message: str, *, keep_alive: bool, head_only: bool = False, more: Mapping[str, Any] | None = None) -> tuple[bytes, bytes]:
    """Head and body of an error of our own: OpenAI-shaped, so that SDKs raise what they raise for their API's errors.

    `more`: what stands beside the usual in the error.
    """
    error = ERRORS[code]
    content = {"error": {"message": message, "type": "playhead_error", "param": None, "code": code, **(more or {})}}
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
    lines = [
        f"HTTP/1.1 {error.status} {error.reason}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"Playhead-Error: {code}",
        *(("Upgrade: HTTP/1.1",) if error.status == 426 else ()),  # RFC 9110 section 15.5.22: what is required
        *(() if error.retry else ("x-should-retry: false",)),
        *(() if keep_alive else ("Connection: close",)),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n", b"" if head_only else body

"""What upstream says when it refuses or fails, as OpenAI and Anthropic say it: heads, bodies and events of faults. Pure.

The texts are those that were seen in recordings, or else in the providers' documentation (PROTOCOL 3.9); an id is made of the place of the fault, so
that it is the same in each run. What no one of the providers' programs answers, but a gateway before them, comes as the page of a gateway.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from xxhash import xxh3_128_hexdigest

from playhead.config.faults import NOT_FOUND, Fault

Provider = Literal["openai", "anthropic"]
Json = dict[str, Any]

_GATEWAY = frozenset((502, 504, *range(520, 529)))
_LIMITS = "https://platform.openai.com/account/rate-limits"
_DOCS = "https://platform.openai.com/docs/guides/error-codes/api-errors"


class _Said(NamedTuple):
    """An error of OpenAI's."""

    type: str
    code: str | None
    message: str
    param: str | None = None


_BY_STATUS: Mapping[int, _Said] = MappingProxyType(
    {
        400: _Said("invalid_request_error", None, "Invalid request."),
        401: _Said(
            "invalid_request_error",
            "invalid_api_key",
            "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.",
        ),
        403: _Said("invalid_request_error", "unsupported_country_region_territory", "Country, region, or territory not supported"),
        404: _Said("invalid_request_error", "model_not_found", "The model {model} does not exist or you do not have access to it."),
        408: _Said("invalid_request_error", "request_timeout", "Request timed out."),
        409: _Said("invalid_request_error", None, "The request conflicts with another request that is in progress. Please try again."),
        429: _Said(
            "requests",
            "rate_limit_exceeded",
            f"Rate limit reached for {{model}} on requests per min (RPM): Limit 3, Used 3, Requested 1.{{again}} Visit {_LIMITS} to learn more.",
        ),
        500: _Said(
            "server_error",
            None,
            "The server had an error processing your request. Sorry about that! You can retry your request, or contact us through our help center at "
            "help.openai.com if you keep seeing this error. (Please include the request ID {id} in your email.)",
        ),
        503: _Said("server_error", "server_is_overloaded", "Our servers are currently overloaded. Please try again later."),
    }
)
_BY_CODE: Mapping[str, _Said] = MappingProxyType(
    {
        NOT_FOUND: _Said("invalid_request_error", NOT_FOUND, "Previous response with id '{previous}' not found.", "previous_response_id"),
        "insufficient_quota": _Said(
            "insufficient_quota",
            "insufficient_quota",
            f"You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: {_DOCS}.",
        ),
        "slow_down": _Said("requests", "slow_down", "Please slow down: reduce your request rate and try again."),
        "context_length_exceeded": _Said(
            "invalid_request_error", "context_length_exceeded", "Your input exceeds the context window of this model. Please adjust your input and try again."
        ),
        "websocket_connection_limit_reached": _Said(
            "invalid_request_error",
            "websocket_connection_limit_reached",
            "Responses websocket connection limit reached (60 minutes). Create a new websocket connection to continue.",
        ),
    }
)
_ANTHROPIC: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        400: ("invalid_request_error", "Invalid request"),
        401: ("authentication_error", "invalid x-api-key"),
        403: ("permission_error", "Your API key does not have permission to use the specified resource."),
        404: ("not_found_error", "model: {model}"),
        413: ("request_too_large", "Request exceeds the maximum size"),
        429: ("rate_limit_error", "This request would exceed your organization's rate limit. Please try again later."),
        500: ("api_error", "Internal server error"),
        504: ("timeout_error", "Request timed out"),
        529: ("overloaded_error", "Overloaded"),
    }
)
_REASONS: Mapping[int, str] = MappingProxyType(
    {
        401: "Unauthorized",
        403: "Forbidden",
        404: "Not Found",
        408: "Request Timeout",
        409: "Conflict",
        413: "Request Entity Too Large",
        422: "Unprocessable Entity",
        429: "Too Many Requests",
        502: "Bad Gateway",
        503: "Service Unavailable",
        504: "Gateway Timeout",
        529: "Overloaded",
    }
)


class ErrorSubject(NamedTuple):
    """What an error speaks of. `place`: what its ids are made of; `previous`: the response that the request goes on from."""

    provider: Provider
    place: str
    model: str | None = None
    previous: str | None = None


class FaultAnswer(NamedTuple):
    """The answer of a fault, whole."""

    head: bytes
    body: bytes


def provider_of(path: str) -> Provider:
    """Whose API has such a path."""
    plain = path.partition("?")[0].rstrip("/")
    return "anthropic" if plain.endswith(("/messages", "/messages/count_tokens", "/complete")) or "/messages/batches" in plain else "openai"


def refusal(fault: Fault, asked: ErrorSubject) -> FaultAnswer:
    """The error as HTTP has it."""
    named = {name.lower() for name, _ in fault.headers}
    page = fault.status in _GATEWAY and fault.code is None and fault.message is None and (asked.provider, fault.status) != ("anthropic", 504)
    if page:
        body, type_ = _page(fault.status), "text/html"
    elif asked.provider == "anthropic":
        body, type_ = json.dumps(_anthropic(fault, asked), ensure_ascii=False).encode(), "application/json"
    else:
        body, type_ = json.dumps({"error": error_of(fault, asked)}, indent=2, ensure_ascii=False).encode(), "application/json"
    told = [
        ("Content-Type", type_),
        ("Content-Length", str(len(body))),
        *_usual(fault, asked),
        ("Playhead-Fault", str(fault).encode("ascii", "replace").decode()),
    ]
    headers = [*((name, value) for name, value in told if name.lower() not in named), *fault.headers]
    lines = [f"HTTP/1.1 {fault.status} {_reason(fault.status)}", *(f"{name}: {value}" for name, value in headers)]
    return FaultAnswer("\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n", body)


def error_of(fault: Fault, asked: ErrorSubject) -> Json:
    """What stands in `error`, as OpenAI has it."""
    known = _BY_CODE.get(fault.code or "") or _BY_STATUS.get(fault.status) or _other(fault.status)
    seconds = next((value for name, value in fault.headers if name.lower() == "retry-after"), None)
    words = {
        "model": asked.model or "the requested model",
        "again": f" Please try again in {seconds}s." if seconds is not None else "",
        "id": _id(asked),
        "previous": asked.previous or "resp_unknown",
    }
    message = fault.message if fault.message is not None else known.message.format_map(words)
    return {"message": message, "type": known.type, "param": known.param, "code": fault.code or known.code}


def _other(status: int) -> _Said:
    return _Said("invalid_request_error" if status < 500 else "server_error", None, f"{_reason(status)}.")


def _anthropic(fault: Fault, asked: ErrorSubject) -> Json:
    type_, message = _ANTHROPIC.get(fault.status) or _ANTHROPIC[400 if fault.status < 500 else 500]
    text = fault.message if fault.message is not None else message.format_map({"model": asked.model or "unknown"})
    return {"type": "error", "error": {"type": fault.code or type_, "message": text}, "request_id": _id(asked)}


def _usual(fault: Fault, asked: ErrorSubject) -> list[tuple[str, str]]:
    """The headers that tell a client what to make of it."""
    if asked.provider == "anthropic":
        limits = [("anthropic-ratelimit-requests-limit", "50"), ("anthropic-ratelimit-requests-remaining", "0")] if fault.status == 429 else []
        return [*limits, ("request-id", _id(asked))]
    told = [("openai-version", "2020-10-01"), ("x-request-id", _id(asked))]
    if fault.status != 429 or fault.code not in (None, "rate_limit_exceeded"):
        return told
    seconds = next((value for name, value in fault.headers if name.lower() == "retry-after"), "1")
    limits = [("x-ratelimit-limit-requests", "3"), ("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", f"{seconds}s")]
    return [*told, *limits]


def _id(asked: ErrorSubject) -> str:
    return f"req_{xxh3_128_hexdigest(asked.place.encode())}"


def _reason(status: int) -> str:
    return _REASONS.get(status, "Bad Request" if status < 500 else "Internal Server Error")


def _page(status: int) -> bytes:
    """As a gateway before the API answers."""
    title = f"{status} {_reason(status)}"
    lines = ["<html>", f"<head><title>{title}</title></head>", "<body>", f"<center><h1>{title}</h1></center>", "<hr><center>cloudflare</center>"]
    return "\r\n".join([*lines, "</body>", "</html>", ""]).encode()


# In the middle of an answer.


def block_of(fault: Fault, asked: ErrorSubject, *, typed: bool, number: int) -> bytes:
    """The error as an event of a stream. `typed`: its events name their types; `number`: that of the event."""
    if asked.provider == "anthropic":
        told = {name: value for name, value in _anthropic(fault, asked).items() if name != "request_id"}
        return b"event: error\ndata: " + json.dumps(told, ensure_ascii=False).encode() + b"\n\n"
    error = error_of(fault, asked)
    if not typed:
        return b"data: " + json.dumps({"error": error}, ensure_ascii=False).encode() + b"\n\n"
    flat = {"type": "error", "code": error["code"], "message": error["message"], "param": error["param"], "sequence_number": number}
    return b"event: error\ndata: " + json.dumps(flat, ensure_ascii=False).encode() + b"\n\n"


def message_of(fault: Fault, asked: ErrorSubject, *, number: int | None) -> Json:
    """The error as a message of a Responses WebSocket. `number`: that of the event, where a response had begun; None: it refuses the request."""
    headers = {"headers": dict(fault.headers)} if fault.headers else {}
    where = {"status": fault.status} if number is None else {}
    numbered = {} if number is None else {"sequence_number": number}
    return {"type": "error", **where, "error": {**error_of(fault, asked), **headers}, **numbered}

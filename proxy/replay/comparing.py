"""What counts of a request when it is compared with another one: both sides as `differences` takes them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from xxhash import xxh3_64_hexdigest

from ..diverging.differences import Compared, Undecoded
from ..fingerprint import F1, Asked, Rules, fingerprint, kind_of_body, leave_out, line_of, normalised
from ..fingerprinting.multipart import Part, boundary_of, parts_of


class Head(NamedTuple):
    """What counts of a request but its body."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


def head(asked: Asked, rules: Rules = F1) -> Head:
    """Under the rules that are in force."""
    _, method, path, query, beta, *ruled = line_of(asked, rules).start.decode("utf-8", "surrogatepass").split("\n")
    named = (header.partition(": ") for header in ruled if header)
    return Head(method, path, query, {**({"openai-beta": beta} if beta else {}), **{name: value for name, _, value in named}})


class Side(NamedTuple):
    """One of two requests. `body`: None if it is too big; `compared`: what counts of it."""

    asked: Asked
    body: bytes | None
    compared: Compared

    @classmethod
    def of(cls, asked: Asked, body: bytes | None, rules: Rules = F1, *, size: int = 0) -> Side:
        """Under the rules that are in force. `size`: of the body as it came, for one that cannot be decoded."""
        if asked.undecoded is not None:  # no rule holds for what nobody can read
            return cls(asked, body, Compared(*head(asked), Undecoded(size, asked.undecoded)))
        return cls(asked, body, Compared(*head(asked, rules), None if body is None else _under(_body(asked, body), asked, rules)))


def equal(one: Side, other: Side, rules: Rules) -> bool:
    """Whether they are one request under these rules."""
    if one.body is None or other.body is None:
        return False
    return fingerprint(one.asked, one.body, rules).digest == fingerprint(other.asked, other.body, rules).digest


def message(path: str, text: bytes) -> Compared:
    """The same of a message over a WebSocket."""
    value = json_of(text)
    if isinstance(value, dict):
        value.pop("event_id", None)  # clients make it up anew each time
    return Compared("GET", path, "", {}, text if value is None else value)


def json_of(text: bytes) -> Any:
    """The value of a JSON text with all digits of its numbers; None if it is no JSON."""
    try:
        return json.loads(text.decode(), parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def _under(value: Any, asked: Asked, rules: Rules) -> Any:
    """What rules make of a body, as `fingerprint` would have it."""
    try:
        if not isinstance(value, bytes):
            return normalised(value, rules, asked.method, asked.target)
        normaliser = rules.normaliser(asked.method, asked.target)
        return value if normaliser is None else normaliser.text(value.decode()).encode()
    except (UnicodeError, RecursionError):  # bytes that are no text; JSON nested so deeply that it is compared as it is
        return value


def _body(asked: Asked, body: bytes) -> Any:
    content_type = asked.headers.get(b"content-type", b"")
    kind = kind_of_body(content_type)
    if kind == "multipart":
        boundary = boundary_of(content_type)
        parts = parts_of(body, boundary) if boundary else None
        return body if parts is None else [_part(part) for part in parts]
    value = json_of(body) if kind == "json" or body[:64].lstrip()[:1] in (b"{", b"[") else None
    if isinstance(value, dict) and line_of(asked).create:
        leave_out(value)
    return body if value is None else value


def _part(part: Part) -> dict[str, Any]:
    """One part of a form as JSON would have it."""
    said = (("name", part.name), ("filename", part.filename), ("content_type", part.content_type))
    told: dict[str, Any] = {name: value.decode("latin-1") for name, value in said if value is not None}
    try:
        told["content"] = part.content.decode()
    except UnicodeDecodeError:
        told["content"] = f"{len(part.content):,} bytes, xxh3 {xxh3_64_hexdigest(part.content)}"
    return told

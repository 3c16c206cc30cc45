"""Who pays: which exchanges make something that is billed, which only tell of it, and which cost nothing. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from playhead.storage.costing.costs import GOING_ON, Priceable

from ..models.kind import shape_of

Role = Literal["makes", "tells", "asks", "free", "none"]
"""makes: its usage is paid. tells: it tells of a usage that another exchange made. asks: so it does, but nobody knows which one. free: it uses something that
is not billed. none: nothing."""

_ROLES: Mapping[tuple[str, str], Role] = {
    ("responses", "create"): "makes",
    ("responses", "compact"): "makes",
    ("responses", "socket"): "makes",
    ("responses", "retrieve"): "tells",
    ("responses", "cancel"): "tells",
    ("responses", "input_tokens"): "free",
    ("responses", "input_items"): "none",
    ("responses", "delete"): "none",
    ("chat.completions", "create"): "makes",
    ("chat.completions", "retrieve"): "tells",
    ("chat.completions", "update"): "tells",
    ("messages", "create"): "makes",
    ("messages", "count_tokens"): "free",
    ("other", "moderations"): "free",
    ("other", "completions"): "makes",
}
_ALL_MAKE = frozenset(("embeddings", "images", "audio"))  # whatever calls of them are known
_UNPAID = frozenset(("GET", "HEAD", "DELETE", "OPTIONS"))
_FREE: Mapping[str, str] = {
    "input_tokens": "not billed: it counts tokens",
    "count_tokens": "not billed: it counts tokens",
    "moderations": "not billed: moderations are free",
}
_BATCH = re.compile(r"/batches(?=[/?]|$)")


class Part(NamedTuple):
    """What an exchange has to do with money. `why`: of one that is free."""

    role: Role
    why: str | None = None


def part_of(one: Priceable) -> Part:
    """By its call, and by whether it used something."""
    shape = shape_of(one.method, one.path)
    role = _ROLES.get((one.kind, shape.call))
    if role == "free":
        return Part("free", _FREE[shape.call])
    if role is not None:
        return Part(role) if role != "tells" or _tells(one) else Part("none")
    if (one.kind in _ALL_MAKE and one.method == "POST" and shape.call) or (one.kind == "realtime" and one.transport == "ws"):
        return Part("makes")
    if one.usage is None:
        return Part("none")
    if _is_batch(one):
        return Part("tells") if _tells(one) else Part("none")
    if one.method not in _UNPAID:
        return Part("makes")
    return Part("none" if one.response_status in GOING_ON else "asks")


def _is_batch(one: Priceable) -> bool:
    return one.kind == "other" and _BATCH.search(one.path) is not None


def _tells(one: Priceable) -> bool:
    """Only a final usage counts."""
    return bool(one.usage) and one.response_id is not None and one.response_status not in GOING_ON


def is_batch(one: Priceable) -> bool:
    """Whether it tells of a batch, which has a price of its own."""
    return _is_batch(one)


def refused(one: Priceable) -> str | None:
    """Why nothing is billed though something was asked for: it was refused, or never reached the API."""
    if one.usage:
        return None
    if one.outcome == "unreachable":
        return "not billed: upstream was not reached"
    if one.status is not None and one.status >= 400:
        return f"not billed: refused with {one.status}"
    return None


def unfinished(one: Priceable) -> str | None:
    """Why the usage, though there may be one, is not what was used in the end."""
    cut = one.outcome != "complete"
    if one.usage:
        # Their streams tell a usage from the start, and the whole of it at the end.
        early = one.transport == "sse" and one.parse == "partial" and one.kind in ("messages", "chat.completions", "other")
        return "the stream was cut before it told its final usage" if cut and early else None
    if cut:
        return "it was cut before it told its usage"
    if one.response_status in GOING_ON:  # its stream ended with an error, or without an end
        return "it ended before it told its usage"
    if one.kind == "chat.completions" and one.transport == "sse":
        return "the stream did not tell its usage: the client has to ask for it by stream_options.include_usage"
    return None


def goes_on(one: Priceable) -> bool:
    """Whether its Response goes on in the background, so that another exchange will tell its usage; otherwise it ends with its stream, however that ended."""
    if one.usage or one.response_status not in GOING_ON:
        return False
    answered = one.outcome == "complete" and one.transport == "http"
    return answered or one.response_status == "queued" or bool((one.billing or {}).get("background"))

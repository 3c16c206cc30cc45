"""Unfolds a Response into a stream of events that tells it: the mirror image of `fold`. Pure; the same Response always gives the same events.

What comes is what a server would have sent that makes such a Response: each item begins empty, grows by deltas and is done; the last event carries the
Response as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .folds.unfold_items import unfold_item

Json = dict[str, Any]

_ENDINGS: Mapping[str, str] = {"failed": "failed", "incomplete": "incomplete", "cancelled": "incomplete"}
"""By status; any other one is completed, but for those that are no end. There is no event that says `cancelled`: the Response in it does."""

_UNENDED = ("queued", "in_progress")

_LATER = ("completed_at", "content_filters", "error", "incomplete_details", "moderation", "tool_usage", "usage")
"""What is null until a Response has ended."""


def unfold(response: Json) -> list[Json]:
    """The events, in order. Values inside are shared with the Response and not to be changed.

    One that has not ended yet, as a background one begins, gives the events so far.
    """
    events: list[Json] = []
    status = response.get("status")
    ended = status not in _UNENDED
    output = response.get("output")
    items = output if isinstance(output, list) else []
    early = _early(response) if ended else response | ({"output": []} if items and all(isinstance(item, dict) for item in items) else {})
    queued = status == "queued" or (ended and response.get("background") is True)
    _add(events, "response.created", early | {"status": "queued"} if queued else early)
    if queued:
        _add(events, "response.queued", early | {"status": "queued"})
    if status != "queued":
        _add(events, "response.in_progress", early)
    for index, item in enumerate(items):
        if isinstance(item, dict) and early.get("output") == []:
            unfold_item(events, index, item, response_ended=ended)
    if ended:
        _add(events, f"response.{_ENDINGS.get(status, 'completed') if isinstance(status, str) else 'completed'}", response)
    return events


def _add(events: list[Json], type_: str, response: Json) -> None:
    events.append({"type": type_, "sequence_number": len(events), "response": response})


def _early(response: Json) -> Json:
    """The Response as it was when it began."""
    early = response | {"status": "in_progress", **{name: None for name in _LATER if name in response}}
    if isinstance(response.get("output"), list):
        early["output"] = []
    return early

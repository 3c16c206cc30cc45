"""Events of a response for tests: short to write, parsed as those from the wire."""

from __future__ import annotations

from itertools import count
from typing import Any

from playhead.proxy.folds.response_fold import ResponseFold
from playhead.proxy.models.doors import door
from playhead.proxy.models.responses import Response
from playhead.proxy.models.wire import Door, Wire

PARSE: Door[Wire] = door("ServerEvent")

RESPONSE: dict[str, Any] = {"id": "resp_1", "object": "response", "status": "in_progress", "error": None, "model": "gpt-6", "output": [], "usage": None}
USAGE = {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8}
MESSAGE: dict[str, Any] = {"id": "msg_1", "type": "message", "status": "in_progress", "content": [], "role": "assistant"}
PART: dict[str, Any] = {"type": "output_text", "annotations": [], "text": ""}
WHOLE = MESSAGE | {"status": "completed", "content": [PART | {"text": "Hello"}]}


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind if kind in ("error", "keepalive") else f"response.{kind}", **fields}


def lifecycle(kind: str, **fields: Any) -> dict[str, Any]:
    return event(kind, response=RESPONSE | fields)


def ended(kind: str = "completed", **fields: Any) -> dict[str, Any]:
    return lifecycle(kind, **{"status": kind, "usage": USAGE} | fields)


def added(item: dict[str, Any] = MESSAGE, at: int = 0) -> dict[str, Any]:
    return event("output_item.added", output_index=at, item=item)


def done(item: dict[str, Any] = WHOLE, at: int = 0) -> dict[str, Any]:
    return event("output_item.done", output_index=at, item=item)


def delta(kind: str, piece: Any, at: int = 0, **where: Any) -> dict[str, Any]:
    return event(f"{kind}.delta", output_index=at, item_id="msg_1", delta=piece, **where)


def said(piece: str, at: int = 0, part: int = 0) -> dict[str, Any]:
    return delta("output_text", piece, at, content_index=part, logprobs=[])


CREATED = lifecycle("created")
BEGUN = (CREATED, added(), event("content_part.added", output_index=0, item_id="msg_1", content_index=0, part=PART))


def numbered(*events: dict[str, Any], start: int = 0) -> list[dict[str, Any]]:
    """The events with the sequence numbers that they have on the wire; those that have one keep it."""
    return [{"sequence_number": number, **event} for number, event in zip(count(start), events, strict=False)]


COMPLETED_STREAM = numbered(CREATED, *BEGUN[1:], said("Hello"), done(), ended(output=[WHOLE]))
"""A whole stream."""


def fold(*events: dict[str, Any], text: bool = True, start: int = 0) -> ResponseFold:
    """A fold that got these."""
    made = ResponseFold(text=text)
    for each in numbered(*events, start=start):
        made.add(PARSE(each))
    return made


def result(*events: dict[str, Any], start: int = 0) -> Response:
    found = fold(*events, start=start).result()
    assert found is not None
    return found


def output(*events: dict[str, Any]) -> list[Any]:
    """The items, as JSON, of what these events make."""
    found: list[Any] = result(*events).to_wire()["output"]
    return found

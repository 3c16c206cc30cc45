"""The models of the wire: requests, answers and events of the OpenAI Responses API, and of the APIs beside it. Names are imported when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .doors import (
    body_door,
    client_event_door,
    event_door,
    parse_anthropic_event,
    parse_body,
    parse_chat_chunk,
    parse_client_event,
    parse_event,
    parse_live_client_event,
    parse_live_event,
    parse_realtime_client_event,
    parse_realtime_event,
    parse_request,
    parse_response,
    parse_server_event,
    request_door,
)
from .kind import Shape, kind_of, shape_of
from .names import load, places
from .wire import Door, JsonInput, Problem, Unparsed, Wire

if TYPE_CHECKING:
    from .actions import *  # noqa: F403
    from .anthropic import *  # noqa: F403
    from .audio import *  # noqa: F403
    from .call_events import *  # noqa: F403
    from .chat import *  # noqa: F403
    from .content import *  # noqa: F403
    from .conversations import *  # noqa: F403
    from .embeddings import *  # noqa: F403
    from .errors import *  # noqa: F403
    from .event_base import *  # noqa: F403
    from .events import *  # noqa: F403
    from .images import *  # noqa: F403
    from .item_parts import *  # noqa: F403
    from .items import *  # noqa: F403
    from .live import *  # noqa: F403
    from .moderations import *  # noqa: F403
    from .options import *  # noqa: F403
    from .other import *  # noqa: F403
    from .realtime import *  # noqa: F403
    from .requests import *  # noqa: F403
    from .responses import *  # noqa: F403
    from .tagged import *  # noqa: F403
    from .tool_choice import *  # noqa: F403
    from .tool_items import *  # noqa: F403
    from .tools import *  # noqa: F403
    from .ws_events import *  # noqa: F403

__all__ = [
    "Door",
    "JsonInput",
    "Problem",
    "Shape",
    "Unparsed",
    "Wire",
    "body_door",
    "client_event_door",
    "event_door",
    "kind_of",
    "parse_anthropic_event",
    "parse_body",
    "parse_chat_chunk",
    "parse_client_event",
    "parse_event",
    "parse_live_client_event",
    "parse_live_event",
    "parse_realtime_client_event",
    "parse_realtime_event",
    "parse_request",
    "parse_response",
    "parse_server_event",
    "request_door",
    "shape_of",
]


if not TYPE_CHECKING:  # or to a type checker there would be no wrong names

    def __getattr__(name: str) -> Any:
        try:
            found = globals()[name] = load(name)
        except KeyError:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *places()})

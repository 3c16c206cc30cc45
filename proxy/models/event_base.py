"""What events share."""

from __future__ import annotations

from .item_parts import Agent
from .responses import Response
from .tagged import Unknown
from .wire import Maybe, Sent, Wire


class EventBase(Wire):
    """What any event may have."""

    sequence_number: Sent[int] = None
    """Counts the events of a response, from 0."""
    stream_id: Maybe[str] = None
    """The lane. WebSockets only, and absent on the default lane."""


class Event(EventBase):
    """An event of a response."""

    agent: Maybe[Agent] = None
    """Multi-agent beta only."""


class ResponseEvent(Event):
    """The response as it stands."""

    response: Sent[Response] = None


class ItemEvent(Event):
    item_id: Sent[str] = None
    output_index: Sent[int] = None
    """Of the item in the output."""


class PartEvent(ItemEvent):
    content_index: Sent[int] = None
    """Of the part in the item's content."""


class UnknownEvent(Event, Unknown):
    """An event of another type."""

"""The doors: JSON in, models out. Which model it is to be, method and path say; within a kind, what the object says of itself. Pure.

No door raises for what the JSON holds. What is no JSON object comes out as `Unparsed`. Doors are built when they are first used.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from .event_door import EventDoor
from .kind import Shape
from .names import load
from .wire import Door, JsonInput, Unparsed, Wire, field, members

if TYPE_CHECKING:
    from .anthropic import AnthropicEvent
    from .chat import ChatChunk
    from .live import LiveClientEvent, LiveServerEvent
    from .realtime import RealtimeClientEvent, RealtimeServerEvent
    from .requests import ClientEvent
    from .responses import Response
    from .ws_events import ServerEvent

_OTHER, _SERVER_EVENT = "OtherObject", "ServerEvent"
_CLIENT_EVENTS = frozenset(("response.create", "response.steer", "response.inject"))

# By kind and call, the name of the model; an empty call is what a kind has where its calls have nothing of their own.

_REQUESTS: Mapping[Shape, str] = {
    Shape("responses"): "CreateBody",
    Shape("responses", "socket"): "ClientEvent",
    Shape("responses", "compact"): "CompactBody",
    Shape("responses", "input_tokens"): "InputTokensBody",
    Shape("chat.completions"): "ChatBody",
    Shape("chat.completions", "update"): "ChatMetadata",
    Shape("embeddings"): "EmbeddingBody",
    Shape("images"): "ImageBody",
    Shape("audio"): "SpeechBody",
    Shape("realtime"): "RealtimeBody",
    Shape("realtime", "live.create"): _OTHER,
    Shape("messages"): _OTHER,
    Shape("messages", "create"): "AnthropicBody",
    Shape("messages", "count_tokens"): "AnthropicBody",
    Shape("other", "completions"): "CompletionBody",
    Shape("other", "moderations"): "ModerationBody",
    Shape("other", "conversations.create"): "ConversationBody",
    Shape("other", "conversations.update"): "ConversationBody",
    Shape("other", "conversations.items.create"): "ItemsBody",
}
_BODIES: Mapping[Shape, str] = {
    Shape("responses"): "Response",
    Shape("responses", "delete"): "Deleted",
    Shape("responses", "input_items"): "ItemList",
    Shape("responses", "input_tokens"): "InputTokenCount",
    Shape("responses", "compact"): "CompactedResponse",
    Shape("chat.completions"): "ChatCompletion",
    Shape("chat.completions", "list"): "ChatList",
    Shape("chat.completions", "messages"): "ChatMessageList",
    Shape("chat.completions", "delete"): "ChatDeleted",
    Shape("embeddings"): "EmbeddingList",
    Shape("images"): "ImageAnswer",
    Shape("audio"): "Transcription",
    Shape("realtime"): _OTHER,
    Shape("realtime", "client_secrets"): "RealtimeClientSecret",
    Shape("realtime", "sessions"): "RealtimeSession",
    Shape("messages"): "AnthropicMessage",
    Shape("messages", "count_tokens"): "AnthropicTokenCount",
    Shape("other", "completions"): "Completion",
    Shape("other", "moderations"): "Moderation",
    Shape("other", "conversations.create"): "Conversation",
    Shape("other", "conversations.retrieve"): "Conversation",
    Shape("other", "conversations.update"): "Conversation",
    Shape("other", "conversations.delete"): "Deleted",
    Shape("other", "conversations.items.create"): "ItemList",
    Shape("other", "conversations.items.list"): "ItemList",
    Shape("other", "conversations.items.retrieve"): "Item",
    Shape("other", "conversations.items.delete"): "Conversation",
}
_EVENTS: Mapping[Shape, str] = {
    Shape("responses"): _SERVER_EVENT,  # of which the events of streams are a part
    Shape("chat.completions"): "ChatChunk",
    Shape("images"): "ImageEvent",
    Shape("audio"): "AudioEvent",
    Shape("realtime"): "RealtimeServerEvent",
    Shape("realtime", "live.socket"): "LiveServerEvent",
    Shape("messages"): "AnthropicEvent",
    Shape("other", "completions"): "Completion",
}
_SENT_EVENTS: Mapping[Shape, str] = {
    Shape("responses"): "ClientEvent",
    Shape("realtime"): "RealtimeClientEvent",
    Shape("realtime", "live.socket"): "LiveClientEvent",
}
# By kind, what the `object`, or else the `type`, of an answer says against what was expected of it.
_SAYING: Mapping[str, Mapping[str, str]] = {
    "responses": {
        "response": "Response",
        "list": "ItemList",
        "response.compaction": "CompactedResponse",
        "response.input_tokens": "InputTokenCount",
        "response.deleted": "Deleted",
        "conversation": "Conversation",
        "conversation.deleted": "Deleted",
    },
    "chat.completions": {"chat.completion": "ChatCompletion", "chat.completion.deleted": "ChatDeleted", "text_completion": "Completion"},
    "messages": {"message": "AnthropicMessage", "message_batch": _OTHER, "message_batch_deleted": _OTHER},
    "other": {"conversation": "Conversation", "conversation.deleted": "Deleted", "text_completion": "Completion"},
}


@cache
def door(name: str) -> Door[Any]:
    """The one door of a model, or of a union of models, by its name."""
    return (EventDoor if name == _SERVER_EVENT else Door)(load(name))


def _shape(shape: Shape | str) -> Shape:
    return shape if isinstance(shape, Shape) else Shape(shape)


def _choose(table: Mapping[Shape, str], shape: Shape | str) -> Door[Any]:
    shape = _shape(shape)
    return door(table.get(shape) or table.get(Shape(shape.kind)) or _OTHER)


# Whatever the API.


@cache
def request_door(shape: Shape | str) -> Door[Any]:
    """For the body of a request."""
    return _choose(_REQUESTS, shape)


@cache
def body_door(shape: Shape | str) -> Door[Any]:
    """For the body of an answer that went well and is what was asked for; `parse_body` looks whether it is."""
    return _choose(_BODIES, shape)


def event_door(shape: Shape | str) -> Door[Any]:
    """For what the server sends piece by piece: events of a stream, messages of a WebSocket."""
    return _choose(_EVENTS, shape)


def client_event_door(shape: Shape | str) -> Door[Any]:
    """For what the client sends on a WebSocket."""
    return _choose(_SENT_EVENTS, shape)


def parse_request(shape: Shape | str, data: JsonInput) -> Wire:
    """The body of a request. `shape`: the call, or its kind only."""
    model: Wire = request_door(shape)(data)
    type_ = field(model, "type")
    if _shape(shape).kind == "responses" and isinstance(type_, str) and type_ in _CLIENT_EVENTS:
        return client_event_door("responses")(data)
    if shape == "messages" and field(model, "messages") is not None:
        return door("AnthropicBody")(data)
    return model


def parse_body(shape: Shape | str, data: JsonInput, *, status: int | None = None) -> Wire:
    """The body of an answer. `shape`: the call, or its kind only. A `status` of 400 or more says that it is an error; without one, the body does."""
    if status is not None and status >= 400:
        return door("ErrorBody")(data)
    expected = body_door(shape)
    model: Wire = expected(data)
    if model.__class__ is Unparsed:
        return model
    said = door(name) if (name := _says(_shape(shape).kind, model)) else expected
    return model if said is expected else said(data)


def _says(kind: str, model: Wire) -> str | None:
    """The name of the model that the object asks for; None if it does not."""
    get = members(model).get
    object_, type_ = get("object"), get("type")
    if type_ == "error" or (not object_ and get("error") and not get("id")):
        return "ErrorBody"
    if kind == "responses" and object_ == "response" and get("deleted") is not None:
        return "Deleted"
    if kind == "messages" and type_ is None and get("input_tokens") is not None:
        return "AnthropicTokenCount"
    name = object_ if isinstance(object_, str) else type_
    return _SAYING.get(kind, {}).get(name) if isinstance(name, str) else None


# Responses.


def parse_response(data: JsonInput) -> Response | Unparsed:
    """A Response."""
    return door("Response")(data)


def parse_event(data: JsonInput) -> ServerEvent | Unparsed:
    """An event of a stream."""
    return door(_SERVER_EVENT)(data)


def parse_server_event(data: JsonInput) -> ServerEvent | Unparsed:
    """What the server sends on a WebSocket."""
    return door(_SERVER_EVENT)(data)


def parse_client_event(data: JsonInput) -> ClientEvent | Unparsed:
    """What the client sends on a WebSocket."""
    return door("ClientEvent")(data)


# The other APIs.


def parse_chat_chunk(data: JsonInput) -> ChatChunk | Unparsed:
    """A chunk of a chat completion."""
    return door("ChatChunk")(data)


def parse_anthropic_event(data: JsonInput) -> AnthropicEvent | Unparsed:
    """An event of a stream of Anthropic's."""
    return door("AnthropicEvent")(data)


def parse_realtime_event(data: JsonInput) -> RealtimeServerEvent | Unparsed:
    """What the server sends on a Realtime socket, or on one for translations."""
    return door("RealtimeServerEvent")(data)


def parse_realtime_client_event(data: JsonInput) -> RealtimeClientEvent | Unparsed:
    """What the client sends there."""
    return door("RealtimeClientEvent")(data)


def parse_live_event(data: JsonInput) -> LiveServerEvent | Unparsed:
    """What the server sends on a Live socket."""
    return door("LiveServerEvent")(data)


def parse_live_client_event(data: JsonInput) -> LiveClientEvent | Unparsed:
    """What the client sends there."""
    return door("LiveClientEvent")(data)

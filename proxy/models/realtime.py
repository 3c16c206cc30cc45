"""Realtime: sessions, items, responses, and the events of both sides, those of the old beta and of other servers included; translations too.

Events' names overlap with those of Responses, but not their fields: which it is tells the path, never the type.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from .audio import AudioUsage
from .tagged import Tagged, Unknown
from .wire import Maybe, Nullable, Number, OneOf, Sent, Wire

# Usage. Counts of tokens.


class RealtimeCachedDetails(Wire):
    """The cached input by modality."""

    text_tokens: Maybe[int] = None
    audio_tokens: Maybe[int] = None
    image_tokens: Maybe[int] = None


class RealtimeInputDetails(Wire):
    """Parts of the input."""

    text_tokens: Maybe[int] = None
    audio_tokens: Maybe[int] = None
    image_tokens: Maybe[int] = None
    cached_tokens: Maybe[int] = None
    cached_tokens_details: Maybe[RealtimeCachedDetails] = None


class RealtimeOutputDetails(Wire):
    """Parts of the output."""

    text_tokens: Maybe[int] = None
    audio_tokens: Maybe[int] = None
    reasoning_tokens: Maybe[int] = None


class RealtimeUsage(Wire):
    """The whole conversation so far is input to each response, mostly cached."""

    total_tokens: Maybe[int] = None
    input_tokens: Maybe[int] = None
    output_tokens: Maybe[int] = None
    input_token_details: Maybe[RealtimeInputDetails] = None
    output_token_details: Maybe[RealtimeOutputDetails] = None


# Objects.


class RealtimeError(Wire):
    type: Sent[str] = None
    code: Nullable[str] = None
    message: Sent[str] = None
    param: Nullable[str] = None
    event_id: Maybe[str] = None
    """Of the client's event that caused it, if one did."""


class RealtimeSession(Wire):
    id: Maybe[str] = None
    """The server's; absent where the client asks for one."""
    object: Maybe[str] = None
    type: Maybe[Annotated[str, OneOf("realtime", "transcription", "translation")]] = None
    """Absent in the old beta."""
    model: Maybe[str] = None
    expires_at: Maybe[Number] = None
    """Unix time in seconds; 0 in what the client is told first."""
    output_modalities: Maybe[list[str]] = None
    instructions: Maybe[str] = None
    tools: Maybe[list[dict[str, Any]]] = None
    tool_choice: Maybe[str | dict[str, Any]] = None
    audio: Maybe[dict[str, Any]] = None
    client_secret: Maybe[dict[str, Any]] = None
    """`value` is a secret. In answers to HTTP requests for a session."""


class RealtimePart(Wire):
    """Of the content of an item."""

    type: Sent[Annotated[str, OneOf("input_text", "input_audio", "input_image", "output_text", "output_audio", "text", "audio")]] = None
    text: Maybe[str] = None
    audio: Maybe[str] = None
    """Base64."""
    transcript: Maybe[str] = None


class RealtimeItem(Wire):
    """A message, a call or its output, or something of MCP."""

    id: Maybe[str] = None
    object: Maybe[str] = None
    type: Sent[
        Annotated[str, OneOf("message", "function_call", "function_call_output", "mcp_call", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response")]
    ] = None
    status: Maybe[Annotated[str, OneOf("in_progress", "completed", "incomplete")]] = None
    role: Maybe[Annotated[str, OneOf("user", "assistant", "system")]] = None
    content: Maybe[list[RealtimePart]] = None
    call_id: Maybe[str] = None
    name: Maybe[str] = None
    arguments: Maybe[str] = None
    output: Maybe[str] = None
    server_label: Maybe[str] = None
    """For MCP."""


class RealtimeStatusDetails(Wire):
    """Why a response ended as it did."""

    type: Maybe[Annotated[str, OneOf("completed", "cancelled", "incomplete", "failed")]] = None
    reason: Maybe[Annotated[str, OneOf("turn_detected", "client_cancelled", "max_output_tokens", "content_filter")]] = None
    error: Maybe[RealtimeError] = None


class RealtimeResponse(Wire):
    """In a client's event: what it should be like."""

    object: Maybe[Annotated[str, OneOf("realtime.response")]] = None
    id: Maybe[str] = None
    status: Maybe[Annotated[str, OneOf("in_progress", "completed", "cancelled", "failed", "incomplete")]] = None
    status_details: Maybe[RealtimeStatusDetails] = None
    output: Maybe[list[RealtimeItem]] = None
    conversation_id: Maybe[str] = None
    output_modalities: Maybe[list[str]] = None
    metadata: Maybe[dict[str, Any]] = None
    usage: Maybe[RealtimeUsage] = None
    """Null until it is done."""


class RateLimit(Wire):
    name: Maybe[Annotated[str, OneOf("requests", "tokens")]] = None
    limit: Maybe[int] = None
    remaining: Maybe[int] = None
    reset_seconds: Maybe[Number] = None


# The server's events.


class _Event(Wire):
    event_id: Maybe[str] = None


class RealtimeErrorEvent(_Event):
    """The connection mostly goes on."""

    type: Literal["error"]
    error: Sent[RealtimeError] = None


class RealtimeSessionEvent(_Event):
    type: Literal["session.created", "session.updated", "transcription_session.created", "transcription_session.updated"]
    session: Sent[RealtimeSession] = None


class RealtimeConversationCreated(_Event):
    type: Literal["conversation.created"]
    conversation: Sent[dict[str, Any]] = None


class RealtimeItemEvent(_Event):
    type: Literal[
        "conversation.item.created",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.retrieved",
        "response.output_item.added",
        "response.output_item.done",
    ]
    previous_item_id: Maybe[str] = None
    response_id: Maybe[str] = None
    output_index: Maybe[int] = None
    item: Sent[RealtimeItem] = None


class RealtimeTranscribed(_Event):
    """Of the client's audio, by a model of its own, with usage of its own."""

    type: Literal["conversation.item.input_audio_transcription.completed", "conversation.item.input_audio_transcription.updated"]
    item_id: Sent[str] = None
    content_index: Sent[int] = None
    transcript: Sent[str] = None
    usage: Maybe[AudioUsage] = None


class RealtimeTranscriptionFailed(_Event):
    type: Literal["conversation.item.input_audio_transcription.failed"]
    item_id: Sent[str] = None
    content_index: Sent[int] = None
    error: Sent[RealtimeError] = None


class RealtimeResponseEvent(_Event):
    type: Literal["response.created", "response.done"]
    response: Sent[RealtimeResponse] = None
    usage: Maybe[RealtimeUsage] = None
    """xAI tells it here."""


class RealtimePartEvent(_Event):
    type: Literal["response.content_part.added", "response.content_part.done"]
    response_id: Sent[str] = None
    item_id: Sent[str] = None
    output_index: Sent[int] = None
    content_index: Sent[int] = None
    part: Sent[RealtimePart] = None


class RealtimeDelta(_Event):
    """More of something that is being said, in either direction."""

    type: Literal[
        "response.output_text.delta",
        "response.output_audio.delta",
        "response.output_audio_transcript.delta",
        "response.function_call_arguments.delta",
        "response.mcp_call_arguments.delta",
        "response.text.delta",
        "response.audio.delta",
        "response.audio_transcript.delta",
        "conversation.item.input_audio_transcription.delta",
        "session.input_transcript.delta",
        "session.output_transcript.delta",
        "session.output_audio.delta",
    ]
    response_id: Maybe[str] = None
    item_id: Maybe[str] = None
    output_index: Maybe[int] = None
    content_index: Maybe[int] = None
    call_id: Maybe[str] = None
    delta: Maybe[str] = None
    """Of audio: base64."""
    elapsed_ms: Maybe[int] = None
    """Of a translation: how much of the input it covers."""


class RealtimeDone(_Event):
    """All of something that was said."""

    type: Literal[
        "response.output_text.done",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.function_call_arguments.done",
        "response.mcp_call_arguments.done",
        "response.text.done",
        "response.audio.done",
        "response.audio_transcript.done",
    ]
    response_id: Sent[str] = None
    item_id: Sent[str] = None
    output_index: Sent[int] = None
    content_index: Maybe[int] = None
    text: Maybe[str] = None
    transcript: Maybe[str] = None
    call_id: Maybe[str] = None
    name: Maybe[str] = None
    arguments: Maybe[str] = None


class RealtimeRateLimits(_Event):
    """After a response began, with what it will use at most taken off already."""

    type: Literal["rate_limits.updated"]
    rate_limits: Sent[list[RateLimit]] = None


class RealtimeNotice(_Event):
    """Something happened; there is little more to say."""

    type: Literal[
        "conversation.item.deleted",
        "conversation.item.truncated",
        "conversation.item.input_audio_transcription.segment",
        "input_audio_buffer.cleared",
        "input_audio_buffer.committed",
        "input_audio_buffer.dtmf_event_received",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.timeout_triggered",
        "output_audio_buffer.started",
        "output_audio_buffer.stopped",
        "output_audio_buffer.cleared",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "mcp_list_tools.failed",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "response.mcp_call.failed",
        "session.closed",
        "ping",
    ]
    item_id: Maybe[str] = None
    response_id: Maybe[str] = None
    audio_start_ms: Maybe[int] = None
    """From the start of the session's audio, like `audio_end_ms`."""
    audio_end_ms: Maybe[int] = None


class UnknownRealtimeEvent(Unknown):
    """A server's event of another type, or of another provider."""


RealtimeServerEvent = Annotated[
    RealtimeDelta
    | RealtimeDone
    | RealtimeResponseEvent
    | RealtimeItemEvent
    | RealtimePartEvent
    | RealtimeSessionEvent
    | RealtimeTranscribed
    | RealtimeTranscriptionFailed
    | RealtimeConversationCreated
    | RealtimeRateLimits
    | RealtimeErrorEvent
    | RealtimeNotice
    | UnknownRealtimeEvent,
    Tagged(),
]

# The client's events.


class RealtimeSessionUpdate(_Event):
    type: Literal["session.update", "transcription_session.update"]
    session: Sent[RealtimeSession] = None


class RealtimeAudioAppend(_Event):
    type: Literal["input_audio_buffer.append", "session.input_audio_buffer.append"]
    audio: Sent[str] = None
    """Base64."""


class RealtimeItemCreate(_Event):
    type: Literal["conversation.item.create"]
    previous_item_id: Maybe[str] = None
    item: Sent[RealtimeItem] = None


class RealtimeResponseCreate(_Event):
    type: Literal["response.create"]
    response: Maybe[RealtimeResponse] = None


class RealtimeCommand(_Event):
    """What needs no more than an id to say."""

    type: Literal[
        "conversation.item.delete",
        "conversation.item.retrieve",
        "conversation.item.truncate",
        "input_audio_buffer.clear",
        "input_audio_buffer.commit",
        "output_audio_buffer.clear",
        "response.cancel",
        "session.close",
    ]
    item_id: Maybe[str] = None
    response_id: Maybe[str] = None
    content_index: Maybe[int] = None
    audio_end_ms: Maybe[int] = None


class UnknownRealtimeClientEvent(Unknown):
    """A client's event of another type, or for another provider."""


RealtimeClientEvent = Annotated[
    RealtimeAudioAppend | RealtimeItemCreate | RealtimeResponseCreate | RealtimeSessionUpdate | RealtimeCommand | UnknownRealtimeClientEvent,
    Tagged(),
]

# HTTP.


class RealtimeClientSecret(Wire):
    """The answer to asking for a key that a browser may have."""

    value: Sent[str] = None
    """A secret."""
    expires_at: Sent[Number] = None
    """Unix time in seconds."""
    session: Maybe[RealtimeSession] = None


class RealtimeBody(Wire):
    """The request for a key, or to take up a call."""

    session: Maybe[RealtimeSession] = None
    expires_after: Maybe[dict[str, Any]] = None

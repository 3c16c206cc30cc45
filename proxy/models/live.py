"""Live: sessions, and the events of both sides."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from .events import StreamEvent
from .tagged import Tagged, Unknown
from .wire import Maybe, Nullable, Number, OneOf, Sent, Wire


class LiveUsage(Wire):
    seconds: Sent[Number] = None
    """Since the session started: the last one counts, not the sum."""


class LiveContextWindow(Wire):
    usage_ratio: Sent[Number] = None
    """From 0 to 1."""


class LiveSession(Wire):
    id: Maybe[str] = None
    """Absent where the client asks for a session."""
    object: Maybe[str] = None
    status: Maybe[str] = None
    model: Maybe[str] = None
    created_at: Maybe[Number] = None
    """Unix time in seconds."""
    expires_at: Maybe[Number] = None
    instructions: Maybe[str] = None


class LiveError(Wire):
    type: Sent[str] = None
    code: Nullable[str] = None
    message: Sent[str] = None
    param: Nullable[str] = None
    client_event_id: Maybe[str] = None
    """Of the client's event that caused it, if one did."""


# The server's events.


class _Event(Wire):
    event_id: Maybe[str] = None
    client_event_id: Maybe[str] = None
    """Of the client's event that this answers, if that had one."""


class LiveSessionEvent(_Event):
    type: Literal["session.started", "session.updated"]
    session: Sent[LiveSession] = None


class LiveSessionClosed(_Event):
    type: Literal["session.closed"]
    reason: Sent[Annotated[str, OneOf("close_requested", "expired", "content", "remote_hangup", "connection_lost")]] = None
    session: Sent[LiveSession] = None
    usage: Sent[LiveUsage] = None


class LiveUsageUpdated(_Event):
    type: Literal["session.usage.updated"]
    usage: Sent[LiveUsage] = None
    context_window: Maybe[LiveContextWindow] = None


class LiveResponseEvent(_Event):
    """An event of a response that the session asked for. Its snapshots of the response hold no input, instructions, tools or output."""

    type: Literal["response.event"]
    delegation_id: Maybe[str] = None
    event: Sent[StreamEvent] = None
    """The usage of the terminal one is billed beside the session's."""


class LiveDecisionEvent(_Event):
    type: Literal["decision.event"]
    delegation_id: Nullable[str] = None
    trigger_id: Nullable[str] = None
    source_event_id: Nullable[str] = None
    source_event_type: Nullable[str] = None
    event: Sent[dict[str, Any]] = None


class LiveItemEvent(_Event):
    type: Literal["decision.item.created", "decision.item.deleted"]
    item: Maybe[dict[str, Any]] = None
    item_id: Maybe[str] = None


class LiveDelta(_Event):
    """More of what is being said, in either direction. Times in milliseconds from the start of the session."""

    type: Literal["session.output_audio.delta", "session.input_transcript.delta", "session.output_transcript.delta"]
    delta: Sent[str] = None
    """Of audio: base64."""
    start_ms: Maybe[int] = None
    end_ms: Maybe[int] = None


class LiveErrorEvent(_Event):
    type: Literal["error"]
    error: Sent[LiveError] = None


class LiveTransportFailed(_Event):
    type: Literal["transport.failed"]
    session_id: Sent[str] = None
    error: Sent[dict[str, Any]] = None


class LiveNotice(_Event):
    """Something happened; there is little more to say."""

    type: Literal[
        "session.input_audio.muted",
        "session.input_audio.unmuted",
        "session.output_audio.fixture.playing",
        "session.output_audio.fixture.played",
        "session.instructions.appended",
        "session.thinking.appended",
        "session.commentary.appended",
        "session.input_audio.append",
        "session.delegation.created",
        "info",
        "transport.dtmf.received",
        "transport.dtmf.send",
        "transport.dtmf.sent",
        "session.paused",
        "session.resumed",
        "transport.ringing",
        "transport.answered",
    ]
    session_id: Maybe[str] = None
    code: Maybe[str] = None
    message: Maybe[str] = None


class UnknownLiveEvent(Unknown):
    """A server's event of another type."""


LiveServerEvent = Annotated[
    LiveDelta
    | LiveSessionEvent
    | LiveSessionClosed
    | LiveUsageUpdated
    | LiveResponseEvent
    | LiveDecisionEvent
    | LiveItemEvent
    | LiveErrorEvent
    | LiveTransportFailed
    | LiveNotice
    | UnknownLiveEvent,
    Tagged(),
]

# The client's events.


class LiveSessionStart(_Event):
    type: Literal["session.start", "session.update"]
    session: Sent[LiveSession] = None


class LiveAudioAppend(_Event):
    type: Literal["session.input_audio.append", "session.output_audio.fixture.play"]
    audio: Sent[str] = None
    """Base64."""


class LiveTextAppend(_Event):
    type: Literal["session.instructions.append", "session.thinking.append", "session.commentary.append"]
    content: Sent[str] = None
    delegation_id: Nullable[str] = None


class LiveItemCreate(_Event):
    type: Literal["response.item.create", "decision.item.create"]
    item: Sent[dict[str, Any]] = None


class LiveCommand(_Event):
    """What needs no more than an id to say."""

    type: Literal[
        "session.input_audio.mute",
        "session.input_audio.unmute",
        "decision.create",
        "decision.item.delete",
        "response.create",
        "session.close",
        "transport.dtmf.send",
    ]
    item_id: Maybe[str] = None


class UnknownLiveClientEvent(Unknown):
    """A client's event of another type."""


LiveClientEvent = Annotated[
    LiveAudioAppend | LiveTextAppend | LiveSessionStart | LiveItemCreate | LiveCommand | UnknownLiveClientEvent,
    Tagged(),
]

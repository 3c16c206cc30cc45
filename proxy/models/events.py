"""Events of a response: what stands in an SSE stream, and on WebSockets.

`obfuscation` is random padding, against those who count bytes; absent where the request switched it off.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from .call_events import (
    CodeInterpreterCallCodeDelta,
    CodeInterpreterCallCodeDone,
    CodeInterpreterCallCompleted,
    CodeInterpreterCallInProgress,
    CodeInterpreterCallInterpreting,
    CustomToolCallInputDelta,
    CustomToolCallInputDone,
    FileSearchCallCompleted,
    FileSearchCallInProgress,
    FileSearchCallSearching,
    FunctionCallArgumentsDelta,
    FunctionCallArgumentsDone,
    ImageGenerationCallCompleted,
    ImageGenerationCallGenerating,
    ImageGenerationCallInProgress,
    ImageGenerationCallPartialImage,
    McpCallArgumentsDelta,
    McpCallArgumentsDone,
    McpCallCompleted,
    McpCallFailed,
    McpCallInProgress,
    McpListToolsCompleted,
    McpListToolsFailed,
    McpListToolsInProgress,
    ShellCallCommandAdded,
    ShellCallCommandDelta,
    ShellCallCommandDone,
    ShellCallOutputContentDelta,
    ShellCallOutputContentDone,
    WebSearchCallCompleted,
    WebSearchCallInProgress,
    WebSearchCallSearching,
)
from .content import Annotation, ContentPart, Logprob
from .errors import ErrorObject
from .event_base import Event, ItemEvent, PartEvent, ResponseEvent, UnknownEvent
from .items import Item
from .tagged import Tagged
from .wire import Maybe, Nullable, OneOf, Sent, Undeclared, UndeclaredModel

# The life of a response.


class ResponseCreated(ResponseEvent):
    type: Literal["response.created"]


class ResponseQueued(ResponseEvent):
    type: Literal["response.queued"]


class ResponseInProgress(ResponseEvent):
    type: Literal["response.in_progress"]


class ResponseCompleted(ResponseEvent):
    type: Literal["response.completed"]


class ResponseFailed(ResponseEvent):
    type: Literal["response.failed"]


class ResponseIncomplete(ResponseEvent):
    type: Literal["response.incomplete"]


class ErrorEvent(Event):
    """Flat over HTTP; on WebSockets, and from some servers over HTTP, with an `error` inside."""

    type: Literal["error"]
    code: Maybe[str] = None
    message: Maybe[str] = None
    param: Maybe[str] = None
    error: Maybe[ErrorObject] = None
    status: Maybe[int] = None
    """Of HTTP, where the request was refused; absent where a response failed."""


# Items and their parts.


class OutputItemAdded(Event):
    type: Literal["response.output_item.added"]
    output_index: Sent[int] = None
    item: Sent[Item] = None


class OutputItemDone(Event):
    type: Literal["response.output_item.done"]
    output_index: Sent[int] = None
    item: Sent[Item] = None


class ContentPartAdded(PartEvent):
    type: Literal["response.content_part.added"]
    part: Sent[ContentPart] = None


class ContentPartDone(PartEvent):
    type: Literal["response.content_part.done"]
    part: Sent[ContentPart] = None


class CompactionCompacting(ItemEvent):
    type: Literal["response.compaction.compacting"]


# Texts.


class OutputTextDelta(PartEvent):
    type: Literal["response.output_text.delta"]
    delta: Sent[str] = None
    logprobs: Sent[list[Logprob]] = None
    obfuscation: Undeclared[str] = None


class OutputTextDone(PartEvent):
    type: Literal["response.output_text.done"]
    text: Sent[str] = None
    logprobs: Sent[list[Logprob]] = None


class OutputTextAnnotationAdded(PartEvent):
    type: Literal["response.output_text.annotation.added"]
    annotation_index: Sent[int] = None
    annotation: Nullable[Annotation] = None


class RefusalDelta(PartEvent):
    type: Literal["response.refusal.delta"]
    delta: Sent[str] = None
    obfuscation: Undeclared[str] = None


class RefusalDone(PartEvent):
    type: Literal["response.refusal.done"]
    refusal: Sent[str] = None


# Reasoning.


class ReasoningTextDelta(PartEvent):
    type: Literal["response.reasoning_text.delta"]
    delta: Sent[str] = None
    obfuscation: Undeclared[str] = None


class ReasoningTextDone(PartEvent):
    type: Literal["response.reasoning_text.done"]
    text: Sent[str] = None


class ReasoningPartAdded(PartEvent, UndeclaredModel):
    """Of servers that run open models."""

    type: Literal["response.reasoning_part.added"]
    part: Sent[ContentPart] = None


class ReasoningPartDone(PartEvent, UndeclaredModel):
    """Of servers that run open models."""

    type: Literal["response.reasoning_part.done"]
    part: Sent[ContentPart] = None


class ReasoningSummaryPartAdded(ItemEvent):
    type: Literal["response.reasoning_summary_part.added"]
    summary_index: Sent[int] = None
    part: Sent[ContentPart] = None


class ReasoningSummaryPartDone(ItemEvent):
    type: Literal["response.reasoning_summary_part.done"]
    summary_index: Sent[int] = None
    part: Sent[ContentPart] = None
    status: Maybe[Annotated[str, OneOf("incomplete")]] = None
    """Where the part was cut off."""


class ReasoningSummaryTextDelta(ItemEvent):
    type: Literal["response.reasoning_summary_text.delta"]
    summary_index: Sent[int] = None
    delta: Sent[str] = None
    obfuscation: Undeclared[str] = None


class ReasoningSummaryTextDone(ItemEvent):
    type: Literal["response.reasoning_summary_text.done"]
    summary_index: Sent[int] = None
    text: Sent[str] = None


# Audio. These name no item.


class AudioDelta(Event):
    type: Literal["response.audio.delta"]
    delta: Sent[str] = None


class AudioDone(Event):
    type: Literal["response.audio.done"]


class AudioTranscriptDelta(Event):
    type: Literal["response.audio.transcript.delta"]
    delta: Sent[str] = None
    obfuscation: Undeclared[str] = None


class AudioTranscriptDone(Event):
    type: Literal["response.audio.transcript.done"]


# Undeclared, but sent.


class ReasoningSummaryDelta(ItemEvent, UndeclaredModel):
    """Of mid 2025."""

    type: Literal["response.reasoning_summary.delta"]
    summary_index: Sent[int] = None
    delta: Sent[Any] = None


class ReasoningSummaryDone(ItemEvent, UndeclaredModel):
    """Of mid 2025."""

    type: Literal["response.reasoning_summary.done"]
    summary_index: Sent[int] = None
    text: Sent[str] = None


class Keepalive(Event, UndeclaredModel):
    """About every 30 s while nothing happens."""

    type: Literal["keepalive"]


class CodexRateLimits(Event, UndeclaredModel):
    """Codex's backend: how much of the plan is used."""

    type: Literal["codex.rate_limits"]


class CodexResponseMetadata(Event, UndeclaredModel):
    """Codex's backend."""

    type: Literal["codex.response.metadata"]


class ResponseMetadata(Event, UndeclaredModel):
    """Codex's backend."""

    type: Literal["response.metadata"]


class WebsocketTiming(Event, UndeclaredModel):
    """Codex's backend."""

    type: Literal["responsesapi.websocket_timing"]


class ResponseDone(ResponseEvent, UndeclaredModel):
    """Codex's backend: ends a response."""

    type: Literal["response.done"]


AnyStreamEvent = (
    OutputTextDelta
    | ResponseCreated
    | ResponseQueued
    | ResponseInProgress
    | ResponseCompleted
    | ResponseFailed
    | ResponseIncomplete
    | ErrorEvent
    | OutputItemAdded
    | OutputItemDone
    | ContentPartAdded
    | ContentPartDone
    | CompactionCompacting
    | OutputTextDone
    | OutputTextAnnotationAdded
    | RefusalDelta
    | RefusalDone
    | ReasoningTextDelta
    | ReasoningTextDone
    | ReasoningPartAdded
    | ReasoningPartDone
    | ReasoningSummaryPartAdded
    | ReasoningSummaryPartDone
    | ReasoningSummaryTextDelta
    | ReasoningSummaryTextDone
    | AudioDelta
    | AudioDone
    | AudioTranscriptDelta
    | AudioTranscriptDone
    | FunctionCallArgumentsDelta
    | FunctionCallArgumentsDone
    | CustomToolCallInputDelta
    | CustomToolCallInputDone
    | ShellCallCommandAdded
    | ShellCallCommandDelta
    | ShellCallCommandDone
    | ShellCallOutputContentDelta
    | ShellCallOutputContentDone
    | CodeInterpreterCallCodeDelta
    | CodeInterpreterCallCodeDone
    | CodeInterpreterCallCompleted
    | CodeInterpreterCallInProgress
    | CodeInterpreterCallInterpreting
    | FileSearchCallCompleted
    | FileSearchCallInProgress
    | FileSearchCallSearching
    | WebSearchCallCompleted
    | WebSearchCallInProgress
    | WebSearchCallSearching
    | ImageGenerationCallCompleted
    | ImageGenerationCallGenerating
    | ImageGenerationCallInProgress
    | ImageGenerationCallPartialImage
    | McpCallArgumentsDelta
    | McpCallArgumentsDone
    | McpCallCompleted
    | McpCallFailed
    | McpCallInProgress
    | McpListToolsCompleted
    | McpListToolsFailed
    | McpListToolsInProgress
    | ReasoningSummaryDelta
    | ReasoningSummaryDone
    | Keepalive
    | CodexRateLimits
    | CodexResponseMetadata
    | ResponseMetadata
    | WebsocketTiming
    | ResponseDone
)
StreamEvent = Annotated[AnyStreamEvent | UnknownEvent, Tagged()]
"""What stands in an SSE stream."""

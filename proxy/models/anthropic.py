"""Anthropic's Messages: messages, the events of a stream, errors, requests.

What tells model, ids, texts, tool calls, usage and errors has fields; the rest is kept as it came.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from .tagged import Tagged, Unknown
from .wire import Maybe, Nullable, OneOf, Sent, Wire

StopReason = Annotated[
    str,
    OneOf("end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal", "model_context_window_exceeded", "compaction"),
]

# Usage. Counts of tokens; the three of the input exclude each other.


class AnthropicCacheCreation(Wire):
    """What was written to the cache, by how long it stays there."""

    ephemeral_5m_input_tokens: Maybe[int] = None
    ephemeral_1h_input_tokens: Maybe[int] = None


class AnthropicOutputDetails(Wire):
    thinking_tokens: Maybe[int] = None


class AnthropicServerTools(Wire):
    """Calls, which are billed one by one."""

    web_search_requests: Maybe[int] = None
    web_fetch_requests: Maybe[int] = None


class AnthropicIteration(Wire):
    """One pass of several that a message took."""

    type: Maybe[Annotated[str, OneOf("message", "fallback_message", "compaction")]] = None
    model: Maybe[str] = None
    input_tokens: Maybe[int] = None
    output_tokens: Maybe[int] = None
    cache_read_input_tokens: Maybe[int] = None
    cache_creation_input_tokens: Maybe[int] = None
    cache_creation: Maybe[AnthropicCacheCreation] = None


class AnthropicUsage(Wire):
    """In a stream: the input side at the start, the output at the end, cumulative."""

    input_tokens: Maybe[int] = None
    """Neither read from the cache nor written to it."""
    cache_creation_input_tokens: Maybe[int] = None
    cache_read_input_tokens: Maybe[int] = None
    cache_creation: Maybe[AnthropicCacheCreation] = None
    """Not repeated at the end of a stream."""
    output_tokens: Sent[int] = None
    output_tokens_details: Maybe[AnthropicOutputDetails] = None
    server_tool_use: Maybe[AnthropicServerTools] = None
    service_tier: Maybe[Annotated[str, OneOf("standard", "priority", "batch")]] = None
    """The one that was used."""
    speed: Maybe[Annotated[str, OneOf("standard", "fast")]] = None
    inference_geo: Maybe[str] = None
    """Where inference took place: `us`, `global`, `not_available`."""
    iterations: Maybe[list[AnthropicIteration]] = None
    """Beta. The counts above are those of the last type of pass only."""


# Blocks of content.


class TextBlock(Wire):
    type: Literal["text"]
    text: Sent[str] = None
    citations: Maybe[list[dict[str, Any]]] = None


class ThinkingBlock(Wire):
    type: Literal["thinking"]
    thinking: Sent[str] = None
    signature: Maybe[str] = None


class RedactedThinkingBlock(Wire):
    type: Literal["redacted_thinking"]
    data: Sent[str] = None


class ToolUseBlock(Wire):
    """A call: of the client's tools, of Anthropic's, or of an MCP server's."""

    type: Literal["tool_use", "server_tool_use", "mcp_tool_use"]
    id: Sent[str] = None
    name: Sent[str] = None
    input: Sent[Any] = None
    """An object. Empty at the start of a stream, whose deltas then bring its JSON."""
    server_name: Maybe[str] = None
    """For MCP."""


class ToolResultBlock(Wire):
    """What a call gave."""

    type: Literal[
        "tool_result",
        "web_search_tool_result",
        "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "mcp_tool_result",
        "advisor_tool_result",
    ]
    tool_use_id: Sent[str] = None
    content: Maybe[Any] = None
    is_error: Maybe[bool] = None


class MediaBlock(Wire):
    """What the client gives the model to read."""

    type: Literal["image", "document", "search_result", "container_upload"]
    source: Maybe[str | dict[str, Any]] = None
    title: Maybe[str] = None


class CompactionBlock(Wire):
    """Beta. Stands for all that came before it."""

    type: Literal["compaction"]
    content: Nullable[str] = None


class FallbackBlock(Wire):
    """Beta. From here on another model answers."""

    type: Literal["fallback"]


class UnknownBlock(Unknown):
    """A block of another type."""


Block = Annotated[
    TextBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock | ToolResultBlock | MediaBlock | CompactionBlock | FallbackBlock | UnknownBlock,
    Tagged(),
]

# Messages.


class AnthropicMessage(Wire):
    model: Sent[str] = None
    id: Sent[str] = None
    type: Maybe[Literal["message"]] = None
    role: Sent[Annotated[str, OneOf("assistant")]] = None
    content: Sent[list[Block]] = None
    """Empty at the start of a stream."""
    stop_reason: Nullable[StopReason] = None
    """Null at the start of a stream."""
    stop_sequence: Nullable[str] = None
    usage: Sent[AnthropicUsage] = None
    container: Maybe[dict[str, Any]] = None


class AnthropicTokenCount(Wire):
    """What a message would take. Free."""

    input_tokens: Sent[int] = None


class AnthropicErrorDetail(Wire):
    type: Sent[
        Annotated[
            str,
            OneOf(
                "invalid_request_error",
                "authentication_error",
                "billing_error",
                "permission_error",
                "not_found_error",
                "request_too_large",
                "rate_limit_error",
                "timeout_error",
                "api_error",
                "overloaded_error",
            ),
        ]
    ] = None
    message: Sent[str] = None


# Events.


class AnthropicMessageStart(Wire):
    type: Literal["message_start"]
    message: Sent[AnthropicMessage] = None


class ContentBlockStart(Wire):
    type: Literal["content_block_start"]
    index: Sent[int] = None
    content_block: Sent[Block] = None


class TextBlockDelta(Wire):
    type: Literal["text_delta"]
    text: Sent[str] = None


class InputJsonDelta(Wire):
    type: Literal["input_json_delta"]
    partial_json: Sent[str] = None


class ThinkingDelta(Wire):
    type: Literal["thinking_delta"]
    thinking: Sent[str] = None


class SignatureDelta(Wire):
    type: Literal["signature_delta"]
    signature: Sent[str] = None


class CitationsDelta(Wire):
    type: Literal["citations_delta"]
    citation: Sent[dict[str, Any]] = None


class CompactionDelta(Wire):
    type: Literal["compaction_delta"]
    content: Nullable[str] = None


class UnknownBlockDelta(Unknown):
    """A delta of another type."""


BlockDelta = Annotated[
    TextBlockDelta | InputJsonDelta | ThinkingDelta | SignatureDelta | CitationsDelta | CompactionDelta | UnknownBlockDelta,
    Tagged(),
]


class ContentBlockDelta(Wire):
    type: Literal["content_block_delta"]
    index: Sent[int] = None
    delta: Sent[BlockDelta] = None


class ContentBlockStop(Wire):
    type: Literal["content_block_stop"]
    index: Sent[int] = None


class AnthropicStop(Wire):
    """How a message ended."""

    stop_reason: Nullable[StopReason] = None
    stop_sequence: Nullable[str] = None
    container: Maybe[dict[str, Any]] = None


class AnthropicMessageDelta(Wire):
    type: Literal["message_delta"]
    delta: Sent[AnthropicStop] = None
    usage: Sent[AnthropicUsage] = None
    """Cumulative: it replaces what was told before."""


class AnthropicMessageStop(Wire):
    type: Literal["message_stop"]


class AnthropicPing(Wire):
    type: Literal["ping"]


class AnthropicErrorEvent(Wire):
    """Also the body of an error answer. A stream may end with it."""

    type: Literal["error"]
    error: Sent[AnthropicErrorDetail] = None
    request_id: Maybe[str] = None
    """Not in streams."""


class UnknownAnthropicEvent(Unknown):
    """An event of another type."""


AnthropicEvent = Annotated[
    AnthropicMessageStart
    | ContentBlockStart
    | ContentBlockDelta
    | ContentBlockStop
    | AnthropicMessageDelta
    | AnthropicMessageStop
    | AnthropicPing
    | AnthropicErrorEvent
    | UnknownAnthropicEvent,
    Tagged(),
]

# Requests.


class AnthropicTurn(Wire):
    """One message of a conversation."""

    role: Sent[Annotated[str, OneOf("user", "assistant", "system")]] = None
    content: Sent[str | list[Block]] = None


class AnthropicBody(Wire):
    """The request of a message, or of a count of tokens."""

    model: Sent[str] = None
    messages: Sent[list[AnthropicTurn]] = None
    max_tokens: Maybe[int] = None
    """Absent when only counting."""
    system: Maybe[str | list[Block]] = None
    tools: Maybe[list[dict[str, Any]]] = None
    tool_choice: Maybe[dict[str, Any]] = None
    thinking: Maybe[dict[str, Any]] = None
    stream: Maybe[bool] = None
    metadata: Maybe[dict[str, Any]] = None
    """`user_id`."""
    service_tier: Maybe[Annotated[str, OneOf("auto", "standard_only")]] = None
    speed: Maybe[Annotated[str, OneOf("standard", "fast")]] = None
    inference_geo: Maybe[str] = None

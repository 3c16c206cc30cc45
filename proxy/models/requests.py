"""What clients send to the Responses family: bodies, and events on WebSockets."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from .items import Item
from .options import (
    AccessPrograms,
    ConversationReference,
    ImageOptions,
    Prompt,
    PromptCacheOptions,
    PromptCacheRetention,
    ReasoningOptions,
    ServiceTier,
    TextOptions,
    Truncation,
)
from .tagged import Tagged, Unknown
from .tool_choice import ToolChoice
from .tools import Tool
from .wire import Maybe, Number, OneOf, Sent, Undeclared, Wire

Include = Annotated[
    str,
    OneOf(
        "file_search_call.results",
        "web_search_call.results",
        "web_search_call.action.sources",
        "message.input_image.image_url",
        "computer_call_output.output.image_url",
        "code_interpreter_call.outputs",
        "reasoning.encrypted_content",
        "message.output_text.logprobs",
    ),
]
Input = str | list[Item]


class BackgroundOptions(Wire):
    completion_window: Maybe[Annotated[str, OneOf("soonest", "2h", "8h")]] = None
    """The longer, the cheaper."""
    continuation_id: Maybe[str] = None


class ContextManagement(Wire):
    type: Sent[str] = None
    """`compaction`."""
    compact_threshold: Maybe[int] = None
    """Tokens."""


class ModerationMode(Wire):
    mode: Sent[Annotated[str, OneOf("score", "block")]] = None


class ModerationPolicy(Wire):
    input: Maybe[ModerationMode] = None
    output: Maybe[ModerationMode] = None


class RequestModeration(Wire):
    model: Sent[str] = None
    policy: Maybe[ModerationPolicy] = None


class StreamOptions(Wire):
    include_obfuscation: Maybe[bool] = None
    """Pad deltas, against those who count bytes. On unless switched off."""


class MultiAgent(Wire):
    """Beta."""

    enabled: Sent[bool] = None
    max_concurrent_subagents: Maybe[int] = None


class CreateBody(Wire):
    """Makes a response. What is absent has the provider's default; `null` does too."""

    access_programs: Maybe[AccessPrograms] = None
    background: Maybe[bool] = None
    background_options: Maybe[BackgroundOptions] = None
    context_management: Maybe[list[ContextManagement]] = None
    conversation: Maybe[str | ConversationReference] = None
    """Never together with `previous_response_id`."""
    image: Maybe[ImageOptions] = None
    include: Maybe[list[Include]] = None
    input: Maybe[Input] = None
    instructions: Maybe[str] = None
    max_output_tokens: Maybe[int] = None
    """Reasoning included."""
    max_tool_calls: Maybe[int] = None
    """Of tools that the provider runs."""
    metadata: Maybe[dict[str, str]] = None
    """Up to 16; keys up to 64 characters, values up to 512."""
    model: Maybe[str] = None
    moderation: Maybe[RequestModeration] = None
    multi_agent: Maybe[MultiAgent] = None
    """Beta only."""
    parallel_tool_calls: Maybe[bool] = None
    previous_response_id: Maybe[str] = None
    prompt: Maybe[Prompt] = None
    prompt_cache_key: Maybe[str] = None
    prompt_cache_options: Maybe[PromptCacheOptions] = None
    prompt_cache_retention: Maybe[PromptCacheRetention] = None
    reasoning: Maybe[ReasoningOptions] = None
    safety_identifier: Maybe[str] = None
    """Up to 128 characters."""
    service_tier: Maybe[ServiceTier] = None
    store: Maybe[bool] = None
    """On unless switched off."""
    stream: Maybe[bool] = None
    """Over HTTP: events instead of a body."""
    stream_options: Maybe[StreamOptions] = None
    temperature: Maybe[Number] = None
    """0 to 2."""
    text: Maybe[TextOptions] = None
    tool_choice: Maybe[ToolChoice] = None
    tools: Maybe[list[Tool]] = None
    top_logprobs: Maybe[int] = None
    """0 to 20."""
    top_p: Maybe[Number] = None
    """0 to 1."""
    truncation: Maybe[Truncation] = None
    user: Maybe[str] = None
    """Older name of what `safety_identifier` and `prompt_cache_key` are for."""


class CompactBody(Wire):
    """Asks for a conversation to be compressed."""

    image: Maybe[ImageOptions] = None
    input: Maybe[Input] = None
    instructions: Maybe[str] = None
    model: Sent[str] = None
    previous_response_id: Maybe[str] = None
    prompt_cache_key: Maybe[str] = None
    prompt_cache_options: Maybe[PromptCacheOptions] = None
    prompt_cache_retention: Maybe[PromptCacheRetention] = None
    service_tier: Maybe[Annotated[str, OneOf("auto", "default", "fast", "flex", "priority")]] = None


class InputTokensBody(Wire):
    """Asks how many tokens an input has."""

    conversation: Maybe[str | ConversationReference] = None
    input: Maybe[Input] = None
    instructions: Maybe[str] = None
    model: Maybe[str] = None
    parallel_tool_calls: Maybe[bool] = None
    personality: Maybe[Annotated[str, OneOf("friendly", "pragmatic")]] = None
    previous_response_id: Maybe[str] = None
    reasoning: Maybe[ReasoningOptions] = None
    text: Maybe[TextOptions] = None
    tool_choice: Maybe[ToolChoice] = None
    tools: Maybe[list[Tool]] = None
    truncation: Maybe[Truncation] = None


# Events on WebSockets.


class ResponseCreate(CreateBody):
    """Makes a response. `stream` and `background` mean nothing here."""

    type: Literal["response.create"]
    client_metadata: Undeclared[dict[str, Any]] = None
    """What Codex says of itself."""
    generate: Maybe[bool] = None
    """False: prepare only."""
    stream_id: Maybe[str] = None
    """The lane: 1 to 256 of `[A-Za-z0-9_.-]`. Absent: the default lane."""


class ResponseSteer(Wire):
    """Adds input to a response that is running."""

    type: Literal["response.steer"]
    input: Sent[Input] = None
    previous_response_id: Sent[str] = None
    """The running one."""


class ResponseInject(Wire):
    """Multi-agent beta: gives a running response the outputs of tools."""

    type: Literal["response.inject"]
    input: Sent[list[Item]] = None
    response_id: Sent[str] = None


class UnknownClientEvent(Unknown):
    """A client event of another type."""


ClientEvent = Annotated[ResponseCreate | ResponseSteer | ResponseInject | UnknownClientEvent, Tagged()]

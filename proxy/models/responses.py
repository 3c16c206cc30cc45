"""The Response, its usage, and what else the HTTP endpoints of the Responses family answer."""

from __future__ import annotations

from typing import Annotated, Literal

from .content import OutputText
from .errors import ResponseError
from .items import Item, Message
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
from .wire import Maybe, Nullable, Number, OneOf, Sent, Undeclared, UndeclaredModel, Wire

# Usage, in tokens.


class CacheWriteDetails(Wire):
    """Cache writes by how long they last; they differ in price."""

    ttl_12h_tokens: Sent[int] = None
    ttl_30m_tokens: Sent[int] = None


class InputTokensDetails(Wire):
    """Disjoint parts of the input."""

    cached_tokens: Sent[int] = None
    """Read from the cache."""
    cache_write_tokens: Sent[int] = None
    """Written to it. Absent before mid 2026."""
    cache_write_tokens_details: Maybe[CacheWriteDetails] = None


class OutputTokensDetails(Wire):
    reasoning_tokens: Sent[int] = None


class ResponseUsage(Wire):
    input_tokens: Sent[int] = None
    """Cached and written ones included."""
    input_tokens_details: Sent[InputTokensDetails] = None
    output_tokens: Sent[int] = None
    """Those of reasoning included."""
    output_tokens_details: Sent[OutputTokensDetails] = None
    total_tokens: Sent[int] = None


class ImageTokensDetails(Wire):
    image_tokens: Sent[int] = None
    text_tokens: Sent[int] = None


class CachedImageTokensDetails(Wire):
    cached_image_tokens: Sent[int] = None
    cached_text_tokens: Sent[int] = None


class ImageGenerationUsage(Wire):
    """Tokens of the image model, beside those of `usage`."""

    cached_tokens: Maybe[int] = None
    """Absent: not known."""
    cached_tokens_details: Maybe[CachedImageTokensDetails] = None
    input_tokens: Sent[int] = None
    input_tokens_details: Sent[ImageTokensDetails] = None
    output_tokens: Sent[int] = None
    output_tokens_details: Maybe[ImageTokensDetails] = None
    total_tokens: Sent[int] = None


class WebSearchUsage(Wire):
    num_requests: Sent[int] = None
    """Searches that are billed."""


class ToolUsage(Wire):
    """What tools of the provider used, beside `usage`."""

    image_gen: Sent[ImageGenerationUsage] = None
    web_search: Sent[WebSearchUsage] = None


# Prompt cache diagnostics.


class CacheMiss(Wire):
    type: Literal["cache_miss"]
    cache_missed_tokens: Sent[int] = None
    comparison_reusable_tokens: Maybe[int] = None
    reason: Sent[
        Annotated[
            str,
            OneOf(
                *("model_changed", "prompt_cache_key_changed", "tools_changed", "text_format_changed", "reasoning_effort_changed"),
                *("verbosity_changed", "context_compacted", "input_changed", "service_tier_changed"),
            ),
        ]
    ] = None


class CacheHit(Wire):
    type: Literal["cache_hit"]


class ComparisonNotFound(Wire):
    type: Literal["comparison_response_not_found"]


class DiagnosticsUnavailable(Wire):
    type: Literal["unavailable"]


class UnknownDiagnostics(Unknown):
    """Cache diagnostics of another type."""


PromptCacheDiagnostics = Annotated[CacheMiss | CacheHit | ComparisonNotFound | DiagnosticsUnavailable | UnknownDiagnostics, Tagged()]


# Moderation of a response.


class ModerationResult(Wire):
    type: Literal["moderation_result"]
    categories: Sent[dict[str, bool]] = None
    category_applied_input_types: Sent[dict[str, list[Annotated[str, OneOf("text", "image")]]]] = None
    category_scores: Sent[dict[str, Number]] = None
    """0 to 1."""
    flagged: Sent[bool] = None
    model: Sent[str] = None


class ModerationError(Wire):
    type: Literal["error"]
    code: Sent[str] = None
    message: Sent[str] = None


class UnknownModeration(Unknown):
    """A moderation outcome of another type."""


ModerationOutcome = Annotated[ModerationResult | ModerationError | UnknownModeration, Tagged()]


class ResponseModeration(Wire):
    input: Sent[ModerationOutcome] = None
    output: Sent[ModerationOutcome] = None


# The Response.


class Billing(UndeclaredModel):
    payer: Maybe[str] = None


class IncompleteDetails(Wire):
    reason: Maybe[Annotated[str, OneOf("max_output_tokens", "max_messages", "content_filter", "steered")]] = None


class InputTransformation(Wire):
    """Reasoning of the input that the model did not get."""

    id: Sent[str] = None
    type: Sent[Annotated[str, OneOf("reasoning")]] = None
    action: Sent[Annotated[str, OneOf("removed")]] = None
    reason: Sent[Annotated[str, OneOf("organization_mismatch", "end_user_mismatch", "model_mismatch", "prefix_mismatch", "turn_boundary")]] = None


class Response(Wire):
    id: Sent[str] = None
    object: Sent[Annotated[str, OneOf("response")]] = None
    created_at: Sent[Number] = None
    """Unix seconds."""
    status: Maybe[Annotated[str, OneOf("completed", "failed", "in_progress", "cancelled", "queued", "incomplete")]] = None
    access_programs: Nullable[AccessPrograms] = None
    background: Maybe[bool] = None
    billing: Undeclared[Billing] = None
    completed_at: Maybe[Number] = None
    """Unix seconds; null until it is completed."""
    conversation: Maybe[ConversationReference] = None
    error: Nullable[ResponseError] = None
    """Where the status is `failed`."""
    frequency_penalty: Undeclared[Number] = None
    image: Maybe[ImageOptions] = None
    incomplete_details: Nullable[IncompleteDetails] = None
    """Where the status is `incomplete`."""
    input_transformations: Maybe[list[InputTransformation]] = None
    instructions: Nullable[str | list[Item]] = None
    max_output_tokens: Maybe[int] = None
    """Reasoning included."""
    max_tool_calls: Maybe[int] = None
    model: Sent[str] = None
    """The one that answered, with its date; the request may have named an alias."""
    moderation: Maybe[ResponseModeration] = None
    output: Sent[list[Item]] = None
    """Null, absent or empty in the last event of some WebSockets: then it is what `response.output_item.done` said."""
    parallel_tool_calls: Sent[bool] = None
    presence_penalty: Undeclared[Number] = None
    previous_response_id: Maybe[str] = None
    prompt: Maybe[Prompt] = None
    prompt_cache_diagnostics: Maybe[PromptCacheDiagnostics] = None
    prompt_cache_key: Maybe[str] = None
    prompt_cache_options: Maybe[PromptCacheOptions] = None
    prompt_cache_retention: Maybe[PromptCacheRetention] = None
    reasoning: Maybe[ReasoningOptions] = None
    safety_identifier: Maybe[str] = None
    service_tier: Maybe[ServiceTier] = None
    """What is billed, once the response has ended; until then it may be `auto`."""
    store: Undeclared[bool] = None
    temperature: Nullable[Number] = None
    """0 to 2."""
    text: Maybe[TextOptions] = None
    tool_choice: Sent[ToolChoice] = None
    tool_usage: Maybe[ToolUsage] = None
    tools: Sent[list[Tool]] = None
    top_logprobs: Maybe[int] = None
    """0 to 20."""
    top_p: Nullable[Number] = None
    """0 to 1."""
    truncation: Maybe[Truncation] = None
    usage: Maybe[ResponseUsage] = None
    """Null until the response has ended."""
    user: Maybe[str] = None
    """Older name of what `safety_identifier` and `prompt_cache_key` are for."""
    metadata: Nullable[dict[str, str]] = None
    """Up to 16; keys up to 64 characters, values up to 512."""

    @property
    def output_text(self) -> str:
        """All output texts, joined; empty if there are none."""
        output = self.output if isinstance(self.output, list) else ()
        contents = (item.content for item in output if isinstance(item, Message) and isinstance(item.content, list))
        texts = (part.text for content in contents for part in content if isinstance(part, OutputText))
        return "".join(text for text in texts if isinstance(text, str))


# Other answers.


class CompactedResponse(Wire):
    """A new input window. Its tokens are billed."""

    id: Sent[str] = None
    object: Sent[Annotated[str, OneOf("response.compaction")]] = None
    created_at: Sent[Number] = None
    """Unix seconds."""
    image: Maybe[ImageOptions] = None
    output: Sent[list[Item]] = None
    usage: Sent[ResponseUsage] = None


class InputTokenCount(Wire):
    object: Sent[Annotated[str, OneOf("response.input_tokens")]] = None
    input_tokens: Sent[int] = None


class Deleted(Wire):
    """A response or a conversation that is no more."""

    id: Sent[str] = None
    object: Sent[Annotated[str, OneOf("response", "response.deleted", "conversation.deleted")]] = None
    deleted: Sent[bool] = None


class ItemList(Wire):
    """A page of items, of a response's input or of a conversation."""

    object: Sent[Annotated[str, OneOf("list")]] = None
    data: Sent[list[Item]] = None
    first_id: Nullable[str] = None
    """Null in an empty page."""
    last_id: Nullable[str] = None
    has_more: Sent[bool] = None

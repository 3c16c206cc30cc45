"""What a request asks for and a Response echoes."""

from __future__ import annotations

from typing import Annotated

from .content import CacheTtl, ContentPart, TextFormat
from .tools import ReasoningEffort
from .wire import Maybe, OneOf, Sent, Wire

ServiceTier = Annotated[str, OneOf("auto", "default", "flex", "scale", "priority", "fast", "ultrafast")]
PromptCacheRetention = Annotated[str, OneOf("in_memory", "24h", older=("in-memory",))]
Truncation = Annotated[str, OneOf("auto", "disabled")]
SummaryKind = Annotated[str, OneOf("auto", "concise", "detailed")]


class AccessPrograms(Wire):
    cyber: Maybe[Annotated[str, OneOf("standard", "daybreak_blue", "daybreak_red")]] = None


class ImageOptions(Wire):
    context_compression: Maybe[Annotated[str, OneOf("auto", "enabled", "disabled")]] = None


class ConversationReference(Wire):
    id: Sent[str] = None


class Prompt(Wire):
    """A prompt template that the provider has stored."""

    id: Sent[str] = None
    variables: Maybe[dict[str, str | ContentPart]] = None
    version: Maybe[str] = None


class PromptCacheOptions(Wire):
    comparison_response_id: Maybe[str] = None
    """Asks to be told why its cache was missed."""
    mode: Maybe[Annotated[str, OneOf("implicit", "explicit")]] = None
    prewarm: Maybe[bool] = None
    """Fill the cache and generate nothing. Requests only."""
    ttl: Maybe[CacheTtl] = None


class ReasoningOptions(Wire):
    context: Maybe[Annotated[str, OneOf("auto", "current_turn", "all_turns")]] = None
    """Which earlier reasoning the model sees."""
    effort: Maybe[ReasoningEffort] = None
    generate_summary: Maybe[SummaryKind] = None
    """Older name of `summary`."""
    mode: Maybe[Annotated[str, OneOf("standard", "pro")]] = None
    summary: Maybe[SummaryKind] = None


class TextOptions(Wire):
    format: Maybe[TextFormat] = None
    verbosity: Maybe[Annotated[str, OneOf("low", "medium", "high")]] = None

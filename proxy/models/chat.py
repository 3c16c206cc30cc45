"""Chat completions, as a whole and in chunks, and the completions from before them: OpenAI's, and of the many servers that speak this API.

Only what tells model, ids, texts, tool calls, usage and errors has fields; the rest of what servers send is kept as it came.
"""

from __future__ import annotations

from typing import Annotated, Any

from .wire import Maybe, Nullable, Number, OneOf, Sent, Wire

FinishReason = Annotated[str, OneOf("stop", "length", "tool_calls", "content_filter", "function_call")]
Role = Annotated[str, OneOf("developer", "system", "user", "assistant", "tool", "function")]

# Usage. Counts of tokens.


class PromptTokensDetails(Wire):
    """Parts of the prompt's tokens."""

    cached_tokens: Maybe[int] = None
    cache_write_tokens: Maybe[int] = None
    audio_tokens: Maybe[int] = None
    image_tokens: Maybe[int] = None
    text_tokens: Maybe[int] = None


class CompletionTokensDetails(Wire):
    """Parts of the completion's tokens."""

    reasoning_tokens: Maybe[int] = None
    audio_tokens: Maybe[int] = None
    text_tokens: Maybe[int] = None
    accepted_prediction_tokens: Maybe[int] = None
    rejected_prediction_tokens: Maybe[int] = None
    """Of the predicted output, those that were not used; they count all the same."""


class ChatUsage(Wire):
    """The prompt contains what was cached of it, the completion its reasoning; not all servers keep to that."""

    prompt_tokens: Sent[int] = None
    completion_tokens: Maybe[int] = None
    """Absent for embeddings, and for completions that have no output."""
    total_tokens: Sent[int] = None
    prompt_tokens_details: Maybe[PromptTokensDetails] = None
    completion_tokens_details: Maybe[CompletionTokensDetails] = None


# Messages.


class FunctionToCall(Wire):
    """In a chunk: the next piece of each."""

    name: Maybe[str] = None
    arguments: Maybe[str] = None
    """JSON, if the model made no mistake."""


class CustomToCall(Wire):
    name: Maybe[str] = None
    input: Maybe[str] = None


class ChatToolCall(Wire):
    index: Maybe[int] = None
    """Of the call in its message. In chunks only, since later ones have no id."""
    id: Maybe[str] = None
    type: Maybe[Annotated[str, OneOf("function", "custom")]] = None
    function: Maybe[FunctionToCall] = None
    custom: Maybe[CustomToCall] = None


class ChatContentPart(Wire):
    """Of a message with more than text."""

    type: Maybe[Annotated[str, OneOf("text", "image_url", "input_audio", "file", "refusal")]] = None
    text: Maybe[str] = None
    refusal: Maybe[str] = None


class ChatMessage(Wire):
    """A message of either side; in a chunk, what is new in it."""

    role: Maybe[Role] = None
    content: Maybe[str | list[str | ChatContentPart]] = None
    refusal: Maybe[str] = None
    name: Maybe[str] = None
    tool_calls: Maybe[list[ChatToolCall]] = None
    tool_call_id: Maybe[str] = None
    """In answers of tools."""
    function_call: Maybe[FunctionToCall] = None
    """From before there were tool calls."""
    reasoning_content: Maybe[str] = None
    """Not OpenAI: DeepSeek, xAI and others show reasoning here."""
    reasoning: Maybe[str] = None
    """Not OpenAI: OpenRouter, Groq and others show it here."""


# Answers.


class ChatError(Wire):
    """What some servers put into an answer or a stream that had begun well."""

    message: Maybe[str] = None
    type: Maybe[str] = None
    code: Maybe[str | int] = None
    param: Maybe[str] = None


class ChatChoice(Wire):
    index: Sent[int] = None
    message: Sent[ChatMessage] = None
    logprobs: Maybe[Any] = None
    finish_reason: Sent[FinishReason] = None


class ChatCompletion(Wire):
    id: Sent[str] = None
    object: Sent[Annotated[str, OneOf("chat.completion")]] = None
    created: Sent[Number] = None
    """Unix time in seconds."""
    model: Sent[str] = None
    choices: Sent[list[ChatChoice]] = None
    usage: Maybe[ChatUsage] = None
    service_tier: Maybe[Annotated[str, OneOf("auto", "default", "flex", "scale", "priority", "fast")]] = None
    """The one that was used."""
    system_fingerprint: Maybe[str] = None
    error: Maybe[str | ChatError] = None
    """Not OpenAI."""


class ChunkChoice(Wire):
    index: Sent[int] = None
    delta: Sent[ChatMessage] = None
    logprobs: Maybe[Any] = None
    finish_reason: Nullable[FinishReason] = None
    """Null until the last chunk of the choice."""


class ChatChunk(Wire):
    """One event of a stream; all of one stream have the same id."""

    id: Sent[str] = None
    object: Sent[Annotated[str, OneOf("chat.completion.chunk")]] = None
    created: Sent[Number] = None
    model: Sent[str] = None
    service_tier: Maybe[Annotated[str, OneOf("auto", "default", "flex", "scale", "priority", "fast")]] = None
    system_fingerprint: Maybe[str] = None
    choices: Sent[list[ChunkChoice]] = None
    """Empty in the chunk that tells the usage."""
    usage: Maybe[ChatUsage] = None
    """In the last chunk, if the request's `stream_options` asked for it; null before. Some servers tell it in every chunk, cumulative."""
    obfuscation: Maybe[str] = None
    """Random, against reading lengths off the encrypted stream."""
    error: Maybe[str | ChatError] = None
    """Not OpenAI."""


class CompletionChoice(Wire):
    text: Sent[str] = None
    index: Sent[int] = None
    logprobs: Maybe[Any] = None
    finish_reason: Nullable[FinishReason] = None


class Completion(Wire):
    """The API from before there was chat. Its chunks have the same form."""

    id: Sent[str] = None
    object: Sent[Annotated[str, OneOf("text_completion")]] = None
    created: Sent[Number] = None
    model: Sent[str] = None
    choices: Sent[list[CompletionChoice]] = None
    usage: Maybe[ChatUsage] = None
    system_fingerprint: Maybe[str] = None
    error: Maybe[str | ChatError] = None
    """Not OpenAI."""


class ChatDeleted(Wire):
    """The answer to deleting a stored completion."""

    id: Sent[str] = None
    object: Sent[Annotated[str, OneOf("chat.completion.deleted")]] = None
    deleted: Sent[bool] = None


class ChatList(Wire):
    """A page of stored completions."""

    object: Sent[Annotated[str, OneOf("list")]] = None
    data: Sent[list[ChatCompletion]] = None
    first_id: Maybe[str] = None
    last_id: Maybe[str] = None
    has_more: Maybe[bool] = None


class ChatMessageList(Wire):
    """A page of the messages of a stored completion."""

    object: Sent[Annotated[str, OneOf("list")]] = None
    data: Sent[list[ChatMessage]] = None
    first_id: Maybe[str] = None
    last_id: Maybe[str] = None
    has_more: Maybe[bool] = None


# Requests.


class ChatFunction(Wire):
    name: Sent[str] = None
    description: Maybe[str] = None
    parameters: Maybe[dict[str, Any]] = None
    """JSON Schema."""
    strict: Maybe[bool] = None


class ChatTool(Wire):
    type: Maybe[Annotated[str, OneOf("function", "custom")]] = None
    function: Maybe[ChatFunction] = None
    custom: Maybe[dict[str, Any]] = None


class ChatStreamOptions(Wire):
    include_usage: Maybe[bool] = None
    include_obfuscation: Maybe[bool] = None


class ChatBody(Wire):
    """The request of a chat completion."""

    model: Sent[str] = None
    messages: Sent[list[ChatMessage]] = None
    tools: Maybe[list[ChatTool]] = None
    tool_choice: Maybe[str | dict[str, Any]] = None
    stream: Maybe[bool] = None
    stream_options: Maybe[ChatStreamOptions] = None
    n: Maybe[int] = None
    max_tokens: Maybe[int] = None
    max_completion_tokens: Maybe[int] = None
    temperature: Maybe[Number] = None
    top_p: Maybe[Number] = None
    reasoning_effort: Maybe[str] = None
    response_format: Maybe[dict[str, Any]] = None
    service_tier: Maybe[str] = None
    store: Maybe[bool] = None
    metadata: Maybe[dict[str, Any]] = None
    prompt_cache_key: Maybe[str] = None
    safety_identifier: Maybe[str] = None
    user: Maybe[str] = None


class CompletionBody(Wire):
    """The request of a completion from before there was chat."""

    model: Sent[str] = None
    prompt: Sent[str | list[Any]] = None
    """Text, texts, tokens, or lists of tokens."""
    stream: Maybe[bool] = None
    stream_options: Maybe[ChatStreamOptions] = None
    n: Maybe[int] = None
    max_tokens: Maybe[int] = None
    suffix: Maybe[str] = None
    user: Maybe[str] = None


class ChatMetadata(Wire):
    """The request that changes a stored completion."""

    metadata: Sent[dict[str, Any]] = None

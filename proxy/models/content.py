"""What messages and outputs are made of: content parts, annotations, log probabilities, text formats."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .tagged import Tagged, Unknown
from .wire import Maybe, Number, OneOf, Sent, Wire

ImageDetail = Annotated[str, OneOf("low", "high", "auto", "original")]
FileDetail = Annotated[str, OneOf("auto", "low", "high")]
CacheTtl = Annotated[str, OneOf("30m", "12h")]


class PromptCacheBreakpoint(Wire):
    """Up to here the prompt is written to the cache."""

    mode: Sent[Annotated[str, OneOf("explicit")]] = None
    ttl: Maybe[CacheTtl] = None


# Log probabilities.


class TopLogprob(Wire):
    """A token that might have stood in this place."""

    token: Sent[str] = None
    bytes: Maybe[list[int]] = None
    """UTF-8 of the token. Absent in events."""
    logprob: Maybe[Number] = None
    """Natural logarithm: 0 is certain."""


class Logprob(Wire):
    """How likely a token of the output was."""

    token: Sent[str] = None
    bytes: Maybe[list[int]] = None
    """UTF-8 of the token. Absent in events."""
    logprob: Sent[Number] = None
    """Natural logarithm: 0 is certain."""
    top_logprobs: Maybe[list[TopLogprob]] = None
    """As many as `top_logprobs` of the request asked for."""


# Annotations of output texts. Indexes count characters of the text.


class FileCitation(Wire):
    type: Literal["file_citation"]
    file_id: Sent[str] = None
    filename: Sent[str] = None
    index: Sent[int] = None
    """Of the file in the list of files."""


class UrlCitation(Wire):
    type: Literal["url_citation"]
    end_index: Sent[int] = None
    start_index: Sent[int] = None
    title: Sent[str] = None
    url: Sent[str] = None


class ContainerFileCitation(Wire):
    type: Literal["container_file_citation"]
    container_id: Sent[str] = None
    end_index: Sent[int] = None
    file_id: Sent[str] = None
    filename: Sent[str] = None
    start_index: Sent[int] = None


class FilePath(Wire):
    type: Literal["file_path"]
    file_id: Sent[str] = None
    index: Sent[int] = None
    """Of the file in the list of files."""


class UnknownAnnotation(Unknown):
    """An annotation of another type."""


Annotation = Annotated[FileCitation | UrlCitation | ContainerFileCitation | FilePath | UnknownAnnotation, Tagged()]


# Parts of inputs.


class InputText(Wire):
    type: Literal["input_text"]
    text: Sent[str] = None
    prompt_cache_breakpoint: Maybe[PromptCacheBreakpoint] = None


class InputImage(Wire):
    type: Literal["input_image"]
    detail: Maybe[ImageDetail] = None
    file_id: Maybe[str] = None
    image_url: Maybe[str] = None
    """A URL, or the image itself as `data:` URL. In a Response only where `include` asked for it."""
    prompt_cache_breakpoint: Maybe[PromptCacheBreakpoint] = None


class InputFile(Wire):
    type: Literal["input_file"]
    detail: Maybe[FileDetail] = None
    file_data: Maybe[str] = None
    """The file in base64, bare or as `data:` URL."""
    file_id: Maybe[str] = None
    file_url: Maybe[str] = None
    filename: Maybe[str] = None
    prompt_cache_breakpoint: Maybe[PromptCacheBreakpoint] = None


class AudioData(Wire):
    data: Sent[str] = None
    """Base64."""
    format: Sent[Annotated[str, OneOf("mp3", "wav")]] = None


class InputAudio(Wire):
    """Typed by the SDK, but in no union of it."""

    type: Literal["input_audio"]
    input_audio: Sent[AudioData] = None


# Parts of outputs.


class OutputText(Wire):
    type: Literal["output_text"]
    annotations: Sent[list[Annotation]] = None
    logprobs: Maybe[list[Logprob]] = None
    """Empty unless `include` asked for them."""
    text: Sent[str] = None


class Refusal(Wire):
    type: Literal["refusal"]
    refusal: Sent[str] = None
    """Why the model does not do what was asked, in its words."""


class ReasoningText(Wire):
    type: Literal["reasoning_text"]
    text: Sent[str] = None


class SummaryText(Wire):
    type: Literal["summary_text"]
    text: Sent[str] = None


# Parts that only lists of conversations, and the messages of agents, have.


class PlainText(Wire):
    type: Literal["text"]
    text: Sent[str] = None


class ComputerScreenshot(Wire):
    """What is on a screen: a part of a message, and the output of a computer call."""

    type: Literal["computer_screenshot"]
    detail: Maybe[ImageDetail] = None
    file_id: Maybe[str] = None
    image_url: Maybe[str] = None
    """A URL, or the image itself as `data:` URL."""
    prompt_cache_breakpoint: Maybe[PromptCacheBreakpoint] = None


class EncryptedContent(Wire):
    type: Literal["encrypted_content"]
    encrypted_content: Sent[str] = None


class UnknownPart(Unknown):
    """A content part of another type."""


ContentPart = Annotated[
    OutputText
    | InputText
    | InputImage
    | InputFile
    | InputAudio
    | Refusal
    | ReasoningText
    | SummaryText
    | PlainText
    | ComputerScreenshot
    | EncryptedContent
    | UnknownPart,
    Tagged(),
]
Content = str | list[ContentPart]


# Formats of the output text.


class TextFormatText(Wire):
    type: Literal["text"]


class TextFormatJsonSchema(Wire):
    type: Literal["json_schema"]
    description: Maybe[str] = None
    name: Sent[str] = None
    schema_: Sent[dict[str, Any]] = Field(default=None, alias="schema")
    strict: Maybe[bool] = None


class TextFormatJsonObject(Wire):
    """Any JSON object: what there was before schemas."""

    type: Literal["json_object"]


class UnknownTextFormat(Unknown):
    """A text format of another type."""


TextFormat = Annotated[TextFormatText | TextFormatJsonSchema | TextFormatJsonObject | UnknownTextFormat, Tagged()]

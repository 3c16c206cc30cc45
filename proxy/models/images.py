"""Images, made and edited: answers and streams."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from .tagged import Tagged, Unknown
from .wire import Maybe, Number, OneOf, Sent, Wire

ImageFormat = Annotated[str, OneOf("png", "webp", "jpeg", "gif", "svg")]
ImageQuality = Annotated[str, OneOf("low", "medium", "high", "xhigh", "max", "auto")]
ImageBackground = Annotated[str, OneOf("transparent", "opaque", "auto")]


class ImageUsageDetails(Wire):
    text_tokens: Maybe[int] = None
    image_tokens: Maybe[int] = None


class ImageUsage(Wire):
    """Counts of tokens. Absent for the models that are priced by image."""

    total_tokens: Sent[int] = None
    input_tokens: Sent[int] = None
    input_tokens_details: Sent[ImageUsageDetails] = None
    output_tokens: Sent[int] = None
    output_tokens_details: Maybe[ImageUsageDetails] = None


class ImageSvgUsage(Wire):
    """Counts of tokens of the model that wrote the SVG; beside, not within, the other usage."""

    model: Sent[str] = None
    input_tokens: Sent[int] = None
    output_tokens: Sent[int] = None
    reasoning_tokens: Sent[int] = None
    """Part of the output."""
    total_tokens: Sent[int] = None


class GeneratedImage(Wire):
    """It comes in one of two ways."""

    b64_json: Maybe[str] = None
    url: Maybe[str] = None
    """Good for an hour."""
    revised_prompt: Maybe[str] = None


class ImageAnswer(Wire):
    created: Sent[Number] = None
    """Unix time in seconds."""
    background: Maybe[ImageBackground] = None
    data: Maybe[list[GeneratedImage]] = None
    output_format: Maybe[ImageFormat] = None
    quality: Maybe[ImageQuality] = None
    size: Maybe[str] = None
    """`1024x1024`."""
    usage: Maybe[ImageUsage] = None
    svg_usage: Maybe[ImageSvgUsage] = None


# Events of a stream.


class _ImageEvent(Wire):
    b64_json: Sent[str] = None
    background: Sent[ImageBackground] = None
    created_at: Sent[Number] = None
    output_format: Sent[ImageFormat] = None
    quality: Sent[ImageQuality] = None
    size: Sent[str] = None


class PartialImage(_ImageEvent):
    """The image as far as it is drawn."""

    type: Literal["image_generation.partial_image", "image_edit.partial_image"]
    partial_image_index: Sent[int] = None


class ImageCompleted(_ImageEvent):
    type: Literal["image_generation.completed", "image_edit.completed"]
    usage: Sent[ImageUsage] = None
    svg_usage: Maybe[ImageSvgUsage] = None


class ImageStreamError(Wire):
    type: Literal["error"]
    error: Maybe[str | dict[str, Any]] = None


class UnknownImageEvent(Unknown):
    """An event of another type."""


ImageEvent = Annotated[PartialImage | ImageCompleted | ImageStreamError | UnknownImageEvent, Tagged()]


class ImageBody(Wire):
    """The request, where it is no form."""

    model: Maybe[str] = None
    prompt: Sent[str] = None
    n: Maybe[int] = None
    size: Maybe[str] = None
    quality: Maybe[str] = None
    """Older models have qualities of their own."""
    output_format: Maybe[ImageFormat] = None
    stream: Maybe[bool] = None
    partial_images: Maybe[int] = None
    user: Maybe[str] = None

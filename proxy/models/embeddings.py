"""Embeddings."""

from __future__ import annotations

from typing import Annotated, Any

from .chat import ChatUsage
from .wire import Maybe, OneOf, Sent, Wire


class Embedding(Wire):
    object: Sent[Annotated[str, OneOf("embedding")]] = None
    embedding: Sent[str | list[Any]] = None
    """Numbers, or their 32-bit floats in base64."""
    index: Sent[int] = None
    """Of the input it belongs to."""


class EmbeddingList(Wire):
    object: Sent[Annotated[str, OneOf("list")]] = None
    data: Sent[list[Embedding]] = None
    model: Sent[str] = None
    usage: Sent[ChatUsage] = None
    """Prompt and total only."""


class EmbeddingBody(Wire):
    """The request."""

    model: Sent[str] = None
    input: Sent[str | list[Any]] = None
    """Text, texts, tokens, or lists of tokens."""
    dimensions: Maybe[int] = None
    encoding_format: Maybe[Annotated[str, OneOf("float", "base64")]] = None
    user: Maybe[str] = None

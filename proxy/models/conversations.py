"""Conversations, as the provider keeps them. Their items are those of `items`, their lists `ItemList`, their deletion `Deleted`."""

from __future__ import annotations

from typing import Annotated, Any

from .items import Item
from .wire import Maybe, Nullable, Number, OneOf, Sent, Wire


class Conversation(Wire):
    id: Sent[str] = None
    object: Sent[Annotated[str, OneOf("conversation")]] = None
    created_at: Sent[Number] = None
    """Unix seconds."""
    metadata: Nullable[dict[str, Any]] = None
    """Up to 16; keys up to 64 characters, values up to 512."""


class ConversationBody(Wire):
    """Makes a conversation, or changes its metadata."""

    items: Maybe[list[Item]] = None
    """Up to 20."""
    metadata: Maybe[dict[str, str]] = None
    """Up to 16; keys up to 64 characters, values up to 512."""


class ItemsBody(Wire):
    """Adds items to a conversation."""

    items: Sent[list[Item]] = None
    """Up to 20."""

"""Moderations. They are free and have no usage."""

from __future__ import annotations

from typing import Any

from .wire import Maybe, Number, Sent, Wire


class ModerationVerdict(Wire):
    flagged: Sent[bool] = None
    categories: Sent[dict[str, bool | None]] = None
    """Null where the model does not know a category."""
    category_scores: Sent[dict[str, Number]] = None
    """From 0 to 1."""
    category_applied_input_types: Maybe[dict[str, list[str]]] = None
    """Absent from models that read text only."""


class Moderation(Wire):
    id: Sent[str] = None
    model: Sent[str] = None
    results: Sent[list[ModerationVerdict]] = None
    """One per input."""


class ModerationBody(Wire):
    """The request."""

    model: Maybe[str] = None
    input: Sent[str | list[Any]] = None

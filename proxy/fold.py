"""What turns the events of a stream into the answer that they tell, by the kind of the exchange. Pure."""

from __future__ import annotations

from typing import Any

from .folds.chat_fold import ChatFold
from .folds.folding import Fold
from .folds.messages_fold import MessagesFold
from .folds.response_fold import ResponseFold
from .models.kind import Shape


def fold_for(shape: Shape | str, *, text: bool = True) -> Fold[Any] | None:
    """A new fold for the events of such an exchange; None if there is none for it. `shape`: the call, or its kind only. `text`: see `Fold`."""
    kind, call = shape if isinstance(shape, Shape) else (shape, "")
    if kind == "responses":
        return ResponseFold(text=text)
    if kind == "chat.completions" or call == "completions":
        return ChatFold(text=text)
    return MessagesFold(text=text) if kind == "messages" else None


__all__ = ["ChatFold", "Fold", "MessagesFold", "ResponseFold", "fold_for"]

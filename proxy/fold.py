"""What turns the events of a stream into the answer that they tell, by the kind of the exchange. Pure."""

from __future__ import annotations

from typing import Any

from .chat_fold import ChatFold
from .folding import Fold
from .messages_fold import MessagesFold
from .response_fold import ResponseFold


def fold_for(kind: str, *, text: bool = True) -> Fold[Any] | None:
    """A new fold for the events of an exchange of this kind; None if there is none for it. `text`: see `Fold`."""
    if kind == "responses":
        return ResponseFold(text=text)
    if kind == "chat.completions":
        return ChatFold(text=text)
    return MessagesFold(text=text) if kind == "messages" else None


__all__ = ["ChatFold", "Fold", "MessagesFold", "ResponseFold", "fold_for"]

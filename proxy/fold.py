"""What turns the events of a stream into the answer that they tell, by the kind of the exchange. Pure."""

from __future__ import annotations

from typing import Any

from .folding import Fold
from .response_fold import ResponseFold


def fold_for(kind: str, *, text: bool = True) -> Fold[Any] | None:
    """A new fold for the events of an exchange of this kind; None if there is none for it. `text`: see `Fold`."""
    return ResponseFold(text=text) if kind == "responses" else None


__all__ = ["Fold", "ResponseFold", "fold_for"]

"""The proxy: wire formats, recording, forwarding and the faces. What a program needs of it is here: `from playhead.proxy import Playhead`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .embedded import Playhead

__all__ = ["Playhead"]


def __getattr__(name: str) -> Any:
    """Imported when it is asked for: whoever needs a part of this package does not pay for the rest."""
    if name == "Playhead":
        from .embedded import Playhead

        return Playhead
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]

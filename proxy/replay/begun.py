"""How far the short way of a replay has come with a request. A module of its own, since a server that only records asks, too, and imports no store."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..player import Playback


class Answered(Enum):
    """Nothing is left to be done."""

    ANSWERED = True


ANSWERED = Answered.ANSWERED


class Begun(NamedTuple):
    """How far the short way has come where it does not reach the end. `body`: what was read of the request; `found`: what answers it, if known."""

    body: bytes
    found: tuple[Playback, int] | None

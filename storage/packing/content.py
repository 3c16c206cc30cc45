"""What is recorded of one exchange, to be rewritten after the fact. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..records import EventRow, Raw


@dataclass(frozen=True, slots=True)
class Content:
    """Everything of an exchange, whole. `socket`: it was over a WebSocket."""

    exchange: int
    raw: Raw
    events: Sequence[EventRow]
    socket: bool


class Rewritten(NamedTuple):
    """The same with other content, and as many events. `request_at`, `response_at`: where what stood at a place of the old body stands in the new one."""

    raw: Raw
    events: Sequence[EventRow]
    request_at: Callable[[int], int]
    response_at: Callable[[int], int]


class Change(NamedTuple):
    """What is done to an exchange (None: nothing), to a head, to a message or body, and to any other text or JSON value."""

    exchange: Callable[[Content], Rewritten | None]
    head: Callable[[bytes], bytes]
    message: Callable[[bytes], bytes]
    value: Callable[[Any], Any]

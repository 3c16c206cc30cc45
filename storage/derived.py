"""What passes between the store and the parser when what was derived of recorded exchanges is derived again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from .records import EventRow, ExchangeRecord, Fingerprint, Frame, ItemRow, Raw, Recorded


@dataclass(frozen=True, slots=True)
class Stored:
    """A recorded exchange as the store has it. The iterators are drawn once; of a big exchange they read from the store as they are drawn.

    `problem`: as in exchanges. `started_at_ns`: to the microsecond. `heads`: both heads and the trailers. `request_size`: of the stored body.
    `frames`: of the answer. `events`: for a WebSocket, whose messages have no other borders. `turn`: which of its connection it is; 0: it is none.
    """

    row: ExchangeRecord
    problem: str | None
    started_at_ns: int
    heads: Raw
    big: bool
    request: Iterator[bytes]
    response: Iterator[bytes]
    frames: Iterator[Frame]
    events: Iterator[EventRow]
    turn: int = 0


class Derived(NamedTuple):
    """What was derived of an exchange anew. `recorded`: without its raw and its events. `events`: those that are not as they are stored."""

    exchange: int
    recorded: Recorded
    events: list[EventRow]


def gathered(exchange: int, parts: Iterable[Recorded], stored: Iterator[EventRow]) -> Derived:
    """The parts of an exchange as one, of its events what is not as it is `stored`."""
    events: list[EventRow] = []
    fingerprint: Fingerprint | None = None
    items: list[ItemRow] = []
    last: Recorded | None = None
    for part in parts:
        events += [row for row in part.events if row != next(stored, None)]
        fingerprint = fingerprint or part.fingerprint
        given = {item.part for item in part.items}
        items = [*(item for item in items if item.part not in given), *part.items]
        last = part
    if last is None:
        raise ValueError("an exchange has at least one part")
    return Derived(exchange, replace(last, raw=Raw(), events=[], fingerprint=fingerprint, items=items), events)

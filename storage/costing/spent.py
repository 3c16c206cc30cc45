"""What the ledger says of exchanges that spend something, as it is laid beside a bill. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .costs import State


class SpentLine(NamedTuple):
    """A cost line of what is no plain token: a cache write, a tool, or a part by another model."""

    item: str
    model: str | None
    quantity: int
    amount: int | None


class Spent(NamedTuple):
    """An exchange and its cost in force. Times in ns since the epoch; amounts in 10^-12 USD.

    `made_ns`: when the exchange that made its response began, where that is another one. `counts`, `amounts`: by COUNTS and CLASSES.
    """

    id: int
    method: str
    path: str
    kind: str
    transport: str
    session: str
    upstream: str
    started_at_ns: int
    duration_ns: int
    made_ns: int | None
    status: int | None
    outcome: str
    project: str | None
    key_id: str | None
    model: str | None
    service_tier: str | None
    billing: dict[str, Any] | None
    state: State
    amount: int | None
    reason: str | None
    dimensions: Sequence[Sequence[str | None]]
    counts: tuple[int | None, ...]
    amounts: tuple[int | None, ...]
    lines: tuple[SpentLine, ...] = ()

    @property
    def used(self) -> bool:
        """Whether its usage is known."""
        return any(count is not None for count in self.counts) or bool(self.lines)

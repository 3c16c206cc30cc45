"""What the store knows of an exchange that prompts a model, beside its body: what was cached, and what that cost. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Prompted(NamedTuple):
    """An exchange whose usage is known. Times in ns; amounts in 10^-12 USD. `fresh`, `cached`, `written`: its input, each token in one of them; the amounts
    are those of these. `outputs`: items of its answer. `turn`: of a WebSocket. `dimensions`: what was known when it was priced."""

    id: int
    session: str
    started_at_ns: int
    first_event_ns: int | None
    kind: str
    transport: str
    path: str
    model: str | None
    tier: str | None
    key_id: str | None
    organization: str | None
    project: str | None
    upstream: str
    response_id: str | None
    previous_response_id: str | None
    conversation: str | None
    steer: str | None
    request_bytes: int
    turn: bool
    billing: dict[str, Any]
    dimensions: Sequence[Sequence[str | None]]
    fresh: int
    cached: int
    written: int
    fresh_amount: int | None
    cached_amount: int | None
    written_amount: int | None
    outputs: int = 0

    @property
    def input(self) -> int:
        """All of its prompt, in tokens."""
        return self.fresh + self.cached + self.written

    @property
    def cache_key(self) -> str | None:
        """Its `prompt_cache_key`."""
        found = (self.billing.get("labels") or {}).get("prompt_cache_key")
        return found if isinstance(found, str) else None

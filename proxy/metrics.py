"""What a worker and the recorder count; the console shows it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Counters:
    """What a worker counts since its start."""

    requests: Counter[str] = field(default_factory=Counter)  # by transport
    outcomes: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)  # by class: 2 for 2xx
    errors: Counter[str] = field(default_factory=Counter)  # answers of our own, by code
    request_bytes: int = 0
    response_bytes: int = 0
    open_connections: int = 0  # WebSockets
    replayed: int = 0  # requests that were answered from recordings
    ruled: int = 0  # of these, those that are equal to the recorded one only by a match rule
    live: int = 0  # requests that a replay passed on to upstream
    faults: int = 0  # that replays served
    missed: Counter[str] = field(default_factory=Counter)  # requests that a replay could not answer, by code

    def error(self, code: str) -> None:
        """The proxy answered itself."""
        self.errors[code] += 1

    def outcome(self, outcome: str) -> None:
        """An exchange ended."""
        self.outcomes[outcome] += 1

    def snapshot(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "requests": dict(self.requests),
            "outcomes": dict(self.outcomes),
            "statuses": {f"{group}xx": count for group, count in self.statuses.items()},
            "errors": dict(self.errors),
            "request_bytes": self.request_bytes,
            "response_bytes": self.response_bytes,
            "open_connections": self.open_connections,
            "replayed": self.replayed,
            "ruled": self.ruled,
            "live": self.live,
            "faults": self.faults,
            "missed": dict(self.missed),
        }

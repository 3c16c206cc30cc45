"""How many requests may go to upstream, and how many have: pure."""

from __future__ import annotations

from dataclasses import dataclass

from .answers import Refusal


@dataclass(slots=True)
class LiveBudget:
    """`calls`: so many may; None: any number."""

    calls: int | None = None
    spent: int = 0

    def take(self) -> Refusal | None:
        """One more goes to upstream; the reason if it must not."""
        if self.calls is not None and self.spent >= self.calls:
            allowed = "no live call is" if self.calls == 0 else f"{self.calls} live call{'s are' if self.calls > 1 else ' is'}"
            return Refusal("live_budget", f"It did not go to upstream: {allowed} allowed here (the setting live_calls).")
        self.spent += 1
        return None

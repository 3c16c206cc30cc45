"""What all exchanges of a worker share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from playhead.config.faults import parse_faults
from playhead.config.settings import Settings
from playhead.storage.records import DivergenceRecord

from .faults.due import Faults
from .live_prices import LivePrices
from .metrics import Counters
from .pricing.live_budget import LiveBudget
from .redaction import RedactionMemo
from .tapes.tape import Tape
from .upstream import Upstream

Diverged = Callable[[DivergenceRecord], object]
"""Is told of each request that a replay could not answer; from any thread."""


def nobody(_: DivergenceRecord) -> None:
    """Where the store and the log are enough."""


class InFlight(Protocol):
    """What a worker keeps track of until it ends."""

    @property
    def waits(self) -> bool:
        """Whether nothing more comes, and it only ends when its client leaves."""

    @property
    def silent_since(self) -> int:
        """When something last passed, on the monotonic clock, in ns."""

    def timed_out(self) -> None:
        """Upstream has been silent for too long."""

    def break_off(self) -> None:
        """The server stops and waits no longer."""


@dataclass(slots=True, eq=False)
class Service:
    """A worker's means and its state. `upstream`: None where nothing may ever go there. `stopping`: nothing new is begun.

    `diverged`: who wants to hear of divergences beside the store and the log; `reported`: who hears of them says all of it, and the log need not.
    `faults`: those that replays serve.

    `loop` is asked for once: on Python 3.11 each asking is a call of the system.
    """

    settings: Settings
    upstream: Upstream | None
    tape: Tape
    diverged: Diverged = nobody
    reported: bool = False
    counters: Counters = field(default_factory=Counters)
    memo: RedactionMemo = field(default_factory=RedactionMemo)
    exchanges: set[InFlight] = field(default_factory=set)
    stopping: bool = False
    budget: LiveBudget = field(init=False)
    prices: LivePrices = field(init=False)
    faults: Faults = field(init=False)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def __post_init__(self) -> None:
        self.faults = Faults([fault for text in self.settings.fault for fault in parse_faults(text)])
        self.budget = LiveBudget.of(self.settings.live_calls, self.settings.live_money, strict=self.settings.live_unpriced == "refuse")
        self.prices = LivePrices(self.settings, self.tape, self.budget)

    @property
    def live(self) -> Upstream:
        """Upstream, for what has been decided to go there."""
        assert self.upstream is not None
        return self.upstream

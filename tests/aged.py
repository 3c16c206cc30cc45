"""Stores whose recordings have an age, and passes over them at a time that the test chooses."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from playhead.config.retention import Clocks, Override, Retention
from playhead.storage.costing.costs import Basis, Cost, LineRow, Pricing, RateRow
from playhead.storage.records import Batch
from playhead.storage.removing.due import Share
from playhead.storage.store import Store
from stores import START_NS, raw, recorded

START = datetime.fromtimestamp(START_NS // 1_000_000_000, UTC)
"""When exchange 0 began; number N began N seconds later."""


PRICING = Pricing('[["list","1","0"]]', "none")
RATE = RateRow("output", None, "token", "50", 1_000_000, "list@1", None, None)


def costing(amount: int = 1000, *, told: bool = False) -> Cost:
    """A price of one line. `told`: the exchange only tells of a usage."""
    amounts = (None, None, None, amount, None)
    return Cost(PRICING, "priced", amount, None, Basis("[]", None), (LineRow(RATE, 1, amount),), (1, 0, None, 1, 0), amounts, told)


def ids(store: Store, session: str = "default") -> list[int]:
    return [row.id for row in store.exchanges(session)]


def left(store: Store, session: str = "default") -> list[str | None]:
    """What of each exchange is pruned."""
    return [row.pruned for row in store.exchanges(session)]


def prune(store: Store, *overrides: str, at: float, sessions: Sequence[str] = (), **clocks: Any) -> dict[str, Share]:
    """One pass, so many seconds after exchange 0 began."""
    retention = Retention(Clocks(**clocks), tuple(map(Override.parse, overrides)))
    pruning = store.pruning(retention, START + timedelta(seconds=at), sessions)
    for _ in pruning.steps():
        pass
    assert pruning.emptied
    return pruning.shares


def counts(shares: dict[str, Share]) -> dict[str, list[int]]:
    return {session: share.counts for session, share in shares.items()}


def bulky(numbers: range, session: str = "default") -> Batch:
    """Exchanges of 20 KB that cannot be compressed."""
    rng = random.Random(numbers.start)
    return Batch([recorded(number, session=session, raw=raw(number, request=rng.randbytes(20_000))) for number in numbers])

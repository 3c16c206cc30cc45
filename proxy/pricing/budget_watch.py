"""What has been spent against the budgets of the settings, kept up to date from the ledger while a server records.

The store is counted in parts. One that may still grow is counted anew each time, and of the others one after the other, so that prices that were computed
again, and what was deleted, are noticed as well; a restart counts everything, so that nothing is forgotten. Whoever else records into the store counts.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from playhead.config.budgets import parse_budgets, window_of
from playhead.config.errors import StoreError
from playhead.config.settings import Settings
from playhead.storage.costing.sums import Spend, Wanted
from playhead.storage.store import Store

from .budgets import Account, Place, in_force, names_of, with_names

log = logging.getLogger("playhead")

MOST = 100
"""Keys of one budget that are shown: those that have spent most."""

_PAUSE = 5.0
_RATIO = 20  # so many times as long as it took to count


class Spending(NamedTuple):
    """What was spent of one budget in the window of the moment. `key`: of a budget for each key its name or its id, else empty. Money in 10^-12 USD."""

    budget: str
    key: str
    limit: int
    spent: int
    lacking: int


class _Part(NamedTuple):
    spends: dict[Place, Spend]
    grows: bool


class BudgetWatch:
    """Counts in a thread of its own; `spendings` are those of the last count."""

    def __init__(self, settings: Settings) -> None:
        self.spendings: Sequence[Spending] = ()
        self._url = settings.store_url
        self._keys = settings.key_names
        self._budgets = with_names(parse_budgets(settings.budgets), self._keys)
        self._names = names_of(self._budgets)
        self._parts: dict[int, _Part] = {}
        self._turn = 0
        self._store: Store | None = None
        self._stopped = threading.Event()
        self._failed = False

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                began = time.monotonic()
                await asyncio.to_thread(self._try)
                await asyncio.sleep(max(_PAUSE, _RATIO * (time.monotonic() - began)))
        finally:
            self._stopped.set()  # a count that goes on in its thread ends and closes the store
            await asyncio.to_thread(self._close)

    def _try(self) -> None:
        try:
            self.count(datetime.now(UTC))
            self._failed = False
        except StoreError as error:
            if not self._failed:
                log.error("what is spent against budgets cannot be counted: %s", error)
            self._failed = True
            self._close()

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def count(self, now: datetime) -> None:
        """Count what may have changed. Raises StoreError."""
        if self._store is None or not self._store.in_place():
            self._close()
            self._store = Store.open(self._url)
            self._parts.clear()
        starts = [window_of(budget.period, now).start for budget in self._budgets]
        since = None if None in starts else min(filter(None, starts))
        reading = self._store.ledger.spent_by_hour(Wanted(self._names, since=since))
        parts = reading.parts()
        again = parts[self._turn % len(parts)] if parts else None
        self._turn += 1
        for start in parts:
            known = self._parts.get(start)
            if known is not None and not known.grows and start != again:
                continue
            if self._stopped.is_set():
                return
            account = Account(self._budgets, self._names, self._keys)
            rows, grows = reading.part(start)
            for (hour, *group), spend in rows:
                account.add(hour or "", tuple(group), spend)
            now_on = {place: spend for place, spend in account.spends.items() if _goes_on(place, starts)}
            self._parts[start] = _Part(now_on, grows)
        self._parts = {start: part for start, part in self._parts.items() if start in parts}
        self.spendings = self._summed_up(now)

    def _summed_up(self, now: datetime) -> list[Spending]:
        spends: dict[Place, Spend] = {}
        for part in self._parts.values():
            for place, spend in part.spends.items():
                spends[place] = spends.get(place, Spend()).plus(spend)
        found = in_force(self._budgets, spends, now, MOST)
        return [Spending(str(budget), key, budget.pico, spend.amount, spend.lacking) for budget, key, spend in found]


def _goes_on(place: Place, starts: Sequence[datetime | None]) -> bool:
    """Whether it is in the window of the moment, or in one that has begun since."""
    least = starts[place.budget]
    return least is None or place.start is None or place.start >= least

"""What live calls have cost so far, as the ledger says: read when another one is about to go to upstream."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING

from playhead.config.errors import StoreError
from playhead.config.settings import Settings
from playhead.storage.datadir import DataDir

from .forwarding.answers import Refusal
from .pricing.live_budget import LiveBudget, Paid
from .recorders.settled import Settled
from .tapes.tape import Tape

if TYPE_CHECKING:
    from playhead.storage.store import Store

log = logging.getLogger("playhead")


class LivePrices:
    """Of one worker, whose journal's name its exchanges bear in the store."""

    def __init__(self, settings: Settings, tape: Tape, budget: LiveBudget) -> None:
        self._url = settings.store_url
        self._tape = tape
        self._budget = budget
        self._settled = Settled(tape, DataDir(settings.data).journal_dir)
        self._store: Store | None = None
        self._reading = threading.Lock()

    @property
    def matter(self) -> bool:
        """Whether a call has to wait for what those before it cost."""
        return self._budget.money is not None and self._tape.journal is not None

    async def take(self, *, recorded: bool) -> Refusal | None:
        """As `LiveBudget.take`, when all that has ended is known."""
        if refusal := await self.learn():
            return refusal
        return self._budget.take(recorded=recorded)

    async def learn(self) -> Refusal | None:
        """Find out what has been spent; why that cannot be known, if so."""
        journal = self._tape.journal
        if not self.matter or journal is None or not self._budget.spent:
            return None
        await self._settled()
        try:
            self._budget.learn(await asyncio.to_thread(self._read, journal.writer))
        except StoreError as error:
            log.error("what live calls have cost cannot be read: %s", error)
            return Refusal("live_budget", f"It did not go to upstream: what live calls have cost cannot be read (live_money is set). {error}")
        return None

    def _read(self, writer: str) -> Paid:
        """In a thread. Raises StoreError."""
        from playhead.storage.store import Store

        with self._reading:  # to open a store takes longer than all the rest: it stays open
            if self._store is None:
                self._store = Store.open(self._url)
            return Paid(*self._store.ledger.paid(writer))

    async def close(self) -> None:
        """Nothing goes to upstream any more; idempotent."""
        if self._store is not None:
            await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._reading:
            store, self._store = self._store, None
            if store is not None:
                store.close()

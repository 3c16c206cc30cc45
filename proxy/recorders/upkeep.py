"""A recorder keeps the store as small as the settings say, and sums ready for audits: a little now and then, between two of its own steps."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path

from playhead.config.errors import StoreError
from playhead.config.retention import Retention
from playhead.storage.journal import remove_free
from playhead.storage.removing.pruning import Pruning
from playhead.storage.store import Store

log = logging.getLogger("playhead")

_OFTEN, _SELDOM = 60.0, 3600.0  # seconds between two passes
_PASSES = 20  # within the shortest time that anything is kept


class Upkeep:
    """Passes over a store, each in steps. `directory`: of the journal, whose drained segments are removed with what they held."""

    def __init__(self, store: Store, retention: Retention, directory: Path) -> None:
        self._store = store
        self._retention = retention
        self._directory = directory
        shortest = retention.shortest
        self._every = _SELDOM if shortest is None else min(max(shortest / _PASSES, _OFTEN), _SELDOM)
        self._due = time.monotonic() if retention.run else float("inf")
        self._pruning: Pruning | None = None
        self._steps: Generator[float] | None = None
        self._sums_due = time.monotonic()
        self._sums: Iterator[None] | None = None

    def step(self) -> bool:
        """Do a little if anything is due; whether there is more of it. Never raises for the store: what fails is tried again in the next pass."""
        if self._steps is None:
            if time.monotonic() < self._due:
                return self._sum_up()
            left = self._pruning is not None and not self._pruning.emptied
            self._pruning = self._store.pruning(self._retention, datetime.now(UTC), empties=left, vacuums=False)
            self._steps = self._pruning.steps()
        try:
            next(self._steps)
            return True
        except StopIteration:
            self._finish()
        except StoreError as error:
            log.warning("what is kept no longer could not all be pruned, which is tried again later: %s", error)
            self._finish()
        return False

    def _sum_up(self) -> bool:
        """A little of that, with nothing to prune."""
        if self._sums is None:
            if time.monotonic() < self._sums_due:
                return False
            self._sums = self._store.ledger.keep_sums()
        try:
            next(self._sums)
            return True
        except StopIteration:
            pass
        except StoreError as error:
            log.warning("sums could not be kept for audits, which is tried again later: %s", error)
        self._sums, self._sums_due = None, time.monotonic() + _OFTEN
        return False

    def _finish(self) -> None:
        assert self._pruning is not None
        remove_free(self._directory, workers=True)
        self._steps = None
        self._due = time.monotonic() + (self._every if self._pruning.emptied else min(self._every, _OFTEN))
        content, costs, exchanges = (sum(share.counts[what] for share in self._pruning.shares.values()) for what in range(3))
        if content or costs or exchanges:
            log.info("pruned: content of %d, costs of %d, all of %d exchanges", content, costs, exchanges)

"""What replays of one session have to say, kept in memory as a store keeps it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from ..records import FaultRecord
from .replay_rows import RuleHit


class ReplayNotes:
    """May be used by several threads; hits are added by one at a time."""

    def __init__(self) -> None:
        self._hits: dict[tuple[str, int, str], RuleHit] = {}
        self._faults: dict[int, FaultRecord] = {}
        self._numbers = count(1)  # which no two threads draw alike

    def add_hits(self, hits: Sequence[RuleHit]) -> None:
        """See `Store.add_rule_hits`."""
        for hit in hits:
            key = (hit.run, hit.exchange, hit.rules)
            known = self._hits.get(key)
            self._hits[key] = hit if known is None else known.model_copy(update={"count": known.count + hit.count, "last_at": hit.last_at})

    def hits(self, run: str | None) -> list[RuleHit]:
        """See `Store.rule_hits`."""
        found = [hit for hit in self._hits.values() if run in (None, hit.run)]
        return sorted(found, key=lambda hit: (hit.first_at, hit.exchange, hit.rules))

    def add_fault(self, fault: FaultRecord) -> int:
        """See `Store.add_fault`."""
        id_ = next(self._numbers)
        self._faults[id_] = fault.model_copy(update={"id": id_})
        return id_

    def fault_outcome(self, id_: int, outcome: Mapping[str, Any]) -> None:
        """See `Store.fault_outcome`."""
        if id_ in self._faults:
            self._faults[id_] = self._faults[id_].model_copy(update={"outcome": dict(outcome)})

    def faults(self, run: str | None, limit: int | None) -> list[FaultRecord]:
        """See `Store.faults`."""
        found = [fault for _, fault in sorted(self._faults.items()) if run in (None, fault.run)]
        return found if limit is None else found[max(len(found) - limit, 0) :]

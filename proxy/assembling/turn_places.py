"""Which place in its session each turn of a connection has: given when it begins, and the same one when it is read again. Decided without I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Give = Callable[[int | None], int]
"""Gives the next place of the session; or that which is named, if none was given since."""


class TurnPlaces:
    """The places of one connection. `own`: that of the connection itself, which its first turn takes over if no other was given since."""

    def __init__(self, own: int, give: Give) -> None:
        self.own = own
        self._give = give
        self._known: dict[int, int] = {}  # of turns that may be read again
        self._newest = own
        self._begun = False  # whether a turn has

    def of(self, turn: int) -> int:
        """The place of a turn."""
        if turn not in self._known:
            self._known[turn] = self._newest = self._give(None if self._begun else self.own)
            self._begun = True
        return self._known[turn]

    def keep_own(self) -> None:
        """The connection needs its own place after all."""
        if self._begun:
            self.own = self._newest = self._give(None)
            self._begun = False

    def settle(self) -> None:
        """What has begun so far is not read again."""
        self._known.clear()

    @property
    def count(self) -> int:
        """How many turns may be read again."""
        return len(self._known)

    def memory(self) -> dict[str, Any]:
        """What `restore` needs, as JSON. `seq`: the greatest place that was given."""
        if not self._begun and not self._known:
            return {"seq": self.own}
        return {"seq": self._newest, "own": self.own, "begun": self._begun, "places": self._runs()}

    def _runs(self) -> list[list[int]]:
        """Turn and place of each run of turns with places one after the other, and how many they are."""
        runs: list[list[int]] = []
        for turn, seq in sorted(self._known.items()):
            if runs and (turn, seq) == (runs[-1][0] + runs[-1][2], runs[-1][1] + runs[-1][2]):
                runs[-1][2] += 1
            else:
                runs.append([turn, seq, 1])
        return runs

    @classmethod
    def restore(cls, memory: dict[str, Any], give: Give) -> TurnPlaces:
        """The one that gave this memory; older versions knew the connection's own place only."""
        places = cls(memory.get("own", memory["seq"]), give)
        places._known = {turn + i: seq + i for turn, seq, count in memory.get("places", ()) for i in range(count)}
        places._newest, places._begun = memory["seq"], memory.get("begun", False)
        return places

"""When the next step of a recorder comes. Decided without I/O."""

from __future__ import annotations

LOOK_SECONDS = 0.1
"""How long it stands back before it looks again."""

_BUSY_SECONDS = 0.03
_BUSIEST_SECONDS = 0.1
_RATIO = 8  # so many times as long as the last step took: what a step costs in itself is shared by more exchanges where there are many
_HEAVY_SECONDS = 0.05  # a step that took less is in nobody's way
_SHARE = 0.8
_FREE = 0.5  # of a processor: what has to be idle for traffic not to need all
_LONGEST_SECONDS = 5.0
_QUIET_SECONDS = 0.15  # without a frame: the burst is over, whoever needs the processors
_MOST_BYTES = 512 << 20  # of a journal that waits


class Pace:
    """Traffic first: where all processors are busy and there is much to record, the recorder stands back until they are less so, at the longest for five
    seconds since it was abreast. So a burst passes as quickly as if nothing were recorded, and recording it costs less than in its midst. `now`: seconds."""

    def __init__(self, now: float) -> None:
        self.starved = False
        """Whether the last step was a long one that had to wait for a processor: it may have been in the way of others, and so may be the next."""
        self._abreast_at = now
        self._spent = 0.0
        self._behind = False

    def stepped(self, now: float, spent: float, cpu: float, *, behind: bool) -> None:
        """A step has been made, which took `spent` seconds, `cpu` of them on a processor; `behind`: it left something to read."""
        self._spent, self._behind = spent, behind
        self.starved = (behind or spent >= _HEAVY_SECONDS) and cpu < _SHARE * spent
        if not behind:
            self._abreast_at = now

    @property
    def rest(self) -> float:
        """Seconds until the next step, if nobody else needs the processors."""
        return 0.0 if self._behind else min(max(_BUSY_SECONDS, _RATIO * self._spent), _BUSIEST_SECONDS)

    def stands_back(self, now: float, idle: float | None, waiting: int, written: float) -> bool:
        """Whether the next step is not to come yet. `idle`: processors, None: nobody knows. `waiting`: bytes of the journal, `written`: seconds ago."""
        scarce = idle is not None and idle < _FREE
        return scarce and written < _QUIET_SECONDS and waiting < _MOST_BYTES and now - self._abreast_at < _LONGEST_SECONDS

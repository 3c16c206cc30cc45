"""When the next step of a recorder comes. Decided without I/O."""

from __future__ import annotations

from typing import NamedTuple

LOOK_SECONDS = 0.1
"""How long it stands back before it looks again."""

_BUSY_SECONDS = 0.03
_BUSIEST_SECONDS = 0.1
_RATIO = 8  # so many times as long as the last step took: what a step costs in itself is shared by more exchanges where there are many
_HEAVY_SECONDS = 0.05  # a step that took less, and left nothing, is in nobody's way
_FREE = 0.5  # of a processor: what has to be idle for traffic not to need all
_LONGEST_SECONDS = 5.0
_QUIET_SECONDS = 0.15  # without a frame: the burst is over, whoever needs the processors


class Seen(NamedTuple):
    """What is to be seen of traffic. `idle`: processors, None: nobody knows; `room`: whether the journal may grow; `written`: seconds since it was."""

    idle: float | None
    room: bool
    written: float


class Pace:
    """Traffic first: where all processors are busy and there is much to record, the recorder stands back until they are less so, at the longest for five
    seconds since it was abreast. So a burst passes as quickly as if nothing were recorded, and recording it costs less than in its midst. `now`: seconds."""

    def __init__(self, now: float) -> None:
        self.heavy = False
        """Whether the last step was a long one, or the next one will be."""
        self._abreast_at = now
        self._spent = 0.0
        self._behind = False

    def stepped(self, now: float, spent: float, *, behind: bool) -> None:
        """A step has been made, which took `spent` seconds; `behind`: it left something to read."""
        self._spent, self._behind = spent, behind
        self.heavy = behind or spent >= _HEAVY_SECONDS
        if not behind:
            self._abreast_at = now

    @property
    def rest(self) -> float:
        """Seconds until the next step, if nobody else needs the processors."""
        return 0.0 if self._behind else min(max(_BUSY_SECONDS, _RATIO * self._spent), _BUSIEST_SECONDS)

    def stands_back(self, now: float, seen: Seen) -> bool:
        """Whether the next step is not to come yet."""
        scarce = seen.idle is not None and seen.idle < _FREE
        return self.heavy and scarce and seen.room and seen.written < _QUIET_SECONDS and now - self._abreast_at < _LONGEST_SECONDS

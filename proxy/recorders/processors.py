"""How busy the processors are, where the system tells it: Linux does (proc(5), /proc/stat)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

_STAT = Path("/proc/stat")
_LEAST_SECONDS = 0.05  # of which something can be said: the system counts hundredths
_IDLE = slice(4, 6)  # and waiting for a disk


class Processors:
    """Those that this process may use."""

    def __init__(self, stat: Path = _STAT, clock: Callable[[], float] = time.monotonic) -> None:
        self._stat, self._clock = stat, clock
        self._seen_at, self._seen = clock(), self._ticks()
        self._idle: float | None = None

    def idle(self) -> float | None:
        """How many were idle since this was asked last; None: that is not known."""
        now = self._clock()
        if now - self._seen_at >= _LEAST_SECONDS:
            ticks = self._ticks()
            known = ticks is not None and self._seen is not None
            self._idle = (ticks - self._seen) / os.sysconf("SC_CLK_TCK") / (now - self._seen_at) if known else None  # type: ignore[operator]
            self._seen_at, self._seen = now, ticks
        return self._idle

    def _ticks(self) -> int | None:
        """For which they have been idle, all together."""
        try:
            ours = {f"cpu{number}" for number in os.sched_getaffinity(0)}
            lines = [line.split() for line in self._stat.read_text().splitlines()]
            return sum(sum(map(int, fields[_IDLE])) for fields in lines if fields and fields[0] in ours)
        except (OSError, AttributeError, ValueError):  # another system
            return None

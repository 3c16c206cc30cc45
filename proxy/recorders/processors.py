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

    def idle(self) -> float | None:
        """How many were idle since this was asked last; None: that is not known, or too short a time."""
        now, before, since = self._clock(), self._seen, self._seen_at
        if now - since < _LEAST_SECONDS:
            return None
        self._seen_at, self._seen = now, self._ticks()
        if before is None or self._seen is None:
            return None
        return (self._seen - before) / os.sysconf("SC_CLK_TCK") / (now - since)

    def _ticks(self) -> int | None:
        """For which they have been idle, all together."""
        try:
            ours = {f"cpu{number}" for number in os.sched_getaffinity(0)}
            lines = [line.split() for line in self._stat.read_text().splitlines()]
            ticks = [sum(map(int, fields[_IDLE])) for fields in lines if fields and fields[0] in ours]
        except (OSError, AttributeError, ValueError):  # another system
            return None
        return sum(ticks) or None  # where nothing is counted, or our processors have other numbers, all would seem to be busy

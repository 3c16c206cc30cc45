"""How far the recorder is behind the workers: pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping

Place = tuple[int, int]  # segment, offset
_MARKS = 1000


class Lag:
    """The age of what workers have written and the recorder has not taken in: from where each says that its journal ends, and when it said so."""

    def __init__(self) -> None:
        self._marks: dict[str, deque[tuple[float, Place]]] = {}

    def wrote(self, writer: str, end: Place, progress: Mapping[str, Place], now: float) -> None:
        """A writer's journal ends there. `progress`: per writer, how far the recorder has come."""
        marks = self._marks.setdefault(writer, deque())
        _forget(marks, progress.get(writer))
        if len(marks) < _MARKS:
            marks.append((now, end))
        else:
            marks[-1] = (marks[-1][0], end)

    def seconds(self, writers: Collection[str], progress: Mapping[str, Place], now: float) -> float:
        """The age of the oldest of what is left to take in. `writers`: those whose journals are still there."""
        self._marks = {writer: marks for writer, marks in self._marks.items() if writer in writers}
        for writer, marks in self._marks.items():
            _forget(marks, progress.get(writer))
        return max((now - marks[0][0] for marks in self._marks.values() if marks), default=0.0)


def _forget(marks: deque[tuple[float, Place]], come: Place | None) -> None:
    while come is not None and marks and marks[0][1] <= come:
        marks.popleft()

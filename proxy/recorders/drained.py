"""Segments of a journal whose frames are in the store: they are given up once that is on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from pathlib import Path

from playhead.storage.journal import retire, segment_path, set_aside


class Drained:
    """`unreadable`: segments that stay where they are. `reuse`: workers live that may write over the others."""

    def __init__(self, directory: Path, unreadable: Set[Path], *, reuse: bool) -> None:
        self._directory, self._unreadable, self._reuse = directory, unreadable, reuse
        self._paths: list[Path] = []
        self._damaged: set[Path] = set()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._paths)

    def add(self, writer: str, numbers: Iterable[int]) -> None:
        """What they held is stored, or about to be."""
        self._paths += [segment_path(self._directory, writer, number) for number in numbers]

    def damaged(self, path: Path) -> None:
        """When its turn comes, it is kept under a name that nobody reads."""
        self._damaged.add(path)

    def give_up(self, make_durable: Callable[[], None]) -> None:
        """All of them, once what they held is on disk. Raises what `make_durable` does; then they are still there."""
        if not self._paths:
            return
        make_durable()
        for path in self._paths:
            if path in self._damaged and path.exists():
                set_aside(path)
            elif path not in self._unreadable and path.exists():
                retire(self._directory, path, reuse=self._reuse)
        self._paths.clear()

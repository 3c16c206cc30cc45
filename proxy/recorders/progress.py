"""How far the recorder has come, for commands that want to see everything: a small file beside the journal."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from xxhash import xxh3_64_hexdigest

_NAME = "progress"
_ROOM = 1 << 16


class Progress:
    """Publishes, per writer, the segment and the offset up to which everything has been read, and what ended before it stored.

    It is written over in place by one call, since renaming a file costs a thousand times more; a check tells a reader that meets half of it.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)  # it may have been removed since playhead began
        self._fd = os.open(directory / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._published: dict[str, tuple[int, int]] | None = None

    def publish(self, progress: Mapping[str, tuple[int, int]]) -> None:
        """Write it if it has changed. A disk that does not take it leaves what stood there: who waits will say that there is no progress."""
        if progress == self._published:
            return
        text = json.dumps(progress).encode()
        try:
            os.pwrite(self._fd, b"%s %s\n" % (_check(text), text), 0)
        except OSError:
            return
        self._published = dict(progress)

    def close(self) -> None:
        """Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def read_progress(directory: Path) -> dict[str, tuple[int, int]]:
    """What was published last; empty if nothing was."""
    try:
        with (directory / _NAME).open("rb") as file:
            check, _, text = file.read(_ROOM).partition(b"\n")[0].partition(b" ")
    except OSError:
        return {}
    if check != _check(text):
        return {}
    return {writer: (segment, offset) for writer, (segment, offset) in json.loads(text).items()}


def _check(text: bytes) -> bytes:
    return xxh3_64_hexdigest(text).encode()

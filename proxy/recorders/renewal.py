"""Has the segments of a journal given up that exist, since they may hold what was deleted from the store."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from playhead.storage.journal import START, ask_renewal, remove_free, segment_path, segments

STILL_JOURNALLED = "the journal may still hold what is deleted: its segments go when all that has begun in them is over"

_WAIT_SECONDS = 10.0
_POLL_SECONDS = 0.05


def given_up(directory: Path, *, seconds: float = _WAIT_SECONDS) -> bool:
    """Ask workers for new segments, and wait until the recorder has given up those there are now; whether it has. Drained ones are removed."""
    before = _present(directory)
    if before:
        ask_renewal(directory)
    deadline = time.monotonic() + seconds
    while (left := before & _present(directory)) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    remove_free(directory, workers=True)  # they are kept to be written over
    return not left


def _present(directory: Path) -> set[Path]:
    """The segments that hold anything."""
    found: set[Path] = set()
    for writer, numbers in segments(directory).items() if directory.is_dir() else ():
        for path in (segment_path(directory, writer, number) for number in numbers):
            with suppress(FileNotFoundError):  # given up since it was listed
                if path.stat().st_size > START:
                    found.add(path)
    return found

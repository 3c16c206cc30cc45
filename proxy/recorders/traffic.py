"""Whether traffic needs what a recorder would take: what the system says of processors, the journal and the disk."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from .pace import Seen
from .processors import Processors

_MOST_BYTES = 512 << 20
_SHARE = 4  # of what the journal may take, and of what is free on its disk


class Traffic:
    """What is to be seen of it. `limit`: bytes that the journal may take."""

    def __init__(self, journal: Path, limit: int, processors: Processors | None = None) -> None:
        self._journal, self._most = journal, min(_MOST_BYTES, limit // _SHARE)
        self._processors = processors or Processors()

    def watch(self) -> None:
        """What `look` says of processors begins here."""
        self._processors.idle()

    def look(self) -> Seen:
        """As it has been since the last time."""
        held, written_at, room = 0, 0, self._most
        with contextlib.suppress(OSError):
            disk = os.statvfs(self._journal)
            room = min(room, disk.f_bavail * disk.f_frsize // _SHARE)
        for path in self._journal.glob("*.seg"):
            with contextlib.suppress(OSError):  # given away since it was listed
                status = path.stat()
                held, written_at = held + status.st_size, max(written_at, status.st_mtime_ns)
        return Seen(self._processors.idle(), held < room, (time.time_ns() - written_at) / 1e9)

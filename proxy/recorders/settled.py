"""A replayed request on a server that records sees all that this has recorded before: it waits until the recorder has stored it."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from playhead.storage.journal import segments

from ..tapes.tape import Tape
from .progress import read_progress

log = logging.getLogger("playhead")

SECONDS = 10.0
_POLL = 0.005


class Settled:
    """Waits for the recorder behind one worker's journal."""

    def __init__(self, tape: Tape, directory: Path, *, seconds: float = SECONDS) -> None:
        self._tape = tape
        self._directory = directory
        self._seconds = seconds
        self._reached = (0, 0)

    async def __call__(self) -> None:
        """Return when the store holds every exchange that ended before; after `seconds` all the same, with a warning."""
        journal = self._tape.journal
        if journal is None:
            return
        self._tape.flush_now()
        if not journal.begun:
            return
        end, directory = journal.end, self._directory
        deadline = asyncio.get_running_loop().time() + self._seconds
        while self._reached < end:
            progress = await asyncio.to_thread(read_progress, directory)
            if journal.writer not in progress and journal.writer not in segments(directory):
                return
            self._reached = max(self._reached, progress.get(journal.writer, (0, 0)))
            if asyncio.get_running_loop().time() > deadline:
                log.warning("the recorder has not stored everything within %g s: a replay may miss what was recorded last", self._seconds)
                return
            if self._reached < end:
                await asyncio.sleep(_POLL)

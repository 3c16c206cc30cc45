"""Commands that read recordings see all of them: what the journal held when they began is stored before they look."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from playhead.config.errors import StoreError
from playhead.config.settings import Settings
from playhead.storage.datadir import DataDir, RecorderLock
from playhead.storage.journal import SegmentReader, segments

from ..headway import never, open_store
from ..pricing.setting import Costing
from ..recorders.progress import read_progress
from ..recorders.tails import Limits

_WAIT_SECONDS = 10.0
_POLL_SECONDS = 0.02


def settle(settings: Settings, *, seconds: float = _WAIT_SECONDS, stopped: Callable[[], bool] = never) -> str | None:
    """Wait (up to `seconds`) until a running recorder has stored what the journal holds now, or store it where none runs.

    Returns what is missing, as a sentence, or None. Raises StoreError if there is something to store and the store cannot be used.
    """
    data = DataDir(settings.data, settings.key_file)
    if not data.journal_dir.is_dir() or not segments(data.journal_dir):
        return None
    targets: dict[str, tuple[int, int]] | None = None
    deadline = time.monotonic() + seconds
    while not _drained_by_us(settings, data, stopped):
        targets = journal_end(data.journal_dir) if targets is None else targets
        behind = [writer for writer, place in targets.items() if not _reached(data.journal_dir, writer, place)]
        if not behind:
            break
        if time.monotonic() > deadline:
            workers = "1 worker" if len(behind) == 1 else f"{len(behind)} workers"
            return f"the recorder has not stored everything within {seconds:g} s: the newest exchanges of {workers} are missing here"
        time.sleep(_POLL_SECONDS)
    return None


def _drained_by_us(settings: Settings, data: DataDir, stopped: Callable[[], bool]) -> bool:
    """Store everything here and now, unless a recorder runs, which will."""
    lock = RecorderLock(data)
    if not lock.acquire(0):
        return False
    try:
        _drain(settings, data, stopped)
    finally:
        lock.release()
    return True


def _drain(settings: Settings, data: DataDir, stopped: Callable[[], bool]) -> None:
    from ..recorder import Recorder  # with all the models: only where there is something to store

    with open_store(settings.store_url, create=True, durability=settings.durability, stopped=stopped) as store:
        store.check_key(data.key())
        recorder = Recorder(
            store, data.journal_dir, cost_of=Costing(settings), label_headers=settings.label_header, limits=Limits.within(settings.journal_limit)
        )
        try:
            while recorder.step():
                pass
        except OSError as error:
            raise StoreError(f"The journal {data.journal_dir} cannot be read: {error.strerror}.") from None
        finally:
            recorder.close()


def _reached(directory: Path, writer: str, place: tuple[int, int]) -> bool:
    progress = read_progress(directory)
    # A writer whose journal is gone from the disk is stored for good.
    return progress.get(writer, (0, 0)) >= place or writer not in segments(directory)


def journal_end(directory: Path) -> dict[str, tuple[int, int]]:
    """Per writer, the end of its last whole frame: segment and offset."""
    progress = read_progress(directory)
    ends = {}
    for writer, numbers in segments(directory).items():
        segment, offset = max((numbers[-1], 0), progress.get(writer, (0, 0)))
        try:
            reader = SegmentReader(directory, writer, segment, offset)
        except (OSError, ValueError):
            continue  # given up since it was listed
        while reader.read():
            pass
        ends[writer] = (segment, reader.offset)
        reader.close()
    return ends

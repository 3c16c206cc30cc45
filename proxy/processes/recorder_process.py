"""The recorder process: drains the journal until the main process is gone and the workers are."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import sys

from playhead.config.errors import PlayheadError
from playhead.storage.datadir import DataDir
from playhead.storage.journal import remove_free

from ..headway import open_store
from ..pricing.setting import Costing
from ..recorder import Recorder
from ..recorders.tails import Limits
from ..recorders.traffic import Traffic
from ..recorders.upkeep import Upkeep
from .children import be_called, keep_memory, read_orders, report, start_logging
from .recorder_loop import Misplaced, RecorderLoop

NAME = "ph:recorder"
_NICE = 5


def main() -> None:
    """Run until everything is stored and nothing more can come."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends when its work does: the main process ends its standard input
    be_called(NAME)
    orders = read_orders()
    keep_memory()
    start_logging(orders.settings.log_level)
    settings = orders.settings
    data = DataDir(settings.data, settings.key_file)
    try:
        store = open_store(settings.store_url, create=True, durability=settings.durability)
        store.check_key(data.key())
    except PlayheadError as error:
        report({"problem": str(error)})
        raise SystemExit(3) from None
    with store:
        store.begin_sessions_with(settings.match_rules, settings.session)
        recorder = Recorder(
            store, data.journal_dir, reuse=True, cost_of=Costing(settings), label_headers=settings.label_header, limits=Limits.within(settings.journal_limit)
        )
        _stand_back()
        gc.freeze()
        gc.set_threshold(500_000, 20, 50)  # what a batch makes goes with it; what is left is looked for when there is nothing else to do
        report({"ready": True})
        try:
            # Where recordings are replayed beside it, somebody may be waiting for what is recorded.
            traffic = Traffic(data.journal_dir, settings.journal_limit) if settings.mode == "record" else None
            RecorderLoop(recorder, store, _Parent(), Upkeep(store, settings.retention, data.journal_dir), traffic).run()
        except Misplaced:
            raise SystemExit(3) from None  # the main process starts a recorder again
        recorder.close()
    remove_free(data.journal_dir, workers=False)


def _stand_back() -> None:
    """Traffic first: where processors are scarce, a worker that has something to send does not wait for the recorder to finish a batch."""
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
            os.nice(_NICE)


class _Parent:
    """The main process: it dismisses the recorder by ending its standard input."""

    def __init__(self) -> None:
        self._pid = os.getppid()

    def wait(self, seconds: float) -> bool:
        """Wait; whether standard input has ended."""
        readable, _, _ = select.select([sys.stdin.fileno()], [], [], seconds)
        return bool(readable)

    @property
    def gone(self) -> bool:
        """Whether it is dead."""
        return os.getppid() != self._pid

    def hear(self, state: dict[str, object]) -> None:
        """Report to it."""
        report({"metrics": state})


if __name__ == "__main__":
    main()

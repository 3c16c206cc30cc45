"""The recorder process: drains the journal until the main process is gone and the workers are."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import select
import signal
import sys
import time

from playhead.config.errors import PlayheadError, StoreError
from playhead.storage.datadir import DataDir
from playhead.storage.journal import remove_free
from playhead.storage.store import Store

from .children import Orders, keep_memory, read_orders, report, start_logging
from .recorder import Recorder

_BUSY_SECONDS = 0.03
_BUSIEST_SECONDS = 0.1
_RATIO = 8  # so many times as long as the last step took: what a step costs in itself is shared by more exchanges where there are many
_IDLE_SECONDS = 0.1
_REPORT_SECONDS = 1.0
_NICE = 5
_QUIET = 30  # steps without anything to read
log = logging.getLogger("playhead")


def main() -> None:
    """Run until everything is stored and nothing more can come."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends when its work does: the main process ends its standard input
    orders = read_orders()
    keep_memory()
    start_logging(orders.settings.log_level)
    settings = orders.settings
    data = DataDir(settings.data, settings.key_file)
    try:
        store = Store.open(settings.store_url, create=True, durability=settings.durability)
        store.check_key(data.key())
    except PlayheadError as error:
        report({"problem": str(error)})
        raise SystemExit(3) from None
    with store:
        recorder = Recorder(store, data.journal_dir, reuse=True)
        _stand_back()
        gc.freeze()
        gc.set_threshold(500_000, 20, 50)  # what a batch makes goes with it; what is left is looked for when there is nothing else to do
        report({"ready": True})
        RecorderLoop(recorder, store, orders).run()
        recorder.close()
    remove_free(data.journal_dir, workers=False)


def _stand_back() -> None:
    """Traffic first: where processors are scarce, a worker that has something to send does not wait for the recorder to finish a batch."""
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
            os.nice(_NICE)


class RecorderLoop:
    """Steps of a recorder, at the pace of what there is to do."""

    def __init__(self, recorder: Recorder, store: Store, orders: Orders) -> None:
        self._recorder = recorder
        self._store = store
        self._orders = orders
        self._problem: str | None = None
        self._failures = 0
        self._spent = 0.0  # seconds, in the last step
        self._told = 0.0
        self._state: dict[str, object] = {}
        self._parent = os.getppid()

    def run(self) -> None:
        """Until standard input has ended and everything is stored, or the main process is dead and the store does not take it."""
        orphaned = False
        quiet = 0
        while True:
            read = self._step()
            self._report()
            if (orphaned and self._recorder.idle and not read) or self._hopeless():
                return
            if read and self._problem is None:
                quiet = 0
                if not self._more():
                    orphaned = self._sleep(min(max(_BUSY_SECONDS, _RATIO * self._spent), _BUSIEST_SECONDS), orphaned)
                continue
            quiet += 1
            if quiet == _QUIET:
                gc.collect()
            orphaned = self._sleep(_BUSY_SECONDS if quiet < _QUIET else _IDLE_SECONDS, orphaned)

    def _hopeless(self) -> bool:
        """Whether nobody is left to wait for what the store does not take: the journal keeps it for the next start, which needs our lock."""
        if self._problem is not None and os.getppid() != self._parent:
            log.error("the store did not take everything: what is left waits in the journal for the next start")
            return True
        return False

    def _more(self) -> bool:
        """Whether the last step left something to read: then the next one comes at once."""
        return self._recorder.behind

    def _step(self) -> bool:
        if not self._store.in_place():
            log.error("the store %s was removed or replaced: recording goes on in what stands there now", self._store.name)
            raise SystemExit(3)  # the main process starts a recorder again, which begins with what the journal holds
        began = time.perf_counter()
        try:
            read = self._recorder.step()
        except (StoreError, OSError) as error:
            if self._problem is None:
                log.error("recording waits: %s", error)
            self._problem = str(error)
            self._failures += 1
            return False
        if self._problem is not None:
            log.warning("recording goes on")
        self._problem = None
        self._spent = time.perf_counter() - began
        return read

    def _sleep(self, seconds: float, orphaned: bool) -> bool:
        """Wait; whether standard input has ended."""
        if orphaned:
            time.sleep(seconds)
            return True
        readable, _, _ = select.select([sys.stdin.fileno()], [], [], seconds)
        return bool(readable)

    def _report(self) -> None:
        now = time.monotonic()
        if now - self._told < _REPORT_SECONDS:
            return
        self._told = now
        recorder = self._recorder
        state: dict[str, object] = {
            "exchanges": recorder.exchanges,
            "commits": recorder.commits,
            "commit_seconds": round(recorder.commit_seconds, 6),
            "failures": self._failures,
            "problem": self._problem,
        }
        if state != self._state:
            report({"metrics": state})
            self._state = state


if __name__ == "__main__":
    main()

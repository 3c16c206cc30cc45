"""A recorder at work: step after step, at the pace of what there is to do, in a process of its own or in a thread."""

from __future__ import annotations

import gc
import logging
import time
from typing import Protocol

from playhead.config.errors import StoreError
from playhead.storage.store import Store

from ..recorder import Recorder
from ..recorders.pace import LOOK_SECONDS, Pace
from ..recorders.traffic import Traffic
from ..recorders.upkeep import Upkeep

_EMPTY_SECONDS = 0.03
_IDLE_SECONDS = 0.1
_REPORT_SECONDS = 1.0
_QUIET = 30  # steps without anything to read
log = logging.getLogger("playhead")


class Misplaced(Exception):
    """The file of the store was removed or replaced: a recorder has to begin again, with what stands there now and with what the journal holds."""


class Master(Protocol):
    """Whom a recorder works for."""

    @property
    def gone(self) -> bool:
        """Whether nobody waits any more for what the store does not take."""

    def wait(self, seconds: float) -> bool:
        """Wait that long, or shorter; whether the recorder is dismissed: it ends when everything is stored."""

    def hear(self, state: dict[str, object]) -> None:
        """How far it has come."""


class RecorderLoop:
    """Steps of a recorder, at the pace of what there is to do."""

    def __init__(self, recorder: Recorder, store: Store, master: Master, upkeep: Upkeep | None = None, traffic: Traffic | None = None) -> None:
        """`traffic`: for which it stands back."""
        self._recorder = recorder
        self._upkeep = upkeep
        self._store = store
        self._master = master
        self._problem: str | None = None
        self._failures = 0
        self._pace = Pace(time.monotonic())
        self._traffic = traffic
        self._told = 0.0
        self._state: dict[str, object] = {}

    def run(self) -> None:
        """Until it is dismissed and everything is stored, or nobody is there any more and the store does not take it."""
        orphaned = False
        quiet = 0
        while True:
            read = self._step()
            self._report()
            if (orphaned and self._recorder.idle and not read) or self._hopeless():
                return
            if self._upkeep is not None and self._problem is None and not orphaned and not self._more():
                self._upkeep.step()
            if read and self._problem is None:
                quiet = 0
                orphaned = self._rest(orphaned)
                continue
            quiet += 1
            if quiet == _QUIET:
                gc.collect()
            orphaned = self._sleep(_EMPTY_SECONDS if quiet < _QUIET else _IDLE_SECONDS, orphaned)

    def _hopeless(self) -> bool:
        """Whether nobody is left to wait for what the store does not take: the journal keeps it for the next start, which needs our lock."""
        if self._problem is not None and self._master.gone:
            log.error("the store did not take everything: what is left waits in the journal for the next start")
            return True
        return False

    def _more(self) -> bool:
        """Whether the last step left something to read: then the next one comes at once."""
        return self._recorder.behind

    def _step(self) -> bool:
        if not self._store.in_place():
            log.error("the store %s was removed or replaced: recording goes on in what stands there now", self._store.name)
            raise Misplaced
        began = time.monotonic()
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
        now = time.monotonic()
        self._pace.stepped(now, now - began, behind=self._more())
        return read

    def _rest(self, orphaned: bool) -> bool:
        """After a step that has read something; whether it is dismissed."""
        pace, traffic = self._pace, self._traffic
        if pace.rest:
            orphaned = self._sleep(pace.rest, orphaned)
        if traffic is not None:
            while not orphaned and pace.heavy and pace.stands_back(time.monotonic(), traffic.look()):
                orphaned = self._sleep(LOOK_SECONDS, orphaned)
            traffic.watch()
        return orphaned

    def _sleep(self, seconds: float, orphaned: bool) -> bool:
        """Wait; whether it is dismissed."""
        if orphaned:
            time.sleep(seconds)
            return True
        return self._master.wait(seconds)

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
            self._master.hear(state)
            self._state = state

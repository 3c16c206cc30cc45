"""What a worker writes: frames to the journal, and behind them bytes to its clients.

What one read from upstream has brought is written to the journal with one call; only then it leaves for the client. So a killed process loses nothing
that a client has received. With strict durability, what arrives in one turn of the event loop is written and brought to disk together.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from itertools import islice
from typing import Any, Protocol

from playhead.storage.journal import JournalWriter
from playhead.storage.records import Kind

from ..notes import unbundle, with_loss


class Unrecorded(Protocol):
    """Whose bytes wait for the journal."""

    @property
    def number(self) -> int:
        """0 where nothing of it is recorded, so that there is nothing to wait for."""

    def unrecordable(self, problem: str) -> None:
        """Strict durability: what was to be sent could not be recorded; it was not sent, and nothing more will be."""


# What a client has sent need not be in the journal before it goes on: it goes there with what comes next, at the latest after this time.
_FROM_CLIENT = frozenset(map(int, (Kind.OPEN, Kind.REQUEST_DATA, Kind.REQUEST_END, Kind.CLIENT_FRAME, Kind.BEGIN)))
_LATER = 0.01
_MUCH = 1 << 20
_LAST = frozenset(map(int, (Kind.END, Kind.FINISH)))
_AGAIN = 1.0  # after which it is tried again to write what is owed
_OWED = 10_000  # ends that are remembered
_AT_ONCE = 64
_Step = tuple[Unrecorded, Callable[..., object], tuple[Any, ...]]


class Taking(Unrecorded, Protocol):
    """Who takes bytes for its client."""

    def take(self, data: bytes) -> object:
        """The journal has them: they leave."""


class Tape:
    """The journal of a worker and the outbox behind it. `journal` is None where nothing is recorded."""

    def __init__(self, journal: JournalWriter | None, *, strict: bool) -> None:
        self.journal = journal
        self.strict = strict
        self.dropped = 0  # exchanges of which something was not recorded
        self._relaxed = None if strict else journal  # the journal, if nobody waits for it to be on disk
        self._loop = asyncio.get_running_loop()
        self._number = 0
        self._closed: dict[int, bool] = {}  # exchanges that ended since the last write, and whether they are counted as dropped
        self._unbegun: set[int] = set()  # exchanges in flight whose first frame was dropped
        self._owed: dict[int, tuple[int, bytes]] = {}  # relaxed: ends that were dropped, of exchanges that the journal has begun: at, payload
        self._again: asyncio.TimerHandle | None = None
        self._problem: str | None = None  # strict: why something of this turn was dropped before its end
        self._outbox: list[_Step] = []
        self._scheduled = False
        self._later: asyncio.TimerHandle | None = None
        self._waiting: list[_Step] = []  # strict: journalled, to be sent once it is on disk
        self._syncing = False

    def open(self) -> int:
        """The number of a new exchange."""
        self._number += 1
        return self._number

    def record(self, kind: int, number: int, at: int, payload: bytes) -> None:
        """Journal a frame of an exchange: with the next step that is to follow it, or at least soon."""
        journal = self.journal
        if journal is None or number in journal.lost:
            return
        journal.append(kind, number, at, payload)
        if self.strict:
            self._schedule()
        elif kind in _FROM_CLIENT:
            if journal.waiting > _MUCH:
                self._write()
            elif self._later is None:
                self._later = self._loop.call_later(_LATER, self._write_late)

    def close(self, number: int, at: int, kind: int, payload: Callable[[bool], bytes]) -> None:
        """Journal the last frame of an exchange; `payload` is told whether frames of it were lost."""
        journal = self.journal
        if journal is None:
            return
        lost = number in journal.lost
        if lost:
            unbegun = number in self._unbegun
            self.forget(number)
            self.dropped += 1
            if unbegun:
                return
        self._closed[number] = lost
        journal.append(kind, number, at, payload(lost))
        if self.strict:
            self._schedule()
        elif self._later is None:
            self._later = self._loop.call_later(_LATER, self._write_late)

    def forget(self, number: int) -> None:
        """An exchange that could not be recorded was not made."""
        if self.journal is not None:
            self.journal.lost.discard(number)
            self._unbegun.discard(number)

    def then(self, owner: Unrecorded, step: Callable[..., object], *args: Any) -> None:
        """Do something when all that was recorded so far is in the journal: now; strict: once it is on disk, after all steps before."""
        if self.strict and self.journal is not None:
            self._outbox.append((owner, step, args))
            self._schedule()
        else:
            self._write()
            try:
                step(*args)
            except Exception as error:
                self._failed(error)

    def pass_on(self, owner: Taking, kind: int, at: int, payload: bytes, data: bytes) -> None:
        """Journal a frame of an exchange, behind which the owner takes `data`: as `record` and `then`, by the shortest way where nobody waits for the disk."""
        journal, number = self._relaxed, owner.number
        if journal is None or number in journal.lost:
            self.record(kind, number, at, payload)
            self.then(owner, owner.take, data)
            return
        if not journal.write(kind, number, at, payload):
            self._drop(journal)
        elif self._closed:
            self._closed.clear()
        try:
            owner.take(data)
        except Exception as error:
            self._failed(error)

    def flush_now(self) -> str | None:
        """Write what was recorded at once; the reason if that failed."""
        problem = self._write()
        if problem is not None:
            self._problem = problem
        return problem

    def _write(self) -> str | None:
        """The reason if something was dropped since the last write."""
        journal = self.journal
        if journal is None or journal.flush():
            self._closed.clear()
            return None
        self._drop(journal)
        return journal.problem or "the journal could not be written"

    def _drop(self, journal: JournalWriter) -> None:
        """Something was dropped since the last write: exchanges that have ended are counted now, or nobody would ask for them again."""
        gone = journal.lost.intersection(self._closed)
        self.dropped += sum(not self._closed[number] for number in gone)
        self._closed.clear()
        gone |= self._owe(journal)
        journal.lost -= gone
        self._unbegun -= gone
        if self._owed and self._again is None:
            self._pay(journal)

    def _owe(self, journal: JournalWriter) -> set[int]:
        """Remember the ends that were dropped: without, what the journal has begun stays open, and holds its place there. Gives whose they were."""
        edges, journal.edges = journal.edges, []
        self._unbegun.update(number for kind, number, _, _ in edges if kind not in _LAST and number in journal.lost)
        ends = {number: (kind, at, payload) for kind, number, at, payload in edges if kind in _LAST}
        if self.strict or not journal.begun:
            return set(ends)
        for number in islice(ends.keys() - self._unbegun, _OWED - len(self._owed)):
            kind, at, payload = ends[number]
            self._owed[number] = at, with_loss(unbundle(payload)[1] if kind == Kind.FINISH else payload)
        return set(ends)

    def _pay(self, journal: JournalWriter) -> None:
        """Write the ends that are owed, also beyond the limit: they are small, and what they end has begun within it."""
        journal.insists = True
        while self._owed and self._again is None:
            for number in list(islice(self._owed, _AT_ONCE)):
                journal.append(Kind.END, number, *self._owed.pop(number))
            if not journal.flush():
                journal.lost -= self._owe(journal)
                self._again = self._loop.call_later(_AGAIN, self._try_again, journal)
        journal.insists = False

    def _try_again(self, journal: JournalWriter) -> None:
        self._again = None
        self._write()
        if self._again is None:
            self._pay(journal)

    def _write_late(self) -> None:
        self._later = None
        self._write()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Strict: the end of a turn."""
        self._scheduled = False
        steps, self._outbox = self._outbox, []
        journal = self.journal
        assert journal is not None
        self.flush_now()
        problem, self._problem = self._problem, None  # of the whole turn: what was written at once was part of it
        self._take([step for step in steps if not step[0].number])
        steps = [step for step in steps if step[0].number]
        if problem is not None or not journal.begun:
            self._refuse(steps, problem or "there is no journal")
        elif steps:
            self._waiting += steps
            self._sync(journal)

    def _sync(self, journal: JournalWriter) -> None:
        """Bring the journal to the disk, for all that wait together."""
        if self._syncing or not self._waiting:
            return
        steps, self._waiting = self._waiting, []
        self._syncing = True
        # A descriptor of its own: the journal may begin a new segment meanwhile.
        task = self._loop.run_in_executor(None, _fdatasync, journal.duplicate())
        task.add_done_callback(lambda done: self._synced(journal, steps, done.exception()))

    def _synced(self, journal: JournalWriter, steps: list[_Step], error: BaseException | None) -> None:
        self._syncing = False
        if error is None:
            self._take(steps)
        else:
            self._refuse(steps, f"the journal cannot be brought to disk: {error}")
        self._sync(journal)

    def _take(self, steps: list[_Step]) -> None:
        for _, step, args in steps:
            try:
                step(*args)
            except Exception as error:
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        """One client did not get its bytes: the others get theirs."""
        self._loop.call_exception_handler({"message": "bytes could not be sent to a client", "exception": error})

    def _refuse(self, steps: list[_Step], problem: str) -> None:
        for owner in dict.fromkeys(owner for owner, _, _ in steps):
            owner.unrecordable(problem)

    def shut(self) -> None:
        """Write what is left; idempotent."""
        if self.journal is None:
            return
        if self._again is not None:
            self._again.cancel()
            self._try_again(self.journal)
        self.journal.close()
        if self._again is not None:
            self._again.cancel()


def _fdatasync(fd: int) -> None:
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)

"""An answer that is played from its recording, step by step: in its times, or from the store because it is too big for memory."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Protocol

from playhead.config.errors import PlayheadError
from playhead.config.faults import Fault

from ..forwarding.http1 import ProtocolError
from ..recordings.ready import together
from ..script import AT_ONCE, Begin, Break, Data, End, Interim, Met, Reset, Step, Wait, due
from ..upstream import Receiver

log = logging.getLogger("playhead")

_DRAWN = 64  # steps that are drawn from the store together
_DRAWN_BYTES = 1 << 20


class Audience(Receiver, Protocol):
    """Who is told what a recording says: a receiver that knows the two endings which are no news from upstream."""

    def broke(self) -> None:
        """The connection broke here, with or without an answer before."""

    def reset(self) -> None:
        """A fault: the connection ends with a reset."""

    def met(self, fault: Fault) -> None:
        """A fault is met here."""

    def holds(self) -> None:
        """Nothing more comes, and the connection stays open until the client leaves."""


class Playing:
    """A leg that plays one answer to its end. `started`: when the exchange did, on the monotonic clock, in ns."""

    def __init__(self, audience: Audience, steps: Sequence[Step] | Iterator[Step], *, started: int, speed: float) -> None:
        self.answered = True
        self.reusable = True
        self.stalled = False
        self._audience: Audience | None = audience
        self._steps = steps
        self._started = started
        self._speed = speed
        self._going = asyncio.Event()
        self._going.set()
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.ensure_future(self._play())

    async def _play(self) -> None:
        try:
            if isinstance(self._steps, Sequence):
                await self._take(self._steps)
                return
            while drawn := await self._loop.run_in_executor(None, _draw, self._steps):
                await self._take(together(drawn) if self._speed == AT_ONCE else drawn)
        except (PlayheadError, ProtocolError) as error:
            log.error("a recording could not be served to its end: %s", error)
            self._break()
        except Exception:
            log.exception("a recording could not be served to its end for a fault of playhead's own")
            self._break()

    def _break(self) -> None:
        if self._audience is not None:
            self._audience.broke()

    async def _take(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if self._speed != AT_ONCE:
                await self._until(due(step.at, self._speed))
            await self._going.wait()
            audience = self._audience
            if audience is None:
                return
            if isinstance(step, Wait):
                self._started += step.ns
                await asyncio.sleep(step.ns / 1e9)
                continue
            _tell(audience, step)
            audience.settled()

    async def _until(self, at: int) -> None:
        """Wait for that many ns after the exchange's start; not at all if they are over."""
        left = self._started + at - time.monotonic_ns()
        if left > 0:
            await asyncio.sleep(left / 1e9)

    def pause_reading(self) -> None:
        """Stop: the client is slower."""
        self._going.clear()

    def resume_reading(self) -> None:
        """Go on."""
        self._going.set()

    def abort(self) -> None:
        """The audience hears nothing more. Idempotent."""
        self._audience = None
        self._going.set()
        if not self._task.done() and self._task is not asyncio.current_task():
            self._task.cancel()

    # What a client says is of no account: the answer is known. (A transcript of a WebSocket would wait for it.)

    def begin(self, receiver: Receiver, method: str) -> None:
        """Nothing: it has begun."""

    def write(self, data: bytes) -> None:
        """Nothing."""

    async def drain(self) -> None:
        """Nothing to wait for."""

    def release(self) -> None:
        """The exchange is over."""
        self.abort()

    def close(self) -> None:
        """As `abort`."""
        self.abort()


def _draw(steps: Iterator[Step]) -> list[Step]:
    """The next steps, read in a thread."""
    drawn: list[Step] = []
    size = 0
    for step in islice(steps, _DRAWN):
        drawn.append(step)
        size += len(step.data) if isinstance(step, Data) else 0
        if size > _DRAWN_BYTES:
            break
    return drawn


def _tell(audience: Audience, step: Step) -> None:
    if isinstance(step, Data):
        audience.data(step.data, [step.payload])
    elif isinstance(step, Begin):
        audience.head(step.head, step.framing)
    elif isinstance(step, Interim):
        audience.interim(step.head)
    elif isinstance(step, End):
        audience.ended()
    elif isinstance(step, Break):
        audience.broke()
    elif isinstance(step, Reset):
        audience.reset()
    elif isinstance(step, Met):
        audience.met(step.fault)
    else:
        audience.holds()

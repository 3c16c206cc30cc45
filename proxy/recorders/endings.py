"""Exchanges whose end has been read, on their way into the batch: several at once, stage by stage.

What a processor has just run it runs again in two thirds of the time: to read the streams of many answers one behind the other, then to make their
records, then to price them, costs a tenth less than to do all of it for each in turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from playhead.storage.records import Recorded, Spill

from .suspects import Suspects
from .tails import Open, Place, Tail

_TOGETHER = 32


@dataclass(slots=True, eq=False)
class Ended:
    """An exchange, or a connection, whose end stands at `place`. `aborted`: it has none, and never will. `made`: what is to be stored of it."""

    tail: Tail
    open: Open
    place: Place
    aborted: bool
    made: Recorded | Spill | None = None

    def take_apart(self) -> None:
        """Find the events in what is held of its answer."""
        self.open.assembly.settle(halfway=True)

    def settle(self) -> None:
        """Read what is held of its answer."""
        self.open.assembly.settle()

    def make(self) -> None:
        """Make what is to be stored. A connection with turns is looked at when its turns have been taken."""
        if self.open.assembly.multiplex is None:
            self.make_own()

    def make_own(self) -> None:
        """The same; of a connection whose turns have been taken, what there is beside them."""
        assembly = self.open.assembly
        if assembly.is_exchange and self.made is None:
            self.made = assembly.finish(aborted=self.aborted) if self.open.state is None else assembly.spill(final=True, aborted=self.aborted)


class Endings:
    """Those that are not in the batch yet, in the order of their ends.

    `take`: puts one into the batch. `stop_parsing`: gives it another assembly, which does not look at what broke the last one.
    """

    def __init__(self, suspects: Suspects, take: Callable[[Ended], None], stop_parsing: Callable[[Tail, Open], None]) -> None:
        self._suspects, self._take, self._stop_parsing = suspects, take, stop_parsing
        self._waiting: deque[Ended] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, ended: Ended) -> None:
        """One more."""
        self._waiting.append(ended)
        if len(self._waiting) >= _TOGETHER:
            self.finish()

    def finish(self) -> None:
        """All of them into the batch. What raises stays, with all behind it."""
        streams = [ended for ended in self._waiting if ended.open.assembly.is_stream]
        for stage, concerned in ((Ended.take_apart, streams), (Ended.settle, streams), (Ended.make, self._waiting)):
            for ended in concerned:
                self._safely(stage, ended)
        while self._waiting:
            self._safely(self._take, self._waiting[0])
            self._waiting.popleft()

    def _safely(self, step: Callable[[Ended], None], ended: Ended) -> None:
        """What fails is tried once more without parsing."""
        self._suspects.mark(ended.tail.writer, ended.open.assembly.number, ended.place)
        try:
            step(ended)
        except Exception:
            self._stop_parsing(ended.tail, ended.open)
            ended.made = None
            ended.make()
            if step is self._take:
                step(ended)

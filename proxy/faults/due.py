"""The faults of a server: which of them a request meets, and how often it has met them. Pure.

What has met a fault is known by its exchange, not by the request: whoever asks again for the same recorded answer gets it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from playhead.config.faults import Fault
from playhead.storage.records import FaultRecord


class Faults:
    """Those of the settings, and those that were asked for since. May be added to from any thread."""

    def __init__(self, given: Iterable[Fault] = ()) -> None:
        self._given: tuple[tuple[str | None, Fault], ...] = tuple((None, fault) for fault in given)
        self._met: Counter[tuple[str, str, int]] = Counter()
        self.served: list[FaultRecord] = []
        """Those that were met, in order."""

    def add(self, faults: Iterable[Fault], session: str | None = None) -> None:
        """From now on, in one session or in all."""
        self._given = (*self._given, *((session, fault) for fault in faults))

    def clear(self, session: str | None = None) -> None:
        """None any more: of those that were asked for in one session, or of all."""
        if session is None or any(one[0] == session for one in self._given):
            self._given = tuple(one for one in self._given if session is not None and one[0] != session)

    def any(self, asked: Sequence[Fault] = ()) -> bool:
        """Whether a request may meet one. `asked`: what it asks for itself."""
        return bool(self._given or asked)

    def due(self, session: str, asked: Sequence[Fault], exchange: int, turn: int | None) -> list[Fault]:
        """What the answer of that exchange meets now."""
        return self._due(session, [fault for fault in self._of(session, asked) if not fault.at_handshake and fault.meets(turn)], exchange)

    def at_handshake(self, session: str, asked: Sequence[Fault], connection: int) -> list[Fault]:
        """The same of the opening of a WebSocket. `connection`: of the session's openings, which one it is."""
        return self._due(session, [fault for fault in self._of(session, asked) if fault.at_handshake], -1 - connection)

    def met(self, session: str, fault: Fault, exchange: int) -> None:
        """It has been met."""
        self._met[session, str(fault), exchange] += 1
        self._met[session, str(fault), 0] += 1  # no exchange has that id

    def forget(self, session: str) -> None:
        """The session is over: what was asked for it alone, and what it has met."""
        self.clear(session)
        self.rewind(session)

    def rewind(self, session: str) -> None:
        """A pass of the session begins again."""
        for key in [key for key in self._met if key[0] == session]:
            del self._met[key]

    def _of(self, session: str, asked: Sequence[Fault]) -> list[Fault]:
        return list(dict.fromkeys((*(fault for whose, fault in self._given if whose in (None, session)), *asked)))

    def _due(self, session: str, faults: Iterable[Fault], exchange: int) -> list[Fault]:
        return [fault for fault in faults if not fault.times or self._met[session, str(fault), 0 if fault.once else exchange] < fault.times]

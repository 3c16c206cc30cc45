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

    def __init__(self, given: Iterable[Fault] = (), most: int = 10_000) -> None:
        """`most`: of those that were served so many are known, the newest."""
        self._given: tuple[tuple[str | None, Fault], ...] = tuple((None, fault) for fault in given)
        self._met: Counter[tuple[str, str, int]] = Counter()
        self._held: dict[tuple[str, str], int] = {}  # of those that are served once: the exchange whose answer may be about to meet it
        self._served: dict[int, FaultRecord] = {}
        self._most = most

    @property
    def served(self) -> list[FaultRecord]:
        """Those that were met, in order."""
        return [*self._served.values()]

    def keep(self, number: int, record: FaultRecord) -> None:
        """One was met, or more is known of it. `number`: its own, greater than those before."""
        self._served[number] = record
        if len(self._served) > self._most:
            del self._served[next(iter(self._served))]

    def kept(self, number: int) -> FaultRecord | None:
        """That one, if it is not too long ago."""
        return self._served.get(number)

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
        """What the answer of that exchange meets now. Of what is served once it is the only one to meet it, until it is said to have `ended`."""
        return self._due(session, [fault for fault in self._of(session, asked) if not fault.at_handshake and fault.meets(turn)], exchange)

    def at_handshake(self, session: str, asked: Sequence[Fault], connection: int) -> list[Fault]:
        """The same of the opening of a WebSocket. `connection`: of the session's openings, which one it is."""
        return self._due(session, [fault for fault in self._of(session, asked) if fault.at_handshake], -1 - connection)

    def met(self, session: str, fault: Fault, exchange: int) -> None:
        """It has been met."""
        self._met[session, str(fault), exchange] += 1
        self._met[session, str(fault), 0] += 1  # no exchange has that id

    def ended(self, session: str, exchange: int) -> None:
        """That answer meets nothing more."""
        for key in [key for key, holder in self._held.items() if (key[0], holder) == (session, exchange)]:
            del self._held[key]

    def forget(self, session: str) -> None:
        """The session is over: what was asked for it alone, and what it has met."""
        self.clear(session)
        self.rewind(session)

    def rewind(self, session: str) -> None:
        """A pass of the session begins again."""
        for key in [key for key in self._met if key[0] == session]:
            del self._met[key]
        for held in [held for held in self._held if held[0] == session]:
            del self._held[held]

    def _of(self, session: str, asked: Sequence[Fault]) -> list[Fault]:
        return list(dict.fromkeys((*(fault for whose, fault in self._given if whose in (None, session)), *asked)))

    def _due(self, session: str, faults: Iterable[Fault], exchange: int) -> list[Fault]:
        return [fault for fault in faults if (self._is_free(session, fault, exchange) if fault.once else self._is_due(session, fault, exchange))]

    def _is_due(self, session: str, fault: Fault, exchange: int) -> bool:
        return not fault.times or self._met[session, str(fault), exchange] < fault.times

    def _is_free(self, session: str, fault: Fault, exchange: int) -> bool:
        """Requests may come together: between the moment when it is due and that when it is met, others must not find it due, too."""
        return self._is_due(session, fault, 0) and self._held.setdefault((session, str(fault)), exchange) == exchange

"""What a client did after a fault: it asked again, went on from where it was, went on as if nothing had been, or gave up. Pure: times are arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

Outcome = dict[str, Any]

_GAVE_UP: Mapping[str, Any] = MappingProxyType({"next": "gave_up"})


class Known(NamedTuple):
    """What became of a fault, which is known by its number."""

    number: int
    outcome: Outcome


@dataclass(slots=True)
class _Waiting:
    number: int
    session: str
    digest: bytes
    at: int
    response_id: str | None = None
    reconnected: int | None = None  # when


class Aftermath:
    """The faults of which it is not known yet. `most`: of so many; who has done nothing while others met so many gave up."""

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._waiting: dict[int, _Waiting] = {}  # the oldest first
        self._sessions: dict[str, dict[int, _Waiting]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def fell(self, number: int, session: str, digest: bytes, now: int) -> list[Known]:
        """A fault was met. `digest`: of the request; `now`: ns, on any clock. Those of which nothing is expected any more."""
        one = self._waiting[number] = _Waiting(number, session, digest, now)
        self._sessions.setdefault(session, {})[number] = one
        surplus = [*islice(self._waiting.values(), max(len(self._waiting) - self._most, 0))]
        return self._known(surplus, lambda _: dict(_GAVE_UP))

    def answers(self, number: int, response_id: str | None) -> None:
        """What the answer's response is called."""
        if (one := self._waiting.get(number)) is not None:
            one.response_id = response_id

    def asked(self, session: str, digest: bytes, now: int) -> list[Known]:
        """A request has come: those faults that it is the answer to."""
        return self._take([one for one in self._of(session) if one.digest == digest], "retried", now)

    def resumed(self, session: str, path: str, now: int) -> list[Known]:
        """A request has come that may go on with an answer, or fetch it. `path`: with its query."""
        parts = path.partition("?")[0].split("/")
        return self._take([one for one in self._of(session) if one.response_id is not None and one.response_id in parts], "resumed", now)

    def went_back(self, session: str, number: int, now: int) -> list[Known]:
        """The client has said again all that the fault had made it lose."""
        return self._take([one for one in self._of(session) if one.number == number], "resumed", now)

    def connected(self, session: str, now: int) -> None:
        """A WebSocket is opened."""
        for one in self._of(session):
            one.reconnected = one.reconnected if one.reconnected is not None else now

    def took(self, number: int, now: int) -> list[Known]:
        """The client has got all of the answer."""
        return self._take([self._waiting[number]] if number in self._waiting else [], "went_on", now)

    def over(self) -> list[Known]:
        """Nothing comes any more."""
        return self._known([*self._waiting.values()], lambda _: dict(_GAVE_UP))

    def _of(self, session: str) -> Iterable[_Waiting]:
        return self._sessions.get(session, {}).values()

    def _take(self, found: Sequence[_Waiting], what: str, now: int) -> list[Known]:
        return self._known(found, lambda one: _outcome(one, what, now))

    def _known(self, found: Sequence[_Waiting], outcome: Callable[[_Waiting], Outcome]) -> list[Known]:
        for one in found:
            del self._waiting[one.number], self._sessions[one.session][one.number]
            if not self._sessions[one.session]:
                del self._sessions[one.session]
        return [Known(one.number, outcome(one)) for one in found]


def _outcome(one: _Waiting, what: str, now: int) -> Outcome:
    told: Outcome = {"next": what, "after_ms": _ms(now - one.at)}
    return told if one.reconnected is None else told | {"reconnected_after_ms": _ms(one.reconnected - one.at)}


def _ms(ns: int) -> float:
    return round(max(ns, 0) / 1e6, 1)


def in_words(outcome: Outcome | None) -> str:
    """What the client did, for a person."""
    if not outcome:
        return "not known"
    after = outcome.get("after_ms")
    time = "" if after is None else f" after {after / 1000:.1f} s" if after >= 1000 else f" after {after:.0f} ms"
    words = {"retried": "retried", "resumed": "resumed", "went_on": "went on", "gave_up": "gave up"}.get(str(outcome.get("next")), "not known")
    return f"{words}{time if words in ('retried', 'resumed') else ''}{', on a new connection' if 'reconnected_after_ms' in outcome else ''}"

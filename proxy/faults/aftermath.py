"""What a client did after a fault: it asked again, went on from where it was, went on as if nothing had been, or gave up. Pure: times are arguments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

Outcome = dict[str, Any]


class Known(NamedTuple):
    """What became of a fault, which is known by its number."""

    number: int
    outcome: Outcome


@dataclass(slots=True)
class _Waiting:
    number: int
    digest: bytes
    at: int
    response_id: str | None = None
    reconnected: int | None = None  # when


class Aftermath:
    """The faults of which it is not known yet."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[_Waiting]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def fell(self, number: int, session: str, digest: bytes, now: int) -> None:
        """A fault was met. `digest`: of the request; `now`: ns, on any clock."""
        self._waiting.setdefault(session, []).append(_Waiting(number, digest, now))

    def answers(self, number: int, response_id: str | None) -> None:
        """What the answer's response is called."""
        for one in self._all():
            if one.number == number:
                one.response_id = response_id

    def asked(self, session: str, digest: bytes, now: int) -> list[Known]:
        """A request has come: those faults that it is the answer to."""
        return self._take(session, [one for one in self._waiting.get(session, ()) if one.digest == digest], "retried", now)

    def resumed(self, session: str, path: str, now: int) -> list[Known]:
        """A request has come that may go on with an answer, or fetch it. `path`: with its query."""
        parts = path.partition("?")[0].split("/")
        return self._take(session, [one for one in self._waiting.get(session, ()) if one.response_id is not None and one.response_id in parts], "resumed", now)

    def went_back(self, session: str, number: int, now: int) -> list[Known]:
        """The client has said again all that the fault had made it lose."""
        return self._take(session, [one for one in self._waiting.get(session, ()) if one.number == number], "resumed", now)

    def connected(self, session: str, now: int) -> None:
        """A WebSocket is opened."""
        for one in self._waiting.get(session, ()):
            one.reconnected = one.reconnected if one.reconnected is not None else now

    def took(self, number: int, now: int) -> list[Known]:
        """The client has got all of the answer."""
        for session, waiting in list(self._waiting.items()):
            if found := [one for one in waiting if one.number == number]:
                return self._take(session, found, "went_on", now)
        return []

    def over(self) -> list[Known]:
        """Nothing comes any more."""
        found = [Known(one.number, {"next": "gave_up"}) for one in self._all()]
        self._waiting.clear()
        return found

    def _all(self) -> Iterator[_Waiting]:
        return (one for waiting in self._waiting.values() for one in waiting)

    def _take(self, session: str, found: list[_Waiting], what: str, now: int) -> list[Known]:
        if not found:
            return []
        left = [one for one in self._waiting[session] if one not in found]
        if left:
            self._waiting[session] = left
        else:
            del self._waiting[session]
        return [Known(one.number, _outcome(one, what, now)) for one in found]


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

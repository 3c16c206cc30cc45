"""A replayed request that has no recorded twin: which recording it resembles most, how they differ, why, and how that is told. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import takewhile
from operator import itemgetter
from shlex import quote
from types import MappingProxyType
from typing import Any, NamedTuple

from playhead.storage.records import Asks, DivergenceCode

from .diverging.causes import CAUSES, Cause
from .diverging.differences import Difference

_IN_ANSWER = 3  # differences that the answer names
_IN_LOG = 12
_LONGEST = 1_200  # characters of an answer's message
_NAMES: Mapping[Asks, str] = MappingProxyType({"http": "plain HTTP", "sse": "SSE", "ws": "a WebSocket"})


class Candidate(NamedTuple):
    """A recording that a request may be compared with. `items`: as `Fingerprint.items`; `served`: whether it has been given out already."""

    exchange: int
    place: int
    method: str
    path: str
    model: str | None
    items: bytes
    served: bool


class Wanted(NamedTuple):
    """What was asked for. `place`: where in the recording it was expected, behind what was served last."""

    method: str
    path: str
    model: str | None
    items: bytes
    place: int


def rank(wanted: Wanted, candidates: Iterable[Candidate], most: int, tied: int = 0) -> list[Candidate]:
    """The candidates that resemble the request most, the best first; and with `tied` of them at most, those that resemble it as much as the best, but for
    their place.

    What counts, in this order: method and path (or else how much of the path is the same), whether it was not served yet, how many items have no equal
    on the other side, how different their numbers are, model, how near it is to the place where it was expected.
    """
    items = array("I", wanted.items)
    known = frozenset(items)

    def unlike(one: Candidate) -> tuple[int, ...]:
        theirs = array("I", one.items)
        same = _common(items, theirs)
        overlap = len(known.intersection(theirs)) if len(items) > same < len(theirs) else same
        strange = max(len(items), len(theirs)) - max(overlap, same)
        off = one.place - wanted.place
        other = (one.method != wanted.method or one.path != wanted.path, -_shared(one.path, wanted.path), one.served)
        return (*map(int, other), strange, abs(len(items) - len(theirs)), int(one.model != wanted.model), abs(off), one.place)

    found = nsmallest(max(most, tied), ((unlike(one), one) for one in candidates), key=itemgetter(0))
    return [one for number, (key, one) in enumerate(found) if number < most or key[:-2] == found[0][0][:-2]]


def _shared(one: str, other: str) -> int:
    """How many segments of the path are the same, from the first on."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one.split("/"), other.split("/"), strict=False)))


def _common(one: array[int], other: array[int]) -> int:
    length = min(len(one), len(other))
    if one[:length] == other[:length]:
        return length
    return next(place for place in range(length) if one[place] != other[place])


@dataclass(frozen=True, slots=True)
class Miss:
    """Why a request was not served. Everything in it is redacted.

    `take`: the one that is replayed; None: all. `recorded`: exchanges that were recorded of this very request, the served ones among them; the first
    thousand of them. `asks`: the transport it asks for. `nearest`: the exchange it resembles most. `causes`: the class of each of the differences.
    `served`: the nearest had been given out already. `after`: the exchange that was served last while the program followed the recording; `expected`: the
    one that was due then. `rules`: under these it would match the nearest. `message`: of what is no request but a message over a WebSocket, what that is.
    """

    code: DivergenceCode
    session: str
    take: int | None
    method: str
    path: str
    asks: Asks
    recorded: Sequence[int] = ()
    recorded_over: Asks | None = None
    nearest: int | None = None
    nearest_request: str = ""
    differences: Sequence[Difference] = ()
    causes: Sequence[Cause | None] = ()
    cause: Cause | None = None
    served: bool = False
    after: int | None = None
    expected: int | None = None
    rules: Sequence[str] = ()
    note: str = ""
    message: str = ""
    from_cassette: bool = False
    """What is replayed is in no store in which a command would find it."""
    cassette: str = ""
    """Where that is, for a command; empty: whoever reads this is told something better."""

    def answer(self, id_: int = 0) -> str:
        """For the client: a few sentences on one line. `id_`: of the divergence that was kept; 0: none was."""
        parts = [self._what(), self._why(), self._nearest(_IN_ANSWER), self._parted(), self.note]
        text = " ".join(filter(None, parts))
        text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
        return " ".join(filter(None, (text, self._advice(id_))))

    @property
    def story(self) -> str:
        """For the log and for listings: a line, and one for each difference."""
        lines = [" ".join(filter(None, (self._what(), self._why(), self._parted(), self.note, self._nearest(0))))]
        lines += [f"  {difference}" for difference in self.differences[:_IN_LOG]]
        if (more := len(self.differences) - _IN_LOG) > 0:
            lines.append(f"  and {more} more")
        if self.rules:
            lines.append(f"  {self._under()}")
        return "\n".join(lines)

    @property
    def details(self) -> list[dict[str, Any]]:
        """The differences as JSON."""
        causes = [*self.causes, *[None] * (len(self.differences) - len(self.causes))]
        return [difference._asdict() | {"cause": cause} for difference, cause in zip(self.differences, causes, strict=True)]

    @property
    def proposal(self) -> list[str] | None:
        """The rules, if there are any."""
        return [*self.rules] or None

    def told(self, id_: int = 0) -> dict[str, Any]:
        """For programs: what an error of playhead's own says beside its message."""
        return {
            "id": None if self.from_cassette else id_ or None,
            "session": self.session,
            "cause": self.cause,
            "nearest": self.nearest,
            "after": self.after,
            "expected": self.expected,
            "differences": self.details[:_IN_ANSWER],
            "rules": [*self.rules],
            "actions": self._actions(id_),
        }

    def _actions(self, id_: int) -> list[str]:
        if self.from_cassette:
            return [self._add_rules] if self.rules and self.cassette and not self.served else []
        return actions(self.session, id_, rules=self.rules, nearest=None if self.served else self.nearest, expected=self.expected)

    def _why(self) -> str:
        return f"Cause: {self.cause} ({CAUSES[self.cause]})." if self.cause is not None and self.cause != "transport" and self.code == "no_match" else ""

    def _parted(self) -> str:
        """Where the program left the recording."""
        if self.code != "no_match" or self.recorded or (self.after is None and self.expected is None):
            return ""
        left = f"after exchange {self.after}" if self.after is not None else "at its beginning"
        due = f"exchange {self.expected} was expected" if self.expected is not None else "nothing more was recorded"
        return f"The program left the recording {left}; {due}."

    def _under(self) -> str:
        named = " and ".join(f"`{rule}`" for rule in self.rules)
        rules = f"the rule{'s' * (len(self.rules) != 1)} {named}"
        return f"Under {rules} exchange {self.nearest} would match{', but it has been served' if self.served else ''}."

    def _advice(self, id_: int) -> str:
        if self.code != "no_match" or self.recorded:
            return ""
        if self.from_cassette:
            adds = f" `{self._add_rules}` adds {'it' if len(self.rules) == 1 else 'them'}." if self.cassette and not self.served else ""
            return f"{self._under()}{adds}" if self.rules else ""
        if self.rules and not self.served and id_:
            return f"{self._under()} `playhead accept {id_}` adds {'it' if len(self.rules) == 1 else 'them'}."
        return f"`playhead divergences {self.session}` shows all of it."

    @property
    def _add_rules(self) -> str:
        """The command."""
        return " ".join(["playhead rules --cassette", quote(self.cassette), *(f"--add {quote(rule)}" for rule in self.rules)])

    @property
    def _where(self) -> str:
        if self.from_cassette:
            return "the cassette"
        return f"session {self.session}" if self.take is None else f"take {self.take} of session {self.session}"

    def _what(self) -> str:
        request = f"{self.method} {self.path}"
        if self.message:
            return f"{self.message} is not what the client sent then over the WebSocket {self.path} in {self._where}."
        if self.code == "exhausted":
            served = f"{_listed(self.recorded)} {'has' if len(self.recorded) == 1 else 'have'} been served"
            more = "`--exhausted last` serves the last one again, `--exhausted cycle` all of them."
            return f"{request} was asked once more than it is recorded in {self._where}: {served}. {more}"
        if self.recorded_over is not None:
            return (
                f"{request} is recorded in {self._where}, but over {_NAMES[self.recorded_over]} ({_listed(self.recorded)}), and this one asks for "
                f"{_NAMES[self.asks]}: only what makes a Response is served over another transport than it was recorded over."
            )
        return f"{request} has no twin in {self._where}."

    def _nearest(self, told: int) -> str:
        """Which one it is, and the first differences, or how many there are. Nothing where the very request was recorded."""
        if self.nearest is None or self.recorded:
            return ""
        text = f"Nearest is exchange {self.nearest}{f' ({self.nearest_request})' if self.nearest_request else ''}"
        if not told:
            which = ", which has been served and" if self.served else ", which"
            return f"{text}{which} differs in {len(self.differences)} place{'s' * (len(self.differences) != 1)}:"
        named = "; ".join(map(str, self.differences[:told]))
        more = len(self.differences) - told
        return f"{text}: {named}{f'; and {more} more' if more > 0 else ''}."


def actions(session: str, id_: int, *, rules: Sequence[str] = (), nearest: int | None, expected: int | None) -> list[str]:
    """What can be done about a divergence: commands. `nearest`: what it may be taken for; None: nothing."""
    done = []
    if id_ and nearest is not None:
        done.append(f"playhead accept {id_}{'' if rules else ' --as-is'}")
    if nearest is not None:
        done.append(f"playhead rerecord {session} --exchange {nearest}")
    if expected is not None:
        done.append(f"playhead fork {session} --at {expected} --as NAME")
    return done


def _listed(exchanges: Sequence[int]) -> str:
    named = ", ".join(map(str, exchanges[:5])) + (f" and {len(exchanges) - 5} more" if len(exchanges) > 5 else "")
    return f"exchange{'s' * (len(exchanges) != 1)} {named}"

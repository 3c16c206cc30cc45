"""Faults as people write them: `429 retry-after=2 at turn 3; cut after 2 response.output_text.delta`. Pure.

A text holds one or several, with `;` between them. Each says what happens and, behind that, where and how often:

    STATUS [CODE] [HEADER=VALUE]...   429 retry-after=2, 429 insufficient_quota, 503 message="Back soon."
    previous_response_not_found       400, as upstream says it where it does not know the response that a request goes on from
    latency TIME[..TIME]              a wait; of two times one in between, by seed and place alone
    drip SIZE/TIME                    the answer in pieces of that size, with such a wait before each
    cut | reset | hang                the connection ends, ends with a reset, or says nothing more
    close CODE ["REASON"]             a close frame; where there is no WebSocket, as cut
    half-event                        an event of which half comes, then a cut
    malformed | garbage               an event whose JSON is broken; one that is no text
    duplicate | reorder               an event that comes twice; one that comes behind the next

    at turn N | at turns N..M | every Nth    only these requests that make a response, as they were recorded, from 1
    after [N] EVENT | before [N] EVENT       there in the answer; `event` is one of any type
    at start | at end | at handshake         before an answer begins; when all has been said; where a WebSocket is opened
    times N | always | once                  how often each request meets it (1), or all of them together
    seed=N                                   what chance goes by
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

Kind = Literal["status", "latency", "drip", "cut", "reset", "hang", "close", "half-event", "malformed", "garbage", "duplicate", "reorder"]
Side = Literal["after", "before", "start", "end", "handshake"]

ANY = "event"
"""In place of a type: an event of any."""
NOT_FOUND = "previous_response_not_found"
ENDINGS = frozenset(("cut", "reset", "hang", "close", "half-event"))
"""Behind these nothing of the answer comes any more."""
WHOLE = frozenset(("latency", "drip", "duplicate", "reorder"))
"""Of these a client gets all of the answer."""

_WORDS: Sequence[Kind] = ("latency", "drip", "cut", "reset", "hang", "close", "half-event", "malformed", "garbage", "duplicate", "reorder")
_ANYWHERE = frozenset(("status", "latency", "cut", "reset", "hang", "close"))  # not only at an event
_FAULTS = f"a status from 400 to 599, {NOT_FOUND}, {', '.join(_WORDS[:-1])} or {_WORDS[-1]}"
_WHERE = "at turn N, at turns N..M, every Nth, after [N] EVENT, before [N] EVENT, at start, at end, at handshake, times N, always, once or seed=N"
_TOKEN = re.compile(r'\s*(?:(;)|((?:[^\s;"]|"(?:[^"\\]|\\.)*")+))')
_TIME = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h)?")
_SIZE = re.compile(r"(\d{1,9})(k|Ki)?B?")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,99}")
_EVENT = re.compile(r"[!#-~]{1,200}")
_NTH = re.compile(r"(\d{1,9})(?:st|nd|rd|th)?")
_PLAIN = re.compile(r'[^\s;"\\]+')
_UNITS: Mapping[str, int] = MappingProxyType({"": 1_000_000_000, "s": 1_000_000_000, "ms": 1_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000})
_LONGEST = 24 * _UNITS["h"]
_FRAMING = frozenset(("content-length", "content-type", "content-encoding", "transfer-encoding", "connection", "upgrade", "trailer"))
_CLOSE_CODES = frozenset((*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)))


@dataclass(frozen=True, slots=True)
class Place:
    """A place in an answer. `count`, `event`: after or before the so-manieth event of that type; `ANY`: of any."""

    side: Side
    count: int = 1
    event: str = ANY

    def __str__(self) -> str:
        if self.side not in ("after", "before"):
            return f"at {self.side}"
        return f"{self.side} {self.event}" if self.count == 1 else f"{self.side} {self.count} {self.event}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. Its text says all that there is to it: equal texts are equal faults.

    `status`, `code`, `headers`, `message`: of an error. `low`, `high`: ns of a wait; `size`: bytes of a drip. `close`, `reason`: of a close frame.
    `turns`: the first and last that meet it; `every`: each so-manieth. `place`: None for the usual one. `times`: how often each request meets it; 0: always.
    `once`: it is over for all when one has met it.
    """

    kind: Kind
    status: int = 0
    code: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    message: str | None = None
    low: int = 0
    high: int = 0
    size: int = 0
    close: int = 0
    reason: str = ""
    turns: tuple[int, int] | None = None
    every: int | None = None
    place: Place | None = None
    times: int = 1
    once: bool = False
    seed: int = 0
    _text: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        return self._text or " ".join((*_what(self), *_when(self)))

    @property
    def by_turn(self) -> bool:
        """Whether it has to be known which turn a request is."""
        return self.turns is not None or self.every is not None

    @property
    def at_handshake(self) -> bool:
        """Whether it is met where a WebSocket is opened."""
        return self.place is not None and self.place.side == "handshake"

    def meets(self, turn: int | None) -> bool:
        """Whether that turn meets it; None: the request makes no response."""
        if not self.by_turn:
            return True
        within = self.turns is None or (turn is not None and self.turns[0] <= turn <= self.turns[1])
        return turn is not None and within and (self.every is None or turn % self.every == 0)


def parse_faults(text: str) -> tuple[Fault, ...]:
    """The faults of a text, at least one. Raises ValueError, which says what is allowed."""
    parts: list[list[str]] = [[]]
    at = 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"{_of(text)}: a quotation mark is not closed")
        at = found.end()
        if found[1]:
            parts.append([])
        else:
            parts[-1].append(found[2])
    faults = [_Parser(words).fault() for words in parts if words]
    if not faults:
        raise ValueError(f"a fault is {_FAULTS}, and where it is met: {_WHERE}")
    return tuple(faults)


class _Parser:
    """Reads the words of one fault."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = list(words)
        self._text = " ".join(words)
        self._given: set[str] = set()

    def fault(self) -> Fault:
        fault = self._what(self._words.pop(0))
        while self._words:
            fault = self._more(fault, self._words.pop(0))
        if fault.place is not None and fault.place.side not in ("after", "before") and fault.kind not in _ANYWHERE:
            raise self._wrong(f"{fault.kind} is met at an event: after [N] EVENT or before [N] EVENT")
        if fault.kind == "status" and fault.place is not None and fault.place.side == "end":
            raise self._wrong("an answer that has ended has its status: after [N] EVENT or before [N] EVENT")
        if fault.at_handshake and fault.by_turn:
            raise self._wrong("a handshake is no turn: `at handshake` goes without turns")
        return replace(fault, _text=" ".join((*_what(fault), *_when(fault))))

    def _wrong(self, why: str) -> ValueError:
        return ValueError(f"{_of(self._text)}: {why}")

    def _next(self, allowed: str) -> str:
        if not self._words:
            raise self._wrong(f"here it ends too early: allowed is {allowed}")
        return self._words.pop(0)

    def _number(self, word: str, allowed: str) -> int:
        found = _NTH.fullmatch(word)
        if found is None or not int(found[1]):
            raise self._wrong(f"{word!r}: allowed is {allowed}")
        return int(found[1])

    def _once(self, name: str) -> None:
        if name in self._given:
            raise self._wrong(f"{name} stands there twice")
        self._given.add(name)

    # What happens.

    def _what(self, word: str) -> Fault:
        if word.isdecimal() and word.isascii():
            if not 400 <= int(word[:9]) < 600:
                raise self._wrong(f"{word!r}: allowed is a status from 400 to 599")
            return Fault("status", status=int(word))
        if word == NOT_FOUND:
            return Fault("status", status=400, code=NOT_FOUND)
        if word == "latency":
            low, _, high = self._next("a time such as 300ms, or two: 300ms..2s").partition("..")
            return Fault("latency", low=self._time(low), high=self._time(high or low))
        if word == "drip":
            size, _, time = self._next("a size and a time, such as 20B/50ms").partition("/")
            return Fault("drip", size=self._size(size), low=self._time(time), high=self._time(time))
        if word == "close":
            code = self._next("a close code such as 1011")
            if not code.isdecimal() or int(code[:9]) not in _CLOSE_CODES:
                raise self._wrong(f"{code!r}: allowed is a close code that may be sent, such as 1000, 1008, 1011 or 4000")
            quoted = self._words and self._words[0].startswith('"')
            return Fault("close", close=int(code), reason=self._unquoted(self._words.pop(0), 123) if quoted else "")
        if (kind := next((kind for kind in _WORDS if word == kind), None)) is not None:
            return Fault(kind)
        raise self._wrong(f"{word[:60]!r} is no fault: allowed is {_FAULTS}")

    def _time(self, word: str) -> int:
        found = _TIME.fullmatch(word)
        ns = None if found is None else round(float(found[1]) * _UNITS[found[2] or ""])
        if ns is None or ns > _LONGEST:
            raise self._wrong(f"{word!r}: allowed is a time of at most 24h, such as 300ms, 2s or 1m")
        return ns

    def _size(self, word: str) -> int:
        found = _SIZE.fullmatch(word)
        size = 0 if found is None else int(found[1]) * {"": 1, "k": 1000, "Ki": 1024}[found[2] or ""]
        if not size:
            raise self._wrong(f"{word!r}: allowed is a number of bytes such as 20B or 4KiB")
        return size

    def _unquoted(self, word: str, most: int) -> str:
        text = re.sub(r'"((?:[^"\\]|\\.)*)"', lambda quoted: re.sub(r"\\(.)", r"\1", quoted[1]), word)
        if len(text.encode("utf-8", "replace")) > most or re.search(r"[\x00-\x1f\x7f]", text) or not text.isprintable():
            raise self._wrong(f"a text has at most {most} bytes, all of them printable")
        return text

    # Where, how often, and of what.

    def _more(self, fault: Fault, word: str) -> Fault:
        if word == "at":
            return self._at(fault, self._next("turn N, turns N..M, start, end or handshake"))
        if word in ("after", "before"):
            return self._beside(fault, "after" if word == "after" else "before")
        if word == "every":
            self._once("every")
            return replace(fault, every=self._number(self._next("a number, such as 5th"), "a number, such as 5th"))
        if word in ("times", "always", "once"):
            self._once("times")
            return replace(fault, times=self._number(self._next("a number"), "a number from 1") if word == "times" else word == "once", once=word == "once")
        name, equals, value = word.partition("=")
        if equals and name == "seed":
            if not value.isdecimal() or len(value) > 18:
                raise self._wrong(f"{word!r}: allowed is seed=N")
            return replace(fault, seed=int(value))
        if fault.kind == "status":
            return self._of_status(fault, word)
        raise self._wrong(f"{word[:60]!r}: allowed is {_WHERE}")

    def _at(self, fault: Fault, word: str) -> Fault:
        if word in ("turn", "turns"):
            self._once("turn")
            first, _, last = self._next("the number of a turn").partition("..")
            turns = self._number(first, "the number of a turn, from 1"), self._number(last or first, "the number of a turn, from 1")
            if turns[0] > turns[1]:
                raise self._wrong(f"turns {turns[0]}..{turns[1]}: the first is not greater than the last")
            return replace(fault, turns=turns)
        self._once("a place in the answer")
        for side in ("start", "end", "handshake"):
            if word == side:
                return replace(fault, place=Place(side))
        raise self._wrong(f"'at {word[:60]}': allowed is at turn N, at turns N..M, at start, at end or at handshake")

    def _beside(self, fault: Fault, side: Literal["after", "before"]) -> Fault:
        self._once("a place in the answer")
        word, count = self._next("the type of an event, such as response.completed"), 1
        if word.isdecimal():
            count = self._number(word, "a number from 1")
            word = self._next("the type of an event, such as response.completed, or `event` for any")
        if not _EVENT.fullmatch(word):
            raise self._wrong(f"{word[:60]!r} is no type of an event")
        return replace(fault, place=Place(side, count, ANY if word == "events" else word))

    def _of_status(self, fault: Fault, word: str) -> Fault:
        name, equals, value = word.partition("=")
        if not equals:
            if fault.code is None and _CODE.fullmatch(word):
                return replace(fault, code=word)
            raise self._wrong(f"{word[:60]!r}: allowed is the code of an error, HEADER=VALUE, message=TEXT, {_WHERE}")
        text = self._unquoted(value, 1000)
        if name == "message":
            return replace(fault, message=text)
        if not _HEADER.fullmatch(name) or name.lower() in _FRAMING or not text.isascii():
            raise self._wrong(f"{name[:60]!r} is no header that a fault can set, or its value is not ASCII")
        return replace(fault, headers=(*fault.headers, (name, text)))


def _of(text: str) -> str:
    """The fault, as a message names it."""
    return f"fault {text[:200]!r}"


def _what(fault: Fault) -> list[str]:
    """What happens, in its words."""
    if fault.kind == "status":
        named = [NOT_FOUND] if (fault.status, fault.code) == (400, NOT_FOUND) else [str(fault.status), *([fault.code] if fault.code else [])]
        said = [("message", fault.message)] if fault.message is not None else []
        return [*named, *(f"{name}={_quoted(value)}" for name, value in (*fault.headers, *said))]
    if fault.kind == "latency":
        return ["latency", _time_of(fault.low) if fault.low == fault.high else f"{_time_of(fault.low)}..{_time_of(fault.high)}"]
    if fault.kind == "drip":
        return ["drip", f"{fault.size}B/{_time_of(fault.low)}"]
    if fault.kind == "close":
        return ["close", str(fault.close), *([_quoted(fault.reason, always=True)] if fault.reason else [])]
    return [fault.kind]


def _when(fault: Fault) -> list[str]:
    """Where it is met, and how often, in its words."""
    words: list[str] = []
    if fault.turns is not None:
        first, last = fault.turns
        words.append(f"at turn {first}" if first == last else f"at turns {first}..{last}")
    if fault.every is not None:
        words.append(f"every {fault.every}{_ordinal(fault.every)}")
    if fault.place is not None:
        words.append(str(fault.place))
    if fault.once or fault.times != 1:
        words.append("once" if fault.once else f"times {fault.times}" if fault.times else "always")
    return [*words, *([f"seed={fault.seed}"] if fault.seed else [])]


def _ordinal(number: int) -> str:
    return "th" if 10 < number % 100 < 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _quoted(text: str, *, always: bool = False) -> str:
    if _PLAIN.fullmatch(text) and not always:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _time_of(ns: int) -> str:
    if ns and ns % _UNITS["s"] == 0:
        return f"{ns // _UNITS['s']}s"
    return f"{ns / _UNITS['ms']:.6f}".rstrip("0").rstrip(".") + "ms"

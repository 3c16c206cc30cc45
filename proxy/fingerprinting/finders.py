"""What match rules look for in texts, and what stands there afterwards. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from playhead.config.patterns import PATTERNS, Pattern
from playhead.config.rules import Rule
from playhead.config.secrets import placeholder

Use = tuple[str, str, int]
"""What a pattern has found, and its number: the pattern's name, the value, the number."""

_LONGEST = 30  # digits of a number that may be one of those that are looked for


class Numbering:
    """The numbers of what was found so far in one member of a body. `place`: the item of a list that is being read."""

    __slots__ = ("_counts", "_firsts", "_known", "_used", "place")

    def __init__(self) -> None:
        self.place = 0
        self._used: list[Use] = []
        self._known: dict[tuple[str, str], int] = {}
        self._counts: Counter[str] = Counter()
        self._firsts: list[int] = []  # the item in which each was seen first

    def number(self, name: str, value: str) -> int:
        """Of a value that a pattern has found: the same for the same value, else the next."""
        key = name, value
        found = self._known.get(key)
        if found is None:
            self._counts[name] += 1
            found = self._known[key] = self._counts[name]
            self._firsts.append(self.place)
        self._used.append((name, value, found))
        return found

    def used(self) -> tuple[Use, ...]:
        """What was numbered since this was asked last."""
        if not self._used:
            return ()
        used = tuple(self._used)
        self._used.clear()
        return used

    def agrees(self, uses: Sequence[Use]) -> bool:
        """Whether all these would have the numbers that they had; then they have them with this."""
        known = self._known
        if all(known.get((name, value)) == number for name, value, number in uses):
            self._used += uses
            return True
        counts, new = dict(self._counts), dict[tuple[str, str], int]()
        for name, value, number in uses:
            key = name, value
            found = known.get(key) or new.get(key)
            if found is None:
                found = counts[name] = new[key] = counts.get(name, 0) + 1
            if found != number:
                return False
        for name, value, _ in uses:
            self.number(name, value)
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Numbering) and (self._known, self._firsts) == (other._known, other._firsts)

    __hash__ = None  # type: ignore[assignment]  # it goes on

    def before(self, place: int) -> Numbering:
        """As it was before that item; itself, if it has not gone on since."""
        if not self._firsts or self._firsts[-1] < place:
            return self
        made = Numbering()
        for key, first in zip(self._known, self._firsts, strict=True):
            if first >= place:
                break
            made.place = first
            made.number(*key)
        made.used()
        return made


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds and replaces one kind of text. `rank`: of several the least is first. `placed`: its rule names the place."""

    rank: int
    pattern: Pattern
    put: str
    placed: bool
    regex: re.Pattern[str]
    starts: re.Pattern[str] | None
    numbers: re.Pattern[str] | None

    def text(self, text: str, numbering: Numbering) -> str:
        """The text with all that is found replaced."""
        pattern = self.pattern
        if pattern.hints and not any(hint in text for hint in pattern.hints):
            return text
        pieces: list[str] = []
        end = 0
        for found in self._found(text):
            group = found.lastgroup or 0
            start = found.start(group)
            put = f"<{self.put}:{numbering.number(self.put, found[group])}>" if pattern.numbered else f"<{self.put}>"
            pieces += (text[end:start], put)
            end = found.end(group)
        return "".join([*pieces, text[end:]]) if pieces else text

    def _found(self, text: str) -> Iterable[re.Match[str]]:
        if self.starts is None:
            return self.regex.finditer(text)
        found: list[re.Match[str]] = []
        end = 0
        match = self.regex.match
        for start in self.starts.finditer(text):
            at = start.start()
            if at >= end and (one := match(text, at)) is not None:
                found.append(one)
                end = one.end()
        return found

    def finds_number(self, value: Any) -> bool:
        """Whether a number (as `canonical.parse` or `json` has it) is one of those that are looked for."""
        if self.placed and self.pattern.any_number:
            return True
        if self.numbers is None:
            return False
        number = Decimal(value[1] if isinstance(value, tuple) else value)
        return number.is_finite() and number.adjusted() < _LONGEST and self.numbers.fullmatch(str(int(number))) is not None


_RANKS = MappingProxyType({name: rank for rank, name in enumerate(PATTERNS, 2)})


@lru_cache(1024)
def finder_of(rule: Rule) -> Finder:
    """Of a rule that looks for texts."""
    if rule.what[0] != "/":
        pattern = PATTERNS[rule.what]
        return _finder(_RANKS[rule.what], pattern, rule.what, rule)
    if rule.action == "redact":
        return _finder(0, Pattern(rule.name, rule.what[1:-1], ""), redacted(rule)[1:-1], rule)
    return _finder(1, Pattern(rule.name, rule.what[1:-1], "", numbered=True), rule.name, rule)


def _finder(rank: int, pattern: Pattern, put: str, rule: Rule) -> Finder:
    starts, numbers = (re.compile(text) if text else None for text in (pattern.starts, pattern.numbers))
    return Finder(rank, pattern, put, bool(rule.place), re.compile(pattern.regex), starts, numbers)


def redacted(rule: Rule) -> str:
    """What a rule puts in place of what is redacted."""
    return placeholder(rule.name.encode()).decode()


def in_order(finders: Iterable[Finder]) -> tuple[Finder, ...]:
    """As they are to be applied; the order of their rules is of no account."""
    return tuple(sorted(dict.fromkeys(finders), key=lambda finder: (finder.rank, finder.pattern.regex, finder.put, finder.placed)))


def replaced(text: str, finders: Sequence[Finder], numbering: Numbering) -> str:
    """The text after all of them."""
    for finder in finders:
        text = finder.text(text, numbering)
    return text

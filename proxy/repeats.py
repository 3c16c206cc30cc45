"""What of one JSON body stands in another one as well, though at another place: members and items byte for byte, which need not be read again. Pure.

Agents put the time in front of their history, or let its oldest items go: then nothing stands where it stood, and nearly all is the same.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from playhead.storage.splits import longest

_HEAD = 96  # bytes of an item by which it is looked for; a shorter one is found only behind the one before
_BEHIND_MEMBER = frozenset(b",} \t\r\n")
_BETWEEN = frozenset(b", \t\r\n")
_SELF_ENDING = frozenset(b'"}]')


class Placed(Protocol):
    """A member of a body."""

    @property
    def start(self) -> int:
        """Where it begins."""

    @property
    def end(self) -> int:
        """Behind its last byte."""


class Repeat(NamedTuple):
    """An item that stands in the other body. `number`: its place in that one's list; `size`: its bytes."""

    number: int
    size: int


def again(body: bytes, at: int, known: bytes, member: Placed) -> bool:
    """Whether that member of the known body stands here, and ends where it ended."""
    end = at + member.end - member.start
    return end < len(body) and body[end] in _BEHIND_MEMBER and body.startswith(memoryview(known)[member.start : member.end], at)


class Repeats:
    """The items of a known body's list, to be found in another one. `first`: where the first of them begins; `ends`: where each ends."""

    def __init__(self, known: bytes, first: int, ends: Sequence[int]) -> None:
        self._known = known
        self._view = memoryview(known)
        self._first = first
        self._ends = ends
        self._next = 0
        self._heads: dict[bytes, int] | None = None

    def go_on(self, number: int) -> None:
        """The items before that number have been found."""
        self._next = number

    def run(self, body: bytes, place: int) -> int:
        """How many of the first items stand here, one behind the other."""
        if not self._ends:
            return 0
        first, view = self._first, self._view
        same = longest(self._ends[-1] - first, lambda low, high: body.startswith(view[first + low : first + high], place + low))
        return same_items(self._known, self._ends, first + same)

    def at(self, body: bytes, place: int) -> Repeat | None:
        """The item that stands here. Mostly it is the one behind the one before."""
        if self._next >= len(self._ends):
            return None
        found = self._is(self._next, body, place)
        if found is None:
            number = self._numbers().get(body[place : place + _HEAD])
            found = None if number is None else self._is(number, body, place)
        if found is not None:
            self._next = found.number + 1
        return found

    def _is(self, number: int, body: bytes, place: int) -> Repeat | None:
        start, end = self._start(number), self._ends[number]
        if self._known[end - 1] in _SELF_ENDING and body.startswith(self._view[start:end], place):
            return Repeat(number, end - start)
        return None

    def _start(self, number: int) -> int:
        if not number:
            return self._first
        start = self._ends[number - 1]
        while self._known[start] in _BETWEEN:
            start += 1
        return start

    def _numbers(self) -> dict[bytes, int]:
        """By how each begins; of those that begin alike the last."""
        if self._heads is None:
            starts = [self._start(number) for number in range(len(self._ends))]
            self._heads = {self._known[start : start + _HEAD]: number for number, start in enumerate(starts)}
        return self._heads


def same_items(body: bytes, ends: Sequence[int], prefix: int) -> int:
    """How many items are the same if the first bytes are: what a number ends with may be a part of another one."""
    count = bisect_left(ends, prefix)
    return count + (count < len(ends) and ends[count] == prefix and body[prefix - 1] in _SELF_ENDING)

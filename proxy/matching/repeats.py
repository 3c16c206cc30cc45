"""What of one JSON body stands in another one as well, though at another place: members and items byte for byte, which need not be read again. Pure.

Agents put the time in front of their history, or let its oldest items go: then nothing stands where it stood, and nearly all is the same.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from playhead.storage.packing.splits import longest

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


class Listed(Protocol):
    """A list in a body."""

    @property
    def first(self) -> int:
        """Where its first item begins."""

    @property
    def ends(self) -> Sequence[int]:
        """Where each item ends."""


T = TypeVar("T", bound=Listed)


def again(body: bytes, at: int, known: bytes, member: Placed) -> bool:
    """Whether that member of the known body stands here, and ends where it ended."""
    end = at + member.end - member.start
    return end < len(body) and body[end] in _BEHIND_MEMBER and body.startswith(memoryview(known)[member.start : member.end], at)


class Repeats(Generic[T]):
    """The items of a list `of` a known body, to be found in another one."""

    def __init__(self, known: bytes, of: T) -> None:
        self.of = of
        self._known = known
        self._view = memoryview(known)
        self._next = 0
        self._heads: dict[bytes, int] | None = None

    def go_on(self, number: int) -> None:
        """The items before that number have been found."""
        self._next = number

    def run(self, body: bytes, place: int, number: int = 0) -> int:
        """How many items from that number on stand here, one behind the other."""
        ends, view = self.of.ends, self._view
        if number >= len(ends):
            return 0
        start = self.start(number)
        same = longest(ends[-1] - start, lambda low, high: body.startswith(view[start + low : start + high], place + low))
        return max(same_items(self._known, ends, start + same) - number, 0)

    def at(self, body: bytes, place: int) -> int | None:
        """The number of the item that stands here. Mostly it is the one behind the one before."""
        if self._next >= len(self.of.ends):
            return None
        number: int | None = self._next
        if not self._is(self._next, body, place):
            number = self._numbers().get(body[place : place + _HEAD])
            if number is None or not self._is(number, body, place):
                return None
        self._next = (number or 0) + 1
        return number

    def _is(self, number: int, body: bytes, place: int) -> bool:
        end = self.of.ends[number]
        return self._known[end - 1] in _SELF_ENDING and body.startswith(self._view[self.start(number) : end], place)

    def start(self, number: int) -> int:
        """Where an item begins in the known body."""
        if not number:
            return self.of.first
        start = self.of.ends[number - 1]
        while self._known[start] in _BETWEEN:
            start += 1
        return start

    def _numbers(self) -> dict[bytes, int]:
        """By how each begins; of those that begin alike the last."""
        if self._heads is None:
            starts = [self.start(number) for number in range(len(self.of.ends))]
            self._heads = {self._known[start : start + _HEAD]: number for number, start in enumerate(starts)}
        return self._heads


def same_items(body: bytes, ends: Sequence[int], prefix: int) -> int:
    """How many items are the same if the first bytes are: what a number ends with may be a part of another one."""
    count = bisect_left(ends, prefix)
    return count + (count < len(ends) and ends[count] == prefix and body[prefix - 1] in _SELF_ENDING)

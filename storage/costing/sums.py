"""What is summed up of exchanges and their costs. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from operator import add
from typing import Any, NamedTuple

_MOST_TEXTS = 200_000


class Wanted(NamedTuple):
    """Which exchanges, and how they are grouped. Times: since is within, until is not."""

    by: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


class Sums(NamedTuple):
    """What was summed up of a group. `counts`, `amounts`: by COUNTS and CLASSES; amounts in 10^-12 USD. `lost`: with a usage, but not in the ledger.

    `micros`: microseconds of answers that streamed, from their first event to their end; `streamed`: tokens of these. `pruned`: what they cost is kept no
    longer.
    """

    requests: int
    errors: int
    retries: int
    counts: tuple[int, ...]
    amounts: tuple[int, ...]
    cost: int
    assumed: int
    unpriced: int
    unpriced_tokens: int
    pending: int
    lost: int
    streamed: int
    micros: int
    pruned: int = 0


LACKING = ("unpriced", "pending", "lost", "pruned")
"""Of `Sums`: exchanges that have no price, or not for all of it."""


class Reason(NamedTuple):
    """Why so many exchanges have no price, or none for all."""

    note: str
    model: str | None
    exchanges: int


class Spend(NamedTuple):
    """What was spent. `amount`: what is known of it, in 10^-12 USD; less than all of it unless the last three are 0.

    `unpriced`: exchanges without a price, or without one for all of it. `pending`: they go on in the background. `unknown`: used something, and are not in
    the ledger, or no longer: their costs are pruned.
    """

    amount: int = 0
    exchanges: int = 0
    unpriced: int = 0
    pending: int = 0
    unknown: int = 0

    @property
    def lacking(self) -> int:
        """Exchanges of which not all is known."""
        return self.unpriced + self.pending + self.unknown

    def plus(self, other: Spend) -> Spend:
        """Both together."""
        return Spend(*map(add, self, other))


class Assumed(NamedTuple):
    """What was assumed, for so many exchanges, which cost that in 10^-12 USD."""

    what: str
    exchanges: int
    amount: int


class PricedBy(NamedTuple):
    """Name, version and hash of each price table; the setting assume; recorder or reprice; the time whose prices were taken, if not each exchange's own."""

    tables: tuple[tuple[str, ...], ...]
    assumed: str
    made_by: str
    as_of: datetime | None
    exchanges: int


Key = tuple[str | None, ...]
Times = dict[int, int]
"""How many exchanges took about so long: by milliseconds, to two significant digits, rounded down."""


class Found(NamedTuple):
    """By group: what was summed up, and times to the first event and in all."""

    sums: dict[Key, Sums]
    first: dict[Key, Times]
    whole: dict[Key, Times]


def lacking_of(found: Found) -> tuple[str, ...]:
    """Which of LACKING there are."""
    return tuple([name for name in LACKING if any(getattr(sums, name) for sums in found.sums.values())])


def added(one: Sums, other: Sums) -> Sums:
    """Of two groups together."""
    together: list[Any] = []
    for left, right in zip(one, other, strict=True):
        together.append(tuple(map(add, left, right)) if isinstance(left, tuple) and isinstance(right, tuple) else left + right)  # type: ignore[operator]
    return Sums(*together)


def add_found(mine: Found, theirs: Found) -> None:
    """The groups of one into another."""
    for key, sums in theirs.sums.items():
        add_sums(mine.sums, key, sums)
    for known, more in ((mine.first, theirs.first), (mine.whole, theirs.whole)):
        for key, times in more.items():
            add_times(known, key, times.items())


def add_sums(known: dict[Key, Sums], key: Key, more: Sums) -> None:
    """A group's sums to what is known of it."""
    before = known.get(key)
    known[key] = more if before is None else added(before, more)


def add_times(known: dict[Key, Times], key: Key, more: Iterable[tuple[int, int]]) -> None:
    """A group's times to what is known of it."""
    mine = known.setdefault(key, {})
    for ms, count in more:
        mine[ms] = mine.get(ms, 0) + count


def count_times(known: dict[Key, Times], key: Key, more: Iterable[int]) -> None:
    """A group's times, each as often as it comes, to what is known of it."""
    mine = known.get(key)
    if not isinstance(mine, Counter):
        mine = known[key] = Counter(mine)
    mine.update(more)


def regrouped(found: Found, name: Callable[[Key], Key]) -> Found:
    """By other keys, each made of that of a group; groups of one key are one."""
    again = Found({}, {}, {})
    for key, sums in found.sums.items():
        add_sums(again.sums, name(key), sums)
    for mine, theirs in ((again.first, found.first), (again.whole, found.whole)):
        for key, times in theirs.items():
            add_times(mine, name(key), times.items())
    return again


class Rounding(dict[str, int]):
    """What times that come as texts are rounded to: most come again and again, in any group."""

    def __missing__(self, text: str) -> int:
        if len(self) >= _MOST_TEXTS:
            self.clear()
        about = self[text] = rounded(int(text))
        return about


def rounded(ms: int) -> int:
    """To two significant digits, rounded down."""
    step = 1
    while ms >= 100 * step:
        step *= 10
    return ms // step * step

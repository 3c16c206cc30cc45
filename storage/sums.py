"""What is summed up of exchanges and their costs. Pure."""

from __future__ import annotations

from datetime import datetime
from operator import add
from typing import Any, NamedTuple


class Wanted(NamedTuple):
    """Which exchanges, and how they are grouped. Times: since is within, until is not."""

    by: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


class Sums(NamedTuple):
    """What was summed up of a group. `counts`, `amounts`: by COUNTS and CLASSES; amounts in 10^-12 USD. `lost`: with a usage, but not in the ledger.

    `seconds`: of answers that streamed, from their first event to their end, and `streamed`: tokens of these.
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
    seconds: float


class Reason(NamedTuple):
    """Why so many exchanges have no price, or none for all."""

    note: str
    model: str | None
    exchanges: int


class Spend(NamedTuple):
    """What was spent. `amount`: what is known of it, in 10^-12 USD; less than all of it unless the last three are 0.

    `unpriced`: exchanges without a price, or without one for all of it. `pending`: they go on in the background. `unknown`: used something, and are not in
    the ledger.
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


Key = tuple[str | None, ...]
Times = dict[int, int]
"""How many exchanges took about so long: by milliseconds, to two significant digits, rounded down."""


class Found(NamedTuple):
    """By group: what was summed up, and times to the first event and in all."""

    sums: dict[Key, Sums]
    first: dict[Key, Times]
    whole: dict[Key, Times]


def added(one: Sums, other: Sums) -> Sums:
    """Of two groups together."""
    together: list[Any] = []
    for left, right in zip(one, other, strict=True):
        together.append(tuple(map(add, left, right)) if isinstance(left, tuple) and isinstance(right, tuple) else left + right)  # type: ignore[operator]
    return Sums(*together)


def rounded(ms: int) -> int:
    """To two significant digits, rounded down."""
    step = 1
    while ms >= 100 * step:
        step *= 10
    return ms // step * step

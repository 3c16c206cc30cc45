"""What was spent against budgets: which group exceeded which of them, in which window and by how much. Pure.

A budget is `held` only where all that was spent is known; where exchanges have no price and what is known does not exceed it, nobody knows: `unknown`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from playhead.config.budgets import EACH, Budget, Window, window_of
from playhead.storage.costing.costs import dollars
from playhead.storage.costing.sums import Key, Spend

Verdict = Literal["exceeded", "unknown", "held"]
_ORDER: Mapping[Verdict, int] = {"exceeded": 0, "unknown": 1, "held": 2}


class Place(NamedTuple):
    """Where something was spent: the number of the budget, the values of its groups, the start of the window."""

    budget: int
    group: tuple[str | None, ...]
    start: datetime | None


class BudgetRow(BaseModel):
    """One window of a budget, as `playhead audit --budget --json` prints it. Money as decimal text in USD; times in UTC.

    `spent`: what is known; `over`: by how much it exceeds the limit; `used`: its share of it, null of a limit of 0. `unpriced`: exchanges that have no
    price, or not for all of it; `pending`: they go on in the background; `unknown`: they used something and are not in the ledger.
    """

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    budget: str
    group: dict[str, str | None]
    period: str
    since: datetime | None
    until: datetime | None
    limit: str
    spent: str
    over: str | None
    used: float | None
    exchanges: int
    unpriced: int
    pending: int
    unknown: int


class Account:
    """Adds up what was spent by budget, group and window. `names`: of the groups that spendings are told by. `keys`: names of keys; keys of one name are one,
    and budgets may name them so."""

    def __init__(self, budgets: Sequence[Budget], names: Sequence[str], keys: Mapping[str, str] = MappingProxyType({})) -> None:
        self._budgets, self._keys = budgets, keys
        self._key = names.index("key") if keys and "key" in names else None
        self._where = [[names.index(name) for name in budget.names] for budget in budgets]
        self._over = [[other for other in budgets if other.outranks(budget)] for budget in budgets]
        self.spends: dict[Place, Spend] = {}

    def add(self, hour: str, group: Key, spend: Spend) -> None:
        """`hour`: as `2026-11-26T06`, in UTC."""
        at = datetime.fromisoformat(f"{hour}:00").replace(tzinfo=UTC)
        if self._key is not None and (named := self._keys.get(group[self._key] or "")) is not None:
            group = (*group[: self._key], named, *group[self._key + 1 :])
        for number, budget in enumerate(self._budgets):
            values = tuple(group[place] for place in self._where[number])
            if budget.takes(values) and not any(other.takes(values) for other in self._over[number]):
                place = Place(number, values, window_of(budget.period, at).start)
                self.spends[place] = self.spends.get(place, Spend()).plus(spend)

    def missing(self) -> list[Budget]:
        """Budgets under which nothing falls."""
        there = {place.budget for place in self.spends}
        return [budget for number, budget in enumerate(self._budgets) if number not in there]


def with_names(budgets: Iterable[Budget], keys: Mapping[str, str]) -> tuple[Budget, ...]:
    """Budgets that name keys by the names that these have."""
    return tuple(dict.fromkeys(budget.renamed(keys) for budget in budgets))


def names_of(budgets: Iterable[Budget]) -> tuple[str, ...]:
    """Of all groups that budgets are by."""
    return tuple(sorted({name for budget in budgets for name in budget.names}))


def whole_windows(budgets: Sequence[Budget], since: datetime | None, until: datetime | None) -> Window:
    """A time range, made so wide that all windows that it touches are in it as wholes: half a day would seem to hold what the day has exceeded."""
    periods = {budget.period for budget in budgets} - {"total"}
    first, last = since, until
    for period in periods:
        if since is not None and first is not None:
            first = min(first, window_of(period, since).start or first)
        if until is not None and last is not None and (window := window_of(period, until)).start != until:
            last = max(last, window.end or last)
    return Window(first, last)


def verdict_of(limit: int, spend: Spend) -> Verdict:
    """Of one window."""
    return "exceeded" if spend.amount > limit else "unknown" if spend.lacking else "held"


ALWAYS = Window(None, None)


def rows(budgets: Sequence[Budget], spends: Mapping[Place, Spend], span: Window = ALWAYS) -> list[BudgetRow]:
    """A row for each window in which something was spent: what is exceeded first, by how much; then what nobody knows; then what is nearest to its limit.

    `span`: the time range that a total is of.
    """

    def order(entry: tuple[Place, Spend]) -> tuple[object, ...]:
        place, spend = entry
        limit = budgets[place.budget].pico
        verdict = verdict_of(limit, spend)
        worst = -(spend.amount - limit) if verdict == "exceeded" else -(spend.amount / limit if limit else 0)
        return _ORDER[verdict], worst, place.budget, place.start.timestamp() if place.start else 0, tuple(value or "" for value in place.group)

    found = sorted(spends.items(), key=order)
    windows = [span if place.start is None else window_of(budgets[place.budget].period, place.start) for place, _ in found]
    groups = [dict(zip(budgets[place.budget].names, place.group, strict=True)) for place, _ in found]
    return [_row(budgets[place.budget], spend, window, group) for (place, spend), window, group in zip(found, windows, groups, strict=True)]


def _row(budget: Budget, spend: Spend, window: Window, group: dict[str, str | None]) -> BudgetRow:
    limit = budget.pico
    return BudgetRow(
        verdict=verdict_of(limit, spend),
        budget=str(budget),
        group=group,
        period=budget.period,
        since=window.start,
        until=window.end,
        limit=dollars(limit),
        spent=dollars(spend.amount),
        over=dollars(spend.amount - limit) if spend.amount > limit else None,
        used=round(spend.amount / limit, 4) if limit else None,
        exchanges=spend.exchanges,
        unpriced=spend.unpriced,
        pending=spend.pending,
        unknown=spend.unknown,
    )


def failed(found: Iterable[BudgetRow], *, strict: bool) -> bool:
    """Whether a check of budgets fails. `strict`: also by one of which nobody knows whether it is held."""
    return any(row.verdict == "exceeded" or (strict and row.verdict == "unknown") for row in found)


def in_force(budgets: Sequence[Budget], spends: Mapping[Place, Spend], now: datetime, most: int) -> Iterator[tuple[Budget, str, Spend]]:
    """What was spent in the windows of this moment, by budget and by value of its group that is for each; those that have spent most, if they are many.

    A budget under which nothing has fallen yet is there, too, unless it is for each of a group; of these groups it has one at most.
    """
    for number, budget in enumerate(budgets):
        start = window_of(budget.period, now).start
        mine = [(place.group, spend) for place, spend in spends.items() if place.budget == number and place.start == start]
        each = [place for place, (_, value) in enumerate(budget.groups) if value == EACH]
        if not each and not mine:
            mine = [(tuple(value for _, value in budget.groups), Spend())]
        for group, spend in sorted(mine, key=lambda one: (-one[1].amount, [value or "" for value in one[0]]))[:most]:
            yield budget, group[each[0]] or "" if each else "", spend

"""Budgets: how much may be spent in an hour, a day, a week, a month or at all, by everybody or by one of a group. Pure.

`5.00/day` is for all together, `key=ci:5.00/day` for one key, `key=*:5.00/day` for each key alone; `key=ci,model=gpt-5:1/hour` names several groups.
Windows are those of the calendar in UTC; a week begins on Monday.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Literal, NamedTuple

Period = Literal["hour", "day", "week", "month", "total"]

EACH = "*"
"""In place of a value: each one alone."""
GROUPS = ("session", "model", "kind", "transport", "tier", "key", "project", "organization", "user", "upstream", "error", "outcome", "status", "conversation")
LABELS = ("prompt_cache_key", "safety_identifier")
BUDGET_HINT = 'AMOUNT/PERIOD in USD, such as "5.00/day" (or hour, week, month, total), with GROUP=VALUE: before it for one, GROUP=*: for each of a group'
SEPARATOR = ";"
"""Between several budgets in one text."""

_PICO = 12
_PERIODS: Mapping[str, Period] = MappingProxyType({"hour": "hour", "day": "day", "week": "week", "month": "month", "total": "total"})
_MONEY = re.compile(r"\d{1,9}(?:\.\d{1,12})?", re.ASCII)
_BUDGET = re.compile(r"(?:(?P<groups>.*=.*):)?(?P<amount>[^:/]*)/(?P<period>[^:/]*)", re.DOTALL)
_NAME = re.compile(r"(?:metadata\.|header:)[^=,\s]+")


class Window(NamedTuple):
    """From `start` to before `end`; None: without a limit."""

    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget. `groups`: names and values, in the order of the names; EACH: for each value alone."""

    amount: Decimal
    period: Period
    groups: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Budget:
        """As `str` gives it. Raises ValueError, which says what is wrong with it."""
        found = _BUDGET.fullmatch(text.strip())
        if found is None:
            raise _wrong(text, "it is no AMOUNT/PERIOD")
        amount, period = found["amount"].strip(), _PERIODS.get(found["period"].strip())
        if not _MONEY.fullmatch(amount):
            raise _wrong(text, f"{amount!r} is no amount in USD such as 5 or 0.25")
        if period is None:
            raise _wrong(text, f"{found['period'].strip()!r} is no period: hour, day, week, month or total")
        return cls(Decimal(amount), period, _groups_of(text, found["groups"] or ""))

    def __str__(self) -> str:
        groups = ",".join(f"{name}={value}" for name, value in self.groups)
        return f"{groups}{':' * bool(groups)}{self.amount:f}/{self.period}"

    @property
    def pico(self) -> int:
        """The amount in 10^-12 USD."""
        return int(self.amount.scaleb(_PICO))

    @property
    def names(self) -> tuple[str, ...]:
        """Of its groups."""
        return tuple(name for name, _ in self.groups)

    def by(self, names: Sequence[str]) -> Budget:
        """The same for each of those groups, if it names none itself."""
        return self if self.groups else Budget(self.amount, self.period, tuple((name, EACH) for name in sorted(set(names))))

    def renamed(self, keys: Mapping[str, str]) -> Budget:
        """The same with the name of the key that it names, if that has one."""
        return Budget(self.amount, self.period, tuple((name, keys.get(value, value) if name == "key" else value) for name, value in self.groups))

    def takes(self, group: Sequence[str | None]) -> bool:
        """Whether it is for what has these values of its groups. What has none is a group as well."""
        return all(wanted in (EACH, value) for (_, wanted), value in zip(self.groups, group, strict=True))

    def outranks(self, other: Budget) -> bool:
        """Whether it takes the other's place where both are for the same: a budget of its own counts in place of that which is for each."""
        named = sum(value != EACH for _, value in self.groups), sum(value != EACH for _, value in other.groups)
        return self.period == other.period and self.names == other.names and named[0] > named[1]


def parse_budgets(texts: Sequence[str]) -> tuple[Budget, ...]:
    """All budgets of some texts, each of which may hold several. Raises ValueError."""
    return tuple([Budget.parse(part) for text in texts for part in text.split(SEPARATOR) if part.strip()])


def window_of(period: Period, at: datetime) -> Window:
    """The window of a period in which a moment lies."""
    if period == "total":
        return Window(None, None)
    day = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if period == "hour":
        return Window(day, day + timedelta(hours=1))
    day = day.replace(hour=0)
    if period == "day":
        return Window(day, day + timedelta(days=1))
    if period == "week":
        monday = day - timedelta(days=day.weekday())
        return Window(monday, monday + timedelta(days=7))
    first = day.replace(day=1)
    return Window(first, (first + timedelta(days=32)).replace(day=1))


def _groups_of(text: str, given: str) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for part in given.split(",") if given else ():
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals or not value:
            raise _wrong(text, f"{part.strip()!r} is no GROUP=VALUE")
        name = name.lower() if name.lower().startswith("header:") else name
        if name not in (*GROUPS, *LABELS) and not _NAME.fullmatch(name):
            raise _wrong(text, f"{name!r} is no group: {', '.join((*GROUPS, *LABELS))}, metadata.KEY or header:NAME")
        if name in found:
            raise _wrong(text, f"{name} stands there twice")
        found[name] = value
    return tuple(sorted(found.items()))


def _wrong(text: str, why: str) -> ValueError:
    return ValueError(f"{BUDGET_HINT}; budget {text.strip()[:100]!r}: {why}")

"""What stands in a report: sums in all, over time and by what they are grouped, each with the dearest groups and the rest. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from playhead.storage.costing.sums import Assumed, Found, Key, PricedBy, Reason, Sums, added, regrouped

from ..audit import NOTHING, AuditRow, named, row_of, together, total, with_retries
from ..pricing.estimating import Estimate

Unit = Literal["hour", "day", "month"]

FAILURES = ("status", "error", "outcome")
BREAKDOWNS = ("model", "key", "session")
"""By what every report is grouped, beside the time."""

_MOST = 12  # groups of a breakdown that are shown each on its own
_STACKED = 5  # models that have a colour of their own
_MOST_REASONS = 20
_LENGTHS: Mapping[str, int] = {"month": 7, "day": 10, "hour": 13}
_HOURS = timedelta(days=4)  # up to which a chart is by the hour
_DAYS = timedelta(days=400)
_TABLE = 62  # lines of the table over time


@dataclass(frozen=True, slots=True)
class Group:
    """One group: its name, part by part (None: it has none), what was summed up, and the same as programs read it. `rest`: so many groups in one."""

    name: tuple[str | None, ...]
    sums: Sums
    row: AuditRow
    rest: int = 0


@dataclass(frozen=True, slots=True)
class Breakdown:
    """By what it is grouped, and the groups: the dearest first, the last of them may be the rest. `count`: how many groups there are in all."""

    by: tuple[str, ...]
    groups: tuple[Group, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Slot:
    """A piece of time, such as 2026-11-01. `parts`: money by the models that are stacked, in 10^-12 USD; the last is that of all others."""

    at: str
    sums: Sums
    parts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OverTime:
    """Slots of one length from the first to the last, also those in which nothing was asked. `models`: that are stacked; `others`: whether there are more.

    `table`: those in which something was asked, in the same or longer slots.
    """

    unit: Unit
    slots: tuple[Slot, ...]
    models: tuple[str | None, ...]
    others: bool
    table_unit: Unit
    table: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Estimates:
    """Of what told no usage: the groups with the highest, by name, those of the rest, and of all; and how many have none, by the reason."""

    by: tuple[str, ...]
    groups: tuple[tuple[Key, Estimate], ...]
    rest: tuple[int, Estimate]
    whole: Estimate
    lacking: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ReportScope:
    """What the report was asked to be about. Times: since is within, until is not."""

    made_at: datetime
    version: str
    sessions: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """All of it. `span`: when the first and the last exchange began; None: there is none, and all else is empty."""

    asked: ReportScope
    span: tuple[datetime, datetime] | None
    whole: Group
    time: OverTime | None = None
    breakdowns: tuple[Breakdown, ...] = ()
    failures: Breakdown | None = None
    reasons: tuple[Reason, ...] = ()
    more_reasons: int = 0
    assumed: tuple[Assumed, ...] = ()
    priced_by: tuple[PricedBy, ...] = ()
    estimates: Estimates | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of the store for a report. `found`: by each of `groupings`; `retries`: of those that did not say that they are one for each, by
    `names_of` all groupings; `failures`: by FAILURES; `names`: of keys. `estimates`: by the groups that the report was asked for, and those of all by ();
    None: they were not asked for; `without_estimate`: how many have none, by the reason.
    """

    span: tuple[datetime, datetime] | None
    found: Sequence[Found] = ()
    retries: Sequence[Key] = ()
    failures: Mapping[Key, int] = field(default_factory=dict)
    reasons: Sequence[Reason] = ()
    assumed: Sequence[Assumed] = ()
    priced_by: Sequence[PricedBy] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    estimates: Mapping[Key, Estimate] | None = None
    without_estimate: Mapping[str, int] = field(default_factory=dict)


def unit_of(span: tuple[datetime, datetime]) -> Unit:
    """By what a chart over that time is drawn."""
    length = span[1] - span[0]
    return "hour" if length <= _HOURS else "day" if length <= _DAYS else "month"


def groupings(unit: Unit, by: Sequence[str]) -> list[tuple[str, ...]]:
    """What is read of the store: as little as all views can be made of. `by`: one more breakdown."""
    read: list[tuple[str, ...]] = [(unit, "model"), ("key", "session")]
    return read if any(set(by) <= set(names) for names in read) else [*read, tuple(by)]


def names_of(several: Sequence[Sequence[str]]) -> list[str]:
    """All names of these groupings."""
    return list(dict.fromkeys(name for names in several for name in names))


def report_of(asked: ReportScope, by: Sequence[str], read: Read) -> Report:
    """The report on what was read."""
    if read.span is None:
        return Report(asked, None, _group((), NOTHING, Found({}, {}, {}), ()))
    unit = unit_of(read.span)
    known = groupings(unit, by)
    shown = ((unit,), *((name,) for name in BREAKDOWNS))
    views = [(unit,), (unit, "model"), *((name,) for name in BREAKDOWNS), *([] if not by or tuple(by) in shown else [tuple(by)])]
    every, by_model, *others = [_view(view, known, read) for view in views]
    return Report(
        asked,
        read.span,
        Group((), _sum(every.sums.values()), total(every)),
        _over_time(unit, read.span, every, by_model),
        tuple([_breakdown(view, one) for view, one in zip(views[2:], others, strict=True)]),
        _failures(read.failures),
        tuple(read.reasons[:_MOST_REASONS]),
        sum(one.exchanges for one in read.reasons[_MOST_REASONS:]),
        tuple(read.assumed),
        tuple(read.priced_by),
        None if read.estimates is None else _estimates(tuple(by), read.estimates, read.without_estimate),
    )


def _estimates(by: tuple[str, ...], known: Mapping[Key, Estimate], lacking: Mapping[str, int]) -> Estimates:
    groups = sorted(((key, one) for key, one in known.items() if key), key=lambda item: (-item[1].amount, *(value or "" for value in item[0])))
    most = _MOST if len(groups) > _MOST + 1 else len(groups)
    rest = Estimate()
    for _, one in groups[most:]:
        rest = rest.plus(one)
    return Estimates(by, tuple(groups[:most]), (len(groups) - most, rest), known[()], lacking)


def _view(view: tuple[str, ...], known: Sequence[tuple[str, ...]], read: Read) -> Found:
    """One grouping, made of the first that was read and has all its names."""
    names, found = next((names, found) for names, found in zip(known, read.found, strict=True) if set(view) <= set(names))
    every = names_of(known)
    retries = [tuple([key[every.index(name)] for name in view]) for key in read.retries]
    return named(view, with_retries(regrouped(found, lambda key: tuple([key[names.index(name)] for name in view])), retries), read.names)


def _failures(found: Mapping[Key, int]) -> Breakdown:
    sums = {key: NOTHING._replace(requests=count, errors=count) for key, count in found.items()}
    return _breakdown(FAILURES, Found(sums, {}, {}))


def _group(key: Key, sums: Sums, found: Found, by: Sequence[str]) -> Group:
    return Group(key, sums, row_of(dict(zip(by, key, strict=True)), sums, found.first.get(key, {}), found.whole.get(key, {})))


def _sum(several: Iterable[Sums]) -> Sums:
    whole = NOTHING
    for one in several:
        whole = added(whole, one)
    return whole


def _breakdown(by: tuple[str, ...], found: Found) -> Breakdown:
    keys = sorted(found.sums, key=lambda key: (-found.sums[key].cost, -found.sums[key].requests, *(value or "" for value in key)))
    most = _MOST if len(keys) > _MOST + 1 else len(keys)  # a rest of one is that one
    groups = [_group(key, found.sums[key], found, by) for key in keys[:most]]
    if rest := keys[most:]:
        groups.append(_rest(rest, found))
    return Breakdown(by, tuple(groups), len(keys))


def _rest(keys: Sequence[Key], found: Found) -> Group:
    sums = _sum(found.sums[key] for key in keys)
    first, whole = (together([known[key] for key in keys if key in known]) for known in (found.first, found.whole))
    return Group((), sums, row_of({}, sums, first, whole), len(keys))


# Over time.


def _over_time(unit: Unit, span: tuple[datetime, datetime], every: Found, by_model: Found) -> OverTime:
    costs: dict[str | None, int] = {}
    for (_, model), sums in by_model.sums.items():
        costs[model] = costs.get(model, 0) + sums.cost
    ranked = sorted((model for model in costs if costs[model]), key=lambda model: (-costs[model], model or ""))
    models = tuple(ranked[: _STACKED if len(ranked) > _STACKED + 1 else len(ranked)])
    parts: dict[str | None, list[int]] = {}
    for (at, model), sums in by_model.sums.items():
        place = models.index(model) if model in models else len(models)
        parts.setdefault(at, [0] * (len(models) + 1))[place] += sums.cost
    nothing = [0] * (len(models) + 1)
    slots = tuple([Slot(at, every.sums.get((at,), NOTHING), tuple(parts.get(at, nothing))) for at in slots_of(unit, *span)])
    table_unit = _table_unit(unit, len(every.sums))
    longer = every if table_unit == unit else _longer(every, _LENGTHS[table_unit])
    table = tuple([_group(key, longer.sums[key], longer, (table_unit,)) for key in sorted(longer.sums, key=lambda key: key[0] or "")])
    return OverTime(unit, slots, models, len(ranked) > len(models), table_unit, table)


def _table_unit(unit: Unit, lines: int) -> Unit:
    longer: Mapping[Unit, Unit] = {"hour": "day", "day": "month", "month": "month"}
    return unit if lines <= _TABLE else longer[unit]


def _longer(found: Found, length: int) -> Found:
    """By the first so many characters of the time."""
    return regrouped(found, lambda key: ((key[0] or "")[:length],))


def slots_of(unit: Unit, first: datetime, last: datetime) -> list[str]:
    """All of that length from the first to the last moment, as sums over time are grouped."""
    if unit == "month":
        count = (last.year - first.year) * 12 + last.month - first.month + 1
        months = [first.year * 12 + first.month - 1 + place for place in range(count)]
        return [f"{month // 12:04d}-{month % 12 + 1:02d}" for month in months]
    step = timedelta(hours=1) if unit == "hour" else timedelta(days=1)
    at = first.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    at = at if unit == "hour" else at.replace(hour=0)
    found = []
    while at <= last:
        found.append(at.isoformat()[: _LENGTHS[unit]])
        at += step
    return found

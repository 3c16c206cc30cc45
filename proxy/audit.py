"""The rows of an audit, out of what the store sums up. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict

from playhead.storage.costing.costs import CLASSES, dollars
from playhead.storage.costing.sums import Found, Key, Sums, Times, added, regrouped

from .pricing.estimating import Estimate

PERCENTILES = (50, 90, 99)
NOTHING = Sums(0, 0, 0, (0,) * 5, (0,) * 5, 0, 0, 0, 0, 0, 0, 0, 0)
_FORMULA = ("=", "+", "-", "@")
_ORDERED = frozenset(("month", "day", "hour"))


class AuditRow(BaseModel):
    """One group of `playhead audit`. Money as decimal text in USD; `cost` is what is known, less than all of it where `unpriced` is not 0.

    `input_tokens`: neither cached nor written; `cached_share`: of all input. Times in milliseconds, to two significant digits. `unpriced`: exchanges that
    have no price, or not for all of it; `unpriced_tokens`: of those that have none. `pending`: they go on in the background. `unknown`: used something, and
    are not in the ledger. `pruned`: what they cost is kept no longer. `estimated`: of the exchanges without a price those that were estimated; what begins so
    is in no other number, and is null unless estimates were asked for.
    """

    model_config = ConfigDict(frozen=True)

    group: dict[str, str | None]
    requests: int
    errors: int
    retries: int
    input_tokens: int
    cached_tokens: int
    written_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cached_share: float | None
    cost: str
    input_cost: str
    cached_cost: str
    written_cost: str
    output_cost: str
    tools_cost: str
    assumed: int
    unpriced: int
    unpriced_tokens: int
    pending: int
    unknown: int
    pruned: int = 0
    first_event_p50_ms: int | None
    first_event_p90_ms: int | None
    first_event_p99_ms: int | None
    duration_p50_ms: int | None
    duration_p90_ms: int | None
    duration_p99_ms: int | None
    tokens_per_second: float | None
    estimated: int | None = None
    estimated_input_tokens: int | None = None
    estimated_output_tokens: int | None = None
    estimated_cost: str | None = None

    @property
    def lacking(self) -> int:
        """Exchanges that have no price, or not for all of it, for whatever reason."""
        return self.unpriced + self.pending + self.unknown + self.pruned


def rows(by: Sequence[str], found: Found, retries: Iterable[Key] = ()) -> Iterator[AuditRow]:
    """By group: the dearest first, times in their order; made when they are asked for, since there may be millions. `retries`: the groups of those that
    did not say that they are."""
    sums = with_retries(found, retries).sums
    for key in sorted(sums, key=lambda key: _order(by, key, sums[key])):
        yield row_of(dict(zip(by, key, strict=True)), sums[key], found.first.get(key, {}), found.whole.get(key, {}))


def total(found: Found, retries: int = 0) -> AuditRow:
    """All groups together."""
    whole = NOTHING
    for one in found.sums.values():
        whole = added(whole, one)
    return row_of({}, whole._replace(retries=whole.retries + retries), together(found.first.values()), together(found.whole.values()))


def with_retries(found: Found, retries: Iterable[Key]) -> Found:
    """With retries counted that do not say that they are, one for each group; what came in since the sums were read is not in them."""
    sums = dict(found.sums)
    for key in filter(sums.__contains__, retries):
        sums[key] = sums[key]._replace(retries=sums[key].retries + 1)
    return found._replace(sums=sums)


def named(by: Sequence[str], found: Found, names: Mapping[str, str]) -> Found:
    """With the names of keys in place of their ids; what has one name is one group."""
    if "key" not in by or not names:
        return found
    return regrouped(found, partial(_renamed, by, names))


def _renamed(by: Sequence[str], names: Mapping[str, str], key: Key) -> Key:
    return tuple([names.get(value, value) if name == "key" and value else value for name, value in zip(by, key, strict=True)])


def renamed(by: Sequence[str], names: Mapping[str, str], keys: Iterable[Key]) -> list[Key]:
    """The same of groups alone."""
    return [_renamed(by, names, key) for key in keys]


def with_estimates(rows: Iterable[AuditRow], estimates: Mapping[Key, Estimate]) -> list[AuditRow]:
    """Rows with what was estimated of each, by the parts of its group."""
    return [_with_estimate(row, estimates.get(tuple(row.group.values()), Estimate())) for row in rows]


def _with_estimate(row: AuditRow, one: Estimate) -> AuditRow:
    told = {"estimated": one.exchanges, "estimated_input_tokens": one.input_tokens, "estimated_output_tokens": one.output_tokens}
    return row.model_copy(update={**told, "estimated_cost": dollars(one.amount)})


def estimates_of(by: Sequence[str], names: Mapping[str, str], estimates: Mapping[Key, Estimate]) -> dict[Key, Estimate]:
    """Estimates by groups with the names of keys, and of all together by ()."""
    found: dict[Key, Estimate] = {(): Estimate()}
    for key, one in estimates.items():
        for group in {_renamed(by, names, key), ()}:
            found[group] = found.get(group, Estimate()).plus(one)
    return found


def unlabelled(by: Sequence[str], keys: Collection[Key]) -> list[str]:
    """The headers among the groupings that no group has."""
    return [name for place, name in enumerate(by) if name.startswith("header:") and keys and all(key[place] is None for key in keys)]


def _order(by: Sequence[str], key: Key, sums: Sums) -> tuple[Any, ...]:
    times = tuple(value or "" for name, value in zip(by, key, strict=True) if name in _ORDERED)
    return (*times, -sums.cost, -sums.requests, *(value or "" for value in key))


def row_of(group: dict[str, str | None], sums: Sums, first: Times, whole: Times) -> AuditRow:
    """As programs read it."""
    fresh, cached, written, output, reasoning = sums.counts
    taken = fresh + cached + written
    money = {f"{name}_cost": dollars(amount) for name, amount in zip(CLASSES, sums.amounts, strict=True)}
    times = {f"{name}_p{share}_ms": percentile(known, share) for name, known in (("first_event", first), ("duration", whole)) for share in PERCENTILES}
    values: dict[str, Any] = {**money, **times}
    return AuditRow(
        group=group,
        requests=sums.requests,
        errors=sums.errors,
        retries=sums.retries,
        input_tokens=fresh,
        cached_tokens=cached,
        written_tokens=written,
        output_tokens=output,
        reasoning_tokens=reasoning,
        cached_share=round(cached / taken, 4) if taken else None,
        cost=dollars(sums.cost),
        assumed=sums.assumed,
        unpriced=sums.unpriced,
        unpriced_tokens=sums.unpriced_tokens,
        pending=sums.pending,
        unknown=sums.lost,
        pruned=sums.pruned,
        tokens_per_second=round(sums.streamed / sums.micros * 1e6, 1) if sums.micros and sums.streamed else None,
        **values,
    )


def percentile(times: Times, share: int) -> int | None:
    """The smallest of these times that so many percent do not exceed; None if there are none."""
    wanted = sum(times.values()) * share
    seen = 0
    for ms in sorted(times):
        seen += times[ms] * 100
        if seen >= wanted:
            return ms
    return None


def together(several: Iterable[Times]) -> Times:
    """Times of several groups as of one."""
    found: Times = {}
    for times in several:
        for ms, count in times.items():
            found[ms] = found.get(ms, 0) + count
    return found


def table(by: Sequence[str], groups: Iterable[AuditRow]) -> Iterator[list[str | int | float | None]]:
    """Lines of CSV: names, then values; a column for each part of the group."""
    plain = [name for name in AuditRow.model_fields if name != "group"]
    yield [*map(_harmless, by), *plain]
    for row in groups:
        yield [*(_harmless(row.group.get(name)) for name in by), *(getattr(row, name) for name in plain)]


def _harmless(text: str | None) -> str | None:
    """What clients named, as a spreadsheet takes it for text: an apostrophe before what would be a formula, no control characters."""
    if not text:
        return text
    shown = "".join(sign if sign.isprintable() else " " for sign in text)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown

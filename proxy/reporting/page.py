"""The page of a report: one HTML document with everything in it, which loads nothing and runs nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from playhead.storage.costing.costs import CLASSES, COUNTS
from playhead.storage.costing.costs import dollars as exact
from playhead.storage.costing.sums import Sums

from ..audit import PERCENTILES, AuditRow
from ..pricing.estimating import Estimate
from .charts import Bar, Range, Series, bars, columns, legend, line, ranges, shares
from .contents import FAILURES, Breakdown, Estimates, Group, OverTime, Report
from .markup import Markup, tag
from .scales import moment, money, scale_to
from .scales import number as short
from .tables import TIMES, USED, Column, Shown, dollars, name_of, number, part_name, plain_table, share, table

_SERIES = ("c0", "c1", "c2", "c3", "c4", "c5")
_COLOURS: Mapping[str, str] = {"input": "c0", "cached": "c4", "written": "c3", "output": "c1", "tools": "c2"}
_WORDS: Mapping[str, str] = {"input": "uncached input", "cached": "cached input", "written": "cache writes", "output": "output", "tools": "tools and calls"}
_TITLES: Mapping[str, str] = {"model": "By model", "key": "By key", "session": "By session"}
_UNITS: Mapping[str, str] = {"hour": "hour (UTC)", "day": "day (UTC)", "month": "month (UTC)"}
_LOADS_NOTHING = "default-src 'none'; style-src 'unsafe-inline'"
_UNPRICED = "unpriced"
_LEAST_TICK = 10**8  # a hundredth of a cent


def page(report: Report, style: str) -> str:
    """The whole document. `style`: its style sheet."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_LOADS_NOTHING),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"playhead audit, {moment(report.asked.made_at)} UTC"),
        tag("style", Markup(style)),
    )
    body = tag("body", tag("main", *_sections(report)))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _sections(report: Report) -> Iterator[Markup]:
    yield from _title(report)
    if report.span is None or report.time is None:
        yield tag("p", "Nothing was recorded that this is about.")
        return
    yield _tiles(report.whole.row)
    yield from _lacking(report)
    yield from _over_time(report.time, report.whole.row)
    for one in report.breakdowns:
        yield from _breakdown(one, report.whole)
    yield from _classes(report.whole)
    yield from _latency(report)
    yield from _failures(report)
    yield from _unpriced(report)
    if report.estimates is not None:
        yield from _estimates(report.estimates)
    yield from _prices(report)
    yield _footer(report)


def _title(report: Report) -> Iterator[Markup]:
    asked = report.asked
    yield tag("h1", "What was used, and what it cost")
    if report.span is not None:
        first, last = map(moment, report.span)
        sessions = f"sessions {', '.join(asked.sessions)}" if asked.sessions else "all sessions"
        yield tag("p", f"{first} to {last} UTC, {sessions}. {number(report.whole.row.requests)} exchanges.", class_="about")


def _tiles(row: AuditRow) -> Markup:
    lacking = row.lacking
    tiles = (
        ("cost (USD)", dollars(row.cost), False),
        ("requests", number(row.requests), False),
        ("input tokens", number(row.input_tokens + row.cached_tokens + row.written_tokens), False),
        ("output tokens", number(row.output_tokens), False),
        ("cache hit", share(row.cached_share) or "none", False),
        ("errors", f"{number(row.errors)} ({_part(row.errors, row.requests)})", row.errors > 0),
        ("retries", number(row.retries), False),
        ("without a price", number(lacking), lacking > 0),
    )
    return tag("ul", *(tag("li", tag("span", name), tag("b", value), class_="bad" if bad else None) for name, value, bad in tiles), class_="tiles")


def _lacking(report: Report) -> Iterator[Markup]:
    row = report.whole.row
    if lacking := row.lacking:
        text = f"{number(lacking)} of {number(row.requests)} exchanges have no price, or not for all of it. What has none is not in the cost: "
        yield tag("p", text, tag("a", "why", href=f"#{_UNPRICED}"), ".", class_="warn")


# Over time.


def _over_time(time: OverTime, whole: AuditRow) -> Iterator[Markup]:
    at = [slot.at for slot in time.slots]
    yield tag("h2", "Over time")
    series = [Series(part_name("model", model), _SERIES[place], tuple([slot.parts[place] for slot in time.slots])) for place, model in enumerate(time.models)]
    if time.others:
        series.append(Series("other models", "rest", tuple([slot.parts[-1] for slot in time.slots])))
    if series:
        scale = scale_to(max(sum(slot.parts) for slot in time.slots), _LEAST_TICK)
        yield _figure(f"Cost by {time.unit} (USD)", columns(f"Cost by {time.unit}", at, series, scale, money), legend((one.name, one.colour) for one in series))
    good = Series("without error", "good", tuple([slot.sums.requests - slot.sums.errors for slot in time.slots]))
    bad = Series("errors", "bad", tuple([slot.sums.errors for slot in time.slots]))
    scale = scale_to(max(slot.sums.requests for slot in time.slots))
    key = legend((one.name, one.colour) for one in (good, bad))
    yield _figure(f"Requests by {time.unit}", columns(f"Requests by {time.unit}", at, (good, bad), scale, short, height=150), key)
    if whole.cached_share:
        yield _figure(f"Cache hit by {time.unit}: input tokens that were read from a cache", line("Cache hit", at, [_cached(slot.sums) for slot in time.slots]))
    yield table(Shown((_UNITS[time.table_unit],), USED, time.table, whole))


def _cached(sums: Sums) -> float | None:
    fresh, cached, written, *_ = sums.counts
    taken = fresh + cached + written
    return cached / taken if taken else None


# By what it is grouped.


def _breakdown(one: Breakdown, whole: Group) -> Iterator[Markup]:
    yield tag("h2", _TITLES.get(one.by[0], f"By {one.by[0]}") if len(one.by) == 1 else f"By {', '.join(one.by)}")
    if whole.sums.cost:
        rows = [_cost_bar(one.by, group, whole) for group in one.groups]
        used = [name for name, amount in zip(CLASSES, whole.sums.amounts, strict=True) if amount]
        yield _figure("Cost (USD)", bars(f"Cost by {', '.join(one.by)}", rows), legend((_WORDS[name], _COLOURS[name]) for name in used))
    else:
        rows = [_count_bar(one.by, group) for group in one.groups]
        yield _figure("Requests", bars(f"Requests by {', '.join(one.by)}", rows))
    if one.count > len(one.groups):
        yield tag("p", f"{one.count:,} in all; those that cost least are put together.", class_="note")
    yield table(Shown(one.by, USED, one.groups, whole.row))


def _cost_bar(by: Sequence[str], group: Group, whole: Group) -> Bar:
    money_of = ((name, amount) for name, amount in zip(CLASSES, group.sums.amounts, strict=True))
    parts = tuple([(amount, _COLOURS[name], f"{_WORDS[name]}: {money(amount)} USD") for name, amount in money_of])
    rest = group.sums.cost - sum(group.sums.amounts)
    parts = (*parts, (rest, "rest", f"other: {money(rest)} USD")) if rest > 0 else parts
    parts = () if group.rest else parts  # beside it, all others would be too short to be seen
    lacks = not group.sums.cost and group.row.lacking > 0
    text = "no price" if lacks else f"{_cents(group.row.cost)} ({_part(group.sums.cost, whole.sums.cost)})"
    return Bar(name_of(by, group), parts, text, _muted(group))


def _count_bar(by: Sequence[str], group: Group) -> Bar:
    count = group.sums.requests
    parts = () if group.rest else ((count, "c0", f"{count:,} requests"),)
    return Bar(name_of(by, group), parts, f"{count:,}", _muted(group))


def _muted(group: Group) -> bool:
    return group.rest > 0 or not all(group.name)


# Tokens and money by class.


def _classes(whole: Group) -> Iterator[Markup]:
    row, sums = whole.row, whole.sums
    yield tag("h2", "Tokens and money by class")
    tokens = [(count, _COLOURS[name], f"{_WORDS[name]}: {count:,} tokens") for name, count in zip(COUNTS[:4], sums.counts[:4], strict=True)]
    amounts = [(amount, _COLOURS[name], f"{_WORDS[name]}: {money(amount)} USD") for name, amount in zip(CLASSES, sums.amounts, strict=True)]
    rows = [(name, values) for name, values in (("tokens", tokens), ("money", amounts)) if any(value for value, _, _ in values)]
    if rows:
        used = [name for place, name in enumerate(CLASSES) if sums.amounts[place] or (place < 4 and sums.counts[place])]
        yield _figure("Shares", shares("Tokens and money by class", rows), legend((_WORDS[name], _COLOURS[name]) for name in used))
    counts = (row.input_tokens, row.cached_tokens, row.written_tokens, row.output_tokens, None)
    costs = (row.input_cost, row.cached_cost, row.written_cost, row.output_cost, row.tools_cost)
    lines = [(_WORDS[name], number(count), dollars(cost)) for name, count, cost in zip(CLASSES, counts, costs, strict=True)]
    lines.insert(4, ("of the output: reasoning", number(row.reasoning_tokens), Markup("")))
    lines.append(("in all", number(sum(count for count in counts if count)), dollars(row.cost)))
    yield plain_table((("class", True), ("tokens", False), ("cost (USD)", False)), lines, [*costs, row.cost])


# How long it took.


def _latency(report: Report) -> Iterator[Markup]:
    one = report.breakdowns[0]
    timed = [group for group in one.groups if group.row.duration_p50_ms is not None]
    if not timed:
        return
    yield tag("h2", "How long it took")
    names = [f"p{share}" for share in PERCENTILES]
    key = legend((f"p{share}: {share} % took no longer", f"p{place}") for place, share in enumerate(PERCENTILES))
    for title, field in (("To the first event, message or byte of the answer", "first_event"), ("In all", "duration")):
        rows = [_range(one.by, group, field) for group in timed]
        if known := [row for row in rows if row.values]:
            yield _figure(title, ranges(title, known, names), key)
    yield tag("p", "In milliseconds, to two significant digits, rounded down. Tokens per second are those of answers that streamed.", class_="note")
    yield table(Shown(one.by, TIMES, timed, report.whole.row))


def _range(by: Sequence[str], group: Group, field: str) -> Range:
    values = [getattr(group.row, f"{field}_p{share}_ms") for share in PERCENTILES]
    return Range(name_of(by, group), tuple([value for value in values if value is not None]), _muted(group))


# What went wrong, and what has no price.


def _failures(report: Report) -> Iterator[Markup]:
    row, failures = report.whole.row, report.failures
    if failures is None or not (row.errors or row.retries):
        return
    yield tag("h2", "Errors and retries")
    told = f"{number(row.errors)} errors in {number(row.requests)} requests ({_part(row.errors, row.requests)}), {number(row.retries)} retries."
    yield tag("p", f"{told} An error is a status of 400 or more, an error that the answer tells, or an answer that broke off.")
    if failures.groups:
        share_of = Column("share of all requests", lambda one: _part(one.errors, row.requests))
        yield table(Shown(FAILURES, (Column("errors", lambda one: number(one.errors)), share_of), failures.groups))


def _unpriced(report: Report) -> Iterator[Markup]:
    row = report.whole.row
    if not row.lacking:
        return
    yield tag("h2", "Without a price", id=_UNPRICED)
    counts = (
        (row.unpriced, "have no price, or not for all of it"),
        (row.pending, "go on in the background"),
        (row.unknown, "are not in the ledger"),
        (row.pruned, "are kept without their costs"),
    )
    told = ", ".join(f"{number(count)} {what}" for count, what in counts if count)
    tokens = f" {number(row.unpriced_tokens)} tokens are known that have no price." if row.unpriced_tokens else ""
    yield tag("p", f"Of {number(row.requests)} exchanges {told}.{tokens} None of that is counted as nothing: it is left out of the cost.")
    lines = [(one.model or "no model", one.note, number(one.exchanges)) for one in report.reasons]
    if report.more_reasons:
        lines.append(("", "other reasons", number(report.more_reasons)))
    yield plain_table((("model", True), ("why", True), ("exchanges", False)), lines)


def _estimates(one: Estimates) -> Iterator[Markup]:
    yield tag("h2", "Estimates")
    yield tag(
        "p",
        "Estimates of answers that told no usage, by tokens per character and money per token of other exchanges of their models. "
        "They are in no other number of this report.",
        class_="warn",
    )
    if one.whole.exchanges:
        heads = (*((name, True) for name in one.by), ("estimated", False), ("input (estimate)", False), ("output (estimate)", False), ("estimate (USD)", False))
        lines = [(*map(part_name, one.by, key), *_estimate(estimate)) for key, estimate in one.groups]
        count, rest = one.rest
        for name, estimate in ((f"{count:,} others", rest),) * (count > 0) + (("in all", one.whole),) * bool(one.by and len(one.groups) > 1):
            lines.append((name, *[""] * (len(one.by) - 1), *_estimate(estimate)))
        lines = lines or [_estimate(one.whole)]
        yield plain_table(heads, lines, [exact(estimate.amount) for estimate in (*(estimate for _, estimate in one.groups), rest, one.whole)])
    for reason, count in one.lacking.items():
        yield tag("p", f"{count:,} more {'has' if count == 1 else 'have'} no estimate: {reason}.", class_="note")


def _estimate(one: Estimate) -> tuple[str, ...]:
    return number(one.exchanges), number(one.input_tokens), number(one.output_tokens), dollars(exact(one.amount))


def _prices(report: Report) -> Iterator[Markup]:
    yield tag("h2", "Prices and assumptions")
    if report.assumed:
        yield tag("p", f"{number(report.whole.row.assumed)} prices are by what the setting assume says where the exchange does not:")
        lines = [(one.what, number(one.exchanges), dollars(exact(one.amount))) for one in report.assumed]
        yield plain_table((("assumed", True), ("exchanges", False), ("cost (USD)", False)), lines, [exact(one.amount) for one in report.assumed])
    else:
        yield tag("p", "Nothing was assumed: every price is by what exchanges say themselves.")
    if report.priced_by:
        heads = (("exchanges", False), ("price tables, the last counts most", True), ("made by", True))
        yield plain_table(
            heads, [(number(one.exchanges), ", ".join(map(_table_name, one.tables)), _made_by(one.made_by, one.as_of)) for one in report.priced_by]
        )


def _footer(report: Report) -> Markup:
    asked = report.asked
    until = f" and before {moment(asked.until)} UTC" if asked.until else ""
    since = f" since {moment(asked.since)} UTC" if asked.since else ""
    made = f"Made by playhead {asked.version} on {moment(asked.made_at)} UTC of what was asked{since}{until}. The numbers are those of "
    return tag("footer", made, tag("code", "playhead audit --json"), ". Money is exact, to a millionth of a millionth of a dollar.")


def _figure(title: str, chart: Markup, key: Markup | None = None) -> Markup:
    return tag("figure", tag("h3", title), key, chart)


def _part(some: int, whole: int) -> str:
    """A share for a person; what is more than nothing never reads as nothing."""
    if not whole:
        return "0 %"
    return "< 0.1 %" if 0 < some * 1000 < whole else f"{some / whole:.1%}".replace("%", " %")


def _cents(text: str) -> str:
    """Money behind a bar: to four digits behind the point; the table below has it exact."""
    whole, point, rest = text.partition(".")
    return "< 0.0001" if not int(whole) and rest.startswith("0000") else f"{int(whole):,}{point}{rest[:4]}"


def _table_name(told: tuple[str, ...]) -> str:
    name, version, *digest = told
    return f"{name} {version} ({', '.join(digest)})" if digest else f"{name} {version}"


def _made_by(who: str, as_of: datetime | None) -> str:
    how = "as they were recorded" if who == "recorder" else "playhead reprice"
    return f"{how}, prices of {moment(as_of)} UTC" if as_of else how

"""`audit`: what was used and what it cost, by any grouping."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from playhead.config.errors import ConfigError
from playhead.config.settings import flag

from .caching import print_cache
from .estimating import Estimated, estimated, print_estimates
from .options import RECORDINGS, loaded, recordings, session_name, setting_flags, since_time
from .reporting import say_unlabelled, write_report
from .saying import say

if TYPE_CHECKING:
    from playhead.config.settings import Settings
    from playhead.storage.costing.sums import Reason
    from playhead.storage.store import Store

    from ..audit import AuditRow

_SHOWN = 1000  # groups, to people
_REASONS = 12  # that are shown
_EVERYTHING = "model"
_DEAREST = 10  # breaks of the cache


@click.command()
@click.argument("sessions", nargs=-1, metavar="[SESSION]...")
@click.option("--by", metavar="NAME,...", help="How to group: model, day, month, hour, session, key, project, tier, user, ... [model]")
@click.option("--since", metavar="TIME", help="Only what was asked since: a time, or an age such as 10m, 2h, 3d.")
@click.option("--until", metavar="TIME", help="Only what was asked before: a time or an age.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines, for programs: one for each group. Money is decimal text in USD.")
@click.option("--csv", "as_csv", is_flag=True, help="The same as CSV.")
@click.option(
    "--html", "html", metavar="FILE", help="A report with charts, as one file that needs no network, for the screen and for paper. - is standard output."
)
@click.option("--estimate", is_flag=True, help="Estimate what answers may have cost that told no usage, in columns of their own: see `playhead help prices`.")
@click.option(
    "--budget",
    "budgets",
    metavar="AMOUNT/PERIOD",
    multiple=True,
    help="Exit with 1 if more was spent in an hour, day, week or month (UTC), or in all (total): 5.00/day. With --by for each group alone; "
    "key=ID:5.00/day for one. settings: those of the setting budgets. May be given several times.",
)
@click.option(
    "--budget-unpriced",
    type=click.Choice(["say", "fail"]),
    help="What becomes of a budget of which nobody knows whether it is held, as exchanges have no price. fail: exit with 1, too. [say]",
)
@click.option("--cache", is_flag=True, help="Say instead which turns broke the cached beginning of their prompts, where, why, and what it cost.")
@click.option("--top", metavar="N", type=click.IntRange(0), help="With --cache: how many of those that cost most are told. [10]")
@setting_flags(*RECORDINGS, "key_name", "assume", "price_table")
def audit(sessions: tuple[str, ...], *, by: str | None, since: str | None, until: str | None, html: str | None, **flags: Any) -> int:
    """Say what was used and what it cost: requests, errors, retries, tokens and money by class, how much was cached, how long it took.

    Of all sessions, or of some. What has no price is not counted as nothing: it stands in a column of its own, and below it says why. With --budget it is
    compared with budgets instead.
    """
    from playhead.storage.costing.sums import Wanted

    as_json, as_csv = flags.pop("as_json"), flags.pop("as_csv")
    if as_json + as_csv + (html is not None) > 1:
        raise ConfigError("--json, --csv and --html are different ways to write it: give one of them")
    now = datetime.now(UTC)
    since_at, until_at = _between(since, until, now)
    names = _EVERYTHING if by is None and not flags["budgets"] else by or ""
    wanted = Wanted(groups_of(names), tuple(map(session_name, sessions)), since_at, until_at)
    apart = {name: flags.pop(name) for name in ("budgets", "budget_unpriced", "cache", "top", "estimate")}
    priced = [flag(name) for name in ("assume", "price_table") if flags[name]]
    _refuse_at_odds(apart, by, report=as_csv or html is not None, priced=priced)
    settings = loaded(flags).settings
    if apart["budgets"]:
        return _checked(settings, wanted, apart["budgets"], as_json=as_json, strict=apart["budget_unpriced"] == "fail")
    with recordings(settings) as store:
        if apart["cache"]:
            print_cache(store, settings, wanted, most=_DEAREST if apart["top"] is None else apart["top"], as_json=as_json)
            return 0
        estimates = estimated(store, wanted) if apart["estimate"] else None
        if html is not None:
            write_report(store, wanted, html, now, names=settings.key_names, estimates=estimates)
        else:
            print_audit(store, wanted, as_json=as_json, as_csv=as_csv, names=settings.key_names, estimates=estimates)
    return 0


def _between(since: str | None, until: str | None, now: datetime) -> tuple[datetime | None, datetime | None]:
    """The two times. Raises ConfigError."""
    begin = None if since is None else since_time(since, now)
    end = None if until is None else since_time(until, now, "--until")
    if begin is not None and end is not None and end <= begin:
        raise ConfigError(f"--until {until} is not after --since {since}: there is no time between them")
    return begin, end


def _refuse_at_odds(apart: Mapping[str, Any], by: str | None, *, report: bool, priced: Sequence[str]) -> None:
    """Flags that make no sense together. Raises ConfigError. `report`: as --csv or --html have it; `priced`: flags that say how to price."""
    if priced and not apart["cache"]:
        name = priced[0]
        raise ConfigError(f"{name} goes with --cache: what exchanges cost is in the ledger, and `playhead reprice {name} ...` computes it anew")
    if apart["budgets"] and apart["cache"]:
        raise ConfigError("--budget and --cache ask for two different things: give one of them")
    if (report or apart["estimate"]) and (apart["budgets"] or apart["cache"]):
        raise ConfigError("--csv, --html and --estimate are for the report: --budget and --cache take --json")
    if apart["cache"] and by is not None:
        raise ConfigError("--cache goes by causes, not by groups: names of sessions, --since and --until choose what it is about")
    if apart["top"] is not None and not apart["cache"]:
        raise ConfigError("--top goes with --cache")
    if apart["budget_unpriced"] is not None and not apart["budgets"]:
        raise ConfigError("--budget-unpriced goes with --budget")


def groups_of(text: str) -> tuple[str, ...]:
    """What `--by` names. Headers are called the same in any case."""
    names = (name.strip() for name in text.split(","))
    return tuple(dict.fromkeys(name.lower() if name.lower().startswith("header:") else name for name in names if name))


def _checked(settings: Settings, wanted: Any, budgets: Sequence[str], *, as_json: bool, strict: bool) -> int:
    """Whether budgets are held."""
    from .budgeting import budgets_of, check_budgets

    asked = budgets_of(budgets, settings, wanted.by)
    with recordings(settings) as store:
        return int(check_budgets(store, asked, wanted, keys=settings.key_names, as_json=as_json, strict=strict))


def print_audit(
    store: Store,
    wanted: Any,
    *,
    as_json: bool = False,
    as_csv: bool = False,
    names: Mapping[str, str] = MappingProxyType({}),
    estimates: Estimated | None = None,
) -> None:
    """The report over what is wanted. `names`: of keys; `estimates`: of what told no usage, if they were asked for."""
    from playhead.storage.costing.sums import lacking_of

    from .. import audit as folding
    from .. import listing

    spending = store.ledger.spending(wanted)
    read, again = spending.with_retries()
    found, retries = folding.named(wanted.by, read, names), folding.renamed(wanted.by, names, again)
    groups: Iterable[AuditRow] = folding.rows(wanted.by, found, retries)
    of_groups = {} if estimates is None else folding.estimates_of(wanted.by, names, estimates.groups)
    groups = groups if estimates is None else folding.with_estimates(groups, of_groups)
    say_unlabelled(wanted.by, found.sums)
    if as_json:
        listing.print_json(groups)
    elif as_csv:
        csv.writer(listing.for_programs(), lineterminator="\n").writerows(folding.table(wanted.by, groups))
    else:
        groups, whole = list(islice(groups, _SHOWN)), folding.total(found, len(retries))
        reasons = _shortened(spending.reasons(lacking=lacking_of(found))) if whole.lacking else []
        _print(wanted.by, groups, whole, reasons)
        if len(found.sums) > _SHOWN:
            say(f"these are {_SHOWN:,} of {len(found.sums):,} groups: --json and --csv give all")
        if estimates is not None:
            print_estimates(wanted.by, groups, folding.with_estimates([whole], of_groups)[0], estimates.lacking)


def _print(by: Sequence[str], groups: Sequence[AuditRow], whole: AuditRow, reasons: Sequence[Reason]) -> None:
    from .. import listing

    console = listing.terminal()
    if not groups:
        console.print("Nothing was recorded that this is about.", style="dim")
        return
    rows = [*groups, whole] if len(groups) > 1 else groups
    listing.print_table(console, _layout(by), rows)
    if whole.assumed:
        are = "price is" if whole.assumed == 1 else "prices are"
        console.print(f"\n{whole.assumed:,} {are} by what the setting assume says where the exchange does not.", style="dim")
    if reasons:
        lacking = whole.lacking
        have = "exchange has" if lacking == 1 else "exchanges have"
        console.print(f"\n{lacking:,} {have} no price, or not for all of it; what has none is not in the cost above:", style="bold")
        listing.print_table(console, _reasons(), reasons)


def _shortened(reasons: Sequence[Reason]) -> list[Reason]:
    """The most frequent reasons; the others as one."""
    if len(reasons) <= _REASONS:
        return list(reasons)
    return [*reasons[:_REASONS], reasons[0]._replace(note="other reasons", model=None, exchanges=sum(one.exchanges for one in reasons[_REASONS:]))]


def _layout(by: Sequence[str]) -> Any:
    from ..listing import Column, Layout

    names = [Column(name.upper(), partial(_named, name), least=8) for name in by]
    return Layout(
        (
            *names,
            Column("REQUESTS", lambda row: f"{row.requests:,}", right=True),
            Column("ERRORS", lambda row: _number(row.errors), right=True, spare=10),
            Column("RETRIES", lambda row: _number(row.retries), right=True, spare=8),
            Column("INPUT", lambda row: _number(row.input_tokens), right=True),
            Column("CACHED", lambda row: _number(row.cached_tokens), right=True, spare=7),
            Column("WRITTEN", lambda row: _number(row.written_tokens), right=True, spare=6),
            Column("OUTPUT", lambda row: _number(row.output_tokens), right=True),
            Column("CACHE HIT", lambda row: "" if row.cached_share is None else f"{row.cached_share:.0%}", right=True, spare=9),
            Column("COST (USD)", lambda row: row.cost, right=True),
            Column("UNPRICED", lambda row: _number(row.lacking), right=True),
            Column("FIRST p50", lambda row: _time(row.first_event_p50_ms), right=True, spare=5),
            Column("FIRST p90", lambda row: _time(row.first_event_p90_ms), right=True, spare=4),
            Column("TIME p50", lambda row: _time(row.duration_p50_ms), right=True, spare=3),
            Column("TIME p90", lambda row: _time(row.duration_p90_ms), right=True, spare=2),
            Column("TOKENS/s", lambda row: "" if row.tokens_per_second is None else f"{row.tokens_per_second:g}", right=True, spare=1),
        )
    )


def _reasons() -> Any:
    from ..listing import Column, Layout

    return Layout(
        (
            Column("EXCHANGES", lambda one: f"{one.exchanges:,}", right=True),
            Column("MODEL", lambda one: one.model or "", least=10),
            Column("WHY", lambda one: one.note, least=20),
        )
    )


def _named(name: str, row: AuditRow) -> str:
    return (row.group.get(name) or "") if row.group else "in all"


def _number(number: int) -> str:
    return f"{number:,}" if number else ""


def _time(ms: int | None) -> str:
    from ..listing import span

    return span(ms)

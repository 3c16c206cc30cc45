"""`reconcile`: what the provider says was used and billed, beside the ledger."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from playhead.config.errors import ConfigError
from playhead.storage.costing.costs import dollars

from .options import RECORDINGS, loaded, recordings, setting_flags
from .saying import warn

if TYPE_CHECKING:
    from rich.console import Console

    from playhead.config.settings import Settings

    from ..reconciling.exports import Cell, Exports
    from ..reconciling.findings import Finding
    from ..reconciling.parts import Part
    from ..reconciling.report import Reconciled, Tolerance

_DAYS_BESIDE = 2  # around the export: what went on in the background may be counted later
_SHOWN = 15  # differences, the biggest
_IDS = 5  # exchanges of each


@click.command()
@click.argument("exports", nargs=-1, required=True, metavar="EXPORT.json...")
@click.option("--tolerance", metavar="AMOUNT", default="0.01", help="How much may differ without failing: in USD, or a share such as 0.5%. [0.01]")
@click.option("--cause", metavar="NAME", help="Show all differences of that cause, not just the biggest of all.")
@click.option("--key", "keys", metavar="ID=KEY_ID", multiple=True, help="What the provider calls a key: `key_abc=k_0123`. May be given several times.")
@click.option("--project", "projects", metavar="ID=PROJECT", multiple=True, help="What the provider calls a project. May be given several times.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines: every difference with the exchanges behind it, and at the end the sums.")
@setting_flags(*RECORDINGS, "assume", "price_table")
def reconcile(
    exports: tuple[str, ...], *, tolerance: str, cause: str | None, keys: tuple[str, ...], projects: tuple[str, ...], as_json: bool, **flags: Any
) -> int:
    """Lay what the provider says was used and billed beside the ledger, and explain by cause what differs.

    EXPORT.json are pages as the organization's usage and costs endpoints answer them, of one time. `playhead help reconcile` says how to get them.
    """
    from ..reconciling.findings import CAUSES

    if cause is not None and cause not in CAUSES:
        raise ConfigError(f"--cause {cause!r}: causes are {', '.join(CAUSES)}")
    allowed = _tolerance(tolerance)
    given = {"key": _pairs("--key", keys), "project": _pairs("--project", projects)}
    found = _reconciled(exports, loaded(flags).settings, given)
    for note in found.notes:
        warn(note)
    if as_json:
        _print_json(found, allowed, cause)
    else:
        _print(found, allowed, cause)
    return 1 if found.above(allowed) else 0


def _reconciled(names: Sequence[str], settings: Settings, given: dict[str, dict[str, str]]) -> Reconciled:
    from ..pricing.setting import pricer_for
    from ..reconciling.exports import read_exports
    from ..reconciling.report import reconcile as lay_beside

    exports = read_exports((name, _read(name)) for name in names)
    pricer = pricer_for(settings)
    with recordings(settings) as store:
        parts = list(_parts(store.ledger.outlays(*_around(exports))))
    return lay_beside(exports, parts, pricer, given)


def _parts(outlays: Iterable[Any]) -> Iterator[Part]:
    from ..reconciling.parts import parts_of

    for spent in outlays:
        yield from parts_of(spent)


def _around(exports: Exports) -> tuple[datetime, datetime]:
    """The export's time, and some more."""
    try:
        start, end = (datetime.fromtimestamp(moment, UTC) for moment in exports.span)
        return start - timedelta(days=_DAYS_BESIDE), end + timedelta(days=_DAYS_BESIDE)
    except (ValueError, OverflowError, OSError):
        raise ConfigError("the exports have buckets at times that there are not: start_time and end_time are seconds since 1970") from None


def _read(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise ConfigError(f"the export {name} cannot be read: {error.strerror}") from error


def _pairs(flag: str, given: tuple[str, ...]) -> dict[str, str]:
    """Our names by theirs, the other way round."""
    found = {}
    for text in given:
        their, sign, our = text.partition("=")
        if not (their and sign and our):
            raise ConfigError(f"{flag} {text!r}: give the provider's id, an equals sign, and what listings show, such as key_abc=k_0123456789abcdef")
        found[our] = their
    return found


def _tolerance(text: str) -> Tolerance:
    from ..reconciling.report import Tolerance

    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,12})?)(%?)", text.strip())
    if match is None:
        raise ConfigError(f"--tolerance {text!r}: allowed is an amount in USD such as 0.50, or a share such as 0.5%")
    number = Decimal(match[1])
    return Tolerance(share=number / 100) if match[2] else Tolerance(int(number * 10**12))


# For programs.


def _print_json(found: Reconciled, allowed: Tolerance, cause: str | None) -> None:
    from ..listing import print_json

    print_json(_row(each) for each in found.findings if cause in (None, each.cause))
    start, end = map(_time, found.span)
    causes = {name: dollars(amount) for name, amount in found.by_cause.items()}
    sums = {"billed": None if found.billed is None else dollars(found.billed), "provider": dollars(found.whole), "ledger": dollars(found.ledger)}
    told = {"difference": dollars(found.difference), "causes": causes, "above_tolerance": found.above(allowed), "notes": list(found.notes)}
    print_json([{"since": start, "until": end, "exchanges": found.exchanges, "counted_by": found.moment, **sums, **told}])


def _row(finding: Finding) -> dict[str, Any]:
    from ..reconciling.measures import MEASURES

    counts = dict(zip(MEASURES.get(finding.endpoint, ()), finding.counts, strict=False))
    where = None if finding.where is None else _cell(finding.where)
    amount = None if finding.amount is None else dollars(finding.amount)
    told = {"cause": finding.cause, "endpoint": finding.endpoint, **_cell(finding.cell), "ledger_has_it_in": where, "counts": counts, "amount": amount}
    return {**told, "exchanges": list(finding.exchanges), "exact": finding.exact, "note": finding.note or None}


def _cell(cell: Cell) -> dict[str, Any]:
    return {**cell._asdict(), "start": _time(cell.start), "end": _time(cell.end)}


def _time(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")


# For people.


def _print(found: Reconciled, allowed: Tolerance, cause: str | None) -> None:
    from .. import listing

    console = listing.terminal()
    start, end = (f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M}" for moment in found.span)
    console.print(f"{start} to {end} UTC: {found.exchanges:,} exchanges that spend something.\n")
    named = "billed" if found.billed is not None else "used, at the prices of the book"
    listing.print_facts(console, ((name, f"{dollars(amount)} USD") for name, amount in ((named, found.whole), ("ledger", found.ledger))))
    listing.print_facts(console, [("difference".ljust(len(named)), f"{dollars(found.difference)} USD")])
    if found.findings:
        console.print()
        listing.print_table(console, _causes(), _sums(found))
        _print_findings(console, found, cause)
    verdict = "More differs than is tolerated." if found.above(allowed) else "What differs is tolerated." if found.findings else "Nothing differs."
    console.print(f"\n{verdict}")


def _print_findings(console: Console, found: Reconciled, cause: str | None) -> None:
    from .. import listing

    rows = sorted((each for each in found.findings if cause in (None, each.cause)), key=lambda each: -abs(each.amount or 0))
    shown = rows if cause is not None else [each for each in rows if each.cause != "rounding"][:_SHOWN]
    if shown:
        console.print()
        listing.print_table(console, _findings(), shown)
    if cause is None and len(shown) < len(rows):
        console.print(f"\nThe biggest of {len(rows):,} differences; --cause NAME shows all of one cause, --json all.", style="dim")


class _Sum:
    """All differences of one cause."""

    def __init__(self, cause: str, findings: Sequence[Finding]) -> None:
        from ..reconciling.findings import CAUSES

        self.cause, self.meaning, self.count = cause, CAUSES[cause], len(findings)
        self.requests = sum(each.counts[0] for each in findings if each.counts)
        self.tokens = sum(sum(each.counts[1:]) for each in findings)
        self.amount = sum(each.amount or 0 for each in findings)
        self.unknown = sum(each.amount is None for each in findings)
        self.exchanges = len({id_ for each in findings for id_ in each.exchanges})


def _sums(found: Reconciled) -> Iterator[_Sum]:
    for cause in found.by_cause:
        yield _Sum(cause, [each for each in found.findings if each.cause == cause])


def _causes() -> Any:
    from ..listing import Column, Layout

    return Layout(
        (
            Column("CAUSE", lambda row: row.cause),
            Column("", lambda row: row.meaning, least=16),
            Column("DIFFERENCES", lambda row: f"{row.count:,}", right=True),
            Column("EXCHANGES", lambda row: f"{row.exchanges:,}" if row.exchanges else "", right=True),
            Column("REQUESTS", lambda row: f"{row.requests:+,}" if row.requests else "", right=True),
            Column("TOKENS", lambda row: f"{row.tokens:+,}" if row.tokens else "", right=True),
            Column("AMOUNT (USD)", lambda row: dollars(row.amount) + (f" and {row.unknown:,} unknown" if row.unknown else ""), right=True),
        )
    )


def _findings() -> Any:
    from ..listing import Column, Layout

    return Layout(
        (
            Column("FROM (UTC)", lambda row: f"{datetime.fromtimestamp(row.cell.start, UTC):%Y-%m-%d %H:%M}"),
            Column("CAUSE", lambda row: row.cause),
            Column("OF", _of, least=10),
            Column("COUNTS", _counts, least=10),
            Column("AMOUNT (USD)", lambda row: "?" if row.amount is None else dollars(row.amount), right=True),
            Column("EXCHANGES", _ids, least=12),
            Column("NOTE", _note, least=10),
        )
    )


def _of(finding: Finding) -> str:
    cell = finding.cell
    return " ".join(filter(None, (cell.model, cell.tier, "batch" if cell.batch else "", cell.project, cell.key))) or finding.endpoint


def _counts(finding: Finding) -> str:
    from ..reconciling.measures import MEASURES

    named = zip(MEASURES.get(finding.endpoint, ()), finding.counts, strict=False)
    return ", ".join(f"{name} {count:+,}" for name, count in named if count)


def _ids(finding: Finding) -> str:
    ids = finding.exchanges
    more = f" and {len(ids) - _IDS:,} more" if len(ids) > _IDS else ""
    some = "" if finding.exact or not ids else f"{abs(finding.counts[0])} of " if finding.counts and finding.counts[0] else "some of "
    return f"{some}{', '.join(map(str, ids[:_IDS]))}{more}"


def _note(finding: Finding) -> str:
    if finding.where is None:
        return finding.note
    there, here = finding.cell, finding.where
    changed = [
        f"{name} {getattr(here, name) or 'unknown'}" for name in ("project", "key", "model", "tier", "batch") if getattr(there, name) != getattr(here, name)
    ]
    if there.start != here.start:
        changed.append(f"{datetime.fromtimestamp(here.start, UTC):%Y-%m-%d %H:%M}")
    return "; ".join(filter(None, (f"in the ledger: {', '.join(changed)}", finding.note)))

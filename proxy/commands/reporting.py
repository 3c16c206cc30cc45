"""`audit --html`: the report as a file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from .saying import say

if TYPE_CHECKING:
    from playhead.storage.costing.spending import Spending
    from playhead.storage.costing.sums import Key, Wanted
    from playhead.storage.store import Store

    from ..reporting.contents import Read, Report
    from .estimating import Estimated

STANDARD_OUTPUT = "-"


def write_report(
    store: Store, wanted: Wanted, place: str, now: datetime, *, names: Mapping[str, str] = MappingProxyType({}), estimates: Estimated | None = None
) -> None:
    """The report over what is wanted, as an HTML file; `names`: of keys; `estimates`: if they were asked for. Raises StoreError: it cannot be written."""
    from ..audit import estimates_of
    from ..cassettes.cassette_files import write_file
    from ..listing import for_programs
    from ..reporting.contents import ReportScope, report_of
    from ..reporting.page import page

    asked = ReportScope(now, version("playhead"), wanted.sessions, wanted.since, wanted.until)
    read = _read(store.ledger.spending(wanted._replace(until=_until(store, wanted, now))), wanted.by, names)
    if estimates is not None:
        read = replace(read, estimates=estimates_of(wanted.by, names, estimates.groups), without_estimate=estimates.lacking)
    report = report_of(asked, wanted.by, read)
    say_unlabelled(wanted.by, [one.name for each in report.breakdowns if each.by == wanted.by for one in each.groups if not one.rest])
    text = page(report, files("playhead.proxy").joinpath("reporting", "report.css").read_text(encoding="utf-8"))
    if place == STANDARD_OUTPUT:
        for_programs().write(text)
        return
    write_file(Path(place), text.encode())
    say(f"{place}: {_in_words(report)}")


def _until(store: Store, wanted: Wanted, now: datetime) -> datetime:
    """The time up to which it is about: what comes while it is read would be in one part of it and not in another. Clocks of other hosts may be ahead."""
    span = None if wanted.until else store.ledger.spending(wanted).span()
    return wanted.until or (now if span is None else max(now, span[1] + timedelta(microseconds=1)))


def say_unlabelled(by: Sequence[str], keys: Collection[Key]) -> None:
    """Say by which headers nothing was grouped though that was asked for, and what helps."""
    from ..audit import unlabelled

    for name in unlabelled(by, keys):
        say(f"no exchange has {name}: if requests had that header, name it in label_header, and let `playhead reparse --all` do so for recordings of before")


def _read(spending: Spending, by: Sequence[str], names: Mapping[str, str]) -> Read:
    from playhead.storage.costing.sums import lacking_of

    from ..reporting.contents import FAILURES, Read, groupings, names_of, unit_of

    span = spending.span()
    if span is None:
        return Read(None)
    views = groupings(unit_of(span), by)
    found = [spending.found(view, times=place == 0) for place, view in enumerate(views)]  # how long it took is told by model alone
    known = found[0].sums.values()
    lacking = lacking_of(found[0])
    reasons = spending.reasons(lacking=lacking) if lacking else []
    assumed = spending.assumed() if any(one.assumed for one in known) else []
    return Read(span, found, spending.silent_retries(names_of(views)), spending.failures(FAILURES), reasons, assumed, spending.priced_by(), names)


def _in_words(report: Report) -> str:
    row = report.whole.row
    return f"{row.requests:,} exchange{'s'[: row.requests != 1]}, {row.cost} USD"

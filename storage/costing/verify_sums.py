"""Proves that sums which audits keep are those of what they are about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from playhead.config.errors import ConfigError

from ..checks import Found
from ..engine import Database
from .cost_tables import kept_sums
from .kept_sums import ids_of, loaded, names_of
from .spending import Spending
from .sums import Wanted


def sum_problems(database: Database) -> Iterator[Found]:
    """Those that differ, which audits would tell. May run while anybody writes."""
    k = kept_sums.c
    with database.reading() as connection:
        rows = connection.execute(select(k.part, k.grouping, k.made_by).where(k.data.is_not(None)).order_by(k.grouping, k.part)).all()
    for part, grouping, made_by in rows:
        own = select(k.claim, k.data).where(k.part == part, k.grouping == grouping, k.made_by == made_by)
        with database.reading() as connection:
            row = connection.execute(own).first()
        if row is None or _holds(database, part, grouping, made_by, row):
            continue
        with database.reading() as connection:
            still = connection.execute(own).first()
        if still == row:  # nothing has changed meanwhile
            ids = ids_of(part)
            text = f"the sums that audits keep of exchanges {ids.start} to {ids.stop - 1} by {grouping} are not theirs"
            yield None, f"{text}: another program has changed them; empty the table kept_sums, and audits make them anew"


def _holds(database: Database, part: int, grouping: str, made_by: str, row: Any) -> bool:
    """Whether they are what they should be, or no audit would look at them."""
    try:
        names, times = names_of(grouping)
        spending = Spending(database, Wanted(tuple(names)))
    except (ConfigError, ValueError):
        return True
    if made_by != spending.made_by(times=times):
        return True
    kept = None if row.data is None else loaded(row.data, len(names))
    return kept is None or kept == spending.closed_part(part, times=times)

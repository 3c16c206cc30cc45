"""What was spent by hour and by any grouping, read in parts: what budgets are compared with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, case, func, or_, select

from ..engine import Database
from ..tables import exchanges, writers
from .cost_tables import costs
from .money import put_together, summed
from .spending import LOST, PART, Spending
from .sums import Key, Spend, Wanted

_E, _C = exchanges.c, costs.c


class SpentByHour(Spending):
    """Sums by hour (`2026-11-26T06`, in UTC) and the groups wanted. What was imported was paid elsewhere. Raises ConfigError: no such grouping; StoreError:
    no such session."""

    def __init__(self, database: Database, wanted: Wanted, size: int = PART) -> None:
        super().__init__(database, wanted._replace(by=("hour", *wanted.by)), size)

    def parts(self) -> range:
        """Where the parts of the store begin."""
        with self._database.reading() as connection:  # one by one: both in one question would look at all
            least, most = (connection.execute(select(end(_E.id))).scalar() for end in (func.min, func.max))
        return range(0) if least is None or most is None else range(int(least) // self._size * self._size, int(most) + 1, self._size)

    def part(self, start: int) -> tuple[list[tuple[Key, Spend]], bool]:
        """Sums of the part that begins there; whether it may still grow: exchanges go on, or will be paid for later."""
        here = _E.id.between(start, start + self._size - 1)
        imported = select(writers.c.id).where(writers.c.writer.like("import-%"))
        joined = exchanges.outerjoin(costs, _C.exchange == _E.id)
        columns = (
            *summed(_C.amount),
            func.count(),
            *map(_count, (_C.state.in_(("partly", "unpriced")), _C.state == "pending", or_(LOST, _E.pruned == "costs"))),
        )
        wanted = select(*self._keys, *columns).select_from(joined).where(here, _E.writer.not_in(imported), *self._conditions()).group_by(*self._keys)
        with self._database.reading() as connection:
            most = connection.execute(select(func.max(_E.id)).where(here)).scalar()
            open_ = connection.execute(select(_E.id).where(here, _E.outcome.is_(None)).limit(1)).first()
            rows = connection.execute(wanted).all()
        width = len(self._keys)
        found = [
            (tuple(None if value is None else str(value) for value in row[:width]), Spend(put_together(*row[width : width + 2]), *map(int, row[width + 2 :])))
            for row in rows
        ]
        grows = most is None or int(most) < start + self._size - 1 or open_ is not None or any(spend.pending for _, spend in found)
        return found, grows

    def all(self) -> Iterator[tuple[Key, Spend]]:
        """Of all parts; a group may come several times."""
        for start in self.parts():
            yield from self.part(start)[0]


def _count(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)

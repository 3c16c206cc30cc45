"""What of the store is due to go by its clocks, and about how many bytes that frees. Read page by page, so that a recorder is never held up."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Row, false, func, or_, select

from playhead.config.retention import Clocks, Retention

from ..costing.cost_tables import costs
from ..engine import Database
from ..tables import bodies, connection_pieces, exchanges, pieces

CONTENT, COSTS, ROW = 0, 1, 2
"""What of an exchange goes: what was said in it, what it cost, or its row with all there is."""

_PAGE = 5000  # ids that are looked at together
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


class Weights(NamedTuple):
    """Bytes that rows take beside what they hold, about: of an event, of an exchange's content, of its costs, of its row."""

    event: int
    content: int
    costs: int
    row: int


SQLITE = Weights(24, 320, 180, 360)
POSTGRESQL = Weights(110, 700, 350, 500)


@dataclass(slots=True)
class Share:
    """What of a session goes: how many exchanges by what of them goes, and bytes."""

    counts: list[int] = field(default_factory=lambda: [0, 0, 0])
    bytes: int = 0


@dataclass(slots=True)
class Plan:
    """What is due: ids that ascend, what of each goes, and both by session."""

    ids: array[int] = field(default_factory=lambda: array("q"))
    what: bytearray = field(default_factory=bytearray)
    sessions: dict[str, Share] = field(default_factory=dict)

    def add(self, id_: int, session: str, what: int, size: int) -> None:
        """One more exchange."""
        self.ids.append(id_)
        self.what.append(what)
        share = self.sessions.setdefault(session, Share())
        share.counts[what] += 1
        share.bytes += size

    @property
    def bytes(self) -> int:
        """That all of it frees, about."""
        return sum(share.bytes for share in self.sessions.values())


class Due:
    """Looks for what is due at a moment. `sessions`: only in these; none: in all."""

    def __init__(self, database: Database, retention: Retention, now: datetime, sessions: Collection[str] = ()) -> None:
        self._database = database
        self._retention = retention
        self._now = now
        self._sessions = sessions
        self._weights = SQLITE if database.sqlite else POSTGRESQL
        self._clocks: dict[str, Clocks] = {}
        self._held: set[int] = set()

    def by_age(self, plan: Plan) -> Iterator[None]:
        """Add to a plan what is too old, a page at a time."""
        shortest = self._retention.shortest
        if shortest is None:
            return
        self._hold()
        # What has lost one of both already is looked at again only when the other may be due.
        e = exchanges.c
        priced = or_(e.pruned.is_distinct_from("content"), self._may_be_over("costs"))
        said = or_(e.pruned.is_distinct_from("costs"), self._may_be_over("content"))
        for rows in self._pages(e.started_at < self.before(shortest), priced, said):
            for row in rows:
                what = self._what(row, content=self._over(row, "content"))
                if what is not None:
                    plan.add(row.id, row.session, what, self._size(row, what))
            yield

    def by_size(self, plan: Plan, aged: Plan) -> Iterator[None]:
        """Add to a plan the content that was recorded first, as far as content takes too much, a page at a time. `aged`: what goes anyway."""
        excess: dict[str | None, int] = {}
        yield from self._excess(excess)
        for scope, size in ((None, aged.bytes), *((session, share.bytes) for session, share in aged.sessions.items())):
            if scope in excess:
                excess[scope] -= size
        for rows in self._pages(_STAYS) if any(size > 0 for size in excess.values()) else ():
            for row in rows:
                if not self._over(row, "content"):
                    self._add_oversized(plan, row, excess)
            if all(size <= 0 for size in excess.values()):
                return
            yield

    def _add_oversized(self, plan: Plan, row: Row[Any], excess: dict[str | None, int]) -> None:
        of_all = excess.get(None, 0) > 0 and self._retention.sized(row.session)
        what = self._what(row, content=True)
        if what is None or not (of_all or excess.get(row.session, 0) > 0):
            return
        size = self._size(row, what)
        plan.add(row.id, row.session, what, size)
        for scope in (None, row.session):
            if scope in excess:
                excess[scope] -= size

    def _excess(self, excess: dict[str | None, int]) -> Iterator[None]:
        """By how much the store (None) and each session with a size of its own are too big."""
        if (limit := self._retention.clocks.size) is not None:
            excess[None] = used_bytes(self._database) - limit
        if not any(one.own.size is not None for one in self._retention.overrides):
            return
        taken: Counter[str] = Counter()
        for rows in self._pages(_STAYS):
            for row in rows:
                taken[row.session] += self._size(row, CONTENT)
            yield
        for session, size in taken.items():
            if (own := self._retention.of(session).size) is not None:
                excess[session] = size - own

    # One exchange.

    def _what(self, row: Row[Any], *, content: bool) -> int | None:
        """What of it goes; None: nothing. `content`: whether its content is due."""
        costs_due = row.id not in self._held and self._over(row, "costs")
        if (content or row.pruned == "content") and (costs_due or row.pruned == "costs"):
            return ROW
        if content and row.pruned != "content":
            return CONTENT
        return COSTS if costs_due and row.pruned != "costs" else None

    def _over(self, row: Any, clock: Literal["content", "costs"]) -> bool:
        """Whether that clock of it has run out."""
        clocks = self._clocks.get(row.session)
        if clocks is None:
            clocks = self._clocks[row.session] = self._retention.of(row.session)
        age = clocks.content if clock == "content" else clocks.costs
        return age is not None and row.started_at < self.before(age)

    def _may_be_over(self, clock: Literal["content", "costs"]) -> ColumnElement[bool]:
        age = self._retention.shortest_of(clock)
        return false() if age is None else exchanges.c.started_at < self.before(age)

    def before(self, age: float) -> datetime:
        """What began before it is older than that."""
        try:
            return self._now - timedelta(seconds=age)
        except OverflowError:  # older than time
            return _LONG_AGO

    def _size(self, row: Row[Any], what: int) -> int:
        weights = self._weights
        content = 0 if row.pruned == "content" else int(row.size) + int(row.pieces) + weights.event * row.events + weights.content
        return content if what == CONTENT else weights.costs if what == COSTS else content + weights.costs + weights.row

    def _hold(self) -> None:
        """Find the exchanges in which money of others is counted whose costs stay: theirs stay as long."""
        e, c = exchanges.c, costs.c
        told = select(c.counted_in, e.session, e.started_at).join_from(costs, exchanges, e.id == c.exchange).where(c.counted_in.is_not(None))
        with self._database.reading() as connection:
            self._held = {row.counted_in for row in connection.execute(told) if not self._over(row, "costs")}

    # Reading.

    def _pages(self, *conditions: ColumnElement[bool]) -> Iterator[Sequence[Any]]:
        """The ended exchanges by id, with the sizes of what is kept of them."""
        e = exchanges.c
        # An expression in place of the column keeps SQLite from reading all of the sessions for each page.
        own = [e.session.concat("").in_(self._sessions)] if self._sessions else []
        with self._database.reading() as connection:
            least, most = connection.execute(select(func.min(e.id), func.max(e.id)).where(*own)).one()
        statement = _WITH_SIZES.where(e.outcome.is_not(None), *own, *conditions).order_by(e.id)
        for low in range(least, most + 1, _PAGE) if least is not None else ():
            with self._database.reading() as connection:
                rows: Sequence[Any] = connection.execute(statement.where(e.id.between(low, low + _PAGE - 1))).all()
            yield rows


def used_bytes(database: Database) -> int:
    """What the store takes: of SQLite its pages in use; of PostgreSQL what its rows take, about, since it gives no space back by itself."""
    with database.reading() as connection:
        if database.sqlite:
            pages, free, size = (int(connection.exec_driver_sql(f"PRAGMA {name}").scalar() or 0) for name in ("page_count", "freelist_count", "page_size"))
            return (pages - free) * size
        held = sum(int(connection.execute(_HELD_IN[table]).scalar_one()) for table in (bodies, pieces, connection_pieces))
        count, content, events = connection.execute(_COUNTED).one()
    weights = POSTGRESQL
    return held + weights.event * int(events) + weights.content * int(content) + (weights.costs + weights.row) * int(count)


def count_pruned(database: Database, session: str, take: int | None) -> int:
    """See `Store.pruned`."""
    e = exchanges.c
    wanted = select(func.count()).where(e.session == session, e.pruned == "content", *([e["take"] == take] if take is not None else []))
    with database.reading() as connection:
        return connection.execute(wanted).scalar_one()


_WITH_SIZES = select(
    *exchanges.c["id", "session", "started_at", "pruned", "events"],
    func.coalesce(func.length(bodies.c.data), 0).label("size"),
    func.coalesce(select(func.sum(func.length(pieces.c.data))).where(pieces.c.exchange == exchanges.c.id).scalar_subquery(), 0).label("pieces"),
).select_from(exchanges.outerjoin(bodies, bodies.c.exchange == exchanges.c.id))
_HELD_IN = MappingProxyType({table: select(func.coalesce(func.sum(func.length(table.c.data)), 0)) for table in (bodies, pieces, connection_pieces)})
_STAYS = exchanges.c.pruned.is_distinct_from("content")
_COUNTED = select(func.count(), func.count().filter(_STAYS), func.coalesce(func.sum(exchanges.c.events).filter(_STAYS), 0)).select_from(exchanges)

"""The ledger as it stands: what exchanges cost, and costs computed again beside the old."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, func, or_, select, update

from playhead.config.errors import StoreError

from ..alone import alone
from ..engine import Database, insisting
from ..evidence.chain_writing import ChainWriter, chained, commands
from ..evidence.chained import EntryKind, Subject
from ..queries import require, require_session
from ..records import Record
from ..rows import Inserter
from ..tables import exchanges, writers
from .cost_tables import cost_history, cost_line_rows, costs, paid_responses, price_bases, price_rates, pricings
from .costs import Cost, Priceable, Repriced, counted_in, dollars
from .ledger_writing import LedgerMemory, LedgerWriter, forget, keep_history, note_values
from .money import put_together, summed
from .outlays import outlays
from .prompting import Prompting
from .spending import DAILY, LOST, PART, Spending
from .spent import Spent
from .spent_by_hour import SpentByHour
from .sums import Wanted
from .untold import Untold

_AT_ONCE = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PRICEABLE = tuple(
    exchanges.c[name]
    for name in (
        *("id", "method", "path", "transport", "upstream", "started_at", "status", "outcome", "parse", "kind", "model", "response_id"),
        *("response_status", "service_tier", "error_code", "usage", "billing", "steer"),
    )
)


class CostLineRecord(Record):
    """One cost line as `playhead show --cost --json` prints it. `amount`: decimal in USD."""

    item: str
    model: str | None
    quantity: int
    counts: str
    price: str | None
    per: int
    amount: str | None
    tables: str | None
    dimensions: list[list[str | None]] | None
    reason: str | None


class Ledger:
    """The costs of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._memory = LedgerMemory()

    def priceable(self, session: str | None = None, since: datetime | None = None, until: datetime | None = None) -> Iterator[Priceable]:
        """What of ended exchanges decides about their price, by id; what was imported only if its session is named.

        Raises StoreError at once if there is no such session.
        """
        if session is not None:
            require_session(self._database, session)
        return self._priceable(list(_wanted(session, since, until)))

    def pruned(self, session: str | None = None) -> int:
        """Of how many exchanges the costs are pruned, so that none can be computed again; of all, or of a session. Raises StoreError."""
        wanted = select(func.count()).where(exchanges.c.pruned == "costs", *([] if session is None else [exchanges.c.session == session]))
        with self._database.reading() as connection:
            return connection.execute(wanted).scalar_one()

    def _priceable(self, wanted: list[ColumnElement[bool]]) -> Iterator[Priceable]:
        after = 0
        while True:
            statement = select(*_PRICEABLE).where(exchanges.c.id > after, *wanted).order_by(exchanges.c.id).limit(_AT_ONCE)
            with self._database.reading() as connection:
                rows = connection.execute(statement).all()
                windows = _windows(connection, [row.id for row in rows])
            for row in rows:
                one = _as_priceable(row)
                window = windows.get(one.id)
                yield one if window is None else one._replace(billing={**(one.billing or {}), "window": window})
            if len(rows) < _AT_ONCE:
                return
            after = rows[-1].id

    @contextmanager
    def repricing(self) -> Iterator[None]:
        """While prices are computed again: two who do that by different prices would leave some of each. Raises StoreError."""
        with alone(self._database) as free:
            if not free:
                raise StoreError(f"Another `playhead reprice` is at work on {self._database.name}: run this one when that has ended.")
            yield

    def changes(self, batch: Sequence[tuple[Priceable, Cost | None]]) -> list[Repriced]:
        """What `replace` would change."""
        with self._database.reading() as connection:
            entries = ChainWriter(connection, commands(), EntryKind.REPRICED)  # to which nothing is appended
            standing = _Standing(connection, [one.id for one, _ in batch])
            batch = _once(LedgerWriter(connection, entries, self._memory, _inserter(connection), _now), standing, batch, pay=False)
            return [_repriced(one, standing.costs.get(one.id), cost) for one, cost in batch if cost is not None and standing.differs(one, cost)]

    def replace(self, batch: Sequence[tuple[Priceable, Cost | None]]) -> list[Repriced]:
        """Put these costs in force where they differ, in one transaction; what was in force goes to the history. Raises StoreError: nothing of it is stored.

        Those whose money another exchange counts stay as they are. Gives what has changed.
        """
        return insisting(lambda: self._replace(batch))

    def _replace(self, batch: _Batch) -> list[Repriced]:
        changed: list[Repriced] = []
        with self._database.writing() as connection, chained(connection, EntryKind.REPRICED) as entries:
            writer = LedgerWriter(connection, entries, self._memory, _inserter(connection), _now)
            ids = [one.id for one, _ in batch]
            there = set(connection.execute(select(exchanges.c.id).where(exchanges.c.id.in_(ids)).order_by(exchanges.c.id).with_for_update()).scalars())
            standing = _Standing(connection, ids)
            batch = _once(writer, standing, [(one, cost) for one, cost in batch if one.id in there], pay=True)
            differing = [(one, cost) for one, cost in batch if cost is not None and standing.differs(one, cost)]
            entries.changing(Subject.EXCHANGE, [one.id for one, _ in differing])
            for one, cost in differing:
                before = standing.costs.get(one.id)
                if before is None:
                    cost = writer.settled(one.id, one.response_id, cost)
                version = keep_history(connection, one.id, _now()) + 1
                forget(connection, one.id)
                writer.put([(one.id, version, cost)])
                connection.execute(update(exchanges).where(exchanges.c.id == one.id).values(note_values(cost)))
                changed.append(_repriced(one, before, cost))
        writer.remember()
        return changed

    def spending(self, wanted: Wanted, size: int = PART) -> Spending:
        """The way to sums over exchanges and their costs, of which so many are summed up at once. Raises ConfigError: no such grouping; StoreError: no such
        session."""
        return Spending(self._database, wanted, size)

    def keep_sums(self) -> Iterator[None]:
        """Keep sums for audits by model and day, as far as none are kept; a little at a time. Raises StoreError."""
        return Spending(self._database, Wanted(DAILY)).keep()

    def spent_by_hour(self, wanted: Wanted) -> SpentByHour:
        """The way to what was spent by hour. Raises ConfigError: no such grouping; StoreError: no such session."""
        return SpentByHour(self._database, wanted)

    def untold(self, wanted: Wanted) -> Untold:
        """The way to exchanges that told no usage. Raises as `spending`."""
        return Untold(self._database, wanted)

    def prompting(self, wanted: Wanted) -> Prompting:
        """The way to exchanges that prompted a model. Raises StoreError: no such session."""
        return Prompting(self._database, wanted)

    def outlays(self, since: datetime, until: datetime) -> Iterator[Spent]:
        """What was spent by exchanges that began in that time, each once, to be laid beside a bill."""
        return outlays(self._database, since, until)

    def worth(self, ids: Mapping[int, int]) -> tuple[int, int, list[Priceable]]:
        """What these exchanges cost, each so many times, in 10^-12 USD; how many cost something nobody knows; and those that are not in the ledger."""
        amount, unknown, listed = 0, 0, sorted(ids)
        missing: list[Priceable] = []
        for start in range(0, len(listed), _AT_ONCE):
            part = listed[start : start + _AT_ONCE]
            with self._database.reading() as connection:
                rows = connection.execute(select(costs.c.exchange, costs.c.state, costs.c.amount).where(costs.c.exchange.in_(part))).all()
            amount += sum(ids[row.exchange] * (row.amount or 0) for row in rows)
            unknown += sum(ids[row.exchange] for row in rows if row.state in ("partly", "unpriced"))
            if lacking := set(part) - {row.exchange for row in rows}:
                elsewhere, open_ = self._paid_elsewhere(lacking, ids)
                amount += elsewhere
                missing += self._priceable([exchanges.c.id.in_(open_), _USED, exchanges.c.outcome.is_not(None)])
        return amount, unknown, missing

    def _paid_elsewhere(self, lacking: Collection[int], ids: Mapping[int, int]) -> tuple[int, list[int]]:
        """Of exchanges that are not in the ledger: what they came along with, and those for which nothing came that counts."""
        e = exchanges.c
        with self._database.reading() as connection:
            rows = connection.execute(select(e.id, e.cost, e.cost_note).where(e.id.in_(lacking))).all()
        open_ = [row.id for row in rows if row.cost is None and counted_in(row.cost_note) not in ids]
        return sum(ids[row.id] * (row.cost or 0) for row in rows), open_

    def paid(self, writer: str | None = None, session: str | None = None, since: datetime | None = None) -> tuple[int, int, int, int, str]:
        """Of what was recorded by that writer, in that session, since then: calls whose price is settled, what they cost, the dearest of them, how many
        cost something nobody knows, and one of these. Amounts in 10^-12 USD. What was imported was paid elsewhere."""
        e, c = exchanges.c, costs.c
        unknown = or_(c.state.in_(("partly", "unpriced")), LOST)
        settled = case((c.state == "pending", 0), else_=1)
        sums = (*summed(c.amount), func.sum(settled), func.max(c.amount), func.sum(case((unknown, 1), else_=0)))
        wanted: list[ColumnElement[bool]] = [e.outcome.is_not(None), e.writer.in_(select(writers.c.id).where(writers.c.writer.not_like("import-%")))]
        if writer is not None:
            wanted.append(e.writer.in_(select(writers.c.id).where(writers.c.writer == writer)))
        if session is not None:
            wanted.append(e.session == session)
        if since is not None:
            wanted.append(e.started_at >= since)
        joined = exchanges.outerjoin(costs, c.exchange == e.id)
        with self._database.reading() as connection:
            upper, lower, *found = connection.execute(select(*sums).select_from(joined).where(*wanted)).one()
            row = connection.execute(select(e.id, e.model, e.cost_note).select_from(joined).where(*wanted, unknown).order_by(e.id).limit(1)).first()
        ended, dearest, unpriced = (int(value or 0) for value in found)
        about = "" if row is None else f"exchange {row.id}" + "".join(f" ({part})" for part in (", ".join(filter(None, (row.model, row.cost_note))),) if part)
        return ended, put_together(upper, lower), dearest, unpriced, about

    def lines(self, id_: int) -> list[CostLineRecord]:
        """The cost lines of an exchange, as they are in force. Raises StoreError if there is no such exchange."""
        require(self._database, id_)
        with self._database.reading() as connection:
            rows = connection.execute(_LINES_OF.where(costs.c.exchange == id_)).all()
        return [CostLineRecord.model_construct(**{**row._mapping, "amount": None if row.amount is None else dollars(row.amount)}) for row in rows]

    def about(self, id_: int) -> dict[str, Any] | None:
        """What was known of an exchange when it was priced, by which tables, and how often; None if it is not in the ledger."""
        require(self._database, id_)
        joined = costs.join(price_bases, price_bases.c.id == costs.c.basis).join(pricings, pricings.c.id == costs.c.pricing)
        columns = (costs.c.version, costs.c.state, costs.c.amount, costs.c.counted_in, price_bases.c.dimensions, price_bases.c.reason)
        wanted = select(*columns, pricings.c.tables, pricings.c.assumed, pricings.c.made_by, pricings.c.as_of).select_from(joined)
        with self._database.reading() as connection:
            row = connection.execute(wanted.where(costs.c.exchange == id_)).first()
        return None if row is None else {**row._mapping, "amount": None if row.amount is None else dollars(row.amount)}

    def history(self, id_: int) -> list[dict[str, Any]]:
        """What an exchange cost before, the oldest first."""
        h = cost_history.c
        columns = (h.version, h.state, h.amount, h.note, h.until, pricings.c.tables, pricings.c.assumed, pricings.c.made_by, pricings.c.as_of)
        wanted = select(*columns).join_from(cost_history, pricings, pricings.c.id == h.pricing).where(h.exchange == id_).order_by(h.version)
        with self._database.reading() as connection:
            return [{**row._mapping, "amount": None if row.amount is None else dollars(row.amount)} for row in connection.execute(wanted)]


_Batch = Sequence[tuple[Priceable, Cost | None]]


def _once(writer: LedgerWriter, standing: _Standing, batch: _Batch, *, pay: bool) -> _Batch:
    """Each container in the exchange that used it first."""
    listed = [(one, cost) for one, cost in batch if cost is not None and (one.billing or {}).get("containers") and not standing.is_elsewhere(one)]
    if not listed:
        return batch
    once = writer.once([(one.id, one.billing, cost) for one, cost in listed], pay=pay)
    costs = {one.id: cost for (one, _), cost in zip(listed, once, strict=True)}
    return [(one, costs.get(one.id, cost)) for one, cost in batch]


def _repriced(one: Priceable, before: Row[Any] | None, cost: Cost) -> Repriced:
    state, amount = (None, None) if before is None else (before.state, before.amount)
    return Repriced(one.id, one.model, state, amount, cost.state, cost.amount)


def _wanted(session: str | None, since: datetime | None, until: datetime | None) -> Iterator[ColumnElement[bool]]:
    e = exchanges.c
    yield e.outcome.is_not(None)
    yield e.pruned.is_distinct_from("costs")
    if session is None:  # what was imported was paid where it was recorded
        yield e.writer.not_in(select(writers.c.id).where(writers.c.writer.like("import-%")))
    else:
        yield e.session == session
    if since is not None:
        yield e.started_at >= since
    if until is not None:
        yield e.started_at < until


def _windows(connection: Connection, ids: Sequence[int]) -> dict[int, str]:
    """The completion windows that responses were asked for with, by the exchanges that pay for them and did not ask for them."""
    p, e = paid_responses.c, exchanges.c
    makers = select(p.exchange, e.billing).join_from(paid_responses, exchanges, e.response_id == p.response_id)
    makers = makers.where(p.exchange.in_(ids), e.id != p.exchange, e.billing.is_not(None))
    return {row.exchange: str(window) for row in connection.execute(makers) if (window := row.billing.get("window"))}


_USED = or_(exchanges.c.usage.is_not(None), exchanges.c.billing.is_not(None))


def _as_priceable(row: Row[Any]) -> Priceable:
    known = dict(row._mapping)
    known["started_at_ns"] = (known.pop("started_at") - _EPOCH) // timedelta(microseconds=1) * 1000
    return Priceable(**known)


def _inserter(connection: Connection) -> Any:
    def insert(table: Any, values: list[Any]) -> None:
        Inserter(connection, table)(connection, values)

    return insert


class _Standing:
    """What is in force of some exchanges."""

    def __init__(self, connection: Connection, ids: Sequence[int]) -> None:
        r, lines = price_rates.c, cost_line_rows.c
        self.costs = {row.exchange: row for row in connection.execute(select(costs).where(costs.c.exchange.in_(ids)))}
        joined = costs.join(cost_line_rows, (lines.exchange == costs.c.exchange) & (lines.version == costs.c.version)).join(price_rates, r.id == lines.rate)
        columns = (lines.exchange, r.item, r.model, r.price, r.per, r.reason, lines.quantity, lines.amount)
        wanted = select(*columns).select_from(joined).where(costs.c.exchange.in_(ids)).order_by(lines.exchange, lines.line)
        self._lines: dict[int, list[tuple[Any, ...]]] = {}
        for exchange, *line in connection.execute(wanted):
            self._lines.setdefault(exchange, []).append(tuple(line))

    def is_elsewhere(self, one: Priceable) -> bool:
        """Whether its money is counted in another exchange."""
        before = self.costs.get(one.id)
        return before is not None and before.state == "elsewhere"

    def differs(self, one: Priceable, cost: Cost) -> bool:
        """Whether something has changed that anybody pays: by which tables it was found out is no change, nor is what another exchange counts."""
        before = self.costs.get(one.id)
        if before is None:
            return True
        now = [(rate.item, rate.model, rate.price, rate.per, rate.reason, quantity, amount) for rate, quantity, amount in cost.lines]
        return before.state != "elsewhere" and ((before.state, before.amount) != (cost.state, cost.amount) or self._lines.get(one.id, []) != now)


def _now() -> datetime:
    return datetime.now(UTC)


_LINES_OF = (
    select(
        price_rates.c.item,
        price_rates.c.model,
        cost_line_rows.c.quantity,
        price_rates.c.counts,
        price_rates.c.price,
        price_rates.c.per,
        cost_line_rows.c.amount,
        price_rates.c.tables,
        price_rates.c.dimensions,
        price_rates.c.reason,
    )
    .select_from(
        costs.join(cost_line_rows, (cost_line_rows.c.exchange == costs.c.exchange) & (cost_line_rows.c.version == costs.c.version)).join(
            price_rates, price_rates.c.id == cost_line_rows.c.rate
        )
    )
    .order_by(cost_line_rows.c.line)
)

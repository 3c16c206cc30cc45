"""Reads what exchanges have spent, as it is laid beside a bill."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, select

from ..engine import Database
from ..tables import exchanges, writers
from .cost_tables import cost_line_rows, costs, price_bases, price_rates
from .costs import CLASSES, COUNTS
from .spent import Spent, SpentLine

_AT_ONCE = 5000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN = ("input", "cached_input", "output", "input_audio", "input_image", "cached_audio", "cached_image", "output_audio", "output_image")
_E = exchanges.c
_COLUMNS = (
    *(_E.id, _E.method, _E.path, _E.kind, _E.transport, _E.session, _E.upstream, _E.started_at, _E.duration_ms, _E.status, _E.outcome),
    *(_E.project, _E.key_id, _E.model, _E.service_tier, _E.billing, costs.c.version, costs.c.state, costs.c.amount, costs.c.basis),
    *(costs.c[f"{name}_tokens"] for name in COUNTS),
    *(costs.c[f"{name}_amount"] for name in CLASSES),
)


def outlays(database: Database, since: datetime, until: datetime) -> Iterator[Spent]:
    """What of the ledger began in that time, by id; what is counted in another exchange is left out, and so is what was imported."""
    with database.reading() as connection:
        bases = {row.id: row for row in connection.execute(select(price_bases.c.id, price_bases.c.dimensions, price_bases.c.reason))}
        rates = {row.id: row for row in connection.execute(select(price_rates).where(price_rates.c.item.not_in(_PLAIN)))}
        made = _made(connection, since, until)
    imported = select(writers.c.id).where(writers.c.writer.like("import-%"))
    wanted = select(*_COLUMNS).join_from(exchanges, costs, costs.c.exchange == exchanges.c.id)
    wanted = wanted.where(_E.started_at >= since, _E.started_at < until, _E.outcome.is_not(None), costs.c.state != "elsewhere", _E.writer.not_in(imported))
    after = 0
    while True:
        with database.reading() as connection:
            rows = connection.execute(wanted.where(_E.id > after).order_by(_E.id).limit(_AT_ONCE)).all()
            lines = _lines(connection, rows, rates) if rows and rates else {}
        for row in rows:
            yield _spent(row, bases.get(row.basis), made.get(row.id), lines.get(row.id, ()))
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].id


def _made(connection: Connection, since: datetime, until: datetime) -> dict[int, int]:
    """When the exchanges began whose responses another exchange pays for, by that one."""
    wanted = select(costs.c.counted_in, _E.started_at).join_from(costs, exchanges, exchanges.c.id == costs.c.exchange)
    wanted = wanted.where(costs.c.state == "elsewhere", costs.c.told.is_(None), _E.started_at >= since, _E.started_at < until)
    return {row.counted_in: _ns(row.started_at) for row in connection.execute(wanted)}


def _lines(connection: Connection, rows: Sequence[Any], rates: dict[int, Any]) -> dict[int, tuple[SpentLine, ...]]:
    """Cost lines of what is no plain token, by exchange."""
    c = cost_line_rows.c
    wanted = select(c.exchange, c.version, c.rate, c.quantity, c.amount).join_from(
        cost_line_rows, costs, and_(costs.c.exchange == c.exchange, costs.c.version == c.version)
    )
    wanted = wanted.where(c.exchange >= rows[0].id, c.exchange <= rows[-1].id)
    found: dict[int, tuple[SpentLine, ...]] = {}
    for exchange, _, rate_id, quantity, amount in connection.execute(wanted):
        if (rate := rates.get(rate_id)) is not None:
            found[exchange] = (*found.get(exchange, ()), SpentLine(rate.item, rate.model, quantity, amount))
    return found


def _spent(row: Any, basis: Any | None, made_ns: int | None, lines: tuple[SpentLine, ...]) -> Spent:
    values = tuple(row)
    first = 20
    return Spent(
        *(row.id, row.method, row.path, row.kind, row.transport, row.session, row.upstream),
        *(_ns(row.started_at), int((row.duration_ms or 0) * 1e6), made_ns, row.status, row.outcome),
        *(row.project, row.key_id, row.model, row.service_tier, row.billing, row.state, row.amount),
        reason=basis.reason if basis is not None else None,
        dimensions=basis.dimensions if basis is not None else (),
        counts=values[first : first + len(COUNTS)],
        amounts=values[first + len(COUNTS) :],
        lines=lines,
    )


def _ns(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000

"""Reads exchanges that prompted a model, with what was cached of their prompts, in the order in which they are stored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from ..engine import Database
from ..queries import require_session
from ..tables import exchanges, item_rows
from .cost_tables import costs, price_bases
from .prompted import Prompted
from .sums import Wanted

KINDS = ("responses", "chat.completions", "messages")
_AT_ONCE = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OUTPUT = 1
_E, _OWN, _PAYER = exchanges.c, costs.alias("own"), costs.alias("payer")
_COLUMNS = (
    *(
        _E.id,
        _E.session,
        _E.started_at,
        _E.first_event_ms,
        _E.kind,
        _E.transport,
        _E.path,
        _E.model,
        _E.service_tier.label("tier"),
        _E.key_id,
        _E.organization,
        _E.project,
    ),
    *(_E.upstream, _E.response_id, _E.previous_response_id, _E.conversation, _E.steer, _E.request_bytes, _E.number, _E.billing),
    *(_PAYER.c.basis, _PAYER.c.input_tokens.label("fresh"), _PAYER.c.cached_tokens.label("cached"), _PAYER.c.written_tokens.label("written")),
    *(_PAYER.c.input_amount.label("fresh_amount"), _PAYER.c.cached_amount, _PAYER.c.written_amount),
)


class Prompting:
    """The way to them. Raises StoreError at once if there is no such session."""

    def __init__(self, database: Database, wanted: Wanted, size: int = _AT_ONCE) -> None:
        """`size`: turns of one page."""
        for session in wanted.sessions:
            require_session(database, session)
        self._database, self._wanted, self._size = database, wanted, size
        self._bases: dict[int, Any] = {}

    def count(self) -> int:
        """How many there are."""
        with self._database.reading() as connection:
            return int(connection.execute(self._selected(func.count())).scalar_one())

    def pruned(self) -> int:
        """How many exchanges there are beside them whose prompts are pruned."""
        asked = select(func.count()).where(_E.pruned == "content", *_MODEL_ASKED, *self._conditions())
        with self._database.reading() as connection:
            return int(connection.execute(asked).scalar_one())

    def pages(self) -> Iterator[list[Prompted]]:
        """All of them."""
        after = 0
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(self._selected(*_COLUMNS).where(_E.id > after).order_by(_E.id).limit(self._size)).all()
                found = self._prompted(connection, rows)
            yield found
            if len(rows) < self._size:
                return
            after = rows[-1].id

    def one(self, id_: int) -> Prompted | None:
        """A single one, whenever it was."""
        with self._database.reading() as connection:
            rows = connection.execute(_joined(*_COLUMNS).where(*_PROMPTS, _E.id == id_)).all()
            return next(iter(self._prompted(connection, rows)), None)

    def making(self, response_id: str) -> int | None:
        """The exchange that made a response, as far as its usage is known."""
        with self._database.reading() as connection:
            return connection.execute(_joined(_E.id).where(*_PROMPTS, _E.response_id == response_id).order_by(_E.id).limit(1)).scalar()

    def _selected(self, *columns: Any) -> Select[Any]:
        return _joined(*columns).where(*_PROMPTS, *self._conditions())

    def _conditions(self) -> Iterator[ColumnElement[bool]]:
        wanted = self._wanted
        if wanted.sessions:
            yield _E.session.in_(wanted.sessions)
        if wanted.since is not None:
            yield _E.started_at >= wanted.since
        if wanted.until is not None:
            yield _E.started_at < wanted.until

    def _prompted(self, connection: Connection, rows: Any) -> list[Prompted]:
        if not rows:
            return []
        i = item_rows.c
        counted = select(i.exchange, func.count()).where(i.part == _OUTPUT, i.exchange.between(rows[0].id, rows[-1].id)).group_by(i.exchange)
        outputs = {row[0]: int(row[1]) for row in connection.execute(counted)}
        if lacking := {row.basis for row in rows} - self._bases.keys():
            b = price_bases.c
            self._bases |= {row.id: row.dimensions for row in connection.execute(select(b.id, b.dimensions).where(b.id.in_(lacking)))}
        return [self._one(row, outputs.get(row.id, 0)) for row in rows]

    def _one(self, row: Any, outputs: int) -> Prompted:
        told = {name: value for name, value in row._mapping.items() if name in Prompted._fields}
        told["started_at_ns"] = (row.started_at - _EPOCH) // timedelta(microseconds=1) * 1000
        told["first_event_ns"] = None if row.first_event_ms is None else int(row.first_event_ms * 1e6)
        told |= {"turn": row.number < 0, "billing": row.billing or {}, "dimensions": self._bases.get(row.basis) or (), "outputs": outputs}
        return Prompted(**told | {name: told[name] or 0 for name in ("cached", "written")})


def _joined(*columns: Any) -> Select[Any]:
    """With the cost of the exchange that pays for it."""
    own = exchanges.join(_OWN, _OWN.c.exchange == _E.id)
    return select(*columns).select_from(own.join(_PAYER, _PAYER.c.exchange == func.coalesce(_OWN.c.counted_in, _OWN.c.exchange)))


_MODEL_ASKED = (_E.outcome.is_not(None), _E.kind.in_(KINDS), or_(_E.method == "POST", and_(_E.transport == "ws", _E.number < 0)))
_PROMPTS = (
    *_MODEL_ASKED,
    _E.pruned.is_distinct_from("content"),
    _OWN.c.told.is_(None),
    _PAYER.c.input_tokens.is_not(None),
)

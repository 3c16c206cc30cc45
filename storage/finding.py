"""Finds the exchanges that made what others refer to: responses by their ids, and items of outputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Select, bindparam, select

from .engine import Database
from .rows import PARTS
from .tables import exchanges, item_rows

_PARAMETERS = 500  # of one statement


def find_responses(database: Database, ids: Iterable[str], session: str) -> dict[str, int]:
    """See `Store.find_responses`."""
    e = exchanges.c
    wanted = select(e.response_id, e.id, e.method, e.number, e.path).where(e.response_id.in_(bindparam("ids", expanding=True)), e.kind == "responses")
    return _found(database, ids, session, wanted.order_by(e.id))


def find_output_items(database: Database, ids: Iterable[str], session: str) -> dict[str, int]:
    """See `Store.find_output_items`."""
    e, r = exchanges.c, item_rows.c
    joined = exchanges.join(item_rows, r.exchange == e.id)
    wanted = select(r.id, e.id, e.method, e.number, e.path).select_from(joined)
    return _found(database, ids, session, wanted.where(r.id.in_(bindparam("ids", expanding=True)), r.part == PARTS["output"]).order_by(e.id))


def _found(database: Database, ids: Iterable[str], session: str, wanted: Select[Any]) -> dict[str, int]:
    """The newest exchange that made each: of the session first, then of any other."""
    found: dict[str, int] = {}
    missing = [*dict.fromkeys(ids)]
    for scope in (exchanges.c.session == session, exchanges.c.session != session):
        for part in _parts(missing):
            with database.reading() as connection:
                found.update({row[0]: row[1] for row in connection.execute(wanted.where(scope), {"ids": part}) if _made(row.method, row.number, row.path)})
        missing = [id_ for id_ in missing if id_ not in found]
    return found


def _made(method: str, number: int, path: str) -> bool:
    """Whether it is a request that makes a response, or a turn; retrieving or cancelling one tells its id and its items as well."""
    return number < 0 or (method == "POST" and path.partition("?")[0].rstrip("/").endswith("/responses"))


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[place : place + _PARAMETERS] for place in range(0, len(values), _PARAMETERS))

"""What is asked of the store about the ids by which exchanges are linked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Select, bindparam, func, or_, select

from .engine import Database
from .queries import ROW_COLUMNS, exchange_record
from .records import ENDED, ExchangeRecord
from .tables import exchanges, item_rows

_MOST = 200  # exchanges of one response
_AT_ONCE = 500  # ids in one statement
_PAGE = 500
_OUTPUT = 1


def _responding() -> Select[Any]:
    e = exchanges.c
    found = select(*ROW_COLUMNS).where(e.response_id == bindparam("response_id"), or_(e.transport == "ws", e.method == "POST", e.response_status.in_(ENDED)))
    return found.order_by(e.id).limit(_MOST)


_RESPONDING = _responding()  # made once: a chain asks it for every link


def responding(database: Database, response_id: str) -> list[ExchangeRecord]:
    """The exchanges whose answer was this response, by id: those that made it, and of the others those that had all of it."""
    with database.reading() as connection:
        return [exchange_record(row) for row in connection.execute(_RESPONDING, {"response_id": response_id})]


def conversing(database: Database, conversation: str) -> Iterator[ExchangeRecord]:
    """The exchanges in a conversation, and the calls about it, in the order in which they began."""
    e = exchanges.c
    with database.reading() as connection:
        ids = list(connection.execute(select(e.id).where(e.conversation == conversation).order_by(e.started_at, e.id)).scalars())
    for start in range(0, len(ids), _PAGE):
        part = ids[start : start + _PAGE]
        with database.reading() as connection:
            rows = {row.id: exchange_record(row) for row in connection.execute(select(*ROW_COLUMNS).where(e.id.in_(part)))}
        yield from (rows[id_] for id_ in part if id_ in rows)


def item_makers(database: Database, ids: Sequence[str], session: str) -> dict[str, int]:
    """Of items the first exchange whose answer had them: of this session, else of any."""
    i, e = item_rows.c, exchanges.c
    found: dict[str, int] = {}
    missing = [*dict.fromkeys(ids)]
    joined = item_rows.join(exchanges, e.id == i.exchange)
    for scope in (e.session == session, e.session != session):
        for start in range(0, len(missing), _AT_ONCE):
            among = i.id.in_(missing[start : start + _AT_ONCE])
            wanted = select(i.id, func.min(i.exchange)).select_from(joined).where(i.part == _OUTPUT, among, scope).group_by(i.id)
            with database.reading() as connection:
                found.update((row[0], row[1]) for row in connection.execute(wanted))
        missing = [id_ for id_ in missing if id_ not in found]
    return found

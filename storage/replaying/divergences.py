"""Divergences in the store: replayed requests that had no recorded twin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import zstandard
from sqlalchemy import ColumnElement, select

from playhead.config.errors import StoreError

from ..engine import Database
from ..queries import require_session
from ..records import Divergence, DivergenceRecord
from ..rows import clean
from ..tables import divergences

KEPT = 1 << 20
"""Bytes of a request's body that are kept."""

_MOST = KEPT + (1 << 22)  # with a head
_PAGE = 200
_COLUMNS = tuple([divergences.c[name] for name in DivergenceRecord.model_fields])


def add(database: Database, one: Divergence) -> int:
    """Keep it; its id. Raises StoreError."""
    row: dict[str, Any] = {
        "session": one.session,
        "take": one.take,
        "run": one.run,
        "at": one.at,
        "code": one.code,
        "method": clean(one.method),
        "path": clean(one.path),
        "model": clean(one.model),
        "asks": one.asks,
        "nearest": one.nearest,
        "differences": _cleaned(list(one.differences)),
        "message": clean(one.message),
        "cause": one.cause,
        "proposal": None if one.proposal is None else _cleaned(one.proposal),
        "parted": one.parted,
        "expected": one.expected,
        "served": one.served,
        "digest": one.digest,
        "head_bytes": len(one.request_head),
        "request_bytes": one.request_bytes,
        "data": zstandard.ZstdCompressor(level=3).compress(one.request_head + one.request[:KEPT]),
    }
    with database.writing() as connection:
        key = connection.execute(divergences.insert(), row).inserted_primary_key
    assert key is not None
    return int(key[0])


def _cleaned(value: Any) -> Any:
    """JSON that both databases take."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): _cleaned(member) for key, member in value.items()}
    return [_cleaned(member) for member in value] if isinstance(value, list | tuple) else value


def listed(database: Database, session: str, *, take: int | None, run: str | None, limit: int | None) -> Iterator[DivergenceRecord]:
    """The oldest first; of more than `limit` the newest. Raises StoreError at once if there is no such session."""
    require_session(database, session)
    d = divergences.c
    conditions: list[ColumnElement[bool]] = [d.session == session]
    if take is not None:
        conditions.append(d["take"] == take)
    if run is not None:
        conditions.append(d.run == run)
    return _listed(database, conditions, limit)


def _listed(database: Database, conditions: list[ColumnElement[bool]], limit: int | None) -> Iterator[DivergenceRecord]:
    d, after = divergences.c, 0
    if limit is not None:
        with database.reading() as connection:
            skipped = select(d.id).where(*conditions).order_by(d.id.desc()).offset(limit).limit(1)
            after = connection.execute(skipped).scalar() or 0
    while True:
        with database.reading() as connection:
            rows = connection.execute(select(*_COLUMNS).where(*conditions, d.id > after).order_by(d.id).limit(_PAGE)).all()
        yield from (DivergenceRecord.model_construct(**row._mapping) for row in rows)
        if len(rows) < _PAGE:
            return
        after = rows[-1].id


def request(database: Database, id_: int) -> tuple[bytes, bytes]:
    """Head and body, as far as they are kept. Raises StoreError: no such divergence, or it is damaged."""
    d = divergences.c
    with database.reading() as connection:
        row = connection.execute(select(d.head_bytes, d.data).where(d.id == (id_ if 0 <= id_ < 1 << 63 else -1))).first()
    if row is None:
        raise StoreError(f"There is no divergence {id_} in the store {database.name}. `playhead divergences SESSION` lists those there are.")
    try:
        data = zstandard.ZstdDecompressor().decompress(row.data, max_output_size=_MOST, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise StoreError(f"the request of divergence {id_} cannot be decompressed: {error}") from None
    return data[: row.head_bytes], data[row.head_bytes :]

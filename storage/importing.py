"""Sessions that come as files and go into the store, all of one or nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

from sqlalchemy import bindparam, select, update

from .cassettes import Cassette
from .engine import Database
from .places import first_free_seq
from .records import PARSER, Batch
from .tables import exchanges, sessions, writers


def import_cassette(database: Database, write: Callable[..., None], cassette: Cassette, session: str) -> int:
    """See `Store.import_cassette`. `write`: as `Writer.write`."""
    writer = f"import-{uuid.uuid4().hex}"  # whose numbers are those in the cassette; it never says more
    shift = _shift(database, cassette, session)
    write(*_batches(cassette, session, writer, shift))
    if cassette.parser != PARSER:
        with database.writing() as connection:
            own = select(writers.c.id).where(writers.c.writer == writer).scalar_subquery()
            connection.execute(update(exchanges).where(exchanges.c.writer == own).values(parser=cassette.parser))
    return len(cassette.exchanges)


def _shift(database: Database, cassette: Cassette, session: str) -> int:
    """What is added to the places: they stay as they are in a new session, and follow what is there in another one."""
    with database.reading() as connection:
        if connection.execute(_SESSION, {"session": session}).first() is None:
            return 0
        return first_free_seq(connection, session) - min([r.seq or 1 for r in cassette.exchanges], default=1)


_SESSION = select(sessions.c.id).where(sessions.c.name == bindparam("session"))


def _batches(cassette: Cassette, session: str, writer: str, shift: int) -> Iterator[Batch]:
    """One for each take, so that takes are numbered in their order."""
    names = sorted({*(one.run for one in cassette.connections), *(r.run for r in cassette.exchanges)}, key=int)
    for take in names:
        run = f"{writer} take {take}"
        known = [replace(one, writer=writer, session=session, run=run) for one in cassette.connections if one.run == take]
        own = [replace(r, writer=writer, session=session, run=run, seq=(r.seq or 1) + shift) for r in cassette.exchanges if r.run == take]
        yield Batch(finished=own, connections=known, gone=[writer])

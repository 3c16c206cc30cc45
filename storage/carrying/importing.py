"""Sessions that come as files and go into the store, all of one or nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, insert, select, update

from ..costing.costs import ELSEWHERE, FAR, counted_in
from ..engine import Database
from ..evidence.chain_writing import chained
from ..evidence.chained import EntryKind, Subject
from ..places import first_free_seq
from ..records import PARSER, Batch, Recorded
from ..replaying.replay_tables import equivalences, match_rules, rerecordings
from ..tables import exchanges, sessions, writers
from .cassettes import Cassette


def import_cassette(database: Database, write: Callable[..., None], cassette: Cassette, session: str) -> int:
    """See `Store.import_cassette`. `write`: as `Writer.write`."""
    writer = f"import-{uuid.uuid4().hex}"  # whose numbers are those in the cassette; it never says more
    shift = _shift(database, cassette, session)
    write(*_batches(cassette, session, writer, shift), kind=EntryKind.IMPORTED)
    paid = [r for r in cassette.exchanges if counted_in(r.paid[1]) is not None]
    if paid or cassette.parser != PARSER or cassette.rules or cassette.equivalences or cassette.anew:
        with database.writing() as connection, chained(connection, EntryKind.IMPORTED) as entries:
            entries.deciding([session])
            if paid or cassette.parser != PARSER:
                own = select(exchanges.c.id).join(writers, writers.c.id == exchanges.c.writer).where(writers.c.writer == writer)
                entries.changing(Subject.EXCHANGE, connection.execute(own).scalars())
            _add_rest(connection, cassette, session, writer)
            _name_payers(connection, paid, writer, shift)
    return len(cassette.exchanges)


def _add_rest(connection: Connection, cassette: Cassette, session: str, writer: str) -> None:
    """What is not of the recorder. Rules that the session has already are no new version of them."""
    own = exchanges.c.writer == select(writers.c.id).where(writers.c.writer == writer).scalar_subquery()
    if cassette.parser != PARSER:
        connection.execute(update(exchanges).where(own).values(parser=cassette.parser))
    m, now = match_rules.c, datetime.now(UTC)
    last = connection.execute(select(m.version, m.rules).where(m.session == session).order_by(m.version.desc()).limit(1)).first()
    if cassette.rules and (last is None or list(last.rules) != list(cassette.rules)):
        version = 1 if last is None else last.version + 1
        connection.execute(insert(match_rules), {"session": session, "version": version, "at": now, "rules": list(cassette.rules)})
    if cassette.equivalences:
        numbers: dict[int, int] = dict(connection.execute(select(exchanges.c.number, exchanges.c.id).where(own)).all())
        known = [(numbers[cassette.exchanges[one.place].number], one) for one in cassette.equivalences]
        rows = [{"session": session, "exchange": id_, "digest": one.digest, "asks": one.asks, "divergence": 0, "at": now} for id_, one in known]
        connection.execute(insert(equivalences), rows)
    if cassette.anew:
        found: dict[int, int] = dict(connection.execute(select(exchanges.c.number, exchanges.c.id).where(own)).all())
        ids = [found[one.number] for one in cassette.exchanges]
        marks = [{"session": session, "exchange": ids[one.place], "after": ids[one.after - 1] if one.after else ids[0] - 1, "at": now} for one in cassette.anew]
        connection.execute(insert(rerecordings), marks)


def _name_payers(connection: Connection, paid: Sequence[Recorded], writer: str, shift: int) -> None:
    """Notes that name who pays by its place in the cassette name it by its id."""
    own = exchanges.c.writer == select(writers.c.id).where(writers.c.writer == writer).scalar_subquery()
    for one in paid:
        payer = select(exchanges.c.id).where(own, exchanges.c.seq == (counted_in(one.paid[1]) or 0) + shift)
        id_ = connection.execute(payer).scalar()
        note = FAR if id_ is None else ELSEWHERE.format(id_)
        connection.execute(update(exchanges).where(own, exchanges.c.number == one.number).values(cost_note=note))


def _shift(database: Database, cassette: Cassette, session: str) -> int:
    """What is added to the places: they stay as they are in a new session, and follow what is there in another one."""
    with database.reading() as connection:
        if connection.execute(_SESSION, {"session": session}).first() is None:
            return 0
        return first_free_seq(connection, session) - min([r.seq or 1 for r in cassette.exchanges], default=1)


_SESSION = select(sessions.c.id).where(sessions.c.session == bindparam("session"))


def _batches(cassette: Cassette, session: str, writer: str, shift: int) -> Iterator[Batch]:
    """One for each take, so that takes are numbered in their order."""
    names = sorted({*(one.run for one in cassette.connections), *(r.run for r in cassette.exchanges)}, key=int)
    for take in names:
        run = f"{writer} take {take}"
        known = [replace(one, writer=writer, session=session, run=run) for one in cassette.connections if one.run == take]
        own = [replace(r, writer=writer, session=session, run=run, seq=(r.seq or 1) + shift) for r in cassette.exchanges if r.run == take]
        yield Batch(finished=own, connections=known, gone=[writer])

"""Deletes exchanges and sessions so that nothing of them is left in the store's files.

What was written as a difference to a deleted exchange is written anew first. Freed pages are overwritten (`secure_delete`) and given back to the disk;
PostgreSQL frees the rows for reuse, and keeps its own log and backups.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sqlalchemy import Connection, delete, exists, literal, or_, select, union, update

from playhead.config.errors import StoreError

from ..bodies import Base, encode_against
from ..costing.cost_tables import cost_history, cost_line_rows, costs, paid_responses
from ..engine import Database, insisting
from ..evidence.chain_writing import ChainWriter, chained
from ..evidence.chained import EntryKind, Subject
from ..queries import BodyReader, no_exchange, no_session
from ..records import DEFAULT_RULES
from ..replaying.replay_tables import equivalences, match_rules, rerecordings, rule_hits, served_faults
from ..replaying.replays import load_items
from ..rows import insert_new
from ..tables import (
    IS_TURN,
    IS_WHOLE,
    bodies,
    connection_pieces,
    connections,
    deleted,
    divergences,
    event_rows,
    exchanges,
    fingerprints,
    item_rows,
    pieces,
    sessions,
    takes,
    writers,
)

PRUNED = "pruned"
"""The cost_note of an exchange whose costs are deleted, while its content stays."""

_CONTENT = (pieces, bodies, event_rows, item_rows, fingerprints, equivalences, rerecordings, rule_hits, served_faults)
_LEDGER = (costs, cost_history, cost_line_rows, paid_responses)
_AT_ONCE = 200  # exchanges of one transaction: a recorder that waits gets its turn in between
_PAGES_AT_ONCE = 1000


def delete_exchange(database: Database, id_: int) -> None:
    """Raises StoreError if there is none."""
    insisting(partial(_delete_one, database, id_))
    give_back(database)
    empty_log(database)


def _delete_one(database: Database, id_: int) -> None:
    with database.writing() as connection, chained(connection, EntryKind.DELETED) as entries:
        if connection.execute(select(exchanges.c.id).where(exchanges.c.id == id_)).first() is None:
            raise no_exchange(database, id_)
        delete_exchanges(connection, entries, [id_])


def delete_session(database: Database, session: str) -> int:
    """Delete a session with all its exchanges and connections; how many exchanges they were. Broken off, it can be called again.

    Raises StoreError if there is none.
    """
    count, whole = 0, False
    while not whole:
        some, whole = insisting(partial(_delete_some, database, session))
        count += some
        give_back(database)
    empty_log(database)
    return count


def _delete_some(database: Database, session: str) -> tuple[int, bool]:
    """How many exchanges of a session were deleted, and whether the session is."""
    with database.writing() as connection, chained(connection, EntryKind.DELETED) as entries:
        own = connection.execute(select(sessions.c.id).where(sessions.c.session == session)).scalar()
        if own is None:
            raise no_session(database, session)
        # The newest first: what is written against others goes before them, and nothing has to be written anew.
        newest = select(exchanges.c.id).where(exchanges.c.session == session).order_by(exchanges.c.id.desc()).limit(_AT_ONCE)
        ids = connection.execute(newest).scalars().all()
        _delete(connection, entries, ids)
        left = connection.execute(select(connections.c.id).where(connections.c.session == session).limit(_AT_ONCE)).scalars().all()
        if len(ids) < _AT_ONCE:
            delete_connections(connection, entries, left)
        if whole := len(ids) < _AT_ONCE and len(left) < _AT_ONCE:
            for table in (divergences, match_rules, equivalences, rerecordings, rule_hits, served_faults):
                connection.execute(delete(table).where(table.c.session == session))
            connection.execute(delete(takes).where(takes.c.session == session))
            connection.execute(delete(sessions).where(sessions.c.session == session))
            entries.gone(Subject.SESSION, [own])
        return len(ids), whole


def delete_exchanges(connection: Connection, entries: ChainWriter, ids: Sequence[int]) -> None:
    """Delete exchanges of any sessions, within a transaction. Nothing where there are none."""
    free_items(connection, entries, ids)
    connection.execute(delete(divergences).where(divergences.c.nearest.in_(ids)))
    _delete(connection, entries, ids)


def delete_content(connection: Connection, entries: ChainWriter, ids: Sequence[int], *, pieces_too: bool = True) -> None:
    """Delete all that was said in exchanges, within a transaction; their rows stay, with usage and costs. `pieces_too` False: but for their pieces."""
    entries.changing(Subject.EXCHANGE, ids)
    connection.execute(select(bodies.c.exchange).where(bodies.c.exchange.in_(ids)).with_for_update())  # nobody may choose them as a base now
    _free_dependents(connection, entries, ids)
    free_items(connection, entries, ids)
    _deciding(connection, entries, ids)
    connection.execute(delete(divergences).where(divergences.c.nearest.in_(ids)))
    for table in _CONTENT if pieces_too else _CONTENT[1:]:
        connection.execute(delete(table).where(table.c.exchange.in_(ids)))
    connection.execute(update(exchanges).where(exchanges.c.id.in_(ids)).values(pruned="content", problems=None))


def delete_costs(connection: Connection, entries: ChainWriter, ids: Sequence[int]) -> None:
    """Delete what is known of the costs of exchanges, within a transaction; their rows stay, with their content."""
    entries.changing(Subject.EXCHANGE, ids)
    for table in _LEDGER:
        connection.execute(delete(table).where(table.c.exchange.in_(ids)))
    nothing = {"usage": None, "billing": None, "cost": None, "cost_note": PRUNED}
    connection.execute(update(exchanges).where(exchanges.c.id.in_(ids)).values(pruned="costs", **nothing))


def delete_connection_content(connection: Connection, entries: ChainWriter, ids: Sequence[int]) -> None:
    """Delete all that was said on connections and belongs to no exchange, within a transaction; their rows stay."""
    entries.changing(Subject.CONNECTION, ids)
    connection.execute(delete(connection_pieces).where(connection_pieces.c.connection.in_(ids)))
    connection.execute(update(connections).where(connections.c.id.in_(ids)).values(pruned="content", digest=None))


def _deciding(connection: Connection, entries: ChainWriter, ids: Sequence[int]) -> None:
    """What was decided about exchanges is about to go with them."""
    decided = [select(table.c.session).where(table.c.exchange.in_(ids)) for table in (equivalences, rerecordings)]
    entries.deciding(connection.execute(union(*decided)).scalars())


def _delete(connection: Connection, entries: ChainWriter, ids: Sequence[int]) -> None:
    connection.execute(select(bodies.c.exchange).where(bodies.c.exchange.in_(ids)).with_for_update())  # nobody may choose them as a base now
    _free_dependents(connection, entries, ids)
    _deciding(connection, entries, ids)
    live = exchanges.join(writers, writers.c.id == exchanges.c.writer)
    identities = select(exchanges.c.writer, exchanges.c.number).select_from(live).where(exchanges.c.id.in_(ids), writers.c.state == "live")
    connection.execute(deleted.insert().from_select(["writer", "number"], identities))
    theirs = select(exchanges.c.connection).where(exchanges.c.id.in_(ids), exchanges.c.connection.is_not(None)).distinct()
    turned = connection.execute(theirs).scalars().all()
    whole = connection.execute(_WHOLE.where(exchanges.c.id.in_(ids))).scalars().all()
    for table in (*_CONTENT, *_LEDGER):
        connection.execute(delete(table).where(table.c.exchange.in_(ids)))
    connection.execute(delete(exchanges).where(exchanges.c.id.in_(ids)))
    entries.gone(Subject.EXCHANGE, ids)
    if turned or whole:
        delete_connections(connection, entries, _unused(connection, [*turned, *whole], whole))


def _unused(connection: Connection, ids: Sequence[int], whole: Sequence[int]) -> Sequence[int]:
    """Of these connections those that no exchange is left of. One that still goes on stays, unless it was one exchange (`whole`), which is gone."""
    c = connections.c
    connection.execute(select(c.id).where(c.id.in_(ids)).with_for_update())  # nobody may store a turn of it now
    ended = or_(c.outcome.is_not(None), c.id.in_(whole))
    return connection.execute(select(c.id).where(c.id.in_(ids), ended, ~exists(_TURNS), ~exists(_OWN))).scalars().all()


def delete_connections(connection: Connection, entries: ChainWriter, ids: Sequence[int]) -> None:
    """Delete connections that no exchange is left of, within a transaction."""
    live = connections.join(writers, writers.c.id == connections.c.writer)
    identities = select(connections.c.writer, connections.c.number).select_from(live).where(connections.c.id.in_(ids), writers.c.state == "live")
    connection.execute(insert_new(connection, deleted).from_select(["writer", "number"], identities))
    connection.execute(delete(connection_pieces).where(connection_pieces.c.connection.in_(ids)))
    connection.execute(delete(connections).where(connections.c.id.in_(ids)))
    entries.gone(Subject.CONNECTION, ids)


_TURNS = select(literal(1)).select_from(exchanges).where(IS_TURN).correlate(connections)
_OWN = select(literal(1)).select_from(exchanges).where(IS_WHOLE).correlate(connections)
_WHOLE = select(connections.c.id).join(exchanges, IS_WHOLE)


def _free_dependents(connection: Connection, entries: ChainWriter, ids: Sequence[int]) -> None:
    """Write anew what is written against exchanges that are to go.

    The first dependent of each is written alone and the others against it: no chain gets longer.
    """
    going = set(ids)
    found = select(bodies.c.base, bodies.c.exchange).where(bodies.c.base.in_(ids)).order_by(bodies.c.base, bodies.c.exchange)
    reader = BodyReader()
    heirs: dict[int, Base] = {}
    for base, dependent in connection.execute(found).all():
        if dependent in going:
            continue
        entries.changing(Subject.EXCHANGE, [dependent], EntryKind.REWRITTEN)
        try:
            raw = reader.row(connection, dependent)
        except StoreError:
            # It was damaged before, and stays so; that must not keep anybody from deleting the other.
            connection.execute(update(bodies).where(bodies.c.exchange == dependent).values(base=None))
            continue
        stored = encode_against(raw, heirs.get(base))
        heirs.setdefault(base, Base(dependent, raw, 0))
        values = {"base": stored.base, "depth": stored.depth, "codec": stored.codec, "digest": stored.digest, "data": stored.data}
        connection.execute(update(bodies).where(bodies.c.exchange == dependent).values(**values))


def free_items(connection: Connection, entries: ChainWriter, ids: Sequence[int]) -> None:
    """Write out the lists of items that begin with those of exchanges. Where a session goes, its newest exchanges go first: there are none then."""
    f = fingerprints.c
    dependents = connection.execute(select(f.exchange, f.rules).where(f.base.in_(ids), f.exchange.not_in(ids))).all()
    entries.changing(Subject.EXCHANGE, [row.exchange for row in dependents if row.rules == DEFAULT_RULES], EntryKind.REWRITTEN)
    for rules in {row.rules for row in dependents}:
        lists = load_items(connection, [row.exchange for row in dependents if row.rules == rules], rules)
        for exchange, items in lists.items():
            same = update(fingerprints).where(f.exchange == exchange, f.rules == rules)
            connection.execute(same.values(base=None, items=items))


def give_back(database: Database, most: int | None = None) -> bool:
    """Return freed pages of SQLite to the disk, `most` times some of them; whether there are more."""
    if not database.sqlite:
        return False
    with database.autocommit() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        while (more := bool(connection.exec_driver_sql("PRAGMA freelist_count").scalar())) and most != 0:
            raw.executescript(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})")  # `execute` would free one page and stop
            most = None if most is None else most - 1
        return more


def empty_log(database: Database) -> bool:
    """Empty the log that still holds what was deleted; False if another program that reads the store keeps it from that. PostgreSQL: free the rows."""
    with database.autocommit() as connection:
        if not database.sqlite:
            for table in (*_CONTENT, *_LEDGER, divergences, exchanges, connection_pieces, connections):
                connection.exec_driver_sql(f"VACUUM {table.name}")
            return True
        busy, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
        return not busy

"""Proves of WebSocket connections that they are what was recorded: what they keep, and that it fits their turns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import ColumnElement, Connection, Row, and_, not_, or_, select

from playhead.config.errors import StoreError

from ..checks import Found, each, ids_of, readable, sound_pieces, there
from ..engine import Database
from ..tables import IS_TURN, IS_WHOLE, connection_pieces, connections, event_rows, exchanges, sessions, takes, writers
from .connected import LogEntry, turn_numbers, turn_of
from .connection_log import PARTS, unpack_log


def connection_problems(database: Database) -> Iterator[Found]:
    """All that is wrong with connections, and with the turns that belong to them."""
    c, e, p = connections.c, exchanges.c, connection_pieces.c
    wanted: list[tuple[str, ColumnElement[bool]]] = [
        ("its session is not there", ~there(sessions, sessions.c.session == c.session)),
        ("its take is not there", ~there(takes, and_(takes.c.session == c.session, takes.c.take == c.take))),
        ("its writer is not there", and_(c.writer.is_not(None), ~there(writers, writers.c.id == c.writer))),
    ]
    for text, condition in wanted:
        yield from ((None, f"connection {id_}: {text}") for id_ in ids_of(database, select(c.id).where(condition), c.id))
    lost = select(p.connection).distinct().where(~there(connections, c.id == p.connection))
    yield from ((None, f"connection {id_}: pieces are left of it, it is not there itself") for id_ in ids_of(database, lost, p.connection))
    strange = select(e.id).select_from(exchanges.join(connections, c.id == e.connection)).where(not_(or_(IS_TURN, IS_WHOLE)))
    yield from each(database, strange, e.id, "its connection is not that of its number")
    for id_, text in readable(database, select(c.id), c.id, _check):
        yield None, f"connection {id_}: {text}"


def _check(connection: Connection, id_: int) -> None:
    """Raises StoreError for the first thing that is wrong."""
    row = connection.execute(select(connections).where(connections.c.id == id_)).one()
    own, log = [0, 0], list[LogEntry]()
    for part, data in sound_pieces(connection, connection_pieces, id_, PARTS):
        if part == "log":
            log += unpack_log(data)
        elif part in PARTS:
            own[PARTS.index(part)] += len(data)
    for direction, part in enumerate(PARTS):
        if own[direction] != sum(entry.bytes for entry in log if entry.direction == direction and not entry.turn):
            raise StoreError(f"its log does not fit its messages of the {part} that belong to no turn")
    if row.outcome is not None and row.number is not None and row.pruned is None:  # what is still open may have stored a turn before its log
        _check_turns(connection, row, log)


def _check_turns(connection: Connection, row: Row[tuple[int]], log: list[LogEntry]) -> None:
    e, r = exchanges.c, event_rows.c
    least, greatest = turn_numbers(row.number)
    kept = (e.outcome.is_not(None), e.pruned.is_distinct_from("content"))
    ended = select(e.id, e.number).where(e.writer == row.writer, e.number.between(least, greatest), *kept)
    known = defaultdict(list)
    for entry in log:
        known[entry.turn].append((entry.direction, entry.opcode, entry.bytes))
    for turn in connection.execute(ended).all():
        events = connection.execute(select(r.direction, r.flags, r.bytes).where(r.exchange == turn.id).order_by(r.seq))
        if [*map(tuple, events)] != known[turn_of(turn.number)]:
            raise StoreError(f"its log does not fit the events of exchange {turn.id}")

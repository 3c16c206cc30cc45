"""Sessions taken out of the store whole, to travel as files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row, exists, func, literal, select

from playhead.config.errors import StoreError

from ..connecting.connected import RecordedConnection, turn_number, turn_of
from ..connecting.connection_log import PARTS, unpack_heads, unpack_log
from ..costing.costs import ELSEWHERE, FAR, counted_in
from ..engine import Database
from ..queries import BodyReader, read_raw, require_session
from ..records import EventRow, Facts, Raw, Recorded
from ..replaying.replay_tables import equivalences, match_rules, rerecordings
from ..rows import piece_data
from ..tables import connection_pieces, connections, event_rows, event_types, exchanges, pieces, takes
from .cassettes import PLAIN, Anew, Cassette, Equivalence

_AT_ONCE = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SAME = ("transport", "method", "path", "status", "outcome", "request_bytes", "response_bytes", "redacted", "request_id", "attempt", "key_id")
_FACTS = ("kind", "model", "response_id", "previous_response_id", "response_status", "service_tier", "error_code", "user", "usage", "conversation", "parse")
_CONNECTION = (
    *("path", "upstream", "status", "outcome", "subprotocol", "extensions", "client_close", "client_reason", "upstream_close", "upstream_reason"),
    *("problem", "key_id", "digest"),
)
_COUNTS = ("turns", "client_messages", "upstream_messages", "client_bytes", "upstream_bytes", "client_pings", "upstream_pings", "unassigned")


def export_cassette(database: Database, session: str, take: int | Literal["newest", "all"] = "newest") -> tuple[Cassette, int]:
    """See `Store.export_cassette`."""
    require_session(database, session)
    chosen = _takes(database, session, take)
    e = exchanges.c
    ours = (e.session == session, e.take.in_(chosen))
    with database.reading() as connection:
        big = exists(select(literal(1)).where(pieces.c.exchange == e.id)).label("big")
        wanted = select(exchanges, big).where(*ours, e.outcome.is_not(None), e.pruned.is_distinct_from("content")).order_by(e.take, e.seq, e.id)
        rows = connection.execute(wanted).all()
        pruned = connection.execute(select(e.id).where(*ours, e.pruned == "content").limit(1)).first() is not None
        going_on = connection.execute(select(func.count()).select_from(exchanges).where(*ours, e.outcome.is_(None))).scalar_one()
        numbers = {number: place for place, number in enumerate(chosen, 1)} if take == "all" else {chosen[0]: 1}
        known = _connections(connection, session, numbers)
        raws = _raws(database, connection, rows)
        events = _events(connection, [row.id for row in rows if row.events])
    if pruned and not rows:
        raise StoreError(f"The content of session {session!r}, take {', '.join(map(str, chosen))}, is pruned: record it anew, or export another take.")
    places = {id_: place for place, id_ in enumerate(known, 1)}
    before = 0 if take == "all" or not rows else rows[0].seq - 1
    recorded = [_recorded(row, numbers[row.take], places.get(row.connection), raws[row.id]) for row in rows]
    for plain, (row, one) in enumerate(zip(rows, recorded, strict=True)):
        one.events, one.seq = events.get(row.id, []), row.seq - before
        one.number = PLAIN + plain if one.connection_number is None else one.number
    _payers_by_seq(recorded, {row.id: row.seq - before for row in rows})
    with database.reading() as connection:
        ids = [row.id for row in rows]
        rules, equal, anew = _rules(connection, session), _equivalences(connection, session, ids), _anew(connection, session, ids)
    return Cassette(session, [*known.values()], recorded, rules, equal, anew), going_on


def _rules(connection: Connection, session: str) -> tuple[str, ...]:
    """Those in force."""
    m = match_rules.c
    newest = select(m.rules).where(m.session == session).order_by(m.version.desc()).limit(1)
    return tuple(connection.execute(newest).scalar() or ())


def _equivalences(connection: Connection, session: str, ids: Sequence[int]) -> tuple[Equivalence, ...]:
    q = equivalences.c
    places = {id_: place for place, id_ in enumerate(ids)}
    found = {
        Equivalence(places[row.exchange], row.digest, row.asks)
        for row in connection.execute(select(equivalences).where(q.session == session))
        if row.exchange in places
    }
    return tuple(sorted(found))


def _anew(connection: Connection, session: str, ids: Sequence[int]) -> tuple[Anew, ...]:
    r = rerecordings.c
    places = {id_: place for place, id_ in enumerate(ids)}
    rows = connection.execute(select(r.exchange, r.after).where(r.session == session)).all()
    return tuple(sorted(Anew(places[row.exchange], sum(id_ <= row.after for id_ in ids)) for row in rows if row.exchange in places))


def _takes(database: Database, session: str, take: int | Literal["newest", "all"]) -> list[int]:
    """Their numbers. Raises StoreError: there is no such take."""
    with database.reading() as connection:
        there = list(connection.execute(select(takes.c.take).where(takes.c.session == session).order_by(takes.c.take)).scalars())
    if isinstance(take, int) and take not in there:
        raise StoreError(f"The session {session!r} has no take {take}: it has {', '.join(map(str, there)) or 'none'}.")
    return there if take == "all" else [take] if isinstance(take, int) else there[-1:]


def _recorded(row: Row[Any], take: int, connection: int | None, raw: Raw) -> Recorded:
    values = row._mapping
    facts = Facts(**{name: values[name] for name in _FACTS}, problem=values["problem"])
    turn = turn_of(row.number)
    return Recorded(
        writer="",
        number=0 if connection is None else turn_number(connection, turn) if turn else connection,
        session="",
        run=str(take),
        started_at_ns=_ns(row.started_at),
        first_event_ns=_ns_of_ms(row.first_event_ms),
        duration_ns=_ns_of_ms(row.duration_ms),
        event_count=values["events"],
        organization=row.organization,
        project=row.project,
        upstream=row.upstream,
        stream_id=row.stream_id,
        steer=row.steer,
        facts=facts,
        raw=raw,
        connection_number=connection,
        paid=(row.cost, row.cost_note),
        **{name: values[name] for name in _SAME},
    )


def _payers_by_seq(recorded: Sequence[Recorded], seqs: Mapping[int, int]) -> None:
    """Who pays in place of another is named by its place; who is not here not at all."""
    for one in recorded:
        if (payer := counted_in(one.paid[1])) is not None:
            one.paid = (None, ELSEWHERE.format(seqs[payer]) if payer in seqs else FAR)


def _ns(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _ns_of_ms(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds * 1_000_000)


def _raws(database: Database, connection: Connection, rows: Sequence[Row[Any]]) -> dict[int, Raw]:
    ids = [row.id for row in rows if not row.big]
    whole = BodyReader().rows(connection, ids, 1 << 62)
    return dict(zip(ids, whole, strict=True)) | {row.id: read_raw(database, row.id) for row in rows if row.big}


def _events(connection: Connection, ids: Sequence[int]) -> dict[int, list[EventRow]]:
    e = event_rows.c
    found: dict[int, list[EventRow]] = defaultdict(list)
    types: dict[int | None, str | None] = {None: None} | {row.id: row.type for row in connection.execute(select(event_types))}
    columns = (e.exchange, *(e[name] for name in EventRow._fields))
    for part in _parts(ids):
        statement = select(*columns).where(e.exchange.in_(part)).order_by(e.exchange, e.seq)
        for id_, seq, offset, direction, kind, *others in connection.execute(statement):
            found[id_].append(EventRow(seq, offset, direction, types[kind], *others))
    return found


def _connections(connection: Connection, session: str, numbers: dict[int, int]) -> dict[int, RecordedConnection]:
    """By id, in their order. `numbers`: of the takes that are wanted, what they are called in the cassette."""
    c = connections.c
    whole = (c.session == session, c.take.in_([*numbers]), c.pruned.is_(None))
    wanted = select(connections).where(*whole).order_by(c.take, c.started_at, c.id)
    found = {}
    for number, row in enumerate(connection.execute(wanted), 1):
        values = row._mapping
        told: dict[str, Any] = {name: values[name] for name in _CONNECTION} | {name: values[name] or 0 for name in _COUNTS}
        found[row.id] = RecordedConnection(
            writer="",
            number=number,
            session="",
            run=str(numbers[row.take]),
            started_at_ns=_ns(row.started_at),
            duration_ns=_ns_of_ms(row.duration_ms),
            lanes=row.lanes or [],
            **told,
        )
    _add_pieces(connection, found)
    return found


def _add_pieces(connection: Connection, found: dict[int, RecordedConnection]) -> None:
    """What they keep that is not their exchanges'."""
    p = connection_pieces.c
    for part in _parts([*found]):
        parts: dict[tuple[int, str], list[bytes]] = defaultdict(list)
        for row in connection.execute(select(connection_pieces).where(p.connection.in_(part)).order_by(p.connection, p.part, p.seq)):
            parts[row.connection, row.part].append(piece_data(row.codec, row.data, row.raw_bytes))
        for id_ in part:
            one = found[id_]
            heads = b"".join(parts[id_, "heads"])
            one.heads = unpack_heads(heads) if heads else (b"", b"")
            one.log = [entry for data in parts[id_, "log"] for entry in unpack_log(data)]
            one.client_data, one.upstream_data = (b"".join(parts[id_, name]) for name in PARTS)


def _parts(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[place : place + _AT_ONCE] for place in range(0, len(ids), _AT_ONCE))

"""What replay asks of the store: the index of a session, and recorded exchanges in batches or streams."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from operator import itemgetter
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, exists, func, literal, select, true

from playhead.config.errors import StoreError

from ..connecting.connected import turn_numbers, turn_of
from ..engine import Database
from ..evidence.chain_writing import chained
from ..evidence.chained import EntryKind, Subject
from ..items import LISTS, ItemMemory, WrittenItems, read_items, remembered
from ..queries import BodyReader, behind, list_event_rows, no_exchange, read_part, read_pieces, require, require_session
from ..records import ANSWERED_EARLY, DEFAULT_RULES, Direction, Fingerprint, Frame, Raw, StoredRequest
from ..rows import Inserter, unpack_times
from ..tables import connections, exchanges, fingerprints, pieces, takes
from .replay_rows import ReplayRow, RequestRow, Streamed, TakeRow, TurnRow

Compute = Callable[[StoredRequest], Fingerprint]
"""Makes the fingerprint of a recorded request (proxy/fingerprint.py)."""

_PAGE = 2000  # rows of the index read at once
NO_LANE = "invalid_stream_id"
"""The error of a turn that was refused for the name of its lane."""

_MOST = 1 << 62
_PARAMETERS = 500  # of one statement
_CACHE = 16 << 20  # bytes of decoded bodies kept for those that are written against them
_UNKNOWN = bytes(16)  # the digest of what cannot be read
_TOGETHER = 40  # requests that are read together
_READ = 8 << 20  # bytes of them
OVERHEAD = 1024  # bytes that an exchange takes beside its bodies, roughly


def list_takes(database: Database, session: str) -> list[TakeRow]:
    """The oldest first; none if there is no such session."""
    statement = select(takes.c.take, takes.c.run, takes.c.started_at).where(takes.c.session == session).order_by(takes.c.take)
    with database.reading() as connection:
        return [TakeRow(*row) for row in connection.execute(statement)]


# The index.


class _Scope(NamedTuple):
    """Which exchanges of which session. `after`: only those with greater ids."""

    session: str
    take: int | None
    after: int

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """As SQL."""
        e = exchanges.c
        # An expression in place of the column keeps SQLite from reading all of the session where only the end of the table is wanted.
        yield (e.session if not self.after else e.session.concat("")) == self.session
        yield e.outcome.is_not(None)
        yield e.pruned.is_distinct_from("content")
        if self.take is not None:
            yield e.take == self.take
        if self.after:
            yield e.id > self.after


class Under(NamedTuple):
    """The rules under which a session is replayed: their name, and what makes fingerprints under them, and without any; None: what is missing is left out."""

    rules: str = DEFAULT_RULES
    compute: Compute | None = None
    plain: Compute | None = None


def replay_rows(database: Database, session: str, take: int | Literal["all"] | None, *, after: int, under: Under) -> Iterator[ReplayRow]:
    """See `Store.replay_index`."""
    known = [row.take for row in list_takes(database, session)]
    if not known:
        require_session(database, session)
    if isinstance(take, int) and take not in known:
        raise StoreError(f"The session {session!r} has no take {take}: it has {', '.join(map(str, known)) or 'none'}.")
    wanted = None if take == "all" else take if isinstance(take, int) else max(known, default=0)
    return _replay_rows(database, _Scope(session, wanted, after), under)


def _replay_rows(database: Database, scope: _Scope, under: Under) -> Iterator[ReplayRow]:
    missing = _Missing(database, scope.session, under.rules, under.compute)
    ruled = under.rules != DEFAULT_RULES
    missing_plain = _Missing(database, scope.session, DEFAULT_RULES, under.plain if ruled else None)
    for rows in _pages(database, scope, under.rules):
        # A turn without a fingerprint began without a request: none will match it.
        made = missing.made([row.exchange for row in rows if row.digest is None and (row.number >= 0 or row.plain is not None)])
        plain = missing_plain.made([row.exchange for row in rows if row.plain is None and row.number >= 0])
        for exchange, take, seq, digest, asks, outcome, big, size, number, connection, stream_id, error, unruled in rows:
            if digest is None:
                if exchange not in made:
                    continue
                digest, asks = made[exchange].digest, made[exchange].asks
            if unruled is None and exchange in plain:
                unruled = plain[exchange].digest
            known = (exchange, take, seq, digest, asks, outcome, bool(big), size + OVERHEAD)
            shown = (unruled or _UNKNOWN) if ruled else b""
            lane = "" if error == NO_LANE else stream_id
            yield ReplayRow(*known, plain=shown) if number >= 0 else ReplayRow(*known, turn_of(number), connection, lane, shown)


def _pages(database: Database, scope: _Scope, rules: str) -> Iterator[Sequence[Any]]:
    e, f = exchanges.c, fingerprints.c
    joined = exchanges.outerjoin(fingerprints, and_(f.exchange == e.id, f.rules == rules))
    unruled: ColumnElement[Any] = f.digest
    if rules != DEFAULT_RULES:
        plain = fingerprints.alias("plain")
        joined, unruled = joined.outerjoin(plain, and_(plain.c.exchange == e.id, plain.c.rules == DEFAULT_RULES)), plain.c.digest
    big = exists(select(literal(1)).where(pieces.c.exchange == e.id)).label("big")
    size = (e.request_bytes + e.response_bytes).label("size")
    columns = (e.id.label("exchange"), e.take, e.seq, f.digest, f.asks, e.outcome, big, size, e.number, e.connection, e.stream_id, e.error_code)
    statement = select(*columns, unruled.label("plain")).select_from(joined).where(*scope.conditions())
    order = [e.id] if scope.after else [e.seq, e.id]
    begin: ColumnElement[bool] = true()
    while True:
        with database.reading() as connection:
            rows = connection.execute(statement.where(begin).order_by(*order).limit(_PAGE)).all()
        yield rows
        if len(rows) < _PAGE:
            return
        last = rows[-1]
        begin = e.id > last.exchange if scope.after else behind(last.seq, last.exchange)


class _Missing:
    """Makes fingerprints of what has none, and keeps them if that can be done."""

    def __init__(self, database: Database, session: str, rules: str, compute: Compute | None) -> None:
        self._database = database
        self._session = session
        self._rules = rules
        self._compute = compute
        self._bodies = BodyReader(_CACHE)
        self._items = ItemMemory()

    def made(self, ids: Sequence[int]) -> dict[int, Fingerprint]:
        """By exchange; of those that cannot be read there is none."""
        made: dict[int, Fingerprint] = {}
        if self._compute is None:
            return made
        for id_, request in self._requests(ids):
            with contextlib.suppress(StoreError):
                made[id_] = self._compute(request or stored_request(self._database, self._bodies, id_))
        if made and self._database.writable:
            with contextlib.suppress(StoreError):  # a recorder holds the store for long: they are made again the next time
                self._keep(made)
        return made

    def _requests(self, ids: Sequence[int]) -> Iterator[tuple[int, StoredRequest | None]]:
        """Their requests, many at a time; None for one that has to be read by itself."""
        while ids:
            some, e = ids[:_TOGETHER], exchanges.c
            big = exists(select(literal(1)).where(pieces.c.exchange == e.id)).label("big")
            with self._database.reading() as connection:
                rows = {row.id: row for row in connection.execute(select(e.id, e.upstream, e.problem, e.number, big).where(e.id.in_(some)))}
                try:
                    raws = self._bodies.rows(connection, some, _READ, times=False)
                except StoreError:
                    raws = []  # one of them is damaged
            ids = ids[len(raws) or len(some) :]
            for id_, raw in zip_longest(some[: len(raws) or len(some)], raws):
                row = rows.get(id_)
                if raw is None or row is None or row.big or row.number < 0:
                    yield id_, None
                else:
                    yield id_, StoredRequest(raw.request_head, row.upstream, row.problem, iter([raw.request] if raw.request else []))

    def _keep(self, made: dict[int, Fingerprint]) -> None:
        values: list[Any] = []
        with self._database.writing() as connection, chained(connection, EntryKind.REWRITTEN) as entries:
            e = exchanges.c
            whole = select(e.id).where(e.id.in_([*made]), e.pruned.is_distinct_from("content")).with_for_update(read=True)  # nothing of it was pruned since
            there = set(connection.execute(whole).scalars())
            if self._rules == DEFAULT_RULES:  # others are made when they are asked for, and entered nowhere
                entries.changing(Subject.EXCHANGE, there)
            for id_, one in made.items():
                if id_ not in there:
                    continue
                values += (id_, self._rules, one.digest, one.asks, *self._items.write(self._session, id_, one.items)[0])
            Inserter(connection, fingerprints, ignore=True)(connection, values)


def stored_request(database: Database, reader: BodyReader, id_: int) -> StoredRequest:
    """What the fingerprint of a recorded exchange is made of. Raises StoreError, and so does drawing the body."""
    with database.reading() as connection:
        row = connection.execute(select(exchanges.c.upstream, exchanges.c.problem, exchanges.c.number).where(exchanges.c.id == id_)).first()
        if row is None:
            raise no_exchange(database, id_)
        raw = reader.row(connection, id_)
    body, turn = _request(database, id_, raw), row.number < 0
    return StoredRequest(raw.request_head, row.upstream, row.problem, _create(database, id_, body) if turn else body, turn)


def _create(database: Database, id_: int, body: Iterator[bytes]) -> Iterator[bytes]:
    """The first message of a turn; what the client said after it stands behind it."""
    left = next((row.bytes for row in list_event_rows(database, id_) if row.direction == Direction.CLIENT), 0)
    for piece in body:
        yield piece[:left]
        left -= min(left, len(piece))
        if not left:
            return


def _request(database: Database, id_: int, raw: Raw) -> Iterator[bytes]:
    if raw.request:
        yield raw.request
    yield from read_pieces(database, id_, "request")


# Items.


def load_items(connection: Connection, ids: Sequence[int], rules: str = DEFAULT_RULES) -> dict[int, bytes]:
    """See `Store.item_digests`."""
    f = fingerprints.c

    def load(wanted: list[int]) -> dict[int, WrittenItems]:
        found = {}
        for part in _parts(wanted):
            statement = select(f.exchange, f.base, f["items"]).where(f.exchange.in_(part), f.rules == rules)
            found.update({row.exchange: WrittenItems(row.base, row[2]) for row in connection.execute(statement)})
        return found

    return read_items(ids, load)


def last_lists(connection: Connection, session: str, before: int, most: int = 8 * LISTS) -> list[tuple[int, bytes, str | None]]:
    """The lists of items that were stored last in a session, the oldest first, each with the response that its request went on from.

    As many as memory needs to be full, since most of them go on in others; at most so many.
    """
    e, f = exchanges.c, fingerprints.c
    told = fingerprints.join(exchanges, e.id == f.exchange)
    wanted = (
        select(f.exchange, e.previous_response_id)
        .select_from(told)
        .where(e.session == session, e.id < before, f.rules == DEFAULT_RULES)
        .order_by(e.seq.desc(), e.id.desc())
    )
    lists: list[tuple[int, bytes, str | None]] = []
    read, count = 0, 2 * LISTS
    while read < most and count:
        page = min(count, most - read)
        parents: dict[int, str | None] = {row.exchange: row.previous_response_id for row in connection.execute(wanted.limit(page).offset(read))}
        lists = sorted([*((id_, items, parents[id_]) for id_, items in load_items(connection, [*parents]).items()), *lists], key=itemgetter(0))
        read += page
        count = 0 if len(parents) < page or len(remembered(lists)) >= LISTS else read
    return lists


def _parts(values: Sequence[int]) -> Iterator[Sequence[int]]:
    return (values[place : place + _PARAMETERS] for place in range(0, len(values), _PARAMETERS))


# Exchanges.


class Playback:
    """Decodes recorded exchanges; keeps some, since the next are mostly written against them. May be used by several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reader = BodyReader(_CACHE, framed=True)
        self._lock = threading.Lock()

    def several(self, ids: Sequence[int], most: int, *, times: bool) -> list[Raw]:
        """See `Store.replayable`."""
        with self._lock, self._database.reading() as connection:
            for id_ in ids:
                if not 0 <= id_ < 1 << 63:
                    raise no_exchange(self._database, id_)
            return self._reader.rows(connection, ids, most, times=times)


def turn_rows(database: Database, connection: int) -> list[TurnRow]:
    """See `Store.turn_rows`."""
    c, e = connections.c, exchanges.c
    with database.reading() as reading:
        known = reading.execute(select(c.writer, c.number).where(c.id == connection)).first()
        if known is None or known.number is None:
            return []
        columns = (e.number, e.id, e.stream_id, e.response_id, e.previous_response_id, e.steer, e.outcome)
        wanted = select(*columns).where(e.writer == known.writer, e.number.between(*turn_numbers(known.number))).order_by(e.number.desc())
        return [TurnRow(turn_of(number), *told) for number, *told in reading.execute(wanted)]


def ended_up_to(database: Database, session: str, after: int) -> int:
    """See `Store.ended_up_to`."""
    e = exchanges.c
    newest, oldest_open = func.max(e.id), func.min(e.id).filter(e.outcome.is_(None))
    with database.reading() as connection:
        row = connection.execute(select(newest, oldest_open).where(e.session.concat("") == session, e.id > after)).one()
    return int(min(row[0] or after, (row[1] or _MOST) - 1))


def answered_early(database: Database, session: str, take: int | None) -> list[int]:
    """See `Store.answered_early`."""
    e = exchanges.c
    wanted = [e.session == session, e.problem.contains(ANSWERED_EARLY), e.pruned.is_distinct_from("content"), *([e.take == take] if take is not None else [])]
    with database.reading() as connection:
        return list(connection.execute(select(e.id).where(*wanted).order_by(e.take, e.seq)).scalars())


def requests(database: Database, ids: Sequence[int]) -> list[RequestRow]:
    """See `Store.requests`."""
    e = exchanges.c
    columns = (e.id, e.method, e.path, e.upstream, e.model, e.request_bytes, e.number, e.problem)
    with database.reading() as connection:
        rows = [row for part in _parts(ids) for row in connection.execute(select(*columns).where(e.id.in_(part)))]
    return [RequestRow(*row[:-2], turn_of(row.number), row.problem) for row in rows]


def durations(database: Database, ids: Sequence[int]) -> dict[int, int]:
    """See `Store.durations`."""
    e = exchanges.c
    with database.reading() as connection:
        rows = [row for part in _parts(ids) for row in connection.execute(select(e.id, e.duration_ms).where(e.id.in_(part)))]
    return {row.id: round((row.duration_ms or 0) * 1_000_000) for row in rows}


def stream(database: Database, id_: int) -> Streamed:
    """See `Store.stream`."""
    require(database, id_)
    with database.reading() as connection:
        raw = BodyReader(0).row(connection, id_)
    heads = Raw(raw.request_head, b"", raw.response_heads, b"", raw.trailers)
    return Streamed(heads, _frames(database, id_, raw), _chunks(database, id_, raw), read_part(database, id_, "response"))


def _frames(database: Database, id_: int, raw: Raw) -> Iterator[Frame]:
    yield from raw.frames
    for data in read_pieces(database, id_, "times"):
        yield from unpack_times(data)[0]


def _chunks(database: Database, id_: int, raw: Raw) -> Iterator[int]:
    yield from raw.chunks
    for data in read_pieces(database, id_, "times"):
        yield from unpack_times(data)[1]

"""Reads what entries of chains are about, as it stands in the store: in the very form that its digest is made of, on both databases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import JSON, Boolean, Connection, Table

from ..column_types import UtcTime
from ..costing.cost_tables import cost_history, cost_line_rows, costs, paid_responses, price_bases, price_rates, pricings
from ..records import DEFAULT_RULES
from ..replaying.replay_tables import equivalences, match_rules, rerecordings
from ..rows import event_values, marker, quoted
from ..tables import bodies, connection_pieces, connections, event_rows, event_types, exchanges, fingerprints, item_rows, item_words, pieces, sessions, takes
from ..tables import writers as writer_table
from .chained import ExchangeRows, Subject, Values, all_typed, as_json, exchange_parts, piece_parts, plain

SHARED: Mapping[str, tuple[Table, tuple[str, ...]]] = MappingProxyType(
    {
        **{table.name: (table, tuple(table.columns.keys())) for table in (event_types, item_words, pricings, price_bases, price_rates)},
        "writers": (writer_table, ("id", "writer")),  # the rest of it says how far the recorder has come
    }
)
"""The tables whose rows are shared, and the columns of them that an entry covers."""

OWNERS: Mapping[Subject, Table] = MappingProxyType({Subject.EXCHANGE: exchanges, Subject.CONNECTION: connections, Subject.SESSION: sessions})
"""The table that says which subjects there are."""

_BEGUN: Mapping[Subject, tuple[str, ...]] = MappingProxyType(
    {Subject.EXCHANGE: ("id", "session", "take", "seq", "writer", "number"), Subject.CONNECTION: ("id", "session", "take", "writer", "number")}
)
_OF_SESSIONS = ((takes, "take"), (match_rules, "version"), (equivalences, "id"), (rerecordings, "exchange"))


class Wanted(NamedTuple):
    """Which subjects: a condition for their key, which stands for {}, and its parameters."""

    condition: str
    parameters: tuple[int, ...]

    @classmethod
    def among(cls, connection: Connection, ids: Sequence[int]) -> Wanted:
        """These."""
        return cls(f"{{}} IN ({', '.join([marker(connection)] * len(ids))})", tuple(ids))

    @classmethod
    def between(cls, connection: Connection, after: int, last: int | None) -> Wanted:
        """Those behind `after`, up to `last`."""
        mark = marker(connection)
        return cls(f"{{}} > {mark}", (after,)) if last is None else cls(f"{{}} > {mark} AND {{}} <= {mark}", (after, last))


@dataclass(frozen=True, slots=True)
class Standing:
    """A subject as it stands. `begun`: what identifies it. `open`: it still goes on. `parts`: to be drawn before the next subject is."""

    id: int
    open: bool
    begun: bytes
    parts: Iterator[bytes]


class RowReader:
    """Reads within one transaction. `strays`: keys of rows that belong to nothing, of what was read so far."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sqlite = connection.dialect.name == "sqlite"
        self._lists: dict[tuple[str, tuple[str, ...]], tuple[str, tuple[int, ...]]] = {}
        self.strays: set[tuple[str, Any]] = set()

    def read(self, subject: Subject, wanted: Wanted) -> Iterator[Standing]:
        """Those that there are of a kind, by id."""
        if subject is Subject.EXCHANGE:
            return self._exchanges(wanted)
        return self._connections(wanted) if subject is Subject.CONNECTION else self._sessions(wanted)

    def shared(self, rows: Mapping[str, Sequence[int]]) -> tuple[bytes, bool]:
        """What the digest of an entry about these rows is made of, and whether all of them are there."""
        found = {name: self._by_ids(*SHARED[name], ids) for name, ids in sorted(rows.items()) if name in SHARED}
        return as_json(found), [*rows] == [*found] and all(len(found[name]) == len(ids) for name, ids in rows.items())

    def _by_ids(self, table: Table, names: tuple[str, ...], ids: Sequence[int]) -> list[list[Any]]:
        found: list[list[Any]] = []
        for start in range(0, len(ids), 500):
            wanted = Wanted.among(self._connection, ids[start : start + 500])
            found += map(plain, self._select(table, "id", wanted, ("id",), names))
        return found

    # Exchanges.

    def _exchanges(self, wanted: Wanted) -> Iterator[Standing]:
        grouped = {table.name: self._grouped(table, wanted, *rest) for table, *rest in _OF_EXCHANGES}
        pieced = self._grouped(pieces, wanted, ("part", "seq"), ("exchange", "part", "seq"))
        identity = [*map([*exchanges.columns.keys()].index, _BEGUN[Subject.EXCHANGE])]
        outcome, pruned = map([*exchanges.columns.keys()].index, ("outcome", "pruned"))
        for row in self._select(exchanges, "id", wanted, ("id",)):
            own = {name: [*group.take(row[0])] for name, group in grouped.items()}
            # Of pruned content pieces may be left until a later transaction.
            parts = self._exchange_parts(row, own, pieced.take(row[0]) if row[pruned] != "content" else iter(()))
            yield Standing(row[0], row[outcome] is None, as_json(all_typed(row[place] for place in identity)), parts)
            for _ in pieced.take(row[0]):
                pass
        for group in (*grouped.values(), pieced):
            group.end()

    def _exchange_parts(self, row: Values, own: Mapping[str, Sequence[Values]], pieced: Iterator[Values]) -> Iterator[bytes]:
        *body, data = own["bodies"][0] if own["bodies"] else (b"",)
        if not isinstance(data, bytes):
            body, data = [*body, data], b""  # no recorder has written it
        yield from exchange_parts(
            ExchangeRows(
                row=plain(row),
                body=all_typed(body),
                data=data,
                fingerprints=_flat(own["fingerprints"]),
                items=_flat(own["item_rows"]),
                cost=plain(own["costs"][0]) if own["costs"] else [],
                lines=_flat(own["cost_line_rows"]),
                events=_events(row[0], own["event_rows"]),
                history=[plain(each) for each in own["cost_history"]],
                paid=_flat(own["paid_responses"]),
            )
        )
        yield from self._pieces(pieces, pieced)

    def _pieces(self, table: Table, keys: Iterator[Values]) -> Iterator[bytes]:
        """One at a time: there may be a GiB of them."""
        owner, *names = [*table.columns.keys()][:3]
        for key, part, seq in keys:
            mark = marker(self._connection)
            where = Wanted(f"{{}} = {mark} AND {names[0]} = {mark} AND {names[1]} = {mark}", (key, part, seq))
            for *row, data in self._select(table, owner, where, (owner,)):
                yield from piece_parts(plain(row), data) if isinstance(data, bytes) else piece_parts([*plain(row), data], b"")

    # Connections and sessions.

    def _connections(self, wanted: Wanted) -> Iterator[Standing]:
        pieced = self._grouped(connection_pieces, wanted, ("part", "seq"), ("connection", "part", "seq"))
        names = [*connections.columns.keys()]
        identity = [*map(names.index, _BEGUN[Subject.CONNECTION])]
        for row in self._select(connections, "id", wanted, ("id",)):
            parts = chain([as_json(plain(row))], self._pieces(connection_pieces, pieced.take(row[0])))
            yield Standing(row[0], row[names.index("outcome")] is None, as_json(all_typed(row[place] for place in identity)), parts)
            for _ in pieced.take(row[0]):
                pass
        pieced.end()

    def _sessions(self, wanted: Wanted) -> Iterator[Standing]:
        name = [*sessions.columns.keys()].index("session")
        for row in self._select(sessions, "id", wanted, ("id",)):
            where = Wanted(f"{{}} = {marker(self._connection)}", (row[name],))
            own = [[plain(each) for each in self._select(table, "session", where, (order,))] for table, order in _OF_SESSIONS]
            yield Standing(row[0], False, b"", iter([as_json([plain(row), *own])]))

    # Rows.

    def _grouped(self, table: Table, wanted: Wanted, order: tuple[str, ...], names: tuple[str, ...] = ()) -> _Grouped:
        key = "connection" if table is connection_pieces else "exchange"
        return _Grouped(table.name, self._select(table, key, wanted, (key, *order), names), self.strays)

    def _select(self, table: Table, key: str, wanted: Wanted, order: tuple[str, ...], names: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows as SQLite has them: moments and JSON as text. Of fingerprints those under the default rules: others are made when they are asked for."""
        extra = f" AND rules = '{DEFAULT_RULES}'" if table is fingerprints else ""
        columns, booleans = self._list(table, names)
        condition = wanted.condition.replace("{}", key)
        statement = f"SELECT {columns} FROM {table.name} WHERE {condition}{extra} ORDER BY {', '.join(order)}"
        if not self._sqlite:
            return map(tuple, self._connection.exec_driver_sql(statement, wanted.parameters))
        rows = self._connection.connection.cursor().execute(statement, wanted.parameters)  # as in `rows.Inserter`
        return _with_booleans(rows, booleans) if booleans else rows

    def _list(self, table: Table, names: tuple[str, ...]) -> tuple[str, tuple[int, ...]]:
        """The columns in SQL, and which of them SQLite has as 0 or 1."""
        if (table.name, names) not in self._lists:
            columns = [table.c[name] for name in names or table.columns.keys()]
            written = ", ".join(self._column(quoted(self._connection, column.name), column.type) for column in columns)
            self._lists[table.name, names] = written, tuple(place for place, column in enumerate(columns) if isinstance(column.type, Boolean))
        return self._lists[table.name, names]

    def _column(self, name: str, kind: object) -> str:
        if self._sqlite:
            return name
        if isinstance(kind, UtcTime):
            return f"to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
        return f"{name}::text" if isinstance(kind, JSON) else name


class _Grouped:
    """Rows of a table by the subject that they belong to."""

    def __init__(self, name: str, rows: Iterator[tuple[Any, ...]], strays: set[tuple[str, Any]]) -> None:
        self._name, self._rows, self._strays = name, rows, strays
        self._next = next(rows, None)

    def take(self, id_: int) -> Iterator[tuple[Any, ...]]:
        """Those of a subject; what stands before belongs to none."""
        while self._next is not None and (not isinstance(self._next[0], int) or self._next[0] <= id_):
            row, self._next = self._next, next(self._rows, None)
            if row[0] == id_:
                yield row
            else:
                self._strays.add((self._name, row[0]))

    def end(self) -> None:
        """No subject is left."""
        while self._next is not None:
            self._strays.add((self._name, self._next[0]))
            self._next = next(self._rows, None)


_OF_EXCHANGES: tuple[Any, ...] = (
    (bodies, ()),
    (fingerprints, ("digest",), ("exchange", "digest", "asks", "base", "items")),
    (item_rows, ("part", "position")),
    (costs, ()),
    (cost_line_rows, ("version", "line")),
    (event_rows, ("seq",)),
    (cost_history, ("version",)),
    (paid_responses, ("response_id",), ("exchange", "response_id")),
)


class _Same(dict[Any, Any]):
    """Types of events stay the numbers that they are."""

    def __missing__(self, key: Any) -> Any:
        return key


def _events(id_: int, rows: Sequence[Values]) -> tuple[Values, Values]:
    if not rows:
        return (), ()
    try:
        return event_values(id_, [row[1:] for row in rows], _Same())  # type: ignore[misc]  # it takes any rows of these columns
    except (TypeError, AttributeError, ValueError, OverflowError):  # values that no recorder writes
        return (), _flat(rows)


def _flat(rows: Iterable[Values]) -> list[Any]:
    return all_typed(chain.from_iterable(rows))


def _with_booleans(rows: Iterator[tuple[Any, ...]], places: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        values = [*row]
        for place in places:
            values[place] = _TRUTH.get(values[place], values[place])
        yield tuple(values)


_TRUTH: Mapping[Any, Any] = MappingProxyType({0: False, 1: True})

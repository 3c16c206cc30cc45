"""Records as rows: the tuples that are inserted, and the SQL that takes them.

Rows go in as tuples by the driver's own SQL: through Core's dicts an event row costs four times as much. Text from the wire is made fit for both
databases (no NUL, no lone surrogates), numbers from it are dropped where they do not fit.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from types import MappingProxyType
from typing import Any, cast

import xxhash
import zstandard
from pydantic_core import to_json
from sqlalchemy import Connection, Insert, Table, select
from sqlalchemy.dialects import sqlite

from playhead.config.errors import StoreError

from .bodies import StoredBody
from .column_types import ns_text
from .event_rows import columns_of
from .packing.columns import pack_frames, pack_sizes, unpack_frames, unpack_sizes
from .records import PARSER, EventRow, Facts, Frame, ItemRow, Recorded
from .tables import exchanges
from .times import milliseconds

Row = tuple[Any, ...]
Literals = tuple[tuple[str, str], ...]
"""Columns that are the same in all rows, and their SQL: each parameter that is not bound saves a twelfth of an event row."""

_PARAMETERS = 640  # of one statement; more of them gain nothing
_LITERALS = MappingProxyType({None: "NULL", 0: "0", 1: "1", 2: "2"})
PARTS = MappingProxyType({"input": 0, "output": 1})
"""Of items, as they are stored."""

_PROBLEMS = 50  # of one exchange that are kept
_PROBLEM_TEXT = 200  # characters of each of its texts
_INT64 = 1 << 63
_INT32 = 1 << 31
_TEXTS = tuple(
    [*exchanges.columns.keys()].index(name)
    for name in (
        *("stream_id", "method", "path", "kind", "model", "response_id", "previous_response_id", "response_status", "service_tier", "error_code"),
        *("request_id", "organization", "project", "user", "upstream", "cost_note", "conversation", "steer", "problem"),
    )
)
"""Columns of an exchange that may hold what came from the wire."""

_texts_of = itemgetter(*_TEXTS)


class Inserter:
    """Inserts rows of one table."""

    def __init__(self, connection: Connection, table: Table, *, ignore: bool = False, literals: Literals = ()) -> None:
        """`ignore`: rows that stand already are left as they are."""
        same = dict(literals)
        names = ", ".join(quoted(connection, column.name) for column in table.columns)
        row = ", ".join(same.get(column.name) or marker(connection) for column in table.columns)
        self._width = len(table.columns) - len(same)
        self._sqlite = connection.dialect.name == "sqlite"
        start, end = f"INSERT INTO {table.name} ({names}) VALUES ", " ON CONFLICT DO NOTHING" if ignore else ""
        most = 1 << (_PARAMETERS // self._width).bit_length() - 1
        # Many rows for each statement are inserted in half the time that they take one by one.
        self._statements = [(group, f"{start}{', '.join([f'({row})'] * group)}{end}") for group in (most, max(most // 8, 2), 1)]

    def __call__(self, connection: Connection, values: list[Any]) -> None:
        """Insert rows, given as the values of their columns end to end, literals left out."""
        # SQLite's own cursor: what SQLAlchemy adds costs as much as some ten rows. `engine.translated` knows the errors of both.
        execute: Callable[..., object] = connection.connection.cursor().executemany if self._sqlite else connection.exec_driver_sql
        done = 0
        for group, statement in self._statements:
            size = group * self._width
            end = len(values) - (len(values) - done) % size
            if end > done:
                execute(statement, [tuple(values[i : i + size]) for i in range(done, end, size)])
                done = end


def rows_by_key(connection: Connection, table: Table, keys: Sequence[int]) -> Iterable[Row]:
    """The rows whose first column is one of the keys, in no order, the columns as the driver gives them."""
    names = ", ".join(quoted(connection, column.name) for column in table.columns)
    key = quoted(connection, table.columns[0].name)
    statement = f"SELECT {names} FROM {table.name} WHERE {key} IN ({', '.join([marker(connection)] * len(keys))})"
    if connection.dialect.name == "sqlite":
        # As in `Inserter`: to be read at once, or the cursor keeps its transaction open.
        return cast("list[Row]", connection.connection.cursor().execute(statement, keys).fetchall())
    return map(tuple, connection.exec_driver_sql(statement, tuple(keys)))


def run(connection: Connection, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
    """By the driver's own SQL: what SQLAlchemy adds costs five times as much. {} stands for a parameter. On PostgreSQL without a % of its own."""
    statement = statement.replace("{}", marker(connection))
    if connection.dialect.name == "sqlite":
        return [*connection.connection.cursor().execute(statement, parameters)]
    found = connection.exec_driver_sql(statement, tuple(parameters))
    return [*map(tuple, found)] if found.returns_rows else []


def marks(count: int) -> str:
    """So many parameters for `run`."""
    return ", ".join(["{}"] * count)


class Words(dict[str | None, int | None]):
    """Ids of event types, or of the words of items; a new one gets its id when it is first asked for."""

    def __init__(self, connection: Connection, table: Table, known: dict[str | None, int | None], made: Callable[[Table, int], None]) -> None:
        """`made`: is told of what is new in the table."""
        super().__init__(known)
        self._connection = connection
        self._table = table
        self._made = made

    def __missing__(self, name: str | None) -> int:
        id_, word = self._table.columns
        row = {word.name: clean(name)}
        found: int | None = put_new(self._connection, self._table, row)
        if found is not None:
            self._made(self._table, found)
        else:
            found = self._connection.execute(select(id_).where(word == row[word.name])).scalar_one()
        self[name] = found
        return found


def insert_new(connection: Connection, table: Table) -> Insert:
    """Inserts a row unless it is there, whoever put it there."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects import postgresql  # it is there already where PostgreSQL is, and nobody else needs to wait for it

    return postgresql.insert(table).on_conflict_do_nothing()


def put_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> int | None:
    """Insert a row unless it is there; its id if it is new."""
    return connection.execute(insert_new(connection, table).returning(table.c.id), row).scalar()


def update_sql(connection: Connection, table: Table) -> str:
    """Sets all columns but the first, for the row whose first column is the last parameter."""
    key, *others = (quoted(connection, column.name) for column in table.columns)
    mark = marker(connection)
    return f"UPDATE {table.name} SET {', '.join(f'{name} = {mark}' for name in others)} WHERE {key} = {mark}"


def quoted(connection: Connection, name: str) -> str:
    """A column's name as SQL wants it (`user` is a word of its own there)."""
    return connection.dialect.identifier_preparer.quote(name)


def marker(connection: Connection) -> str:
    """What stands for a parameter."""
    return "?" if connection.dialect.name == "sqlite" else "%s"


def exchange_row(id_: int, place: tuple[int, int, int | None], writer: int, recorded: Recorded) -> Row:
    """A row of exchanges. `place`: take, seq, connection."""
    r, facts, cost, attempt = recorded, recorded.facts, recorded.cost, recorded.attempt
    row = (
        id_,
        r.session,
        *place,
        r.stream_id,
        r.transport,
        r.method,
        r.path,
        r.status,
        r.outcome,
        start_text(r.started_at_ns),
        milliseconds(r.first_event_ns),
        milliseconds(r.duration_ns),
        r.request_bytes,
        r.response_bytes,
        r.event_count,
        facts.parse,
        r.redacted,
        facts.kind,
        facts.model,
        facts.response_id,
        facts.previous_response_id,
        facts.response_status,
        facts.service_tier,
        facts.error_code,
        r.request_id,
        None if attempt is None else _small(attempt),
        r.key_id,
        r.organization,
        r.project,
        facts.user,
        r.upstream,
        None if facts.usage is None else json_text(facts.usage),
        r.paid[0] if cost is None else cost.listed,
        r.paid[1] if cost is None else cost.note,
        facts.conversation,
        r.steer,
        facts.problem,
        writer,
        r.number,
        problems_text(facts) if facts.problems else None,
        PARSER,
        json_text(facts.billing) if facts.billing else None,
        None,
    )
    # All of them at once: text that is not clean is rare.
    together = "".join(filter(None, _texts_of(row)))
    return row if together.isascii() and "\0" not in together else _cleaned(row)


def _cleaned(row: Row) -> Row:
    values = [*row]
    for place in _TEXTS:
        values[place] = clean(values[place])
    return tuple(values)


def _small(number: int) -> int | None:
    """A number that fits 32 bits."""
    return number if -_INT32 <= number < _INT32 else None


def event_values(id_: int, events: Sequence[EventRow], types: Mapping[str | None, int | None]) -> tuple[Literals, list[Any]]:
    """Rows of event_rows, for an `Inserter` with these literals. There must be events.

    Made column by column: half the cost of row by row.
    """
    seqs, offsets, directions, names, numbers, streams, sizes, flags = columns_of(events)
    if not _fit(numbers):
        numbers = tuple(map(fitting, numbers))
    if streams.count(None) < len(streams):
        streams = tuple(map(clean, streams))
    often_same = {"direction": directions, "sequence_number": numbers, "stream_id": streams, "flags": flags}
    literals = {name: _LITERALS[column[0]] for name, column in often_same.items() if column[0] in _LITERALS and column.count(column[0]) == len(column)}
    bound: list[Iterable[Any]] = [seqs, offsets]
    if "direction" not in literals:
        bound.append(directions)
    bound.append(map(types.__getitem__, names))
    bound += [often_same[name] for name in ("sequence_number", "stream_id") if name not in literals]
    bound.append(sizes)
    if "flags" not in literals:
        bound.append(flags)
    width = len(bound) + 1
    values: list[Any] = [id_] * (width * len(events))
    for place, column in enumerate(bound, 1):
        values[place::width] = column
    return tuple(literals.items()), values


def take_nulls(table: Table, values: list[Any], literals: Literals = ()) -> Literals:
    """Take out of rows, whose values stand end to end, the columns that are null in all of them: to bind a null costs more than to bind a number.

    Gives the literals that the rows had, and these.
    """
    found = dict(literals)
    bound = [column.name for column in table.columns if column.name not in found]
    width = len(bound)
    for place in range(width - 1, -1, -1):
        if values[place] is None and values[place::width].count(None) == len(values) // width:
            del values[place::width]
            width -= 1
            found[bound[place]] = "NULL"
    return tuple(found.items())


def item_values(id_: int, items: Iterable[ItemRow], words: Mapping[str | None, int | None]) -> list[Any]:
    """Rows of item_rows end to end, each item once. Made row by row: there are two or three of an exchange, for which columns cost twice as much."""
    values: list[Any] = []
    for part, position, kind, item, call, name, status in items:
        if not (item is None or (item.isascii() and "\0" not in item)):
            item = clean(item)
        if not (call is None or (call.isascii() and "\0" not in call)):
            call = clean(call)
        values += (id_, PARTS[part], position, words[kind], item, call, words[name], words[status])
    return values


def _fit(numbers: Sequence[int | None]) -> bool:
    """Whether all of them that are told are numbers of 64 bits; quick."""
    try:
        array("q", [*filter(None, numbers)])
    except (TypeError, OverflowError):
        return False
    return True


def fitting(number: int | None) -> int | None:
    """A number from the wire that both databases can hold."""
    return number if number is None or -_INT64 <= number < _INT64 else None


def body_row(id_: int, stored: StoredBody) -> Row:
    """A row of bodies."""
    base, data, codec, digest, raw_bytes, depth = stored
    return (id_, base, depth, codec, digest, raw_bytes, data)


def piece_row(id_: int, part: str, seq: int, data: bytes) -> Row:
    """A row of pieces: compressed if that helps."""
    packed = zstandard.ZstdCompressor(level=3).compress(data)
    codec = "zstd"
    if len(packed) >= len(data):
        packed, codec = data, "raw"
    return (id_, part, seq, codec, digest(data), len(data), packed)


def digest(data: bytes) -> str:
    """Of a piece."""
    return f"xxh3:{xxhash.xxh3_128_hexdigest(data)}"


def piece_data(codec: str, data: bytes, raw_bytes: int) -> bytes:
    """What `piece_row` was given. Raises StoreError if it is damaged."""
    if codec == "raw":
        return data
    if codec != "zstd":
        raise StoreError(f"a piece has the codec {codec!r}, which this playhead does not know")
    try:
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=raw_bytes, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise StoreError(f"a piece cannot be decompressed: {error}") from None


def clean(value: Any) -> Any:
    """Text that both databases can hold, equal for all text that is not garbage; what is not text stays as it is."""
    if value is None or (value.isascii() and "\0" not in value):
        return value
    return value.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def pack_times(frames: Sequence[Frame], chunks: Sequence[int]) -> bytes:
    """Frames and chunk sizes of one spill, for a piece of their own: length of the frames (u32), frames, chunk sizes."""
    packed = pack_frames(frames)
    return len(packed).to_bytes(4, "little") + packed + pack_sizes(chunks)


def unpack_times(data: bytes) -> tuple[tuple[Frame, ...], tuple[int, ...]]:
    """Raises StoreError if it is damaged."""
    end = 4 + int.from_bytes(data[:4], "little")
    return unpack_frames(data[4:end]), unpack_sizes(data[end:])


def start_text(nanoseconds: int) -> str:
    """As `ns_text`, for moments that follow one another."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{_second(seconds)}{rest // 1000:06d}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return ns_text(seconds * 1_000_000_000)[:20]  # up to the point


def problems_text(facts: Facts) -> str:
    """JSON of how many problems there are, and of the first of them."""
    first = [{"path": path, "expected": expected, "found": found} for path, expected, found in _shortened(facts.problems[:_PROBLEMS])]
    return json_text({"count": len(facts.problems), "first": first})


def _shortened(problems: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, ...]]:
    return (tuple([clean(text[:_PROBLEM_TEXT]) for text in problem]) for problem in problems)


def json_text(value: dict[str, Any]) -> str:
    """JSON of it; what JSON does not have (NaN) is null."""
    try:
        return to_json(value, inf_nan_mode="null").decode()
    except ValueError:  # lone surrogates
        return json.dumps(value)

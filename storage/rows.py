"""Records as rows: the tuples that are inserted, and the SQL that takes them.

Rows go in as tuples by the driver's own SQL: through Core's dicts an event row costs four times as much. Text from the wire is made fit for both
databases (no NUL, no lone surrogates), numbers from it are dropped where they do not fit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import xxhash
import zstandard
from pydantic_core import to_json
from sqlalchemy import Connection, Table

from playhead.config.errors import StoreError

from .bodies import StoredBody
from .columns import pack_frames, pack_sizes, unpack_frames, unpack_sizes
from .records import EventRow, Frame, Recorded
from .tables import ns_text

Row = tuple[Any, ...]

_GROUP = 16  # rows of one statement; more of them gain nothing
_INT64 = 1 << 63
_INT32 = 1 << 31


class Inserter:
    """Inserts rows of one table."""

    def __init__(self, connection: Connection, table: Table, *, ignore: bool = False) -> None:
        """`ignore`: rows that stand already are left as they are."""
        self._connection = connection
        names = ", ".join(quoted(connection, column.name) for column in table.columns)
        self._start = f"INSERT INTO {table.name} ({names}) VALUES "
        self._row = f"({', '.join([marker(connection)] * len(table.columns))})"
        self._end = " ON CONFLICT DO NOTHING" if ignore else ""

    def __call__(self, rows: Sequence[Row]) -> None:
        """Insert them, a group of rows for each statement: half the cost of one by one."""
        whole = len(rows) - len(rows) % _GROUP
        if whole:
            groups = [tuple(chain.from_iterable(rows[i : i + _GROUP])) for i in range(0, whole, _GROUP)]
            self._connection.exec_driver_sql(self._start + ", ".join([self._row] * _GROUP) + self._end, groups)
        if whole < len(rows):
            self._connection.exec_driver_sql(self._start + self._row + self._end, list(rows[whole:]))


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
    r, facts = recorded, recorded.facts
    return (
        id_,
        r.session,
        *place,
        None,
        r.transport,
        clean(r.method),
        clean(r.path),
        r.status,
        r.outcome,
        ns_text(r.started_at_ns),
        milliseconds(r.first_event_ns),
        milliseconds(r.duration_ns),
        r.request_bytes,
        r.response_bytes,
        r.event_count,
        facts.parse,
        r.redacted,
        clean(facts.kind),
        clean(facts.model),
        clean(facts.response_id),
        clean(facts.previous_response_id),
        clean(facts.response_status),
        clean(facts.service_tier),
        clean(facts.error_code),
        clean(r.request_id),
        r.attempt if r.attempt is not None and -_INT32 <= r.attempt < _INT32 else None,
        r.key_id,
        clean(r.organization),
        clean(r.project),
        clean(facts.user),
        clean(r.upstream),
        usage_text(facts.usage),
        None,
        None,
        clean(facts.problem),
        writer,
        r.number,
    )


def event_rows(id_: int, events: Iterable[EventRow], types: Mapping[str | None, int | None]) -> list[Row]:
    """Rows of event_rows."""
    return [
        (
            id_,
            e.seq,
            e.offset_ns,
            e.direction,
            types[e.type],
            number if (number := e.sequence_number) is None or -_INT64 <= number < _INT64 else None,
            None if e.stream_id is None else clean(e.stream_id),
            e.bytes,
            e.flags,
        )
        for e in events
    ]


def body_row(id_: int, stored: StoredBody) -> Row:
    """A row of bodies."""
    return (id_, stored.base, stored.depth, stored.codec, stored.digest, stored.raw_bytes, stored.data)


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


def milliseconds(nanoseconds: int | None) -> float | None:
    """With all their decimals."""
    return None if nanoseconds is None else nanoseconds / 1_000_000


def usage_text(usage: dict[str, Any] | None) -> str | None:
    """JSON of it; what JSON does not have (NaN) is null."""
    if usage is None:
        return None
    try:
        return to_json(usage, inf_nan_mode="null").decode()
    except ValueError:  # lone surrogates
        return json.dumps(usage)

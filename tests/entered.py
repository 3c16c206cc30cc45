"""A store with something in every table that chains cover, and the ways to change it behind their back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Boolean, Column, LargeBinary, Table, Text, cast, literal, select

from playhead.config.rules import parse_rule
from playhead.storage.column_types import UtcTime
from playhead.storage.connecting.connected import LogEntry
from playhead.storage.costing.cost_tables import cost_history, cost_line_rows, costs, paid_responses
from playhead.storage.costing.costs import Basis, Cost, LineRow, Priceable, Pricing, RateRow
from playhead.storage.engine import Database
from playhead.storage.evidence.chain_rows import SHARED
from playhead.storage.records import Batch, Facts, Fingerprint, Frame, ItemRow, Piece, Raw, Recorded, Spill
from playhead.storage.replaying.replay_rows import Equivalence
from playhead.storage.replaying.replay_tables import equivalences, match_rules, rerecordings
from playhead.storage.store import Store
from playhead.storage.tables import bodies, connection_pieces, connections, event_rows, exchanges, fingerprints, item_rows, pieces, sessions, takes
from stores import connected, event, logged, raw, recorded, streamed, turned

COVERED: tuple[Table, ...] = (
    *(sessions, takes, match_rules, equivalences, rerecordings, connections, connection_pieces, exchanges, bodies, pieces, event_rows, item_rows),
    *(fingerprints, costs, cost_line_rows, cost_history, paid_responses, *[table for table, _ in SHARED.values()]),
)
"""The tables whose every row has its place in a chain."""


def price(amount: int, *, told: bool = False) -> Cost:
    """A cost of one line."""
    lines = (LineRow(RateRow("input", None, "token", str(amount), 1, "list@1", None, None), 1, amount),)
    basis = Basis('[["provider","openai","known"]]', None)
    return Cost(Pricing('[["list","1","0"]]', "none"), "priced", amount, None, basis, lines, (1, 0, None, 1, 0), (amount, None, None, None, None), told)


def told(number: int, response: str, cost: Cost) -> Recorded:
    """An exchange that tells of a response."""
    return recorded(number, facts=Facts(kind="responses", response_id=response, parse="parsed", usage={"input_tokens": 1}), cost=cost)


def in_pieces(number: int, *, final: bool = True) -> Spill:
    """A big exchange, or the beginning of one."""
    parts = [Piece("response", 0, b"first" * 100), Piece("response", 1, b"second")]
    whole = streamed(number, [], raw=Raw(b"GET / HTTP/1.1\r\n\r\n"), event_count=1)
    return Spill(whole, parts, [event(0)], (Frame(1, 1, 506),), (), final=final)


def fill(store: Store) -> None:
    """Something of everything, by the ways in which it comes there."""
    history = b'{"input":"' + bytes(range(97, 123)) * 100
    made = [streamed(n, [event(0), event(1, None), event(2, stream_id="lane")], raw=raw(n, request=history + b'%d"}' % n)) for n in range(1, 5)]
    for place, one in enumerate(made):
        one.cost = price(10 + place)
        one.fingerprint = Fingerprint(bytes(16), "sse", b"item" * (5 + place))
        one.items = [ItemRow("input", 4 + place, "message", f"msg_{place}", None, None, "completed"), ItemRow("output", 0, "message", None, None, None, None)]
    store.write(Batch(made, [in_pieces(9)]))
    store.write(Batch([told(10, "resp_a", price(5, told=True)), recorded(11)]))
    log = [*logged(1), *logged(2)]
    store.write(Batch([turned(7, 1), turned(7, 2)], connections=[connected(7, log=[*log, LogEntry(0, 9, 5, 0, 4)], client_data=b"ping", outcome="complete")]))
    store.write(Batch([recorded(12, session="other")]))
    store.set_match_rules("default", [parse_rule("normalize uuid")])
    store.decisions.accept(Equivalence("default", 2, b"digest", "http", 1))
    store.decisions.rerecord("default", 3)
    reprice(store, 1, 99)


def reprice(store: Store, id_: int, amount: int) -> None:
    """Put another cost in force."""
    [one] = [each for each in store.ledger.priceable() if each.id == id_]
    assert isinstance(one, Priceable)
    assert store.ledger.replace([(one, price(amount))])


def problems(store: Store) -> list[str]:
    """What the chains find."""
    return [text if exchange is None else f"exchange {exchange}: {text}" for exchange, text in store.check_chains().problems()]


def without_references(database: Database) -> None:
    """Somebody who changes the store with SQL does not care for foreign keys."""
    if not database.sqlite:
        with database.autocommit() as connection:
            statement = "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'f' AND connamespace = current_schema()::regnamespace"
            for table, constraint in connection.exec_driver_sql(statement).all():
                connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")


def rows_of(database: Database, table: Table) -> list[dict[str, Any]]:
    """All of a table, JSON as the text that it is."""
    columns = [cast(column, Text).label(column.name) if isinstance(column.type, JSON) else column for column in table.columns]
    with database.reading() as connection:
        return [dict(row._mapping) for row in connection.execute(select(*columns).order_by(*table.primary_key))]


@contextmanager
def changed(database: Database, table: Table, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[None]:
    """A row is another one for a while: None is none."""
    _put(database, table, before, after)
    yield
    _put(database, table, after, before)


def _put(database: Database, table: Table, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
    with database.autocommit() as connection:
        if database.sqlite:
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        if old is not None:
            connection.execute(table.delete().where(*[column == old[column.name] for column in table.primary_key]))
        if new is not None:
            connection.execute(table.insert().values({name: _written(database, table.c[name], value) for name, value in new.items()}))
        if database.sqlite:
            connection.exec_driver_sql("PRAGMA foreign_keys = ON")


def _written(database: Database, column: Column[Any], value: Any) -> Any:
    if not isinstance(column.type, JSON):
        return value
    return literal(value, Text) if database.sqlite else cast(literal(value, Text), JSON)


def edits(table: Table, row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The row with each of its columns changed."""
    names = SHARED[table.name][1] if table.name in SHARED else table.columns.keys()
    return ({**row, name: other(table.c[name], row[name])} for name in names)


def other(column: Column[Any], value: Any) -> Any:
    """Another value for a column."""
    if isinstance(value, bool):
        return not value
    if isinstance(column.type, UtcTime):
        return (value or datetime.now(UTC)) + timedelta(seconds=1)
    if isinstance(column.type, JSON):
        return "[1]"
    if isinstance(column.type, LargeBinary):
        return (value or b"") + b"x"
    if isinstance(column.type, Boolean):
        return True
    return (value or "") + "x" if isinstance(column.type, Text) else (value or 0) + 1000

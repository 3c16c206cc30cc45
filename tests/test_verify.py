"""Verifying finds each kind of damage, and nothing in a sound store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from playhead.storage.connecting.connected import LogEntry
from playhead.storage.engine import Database
from playhead.storage.records import Batch, Fingerprint, Frame, Piece, Raw, Spill, StoredRequest
from playhead.storage.store import Store
from stores import connected, event, logged, opened, raw, streamed, turned


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    made = opened(url)
    with Store(made) as store:
        history = b'{"input":"' + bytes(range(97, 123)) * 100
        bodies = [raw(n, request=history + b'%d"}' % n) for n in range(4)]
        exchanges = [streamed(n, [event(0), event(1), event(2)], raw=body, transport="ws") for n, body in enumerate(bodies)]
        spill = Spill(
            streamed(9, raw=Raw(b"GET / HTTP/1.1\r\n\r\n")),
            [Piece("response", 0, b"first" * 100), Piece("response", 1, b"second")],
            [],
            (Frame(1, 1, 506),),
            (),
            final=True,
        )
        for place, exchange in enumerate(exchanges):
            exchange.fingerprint = Fingerprint(bytes(16), "ws", bytes(16 + 4 * place))
        store.write(Batch(exchanges, [spill]))
        log = [*logged(1), LogEntry(0, 9, 5, 0, 4), *logged(2)]
        given = connected(7, log=log[:2], outcome="complete"), connected(7, part=1, log=log[2:], client_data=b"ping", outcome="complete")
        store.write(Batch([turned(7, 1), turned(7, 2)], connections=[*given, connected(8, log=logged(1))]))
        yield made


def found(database: Database, *damage: str) -> list[tuple[int | None, str]]:
    """What verifying says after the damage, as (place of the exchange, text)."""
    store = Store(database)
    ids = [row.id for row in store.exchanges("default")]
    with database.autocommit() as connection:
        if database.sqlite:
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        else:
            connection.exec_driver_sql("SET session_replication_role = replica")  # references are not looked at
        for statement in damage:
            connection.exec_driver_sql(statement.format(*ids))
        if not database.sqlite:
            connection.exec_driver_sql("RESET session_replication_role")
    problems = [(None if problem.exchange is None else problem.exchange - ids[0], problem.problem) for problem in store.verify(compute)]
    store.close()
    return [problem for problem in problems if "refers to a row" not in problem[1]]


def compute(stored: StoredRequest) -> Fingerprint:
    """What the fingerprints were made by."""
    number = b"".join(stored.body).removesuffix(b'"}').rpartition(b"z")[2]
    return Fingerprint(bytes(16), "ws", bytes(16 + 4 * int(number)))


def test_a_sound_store_has_no_problems(database: Database) -> None:
    assert found(database) == []


@pytest.mark.parametrize(
    ("damage", "exchange", "words"),
    [
        ("UPDATE bodies SET digest = 'xxh3:00000000000000000000000000000000' WHERE exchange = {3}", 3, "a stored body is damaged"),
        ("DELETE FROM bodies WHERE exchange = {3}", 3, "it has no body"),
        ("DELETE FROM event_rows WHERE exchange = {1} AND seq = 2", 1, "the number of its events is not what its row says"),
        ("DELETE FROM event_rows WHERE exchange = {1} AND seq = 1", 1, "events are missing between others"),
        ("UPDATE event_rows SET type = 999 WHERE exchange = {2}", 2, "the type of an event is not there"),
        ("DELETE FROM pieces WHERE part = 'response' AND seq = 0", 4, "its response lacks piece 0"),
        ("UPDATE pieces SET digest = 'xxh3:00' WHERE seq = 1", 4, "piece 1 of its response is damaged"),
        ("UPDATE pieces SET raw_bytes = 5 WHERE seq = 1", 4, "piece 1 of its response is damaged"),
        ("UPDATE pieces SET codec = 'lz9' WHERE part = 'times'", 4, "a piece has the codec 'lz9'"),
        ("UPDATE pieces SET codec = 'zstd' WHERE seq = 1", 4, "a piece cannot be decompressed"),
        ("DELETE FROM takes", 0, "its take is not there"),
        ("UPDATE exchanges SET session = 'nowhere' WHERE id = {2}", 2, "its session is not there"),
        ("UPDATE exchanges SET writer = 999 WHERE id = {2}", 2, "its writer is not there"),
        ("UPDATE exchanges SET connection = 999 WHERE id = {2}", 2, "its connection is not there"),
        ("UPDATE exchanges SET seq = 1 WHERE id = {2}", 2, "another exchange has its place"),
        ("DELETE FROM exchanges WHERE id = {2}", 2, "rows of event_rows are left of it"),
        ("UPDATE bodies SET base = {3} WHERE exchange = {1}", 1, "is not older than itself"),
        ("DELETE FROM fingerprints WHERE exchange = {0}", 1, "the items that its own go on from are not there"),
        ("UPDATE fingerprints SET exchange = 999 WHERE exchange = {3}", 998, "rows of fingerprints are left of it"),
        ("UPDATE fingerprints SET digest = items WHERE exchange = {2}", 2, "its fingerprint is not that of its request"),
        ("UPDATE fingerprints SET asks = 'sse' WHERE exchange = {3}", 3, "its fingerprint is not that of its request"),
        ("UPDATE fingerprints SET items = digest WHERE exchange = {3}", 3, "its fingerprint is not that of its request"),
    ],
)
def test_damage_is_found(database: Database, damage: str, exchange: int, words: str) -> None:
    problems = found(database, damage)

    assert any(place == exchange and words in problem for place, problem in problems), problems


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("UPDATE connection_pieces SET digest = 'xxh3:00' WHERE part = 'client'", "piece 1 of its client is damaged"),
        ("UPDATE connection_pieces SET digest = 'xxh3:00' WHERE part = 'heads'", "piece 0 of its heads is damaged"),
        ("DELETE FROM connection_pieces WHERE part = 'log' AND seq = 0", "its log lacks piece 0"),
        ("DELETE FROM connection_pieces WHERE part = 'client'", "its log does not fit its messages of the client that belong to no turn"),
        ("DELETE FROM connection_pieces WHERE part = 'log'", "its log does not fit"),
        ("UPDATE event_rows SET bytes = 3 WHERE flags = 1 AND direction = 0", "its log does not fit the events of exchange"),
        ("UPDATE event_rows SET direction = 0 WHERE flags = 1", "its log does not fit the events of exchange"),
        ("UPDATE connections SET take = 7", "its take is not there"),
        ("UPDATE connections SET session = 'nowhere'", "its session is not there"),
        ("UPDATE connections SET writer = 999", "its writer is not there"),
        ("DELETE FROM connections", "pieces are left of it"),
    ],
)
def test_damage_to_connections_is_found(database: Database, damage: str, words: str) -> None:
    problems = found(database, damage)

    assert any(problem.startswith("connection ") and words in problem for _, problem in problems), problems


def test_a_turn_at_another_connection_is_found(database: Database) -> None:
    problems = found(database, "UPDATE exchanges SET connection = 1 WHERE number < 0")

    assert [problem for _, problem in problems] == ["its connection is not that of its number"] * 2


def test_bytes_that_changed_are_found_wherever_they_are_needed(database: Database) -> None:
    flip = "substr(data, 1, 20) || " + ("x'ff'" if database.sqlite else "'\\xff'::bytea") + " || substr(data, 22)"
    problems = found(database, f"UPDATE bodies SET data = {flip} WHERE exchange = {{0}}")

    assert {place for place, _ in problems} >= {0}


def test_a_base_that_is_gone_is_found(database: Database) -> None:
    problems = found(database, "DELETE FROM bodies WHERE exchange = {0}")

    assert (0, "it has no body") in problems
    assert any("delta" in problem for place, problem in problems if place == 1)


def test_verifying_goes_on_after_damage(database: Database) -> None:
    problems = found(database, "UPDATE bodies SET digest = '' WHERE exchange = {3}", "DELETE FROM event_rows WHERE exchange = {1}")

    assert {place for place, _ in problems} == {1, 3}

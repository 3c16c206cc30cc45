"""The recorder stores each turn of a WebSocket exactly once, while its connection lives, whatever dies when; and the connection beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from journalled import Frames, http, opening
from journals import drain, open_store, plain, recording, write, writer
from playhead.proxy.recorders.tails import Limits
from playhead.proxy.recording import Assembly
from playhead.storage.connecting.connected import ConnectionRecord
from playhead.storage.journal import segments
from playhead.storage.records import ExchangeRecord, Kind, Recorded
from playhead.storage.store import Store
from sockets import client, frame, socket, upstream
from test_multiplex import answer, busy, create, sent, told

ALWAYS = Limits(spill_seconds=-1.0)  # whatever is open is stored in part with every step
SMALL = Limits(spill_bytes=400)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "journal").mkdir()
    return tmp_path


@pytest.fixture
def journal_dir(place: Path) -> Path:
    return place / "journal"


@pytest.fixture
def store(place: Path) -> Iterator[Store]:
    with open_store(place, lock_timeout=0.05) as opened:
        yield opened


def rows(store: Store) -> list[ExchangeRecord]:
    return list(store.exchanges("default"))


def connections(store: Store) -> list[ConnectionRecord]:
    return list(store.connections("default"))


def everything(store: Store) -> list[Any]:
    """What is stored, in order, without ids and places: what is promised to what is read again is not given to others."""
    assert [problem.problem for problem in store.verify()] == []
    found: list[Any] = []
    for row in rows(store):
        raw = store.raw(row.id)
        found.append((row.model_dump(exclude={"id", "seq", "connection"}), raw, list(store.event_rows(row.id)), row.connection is not None))
    for one in connections(store):
        own = store.connection_heads(one.id), store.connection_log(one.id), list(store.connection_messages(one.id))
        found.append((one.model_dump(exclude={"id"}), *own))
    return found


def recorded(directory: Path, frames: Frames) -> list[Any]:
    """What an undisturbed recorder makes of it."""
    journal_dir = directory / "journal"
    journal_dir.mkdir(parents=True)
    journal = writer(journal_dir)
    write(journal, 1, frames)
    journal.close()
    with open_store(directory) as store:
        drain(store, journal_dir)
        return everything(store)


# While it lives.


def test_turns_are_stored_while_the_connection_lives(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, socket(*sent(create()), *told(*answer("resp_1")), *sent(create()), end=None))
    with recording(store, journal_dir) as recorder:
        recorder.step()
        (row,) = rows(store)
        (connection,) = connections(store)

        assert (row.response_id, row.outcome, row.connection, recorder.exchanges) == ("resp_1", "complete", connection.id, 1)
        assert (connection.status, connection.outcome, connection.exchanges, connection.client_messages) == (101, None, 1, 2)
    journal.close()


def test_that_secrets_were_replaced_is_said_of_turns_that_were_stored_before(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    frames = socket(*sent(create()), *told(*answer("resp_1")), end={"outcome": "complete", "redacted": True})
    write(journal, 1, frames[:-1])
    with recording(store, journal_dir) as recorder:
        recorder.step()
        assert [row.redacted for row in rows(store)] == [None]
        write(journal, 1, frames[-1:])
        recorder.step()
        assert [row.redacted for row in rows(store)] == ["response"]
    journal.close()


def test_a_session_over_one_socket_counts_its_turns_from_one(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, socket(*(step for at in range(3) for step in (*sent(create()), *told(*answer(f"resp_{at}")))), end=None))
    drain(store, journal_dir)
    journal.close()

    assert [(row.seq, row.response_id) for row in rows(store)] == [(1, "resp_0"), (2, "resp_1"), (3, "resp_2")]


def test_exchanges_and_turns_are_numbered_as_they_came(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    frames = socket(*sent(create()), *told(*answer("resp_1")), *sent(create()), *told(*answer("resp_2")))
    write(journal, 1, frames[:2])
    write(journal, 2, plain("before"))
    write(journal, 1, frames[2:7])
    write(journal, 3, plain("between"))
    write(journal, 1, frames[7:])
    drain(store, journal_dir)
    journal.close()

    assert [row.response_id or row.path for row in sorted(rows(store), key=lambda row: row.seq)] == ["resp_1", "resp_1", "resp_1", "resp_2"]
    assert [row.transport for row in rows(store)] == ["http", "ws", "http", "ws"]


def test_a_turn_that_is_open_when_its_worker_dies_is_aborted(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, socket(*sent(create()), *told(*answer("resp_1")), *sent(create()), *told(answer("resp_2")[0]), end=None))
    drain(store, journal_dir)
    journal.close()
    drain(store, journal_dir)

    assert [row.outcome for row in rows(store)] == ["complete", "aborted"]
    assert connections(store)[0].outcome == "aborted"


# Exactly once.


@pytest.mark.parametrize("limits", [Limits(), ALWAYS, SMALL], ids=["whole", "in parts", "sometimes in parts"])
def test_after_every_frame_a_restart_changes_nothing(place: Path, limits: Limits) -> None:
    frames = busy()
    wanted = recorded(place / "wanted", frames)
    with open_store(place) as store:
        journal = writer(place / "journal", segment_bytes=700)
        for each in frames:
            write(journal, 1, [each])
            drain(store, place / "journal", limits=limits)
        journal.close()
        drain(store, place / "journal", limits=limits)

        assert everything(store) == wanted


def test_places_are_kept_over_restarts_though_others_come_in_between(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    frames = socket(*sent(create(), create("a")), *told(*answer("resp_1"), *answer("resp_2", "a")), end=None)
    for number, each in enumerate(frames, 2):
        write(journal, 1, [each])
        drain(store, journal_dir)
        write(journal, number, plain(str(number)))
        drain(store, journal_dir)
    journal.close()
    drain(store, journal_dir)

    found = [row.response_id if row.transport == "ws" else int(row.path[-2:].strip("?")) for row in rows(store)]
    assert found == [2, 3, "resp_1", 4, "resp_2", *range(5, len(frames) + 2)]
    assert [row.seq for row in rows(store)] == sorted({row.seq for row in rows(store)})


def test_many_turns_are_not_all_read_again(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, socket(end=None))
    with recording(store, journal_dir) as recorder:
        for at in range(600):
            write(journal, 1, [(kind, at, data) for kind, data in (*sent(create()), *told(*answer(f"resp_{at}")))])
            if not at % 100:
                recorder.step()
        recorder.step()
        (position,) = store.positions()

        assert len(rows(store)) == 600
        assert len(position.open["1"]["places"]) <= 1
        assert position.open["1"]["places"][0][2] < 256
    journal.close()


# Other connections.


def test_another_websocket_is_one_exchange_and_has_its_connection(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    said = b'{"type":"session.created","session":{"model":"gpt-realtime"}}'
    close = frame(b"\x03\xe8", 8)  # type: ignore[arg-type]
    write(journal, 1, socket(upstream(frame(said), close), client(b"\x03\xe8", opcode=8), path="/v1/realtime"))
    journal.close()
    drain(store, journal_dir)

    (row,), (connection,) = rows(store), connections(store)
    assert (row.transport, row.connection, row.events, connection.exchanges) == ("ws", connection.id, 3, 1)
    assert (connection.upstream_messages, connection.upstream_close, connection.client_close, connection.outcome) == (1, 1000, 1000, "complete")
    assert store.connection_log(connection.id) == []


def test_a_refused_handshake_is_an_exchange_over_http_with_its_connection(store: Store, journal_dir: Path) -> None:
    frames = http(b"", [b'{"error":{"code":"invalid_api_key"}}'], status=401)
    frames[0] = opening("GET", transport="ws")
    journal = writer(journal_dir)
    write(journal, 1, frames)
    journal.close()
    drain(store, journal_dir)

    (row,), (connection,) = rows(store), connections(store)
    assert (row.transport, row.status, row.error_code, row.connection) == ("http", 401, "invalid_api_key", connection.id)
    assert (connection.status, connection.outcome, connection.exchanges) == (401, "complete", 1)


# Handshakes.


def test_a_socket_whose_101_was_lost_does_not_hold_the_place_in_the_journal(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir, segment_bytes=700)
    opened, _, *said = socket(*sent(create()), *told(*answer("resp_1")), end=None)
    write(journal, 1, [opened])
    with recording(store, journal_dir, limits=ALWAYS) as recorder:
        for number, each in enumerate(said, 2):
            write(journal, 1, [each])
            write(journal, number, plain(str(number)))
            recorder.step()
        (position,), (connection,) = store.positions(), connections(store)

        assert len(rows(store)) == len(said)
        assert (position.segment, position.segment > 3) == (max(segments(journal_dir)["w"]), True)
        assert (connection.status, connection.outcome) == (None, None)
    journal.close()


def test_a_socket_whose_101_was_lost_is_one_exchange_when_it_ends(store: Store, journal_dir: Path) -> None:
    opened, _, *said, end = socket(*sent(create()), *told(*answer("resp_1")), end={"outcome": "client_closed", "lost": True})
    journal = writer(journal_dir)
    for each in (opened, *said, end):
        write(journal, 1, [each])
        drain(store, journal_dir, limits=ALWAYS)
    journal.close()
    drain(store, journal_dir)

    (row,), (connection,) = rows(store), connections(store)
    assert (row.outcome, row.status, row.parse, row.connection) == ("client_closed", None, "partial", connection.id)
    assert (connection.outcome, connection.problem, connection.exchanges) == ("client_closed", "parts of it could not be journalled", 1)


@pytest.mark.parametrize(
    "frames", [busy(), [opening("GET", transport="ws"), *http(b"", [b'{"error":{"code":"x"}}'], status=401)[1:]]], ids=["agreed", "refused"]
)
def test_a_handshake_that_was_open_long_is_stored_like_others(place: Path, frames: Frames) -> None:
    wanted = recorded(place / "wanted", frames)
    with open_store(place) as store:
        journal = writer(place / "journal")
        write(journal, 1, frames[:1])
        for _ in range(3):
            drain(store, place / "journal", limits=ALWAYS)
        write(journal, 1, frames[1:])
        journal.close()
        drain(store, place / "journal")

        assert everything(store) == wanted


# What cannot be parsed.


class Breaks(Assembly):
    """Fails at a message that says so, if it looks at it."""

    def feed(self, kind: int, at: int, payload: bytes) -> None:
        super().feed(kind, at, payload)
        upgraded = self.multiplex is not None and self.multiplex.busy
        if b"break" in payload and upgraded and kind == Kind.UPSTREAM_DATA:
            raise RuntimeError("the parser is broken")


@pytest.mark.parametrize("limits", [Limits(), ALWAYS], ids=["whole", "in parts"])
def test_from_where_the_parser_breaks_a_connection_is_kept_as_it_came(store: Store, journal_dir: Path, limits: Limits) -> None:
    before = [*sent(create()), *told(*answer("resp_1")), *sent(create(input="b")), *told(answer("resp_2")[0])]
    after = [upstream(frame(b"break")), *sent(b"more")]
    journal = writer(journal_dir)
    for each in socket(*before, *after):
        write(journal, 1, [each])
        drain(store, journal_dir, limits=limits, assembly=Breaks)
    journal.close()
    drain(store, journal_dir, limits=limits, assembly=Breaks)

    told_, open_, rest = rows(store)
    assert [(row.parse, row.outcome) for row in (told_, open_, rest)] == [("parsed", "complete"), ("unparsed", "aborted"), ("unparsed", "complete")]
    assert store.raw(open_.id).response == answer("resp_2")[0]
    assert (store.raw(rest.id).request, store.raw(rest.id).response) == (b"more", frame(b"break"))
    assert len({row.connection for row in rows(store)}) == 1
    assert list(store.verify()) == []


class BreaksAtTheEnd(Assembly):
    """Fails at the end of a connection, as long as it has turns."""

    def feed(self, kind: int, at: int, payload: bytes) -> None:
        if kind == Kind.END and self.multiplex is not None and self.multiplex.busy:
            raise RuntimeError("the parser is broken")
        super().feed(kind, at, payload)


def test_a_connection_that_breaks_at_its_very_end_has_no_place_beside_those_of_its_turns(store: Store, journal_dir: Path) -> None:
    journal = writer(journal_dir)
    write(journal, 1, socket(*sent(create()), *told(*answer("resp_1")), *sent(create(input="b")), *told(answer("resp_2")[0])))
    write(journal, 2, plain("behind"))
    journal.close()
    drain(store, journal_dir, assembly=BreaksAtTheEnd)

    assert [(row.seq, row.parse) for row in rows(store)] == [(1, "parsed"), (2, "unparsed"), (3, "parsed")]


def test_what_ended_before_a_turn_is_stored_before_it(store: Store, journal_dir: Path) -> None:
    journal, frames = writer(journal_dir), socket(*sent(create()), *told(*answer("resp_1")))
    write(journal, 1, frames[:1])
    write(journal, 2, plain("before"))
    write(journal, 1, frames[1:-1])
    write(journal, 3, plain("behind"))
    write(journal, 1, frames[-1:])
    journal.close()
    drain(store, journal_dir)

    assert [row.transport for row in sorted(rows(store), key=lambda row: row.id)] == ["http", "ws", "http"]


class Panic(BaseException):
    """As a library written in another language ends a process."""


def priced(recorded: Recorded) -> None:
    """As a library that ends the process when it prices a turn."""
    if recorded.transport == "ws" and recorded.facts.parse != "unparsed":
        raise Panic


def test_a_turn_that_kills_is_blamed_and_not_what_ended_before_it(store: Store, journal_dir: Path) -> None:
    journal, frames = writer(journal_dir), socket(*sent(create()), *told(*answer("resp_1")))
    write(journal, 1, frames[:1])
    write(journal, 2, plain("before"))
    write(journal, 1, frames[1:])
    journal.close()
    for _ in range(2):
        with pytest.raises(Panic), recording(store, journal_dir, cost_of=priced) as recorder:
            recorder.step()
    with recording(store, journal_dir, cost_of=priced) as recorder:
        recorder.step()

    assert {row.transport: row.parse for row in rows(store)} == {"http": "parsed", "ws": "unparsed"}


# Memory.


def held(assembly: Assembly) -> int:
    """What an open connection takes, roughly: all that its state has."""
    return len(json.dumps(assembly.snapshot()))


def test_a_connection_of_many_turns_takes_no_more_than_one_of_few() -> None:
    assembly, sizes = Assembly("w1", 7), []
    for fed in socket(end=None):
        assembly.feed(*fed)
    assert assembly.multiplex is not None
    for at in range(3000):
        for kind, data in (*sent(create("abc"[at % 3])), *told(*answer(f"resp_{at}", "abc"[at % 3], deltas=0))):
            assembly.feed(kind, at, data)
        assembly.multiplex.ready.clear()
        if not at % 1000:
            assembly.parts()
            sizes.append(held(assembly))

    assert sizes[-1] < sizes[1] + 1000


def test_a_turn_of_many_events_takes_no_more_than_one_of_few() -> None:
    assembly, sizes = Assembly("w1", 7), []
    begun, delta = answer("resp_1", deltas=1)[:2]
    for fed in socket(*sent(create()), *told(begun), end=None):
        assembly.feed(*fed)
    for at in range(1, 40_001):
        assembly.feed(Kind.UPSTREAM_DATA, at, frame(delta.replace(b'"sequence_number":1', b'"sequence_number":%d' % at)))
        if not at % 10_000:
            spills, connection, _ = assembly.parts()
            assert connection is not None
            assert sum(len(spill.events) for spill in spills) == len(connection.log) == 10_000 + 2 * (at == 10_000)
            sizes.append(held(assembly))

    assert sizes[-1] < sizes[0] + 100

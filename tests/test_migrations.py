"""Stores of older versions: opened, brought up to date, replayed.

tests/data/store-NNNN.db was made by the code that had that schema, and is never made anew. store-0001.db has one session `fossil`: in its first take an
error and two answers to one request (the last through another upstream), a stream, a form, an exchange in pieces and one without an end; in its second
take the same request once more. store-0002.db has one, too: in its first take an answer with a call, two streams of one conversation, an error, a WebSocket
and a stream in pieces; in its second take the first request once more. store-0003.db has one as well: in its first take an answer, a stream, a WebSocket
handshake that was refused, a Responses WebSocket, a Realtime WebSocket and a Responses WebSocket without an end; in its second take the answer and the
Responses WebSocket once more. store-0004.db: in its first take an answer, a stream, an answer and a connection of two turns; in its second take an answer;
a divergence from the first. store-0008.db: what tests/entered.py fills a store with, each row entered in a chain.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from playhead.proxy.fingerprint import Asked, fingerprint, stored_fingerprint
from playhead.proxy.matching.request_memo import RequestMemo
from playhead.storage.records import Batch, Frame, Spill
from playhead.storage.store import Store
from playhead.storage.tables import HEAD
from rederived import derive
from stores import connected, recorded

DATA = Path(__file__).parent / "data"
QUESTION = '{"input": "What is the weather in Ürümqi?", "temperature": 7e-1, "model":"gpt-5"}'.encode()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A copy of the store of schema 0001."""
    shutil.copy(DATA / "store-0001.db", tmp_path / "store.db")
    return f"sqlite:///{tmp_path / 'store.db'}"


def asked(path: str = "/v1/responses") -> Asked:
    return Asked.of(f"POST {path} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n".encode(), "")


def test_an_old_store_is_brought_up_to_date_and_is_sound(url: str) -> None:
    with Store.open(url) as store:
        assert store.stats().schema_version == HEAD
        assert [(one.take, one.seq, one.outcome) for one in store.exchanges("fossil")] == [
            *((1, seq, "complete") for seq in range(1, 7)),
            (1, 7, None),
            (2, 8, "complete"),
        ]
        assert list(store.verify(stored_fingerprint)) == []


def test_an_old_store_replays(url: str) -> None:
    with Store.open(url) as store:
        rows = list(store.replay_index("fossil", 1, compute=RequestMemo().stored_fingerprint))
        wanted = fingerprint(asked(), QUESTION)
        found = [row.exchange for row in rows if row.digest == wanted.digest]

        assert [raw.response for raw in store.replayable(found)] == [
            b'{"error":{"message":"overloaded"}}',
            b'{"id":"resp_2","object":"response","output":[]}',
            b'{"id":"resp_5","object":"response","output":[]}',
        ]
        assert [row.asks for row in rows] == ["http", "http", "sse", "http", "http", "http"]
        assert [row.big for row in rows] == [False] * 5 + [True]
        assert [row.digest for row in store.replay_index("fossil")] == []


def test_its_fingerprints_are_made_once_and_kept(url: str) -> None:
    with Store.open(url) as store:
        made = list(store.replay_index("fossil", "all", compute=stored_fingerprint))
    with Store.open(url) as store:
        assert list(store.replay_index("fossil", "all")) == made
        assert [len(store.item_digests([row.exchange])[row.exchange]) for row in made] == [4, 4, 8, 0, 4, 4, 4]
        assert list(store.verify(stored_fingerprint)) == []


def test_its_exchange_in_pieces_is_streamed(url: str) -> None:
    with Store.open(url) as store:
        (big,) = [row for row in store.replay_index("fossil", 1, compute=stored_fingerprint) if row.big]
        streamed = store.stream(big.exchange)

        assert b"".join(streamed.response) == b'{"id":"resp_6","object":"response","output":[]}'
        assert [frame.direction for frame in streamed.frames] == [0, 0, 1]


def test_an_old_stream_has_no_time_of_its_head(url: str) -> None:
    with Store.open(url) as store:
        raw = store.raw(3)

        assert raw.frames == (Frame(0, 900, len(raw.request)), Frame(1, 2_000_000, raw.chunks[0]), Frame(1, 9_000_000, raw.chunks[1]))


def test_an_old_store_can_be_recorded_into(url: str) -> None:
    with Store.open(url, create=True) as store:
        store.write(Batch([recorded(99, session="fossil", run="run-3")]))

        assert [one.take for one in store.takes("fossil")] == [1, 2, 3]


@pytest.fixture(params=["0001", "0002"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of the store of that schema."""
    return Path(shutil.copy(DATA / f"store-{request.param}.db", tmp_path / "store.db"))


def test_every_old_store_is_sound_and_waits_to_be_parsed_again(old: Path) -> None:
    with Store.open(f"sqlite:///{old}") as store:
        assert list(store.verify(stored_fingerprint)) == []
        assert store.rederivation().count() == sum(row.outcome is not None for row in store.exchanges("fossil")) == 7
        assert [store.items(row.id) for row in store.exchanges("fossil") if row.outcome] == [[]] * 7


def test_every_old_store_is_parsed_again_and_keeps_what_was_recorded(old: Path) -> None:
    with Store.open(f"sqlite:///{old}") as store:
        before = [(row.id, row.seq, row.take, row.started_at, row.outcome, row.events, store.raw(row.id)) for row in store.exchanges("fossil")]

    derive(old)

    with Store.open(f"sqlite:///{old}") as store:
        assert store.rederivation().count() == 0
        assert [(row.id, row.seq, row.take, row.started_at, row.outcome, row.events, store.raw(row.id)) for row in store.exchanges("fossil")] == before
        assert list(store.verify(stored_fingerprint)) == []
        assert len(list(store.replay_index("fossil", "all"))) == 7


@pytest.fixture
def sockets(tmp_path: Path) -> Iterator[Store]:
    """A copy of the store of schema 0003, brought up to date."""
    shutil.copy(DATA / "store-0003.db", tmp_path / "store.db")
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}", create=True) as store:
        yield store
        assert list(store.verify(stored_fingerprint)) == []


def test_old_sockets_stay_one_exchange_each(sockets: Store) -> None:
    rows = list(sockets.connections("fossil"))

    assert [(row.path.partition("?")[0], row.take, row.status, row.outcome, row.exchanges) for row in rows] == [
        ("/v1/responses", 1, 401, "complete", 1),
        ("/v1/responses", 1, 101, "complete", 1),
        ("/v1/realtime", 1, 101, "upstream_closed", 1),
        ("/v1/responses", 1, 101, None, 1),
        ("/v1/responses", 2, 101, "complete", 1),
    ]
    assert [[*sockets.turns(row.id)] for row in rows] == [[0]] * 5
    assert [(row.seq, row.connection) for row in sockets.exchanges("fossil") if row.connection] == [
        (turns[0].seq, row.id) for row in rows if (turns := sockets.turns(row.id))
    ]
    assert sockets.connection_heads(rows[0].id) == (b"", b"")
    assert sockets.connection_log(rows[0].id) == []


def test_old_handshakes_are_known_by_the_fingerprints_of_their_exchanges(sockets: Store) -> None:
    one, two = sockets.handshakes("fossil", 1), sockets.handshakes("fossil", 2)
    ws = [row for row in sockets.replay_index("fossil", "all", compute=stored_fingerprint) if row.asks == "ws"]

    assert [handshake.status for handshake in one + two] == [401, 101, 101, 101, 101]
    assert one[0].digest == one[1].digest == two[0].digest != one[2].digest
    assert {row.exchange: row.digest for row in ws}.items() <= {handshake.exchange: handshake.digest for handshake in one + two}.items()


def test_an_old_socket_that_goes_on_ends_at_its_connection(sockets: Store) -> None:
    before = {row.id for row in sockets.connections("fossil")}
    (open_,) = [row for row in sockets.exchanges("fossil") if row.outcome is None]
    changes = {"transport": "ws", "method": "GET", "outcome": "aborted", "event_count": open_.events, "raw": sockets.heads(open_.id)}
    known = recorded(6, writer="w", session="fossil", run="run-1", **changes)
    given = connected(6, writer="w", session="fossil", outcome="aborted")

    sockets.write(Batch(spills=[Spill(known, [], [], (), (), True)], connections=[given]))

    assert {row.id for row in sockets.connections("fossil")} == before
    assert [row.outcome for row in sockets.connections("fossil") if row.id == open_.connection] == ["aborted"]


def test_an_old_socket_is_deleted_with_its_connection(sockets: Store) -> None:
    for row in list(sockets.exchanges("fossil")):
        sockets.delete_exchange(row.id)

    assert sockets.stats().connections == 0


@pytest.fixture
def turns(tmp_path: Path) -> Store:
    """A copy of the store of schema 0004, brought up to date."""
    shutil.copy(DATA / "store-0004.db", tmp_path / "store.db")
    return Store.open(f"sqlite:///{tmp_path / 'store.db'}", create=True)


def test_old_turns_and_divergences_are_what_they_were(turns: Store) -> None:
    with turns as store:
        (connection,) = store.connections("fossil")
        (divergence,) = store.divergences("fossil")

        assert list(store.verify(stored_fingerprint)) == []
        assert [(row.take, row.seq, row.connection) for row in store.exchanges("fossil")] == [
            *((1, seq, None) for seq in (1, 2, 3)),
            *((1, seq, connection.id) for seq in (4, 5)),
            (2, 6, None),
        ]
        assert [entry.turn for entry in store.connection_log(connection.id)] == [1, 1, 1, 2, 2, 2]
        assert (divergence.nearest, divergence.path) == (1, "/v1/responses")


def test_it_is_told_how_far_an_old_store_is(old: Path) -> None:
    told: list[tuple[str, int, int]] = []
    for _ in range(2):
        Store.open(f"sqlite:///{old}", advance=lambda *how_far: told.append(how_far)).close()

    assert {what for what, _, _ in told} == {f"the store {old} is of an older playhead and brought up to date"}
    assert (told[0][1:], told[1][1], told[-1][1] == told[-1][2] > 0) == ((0, 0), 0, True)


def test_an_old_store_is_brought_up_to_date_whole_or_not_at_all(old: Path) -> None:
    before = old.read_bytes()

    def stop(_: str, done: int, of: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Store.open(f"sqlite:///{old}", advance=stop)
    assert old.read_bytes() == before
    with Store.open(f"sqlite:///{old}") as store:
        assert list(store.check_chains().problems()) == []


def test_what_stood_in_an_old_store_is_entered_once_as_adopted(old: Path) -> None:
    found = []
    for _ in range(2):
        with Store.open(f"sqlite:///{old}") as store:
            check = store.check_chains()
            assert list(check.problems()) == []
            assert check.adopted + check.begun == check.compared > 0
            found += check.heads
    assert found[0] == found[1]


def test_what_is_changed_in_an_old_store_after_that_is_found(old: Path) -> None:
    with Store.open(f"sqlite:///{old}") as store, store._database.writing() as connection:
        connection.exec_driver_sql("UPDATE exchanges SET model = 'other' WHERE id = 1")
    with Store.open(f"sqlite:///{old}") as store:
        [(exchange, text)] = store.check_chains().problems()
    assert (exchange, text.startswith("it was changed: it is not what was adopted on 20")) == (1, True)


def test_the_chains_of_a_store_hold_in_all_versions(tmp_path: Path) -> None:
    shutil.copy(DATA / "store-0008.db", tmp_path / "store.db")
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        check = store.check_chains()
        assert list(check.problems()) == []
        assert (check.compared, check.adopted, check.begun) == (13, 0, 0)

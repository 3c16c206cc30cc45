"""What a replay reads: the index of a session, exchanges in batches, and big ones in bounded memory."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from playhead.config.errors import StoreError
from playhead.storage.engine import Database, open_database
from playhead.storage.records import ANSWERED_EARLY, Batch, Facts, Fingerprint, Frame, Piece, Raw, Recorded, Spill, StoredRequest
from playhead.storage.replaying import replays
from playhead.storage.replaying.replay_rows import ReplayRow, RequestRow
from playhead.storage.store import Store
from stores import raw, recorded


def made(number: int, *, items: bytes = b"") -> Fingerprint:
    return Fingerprint(number.to_bytes(16, "big"), ("http", "sse", "ws")[number % 3], items)


def known(number: int, **changes: Any) -> Recorded:
    """An exchange with a fingerprint."""
    return recorded(number, **{"fingerprint": made(number), **changes})


def digests(count: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in range(count))


class Computed:
    """Makes fingerprints of request bodies, and remembers of which."""

    def __init__(self) -> None:
        self.seen: list[StoredRequest] = []
        self.bodies: list[bytes] = []

    def __call__(self, stored: StoredRequest) -> Fingerprint:
        self.seen.append(stored)
        self.bodies.append(b"".join(stored.body))
        return Fingerprint(b"%016d" % len(self.seen), "http", digests(10 + len(self.seen)))


def spilled(number: int = 9, *, pieces: int = 3, final: bool = True) -> list[Spill]:
    """A big exchange: its request and answer in pieces."""
    first = recorded(number, raw=Raw(b"POST /v1/files HTTP/1.1\r\n\r\n"), status=None, outcome=None)
    heads = Raw(b"POST /v1/files HTTP/1.1\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\n\r\n", b"", b"x: y\r\n")
    spills = [Spill(first, [Piece("request", 0, b"asked ")], [], (Frame(0, 1, 6),), (), final=False)]
    for seq in range(pieces):
        part = [Piece("request", seq + 1, b"more "), Piece("response", seq, b"%d" % seq * 100)]
        spills.append(Spill(recorded(number, raw=heads, outcome=None), part, [], (Frame(0, seq, 5), Frame(1, seq, 100)), (100,), final=False))
    if final:
        spills.append(Spill(recorded(number, raw=heads), [], [], (), (), final=True))
    return spills


# Takes.


def test_takes_are_listed_in_order(store: Store) -> None:
    store.write(Batch([known(1, run="a"), known(2, run="b"), known(3, run="a"), known(4, session="other")]))

    assert [(one.take, one.run) for one in store.takes("default")] == [(1, "a"), (2, "b")]
    assert store.takes("default")[0].started_at < store.takes("default")[1].started_at
    assert store.takes("nowhere") == []


# The index.


def test_the_newest_take_is_replayed_unless_another_is_asked_for(store: Store) -> None:
    store.write(Batch([known(1, run="a"), known(2, run="a"), known(3, run="b"), known(4, session="other")]))

    def listed(*take: Any) -> list[int]:
        return [int.from_bytes(row.digest, "big") for row in store.replay_index("default", *take)]

    assert listed() == [3]
    assert listed(1) == [1, 2]
    assert listed("all") == [1, 2, 3]


def test_a_row_says_what_a_replay_needs(store: Store) -> None:
    store.write(Batch([known(1, request_bytes=1_000, response_bytes=2_000, outcome="client_closed", seq=7)], spilled()))
    first, second = store.exchanges("default")
    rows = list(store.replay_index("default", compute=Computed()))

    assert rows[0] == ReplayRow(first.id, 1, 7, made(1).digest, "sse", "client_closed", False, rows[0].raw_bytes)
    assert 3_000 < rows[0].raw_bytes < 6_000
    assert (rows[1].exchange, rows[1].big) == (second.id, True)


def test_exchanges_that_go_on_are_left_out(store: Store) -> None:
    store.write(Batch([known(1)], spilled(final=False)))

    assert len(list(store.replay_index("default", compute=Computed()))) == 1


def test_what_is_new_is_found_by_id(store: Store) -> None:
    store.write(Batch([known(1), known(2), known(3, session="other")]))
    last = max(row.exchange for row in store.replay_index("default"))
    assert list(store.replay_index("default", after=last)) == []
    store.write(Batch([known(4), known(5, session="other"), known(6)]))

    assert [row.digest for row in store.replay_index("default", after=last)] == [made(4).digest, made(6).digest]


def test_the_index_is_read_in_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playhead.storage.replaying.replays._PAGE", 20)
    count = 2 * replays._PAGE + 3
    store.write(Batch([known(number, seq=count - number) for number in range(count)]))
    rows = list(store.replay_index("default"))

    assert sorted(int.from_bytes(row.digest, "big") for row in rows) == list(range(count))
    assert len(list(store.replay_index("default", after=rows[-1].exchange - 1))) == sum(row.exchange >= rows[-1].exchange for row in rows)


def test_no_body_is_read_for_the_index(url: str) -> None:
    with Store.open(url, create=True) as store:
        store.write(Batch([known(1), known(2)]))
        database = open_database(url, create=False, durability="relaxed", lock_timeout=1)
        with database.writing() as connection:
            connection.execute(text("DELETE FROM bodies"))
        database.engine.dispose()

        assert len(list(store.replay_index("default"))) == 2


def test_an_unknown_session_or_take_is_reported_at_once(store: Store) -> None:
    store.write(Batch([known(1)]))

    with pytest.raises(StoreError, match="There is no session 'nowhere'"):
        store.replay_index("nowhere")
    with pytest.raises(StoreError, match="The session 'default' has no take 5: it has 1"):
        store.replay_index("default", 5)


# Fingerprints that are missing.


def test_fingerprints_that_are_missing_are_made_once(store: Store) -> None:
    store.write(Batch([recorded(1), known(2), recorded(3, facts=recorded().facts)], spilled()))
    compute = Computed()
    rows = list(store.replay_index("default", compute=compute))

    assert [row.digest for row in rows] == [b"%016d" % 1, made(2).digest, b"%016d" % 2, b"%016d" % 3]
    assert compute.bodies == [raw(1).request, raw(3).request, b"asked more more more "]
    assert (compute.seen[0].head, compute.seen[0].upstream) == (raw(1).request_head, "https://api.openai.com")
    assert list(store.replay_index("default", compute=compute)) == list(store.replay_index("default")) == rows
    assert len(compute.seen) == 3
    assert store.item_digests([row.exchange for row in rows]) == {row.exchange: digests(n) for row, n in zip(rows, (11, 0, 12, 13), strict=True)}


def test_what_could_not_be_read_of_a_request_is_told_to_who_makes_its_fingerprint(store: Store) -> None:
    exchange = recorded(1)
    exchange.facts.problem = "undecodable gzip body (xxh3 ab)"
    store.write(Batch([exchange]))
    compute = Computed()
    list(store.replay_index("default", compute=compute))

    assert compute.seen[0].problem == "undecodable gzip body (xxh3 ab)"


def test_without_a_way_to_make_them_such_exchanges_are_left_out(store: Store) -> None:
    store.write(Batch([recorded(1), known(2)]))

    assert [row.digest for row in store.replay_index("default")] == [made(2).digest]


def test_in_a_store_that_can_only_be_read_they_are_made_each_time(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with Store.open(url, create=True) as store:
        store.write(Batch([recorded(1)]))
    database = open_database(url, create=False, durability="relaxed", lock_timeout=1)
    object.__setattr__(database, "writable", False)
    with Store(database) as store:
        compute = Computed()
        for _ in range(2):
            assert len(list(store.replay_index("default", compute=compute))) == 1
        assert len(compute.seen) == 2


def test_a_locked_store_is_replayed_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Store.open(f"sqlite:///{path}", create=True, lock_timeout=0.01) as store:
        store.write(Batch([recorded(1)]))
        with sqlite3.connect(path, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            assert len(list(store.replay_index("default", compute=Computed()))) == 1
            other.execute("ROLLBACK")
        other.close()


def test_an_exchange_that_is_damaged_is_left_out_and_the_others_are_not(url: str) -> None:
    with Store.open(url, create=True) as store:
        store.write(Batch([recorded(1), recorded(2, request_bytes=9)]))
        first, second = store.exchanges("default")
        database = open_database(url, create=False, durability="relaxed", lock_timeout=1)
        with database.writing() as connection:
            connection.execute(text(f"UPDATE bodies SET digest = 'xxh3:00' WHERE exchange = {first.id}"))
        database.engine.dispose()

        assert [row.exchange for row in store.replay_index("default", compute=Computed())] == [second.id]


# Items.


def test_items_come_back_whole(store: Store) -> None:
    store.write(Batch([known(number, fingerprint=made(number, items=digests(8 + number))) for number in range(1, 80)]))
    ids = [row.id for row in store.exchanges("default")]

    assert store.item_digests(ids) == {id_: digests(9 + place) for place, id_ in enumerate(ids)}
    assert store.item_digests([ids[50], 999_999]) == {ids[50]: digests(59)}
    assert store.item_digests([]) == {}


def test_items_outlive_what_they_went_on_from(store: Store) -> None:
    for number in range(1, 6):
        store.write(Batch([known(number, fingerprint=made(number, items=digests(8 + number)))]))
    ids = [row.id for row in store.exchanges("default")]
    for gone in (1, 0, 3):
        store.delete_exchange(ids[gone])
    store.write(Batch([known(6, fingerprint=made(6, items=digests(14)))]))

    assert sorted(store.item_digests([*ids, *(row.id for row in store.exchanges("default"))]).values()) == [digests(11), digests(13), digests(14)]


def test_items_that_somebody_else_deleted_are_not_gone_on_from(url: str) -> None:
    with Store.open(url, create=True) as store, Store.open(url) as other:
        store.write(Batch([known(1, fingerprint=made(1, items=digests(9)))]))
        other.delete_session("default")
        store.write(Batch([known(2, fingerprint=made(2, items=digests(10)))]))
        (exchange,) = store.exchanges("default")

        assert store.item_digests([exchange.id]) == {exchange.id: digests(10)}
        assert list(store.verify()) == []


def test_a_batch_that_was_not_stored_is_not_gone_on_from(url: str) -> None:
    with Store.open(url, create=True) as store:
        broken = known(2, fingerprint=made(2, items=digests(10)), started_at_ns=10**30)
        with pytest.raises((StoreError, OverflowError, ValueError)):
            store.write(Batch([known(1, fingerprint=made(1, items=digests(9))), broken]))
        store.write(Batch([known(3, fingerprint=made(3, items=digests(11)))]))
        (exchange,) = store.exchanges("default")

        assert store.item_digests([exchange.id]) == {exchange.id: digests(11)}


def test_fingerprints_go_with_their_exchanges(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Store.open(f"sqlite:///{path}", create=True) as store:
        store.write(Batch([known(1), known(2, session="other"), known(3)]))
        store.delete_exchange(next(store.exchanges("default")).id)
        store.delete_session("other")
        connection = sqlite3.connect(path)
        assert connection.execute("SELECT digest FROM fingerprints").fetchall() == [(made(3).digest,)]
        connection.close()


def test_the_fingerprint_of_an_exchange_stored_in_parts_comes_with_the_first_of_them(store: Store) -> None:
    first, *others = spilled()
    first.recorded.fingerprint = made(7, items=digests(9))
    store.write(Batch(spills=[first]))
    store.write(Batch(spills=others))
    store.write(Batch(spills=[first, *others]))  # again, as after a restart
    (row,) = store.replay_index("default")

    assert (row.digest, store.item_digests([row.exchange])[row.exchange]) == (made(7).digest, digests(9))


# Exchanges.


def conversation(count: int) -> list[Raw]:
    history, turns = b'{"input":"', []
    for number in range(count):
        history += (b"%d " % (number * 7919)) * 40
        turns.append(raw(number, request=history + b'"}'))
    return turns


def test_exchanges_are_decoded_in_batches(store: Store) -> None:
    turns = conversation(150)
    store.write(Batch([known(number, raw=turn) for number, turn in enumerate(turns)]))
    ids = [row.id for row in store.exchanges("default")]

    assert store.replayable(ids) == turns
    assert store.replayable(ids[100:]) == turns[100:]
    assert store.replayable([ids[140], ids[3], ids[140]]) == [turns[140], turns[3], turns[140]]
    assert store.replayable([]) == []


def test_without_times_they_have_no_frames(store: Store) -> None:
    turns = conversation(3)
    store.write(Batch([known(number, raw=turn) for number, turn in enumerate(turns)]))
    ids = [row.id for row in store.exchanges("default")]
    found = store.replayable(ids, times=False)

    assert [(one.request, one.response, one.frames) for one in found] == [(turn.request, turn.response, ()) for turn in turns]
    assert store.replayable(ids) == turns


def test_a_batch_takes_as_much_memory_as_it_may_and_at_least_one(store: Store) -> None:
    store.write(Batch([known(number, raw=raw(number, request=b"%d" % number * 10_000)) for number in range(1, 6)]))
    ids = [row.id for row in store.exchanges("default")]

    assert len(store.replayable(ids, 26_000)) == 2
    assert len(store.replayable(ids, 1)) == 1
    assert len(store.replayable(ids)) == 5


def test_what_is_not_there_is_an_error(store: Store) -> None:
    store.write(Batch([known(1)]))
    (exchange,) = store.exchanges("default")

    for id_ in (exchange.id + 1, -1, 1 << 70):
        with pytest.raises(StoreError):
            store.replayable([exchange.id, id_])
        with pytest.raises(StoreError, match=f"There is no exchange {id_}"):
            store.stream(id_)


def test_damage_is_told_whatever_was_decoded_before(url: str) -> None:
    with Store.open(url, create=True) as store:
        turns = conversation(4)
        store.write(Batch([known(number, raw=turn) for number, turn in enumerate(turns)]))
        ids = [row.id for row in store.exchanges("default")]
        assert store.replayable(ids, times=False)[3].response == turns[3].response
        database = open_database(url, create=False, durability="relaxed", lock_timeout=1)
        with database.writing() as connection:
            connection.execute(text(f"UPDATE bodies SET digest = 'xxh3:00' WHERE exchange = {ids[2]}"))
        database.engine.dispose()

        with pytest.raises(StoreError, match="a stored body"):
            store.replayable(ids, times=False)
        assert store.replayable(ids[3:]) == turns[3:]


def test_several_threads_may_read(store: Store) -> None:
    turns = conversation(60)
    store.write(Batch([known(number, raw=turn) for number, turn in enumerate(turns)]))
    ids = [row.id for row in store.exchanges("default")]
    wrong: list[int] = []

    def read(start: int) -> None:
        wrong.extend(place for place in range(start, 60, 7) if store.replayable(ids[place : place + 3]) != turns[place : place + 3])

    threads = [threading.Thread(target=read, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_a_big_exchange_is_streamed(store: Store) -> None:
    store.write(Batch(spills=spilled(pieces=6)))
    (exchange,) = store.exchanges("default")
    streamed = store.stream(exchange.id)

    assert streamed.heads == Raw(b"POST /v1/files HTTP/1.1\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\n\r\n", b"", b"x: y\r\n")
    assert list(streamed.response) == [b"%d" % seq * 100 for seq in range(6)]
    assert list(streamed.frames) == [Frame(0, 1, 6), *(frame for seq in range(6) for frame in (Frame(0, seq, 5), Frame(1, seq, 100)))]
    assert list(streamed.chunks) == [100] * 6


def test_a_small_one_can_be_streamed_as_well(store: Store) -> None:
    store.write(Batch([known(1)]))
    (exchange,) = store.exchanges("default")
    streamed = store.stream(exchange.id)
    whole = raw(1)

    assert (streamed.heads.response_heads, b"".join(streamed.response), tuple(streamed.frames)) == (whole.response_heads, whole.response, whole.frames)


def test_it_is_known_up_to_which_exchange_all_have_ended(store: Store) -> None:
    store.write(Batch(finished=[known(1), known(2, session="other")]))
    assert (store.ended_up_to("default", 0), store.ended_up_to("default", 1), store.ended_up_to("none", 0)) == (1, 1, 0)

    begun, ended = spilled(3)[0], spilled(3)[-1]
    store.write(Batch(spills=[begun]))
    store.write(Batch(finished=[known(4)]))
    assert store.ended_up_to("default", 0) == 2

    store.write(Batch(spills=[ended]))
    assert store.ended_up_to("default", 0) == store.ended_up_to("default", 2) == 4


def test_requests_are_known_without_their_bytes(store: Store) -> None:
    store.write(Batch(finished=[known(1), known(2, path="/v1/x?q", method="GET", facts=Facts(problem="no gzip"))]))

    assert sorted(store.requests([2, 1, 3])) == [
        RequestRow(1, "POST", "/v1/responses", "https://api.openai.com", "gpt-5", 20),
        RequestRow(2, "GET", "/v1/x?q", "https://api.openai.com", None, 20, problem="no gzip"),
    ]


def test_the_length_of_exchanges_is_known(store: Store) -> None:
    store.write(Batch(finished=[known(1, duration_ns=1_234_567), known(2, duration_ns=None)]))

    assert store.durations([1, 2, 3]) == {1: 1_234_567, 2: 0}


def test_exchanges_that_were_answered_early_are_known(store: Store) -> None:
    early = Facts(problem=f"something else; {ANSWERED_EARLY}")
    store.write(Batch(finished=[known(1), known(2, facts=early), known(3, facts=early, run="run-2"), known(4, session="other", facts=early)]))

    assert (store.answered_early("default", None), store.answered_early("default", 1), store.answered_early("none", None)) == ([2, 3], [2], [])


@pytest.mark.parametrize(("growing", "read"), [(False, 32), (True, 128)])
def test_of_lists_no_more_are_recalled_than_fill_a_memory(store: Store, database: Database, growing: bool, read: int) -> None:
    """Each goes on from the one before, so that they take one place; or none does."""
    lists = [digests(number) if growing else number.to_bytes(4, "big") for number in range(1, 151)]
    store.write(Batch([known(number, fingerprint=made(number, items=items)) for number, items in enumerate(lists, 1)]))
    with database.reading() as connection:
        found = replays.last_lists(connection, "default", 146)

    assert found == [(number, lists[number - 1], None) for number in range(146 - read, 146)]

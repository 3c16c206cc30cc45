"""WebSocket connections in the store: one row for each, its turns, and what belongs to none of them."""

from __future__ import annotations

import dataclasses

import pytest

from playhead.config.errors import StoreError
from playhead.storage.connecting.connected import LogEntry
from playhead.storage.records import Batch, Fingerprint, Piece, Spill
from playhead.storage.store import Store
from stores import connected, event, logged, recorded, turned

PING = LogEntry(1, 9, 10, 0, 4)
NOISE = LogEntry(0, 1, 20, 0, 3)


def connection_ids(store: Store, session: str = "default") -> list[int]:
    return [row.id for row in store.connections(session)]


def test_a_connection_comes_back_as_it_was(store: Store) -> None:
    given = connected(
        1,
        outcome="client_closed",
        duration_ns=2_500_000,
        subprotocol="realtime",
        extensions="permessage-deflate",
        lanes=[None, "a"],
        client_messages=3,
        upstream_messages=(1 << 33),
        client_close=1005,
        upstream_close=1000,
        upstream_reason="bye",
        unassigned=1,
        problem="strange",
        key_id="k_1",
    )

    store.write(Batch(connections=[given]))

    (row,) = store.connections("default")
    names = ("session", "path", "upstream", "status", "outcome", "subprotocol", "extensions", "lanes", "client_messages", "upstream_messages")
    more = ("client_bytes", "client_pings", "client_close", "client_reason", "upstream_close", "upstream_reason", "unassigned", "problem", "key_id")
    assert [getattr(row, name) for name in names + more] == [getattr(given, name) for name in names + more]
    assert (row.take, row.exchanges, row.duration_ms, row.started_at.isoformat()) == (1, 0, 2.5, "2025-08-27T17:28:17.123456+00:00")
    assert store.connection(row.id) == row


def test_a_connection_that_is_not_there_is_an_error(store: Store) -> None:
    for ask in (store.connection, store.connection_heads, store.connection_log, store.connection_messages, store.turns):
        with pytest.raises(StoreError, match="no connection 7"):
            ask(7)
    with pytest.raises(StoreError, match="no session"):
        store.connections("default")


def test_a_connection_is_brought_up_to_date_and_keeps_its_id(store: Store) -> None:
    store.write(Batch(connections=[connected(1, status=None)]))
    before = connection_ids(store)
    store.write(Batch(connections=[connected(1, outcome="complete", lanes=["x"], turns=2)]))

    (row,) = store.connections("default")
    assert ([row.id], row.status, row.outcome, row.lanes) == (before, 101, "complete", ["x"])


def test_turns_belong_to_the_connection_of_their_batch(store: Store) -> None:
    store.write(Batch([turned(1, 2, stream_id="lane"), turned(1, 1)], connections=[connected(1)]))

    (id_,) = connection_ids(store)
    turns = store.turns(id_)
    assert [(turn, row.connection, row.stream_id, row.response_id) for turn, row in turns.items()] == [
        (1, id_, None, "resp_1_1"),
        (2, id_, "lane", "resp_1_2"),
    ]
    assert store.connection(id_).exchanges == 2


def test_turns_belong_to_a_connection_of_an_older_batch(store: Store) -> None:
    store.write(Batch(connections=[connected(1), connected(2)]))
    store.write(Batch([turned(2, 1), turned(1, 1), turned(2, 2)]))

    assert [[*store.turns(id_)] for id_ in connection_ids(store)] == [[1], [1, 2]]


def test_turns_given_again_are_stored_once(store: Store) -> None:
    batch = Batch([turned(1, turn) for turn in range(1, 40)], connections=[connected(1)])
    store.write(batch)
    store.write(batch)

    assert len(list(store.exchanges("default"))) == 39
    assert len(connection_ids(store)) == 1


def test_that_secrets_were_replaced_is_said_of_all_turns_once_it_is_known(store: Store) -> None:
    store.write(Batch([turned(1, 1), turned(2, 1)], connections=[connected(1), connected(2)]))
    store.write(Batch([turned(1, 2)], connections=[connected(1, outcome="complete", redacted=True, log=[*logged(1), *logged(2)])]))

    assert [[row.redacted for row in store.turns(id_).values()] for id_ in connection_ids(store)] == [["response", "response"], [None]]


def test_a_turn_keeps_its_conversation_and_its_steer(store: Store) -> None:
    turn = turned(1, 1, steer="steer_1")
    turn.facts.conversation = "conv_\0"

    store.write(Batch([turn], connections=[connected(1)]))

    (row,) = store.exchanges("default")
    assert (row.steer, row.conversation) == ("steer_1", "conv_\ufffd")


def test_a_turn_without_its_connection_is_stored(store: Store) -> None:
    store.write(Batch([turned(1, 1)]))

    assert [row.connection for row in store.exchanges("default")] == [None]


def test_a_log_in_parts_is_one(store: Store) -> None:
    store.write(Batch(connections=[connected(1, part=0, log=logged(1))]))
    store.write(Batch(connections=[connected(1, part=1, log=[PING, NOISE], client_data=b"abc", upstream_data=b"ping")]))
    store.write(Batch(connections=[connected(1, part=2, log=logged(2, 50))]))

    (id_,) = connection_ids(store)
    assert store.connection_log(id_) == [*logged(1), PING, NOISE, *logged(2, 50)]
    assert list(store.connection_messages(id_)) == [(PING, b"ping"), (NOISE, b"abc")]


def test_what_is_given_twice_counts_once(store: Store) -> None:
    for _ in range(2):
        store.write(Batch(connections=[connected(1, log=[NOISE], client_data=b"abc")]))

    (id_,) = connection_ids(store)
    assert list(store.connection_messages(id_)) == [(NOISE, b"abc")]


def test_messages_are_found_across_parts(store: Store) -> None:
    sizes = [0, 1, 5, 0, 7, 2]
    log = [LogEntry(0, 1, place, 0, size) for place, size in enumerate(sizes)]
    store.write(Batch(connections=[connected(1, log=log[:3], client_data=b"abc")]))
    store.write(Batch(connections=[connected(1, part=1, log=log[3:], client_data=b"defgh")]))
    store.write(Batch(connections=[connected(1, part=2, client_data=b"ijklmno")]))

    (id_,) = connection_ids(store)
    assert [data for _, data in store.connection_messages(id_)] == [b"", b"a", b"bcdef", b"", b"ghijklm", b"no"]


def test_messages_that_are_lost_are_an_error(url: str) -> None:
    with Store.open(url, create=True) as store:
        store.write(Batch(connections=[connected(1, log=[NOISE, NOISE], client_data=b"abcd")]))

        (id_,) = connection_ids(store)
        with pytest.raises(StoreError, match="lacks bytes"):
            list(store.connection_messages(id_))


def test_heads_may_come_one_after_the_other(store: Store) -> None:
    store.write(Batch(connections=[connected(1, heads=(b"", b""))]))
    (id_,) = connection_ids(store)
    assert store.connection_heads(id_) == (b"", b"")
    for heads in ((b"request", b""), (b"request", b"response"), (b"", b"")):
        store.write(Batch(connections=[connected(1, heads=heads)]))

    assert store.connection_heads(id_) == (b"request", b"response")


def test_a_socket_that_is_one_exchange_is_one_connection(store: Store) -> None:
    socket = recorded(5, transport="ws", method="GET", status=101)

    store.write(Batch([socket]))
    store.write(Batch([socket], connections=[connected(5, outcome="complete", upstream_close=1000)]))

    (row,) = store.connections("default")
    assert (row.exchanges, row.upstream_close) == (1, 1000)
    assert [one.connection for one in store.exchanges("default")] == [row.id]
    assert [*store.turns(row.id)] == [0]


def test_a_socket_whose_connection_comes_first_is_one_connection(store: Store) -> None:
    store.write(Batch([recorded(5, transport="ws", method="GET", status=101)], connections=[connected(5)]))

    (id_,) = connection_ids(store)
    assert [one.connection for one in store.exchanges("default")] == [id_]


def test_a_socket_of_which_nothing_else_is_known_has_the_outcome_of_its_exchange(store: Store) -> None:
    store.write(Batch([recorded(5, transport="ws", method="GET", status=101, outcome="upstream_closed")]))

    (row,) = store.connections("default")
    assert (row.status, row.outcome, row.duration_ms, row.exchanges) == (101, "upstream_closed", 2.25, 1)


def test_connections_are_listed_by_take_and_start(store: Store) -> None:
    store.write(Batch(connections=[connected(3), connected(2, run="run-2"), connected(1), connected(4, session="other")]))

    assert [(row.take, row.started_at.second) for row in store.connections("default")] == [(1, 17), (1, 19), (2, 18)]
    assert [row.take for row in store.connections("default", 2)] == [2]


def test_handshakes_are_told_in_order_with_what_came_of_them(store: Store) -> None:
    refused = recorded(2, method="GET", status=401, fingerprint=Fingerprint(b"handshake      2", "ws"))
    old = recorded(3, transport="ws", method="GET", status=101, fingerprint=Fingerprint(b"of the exchange.", "ws"))
    nameless = recorded(4, transport="ws", method="GET", status=101)
    store.write(Batch([refused, old, nameless, turned(1, 1)], connections=[connected(2, status=401, outcome="complete"), connected(1)]))

    exchanges = {row.response_id: row.id for row in store.exchanges("default")}
    assert [one[1:] for one in store.handshakes("default", 1)] == [
        (1, b"handshake      1", 101, None, None),
        (1, b"handshake      2", 401, exchanges["resp_2"], "complete"),
        (1, b"of the exchange.", 101, exchanges["resp_3"], "complete"),
    ]
    assert [one.connection for one in store.handshakes("default")] == connection_ids(store)[:3]
    assert store.handshakes("default", 2) == []


@pytest.mark.parametrize("text", ["a\0b", "lone \ud800 surrogate", "ünïcödé 🎧"])
def test_text_of_a_connection_cannot_stop_recording(store: Store, text: str) -> None:
    store.write(Batch(connections=[connected(1, client_reason=text, lanes=[text], subprotocol=text)]))

    (row,) = store.connections("default")
    assert row.lanes == [row.client_reason] == [row.subprotocol]


def test_an_event_of_a_lane_keeps_it(store: Store) -> None:
    turn = turned(1, 1, stream_id="a", events=[event(0, stream_id="a", flags=1)], event_count=1)
    store.write(Batch([turn], connections=[connected(1)]))

    (row,) = store.exchanges("default")
    assert [one.stream_id for one in store.events(row.id)] == ["a"] == [row.stream_id]


# Deleting.


def test_a_deleted_turn_leaves_the_others_and_the_connection(store: Store) -> None:
    store.write(Batch([turned(1, 1), turned(1, 2)], connections=[connected(1, outcome="complete", log=[*logged(1), *logged(2)])]))
    (id_,) = connection_ids(store)

    store.delete_exchange(store.turns(id_)[1].id)

    assert [*store.turns(id_)] == [2]
    assert len(store.connection_log(id_)) == 6
    assert list(store.verify()) == []


def test_a_connection_goes_with_the_last_of_its_turns(store: Store) -> None:
    batch = Batch([turned(1, 1), turned(1, 2)], connections=[connected(1, outcome="complete", log=[*logged(1), *logged(2)]), connected(2)])
    store.write(batch)
    for row in list(store.exchanges("default")):
        store.delete_exchange(row.id)
    store.write(batch)

    assert [row.outcome for row in store.connections("default")] == [None]
    assert list(store.exchanges("default")) == []
    assert list(store.verify()) == []


def test_a_connection_that_goes_on_outlives_its_turns(store: Store) -> None:
    store.write(Batch([turned(1, 1)], connections=[connected(1)]))
    store.delete_exchange(next(store.exchanges("default")).id)
    store.write(Batch([turned(1, 1), turned(1, 2)], connections=[connected(1, outcome="complete", log=[*logged(1), *logged(2)])]))

    (id_,) = connection_ids(store)
    assert [*store.turns(id_)] == [2]
    assert list(store.verify()) == []


def test_a_socket_that_goes_on_as_one_exchange_goes_with_it(store: Store) -> None:
    socket = recorded(5, transport="ws", method="GET", outcome=None)
    store.write(Batch(spills=[Spill(socket, [], [], (), (), False)], connections=[connected(5)]))
    store.delete_exchange(next(store.exchanges("default")).id)
    store.write(Batch(spills=[Spill(socket, [], [], (), (), True)], connections=[connected(5)]))

    assert connection_ids(store) == []


def test_a_deleted_session_takes_its_connections_along(store: Store) -> None:
    gone = Batch([turned(1, 1)], connections=[connected(1, log=logged(1)), connected(2, outcome="complete"), connected(3, status=401)])
    store.write(gone)
    store.write(Batch([turned(9, 1, session="other")], connections=[connected(9, session="other")]))
    assert store.delete_session("default") == 1
    store.write(gone)

    assert [row.session for row in store.sessions()] == ["other"]
    assert (store.stats().connections, len(connection_ids(store, "other"))) == (1, 1)
    assert list(store.verify()) == []


def test_a_session_of_many_connections_is_deleted_whole(store: Store) -> None:
    store.write(Batch([turned(1, turn) for turn in range(1, 250)], connections=[connected(number) for number in range(450)]))

    assert store.delete_session("default") == 249
    assert store.stats().connections == 0


def test_a_turn_that_begins_after_its_session_was_deleted_is_stored(store: Store) -> None:
    store.write(Batch([turned(1, 1)], connections=[connected(1)]))
    store.delete_session("default")
    store.write(Batch([turned(1, 2)], connections=[connected(1)]))

    assert [(row.response_id, row.connection) for row in store.exchanges("default")] == [("resp_1_2", None)]
    assert list(store.verify()) == []


def test_what_belongs_to_no_turn_counts_as_stored(store: Store) -> None:
    before = store.stats().raw_bytes
    store.write(Batch(connections=[connected(1, heads=(b"", b""), log=[LogEntry(0, 1, 0, 0, 1000)], client_data=bytes(1000))]))

    assert 1000 < store.stats().raw_bytes - before < 1100


def test_a_turn_in_pieces_is_completed(store: Store) -> None:
    first = dataclasses.replace(turned(1, 1), events=[], event_count=1)
    store.write(Batch(spills=[Spill(first, [Piece("request", 0, b"abc")], turned(1, 1).events[:1], (), (), False)], connections=[connected(1)]))
    last = dataclasses.replace(first, event_count=3)
    ended = connected(1, outcome="complete", duration_ns=7, log=logged(1))
    store.write(Batch(spills=[Spill(last, [Piece("request", 1, b"def")], turned(1, 1).events[1:], (), (), True)], connections=[ended]))

    (row,) = store.connections("default")
    assert (row.exchanges, row.outcome, row.duration_ms, store.turns(row.id)[1].outcome) == (1, "complete", 7e-6, "complete")
    assert store.raw(store.turns(row.id)[1].id).request.endswith(b"abcdef")
    assert list(store.verify()) == []


def test_a_handshake_that_was_refused_belongs_to_its_connection(store: Store) -> None:
    refused = recorded(1, method="GET", status=401, connection_number=1)
    store.write(Batch(connections=[connected(1, status=401, outcome="complete")]))
    store.write(Batch([refused]))

    (id_,) = connection_ids(store)
    assert store.turns(id_)[0].connection == id_


def test_a_handshake_that_was_refused_goes_with_its_exchange(store: Store) -> None:
    batch = Batch([recorded(1, method="GET", status=401)], connections=[connected(1, status=401, outcome="complete")])
    store.write(batch)
    store.delete_exchange(next(store.exchanges("default")).id)
    store.write(batch)

    assert connection_ids(store) == []


def test_a_socket_that_is_known_as_one_only_later_gets_its_connection(store: Store) -> None:
    store.write(Batch(spills=[Spill(recorded(1), [], [], (), (), False)]))
    store.write(Batch(spills=[Spill(recorded(1, transport="ws", status=101), [], [], (), (), True)]))

    (row,) = store.exchanges("default")
    assert [row.connection] == connection_ids(store)

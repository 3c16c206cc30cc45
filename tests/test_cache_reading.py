"""Turns and their requests out of a store: all transports, big and damaged ones, and those before the time that is asked about."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from playhead.proxy.caching.forensics import Body
from playhead.proxy.caching.reading import RecordedTurns
from playhead.storage.costing.prompted import Prompted
from playhead.storage.costing.sums import Wanted
from playhead.storage.records import Batch, Facts, Piece, Raw, Recorded, Spill
from playhead.storage.store import Store
from stores import START_NS, connected, event, raw, recorded, turned
from test_spending import cost


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/store.db", create=True) as opened:
        yield opened


def exchange(number: int, request: bytes = b'{"input": "Hello"}', **changes: Any) -> Recorded:
    facts = Facts(kind="responses", model="m", response_id=f"resp_{number}", parse="parsed")
    return recorded(number, facts=facts, cost=cost(), raw=raw(number, request=request), **({"request_bytes": len(request)} | changes))


def read(store: Store, **wanted: Any) -> list[tuple[int, Any, bool]]:
    return [(turn.id, body and body.value.get("input"), counts) for turn, body, counts in RecordedTurns(store, Wanted(**wanted)).turns()]


def test_turns_come_with_their_requests(store: Store) -> None:
    store.write(Batch(finished=[exchange(1), exchange(2, b'{"input": "Again"}')]))

    assert read(store) == [(1, "Hello", True), (2, "Again", True)]


def test_of_a_socket_the_create_is_the_request_though_more_was_said(store: Store) -> None:
    create, steer = b'{"type":"response.create","input":"Hello"}', b'{"type":"response.steer","input":"Stop"}'
    turn = turned(1, 1, cost=cost(), raw=Raw(b"GET / HTTP/1.1\r\n\r\n", create + steer, b"HTTP/1.1 101 X\r\n\r\n", b"{}{}"))
    turn.events = [
        event(0, direction=0, bytes=len(create), flags=1),
        event(1, direction=0, bytes=len(steer), flags=1),
        *[event(n, bytes=2, flags=1) for n in (2, 3)],
    ]
    store.write(Batch(finished=[turn], connections=[connected(1)]))

    assert read(store) == [(1, "Hello", True)]


def test_a_successor_has_no_request(store: Store) -> None:
    turn = turned(1, 1, cost=cost(), raw=Raw(b"GET / HTTP/1.1\r\n\r\n", b'{"type":"response.steer","input":"Stop"}', b"HTTP/1.1 101 X\r\n\r\n", b"{}"))
    turn.events = [event(0, direction=0, bytes=len(turn.raw.request), flags=1), event(1, bytes=2, flags=1)]
    store.write(Batch(finished=[turn], connections=[connected(1)]))

    assert read(store) == [(1, None, True)]


def test_a_request_that_is_stored_in_pieces_is_read(store: Store) -> None:
    whole = json.dumps({"input": "word " * 1000}).encode()
    one = exchange(1, whole, events=[], event_count=0)
    one.raw = Raw(one.raw.request_head, b"", one.raw.response_heads, b"")
    store.write(Batch(spills=[Spill(one, [Piece("request", 0, whole[:100]), Piece("request", 1, whole[100:])], [], (), (), True)]))

    assert read(store) == [(1, "word " * 1000, True)]


@pytest.mark.parametrize("request_", [b"", b"not JSON", b"[1]", b'{"input": ', b"\xff\xfe"])
def test_what_is_no_json_object_is_not_read(store: Store, request_: bytes) -> None:
    store.write(Batch(finished=[exchange(1, request_)]))

    assert read(store) == [(1, None, True)]


def test_a_damaged_request_does_not_keep_others_from_being_read(store: Store) -> None:
    store.write(Batch(finished=[exchange(number, b'{"input": "%d"}' % number) for number in (1, 2, 3)]))
    with store._database.writing() as connection:
        connection.exec_driver_sql("UPDATE bodies SET data = x'00' WHERE exchange = 2 OR base = 2")

    found = read(store)
    assert [id_ for id_, _, _ in found] == [1, 2, 3]
    assert (found[0][1], found[1][1]) == ("1", None)


def test_turns_of_the_day_before_are_read_and_do_not_count(store: Store) -> None:
    day, second = 86_400 * 10**9, 10**9
    store.write(Batch(finished=[exchange(1, started_at_ns=START_NS - 2 * day), exchange(2, started_at_ns=START_NS - second), exchange(3)]))
    since = datetime.fromtimestamp(START_NS // second, UTC)

    assert [(id_, counts) for id_, _, counts in read(store, since=since)] == [(2, False), (3, True)]
    assert [id_ for id_, _, _ in read(store, until=since)] == [1, 2]


def test_a_request_is_read_again_when_it_is_asked_for(store: Store) -> None:
    store.write(Batch(finished=[exchange(1, b'{"input": "Hello", "tools": [{"cache_control": {}}]}')]))
    reading = RecordedTurns(store, Wanted())
    turn = reading.one(1)
    assert turn is not None

    assert reading.body(turn) == Body({"input": "Hello", "tools": [{"cache_control": {}}]}, marks=True)
    assert reading.making("resp_1") == 1
    store.delete_exchange(1)
    assert RecordedTurns(store, Wanted()).body(turn) is None


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b'{"prompt_cache_diagnostics": {"type": "cache_hit"}}', "cache_hit"),
        (
            b'data: {"response":{"prompt_cache_diagnostics":{"type":"cache_miss","reason":"tools_changed","cache_missed_tokens":2048}}}\n\n',
            "cache_miss, tools_changed, cache_missed_tokens 2048",
        ),
        (b'{"prompt_cache_diagnostics": null}', None),
        (b'{"prompt_cache_diagnostics": {"type": 5}}', None),
        (b"{}", None),
    ],
)
def test_the_providers_own_diagnosis_is_read(store: Store, answer: bytes, says: str | None) -> None:
    one = exchange(1)
    one.raw = Raw(one.raw.request_head, one.raw.request, one.raw.response_heads, answer)
    store.write(Batch(finished=[one]))

    assert RecordedTurns(store, Wanted()).diagnosis(_first(store)) == says


def test_requests_that_are_pruned_are_counted(store: Store) -> None:
    store.write(Batch(finished=[exchange(1), exchange(2)]))
    with store._database.writing() as connection:
        connection.exec_driver_sql("UPDATE exchanges SET pruned = 'content' WHERE id = 1")
    reading = RecordedTurns(store, Wanted(since=datetime.fromtimestamp(START_NS // 10**9, UTC) - timedelta(days=9)))

    assert ([turn.id for turn, _, _ in reading.turns()], reading.count(), reading.pruned()) == ([2], 1, 1)


def _first(store: Store) -> Prompted:
    turn = store.ledger.prompting(Wanted()).one(1)
    assert turn is not None
    return turn

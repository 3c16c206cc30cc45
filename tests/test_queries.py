"""Listings: filters, order, pages; bodies whole and in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from playhead.config.errors import ConfigError, StoreError
from playhead.storage.records import Batch, EventRecord, ExchangeRecord, Facts, Frame, Piece, Raw, Spill
from playhead.storage.store import Store
from stores import START_NS, event, opened, raw, recorded, streamed

START = datetime.fromtimestamp(START_NS // 1_000_000_000, UTC)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """Its counts may be invented."""
    with Store(opened(url)) as made:
        yield made


@pytest.fixture
def listed(store: Store) -> Store:
    """Exchanges 1 to 6: two takes, three models, four statuses, a second apart, stored in another order than they came."""
    rows = [(1, "run-1", "a", 200), (2, "run-1", "b", 404), (3, "run-1", "a", 429), (4, "run-2", "a", 500), (5, "run-2", None, 200), (6, "run-2", "c", None)]
    exchanges = [recorded(n, run=run, status=status, facts=Facts(model=model), seq=n) for n, run, model, status in rows]
    store.write(Batch([*exchanges[:3], *reversed(exchanges[3:])]))
    return store


def seqs(store: Store, **wanted: Any) -> list[int]:
    return [row.seq for row in store.exchanges("default", **wanted)]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"take": 2}, [4, 5, 6]),
        ({"take": 3}, []),
        ({"status": 200}, [1, 5]),
        ({"status": "4xx"}, [2, 3]),
        ({"status": "429"}, [3]),
        ({"model": "a"}, [1, 3, 4]),
        ({"since": START + timedelta(seconds=5)}, [5, 6]),
        ({"limit": 2}, [1, 2]),
        ({"limit": 0}, []),
        ({"limit": 2, "take": 2}, [4, 5]),
        ({"take": 1, "model": "a", "status": "2xx"}, [1]),
        ({"model": "a' OR 1=1 --"}, []),
    ],
)
def test_a_listing_can_be_narrowed(listed: Store, wanted: dict[str, Any], expected: list[int]) -> None:
    assert seqs(listed, **wanted) == expected


def test_what_is_new_comes_in_the_order_in_which_it_was_stored(listed: Store) -> None:
    third = list(listed.exchanges("default"))[2].id

    assert seqs(listed, after=third) == [6, 5, 4]
    assert seqs(listed, after=0, limit=4) == [1, 2, 3, 6]


@pytest.mark.parametrize("status", ["9xx", "20", "ok", "2x0", 7])
def test_a_status_that_cannot_be_is_refused(listed: Store, status: str | int) -> None:
    with pytest.raises(ConfigError, match="There is no status"):
        seqs(listed, status=status)


def test_an_unknown_session_is_reported_at_once(store: Store) -> None:
    with pytest.raises(StoreError, match=r"There is no session 'default' in the store .* `playhead sessions` lists"):
        store.exchanges("default")


@pytest.mark.parametrize("id_", [0, 77, -1, 1 << 63, 1 << 80])
def test_an_unknown_exchange_is_reported_at_once(store: Store, id_: int) -> None:
    for ask in (store.exchange, store.events, store.event_rows, store.raw, store.heads, store.request_chunks, store.response_chunks):
        with pytest.raises(StoreError, match=f"There is no exchange {id_} in the store"):
            ask(id_)


def test_a_long_listing_is_read_in_pages(store: Store) -> None:
    store.write(Batch([recorded(n) for n in range(1203)]))

    assert seqs(store) == list(range(1, 1204))
    assert seqs(store, limit=700) == list(range(1, 701))
    assert seqs(store, after=0, limit=1001) == list(range(1, 1002))


def test_pages_do_not_break_where_places_are_equal(store: Store) -> None:
    store.write(Batch([recorded(n, seq=n // 700) for n in range(1203)]))

    assert len({row.id for row in store.exchanges("default")}) == 1203


def test_an_exchange_is_found_by_its_id(listed: Store) -> None:
    row = list(listed.exchanges("default"))[3]

    assert listed.exchange(row.id) == row


def test_records_are_what_the_models_promise(listed: Store) -> None:
    for row in listed.exchanges("default"):
        assert ExchangeRecord.model_validate(row.model_dump()) == row


def test_events_are_listed_with_milliseconds(store: Store) -> None:
    store.write(Batch([streamed(1, [event(0, "a", offset_ns=1_234_567), event(1, None, direction=0, sequence_number=None)])]))
    id_ = next(store.exchanges("default")).id

    first = EventRecord(exchange=id_, seq=0, offset_ms=1.234567, direction="upstream", type="a", sequence_number=0, stream_id=None, bytes=10)
    second = EventRecord(exchange=id_, seq=1, offset_ms=1.0, direction="client", type=None, sequence_number=None, stream_id=None, bytes=10)
    assert list(store.events(id_)) == [first, second]
    assert [e.seq for e in store.events(id_, after=0)] == [1]


def test_many_events_are_read_in_pages(store: Store) -> None:
    store.write(Batch([streamed(1, [event(n) for n in range(1700)])]))

    assert [e.seq for e in store.events(next(store.exchanges("default")).id)] == list(range(1700))


def test_sessions_are_summed_up(listed: Store) -> None:
    listed.write(Batch([recorded(9, session="another")]))

    another, default = listed.sessions()
    assert (another.session, another.exchanges, another.takes) == ("another", 1, 1)
    assert (default.session, default.exchanges, default.takes) == ("default", 6, 2)
    assert (default.request_bytes, default.response_bytes) == (120, 180)
    assert default.started_at is not None
    assert default.last_at is not None
    assert default.last_at - default.started_at == timedelta(seconds=5)


def test_an_empty_store_has_empty_sums(store: Store) -> None:
    assert store.sessions() == []
    stats = store.stats()
    assert (stats.exchanges, stats.events, stats.raw_bytes, stats.first_at, stats.outcomes) == (0, 0, 0, None, {})


def test_the_store_is_summed_up(listed: Store) -> None:
    listed.write(Batch(spills=[Spill(streamed(9), [Piece("response", 0, b"x" * 5000)], [event(0)], (), (), final=False)]))

    stats = listed.stats()
    assert (stats.sessions, stats.takes, stats.exchanges, stats.open) == (1, 3 - 1, 7, 1)
    assert (stats.outcomes, stats.transports) == ({"complete": 6}, {"http": 6, "sse": 1})
    assert stats.raw_bytes > 5000
    assert 0 < stats.stored_bytes < stats.raw_bytes
    assert stats.store_bytes > stats.stored_bytes
    assert "hunter2" not in stats.store


def spilled(store: Store) -> int:
    heads = Raw(b"POST / HTTP/1.1\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\n\r\n", trailers=b"x: y\r\n")
    pieces = [Piece("request", n, b"q%d" % n) for n in range(3)] + [Piece("response", n, bytes([n]) * 100_000) for n in range(10)]
    store.write(Batch(spills=[Spill(recorded(1, raw=heads), pieces, [], (Frame(0, 1, 6), Frame(1, 2, 1_000_000)), (1_000_000,), final=True)]))
    return next(store.exchanges("default")).id


def test_a_big_body_comes_in_chunks(store: Store) -> None:
    id_ = spilled(store)

    assert list(store.request_chunks(id_)) == [b"q0", b"q1", b"q2"]
    assert [len(chunk) for chunk in store.response_chunks(id_)] == [100_000] * 10


def test_a_big_body_can_be_had_whole(store: Store) -> None:
    whole = store.raw(spilled(store))

    assert whole.response == b"".join(bytes([n]) * 100_000 for n in range(10))
    assert (whole.frames, whole.chunks) == ((Frame(0, 1, 6), Frame(1, 2, 1_000_000)), (1_000_000,))


def test_heads_come_without_the_pieces(store: Store) -> None:
    heads = store.heads(spilled(store))

    assert (heads.request_head, heads.response_heads, heads.trailers) == (b"POST / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"x: y\r\n")
    assert (heads.request, heads.response) == (b"", b"")


def test_a_small_body_comes_in_one_chunk_and_an_empty_one_in_none(store: Store) -> None:
    store.write(Batch([recorded(1, raw=raw(1, request=b""))]))
    id_ = next(store.exchanges("default")).id

    assert list(store.request_chunks(id_)) == []
    assert list(store.response_chunks(id_)) == [raw(1).response]

"""Divergences in the store: kept, listed and deleted with what they are about."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from playhead.config.errors import StoreError
from playhead.storage.engine import open_database
from playhead.storage.records import Batch, Divergence, DivergenceRecord
from playhead.storage.replaying.divergences import KEPT
from playhead.storage.store import Store
from stores import START_NS, opened, recorded, verified


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """Two sessions with two exchanges each."""
    with Store(opened(url)) as made:
        made.write(Batch([recorded(number, session=session) for number, session in ((1, "a"), (2, "a"), (3, "b"), (4, "b"))]))
        yield made
        assert verified(opened(url)) == []


DIFFERENCES = [{"path": "$.input[0].content", "recorded": "hi", "asked": "ho"}]


def divergence(number: int = 1, **changes: Any) -> Divergence:
    values: dict[str, Any] = {
        "session": "a",
        "take": 1,
        "run": "replay-1",
        "at_ns": START_NS + number * 1_000_000_000,
        "code": "no_match",
        "method": "POST",
        "path": "/v1/responses",
        "model": "gpt-5",
        "asks": "sse",
        "request_head": b"POST /v1/responses HTTP/1.1\r\n\r\n",
        "request": b'{"question": %d}' % number,
        "request_bytes": 15,
        "nearest": None,
        "differences": DIFFERENCES,
        "message": "No recorded request is equal.",
    }
    return Divergence(**(values | changes))


def test_a_divergence_is_listed_as_it_was(store: Store) -> None:
    (exchange, _) = store.exchanges("a")
    id_ = store.add_divergence(divergence(nearest=exchange.id))

    assert list(store.divergences("a")) == [
        DivergenceRecord(
            id=id_,
            session="a",
            take=1,
            run="replay-1",
            at=datetime.fromtimestamp(START_NS // 10**9 + 1, UTC).replace(microsecond=123456),
            code="no_match",
            method="POST",
            path="/v1/responses",
            model="gpt-5",
            asks="sse",
            nearest=exchange.id,
            differences=DIFFERENCES,
            message="No recorded request is equal.",
            request_bytes=15,
        )
    ]
    assert store.divergence_request(id_) == (b"POST /v1/responses HTTP/1.1\r\n\r\n", b'{"question": 1}')


def test_a_listing_can_be_narrowed(store: Store) -> None:
    ids = [
        store.add_divergence(one)
        for one in (divergence(1), divergence(2, take=2), divergence(3, run="replay-2"), divergence(4, session="b", take=None, code="exhausted"))
    ]

    def listed(session: str = "a", **wanted: Any) -> list[int]:
        return [ids.index(found.id) + 1 for found in store.divergences(session, **wanted)]

    assert listed() == [1, 2, 3]
    assert listed(take=1) == [1, 3]
    assert listed(run="replay-1") == [1, 2]
    assert listed(take=2, run="replay-2") == []
    assert listed(limit=2) == [2, 3]
    assert listed(limit=5) == [1, 2, 3]
    assert listed(limit=0) == []
    assert listed("b") == [4]


def test_many_are_read_in_pages(store: Store) -> None:
    ids = [store.add_divergence(divergence(number, differences=[], request=b"")) for number in range(405)]

    assert [found.id for found in store.divergences("a")] == ids


def test_an_unknown_session_or_divergence_is_reported_at_once(store: Store) -> None:
    with pytest.raises(StoreError, match="There is no session 'nowhere'"):
        store.divergences("nowhere")
    for id_ in (-1, 1, 1 << 70):
        with pytest.raises(StoreError, match=f"There is no divergence {id_} "):
            store.divergence_request(id_)


def test_of_a_long_request_the_beginning_is_kept(store: Store) -> None:
    body = bytes(range(256)) * (KEPT // 256) + b"more"
    id_ = store.add_divergence(divergence(request=body, request_bytes=len(body)))

    assert store.divergence_request(id_)[1] == body[:KEPT]
    assert next(store.divergences("a")).request_bytes == len(body)


def test_text_that_no_database_takes_is_made_fit(store: Store) -> None:
    strange = "a\0\ud800"
    store.add_divergence(divergence(path=strange, model=strange, message=strange, differences=[{"path": strange, strange: [strange, 1.5, None]}]))

    (found,) = store.divergences("a")
    assert (found.path, found.model, found.message) == ("a\ufffd?",) * 3
    assert found.differences == [{"path": "a\ufffd?", "a\ufffd?": ["a\ufffd?", 1.5, None]}]


def test_they_go_with_their_session(store: Store) -> None:
    gone, kept = store.add_divergence(divergence(1)), store.add_divergence(divergence(2, session="b"))
    store.delete_session("a")

    assert [found.id for found in store.divergences("b")] == [kept]
    with pytest.raises(StoreError, match="There is no divergence"):
        store.divergence_request(gone)


def test_they_go_with_the_exchange_they_quote(store: Store) -> None:
    first, second = store.exchanges("a")
    store.add_divergence(divergence(1, nearest=first.id))
    kept = store.add_divergence(divergence(2, nearest=second.id))
    store.delete_exchange(first.id)

    assert [found.id for found in store.divergences("a")] == [kept]


def test_an_id_is_never_given_again(store: Store) -> None:
    first = store.add_divergence(divergence())
    store.delete_session("a")
    store.write(Batch([recorded(9, session="a")]))

    assert store.add_divergence(divergence()) > first


def test_a_store_that_can_only_be_read_keeps_none(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with Store.open(url, create=True) as store:
        store.write(Batch([recorded(1, session="a")]))
    database = open_database(url, create=False, durability="relaxed", lock_timeout=1)
    object.__setattr__(database, "writable", False)
    with Store(database) as store, pytest.raises(StoreError, match="can only be read"):
        store.add_divergence(divergence())


def test_a_damaged_request_is_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with Store.open(url, create=True) as store:
        store.write(Batch([recorded(1, session="a")]))
        id_ = store.add_divergence(divergence())
    database = open_database(url, create=False, durability="relaxed", lock_timeout=1)
    with database.writing() as connection:
        connection.execute(text("UPDATE divergences SET data = x'00'"))
    with Store(database) as store, pytest.raises(StoreError, match=f"the request of divergence {id_} cannot be decompressed"):
        store.divergence_request(id_)

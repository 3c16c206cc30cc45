"""Sessions made of the beginning of others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from playhead.config.errors import StoreError
from playhead.storage.engine import open_database
from playhead.storage.records import Batch, ExchangeRecord, Fingerprint, ItemRow, Recorded
from playhead.storage.replaying.replay_rows import Equivalence
from playhead.storage.store import Store
from stores import event, opened, raw, recorded, verified


def grown(number: int) -> Recorded:
    """One that sends all that the one before it has sent, and an item more."""
    request = b'{"input":[%s]}' % b",".join([b'"item %d, which is not short"' % item for item in range(number)])
    known = Fingerprint(bytes([number]) * 16, "http", b"".join([b"it%02d" % item for item in range(number)]))
    items = [ItemRow("input", number - 1, "message", None, None, None, None)]
    return recorded(number, session="a", run="second", raw=raw(number, request=request), fingerprint=known, items=items, events=[event(0)], event_count=1)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A session with two takes, in which the bodies of the second go on from one another; and another session between them."""
    with Store(opened(url)) as made:
        made.write(Batch([recorded(1, session="a", run="first"), recorded(2, session="b")]))
        made.write(Batch([grown(number) for number in (3, 4, 5, 6)]))
        yield made
        assert verified(opened(url)) == []


def of(store: Store, session: str) -> list[ExchangeRecord]:
    return list(store.exchanges(session))


def test_a_fork_is_what_was_recorded_before_in_that_take(store: Store) -> None:
    first, one, two, three, _ = of(store, "a")
    count = store.decisions.fork("a", three.id, "f")
    forked = of(store, "f")

    assert count == 2
    assert [(one.take, one.seq) for one in forked] == [(1, one.seq), (1, two.seq)]
    plain = {"id", "session", "take"}
    assert [left.model_dump(exclude=plain) for left in forked] == [right.model_dump(exclude=plain) for right in (one, two)]
    assert min(one.id for one in forked) > three.id > first.id


def test_all_of_the_exchanges_is_there(store: Store) -> None:
    _, one, two, three, _ = of(store, "a")
    store.decisions.fork("a", three.id, "f")

    for left, right in zip((one, two), of(store, "f"), strict=True):
        assert store.raw(right.id) == store.raw(left.id)
        assert list(store.event_rows(right.id)) == list(store.event_rows(left.id))
        assert store.items(right.id) == store.items(left.id)
        assert store.item_digests([right.id])[right.id] == store.item_digests([left.id])[left.id]
    index = {row.exchange: row for row in store.replay_index("a")}
    assert [row.digest for row in store.replay_index("f")] == [index[one.id].digest, index[two.id].digest]


@pytest.mark.parametrize("gone", ["a", "f"])
def test_either_may_be_deleted_without_the_other(store: Store, gone: str) -> None:
    *_, last = of(store, "a")
    store.decisions.fork("a", last.id, "f")
    kept = "f" if gone == "a" else "a"
    before = [(one.id, store.raw(one.id)) for one in of(store, kept)]
    store.delete_session(gone)

    assert [(one.id, store.raw(one.id)) for one in of(store, kept)] == before


def test_what_was_decided_comes_along(store: Store) -> None:
    _, one, two, three, _ = of(store, "a")
    store.decisions.accept(Equivalence("a", one.id, b"d" * 16, "http", 1))
    store.decisions.accept(Equivalence("a", three.id, b"e" * 16, "http", 2))
    store.decisions.fork("a", three.id, "f")

    assert [(each.exchange, each.digest) for each in store.decisions.accepted("f")] == [(of(store, "f")[0].id, b"d" * 16)]
    assert two.id not in [each.exchange for each in store.decisions.accepted("f")]


def test_nothing_may_stand_before_it(store: Store) -> None:
    first, *_ = of(store, "a")

    assert store.decisions.fork("a", first.id, "f") == 0
    assert (of(store, "f"), len(store.takes("f"))) == ([], 1)


def test_a_fork_needs_an_exchange_of_the_session_and_a_new_name(store: Store) -> None:
    (other,) = of(store, "b")
    with pytest.raises(StoreError, match="is not one of session 'a', but of 'b'"):
        store.decisions.fork("a", other.id, "f")
    with pytest.raises(StoreError, match="There is a session 'b' already"):
        store.decisions.fork("b", other.id, "b")
    with pytest.raises(StoreError, match="no exchange"):
        store.decisions.fork("a", 99, "f")


def test_a_session_tells_what_it_was_forked_from(store: Store, url: str) -> None:
    *_, last = of(store, "a")
    store.decisions.fork("a", last.id, "f")
    database = open_database(url, create=False, durability="relaxed", lock_timeout=1)
    with Store(database), database.reading() as connection:
        rows = connection.execute(text("SELECT session, forked_from, forked_at FROM sessions ORDER BY session")).all()

    assert [tuple(row) for row in rows] == [("a", None, None), ("b", None, None), ("f", "a", last.id)]

"""What was decided about divergences, in the store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from playhead.config.errors import StoreError
from playhead.storage.records import Batch, Divergence
from playhead.storage.replay_rows import Equivalence, Rerecording
from playhead.storage.store import Store
from stores import START_NS, recorded


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """Two sessions with two exchanges each: 1 and 2, 3 and 4."""
    with Store.open(url, create=True) as opened:
        opened.write(Batch([recorded(number, session=session) for number, session in ((1, "a"), (2, "a"), (3, "b"), (4, "b"))]))
        yield opened
        assert list(opened.verify()) == []


DIGEST = b"d" * 16


def ids(store: Store, session: str) -> list[int]:
    return [one.id for one in store.exchanges(session)]


def test_a_divergence_is_found_with_its_digest(store: Store) -> None:
    one = Divergence(
        session="a",
        take=1,
        run="replay-1",
        at_ns=START_NS,
        code="no_match",
        method="POST",
        path="/v1/responses",
        model=None,
        asks="sse",
        request_head=b"",
        request=b"",
        request_bytes=0,
        nearest=None,
        differences=[],
        message="",
        cause="volatile",
        proposal=["normalize uuid"],
        parted=1,
        expected=2,
        digest=DIGEST,
    )
    id_ = store.add_divergence(one)

    assert store.divergence(id_) == (one.listed(id_), DIGEST)
    assert list(store.divergences("a")) == [one.listed(id_)]
    for missing in (-1, id_ + 1, 1 << 70):
        with pytest.raises(StoreError, match=f"There is no divergence {missing} "):
            store.divergence(missing)


def test_what_was_accepted_is_listed_once_in_its_session(store: Store) -> None:
    first, second = ids(store, "a")
    one, other = Equivalence("a", first, DIGEST, "http", 1), Equivalence("a", second, DIGEST, "http", 2)
    for accepted in (one, other, one):
        store.add_equivalence(accepted)

    assert store.equivalences("a") == [one, other]
    assert store.equivalences("b") == []
    with pytest.raises(StoreError, match="no exchange"):
        store.add_equivalence(one._replace(exchange=99))


def test_what_is_to_be_recorded_anew_is_known_by_what_was_there_then(store: Store) -> None:
    first, second = ids(store, "a")
    newest = ids(store, "b")[-1]
    store.add_rerecording("a", second)
    store.add_rerecording("a", first)
    store.add_rerecording("a", first)

    assert store.rerecordings("a") == [Rerecording(first, newest), Rerecording(second, newest)]
    assert (store.drop_rerecording("a", first), store.drop_rerecording("a", first), store.rerecordings("a")) == (True, False, [Rerecording(second, newest)])


def test_only_an_exchange_of_the_session_can_be(store: Store) -> None:
    with pytest.raises(StoreError, match="is not one of session 'b'"):
        store.add_rerecording("b", ids(store, "a")[0])
    with pytest.raises(StoreError, match="no session 'nowhere'"):
        store.add_rerecording("nowhere", 1)


def test_they_go_with_their_exchanges(store: Store) -> None:
    first, second = ids(store, "a")
    for exchange in (first, second):
        store.add_equivalence(Equivalence("a", exchange, DIGEST, "http", 1))
        store.add_rerecording("a", exchange)
    store.delete_exchange(first)

    assert [one.exchange for one in store.equivalences("a")] == [second]
    assert [one.exchange for one in store.rerecordings("a")] == [second]

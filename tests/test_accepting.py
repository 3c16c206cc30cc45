"""What was decided about divergences, in the store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from playhead.config.errors import StoreError
from playhead.storage.records import Batch, Divergence
from playhead.storage.replaying.replay_rows import Equivalence, Rerecording
from playhead.storage.store import Store
from stores import START_NS, opened, recorded, verified


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """Two sessions with two exchanges each: 1 and 2, 3 and 4."""
    with Store(opened(url)) as made:
        made.write(Batch([recorded(number, session=session) for number, session in ((1, "a"), (2, "a"), (3, "b"), (4, "b"))]))
        yield made
        assert verified(opened(url)) == []


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

    assert store.decisions.divergence(id_) == (one.listed(id_), DIGEST)
    assert list(store.divergences("a")) == [one.listed(id_)]
    for missing in (-1, id_ + 1, 1 << 70):
        with pytest.raises(StoreError, match=f"There is no divergence {missing} "):
            store.decisions.divergence(missing)


def test_what_was_accepted_is_listed_once_in_its_session(store: Store) -> None:
    first, second = ids(store, "a")
    one, other = Equivalence("a", first, DIGEST, "http", 1), Equivalence("a", second, DIGEST, "http", 2)
    for accepted in (one, other, one):
        store.decisions.accept(accepted)

    assert store.decisions.accepted("a") == [one, other]
    assert store.decisions.accepted("b") == []
    with pytest.raises(StoreError, match="no exchange"):
        store.decisions.accept(one._replace(exchange=99))


def test_what_is_to_be_recorded_anew_is_known_by_what_was_there_then(store: Store) -> None:
    first, second = ids(store, "a")
    newest = ids(store, "b")[-1]
    store.decisions.rerecord("a", second)
    store.decisions.rerecord("a", first)
    store.decisions.rerecord("a", first)

    assert store.decisions.rerecorded("a") == [Rerecording(first, newest), Rerecording(second, newest)]
    assert (store.decisions.leave("a", first), store.decisions.leave("a", first), store.decisions.rerecorded("a")) == (
        True,
        False,
        [Rerecording(second, newest)],
    )


def test_only_an_exchange_of_the_session_can_be(store: Store) -> None:
    with pytest.raises(StoreError, match="is not one of session 'b'"):
        store.decisions.rerecord("b", ids(store, "a")[0])
    with pytest.raises(StoreError, match="no session 'nowhere'"):
        store.decisions.rerecord("nowhere", 1)


def test_they_go_with_their_exchanges(store: Store) -> None:
    first, second = ids(store, "a")
    for exchange in (first, second):
        store.decisions.accept(Equivalence("a", exchange, DIGEST, "http", 1))
        store.decisions.rerecord("a", exchange)
    store.delete_exchange(first)

    assert [one.exchange for one in store.decisions.accepted("a")] == [second]
    assert [one.exchange for one in store.decisions.rerecorded("a")] == [second]

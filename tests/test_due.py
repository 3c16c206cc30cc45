"""What is due: by age, by size, by session; what goes on and what others need is not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aged import START, bulky, costing, counts, ids, left, prune
from playhead.config.errors import StoreError
from playhead.config.retention import Clocks, Override, Retention
from playhead.storage.costing.costs import ELSEWHERE
from playhead.storage.records import Batch, Piece, Spill
from playhead.storage.removing.due import Share
from playhead.storage.store import Store
from stores import recorded


def test_content_of_what_was_recorded_first_goes_when_the_store_is_too_big(store: Store) -> None:
    store.write(bulky(range(40)))

    prune(store, at=100, size=600_000)

    kept = left(store)
    assert kept == ["content"] * kept.count("content") + [None] * kept.count(None)
    assert 15 <= kept.count(None) <= 30
    assert prune(store, at=100, size=600_000) == {}


def test_a_session_may_have_a_size_of_its_own(store: Store) -> None:
    store.write(bulky(range(20), "small"))
    store.write(bulky(range(100, 120)))

    prune(store, "small: size=100KiB", at=200)

    assert (left(store, "small").count(None), left(store).count(None)) == (4, 20)


def test_a_session_whose_size_is_none_is_spared_when_the_store_is_too_big(store: Store) -> None:
    store.write(bulky(range(10), "golden"))
    store.write(bulky(range(100, 110)))

    prune(store, "golden: size=none", at=200, size=1000)

    assert (left(store, "golden").count(None), left(store).count(None)) == (10, 0)


def test_a_look_says_what_a_pass_then_does(store: Store) -> None:
    store.write(bulky(range(40)))
    store.write(Batch([recorded(100 + number, session="priced", cost=costing()) for number in range(5)]))
    retention = Retention(Clocks(content=130, costs=95, size=600_000), (Override.parse("priced: content=none costs=8s"),))
    now = START + timedelta(seconds=110.5)

    foreseen = store.pruning(retention, now).look()
    assert left(store) == [None] * 40
    done = store.pruning(retention, now)
    for _ in done.steps():
        pass

    assert counts(foreseen).keys() == counts(done.shares).keys() == {"default", "priced"}
    assert foreseen["priced"] == done.shares["priced"] == Share([0, 3, 0], done.shares["priced"].bytes)
    assert abs(foreseen["default"].counts[0] - done.shares["default"].counts[0]) <= 3
    assert foreseen["default"].counts[1] == done.shares["default"].counts[1]


def test_sessions_have_clocks_of_their_own(store: Store) -> None:
    store.write(Batch([recorded(number, session=name) for number, name in enumerate(("ci-1", "ci-2", "golden", "default"))]))

    shares = prune(store, "golden: content=none", "ci-*: content=10s costs=20s", at=100, content=95)

    assert counts(shares) == {"ci-1": [0, 0, 1], "ci-2": [0, 0, 1], "default": [1, 0, 0]}
    assert left(store, "golden") == [None]


def test_only_the_sessions_that_are_named_are_pruned(store: Store) -> None:
    store.write(Batch([recorded(1, session="one"), recorded(2, session="other")]))

    prune(store, at=100, content=10, sessions=["one"])

    assert (left(store, "one"), left(store, "other")) == (["content"], [None])
    with pytest.raises(StoreError, match="There is no session 'nobody'"):
        store.pruning(Retention(Clocks(content=1)), START, ["nobody"])


def test_the_payer_of_another_stays_as_long_as_that(store: Store) -> None:
    payer = recorded(1, cost=costing())
    teller = recorded(20, cost=costing(told=True), facts=payer.facts, method="GET", path="/v1/responses/resp_1")
    store.write(Batch([payer]))
    store.write(Batch([teller]))
    first, second = ids(store)
    assert store.exchange(second).cost_note == ELSEWHERE.format(first)

    prune(store, at=100, content=10, costs=90)

    assert ids(store) == [first, second]
    assert left(store) == ["content", "content"]
    assert store.exchange(first).cost is not None
    prune(store, at=200, content=10, costs=90)
    assert store.sessions() == []


def test_an_exchange_that_goes_on_is_never_pruned(store: Store) -> None:
    store.write(Batch(spills=[Spill(recorded(1, outcome=None), [Piece("response", 0, b"so far")], [], (), (), final=False)]))

    assert prune(store, at=1000, content=0, costs=0) == {}
    assert left(store) == [None]
    store.write(Batch(spills=[Spill(recorded(1), [], [], (), (), final=True)]))


def test_the_numbers_of_a_store_say_how_much_is_pruned(store: Store) -> None:
    store.write(Batch([recorded(1), recorded(2), recorded(99)]))
    prune(store, at=100, content=10)

    assert (store.stats().exchanges, store.stats().pruned) == (3, 2)
    assert (store.pruned("default"), store.pruned("default", 1), store.pruned("default", 2)) == (2, 2, 0)


def test_a_row_goes_when_neither_its_content_nor_its_costs_are_kept(store: Store) -> None:
    store.write(Batch([recorded(number) for number in (1, 2, 3)]))
    prune(store, at=102.5, content=10, costs=100)

    assert left(store) == ["content"]


def test_costs_first_and_content_later(store: Store) -> None:
    store.write(Batch([recorded(1, cost=costing())]))
    prune(store, at=100, costs=10)

    assert counts(prune(store, at=100, content=10, costs=10)) == {"default": [0, 0, 1]}
    assert store.sessions() == []


def test_a_pass_that_is_repeated_finds_nothing(store: Store) -> None:
    store.write(Batch([recorded(number, cost=costing()) for number in range(5)]))
    prune(store, at=100, content=10)

    assert prune(store, at=100, content=10) == {}

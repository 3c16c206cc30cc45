"""Exchanges that told no usage, and those by which they are measured, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from playhead.storage.costing.costs import Basis, Cost, Pricing, State
from playhead.storage.costing.sums import Wanted
from playhead.storage.costing.untold import ToldExchange, Untold, UntoldExchange
from playhead.storage.records import Batch, Facts, Recorded
from playhead.storage.store import Store
from stores import recorded

KINDS = ("responses",)
NOTHING = (None,) * 5


def cost(state: State = "priced", counts: tuple[int | None, ...] = (10, 5, None, 4, 2), amounts: tuple[int | None, ...] = (100, 10, None, 40, 7)) -> Cost:
    return Cost(Pricing("[]", "none"), state, 157 if state == "priced" else None, None, Basis("[]", None), (), counts, amounts)


UNTOLD = cost("unpriced", NOTHING, NOTHING)


def exchange(price: Cost, **changes: Any) -> Recorded:
    facts = changes.pop("facts", {})
    return recorded(1, facts=Facts(**{"kind": "responses", "parse": "parsed", "model": "m", **facts}), cost=price, **changes)


def write(store: Store, *made: Recorded) -> Untold:
    for number, one in enumerate(made, 1):
        one.number = number
    store.write(Batch(finished=list(made)))
    return store.ledger.untold(Wanted(("session",)))


def test_what_told_no_usage_is_found_with_its_group(store: Store) -> None:
    untold = write(store, exchange(cost()), exchange(UNTOLD, facts={"previous_response_id": "resp_1", "conversation": "conv_1"}))

    assert list(untold.exchanges(KINDS)) == [UntoldExchange(2, ("default",), "responses", "m", "resp_1", "conv_1")]
    assert untold.count(KINDS) == 1


def test_what_told_its_usage_or_is_free_or_of_another_kind_is_not(store: Store) -> None:
    others = [cost("unpriced", amounts=NOTHING), cost("free", NOTHING, NOTHING), cost("pending", NOTHING, NOTHING)]
    untold = write(store, *map(exchange, others), exchange(UNTOLD, facts={"kind": "images"}))

    assert list(untold.exchanges(KINDS)) == []


def test_all_are_found_however_many_there_are(store: Store) -> None:
    untold = write(store, *(exchange(UNTOLD) for _ in range(1001)))

    assert [one.id for one in untold.exchanges(KINDS)] == list(range(1, 1002))


def test_only_what_is_wanted_is_found(store: Store) -> None:
    write(store, exchange(UNTOLD), exchange(UNTOLD, session="other"))

    assert [one.key for one in store.ledger.untold(Wanted(("session",), ("other",))).exchanges(KINDS)] == [("other",)]


def test_the_newest_of_the_model_are_what_is_measured_by(store: Store) -> None:
    untold = write(store, *(exchange(cost()) for _ in range(3)), exchange(cost(), facts={"model": "n"}), exchange(cost(), facts={"kind": "messages"}))

    assert untold.told("responses", "m", 2) == [ToldExchange(3, 15, 4, 110, 40), ToldExchange(2, 15, 4, 110, 40)]


@pytest.mark.parametrize(
    "changes",
    [
        {"facts": {"previous_response_id": "resp_0"}},
        {"facts": {"conversation": "conv_1"}},
        {"steer": "steer_1"},
        {"outcome": "client_closed"},
        {"price": cost("partly")},
        {"price": cost(counts=(10, 5, None, 0, 0))},
    ],
)
def test_what_has_more_input_than_its_request_or_no_price_measures_nothing(store: Store, changes: dict[str, Any]) -> None:
    assert write(store, exchange(**{"price": cost(), **changes})).told("responses", "m", 9) == []


def test_tokens_of_a_response_are_those_that_its_successor_gets(store: Store) -> None:
    untold = write(store, exchange(cost(), facts={"response_id": "resp_1"}), exchange(UNTOLD, facts={"response_id": "resp_2"}))

    assert [untold.tokens_of(name) for name in ("resp_1", "resp_2", "resp_3")] == [10 + 5 + 4 - 2, None, None]

"""Exchanges that prompted a model, with what was cached of their prompts, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from playhead.config.errors import StoreError
from playhead.storage.costing.costs import Cost
from playhead.storage.costing.prompted import Prompted
from playhead.storage.costing.prompting import Prompting
from playhead.storage.costing.sums import Wanted
from playhead.storage.records import Batch, Facts, ItemRow, Recorded
from playhead.storage.store import Store
from stores import START_NS, recorded, turned
from test_spending import cost


def exchange(number: int, price: Cost | None = None, **changes: Any) -> Recorded:
    facts = Facts(kind="responses", model="m", response_id=f"resp_{number}", parse="parsed", **changes.pop("facts", {}))
    return recorded(number, facts=facts, cost=price or cost(), **changes)


def prompts(store: Store, **wanted: Any) -> list[Prompted]:
    return [turn for page in store.ledger.prompting(Wanted(**wanted)).pages() for turn in page]


def test_a_turn_comes_with_its_tokens_and_what_they_cost(store: Store) -> None:
    output = [ItemRow("output", place, "message", None, None, None, None) for place in range(2)]
    labels = {"labels": {"prompt_cache_key": "k"}}
    store.write(Batch(finished=[exchange(1, items=output, facts={"billing": labels, "previous_response_id": "resp_0", "service_tier": "flex"})]))

    [turn] = prompts(store)
    assert (turn.id, turn.model, turn.tier, turn.previous_response_id, turn.cache_key, turn.outputs) == (1, "m", "flex", "resp_0", "k", 2)
    assert (turn.fresh, turn.cached, turn.written, turn.input) == (10, 5, 1, 16)
    assert (turn.fresh_amount, turn.cached_amount, turn.written_amount) == (40, 10, 10)
    assert (turn.started_at_ns // 1000, turn.first_event_ns, turn.turn) == ((START_NS + 10**9) // 1000, 1_500_000, False)


def test_what_prompts_no_model_or_tells_no_usage_is_left_out(store: Store) -> None:
    store.write(
        Batch(
            finished=[
                exchange(1, method="GET"),
                exchange(2, cost(None, "unpriced", (None,) * 5)),
                recorded(3, facts=Facts(kind="embeddings", parse="parsed"), cost=cost()),
                recorded(4),
            ]
        )
    )

    assert prompts(store) == []
    assert store.ledger.prompting(Wanted()).count() == 0


def test_a_turn_of_a_socket_is_one(store: Store) -> None:
    from stores import connected

    store.write(Batch(finished=[turned(1, 1, cost=cost())], connections=[connected(1)]))

    assert [(turn.transport, turn.turn) for turn in prompts(store)] == [("ws", True)]


def test_the_usage_of_a_background_response_is_told_by_another_exchange(store: Store) -> None:
    told = cost()
    told = Cost(told.pricing, told.state, told.amount, None, told.basis, (), told.counts, told.amounts, told=True)
    store.write(Batch(finished=[exchange(1, cost(None, "pending", (None,) * 5))]))
    store.write(Batch(finished=[recorded(2, method="GET", facts=Facts(kind="responses", response_id="resp_1", parse="parsed"), cost=told)]))

    assert [(turn.id, turn.input) for turn in prompts(store)] == [(1, 16)]


def test_turns_are_chosen_by_session_and_time(store: Store) -> None:
    store.write(Batch(finished=[exchange(1), exchange(2, session="other"), exchange(3)]))
    at = datetime.fromtimestamp(START_NS // 10**9, UTC)

    assert [turn.id for turn in prompts(store, sessions=("default",))] == [1, 3]
    assert [turn.id for turn in prompts(store, since=at + timedelta(seconds=2))] == [2, 3]
    assert [turn.id for turn in prompts(store, until=at + timedelta(seconds=2))] == [1]
    with pytest.raises(StoreError):
        store.ledger.prompting(Wanted(sessions=("none",)))


def test_a_turn_is_found_by_its_number_and_by_its_response(store: Store) -> None:
    store.write(Batch(finished=[exchange(1), exchange(2)]))
    prompting = store.ledger.prompting(Wanted())

    found = prompting.one(2)
    assert found is not None
    assert found.response_id == "resp_2"
    assert (prompting.one(3), prompting.making("resp_2"), prompting.making("resp_9")) == (None, 2, None)


def test_many_turns_come_in_pages(store: Store) -> None:
    store.write(Batch(finished=[exchange(number) for number in range(1, 6)]))

    assert [len(page) for page in Prompting(store._database, Wanted(), 2).pages()] == [2, 2, 1]

"""The ledger: costs beside their exchanges, each response paid once, and prices computed again beside the old, on both databases."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from playhead.config.errors import StoreError
from playhead.storage.costing.costs import Basis, Cost, LineRow, Priceable, Pricing, RateRow, State
from playhead.storage.costing.sums import Wanted
from playhead.storage.records import Batch, Facts, Recorded
from playhead.storage.store import Store
from stores import recorded

PRICING = Pricing('[["list","1","0"]]', "none")
INPUT = RateRow("input", None, "token", "10", 1_000_000, "list@1", None, None)
OUTPUT = RateRow("output", None, "token", "50", 1_000_000, "list@1", '[["tier","default","known"]]', None)


def cost(amount: int | None = 7, state: State = "priced", *, told: bool = False, used: bool = True, note: str | None = None) -> Cost:
    """A price of two lines: one token in, the rest for one out."""
    lines = () if amount is None else (LineRow(INPUT, 1, 1), LineRow(OUTPUT, 1, amount - 1))
    amounts = (None,) * 5 if amount is None else (1, None, None, amount - 1, None)
    counts = (1, 0, None, 1, 0) if used else (None,) * 5
    return Cost(PRICING, state, amount, note, Basis('[["provider","openai","known"]]', None), lines, counts, amounts, told)


def exchange(number: int, response: str | None = None, price: Cost | None = None) -> Recorded:
    facts = Facts(kind="responses", model="gpt-5", response_id=response, parse="parsed")
    return recorded(number, facts=facts, cost=price)


def write(store: Store, *made: Recorded) -> None:
    store.write(Batch(finished=list(made)))


def listed(store: Store) -> list[tuple[str | None, str | None]]:
    return [(row.cost, row.cost_note) for row in store.exchanges("default")]


def test_an_exchange_is_listed_with_its_cost(store: Store) -> None:
    write(store, exchange(1, price=cost(96_500_000_000)), exchange(2, price=cost(None, "unpriced", note="unpriced: nobody knows")), exchange(3))

    assert listed(store) == [("0.0965", None), (None, "unpriced: nobody knows"), (None, None)]


def test_what_is_not_wholly_priced_is_listed_without_a_cost(store: Store) -> None:
    write(store, exchange(1, price=cost(5, "partly", note="unpriced: its container")))

    assert listed(store) == [(None, "unpriced: its container")]


def test_the_lines_of_a_cost_come_back(store: Store) -> None:
    write(store, exchange(1, price=cost(2_000_001)))

    [first, second] = store.ledger.lines(1)
    assert (first.item, first.quantity, first.counts, first.price, first.per, first.amount, first.tables) == (
        *("input", 1, "token", "10", 1_000_000, "0.000000000001", "list@1"),
    )
    assert (second.item, second.amount, second.dimensions) == ("output", "0.000002", [["tier", "default", "known"]])


def test_what_was_known_and_by_which_tables_comes_back(store: Store) -> None:
    write(store, exchange(1, price=cost()))

    about = store.ledger.about(1)
    assert about is not None
    assert (about["version"], about["tables"], about["dimensions"], about["assumed"]) == (1, [["list", "1", "0"]], [["provider", "openai", "known"]], "none")


def test_what_lines_have_in_common_stands_once(store: Store) -> None:
    write(store, exchange(1, price=cost()), exchange(2, price=cost()))
    write(store, exchange(3, price=cost()))

    with store._database.reading() as connection:
        tables = ("pricings", "price_bases", "price_rates", "costs", "cost_line_rows")
        counts = [connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() for table in tables]
    assert counts == [1, 1, 2, 3, 6]


def test_the_view_has_the_lines_in_force(store: Store) -> None:
    write(store, exchange(1, price=cost(9)))

    with store._database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT exchange, line, item, price, amount FROM cost_lines ORDER BY line").all()
    assert [tuple(row) for row in rows] == [(1, 0, "input", "10", 1), (1, 1, "output", "50", 8)]


# Paid once.

ELSEWHERE = (None, "counted in exchange 1")


@pytest.mark.parametrize("at_once", [True, False])
def test_a_response_that_is_retrieved_is_paid_where_it_was_made(store: Store, at_once: bool) -> None:
    both = (exchange(1, "resp_1", cost()), exchange(2, "resp_1", cost(told=True)))
    for part in [both] if at_once else [both[:1], both[1:]]:
        write(store, *part)

    assert listed(store) == [("0.000000000007", None), ELSEWHERE]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_response_whose_making_was_not_recorded_is_paid_once(store: Store, at_once: bool) -> None:
    three = [exchange(number, "resp_1", cost(told=True)) for number in (1, 2, 3)]
    for part in [three] if at_once else [[one] for one in three]:
        write(store, *part)

    assert listed(store) == [("0.000000000007", None), ELSEWHERE, ELSEWHERE]


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("state", ["pending", "unpriced"])
def test_a_response_that_told_no_usage_when_it_was_made_is_paid_where_it_is_told(store: Store, at_once: bool, state: State) -> None:
    both = (exchange(1, "resp_1", cost(None, state, used=False)), exchange(2, "resp_1", cost(told=True)))
    for part in [both] if at_once else [both[:1], both[1:]]:
        write(store, *part)
    write(store, exchange(3, "resp_1", cost(told=True)))

    elsewhere = (None, "counted in exchange 2")
    assert listed(store) == [elsewhere, ("0.000000000007", None), elsewhere]


@pytest.mark.parametrize("at_once", [True, False])
def test_who_made_a_response_and_is_stored_later_than_who_told_it_pays(store: Store, at_once: bool) -> None:
    both = (exchange(2, "resp_1", cost(told=True)), exchange(1, "resp_1", cost()))
    both[0].path, both[1].path = "/told", "/made"
    for part in [both] if at_once else [both[:1], both[1:]]:
        write(store, *part)

    assert {(row.path, row.cost, row.cost_note) for row in store.exchanges("default")} == {
        ("/told", None, "counted in exchange 2"),
        ("/made", "0.000000000007", None),
    }


@pytest.mark.parametrize("parts", [(3,), (1, 2), (2, 1), (1, 1, 1)])
def test_what_was_counted_where_it_was_told_is_counted_where_it_was_made_once_that_is_known(store: Store, parts: tuple[int, ...]) -> None:
    three = iter([exchange(number, "resp_1", cost(told=number < 3)) for number in (1, 2, 3)])
    for many in parts:
        write(store, *islice(three, many))

    assert listed(store) == [(None, "counted in exchange 3")] * 2 + [("0.000000000007", None)]


def test_usage_without_a_price_is_not_paid_by_who_tells_it(store: Store) -> None:
    write(store, exchange(1, "resp_1", cost(None, "unpriced", note="unpriced: model")), exchange(2, "resp_1", cost(told=True)))

    assert listed(store) == [(None, "unpriced: model"), ELSEWHERE]


def test_two_responses_of_one_name_are_each_paid(store: Store) -> None:
    write(store, exchange(1, "resp_1", cost()), exchange(2, "resp_1", cost()))

    assert listed(store) == [("0.000000000007", None)] * 2


def asked_within(number: int, window: str) -> Recorded:
    one = exchange(number, "resp_1", cost(None, "pending", used=False))
    one.facts.billing = {"window": window}
    return one


@pytest.mark.parametrize("at_once", [True, False])
def test_who_tells_of_a_response_does_not_take_its_completion_window_for_none(store: Store, at_once: bool) -> None:
    both = (asked_within(1, "8h"), exchange(2, "resp_1", cost(told=True)))
    for part in [both] if at_once else [both[:1], both[1:]]:
        write(store, *part)

    [_, (amount, note)] = listed(store)
    assert (amount, note) == (None, "unpriced: it ran within the completion window 8h, which may have a price of its own: `playhead reprice` looks for one")
    assert [one.billing for one in priceable(store)] == [{"window": "8h"}, {"window": "8h"}]


@pytest.mark.parametrize(("window", "assumed", "note"), [("soonest", "none", None), ("8h", "window=standard", "assumed: window 8h at standard prices")])
def test_a_window_that_changes_nothing_leaves_the_price(store: Store, window: str, assumed: str, note: str | None) -> None:
    told = replace(cost(told=True), pricing=PRICING._replace(assumed=assumed))
    write(store, asked_within(1, window), exchange(2, "resp_1", told))

    assert listed(store)[1] == ("0.000000000007", note)


def test_a_response_is_paid_once_though_another_process_stored_who_told_of_it(store: Store, url: str) -> None:
    write(store, exchange(1, "resp_0", cost()))
    with Store.open(url) as other:
        other.write(Batch(finished=[recorded(1, writer="other", session="told", facts=exchange(2, "resp_1").facts, cost=cost(told=True))]))
    write(store, exchange(2, "resp_1", cost()))

    assert [(row.cost, row.cost_note) for row in store.exchanges("told")] == [(None, "counted in exchange 3")]
    assert [row.cost for row in store.exchanges("default")] == ["0.000000000007"] * 2


# Containers.

CONTAINER = RateRow("container_1g", None, "minute", "0.03", 20, "list@1", '[["minutes","20","assumed"]]', None)
UNKNOWN = RateRow("container", None, "container", None, 1, None, None, "nobody knows how long it lived")


def with_containers(number: int, *names: str, known: bool = True, price: Cost | None = None) -> Recorded:
    """One token, and 20 minutes of each of these containers: 30 for each minute."""
    count = len(names)
    line = LineRow(CONTAINER, 20 * count, 600 * count) if known else LineRow(UNKNOWN, count, None)
    basis = Basis('[["provider","openai","assumed"]]', None)
    amount, tools = (1 + 600 * count, 600 * count) if known else (1, None)
    found = Cost(PRICING, "priced" if known else "partly", amount, "x", basis, (LineRow(INPUT, 1, 1), line), (1, 0, None, 0, 0), (1, None, None, None, tools))
    one = exchange(number, f"resp_{number}", price or found)
    one.facts.billing = {"containers": list(names)}
    return one


@pytest.mark.parametrize("at_once", [True, False])
def test_a_container_is_paid_once_however_many_responses_use_it(store: Store, at_once: bool) -> None:
    three = [with_containers(1, "a"), with_containers(2, "a"), with_containers(3, "b", "a")]
    for part in [three] if at_once else [[one] for one in three]:
        write(store, *part)

    assert [row.cost for row in store.exchanges("default")] == ["0.000000000601", "0.000000000001", "0.000000000601"]
    assert [row.cost_note for row in store.exchanges("default")][1:] == [
        "containers are counted in exchange 1; assumed: provider openai",
        "containers are counted in exchange 1; assumed: provider openai, minutes 20",
    ]
    assert [(line.item, line.quantity) for line in store.ledger.lines(3)] == [("input", 1), ("container_1g", 20)]
    assert sum(sums.amounts[-1] for sums in store.ledger.spending(Wanted()).found().sums.values()) == 1200


def test_a_container_that_nobody_knows_the_price_of_lacks_it_once(store: Store) -> None:
    write(store, with_containers(1, "a", known=False), with_containers(2, "a", known=False))

    assert [(row.cost, row.cost_note) for row in store.exchanges("default")] == [
        (None, "x"),
        ("0.000000000001", "containers are counted in exchange 1; assumed: provider openai"),
    ]


def test_what_is_priced_again_counts_its_containers_once_too(store: Store) -> None:
    write(store, with_containers(1, "a"), with_containers(2, "a"))
    full = [with_containers(number, "a").cost for number in (1, 2)]

    assert store.ledger.changes([*zip(priceable(store), full, strict=True)]) == []
    assert reprice(store, *full) == []


def test_who_is_priced_first_pays_the_containers_of_old_recordings(store: Store) -> None:
    for number in (1, 2):
        one = with_containers(number, "a")
        one.cost = None
        write(store, one)

    reprice(store, *[with_containers(number, "a").cost for number in (1, 2)])

    assert [row.cost for row in store.exchanges("default")] == ["0.000000000601", "0.000000000001"]


def test_containers_go_with_the_money_that_another_exchange_counts(store: Store) -> None:
    told = with_containers(2, "a")
    told.facts.response_id, told.cost = "resp_1", replace(told.cost, told=True)  # type: ignore[type-var]
    write(store, told)
    write(store, with_containers(1, "a"))

    assert sorted((row.cost, row.cost_note) for row in store.exchanges("default") if row.cost) == [("0.000000000601", "x")]


# Computed again.


def priceable(store: Store) -> list[Priceable]:
    return list(store.ledger.priceable())


def reprice(store: Store, *prices: Cost | None) -> list[Any]:
    return store.ledger.replace([*zip(priceable(store), prices, strict=True)])


def test_what_decides_about_prices_comes_back_from_the_store(store: Store) -> None:
    one = exchange(1, "resp_1")
    one.facts.usage, one.facts.billing, one.facts.service_tier = {"input_tokens": 3}, {"window": "8h"}, "flex"
    write(store, one)

    [found] = priceable(store)
    assert (found.id, found.method, found.path, found.upstream, found.model) == (1, "POST", "/v1/responses", "https://api.openai.com", "gpt-5")
    assert (found.usage, found.billing, found.service_tier, found.response_id) == ({"input_tokens": 3}, {"window": "8h"}, "flex", "resp_1")
    assert found.started_at_ns == one.started_at_ns // 1000 * 1000


def test_a_price_that_is_computed_again_stands_beside_the_old(store: Store) -> None:
    write(store, exchange(1, price=cost(7)))

    [changed] = reprice(store, cost(9, note="assumed: tier default"))

    assert (changed.exchange, changed.amount_before, changed.amount) == (1, 7, 9)
    assert listed(store) == [("0.000000000009", "assumed: tier default")]
    [old] = store.ledger.history(1)
    assert (old["version"], old["amount"], old["state"], old["note"]) == (1, "0.000000000007", "priced", None)
    about = store.ledger.about(1)
    assert about is not None
    assert about["version"] == 2
    assert [line.amount for line in store.ledger.lines(1)] == ["0.000000000001", "0.000000000008"]


def test_prices_are_computed_again_by_one_at_a_time(url: str) -> None:
    with Store.open(url, create=True) as store, Store.open(url) as other:
        with store.ledger.repricing(), pytest.raises(StoreError, match="Another `playhead reprice` is at work"), other.ledger.repricing():
            pass
        with other.ledger.repricing():
            write(store, exchange(1, price=cost(7)))


def test_a_price_that_is_the_same_changes_nothing(store: Store) -> None:
    write(store, exchange(1, price=cost(7)))

    assert reprice(store, cost(7)) == []
    assert store.ledger.history(1) == []


def test_what_was_recorded_without_a_price_gets_one(store: Store) -> None:
    write(store, exchange(1))

    [changed] = reprice(store, cost(7))

    assert (changed.state_before, changed.state, changed.amount) == (None, "priced", 7)
    assert listed(store) == [("0.000000000007", None)]
    assert store.ledger.history(1) == []


def test_old_recordings_are_paid_once_too(store: Store) -> None:
    write(store, exchange(1, "resp_1"), exchange(2, "resp_1"))

    reprice(store, cost(7), cost(7, told=True))

    assert listed(store) == [("0.000000000007", None), ELSEWHERE]


def test_money_that_is_counted_elsewhere_stays_there(store: Store) -> None:
    write(store, exchange(1, "resp_1", cost()), exchange(2, "resp_1", cost(told=True)))

    reprice(store, cost(9), cost(9, told=True))

    assert listed(store) == [("0.000000000009", None), ELSEWHERE]


def test_what_would_change_can_be_asked_for(store: Store) -> None:
    write(store, exchange(1, price=cost(7)))

    [changed] = store.ledger.changes([(priceable(store)[0], cost(9))])

    assert (changed.amount_before, changed.amount) == (7, 9)
    assert listed(store) == [("0.000000000007", None)]


def test_money_of_a_fork_is_counted_in_its_original(store: Store) -> None:
    write(store, exchange(1, price=cost(7)), exchange(2, price=cost(None, "free", note="not billed: refused with 429")), exchange(3))

    store.decisions.fork("default", 3, "fork")
    reprice(store, cost(9), cost(None, "free"), None, cost(9), cost(None, "free"))

    assert [(row.cost, row.cost_note) for row in store.exchanges("fork")] == [ELSEWHERE, (None, "not billed: refused with 429")]


def test_what_was_imported_is_priced_only_if_its_session_is_named(store: Store) -> None:
    write(store, recorded(1, writer="import-1", session="imported"), exchange(1))

    assert [one.id for one in store.ledger.priceable()] == [2]
    assert [one.id for one in store.ledger.priceable("imported")] == [1]


def test_a_deleted_exchange_leaves_nothing_in_the_ledger(store: Store) -> None:
    write(store, exchange(1, "resp_1", cost(told=True)), exchange(2, price=cost()))
    reprice(store, cost(9, told=True), cost(9))

    store.delete_exchange(1)

    with store._database.reading() as connection:
        for table in ("costs", "cost_history", "cost_line_rows", "paid_responses"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table} WHERE exchange = 1").scalar() == 0


def test_a_failed_batch_leaves_no_memory_of_what_it_wrote(store: Store) -> None:
    broken = exchange(2, price=cost())
    broken.facts.usage = {"x": float("inf")}
    broken.session = None  # type: ignore[assignment]
    with pytest.raises(Exception):  # noqa: B017, PT011 (whatever the database says)
        write(store, exchange(1, price=cost()), broken)
    write(store, exchange(3, price=cost()))

    assert [line.item for line in store.ledger.lines(next(iter(store.exchanges("default"))).id)] == ["input", "output"]

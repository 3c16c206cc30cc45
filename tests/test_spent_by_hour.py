"""What was spent by hour, read in parts, on both databases."""

from __future__ import annotations

from typing import Any

from aged import prune
from playhead.storage.costing.spent_by_hour import SpentByHour
from playhead.storage.costing.sums import Spend, Wanted
from playhead.storage.records import Batch, Facts, Recorded
from playhead.storage.store import Store
from stores import START_NS, recorded
from test_spending import cost

HOUR = 3_600 * 10**9
AT = "2025-08-27T17"


def write(store: Store, *made: Recorded) -> None:
    for number, one in enumerate(made, 1):
        one.number = number
    store.write(Batch(finished=list(made)))


def exchange(amount: int | None = 100, **changes: Any) -> Recorded:
    plain = {"facts": Facts(kind="responses", parse="parsed"), "cost": cost(amount) if amount else None, "started_at_ns": START_NS}
    return recorded(1, **(plain | changes))


def test_what_was_spent_is_summed_up_by_hour_and_group(store: Store) -> None:
    write(store, exchange(), exchange(200), exchange(key_id="other"), exchange(started_at_ns=START_NS + HOUR))

    assert dict(store.ledger.spent_by_hour(Wanted(("key",))).all()) == {
        (AT, "k_0123456789abcdef"): Spend(300, 2),
        (AT, "other"): Spend(100, 1),
        ("2025-08-27T18", "k_0123456789abcdef"): Spend(100, 1),
    }


def test_every_group_is_told_as_text(store: Store) -> None:
    write(store, exchange())

    assert dict(store.ledger.spent_by_hour(Wanted(("status", "project"))).all()) == {(AT, "200", None): Spend(100, 1)}


def test_what_is_not_known_is_counted(store: Store) -> None:
    lost = exchange(None, facts=Facts(kind="responses", usage={"input_tokens": 1}, parse="parsed"))
    write(store, exchange(cost=cost(None, "unpriced")), exchange(cost=cost(70, "partly")), exchange(cost=cost(None, "pending")), lost)

    assert dict(store.ledger.spent_by_hour(Wanted()).all()) == {(AT,): Spend(70, 4, unpriced=2, pending=1, unknown=1)}


def test_more_money_than_an_integer_of_the_database_holds_has_a_sum(store: Store) -> None:
    most = 2**63 - 1
    write(store, exchange(most), exchange(most))

    assert dict(store.ledger.spent_by_hour(Wanted()).all()) == {(AT,): Spend(2 * most, 2)}


def test_what_was_imported_was_paid_elsewhere(store: Store) -> None:
    write(store, exchange(writer="import-1"))

    assert list(store.ledger.spent_by_hour(Wanted()).all()) == []


def test_what_was_spent_is_not_known_any_more_when_its_costs_are_pruned(store: Store) -> None:
    write(store, exchange(), exchange())
    prune(store, at=10**6, costs=10)

    assert dict(store.ledger.spent_by_hour(Wanted()).all()) == {(AT,): Spend(0, 2, unknown=2)}


def test_a_store_is_read_in_parts_of_which_only_the_last_one_grows(store: Store) -> None:
    write(store, *(exchange() for _ in range(4)))
    reading = SpentByHour(store._database, Wanted(), 3)

    assert [*reading.parts()] == [0, 3]
    assert [([spend.exchanges for _, spend in found], grows) for found, grows in map(reading.part, reading.parts())] == [([2], False), ([2], True)]


def test_an_empty_store_has_no_parts(store: Store) -> None:
    assert [*store.ledger.spent_by_hour(Wanted()).parts()] == []

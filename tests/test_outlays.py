"""What is laid beside a bill, on both databases: every exchange that spends, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from playhead.storage.costing.costs import LineRow, RateRow
from playhead.storage.costing.spent import Spent, SpentLine
from playhead.storage.store import Store
from stores import START_NS
from test_ledger import cost, exchange, write

START = datetime.fromtimestamp(START_NS / 10**9, UTC)
WRITE = RateRow("cache_write_30m", None, "token", "5", 1_000_000, "list@1", None, None)


def spent(store: Store, hours: int = 1) -> list[Spent]:
    return list(store.ledger.outlays(START - timedelta(hours=hours), START + timedelta(hours=hours)))


def test_it_has_counts_amounts_and_what_was_known(store: Store) -> None:
    write(store, exchange(1, price=cost(9)))

    [one] = spent(store)
    assert (one.id, one.state, one.amount, one.counts, one.amounts) == (1, "priced", 9, (1, 0, None, 1, 0), (1, None, None, 8, None))
    assert (one.model, one.dimensions, one.lines, one.used) == ("gpt-5", [["provider", "openai", "known"]], (), True)
    assert (one.started_at_ns, one.duration_ns) == (START_NS // 1000 * 1000 + 10**9, 2_250_000)


def test_lines_of_what_is_no_plain_token_are_told(store: Store) -> None:
    priced = cost(9)
    write(store, exchange(1, price=replace(priced, lines=(*priced.lines, LineRow(WRITE, 4, 20)))))

    assert spent(store)[0].lines == (SpentLine("cache_write_30m", None, 4, 20),)


def test_what_is_counted_elsewhere_is_told_once_and_when_it_was_made(store: Store) -> None:
    write(store, exchange(1, "resp_1", cost(None, "pending", used=False)), exchange(2, "resp_1", cost(told=True)), exchange(3, "resp_1", cost(told=True)))

    [one] = spent(store)
    assert (one.id, one.made_ns) == (2, START_NS // 1000 * 1000 + 10**9)


def test_only_what_began_in_that_time_is_told(store: Store) -> None:
    write(store, exchange(1, price=cost()), exchange(2, price=cost()))

    assert [one.id for one in store.ledger.outlays(START + timedelta(seconds=1.5), START + timedelta(hours=1))] == [2]


def test_what_has_no_cost_is_not_told(store: Store) -> None:
    write(store, exchange(1))

    assert spent(store) == []

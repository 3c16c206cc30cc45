"""What tokens cost that could have come from the cache."""

from __future__ import annotations

from typing import Any

import pytest

from playhead.config.assumptions import Assumptions
from playhead.config.listed_prices import installed_list
from playhead.config.prices import own_table, parse_table
from playhead.proxy.caching.lost import money_of
from playhead.proxy.pricing.book import Book
from playhead.proxy.pricing.pricing import Pricer
from prompted import prompted

DOLLAR = 10**12
TABLE = b"""name = "t"
version = "1"
source = "invented"
[[price]]
models = ["sim"]
input = "2"
cached_input = "0.2"
[[price]]
models = ["sim"]
above = 200_000
input = "4"
cached_input = "0.4"
[[price]]
models = ["plain"]
input = "2"
"""


@pytest.fixture(scope="module")
def pricer() -> Pricer:
    return Pricer(Book(installed_list(), [own_table(), parse_table(TABLE, "t")]), Assumptions())


CASES: list[tuple[str, dict[str, Any], int, int | None]] = [
    # 1,000 of 2,000 tokens that were paid with 2 USD a million: 1,000 x (2 - 0.2) / 10^6
    ("by the table", {"fresh": 2000, "fresh_amount": 4 * DOLLAR // 1000}, 1000, 18 * DOLLAR // 10_000),
    # 1,000 were cached for 0.1 USD a million, as the ledger says: 1,000 x (2 - 0.1) / 10^6
    ("by the ledger", {"fresh": 2000, "fresh_amount": 4 * DOLLAR // 1000, "cached": 1000, "cached_amount": DOLLAR // 10_000}, 1000, 19 * DOLLAR // 10_000),
    # half was written for 2.5: on the average 2.25 USD a million: 1,000 x (2.25 - 0.2) / 10^6
    ("written", {"fresh": 1000, "fresh_amount": 2 * DOLLAR // 1000, "written": 1000, "written_amount": 25 * DOLLAR // 10_000}, 1000, 205 * DOLLAR // 100_000),
    # a long prompt, all of it at 4 and 0.4
    ("long", {"fresh": 300_000, "fresh_amount": 12 * DOLLAR // 10}, 100_000, 36 * DOLLAR // 100),
    ("chat", {"kind": "chat.completions", "path": "/v1/chat/completions", "fresh": 2000, "fresh_amount": 4 * DOLLAR // 1000}, 1000, 18 * DOLLAR // 10_000),
    ("no price for being cached", {"model": "plain", "fresh": 2000, "fresh_amount": 4 * DOLLAR // 1000}, 1000, 0),
    ("unpriced", {"fresh": 2000, "fresh_amount": None}, 1000, None),
    ("written without a price", {"fresh": 2000, "fresh_amount": 4, "written": 5, "written_amount": None}, 1000, None),
    ("unknown model", {"model": "nobody", "fresh": 2000, "fresh_amount": 4 * DOLLAR // 1000}, 1000, None),
    ("no tier", {"tier": None, "fresh": 2000, "fresh_amount": 4 * DOLLAR // 1000}, 1000, None),
    ("nothing lost", {"fresh": 2000, "fresh_amount": None}, 0, 0),
]


@pytest.mark.parametrize(("changes", "lost", "money"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_lost_tokens_cost_the_difference_to_what_they_would_have_cost_from_the_cache(
    pricer: Pricer, changes: dict[str, Any], lost: int, money: int | None
) -> None:
    assert money_of(prompted(1, **({"model": "sim"} | changes)), lost, pricer) == money

"""Prices: each by hand, and what has none says why."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import cache

import pytest

from playhead.config.assumptions import Assumptions
from playhead.config.listed_prices import installed_list
from playhead.config.prices import own_table
from playhead.proxy.pricing.book import Book
from playhead.proxy.pricing.priced import Priced
from playhead.proxy.pricing.pricing import Pricer
from playhead.storage.costing.costs import dollars
from prices_by_hand import ASTRA, PRICED, Case, used
from unpriced_by_hand import UNPRICED


@cache
def book() -> Book:
    return Book(installed_list(), [own_table()])


def priced(case: Case) -> Priced:
    return Pricer(book(), Assumptions.parse(case.assume)).price(case.billable())


@pytest.mark.parametrize("case", PRICED, ids=lambda case: case.name)
def test_the_price_is_the_one_computed_by_hand(case: Case) -> None:
    found = priced(case)

    assert not found.reasons
    assert found.amount is not None
    assert Decimal(dollars(found.amount)) == case.usd


def test_at_least_sixty_prices_are_computed_by_hand() -> None:
    assert len(PRICED) >= 60


@pytest.mark.parametrize(("case", "reason", "known"), UNPRICED, ids=lambda value: value.name if isinstance(value, Case) else "")
def test_what_cannot_be_known_has_no_price_and_says_why(case: Case, reason: str, known: Decimal) -> None:
    found = priced(case)

    assert found.amount is None
    assert reason in " | ".join(found.reasons)
    assert Decimal(dollars(found.known_amount)) == known


def test_a_line_says_how_many_of_what_at_which_price_by_which_table() -> None:
    input_, cached, output = priced(Case("", ASTRA, used(1000, 200, cached=400), None)).lines

    assert (input_.item, input_.quantity, input_.counts, input_.amount) == ("input", 600, "token", 600 * 10 * 10**6)
    assert (input_.price, input_.per, input_.table) == (Decimal(10), 1_000_000, installed_list().id)
    assert (cached.item, output.item) == ("cached_input", "output")


def test_a_line_names_every_table_that_made_its_price() -> None:
    [line] = priced(Case("", ASTRA, used(10, 0), None, "ultrafast")).lines

    assert line.table == f"{installed_list().id}+{own_table().id}"


def test_what_was_known_is_told_from_what_was_assumed() -> None:
    found = priced(Case("", ASTRA, used(10, 0), None, None, upstream="http://localhost:9", assume="provider=path,region=global,tier=default"))

    assert [tuple(each) for each in found.dimensions] == [
        ("provider", "openai", "assumed"),
        ("region", "global", "assumed"),
        ("tier", "default", "assumed"),
        ("model", ASTRA, "known"),
    ]
    assert found.assumed == ("provider openai", "region global", "tier default")


def test_an_assumed_lifetime_is_named_by_the_lines_it_is_for() -> None:
    found = priced(Case("", ASTRA, used(10, 0, w30=10, ttl=False), None, assume="cache_ttl=12h"))

    assert [(line.item, line.amount) for line in found.lines] == [("cache_write_12h", 10 * 25 * 10**6)]
    assert found.assumed == ("cache_ttl 12h",)


def test_a_lifetime_that_the_answer_tells_is_known() -> None:
    found = priced(Case("", ASTRA, used(10, 0, w30=10, ttl=False), None, extra={"cache_ttl": "30m"}, assume="cache_ttl=12h"))

    assert [(line.item, line.amount) for line in found.lines] == [("cache_write_30m", 10 * 125 * 10**5)]
    assert found.assumed == ()


def test_a_completion_window_is_standard_only_by_a_setting() -> None:
    found = priced(Case("", "gpt-6.2-sol", used(10, 0), None, extra={"window": "8h"}, assume="window=standard"))

    assert found.amount == 10 * 2 * 10**6
    assert found.assumed == ("tier default, window 8h at standard prices",)


def test_the_provider_of_an_unknown_upstream_is_the_one_whose_api_the_path_is() -> None:
    case = next(case for case in PRICED if case.kind == "messages")
    found = priced(replace(case, upstream="http://localhost:9", assume="provider=path,region=global"))

    assert (found.amount, found.assumed) == (priced(case).amount, ("provider anthropic", "region global"))


@pytest.mark.parametrize(("seconds", "amount"), [(1, 283_333_333), (2, 566_666_667)])  # 1.02 / 3600 = 0.000283333333333...
def test_a_price_between_two_units_of_money_is_rounded_to_the_nearer_one(seconds: int, amount: int) -> None:
    assert priced(Case("", "gpt-realtime-whisper", {"seconds": seconds}, None, None, kind="audio")).amount == amount


def test_prices_are_looked_up_once_for_each_model_tier_and_day() -> None:
    fresh = Book(installed_list(), [own_table()])

    assert fresh.rates("openai", ASTRA, 10**18) is fresh.rates("openai", ASTRA, 10**18 + 1)

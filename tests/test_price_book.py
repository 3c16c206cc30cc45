"""The price book: several tables on top of each other, tiers and regions, and what happens on the first days of either."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache

import pytest

from playhead.config.listed_prices import Listed, installed_list
from playhead.config.prices import STANDARD, TOKENS, PriceTable, own_table, parse_table
from playhead.proxy.pricing.book import Book, NoRates, Rates

HEAD = 'name = "{}"\nversion = "1"\nsource = "a contract"\n'
TODAY = date(2026, 11, 20)


def table(text: str, name: str = "mine") -> PriceTable:
    return parse_table((HEAD.format(name) + text).encode(), f"{name}.toml")


class ShortList:
    """A price list with one model; its priority tier costs twice as much."""

    name, version, digest, id = "short", "1", "0", "short@1"

    def provider_at(self, url: str) -> str | None:
        return None

    def find(self, provider: str, model: str, at: datetime, tier: str = STANDARD) -> Listed | None:
        if (provider, model) != ("openai", "m"):
            return None
        factor = 2 if tier == "priority" else 1
        near = {"input": Decimal(10 * factor), "output": Decimal(50 * factor), "web_search": Decimal(7)}
        far = {"input": Decimal(20 * factor), "output": Decimal(75 * factor), "web_search": Decimal(7)}
        return Listed(((0, near), (1000, far)), (), False, tier in (STANDARD, "priority"))


def at(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()) * 10**9


def prices(*tables: PriceTable, model: str = "m", tier: str = STANDARD, region: str = "global", tokens: int = 0) -> Mapping[str, str]:
    """Prices as text, by unit."""
    found = Book(ShortList(), tables).rates("openai", model, at(TODAY), tier, region)
    assert isinstance(found, Rates), found.reason
    return {unit: str(rate.price) for unit, rate in found.at(tokens).items()}


MINE = '[[price]]\nprovider = "openai"\nmodels = ["m"]\n'


def test_the_list_is_followed_where_no_table_says_more() -> None:
    assert prices() == {"input": "10", "output": "50", "web_search": "7"}


def test_a_table_is_followed_in_what_it_says() -> None:
    assert prices(table(MINE + "input = 8\n")) == {"input": "8", "output": "50", "web_search": "7"}


def test_of_two_tables_the_upper_one_wins() -> None:
    assert prices(table(MINE + "input = 8\n"), table(MINE + "input = 6\n", "upper"))["input"] == "6"


def test_of_two_rows_the_last_one_wins() -> None:
    assert prices(table(MINE + "input = 8\n" + MINE + "input = 9\n"))["input"] == "9"


def test_above_a_limit_all_tokens_cost_what_its_step_says() -> None:
    assert (prices(tokens=1000)["input"], prices(tokens=1001)["input"]) == ("10", "20")


def test_a_row_without_a_limit_holds_for_every_length() -> None:
    mine = table(MINE + "input = 8\n")

    assert (prices(mine, tokens=1001)["input"], prices(mine, tokens=1001)["output"]) == ("8", "75")


def test_a_table_may_have_limits_of_its_own() -> None:
    mine = table(MINE + "input = 8\n" + MINE + "above = 500\ninput = 12\n")

    assert [prices(mine, tokens=tokens)["input"] for tokens in (500, 501, 1001)] == ["8", "12", "12"]


def test_a_model_of_ones_own_needs_no_list() -> None:
    mine = table('[[price]]\nprovider = "openai"\nmodels = ["house-model"]\ninput = 1\noutput = 2\n')

    assert prices(mine, model="house-model") == {"input": "1", "output": "2"}


def test_prices_of_tools_make_no_model_known() -> None:
    found = Book(ShortList(), [table('[[price]]\nprovider = "openai"\nweb_search = 10\n')]).rates("openai", "x", at(TODAY))

    assert found == NoRates("no price table knows the model x of openai on 2026-11-20")


def test_the_tier_of_the_list_is_followed() -> None:
    assert prices(tier="priority") == {"input": "20", "output": "100", "web_search": "7"}


def test_a_renamed_tier_is_found_by_either_name() -> None:
    mine = table('[[tier]]\ntier = "priority"\nby = 3\n')

    assert prices(mine, tier="fast")["input"] == "30"


def test_a_tier_by_a_factor_follows_the_standard_price_of_every_length() -> None:
    flex = table('[[tier]]\ntier = "flex"\nby = 0.5\n')

    assert (prices(flex, tier="flex")["input"], prices(flex, tier="flex", tokens=1001)["output"]) == ("5.0", "37.5")


def test_a_tier_changes_nothing_of_what_tools_cost() -> None:
    assert prices(table('[[tier]]\ntier = "flex"\nby = 0.5\n'), tier="flex")["web_search"] == "7"


def test_a_tier_with_prices_of_its_own() -> None:
    mine = table(MINE + 'tier = "turbo"\ninput = 99\noutput = 999\n')

    assert prices(mine, tier="turbo") == {"input": "99", "output": "999", "web_search": "7"}
    assert prices(mine)["input"] == "10"


def test_a_derived_price_follows_what_it_is_derived_from() -> None:
    mine = table('[[derive]]\nunit = "cache_write_12h"\nof = "input"\nby = 2.5\n')

    assert prices(mine)["cache_write_12h"] == "25.0"
    assert prices(mine, tier="priority", tokens=1001)["cache_write_12h"] == "100.0"


def test_a_price_that_is_said_is_not_derived() -> None:
    mine = table(MINE + 'cache_write_12h = 11\n[[derive]]\nunit = "cache_write_12h"\nof = "input"\nby = 2.5\n')

    assert prices(mine)["cache_write_12h"] == "11"


def test_a_region_makes_tokens_dearer_and_tools_not() -> None:
    eu = table('[[region]]\nregions = ["eu"]\nby = 1.1\n')

    assert prices(eu, region="eu") == {"input": "11.0", "output": "55.0", "web_search": "7"}


def test_a_region_that_no_table_knows_has_no_price() -> None:
    assert Book(ShortList(), []).rates("openai", "m", at(TODAY), STANDARD, "eu") == NoRates("no price table says what m costs in region eu")


def test_a_discount_is_on_everything_or_on_what_it_names() -> None:
    assert prices(table("[[discount]]\nby = 0.9\n")) == {"input": "9.0", "output": "45.0", "web_search": "6.3"}
    assert prices(table('[[discount]]\nunits = ["output"]\nby = 0.5\n')) == {"input": "10", "output": "25.0", "web_search": "7"}


def test_of_two_discounts_the_upper_one_counts() -> None:
    assert prices(table("[[discount]]\nby = 0.9\n"), table("[[discount]]\nby = 0.8\n", "upper"))["input"] == "8.0"


def test_a_row_holds_for_its_days_only() -> None:
    book = Book(ShortList(), [table(MINE + "from = 2026-11-20\ninput = 8\n")])
    days = [book.rates("openai", "m", at(day)) for day in (date(2026, 11, 19), date(2026, 11, 20))]

    assert [str(day.at(0)["input"].price) for day in days if isinstance(day, Rates)] == ["10", "8"]


def test_the_book_names_its_tables_and_has_one_hash() -> None:
    first, second = Book(ShortList(), [table(MINE + "input = 1\n")]), Book(ShortList(), [table(MINE + "input = 2\n")])

    assert [name for name, _, _ in first.tables] == ["short", "mine"]
    assert first.digest != second.digest


# Our own table on the list of the library.


@cache
def book() -> Book:
    return Book(installed_list(), [own_table()])


EARLY = [
    (tier.tier, model)
    for tier in own_table().tiers
    if tier.span.until in (date(2026, 10, 12), date(2026, 10, 14)) and tier.span.provider == "openai"
    for model in tier.span.models
    if installed_list().find("openai", model, datetime(2026, 10, 14, tzinfo=UTC), tier.tier)
]


@pytest.mark.parametrize(("tier", "model"), EARLY)
def test_a_tier_costs_on_the_librarys_first_day_what_our_table_says_for_the_day_before(tier: str, model: str) -> None:
    first = date(2026, 10, 14) if tier == "batch" else date(2026, 10, 12)
    before, after = (book().rates("openai", model, at(day), tier) for day in (date(2026, 10, first.day - 1), first))

    assert [of_tokens(before, tokens) for tokens in (0, 10**6)] == [of_tokens(after, tokens) for tokens in (0, 10**6)]


def of_tokens(found: Rates | NoRates, tokens: int) -> Mapping[str, Decimal]:
    assert isinstance(found, Rates), found.reason
    return {unit: rate.price for unit, rate in found.at(tokens).items() if unit in TOKENS}


def test_prices_that_change_with_the_hour_are_not_kept_for_the_day() -> None:
    deepseek = Book(installed_list(), [])
    hours = {
        str(found.at(0)["input"].price)
        for hour in range(24)
        if isinstance(found := deepseek.rates("deepseek", "deepseek-chat", at(date(2025, 6, 1)) + (hour - 12) * 3600 * 10**9), Rates)
    }

    assert len(hours) > 1

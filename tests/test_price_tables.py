"""Price tables: how they are written, what is refused, and ours."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from playhead.config.assumptions import ASSUMED_HINT, Assumptions
from playhead.config.errors import ConfigError
from playhead.config.prices import UNITS, PriceTable, Span, own_table, parse_table

HEAD = 'name = "contract"\nversion = "2026"\nsource = "our contract"\n'
PRICE = '[[price]]\nprovider = "openai"\nmodels = ["gpt-6-sol"]\n'


def table(text: str) -> PriceTable:
    return parse_table((HEAD + text).encode(), "mine.toml")


def test_a_price_is_a_decimal_however_it_is_written() -> None:
    [row] = table(PRICE + 'input = 1.10\noutput = "5"\ncached_input = 0\n').prices

    assert row.prices == {"input": Decimal("1.10"), "output": Decimal(5), "cached_input": Decimal(0)}


def test_a_row_takes_the_source_of_its_table_or_has_its_own() -> None:
    rows = table(PRICE + "input = 1\n" + PRICE + 'source = "a letter"\ninput = 2\n').prices

    assert [row.source for row in rows] == ["our contract", "a letter"]


def test_the_hash_of_a_table_is_that_of_its_text() -> None:
    assert table(PRICE + "input = 1\n").digest != table(PRICE + "input = 1 # the same\n").digest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('currency = "EUR"\n', "currency = 'EUR': allowed is USD"),
        ("colour = 1\n", "colour: allowed are currency"),
        (PRICE, "it has no price; prices are input"),
        (PRICE + "input = -1\n", "input = -1: wanted is a number that is not negative"),
        (PRICE + 'input = "much"\n', "input = 'much': wanted is a number"),
        (PRICE + "input = nan\n", "wanted is a number"),
        (PRICE + "inputs = 1\n", "inputs: allowed are"),
        (PRICE + "input = 1\nabove = -5\n", "above = -5: wanted is a number of input tokens"),
        (PRICE + "input = 1\nfrom = 2026-10-12T00:00:00Z\n", "wanted is a day, such as 2026-10-12"),
        (PRICE + "input = 1\nfrom = 2026-10-12\nuntil = 2026-10-12\n", "it is not after from"),
        ('[[price]]\nmodels = "gpt-6-sol"\ninput = 1\n', "models = 'gpt-6-sol': wanted is a list of texts"),
        ("[[price]]\nmodels = []\ninput = 1\n", "models = []: wanted is a list of texts; without it the row is for all models"),
        ('[[price]]\nmodels = ["gpt-*-mini"]\ninput = 1\n', "models: 'gpt-*-mini': a * stands at the end of a name only"),
        ("price = 1\n", "each row is written [[price]]"),
        ('[[derive]]\nunit = "cache"\nof = "input"\nby = 2\n', "'cache' is no price"),
        ("[[tier]]\nby = 2\n", "tier = None: wanted is a text"),
    ],
)
def test_what_is_wrong_is_refused_with_what_is_allowed(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        table(text)

    assert said in str(caught.value)
    assert "mine.toml" in str(caught.value)


def test_a_table_without_a_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="version = '': wanted is a text"):
        parse_table(b'name = "x"\n', "mine.toml")


def test_a_row_without_a_source_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\[\[price\]\] 1: it has no source"):
        parse_table((HEAD.replace("source", "#") + PRICE + "input = 1\n").encode(), "mine.toml")


def test_what_is_no_toml_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"mine\.toml is not valid TOML"):
        table("[[")


@pytest.mark.parametrize(
    ("pattern", "model", "fits"),
    [
        ("gpt-6-sol", "gpt-6-sol", True),
        ("gpt-6-sol", "gpt-6-sol-2026-09-22", True),
        ("gpt-6-sol", "gpt-6-sol-20260922", True),
        ("gpt-6-sol", "gpt-6-sol-mini", False),
        ("gpt-6-sol", "gpt-6-sol-2026-99-99", False),
        ("gpt-6*", "gpt-6-sol-mini", True),
        ("gpt-6*", "my-gpt-6", False),
    ],
)
def test_a_model_is_also_its_snapshots_and_a_star_is_whatever_follows(pattern: str, model: str, fits: bool) -> None:
    assert Span(None, (pattern,)).fits("openai", model, date(2026, 11, 20)) is fits


def test_the_first_day_of_a_row_is_within_and_the_last_is_not() -> None:
    span = Span("openai", (), date(2026, 1, 2), date(2026, 1, 4))

    assert [span.fits("openai", "x", date(2026, 1, 1) + timedelta(days)) for days in range(4)] == [False, True, True, False]


def test_our_own_table_has_a_source_and_known_units_in_every_row() -> None:
    own = own_table()

    assert all(row.source for rows in (own.prices, own.tiers, own.derived, own.regions, own.discounts) for row in rows)
    assert all(row.prices.keys() <= UNITS.keys() for row in own.prices)
    assert own.id == f"playhead@{own.version}"


@pytest.mark.parametrize("text", ["none", "provider=path,region=global", "tier=default,cache_ttl=12h,memory=4g,minutes=20", "image_model=gpt-image-1"])
def test_assumptions_are_written_as_they_are_read(text: str) -> None:
    assert str(Assumptions.parse(text)) == text


@pytest.mark.parametrize("text", ["tier", "colour=red", "cache_ttl=2h", "minutes=0", "tier=default,tier=flex", "memory=3g", "window=8h", "tier=a b"])
def test_what_cannot_be_assumed_is_refused_with_what_can(text: str) -> None:
    with pytest.raises(ValueError, match="NAME=VALUE") as caught:
        Assumptions.parse(text)

    assert str(caught.value) == ASSUMED_HINT

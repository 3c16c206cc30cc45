"""Money as text, and sums of cost lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.pricing.priced import CostLine, Priced, pico
from playhead.storage.costing.costs import dollars


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0"),
        (1, "0.000000000001"),
        (96_500_000_000, "0.0965"),
        (10**12, "1"),
        (1_230_000_000_000_000, "1230"),
        (-5 * 10**11, "-0.5"),
        (10**24, "1000000000000"),
    ],
)
def test_money_is_a_decimal_string(amount: int, text: str) -> None:
    assert dollars(amount) == text


@given(st.integers(-(10**30), 10**30))
def test_money_as_text_is_the_same_money(amount: int) -> None:
    assert pico(dollars(amount)) == amount


@pytest.mark.parametrize("text", ["", "much", "0.0000000000001", "NaN", "inf"])
def test_what_is_no_money_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (its text is what was given)
        pico(text)


def test_a_line_without_a_price_leaves_the_whole_without_one() -> None:
    lines = (CostLine("input", 10, "token", 100), CostLine("container", 1, "container", reason="nobody knows"))

    assert (Priced(lines).amount, Priced(lines).known_amount, Priced(lines).reasons) == (None, 100, ("container: nobody knows",))


def test_nothing_that_is_paid_costs_nothing() -> None:
    assert Priced().amount == 0

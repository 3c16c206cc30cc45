"""Tables of a report: numbers as programs have them."""

from __future__ import annotations

import pytest

from playhead.proxy.reporting.contents import Group
from playhead.proxy.reporting.tables import TIMES, USED, Shown, dollars, name_of, number, plain_table, share, table, tail
from reported import Page, report


@pytest.mark.parametrize(
    ("text", "shown"), [("0", "0.0000"), ("1.5", "1.5000"), ("1234567.123456789", "1,234,567.123456789"), ("0.000000000001", "0.000000000001")]
)
def test_money_is_exact(text: str, shown: str) -> None:
    assert "".join(Page(dollars(text)).texts) == shown


def test_points_of_money_stand_below_each_other() -> None:
    assert (tail(["1.5", "0.0000123", "3"]), tail([])) == ("--tail: 3ch", "--tail: 0ch")


def test_counts_and_shares_are_empty_where_there_are_none() -> None:
    assert (number(None), number(1234), share(None), share(0.7512)) == ("", "1,234", "", "75.12 %")


def test_a_table_has_its_groups_and_their_sum() -> None:
    found = report()
    lines = Page(table(Shown(("model",), USED, found.breakdowns[0].groups, found.whole.row))).table("model")

    assert [line["model"] for line in lines] == ["m", "n", "in all"]
    assert [line["cost (USD)"] for line in lines] == ["0.0060", "0.000000000009", "0.006000000009"]
    assert [line["requests"] for line in lines] == ["4", "4", "8"]


def test_one_group_is_its_own_sum() -> None:
    found = report()

    assert len(Page(table(Shown(("model",), TIMES, found.breakdowns[0].groups[:1], found.whole.row))).table("model")) == 1


def test_what_has_no_name_and_the_rest_are_called_something() -> None:
    found = report().whole
    lacking, rest = Group((None, "s"), found.sums, found.row), Group((), found.sums, found.row, 1200)

    assert (name_of(("key", "session"), lacking), name_of(("key", "session"), rest)) == ("no key, s", "1,200 others")
    assert [line["key"] for line in Page(table(Shown(("key", "session"), USED, [lacking, rest]))).table("key")] == ["no key", "1,200 others"]


def test_any_table_has_its_words_and_numbers() -> None:
    assert Page(plain_table((("n", False), ("why", True)), [("1", "<x>")])).tables == [[["n", "why"], ["1", "<x>"]]]

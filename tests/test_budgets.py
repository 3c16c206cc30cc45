"""What was spent against budgets: verdicts by group and window, and what is told of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import pytest

from playhead.config.budgets import Window, parse_budgets
from playhead.proxy.pricing.budgets import Account, BudgetRow, failed, in_force, names_of, rows, verdict_of, whole_windows, with_names
from playhead.storage.costing.sums import Spend

DOLLAR = 10**12
DAY = "2026-11-26T06"


def on(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def account(budgets: str, *spent: tuple[str, str | None, Spend | int]) -> Account:
    """What was spent by hour and by key, in USD."""
    asked = parse_budgets([budgets])
    names = names_of(asked)
    found = Account(asked, names)
    for hour, key, amount in spent:
        group = tuple(key if name == "key" else "x" for name in names)
        found.add(hour, group, amount if isinstance(amount, Spend) else Spend(amount * DOLLAR, 1))
    return found


def told(budgets: str, *spent: tuple[str, str | None, Spend | int]) -> list[BudgetRow]:
    return rows(parse_budgets([budgets]), account(budgets, *spent).spends)


def short(found: Iterable[BudgetRow]) -> list[tuple[str, Sequence[str | None], str, str | None]]:
    return [(row.verdict, [*row.group.values()], row.spent, row.over) for row in found]


def test_what_is_spent_in_a_window_adds_up() -> None:
    assert short(told("5/day", ("2026-11-26T00", "a", 2), ("2026-11-26T23", "b", 3))) == [("held", [], "5", None)]


def test_more_than_the_limit_is_exceeded_by_the_rest() -> None:
    assert short(told("5/day", (DAY, "a", Spend(5 * DOLLAR + 1)))) == [("exceeded", [], "5.000000000001", "0.000000000001")]


def test_each_window_is_one_of_its_own() -> None:
    [worst, other] = told("5/day", ("2026-11-25T23", "a", 6), ("2026-11-26T00", "a", 7))

    assert (worst.since, worst.until, worst.over) == (on("2026-11-26"), on("2026-11-27"), "2")
    assert (other.since, other.over) == (on("2026-11-25"), "1")


def test_each_key_has_a_limit_of_its_own() -> None:
    assert short(told("key=*:5/day", (DAY, "a", 4), (DAY, "b", 6), (DAY, None, 1))) == [
        *(("exceeded", ["b"], "6", "1"), ("held", ["a"], "4", None), ("held", [None], "1", None)),
    ]


def test_a_budget_for_one_key_is_about_it_alone() -> None:
    assert short(told("key=a:5/day", (DAY, "a", 4), (DAY, "b", 6))) == [("held", ["a"], "4", None)]


def test_a_key_with_a_budget_of_its_own_is_not_among_the_others() -> None:
    assert short(told("key=*:5/day;key=ci:9/day", (DAY, "ci", 8), (DAY, "b", 2))) == [("held", ["ci"], "8", None), ("held", ["b"], "2", None)]


def test_what_has_no_price_leaves_a_budget_unknown() -> None:
    lacking = [Spend(DOLLAR, 2, unpriced=1), Spend(DOLLAR, 2, pending=1), Spend(DOLLAR, 2, unknown=1)]

    assert [told("5/day", (DAY, "a", one))[0].verdict for one in lacking] == ["unknown"] * 3


def test_what_is_exceeded_by_what_is_known_is_exceeded() -> None:
    [row] = told("5/day", (DAY, "a", Spend(6 * DOLLAR, 2, unpriced=1)))

    assert (row.verdict, row.unpriced, row.exchanges) == ("exceeded", 1, 2)


@pytest.mark.parametrize(("spent", "verdict"), [(0, "held"), (5, "held"), (6, "exceeded")])
def test_a_limit_may_be_reached(spent: int, verdict: str) -> None:
    assert verdict_of(5, Spend(spent)) == verdict


def test_a_limit_of_nothing_has_no_share() -> None:
    [row] = told("0/day", (DAY, "a", 1))

    assert (row.used, row.over) == (None, "1")


def test_a_total_is_of_the_time_range_that_was_asked_for() -> None:
    asked = parse_budgets(["5/total"])
    [row] = rows(asked, account("5/total", (DAY, "a", 1), ("2020-01-01T00", "a", 1)).spends, Window(on("2020-01-01"), None))

    assert (row.spent, row.since, row.until) == ("2", on("2020-01-01"), None)


def test_keys_of_one_name_are_one_and_a_budget_may_name_them_so() -> None:
    keys = {"k_1": "production", "k_2": "production"}
    asked = with_names(parse_budgets(["key=*:5/day", "key=k_1:9/day"]), keys)
    found = Account(asked, names_of(asked), keys)
    for key in ("k_1", "k_2", "k_3"):
        found.add(DAY, (key,), Spend(4 * DOLLAR, 1))

    assert [(row.budget, row.group, row.spent) for row in rows(asked, found.spends)] == [
        ("key=production:9/day", {"key": "production"}, "8"),
        ("key=*:5/day", {"key": "k_3"}, "4"),
    ]


def test_a_budget_that_nothing_is_about_is_named() -> None:
    assert list(map(str, account("5/day;key=gone:5/day", (DAY, "a", 1)).missing())) == ["key=gone:5/day"]


@pytest.mark.parametrize(("strict", "fails"), [(False, False), (True, True)])
def test_a_check_fails_by_what_nobody_knows_only_if_it_is_asked_to(strict: bool, fails: bool) -> None:
    assert failed(told("5/day", (DAY, "a", Spend(0, 1, unpriced=1))), strict=strict) is fails


def test_a_check_fails_by_what_is_exceeded() -> None:
    assert failed(told("5/day", (DAY, "a", 6)), strict=False)
    assert not failed(told("5/day", (DAY, "a", 5)), strict=True)


@pytest.mark.parametrize(
    ("budgets", "since", "until", "window"),
    [
        ("5/day", "2026-11-26T06:30", None, ("2026-11-26", None)),
        ("5/day", None, "2026-11-26T06:30", (None, "2026-11-27")),
        ("5/day", None, "2026-11-26", (None, "2026-11-26")),
        ("5/day;1/month", "2026-11-26T06:30", "2026-11-26T07:00", ("2026-11-01", "2026-12-01")),
        ("5/total", "2026-11-26T06:30", "2026-11-26T07:00", ("2026-11-26T06:30", "2026-11-26T07:00")),
        ("5/day", None, None, (None, None)),
    ],
)
def test_a_time_range_is_one_of_whole_windows(budgets: str, since: str | None, until: str | None, window: tuple[str | None, str | None]) -> None:
    ends = [None if text is None else on(text) for text in (since, until, *window)]

    assert whole_windows(parse_budgets([budgets]), ends[0], ends[1]) == Window(ends[2], ends[3])


def shown(budgets: str, *spent: tuple[str, str | None, Spend | int], most: int = 9) -> list[tuple[str, str, int]]:
    asked = parse_budgets([budgets])
    found = in_force(asked, account(budgets, *spent).spends, on(f"{DAY}:30"), most)
    return [(str(budget), key, spend.amount // DOLLAR) for budget, key, spend in found]


def test_in_force_are_the_windows_of_the_moment() -> None:
    assert shown("5/day;9/month", ("2026-11-25T06", "a", 1), (DAY, "a", 2)) == [("5/day", "", 2), ("9/month", "", 3)]


def test_a_budget_of_which_nothing_was_spent_is_there() -> None:
    assert shown("5/day;key=a:1/hour;key=*:2/hour") == [("5/day", "", 0), ("key=a:1/hour", "", 0)]


def test_of_many_keys_those_are_shown_that_have_spent_most() -> None:
    assert shown("key=*:5/day", (DAY, "a", 1), (DAY, "b", 3), (DAY, None, 2), most=2) == [("key=*:5/day", "b", 3), ("key=*:5/day", "", 2)]

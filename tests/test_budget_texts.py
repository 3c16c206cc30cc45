"""How budgets are written, and the windows that they are for."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.config import budgets
from playhead.config.budgets import EACH, Budget, Period, Window, parse_budgets, window_of
from playhead.storage.costing.spending import check_groups

AT = datetime(2026, 11, 26, 6, 30, 15, tzinfo=UTC)  # a Thursday


def on(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("5.00/day", Budget(Decimal("5.00"), "day")),
        (" 5 / month ", Budget(Decimal(5), "month")),
        ("0/total", Budget(Decimal(0), "total")),
        ("key=abc:5/day", Budget(Decimal(5), "day", (("key", "abc"),))),
        ("key=*:0.25/hour", Budget(Decimal("0.25"), "hour", (("key", EACH),))),
        ("session=a:b,model=gpt-5:1/week", Budget(Decimal(1), "week", (("model", "gpt-5"), ("session", "a:b")))),
        ("header:X-Team=core:1/day", Budget(Decimal(1), "day", (("header:x-team", "core"),))),
        ("metadata.team=x y:1/day", Budget(Decimal(1), "day", (("metadata.team", "x y"),))),
    ],
)
def test_a_budget_is_an_amount_for_a_period_and_perhaps_for_a_group(text: str, budget: Budget) -> None:
    assert Budget.parse(text) == budget


@pytest.mark.parametrize("text", ["5.00/day", "key=*:0.000000000001/hour", "model=gpt-5,session=a:b:1/week"])
def test_a_budget_reads_back_as_it_is_written(text: str) -> None:
    assert str(Budget.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("5", "it is no AMOUNT/PERIOD"),
        ("", "it is no AMOUNT/PERIOD"),
        ("five/day", "'five' is no amount in USD"),
        ("-5/day", "'-5' is no amount in USD"),
        ("5e3/day", "'5e3' is no amount in USD"),
        ("$5/day", "'$5' is no amount in USD"),
        ("0.0000000000001/day", "is no amount in USD"),
        ("5/year", "'year' is no period: hour, day, week, month or total"),
        ("day/5", "'day' is no amount in USD"),
        ("team=x:5/day", "'team' is no group: session, model,"),
        ("metadata.=x:5/day", "'metadata.' is no group"),
        ("key=:5/day", "'key=' is no GROUP=VALUE"),
        ("key=a,b:5/day", "'b' is no GROUP=VALUE"),
        ("key=a,key=b:5/day", "key stands there twice"),
    ],
)
def test_what_is_no_budget_is_refused_with_what_is_wrong_and_what_is_allowed(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"AMOUNT/PERIOD in USD, such as") as refused:
        Budget.parse(text)

    assert why in str(refused.value)


@given(st.text(max_size=40))
def test_any_text_is_a_budget_or_refused(text: str) -> None:
    try:
        budget = Budget.parse(text)
    except ValueError:
        return
    assert Budget.parse(str(budget)) == budget


def test_an_amount_is_counted_exactly() -> None:
    assert Budget.parse("123456789.123456789012/day").pico == 123_456_789_123_456_789_012


def test_several_stand_in_one_text() -> None:
    assert list(map(str, parse_budgets(["5/day; key=*:1/hour", "9/month;"]))) == ["5/day", "key=*:1/hour", "9/month"]


def test_a_budget_that_names_no_group_is_made_one_for_each() -> None:
    assert str(Budget.parse("5/day").by(("model", "key"))) == "key=*,model=*:5/day"
    assert str(Budget.parse("session=x:5/day").by(("key",))) == "session=x:5/day"


def test_the_groups_that_budgets_know_are_those_that_can_be_grouped_by() -> None:
    check_groups((*budgets.GROUPS, *budgets.LABELS, "metadata.team", "header:x-team"))


@pytest.mark.parametrize(
    ("budget", "other", "outranks"),
    [
        ("key=ci:9/day", "key=*:5/day", True),
        ("key=*:5/day", "key=ci:9/day", False),
        ("key=ci:9/day", "key=*:5/month", False),
        ("key=ci:9/day", "5/day", False),
        ("key=ci:9/day", "key=ci:5/day", False),
        ("key=ci,model=*:9/day", "key=*,model=*:5/day", True),
    ],
)
def test_a_budget_of_its_own_takes_the_place_of_that_for_each(budget: str, other: str, outranks: bool) -> None:
    assert Budget.parse(budget).outranks(Budget.parse(other)) is outranks


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("hour", "2026-11-26T06:00", "2026-11-26T07:00"),
        ("day", "2026-11-26T00:00", "2026-11-27T00:00"),
        ("week", "2026-11-23T00:00", "2026-11-30T00:00"),
        ("month", "2026-11-01T00:00", "2026-12-01T00:00"),
    ],
)
def test_a_window_is_that_of_the_calendar(period: Period, start: str, end: str) -> None:
    assert window_of(period, AT) == Window(on(start), on(end))


def test_a_total_has_no_window() -> None:
    assert window_of("total", AT) == Window(None, None)


def test_a_year_ends_as_other_months_do() -> None:
    assert window_of("month", on("2026-12-31T23:59")).end == on("2027-01-01")


def test_a_moment_of_another_zone_lies_in_the_window_of_utc() -> None:
    assert window_of("day", datetime.fromisoformat("2026-11-26T01:00+02:00")).start == on("2026-11-25")


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)), st.sampled_from(["hour", "day", "week", "month"]))
def test_windows_stand_end_to_end(at: datetime, period: Period) -> None:
    window = window_of(period, at)

    assert window.start is not None
    assert window.end is not None
    assert window.start <= at < window.end
    assert window_of(period, window.end).start == window.end

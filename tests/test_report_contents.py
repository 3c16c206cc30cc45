"""What stands in a report: time without gaps, the dearest groups and the rest, and sums that are those of the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from playhead.proxy.reporting.contents import FAILURES, Read, groupings, report_of, slots_of, unit_of
from playhead.storage.costing.sums import Key, Reason, Sums
from reported import ASKED, FIRST, ONE, read, report, sums


@pytest.mark.parametrize(("days", "unit"), [(0, "hour"), (4, "hour"), (5, "day"), (400, "day"), (401, "month")])
def test_time_is_cut_as_the_range_asks(days: int, unit: str) -> None:
    assert unit_of((FIRST, FIRST + timedelta(days=days))) == unit


def test_slots_have_no_gaps() -> None:
    assert slots_of("hour", FIRST, FIRST + timedelta(hours=2)) == ["2026-11-01T04", "2026-11-01T05", "2026-11-01T06"]
    assert slots_of("day", FIRST, FIRST + timedelta(hours=20)) == ["2026-11-01", "2026-11-02"]
    assert slots_of("month", datetime(2026, 11, 30, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC)) == ["2026-11", "2026-12", "2027-01", "2027-02"]


def test_the_store_is_read_as_few_times_as_possible() -> None:
    assert groupings("day", ("model",)) == [("day", "model"), ("key", "session")]
    assert groupings("day", ("session", "key")) == [("day", "model"), ("key", "session")]
    assert groupings("day", ("project", "model")) == [("day", "model"), ("key", "session"), ("project", "model")]


def test_money_over_time_is_told_apart_by_model() -> None:
    time = report({("2026-11-01", "m"): sums(30), ("2026-11-01", "n"): sums(20), ("2026-11-03", "n"): sums(5)}, days=5).time

    assert time is not None
    assert (time.unit, time.models, time.others) == ("day", ("m", "n"), False)
    assert [(slot.at, slot.parts) for slot in time.slots[:3]] == [("2026-11-01", (30, 20, 0)), ("2026-11-02", (0, 0, 0)), ("2026-11-03", (0, 5, 0))]
    assert [one.name for one in time.table] == [("2026-11-01",), ("2026-11-03",)]


def test_of_many_models_the_dearest_have_colours_and_the_others_share_one() -> None:
    time = report({("2026-11-01", f"m{place}"): sums(100 - place) for place in range(9)}, days=5).time

    assert time is not None
    assert (time.models, time.others) == (("m0", "m1", "m2", "m3", "m4"), True)
    assert time.slots[0].parts == (100, 99, 98, 97, 96, 95 + 94 + 93 + 92)


def test_a_table_over_a_year_is_by_the_month() -> None:
    days = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(0, 300, 3)]
    time = report({(f"{day:%Y-%m-%d}", "m"): sums(1) for day in days}, days=300).time

    assert time is not None
    assert (time.unit, time.table_unit, time.table[0].name, time.table[0].sums.cost) == ("day", "month", ("2026-01",), 11)


def test_of_many_groups_the_dearest_come_first_and_the_rest_is_one() -> None:
    by_key: dict[Key, Sums] = {(None, f"s{place:02d}"): sums(100 - place) for place in range(40)}
    sessions = report(by_key=by_key).breakdowns[2]

    assert (sessions.by, sessions.count, len(sessions.groups)) == (("session",), 40, 13)
    assert [one.name for one in sessions.groups[:2]] == [("s00",), ("s01",)]
    assert (sessions.groups[-1].rest, sessions.groups[-1].sums.cost) == (28, sum(100 - place for place in range(12, 40)))
    assert sessions.groups[-1].sums.requests == 28 * ONE.requests


def test_a_rest_of_one_group_is_that_group() -> None:
    sessions = report(by_key={(None, f"s{place:02d}"): sums(100 - place) for place in range(13)}).breakdowns[2]

    assert [one.rest for one in sessions.groups] == [0] * 13


def test_the_sum_is_that_of_every_breakdown() -> None:
    whole = report(by_key={("k_1", f"s{place}"): sums(place) for place in range(30)})

    assert {one.by: sum(group.sums.cost for group in one.groups) for one in whole.breakdowns[1:]} == {("key",): 435, ("session",): 435}


def test_percentiles_of_days_and_models_are_those_of_all_their_times() -> None:
    found = report({("2026-11-01", "m"): ONE, ("2026-11-02", "m"): ONE, ("2026-11-02", "n"): ONE})

    assert found.whole.row.first_event_p50_ms == 20
    assert found.breakdowns[0].groups[0].row.first_event_p90_ms == 900


def test_one_more_breakdown_is_what_was_asked_for() -> None:
    asked = report_of(ASKED, ("model", "day"), read({("2026-11-01", "m"): ONE}, days=5))

    assert asked.breakdowns[-1].by == ("model", "day")
    assert asked.breakdowns[-1].groups[0].name == ("m", "2026-11-01")


@pytest.mark.parametrize("by", [(), ("model",), ("day",), ("session",)])
def test_what_is_there_anyhow_is_not_there_twice(by: tuple[str, ...]) -> None:
    assert [one.by for one in report_of(ASKED, by, read({("2026-11-01", "m"): ONE}, days=5)).breakdowns] == [("model",), ("key",), ("session",)]


def test_retries_that_do_not_say_so_are_counted_in_every_view() -> None:
    found = report(days=5, retries=[("2026-11-01", "m", "k_1", "default")])

    assert found.whole.row.retries == 1
    assert [one.groups[0].row.retries for one in found.breakdowns] == [1, 1, 1]


def test_keys_have_names_and_those_of_one_name_are_one() -> None:
    found = report(by_key={("k_1", "s"): sums(1), ("k_2", "s"): sums(2)}, names={"k_1": "ci", "k_2": "ci"})

    assert [(one.name, one.sums.cost) for one in found.breakdowns[1].groups] == [(("ci",), 3)]


def test_failures_come_with_the_most_frequent_first() -> None:
    found = report(failures={("500", None, "complete"): 1, ("429", "x", "complete"): 7}).failures

    assert found is not None
    assert (found.by, [(one.name, one.sums.errors) for one in found.groups]) == (FAILURES, [(("429", "x", "complete"), 7), (("500", None, "complete"), 1)])


def test_of_very_many_reasons_the_rest_is_counted() -> None:
    found = report(reasons=[Reason(f"why {place}", "m", 50 - place) for place in range(25)])

    assert (len(found.reasons), found.more_reasons) == (20, 30 + 29 + 28 + 27 + 26)


def test_nothing_makes_an_empty_report() -> None:
    found = report_of(ASKED, ("model",), Read(None))

    assert (found.span, found.time, found.breakdowns, found.whole.row.requests) == (None, None, (), 0)

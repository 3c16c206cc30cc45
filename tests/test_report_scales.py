"""Axes: round numbers, and places on them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.reporting.scales import heights, log_ticks, money, number, scale_to, slot_labels, time_span


@pytest.mark.parametrize(("most", "ticks"), [(0, (0, 1)), (1, (0, 1)), (4, (0, 1, 2, 3, 4)), (7, (0, 2, 4, 6, 8)), (230, (0, 100, 200, 300))])
def test_an_axis_has_round_numbers_up_to_the_greatest_value(most: int, ticks: tuple[int, ...]) -> None:
    assert scale_to(most).ticks == ticks


@given(st.integers(0, 10**20), st.sampled_from((1, 10**8)))
def test_every_value_has_its_place(most: int, least_step: int) -> None:
    scale = scale_to(most, least_step)

    assert scale.top >= most
    assert len(scale.ticks) <= 5
    assert 0 <= scale.place(most, 100) <= 100


def test_an_axis_is_no_finer_than_it_shall_be() -> None:
    assert scale_to(3, 100).ticks == (0, 100)


def test_a_stack_stands_on_what_is_below() -> None:
    assert heights((1, 0, 3), scale_to(4), 40) == [(0, 10), (10, 10), (10, 40)]


@pytest.mark.parametrize(("least", "most", "ticks"), [(3, 800, (1, 10, 100, 1000)), (10, 10, (10, 100)), (1, 1, (1, 10)), (150, 9000, (100, 1000, 10000))])
def test_times_lie_between_powers_of_ten(least: int, most: int, ticks: tuple[int, ...]) -> None:
    assert log_ticks(least, most) == ticks


def test_ticks_are_written_short() -> None:
    assert [number(value) for value in (0, 500, 1500, 1000, 2_500_000, 3 * 10**9)] == ["0", "500", "1.5k", "1k", "2.5M", "3G"]
    assert [money(value) for value in (0, 10**8, 5 * 10**11, 1500 * 10**12)] == ["0", "0.0001", "0.5", "1,500"]
    assert [time_span(ms) for ms in (100, 1000, 10**7)] == ["100 ms", "1 s", "10,000 s"]


def test_days_and_months_have_names() -> None:
    assert slot_labels(["2026-11-01", "2026-11-02"], 9) == [(0, "1 Nov"), (1, "2 Nov")]
    assert slot_labels(["2026-11"], 9) == [(0, "Nov 2026")]


def test_where_there_is_no_place_for_all_every_other_day_has_a_name() -> None:
    assert slot_labels([f"2026-11-{day:02d}" for day in range(1, 7)], 3) == [(0, "1 Nov"), (2, "3 Nov"), (4, "5 Nov")]


def test_hours_are_named_at_round_times_and_midnight_by_its_day() -> None:
    hours = [f"2026-11-{1 + hour // 24:02d}T{hour % 24:02d}" for hour in range(3, 31)]

    assert [text for _, text in slot_labels(hours, 3)] == ["12:00", "2 Nov"]
    assert [text for _, text in slot_labels(hours, 5)] == ["06:00", "12:00", "18:00", "2 Nov", "06:00"]


def test_even_very_many_slots_have_few_names() -> None:
    assert len(slot_labels([f"{1000 + year}-01" for year in range(5000)], 14)) == 1

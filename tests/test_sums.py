"""Sums of groups put together, and times that are counted as texts."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.audit import NOTHING
from playhead.storage.costing.sums import LACKING, Found, Rounding, add_found, count_times, lacking_of, regrouped, rounded


@given(st.lists(st.integers(0, 10**7)))
def test_times_that_come_as_texts_are_rounded_as_numbers_are(times: list[int]) -> None:
    rounding = Rounding()

    assert [rounding[str(ms)] for ms in times * 2] == [rounded(ms) for ms in times * 2]


def test_no_more_texts_are_kept_than_have_room() -> None:
    rounding = Rounding()
    for ms in range(250_000):
        assert rounding[str(ms)] <= ms

    assert len(rounding) <= 200_000


def found(key: str, requests: int) -> Found:
    return Found({(key,): NOTHING._replace(requests=requests)}, {(key,): {10: requests}}, {(key,): {20: requests}})


def test_what_was_found_in_two_parts_is_put_together() -> None:
    whole = found("a", 1)
    add_found(whole, found("a", 2))
    add_found(whole, found("b", 4))

    assert {key: one.requests for key, one in whole.sums.items()} == {("a",): 3, ("b",): 4}
    assert (whole.first, whole.whole) == ({("a",): {10: 3}, ("b",): {10: 4}}, {("a",): {20: 3}, ("b",): {20: 4}})


def test_groups_that_get_one_key_are_one() -> None:
    whole = found("2026-11-01", 1)
    add_found(whole, found("2026-11-02", 2))
    again = regrouped(whole, lambda key: ((key[0] or "")[:7],))

    assert (again.sums[("2026-11",)].requests, again.first) == (3, {("2026-11",): {10: 3}})


def test_times_are_counted_each_as_often_as_it_comes() -> None:
    known: dict[tuple[str | None, ...], dict[int, int]] = {("b",): {10: 1}}
    for key in ("a", "b"):
        count_times(known, (key,), [10, 20, 10])
        count_times(known, (key,), [20])

    assert known == {("a",): {10: 2, 20: 2}, ("b",): {10: 3, 20: 2}}


def test_what_has_no_price_is_named_by_why_if_any_group_has_it() -> None:
    assert lacking_of(found("a", 1)) == ()
    for name in LACKING:
        whole = found("a", 1)
        one: Any = {name: 1}
        add_found(whole, Found({("b",): NOTHING._replace(**one)}, {}, {}))
        assert lacking_of(whole) == (name,)

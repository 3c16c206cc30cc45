"""The rows of an audit: sums as they were found, shares, percentiles, and an order that reads well."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.audit import NOTHING, named, percentile, renamed, rows, table, total
from playhead.storage.costing.sums import Found, Sums, added, rounded

ONE = Sums(2, 1, 0, (100, 300, 0, 50, 20), (10**9, 2 * 10**9, 0, 3 * 10**9, 0), 6 * 10**9, 1, 0, 0, 0, 0, 50, 2_000_000)
OTHER = NOTHING._replace(requests=1, cost=10**12, unpriced=1, unpriced_tokens=7)


def found(**by: Sums) -> Found:
    return Found({(key,): sums for key, sums in by.items()}, {}, {})


def test_a_row_has_what_was_summed_up_in_words_for_programs() -> None:
    [row] = rows(("model",), found(m=ONE))

    assert row.group == {"model": "m"}
    assert (row.requests, row.errors, row.input_tokens, row.cached_tokens, row.output_tokens, row.reasoning_tokens) == (2, 1, 100, 300, 50, 20)
    assert (row.cost, row.input_cost, row.cached_cost, row.output_cost, row.tools_cost, row.assumed) == ("0.006", "0.001", "0.002", "0.003", "0", 1)


def test_the_cached_share_is_that_of_all_input() -> None:
    assert next(rows((), Found({(): ONE}, {}, {}))).cached_share == 0.75


def test_tokens_per_second_are_those_of_streams() -> None:
    assert next(rows((), Found({(): ONE}, {}, {}))).tokens_per_second == 25


def test_nothing_has_no_shares() -> None:
    [row] = rows((), Found({(): NOTHING}, {}, {}))

    assert (row.cached_share, row.tokens_per_second, row.duration_p50_ms, row.cost) == (None, None, None, "0")


def test_the_dearest_come_first() -> None:
    assert [row.group["model"] for row in rows(("model",), found(cheap=ONE, dear=OTHER))] == ["dear", "cheap"]


def test_days_come_in_their_order() -> None:
    days = Found({("m", "2026-11-02"): ONE, ("m", "2026-11-01"): OTHER, ("n", "2026-11-01"): ONE}, {}, {})

    assert [tuple(row.group.values()) for row in rows(("model", "day"), days)] == [("m", "2026-11-01"), ("n", "2026-11-01"), ("m", "2026-11-02")]


def test_keys_have_the_names_that_they_were_given() -> None:
    names = {"k_1": "production"}

    assert next(rows(("key",), named(("key",), found(k_1=ONE), names))).group == {"key": "production"}
    assert next(rows(("user",), named(("user",), found(k_1=ONE), names))).group == {"user": "k_1"}


def test_keys_of_one_name_are_one() -> None:
    both = Found({("k_1",): ONE, ("k_2",): ONE}, {("k_1",): {10: 1}, ("k_2",): {10: 2, 20: 1}}, {})
    [row] = rows(("key",), named(("key",), both, {"k_1": "ci", "k_2": "ci"}))

    assert (row.group, row.requests, row.first_event_p99_ms) == ({"key": "ci"}, 4, 20)


def test_retries_of_keys_go_by_their_names() -> None:
    assert renamed(("model", "key"), {"k_1": "ci"}, [("m", "k_1"), ("k_1", None)]) == [("m", "ci"), ("k_1", None)]


def test_a_retry_that_does_not_say_so_counts_as_one() -> None:
    assert next(rows(("model",), found(m=ONE), [("m",), ("m",)])).retries == 2


def test_a_retry_of_a_group_that_came_later_is_left_out() -> None:
    assert [row.retries for row in rows(("model",), found(m=ONE), [("n",)])] == [0]


def test_what_lacks_a_price_lacks_it_for_any_reason() -> None:
    assert next(rows((), Found({(): NOTHING._replace(unpriced=1, pending=2, lost=4, pruned=8)}, {}, {}))).lacking == 15


def test_the_sum_is_that_of_all_groups() -> None:
    both = Found({("a",): ONE, ("b",): OTHER}, {("a",): {10: 1}, ("b",): {20: 3}}, {})
    whole = total(both, retries=1)

    assert (whole.group, whole.requests, whole.cost, whole.unpriced, whole.retries) == ({}, 3, "1.006", 1, 1)
    assert (whole.first_event_p50_ms, whole.first_event_p99_ms) == (20, 20)


@pytest.mark.parametrize(("share", "ms"), [(50, 20), (90, 40), (99, 40), (25, 10), (26, 20)])
def test_a_percentile_is_the_least_time_that_so_many_do_not_exceed(share: int, ms: int) -> None:
    assert percentile({10: 1, 20: 1, 30: 1, 40: 1}, share) == ms


@given(st.integers(0, 10**9))
def test_a_time_is_rounded_to_two_significant_digits(ms: int) -> None:
    about = rounded(ms)

    assert about <= ms
    assert ms - about <= ms / 10
    assert len(str(about).rstrip("0")) <= 2


def test_groups_are_added_number_by_number() -> None:
    both = added(ONE, ONE)

    assert (both.requests, both.counts, both.cost, both.micros) == (4, (200, 600, 0, 100, 40), 12 * 10**9, 4_000_000)


def test_lines_of_csv_have_a_column_for_each_part_of_the_group() -> None:
    names, values = table(("model",), rows(("model",), found(m=ONE)))

    assert names[:3] == ["model", "requests", "errors"]
    assert values[:3] == ["m", 2, 1]
    assert len(names) == len(values)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ('=cmd|"/c calc"!A1', '\'=cmd|"/c calc"!A1'),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+1", "'+1"),
        ("-2+3", "'-2+3"),
        ("\t=1", "' =1"),
        ("\x1b[31mred\r\n\u202e", " [31mred   "),
        ("gpt-5", "gpt-5"),
        ("größe, 漢字", "größe, 漢字"),
        (None, None),
    ],
)
def test_no_name_in_csv_is_a_formula_or_leaves_its_line(name: str | None, written: str | None) -> None:
    [_, line] = table(("user",), rows(("user",), Found({(name,): ONE}, {}, {})))

    assert line[0] == written

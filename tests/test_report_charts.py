"""Charts: shapes in their places, each with its numbers as a title."""

from __future__ import annotations

import pytest

from playhead.proxy.reporting.charts import WIDTH, Bar, Range, Series, bars, columns, legend, line, ranges, shares
from playhead.proxy.reporting.markup import Markup
from playhead.proxy.reporting.scales import scale_to
from reported import Page

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")


def numbers(chart: Markup, shape: str, name: str) -> list[float]:
    return [float(attributes[name] or 0) for attributes in Page(chart).named(shape)]


def test_columns_stand_on_each_other_and_are_as_high_as_their_values() -> None:
    chart = columns("Cost", DAYS, [Series("a", "c0", (1, 0, 2)), Series("b", "c1", (3, 0, 0))], scale_to(4), str, height=232)

    assert numbers(chart, "rect", "height") == [50, 150, 100]
    assert numbers(chart, "rect", "y") == [160, 10, 110]


def test_a_slot_says_its_numbers() -> None:
    assert "2026-11-01\na: 1\nb: 3" in Page(columns("Cost", DAYS, [Series("a", "c0", (1, 0, 2)), Series("b", "c1", (3, 0, 0))], scale_to(4), str)).texts


def test_what_is_all_but_nothing_can_be_seen() -> None:
    assert numbers(columns("Cost", DAYS, [Series("a", "c0", (1, 0, 10**9))], scale_to(10**9), str), "rect", "height")[0] > 0


def test_a_line_is_broken_where_there_is_nothing() -> None:
    chart = line("Cache", [f"2026-11-0{day}" for day in range(1, 6)], [0.5, 1.0, None, 0.25, 0.25])

    assert len(Page(chart).named("polyline")) == 2
    assert len(Page(chart).named("circle")) == 4


def test_bars_are_as_long_as_their_values_and_say_them() -> None:
    chart = bars("Cost", [Bar("m", ((30, "c0", "input: 30"), (10, "c1", "output: 10")), "40"), Bar("n", ((20, "c0", "input: 20"),), "20")])
    first, second, third = numbers(chart, "rect", "width")

    assert (first, first + second) == (3 * second, 2 * third)
    assert {"m\ninput: 30", "40", "n\ninput: 20", "20"} <= set(Page(chart).texts)


def test_no_text_behind_a_bar_leaves_the_chart() -> None:
    text = "999,999,999.9999 (100.0 %)"
    [end] = [float(one["x"] or 0) for one in Page(bars("Cost", [Bar("m", ((10**18, "c0", ""),), text)])).named("text") if one["class"] == "value"]

    assert end + 6.5 * len(text) < WIDTH


def test_parts_of_a_whole_say_their_shares() -> None:
    texts = Page(shares("Tokens", [("tokens", [(3, "c0", "input: 3"), (1, "c1", "output: 1"), (0, "c2", "none")])])).texts

    assert {"input: 3, 75.0%", "75%", "output: 1, 25.0%"} <= set(texts)
    assert not any("none" in text for text in texts)


def test_ten_times_as_long_is_one_step_further() -> None:
    one, ten, hundred = numbers(ranges("Times", [Range("m", (10, 100, 1000))], ("p50", "p90", "p99")), "circle", "cx")

    assert round(ten - one, 1) == round(hundred - ten, 1) > 100


def test_a_range_says_its_percentiles() -> None:
    assert "m\np50: 10 ms\np90: 1,200 ms" in Page(ranges("Times", [Range("m", (10, 1200))], ("p50", "p90"))).texts


def test_no_time_at_all_has_a_place() -> None:
    assert numbers(ranges("Times", [Range("m", (0, 0, 0))], ("p50", "p90", "p99")), "circle", "cx")[0] > 0


def test_a_chart_without_anything_is_one() -> None:
    for chart in (columns("Cost", [], [], scale_to(0), str), line("Cache", [], []), bars("Cost", []), shares("Tokens", []), ranges("Times", [], ())):
        assert Page(chart).named("svg")[0]["role"] == "img"


def test_names_are_clipped_and_told_whole() -> None:
    name = "m" * 80
    texts = Page(bars("Cost", [Bar(name, (), "")])).texts

    assert name in texts
    assert f"{'m' * 29}…" in texts


@pytest.mark.parametrize(("name", "length"), [("gpt-5-mini", None), ("W" * 60, "196")])
def test_a_long_name_keeps_its_beginning_however_wide_its_letters_are(name: str, length: str | None) -> None:
    assert [text.get("textlength") for text in Page(bars("Cost", [Bar(name, (), "")])).named("text") if text["class"] == "name"] == [length]


def test_a_legend_names_its_colours() -> None:
    page = Page(legend([("input", "c0")]))

    assert page.texts == ["input"]
    assert page.named("span")[0]["class"] == "key c0"

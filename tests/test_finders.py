"""What rules look for in texts is replaced, and numbered where it tells things apart."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from playhead.config.rules import parse_rule
from playhead.proxy.fingerprinting.canonical import parse
from playhead.proxy.fingerprinting.finders import Numbering, finder_of, in_order, replaced

ONE, TWO = "76f8b89e-4a41-46fb-86ae-546cc1e4ba6c", "11111111-4a41-46fb-86ae-546cc1e4ba6c"


def under(*lines: str, text: str) -> str:
    return replaced(text, in_order([finder_of(parse_rule(line)) for line in lines]), Numbering())


def test_what_tells_things_apart_is_numbered_in_the_order_of_first_appearance() -> None:
    assert under("normalize uuid", text=f"{ONE} {TWO} {ONE}") == "<uuid:1> <uuid:2> <uuid:1>"


def test_times_are_not_numbered_since_it_is_chance_whether_they_are_equal() -> None:
    assert under("normalize timestamp", text="12:00:01 12:00:02 12:00:01") == "<timestamp> <timestamp> <timestamp>"


def test_each_pattern_has_numbers_of_its_own() -> None:
    assert under("normalize uuid", "normalize hex", text=f"1f4c9a2b {ONE}") == "<hex:1> <uuid:1>"


def test_the_order_of_rules_is_of_no_account() -> None:
    lines = ("normalize hex", "normalize uuid", "normalize tempdir", "normalize /x/ as x", "redact /y/ as y")
    text = f"/tmp/{ONE}/x {TWO} 1f4c9a2b y"
    assert under(*lines, text=text) == under(*reversed(lines), text=text) == "<tempdir:1>/<x:1> <uuid:1> <hex:1> <redacted:y>"


def test_a_pattern_of_ones_own_is_numbered_under_its_name() -> None:
    assert under(r"normalize /build-\d+/ as build", text="build-1 build-2") == "<build:1> <build:2>"


def test_a_named_group_is_what_is_replaced() -> None:
    assert under(r"normalize /ticket #(?P<number>\d+)/ as ticket", text="see ticket #12") == "see ticket #<ticket:1>"


def test_what_is_redacted_is_replaced_as_redact_has_replaced_it_in_the_recording() -> None:
    line = r"redact /[a-z]+@[a-z.]+/ as email"
    assert under(line, text="to a@b.de") == under(line, text="to <redacted:email>") == "to <redacted:email>"


def test_numbers_go_on_from_text_to_text() -> None:
    numbering = Numbering()
    finder = finder_of(parse_rule("normalize uuid"))
    assert [finder.text(text, numbering) for text in (ONE, TWO, ONE)] == ["<uuid:1>", "<uuid:2>", "<uuid:1>"]


def test_numbers_are_had_again_as_they_were_before_an_item() -> None:
    numbering = Numbering()
    for numbering.place, value in enumerate(["a", "b", "c"]):
        numbering.number("uuid", value)
    before = numbering.before(2)
    assert [before.number("uuid", value) for value in ("b", "d", "a", "c")] == [2, 3, 1, 4]


@pytest.mark.parametrize(
    ("value", "found"), [(1769860801, True), (1769860801123, True), (42, False), (Decimal("1769860801.5"), True), (parse("1769860801.5"), True), (0.5, False)]
)
def test_numbers_that_are_points_in_time_are_found_everywhere(value: Any, found: bool) -> None:
    assert finder_of(parse_rule("normalize timestamp")).finds_number(value) is found


@pytest.mark.parametrize("value", [parse("1e999999999"), Decimal("Infinity"), 10**4000, parse("1e-999999999")])
def test_a_number_may_be_any(value: Any) -> None:
    assert not finder_of(parse_rule("normalize timestamp")).finds_number(value)


@pytest.mark.parametrize(("line", "found"), [("normalize port in $.a", True), ("normalize port", False), ("normalize uuid in $.a", False)])
def test_where_a_rule_names_the_place_any_number_may_be_meant(line: str, found: bool) -> None:
    assert finder_of(parse_rule(line)).finds_number(4915) is found

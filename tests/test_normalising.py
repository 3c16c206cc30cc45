"""Bodies under rules: what is left out, what is named, where."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from playhead.config.rules import BUILT_IN, parse_rule
from playhead.proxy.fingerprinting.finders import Numbering
from playhead.proxy.fingerprinting.normalising import GONE, Normaliser

ONE, TWO = "76f8b89e-4a41-46fb-86ae-546cc1e4ba6c", "11111111-4a41-46fb-86ae-546cc1e4ba6c"
DAY = "2026-01-31"


def under(value: Any, *lines: str) -> Any:
    return Normaliser(map(parse_rule, lines)).whole(value)


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("ignore $.a", {"b": [{"a": 3}, {"a": 4, "c": 5}], "c": 6}),
        ("ignore $.a.a", {"a": {"b": 2}, "b": [{"a": 3}, {"a": 4, "c": 5}], "c": 6}),
        ("ignore $..a", {"b": [{}, {"c": 5}], "c": 6}),
        ("ignore $.b[0]", {"a": {"a": 1, "b": 2}, "b": [{"a": 4, "c": 5}], "c": 6}),
        ("ignore $.b[*].a", {"a": {"a": 1, "b": 2}, "b": [{}, {"c": 5}], "c": 6}),
        ("ignore $.b[*]", {"a": {"a": 1, "b": 2}, "b": [], "c": 6}),
        ("ignore $.*", {}),
        ("ignore $..[1]", {"a": {"a": 1, "b": 2}, "b": [{"a": 3}], "c": 6}),
        ("ignore $.b..c", {"a": {"a": 1, "b": 2}, "b": [{"a": 3}, {"a": 4}], "c": 6}),
        ("ignore $.a[0]", {"a": {"a": 1, "b": 2}, "b": [{"a": 3}, {"a": 4, "c": 5}], "c": 6}),
        ("ignore $.nothing", {"a": {"a": 1, "b": 2}, "b": [{"a": 3}, {"a": 4, "c": 5}], "c": 6}),
        ("redact $.a as user", {"a": "<redacted:user>", "b": [{"a": 3}, {"a": 4, "c": 5}], "c": 6}),
    ],
)
def test_what_a_path_names_is_left_out_or_replaced(line: str, left: Any) -> None:
    assert under({"a": {"a": 1, "b": 2}, "b": [{"a": 3}, {"a": 4, "c": 5}], "c": 6}, line) == left


def test_a_pattern_is_looked_for_everywhere_in_values_and_not_in_names() -> None:
    assert under({ONE: [ONE, {"x": f"of {ONE}"}]}, "normalize uuid") == {ONE: ["<uuid:1>", {"x": "of <uuid:1>"}]}


def test_a_pattern_with_a_place_is_looked_for_there_alone() -> None:
    value = {"a": {"b": DAY, "c": [DAY]}, "d": DAY}
    assert under(value, "normalize date in $.a.c") == {"a": {"b": DAY, "c": ["<date>"]}, "d": DAY}


def test_two_values_that_changed_places_are_still_different() -> None:
    assert under({"a": [ONE, TWO, ONE]}, "normalize uuid") != under({"a": [ONE, TWO, TWO]}, "normalize uuid")


def test_numbers_begin_anew_in_each_member() -> None:
    assert under({"a": [ONE, TWO], "b": [TWO]}, "normalize uuid") == {"a": ["<uuid:1>", "<uuid:2>"], "b": ["<uuid:1>"]}


def test_a_body_may_be_any_value() -> None:
    assert [under(value, "normalize date", "ignore $[0]") for value in ([1, DAY], DAY, None, True, 1.5)] == [["<date>"], "<date>", None, True, 1.5]


def test_points_in_time_may_be_numbers_but_true_is_none() -> None:
    assert under({"a": [1769860801, True, None, 1, "x"]}, "normalize timestamp") == {"a": ["<timestamp>", True, None, 1, "x"]}


def test_what_is_left_out_inside_a_place_is_left_out() -> None:
    assert under({"a": {"b": DAY, "c": DAY}}, "normalize date in $.a", "ignore $.a.c") == {"a": {"b": "<date>"}}


def test_the_value_itself_is_not_changed() -> None:
    value = {"a": {"b": [DAY, ONE]}, "c": 1}
    before = copy.deepcopy(value)
    under(value, "normalize date", "normalize uuid", "ignore $.c", "ignore $.a.b[0]")
    assert value == before


def test_items_one_by_one_are_as_they_are_together() -> None:
    lines = ("normalize uuid", "ignore $.input[1]", "ignore $.input[*].id", "normalize date in $.input[2]")
    items = [{"id": 1, "text": ONE}, {"text": "gone"}, {"text": f"{TWO} {DAY}"}, {"text": f"{ONE} {DAY}"}]
    normaliser, numbering = Normaliser(map(parse_rule, lines)), Numbering()
    one_by_one = [normaliser.item("input", place, item, numbering) for place, item in enumerate(items)]
    assert [item for item in one_by_one if item is not GONE] == normaliser.member("input", items)


@pytest.mark.parametrize(("line", "keeps"), [("ignore $.input", False), ("redact $.input as x", False), ("ignore $.*", False), ("ignore $.input[0]", True)])
def test_it_knows_which_members_stay(line: str, keeps: bool) -> None:
    assert Normaliser([parse_rule(line)]).keeps("input") is keeps


def test_rules_for_headers_alone_change_no_body() -> None:
    normaliser = Normaliser([parse_rule("header x-b"), parse_rule("header x-a")])
    assert (normaliser.idle, normaliser.headers) == (True, (b"x-a", b"x-b"))


def test_a_text_that_is_no_json_has_no_places() -> None:
    assert Normaliser([parse_rule("normalize date"), parse_rule("normalize uuid in $.a")]).text(f"{DAY} {ONE}") == f"<date> {ONE}"


def codex_turn(run: int) -> dict[str, Any]:
    """What Codex sends with the second turn, its volatile parts by a run."""
    thread = f"0199aaaa-bbbb-7ccc-8ddd-00000000000{run}"
    turn_metadata = f'{{"turn_id":"{thread}","turn_started_at_unix_ms":17698608{run}1123,"cwd":"/home/u{run}/p"}}'
    environment = (
        f"<environment_context>\n  <cwd>/home/u{run}/p</cwd>\n  <shell>bash</shell>\n  <current_date>2026-01-3{run}</current_date>\n</environment_context>"
    )
    output = f"Chunk ID: a1b2c{run}\nWall time: 0.{run}107 seconds\nProcess exited with code 0\nOutput:\n/home/u{run}/p/README.md"
    return {
        "model": "gpt-5-codex",
        "prompt_cache_key": thread,
        "client_metadata": {"x-codex-installation-id": thread, "x-codex-turn-metadata": turn_metadata},
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": environment}]},
            {"type": "function_call", "call_id": "call_mhr5WBWG8kgyIy15JTItue8Q", "name": "exec_command", "arguments": '{"cmd":"ls"}'},
            {"type": "function_call_output", "call_id": "call_mhr5WBWG8kgyIy15JTItue8Q", "output": output},
        ],
    }


def test_two_runs_of_codex_are_equal_under_its_rules() -> None:
    normaliser = Normaliser(BUILT_IN["codex"].rules)
    assert normaliser.whole(codex_turn(0)) == normaliser.whole(codex_turn(1))


def test_what_a_tool_of_codex_says_still_counts_under_its_rules() -> None:
    normaliser, other = Normaliser(BUILT_IN["codex"].rules), codex_turn(1)
    other["input"][2]["output"] = other["input"][2]["output"].replace("code 0", "code 1")
    assert normaliser.whole(codex_turn(0)) != normaliser.whole(other)


def test_a_path_with_many_steps_at_any_depth_takes_no_longer_than_another() -> None:
    value: Any = {"b": 1}
    for _ in range(60):  # there are more ways to take these steps than anybody could go
        value = {"a": value}

    assert "'b': 1" not in str(under(value, f"ignore ${'..a' * 12}..b"))

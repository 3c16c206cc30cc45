"""What broke a prompt: the class of the cause, the place, and how alike both are."""

from __future__ import annotations

from typing import Any

import pytest

from playhead.proxy.caching.causes import broken
from playhead.proxy.diverging.differences import ABSENT
from prompted import text, user

CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "done"}


@pytest.mark.parametrize(
    ("path", "was", "now", "cause", "place"),
    [
        ("$.tools[0]", {"name": "a"}, {"name": "b"}, "tool_schema", "$.tools[0].name"),
        ("$.functions[0]", {"name": "a"}, {"name": "b"}, "tool_schema", "$.functions[0].name"),
        ("$.instructions", "Be kind.", "Be brief.", "prompt", "$.instructions"),
        ("$.system[0]", {"text": "Be kind."}, {"text": "Be brief."}, "prompt", "$.system[0].text"),
        ("$.text.format", {"type": "text"}, {"type": "json_object"}, "parameter", "$.text.format.type"),
        ("$.reasoning.effort", "low", "high", "parameter", "$.reasoning.effort"),
        ("$.thinking", {"budget_tokens": 1}, {"budget_tokens": 2}, "parameter", "$.thinking.budget_tokens"),
        ("$.input[3]", user("a question"), user("b question"), "prompt", "$.input[3].content"),
        ("$.input[3]", CALL, CALL | {"arguments": "[]"}, "history", "$.input[3].arguments"),
        ("$.input[3]", OUTPUT, OUTPUT | {"output": "gone"}, "tool_result", "$.input[3].output"),
        ("$.messages[1]", {"role": "tool", "content": "a"}, {"role": "tool", "content": "b"}, "tool_result", "$.messages[1].content"),
        ("$.messages[1]", {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}, "history", "$.messages[1].content"),
        ("$.input[0]", user("a"), {"type": "compaction", "encrypted_content": "x"}, "compacted", "$.input[0]"),
        ("$.input[0]", {"role": "user", "content": "a"}, {"content": "a", "role": "user"}, "member_order", "$.input[0]"),
    ],
)
def test_what_took_the_place_of_another_is_classed_by_where_it_stands(path: str, was: Any, now: Any, cause: str, place: str) -> None:
    found = broken(path, was, now, edited=True)

    assert (found.cause, found.path) == (cause, place)


@pytest.mark.parametrize(
    ("path", "was", "now", "cause"),
    [
        ("$.input[1]", user("a"), ABSENT, "removed"),
        ("$.input[1]", ABSENT, user("a"), "order"),
        ("$.tools[1]", {"name": "a"}, ABSENT, "tool_schema"),
        ("$.instructions", "a", ABSENT, "prompt"),
        ("$.reasoning.effort", ABSENT, "low", "parameter"),
    ],
)
def test_what_is_missing_or_new_is_told(path: str, was: Any, now: Any, cause: str) -> None:
    found = broken(path, was, now, edited=False)

    assert found.cause == cause
    assert (found.differences[0].recorded is None, found.differences[0].asked is None) == (was is ABSENT, now is ABSENT)


@pytest.mark.parametrize(
    ("was", "now", "patterns"),
    [
        ("at 2026-11-26T06:30:01Z", "at 2026-11-26T06:31:09Z", ("timestamp",)),
        ("run 0b7e1a52-5d10-4a94-9c4e-6f3f3b0b2d11", "run 9d4f1c1e-77aa-4a6f-8c56-6a2e91a7f9b0", ("uuid",)),
        ("on 2026-11-26", "on 2026-11-27", ("date",)),
        ("one word", "two words", ()),
        ("at 2026-11-26T06:30:01Z, kindly", "at 2026-11-26T06:31:09Z, briefly", ()),
    ],
)
def test_a_value_that_is_new_each_time_is_known_by_its_pattern(was: str, now: str, patterns: tuple[str, ...]) -> None:
    found = broken("$.instructions", was, now, edited=True)

    assert (found.patterns, found.cause == "volatile") == (patterns, bool(patterns))


def test_a_pattern_is_found_in_a_long_text_too() -> None:
    long = text(20_000)
    found = broken("$.instructions", f"{long} 2026-11-26T06:30:01Z {long}", f"{long} 2026-11-26T06:31:09Z {long}", edited=True)

    assert (found.cause, found.patterns) == ("volatile", ("timestamp",))
    assert found.alike > 0.999


@pytest.mark.parametrize(("was", "now", "least", "most"), [("a" * 100, "a" * 99 + "b", 0.98, 1.0), ("a" * 100, "b" * 100, 0.0, 0.01), ("abc", "abc", 1.0, 1.0)])
def test_it_is_told_how_alike_both_are(was: str, now: str, least: float, most: float) -> None:
    assert least <= broken("$.instructions", was, now, edited=True).alike <= most

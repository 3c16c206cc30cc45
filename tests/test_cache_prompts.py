"""A request as its provider reads it: its parts in their order, and what of it a prompt cache does not look at."""

from __future__ import annotations

from typing import Any

import pytest

from playhead.proxy.caching.prompts import Prompt, prompt_of, values_of
from prompted import tool, user

MARK = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def prompt(kind: str, body: dict[str, Any], *, marks: bool = False) -> Prompt:
    return prompt_of(kind, body, marks=marks)


@pytest.mark.parametrize(
    ("kind", "body", "paths"),
    [
        (
            "responses",
            {"input": "x", "instructions": "i", "tools": [tool("a"), tool("b")], "text": {"format": {"type": "json_object"}}, "reasoning": {"effort": "low"}},
            ["$.tools[0]", "$.tools[1]", "$.text.format", "$.reasoning.effort", "$.instructions"],
        ),
        ("responses", {"input": "x", "prompt": {"id": "pmpt_1"}, "text": {"verbosity": "low"}, "tools": []}, ["$.text.verbosity", "$.prompt"]),
        (
            "chat.completions",
            {"messages": [], "functions": [{}], "response_format": {}, "reasoning_effort": "low"},
            ["$.functions[0]", "$.response_format", "$.reasoning_effort"],
        ),
        (
            "messages",
            {"messages": [], "tools": [{}], "system": "s", "tool_choice": {}, "thinking": {}},
            ["$.tools[0]", "$.system", "$.tool_choice", "$.thinking"],
        ),
        ("messages", {"messages": [], "system": [{}, {}]}, ["$.system[0]", "$.system[1]"]),
    ],
)
def test_what_stands_in_front_comes_in_the_order_of_the_provider(kind: str, body: dict[str, Any], paths: list[str]) -> None:
    assert [part.path for part in prompt(kind, body).heads] == paths


@pytest.mark.parametrize("body", [{}, {"input": None}, {"input": 5}, {"input": []}, {"tools": None, "text": "x", "reasoning": []}])
def test_what_is_no_prompt_is_an_empty_one(body: dict[str, Any]) -> None:
    assert prompt("responses", body).size == 0


def test_a_text_is_the_input_of_a_user() -> None:
    assert prompt("responses", {"input": "Hello"}).digests == prompt("responses", {"input": [user("Hello")]}).digests


def test_ids_and_states_of_items_do_not_count() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    both = [prompt("responses", {"input": [item]}) for item in (call, call | {"id": "fc_1", "status": "completed"})]

    assert both[0].digests == both[1].digests


def test_the_id_of_a_reference_counts() -> None:
    both = [prompt("responses", {"input": [{"type": "item_reference", "id": id_}]}) for id_ in ("a", "b")]

    assert both[0].digests != both[1].digests


def test_the_order_of_members_counts() -> None:
    both = [prompt("responses", {"input": [item]}) for item in ({"a": 1, "b": 2}, {"b": 2, "a": 1})]

    assert both[0].digests != both[1].digests


def test_marks_for_caching_do_not_count_and_a_marked_text_is_the_text() -> None:
    plain = {"messages": [user("Hello")], "system": [{"type": "text", "text": "s"}], "tools": [{"name": "t"}]}
    content = [{"type": "text", "text": "Hello", **MARK}]
    marked = {"messages": [{"role": "user", "content": content}], "system": [{"type": "text", "text": "s", **MARK}], "tools": [{"name": "t", **MARK}]}
    one, other = prompt("messages", plain), prompt("messages", marked, marks=True)

    assert (one.heads, one.digests) == (other.heads, other.digests)
    assert (one.marked, other.marked, other.lifetime) == (False, True, "1h")


@pytest.mark.parametrize(
    ("body", "marks", "marked", "lifetime"),
    [
        ({}, False, True, None),
        ({"prompt_cache_retention": "24h"}, False, True, "24h"),
        ({"prompt_cache_options": {"ttl": "12h"}}, False, True, "12h"),
        ({"prompt_cache_options": {"mode": "explicit"}}, False, False, None),
        ({"prompt_cache_options": {"mode": "explicit"}}, True, True, None),
        ({"prompt_cache_options": "odd", "prompt_cache_retention": 5}, False, True, None),
    ],
)
def test_it_is_known_whether_and_for_how_long_it_asks_to_be_kept(body: dict[str, Any], marks: bool, marked: bool, lifetime: str | None) -> None:
    found = prompt("responses", body, marks=marks)

    assert (found.marked, found.lifetime) == (marked, lifetime)


def test_a_picture_counts_as_some_tokens_and_not_as_its_bytes() -> None:
    picture = {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64," + "A" * 1_000_000}]}

    assert prompt("responses", {"input": [picture]}).size < 5_000
    assert prompt("responses", {"input": [user("words and words " * 1000)]}).size > 16_000


def test_a_prompt_that_upstream_may_cut_says_so() -> None:
    assert prompt("responses", {"truncation": "auto"}).truncates


def test_values_stand_where_their_parts_do() -> None:
    heads, items = values_of("responses", {"tools": [{"name": "t"}], "input": [user("a"), user("b")]}, marks=False)

    assert heads == [("$.tools[0]", {"name": "t"})]
    assert items == [user("a"), user("b")]
    assert prompt("responses", {"input": []}).path(3) == "$.input[3]"

"""What of requests and answers decides about their price."""

from __future__ import annotations

from typing import Any

import pytest

from playhead.proxy.models.doors import parse_body, parse_request
from playhead.proxy.models.kind import Shape
from playhead.proxy.pricing.billing import answered, asked, together

CREATE = Shape("responses", "create")


def test_a_request_tells_its_tier_its_window_and_that_it_may_go_on_in_the_background() -> None:
    body = b'{"model":"m","service_tier":"flex","background":true,"background_options":{"completion_window":"8h"}}'

    assert asked(parse_request(CREATE, body)) == {"asked_tier": "flex", "window": "8h", "background": True}


@pytest.mark.parametrize(
    ("tool", "found"),
    [
        ({"type": "image_generation", "model": "gpt-image-1"}, {"image_model": "gpt-image-1"}),
        ({"type": "code_interpreter", "container": {"type": "auto", "memory_limit": "4g"}}, {"memory": "4g"}),
        ({"type": "shell", "environment": {"type": "container_auto", "memory_limit": "16g"}}, {"memory": "16g"}),
        ({"type": "code_interpreter", "container": "cntr_1"}, {}),
        ({"type": "function", "name": "f"}, {}),
    ],
)
def test_tools_tell_the_model_of_images_and_the_memory_of_containers(tool: dict[str, Any], found: dict[str, str]) -> None:
    assert answered({"tools": [tool]}) == found


def test_tools_that_do_not_agree_tell_nothing() -> None:
    tools = [{"type": "code_interpreter", "container": {"memory_limit": memory}} for memory in ("1g", "4g")]

    assert answered({"tools": tools}) == {}


def test_a_text_to_be_spoken_is_counted() -> None:
    assert asked({"model": "tts-1", "voice": "alloy", "input": "Hello!"}) == {"characters": 6}


def test_an_answer_tells_the_calls_of_its_tools() -> None:
    output = [
        {"type": "web_search_call", "action": {"type": "search", "query": "q"}},
        {"type": "web_search_call", "action": {"type": "open_page"}},
        {"type": "file_search_call"},
        {"type": "code_interpreter_call", "container_id": "cntr_1"},
        {"type": "message"},
    ]

    assert answered({"output": output}) == {
        "calls": {"web_search": 1, "file_search": 1, "code_interpreter": 1, "container": 1},
        "containers": ["cntr_1"],
    }


def test_items_that_were_heard_count_where_the_answer_has_no_output() -> None:
    assert answered({"output": None}, [{"type": "file_search_call"}]) == {"calls": {"file_search": 1}}


def test_the_usage_of_tools_is_kept_as_it_came() -> None:
    body = b'{"object":"response","output":[],"tool_usage":{"web_search":{"num_requests":2},"new":{"x":1}}}'

    assert answered(parse_body(CREATE, body)) == {"tool_usage": {"web_search": {"num_requests": 2}, "new": {"x": 1}}}


def test_the_lifetime_of_what_is_cached_is_known_unless_each_part_has_its_own() -> None:
    assert answered({"prompt_cache_options": {"mode": "implicit", "ttl": "12h"}}) == {"cache_ttl": "12h"}
    assert answered({"prompt_cache_options": {"mode": "explicit", "ttl": "12h"}}) == {}


@pytest.mark.parametrize(
    "odd", [None, {}, {"tools": 1}, {"tools": [1, None]}, {"output": "x"}, {"output": [1]}, {"background_options": 3}, {"service_tier": {}}]
)
def test_what_makes_no_sense_tells_nothing(odd: Any) -> None:
    assert (asked(odd or {}), answered(odd or {})) == ({}, {})


@pytest.mark.parametrize(("tools", "unread"), [(None, True), ([{"type": "web_search"}], True), ([{"type": "function"}], False), ([], False)])
def test_an_output_that_could_not_be_read_may_have_calls(tools: Any, unread: bool) -> None:
    ends: dict[str, Any] = {"id": "resp_1", "usage": {}} | ({} if tools is None else {"tools": tools})

    assert answered(ends).get("unread", False) is unread


def test_a_request_tells_by_what_its_money_can_be_grouped() -> None:
    body = b'{"model":"m","prompt_cache_key":"k","safety_identifier":"u","metadata":{"team":"a","odd":3}}'

    assert asked(parse_request(CREATE, body)) == {"labels": {"prompt_cache_key": "k", "safety_identifier": "u", "metadata.team": "a"}}


def test_an_answer_repeats_by_what_its_money_can_be_grouped_for_whoever_only_retrieves_it() -> None:
    body = b'{"object":"response","output":[],"prompt_cache_key":"k","safety_identifier":null,"metadata":{"team":"a"}}'

    assert answered(parse_body(CREATE, body)) == {"labels": {"prompt_cache_key": "k", "metadata.team": "a"}}


def test_what_the_request_says_is_not_lost_by_what_the_answer_says() -> None:
    known = {"asked_tier": "flex", "labels": {"metadata.team": "a", "header:x-job": "7"}}

    assert together(known, {"calls": {"file_search": 1}, "labels": {"metadata.team": "b", "metadata.run": "3"}}) == {
        "asked_tier": "flex",
        "calls": {"file_search": 1},
        "labels": {"metadata.team": "a", "header:x-job": "7", "metadata.run": "3"},
    }
    assert together(None, {"calls": {"file_search": 1}}) == {"calls": {"file_search": 1}}

"""Why a request has no recorded twin, by what differs."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from playhead.proxy.diverging.causes import CAUSES, Case, Cause, cause_of, class_of, label
from playhead.proxy.diverging.differences import ABSENT, Compared, places


def side(body: Any, *, method: str = "POST", path: str = "/responses", query: str = "", **headers: str) -> Compared:
    return Compared(method, path, query, headers, body)


def case(recorded: Any, asked: Any, **known: Any) -> Case:
    one, other = (value if isinstance(value, Compared) else side(value) for value in (recorded, asked))
    return Case(one, other, places(one, other), **known)


def cause(recorded: Any, asked: Any, **known: Any) -> Cause | None:
    return cause_of(case(recorded, asked, **known))


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def said(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def result(text: str, call: str = "call_1") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call, "output": text}


CALL = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"}
TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object"}}


def test_each_class_says_what_it_means() -> None:
    assert set(CAUSES) == set(get_args(Cause))
    assert all(CAUSES.values())


@pytest.mark.parametrize(
    ("recorded", "asked", "expected"),
    [
        ({"input": "rain in Rome"}, {"input": "rain in Oslo"}, "prompt"),
        ({"instructions": "Be kind."}, {"instructions": "Be brief."}, "prompt"),
        ({"input": [user("rain")]}, {"input": [user("snow")]}, "prompt"),
        ({"messages": [{"role": "system", "content": "a"}]}, {"messages": [{"role": "system", "content": "b"}]}, "prompt"),
        ({"input": [CALL, result("rain")]}, {"input": [CALL, result("snow")]}, "tool_result"),
        ({"messages": [{"role": "tool", "content": "a"}]}, {"messages": [{"role": "tool", "content": "b"}]}, "tool_result"),
        ({"input": [said("a"), user("b")]}, {"input": [said("c"), user("b")]}, "history"),
        ({"input": [CALL, result("a")]}, {"input": [CALL | {"arguments": "[]"}, result("a")]}, "history"),
        ({"input": [user("a")], "previous_response_id": "resp_1"}, {"input": [user("a")], "previous_response_id": "resp_2"}, "history"),
        ({"input": "a", "tools": [TOOL]}, {"input": "a", "tools": [TOOL | {"name": "wind"}]}, "tool_schema"),
        ({"input": "a", "tools": [TOOL]}, {"input": "a"}, "tool_schema"),
        ({"input": [{"type": "additional_tools", "tools": []}]}, {"input": [{"type": "additional_tools", "tools": [1]}]}, "tool_schema"),
        ({"model": "gpt-5", "input": "a"}, {"model": "gpt-6", "input": "a"}, "model"),
        ({"temperature": 1}, {"temperature": 0}, "parameter"),
        ({"text": {"format": {"name": "a"}}}, {"text": {"format": {"name": "b"}}}, "parameter"),
        (side({}, query="a=1"), side({}, query="a=2"), "parameter"),
        (side({}, beta="1"), side({}, beta="2"), "parameter"),
        (side({}), side({}, path="/chat/completions"), "route"),
        (side(b"a"), side(b"b"), "prompt"),
        ([{"name": "model", "content": "a"}], [{"name": "model", "content": "b"}], "model"),
        ([{"name": "file", "content": "a"}], [{"name": "file", "content": "b"}], "prompt"),
        ([{"name": "language", "content": "a"}], [{"name": "language", "content": "b"}], "parameter"),
        ([1], [2], "prompt"),
    ],
)
def test_one_change_has_the_class_of_its_place(recorded: Any, asked: Any, expected: Cause) -> None:
    assert cause(recorded, asked) == expected


def test_a_result_within_a_message_of_the_user_is_the_tools() -> None:
    def message(text: str, more: str = "and now?") -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": text}, {"type": "text", "text": more}]}]}

    assert cause(message("rain"), message("snow")) == "tool_result"
    assert cause(message("rain"), message("rain", "or then?")) == "prompt"
    assert cause({"contents": [{"parts": [{"functionResponse": {"a": 1}}]}]}, {"contents": [{"parts": [{"functionResponse": {"a": 2}}]}]}) == "tool_result"


def test_of_several_the_one_that_others_follow_from_is_named() -> None:
    recorded = {"model": "a", "temperature": 1, "tools": [TOOL], "input": [user("rain")]}
    asked = {"model": "a", "temperature": 0, "tools": [], "input": [user("snow")]}

    assert cause(recorded, asked) == "tool_schema"
    assert cause(recorded, asked | {"model": "b"}) == "model"


def test_where_only_volatile_values_differ_that_is_the_cause() -> None:
    recorded, asked = {"input": "at 10:00", "temperature": 1}, {"input": "at 11:00", "temperature": 1}

    assert cause(recorded, asked, volatile={0}) == "volatile"
    assert cause(recorded, asked | {"temperature": 2}, volatile={0}) == "parameter"


def test_items_that_only_changed_places_are_another_order() -> None:
    one, other = result("rain", "call_1"), result("snow", "call_2")

    assert cause({"input": [user("a"), one, other]}, {"input": [user("a"), other, one]}) == "order"
    assert cause({"input": [user("a"), one, other]}, {"input": [user("b"), other, one]}) == "prompt"


def test_a_history_without_what_nobody_has_asked_is_a_call_that_was_left_out() -> None:
    recorded = {"input": [user("a"), said("A"), user("b"), said("B"), user("c")]}
    asked = {"input": [user("a"), said("A"), user("c")]}

    assert cause(recorded, asked, skipped=True) == "dropped_call"
    assert cause(recorded, asked) == "prompt"


def test_a_request_that_goes_on_from_an_earlier_response_left_one_out() -> None:
    recorded, asked = ({"input": [user("c")], "previous_response_id": f"resp_{number}"} for number in (2, 1))

    assert cause(recorded, asked, skipped=True) == "dropped_call"
    assert cause(recorded, asked, missed=True) == "extra_call"


def test_a_history_with_what_was_not_answered_is_a_call_more() -> None:
    recorded = {"input": [user("a"), said("A"), user("b")]}
    asked = {"input": [user("a"), said("A"), user("x"), said("X"), user("b")]}

    assert cause(recorded, asked, missed=True) == "extra_call"
    assert cause(recorded, asked) == "prompt"


def test_a_request_that_asks_for_something_else_is_a_call_more() -> None:
    recorded = {"input": [user("What is the weather like in Rome today?")]}

    assert cause(recorded, {"input": [user("Write a short title for our talk.")]}) == "extra_call"
    assert cause(recorded, {"input": [user("What is the weather like in Oslo today?")]}) == "prompt"
    assert cause({"input": [user("a"), CALL, result("rain")]}, {"input": [user("a"), CALL, result("rain"), said("It rains."), user("b")]}) == "extra_call"


def test_so_is_one_whose_recording_was_served_already() -> None:
    assert cause({"input": "a"}, {"input": "b"}, served=True) == "extra_call"


def test_labels_are_what_no_answer_depends_on() -> None:
    assert [label(path) for path in ("$.metadata.run", "$.user", "$.input[0]", "query.user", "$.client_metadata['a']")] == [True, True, False, False, True]


def test_a_place_without_an_item_is_the_prompts() -> None:
    known = side({"input": "text"})
    (place,) = places(side({"x": 1}), side({"x": 2}))

    assert class_of(place._replace(path="$.input[3].text"), known, known) == "prompt"
    assert class_of(place._replace(path="$[3].content", asked=ABSENT), known, known) == "prompt"

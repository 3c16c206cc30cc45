"""A chat completion out of its chunks."""

from __future__ import annotations

from typing import Any

import pytest

from playhead.proxy.folds.chat_fold import ChatFold
from playhead.proxy.models.chat import ChatChunk, ChatCompletion, Completion
from playhead.proxy.models.wire import Door, Unparsed, Wire

CHUNK: Door[Wire] = Door(ChatChunk)
LEGACY: Door[Wire] = Door(Completion)
USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, index: int = 0, **fields: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": index, "delta": delta, "finish_reason": finish}]
    return {"id": "c_1", "object": "chat.completion.chunk", "created": 7, "model": "gpt-6", "choices": choices, **fields}


def call(index: int | None = None, id_: str | None = None, **function: str) -> dict[str, Any]:
    head = {} if index is None else {"index": index}
    return head | ({} if id_ is None else {"id": id_, "type": "function"}) | {"function": function}


def fold(*chunks: dict[str, Any], text: bool = True, door: Door[Wire] = CHUNK) -> ChatFold:
    made = ChatFold(text=text)
    for each in chunks:
        made.add(door(each))
    return made


def result(*chunks: dict[str, Any]) -> dict[str, Any]:
    completion = fold(*chunks).result()
    assert isinstance(completion, ChatCompletion)
    found: dict[str, Any] = completion.to_wire()
    return found


def message(*deltas: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = result(*map(chunk, deltas))["choices"][0]["message"]
    return found


def test_before_the_first_chunk_there_is_no_completion() -> None:
    assert fold().result() is None


def test_chunks_add_up_to_a_completion() -> None:
    chunks = [chunk({"role": "assistant", "content": ""}), chunk({"content": "Hel"}), chunk({"content": "lo"}), chunk({}, "stop"), chunk(usage=USAGE)]

    assert result(*chunks) == {
        "id": "c_1",
        "object": "chat.completion",
        "created": 7,
        "model": "gpt-6",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "logprobs": None, "finish_reason": "stop"}],
        "usage": USAGE,
    }


@pytest.mark.parametrize("key", ["content", "refusal", "reasoning", "reasoning_content"])
def test_each_text_of_a_message_grows(key: str) -> None:
    assert message({key: "Hel"}, {key: "lo"})[key] == "Hello"


def test_choices_grow_apart() -> None:
    choices = result(chunk({"content": "a"}), chunk({"content": "b"}, index=1), chunk({"content": "c"}))["choices"]

    assert [(choice["index"], choice["message"]["content"]) for choice in choices] == [(0, "ac"), (1, "b")]


def test_tool_calls_are_told_apart_by_index() -> None:
    first = {"tool_calls": [call(0, "call_1", name="look", arguments=""), call(1, "call_2", name="go", arguments="")]}
    more = [{"tool_calls": [call(index, arguments=piece)]} for index, piece in ((0, '{"a"'), (1, "{}"), (0, ":1}"))]

    assert message(first, *more)["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}},
        {"id": "call_2", "type": "function", "function": {"name": "go", "arguments": "{}"}},
    ]


def test_tool_calls_without_an_index_are_told_apart_by_id() -> None:
    pieces = [call(None, "call_1", name="look", arguments="{"), call(None, None, arguments="}"), call(None, "call_2", name="go", arguments="{}")]

    calls = message(*({"tool_calls": [piece]} for piece in pieces))["tool_calls"]
    assert [(each["id"], each["function"]["arguments"]) for each in calls] == [("call_1", "{}"), ("call_2", "{}")]


def test_a_name_that_every_piece_repeats_is_one_name() -> None:
    pieces = [{"tool_calls": [call(0, "call_1", name="look", arguments=piece)]} for piece in "{}"]

    assert message(*pieces)["tool_calls"][0]["function"] == {"name": "look", "arguments": "{}"}


def test_a_custom_tool_gets_text() -> None:
    pieces = [{"tool_calls": [{"index": 0, "id": "call_1", "type": "custom", "custom": {"name": "sh", "input": piece}}]} for piece in ("l", "s")]

    assert message(*pieces)["tool_calls"] == [{"id": "call_1", "type": "custom", "custom": {"name": "sh", "input": "ls"}}]


def test_the_function_call_of_old_grows() -> None:
    assert message({"function_call": {"name": "look", "arguments": "{"}}, {"function_call": {"arguments": "}"}})["function_call"] == {
        "name": "look",
        "arguments": "{}",
    }


def test_a_content_in_parts_stays_in_parts() -> None:
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Hel"}]

    assert message({"content": parts}, {"content": [{"type": "text", "text": "lo"}]})["content"] == [parts[0], {"type": "text", "text": "Hello"}]


def test_sound_goes_on() -> None:
    assert message({"audio": {"id": "a", "data": "AA"}}, {"audio": {"data": "BB", "expires_at": 9}})["audio"] == {"id": "a", "data": "AABB", "expires_at": 9}


def test_other_lists_of_a_message_grow_and_other_fields_hold_their_last() -> None:
    found = message({"annotations": [1], "channel": "a"}, {"annotations": [2], "channel": "b"})

    assert (found["annotations"], found["channel"]) == ([1, 2], "b")


def test_logprobs_are_gathered() -> None:
    chunks = [chunk({"content": piece}) for piece in "ab"]
    for piece, each in zip("ab", chunks, strict=True):
        each["choices"][0]["logprobs"] = {"content": [{"token": piece}], "refusal": None}

    assert result(*chunks)["choices"][0]["logprobs"] == {"content": [{"token": "a"}, {"token": "b"}], "refusal": None}


def test_a_text_that_repeats_the_content_is_no_completion_of_old() -> None:
    both = chunk({"content": "a"})
    both["choices"][0]["text"] = "a"

    assert result(both)["choices"][0]["message"] == {"role": "assistant", "content": "a"}


def test_obfuscation_is_no_part_of_the_completion() -> None:
    assert "obfuscation" not in result(chunk({"content": "a"}, obfuscation="xyz"))


def test_what_chunks_say_of_the_whole_holds_as_last_told() -> None:
    made = fold(chunk({}, id="", model="", service_tier="auto"), chunk({}, id="c_2", model="gpt-6-2026", service_tier="default"), chunk({}, id="", model=""))

    assert (made.id, made.model, made.service_tier) == ("c_2", "gpt-6-2026", "default")


def test_usage_is_the_last_that_was_told() -> None:
    assert fold(chunk({}, usage={"prompt_tokens": 3, "completion_tokens": 1}), chunk({}, usage=USAGE), chunk({}, usage=None)).usage == USAGE


def test_usage_that_was_not_told_is_none() -> None:
    assert fold(chunk({"content": "a"}, usage=None)).usage is None


# Endings.


def test_a_stream_is_not_ended_before_each_choice_is() -> None:
    first = [chunk({"content": "a"}), chunk({"content": "b"}, index=1), chunk({}, "stop")]

    assert not fold(*first).ended
    assert fold(*first, chunk({}, "length", index=1)).ended
    assert fold(*first, chunk({}, "length", index=1)).finish_reasons == ["stop", "length"]


def test_the_chunk_that_tells_only_usage_is_the_last() -> None:
    assert fold(chunk({"content": "a"}), chunk(usage=USAGE)).ended


def test_usage_beside_choices_ends_nothing() -> None:
    assert not fold(chunk({"content": "a"}, usage=USAGE)).ended


def test_done_ends_what_had_begun() -> None:
    made, empty = fold(chunk({"content": "a"})), fold()
    made.end()
    empty.end()

    assert (made.ended, empty.ended) == (True, False)


@pytest.mark.parametrize(("error", "told"), [({"code": 400, "message": "x"}, {"code": 400, "message": "x"}), ("x", {"message": "x"})])
def test_an_error_ends_the_stream(error: Any, told: dict[str, Any]) -> None:
    made = fold(chunk({"content": "a"}, error=error))

    assert (made.ended, made.error) == (True, told)


def test_what_is_no_chunk_is_counted_as_unknown() -> None:
    made = ChatFold()
    made.add(Unparsed(reason="no JSON"))

    assert (made.unknown, made.result()) == ({"": 1}, None)


def test_a_choice_that_is_none_is_left_out() -> None:
    assert result(chunk({"content": "a"}) | {"choices": ["odd", None]})["choices"] == []


# Without text; rows; completions of old.


def test_without_text_calls_usage_and_ending_are_the_same() -> None:
    chunks = [chunk({"content": "a" * 99, "tool_calls": [call(0, "call_1", name="look", arguments="{}")]}), chunk({}, "stop"), chunk(usage=USAGE)]
    light, whole = fold(*chunks, text=False), fold(*chunks)

    assert (light.items(), light.usage, light.ended, light.finish_reasons) == (whole.items(), whole.usage, whole.ended, whole.finish_reasons)


def test_rows_are_the_tool_calls() -> None:
    assert fold(chunk({"tool_calls": [call(3, "call_1", name="look")]}), chunk({"tool_calls": [call(0, "call_2", name="go")]}, index=1)).items() == [
        ("output", 0, "function", "call_1", "call_1", "look", None),
        ("output", 1, "function", "call_2", "call_2", "go", None),
    ]


def test_a_completion_of_old_is_one_again() -> None:
    chunks = [{"id": "cmpl", "object": "text_completion", "choices": [{"index": 0, "text": piece, "finish_reason": None}]} for piece in ("Hel", "lo")]
    completion = fold(*chunks, door=LEGACY).result()
    assert isinstance(completion, Completion)

    assert completion.to_wire() == {
        "id": "cmpl",
        "object": "text_completion",
        "choices": [{"index": 0, "text": "Hello", "logprobs": None, "finish_reason": None}],
    }

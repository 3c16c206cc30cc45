"""An Anthropic message out of its events."""

from __future__ import annotations

from typing import Any

import pytest

from playhead.proxy.folds.messages_fold import MessagesFold
from playhead.proxy.models.anthropic import AnthropicEvent
from playhead.proxy.models.wire import Door, Wire

PARSE: Door[Wire] = Door(AnthropicEvent)
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [],
    "stop_reason": None,
    "usage": {"input_tokens": 3, "cache_read_input_tokens": 2, "output_tokens": 1, "service_tier": "standard"},
}
START: dict[str, Any] = {"type": "message_start", "message": MESSAGE}
STOP: dict[str, Any] = {"type": "message_stop"}
END: dict[str, Any] = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 9}}


def block(source: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": source}


def delta(kind: str, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": f"{kind}_delta", **fields}}


def fold(*events: dict[str, Any], text: bool = True) -> MessagesFold:
    made = MessagesFold(text=text)
    for each in events:
        made.add(PARSE(each))
    return made


def content(*events: dict[str, Any]) -> list[Any]:
    message = fold(START, *events).result()
    assert message is not None
    found: list[Any] = message.to_wire()["content"]
    return found


TEXT = block({"type": "text", "text": ""})
TOOL = block({"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}, 1)


def test_before_anything_came_there_is_no_message() -> None:
    assert fold({"type": "ping"}).result() is None


def test_events_add_up_to_a_message() -> None:
    made = fold(START, TEXT, delta("text", text="Hel"), {"type": "ping"}, delta("text", text="lo"), {"type": "content_block_stop", "index": 0}, END, STOP)
    message = made.result()
    assert message is not None

    assert message.to_wire() == MESSAGE | {
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "usage": MESSAGE["usage"] | {"output_tokens": 9},
    }
    assert (made.ended, made.notes, made.unknown) == (True, [], {})


def test_a_tools_input_is_what_its_json_says() -> None:
    assert content(TEXT, TOOL, delta("input_json", 1, partial_json='{"a"'), delta("input_json", 1, partial_json=":1}"))[1] == {
        "type": "tool_use",
        "id": "toolu_1",
        "name": "look",
        "input": {"a": 1},
    }


@pytest.mark.parametrize("pieces", [["{"], [""], []])
def test_an_input_that_is_not_whole_stays_as_it_started(pieces: list[str]) -> None:
    assert content(TOOL, *(delta("input_json", 1, partial_json=piece) for piece in pieces))[0]["input"] == {}


def test_thinking_grows_and_is_signed() -> None:
    events = [delta("thinking", thinking="So"), delta("thinking", thinking="!"), delta("signature", signature="AA")]

    assert content(block({"type": "thinking", "thinking": "", "signature": ""}), *events) == [{"type": "thinking", "thinking": "So!", "signature": "AA"}]


def test_citations_are_gathered() -> None:
    assert content(TEXT, delta("citations", citation={"url": "a"}), delta("citations", citation={"url": "b"}))[0]["citations"] == [{"url": "a"}, {"url": "b"}]


def test_a_block_whose_start_was_lost_begins_with_its_deltas() -> None:
    made = fold(START, delta("text", text="Hi"))

    assert content(delta("text", text="Hi")) == [{"type": "text", "text": "Hi"}]
    assert made.notes == ["block 0 begins with text_delta"]


def test_the_end_may_repeat_the_input_side_of_the_usage() -> None:
    end = END | {"usage": {"input_tokens": 4, "cache_read_input_tokens": None, "output_tokens": 9}}

    assert fold(START, END, end).usage == MESSAGE["usage"] | {"input_tokens": 4, "output_tokens": 9}


def test_usage_that_was_not_told_is_none() -> None:
    assert fold({"type": "message_start", "message": {"id": "msg_1"}}).usage is None


def test_id_model_tier_and_stop_reason_are_told() -> None:
    made = fold(START, END)

    assert (made.id, made.model, made.service_tier, made.stop_reason) == ("msg_1", "claude", "standard", "end_turn")


def test_a_stream_that_just_stops_has_not_ended() -> None:
    assert not fold(START, TEXT, END).ended


def test_an_error_ends_the_stream() -> None:
    error = {"type": "overloaded_error", "message": "Busy"}
    made = fold(START, {"type": "error", "error": error})

    assert (made.ended, made.error) == (True, error)


def test_what_comes_after_the_end_is_noted_and_not_applied() -> None:
    made = fold(START, END, STOP, END | {"usage": {"output_tokens": 99}}, delta("text", text="late"))

    assert made.notes == ["message_delta comes after the end", "content_block_delta comes after the end"]
    assert made.usage == MESSAGE["usage"] | {"output_tokens": 9}


def test_unknown_events_and_deltas_are_counted() -> None:
    assert fold(START, TEXT, delta("new", text="x"), {"type": "new"}).unknown == {"content_block_delta new_delta": 1, "new": 1}


def test_without_text_blocks_usage_and_ending_are_the_same() -> None:
    events = [START, TEXT, delta("text", text="Hello"), TOOL, END, STOP]
    light, whole = fold(*events, text=False), fold(*events)

    assert (light.items(), light.usage, light.ended, light.stop_reason) == (whole.items(), whole.usage, whole.ended, whole.stop_reason)


def test_rows_are_the_calls_and_their_results() -> None:
    result = block({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}, 2)

    assert fold(START, TEXT, TOOL, result).items() == [
        ("output", 1, "tool_use", "toolu_1", "toolu_1", "look", None),
        ("output", 2, "web_search_tool_result", None, "srvtoolu_1", None, None),
    ]

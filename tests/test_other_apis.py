"""Models of the APIs beside Responses: what usage, ids, model, status, tool calls and errors need."""

from __future__ import annotations

import json
from typing import Any, get_args

import openai.types.audio as sdk_audio
import openai.types.realtime as sdk_realtime
import pytest
from openai import types as sdk

from playhead.proxy.models import (
    AnthropicBody,
    AnthropicMessage,
    AnthropicMessageDelta,
    AnthropicMessageStart,
    AudioDuration,
    AudioEvent,
    AudioTokens,
    ChatBody,
    ChatChunk,
    ChatCompletion,
    CompactionBlock,
    Completion,
    ContentBlockDelta,
    ContentBlockStart,
    Embedding,
    EmbeddingList,
    ImageAnswer,
    ImageCompleted,
    ImageEvent,
    InputJsonDelta,
    LiveClientEvent,
    LiveServerEvent,
    LiveSessionClosed,
    Moderation,
    RealtimeClientEvent,
    RealtimeErrorEvent,
    RealtimeResponseEvent,
    RealtimeServerEvent,
    RealtimeTranscribed,
    Shape,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
    TranscriptDone,
    Transcription,
    UnknownBlock,
    Wire,
    event_door,
    parse_anthropic_event,
    parse_body,
    parse_chat_chunk,
    parse_live_event,
    parse_realtime_event,
    parse_request,
)
from playhead.proxy.models.tagged import types


def sound(model: Wire, came: dict[str, Any]) -> None:
    """It has no problems, and is what came."""
    assert model.problems == ()
    assert json.dumps(model.to_wire()) == json.dumps(came)


# Chat completions.

CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":'}}


def test_a_completion_has_id_model_tier_calls_and_usage() -> None:
    came = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-5",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": [CALL]}, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12, "prompt_tokens_details": {"cached_tokens": 4}},
        "service_tier": "flex",
        "x": {"kept": True},
    }
    found = parse_body("chat.completions", came)

    assert isinstance(found, ChatCompletion)
    sound(found, came)
    assert found.choices
    assert found.choices[0].message
    assert found.choices[0].message.tool_calls
    function = found.choices[0].message.tool_calls[0].function
    assert (found.id, found.model, found.service_tier, function and function.name) == ("chatcmpl-1", "gpt-5", "flex", "weather")
    assert found.usage
    assert found.usage.prompt_tokens_details
    assert found.usage.prompt_tokens_details.cached_tokens == 4


def test_a_chunk_has_what_is_new_of_each_choice() -> None:
    came = {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, **CALL}]}, "finish_reason": None}], "usage": None}
    found = parse_chat_chunk(json.dumps(came))

    assert isinstance(found, ChatChunk)
    sound(found, came)
    assert found.choices
    assert found.choices[0].delta
    assert found.choices[0].delta.tool_calls
    assert found.choices[0].delta.tool_calls[0].index == 0


def test_a_chunk_of_an_old_completion_has_the_form_of_a_whole_one() -> None:
    came = {"id": "cmpl-1", "object": "text_completion", "choices": [{"text": "a", "index": 0, "logprobs": None, "finish_reason": None}]}
    found = event_door(Shape("other", "completions"))(json.dumps(came))

    assert isinstance(found, Completion)
    sound(found, came)


def test_a_request_has_messages_of_text_or_parts_and_tools() -> None:
    came = {
        "model": "gpt-5",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:"}}]},
            {"role": "tool", "content": "b", "tool_call_id": "call_1"},
        ],
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
        "stream_options": {"include_usage": True},
    }
    found = parse_request("chat.completions", came)

    assert isinstance(found, ChatBody)
    sound(found, came)
    assert found.tools
    assert found.tools[0].function
    assert found.tools[0].function.name == "weather"


# Embeddings, moderations, images, audio.


@pytest.mark.parametrize("vector", ["AAAA", [0.5, 1]])
def test_an_embedding_is_numbers_or_base64(vector: Any) -> None:
    came = {
        "object": "list",
        "data": [{"object": "embedding", "embedding": vector, "index": 0}],
        "model": "m",
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }
    found = parse_body("embeddings", json.dumps(came))

    assert isinstance(found, EmbeddingList)
    sound(found, came)
    assert found.data
    assert isinstance(found.data[0], Embedding)


def test_a_category_that_a_moderation_model_does_not_know_is_null() -> None:
    came = {"id": "modr_1", "model": "text-moderation-007", "results": [{"flagged": False, "categories": {"hate": False, "illicit": None}}]}

    assert parse_body(Shape("other", "moderations"), came).problems == ()


def test_a_moderation_has_a_verdict_per_input() -> None:
    came = {"id": "modr-1", "model": "m", "results": [{"flagged": True, "categories": {"hate": True}, "category_scores": {"hate": 1, "violence": 0.5}}]}
    found = parse_body(Shape("other", "moderations"), json.dumps(came))

    assert isinstance(found, Moderation)
    sound(found, came)
    assert found.results
    assert found.results[0].flagged is True


def test_an_image_answer_has_usage_of_two_models() -> None:
    came = {
        "created": 1,
        "data": [{"b64_json": "AA"}],
        "usage": {"total_tokens": 3, "input_tokens": 1, "output_tokens": 2, "input_tokens_details": {"text_tokens": 1, "image_tokens": 0}},
        "svg_usage": {"model": "gpt-6-astra", "input_tokens": 1, "output_tokens": 2, "reasoning_tokens": 1, "total_tokens": 3},
    }
    found = parse_body("images", json.dumps(came))

    assert isinstance(found, ImageAnswer)
    sound(found, came)
    assert found.svg_usage
    assert found.svg_usage.model == "gpt-6-astra"


def test_the_last_event_of_an_image_stream_has_usage() -> None:
    came = {"type": "image_edit.completed", "b64_json": "AA", "created_at": 1, "usage": {"total_tokens": 3, "input_tokens": 1, "output_tokens": 2}}
    found = event_door("images")(json.dumps(came))

    assert isinstance(found, ImageCompleted)
    sound(found, came)


@pytest.mark.parametrize(
    ("usage", "model"),
    [({"type": "tokens", "input_tokens": 1, "output_tokens": 2, "total_tokens": 3}, AudioTokens), ({"type": "duration", "seconds": 2.5}, AudioDuration)],
)
def test_a_transcription_is_billed_by_tokens_or_by_time(usage: dict[str, Any], model: type[Wire]) -> None:
    whole, event = parse_body("audio", {"text": "a", "usage": usage}), event_door("audio")({"type": "transcript.text.done", "text": "a", "usage": usage})

    assert isinstance(whole, Transcription)
    assert isinstance(event, TranscriptDone)
    assert type(whole.usage) is type(event.usage) is model
    assert whole.problems == event.problems == ()


# Anthropic.


def test_a_message_has_blocks_of_many_kinds() -> None:
    came = {
        "model": "claude-x",
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [
            {"type": "text", "text": "a", "citations": None},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result", "url": "u"}]},
            {"type": "compaction", "content": None},
            {"type": "unheard_of", "x": 1},
        ],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 2}, "output_tokens": 3},
    }
    found = parse_body("messages", json.dumps(came))

    assert isinstance(found, AnthropicMessage)
    sound(found, came)
    assert [type(block) for block in found.content or ()] == [TextBlock, ToolUseBlock, ToolResultBlock, CompactionBlock, UnknownBlock]


def test_a_stream_of_a_message_begins_with_input_and_ends_with_output() -> None:
    start = parse_anthropic_event({"type": "message_start", "message": {"id": "msg_1", "model": "claude-x", "usage": {"input_tokens": 5, "output_tokens": 1}}})
    end = parse_anthropic_event({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 9}})

    assert isinstance(start, AnthropicMessageStart)
    assert isinstance(end, AnthropicMessageDelta)
    assert start.message
    assert start.message.usage
    assert end.usage
    assert end.delta
    assert (start.message.usage.input_tokens, end.usage.output_tokens, end.delta.stop_reason) == (5, 9, "end_turn")


def test_a_call_of_a_tool_comes_in_pieces_of_json() -> None:
    start = parse_anthropic_event({"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}}})
    piece = parse_anthropic_event({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a"'}})

    assert isinstance(start, ContentBlockStart)
    assert isinstance(start.content_block, ToolUseBlock)
    assert isinstance(piece, ContentBlockDelta)
    assert isinstance(piece.delta, InputJsonDelta)


def test_a_turn_is_text_or_blocks() -> None:
    came = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": [{"type": "text", "text": "b"}]}]}
    found = parse_request("messages", json.dumps(came))

    assert isinstance(found, AnthropicBody)
    sound(found, came)


# Realtime and Live.


def test_a_realtime_response_ends_with_status_output_and_usage() -> None:
    came = {
        "type": "response.done",
        "event_id": "event_1",
        "response": {
            "object": "realtime.response",
            "id": "resp_1",
            "status": "incomplete",
            "status_details": {"type": "incomplete", "reason": "max_output_tokens"},
            "output": [{"id": "item_1", "type": "function_call", "name": "f", "call_id": "call_1", "arguments": "{}"}],
            "usage": {"total_tokens": 3, "input_tokens": 1, "output_tokens": 2, "input_token_details": {"cached_tokens_details": {"audio_tokens": 1}}},
        },
    }
    found = parse_realtime_event(json.dumps(came))

    assert isinstance(found, RealtimeResponseEvent)
    sound(found, came)
    assert found.response
    assert found.response.output
    assert found.response.status_details
    assert (found.response.status, found.response.output[0].call_id) == ("incomplete", "call_1")


def test_a_realtime_error_names_the_event_that_caused_it() -> None:
    came = {"type": "error", "event_id": "event_1", "error": {"type": "invalid_request_error", "code": "x", "message": "m", "param": None, "event_id": "mine"}}
    found = parse_realtime_event(json.dumps(came))

    assert isinstance(found, RealtimeErrorEvent)
    sound(found, came)
    assert found.error
    assert found.error.event_id == "mine"


def test_the_client_s_speech_is_transcribed_with_usage_of_its_own() -> None:
    kind = "conversation.item.input_audio_transcription.completed"
    found = parse_realtime_event({"type": kind, "item_id": "item_1", "content_index": 0, "transcript": "a", "usage": {"type": "duration", "seconds": 3}})

    assert isinstance(found, RealtimeTranscribed)
    assert isinstance(found.usage, AudioDuration)


def test_a_live_session_ends_with_its_seconds() -> None:
    found = parse_live_event({"type": "session.closed", "event_id": "e", "reason": "expired", "session": {"id": "s"}, "usage": {"seconds": 61.5}})

    assert isinstance(found, LiveSessionClosed)
    assert found.usage
    assert found.usage.seconds == 61.5


def known(union: Any) -> set[str]:
    """The types that a union of the openai package has."""
    members = get_args(union)
    nested = [each for member in members for each in get_args(member)] or [union]
    return {value for member in (*members, *nested) if hasattr(member, "model_fields") for value in get_args(member.model_fields["type"].annotation)}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (RealtimeServerEvent, sdk_realtime.RealtimeServerEvent),
        (RealtimeClientEvent, sdk_realtime.RealtimeClientEvent),
        (ImageEvent, sdk.ImageGenStreamEvent),
        (ImageEvent, sdk.ImageEditStreamEvent),
        (AudioEvent, sdk_audio.TranscriptionStreamEvent),
    ],
)
def test_every_type_that_the_openai_package_knows_has_a_model(ours: Any, theirs: Any) -> None:
    assert known(theirs)
    assert known(theirs) - set(types(ours)) == set()


def test_every_type_of_live_that_the_openai_package_knows_has_a_model() -> None:
    live = pytest.importorskip("openai.types.live", reason="an openai package from before there was Live")

    assert known(live.ServerEvent) - set(types(LiveServerEvent)) == set()
    assert known(live.ClientEvent) - set(types(LiveClientEvent)) == set()


def test_every_type_of_an_attached_live_socket_has_a_model() -> None:
    live = pytest.importorskip("openai.types.live", reason="an openai package from before there was Live")

    assert known(live.ConnectServerEvent) - set(types(LiveServerEvent)) == set()
    assert known(live.ConnectClientEvent) - set(types(LiveClientEvent)) == set()

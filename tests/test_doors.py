"""The doors: which model each kind, call and object comes out as, and garbage."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import playhead.proxy.models as models
from playhead.proxy.models import (
    Shape,
    Unparsed,
    client_event_door,
    event_door,
    parse_anthropic_event,
    parse_body,
    parse_chat_chunk,
    parse_client_event,
    parse_event,
    parse_live_client_event,
    parse_live_event,
    parse_realtime_client_event,
    parse_realtime_event,
    parse_request,
    parse_response,
    parse_server_event,
)
from playhead.proxy.models.doors import _BODIES, _EVENTS, _REQUESTS, _SAYING, _SENT_EVENTS, door
from playhead.proxy.models.kind import _CALLS
from playhead.proxy.models.names import load, places


def name(model: Any) -> str:
    return type(model).__name__


@pytest.mark.parametrize("data", [b'{"id":"resp_1"}', bytearray(b'{"id":"resp_1"}'), '{"id":"resp_1"}', {"id": "resp_1"}])
def test_a_door_takes_bytes_text_and_objects(data: Any) -> None:
    assert parse_response(data).to_wire() == {"id": "resp_1"}


@pytest.mark.parametrize(
    ("shape", "answer", "model"),
    [
        ("responses", {"id": "resp_1", "object": "response", "error": None}, "Response"),
        ("responses", {"id": "resp_1", "object": "response", "error": {"code": "server_error"}, "status": "failed"}, "Response"),
        ("responses", {"id": "resp_1", "object": "response", "deleted": True}, "Deleted"),
        ("responses", {"id": "resp_1", "object": "response.deleted", "deleted": True}, "Deleted"),
        ("responses", {"object": "list", "data": []}, "ItemList"),
        ("responses", {"id": "resp_1", "object": "response.compaction"}, "CompactedResponse"),
        ("responses", {"object": "response.input_tokens", "input_tokens": 5}, "InputTokenCount"),
        ("responses", {"error": {"message": "no", "code": None}}, "ErrorBody"),
        ("responses", {"object": 5}, "Response"),
        (Shape("responses", "compact"), {"id": "resp_1"}, "CompactedResponse"),
        (Shape("responses", "create"), {"object": "list"}, "ItemList"),
        (Shape("responses", "unheard_of"), {"object": "response"}, "Response"),
        ("chat.completions", {"object": "chat.completion"}, "ChatCompletion"),
        ("chat.completions", {"id": "x", "object": "chat.completion", "error": {"message": "late"}}, "ChatCompletion"),
        ("chat.completions", {"object": "chat.completion.deleted"}, "ChatDeleted"),
        ("chat.completions", {"error": "no such model", "code": "not_found"}, "ErrorBody"),
        (Shape("chat.completions", "messages"), {"object": "list", "data": []}, "ChatMessageList"),
        (Shape("other", "completions"), {"object": "text_completion"}, "Completion"),
        ("embeddings", {"object": "list"}, "EmbeddingList"),
        ("images", {"created": 1}, "ImageAnswer"),
        ("audio", {"text": "hi"}, "Transcription"),
        ("messages", {"type": "message"}, "AnthropicMessage"),
        ("messages", {"type": "error", "error": {"type": "overloaded_error"}}, "ErrorBody"),
        ("messages", {"input_tokens": 5}, "AnthropicTokenCount"),
        ("messages", {"id": "msgbatch_1", "type": "message_batch"}, "OtherObject"),
        ("realtime", {"object": "realtime.session"}, "OtherObject"),
        (Shape("realtime", "client_secrets"), {"value": "ek_1"}, "RealtimeClientSecret"),
        (Shape("other", "moderations"), {"results": []}, "Moderation"),
        (Shape("other", "conversations.items.list"), {"object": "list"}, "ItemList"),
        (Shape("other", "conversations.items.retrieve"), {"type": "message", "role": "user"}, "Message"),
        ("other", {"object": "conversation"}, "Conversation"),
        ("other", {"object": "thread.run"}, "OtherObject"),
        ("unheard of", {"object": "x"}, "OtherObject"),
    ],
)
def test_an_answer_is_what_was_asked_for_unless_it_says_otherwise(shape: Shape | str, answer: dict[str, Any], model: str) -> None:
    found = parse_body(shape, json.dumps(answer))

    assert name(found) == model
    assert found.to_wire() == answer


@pytest.mark.parametrize(
    "answer",
    [
        {"error": {"message": "m", "type": "invalid_request_error", "param": None, "code": None}},
        {"error": {"message": "m", "code": 429}},
        {"type": "error", "error": {"type": "overloaded_error", "message": "m"}, "request_id": "req_1"},
        {"error": "no such model", "code": "not_found"},
        {"message": "Internal", "code": 500},
        {"detail": "Not Found"},
        {"detail": [{"loc": ["body"], "msg": "m"}]},
        {"object": "error", "message": "m"},
    ],
)
def test_an_error_may_have_the_form_of_any_server(answer: dict[str, Any]) -> None:
    found = parse_body("chat.completions", answer, status=400)

    assert (name(found), found.to_wire(), found.problems) == ("ErrorBody", answer, ())


@pytest.mark.parametrize(
    ("shape", "request_", "model"),
    [
        ("responses", {"model": "m", "input": "hi"}, "CreateBody"),
        ("responses", {"type": "response.create", "model": "m"}, "ResponseCreate"),
        (Shape("responses", "socket"), {"type": "response.steer"}, "ResponseSteer"),
        (Shape("responses", "compact"), {"model": "m"}, "CompactBody"),
        (Shape("responses", "input_tokens"), {"model": "m"}, "InputTokensBody"),
        ("chat.completions", {"messages": []}, "ChatBody"),
        (Shape("chat.completions", "update"), {"metadata": {}}, "ChatMetadata"),
        (Shape("other", "completions"), {"prompt": "x"}, "CompletionBody"),
        ("embeddings", {"input": "x"}, "EmbeddingBody"),
        ("images", {"prompt": "x"}, "ImageBody"),
        ("audio", {"input": "x"}, "SpeechBody"),
        ("messages", {"messages": [{"role": "user", "content": "hi"}]}, "AnthropicBody"),
        ("messages", {"requests": []}, "OtherObject"),
        (Shape("messages", "count_tokens"), {"model": "m"}, "AnthropicBody"),
        ("realtime", {"session": {}}, "RealtimeBody"),
        (Shape("other", "moderations"), {"input": "x"}, "ModerationBody"),
        (Shape("other", "conversations.create"), {"items": []}, "ConversationBody"),
        (Shape("other", "conversations.items.create"), {"items": []}, "ItemsBody"),
        ("other", {"x": 1}, "OtherObject"),
    ],
)
def test_a_request_is_what_its_call_takes(shape: Shape | str, request_: dict[str, Any], model: str) -> None:
    found = parse_request(shape, json.dumps(request_))

    assert (name(found), found.to_wire(), found.problems) == (model, request_, ())


@pytest.mark.parametrize(
    ("shape", "event", "model"),
    [
        ("responses", {"type": "response.created", "response": {}}, "ResponseCreated"),
        (Shape("responses", "retrieve"), {"type": "response.output_text.delta"}, "OutputTextDelta"),
        ("responses", {"type": "response.steer.accepted"}, "SteerAccepted"),
        ("responses", {"type": "unheard.of"}, "UnknownEvent"),
        ("responses", {}, "UnknownEvent"),
        ("chat.completions", {"choices": []}, "ChatChunk"),
        (Shape("other", "completions"), {"choices": []}, "Completion"),
        ("messages", {"type": "message_start"}, "AnthropicMessageStart"),
        ("images", {"type": "image_edit.completed"}, "ImageCompleted"),
        ("audio", {"type": "transcript.text.done"}, "TranscriptDone"),
        ("realtime", {"type": "response.created", "response": {}}, "RealtimeResponseEvent"),
        (Shape("realtime", "translations.socket"), {"type": "session.output_audio.delta"}, "RealtimeDelta"),
        (Shape("realtime", "live.socket"), {"type": "session.output_audio.delta"}, "LiveDelta"),
        ("embeddings", {"type": "x"}, "OtherObject"),
    ],
)
def test_an_event_is_what_the_path_says_never_the_type_alone(shape: Shape | str, event: dict[str, Any], model: str) -> None:
    assert name(event_door(shape)(json.dumps(event))) == model


@pytest.mark.parametrize(
    ("shape", "model"),
    [
        (Shape("responses", "socket"), "ResponseCreate"),
        (Shape("realtime", "socket"), "RealtimeResponseCreate"),
        (Shape("realtime", "live.socket"), "LiveCommand"),
        (Shape("other"), "OtherObject"),
    ],
)
def test_a_client_s_event_is_what_the_path_says_too(shape: Shape, model: str) -> None:
    assert name(client_event_door(shape)(b'{"type":"response.create"}')) == model


def test_each_api_with_events_has_a_door_of_its_own() -> None:
    text = b'{"type":"response.create"}'

    assert [name(parse(text)) for parse in (parse_event, parse_server_event, parse_client_event, parse_chat_chunk, parse_anthropic_event)] == [
        *("UnknownEvent", "UnknownEvent", "ResponseCreate", "ChatChunk", "UnknownAnthropicEvent")
    ]
    assert [name(parse(text)) for parse in (parse_realtime_event, parse_realtime_client_event, parse_live_event, parse_live_client_event)] == [
        *("UnknownRealtimeEvent", "RealtimeResponseCreate", "UnknownLiveEvent", "LiveCommand")
    ]


@pytest.mark.parametrize("error", [{"code": "x", "message": "m", "param": None}, {"error": {"type": "t", "message": "m"}}])
def test_an_error_event_may_be_flat_or_nested(error: dict[str, Any]) -> None:
    found = parse_event({"type": "error", **error, "sequence_number": 3})

    assert (name(found), found.problems) == ("ErrorEvent", ())


@pytest.mark.parametrize(
    ("data", "reason"), [(b"", "no JSON"), (b"data: [DONE]", "no JSON"), (b"\xff", "no JSON"), (b"[1]", "no object"), (b"null", "no object")]
)
def test_what_is_no_object_says_so_at_every_door(data: bytes, reason: str) -> None:
    for parsed in (parse_event(data), parse_request("messages", data), parse_body("responses", data), parse_body("chat.completions", data, status=500)):
        assert isinstance(parsed, Unparsed)
        assert parsed.reason == reason


def test_a_door_is_built_once() -> None:
    assert door("Response") is door("Response")


def test_doors_are_only_for_calls_that_there_are() -> None:
    calls = {call for of in _CALLS.values() for call in of.values()} | {""}

    assert {shape.call for table in (_REQUESTS, _BODIES, _EVENTS, _SENT_EVENTS) for shape in table} <= calls


def test_every_model_that_a_door_is_for_exists() -> None:
    named = {each for table in (_REQUESTS, _BODIES, _EVENTS, _SENT_EVENTS) for each in table.values()}
    named |= {each for table in _SAYING.values() for each in table.values()}

    assert named <= set(places())


# What the package exports.


def test_every_model_and_union_is_exported_by_name() -> None:
    for each in places():
        assert getattr(models, each) is load(each)


def test_a_name_that_is_none_is_no_attribute() -> None:
    wrong = "Nonsense"

    with pytest.raises(AttributeError, match="Nonsense"):
        getattr(models, wrong)


def test_the_names_are_listed() -> None:
    assert {"parse_event", "ChatChunk", "Response"} <= set(dir(models))


def test_models_are_imported_only_when_they_are_asked_for() -> None:
    code = "import sys, playhead.proxy.models; print(sorted(name.rpartition('.')[2] for name in sys.modules if name.startswith('playhead.proxy.models.')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout

    assert loaded.strip() == "['doors', 'event_door', 'kind', 'lenient', 'names', 'wire']"

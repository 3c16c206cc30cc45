"""The small reader: kinds, requests, answers, events; garbage is nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.reader import (
    EventReader,
    _plain,
    _plain_usage,
    answer_fields,
    event_type,
    kind_of,
    read_answer,
    read_request,
    request_fields,
    sequence_number,
    stream_id,
    text_of,
)
from playhead.storage.records import Facts


def seen(kind: str, *events: tuple[str | None, Any]) -> Facts:
    reader, facts = EventReader(), Facts(kind=kind)
    for name, data in events:
        reader.see(name, data if isinstance(data, bytes) else json.dumps(data).encode())
    facts.parse = "parsed" if reader.read(facts) and reader.ended else "partial"
    return facts


def answered(kind: str, answer: dict[str, Any]) -> Facts:
    facts = Facts(kind=kind)
    read_answer(facts, answer_fields(json.dumps(answer).encode())[0])
    return facts


def asked(body: bytes, content_type: bytes = b"application/json", kind: str = "responses", path: str = "/v1/responses") -> Facts:
    facts = Facts(kind=kind)
    read_request(facts, request_fields(body, content_type), path)
    return facts


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/responses", "responses"),
        ("/responses", "responses"),
        ("/v1/responses/resp_1/input_items?limit=2", "responses"),
        ("/openai/v1/responses/", "responses"),
        ("/backend-api/codex/responses", "responses"),
        ("/v1/chat/completions", "chat.completions"),
        ("/models/chat/completions", "chat.completions"),
        ("/client/v4/accounts/x/ai/v1/chat/completions", "chat.completions"),
        ("/openai/deployments/responses/chat/completions?api-version=1", "chat.completions"),
        ("//openai/deployments/audio/embeddings", "embeddings"),
        ("/v1/embeddings", "embeddings"),
        ("/v1/images/edits", "images"),
        ("/v1/audio/speech", "audio"),
        ("/v1/realtime?model=gpt-realtime", "realtime"),
        ("/v1/live/sessions", "realtime"),
        ("/v1/messages", "messages"),
        ("/anthropic/v1/messages/batches", "messages"),
        ("/v1/threads/thread_1/messages", "other"),
        ("/v1/organization/usage/embeddings", "other"),
        ("/v1/conversations/conv_1/items", "other"),
        ("/v1/models/embeddings", "other"),
        ("/v1/completions", "other"),
        ("/v1/responses_of_mine", "other"),
        ("", "other"),
        ("*", "other"),
    ],
)
def test_the_kind_is_told_by_the_path(path: str, kind: str) -> None:
    assert kind_of(path) == kind


def test_a_request_tells_its_model_parent_cache_key_and_user() -> None:
    facts = asked(b'{"input":[{"model":"no"}],"model":"gpt-5","previous_response_id":"resp_0","prompt_cache_key":"k","user":"u"}')

    assert (facts.model, facts.previous_response_id, facts.prompt_cache_key, facts.user) == ("gpt-5", "resp_0", "k", "u")


def test_a_form_tells_its_model() -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: audio/mpeg\r\n\r\n\xff\xf3\r\n'
    body += b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b--\r\n'

    assert asked(body, b"Multipart/form-data; boundary=b").model == "whisper-1"


def test_the_model_of_a_form_may_be_its_first_part() -> None:
    body = b"--b\r\nContent-Disposition: form-data; name=model\r\n\r\nwhisper-1\r\n--b\r\nContent-Disposition: form-data; name=x\r\n\r\ny\r\n--b--\r\n"

    assert asked(body, b"multipart/form-data; boundary=b").model == "whisper-1"


def test_a_form_without_a_model_has_none() -> None:
    assert asked(b"--b--\r\n", b"multipart/form-data; boundary=b").model is None


def test_the_model_of_a_realtime_socket_stands_in_its_query() -> None:
    assert asked(b"", kind="realtime", path="/v1/realtime?model=gpt-realtime&x=1").model == "gpt-realtime"


def test_the_model_of_a_realtime_session_is_that_of_the_request() -> None:
    assert asked(b'{"session":{"model":"gpt-realtime"}}', kind="realtime").model == "gpt-realtime"


def test_the_answer_corrects_the_model_and_echoes_what_the_request_left_out() -> None:
    facts = asked(b'{"model":"gpt-5"}')
    read_answer(facts, {"model": "gpt-5-2025-08-07", "previous_response_id": "resp_0", "prompt_cache_key": "k", "user": "u"})

    assert (facts.model, facts.previous_response_id, facts.prompt_cache_key, facts.user) == ("gpt-5-2025-08-07", "resp_0", "k", "u")


def test_a_response_tells_id_status_tier_and_usage() -> None:
    usage = {"input_tokens": 3, "input_tokens_details": {"cached_tokens": 1}, "output_tokens": 2}
    facts = answered("responses", {"id": "resp_1", "object": "response", "status": "completed", "service_tier": "default", "usage": usage})

    assert (facts.response_id, facts.response_status, facts.service_tier, facts.usage) == ("resp_1", "completed", "default", usage)


NUMBERS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
USAGE = st.dictionaries(
    st.text('ab\\"é\0', max_size=3), st.recursive(NUMBERS, lambda inner: st.dictionaries(st.text("ab", max_size=1), inner) | st.lists(inner), max_leaves=12)
)


@given(USAGE)
def test_usage_is_plain_json_whether_it_was_so_already_or_not(usage: dict[str, Any]) -> None:
    assert json.dumps(_plain_usage(usage)) == json.dumps(_plain(usage))


@pytest.mark.parametrize("levels", [7, 8, 9])
def test_usage_is_as_deep_as_a_database_takes(levels: int) -> None:
    usage: dict[str, Any] = {}
    for _ in range(levels):
        usage = {"a": usage}

    assert _plain_usage(usage) == _plain(usage)


def test_the_tier_of_a_message_stands_in_its_usage() -> None:
    facts = answered("messages", {"id": "msg_1", "type": "message", "usage": {"input_tokens": 3, "service_tier": "standard"}})

    assert (facts.response_id, facts.service_tier) == ("msg_1", "standard")


def test_a_batch_of_messages_is_no_response() -> None:
    assert answered("messages", {"id": "msgbatch_1", "type": "message_batch"}).response_id is None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"error": {"code": "rate_limit_exceeded", "type": "tokens"}}, "rate_limit_exceeded"),
        ({"error": {"code": None, "type": "invalid_request_error"}}, "invalid_request_error"),
        ({"error": {"code": 429}}, "429"),
        ({"type": "error", "error": {"type": "overloaded_error"}}, "overloaded_error"),
        ({"error": "no such model", "code": "not_found"}, "not_found"),
        ({"error": "no such model"}, "error"),
        ({"error": None}, None),
        ({"error": {}}, None),
        ({"status_details": {"error": {"code": "x"}}}, "x"),
    ],
)
def test_an_error_has_a_code(error: dict[str, Any], code: str | None) -> None:
    assert answered("responses", error).error_code == code


def test_half_a_surrogate_pair_is_read_as_most_clients_do() -> None:
    fields, sound = answer_fields(b'{"id": "resp_\\ud83d", "status": "completed"}')
    facts = Facts(kind="responses")
    read_answer(facts, fields)

    assert sound
    assert (facts.response_id, facts.response_status) == ("resp_?", "completed")


def test_json_that_is_no_object_is_sound_and_says_nothing() -> None:
    assert answer_fields(b"[1]") == ({}, True)


def test_values_are_made_fit_for_any_database() -> None:
    facts = Facts(kind="responses")
    read_answer(facts, {"usage": {"a\0": float("inf"), "b": ["\0", {"c": 1.5}], "d": True, "deep": [[[[[[[[[[1]]]]]]]]]]}})

    assert facts.usage == {"a\ufffd": None, "b": ["\ufffd", {"c": 1.5}], "d": True, "deep": [[[[[[[None]]]]]]]}


def test_a_text_is_bounded_and_an_empty_one_is_none() -> None:
    assert len(text_of("x" * 5000) or "") == 1024
    assert text_of("") is None
    assert text_of(5) is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"type":"a.b","sequence_number":7,"x":1}', ("a.b", 7)),
        (b'{"type":"a.b","sequence_number":7}', ("a.b", 7)),
        (b' { "type" : "a" , "sequence_number" : 12 }', ("a", 12)),
        (b'{"item":{"type":"message","sequence_number":1},"type":"a","sequence_number":3}', ("a", 3)),
        (b'{"sequence_number":3,"item":{"type":"message"},"type":"a","x":{"y":1}}', ("a", 3)),
        (b'{"item":{"type":"message","sequence_number":1}}', (None, None)),
        (b'{"delta":"\\"type\\":\\"x\\",","type":"a"}', ("a", None)),
        (b'{"delta":"a } b {","sequence_number":5,"type":"a"}', ("a", 5)),
        (b'{"type":5,"sequence_number":"6"}', (None, 6)),
        (b'{"sequence_number":-1}', (None, None)),
        (b'{"sequence_number":true}', (None, None)),
        (b'["type"]', (None, None)),
        (b"[DONE]", (None, None)),
        (b"", (None, None)),
    ],
)
def test_type_and_sequence_number_are_those_of_the_outer_object(data: bytes, expected: tuple[str | None, int | None]) -> None:
    assert event_type(data) == expected
    assert sequence_number(data) == expected[1]


members = st.dictionaries(
    st.sampled_from(["type", "sequence_number", "stream_id", "item", "x"]),
    st.recursive(
        st.integers(0, 99) | st.text(st.sampled_from('ab{}[]":,\\'), max_size=8).filter(bool),
        lambda inner: st.dictionaries(st.sampled_from(["type", "sequence_number", "stream_id", "y"]), inner, max_size=3) | st.lists(inner, max_size=2),
        max_leaves=5,
    ),
    max_size=5,
)


@given(members, st.sampled_from([(",", ":"), (", ", ": ")]))
def test_members_found_by_their_bytes_are_those_of_a_full_parse(value: dict[str, Any], separators: tuple[str, str]) -> None:
    data = json.dumps(value, separators=separators).encode()
    kind, number, lane = value.get("type"), value.get("sequence_number"), value.get("stream_id")

    assert event_type(data)[0] == (kind if isinstance(kind, str) else None)
    assert stream_id(data) == (lane if isinstance(lane, str) else None)
    if number is None or isinstance(number, int):
        assert sequence_number(data) == number


@given(st.binary(max_size=80), st.sampled_from(["responses", "chat.completions", "messages", "realtime", "other"]))
def test_garbage_says_nothing_and_never_raises(data: bytes, kind: str) -> None:
    event_type(data)
    stream_id(data)
    facts = asked(data, kind=kind)
    read_answer(facts, answer_fields(data)[0])
    for name in (None, "error", "response.completed", "message_delta", "session.created"):
        seen(kind, (name, data))


RESPONSE = {"id": "resp_1", "object": "response", "status": "completed", "model": "m", "service_tier": "default", "usage": {"input_tokens": 1}}


def test_the_terminal_event_of_a_stream_tells_the_facts() -> None:
    begun = {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "service_tier": "auto"}}
    facts = seen("responses", ("response.created", begun), ("response.output_text.delta", {}), ("response.completed", {"response": RESPONSE}))

    assert (facts.response_id, facts.response_status, facts.service_tier, facts.model) == ("resp_1", "completed", "default", "m")
    assert (facts.usage, facts.parse) == ({"input_tokens": 1}, "parsed")


def test_a_cut_stream_tells_what_its_beginning_said() -> None:
    facts = seen("responses", ("response.created", {"response": {"id": "resp_1", "status": "in_progress", "model": "m"}}))

    assert (facts.response_id, facts.response_status, facts.parse) == ("resp_1", "in_progress", "partial")


@pytest.mark.parametrize(
    "event",
    [{"type": "error", "code": "server_error", "message": "x"}, {"type": "error", "error": {"code": "server_error", "message": "x"}}],
)
def test_an_error_ends_a_stream_flat_or_nested(event: dict[str, Any]) -> None:
    facts = seen("responses", ("response.created", {"response": {"id": "resp_1"}}), ("error", event))

    assert (facts.response_id, facts.error_code, facts.parse) == ("resp_1", "server_error", "parsed")


def test_a_failed_response_tells_its_error() -> None:
    facts = seen("responses", ("response.failed", {"response": {"status": "failed", "error": {"code": "server_error"}}}))

    assert (facts.response_status, facts.error_code) == ("failed", "server_error")


def test_of_many_responses_on_a_socket_the_last_that_ended_counts() -> None:
    second = {**RESPONSE, "id": "resp_2", "usage": {"input_tokens": 2}}
    facts = seen(
        "responses",
        ("response.created", {"response": {"id": "resp_1"}}),
        ("error", {"error": {"code": "old"}}),
        ("response.created", {"response": {"id": "resp_2"}}),
        ("response.completed", {"response": second}),
        ("response.created", {"response": {"id": "resp_3"}}),
    )

    assert (facts.response_id, facts.usage, facts.error_code, facts.parse) == ("resp_2", {"input_tokens": 2}, None, "partial")


def test_chunks_of_a_completion_tell_id_model_and_the_usage_of_the_last() -> None:
    chunk = {"id": "chatcmpl-1", "model": "gpt-4o-1", "usage": None, "choices": [{"delta": {"content": "a"}, "finish_reason": None}]}
    last = {"id": "chatcmpl-1", "model": "gpt-4o-1", "service_tier": "default", "choices": [], "usage": {"prompt_tokens": 1}}
    facts = seen("chat.completions", (None, {"id": "", "model": "", "choices": []}), (None, chunk), (None, last), (None, b"[DONE]"))

    assert (facts.response_id, facts.model, facts.service_tier) == ("chatcmpl-1", "gpt-4o-1", "default")
    assert (facts.usage, facts.parse) == ({"prompt_tokens": 1}, "parsed")


def test_a_completion_has_ended_with_its_finish_reason() -> None:
    chunk = {"id": "chatcmpl-1", "choices": [{"delta": {}, "finish_reason": None}]}

    assert seen("chat.completions", (None, chunk)).parse == "partial"
    assert seen("chat.completions", (None, chunk), (None, {"choices": [{"finish_reason": "stop"}]})).parse == "parsed"


def test_done_alone_ends_nothing() -> None:
    assert seen("responses", (None, b"[DONE]")).parse == "partial"


def test_usage_of_messages_is_that_of_the_start_with_that_of_the_last_delta_over_it() -> None:
    start = {"type": "message_start", "message": {"id": "msg_1", "type": "message", "model": "claude", "usage": {"input_tokens": 9, "output_tokens": 1}}}
    facts = seen(
        "messages",
        ("message_start", start),
        ("message_delta", {"usage": {"output_tokens": 5}}),
        ("message_delta", {"usage": {"output_tokens": 7, "input_tokens": None}}),
        ("message_stop", {"type": "message_stop"}),
    )

    assert (facts.response_id, facts.model, facts.usage) == ("msg_1", "claude", {"input_tokens": 9, "output_tokens": 7})
    assert facts.parse == "parsed"


@pytest.mark.parametrize("name", ["image_generation.completed", "image_edit.completed", "transcript.text.done", "speech.audio.done", "session.closed"])
def test_events_that_end_other_streams_tell_their_usage(name: str) -> None:
    facts = seen("images", (name, {"type": name, "usage": {"total_tokens": 4}}))

    assert (facts.usage, facts.parse) == ({"total_tokens": 4}, "parsed")


def test_a_realtime_session_tells_its_model() -> None:
    facts = seen("realtime", ("session.created", {"session": {"model": "gpt-realtime"}}), ("response.done", {"response": {"id": "resp_1", "usage": {"a": 1}}}))

    assert (facts.model, facts.response_id, facts.usage) == ("gpt-realtime", "resp_1", {"a": 1})


def test_a_reader_restored_from_its_state_reads_alike() -> None:
    first, second = EventReader(), EventReader()
    first.see("response.created", json.dumps({"response": {"id": "resp_1", "model": "m"}}).encode())
    second.restore(json.loads(json.dumps(first.state())))
    facts, other = Facts(kind="responses"), Facts(kind="responses")
    for reader, found in ((first, facts), (second, other)):
        reader.see("response.completed", json.dumps({"response": RESPONSE}).encode())
        reader.read(found)

    assert facts == other


def test_a_terminal_event_that_is_not_json_is_told() -> None:
    reader = EventReader()
    reader.see("response.completed", b"{")

    assert not reader.read(Facts(kind="responses"))

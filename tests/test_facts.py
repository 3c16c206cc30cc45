"""What requests and answers tell the listings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.facts import Told, number_of, output_rows, row_of, take_answer, take_request, tell, type_of, words_of
from playhead.proxy.models.doors import event_door, parse_body
from playhead.proxy.models.kind import Shape
from playhead.proxy.plain import MAX_TEXT, are_plain, plain, text_of, texts_of
from playhead.storage.records import Facts, ItemRow


def answered(kind: str, answer: dict[str, Any]) -> Facts:
    facts = Facts(kind=kind)
    take_answer(facts, parse_body(kind, json.dumps(answer).encode()))
    return facts


def asked(body: bytes, content_type: bytes = b"application/json", kind: str = "responses", path: str = "/v1/responses") -> Facts:
    facts = Facts(kind=kind)
    take_request(facts, tell(Shape(kind), body, content_type), path)
    return facts


def test_a_request_tells_its_model_parent_cache_key_and_user() -> None:
    facts = asked(b'{"input":[{"model":"no"}],"model":"gpt-5","previous_response_id":"resp_0","prompt_cache_key":"k","user":"u"}')

    assert (facts.model, facts.previous_response_id, facts.prompt_cache_key, facts.user) == ("gpt-5", "resp_0", "k", "u")


@pytest.mark.parametrize("named", ['"conv_1"', '{"id":"conv_1"}'])
def test_a_request_tells_its_conversation(named: str) -> None:
    assert asked(b'{"conversation":%b}' % named.encode()).conversation == "conv_1"


@pytest.mark.parametrize("named", ["null", "5", "[]", '""', '{"id":5}', "{}"])
def test_what_names_no_conversation_tells_none(named: str) -> None:
    assert asked(b'{"conversation":%b}' % named.encode()).conversation is None


def test_an_answer_tells_its_conversation() -> None:
    assert answered("responses", {"object": "response", "conversation": {"id": "conv_1"}}).conversation == "conv_1"


@pytest.mark.parametrize("path", ["/v1/conversations/conv%5F1", "/v1/conversations/conv_1/items?include[]=x", "/v1/conversations/conv_1/items/msg_1"])
def test_a_call_about_a_conversation_is_of_it(path: str) -> None:
    assert asked(b"", kind="other", path=path).conversation == "conv_1"


def test_a_call_that_makes_a_conversation_is_of_it() -> None:
    assert answered("other", {"object": "conversation", "id": "conv_1"}).conversation == "conv_1"


def test_other_apis_have_no_conversations() -> None:
    assert asked(b'{"conversation":"conv_1"}', kind="realtime").conversation is None
    assert answered("other", {"object": "thread", "id": "thread_1"}).conversation is None


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
    take_answer(facts, {"model": "gpt-5-2025-08-07", "previous_response_id": "resp_0", "prompt_cache_key": "k", "user": "u"})

    assert (facts.model, facts.previous_response_id, facts.prompt_cache_key, facts.user) == ("gpt-5-2025-08-07", "resp_0", "k", "u")


def test_a_response_tells_id_status_tier_and_usage() -> None:
    usage = {"input_tokens": 3, "input_tokens_details": {"cached_tokens": 1}, "output_tokens": 2}
    facts = answered("responses", {"id": "resp_1", "object": "response", "status": "completed", "service_tier": "default", "usage": usage})

    assert (facts.response_id, facts.response_status, facts.service_tier, facts.usage) == ("resp_1", "completed", "default", usage)


NUMBERS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
USAGE = st.dictionaries(
    st.text('ab\\"é\0', max_size=3) | st.sampled_from(("input_tokens", "input_tokens_details")),
    st.recursive(NUMBERS, lambda inner: st.dictionaries(st.text("ab", max_size=1), inner) | st.lists(inner), max_leaves=12),
)


@given(USAGE)
def test_usage_is_plain_json_whether_it_was_so_already_or_not(usage: dict[str, Any]) -> None:
    facts = Facts(kind="responses")
    take_answer(facts, parse_body("responses", {"usage": usage}))

    assert facts.usage == (plain(usage) or None)


counts = st.dictionaries(st.sampled_from(["input_tokens", "output_tokens", "cached_tokens"]), st.integers(0, 2**70))


@given(counts, counts, st.sampled_from([{}, {"total_tokens": None}, {"total_tokens": "7"}, {"new": 1}, {"new": "text"}]))
def test_counts_are_kept_whatever_stands_beside_them(usage: dict[str, Any], details: dict[str, Any], beside: dict[str, Any]) -> None:
    said = {"input_tokens_details": details, **usage, **beside}

    assert answered("responses", {"usage": said}).usage == said


def test_counts_stand_in_the_order_of_their_fields() -> None:
    facts = answered("responses", {"usage": {"total_tokens": 3, "input_tokens_details": {"cached_tokens": 1}, "input_tokens": 2}})

    assert list(facts.usage or ()) == ["input_tokens", "input_tokens_details", "total_tokens"]


@pytest.mark.parametrize("levels", [7, 8, 9])
def test_usage_is_as_deep_as_a_database_takes(levels: int) -> None:
    usage: dict[str, Any] = {}
    for _ in range(levels):
        usage = {"a": usage}

    assert answered("responses", {"usage": usage}).usage == plain(usage)


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


def test_half_a_surrogate_pair_is_shown_as_a_question_mark() -> None:
    facts = Facts(kind="responses")
    take_answer(facts, parse_body("responses", b'{"id": "resp_\\ud83d", "status": "completed"}'))

    assert (facts.response_id, facts.response_status) == ("resp_?", "completed")


def test_values_are_made_fit_for_any_database() -> None:
    facts = Facts(kind="responses")
    take_answer(facts, {"usage": {"a\0": float("inf"), "b": ["\0", {"c": 1.5}], "d": True, "deep": [[[[[[[[[[1]]]]]]]]]]}})

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
        (b'{"type":5,"sequence_number":"6"}', (None, None)),
        (b'{"type":"a","delta":"cut off', ("a", None)),
        (b'{"sequence_number":-1}', (None, None)),
        (b'{"sequence_number":true}', (None, None)),
        (b'["type"]', (None, None)),
        (b"[DONE]", (None, None)),
        (b"", (None, None)),
    ],
)
def test_type_and_sequence_number_are_those_of_the_outer_object(data: bytes, expected: tuple[str | None, int | None]) -> None:
    event = event_door("responses")(data)

    assert (type_of(event, data), number_of(event)) == expected
    assert words_of(event, data) == (*expected, None)


@pytest.mark.parametrize("lane", ["a", "", 5, None])
def test_the_lane_of_an_event_is_its_stream_id(lane: Any) -> None:
    data = json.dumps({"type": "response.output_text.delta", "sequence_number": 3, "stream_id": lane}).encode()

    for event in (event_door(Shape("responses", "socket"))(data), event_door("responses")(data)):
        assert words_of(event, data) == ("response.output_text.delta", 3, "a" if lane == "a" else None)


@given(st.binary(max_size=80), st.sampled_from(["responses", "chat.completions", "messages", "realtime", "other"]))
def test_garbage_says_nothing_and_never_raises(data: bytes, kind: str) -> None:
    facts = asked(data, kind=kind)
    take_answer(facts, parse_body(kind, data))


def test_what_was_told_is_restored_from_its_state() -> None:
    told = tell(Shape("responses"), b'{"model":"m","user":5,"input":[{"type":"function_call","name":"f","call_id":"c"}]}', b"")

    assert (told.model, [problem.path for problem in told.problems], told.items) == (
        "m",
        ["user"],
        (ItemRow("input", 0, "function_call", None, "c", "f", None),),
    )
    assert Told.restore(json.loads(json.dumps(told.state()))) == told


def test_a_state_of_before_conversations_were_told_of_is_restored() -> None:
    told = tell(Shape("responses"), b'{"model":"m","conversation":"conv_1"}', b"")

    assert Told.restore(told.state()[:-2]) == told._replace(conversation=None)


@pytest.mark.parametrize(
    ("kind", "answer", "rows"),
    [
        (
            "responses",
            {"output": [{"type": "shell_call", "id": "i", "call_id": "c", "status": "completed"}, {"type": "new"}]},
            [("shell_call", "i", "c", None, "completed"), ("new", None, None, None, None)],
        ),
        (
            "chat.completions",
            {"choices": [{"message": {"tool_calls": [{"id": "c", "type": "function", "function": {"name": "f"}}]}}, {"message": {"content": "x"}}]},
            [("function", "c", "c", "f", None)],
        ),
        (
            "messages",
            {"type": "message", "content": [{"type": "tool_use", "id": "t", "name": "f"}, {"type": "text", "text": "x"}]},
            [("tool_use", "t", "t", "f", None)],
        ),
        ("embeddings", {"object": "list", "data": [{"object": "embedding"}]}, []),
        ("responses", {"object": "list", "data": [{"type": "message", "id": "msg_1", "role": "user"}]}, [("message", "msg_1", None, None, None)]),
    ],
)
def test_items_and_tool_calls_of_an_answer_have_rows(kind: str, answer: dict[str, Any], rows: list[tuple[str | None, ...]]) -> None:
    found = output_rows(parse_body(kind, answer))

    assert [row[2:] for row in found] == rows
    assert [row[:2] for row in found] == [("output", place) for place in range(len(rows))]


def test_items_that_leave_their_type_out_have_rows_of_the_type_that_they_are_taken_for() -> None:
    items = [{"role": "user", "content": "Hi."}, {"type": None, "role": "assistant", "content": "Hello."}, {"id": "msg_1"}, {"text": "?"}]

    rows = tell(Shape("responses", "create"), json.dumps({"input": items}).encode(), b"application/json").items

    assert [(row.type, row.id) for row in rows] == [("message", None), ("message", None), ("item_reference", "msg_1"), (None, None)]


def test_the_tools_of_a_server_are_named_by_it() -> None:
    answer = {"id": "resp_1", "output": [{"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "docs", "tools": []}]}

    assert output_rows(parse_body("responses", answer)) == (ItemRow("output", 0, "mcp_list_tools", "mcpl_1", None, "docs", None),)


def test_the_blocks_of_a_message_keep_their_places() -> None:
    blocks = [
        {"type": "text", "text": "x"},
        {"type": "server_tool_use", "id": "t", "name": "web_search"},
        {"type": "web_search_tool_result", "tool_use_id": "t"},
    ]
    found = output_rows(parse_body("messages", {"type": "message", "id": "msg_1", "content": blocks}))

    assert [row[1:6] for row in found] == [(1, "server_tool_use", "t", "t", "web_search"), (2, "web_search_tool_result", None, "t", None)]


@pytest.mark.parametrize("told", [{"code": 404, "type": "NotFoundError"}, {"code": None, "type": "NotFoundError"}, {}])
def test_a_body_that_is_the_error_tells_its_code(told: dict[str, Any]) -> None:
    expected = "404" if told.get("code") else told.get("type", "error")

    assert answered("responses", {"object": "error", "message": "x", **told}).error_code == expected


sayings = st.none() | st.text(max_size=9) | st.sampled_from(["", "a" * MAX_TEXT, "\0", "\ud800", 0, 1, True, 1.5, [], ["a"], {}, {"a": 1}])


@given(st.lists(sayings, max_size=6))
def test_texts_taken_together_are_those_taken_one_by_one(said: list[Any]) -> None:
    assert [*texts_of(said)] == [text_of(value) for value in said]


@given(st.lists(sayings, max_size=6))
def test_what_is_plain_can_be_taken_as_it_is(said: list[Any]) -> None:
    assert not are_plain(said) or [value or None for value in said] == [text_of(value) for value in said]


@given(st.tuples(sayings, sayings, sayings, sayings, sayings))
def test_the_texts_of_an_item_are_each_cut_to_what_a_store_takes(said: tuple[Any, ...]) -> None:
    words = [text_of(value[:200]) if isinstance(value, str) else None for value in said]

    assert row_of("input", 3, said) == ItemRow("input", 3, words[0], text_of(said[1]), text_of(said[2]), words[3], words[4])

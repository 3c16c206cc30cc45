"""Usage told by models of answers and events of every API."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.models import Shape, event_door, parse_body, shape_of
from playhead.proxy.models.wire import field
from playhead.proxy.pricing.used import are_among, billed_calls, types_of, usage_in
from playhead.proxy.usage import normal_usage
from test_models_corpus import is_json
from test_recording_corpus import CORPUS, exchanges
from test_usage import ANYTHING

TOKENS = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}


def test_calls_are_counted_in_the_output() -> None:
    output = [
        {"type": "web_search_call", "action": {"type": "search"}},
        {"type": "web_search_call", "action": {"type": "open_page"}},
        {"type": "web_search_call"},
        {"type": "file_search_call"},
        {"type": "code_interpreter_call", "container_id": "cntr_1"},
        {"type": "shell_call", "environment": {"type": "container_reference", "container_id": "cntr_1"}},
        {"type": "shell_call", "environment": {"type": "local"}},
        {"type": ["message"]},
        "garbage",
    ]

    assert billed_calls(output) == {"web_search": 1, "file_search": 1, "code_interpreter": 1, "container": 1}


def test_the_tools_tell_which_web_search_it_was() -> None:
    search = [{"type": "web_search_call", "action": {"type": "search"}}]

    assert billed_calls(search, [{"type": "web_search_preview_2025_03_11"}]) == {"web_search_preview": 1}
    assert billed_calls(search, [{"type": "web_search"}, 5, {"type": None}]) == {"web_search": 1}


@given(st.lists(ANYTHING), st.lists(ANYTHING))
def test_no_output_is_too_odd_to_count_in(output: list[Any], tools: list[Any]) -> None:
    assert all(count > 0 for count in billed_calls(output, tools).values())


@given(st.lists(ANYTHING | st.builds(lambda value: {"type": value}, ANYTHING)))
def test_types_of_models_and_of_plain_objects_are_what_they_say(items: list[Any]) -> None:
    models = field(parse_body(Shape("responses", "create"), json.dumps({"output": items}).encode(), status=200), "output") or []

    for listed in (items, models, [*items, *models]):
        assert repr(types_of(listed)) == repr([field(item, "type") for item in listed])


def test_only_texts_are_among_types_that_are_known() -> None:
    known = frozenset(("message", "reasoning"))

    assert are_among(["message", "message"], known)
    assert not are_among(["message", ["message"]], known)
    assert not are_among([None], known)


@pytest.mark.parametrize(
    ("shape", "event"),
    [
        (Shape("responses"), {"type": "response.completed", "response": {"usage": TOKENS}}),
        (Shape("responses"), {"type": "response.incomplete", "response": {"usage": TOKENS}}),
        (Shape("chat.completions"), {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}}),
        (Shape("images"), {"type": "image_generation.completed", "usage": TOKENS}),
        (Shape("audio"), {"type": "transcript.text.done", "usage": {"type": "tokens", **TOKENS}}),
        (Shape("audio"), {"type": "speech.audio.done", "usage": TOKENS}),
        (Shape("realtime", "socket"), {"type": "response.done", "response": {"usage": TOKENS}}),
        (Shape("realtime", "socket"), {"type": "response.done", "response": {"usage": {}}, "usage": TOKENS}),
        (Shape("realtime", "socket"), {"type": "conversation.item.input_audio_transcription.completed", "usage": {"type": "tokens", **TOKENS}}),
        (Shape("realtime", "live.socket"), {"type": "response.event", "event": {"type": "response.completed", "response": {"usage": TOKENS}}}),
    ],
)
def test_the_event_that_ends_an_answer_tells_its_usage(shape: Shape, event: dict[str, Any]) -> None:
    found = usage_in(shape.kind, event_door(shape)(json.dumps(event)))

    assert found is not None
    assert (found.input, found.output, found.total) == (9, 3, 12)


@pytest.mark.parametrize(
    ("shape", "event"),
    [
        (Shape("responses"), {"type": "response.created", "response": {"usage": None}}),
        (Shape("responses"), {"type": "keepalive"}),
        (Shape("chat.completions"), {"choices": [], "usage": None}),
        (Shape("messages"), {"type": "ping"}),
        (Shape("realtime", "socket"), {"type": "response.created", "response": {"usage": {}}}),
    ],
)
def test_other_events_tell_none(shape: Shape, event: dict[str, Any]) -> None:
    assert usage_in(shape.kind, event_door(shape)(json.dumps(event))) is None


def test_a_response_tells_its_tools_and_its_tier_too() -> None:
    search = {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}}
    response = {
        "object": "response",
        "output": [search, {"type": "file_search_call", "queries": []}],
        "tools": [{"type": "web_search"}],
        "service_tier": "flex",
        "tool_usage": {"web_search": {"num_requests": 1}},
        "usage": TOKENS,
    }
    found = usage_in("responses", parse_body("responses", json.dumps(response)))

    assert found is not None
    assert (found.tools, found.service_tier, found.raw, found.raw_tools) == ({"web_search": 1, "file_search": 1}, "flex", TOKENS, response["tool_usage"])


def test_a_live_session_tells_its_seconds() -> None:
    event = event_door(Shape("realtime", "live.socket"))(b'{"type":"session.closed","usage":{"seconds":61.5}}')
    found = usage_in("realtime", event)

    assert found is not None
    assert found.seconds == 61.5


@given(st.sampled_from(["responses", "messages", "realtime"]), st.dictionaries(st.sampled_from(["response", "message", "event", "usage", "output"]), ANYTHING))
def test_no_object_is_too_odd_to_tell_its_usage(kind: str, answer: dict[str, Any]) -> None:
    usage_in(kind, parse_body(kind, answer))
    usage_in(kind, event_door(kind)({**answer, "type": "response.done"}))


@pytest.mark.parametrize("name", CORPUS)
def test_real_answers_tell_the_usage_that_stands_in_them(shared: Path, name: str) -> None:
    seen, wrong = 0, []
    for exchange in exchanges(shared, name):
        shape = shape_of(exchange["method"], exchange["url_path"])
        body = base64.b64decode(exchange["response_body_b64"])
        said = json.loads(body) if not exchange["streaming"] and is_json(body) else None
        if isinstance(said, dict) and isinstance(said.get("usage"), dict):
            found, plain = usage_in(shape.kind, parse_body(shape, body, status=exchange["status"])), normal_usage(shape.kind, said["usage"])
            seen += 1
            if found is None or plain is None or found.raw != said["usage"] or (found.input, found.output) != (plain.input, plain.output):
                wrong.append((exchange["id"], found))

    assert seen > 20
    assert wrong == []

"""The protocol of the two public references that the models began with: OpenAI's Ruby SDK of 2025 and ex_openai of early 2026 (PROTOCOL.md section 2.3)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from playhead.proxy.models.items import Item
from playhead.proxy.models.requests import ClientEvent, ResponseCreate
from playhead.proxy.models.responses import Response
from playhead.proxy.models.tagged import Unknown, types
from playhead.proxy.models.tools import Tool
from playhead.proxy.models.wire import Door, Wire

RESPONSE = Door[Response](Response)
ITEM = Door[Wire](Item)
TOOL = Door[Wire](Tool)
EVENT = Door[Wire](ClientEvent)

RESPONSE_2025: dict[str, Any] = {
    "id": "resp_1",
    "created_at": 1750000000.0,
    "error": None,
    "incomplete_details": None,
    "instructions": [{"role": "developer", "content": "Be brief."}],
    "metadata": {"a": "b"},
    "model": "gpt-4o-2024-08-06",
    "object": "response",
    "output": [],
    "parallel_tool_calls": True,
    "temperature": 1.0,
    "tool_choice": {"type": "web_search_preview"},
    "tools": [],
    "top_p": 1.0,
    "background": False,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "previous_response_id": None,
    "prompt": {"id": "pmpt_1", "variables": {"name": "x", "file": {"type": "input_file", "file_id": "file_1"}}, "version": "2"},
    "prompt_cache_key": "k",
    "reasoning": {"effort": "medium", "generate_summary": "detailed", "summary": None},
    "safety_identifier": "s",
    "service_tier": "flex",
    "status": "completed",
    "text": {"format": {"type": "text"}},
    "top_logprobs": 0,
    "truncation": "disabled",
    "usage": {
        "input_tokens": 1,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 3,
    },
    "user": "u",
}
"""All fields of the Ruby SDK's Response."""

CREATE_2026: dict[str, Any] = {
    "background": None,
    "context_management": [{"type": "compaction", "compact_threshold": 100000}],
    "conversation": {"id": "conv_1"},
    "include": ["reasoning.encrypted_content", "computer_call_output.output.image_url"],
    "input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}, {"type": "item_reference", "id": "msg_1"}],
    "instructions": "Be brief.",
    "max_output_tokens": 16,
    "max_tool_calls": 1,
    "metadata": {"a": "b"},
    "model": "gpt-5",
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt": {"id": "pmpt_1"},
    "prompt_cache_key": "k",
    "prompt_cache_retention": "in-memory",
    "reasoning": {"effort": "low", "summary": "auto"},
    "safety_identifier": "s",
    "service_tier": "priority",
    "store": False,
    "stream": True,
    "stream_options": {"include_obfuscation": False},
    "temperature": 1,
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}, "verbosity": "low"},
    "tool_choice": "auto",
    "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": True}],
    "top_logprobs": 1,
    "top_p": 0.5,
    "truncation": "auto",
    "type": "response.create",
    "user": "u",
}
"""All fields of ex_openai's `response.create`."""

OUTPUT_2025 = (
    *("message", "file_search_call", "function_call", "web_search_call", "computer_call", "reasoning", "image_generation_call"),
    *("code_interpreter_call", "local_shell_call", "mcp_call", "mcp_list_tools", "mcp_approval_request"),
)
TOOLS_2025 = ("function", "file_search", "web_search_preview", "computer_use_preview", "mcp", "code_interpreter", "image_generation", "local_shell")


def message(*texts: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text, "annotations": []} for text in texts]}


def output_text(*output: Any) -> str:
    response = RESPONSE({**RESPONSE_2025, "output": list(output)})
    assert isinstance(response, Response)
    return response.output_text


def test_the_29_fields_of_a_response_are_declared() -> None:
    assert len(RESPONSE_2025) == 29
    assert set(RESPONSE_2025) - set(Response.model_fields) == set()


def test_a_response_of_2025_has_no_problems_and_comes_back() -> None:
    response = RESPONSE(json.dumps(RESPONSE_2025))

    assert response.problems == ()
    assert json.dumps(response.to_wire()) == json.dumps(RESPONSE_2025)


def test_the_30_fields_of_a_create_event_are_declared() -> None:
    assert len(CREATE_2026) == 30
    assert set(CREATE_2026) - set(ResponseCreate.model_fields) == set()


@pytest.mark.parametrize("retention", ["in-memory", "in_memory", "24h"])
def test_both_spellings_of_the_retention_are_kept(retention: str) -> None:
    event = EVENT({**CREATE_2026, "prompt_cache_retention": retention})

    assert isinstance(event, ResponseCreate)
    assert event.problems == ()
    assert event.prompt_cache_retention == retention
    assert event.to_wire()["prompt_cache_retention"] == retention


def test_a_create_event_of_2026_comes_back() -> None:
    event = EVENT(json.dumps(CREATE_2026))

    assert isinstance(event, ResponseCreate)
    assert event.problems == ()
    assert json.dumps(event.to_wire()) == json.dumps(CREATE_2026)


def test_the_type_of_a_create_event_is_always_response_create() -> None:
    assert ResponseCreate(type="response.create").to_wire() == {"type": "response.create"}
    assert type(EVENT({**CREATE_2026, "type": "response.make"})) is not ResponseCreate


@pytest.mark.parametrize("type_", OUTPUT_2025)
def test_the_12_output_items_are_known(type_: str) -> None:
    assert len(OUTPUT_2025) == 12
    assert not isinstance(ITEM({"type": type_, "id": "x"}), Unknown)


@pytest.mark.parametrize("type_", [*TOOLS_2025, "web_search_preview_2025_03_11"])
def test_the_8_tools_are_known(type_: str) -> None:
    assert len(TOOLS_2025) == 8
    assert not isinstance(TOOL({"type": type_}), Unknown)


def test_an_mcp_error_that_is_a_text_is_no_problem() -> None:
    assert ITEM({"type": "mcp_call", "id": "x", "error": "not reached"}).problems == ()


def test_output_text_joins_all_output_texts() -> None:
    assert output_text({"type": "reasoning", "summary": []}, message("a", "b"), {"type": "new"}, message("c")) == "abc"


def test_output_text_takes_nothing_but_output_texts() -> None:
    refused = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}, {"type": "output_text", "text": "a"}]}

    assert output_text(refused) == "a"


@pytest.mark.parametrize("output", [[], [message()], [{"type": "function_call", "name": "f"}], [{"type": "message", "content": "text"}], [None, 5]])
def test_output_text_is_empty_where_there_is_none(output: list[Any]) -> None:
    assert output_text(*output) == ""


@pytest.mark.parametrize("output", [None, 5, "text", {}, [[]], [{"type": "message", "content": [{"type": "output_text", "text": 5}]}]])
def test_output_text_never_fails(output: Any) -> None:
    response = RESPONSE({"output": output})

    assert isinstance(response, Response)
    assert response.output_text == ""


def test_no_type_of_then_is_missing_now() -> None:
    assert set(OUTPUT_2025) <= set(types(Item))
    assert set(TOOLS_2025) <= set(types(Tool))

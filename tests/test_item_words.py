"""Items in words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.item_words import name_of_call, title, words

CALL = {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": '{"a": 1}'}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"role": "user", "content": "hi"}, "user"),
        ({"type": "message", "role": "assistant", "phase": "commentary"}, "assistant commentary"),
        ({"type": "message"}, "message"),
        (CALL, "function_call look (call_1)"),
        ({"type": "mcp_call", "server_label": "docs", "name": "find"}, "mcp_call docs.find"),
        ({"type": "function_call_output", "call_id": "call_1"}, "function_call_output of look (call_1)"),
        ({"type": "shell_call_output", "call_id": "call_9"}, "shell_call_output of (call_9)"),
        ({"type": "reasoning"}, "reasoning"),
        ({"type": 5, "id": "x"}, "item_reference"),
        ({"type": "instructions", "content": "x"}, "instructions"),
    ],
)
def test_the_title_says_who_speaks_or_what_is_called(item: dict[str, Any], expected: str) -> None:
    assert title(item, {"call_1": "look"}) == expected


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"role": "user", "content": "hi\nyou"}, "hi\nyou"),
        ({"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]}, "a\nb"),
        (
            {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"}]},
            "[image image/png, 26 characters]",
        ),
        ({"role": "user", "content": [{"type": "input_file", "file_id": "file-1", "filename": "a.pdf"}]}, "[file file-1 a.pdf]"),
        ({"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}, "No."),
        (CALL, '{"a": 1}'),
        ({"type": "function_call_output", "output": "rain"}, "rain"),
        ({"type": "reasoning", "summary": [{"type": "summary_text", "text": "So."}], "encrypted_content": "x" * 10}, "So.\n(10 characters, encrypted)"),
        ({"type": "reasoning", "summary": []}, ""),
        ({"type": "compaction", "id": "c", "encrypted_content": "xyz"}, "(3 characters, encrypted)"),
        ({"type": "item_reference", "id": "msg_9"}, "msg_9 (not in the store)"),
        ({"type": "shell_call", "action": {"commands": ["ls"], "timeout_ms": None}}, '{"commands": ["ls"]}'),
        ({"type": "image_generation_call", "revised_prompt": "A cat.", "result": "AAAA"}, "A cat.\n[image, 4 characters]"),
        ({"type": "new", "id": "x", "thing": 1}, '{"thing": 1}'),
        ({"type": "new"}, ""),
        ({"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}, "calls f (c) {}"),
        ({"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]}, "calls f (t) {}"),
        ({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}]}, "result of t\nok"),
    ],
)
def test_the_words_are_what_a_person_would_read(item: dict[str, Any], expected: str) -> None:
    assert words(item) == expected


def test_a_call_has_a_name_and_its_output_has_not() -> None:
    assert name_of_call(CALL) == ("call_1", "look")
    assert name_of_call({**CALL, "type": "function_call_output"}) is None
    assert name_of_call({"type": "function_call", "call_id": 5, "name": "f"}) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "content", "output", "id", "name", "role", "summary", "tool_calls", "function", "call_id", "image_url"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["type", "content", "output", "id", "name", "role", "summary", "tool_calls", "call_id", "action", "encrypted_content", "server_label", "x"]
        ),
        JSON,
    )
)
def test_any_item_has_words(item: dict[str, Any]) -> None:
    assert isinstance(title(item, {}) + words(item), str)

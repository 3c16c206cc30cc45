"""Responses to unfold: those of the shared corpus, and random ones of every shape."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from playhead.proxy.models.items import BETA_ITEMS, OUTPUT_ITEMS
from test_fold_corpus import events
from test_recording_corpus import exchanges

Json = dict[str, Any]

GROWING = (
    *("message", "reasoning", "function_call", "custom_tool_call", "mcp_call", "mcp_list_tools", "file_search_call", "web_search_call"),
    *("code_interpreter_call", "image_generation_call", "shell_call", "shell_call_output"),
)
"""Items that have more events than two; here twice as often."""


def corpus(shared: Path) -> Iterator[tuple[str, Json]]:
    """All Responses that the corpus has, by the exchange that they came with."""
    for exchange in exchanges(shared, "responses"):
        told = list(events(exchange))[-1:] if exchange["streaming"] else [{"response": json.loads(base64.b64decode(exchange["response_body_b64"]))}]
        found = told[0].get("response")
        if isinstance(found, dict) and found.get("object") == "response":
            yield exchange["id"], found


# Random ones: mostly as they should be, so that what depends on it is reached, and now and then not at all.

values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
texts = st.text(max_size=40) | st.lists(st.sampled_from(["Hello", " ", "\n\n", "wörld", "👋🏽", "x" * 60]), max_size=8).map("".join)
statuses = st.sampled_from(["completed", "in_progress", "incomplete", "failed", "searching", "calling"])


def mostly(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 9).flatmap(lambda chance: strategy if chance else values)


def objects(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """Objects in which any of these may be absent, and others may be there."""
    extra = st.dictionaries(st.text("abc", min_size=1, max_size=3), values, max_size=1)
    return st.builds(lambda more, known: more | known, extra, st.fixed_dictionaries({}, optional={key: mostly(value) for key, value in fields.items()}))


tokens = objects(token=st.text(max_size=3), logprob=st.floats(-9, 0), bytes=st.lists(st.integers(0, 255), max_size=2))
citations = objects(type=st.sampled_from(["url_citation", "file_path"]), url=st.text(max_size=5), index=st.integers(0, 9))
parts = objects(
    type=st.sampled_from(["output_text", "refusal", "reasoning_text", "summary_text", "other"]),
    text=texts,
    refusal=texts,
    annotations=st.lists(citations, max_size=2),
    logprobs=st.lists(tokens, max_size=3),
)
outputs = objects(stdout=texts, stderr=texts, outcome=values)
items = objects(
    type=st.sampled_from([*GROWING, *OUTPUT_ITEMS, *BETA_ITEMS, "unheard_of"]),
    id=st.text("abcd", min_size=1, max_size=9),
    call_id=st.text("abcd", min_size=1, max_size=9),
    status=statuses,
    content=st.lists(parts, max_size=3),
    summary=st.lists(parts, max_size=2),
    output=st.lists(outputs, max_size=2) | texts,
    action=objects(commands=st.lists(texts, max_size=3)),
    agent=objects(agent_name=st.text(max_size=3)),
    **dict.fromkeys(("arguments", "input", "code", "result", "error", "encrypted_content"), texts),
    **dict.fromkeys(("tools", "queries", "results", "outputs"), st.lists(values, max_size=2)),
)
responses = st.builds(
    lambda known, status: known | {"status": status},
    objects(
        id=st.just("resp_1"),
        object=st.just("response"),
        model=st.just("gpt-6"),
        background=st.booleans(),
        output=st.lists(mostly(items), max_size=4),
        usage=values,
        error=values,
        completed_at=values,
    ),
    st.sampled_from(["completed", "failed", "incomplete", "cancelled", "queued", "in_progress", "unheard_of"]),
)
"""Responses that say how they stand: one that does not is taken for completed."""

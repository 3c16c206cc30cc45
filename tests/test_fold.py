"""Folds of every kind: which one it is, and that nothing that a server may send breaks one."""

from __future__ import annotations

import copy
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playhead.proxy.fold import ChatFold, Fold, MessagesFold, ResponseFold, fold_for
from playhead.proxy.models.anthropic import AnthropicEvent, AnthropicMessage
from playhead.proxy.models.chat import ChatChunk, ChatCompletion, Completion
from playhead.proxy.models.kind import Shape
from playhead.proxy.models.responses import Response
from playhead.proxy.models.wire import Door, Wire
from streams import BEGUN, PARSE, added, delta, done, ended, event, numbered, said

CHUNK: Door[Wire] = Door(ChatChunk)
ANTHROPIC: Door[Wire] = Door(AnthropicEvent)

KINDS: dict[str, tuple[Door[Wire], tuple[type[Wire], ...]]] = {
    "responses": (PARSE, (Response,)),
    "chat.completions": (CHUNK, (ChatCompletion, Completion)),
    "messages": (ANTHROPIC, (AnthropicMessage,)),
}


def chunk(delta: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": None}], **fields}


def call(index: int | None, **function: str) -> dict[str, Any]:
    return {"index": index, "id": "call_1", "type": "function", "function": function}


SAMPLES: dict[str, list[dict[str, Any]]] = {
    "responses": numbered(
        *BEGUN,
        said("Hel") | {"logprobs": [{"token": "Hel", "logprob": -1}]},
        event(
            "output_text.annotation.added", output_index=0, content_index=0, annotation_index=0, annotation={"type": "file_path", "file_id": "f", "index": 0}
        ),
        delta("refusal", "No", content_index=1),
        event("output_text.done", output_index=0, content_index=0, text="Hello", logprobs=[]),
        done(),
        added({"id": "sh_1", "type": "shell_call", "action": {"commands": []}}, 1),
        event("shell_call_command.delta", output_index=1, command_index=0, delta="ls"),
        event("shell_call_output_content.delta", output_index=2, item_id="so", command_index=0, delta={"stdout": "x"}),
        event("shell_call_output_content.done", output_index=2, item_id="so", command_index=0, output=[{"stdout": "x", "stderr": ""}]),
        event("reasoning_summary_part.added", output_index=3, summary_index=0, part={"type": "summary_text", "text": ""}),
        delta("reasoning_summary_text", "So", 3, summary_index=0),
        event("web_search_call.searching", output_index=4, item_id="ws"),
        event("image_generation_call.partial_image", output_index=5, item_id="ig", partial_image_index=0, partial_image_b64="AA"),
        delta("function_call_arguments", "{}", 6),
        event("audio.transcript.delta", delta="Hi"),
        event("error", error={"code": "x", "message": "y"}),
        ended("failed", output=[]),
        event("done", response={"id": "resp_1"}),
    ),
    "chat.completions": [
        chunk({"role": "assistant", "content": "Hel"}),
        chunk({"content": "lo", "reasoning": "So", "audio": {"id": "a", "data": "AA"}}),
        chunk({"content": [{"type": "text", "text": "!"}], "audio": {"data": "BB"}}),
        chunk({"tool_calls": [call(0, name="look", arguments="{")]}),
        chunk({"tool_calls": [call(None, arguments="}")], "function_call": {"name": "old", "arguments": "{}"}}),
        {"id": "c", "choices": [{"index": 1, "text": "Hi", "logprobs": {"tokens": ["Hi"]}, "finish_reason": "stop"}]},
        {"id": "c", "choices": [], "usage": {"prompt_tokens": 1}, "error": {"message": "x"}},
    ],
    "messages": [
        {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "content": [], "model": "c", "usage": {"input_tokens": 3}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {"type": "page", "url": "u"}}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "look", "input": {}}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'}},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}},
        {"type": "error", "error": {"type": "overloaded_error", "message": "x"}},
        {"type": "message_stop"},
    ],
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every member inside: its container, and its key."""
    members = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    return [(value, key) for key, _ in members] + [place for _, member in members for place in places(member)]


@st.composite
def streams(draw: st.DrawFn, kind: str) -> list[dict[str, Any]]:
    """Events of a real stream: some lost, some twice, some in another order, some with something else in them."""
    picked = draw(st.lists(st.sampled_from(SAMPLES[kind]), max_size=12)) if draw(st.booleans()) else SAMPLES[kind]
    events = [copy.deepcopy(event) for event in picked if draw(st.integers(0, 9))]
    for changed in events:
        if draw(st.integers(0, 3)) == 0:
            container, key = draw(st.sampled_from(places(changed)))
            if isinstance(container, dict) and draw(st.booleans()):
                del container[key]
            else:
                container[key] = draw(JSON)
    return events


def check(fold: Fold[Any], kind: str) -> None:
    """What can be asked of a fold at any time."""
    result = fold.result()
    assert result is None or isinstance(result, KINDS[kind][1])
    told = [fold.said("usage"), fold.said("output"), result and result.to_wire(), fold.items(), fold.usage, fold.error, fold.notes, fold.unknown, fold.ended]
    assert json.dumps(told)
    assert all(value is None or isinstance(value, str) for value in (fold.id, fold.model, fold.service_tier))


@pytest.mark.parametrize(("kind", "fold"), [("responses", ResponseFold), ("chat.completions", ChatFold), ("messages", MessagesFold)])
@pytest.mark.parametrize("text", [True, False])
def test_every_kind_of_stream_has_its_fold(kind: str, fold: type[Fold[Any]], text: bool) -> None:
    made = fold_for(kind, text=text)

    assert type(made) is fold
    assert made.text is text


def test_completions_from_before_chat_have_the_fold_of_chat() -> None:
    assert type(fold_for(Shape("other", "completions"))) is ChatFold


@pytest.mark.parametrize("kind", ["embeddings", "images", "audio", "realtime", "other"])
def test_other_kinds_have_none(kind: str) -> None:
    assert fold_for(kind) is None


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None)
@given(data=st.data())
def test_whatever_comes_there_is_an_answer_as_it_stands(kind: str, text: bool, data: st.DataObject) -> None:
    fold = fold_for(kind, text=text)
    assert fold is not None
    for each in data.draw(streams(kind)):
        fold.add(KINDS[kind][0](each))
        check(fold, kind)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None)
@given(data=st.data())
def test_whatever_comes_a_fold_goes_on_from_its_state(kind: str, data: st.DataObject) -> None:
    events = data.draw(streams(kind))
    cut = data.draw(st.integers(0, len(events)))
    whole, first, resumed = fold_for(kind), fold_for(kind), fold_for(kind)
    assert whole is not None
    assert first is not None
    assert resumed is not None
    for each in events:
        whole.add(KINDS[kind][0](each))
    for each in events[:cut]:
        first.add(KINDS[kind][0](each))
    resumed.restore(json.loads(json.dumps(first.state())))
    for each in events[cut:]:
        resumed.add(KINDS[kind][0](each))

    before, after = whole.result(), resumed.result()
    assert (before and before.to_wire()) == (after and after.to_wire())
    assert (whole.items(), whole.usage, whole.notes, whole.ended) == (resumed.items(), resumed.usage, resumed.notes, resumed.ended)


TEXT = st.text(st.characters(codec="utf-8"), max_size=30)


@given(text=TEXT, cuts=st.lists(st.integers(0, 30)), asked=st.sets(st.integers(0, 10)))
def test_a_text_is_the_same_however_it_is_split_and_whenever_it_is_asked_for(text: str, cuts: list[int], asked: set[int]) -> None:
    pieces = [text[first:last] for first, last in pairwise([0, *sorted(cuts), len(text)])]
    fold = ResponseFold()
    for at, each in enumerate(numbered(*BEGUN, *map(said, pieces))):
        fold.add(PARSE(each))
        if at in asked:
            fold.result()
    response = fold.result()
    assert response is not None

    assert response.output_text == text


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), TEXT)))
def test_parts_that_grow_at_the_same_time_do_not_mix(pieces: list[tuple[int, int, str]]) -> None:
    fold = ResponseFold()
    for each in numbered(BEGUN[0], *(said(text, item, part) for item, part, text in pieces)):
        fold.add(PARSE(each))
    response = fold.result()
    assert response is not None

    expected: dict[tuple[int, int], str] = {}
    for item, part, text in pieces:
        if text or (item, part) in expected:
            expected[item, part] = expected.get((item, part), "") + text
    grown = [part["text"] for item in response.to_wire()["output"] for part in item.get("content", ())]
    assert grown == [expected[place] for place in sorted(expected)]

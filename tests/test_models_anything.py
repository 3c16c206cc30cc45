"""Anything at every door: arbitrary JSON, mutated objects, torn streams. Nothing raises, and what came comes back."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.models import Shape, Unparsed, Wire, client_event_door, event_door, parse_body, parse_request
from playhead.proxy.models.doors import _BODIES, _EVENTS, _REQUESTS, _SENT_EVENTS
from playhead.proxy.sse import Decoder
from test_models_corpus import Parsed, everything, same

SHAPES = sorted({*_REQUESTS, *_BODIES, *_EVENTS, *_SENT_EVENTS})
Entry = Callable[[Any], Wire]


def entries(shape: Shape) -> list[Entry]:
    """All ways into the models of one call."""
    return [
        lambda data: parse_request(shape, data),
        lambda data: parse_body(shape, data),
        lambda data: parse_body(shape, data, status=500),
        event_door(shape),
        client_event_door(shape),
    ]


def comes_back(entry: Entry, value: Any) -> Wire:
    """Parse a value as text and, if it is an object, as it is; both must come back."""
    model = entry(json.dumps(value).encode())
    assert same(model.to_wire(), value)
    if isinstance(value, dict):
        assert same(entry(copy.deepcopy(value)).to_wire(), value)
    return model


# Arbitrary JSON.

KEYS = st.sampled_from(
    [
        *("type", "object", "id", "model", "role", "content", "text", "usage", "output", "error", "response", "item", "delta", "choices", "message"),
        *("input", "tools", "code", "status", "data", "session", "index", "action", "name", "arguments", "input_tokens_details", "metadata"),
    ]
)
WORDS = st.sampled_from(
    [
        *("message", "response", "list", "error", "response.created", "response.output_text.delta", "function_call", "message_start", "text"),
        *("chat.completion.chunk", "response.done", "session.closed", "content_block_delta", "text_delta", "output_text", "function", "web_search"),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | WORDS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=2), inner, max_size=5),
    max_leaves=25,
)
OBJECTS = st.dictionaries(KEYS | st.text(max_size=2), VALUES, max_size=8)


@given(st.sampled_from(SHAPES), st.integers(0, 4), OBJECTS)
def test_any_object_comes_back_from_every_door(shape: Shape, way: int, value: dict[str, Any]) -> None:
    comes_back(entries(shape)[way], value)


@given(st.sampled_from(SHAPES), st.integers(0, 4), VALUES.filter(lambda value: not isinstance(value, dict)))
def test_any_other_json_comes_back_as_not_parsed(shape: Shape, way: int, value: Any) -> None:
    model = comes_back(entries(shape)[way], value)

    assert isinstance(model, Unparsed)


@given(st.sampled_from(SHAPES), st.integers(0, 4), st.binary(max_size=40) | st.text(max_size=40))
def test_bytes_and_texts_that_are_no_json_raise_nowhere(shape: Shape, way: int, data: bytes | str) -> None:
    assert isinstance(entries(shape)[way](data), Wire)


ODD = {
    "duplicate keys": b'{"type":"message","id":"a","model":1,"id":"b","model":"m"}',
    "half a surrogate pair": b'{"type":"message","id":"\\ud83d","\\ud83d":["\\ud83d"],"model":"m"}',
    "not a number": b'{"type":"message","usage":{"input_tokens":NaN,"output_tokens":-Infinity},"created":NaN}',
    "numbers of many digits": b'{"type":"message","created":1e999,"index":' + b"9" * 400 + b',"usage":{"input_tokens":' + b"9" * 400 + b"}}",
    "numbers of more digits than Python reads": b'{"type":"message","index":' + b"9" * 5000 + b"}",
    "a bomb of lists": b'{"type":"message","content":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a bomb of objects": b'{"output":' * 3_000 + b"1" + b"}" * 3_000,
    "a deep object": b'{"output":' * 150 + b"1" + b"}" * 150,
    "a byte order mark": b"\xef\xbb\xbf{}",
    "bytes that are no UTF-8": b'{"id":"\xff\xfe"}',
    "white space only": b" \n ",
    "two objects": b"{} {}",
    "a NUL": b'{"id":"\\u0000","\\u0000":"a"}',
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_odd_json_raises_at_no_door(text: bytes) -> None:
    for shape in SHAPES:
        for entry in entries(shape):
            model = entry(text)
            expected = loaded(text)
            assert same(model.to_wire(), expected) if expected is not None else isinstance(model, Unparsed)


@cache
def loaded(text: bytes) -> Any:
    """The JSON value; None where Python's parser gives up."""
    try:
        return json.loads(text.decode("utf-8-sig", "surrogatepass"))
    except (ValueError, RecursionError):
        return None


def test_a_text_of_fifty_megabytes_comes_back() -> None:
    long = "x" * 50_000_000
    model = event_door("responses")(b'{"type":"response.output_text.delta","delta":"' + long.encode() + b'","sequence_number":"x"}')

    assert model.to_wire()["delta"] == long
    assert [problem.path for problem in model.problems] == ["sequence_number"]


# Mutations.


class Seed(NamedTuple):
    """An object, and where it belongs."""

    shape: Shape
    way: int
    value: Any


USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 2},
    "output_tokens": 3,
    "output_tokens_details": {"reasoning_tokens": 1},
    "total_tokens": 12,
}
OUTPUT: list[dict[str, Any]] = [
    {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": None},
    {
        "id": "msg_1",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "é", "annotations": [{"type": "file_path", "file_id": "f", "index": 0}], "logprobs": []}],
    },
    {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}", "status": "completed"},
    {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q", "sources": []}},
    {"id": "sh_1", "type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]}, "environment": {"type": "local"}, "status": "completed"},
]
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1.5,
    "status": "completed",
    "error": None,
    "model": "m",
    "output": OUTPUT,
    "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}, {"type": "web_search"}],
    "tool_choice": "auto",
    "usage": USAGE,
    "metadata": {},
}
CHAT_CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOLD = {"input_tokens": 1, "output_tokens": 2, "cache_creation": {"ephemeral_5m_input_tokens": 0}}
SEEDS = [
    Seed(Shape("responses"), 1, RESPONSE),
    Seed(Shape("responses"), 3, {"type": "response.completed", "sequence_number": 9, "response": RESPONSE}),
    Seed(Shape("responses"), 3, {"type": "response.output_item.done", "sequence_number": 8, "output_index": 0, "item": OUTPUT[1]}),
    Seed(Shape("responses"), 3, {"type": "error", "error": {"type": "t", "code": None, "message": "m", "param": None}, "status": 400}),
    Seed(Shape("responses"), 0, {"model": "m", "input": [{"role": "user", "content": "hi"}, *OUTPUT], "tools": RESPONSE["tools"], "stream": True}),
    Seed(Shape("responses", "socket"), 4, {"type": "response.create", "model": "m", "input": "hi", "stream_id": "a"}),
    Seed(Shape("responses", "input_items"), 1, {"object": "list", "data": OUTPUT, "first_id": "a", "last_id": "b", "has_more": False}),
    Seed(
        Shape("chat.completions"),
        1,
        {"id": "c", "object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": [CHAT_CALL]}}]},
    ),
    Seed(Shape("chat.completions"), 3, {"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": [CHAT_CALL]}, "finish_reason": None}], "usage": None}),
    Seed(Shape("messages"), 1, {"type": "message", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}], "usage": TOLD}),
    Seed(Shape("messages"), 3, {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}),
    Seed(Shape("messages"), 3, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": TOLD}),
    Seed(Shape("realtime"), 3, {"type": "response.done", "event_id": "e", "response": {"status": "failed", "status_details": {"error": {"code": "x"}}}}),
    Seed(Shape("realtime", "live.socket"), 3, {"type": "session.closed", "session": {"id": "s"}, "usage": {"seconds": 2.5}}),
    Seed(Shape("images"), 1, {"created": 1, "data": [{"b64_json": "x"}], "usage": {"input_tokens": 1, "input_tokens_details": {"text_tokens": 1}}}),
    Seed(Shape("audio"), 1, {"text": "t", "usage": {"type": "duration", "seconds": 1}}),
]
OTHERS: list[Any] = [None, True, 0, -1, 1.5, math.nan, "", "x", [], [1], {}, {"type": "x"}, {"type": 5}, [[{}]], 10**30, "\ud83d"]


def places_in(value: Any) -> list[tuple[Any, Any]]:
    """Every member of every object and list in it: what holds it, and its key."""
    found: list[tuple[Any, Any]] = []
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            found += [(value, key), *places_in(value[key])]
    return found


@st.composite
def mutated(draw: st.DrawFn, seeds: st.SearchStrategy[Seed]) -> Seed:
    """A seed with a few members dropped, retyped, renamed, put deeper or moved."""
    shape, way, value = draw(seeds)
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        members = places_in(value)
        if not members:
            break
        holder, key = draw(st.sampled_from(members))
        change = draw(st.sampled_from(["drop", "retype", "rename", "deepen", "move"]))
        if change == "drop":
            del holder[key]
        elif change == "retype":
            holder[key] = copy.deepcopy(draw(st.sampled_from(OTHERS)))
        elif change == "rename" and isinstance(holder, dict):
            holder[f"{key}_2"] = holder.pop(key)
        elif change == "move" and isinstance(holder, dict):
            holder[key] = holder.pop(key)
        else:
            holder[key] = draw(st.sampled_from([[holder[key]], {"type": "x", "value": holder[key]}, {str(key): holder[key]}]))
    return Seed(shape, way, value)


def test_seeds_are_as_the_protocol_has_them() -> None:
    assert [(seed.way, problem) for seed in SEEDS for problem in comes_back(entries(seed.shape)[seed.way], seed.value).problems] == []


@given(mutated(st.sampled_from(SEEDS)))
def test_a_mutated_object_comes_back(seed: Seed) -> None:
    comes_back(entries(seed.shape)[seed.way], seed.value)


@given(mutated(st.sampled_from(SEEDS)))
def test_a_mutated_object_has_models_where_it_is_sound(seed: Seed) -> None:
    model = entries(seed.shape)[seed.way](seed.value)

    for problem in model.problems:
        assert problem.expected
        assert problem.found
        assert problem.path


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """As many objects as these are looked at by every garbage collection of the tests that follow."""
    yield
    for cached in (real, loaded, everything):
        cached.cache_clear()


@cache
def real(shared: Path) -> list[Parsed]:
    """What the corpus holds, one of each structure."""
    found: dict[Any, Parsed] = {}
    for name in ("responses", "chat", "rest", "events"):
        for each in everything(shared, name):
            if len(each.text) < 20_000 and not isinstance(each.model, Unparsed):
                found.setdefault((type(each.model), structure(json.loads(each.text))), each)
    return list(found.values())


def structure(value: Any, depth: int = 0) -> Any:
    """Keys and types, three levels deep."""
    if depth > 2 or not isinstance(value, dict | list):
        return type(value).__name__
    members = sorted(value.items()) if isinstance(value, dict) else enumerate(value[:2])
    return tuple((key, structure(member, depth + 1)) for key, member in members)


@given(data=st.data())
def test_a_mutated_object_of_the_corpus_comes_back(shared: Path, data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(real(shared)))
    changed = data.draw(mutated(st.just(Seed(Shape("other"), 0, json.loads(seed.text))))).value
    if isinstance(changed, dict):
        comes_back(seed.way, changed)


# Torn streams.

EVENTS: list[dict[str, Any]] = [
    {"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1", "object": "response", "output": []}},
    {"type": "response.output_text.delta", "sequence_number": 1, "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "é😀\u2028"},
    {"type": "keepalive", "sequence_number": 2},
    {"type": "unheard.of", "sequence_number": 3, "x": [1.0, 1]},
    {"type": "response.output_item.done", "sequence_number": 4, "output_index": 0, "item": OUTPUT[1]},
    {"type": "response.completed", "sequence_number": "5", "response": RESPONSE},
]
STREAM = "".join(f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n" for event in EVENTS).encode()


def models_of(*pieces: bytes) -> list[tuple[str, str, Any]]:
    decoder = Decoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    last = decoder.flush()
    models = event_door("responses").many([event.data for event in [*events, *([last] if last else [])]])
    return [(type(model).__name__, json.dumps(model.to_wire()), model.problems) for model in models]


def test_a_stream_gives_the_same_models_wherever_it_is_cut() -> None:
    whole = models_of(STREAM)

    assert [name for name, _, _ in whole] == ["ResponseCreated", "OutputTextDelta", "Keepalive", "UnknownEvent", "OutputItemDone", "ResponseCompleted"]
    assert [models_of(STREAM[:at], STREAM[at:]) == whole for at in range(len(STREAM) + 1)] == [True] * (len(STREAM) + 1)
    assert models_of(*(STREAM[at : at + 1] for at in range(len(STREAM)))) == whole


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_a_stream_gives_the_same_models_in_any_pieces(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]

    assert models_of(*(STREAM[start:end] for start, end in pairwise(edges))) == models_of(STREAM)

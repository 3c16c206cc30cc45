"""All real traffic of the shared corpus through the models: nothing raises, nothing is lost, nothing is unknown or wrong without a reason."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from playhead.proxy.models import Shape, Unparsed, Wire, client_event_door, event_door, parse_body, parse_request, shape_of
from playhead.proxy.models.tagged import Unknown
from playhead.proxy.sse import Decoder
from test_recording_corpus import CORPUS, exchanges


class Parsed(NamedTuple):
    """One JSON text of the corpus and the model of it."""

    id: str
    """Of the exchange or event."""
    place: str
    """`POST /v1/responses request`."""
    text: bytes
    model: Wire
    way: Callable[[bytes], Wire]
    """How it was parsed."""


def through(way: Callable[[bytes], Wire], text: bytes, *, id_: str, place: str) -> Parsed:
    return Parsed(id_, place, text, way(text), way)


# What the corpus holds.


def of_exchange(exchange: dict[str, Any]) -> Iterator[Parsed]:
    """Request, and answer or the events of it."""
    shape = shape_of(exchange["method"], exchange["url_path"])
    place = ".".join(filter(None, shape))
    request = base64.b64decode(exchange["request_body_b64"] or "")
    if is_json(request):
        yield through(partial(parse_request, shape), request, id_=exchange["id"], place=f"{place} request")
    body = base64.b64decode(exchange["response_body_b64"])
    if not exchange["streaming"]:
        if is_json(body):
            yield through(partial(parse_body, shape, status=exchange["status"]), body, id_=exchange["id"], place=f"{place} answer")
        return
    for data in data_of(body):
        if not data.startswith(b"[DONE]"):
            yield through(event_door(shape), data, id_=exchange["id"], place=f"{place} event")


def is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def data_of(body: bytes) -> list[bytes]:
    decoder = Decoder()
    events = decoder.feed(body)
    last = decoder.flush()
    return [event.data for event in [*events, *([last] if last else [])] if event.data]


SHAPES = {
    "responses": Shape("responses"),
    "responses-ws": Shape("responses", "socket"),
    "chat.completions": Shape("chat.completions", "create"),
    "anthropic.messages": Shape("messages", "create"),
    "realtime": Shape("realtime", "socket"),
    "conversations": Shape("other", "conversations.create"),
    "list": Shape("embeddings", "create"),
    "other": Shape("other"),
}


def of_loose(event: dict[str, Any]) -> Iterator[Parsed]:
    """Some are kept as blocks of a stream, others as the JSON in them."""
    shape, text = SHAPES[event["api"]], event["raw"].encode("utf-8", "surrogatepass")
    place = f"{'.'.join(filter(None, shape))} {event['kind']}"
    texts = [text]
    way: Callable[[bytes], Wire] = event_door(shape)
    if event["kind"] == "ws-client":
        way = client_event_door(shape)
    elif event["kind"] == "json-body":
        said = json.loads(text)
        asked = "input" in said and "output" not in said and "object" not in said
        way = partial(parse_request if asked else parse_body, shape)
    elif event["kind"] == "sse" and event.get("form") != "data-json-only":
        texts = [data for data in data_of(text) if not data.startswith(b"[DONE]")]
    yield from (through(way, data, id_=event["id"], place=place) for data in texts)


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """As many objects as these are looked at by every garbage collection of the tests that follow."""
    yield
    everything.cache_clear()


@cache
def everything(shared: Path, name: str) -> tuple[Parsed, ...]:
    """All that one file of the corpus holds; `events` has the loose ones."""
    if name != "events":
        return tuple(parsed for exchange in exchanges(shared, name) for parsed in of_exchange(exchange))
    path = shared / "corpus" / "events.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"no {path.name} in the shared corpus")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return tuple(parsed for line in lines for parsed in of_loose(json.loads(line)))


# What is in a model.


def within(model: Any, path: str = "") -> Iterator[tuple[str, Wire]]:
    """The model and all models in it, with their paths."""
    if isinstance(model, Wire):
        yield path, model
        for name, value in {**model.__dict__, **(model.__pydantic_extra__ or {})}.items():
            if not name.startswith("_"):
                yield from within(value, f"{path}.{name}")
    elif isinstance(model, list):
        for member in model:
            yield from within(member, f"{path}[]")
    elif isinstance(model, dict):
        for name, value in model.items():
            yield from within(value, f"{path}.{name}")


def same(a: Any, b: Any) -> bool:
    """Whether they are the same JSON text: order of keys and form of numbers included."""
    return json.dumps(a) == json.dumps(b)


FILES = (*CORPUS, "events")
HOLDS = {"responses": 6000, "chat": 6000, "rest": 2000, "events": 11000}

# What is no JSON there, by the place and how it begins.
NO_JSON = {
    ("chat.completions.create event", b"data: [DONE]"): "a server that put `data: ` before its data twice",
    ("chat.completions.create sse", b"data: [DONE]"): "a line of a stream among the JSON of others",
    ("responses sse", b'{"type":"response.'): "made by hand for a test of its project: its last brace is missing",
}
# What no model knows, by place and type.
UNKNOWN = {
    ("responses json-body", "some_future_type"): "made up by a project, to test that it can bear it",
    ("responses json-body", "x_search_call"): "xAI's own item",
    ("responses json-body", "x_search"): "xAI's own tool",
    ("responses sse", "x_search"): "xAI's own tool",
    ("realtime.socket ws-server", None): "Google's Live API",
    ("realtime.socket ws-client", None): "Google's Live API",
}
# What contradicts the protocol, by place, path and what was found.
PROBLEMS = {
    ("chat.completions.create answer", "choices[].message.content", "object"): "one server that returns structured outputs parsed",
    ("messages.create request", "messages[]", "string"): "a mistake that a test of its project makes on purpose",
    ("realtime.socket ws-server", "response.status_details", "string"): "xAI says `unimplemented` there",
}


@pytest.mark.parametrize("name", FILES)
def test_whatever_was_sent_comes_back_as_the_same_text(shared: Path, name: str) -> None:
    seen = everything(shared, name)
    changed = [(each.id, each.place) for each in seen if not isinstance(each.model, Unparsed) and not same(each.model.to_wire(), json.loads(each.text))]

    assert len(seen) > HOLDS[name]
    assert changed == []


@pytest.mark.parametrize("name", FILES)
def test_only_what_is_no_json_is_not_parsed(shared: Path, name: str) -> None:
    wrong = [
        (each.id, each.place, each.text[:80])
        for each in everything(shared, name)
        if isinstance(each.model, Unparsed) and not any(each.place == place and each.text.startswith(start) for place, start in NO_JSON)
    ]

    assert wrong == []


@pytest.mark.parametrize("name", FILES)
def test_no_type_is_unknown_without_a_reason(shared: Path, name: str) -> None:
    wrong = [
        (each.id, each.place, path, model.type)
        for each in everything(shared, name)
        for path, model in within(each.model)
        if isinstance(model, Unknown) and (each.place, model.type) not in UNKNOWN
    ]

    assert wrong == []


@pytest.mark.parametrize("name", FILES)
def test_no_value_is_a_problem_without_a_reason(shared: Path, name: str) -> None:
    wrong = [
        (each.id, each.place, problem)
        for each in everything(shared, name)
        for problem in each.model.problems
        if (each.place, re.sub(r"\[\d+\]", "[]", problem.path), problem.found) not in PROBLEMS
    ]

    assert wrong == []


def test_every_exception_is_still_needed(shared: Path) -> None:
    seen = [each for name in FILES for each in everything(shared, name)]
    unparsed = {key for each in seen if isinstance(each.model, Unparsed) for key in NO_JSON if each.place == key[0] and each.text.startswith(key[1])}
    unknown = {(each.place, model.type) for each in seen for _, model in within(each.model) if isinstance(model, Unknown)}
    problems = {(each.place, re.sub(r"\[\d+\]", "[]", problem.path), problem.found) for each in seen for problem in each.model.problems}

    assert (unparsed, unknown, problems) == (set(NO_JSON), set(UNKNOWN), set(PROBLEMS))


@pytest.mark.parametrize("name", CORPUS)
def test_a_kind_alone_tells_the_same_models_as_the_call_mostly_does(shared: Path, name: str) -> None:
    unlike = set()
    for exchange in exchanges(shared, name):
        shape = shape_of(exchange["method"], exchange["url_path"])
        body = base64.b64decode(exchange["response_body_b64"])
        if not exchange["streaming"] and is_json(body):
            exact, rough = parse_body(shape, body, status=exchange["status"]), parse_body(shape.kind, body)
            unlike |= {(".".join(shape), type(exact).__name__, type(rough).__name__)} if type(exact) is not type(rough) else set()

    assert unlike <= {
        ("other.moderations", "Moderation", "OtherObject"),
        ("other.completions", "Completion", "OtherObject"),
        ("other.conversations.items.create", "Message", "OtherObject"),
        ("other.conversations.items.create", "ItemList", "OtherObject"),
        ("other.", "ErrorBody", "OtherObject"),
        ("audio.speak", "ErrorBody", "Transcription"),
        ("embeddings.create", "ErrorBody", "EmbeddingList"),
        ("chat.completions.create", "ErrorBody", "ChatCompletion"),
    }

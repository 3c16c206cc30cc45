"""The base of the models: nothing that came in is lost, nothing makes parsing fail."""

from __future__ import annotations

import copy
import json
import math
import pickle
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from playhead.proxy.models.tagged import Tagged, Unknown
from playhead.proxy.models.wire import Door, JsonInput, Maybe, Number, OneOf, Problem, Sent, Unparsed, Wire


class Part(Wire):
    type: Literal["part"]
    text: Sent[str] = None
    size: Maybe[Number] = None


class UnknownPart(Unknown):
    """A part of another type."""


AnyPart = Annotated[Part | UnknownPart, Tagged()]


class Thing(Wire):
    id: Sent[str] = None
    kind: Maybe[Annotated[str, OneOf("good", "bad")]] = None
    parts: Sent[list[AnyPart]] = None
    first: Maybe[AnyPart] = None
    tags: Maybe[dict[str, str]] = None
    lists: Maybe[dict[str, list[str]]] = None
    named: Maybe[dict[str, str | AnyPart]] = None
    async_: Maybe[bool] = Field(default=None, alias="async")
    metadata: Maybe[dict[str, str]] = None
    whatever: Maybe[Any] = None


THING = Door[Thing](Thing)
PART = Door[Wire](AnyPart)


def parsed(data: JsonInput) -> Thing:
    thing = THING(data)
    assert isinstance(thing, Thing)
    return thing


def unparsed(data: JsonInput) -> Unparsed:
    nothing = THING(data)
    assert isinstance(nothing, Unparsed)
    return nothing


def same(data: JsonInput) -> bool:
    """Whether parsing it and writing it again gives the same text."""
    came = data if isinstance(data, dict) else json.loads(data)
    return json.dumps(THING(data).to_wire()) == json.dumps(came)


# What comes back.

SOUND = (
    '{"id": "a"}',
    '{"parts": [{"text": "x", "type": "part"}, {"z": [1], "type": "new"}], "id": "a"}',
    '{"unknown": {"b": 1, "a": 2}, "id": "a", "another": null}',
    '{"kind": "of tomorrow"}',
    '{"id": null, "parts": null}',
    "{}",
    '{"parts": [{"type": "part", "size": 1.0}, {"type": "part", "size": 1}, {"type": "part", "size": -0.0}, {"type": "part", "size": 1e300}]}',
    '{"named": {"b": "x", "a": {"type": "part", "more": {}, "text": "y"}}}',
    '{"async": true, "async_": 1}',
    '{"whatever": [{"type": "part"}, [], null, 1.50]}',
    '{"_source": 1, "_problems": 2, "problems": 3, "to_wire": 4, "model_fields": 5, "__dict__": 6, "copy": 7, "link": 8}',
    '{"metadata": {"model": "a", "type": "b"}}',
)


@pytest.mark.parametrize("text", SOUND)
def test_what_is_written_is_what_came(text: str) -> None:
    assert same(text)
    assert same(text.encode())
    assert same(json.loads(text))


@pytest.mark.parametrize("text", SOUND)
def test_what_is_sound_has_no_problems(text: str) -> None:
    assert parsed(text).problems == ()


def test_null_and_absent_differ() -> None:
    null, absent = parsed('{"id": null}'), parsed("{}")

    assert null.id is None
    assert absent.id is None
    assert (null.to_wire(), absent.to_wire()) == ({"id": None}, {})


def test_numbers_keep_their_form() -> None:
    part = PART(b'{"type": "part", "size": 1}')

    assert isinstance(part, Part)
    assert type(part.size) is int
    assert type(part.to_wire()["size"]) is int


def test_values_that_are_no_numbers_in_json_come_back() -> None:
    wire = parsed('{"id": "a", "x": NaN, "parts": [{"type": "part", "size": Infinity}]}').to_wire()

    assert math.isnan(wire["x"])
    assert wire["parts"][0]["size"] == math.inf


def test_the_last_of_duplicate_keys_counts() -> None:
    thing = parsed('{"id": "a", "x": 1, "id": "b", "parts": [{"type": "new", "type": "part"}], "x": 2}')

    assert thing.id == "b"
    assert thing.parts is not None
    assert isinstance(thing.parts[0], Part)
    assert thing.to_wire() == {"id": "b", "x": 2, "parts": [{"type": "part"}]}


# Changes.


def test_a_changed_field_stands_changed_in_its_place() -> None:
    thing = parsed('{"x": 1, "id": "a", "parts": []}')
    thing.id = "b"

    assert list(thing.to_wire().items()) == [("x", 1), ("id", "b"), ("parts", [])]


def test_a_copy_with_a_change_leaves_the_original_as_it_was() -> None:
    thing = parsed('{"x": 1, "id": "a", "parts": [{"type": "part", "text": "t"}]}')
    copied = thing.model_copy(update={"id": "b"})

    assert copied.to_wire() == {**thing.to_wire(), "id": "b"}
    assert thing.id == "a"


def test_a_new_field_comes_last() -> None:
    thing = parsed('{"x": 1, "parts": []}').model_copy(update={"id": "b"})

    assert list(thing.to_wire()) == ["x", "parts", "id"]


def test_a_change_deep_inside_is_written() -> None:
    thing = parsed('{"parts": [{"y": 0, "text": "t", "type": "part"}], "id": "a"}')
    assert thing.parts is not None
    assert isinstance(thing.parts[0], Part)
    thing.parts[0].text = "changed"

    assert json.dumps(thing.to_wire()) == '{"parts": [{"y": 0, "text": "changed", "type": "part"}], "id": "a"}'


def test_models_put_together_by_hand_are_written() -> None:
    part = Part(type="part", text="t")

    assert Thing(id="a", parts=[part]).to_wire() == {"id": "a", "parts": [{"type": "part", "text": "t"}]}


def test_a_field_that_cannot_have_its_name_in_python_is_written_under_it() -> None:
    thing = parsed('{"async_": 1}')
    thing.async_ = True

    assert thing.to_wire() == {"async_": 1, "async": True}


def test_models_parsed_apart_keep_their_order_when_put_together() -> None:
    part = PART(b'{"text": "t", "x": 1, "type": "part"}')
    thing = parsed(b'{"parts": []}').model_copy(update={"parts": [part]})

    assert json.dumps(thing.to_wire()) == '{"parts": [{"text": "t", "x": 1, "type": "part"}]}'


def test_linked_models_are_written_as_they_came_on_their_own() -> None:
    thing = parsed('{"parts": [{"text": "t", "x": 1, "type": "part"}], "named": {"n": {"text": "u", "type": "part"}}, "first": {"text": "v", "type": "part"}}')
    thing.link()
    assert thing.parts is not None
    assert thing.named is not None

    inner = [thing.parts[0], thing.named["n"], thing.first]
    assert [json.dumps(part.to_wire()) for part in inner if isinstance(part, Wire)] == [
        '{"text": "t", "x": 1, "type": "part"}',
        '{"text": "u", "type": "part"}',
        '{"text": "v", "type": "part"}',
    ]


@pytest.mark.parametrize("text", ['{"id": "a", "x": 1}', '{"x": 1, "id": 5}'])
def test_copies_and_pickles_are_as_complete(text: str) -> None:
    thing = parsed(text)

    for twin in (thing.model_copy(), thing.model_copy(deep=True), copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
        assert json.dumps(twin.to_wire()) == text
        assert twin.problems == thing.problems
        assert twin == thing


def test_models_of_the_same_values_are_equal_whatever_their_key_order() -> None:
    assert parsed('{"id": "a", "x": 1}') == parsed('{"x": 1, "id": "a"}')
    assert parsed('{"id": "a"}') != parsed('{"id": "b"}')


def test_an_unknown_key_can_be_added() -> None:
    thing = parsed('{"id": "a"}')
    thing.more = 1  # type: ignore[attr-defined]

    assert thing.to_wire() == {"id": "a", "more": 1}


def test_a_foreign_key_named_like_a_field_in_python_survives_a_pydantic_that_drops_it() -> None:
    thing = parsed('{"async_": 1, "id": "a"}')
    assert thing.__pydantic_extra__ is not None
    thing.__pydantic_extra__.pop("async_", None)  # as pydantic 2.13 leaves it
    thing.__pydantic_fields_set__.discard("async_")

    assert json.dumps(thing.to_wire()) == '{"async_": 1, "id": "a"}'


# Problems.


def test_a_value_that_does_not_fit_stays_and_is_told() -> None:
    thing = parsed('{"id": 5, "kind": "good"}')

    assert thing.id == 5  # type: ignore[comparison-overlap]
    assert thing.problems == (Problem("id", "string or null", "integer"),)
    assert thing.to_wire() == {"id": 5, "kind": "good"}


MISFITS = (
    ('{"parts": [{"type": "part"}, 5]}', Problem("parts[1]", "object", "integer")),
    ('{"parts": {"type": "part"}}', Problem("parts", "array or null", "object")),
    ('{"parts": [{"type": "part", "text": []}]}', Problem("parts[0].text", "string or null", "array")),
    ('{"first": "x"}', Problem("first", "object or null", "string")),
    ('{"first": {"type": "part", "size": "1"}}', Problem("first.size", "integer or number or null", "string")),
    ('{"first": {"type": "part", "size": true}}', Problem("first.size", "integer or number or null", "boolean")),
    ('{"tags": {"a": null}}', Problem("tags.a", "string", "null")),
    ('{"lists": {"a": ["b", 1]}}', Problem("lists.a[1]", "string", "integer")),
    ('{"lists": {"{}": [{"c": 1}]}}', Problem("lists.{}[0]", "string", "object")),
    ('{"metadata": {"a": 1.5}}', Problem("metadata.a", "string", "number")),
    ('{"metadata": 1}', Problem("metadata", "object or null", "integer")),
    ('{"named": {"a": 1}}', Problem("named.a", "string or object", "integer")),
    ('{"named": {"a": {"type": "part", "text": 1}}}', Problem("named.a.text", "string or null", "integer")),
    ('{"async": "yes"}', Problem("async", "boolean or null", "string")),
    ('{"kind": 1}', Problem("kind", "string or null", "integer")),
)


@pytest.mark.parametrize(("text", "problem"), MISFITS)
def test_problems_say_where_and_what(text: str, problem: Problem) -> None:
    thing = parsed(text)

    assert thing.problems == (problem,)
    assert same(text)


def test_models_inside_know_their_own_problems() -> None:
    thing = parsed('{"id": 1, "parts": [{"type": "part", "text": 2}, {"type": "part"}]}')
    assert thing.parts is not None

    assert [part.problems for part in thing.parts] == [(Problem("text", "string or null", "integer"),), ()]
    assert len(thing.problems) == 2


def test_a_wrong_value_costs_only_its_own_place() -> None:
    thing = parsed('{"id": 1, "parts": [{"type": "part", "text": "t"}, {"type": "new"}]}')
    assert thing.parts is not None

    assert [type(part) for part in thing.parts] == [Part, UnknownPart]


def test_a_model_that_is_asked_for_takes_an_object_of_another_type() -> None:
    part = Door[Part](Part)

    assert part({"text": "t"}).to_wire() == {"text": "t"}
    assert part({"type": "else"}).problems == (Problem("type", "'part'", "'else'"),)


# What is no JSON object.


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b'{"a": 1} x', "nonsense", b'{"a": "\n"}', b"{'a': 1}", b'{"id": "\xff"}', "\ud800"])
def test_what_is_no_json_says_so(data: bytes | str) -> None:
    nothing = unparsed(data)

    assert nothing.reason == "no JSON"
    assert nothing.to_wire() is None


@pytest.mark.parametrize("value", [None, 1, "text", [], [{"id": "a"}], True])
def test_what_is_no_object_says_so_and_keeps_the_value(value: Any) -> None:
    nothing = unparsed(json.dumps(value))

    assert nothing.reason == "no object"
    assert nothing.to_wire() == value


@pytest.mark.parametrize("bomb", [b"[" * 200_000, b'{"a":' * 200_000, b'{"parts":[' * 100_000 + b"]}" * 100_000])
def test_depth_bombs_are_refused(bomb: bytes) -> None:
    assert unparsed(bomb).reason in ("nested too deeply", "no JSON")


@pytest.mark.parametrize("depth", [100, 190, 250, 500])
def test_what_python_can_nest_comes_back(depth: int) -> None:
    assert same('{"whatever": ' + "[" * depth + "]" * depth + "}")
    assert same('{"parts": ' + "[" * depth + "]" * depth + "}")


def test_huge_integers_come_back() -> None:
    assert same('{"parts": [{"type": "part", "size": ' + "9" * 4000 + "}]}")


def test_integers_that_python_does_not_read_are_told() -> None:
    assert unparsed('{"x": ' + "9" * 5000 + "}").reason == "number too long"


def test_long_strings_come_back() -> None:
    thing = parsed(b'{"id": "' + b"x" * 50_000_000 + b'"}')

    assert thing.id is not None
    assert len(thing.id) == 50_000_000


# Text that UTF-8 cannot say.


@pytest.mark.parametrize(
    "text",
    [
        r'{"id": "\ud800"}',
        r'{"parts": [{"type": "part", "text": "a\udfff"}]}',
        r'{"\ud800": 1, "id": "a"}',
        r'{"id": "a", "parts": [{"type": "part", "\ud800": 1}]}',
        r'{"whatever": {"\ud800": ["\udc00"]}}',
        '{"id": "\ud800"}',
    ],
)
def test_half_a_surrogate_pair_comes_back(text: str) -> None:
    assert same(text)


def test_half_a_surrogate_pair_in_utf8_comes_back() -> None:
    assert parsed(b'{"id": "\xed\xa0\x80"}').id == "\ud800"


def test_a_key_that_is_no_text_is_a_problem_where_no_model_can_hold_it() -> None:
    thing = parsed(r'{"id": "a", "parts": [{"type": "part", "\ud800": 1}]}')

    assert thing.problems == (Problem("parts[0]", "object", "object with a key that is no text"),)


def test_a_byte_order_mark_does_no_harm() -> None:
    assert parsed(b'\xef\xbb\xbf{"id": "a"}').to_wire() == {"id": "a"}


# Many at once.


def test_many_are_parsed_as_each_would_be() -> None:
    texts = [b'{"id": "a"}', b'{"id": 5}', b"nonsense", b"[]", b'{"x": 1, "id": "b"}']

    assert THING.many(texts) == [THING(text) for text in texts]
    assert [model.to_wire() for model in THING.many(texts)] == [THING(text).to_wire() for text in texts]


def test_texts_that_only_together_are_json_are_told() -> None:
    texts = [b'{"parts": [{}', b'{}]}, {"id": "b"}']

    assert [type(model) for model in THING.many(texts)] == [Unparsed, Unparsed]


# Whatever comes.

KEYS = st.sampled_from([*Thing.model_fields, "type", "text", "size", "async", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*Thing.model_fields, "type", "text", "size", "async", "x"]) | st.text(), inner)
    ),
    max_leaves=20,
)


@given(st.dictionaries(KEYS, JSON))
def test_any_object_comes_back(value: dict[str, Any]) -> None:
    assert json.dumps(THING(value).to_wire()) == json.dumps(value)
    assert json.dumps(THING(json.dumps(value)).to_wire()) == json.dumps(json.loads(json.dumps(value)))


@given(st.binary() | st.text().map(str.encode) | st.lists(st.sampled_from([b'{"', b'"}', b"[", b"]", b'"id":', b"1", b","])).map(b"".join))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    THING(data).to_wire()

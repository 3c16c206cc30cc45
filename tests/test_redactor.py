"""What is taken away from texts, documents and streams of events, and what stands in its place."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.config.rules import parse_rule
from playhead.proxy.redacting.redactor import Redactor


def redactor(*lines: str) -> Redactor:
    return Redactor(tuple([parse_rule(line) for line in lines]))


EMAIL = r"redact /[a-z]+@example[.]com/ as email"


def test_a_text_says_what_kind_of_thing_stood_there() -> None:
    assert redactor(EMAIL).text("from ann@example.com to bob@example.com") == "from <redacted:email> to <redacted:email>"


def test_all_else_of_a_document_stays_byte_for_byte() -> None:
    text = '{ "b":[1.0, "x\\u00e9\\/ann@example.com"],\n"a": "\\/ \\u00e9" }'

    assert redactor(EMAIL).document(text) == '{ "b":[1.0, "x\\u00e9/<redacted:email>"],\n"a": "\\/ \\u00e9" }'


@pytest.mark.parametrize("text", ["", "{", "hello ann", '{"a": 1,}', "[" * 100_000])
def test_what_is_no_json_is_no_document(text: str) -> None:
    assert redactor(EMAIL, "redact $..a as x").document(text) is None


def test_what_is_escaped_is_found() -> None:
    found = redactor(r"redact /J\u00fcrgen\n/ as name").document('{"a": "J\\u00fcrgen\\n!", "b": "J\u00fcrgen\\n"}')

    assert found == '{"a": "<redacted:name>!", "b": "<redacted:name>"}'


def test_names_of_members_and_numbers_are_looked_through_too() -> None:
    assert redactor(r"redact /\d{9}/ as ssn").document('{"123456789": [123456789, 12345678, 1234567890]}') == '{"<redacted:ssn>": [0, 12345678, 1234567890]}'


def test_at_a_place_everything_goes_and_stays_of_its_kind() -> None:
    text = '{"user": {"name": "Ann", "age": 7, "ok": true, "none": null, "tags": ["a", "b"]}, "other": "Ann"}'
    kept = '{"user": {"name": "<redacted:p>", "age": 0, "ok": false, "none": null, "tags": ["<redacted:p>", "<redacted:p>"]}, "other": "Ann"}'

    assert redactor("redact $.user as p").document(text) == kept


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("$..x", '{"a": [{"x": "<redacted:p>"}, {"y": {"x": "<redacted:p>"}}], "x": "<redacted:p>"}'),
        ("$.a[*].x", '{"a": [{"x": "<redacted:p>"}, {"y": {"x": "2"}}], "x": "3"}'),
        ("$.a[1]", '{"a": [{"x": "1"}, {"y": {"x": "<redacted:p>"}}], "x": "3"}'),
        ("$.b", '{"a": [{"x": "1"}, {"y": {"x": "2"}}], "x": "3"}'),
    ],
)
def test_paths_lead_to_places(path: str, kept: str) -> None:
    assert redactor(f"redact {path} as p").document('{"a": [{"x": "1"}, {"y": {"x": "2"}}], "x": "3"}') == kept


def test_what_is_said_in_deltas_is_found_across_them() -> None:
    def delta(text: str, item: str = "i") -> bytes:
        return b"event: d\ndata: " + json.dumps({"type": "d", "item_id": item, "delta": text}).encode() + b"\n\n"

    blocks = [delta("to ann@ex"), delta("ann@", "j"), delta("ample.c"), delta("om, bye"), b'data: {"type": "done", "text": "to ann@example.com, bye"}\n\n']
    told = redactor(EMAIL).events(blocks)

    assert told == [delta("to <redacted:email>"), blocks[1], delta(""), delta(", bye"), b'data: {"type": "done", "text": "to <redacted:email>, bye"}\n\n']


def test_choices_are_told_apart() -> None:
    def chunk(index: int, text: str) -> bytes:
        return b"data: " + json.dumps({"choices": [{"index": index, "delta": {"role": "assistant", "content": text}}]}).encode() + b"\n\n"

    blocks = [chunk(0, "ann@"), chunk(1, "bob@"), chunk(0, "example.com"), chunk(1, "elsewhere")]

    assert redactor(EMAIL).events(blocks) == [chunk(0, "<redacted:email>"), blocks[1], chunk(0, ""), blocks[3]]


def test_what_is_no_document_is_looked_through_as_text() -> None:
    blocks = [b": ann@example.com\n\n", b"data: {\ndata: ann@example.com}\n\n", b"\xff ann@example.com", b"data: [DONE]\n\n"]
    told = redactor(EMAIL).events(blocks)

    assert told == [b": <redacted:email>\n\n", b"data: {\ndata: <redacted:email>}\n\n", b"\xff <redacted:email>", blocks[3]]


def test_a_rule_that_finds_its_own_placeholder_is_unsound() -> None:
    assert redactor("redact /redacted/ as x").unsound == "redacted"
    assert redactor(EMAIL).unsound is None


def test_what_was_found_is_known() -> None:
    made = redactor(EMAIL, "redact $.k as key")
    made.document('{"k": "sk-1234", "t": "ann@example.com ann@example.com"}')

    assert (made.found, made.texts) == ({"<redacted:email>": 2, "<redacted:key>": 1}, {"sk-1234", "ann@example.com"})


@given(st.recursive(st.text() | st.integers() | st.none() | st.booleans(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_nothing_is_left_and_twice_is_once(value: object) -> None:
    made = redactor(r"redact /[x-y]+/ as z", "redact $..q as z")
    once = made.document(json.dumps(value))
    assert once is not None

    assert made.document(once) == once
    assert json.loads(once) == json.loads(json.dumps(json.loads(once)))


def test_a_path_with_many_steps_at_any_depth_takes_no_longer_than_another() -> None:
    text = '{"a":' * 60 + '{"b":"x"}' + "}" * 60

    assert '"b":"<redacted:private>"' in (Redactor((parse_rule(f"redact ${'..a' * 12}..b as private"),)).document(text) or "")

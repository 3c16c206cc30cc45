"""Outlines: where members and items stand, and what is taken over from another body."""

from __future__ import annotations

import json
from typing import Any

import pytest

from playhead.proxy.matching.outline import Outline, Reading, fresh, outline

LISTS, KEPT = ("input", "messages"), ("model", "stream")


def of(text: str | bytes, known: Outline | None = None) -> Outline | None:
    return outline(text.encode() if isinstance(text, str) else text, Reading(LISTS, KEPT), known)


def sound(text: str | bytes, known: Outline | None = None) -> Outline:
    found = of(text, known)
    assert found is not None
    return found


def test_members_stand_where_they_stand() -> None:
    text = ' { "model" : "é" ,\n"input":[ {"a" : 1.0},{"b":[]} ] ,"x":[1 , 2]} '
    found = sound(text)
    body = text.encode()

    assert [(member.name, member.text, member.value) for member in found.members] == [
        ("model", '"model":"é"'.encode(), "é"),
        ("input", b"", None),
        ("x", b'"x":[1,2]', None),
    ]
    assert [body[member.start : member.end].strip().decode() for member in found.members] == [
        '"model" : "é"',
        '"input":[ {"a" : 1.0},{"b":[]} ]',
        '"x":[1 , 2]',
    ]
    assert found.conversation is not None
    assert [body[:end].decode()[-3:] for end in found.conversation.ends] == [".0}", "[]}"]
    assert found.end == found.conversation.ends[-1]


def test_a_list_of_other_things_is_a_member_like_any_other() -> None:
    found = sound('{"input":["a"],"messages":[],"model":[{}]}')

    assert found.conversation is None
    assert found.end == 0
    assert [member.text for member in found.members] == [b'"input":["a"]', b'"messages":[]', b'"model":[{}]']


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"a":1} x',
        '{"a":1',
        '{"a":1,',
        '{"a":1,}',
        '{"a" 1}',
        '{"a":1]',
        "{a:1}",
        '{"input":[{}}',
        '{"input":[{}',
        '{"input":[{}],"messages":[{}]}',
        '{"a":1,"a":2}',
    ],
)
def test_what_is_not_a_usual_object_has_none(text: str) -> None:
    try:
        assert of(text) is None
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011
            json.loads(text)


BASE = '{"model":"m","tools":[{"t":1}],"input":[{"a":1},{"b":"é"},{"c":3}],"stream":true,"n":12}'


@pytest.mark.parametrize(
    "text",
    [
        BASE,
        BASE.replace('{"c":3}', '{"c":3},{"d":4}'),
        BASE.replace('{"c":3}', '{"c":3},{"c":3}'),
        BASE.replace('{"c":3}', '{"c":3}, 5'),
        BASE.replace(',{"c":3}', ""),
        BASE.replace('{"a":1},', ""),
        BASE.replace('{"b":"é"}', '{"b":"ü"}'),
        BASE.replace('"m"', '"other"'),
        BASE.replace('"t":1', '"t":12'),
        BASE.replace("true", "false"),
        BASE.replace("12}", "123}"),
        BASE.replace("12}", "1}"),
        BASE.replace("12}", '12,"new":{}}'),
        BASE.replace('"stream":true,', ""),
        BASE.replace('"model":"m",', ""),
        BASE.replace('{"model"', '{"first":0,"model"'),
        BASE.replace('"tools":[{"t":1}],', ""),
        BASE.replace('"input":', '"other":'),
        BASE.replace(',"input":[{"a":1},{"b":"é"},{"c":3}]', ""),
        '{"input":[{"a":1},{"b":"é"},{"c":3}],"model":"m"}',
        '{"z":1}',
    ],
)
def test_what_is_known_of_another_body_changes_nothing(text: str) -> None:
    for one, other in ((BASE, text), (text, BASE)):
        found = sound(other, sound(one))

        assert found == sound(other)
        assert found.body == other.encode()


@pytest.mark.parametrize(
    "text", [BASE.replace('}],"inp', '}]"inp'), BASE[:-1], BASE + "}", BASE.replace('{"c":3}]', '{"c":3}}'), BASE.replace('"stream"', '"n"'), "{}"]
)
def test_what_is_unsound_is_so_whatever_is_known(text: str) -> None:
    try:
        found = of(text, sound(BASE))
    except ValueError:
        return
    assert found is None


def test_a_body_that_goes_on_is_recognised() -> None:
    known = sound(BASE)

    assert known.goes_on_in(BASE.replace('{"c":3}', '{"c":3},{"d":4}').encode())
    assert not known.goes_on_in(BASE.replace('"c":3', '"c":4').encode())
    assert not sound('{"a":1}').goes_on_in(b'{"a":1}')


def test_all_is_fresh_in_a_body_that_goes_on_from_no_other() -> None:
    found = sound('{"model":"m","input" : [ {"a":1.0} ,\n{"b":2}],"x":0.5}')

    assert fresh(found, None) == (b'{"model":"m","x":0.5}', [(0, b'{"a":1.0}'), (1, b'{"b":2}')])


def test_only_what_differs_is_fresh_in_a_body_that_goes_on() -> None:
    known = sound('{"model":"m","input":[{"a":1},{"b":2}],"x":1}')
    found = sound('{"model":"m","input":[{"a":1},{"b":2},{"c":3}],"x":2}', known)

    assert fresh(found, known) == (b'{"x":2}', [(2, b'{"c":3}')])


def test_an_item_that_has_moved_is_not_fresh() -> None:
    known = sound('{"input":[{"a":1},{"b":2}]}')
    found = sound('{"input":[{"n":0},{"b":2},{"a":1}]}', known)

    assert fresh(found, known).items == [(0, b'{"n":0}')]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([{"prompt": 1}, {"a": 1}], [{"prompt": 1}, {"b": 1}]),
        ([{"prompt": 1}, {"example": 1}, {"example": 2}, {"a": 1}], [{"prompt": 1}, {"example": 1}, {"example": 2}, {"b": 1}]),
        ([{"prompt": 1}, {"a": 1}, {"a": 2}], [{"prompt": 1}, {"a": 2}]),
        ([{"prompt": 1}, {"a": 1}], [{"prompt": 1}, {"b": 1}, {"b": 2}, {"b": 3}]),
        ([{"prompt": 1}, {"example": 1}, {"example": 2}, {"a": 1}], [{"prompt": 1}, {"example": 1}, {"example": 2}, {"image": 1}, {"b": 1}]),
    ],
)
def test_another_conversation_that_begins_alike_is_all_fresh(before: list[Any], after: list[Any]) -> None:
    known = sound(json.dumps({"input": before}))
    found = sound(json.dumps({"input": after}), known)

    assert [place for place, _ in fresh(found, known).items] == [*range(len(after))]


@pytest.mark.parametrize(
    ("before", "after", "places"),
    [
        ([0, *range(1, 41)], [0, *range(2, 42)], [40]),
        ([0, *range(1, 41)], [99, *range(1, 41)], [0]),
        ([0, 1, 2, 3], [99, 1, 2, 3, 2], [0, 4]),
        ([0, 1, 2, 3], [0, 1, 2, 4, 5, 6], [3, 4, 5]),
        ([0, 1, 2, 3], [0, 1, 2], []),
    ],
)
def test_what_a_body_goes_on_from_is_not_fresh_though_its_oldest_items_were_let_go_or_edited(before: list[int], after: list[int], places: list[int]) -> None:
    known = sound(json.dumps({"input": [{"n": number} for number in before]}))
    found = sound(json.dumps({"input": [{"n": number} for number in after]}), known)

    assert [place for place, _ in fresh(found, known).items] == places


def test_a_long_text_is_fresh_as_an_empty_one() -> None:
    found = sound(json.dumps({"input": "é" * 5000, "tools": ["a"]}, ensure_ascii=False))

    assert fresh(found, None).members == b'{"input":"","tools": ["a"]}'

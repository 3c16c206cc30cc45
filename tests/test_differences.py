"""Where two requests differ, by JSON path."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.diverging.differences import MOST, Compared, Difference, differences


def side(body: Any = None, *, method: str = "POST", path: str = "/responses", query: str = "", **headers: str) -> Compared:
    return Compared(method, path, query, {name.replace("_", "-"): value for name, value in headers.items()}, {} if body is None else body)


def told(recorded: Any, asked: Any) -> list[str]:
    return [str(difference) for difference in differences(side(recorded), side(asked))]


def test_equal_requests_do_not_differ() -> None:
    assert differences(side({"a": [1, {"b": None}]}, query="x=1&y=2"), side({"a": [1, {"b": None}]}, query="y=2&x=1")) == []


def test_a_changed_value_is_told_by_its_place() -> None:
    recorded = {"input": [{"role": "user", "content": [{"type": "input_text", "text": "rain"}]}]}
    asked = {"input": [{"role": "user", "content": [{"type": "input_text", "text": "snow"}]}]}

    assert differences(side(recorded), side(asked)) == [Difference("$.input[0].content[0].text", '"rain"', '"snow"')]
    assert told(recorded, asked) == ['$.input[0].content[0].text: recorded "rain", asked "snow"']


def test_what_was_added_and_what_is_missing_is_said_as_such() -> None:
    assert told({"a": 1, "b": {"c": 2}}, {"a": 1, "d": None}) == ['$.b is missing, recorded: {"c": 2}', "$.d is new: null"]


def test_null_is_a_value_and_not_an_absence() -> None:
    assert differences(side({"a": "x"}), side({"a": None})) == [Difference("$.a", '"x"', "null")]


def test_an_item_in_between_does_not_make_the_others_differ() -> None:
    items = [{"role": "user", "content": "a"}, {"type": "function_call", "name": "f"}, {"role": "user", "content": "b"}]
    extra = {"type": "reasoning", "id": "rs_1"}

    assert told({"input": items}, {"input": [items[0], extra, *items[1:]]}) == ['$.input[1] is new: {"type": "reasoning", "id": "rs_1"}']
    assert told({"input": [items[0], extra, *items[1:]]}, {"input": items}) == ['$.input[1] is missing, recorded: {"type": "reasoning", "id": "rs_1"}']


def test_items_of_one_kind_are_compared_with_each_other() -> None:
    recorded = [{"type": "function_call_output", "output": "rain"}, {"role": "user", "content": "b"}]
    asked = [{"role": "system", "content": "new"}, {"type": "function_call_output", "output": "snow"}, {"role": "user", "content": "c"}]

    assert told(recorded, asked) == [
        '$[0] is new: {"role": "system", "content": "new"}',
        '$[1].output: recorded "rain", asked "snow"',
        '$[2].content: recorded "b", asked "c"',
    ]


def test_an_item_that_moved_is_told_once() -> None:
    one, other = {"type": "function_call_output", "output": "rain"}, {"type": "function_call_output", "output": "snow"}
    found = differences(side({"input": [{"role": "user"}, one, other]}), side({"input": [{"role": "user"}, other, one]}))

    assert found == [Difference("$.input[1]", None, json.dumps(other), "$.input[2]")]
    assert str(found[0]) == '$.input[1] was recorded at $.input[2]: {"type": "function_call_output", "output": "snow"}'


def test_of_items_that_stand_more_than_once_each_moves_once() -> None:
    item, between = {"a": 1}, {"b": 1}

    assert told([item, item, between], [between, item]) == ['$[0] was recorded at $[2]: {"b": 1}', '$[1] is missing, recorded: {"a": 1}']


def test_items_without_a_counterpart_are_told_on_both_sides() -> None:
    assert told([{"type": "a"}, {"type": "b"}], [{"type": "c"}]) == [
        '$[0] is new: {"type": "c"}',
        '$[0] is missing, recorded: {"type": "a"}',
        '$[1] is missing, recorded: {"type": "b"}',
    ]


def test_a_long_text_is_shown_where_it_differs() -> None:
    recorded, asked = "a" * 500 + "Tuesday" + "b" * 500, "a" * 500 + "Wednesday" + "b" * 500

    (difference,) = differences(side({"text": recorded}), side({"text": asked}))

    assert difference.recorded == '…"' + "a" * 24 + "Tuesday" + "b" * 19 + '"…'
    assert difference.asked == '…"' + "a" * 24 + "Wednesday" + "b" * 19 + '"…'


def test_a_text_that_goes_on_is_shown_at_its_end() -> None:
    (difference,) = differences(side({"text": "a" * 300}), side({"text": "a" * 300 + "!"}))

    assert (difference.recorded, difference.asked) == ('…"' + "a" * 24 + '"', '…"' + "a" * 24 + '!"')


def test_half_of_a_surrogate_pair_is_told_as_json_spells_it() -> None:
    (found,) = differences(side({"input": "\ud83d"}), side({"input": "\ud83e"}))

    assert (found.recorded, found.asked) == (r'"\ud83d"', r'"\ud83e"')


def test_a_long_value_is_cut() -> None:
    (difference,) = differences(side({}), side({"tools": list(range(1000))}))

    assert difference.asked is not None
    assert difference.asked.endswith("… (4,890 characters)")


@pytest.mark.parametrize(("was", "is_"), [(True, 1), (0, False), ([True], [1]), ({"a": 1}, {"a": True})])
def test_truth_and_numbers_are_not_the_same(was: Any, is_: Any) -> None:
    assert differences(side({"x": was}), side({"x": is_}))


@pytest.mark.parametrize("pair", [(1, Decimal("1.0")), (1, 1.0), (Decimal("0.1"), Decimal("0.10"))])
def test_numbers_are_compared_by_value(pair: tuple[Any, Any]) -> None:
    assert differences(side({"x": pair[0]}), side({"x": pair[1]})) == []


def test_decimals_are_shown_as_numbers() -> None:
    assert told({"x": Decimal("0.5")}, {"x": Decimal("0.7")}) == ["$.x: recorded 0.5, asked 0.7"]


def test_odd_names_are_written_so_that_the_path_can_be_read() -> None:
    assert told({"a b": {"": 1}}, {"a b": {"": 2}}) == ['$["a b"][""]: recorded 1, asked 2']


def test_parameters_of_the_query_differ_by_name() -> None:
    found = differences(side(query="a=1&b=2&c=3&c=4"), side(query="b=2&a=9&d&c=4"))

    assert list(map(str, found)) == ['query.a: recorded "1", asked "9"', 'query.c is missing, recorded: "3"', 'query.d is new: ""']


def test_method_path_and_headers_come_first() -> None:
    found = differences(side({"a": 1}, openai_beta="x"), side({"a": 2}, method="PUT", path="/files", content_type="json"))

    assert [difference.path for difference in found] == ["method", "path", "headers.content-type", "headers.openai-beta", "$.a"]


def test_bodies_that_are_no_json_differ_as_text_or_as_bytes() -> None:
    assert told(b"a=1", b"a=2") == ['body: recorded "a=1", asked "a=2"']
    assert told(b"\xff\xfe1", b"\xff\xfe2") == ["body: recorded 3 bytes, from byte 2 on 31, asked 3 bytes, from byte 2 on 32"]
    assert told(b"\xff", b"\xff\xfe") == ["body: recorded 1 bytes, from byte 1 on none, asked 2 bytes, from byte 1 on fe"]
    assert told({"a": 1}, b"abc") == ['body: recorded {"a": 1}, asked 3 bytes that are no JSON']
    assert told(b"", {"a": 1}) == ['body: recorded nothing, asked {"a": 1}']


def test_a_body_that_is_too_big_says_so() -> None:
    found = differences(side({"a": 1}), Compared("POST", "/responses", "", {}, None))

    assert list(map(str, found)) == ['body: recorded {"a": 1}, asked too big to be compared']


def test_of_two_bodies_that_are_too_big_nothing_more_is_known() -> None:
    found = differences(Compared("POST", "/x", "", {}, None), Compared("POST", "/x", "", {}, None))

    assert list(map(str, found)) == ["body: recorded too big to be compared, asked too big to be compared"]


def test_what_is_told_is_bounded() -> None:
    recorded, asked = {f"k{n}": 0 for n in range(5000)}, {f"k{n}": 1 for n in range(5000)}

    assert len(differences(side(recorded), side(asked))) == MOST


def test_so_are_the_names_on_the_way() -> None:
    name = "n" * 100_000
    found = differences(side({name: {f"x{place}": 1 for place in range(MOST)}}), side({name: {}}))

    assert max(len(difference.path) for difference in found) < 250


def test_many_items_that_all_differ_are_compared_one_by_one() -> None:
    recorded, asked = [[n] for n in range(600)], [[-n - 1] for n in range(600)]

    assert told(recorded, asked)[0] == "$[0][0]: recorded 0, asked -1"


def test_deep_nesting_is_bounded() -> None:
    deep: Any = 1
    other: Any = 2
    for _ in range(5000):
        deep, other = [deep], [other]

    assert len(told({"x": 0, "y": deep}, {"x": 1, "y": other})) == 2


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=20,
)


@given(_JSON, _JSON)
def test_there_are_differences_if_and_only_if_the_bodies_differ(recorded: Any, asked: Any) -> None:
    same = json.dumps(recorded, sort_keys=True) == json.dumps(asked, sort_keys=True)

    assert (differences(side({"x": recorded}), side({"x": asked})) == []) == same

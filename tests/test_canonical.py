"""One text for all JSON texts that mean the same, and different texts for those that do not."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.fingerprinting.canonical import dump, parse

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def canonical(text: str) -> bytes:
    return dump(parse(text))


@st.composite
def spellings(draw: st.DrawFn, value: Any) -> str:
    """Any text that means this value."""
    space = st.text(" \t\n\r", max_size=2)

    def pad() -> str:
        return draw(space)

    if isinstance(value, dict):
        members = [
            f"{pad()}{draw(spellings(key))}{pad()}:{pad()}{draw(spellings(member))}{pad()}" for key, member in draw(st.permutations(list(value.items())))
        ]
        return "{" + (",".join(members) or pad()) + "}"
    if isinstance(value, list):
        return "[" + (",".join(f"{pad()}{draw(spellings(member))}{pad()}" for member in value) or pad()) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=draw(st.booleans()))
    if isinstance(value, Decimal | int) and not isinstance(value, bool):
        return draw(numbers(Decimal(value)))
    return json.dumps(value)


@st.composite
def numbers(draw: st.DrawFn, value: Decimal) -> str:
    """Any notation of a number."""
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)) + "0" * draw(st.integers(0, 3))
    exponent -= len(text) - len(digits)
    point = draw(st.integers(1, len(text)))
    exponent += len(text) - point
    whole = text[:point].lstrip("0") or "0"
    fraction = f".{text[point:]}" if text[point:] else ""
    power = (
        ""
        if not exponent and draw(st.booleans())
        else draw(st.sampled_from("eE")) + (draw(st.sampled_from(["+", ""])) if exponent >= 0 else "") + str(exponent)
    )
    return f"{'-' * sign}{whole}{fraction}{power}"


@given(st.data(), VALUES)
def test_all_spellings_of_a_value_are_one_text(data: st.DataObject, value: Any) -> None:
    first, second = data.draw(spellings(value)), data.draw(spellings(value))

    assert canonical(first) == canonical(second)


@given(VALUES, VALUES)
def test_different_values_are_different_texts(one: Any, other: Any) -> None:
    spelled = [json.dumps(_plain(value), sort_keys=True) for value in (one, other)]  # where true is not 1

    assert (canonical(_written(one)) == canonical(_written(other))) == (spelled[0] == spelled[1])


def _plain(value: Any) -> Any:
    """With numbers as texts that are equal if they are."""
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if isinstance(value, Decimal | int) and not isinstance(value, bool):
        sign, digits, exponent = Decimal(value).as_tuple()
        assert isinstance(exponent, int)
        text = "".join(map(str, digits)).lstrip("0")
        stripped = text.rstrip("0")
        return {"#": f"{'-' * sign}{stripped}e{exponent + len(text) - len(stripped)}" if stripped else "0"}
    return value


def _written(value: Any) -> str:
    """JSON of it, decimals in full."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_written(member)}" for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return f"{value:E}" if isinstance(value, Decimal) else json.dumps(value)


@pytest.mark.parametrize("text", ["1", "1.0", "1e0", "10e-1", "0.1E+1", "1.000", " 1\n"])
def test_a_number_is_its_value(text: str) -> None:
    assert canonical(text) == b"1"


@pytest.mark.parametrize("text", ["0", "-0", "0.0", "-0.0e5", "0e999999"])
def test_there_is_one_zero(text: str) -> None:
    assert canonical(text) == b"0"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0.1", "0.10000000000000001"),
        ("9007199254740993", "9007199254740992"),
        ("9007199254740993.0", "9007199254740992.0"),
        ("1e400", "1e401"),
        ("1e-400", "0"),
        ("123456789012345678901234567890.5", "123456789012345678901234567890.25"),
        ("1", "true"),
        ("1.5", '"1.5"'),
        ("1.5", '[null,"15e-1"]'),
        ('"a"', '"A"'),
        ("[]", "{}"),
        ("null", "false"),
    ],
)
def test_no_digit_is_lost(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


def test_a_big_integer_is_one_in_every_notation() -> None:
    assert canonical("1e30") == canonical("1" + "0" * 30) == b"1" + b"0" * 30


def test_of_equal_keys_the_last_one_wins() -> None:
    assert canonical('{"b":1,"a":{"x":2},"a":[3]}') == canonical('{"a":[3],"b":1}') == b'{"a":[3],"b":1}'


def test_an_escape_is_what_it_stands_for() -> None:
    assert canonical(r'"\u00e9\/\ud83d\ude00\u0000"') == canonical('"é/😀\\u0000"') == '"é/😀\\u0000"'.encode()


@pytest.mark.parametrize("text", ["", " ", "{", "[1,]", '{"a"}', "NaN", "[Infinity]", "-Infinity", "1 2", "'a'", "01", "\ufeff1", "\xa01", '"\t"', "1" * 5000])
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse(text)


@pytest.mark.parametrize("text", [r'"\ud800"', r'{"\udc00":1}', "[" * 300 + "]" * 300])
def test_what_is_not_the_same_everywhere_cannot_be_dumped(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        dump(parse(text))


def test_what_is_nested_without_end_is_refused_one_way_or_another() -> None:
    with pytest.raises((ValueError, RecursionError)):
        canonical("[" * 100_000 + "]" * 100_000)


def test_a_number_of_any_length_is_read() -> None:
    assert canonical("0." + "1" * 9_000) != canonical("0." + "1" * 9_001)

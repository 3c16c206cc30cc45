"""JSON bodies in cassettes: every body comes back byte for byte, whatever form it stands in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.formats.json_text import STYLES, Written, render, restored, written

VALUE = {"model": "gpt-5", "temperature": 1.0, "input": [{"role": "user", "content": "Größe <b>"}], "seed": None, "n": 3}
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("style", sorted(STYLES))
def test_each_style_is_recognised(style: str) -> None:
    body = render(VALUE, style)

    assert written(body).form == "json"
    assert not written(body).patches
    assert restored(written(body)) == body


@pytest.mark.parametrize(
    "body",
    [
        b'{"score":0.000015598,"other":2.5e-6,"n":1}',  # JavaScript's numbers
        b'{"type":"message_stop"            }',
        b'{"a": 1,"b":2, "c" : "\\/\\u00e9"}',
        b'{"price":1.50,"big":1E5}',
    ],
)
def test_what_is_spelt_otherwise_is_json_with_patches(body: bytes) -> None:
    found = written(body)

    assert found.form == "json"
    assert found.patches
    assert found.value == json.loads(body)
    assert restored(found) == body


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":2}',
        b'{"half":"\\ud83d"}',
        b'{"a":NaN}',
        b'{"a":1e999}',
        b'{"a":1',
        b"[" * 100_000,
        b'{"n":' + b"9" * 5000 + b"}",
        b"hello",
        b'{"a":"\0"}',
    ],
)
def test_what_is_no_json_that_can_come_back_is_text(body: bytes) -> None:
    assert written(body).form == "text"
    assert restored(written(body)) == body


def test_what_is_no_text_is_base64() -> None:
    assert written(b"\xff\x00").form == "base64"
    assert restored(written(b"\xff\x00")) == b"\xff\x00"


@given(values, st.sampled_from(sorted(STYLES)))
def test_any_value_in_any_style_comes_back(value: Any, style: str) -> None:
    body = render(value, style)

    assert restored(written(body)) == body


@given(st.binary())
def test_any_bytes_come_back(body: bytes) -> None:
    assert restored(written(body)) == body


@given(st.lists(st.sampled_from(['{"a":', "}", "[", "]", ",", '"x"', "1.50", " ", "\\", '"', "\n", "1e400", "é", ":"]), max_size=12).map("".join))
def test_anything_like_json_comes_back(text: str) -> None:
    assert restored(written(text.encode())) == text.encode()


@pytest.mark.parametrize(
    "one",
    [
        Written("json", {}, "curly"),
        Written("json", {}, "compact", ((5, 1, ""),)),
        Written("json", {}, "compact", ((0, 1, "["), (0, 1, "["))),
        Written("text", 3),
        Written("base64", "!"),
    ],
)
def test_what_cannot_be_is_refused(one: Written) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        restored(one)

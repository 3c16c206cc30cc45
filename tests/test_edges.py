"""Members read from the ends of a JSON text that is cut in the middle."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy import edges
from playhead.proxy.edges import Edges, leading, trailing

OBJECT: dict[str, Any] = {
    "model": 'x\\"}{[',
    "nested": {"c": [1, "]", {"d": "\\\\"}], "model": "no"},
    "n": -1.5e3,
    "input": ["q" * 50, {"user": "no"}],
    "usage": {"x": {"y": 2}},
    "stream": True,
    "end": "end\\\\",
    "none": None,
    "": "é",
}
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner), max_leaves=6
)
objects = st.dictionaries(st.text(max_size=4), values, max_size=6)


@pytest.mark.parametrize("style", [{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}])
def test_a_whole_object_is_read_from_either_end(style: dict[str, Any]) -> None:
    text = json.dumps(OBJECT, **style).encode()

    assert leading(text) == OBJECT
    assert trailing(text) == OBJECT


@given(objects, st.integers(0, 500))
def test_a_cut_beginning_gives_only_what_is_there(value: dict[str, Any], at: int) -> None:
    found = leading(json.dumps(value).encode()[:at])

    assert found == {name: value[name] for name in found}


@given(objects, st.integers(0, 500))
def test_a_cut_end_gives_only_what_is_there(value: dict[str, Any], at: int) -> None:
    text = json.dumps(value).encode()
    found = trailing(text[min(at, len(text)) :])

    assert found == {name: value[name] for name in found}


@given(st.binary(max_size=200))
def test_garbage_never_raises(text: bytes) -> None:
    leading(text)
    trailing(text)


def test_members_around_a_big_one_are_found() -> None:
    text = json.dumps({"model": "m", "input": ["x" * 1000] * 300, "user": "u", "metadata": {"a": "b"}}).encode()
    kept = Edges()
    for at in range(0, len(text), 999):
        kept.feed(text[at : at + 999])

    assert kept.whole is None
    assert kept.members() == {"model": "m", "user": "u", "metadata": {"a": "b"}}


@pytest.mark.parametrize("behind", [{}, {"stream_id": "a", "x": {"response": 1}}])
def test_of_an_event_the_members_around_the_big_one_of_its_response_are_found(behind: dict[str, Any]) -> None:
    usage = {"total_tokens": 3, "details": {"cached": 0}}
    told = {"id": "resp_1", "model": "m", "tools": [{"a": "}"}], "output": [{"text": 'x"{' * 99_000}], "usage": usage, "user": None}
    kept = Edges()
    kept.feed(json.dumps({"type": "response.completed", "response": told, **behind}).encode())

    assert kept.event() == {"type": "response.completed", "response": {key: told[key] for key in told if key != "output"}, **behind}


def test_of_an_event_with_another_big_member_only_what_is_around_it_is_found() -> None:
    kept = Edges()
    kept.feed(json.dumps({"type": "x", "item": {"id": "i", "text": "x" * 200_000, "usage": 1}, "n": 2}).encode())

    assert kept.event() == {"type": "x", "n": 2}


@given(st.lists(st.binary(max_size=40_000), max_size=9))
def test_however_a_text_is_cut_its_edges_are_the_same(pieces: list[bytes]) -> None:
    one, other = Edges(), Edges()
    one.feed(b"".join(pieces))
    for piece in pieces:
        other.feed(piece)

    assert other.state() == one.state()
    assert other.whole == one.whole


def test_a_short_text_is_kept_whole() -> None:
    kept = Edges()
    text = bytes(range(256)) * (2 * edges.EDGE // 256)
    for at in range(0, len(text), 1000):
        kept.feed(text[at : at + 1000])

    assert kept.whole == text


def test_edges_restored_from_their_state_go_on_alike() -> None:
    text = bytes(range(256)) * 1000
    one, other = Edges(), Edges()
    one.feed(text[:70_000])
    other.restore(json.loads(json.dumps(one.state())))
    one.feed(text[70_000:])
    other.feed(text[70_000:])

    assert other.state() == one.state()
    assert one.size == len(text)

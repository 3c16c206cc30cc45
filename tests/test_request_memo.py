from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.reader import request_fields
from playhead.proxy.request_memo import LEAST, RequestMemo

JSON = b"application/json"
FILLER = [{"type": "message", "content": "x" * 200, "list": [1, [2]]} for _ in range(2 * LEAST // 200)]


def body(items: list[Any], *, model: str = "gpt-5", separators: tuple[str, str] = (",", ":"), **more: Any) -> bytes:
    request = {"model": model, "input": items, "tools": [{"name": "t", "enum": ["]", "[1]"]}], "prompt_cache_key": "k", **more}
    return json.dumps(request, separators=separators).encode()


def test_a_body_that_goes_on_with_the_same_list_gives_the_same_fields() -> None:
    memo = RequestMemo()
    memo.fields(body(FILLER), JSON)
    longer = body([*FILLER, {"content": 'end ]} "model":"other"'}])

    assert memo.fields(longer, JSON) == request_fields(longer, JSON)


def test_a_field_that_changed_behind_the_list_is_seen() -> None:
    memo = RequestMemo()
    memo.fields(body(FILLER, user="ann"), JSON)
    changed = body(FILLER, user="bob")

    assert memo.fields(changed, JSON)["user"] == "bob"


def test_a_field_that_stands_where_items_were_inserted_is_seen() -> None:
    memo = RequestMemo()
    first = body(FILLER)
    memo.fields(first, JSON)
    place = first.index(b'],"tools"')
    tricky = first[:place] + b'],"model":"other","more":[1' + first[place:]

    assert memo.fields(tricky, JSON) == request_fields(tricky, JSON)
    assert memo.fields(tricky, JSON)["model"] == "other"


@pytest.mark.parametrize("garbage", [b"", b"[]", b"\xff" * (2 * LEAST), b"]" * (2 * LEAST), b'{"a":[' + b"[" * (2 * LEAST)])
def test_garbage_is_read_as_without_a_memo(garbage: bytes) -> None:
    memo = RequestMemo()
    memo.fields(garbage, JSON)

    assert memo.fields(garbage, JSON) == request_fields(garbage, JSON)


ITEMS = st.lists(
    st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5), max_size=4
)


@given(st.lists(st.tuples(ITEMS, st.sampled_from(["a", "b"]), st.booleans()), min_size=2, max_size=6))
def test_any_order_of_bodies_is_read_as_without_a_memo(turns: list[tuple[list[Any], str, bool]]) -> None:
    memo = RequestMemo()
    history: list[Any] = list(FILLER)
    for items, model, spaced in turns:
        history += items
        sent = body(history, model=model, separators=(", ", ": ") if spaced else (",", ":"))

        assert memo.fields(sent, JSON) == request_fields(sent, JSON)

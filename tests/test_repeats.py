"""Members and items of one body are found in another one, wherever they stand."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.fingerprint import LISTS
from playhead.proxy.matching.outline import Member, Outline, Reading, outline
from playhead.proxy.matching.repeats import Repeats, again

LONG = b"x" * 100
ITEMS = [b'{"a":1}', b'{"a":"\xc3\xa9%b"}' % LONG, b'{"a":["%b"]}' % LONG, b'{"a":1}']
BODY = b'{"input":[' + b", ".join(ITEMS) + b"]}"
FIRST = BODY.index(b"{", 1)


class List(NamedTuple):
    first: int
    ends: list[int]


def repeats() -> Repeats[List]:
    ends, at = list[int](), FIRST
    for item in ITEMS:
        ends.append(at + len(item))
        at = ends[-1] + 2
    return Repeats(BODY, List(FIRST, ends))


def found(*items: bytes) -> list[int | None]:
    """Which of the known items these are, one after the other."""
    body, known, places = b"[" + b",".join(items) + b"]", repeats(), []
    at = 1
    for item in items:
        places.append(known.at(body, at))
        at += len(item) + 1
    return places


@pytest.mark.parametrize(
    ("items", "places"),
    [
        (ITEMS, [0, 1, 2, 3]),
        (ITEMS[1:], [1, 2, 3]),
        ([b'{"new":1}', *ITEMS], [None, 0, 1, 2, 3]),
        ([ITEMS[0], ITEMS[2]], [0, 2]),
        ([ITEMS[2], ITEMS[1]], [2, 1]),
        ([*ITEMS, ITEMS[0]], [0, 1, 2, 3, None]),
        ([b'{"a":12}'], [None]),
    ],
)
def test_items_are_found_in_any_order_as_long_as_some_are_left(items: list[bytes], places: list[int | None]) -> None:
    assert found(*items) == places


@pytest.mark.parametrize(
    ("number", "body", "count"), [(0, BODY[FIRST:], 4), (0, BODY[FIRST:-9], 3), (1, b", ".join(ITEMS[1:3]), 2), (1, ITEMS[0], 0), (4, b"", 0)]
)
def test_items_that_follow_one_another_are_found_together(number: int, body: bytes, count: int) -> None:
    assert repeats().run(body, 0, number) == count


def test_a_number_may_go_on_and_is_not_found() -> None:
    assert Repeats(b"[1,2]", List(1, [2, 4])).at(b"[12]", 1) is None


def test_what_was_found_otherwise_is_passed_over() -> None:
    known = repeats()
    known.go_on(4)
    assert known.at(ITEMS[0], 0) is None


@pytest.mark.parametrize(("body", "stands"), [(b'{"n":1,"m":2}', True), (b'{"n":12}', False), (b'{"n":1', False), (b'{"n":2}', False), (b'{"n":1 }', True)])
def test_a_member_stands_where_it_ends_as_well(body: bytes, stands: bool) -> None:
    assert again(body, 1, b'{"n":1}', Member("n", 1, 6, b'"n":1', None)) is stands


TEXTS = st.sampled_from(["a", "b" * 120, "\u00e9", "]},{"])
LISTED = st.lists(st.one_of(st.fixed_dictionaries({"c": TEXTS}), st.integers(0, 20), TEXTS), max_size=6).map(lambda items: [{"first": 0}, *items])
BODIES = st.fixed_dictionaries({}, optional={"t": TEXTS, "n": st.integers(0, 200), "input": LISTED, "u": TEXTS, "z": LISTED})


@given(st.permutations(["t", "n", "input", "u", "z"]), BODIES, BODIES, st.booleans())
def test_what_is_known_of_another_body_changes_nothing(order: list[str], one: dict[str, Any], other: dict[str, Any], ascii_: bool) -> None:
    def read(body: dict[str, Any], known: Outline | None) -> Outline | None:
        text = json.dumps({name: body[name] for name in order if name in body}, ensure_ascii=ascii_)
        return outline(text.encode(), Reading(LISTS, ("n",)), known)

    assert read(other, read(one, None)) == read(other, None)

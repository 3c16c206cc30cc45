"""Which recording a request resembles most, of those that were compared in full."""

from __future__ import annotations

import json
from typing import Any

from playhead.proxy.divergence import Candidate, Miss
from playhead.proxy.fingerprint import F1, Asked
from playhead.proxy.replay.comparing import Side
from playhead.proxy.replay.likeness import Around, Likeness, closest, explained

ONE, OTHER = "b6c5e9a2-5a3f-4c5e-9d27-0d6f6ad5a0c1", "0d6f6ad5-9d27-4c5e-5a3f-b6c5e9a2a0c1"
JSON = {b"content-type": b"application/json"}
KNOWN = Miss("no_match", "s", 1, "POST", "/v1/responses", "http")


def side(value: Any, target: str = "/v1/responses") -> Side:
    return Side.of(Asked("POST", target, JSON), json.dumps(value).encode())


def like(exchange: int, recorded: Any, asked: Side, *, served: bool = False, target: str = "/v1/responses") -> Likeness:
    return Likeness.of(Candidate(exchange, exchange, "POST", target, None, b"", served), side(recorded, target), asked)


def best(asked: Side, *found: Likeness, expected: int = 0) -> int:
    one = closest(found, asked, expected)
    assert one is not None
    return one.candidate.exchange


def around(*, missed: bool = False, **served: bool) -> Around:
    near = {int(name[1:]): (int(name[1:]), done) for name, done in served.items()}
    return Around(near, 2, b"", missed)


def test_the_fewest_differences_win_whatever_is_volatile() -> None:
    asked = side({"input": f"run {OTHER}", "user": "a"})

    assert best(asked, like(1, {"input": f"run {OTHER}", "user": "b"}, asked), like(2, {"input": f"run {ONE}", "user": "a"}, asked)) == 2


def test_of_equals_the_one_that_was_expected_wins_and_what_stands_behind_it_before_what_stands_ahead() -> None:
    asked = side({"input": "a"})

    assert best(asked, *(like(number, {"input": "b"}, asked) for number in (1, 4, 6)), expected=5) == 6


def test_of_as_many_differences_the_text_that_is_most_alike_wins_wherever_it_stands() -> None:
    asked = side({"input": "Greet Cem politely."})

    assert best(asked, *(like(number, {"input": f"Greet {name}."}, asked) for number, name in enumerate(("Ann", "Bob", "Cem", "Dora")))) == 2
    assert best(asked, like(1, {"input": [{"a": 1}]}, asked), like(2, {"input": 7}, asked), like(3, {"input": "Greet Cem."}, asked)) == 3


def test_volatile_values_say_nothing_of_how_alike_texts_are() -> None:
    asked = side({"input": f"run {OTHER}: sum up part 3 briefly"})
    found = [like(number, {"input": f"run {one}: sum up part {number}"}, asked) for number, one in ((2, OTHER.replace("0", "1")), (3, ONE), (4, OTHER))]

    assert best(asked, *found) == 3


def test_what_was_served_wins_only_if_nothing_but_volatile_values_differs() -> None:
    asked = side({"input": f"run {OTHER}", "a": 1})
    served = like(1, {"input": f"run {ONE}", "a": 1}, asked, served=True)

    assert best(asked, served, like(2, {"input": "b", "a": 2}, asked)) == 1
    assert best(asked, like(1, {"input": "x", "a": 1}, asked, served=True), like(2, {"input": "b", "a": 2}, asked)) == 2
    assert best(asked, served, like(2, {"input": f"run {ONE}", "a": 1}, asked)) == 2


def test_items_of_calls_that_were_left_out_do_not_count_where_the_same_is_asked_at_the_end() -> None:
    asked = side({"input": [{"role": "user", "content": text} for text in ("a", "d")]})
    short, long = ({"input": [{"role": "user", "content": text} for text in texts]} for texts in ("a", "abcd"))

    assert best(asked, like(1, short, asked), like(2, long, asked), expected=1) == 2
    assert best(asked, like(1, short, asked), like(2, long | {"model": "m"}, asked), expected=1) == 1


def test_what_was_sent_elsewhere_comes_last() -> None:
    asked = side({"input": "a"})

    assert best(asked, like(1, {"input": "a"}, asked, target="/v1/other"), like(2, {"x": 1, "y": 2}, asked, served=True)) == 2
    assert closest([], asked, 0) is None


def test_a_miss_is_explained_by_it() -> None:
    asked = side({"input": f"run {OTHER}"})
    miss = explained(KNOWN, like(3, {"input": f"run {ONE}"}, asked).proven(asked, F1), asked, around(e3=False))

    assert (miss.nearest, miss.cause, list(miss.causes), list(miss.rules), miss.served) == (3, "volatile", ["volatile"], ["normalize uuid"], False)
    assert [difference.path for difference in miss.differences] == ["$.input"]


def test_rules_that_do_not_make_both_equal_are_not_proposed() -> None:
    recorded, asked = {"input": [ONE, OTHER, ONE]}, side({"input": [OTHER, ONE, ONE]})
    miss = explained(KNOWN, like(3, recorded, asked).proven(asked, F1), asked, around(e3=False))

    assert (miss.cause, list(miss.rules)) == ("prompt", [])


def test_what_was_due_before_it_and_was_not_asked_tells_a_call_that_was_left_out() -> None:
    def user(text: str) -> dict[str, str]:
        return {"role": "user", "content": text}

    asked = side({"input": [user("a"), user("c")]})
    found = like(3, {"input": [user("a"), user("b"), user("c")]}, asked)

    assert explained(KNOWN, found, asked, around(e2=False, e3=False)).cause == "dropped_call"
    assert explained(KNOWN, found, asked, around(e2=True, e3=False)).cause == "prompt"


def test_a_body_that_is_too_big_is_equal_to_none() -> None:
    big = Side.of(Asked("POST", "/v1/x", JSON), None)
    found = Likeness.of(Candidate(1, 1, "POST", "/x", None, b"", False), big, big)

    assert found.proven(big, F1) == found

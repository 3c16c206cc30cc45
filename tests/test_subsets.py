"""Of many exchanges those are found whose sum is known."""

from __future__ import annotations

import random

import pytest

from playhead.proxy.reconciling.measures import Vector
from playhead.proxy.reconciling.subsets import pick

R = random.Random(3)
MANY: list[Vector] = [(1, R.randrange(10**5), R.randrange(10**4) // 128 * 128, R.randrange(4000)) for _ in range(120)]


def total(*places: int) -> Vector:
    return tuple(map(sum, zip(*(MANY[place] for place in places), strict=True)))


@pytest.mark.parametrize("places", [(7,), (3, 90), (5, 6, 100), (1, 40, 80, 119)])
def test_few_are_found(places: tuple[int, ...]) -> None:
    assert sorted(pick(MANY, total(*places), frozenset()) or ()) == list(places)


def test_many_one_after_the_other_are_found() -> None:
    assert pick(MANY, total(*range(20, 60)), frozenset()) == list(range(20, 60))


def test_all_suspects_are_found_however_many() -> None:
    places = tuple(R.sample(range(120), 30))

    assert sorted(pick(MANY, total(*places), frozenset(places)) or ()) == sorted(places)


def test_all_of_them_are_found() -> None:
    assert pick(MANY, total(*range(120)), frozenset()) == list(range(120))


def test_five_are_found_among_a_dozen() -> None:
    assert sorted(pick(MANY[:12], total(0, 3, 5, 8, 11), frozenset()) or ()) == [0, 3, 5, 8, 11]


@pytest.mark.parametrize("target", [(1, 1, 1, 1), (2, 1, 1, 1), (0, 0, 0, 0), (500, 1, 1, 1), (3, 10**5, 3, 5)])
def test_what_is_no_sum_is_not_found(target: Vector) -> None:
    assert pick(MANY, target, frozenset()) is None


def test_a_search_that_has_no_end_is_given_up() -> None:
    vectors: list[Vector] = [(1, 2 * place, 0, 0) for place in range(60)]

    assert pick(vectors, (20, 1001, 0, 0), frozenset()) is None

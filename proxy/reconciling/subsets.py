"""Finds which of many exchanges are behind a difference of which only the sums are known. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from .measures import Vector, plus, within

_PAIRS = 300  # exchanges of which all pairs of pairs are tried
_STEPS = 20_000  # of a search that may have no end


def pick(vectors: Sequence[Vector], target: Vector, suspects: frozenset[int]) -> list[int] | None:
    """Places of vectors that together are the target, whose first count says how many; None if none are found. Suspects are tried first.

    `vectors` stand in the order of time: what happened one after the other is tried, too.
    """
    many = target[0]
    fits = [place for place, vector in enumerate(vectors) if within(vector, target)]
    if many < 1 or len(fits) < many:
        return None
    likely = [place for place in fits if place in suspects]
    for some in (likely, fits):
        if len(some) == many and _sum(vectors, some) == target:
            return some
    return (
        _few(vectors, target, [*likely, *(place for place in fits if place not in suspects)]) or _run(vectors, target) or _search(vectors, target, likely, fits)
    )


def _sum(vectors: Sequence[Vector], places: Sequence[int]) -> Vector:
    return tuple(map(sum, zip(*(vectors[place] for place in places), strict=True)))


def _few(vectors: Sequence[Vector], target: Vector, fits: Sequence[int]) -> list[int] | None:
    """One to four of them, by what is left to look for."""
    many = target[0]
    by_vector: dict[Vector, list[int]] = {}
    for place in fits:
        by_vector.setdefault(vectors[place], []).append(place)
    if many == 1:
        return by_vector.get(target, [None])[:1] if target in by_vector else None  # type: ignore[return-value]
    if many == 2:
        return _with(by_vector, vectors, target, [(place,) for place in fits])
    if many in (3, 4) and len(fits) <= _PAIRS:
        pairs = list(combinations(fits, 2))
        if many == 3:
            return _with(by_vector, vectors, target, pairs)
        sums: dict[Vector, tuple[int, ...]] = {}
        for pair in pairs:
            total = _sum(vectors, pair)
            other = sums.get(plus(target, total, -1))
            if other is not None and not set(other) & set(pair):
                return [*other, *pair]
            sums.setdefault(total, pair)
    return None


def _with(by_vector: dict[Vector, list[int]], vectors: Sequence[Vector], target: Vector, groups: Sequence[tuple[int, ...]]) -> list[int] | None:
    """A group and one more."""
    for group in groups:
        rest = plus(target, _sum(vectors, group), -1)
        for place in by_vector.get(rest, ()):
            if place not in group:
                return [*group, place]
    return None


def _run(vectors: Sequence[Vector], target: Vector) -> list[int] | None:
    """So many one after the other."""
    many = target[0]
    total = _sum(vectors, range(min(many, len(vectors))))
    for end in range(many, len(vectors) + 1):
        if total == target:
            return list(range(end - many, end))
        if end < len(vectors):
            total = plus(plus(total, vectors[end]), vectors[end - many], -1)
    return None


def _search(vectors: Sequence[Vector], target: Vector, likely: Sequence[int], fits: Sequence[int]) -> list[int] | None:
    """The biggest first, back where it does not go on, until it has taken too long."""
    known = set(likely)
    order = [*sorted(likely, key=lambda place: vectors[place], reverse=True)]
    order += sorted((place for place in fits if place not in known), key=lambda place: vectors[place], reverse=True)
    steps = 0
    stack: list[tuple[int, Vector, tuple[int, ...]]] = [(0, target, ())]
    while stack and steps < _STEPS:
        steps += 1
        at, rest, chosen = stack.pop()
        if not any(rest):
            return list(chosen)
        if at >= len(order) or rest[0] > len(order) - at or rest[0] < 1:
            continue
        stack.append((at + 1, rest, chosen))
        vector = vectors[order[at]]
        if within(vector, rest):
            stack.append((at + 1, plus(rest, vector, -1), (*chosen, order[at])))
    return None

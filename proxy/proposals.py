"""Which match rules would make a request equal to a recorded one, by the places where they differ. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .causes import label
from .differences import Place

Fits = Callable[[str, str], Sequence[str]]
"""Rules, as text, under which two texts that differ only by volatile values are equal; none if they differ by more."""

_LONGEST = 1 << 20  # characters of a text
_NAME = re.compile(r'\["((?:[^"\\]|\\.)*)"\]')


class Proposal(NamedTuple):
    """`rules`: in the order of the places, each once. `volatile`: the numbers of the places that differ only by volatile values. `whole`: the rules take
    care of all places."""

    rules: Sequence[str]
    volatile: frozenset[int]
    whole: bool


def propose(places: Sequence[Place], fits: Fits) -> Proposal:
    """The fewest rules that are known to help; of places that only label the request those that ignore them."""
    rules: dict[str, None] = {}
    volatile, done = set(), 0
    for number, place in enumerate(places):
        found = _found(place, fits)
        if found:
            volatile.add(number)
        elif label(place.path):
            found = [f"ignore {_as_jsonpath(place.path)}"]
        done += bool(found)
        rules.update(dict.fromkeys(found))
    return Proposal([*rules], frozenset(volatile), done == len(places) > 0)


def _found(place: Place, fits: Fits) -> Sequence[str]:
    was, is_ = place.recorded, place.asked
    if not isinstance(was, str) or not isinstance(is_, str) or place.path in ("method", "path") or max(len(was), len(is_)) > _LONGEST:
        return ()
    return fits(was, is_)


def _as_jsonpath(path: str) -> str:
    """As rules are written: names that are no words stand in single quotes."""
    return _NAME.sub(lambda found: "['" + found[1].replace('\\"', '"').replace("'", "\\'") + "']", path)


def nothing_fits(_: str, __: str) -> Sequence[str]:
    """Where no rules are known."""
    return ()

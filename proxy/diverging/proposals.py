"""Which match rules would make a request equal to a recorded one, by the places where they differ. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from playhead.config.rules import Rule, parse_rule

from ..matching.fitting import rules_that_fit
from .causes import label
from .differences import Place

_MOST = 2 << 20  # characters that are looked through for volatile values


class Proposal(NamedTuple):
    """`rules`: in the order of the places, each once. `volatile`: the numbers of the places that differ only by volatile values. `whole`: the rules take
    care of all places."""

    rules: Sequence[Rule]
    volatile: frozenset[int]
    whole: bool


def propose(places: Sequence[Place]) -> Proposal:
    """The fewest rules that are likely to help; of places that only label the request those that ignore them."""
    rules: dict[Rule, None] = {}
    volatile, done, left = set[int](), 0, _MOST
    for number, place in enumerate(places):
        was, is_ = _text(place.recorded), _text(place.asked)
        found: Sequence[Rule] = ()
        if _in_body(place) and was is not None and is_ is not None and (left := left - len(was) - len(is_)) >= 0:
            found = rules_that_fit(was, is_)
        if found:
            volatile.add(number)
        elif label(place.path):
            found = _ignoring(place.path)
        done += bool(found)
        rules.update(dict.fromkeys(found))
    return Proposal([*rules], frozenset(volatile), done == len(places) > 0)


def _ignoring(path: str) -> Sequence[Rule]:
    try:
        return (parse_rule(f"ignore {path}"),)
    except ValueError:  # a path that rules cannot spell
        return ()


def _in_body(place: Place) -> bool:
    return place.path == "body" or place.path.startswith("$")


def _text(value: Any) -> str | None:
    """What may hold a volatile value: a text; of a body that is no JSON, if it is one."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    return value if isinstance(value, str) else None

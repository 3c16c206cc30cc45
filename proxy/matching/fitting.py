"""Which rules make two requests equal: those that did, and those that would. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from playhead.config.rules import Rule

from ..fingerprint import HELD, Asked, Rules, content_of, leave_out, line_of, parsed
from ..fingerprinting.normalising import Normaliser

# From the most telling: of two patterns that explain a difference the first is proposed.
_PROPOSED = ("uuid", "timestamp", "date", "chunk", "tempdir", "duration", "port", "cwd", "home", "boundary", "id", "hex")
VOLATILE = tuple(Rule("normalize", name) for name in _PROPOSED)
"""All that look for values that differ from run to run."""


def rules_that_fit(recorded: Any, asked: Any) -> list[Rule]:
    """The fewest rules under which two JSON values, which differ, are equal: patterns, without a place. Empty: they differ by more than volatile values."""

    def equal(rules: Sequence[Rule]) -> bool:
        normaliser = Normaliser(rules)
        return bool(normaliser.member("", recorded) == normaliser.member("", asked))

    return fewest(VOLATILE, equal)


def rules_between(recorded: tuple[Asked, bytes], asked: tuple[Asked, bytes], rules: Rules) -> list[Rule]:
    """The fewest of these rules that make two requests, which are equal under all of them, equal. Empty: they are equal without, or by none of them."""
    bodies = _differing(recorded, asked)

    def equal(some: Sequence[Rule]) -> bool:
        under = Rules.of(some)
        one, other = (line_of(request[0], under) for request in (recorded, asked))
        return one.start == other.start and _equal(bodies, one.normaliser)

    return [] if equal(()) else fewest(rules.rules, equal)


def _equal(bodies: tuple[Any, Any], rules: Normaliser | None) -> bool:
    one, other = bodies
    if callable(one):
        return bool(one(rules) == other(rules))
    return bool(one == other if rules is None else rules.whole(one) == rules.whole(other))


def _differing(recorded: tuple[Asked, bytes], asked: tuple[Asked, bytes]) -> tuple[Any, Any]:
    """What differs of two bodies: objects without the members and items that are equal; or what makes of each what is compared."""
    values = [_object(*request) for request in (recorded, asked)]
    if None in values or len(recorded[1]) > HELD:
        return partial(_compared, *recorded), partial(_compared, *asked)
    one, other = values
    for name in set(one) & set(other):
        if one[name] == other[name]:
            del one[name], other[name]
        elif isinstance(one[name], list) and isinstance(other[name], list):
            same = [left == right for left, right in zip(one[name], other[name], strict=False)]
            for value in (one, other):  # the others keep their places
                value[name] = [None if place < len(same) and same[place] else item for place, item in enumerate(value[name])]
    return one, other


def _object(asked: Asked, body: bytes) -> Any:
    try:
        value = parsed(body, asked.headers.get(b"content-type", b""))
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    if line_of(asked).create:
        leave_out(value)
    return value


def _compared(asked: Asked, body: bytes, rules: Normaliser | None) -> bytes:
    return content_of(body, asked.headers.get(b"content-type", b""), create=line_of(asked).create, rules=rules).hashed


def fewest(rules: Sequence[Rule], equal: Callable[[Sequence[Rule]], bool]) -> list[Rule]:
    """The first of them alone, if it makes equal; or so many that none can be spared. Empty: not even all of them do."""
    if not equal(rules):
        return []
    alone = next((rule for rule in rules if equal((rule,))), None)
    if alone is not None:
        return [alone]
    left = list(rules)
    for rule in reversed(rules):
        if len(left) > 1 and equal(without := [one for one in left if one is not rule]):
            left = without
    return left

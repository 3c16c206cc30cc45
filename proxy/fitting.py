"""Which rules make two requests equal: those that did, and those that would. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from playhead.config.rules import Rule

from .fingerprint import Asked, Rules, fingerprint
from .normalising import Normaliser

# From the most telling: of two patterns that explain a difference the first is proposed.
_PROPOSED = ("uuid", "timestamp", "date", "chunk", "tempdir", "duration", "port", "cwd", "home", "boundary", "id", "hex")
_ALL = tuple(Rule("normalize", name) for name in _PROPOSED)


def rules_that_fit(recorded: Any, asked: Any) -> list[Rule]:
    """The fewest rules under which two JSON values, which differ, are equal: patterns, without a place. Empty: they differ by more than volatile values."""

    def equal(rules: Sequence[Rule]) -> bool:
        normaliser = Normaliser(rules)
        return bool(normaliser.member("", recorded) == normaliser.member("", asked))

    return fewest(_ALL, equal)


def rules_between(recorded: tuple[Asked, bytes], asked: tuple[Asked, bytes], rules: Rules) -> list[Rule]:
    """The fewest of these rules that make two requests, which are equal under all of them, equal. Empty: they are equal without."""

    def equal(some: Sequence[Rule]) -> bool:
        under = Rules.of(some)
        return fingerprint(*recorded, under).digest == fingerprint(*asked, under).digest

    return [] if equal(()) else fewest(rules.rules, equal)


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

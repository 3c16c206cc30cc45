"""Which of the recordings that were compared in full a request resembles most, and what that says of the cause. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ..divergence import Candidate, Miss
from ..diverging.causes import Case, cause_of, class_of, newest, whole_item
from ..diverging.differences import ABSENT, Place, places, told
from ..diverging.proposals import Proposal, propose
from ..fingerprint import Rules
from .alike import apart
from .comparing import Side, equal


class Around(NamedTuple):
    """Where the nearest recording is looked for. `near`: place, and whether it was served, of each exchange. `place`: where the request was expected.

    `items`: of the request; `missed`: whether a request was not answered before it. `big`: those that are not kept in one piece.
    """

    near: Mapping[int, tuple[int, bool]]
    place: int
    items: bytes
    missed: bool = False
    big: frozenset[int] = frozenset()

    def skipped(self, place: int) -> bool:
        """Whether something that nobody has asked for stands before a place."""
        return any(self.place <= other < place and not served for other, served in self.near.values())


class Likeness(NamedTuple):
    """A recording beside the request."""

    candidate: Candidate
    recorded: Side
    places: Sequence[Place]
    proposal: Proposal

    @classmethod
    def of(cls, candidate: Candidate, recorded: Side, asked: Side) -> Likeness:
        """Compare them. Where nothing is seen to differ, it is what stands for their bodies that tells them apart."""
        found = places(recorded.compared, asked.compared) or [Place("body", recorded.compared.body, asked.compared.body)]
        return cls(candidate, recorded, found, propose(found))

    def proven(self, asked: Side, rules: Rules) -> Likeness:
        """The same without rules that do not make both requests equal. `rules`: those in force."""
        if not self.proposal.whole or equal(self.recorded, asked, Rules.of((*rules.rules, *self.proposal.rules))):
            return self
        return self._replace(proposal=Proposal((), frozenset(), False))

    @property
    def steady(self) -> int:
        """How many of the places differ by more than volatile values."""
        return len(self.places) - len(self.proposal.volatile)

    @property
    def paths(self) -> list[str]:
        """Of places that differ by more than volatile values."""
        return [place.path for number, place in enumerate(self.places) if number not in self.proposal.volatile]

    @property
    def apart(self) -> int:
        """How much the texts at these places differ."""
        return apart(place for number, place in enumerate(self.places) if number not in self.proposal.volatile)

    def strange(self, asked: Side) -> int:
        """How much of it differs. Items that are missing or new one behind the other count once; and not at all where nothing else differs and the same is
        asked at the end: a call that was left out takes its items with it."""
        steady = [_kind(place) for number, place in enumerate(self.places) if number not in self.proposal.volatile]
        if steady and all(steady) and newest(self.recorded.compared.body) == newest(asked.compared.body):
            return 0
        return sum(1 for kind, before in zip(steady, [None, *steady], strict=False) if kind is None or kind != before)


def _kind(place: Place) -> str | None:
    """What neighbours have in common if they count as one."""
    if not whole_item(place) or place.stood is not None:
        return None
    return "missing" if place.asked is ABSENT else "new"


def closest(found: Collection[Likeness], asked: Side, expected: int) -> Likeness | None:
    """The one that the request resembles most. One that was served already is that only if nothing but volatile values differs, or if none is left.

    `expected`: the place where it was expected. Of those that differ there in the same places, the one whose texts are most alike is taken.
    """

    def unlike(one: Likeness) -> tuple[int, ...]:
        elsewhere = any(place.path in ("method", "path") for place in one.places)
        served = one.candidate.served
        return int(elsewhere), int(served and one.steady > 0), one.strange(asked), int(served)

    def off(one: Likeness) -> tuple[int, ...]:
        far = one.candidate.place - expected
        return int(far < 0), abs(far)

    known = [(unlike(one), one) for one in found]
    least = min((key for key, _ in known), default=None)
    first = sorted((one for key, one in known if key == least), key=off)
    rivals = [one for one in first if one.paths == first[0].paths]
    return min(rivals, key=lambda one: one.apart) if len(rivals) > 1 else next(iter(first), None)


def explained(known: Miss, one: Likeness, asked: Side, around: Around) -> Miss:
    """The same, with the nearest recording, the differences from it and the cause."""
    candidate, volatile = one.candidate, one.proposal.volatile
    sides = one.recorded.compared, asked.compared
    case = Case(*sides, one.places, volatile, candidate.served, around.skipped(candidate.place), around.missed)
    return replace(
        known,
        nearest=candidate.exchange,
        served=candidate.served,
        differences=[told(place) for place in one.places],
        causes=["volatile" if number in volatile else class_of(place, *sides) for number, place in enumerate(one.places)],
        cause=cause_of(case),
        rules=[str(rule) for rule in one.proposal.rules] if one.proposal.whole else (),
    )

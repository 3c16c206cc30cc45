"""What was decided about divergences, as a replay goes by it: what stands for what, and what is recorded anew. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from playhead.storage.replaying.replay_rows import Equivalence, ReplayRow, Rerecording

from .replay_index import ReplayIndex


@dataclass(frozen=True, slots=True)
class Decided:
    """Of one session. `equal`: the exchanges that answer a request, by its digest without rules. `anew`: those that go to upstream where that is allowed."""

    equal: Mapping[bytes, Sequence[int]] = field(default_factory=dict)
    anew: frozenset[int] = frozenset()

    @classmethod
    def of(cls, equivalences: Iterable[Equivalence], anew: Iterable[int]) -> Decided:
        """As they are stored."""
        equal: dict[bytes, list[int]] = {}
        for one in equivalences:
            equal.setdefault(one.digest, []).append(one.exchange)
        return cls(equal, frozenset(anew))

    def places(self, index: ReplayIndex, digest: bytes) -> Iterator[int]:
        """Where the exchanges that answer such a request are, those that were not served."""
        for exchange in self.equal.get(digest, ()):
            place = index.find(exchange)
            if place is not None and not index.served(place):
                yield place


NOTHING_DECIDED = Decided()


def waiting_text(exchanges: Iterable[int]) -> str:
    """Of exchanges that are to be recorded anew: `exchange 7 is to`, `exchanges 7, 9 are to`."""
    numbers = sorted(exchanges)
    return f"exchange{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))} {'are' if len(numbers) > 1 else 'is'} to"


def replaced(rows: Iterable[ReplayRow], marks: Sequence[Rerecording], equal: Iterable[Equivalence] = ()) -> tuple[Iterable[ReplayRow], set[int]]:
    """The rows of a session with those that were recorded anew in the places of the old ones; and the exchanges for which nothing was recorded yet."""
    if not marks:
        return rows, set()
    known = {row.exchange: row for row in rows}
    anew, waiting = replacements(known, marks, equal)
    for old, new in anew.items():
        place = known.pop(old)
        known[new] = known[new]._replace(take=place.take, seq=place.seq)
    return known.values(), waiting


def replacements(known: Mapping[int, ReplayRow], marks: Sequence[Rerecording], equal: Iterable[Equivalence] = ()) -> tuple[dict[int, int], set[int]]:
    """The exchanges in whose place another one is served, with that, in the order in which they are replaced; and those for which there is none yet.

    What takes the place of an exchange is the first one of the same request that was recorded later than that was asked for; or of one that stands for it,
    since it was accepted. `known`: the rows of the session by their exchanges. `marks`: the oldest first.
    """
    stand_for: dict[int, set[bytes]] = {}
    for one in equal:
        stand_for.setdefault(one.exchange, set()).add(one.digest)
    anew: dict[int, int] = {}
    waiting = set[int]()
    for mark in marks:
        old, taken = known.get(mark.exchange), {*anew.values()}
        if old is None or old.exchange in anew:
            continue
        others = stand_for.get(old.exchange, set())
        later = (row for row in known.values() if row.exchange > mark.after and row.outcome and row.exchange not in taken)
        same = (row.exchange for row in later if row.exchange not in anew and (row.digest == old.digest or (row.plain or row.digest) in others))
        if (new := min(same, default=None)) is None:
            waiting.add(mark.exchange)
        else:
            anew[mark.exchange] = new
    return anew, waiting

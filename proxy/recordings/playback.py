"""One session as it is replayed, and what is said where nothing answers a request. Pure: the player reads what is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from playhead.storage.records import DivergenceCode, Fingerprint
from playhead.storage.replaying.replay_rows import ReplayRow

from ..fingerprint import F1, Rules
from .decided import NOTHING_DECIDED, Decided
from .following import Followers
from .handshakes import Handshakes
from .replay_index import ReplayIndex

_MOVED = 100


class SessionMissing(Exception):
    """There is nothing to replay: the text says what is missing and what there is."""


@dataclass(slots=True, eq=False)
class Playback:
    """One session as it is replayed. `take`: None for all. `run`: the take that is added to, by its run; None: this server's own.

    `pruned`: how many exchanges cannot be replayed, since their content is.
    `final`: the id up to which nothing is added to the session any more; `known`: those behind it that are in the index.
    """

    session: str
    take: int | None
    run: str | None
    index: ReplayIndex
    final: int = 0
    known: frozenset[int] = frozenset()
    openings: int = 0  # of WebSockets that met no fault
    at: int = -1  # the place of what was served last
    moved: list[tuple[int, int]] = field(default_factory=list)  # exchanges that were served behind a later one, with that; the first of them
    missed: int = 0  # requests that were not answered
    followers: Followers = field(default_factory=Followers)
    handshakes: Handshakes = field(default_factory=Handshakes)
    live: Counter[bytes] = field(default_factory=Counter)  # fingerprints that went live since the index was read
    decided: Decided = NOTHING_DECIDED
    rules: Rules = F1
    pruned: int = 0

    @property
    def place(self) -> int:
        """Of what was served last."""
        return self.at

    @place.setter
    def place(self, place: int) -> None:
        if place < self.at and len(self.moved) < _MOVED:
            self.moved.append((self.index.exchange(place), self.index.exchange(self.at)))
        self.at = place

    def passing(self, rows: Iterable[ReplayRow], final: int) -> Iterator[ReplayRow]:
        """Those rows that are new; when all have passed, what is behind `final` is remembered."""
        seen = set()
        for row in rows:
            if row.exchange > final:
                seen.add(row.exchange)
            if row.exchange not in self.known:
                yield row
        self.final, self.known = final, frozenset(seen)

    def lacks(self, pruned: int, *, begin: bool) -> None:
        """So many exchanges are pruned. Raises SessionMissing if nothing is left, and nothing may be begun."""
        self.pruned = pruned
        if pruned and not begin and not len(self.index):
            take = "" if self.take is None else f", take {self.take},"
            raise SessionMissing(f"The content of session {self.session}{take} is pruned: record it anew, or replay another take.")

    def refused(self, missing: Missing) -> None:
        """A request must not go to upstream: what it was to record anew is due again."""
        if missing.anew is not None:
            self.index.take_back(missing.anew)


class Missing(NamedTuple):
    """A request that is not served. `print`: as it would be recorded. `group`: of its recordings, which are used up or of no use to it.

    `anew`: the place of its recording, which is to be recorded again.
    """

    code: DivergenceCode
    print: Fingerprint
    group: int | None
    anew: int | None = None

"""Which recorded turn answers a turn of a client: of equal ones the next, where it can be on the recorded lane that this lane has followed so far. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from playhead.config.policies import Exhausted
from playhead.storage.records import Fingerprint

from .replay_index import Lane, ReplayIndex

_LOOKED_AT = 1000  # recordings among which one on a better lane is looked for


@dataclass(eq=False, slots=True)
class Follower:
    """A lane of a client. `name`: its own, empty if it is none that upstream takes; `connection`: the recorded one that its connection goes by; `lane`:
    the recorded lane that it follows."""

    name: str | None
    connection: int | None
    lane: Lane | None = None


@dataclass(eq=False, slots=True)
class Found:
    """What became of a search. `place`: of the recording, which is served with this; `again`: after it or its like had been. Else `group`: of its recordings,
    if there are any, all of them used up."""

    print: Fingerprint
    place: int | None = None
    group: int | None = None
    again: bool = False


@dataclass(eq=False, slots=True)
class Followers:
    """The lanes of all clients of a playback, by what they follow."""

    by_lane: dict[Lane, Follower] = field(default_factory=dict)

    def find(self, index: ReplayIndex, prints: Iterable[Fingerprint], follower: Follower, *, exhausted: Exhausted) -> Found:
        """The recording of a turn with one of these fingerprints; one over HTTP where none over a WebSocket is left."""
        for one in prints:
            own, others = index.group(one.digest, "ws"), index.others(one.digest, "ws")
            if (place := self._due(index, own, others, follower)) is not None:
                return Found(one, place)
            if own is None and not others:
                continue
            if exhausted != "cycle":
                return Found(one, index.again(own, others, exhausted), others[0] if own is None else own, again=True)
            index.restart([*others] if own is None else [own, *others])
            return Found(one, self._due(index, own, others, follower), again=True)
        return Found(one)

    def _due(self, index: ReplayIndex, own: int | None, others: list[int], follower: Follower) -> int | None:
        """The place that has not been served, and is with this."""
        place = None if own is None else self._next(index, own, follower)
        if place is None and (due := index.due(others)) is not None:
            place = next(index.unserved(due))
        if place is not None:
            index.serve_this(place)
            self.follow(follower, index.lane(place))
        return place

    def leave(self, follower: Follower) -> None:
        """The client's lane is gone."""
        if follower.lane is not None and self.by_lane.get(follower.lane) is follower:
            del self.by_lane[follower.lane]

    def follow(self, follower: Follower, lane: Lane | None) -> None:
        """The client's lane is answered by a turn of that recorded lane."""
        if lane is None or lane == follower.lane or "" in (lane.name, follower.name):
            return
        self.leave(follower)
        follower.lane = lane
        self.by_lane.setdefault(lane, follower)

    def _next(self, index: ReplayIndex, group: int, follower: Follower) -> int | None:
        for lane in self._likely(index, follower):
            waiting = islice(index.waiting_on(lane), _LOOKED_AT)
            if (found := next((place for place in waiting if index.alike(group, place)), None)) is not None:
                return found
        best: int | None = None
        least = 4
        for place in islice(index.unserved(group), _LOOKED_AT):
            strange = self._strange(index.lane(place), follower)
            if strange < least:
                best, least = place, strange
                if not strange:
                    break
        return best

    def _likely(self, index: ReplayIndex, follower: Follower) -> Iterator[Lane]:
        """The lane that is followed, or else its namesake on the same connection."""
        if follower.lane is not None:
            yield follower.lane
        elif follower.connection is not None:
            namesake = Lane(follower.connection, follower.name)
            if self.by_lane.get(namesake, follower) is follower:
                yield namesake

    def _strange(self, lane: Lane | None, follower: Follower) -> int:
        """How little a recorded lane suits one that follows none: its namesake on the same connection is best, one that somebody else follows worst."""
        if lane is None:
            return 2
        if self.by_lane.get(lane, follower) is not follower or (lane.name == "") != (follower.name == ""):
            return 3
        return 2 if lane.connection != follower.connection else int(lane.name != follower.name)

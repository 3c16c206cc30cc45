"""How far the recorder has come in the journal of each worker, and what is open there: what a position remembers of it. Decided without I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from playhead.storage.frame_codec import longest_segment
from playhead.storage.journal import SegmentReader
from playhead.storage.records import Position

from ..assembling.turn_places import TurnPlaces
from ..recording import Assembly

Place = tuple[int, int]  # segment, offset

_FEWEST = 3  # segments: all but the last one of the smallest journals


@dataclass(frozen=True, slots=True)
class Limits:
    """When an open exchange is stored in part: by what came of it since the last time, by how long ago that was, and by how many segments the journal has
    gone on meanwhile. And how much one transaction takes."""

    spill_bytes: int = 4 << 20
    spill_seconds: float = 30.0
    spill_segments: int = 256
    batch_bytes: int = 16 << 20

    @classmethod
    def within(cls, journal_limit: int) -> Limits:
        """For a journal that may take so many bytes: what is held there must not keep the rest out."""
        return cls(spill_segments=max(journal_limit // longest_segment(journal_limit) // 2, _FEWEST))


@dataclass(slots=True)
class Open:
    """An exchange, or a connection, whose end has not been read. `since`: where reading starts again if the process ends now; what stands before is
    stored. `places`: in the session, its own and those of its turns."""

    assembly: Assembly
    since: Place
    begun: float
    session: str
    places: TurnPlaces
    bytes: int = 0
    state: dict[str, Any] | None = None  # since it was stored in part: what is needed to go on from `since`
    parse: bool = True

    def memory(self) -> dict[str, Any]:
        """What has to survive a restart."""
        memory: dict[str, Any] = {"session": self.session, **self.places.memory()}
        if self.state is not None:
            memory |= {"since": self.since, "state": self.state, "parse": self.parse}
        return memory


@dataclass(slots=True)
class Tail:
    """How far one writer's journal has been read: up to `offset` in `segment`."""

    writer: str
    segment: int
    offset: int
    reader: SegmentReader
    open: dict[int, Open] = field(default_factory=dict)
    kept: dict[int, dict[str, Any]] = field(default_factory=dict)  # what the store remembers of exchanges whose next frame is still to be read
    damaged: set[int] = field(default_factory=set)  # open exchanges that may lack something
    first: int = 0  # the oldest segment that has not been given up

    @property
    def place(self) -> Place:
        """Where it has been read to."""
        return self.segment, self.offset

    def position(self) -> Position:
        """Where to start again, and what to remember until then."""
        # Where it has been read to counts as well: what was stored in part before a restart may have come further than the reading since then.
        start = min([self.place, *(one.since for one in self.open.values())])
        memory: dict[str, Any] = {str(number): kept for number, kept in self.kept.items()}
        for number, one in self.open.items():
            memory[str(number)] = one.memory()
        return Position(self.writer, *start, memory)

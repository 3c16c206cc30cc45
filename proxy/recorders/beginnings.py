"""In which order exchanges begin that several workers have journalled: that in which their requests came. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from playhead.storage.frame_codec import JournalFrame
from playhead.storage.records import Kind

from ..notes import read_opening

OPENS = frozenset(map(int, (Kind.OPEN, Kind.BEGIN)))  # plain numbers, as frames have them
_JUMP_NS = 1_000_000_000  # what began so much later than now began before the clock was set back


class Beginning(NamedTuple):
    """An exchange begins. `place`: of its frame among those of its writer."""

    started_at: int
    writer: str
    number: int
    place: int
    session: str


def beginnings(found: Mapping[str, Sequence[JournalFrame]]) -> list[Beginning]:
    """Those that there are, in their order. `found`: the next frames by writer."""
    return sorted(_beginnings(found))


def _beginnings(found: Mapping[str, Sequence[JournalFrame]]) -> Iterator[Beginning]:
    for writer, frames in found.items():
        for place, frame in enumerate(frames):
            if frame.kind in OPENS:
                meta, started_at = read_opening(frame.payload, bundled=frame.kind == Kind.BEGIN)
                yield Beginning(started_at, writer, frame.number, place, meta.session)


def too_early(begun: Sequence[Beginning], looked_at: int, behind: Mapping[str, int]) -> dict[str, int]:
    """By writer the place from which on its frames must wait, since something may have begun before that was not read yet.

    `looked_at`: when reading began; what another worker has journalled since then may have been missed. `behind`: writers of which something was read and
    more may be there, with what they began last before: what they begin next is later than the last that is known of them.
    """
    known = dict(behind)
    known.update((one.writer, one.started_at) for one in begun if one.writer in behind)
    horizon = min([looked_at, *known.values()])
    waiting: dict[str, int] = {}
    for one in begun:
        if horizon < one.started_at < looked_at + _JUMP_NS:
            waiting[one.writer] = min(one.place, waiting.get(one.writer, one.place))
    return waiting

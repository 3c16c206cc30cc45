"""Goes through turns in their order, finds for each the one that it goes on from, and keeps what was lost: by cause, and the dearest ones. Pure.

Recordings are asked for bodies; each is read once, and again only where it has to be laid beside a later one that differs from it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from heapq import heappush, heapreplace
from typing import Any, NamedTuple, Protocol

from playhead.storage.costing.prompted import Prompted

from ..diverging.differences import ABSENT
from .causes import Broken, broken
from .comparing import Common, compared, continued
from .judging import Cause, Judged, bound, judged, ratio_of
from .prompts import Prompt, prompt_of, values_of
from .threads import Known, Threads

_SHRUNK = 0.95  # of the prompt before, so that something of it must be missing
_WORTH = 64  # tokens for which nobody looks closely


class Body(NamedTuple):
    """A request as JSON. `marks`: whether marks for caching may stand in it."""

    value: Mapping[str, Any]
    marks: bool


class Recordings(Protocol):
    """What is asked of the store."""

    def one(self, id_: int) -> Prompted | None:
        """A turn."""

    def making(self, response_id: str) -> int | None:
        """The turn that made a response."""

    def body(self, turn: Prompted) -> Body | None:
        """Its request; None: it has none, or it cannot be read."""


class Finding(NamedTuple):
    """What was lost between two turns. `money`: in 10^-12 USD; None: it is not known. `parts`: how many of the beginning both share."""

    earlier: Prompted
    turn: Prompted
    judged: Judged
    parts: int
    broke: Broken | None
    money: int | None


class Total(NamedTuple):
    """Of one cause."""

    turns: int = 0
    lost: int = 0
    money: int = 0
    unpriced: int = 0


class Forensics:
    """`price`: what so many lost tokens of a turn cost. `most`: findings that are kept."""

    def __init__(self, recordings: Recordings, price: Callable[[Prompted, int], int | None], most: int) -> None:
        self._recordings, self._price, self._most = recordings, price, most
        self._threads = Threads()
        self._kept: list[tuple[int, int, int, Finding]] = []
        self.totals: dict[Cause, Total] = {}
        self.unread = 0

    @property
    def dearest(self) -> list[Finding]:
        """The findings that cost most; those whose money is not known behind the others, by tokens."""
        return [entry[-1] for entry in sorted(self._kept, key=lambda entry: (-entry[0], -entry[1], -entry[2]))]

    def look(self, turn: Prompted, body: Body | None, *, counts: bool = True) -> Judged | None:
        """One more turn, in the order of the turns; None: its request cannot be read. `counts`: it is in the time that is asked about."""
        if body is None and (turn.steer is None or turn.previous_response_id is None):
            self.unread += counts
            return None
        prompt = _NOTHING if body is None else prompt_of(turn.kind, body.value, marks=body.marks)
        earlier, common = self._before(turn, prompt)
        if body is None and earlier is not None:  # a steer goes on with what stood in front before it
            prompt = earlier.prompt._replace(digests=_NOTHING.digests, sizes=_NOTHING.sizes)
            common = continued(earlier.prompt, prompt)
        later = Known(turn, prompt, _items(turn, prompt, earlier))
        later = later._replace(ratio=ratio_of(later, earlier))
        found = self._judged(earlier, later, common, body) if earlier is not None and common is not None else _BEGINS
        self._threads.add(later)
        if counts:
            self._count(earlier, turn, common, found)
        return found.judged

    def _before(self, turn: Prompted, prompt: Prompt) -> tuple[Known | None, Common | None]:
        """The turn that it goes on from, and what it has in common with it."""
        if turn.previous_response_id is not None:
            id_ = self._threads.made(turn.previous_response_id) or self._recordings.making(turn.previous_response_id)
        else:
            id_ = self._threads.conversing(turn)
        if id_ is not None or turn.previous_response_id is not None:
            earlier = None if id_ is None or id_ == turn.id else self._known(id_)
            return earlier, None if earlier is None else continued(earlier.prompt, prompt)
        found: list[tuple[int, int, Known, Common]] = []
        for candidate in self._threads.like(turn, prompt):
            known = self._threads.known(candidate)
            if known is not None and known.turn.started_at_ns <= turn.started_at_ns and known.turn.previous_response_id is None:
                common = compared(known.prompt, prompt)
                found.append((common.size + common.again, known.turn.id, known, common))
        best = max(found, key=lambda one: one[:2], default=None)
        return (None, None) if best is None else best[2:]

    def _known(self, id_: int) -> Known | None:
        """A turn that may have been long ago."""
        known = self._threads.known(id_)
        if known is None and (turn := self._recordings.one(id_)) is not None and (body := self._recordings.body(turn)) is not None:
            prompt = prompt_of(turn.kind, body.value, marks=body.marks)
            known = Known(turn, prompt, len(prompt.digests))
            known = known._replace(ratio=ratio_of(known, None))
            self._threads.add(known)
        return known

    def _judged(self, earlier: Known, later: Known, common: Common, body: Body | None) -> _Seen:
        linked = later.turn.previous_response_id is not None or later.turn.conversation is not None
        if linked and later.turn.input < _SHRUNK * earlier.turn.input:
            found = judged(earlier, later, common, later.ratio)
            return _Seen(found._replace(cause="removed", lost=0), None)
        if common.held or bound(earlier, later, common, later.ratio) < _WORTH:
            return _Seen(judged(earlier, later, common, later.ratio), None)
        broke = self._broken(earlier, later, common, body)
        return _Seen(judged(earlier, later, common, later.ratio, broke), broke)

    def _broken(self, earlier: Known, later: Known, common: Common, body: Body | None) -> Broken | None:
        before = self._recordings.body(earlier.turn)
        if before is None or body is None:
            return None
        (heads, items), (new_heads, new_items) = (values_of(later.turn.kind, one.value, marks=one.marks) for one in (before, body))
        if common.head is not None:
            (path, was), (new_path, now) = (listed[common.head] if common.head < len(listed) else ("", ABSENT) for listed in (heads, new_heads))
            if not common.edited:  # what one of them has, and the other has not
                was, now = (was, ABSENT) if new_path in dict(heads) or now is ABSENT else (ABSENT, now)
            return broken(path if now is ABSENT else new_path, was, now, edited=common.edited)
        place = common.item or 0
        was, now = (listed[place] if place < len(listed) else ABSENT for listed in (items, new_items))
        if not common.edited:
            was, now = (was, ABSENT) if now is ABSENT or earlier.prompt.digests[place] not in later.prompt.digests[place:] else (ABSENT, now)
        return broken(later.prompt.path(place), was, now, edited=common.edited)

    def _count(self, earlier: Known | None, turn: Prompted, common: Common | None, found: _Seen) -> None:
        cause, lost = found.judged.cause, found.judged.lost
        money = self._price(turn, lost) if lost else 0
        total = self.totals.get(cause, Total())
        self.totals[cause] = Total(total.turns + 1, total.lost + lost, total.money + (money or 0), total.unpriced + (money is None))
        if not lost or earlier is None or common is None or not self._most:
            return
        finding = Finding(earlier.turn, turn, found.judged, common.parts if common.head is not None else _parts(earlier, common), found.broke, money)
        entry = (-1 if money is None else money, lost, -turn.id, finding)
        if len(self._kept) < self._most:
            heappush(self._kept, entry)
        elif entry[:3] > self._kept[0][:3]:
            heapreplace(self._kept, entry)


class _Seen(NamedTuple):
    judged: Judged
    broke: Broken | None


_NOTHING = Prompt((), "input", array("Q"), array("L"))
_BEGINS = _Seen(Judged("begins", 0, 0, 0, 0, estimated=False, gap_s=0.0), None)


def _items(turn: Prompted, prompt: Prompt, earlier: Known | None) -> int:
    """Of its whole context, as far as it is known."""
    linked = earlier is not None and (turn.previous_response_id is not None or turn.conversation is not None)
    return len(prompt.digests) + (earlier.items + earlier.turn.outputs if linked and earlier is not None else 0)


def _parts(earlier: Known, common: Common) -> int:
    """All of the earlier one's, if it is the beginning of the later one."""
    return len(earlier.prompt.heads) + earlier.items if common.held else common.parts

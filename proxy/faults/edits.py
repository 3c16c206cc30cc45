"""Faults as edits of an answer, event by event: what goes in is what was recorded, what comes out is what the client is to see. Pure.

It is the same for a stream, a body and the messages of a WebSocket: `begin`, then `feed` for each event, then `end`. Whatever way the bytes were
split, a fault is met between the same two events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from xxhash import xxh3_64_intdigest

from playhead.config.faults import ANY, Fault, Place

from .blocks import BODY, Block, Form, garbage, half, malformed

_FIRST = Place("after", 1, ANY)
_START = Place("start")


class Fell(NamedTuple):
    """A fault is met here."""

    fault: Fault


class Pause(NamedTuple):
    """Nothing for so many ns."""

    ns: int


class Part(NamedTuple):
    """The beginning of an event of `size` bytes, of which no more comes."""

    at: int
    data: bytes
    size: int
    opcode: int = 0


class Slow(NamedTuple):
    """An event that leaves in pieces of that size, with so many ns before each."""

    block: Block
    size: int
    ns: int


class Failure(NamedTuple):
    """An error in place of all that would follow; `behind`: the last event before it, None: the answer had not begun."""

    fault: Fault
    behind: Block | None


class Ending(NamedTuple):
    """Nothing follows: the connection ends in this way."""

    how: Literal["cut", "reset", "hang", "close"]
    code: int = 0
    reason: str = ""


Act = Block | Fell | Pause | Part | Slow | Failure | Ending


def chance(seed: int, place: str) -> float:
    """A number from 0 to 1 that nothing but these decides."""
    return xxh3_64_intdigest(f"{seed} {place}".encode()) / (1 << 64)


def wait_of(fault: Fault, place: str) -> int:
    """How long a latency is there, in ns."""
    return fault.low + int((fault.high - fault.low) * chance(fault.seed, place))


def at_start(fault: Fault) -> bool:
    """Whether it is met before an answer begins."""
    return fault.kind in ("status", "latency") if fault.place is None else fault.place.side == "start"


class Edit:
    """One fault in one answer. `place`: of the answer, by which chance goes."""

    def __init__(self, fault: Fault, form: Form, place: str) -> None:
        self.fault = fault
        self._form = form
        self._chance = place
        self._place = fault.place or (_START if at_start(fault) else _FIRST)
        self._halfway = form == "body" and self._place.side in ("after", "before") and self._place.event in (ANY, BODY)
        self._left = self._place.count
        self._behind: Block | None = None  # the last event that passed
        self._next = False  # the next event is the one
        self._held: Block | None = None  # the one that comes behind the next
        self._over = self._met = False

    def begin(self) -> Iterator[Act]:
        """Before the answer begins."""
        if self._place.side == "start":
            yield from self._meet(None)

    def opening(self) -> Iterator[Act]:
        """Where a WebSocket is opened."""
        yield from self._meet(None)

    def feed(self, block: Block) -> Iterator[Act]:
        """The next event of the answer."""
        if self._over:
            return
        if self.fault.kind == "drip":
            yield from self._drip(block)
            return
        if self._halfway and not self._met:
            yield from self._in_body(block)
            return
        if self._next:
            self._next = False
            yield from self._change(block)
            return
        if self._is_the_one("before", block):
            if self.fault.kind in _OF_AN_EVENT:
                yield from self._change(block)
                return
            yield from self._meet(block)
            if self._over:
                return
        yield from self._pass(block)
        if self._is_the_one("after", block):
            if self.fault.kind in _OF_AN_EVENT:
                self._next = True
            else:
                yield from self._meet(block)

    def end(self) -> Iterator[Act]:
        """The answer is whole."""
        if self._held is not None:
            yield self._held
        if self._place.side == "end" and not self._over:
            yield from self._meet(self._behind)

    def _is_the_one(self, side: str, block: Block) -> bool:
        if self._met or self._next or self._place.side != side or self._place.event not in (ANY, block.name):
            return False
        self._left -= 1
        return self._left == 0

    def _pass(self, block: Block) -> Iterator[Act]:
        self._behind = block
        yield block
        if self._held is not None:
            held, self._held = self._held, None
            yield held._replace(at=block.at)

    def _fall(self) -> Fell:
        self._met = True
        return Fell(self.fault)

    def _meet(self, near: Block | None) -> Iterator[Act]:
        """It is met between two events. `near`: one of them."""
        fault = self.fault
        yield self._fall()
        if fault.kind == "latency":
            yield Pause(wait_of(fault, self._chance))
        elif fault.kind == "garbage":
            yield garbage(near or Block(0, b"", ""), self._form)
        elif fault.kind == "status":
            self._over = True
            yield Failure(fault, self._behind)
        elif fault.kind in ("cut", "reset", "hang"):
            self._over = True
            yield Ending(fault.kind)
        else:
            self._over = True
            yield Ending("close", fault.close, fault.reason)

    def _change(self, block: Block) -> Iterator[Act]:
        """It is met by an event."""
        kind = self.fault.kind
        if kind == "reorder":
            self._met = True
            self._held, self._behind = block, block
            yield Fell(self.fault)
            return
        yield self._fall()
        if kind == "malformed":
            yield from self._pass(block._replace(data=malformed(block.data)))
        elif kind == "duplicate":
            yield from self._pass(block)
            yield block
        else:
            self._over = True
            yield Part(block.at, half(block.data), len(block.data), block.opcode)
            yield Ending("cut")

    def _in_body(self, block: Block) -> Iterator[Act]:
        """A body has no events: it is met by the body, or in the middle of it. Nothing can come twice there, or in another order."""
        kind = self.fault.kind
        if kind in ("duplicate", "reorder"):
            yield from self._pass(block)
        elif kind == "garbage":
            yield self._fall()
            yield garbage(block, self._form)
        elif kind in _OF_AN_EVENT:
            yield from self._change(block)
        else:
            yield Part(block.at, half(block.data), len(block.data), block.opcode)
            yield from self._meet(block)

    def _drip(self, block: Block) -> Iterator[Act]:
        if not self._met:
            yield self._fall()
        yield Slow(block, self.fault.size, self.fault.low)


_OF_AN_EVENT = frozenset(("malformed", "half-event", "duplicate", "reorder"))


class Edits:
    """Several faults in one answer, one behind the other."""

    def __init__(self, faults: Iterable[Fault], form: Form, place: str) -> None:
        ordered = sorted(faults, key=lambda fault: {"latency": 0, "drip": 2}.get(fault.kind, 1))  # what ends it would end the waiting, too
        self._edits = [Edit(fault, form, place) for fault in ordered]
        self.over = False
        """Whether nothing more comes."""

    def opening(self) -> list[Act]:
        """Where a WebSocket is opened."""
        return self._taken([act for edit in self._edits for act in edit.opening()])

    def begin(self) -> list[Act]:
        """Before the answer begins."""
        return self._taken([act for number, edit in enumerate(self._edits) for act in self._through(edit.begin(), self._edits[number + 1 :])])

    def feed(self, block: Block) -> list[Act]:
        """The next event of the answer."""
        return self._taken(self._through([block], self._edits))

    def end(self) -> list[Act]:
        """The answer is whole."""
        return self._taken([act for number, edit in enumerate(self._edits) for act in self._through(edit.end(), self._edits[number + 1 :])])

    def _through(self, acts: Iterable[Act], edits: Sequence[Edit]) -> list[Act]:
        found = list(acts)
        for edit in edits:
            found = [made for act in found for made in (edit.feed(act) if isinstance(act, Block) else (act,))]
        return found

    def _taken(self, acts: list[Act]) -> list[Act]:
        """Up to what ends the answer; nothing behind it."""
        if self.over:
            return []
        for place, act in enumerate(acts):
            if isinstance(act, Ending | Failure):
                self.over = True
                return acts[: place + 1]
        return acts

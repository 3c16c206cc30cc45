"""What upstream says over a WebSocket where that meets faults: the recorded messages go in, what is to leave comes out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Literal

from ..faults.blocks import Block, message, number_of
from ..faults.edits import Act, Edits, Ending, Failure, Fell, Part, Pause, Slow
from ..faults.errors import message_of
from ..forwarding.frames import Message, Opcode
from ..recordings.members import with_member, without_member
from ..replay.faulting import Afflicted
from .socket_end import close_payload, frame_head
from .socket_line import Close, Drip, Item, Raw, Rest

Over = Literal["", "turn", "connection", "hang"]


class FaultySpeech:
    """The messages of one turn, or of a whole connection. `turn`: of its connection. `lane`: None for the default lane; `renamed`: the messages name
    another one. `over`: what of it is over, so that nothing more comes: the turn, the connection, or neither, and it hangs."""

    def __init__(self, afflicted: Afflicted, turn: int, payload: bytes, sizes: Sequence[int], opcodes: bytes) -> None:
        self.afflicted = afflicted
        self.turn = turn
        self.over: Over = ""
        self.lane: str | None = None
        self.renamed = False
        self._edits = Edits(afflicted.faults, "ws", afflicted.asked.place)
        self._payload, self._opcodes = payload, opcodes
        self._starts = [0, *accumulate(sizes)]
        self._done = False

    @property
    def failed(self) -> bool:
        """Whether the turn is over before its end, and the connection goes on."""
        return self.over == "turn"

    def begin(self) -> list[Item]:
        """Before anything is said."""
        return list(self._items(self._edits.begin()))

    def say(self, start: int, stop: int) -> list[Item]:
        """These messages."""
        items: list[Item] = []
        for place in range(start, stop):
            data, opcode = self._payload[self._starts[place] : self._starts[place + 1]], self._opcodes[place]
            if self.renamed and opcode == Opcode.TEXT:
                data = without_member(data, "stream_id") if self.lane is None else with_member(data, "stream_id", self.lane)
            items += self._items(self._edits.feed(message(0, data, opcode)))
        return items

    def end(self) -> list[Item]:
        """All was said. Idempotent."""
        if self._done:
            return []
        items = list(self._items(self._edits.end()))
        self._finish(whole=True)
        return items

    def left(self) -> None:
        """The client has left. Idempotent."""
        self._finish(whole=False)

    def _finish(self, *, whole: bool) -> None:
        if not self._done:
            self._done = True
            self.afflicted.ended(whole)

    def _items(self, acts: Iterable[Act]) -> Iterator[Item]:
        for act in acts:
            if isinstance(act, Block):
                yield Message(act.opcode, act.data)
            elif isinstance(act, Fell):
                self.afflicted.met(act.fault)
            elif isinstance(act, Pause):
                yield Rest(act.ns / 1e9)
            elif isinstance(act, Slow):
                yield Drip(Message(act.block.opcode, act.block.data), act.size, act.ns / 1e9)
            elif isinstance(act, Part):
                yield Raw(frame_head(act.opcode, act.size) + act.data)
            elif isinstance(act, Failure):
                self.over = "turn"
                yield self._failure(act)
            else:
                yield from self._ending(act)

    def _ending(self, act: Ending) -> Iterator[Item]:
        self.over = "hang" if act.how == "hang" else "connection"
        if act.how != "hang":
            yield Close(close_payload(act.code, act.reason.encode()) if act.how == "close" else None, reset=act.how == "reset")

    def _failure(self, act: Failure) -> Message:
        number = None if act.behind is None else number_of(act.behind)
        told = message_of(act.fault, self.afflicted.asked, number=None if act.behind is None else 0 if number is None else number + 1)
        named = {} if self.lane is None else {"stream_id": self.lane}
        return Message(Opcode.TEXT, json.dumps(told | named, ensure_ascii=False).encode("utf-8", "replace"))

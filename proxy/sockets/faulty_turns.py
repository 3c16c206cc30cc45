"""A Responses WebSocket whose turns meet faults: such a turn is said by itself, beside the recorded order of the others."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Iterator

from ..forwarding.addressing import Refusal
from ..player import Missing
from ..recordings.following import Found
from .faulty_speech import FaultySpeech
from .interleaving import Play
from .socket_asking import Spoke
from .socket_goings import NEVER, AskedGroup, ClientLane, Going, messages_of
from .socket_line import Close, Item, Rest
from .socket_turns import TurnsTalk


class FaultyTalk(TurnsTalk):
    """One client WebSocket. What a fault has cut off, and what was in flight beside that, is due again."""

    def _look(self, lane: ClientLane, spoke: Spoke) -> Found:
        found = super()._look(lane, spoke)
        self._asking.asked(self._playback, found.print.digest)
        if found.place is None and found.group is not None and self._asking.give_back(self._playback, found.print.digest):
            found = super()._look(lane, spoke)
        return found

    def _answer(self, lane: ClientLane, found: Found) -> Awaitable[None] | None:
        return self._meet(lane, found) if self._asking.faulty else super()._answer(lane, found)

    async def _missed(self, lane: ClientLane, spoke: Spoke, missing: Missing, refusal: Refusal | None = None) -> None:
        place = await self._asking.whole_conversation(self._playback, spoke) if missing.code == "no_match" else None
        if place is None:
            await super()._missed(lane, spoke, missing, refusal)
        elif (waiting := super()._answer(lane, Found(missing.print, place))) is not None:
            await waiting

    async def _meet(self, lane: ClientLane, found: Found) -> None:
        """Answer, with the faults that are due."""
        assert found.place is not None
        afflicted = await self._asking.afflicted(self._playback, found.place, found.print.digest)
        if afflicted is None:
            if (waiting := super()._answer(lane, found)) is not None:
                await waiting
            return
        socket, turn, payload = await self._asking.whole(self._playback, found.place)
        going = self._solo(socket)
        if turn in socket.turns and (recorded := self._playback.index.lane(found.place)) is not None and socket.log.asked(turn) is not None:
            going.places = self._playback.index.on_connection(recorded.connection)
        going.places = {**going.places, turn: found.place}
        going.faulty = speech = FaultySpeech(afflicted, turn, payload, *messages_of(socket, turn))
        speech.lane = lane.name
        speech.renamed = lane.fair and (turn not in socket.turns or socket.turns[turn].lane != lane.name)
        self._begin_faulty(lane, going, speech)

    def _begin_faulty(self, lane: ClientLane, going: Going, speech: FaultySpeech) -> None:
        items = speech.begin()
        late = round(sum([item.seconds for item in items if isinstance(item, Rest)]) * 1e9)
        if speech.over in ("turn", "connection"):
            self._solos.remove(going)
            speech.left()
        if speech.over == "turn":
            for item in items:
                self._say(lane, item)
        elif speech.over == "connection":
            self._put(items)
        else:
            self._come(lane, going, speech.turn, due=NEVER if speech.over == "hang" else time.monotonic_ns() + late if late else 0)

    def _put(self, items: list[Item]) -> None:
        for item in items:
            if isinstance(item, Close):
                self._lose()
            self._line.put(item)

    def _lose(self) -> None:
        """The connection ends: what was not said to its end will be asked for again."""
        for lane in self._lanes:
            for one in lane.queue:
                if isinstance(one, AskedGroup) and (place := one.going.places.get(one.root)) is not None:
                    self._playback.index.take_back(place)
        self._asking.lost(self._playback)

    def _play(self, going: Going, out: Play) -> None:
        speech = going.faulty
        if speech is None or out.turn != speech.turn:
            super()._play(going, out)
            return
        if not speech.over:
            self._put(speech.say(out.start, out.stop))
            if speech.failed:
                self._free(going, speech.turn)

    def _free(self, going: Going, root: int) -> None:
        for other in self._over(going, root):
            self._advance(other)

    def _over(self, going: Going, root: int) -> Iterator[Going]:
        speech = going.faulty
        if root not in going.lanes or (speech is not None and speech.over == "hang"):
            return
        if speech is not None:
            if not speech.over:
                self._put(speech.end())
            speech.left()
        yield from super()._over(going, root)

    def end(self) -> None:
        """Nobody follows anything here any more."""
        for going in self._solos:
            if going.faulty is not None:
                going.faulty.left()
        super().end()

"""A Responses WebSocket as it is replayed: the client's creates and steers find recorded turns, whose events leave as they did."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from playhead.storage.records import Fingerprint

from ..forwarding.addressing import NO_KEY, Refusal
from ..forwarding.answers import ERRORS
from ..forwarding.frames import Message, Opcode
from ..player import Missing, Playback
from ..recordings.following import Found
from ..replay.misses import Expected
from .interleaving import OPCODE, Interleaving, Over, Play
from .recorded_sockets import RecordedSocket, meaning
from .socket_asking import Asking, Spoke
from .socket_goings import AskedGroup, ClientLane, ClientLanes, Going, LiveTurn, messages_of, object_in, speech_of
from .socket_line import Close, Item, Portion, SocketLine
from .socket_live import Listens, LiveSocket, error_event
from .speech import Speech

_OF = ("previous_response_id", "response_id")  # where a message that is no create says which response it is about


class TurnsTalk:
    """One client WebSocket in Responses mode. `connection`: the recorded one that it goes by, if one is known; else it is the first that answers it.

    `live`: turns without a recording go to upstream by this; None: they are misses.
    """

    def __init__(
        self,
        asking: Asking,
        playback: Playback,
        connection: int | None,
        socket: RecordedSocket | None = None,
        live: Callable[[Listens], LiveSocket] | None = None,
    ) -> None:
        self._asking = asking
        self._socket = socket
        self._playback = playback
        self._connection = connection
        self._goings: dict[int, Going] = {}
        self._solos: list[Going] = []
        self._lanes = ClientLanes(connection)
        self._replayed: dict[str, int] = {}  # responses, and of which exchanges they are; kept where all else may go to upstream
        self.live = live(self) if live is not None else None

    # What the line tells.

    @property
    def busy(self) -> bool:
        """Whether upstream owes something."""
        return self.live is not None and self.live.busy

    def begin(self, line: SocketLine) -> None:
        """The connection is open: what upstream said unasked leaves."""
        self._line = line
        if self._connection is not None and self._socket is not None:
            self._advance(self._go(self._connection, self._socket))
            self._set_timer()

    @property
    def silent_since(self) -> int:
        """As upstream is, where it has to answer: a recording may be as silent as it was."""
        return self.live.silent_since if self.live is not None else time.monotonic_ns()

    def timed_out(self) -> None:
        """Upstream has been silent for too long."""
        if self.live is not None:
            self.live.timed_out()

    def message(self, message: Message) -> Awaitable[None] | None:
        """A create begins a turn, anything else is found by what it says; all in time, when little enough waits for its turn."""
        room = self._lanes.backlog.room()
        return self._hear(message) if room is None else self._hear_later(room, message)

    async def _hear_later(self, room: Awaitable[object], message: Message) -> None:
        await room
        if (waiting := self._hear(message)) is not None:
            await waiting

    def _hear(self, message: Message) -> Awaitable[None] | None:
        value = object_in(message.payload)
        if value.get("type") == "response.create":
            return self._create(message.payload, value)
        return self._other(message, value)

    def wake(self, now: int) -> None:
        """Something is due."""
        for going in [*self._goings.values(), *self._solos]:
            if going.inter.wake is not None and going.inter.wake <= now:
                self._advance(going)
        for lane in [lane for lane in self._lanes if lane.late]:
            for going in self._next(lane):
                self._advance(going)
        self._set_timer()

    def answer_to_close(self, payload: bytes) -> bytes:
        """As upstream answered, or else as RFC 6455 section 5.5.1 has it."""
        primary = self._goings.get(self._connection) if self._connection is not None else None
        return primary.socket.finale.close if primary is not None and primary.socket.finale.close is not None else payload[:2]

    def end(self) -> None:
        """Nobody follows anything here any more."""
        for lane in self._lanes:
            self._playback.followers.leave(lane.follower)
        if self.live is not None:
            self.live.end()

    # Creates.

    def _create(self, payload: bytes, value: dict[str, Any]) -> Awaitable[None] | None:
        lane = self._lanes.of(value)
        spoke = self._asking.spoke(payload)
        if self._asking.player.opened(self._playback.session) is self._playback:
            return self._find(lane, spoke)
        return self._find_anew(lane, spoke)

    async def _find_anew(self, lane: ClientLane, spoke: Spoke) -> None:
        """The session may have grown."""
        self._playback = await self._asking.player.open(self._playback.session, begin=True)
        if (waiting := self._find(lane, spoke)) is not None:
            await waiting

    def _find(self, lane: ClientLane, spoke: Spoke) -> Awaitable[None] | None:
        found = self._look(lane, spoke)
        playback = self._playback
        anew = found.place if self.live is not None and found.place is not None and playback.index.exchange(found.place) in playback.decided.anew else None
        if found.place is None or anew is not None:
            missing = Missing("no_match" if found.group is None else "exhausted", found.print, found.group, anew)
            if self.live is None:
                return self._missed(lane, spoke, missing)
            prices = self._asking.prices()
            return self._go_live(lane, spoke, missing, self.live) if prices is None else self._afford(lane, spoke, missing, prices)
        playback.place = found.place
        self._asking.ruled(playback, found.place, found.print, spoke)
        self._asking.served()
        return self._answer(lane, found)

    def _look(self, lane: ClientLane, spoke: Spoke) -> Found:
        """The recording of a create, which is served with this."""
        playback = self._playback
        found = playback.followers.find(playback.index, spoke.fingerprints(playback.rules), lane.follower, exhausted=self._asking.player.exhausted)
        if found.place is None and found.group is None:
            found.place = self._accepted(lane, found.print)
        return found

    def _answer(self, lane: ClientLane, found: Found) -> Awaitable[None] | None:
        """It is answered as it was."""
        assert found.place is not None
        recorded = self._playback.index.lane(found.place)
        if recorded is None:
            return self._retell(lane, found.place)
        going = self._goings.get(recorded.connection)
        socket = going.socket if going is not None else self._asking.sockets.at_hand(recorded.connection)
        if socket is None:
            return self._read_and_begin(lane, recorded.connection, found.place, again=found.again)
        return self._begin_in(lane, recorded.connection, socket, found.place, again=found.again)

    def _accepted(self, lane: ClientLane, one: Fingerprint) -> int | None:
        """A recording that stands for such a turn since it was accepted."""
        place = self._asking.player.accepted(self._playback, one)
        if place is not None:
            self._playback.followers.follow(lane.follower, self._playback.index.lane(place))
        return place

    async def _read_and_begin(self, lane: ClientLane, connection: int, place: int, *, again: bool) -> None:
        socket = await self._asking.sockets.connection(connection)
        if (waiting := self._begin_in(lane, connection, socket, place, again=again)) is not None:
            await waiting

    def _begin_in(self, lane: ClientLane, connection: int, socket: RecordedSocket, place: int, *, again: bool) -> Awaitable[None] | None:
        if socket.log.asked(self._playback.index.turn(place)) is None:
            return self._retell(lane, place)  # the log of a connection that still goes on, or was cut off by a crash, may lack its last turns
        self._begin(lane, self._go(connection, socket, again=again), place)
        return None

    async def _retell(self, lane: ClientLane, place: int) -> None:
        """It was recorded over HTTP, or its connection is not known any more: as one turn on a connection of its own."""
        socket, payload = await self._asking.retold(self._playback, place)
        going = self._solo(socket)
        going.speeches[1] = speech_of(socket, 1, payload)
        self._come(lane, going, 1)

    async def _missed(self, lane: ClientLane, spoke: Spoke, missing: Missing, refusal: Refusal | None = None) -> None:
        """There is no recording of this turn. `refusal`: why upstream is not asked."""
        self._playback.refused(missing)
        told = await self._asking.tell(self._playback, spoke, missing, refusal)
        self._refuse(lane, missing.code if refusal is None else refusal.code, told.message, told.more)

    def _refuse(self, lane: ClientLane, code: str, message: str, more: Mapping[str, Any]) -> None:
        self._say(lane, error_event(lane.name, ERRORS[code].status, {"code": code, "message": message, **more}))

    def _say(self, lane: ClientLane, item: Item) -> None:
        """When its lane is free."""
        if lane.queue and isinstance(item, Message):
            lane.put(item)
        else:
            self._line.put(item)

    # Turns.

    def _go(self, connection: int, socket: RecordedSocket, *, again: bool = False) -> Going:
        """`again`: its turns are served once more, so that they are to be expected here, whoever has had them."""
        going = self._goings.get(connection)
        if going is None:
            primary = self._connection is None or self._connection == connection
            if primary:
                self._connection = connection
                self._lanes.go_by(connection)
            places = self._playback.index.on_connection(connection)
            index = self._playback.index
            inter = Interleaving(
                socket.log,
                speed=self._asking.player.speed,
                now=time.monotonic_ns(),
                own=primary,
                elsewhere=lambda root: not (again or (at := places.get(root)) is None or self._goings[connection].inter.has_come(root)) and index.served(at),
            )
            going = self._goings[connection] = Going(socket, inter, places=places, primary=primary)
        return going

    def _solo(self, socket: RecordedSocket) -> Going:
        inter = Interleaving(socket.log, speed=self._asking.player.speed, now=time.monotonic_ns(), own=False)
        going = Going(socket, inter)
        self._solos.append(going)
        return going

    def _begin(self, lane: ClientLane, going: Going, place: int) -> None:
        root = self._playback.index.turn(place)
        if going.inter.has_come(root):  # it is served once more
            places = going.places
            going = self._solo(going.socket.solo(root))
            going.places = places
        self._come(lane, going, root)

    def _come(self, lane: ClientLane, going: Going, root: int, *, due: int = 0) -> None:
        """`due`: nothing of it leaves before, in ns on the monotonic clock."""
        last = lane.queue[-1] if lane.queue else None
        held = last is not None and not (isinstance(last, AskedGroup) and not last.held and self._in_line(last, going, root))
        held = held or due > 0
        lane.put(AskedGroup(going, root, held, due))
        going.lanes[root] = lane
        if self.live is not None:
            self._replayed.update(going.responses(root))
        going.inter.come(root, time.monotonic_ns(), held=held)
        self._advance(going)
        self._set_timer()

    @staticmethod
    def _in_line(last: AskedGroup, going: Going, root: int) -> bool:
        """Whether the recorded order alone puts this group behind that one."""
        turns = going.socket.turns
        return last.going is going and last.root < root and turns[last.root].lane == turns[root].lane

    def _advance(self, going: Going) -> None:
        """Say what leaves now, and what that makes way for."""
        waiting = [going]
        while waiting:
            one = waiting.pop(0)
            for out in one.inter.advance(time.monotonic_ns()):
                if isinstance(out, Play):
                    self._play(one, out)
                elif isinstance(out, Over):
                    waiting += self._over(one, out.root)
                else:
                    self._finale(one)

    def _play(self, going: Going, out: Play) -> None:
        socket = going.socket
        if not out.turn:
            opcode = socket.log.flags[socket.log.answers[0][out.start]] & OPCODE
            payload = socket.own[out.start]
            self._line.put(Close(payload) if opcode == Opcode.CLOSE else Message(opcode, payload))
            return
        lane = going.lanes[socket.log.root(out.turn)]
        speech = going.speeches.get(out.turn)
        if speech is None:
            speech = going.speeches[out.turn] = self._speech(going, out.turn)
        turn = socket.turns.get(out.turn)
        self._line.put(Portion(speech, out.start, out.stop, lane.fair and turn is not None and turn.lane != lane.name, lane.name))

    def _speech(self, going: Going, turn: int) -> Speech:
        place = going.places.get(turn)
        payload = self._asking.at_hand(self._playback, place) if place is not None else None
        if payload is not None:
            return speech_of(going.socket, turn, payload)
        sizes, opcodes = messages_of(going.socket, turn)
        return Speech(sizes, opcodes, pieces=self._asking.pieces(going.socket.turns[turn].exchange))

    def _over(self, going: Going, root: int) -> Iterator[Going]:
        """That group is over: the next on its lane has its turn. Gives who may go on with that."""
        lane = going.lanes.pop(root)
        for turn in [turn for turn in going.speeches if going.socket.log.root(turn) == root]:
            del going.speeches[turn]
        for asked in [one for one in lane.queue if isinstance(one, AskedGroup) and one.going is going and one.root == root]:
            lane.drop(asked)
        if going in self._solos:
            self._solos.remove(going)
        recorded = going.socket.turns.get(root)
        if not going.primary and recorded is not None and recorded.outcome not in (None, "complete", "client_closed"):
            self._finale(going)
        yield from self._next(lane)

    def _next(self, lane: ClientLane) -> Iterator[Going]:
        """What is the first on its lane now has its turn. Gives who may go on with that."""
        while lane.queue:
            head = lane.queue[0]
            if isinstance(head, AskedGroup):
                if head.held and head.due > time.monotonic_ns():
                    self._set_timer()
                    return
                if head.held:
                    head.held = False
                    head.going.inter.release(head.root, time.monotonic_ns())
                    yield head.going
                return
            if isinstance(head, LiveTurn):
                self._send(lane)
                return
            self._line.put(head)
            lane.drop(head)

    # Turns that upstream answers.

    async def _afford(self, lane: ClientLane, spoke: Spoke, missing: Missing, prices: Awaitable[Refusal | None]) -> None:
        """The same where it has to be known what has been spent."""
        refusal, live = await prices, self.live
        waiting = self._missed(lane, spoke, missing, refusal) if refusal or live is None else self._go_live(lane, spoke, missing, live)
        if waiting is not None:
            await waiting

    def _go_live(self, lane: ClientLane, spoke: Spoke, missing: Missing, live: LiveSocket) -> Awaitable[None] | None:
        """There is no recording of this turn: upstream is asked."""
        if (refusal := self._asking.live(self._playback, missing)) is not None:
            if refusal is not NO_KEY:
                return self._missed(lane, spoke, missing, refusal)
            self._refuse(lane, refusal.code, refusal.message, {})
            return None
        lane.put(LiveTurn(spoke.payload))
        if all(isinstance(one, LiveTurn) for one in lane.queue):  # upstream knows itself that they go one after the other
            self._send(lane)
        return live.room()

    def _send(self, lane: ClientLane) -> None:
        for one in lane.queue:
            if not isinstance(one, LiveTurn) or self.live is None:
                return
            if not one.sent:
                self.live.create(lane.name, one.payload)
                lane.sent(one, alone=self.live.may_be_lost(object_in(one.payload)))
            if one.alone:
                return

    def say(self, message: Message) -> None:
        """Upstream says something."""
        self._line.put(message)

    def over(self, lane: str | None) -> None:
        """The oldest live turn of a lane has ended: what comes next on it has its turn."""
        of = self._lanes.named(lane)
        turn = next((one for one in of.queue if isinstance(one, LiveTurn) and one.sent), None)
        if turn is not None:
            of.drop(turn)
        for going in self._next(of):
            self._advance(going)

    def drop(self, payload: bytes | None) -> None:
        """Upstream has closed, or dropped the connection."""
        self._line.put(Close(payload))

    def flush(self) -> None:
        """All has been said for now; upstream waits where the client is slower."""
        self._set_timer()
        self._line.pump()
        if self.live is not None and (busy := self._line.busy) is not None:
            self.live.pause()
            busy.add_done_callback(self._go_on)

    def _go_on(self, _: asyncio.Task[None]) -> None:
        if self.live is not None:
            self.live.resume()

    # The end.

    def _finale(self, going: Going) -> None:
        finale = going.socket.finale
        if finale.close is not None or finale.drops:
            self._line.put(Close(finale.close))

    def _set_timer(self) -> None:
        wakes = [going.inter.wake for going in (*self._goings.values(), *self._solos) if going.inter.wake is not None]
        wakes += [late for lane in self._lanes if (late := lane.late)]
        self._line.wake_at(min(wakes, default=None))

    # Other messages of the client.

    def _other(self, message: Message, value: dict[str, Any]) -> Awaitable[None] | None:
        spoke = self._asking.spoke(message.payload)
        if any(self._known(meaning(text)) for text in spoke.readings()):
            return None
        if self.live is None:
            return self._unexpected(spoke, value)
        named = next((id_ for name in _OF if isinstance(id_ := value.get(name), str)), "")
        if named in self._replayed and not self.live.made(named):
            return self._unexpected(spoke, value, self._asking.not_made(self._playback, self._replayed[named]))
        return self._pass_on(spoke, message, self.live)

    async def _pass_on(self, spoke: Spoke, message: Message, live: LiveSocket) -> None:
        """It is not recorded, and about nothing that is: upstream is asked."""
        prices = self._asking.prices()
        refusal = (await prices if prices is not None else None) or self._asking.pass_on(self._playback, spoke.name)
        if refusal is NO_KEY:
            self._refuse(self._lanes.named(None), refusal.code, refusal.message, {})
        elif refusal is not None:
            await self._unexpected(spoke, {}, refusal.message, refusal.code)
        else:
            live.send(message)
            if (room := live.room()) is not None:
                await room

    def _known(self, said: bytes) -> bool:
        """Whether a message that means this was recorded, and had not come: it has now."""
        going = next((going for going in (*self._goings.values(), *self._solos) if going.hear(said, time.monotonic_ns())), None)
        if going is not None:
            self._advance(going)
            self._set_timer()
        return going is not None

    async def _unexpected(self, spoke: Spoke, value: dict[str, Any], note: str = "", code: str = "no_match") -> None:
        """A steer, or something that playhead does not know, which is not in the recording."""
        lane, expected = self._steered(value)
        told = await self._asking.tell_message(self._playback, spoke, expected, note, code)
        self._refuse(lane, code, told.message, told.more)

    def _steered(self, value: dict[str, Any]) -> tuple[ClientLane, Expected | None]:
        """The lane that a steer is for, and the recorded one that was due."""
        for going in (*self._goings.values(), *self._solos):
            turn = going.made(value.get("previous_response_id"))
            if turn is None:
                continue
            lane = going.lanes.get(going.socket.log.root(turn)) or self._lanes.named(None)
            exchange, due = going.socket.turns[turn].exchange, going.due(turn)
            return lane, None if due is None else Expected(exchange, "the recorded one", self._asking.part(exchange, *due))
        return self._lanes.named(None), None

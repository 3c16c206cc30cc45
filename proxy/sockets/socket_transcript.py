"""A WebSocket that is one exchange (Realtime, Live, anything) as it is replayed: what upstream said waits for what the client had said before."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable

from ..forwarding.frames import Message, Opcode
from ..player import Playback
from ..replay.misses import Expected
from .expecting import Expecting, may_be_missing
from .faulty_speech import FaultySpeech
from .interleaving import OPCODE, Interleaving, Play
from .recorded_transcripts import RecordedTranscript, sense, text_at
from .socket_asking import Asking, Spoke
from .socket_goings import object_in
from .socket_line import Close, Portion, SocketLine
from .speech import Speech


class TranscriptTalk:
    """One client WebSocket."""

    def __init__(self, asking: Asking, playback: Playback, recorded: RecordedTranscript, faulty: FaultySpeech | None = None) -> None:
        self._faulty = faulty
        self._asking = asking
        self._playback = playback
        self._recorded = recorded
        self._rules = asking.normaliser(playback)
        senses = [meaning for _, _, meaning in recorded.expected]
        self._expecting = Expecting(senses)
        self._missing = frozenset(place for number, (place, _, _) in enumerate(recorded.expected) if may_be_missing(senses, number))
        self._errors = 0
        log = recorded.socket.log
        places = log.answers.get(1, ())
        sizes = [log.sizes[place] for place in places]
        self._speech = Speech(sizes, bytes([log.flags[place] & OPCODE for place in places]), pieces=recorded.pieces(asking.player.store))

    @property
    def busy(self) -> bool:
        """Never: what is due in time is waited for by the line."""
        return False

    @property
    def silent_since(self) -> int:
        """A recording may be as silent as it was."""
        return time.monotonic_ns()

    def timed_out(self) -> None:
        """As above."""

    def begin(self, line: SocketLine) -> None:
        """The connection is open."""
        now = time.monotonic_ns()
        self._line = line
        log = self._recorded.socket.log
        self._inter = Interleaving(log, speed=self._asking.player.speed, now=now, gracious=self._missing.__contains__)
        self._inter.come(1, now)
        self._asking.served()
        self._advance()

    def message(self, message: Message) -> Awaitable[None] | None:
        """It is one that the client had sent, or the connection goes on without it."""
        spoke = self._asking.spoke(message.payload)
        senses = (sense(message.opcode, text, self._rules) for text in spoke.readings())
        came = next((came for one in senses if (came := self._expecting.come(one)) is not None), None)
        if came is None:
            return self._unexpected(spoke)
        now = time.monotonic_ns()
        for number in came:
            self._inter.said(self._recorded.expected[number][0], now)
        self._advance()
        return None

    def wake(self, now: int) -> None:
        """Something is due."""
        self._advance()

    def answer_to_close(self, payload: bytes) -> bytes:
        """As upstream answered, or else as RFC 6455 section 5.5.1 has it."""
        close = self._recorded.socket.finale.close
        return close if close is not None else payload[:2]

    def end(self) -> None:
        """Nothing is left to be done."""
        if self._faulty is not None:
            self._faulty.left()

    def _advance(self) -> None:
        socket = self._recorded.socket
        for out in self._inter.advance(time.monotonic_ns()):
            if isinstance(out, Play) and out.turn and self._faulty is not None:
                self._say_faulty(self._faulty, out)
            elif isinstance(out, Play) and out.turn:
                self._line.put(Portion(self._speech, out.start, out.stop))
            elif isinstance(out, Play):
                opcode = socket.log.flags[socket.log.answers[0][out.start]] & OPCODE
                payload = socket.own[out.start]
                self._line.put(Close(payload) if opcode == Opcode.CLOSE else Message(opcode, payload))
            elif out is not None and not isinstance(out, tuple) and socket.finale.drops:
                self._line.put(Close(None))
        self._line.wake_at(self._inter.wake)

    def _say_faulty(self, faulty: FaultySpeech, out: Play) -> None:
        """As the faults have it. All has been said with the last message of upstream."""
        items = [] if faulty.over else faulty.say(out.start, out.stop)
        if not faulty.over and out.stop == len(self._recorded.socket.log.answers[1]):
            items += faulty.end()
        for item in items:
            if isinstance(item, Close):
                self._asking.lost(self._playback)
            self._line.put(item)

    async def _unexpected(self, spoke: Spoke) -> None:
        told = await self._asking.tell_message(self._playback, spoke, self._expected())
        self._errors += 1
        usual = {"type": "playhead_error", "code": "no_match", "message": told.message, "param": None}
        error = {**usual, "event_id": object_in(spoke.payload).get("event_id"), **told.more}
        event = {"type": "error", "event_id": f"event_playhead_{self._errors}", "error": error}
        self._line.put(Message(Opcode.TEXT, json.dumps(event, ensure_ascii=False).encode("utf-8", "replace")))

    def _expected(self) -> Expected | None:
        """The recorded message that was due."""
        due = self._expecting.due
        if due is None:
            return None
        place, start, _ = self._recorded.expected[due]
        size, store, exchange = self._recorded.socket.log.sizes[place], self._asking.player.store, self._recorded.exchange
        return Expected(exchange, "the message that was due", text_at(store.request_chunks(exchange), start, size))

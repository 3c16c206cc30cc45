"""What the replay of a WebSocket asks of the recordings, and what it tells of what is missing there."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass

from playhead.config.errors import StoreError
from playhead.storage.connecting.connected import Handshake
from playhead.storage.records import Fingerprint

from ..fingerprint import F1, Asked, Rules, create_over
from ..fingerprinting.normalising import Normaliser
from ..forwarding.addressing import NO_KEY, Refusal
from ..forwarding.inbound import Inbound
from ..player import Missing, Playback, Player
from ..recordings.ready import Spoken
from ..recordings.retell import messages_of
from ..redaction import RequestScanner
from ..replay.faulting import Afflicted, Faulting
from ..replay.incoming import Memory
from ..replay.misses import Expected, Misses, Told
from ..service import Service
from .recorded_sockets import RecordedSocket, RecordedSockets, alone
from .recorded_transcripts import text_at
from .socket_goings import object_in

log = logging.getLogger("playhead")

_LONGEST_NAME = 100
_REMEMBERED = 1 << 13  # as on recording: a shorter text is looked through faster than compared with others


@dataclass(frozen=True, slots=True)
class Asker:
    """The client of one WebSocket, by its handshake. `asked`: what a create over it is beside its body; `plain`: without the search for its own key."""

    inbound: Inbound
    asked: Asked
    plain: Asked
    memory: Memory

    @classmethod
    def of(cls, inbound: Inbound, upstream: str, memory: Memory) -> Asker:
        """By what is known of the handshake."""
        asked = create_over(Asked.of(inbound.recorded_head, upstream))
        return cls(inbound, asked, asked._replace(target=inbound.plain_target.decode("latin-1")), memory)


class Spoke:
    """A message of the client, compared with recordings as the body of a request."""

    whole = True

    def __init__(self, asker: Asker, payload: bytes) -> None:
        self._payload = payload
        self._asker = asker
        self.read: tuple[Asked, bytes] = asker.asked, b""
        """What the newest of `fingerprints` was made of."""

    def fingerprints(self, rules: Rules = F1) -> Iterator[Fingerprint]:
        """What to look for, the likelier first; a second one only if it differs."""
        asker, text = self._asker, self._scanned(())
        yield self._fingerprint(asker.plain, text, rules)
        if asker.inbound.secrets:
            whole = self.text()
            if whole != text or asker.plain != asker.asked:
                yield self._fingerprint(asker.asked, whole, rules)

    def _fingerprint(self, asked: Asked, text: bytes, rules: Rules) -> Fingerprint:
        self.read = asked, text
        return self._asker.memory.fingerprint(asked, text, rules)._replace(asks="ws")

    def readings(self) -> Iterator[bytes]:
        """What it may be called in a recording: as it came, or with what is secret in it replaced."""
        yield self._payload
        known = {self._payload}
        for secrets in ((), self._asker.inbound.secrets):
            if (text := self._scanned(secrets)) not in known:
                known.add(text)
                yield text

    @property
    def asked(self) -> Asked:
        """What is known of it but its text, all secrets replaced."""
        return self._asker.asked

    @property
    def head(self) -> bytes:
        """Of the handshake, all secrets replaced."""
        return self._asker.inbound.recorded_head

    def text(self) -> bytes:
        """The message, all secrets replaced."""
        return self._scanned(self._asker.inbound.secrets)

    def _scanned(self, secrets: tuple[bytes, ...] | list[bytes]) -> bytes:
        return RequestScanner(secrets, self._asker.memory.redaction if len(self._payload) >= _REMEMBERED else None).whole(self._payload)

    @property
    def name(self) -> str:
        """The type that it gives itself; like all that is told of it, without secrets."""
        name = object_in(self.text()).get("type")
        return name[:_LONGEST_NAME] if isinstance(name, str) else "a message"

    @property
    def payload(self) -> bytes:
        """As the client sent it."""
        return self._payload

    @property
    def bytes(self) -> int:
        """Of the message."""
        return len(self._payload)


class Asking:
    """For one WebSocket of a client."""

    def __init__(self, service: Service, player: Player, sockets: RecordedSockets, misses: Misses, asker: Asker, *, faulting: Faulting) -> None:
        self.player = player
        self.sockets = sockets
        self.handshake: Handshake | None = None
        """The recorded one that this one follows."""
        self._faulting = faulting
        self._service = service
        self._misses = misses
        self._asker = asker

    def spoke(self, payload: bytes) -> Spoke:
        """A message that the client has sent."""
        return Spoke(self._asker, payload)

    def ruled(self, playback: Playback, place: int, one: Fingerprint, spoke: Spoke) -> None:
        """A create has found a recording, perhaps only by a rule."""
        if self.player.hits.saw(playback, place, one, *spoke.read):
            self._service.counters.ruled += 1

    def normaliser(self, playback: Playback) -> Normaliser | None:
        """What rules make of messages that are no creates."""
        return playback.rules.normaliser("GET", self._asker.asked.target)

    def served(self) -> None:
        """Something was answered from a recording."""
        self._service.counters.replayed += 1

    # Faults.

    @property
    def faulty(self) -> bool:
        """Whether a turn may meet a fault."""
        return self._service.faults.any(self._asker.inbound.address.faults)

    async def afflicted(self, playback: Playback, place: int, digest: bytes) -> Afflicted | None:
        """What the answer at that place meets. Raises StoreError."""
        return await self._faulting.due(playback, place, self._asker.inbound.address.faults, digest)

    def asked(self, playback: Playback, digest: bytes) -> None:
        """The client has asked for something."""
        self._faulting.asked(playback, digest, "")

    def give_back(self, playback: Playback, digest: bytes) -> bool:
        """Whether an answer that had been served with a fault is due again."""
        return self._faulting.give_back(playback, digest)

    async def whole_conversation(self, playback: Playback, spoke: Spoke) -> int | None:
        """The place of a turn that this one says in other words, after a fault. Raises StoreError."""
        return await self._faulting.whole_conversation(playback, spoke.text())

    def lost(self, playback: Playback) -> None:
        """The connection ended by a fault: the next one follows the same handshake."""
        if self.handshake is not None:
            playback.handshakes.take_back(self.handshake)
            self.handshake = None

    async def whole(self, playback: Playback, place: int) -> tuple[RecordedSocket, int, bytes]:
        """A turn alone, on a connection of its own: which one it is there, and all that upstream said in it. Raises StoreError."""
        lane, turn = playback.index.lane(place), playback.index.turn(place)
        socket = None if lane is None else await self.sockets.connection(lane.connection)
        if socket is None or socket.log.asked(turn) is None:
            alone_, payload = await self.retold(playback, place)
            return alone_, 1, payload
        exchange = playback.index.exchange(place)
        return socket.solo(turn), turn, await self._service.loop.run_in_executor(None, lambda: b"".join(self.pieces(exchange)))

    def prices(self) -> Awaitable[Refusal | None] | None:
        """Whether it has to be known what live calls have cost before `live`: gives why it cannot be, or None."""
        return self._service.prices.learn() if self._service.prices.matter else None

    def live(self, playback: Playback, missing: Missing) -> Refusal | None:
        """A create goes to upstream; the reason if it must not."""
        address = self._asker.inbound.address
        if address.keyless:
            return NO_KEY
        if (refusal := self._service.budget.take(recorded=address.on_miss == "record")) is not None:
            return refusal
        log.info("session %s: a turn over a WebSocket goes to upstream: %s", playback.session, missing.code)
        self._service.counters.live += 1
        if address.on_miss == "record" and self.player.reopens:
            playback.live[missing.print.digest] += 1
        return None

    def pass_on(self, playback: Playback, name: str) -> Refusal | None:
        """Another message goes to upstream, which may cost as much as a create: a steer has another response made. The reason if it must not."""
        address = self._asker.inbound.address
        refusal = NO_KEY if address.keyless else self._service.budget.take(recorded=address.on_miss == "record")
        if refusal is None:
            log.info("session %s: %s over a WebSocket goes to upstream", playback.session, name)
            self._service.counters.live += 1
        return refusal

    def at_hand(self, playback: Playback, place: int) -> bytes | None:
        """What upstream said in a turn, if it need not be waited for."""
        found = self.player.at_hand(playback, place)
        if found is None:
            try:
                found = self.player.read_now(playback, place)
            except StoreError:
                return None  # whoever reads it piece by piece will say what is wrong with it
        return found.response if isinstance(found, Spoken) else None

    def pieces(self, exchange: int) -> Iterator[bytes]:
        """The same of any exchange, piece by piece, read when it is drawn. Raises StoreError."""
        yield from self.player.store.response_chunks(exchange)

    def part(self, exchange: int, start: int, size: int) -> bytes:
        """That much of what the client said in it. Raises StoreError."""
        return text_at(self.player.store.request_chunks(exchange), start, size)

    async def retold(self, playback: Playback, place: int) -> tuple[RecordedSocket, bytes]:
        """A create that was recorded over HTTP, as a connection with one turn, and what upstream said in it. Raises StoreError."""
        return await self._service.loop.run_in_executor(None, self._retold, playback, place)

    def _retold(self, playback: Playback, place: int) -> tuple[RecordedSocket, bytes]:
        messages = messages_of(self.player.recording(playback, place))
        return alone(playback.index.exchange(place), messages), b"".join([text for _, text in messages.texts])

    async def tell(self, playback: Playback, spoke: Spoke, missing: Missing, refusal: Refusal | None = None) -> Told:
        """What to answer to a create that has no recording; it is in the store then. `refusal`: why it did not go to upstream."""
        self._service.counters.missed[missing.code if refusal is None else refusal.code] += 1
        return await self._misses.tell(playback, spoke, missing, refusal.message if refusal is not None else "")

    async def tell_message(self, playback: Playback, spoke: Spoke, expected: Expected | None, note: str = "", code: str = "no_match") -> Told:
        """The same of another message. `expected`: what was recorded where it came; `note`: what else is to be said; `code`: why it is not served."""
        self._service.counters.missed[code] += 1
        return await self._misses.tell_message(playback, spoke, spoke.name, expected, note)

    def not_made(self, playback: Playback, exchange: int) -> str:
        """Why a message about a response that was replayed did not go to upstream, and what helps."""
        helps = f"`playhead rerecord {playback.session} --exchange {exchange}` lets that go live on the next run, and what is said about it with it"
        anew = "record the cassette anew" if self.player.from_cassette else helps
        return f"It did not go to upstream, which has not made the response that it is about: that is replayed from exchange {exchange}. {anew}."

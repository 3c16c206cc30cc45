"""The handshake of a WebSocket in a replay: it is answered as one that was recorded, and what follows is left to who knows how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from playhead.config.errors import StoreError, UpstreamError
from playhead.storage.records import Fingerprint

from ..chains.context import as_input, expanded
from ..chains.linked import Near
from ..chains.recalling import Recalled
from ..faults.edits import at_start
from ..fingerprint import F1
from ..forwarding.addressing import Refusal
from ..forwarding.clients import ClientRequest
from ..forwarding.http1 import ProtocolError, end_to_end, response_head
from ..forwarding.inbound import Inbound, Reception
from ..models.kind import shape_of
from ..player import Missing, Playback, Player, SessionMissing
from ..replay.faulting import Faulting
from ..replay.incoming import Incoming, Memory
from ..replay.misses import Misses
from ..service import Service
from .faulty_openings import MetOpening, meet_opening
from .faulty_speech import FaultySpeech
from .faulty_turns import FaultyTalk
from .recorded_sockets import RecordedSocket, RecordedSockets
from .recorded_transcripts import read_transcript
from .socket_asking import Asker, Asking
from .socket_goings import messages_of
from .socket_line import SocketLine, Talk
from .socket_live import Listens, LiveSocket
from .socket_transcript import TranscriptTalk
from .upgrading import upgrade
from .upstream_socket import RECORDING, HandshakeRefused, Unrecordable

MakeLive = Callable[[Listens], LiveSocket]
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))


class RecordedRefusal(NamedTuple):
    """The recorded handshake was refused: with the exchange at that place."""

    playback: Playback
    place: int


class Passed:
    """Upstream refused the handshake, and so the client hears it."""

    def __init__(self, service: Service, request: ClientRequest, refused: HandshakeRefused) -> None:
        self._service, self._request, self._refused = service, request, refused

    async def run(self) -> bool:
        """Answer; the connection does not outlive it."""
        head, body = self._refused.head, self._refused.body
        length = len(body) + (not self._refused.whole)  # of a body that is cut the client sees that something is missing
        headers = [*end_to_end(head, _FRAMING), (b"Content-Length", b"%d" % length)]
        if self._request.transport is not None:
            self._request.transport.write(response_head(head, headers, keep_alive=False, old=False) + body)
        return False


class UnrecordedHandshake(NamedTuple):
    """The handshake has no recording, and may go to upstream: all of the connection does, recorded into the take of that run."""

    run: str | None


class Openings:
    """Opens the WebSockets of a server."""

    def __init__(self, service: Service, reception: Reception, player: Player, misses: Misses, memory: Memory, *, faulting: Faulting) -> None:
        self._faulting = faulting
        self._service = service
        self._reception = reception
        self._player = player
        self._misses = misses
        self._memory = memory
        self._sockets = RecordedSockets(player.store)

    async def open(self, request: ClientRequest, inbound: Inbound) -> SocketLine | RecordedRefusal | Passed | MetOpening | UnrecordedHandshake | Refusal:
        """What serves a WebSocket of a client. Raises StoreError."""
        player, session = self._player, inbound.address.session
        try:
            playback = player.opened(session) or await player.open(session, begin=inbound.address.on_miss == "record")
        except SessionMissing as missing:
            self._service.counters.missed["session_not_found"] += 1
            self._misses.without_recordings(inbound, "session_not_found", str(missing))
            return Refusal("session_not_found", str(missing))
        incoming = Incoming(inbound, self._service.settings.upstream, self._memory, live=False)
        incoming.end()
        prints = list(incoming.fingerprints())
        digests = [one.digest for one in prints]
        self._faulting.connected(session)
        self._faulting.asked(playback, digests[0], "")
        if (met := await self._met(request, inbound, playback, digests)) is not None:
            return met
        asker = Asker.of(inbound, self._service.settings.upstream, self._memory)
        asking = Asking(self._service, player, self._sockets, self._misses, asker, faulting=self._faulting)
        opening = _Opening(self._service, request, asking, playback, self._live(inbound, playback))
        found = playback.handshakes.next(digests)
        if found is None:
            found = playback.handshakes.again(digests, player.exhausted)
        asking.handshake = found
        if found is not None and found.exchange is not None:
            place = playback.index.find(found.exchange)
            return await opening.exchange(found.exchange, place)
        if found is not None:
            return await opening.turns(found.connection, found.connection)
        if playback.rules is not F1:  # a handshake is followed by its own fingerprint, whatever the rules
            prints = list(incoming.fingerprints(playback.rules))
        if (place := self._as_exchange(playback, prints)) is not None:
            return await opening.exchange(playback.index.exchange(place), place)
        responses = shape_of(inbound.method, incoming.asked.target).kind == "responses"
        last = playback.handshakes.last(digests)
        if responses and (len(playback.index) if opening.live is None else last is not None):
            return await opening.turns(None, last.connection if last is not None and last.exchange is None else None)
        if opening.live is None:
            return await self._missed(playback, incoming, prints)
        return await opening.anew() if responses else UnrecordedHandshake(playback.run)

    async def _met(self, request: ClientRequest, inbound: Inbound, playback: Playback, digests: list[bytes]) -> MetOpening | None:
        """What the opening meets, if that ends it."""
        address = inbound.address
        afflicted = self._faulting.at_handshake(playback, playback.openings, address.faults, digests[0], address.target.decode("latin-1"))
        if afflicted is None:
            playback.openings += 1
            return None
        return await meet_opening(self._service, request, afflicted)

    def _live(self, inbound: Inbound, playback: Playback) -> MakeLive | None:
        """Makes what asks upstream, if that may be."""
        if inbound.address.on_miss == "fail":
            return None
        player, store = self._player, self._player.store

        async def expand(request: Mapping[str, Any]) -> list[dict[str, Any]] | None:
            if player.reopens:
                await player.open(playback.session, begin=True)  # what has been said in this run is in the store then
            found = await self._service.loop.run_in_executor(None, expanded, Recalled(store), request, Near(playback.session, playback.take))
            return as_input(found.items) if found.sendable else None

        return lambda client: LiveSocket(self._service, self._reception.live(inbound, playback.run), expand, client)

    def _as_exchange(self, playback: Playback, prints: list[Fingerprint]) -> int | None:
        """A socket that is one exchange, and whose handshake is known by nothing else."""
        return next((place for one in prints if (place := self._player.next(playback, one)) is not None), None)

    async def _missed(self, playback: Playback, incoming: Incoming, prints: list[Fingerprint]) -> Refusal:
        group = next((group for one in prints if (group := playback.index.group(one.digest, "ws")) is not None), None)
        missing = Missing("no_match" if group is None else "exhausted", prints[0], group)
        self._service.counters.missed[missing.code] += 1
        told = await self._misses.tell(playback, incoming, missing)
        return Refusal(missing.code, told.message, told.more)


class _Opening(NamedTuple):
    service: Service
    request: ClientRequest
    asking: Asking
    playback: Playback
    live: MakeLive | None

    async def exchange(self, exchange: int, place: int | None) -> SocketLine | RecordedRefusal | MetOpening:
        """One that is an exchange: a refusal, or a transcript."""
        if place is not None:
            self.playback.index.serve_this(place)
            self.playback.place = place
        loop, store = self.service.loop, self.asking.player.store
        heads = await loop.run_in_executor(None, store.heads, exchange)
        if place is not None and not heads.response_heads.startswith(b"HTTP/1.1 101 "):
            return RecordedRefusal(self.playback, place)
        recorded = await loop.run_in_executor(None, read_transcript, store, exchange, self.asking.normaliser(self.playback))
        afflicted = await self.asking.afflicted(self.playback, place, self.playback.index.digest(place)) if place is not None else None
        if afflicted is None:
            return self._line(recorded.head, TranscriptTalk(self.asking, self.playback, recorded))
        early, later = [fault for fault in afflicted.faults if at_start(fault)], [fault for fault in afflicted.faults if not at_start(fault)]
        afflicted.faults = early
        if early and (met := await meet_opening(self.service, self.request, afflicted)) is not None:
            self.asking.lost(self.playback)
            return met
        afflicted.faults = later
        payload = await loop.run_in_executor(None, lambda: b"".join(recorded.pieces(store)))
        speech = FaultySpeech(afflicted, 1, payload, *messages_of(recorded.socket, 1))
        return self._line(recorded.head, TranscriptTalk(self.asking, self.playback, recorded, speech))

    async def turns(self, connection: int | None, head_of: int | None) -> SocketLine:
        """One in Responses mode. `connection`: the recorded one that it goes by; `head_of`: the one whose handshake it is answered as."""
        sockets = self.asking.sockets
        head = await sockets.head(head_of) if head_of is not None else b""
        socket = await sockets.connection(connection) if connection is not None else None
        if connection is not None and socket is not None and self._used_up(connection, socket):
            connection = socket = None  # others have had all before its end, which would be the first that this client sees
        return self._line(head, FaultyTalk(self.asking, self.playback, connection, socket, self.live))

    def _used_up(self, connection: int, socket: RecordedSocket) -> bool:
        """Whether all that was asked on a recorded connection has been answered to somebody."""
        index, roots = self.playback.index, socket.log.asked_for
        places = index.on_connection(connection)
        return bool(roots) and all((place := places.get(root)) is not None and index.served(place) for root in roots)

    async def anew(self) -> SocketLine | Passed | Refusal:
        """One whose handshake upstream is asked for."""
        talk = FaultyTalk(self.asking, self.playback, None, None, self.live)
        assert talk.live is not None
        try:
            return self._line(await talk.live.open(), talk)
        except UpstreamError as error:
            return Refusal(error.code, f"{error}.")
        except Unrecordable as error:
            return Refusal(RECORDING, str(error))
        except HandshakeRefused as refused:
            return Passed(self.service, self.request, refused)

    def _line(self, head: bytes, talk: Talk) -> SocketLine:
        try:
            answer = upgrade(self.request.raw_headers, head)
        except ProtocolError as error:
            raise StoreError(f"a recorded handshake cannot be served: {error}") from None
        return SocketLine(self.service, self.request, answer, talk)

"""Replaying over HTTP: a request is collected, found among the recordings, and answered as it was; or goes on to upstream where the settings say so."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from playhead.config.errors import StoreError
from playhead.config.faults import Fault
from playhead.storage.records import Asks, DivergenceCode, Fingerprint

from .faults.answering import afflicted
from .fingerprint import line_of
from .forwarding.addressing import NO_KEY, Refusal
from .forwarding.clients import ClientRequest
from .forwarding.http1 import ProtocolError
from .forwarding.inbound import Inbound, Reception
from .http import BAD_BODY, HttpExchange
from .player import Missing, Playback, Player, SessionMissing
from .recordings.ready import Ready, Spoken, Usual
from .replay.at_once import AtOnce
from .replay.begun import Begun
from .replay.faulting import Afflicted, Faulting
from .replay.incoming import LIVE, Incoming, Memory
from .replay.misses import Misses
from .replay.playing import Playing
from .script import Break, End, Step
from .service import Service
from .sockets.faulty_openings import MetOpening
from .sockets.socket_line import SocketLine
from .sockets.socket_opening import Openings, Passed, RecordedRefusal, UnrecordedHandshake
from .tapes.tape import Tape
from .websocket import SocketExchange

log = logging.getLogger("playhead")

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Replays:
    """What the replaying exchanges of a server share."""

    def __init__(self, service: Service, reception: Reception, player: Player) -> None:
        self.service = service
        self.reception = reception
        self.player = player
        self.misses = Misses(player, service.diverged, reported=service.reported)
        self.faulting = Faulting(service, player)
        self.memory = Memory(service.memo)
        self.untaped = Tape(None, strict=False)
        self.at_once = AtOnce(service, player, self.memory)
        self.openings = Openings(service, reception, player, self.misses, self.memory, faulting=self.faulting)

    async def close(self) -> None:
        """Give up the recordings; idempotent."""
        await self.faulting.close()
        self.player.close()

    async def exchange(self, request: ClientRequest, inbound: Inbound, begun: Begun | None) -> HttpExchange | SocketLine | Passed | MetOpening | Refusal:
        """What serves a request. `begun`: how far the short way has come with it. Raises StoreError."""
        if not inbound.websocket:
            return ReplayExchange(self, request, inbound, begun)
        opened = NO_KEY if inbound.address.keyless and inbound.address.on_miss != "fail" else await self.openings.open(request, inbound)
        if isinstance(opened, RecordedRefusal):
            return ReplayExchange(self, request, inbound, Begun(b"", opened))
        if not isinstance(opened, UnrecordedHandshake):
            return opened
        if (refusal := await self.service.prices.take(recorded=inbound.address.on_miss == "record")) is not None:
            self.service.counters.missed[refusal.code] += 1
            return refusal
        self.service.counters.live += 1
        return SocketExchange(self.service, request, self.reception.live(inbound, opened.run))


class ReplayExchange(HttpExchange):
    """One exchange that is answered from a recording, if there is one."""

    def __init__(self, replays: Replays, request: ClientRequest, inbound: Inbound, begun: Begun | None) -> None:
        super().__init__(replays.service, request, inbound)
        self._begun = begun
        self._replays = replays
        self._tape = replays.untaped
        self._went_live = False
        self._received = 0  # bytes of its body
        self._afflicted: Afflicted | None = None
        self._continued = False  # whether the client has been told to send its body

    async def _send_request(self) -> None:
        address, player = self.inbound.address, self._replays.player
        if self._begun is not None and self._begun.found is not None:
            self._sent = True
            self._received = len(self._begun.body)
            await self._serve(*self._begun.found)
            return
        incoming = Incoming(self.inbound, self.service.settings.upstream, self._replays.memory, live=address.on_miss != "fail")
        try:
            await self._collect(incoming)
        except (web.RequestPayloadError, HttpProcessingError):
            self._keep = False
            self._answer("bad_request", BAD_BODY)
            return
        try:
            playback = player.opened(address.session) or await player.open(address.session, begin=address.on_miss == "record")
        except (SessionMissing, StoreError) as missing:
            self._without("session_not_found", str(missing))
            return
        self._received = incoming.bytes
        self._replays.at_once.learn(self._request, self.inbound, incoming.plain)
        drawn: list[Fingerprint] = []
        prints = _noted(incoming.fingerprints(playback.rules), drawn)
        first = next(prints)
        create = line_of(incoming.asked).create
        self._replays.faulting.asked(playback, first.digest, incoming.asked.target)
        found = player.match(playback, chain((first,), prints), create=create)
        if isinstance(found, Missing) and found.code == "exhausted" and self._replays.faulting.give_back(playback, found.print.digest):
            found = player.match(playback, (found.print,), create=create)
        if not isinstance(found, Missing) and address.on_miss != "fail" and playback.index.exchange(found) in playback.decided.anew:
            found = Missing("no_match", first, None, anew=found)
        if isinstance(found, Missing):
            await self._missed(incoming, playback, found)
            return
        if incoming.read is not None and player.hits.saw(playback, found, drawn[-1], *incoming.read):
            self.service.counters.ruled += 1
        await self._serve(playback, found, asks=first.asks, digest=first.digest)

    async def _collect(self, incoming: Incoming) -> None:
        """Take the whole request."""
        content = self._request.content
        if self._begun is not None:
            incoming.feed(self._begun.body)
        elif not self._request.body_exists:
            pass
        elif content.is_eof() and content.exception() is None:
            incoming.feed(content.read_nowait())
        else:
            if self._request.expects_continue:
                self._continued = True
                self._send(_CONTINUE)
                self.settled()
            async for piece in content.iter_any():
                incoming.feed(piece)
        incoming.end()
        self._sent = True

    # A recording.

    async def _serve(self, playback: Playback, place: int, *, asks: Asks | None = None, digest: bytes | None = None) -> None:
        """`asks`: over which transport; None: over the one that it was recorded over. `digest`: of the request, if it is not that of the recording."""
        exchange = playback.index.exchange(place)
        self.service.counters.request_bytes += self._received
        try:
            one = await self._read(playback, place, asks or playback.index.asks(place), digest)
        except (StoreError, ProtocolError) as error:
            log.error("exchange %d cannot be served: %s", exchange, error)
            self._without("no_match", f"This request was recorded as exchange {exchange}, which is damaged: `playhead verify` tells what is wrong with it.")
            return
        log.debug("session %s: %s is answered by exchange %d", playback.session, self._request.method, exchange)
        self.service.counters.replayed += 1
        if isinstance(one, Ready) and not one.steps:
            self._at_once(one)
        else:
            steps = one.steps if isinstance(one, Ready) else one
            self._connection = Playing(self, steps, started=self._started, speed=self._replays.player.speed)

    async def _read(self, playback: Playback, place: int, asks: Asks, digest: bytes | None) -> Ready | Iterator[Step]:
        """The recording as this client is to get it. Raises StoreError, ProtocolError."""
        player, own = self._replays.player, self.inbound.address.faults
        self._afflicted = await self._replays.faulting.due(playback, place, own, digest or playback.index.digest(place))
        if self._afflicted is not None:
            steps = await player.fetch_steps(playback, place, asks)
            return afflicted(steps, self._afflicted.faults, self._afflicted.asked, method=self._request.method)
        if playback.index.asks(place) != asks:
            return await player.fetch_retold(playback, place, streams=asks == "sse")
        found = player.at_hand(playback, place)
        one = found if found is not None else await player.fetch(playback, place)
        if isinstance(one, Spoken):
            raise StoreError("it was recorded over a WebSocket")
        return one.whole() if isinstance(one, Usual) else one

    def _at_once(self, one: Ready) -> None:
        for interim in one.interims:
            self.interim(interim.head)
        if one.begin is not None:
            self.head(one.begin.head, one.begin.framing)
            if one.data:
                self.data(one.data, [one.payload])
        if isinstance(one.finale, End):
            self.ended()
        elif isinstance(one.finale, Break):
            self.broke()
        else:
            self.holds()

    def interim(self, head: Any) -> None:
        """Pass on a 1xx head; a 100 not twice."""
        if head.status != 100 or not self._continued:
            super().interim(head)

    def broke(self) -> None:
        """The recording broke off here."""
        self._connection = None
        self._break("upstream_closed")

    def reset(self) -> None:
        """A fault: nothing follows but a reset."""
        self._connection = None
        self._keep = False
        self._end("upstream_closed")
        self._then(self._reset)
        self._then(self._resolve)

    def met(self, fault: Fault) -> None:
        """A fault is met."""
        if self._afflicted is not None:
            self._afflicted.met(fault)

    def _end(self, outcome: str, code: str | None = None) -> None:
        if self._afflicted is not None:
            one, self._afflicted = self._afflicted, None
            one.ended(outcome == "complete")
        super()._end(outcome, code)

    def holds(self) -> None:
        """The recording knows nothing more, since its client left."""
        self.settled()
        self.waits = True
        if self.service.stopping:
            self.break_off()

    def timed_out(self) -> None:
        """A recording may be as silent as it was."""
        if self._went_live:
            super().timed_out()

    # No recording.

    async def _missed(self, incoming: Incoming, playback: Playback, missing: Missing) -> None:
        address = self.inbound.address
        if missing.code == "no_match" and (again := await self._replays.faulting.whole_conversation(playback, incoming.text())) is not None:
            await self._serve(playback, again, asks=missing.print.asks)
            return
        if missing.group is None and missing.anew is None and incoming.bytes:
            early = await self._replays.player.match_start(playback, incoming.asked, incoming.text())
            if early is not None:
                await self._serve(playback, early)
                return
        if address.on_miss != "fail" and address.keyless:
            playback.refused(missing)
            self._answer(NO_KEY.code, NO_KEY.message)
        elif address.on_miss != "fail" and incoming.sendable:
            if (refusal := await self.service.prices.take(recorded=address.on_miss == "record")) is None:
                await self._live(incoming, playback, missing)
            else:
                self.service.counters.request_bytes += self._received
                playback.refused(missing)
                told = await self._replays.misses.tell(playback, incoming, missing, refusal.message)
                self._refuse(refusal.code, told.message, told.more)
        else:
            self.service.counters.request_bytes += self._received
            more = f"It did not go to upstream, since of such a request {LIVE >> 20} MiB are kept and it has more: send it in mode {address.on_miss}."
            note = more if address.on_miss != "fail" else ""
            told = await self._replays.misses.tell(playback, incoming, missing, note)
            self._refuse(missing.code, told.message, told.more)

    def _without(self, code: DivergenceCode, message: str) -> None:
        """There is no recording that could be compared or served."""
        self._replays.misses.without_recordings(self.inbound, code, message)
        self._refuse(code, message)

    def _refuse(self, code: str, message: str, more: Mapping[str, Any] | None = None) -> None:
        self.service.counters.missed[code] += 1
        self._answer(code, message, more)

    async def _live(self, incoming: Incoming, playback: Playback, missing: Missing) -> None:
        """Go on as if it had never been looked for."""
        log.info("session %s: %s %s goes to upstream: %s", playback.session, incoming.asked.method, incoming.asked.target.partition("?")[0], missing.code)
        self.service.counters.live += 1
        self._went_live = True
        self.inbound = self._replays.reception.live(self.inbound, playback.run)
        if self.inbound.recorded and self._replays.player.reopens:
            playback.live[missing.print.digest] += 1
        self._tape = self.service.tape
        await self._forward(incoming.body, whole=True)


def _noted(prints: Iterator[Fingerprint], drawn: list[Fingerprint]) -> Iterator[Fingerprint]:
    """The fingerprints, each of which is written down when it is drawn: the last one is that which was found."""
    for one in prints:
        drawn.append(one)
        yield one

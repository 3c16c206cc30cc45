"""Decides where the requests of a worker's clients go, and hands them on."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from playhead.config.errors import StoreError
from playhead.config.settings import Settings

from .forwarding.addressing import Addressing, Refusal
from .forwarding.admission import Admission
from .forwarding.answers import answer
from .forwarding.clients import ClientRequest, Done, Leave, in_task
from .forwarding.inbound import Inbound, Reception
from .http import HttpExchange
from .recordings.rewinding import RewindError, Rewound
from .replay.begun import ANSWERED, Begun
from .service import Service
from .upstream import Origin
from .websocket import SocketExchange, handshake_fault

if TYPE_CHECKING:
    from .inserted import Inserted
    from .replay.at_once import AtOnce
    from .replaying import Replays

log = logging.getLogger("playhead")

_NO_WEBSOCKETS = Refusal("websockets_off", "WebSockets are off here (the setting websockets): ask over HTTP, to which many clients fall back by themselves.")

MakeReplays = Callable[[Service, Reception], Awaitable["Replays"]]
"""Raises StoreError. Not imported before it is needed: what only records has no use for the store."""


class Forwarder:
    """Serves the requests of a worker."""

    def __init__(self, service: Service, *, run: str, key: bytes, replaying: MakeReplays | None = None) -> None:
        """`replaying`: makes what is needed to replay, when it is first asked for."""
        self.service = service
        origin = Origin.parse(service.settings.upstream)
        addressing = _addressing(service.settings, origin.path)
        self._modes, self._why = addressing.modes, addressing.why
        self.reception = Reception(addressing, authority=origin.authority, upstream=str(origin), run=run, key=key)
        self._replaying = replaying
        self._replays: asyncio.Task[Replays] | None = None
        self._at_once: AtOnce | None = None
        self.inserted: Inserted | None = None
        """The only sessions that are served, where they are put in by tests."""
        self.accounts = False
        """Whether `account` is made when it is closed."""
        self.account: dict[str, object] = {}

    async def replays(self) -> Replays:
        """What is needed to replay. Raises StoreError: the recordings cannot be read; the next call tries again."""
        if self._replays is None or (self._replays.done() and self._replays.exception() is not None):
            assert self._replaying is not None  # or the addressing would take no such request
            self._replays = asyncio.ensure_future(self._replaying(self.service, self.reception))
        return await asyncio.shield(self._replays)

    async def rewind(self, session: str) -> Rewound:
        """Begin a pass over a session again. Raises RewindError."""
        from .player import SessionMissing

        if "replay" not in self._modes:
            raise RewindError("mode_not_allowed", f"This server runs in mode {self.service.settings.mode} and replays nothing{self._why}.")
        try:
            rewound = await (await self.replays()).player.rewind(session)
            self.service.faults.rewind(session)
            return rewound
        except (SessionMissing, StoreError) as missing:
            raise RewindError("session_not_found", str(missing)) from None

    async def close(self) -> None:
        """Give up the recordings; idempotent."""
        if self.inserted is not None:
            await self.inserted.eject_all()
        if self._replays is not None and self._replays.done() and self._replays.exception() is None:
            if self.accounts and not self.account:
                from .replay.account import account

                self.account = await asyncio.to_thread(account, self._replays.result().player, self.service.settings)
            await self._replays.result().close()

    def begin(self, request: ClientRequest, done: Done) -> Leave:
        """Serve one request."""
        if self.service.stopping:
            return self._refuse(request, Refusal("shutting_down", "This playhead is stopping: try again in a moment."), done)
        begun = self._at_once.answer(request) if self._at_once is not None else None
        if begun is ANSWERED:
            done(True)
            return _nothing_to_leave
        target = request.target
        own = frozenset[bytes]() if target.startswith(b"/") else _names(request)
        inbound = self.reception.read(request.method, target, request.raw_headers, own)
        if isinstance(inbound, Refusal) and request.version < (1, 1) and not any(name.lower() == b"host" for name, _ in request.raw_headers):
            # HTTP/1.0 knew no Host, and health checks speak it to this day.
            inbound = self.reception.read_unnamed(request.method, target, request.raw_headers, own)
        if isinstance(inbound, Refusal):
            return self._refuse(request, inbound, done)
        self.service.counters.requests["ws" if inbound.websocket else "http"] += 1
        if inbound.websocket and self.service.settings.websockets == "off":
            return self._refuse(request, _NO_WEBSOCKETS, done)
        if inbound.websocket and (fault := handshake_fault(request.method, request.raw_headers)):
            return self._refuse(request, Refusal("bad_request", fault), done)
        if inbound.address.mode == "replay":
            return in_task(self._replay(request, inbound, begun), done)
        if self.service.prices.matter:
            return in_task(self._affordable(request, inbound), done)
        if (refusal := self.service.budget.take()) is not None:
            return self._refuse(request, refusal, done)
        exchange = SocketExchange if inbound.websocket else HttpExchange
        return exchange(self.service, request, inbound).begin(done)

    async def _affordable(self, request: ClientRequest, inbound: Inbound) -> bool:
        """Serve it, if the calls before it have not cost too much."""
        if (refusal := await self.service.prices.take(recorded=inbound.recorded)) is not None:
            return self._refused(request, refusal)
        exchange = SocketExchange if inbound.websocket else HttpExchange
        return await exchange(self.service, request, inbound).run()

    async def _replay(self, request: ClientRequest, inbound: Inbound, begun: Begun | None) -> bool:
        try:
            if self.inserted is not None:
                return await self.inserted.answer(request, inbound, partial(self._refused, request))
            replays = await self.replays()
            # Where everything is told, and where a session may have grown, the short way is none.
            if not log.isEnabledFor(logging.DEBUG) and not replays.player.reopens:
                self._at_once = replays.at_once
            found = await replays.exchange(request, inbound, begun)
        except StoreError as error:
            log.error("the recordings cannot be read: %s", error)
            found = Refusal("session_not_found", f"The recordings cannot be read: {error}")
        return self._refused(request, found) if isinstance(found, Refusal) else await found.run()

    def _refuse(self, request: ClientRequest, refusal: Refusal, done: Done) -> Leave:
        done(self._refused(request, refusal))
        return _nothing_to_leave

    def _refused(self, request: ClientRequest, refusal: Refusal) -> bool:
        """Answer; whether the connection lives on."""
        self.service.counters.error(refusal.code)
        keep_alive = request.keep_alive and not request.body_exists and not self.service.stopping
        head, body = answer(refusal.code, refusal.message, keep_alive=keep_alive, head_only=request.method == "HEAD", more=refusal.more)
        if request.transport is not None:
            request.transport.write(head + body)
        return keep_alive

    async def watch_silence(self) -> None:
        """Break off what upstream has left silent for longer than the settings allow."""
        limit = self.service.settings.read_timeout
        while limit is not None:
            await asyncio.sleep(min(limit / 4, 1.0))
            oldest = time.monotonic_ns() - int(limit * 1e9)
            for exchange in [exchange for exchange in self.service.exchanges if exchange.silent_since < oldest]:
                exchange.timed_out()


def _nothing_to_leave() -> None:
    """It is over already."""


def _addressing(settings: Settings, upstream_path: bytes) -> Addressing:
    token, bound = settings.replay_token, settings.listen
    admission = Admission(bound.host, bound.loopback, token.get_secret_value().encode() if token is not None else None)
    modes, why = _modes(settings)
    return Addressing(settings.session, settings.mode, modes, upstream_path, settings.on_miss, why, admission, guarded=settings.mode == "replay")


def _modes(settings: Settings) -> tuple[tuple[str, ...], str]:
    """What `Playhead-Mode` may ask a server for, and why for nothing more: a header alone never brings a request to the network."""
    if settings.mode == "forward":
        return ("forward",), ""
    if settings.mode == "replay":
        return {"fail": ("replay",), "forward": ("replay", "forward"), "record": ("record", "replay", "auto", "forward")}[settings.on_miss], ""
    if settings.live == "no":
        return ("record", "replay", "forward"), "; in mode auto nothing may go to upstream here, since the setting live is no"
    if settings.workers > 1:
        return ("record", "forward"), "; to replay, too, it would have to run in one worker"
    if not settings.listen.loopback and settings.replay_token is None:
        return ("record", "forward"), "; to replay, too, it would need a replay_token, since other machines can reach it"
    return ("record", "replay", "auto", "forward"), ""


def _names(request: ClientRequest) -> frozenset[bytes]:
    """What the server is called by the client of this request, as HOST:PORT."""
    if request.transport is None:
        return frozenset()
    host, port = request.transport.get_extra_info("sockname")[:2]
    return frozenset(f"{name}:{port}".encode() for name in (f"[{host}]" if ":" in host else host, "localhost"))

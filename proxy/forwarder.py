"""The server side of a worker: takes requests from aiohttp, decides where they go, and hands them on."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from playhead.config.errors import StoreError
from playhead.config.settings import Settings

from .addressing import Addressing, Refusal
from .admission import Admission
from .answers import answer
from .http import HttpExchange
from .inbound import Inbound, Reception
from .passed import CLOSE, KEEP, Passed
from .service import Service
from .upstream import Origin
from .websocket import SocketExchange, handshake_fault

if TYPE_CHECKING:
    from .at_once import AtOnce, Begun
    from .replaying import Replays

log = logging.getLogger("playhead")

MakeReplays = Callable[[Service, Reception], Awaitable["Replays"]]
"""Raises StoreError. Not imported before it is needed: what only records has no use for the store."""


class Forwarder:
    """Serves the requests of a worker."""

    def __init__(self, service: Service, *, run: str, key: bytes, replaying: MakeReplays | None = None) -> None:
        """`replaying`: makes what is needed to replay, when it is first asked for."""
        self.service = service
        origin = Origin.parse(service.settings.upstream)
        addressing = _addressing(service.settings, origin.path)
        self.reception = Reception(addressing, authority=origin.authority, upstream=str(origin), run=run, key=key)
        self._replaying = replaying
        self._replays: asyncio.Task[Replays] | None = None
        self._at_once: AtOnce | None = None

    async def replays(self) -> Replays:
        """What is needed to replay. Raises StoreError: the recordings cannot be read; the next call tries again."""
        if self._replays is None or (self._replays.done() and self._replays.exception() is not None):
            assert self._replaying is not None  # or the addressing would take no such request
            self._replays = asyncio.ensure_future(self._replaying(self.service, self.reception))
        return await asyncio.shield(self._replays)

    async def close(self) -> None:
        """Give up the recordings; idempotent."""
        if self._replays is not None and self._replays.done() and self._replays.exception() is None:
            self._replays.result().player.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one request; what aiohttp gets back only says whether the connection lives on."""
        if self.service.stopping:
            return self._refuse(request, Refusal("shutting_down", "This playhead is stopping: try again in a moment."))
        begun = None
        if self._at_once is not None:
            done = self._at_once.answer(request)
            if isinstance(done, Passed):
                return cast(web.StreamResponse, done)
            begun = done
        target = request.raw_path.encode("utf-8", "surrogateescape")
        own = frozenset[bytes]() if target.startswith(b"/") else _names(request)
        inbound = self.reception.read(request.method, target, request.raw_headers, own)
        if isinstance(inbound, Refusal):
            return self._refuse(request, inbound)
        self.service.counters.requests["ws" if inbound.websocket else "http"] += 1
        if inbound.websocket and (fault := handshake_fault(request.method, request.raw_headers)):
            return self._refuse(request, Refusal("bad_request", fault))
        if inbound.address.mode == "replay":
            return await self._replay(request, inbound, begun)
        exchange = SocketExchange if inbound.websocket else HttpExchange
        return cast(web.StreamResponse, await exchange(self.service, request, inbound).run())

    async def _replay(self, request: web.BaseRequest, inbound: Inbound, begun: Begun | None) -> web.StreamResponse:
        try:
            replays = await self.replays()
            # Where everything is told, and where a session may have grown, the short way is none.
            if not log.isEnabledFor(logging.DEBUG) and not replays.player.reopens:
                self._at_once = replays.at_once
            found = await replays.exchange(request, inbound, begun)
        except StoreError as error:
            log.error("the recordings cannot be read: %s", error)
            found = Refusal("session_not_found", f"The recordings cannot be read: {error}")
        return self._refuse(request, found) if isinstance(found, Refusal) else cast(web.StreamResponse, await found.run())

    def _refuse(self, request: web.BaseRequest, refusal: Refusal) -> web.StreamResponse:
        self.service.counters.error(refusal.code)
        keep_alive = request.keep_alive and not request.body_exists and not self.service.stopping
        head, body = answer(refusal.code, refusal.message, keep_alive=keep_alive, head_only=request.method == "HEAD")
        if request.transport is not None:
            request.transport.write(head + body)
        return cast(web.StreamResponse, KEEP if keep_alive else CLOSE)

    async def watch_silence(self) -> None:
        """Break off what upstream has left silent for longer than the settings allow."""
        limit = self.service.settings.read_timeout
        while limit is not None:
            await asyncio.sleep(min(limit / 4, 1.0))
            oldest = time.monotonic_ns() - int(limit * 1e9)
            for exchange in [exchange for exchange in self.service.exchanges if exchange.silent_since < oldest]:
                exchange.timed_out()


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
    if settings.workers > 1:
        return ("record", "forward"), "; to replay, too, it would have to run in one worker"
    if not settings.listen.loopback and settings.replay_token is None:
        return ("record", "forward"), "; to replay, too, it would need a replay_token, since other machines can reach it"
    return ("record", "replay", "auto", "forward"), ""


def _names(request: web.BaseRequest) -> frozenset[bytes]:
    """What the server is called by the client of this request, as HOST:PORT."""
    if request.transport is None:
        return frozenset()
    host, port = request.transport.get_extra_info("sockname")[:2]
    return frozenset(f"{name}:{port}".encode() for name in (f"[{host}]" if ":" in host else host, "localhost"))


class _Handler(RequestHandler):
    """aiohttp's connection handler; only what it says about requests that are not HTTP is ours."""

    __slots__ = ("_newest",)

    def __init__(self, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._newest: StreamReader | None = None  # the body of the newest request, which may wait for its handler still

    def data_received(self, data: bytes) -> None:
        """Take the next bytes. A request whose body turns out to be no HTTP is told so: aiohttp would let it wait for the rest for ever."""
        super().data_received(data)
        if not self._messages:
            return
        message, content = self._messages[-1]
        error = getattr(message, "exc", None)
        if error is None:
            self._newest = content
            return
        error.__traceback__ = error.__context__ = None  # they hold the frame that holds the error, and what came with it
        broken = self._messages[-2][1] if len(self._messages) > 1 else self._newest
        if broken is not None and not broken.is_eof():
            broken.set_exception(web.RequestPayloadError(str(error)))
            broken.feed_eof()

    def close(self) -> None:
        """The server stops: an idle connection is closed; one in use takes what is missing of its request, or its socket."""
        if self._current_request is None:
            super().close()
            if self.transport is not None:
                self.transport.close()

    def handle_error(self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None) -> web.StreamResponse:
        """Answer what could not be parsed, in our own shape; a fault of ours breaks the connection off instead of writing into an answer."""
        if status == 400:
            head, body = answer("bad_request", f"The request is not HTTP/1.1 as it should be: {message or exc}.", keep_alive=False)
            if self.transport is not None:
                self.transport.write(head + body)
        else:
            log.error("a request failed for a fault of playhead's own", exc_info=exc)
            if self.transport is not None:
                self.transport.abort()
        return cast(web.StreamResponse, CLOSE)


class Server(web.Server):
    """aiohttp's low-level server with limits raised and nothing done to bodies."""

    def __init__(self, handler: Callable[[web.BaseRequest], Any]) -> None:
        limits = {"max_line_size": 1 << 17, "max_field_size": 1 << 17, "max_headers": 1000}
        self._options: dict[str, Any] = {**limits, "auto_decompress": False, "access_log": None, "logger": log, "read_bufsize": 1 << 18}
        super().__init__(handler, handler_cancellation=True, **self._options)

    def __call__(self) -> RequestHandler:
        """A handler for a new connection."""
        return _Handler(self, loop=asyncio.get_running_loop(), **self._options)

    @property
    def unsent(self) -> bool:
        """Whether a client has not taken all that was written to it."""
        return any(one.transport is not None and one.transport.get_write_buffer_size() for one in self.connections)

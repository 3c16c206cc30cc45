"""The cassettes that are in a server: sessions that tests put in and take out while it runs.

Such a server goes on from one test to the next. What a test replays it has for itself, in a store of its own, so that the numbers of its exchanges are
those of its cassette, whatever ran before. Only sessions that were put in are served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from playhead.storage.store import Store

from .forwarding.addressing import Refusal
from .forwarding.clients import ClientRequest
from .forwarding.inbound import Inbound, Reception
from .http import HttpExchange
from .player import Player
from .recorders.settled import Settled
from .replay.misses import unrecorded
from .replaying import Replays
from .service import Service
from .sockets.faulty_openings import MetOpening
from .sockets.socket_line import SocketLine
from .sockets.socket_opening import Passed

_NOBODY = "No test of this name is running: the request came too late, or its base URL is not that of the running test."
_LAST_SECONDS = 1.0  # what is still going on when its test has ended may end
_POLL = 0.002


@dataclass(eq=False)
class _Cassette:
    """`replays`: of its own store; None: it is in that of the server, and may go on to upstream. `missing`: why there is nothing in it."""

    replays: Replays | None = None
    missing: str = ""
    in_flight: set[HttpExchange | SocketLine] = field(default_factory=set)


class Inserted:
    """What belongs to the event loop of the server. `run`: which start of it this is; `common`: what replays from the store of its settings."""

    def __init__(self, service: Service, reception: Reception, *, run: str, common: Callable[[], Awaitable[Replays]]) -> None:
        self._service = service
        self._reception = reception
        self._run = run
        self._common = common
        self._cassettes: dict[str, _Cassette] = {}  # the newest last

    def insert(self, session: str, recordings: Store | str | None, rules: tuple[str, ...] = ()) -> None:
        """Serve this session: from that store, which is closed when it is taken out, and from nowhere else; or, with None, from the store of the server
        and as its settings say. A text says why there is nothing to serve. Until it is taken out, or another one is put in, it is also the session of
        requests that name none. `rules`: those that hold beside what stands in a store of its own."""
        assert session not in self._cassettes
        if isinstance(recordings, Store):
            settings = self._service.settings
            settings = settings.model_copy(update={"rules": (*settings.rules, *rules)}) if rules else settings
            player = Player(recordings, settings, run=self._run, from_cassette=True)
            self._cassettes[session] = _Cassette(Replays(self._service, self._reception, player))
        else:
            self._cassettes[session] = _Cassette(missing=recordings or "")

    async def unserved(self, session: str) -> list[int] | None:
        """Exchanges of the session that nothing has asked for so far; None: all of them, since nothing was asked at all."""
        cassette = self._cassettes[session]
        if cassette.missing:
            return []
        replays = cassette.replays or await self._common()
        return replays.player.unserved(session)

    async def served(self, session: str) -> list[int]:
        """Exchanges of the session that were served."""
        cassette = self._cassettes[session]
        return [] if cassette.missing else (cassette.replays or await self._common()).player.served_of(session)

    async def moved(self, session: str) -> list[tuple[int, int]]:
        """Exchanges of the session that were served behind a later one, each with that."""
        cassette = self._cassettes[session]
        return [] if cassette.missing else (cassette.replays or await self._common()).player.moved(session)

    async def eject(self, session: str) -> None:
        """Forget it, and everything that is still going on in it. When this returns, all that was recorded is in the store. Raises StoreError."""
        cassette = self._cassettes.pop(session)
        await self._end(cassette)
        self._service.faults.forget(session)
        if cassette.replays is not None:
            await cassette.replays.close()
        else:
            await Settled(self._service.tape, Path(self._service.settings.data) / "journal")()

    async def _end(self, cassette: _Cassette) -> None:
        """A recording may be broken off at once; what comes from upstream has a moment to end."""
        loop = asyncio.get_running_loop()
        patience = 0.0 if cassette.replays is not None else _LAST_SECONDS
        end = loop.time() + patience
        while [one for one in cassette.in_flight if not one.waits] and loop.time() < end:
            await asyncio.sleep(_POLL)
        for one in list(cassette.in_flight):
            one.break_off()
        end = loop.time() + _LAST_SECONDS
        while cassette.in_flight and loop.time() < end:
            await asyncio.sleep(_POLL)

    async def eject_all(self) -> None:
        """The server ends."""
        for session in list(self._cassettes):
            await self.eject(session)

    async def answer(self, request: ClientRequest, inbound: Inbound, refuse: Callable[[Refusal], bool]) -> bool:
        """Serve a request; whether its connection lives on. Raises StoreError."""
        address = inbound.address
        if address.session == self._service.settings.session and self._cassettes:
            address = address._replace(session=next(reversed(self._cassettes)))
        cassette = self._cassettes.get(address.session) or _Cassette(missing=_NOBODY)
        inbound.address = address if cassette.replays is None else address._replace(on_miss="fail")
        if cassette.missing:
            self._service.counters.missed["session_not_found"] += 1
            self._service.diverged(unrecorded(inbound, self._run, "session_not_found", cassette.missing))
            return refuse(Refusal("session_not_found", cassette.missing))
        replays = cassette.replays or await self._common()
        found = await replays.exchange(request, inbound, None)
        if isinstance(found, Refusal):
            return refuse(found)
        if isinstance(found, Passed | MetOpening):
            return await found.run()
        cassette.in_flight.add(found)
        try:
            return await found.run()
        finally:
            cassette.in_flight.discard(found)

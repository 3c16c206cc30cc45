"""A proxy on an event loop, from its first client to its last byte: what a worker process and a proxy inside another program have in common."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from playhead.config.settings import Settings
from playhead.storage.datadir import DataDir
from playhead.storage.journal import JournalWriter, renewal_asked

from ..forwarder import Forwarder, MakeReplays
from ..forwarding.clients import Server
from ..forwarding.inbound import Reception
from ..service import Diverged, Service, nobody
from ..tapes.tape import Tape
from ..upstream import Origin, Upstream, tls_context

if TYPE_CHECKING:
    from playhead.storage.store import Store

    from ..replaying import Replays

log = logging.getLogger("playhead")

_BACKLOG = 4096
_POLL_SECONDS = 0.02
_LAST_WORDS_SECONDS = 0.05
_LOOK_SECONDS = 1.0
_TENTH = 10  # of the time that content is kept it may stand in a segment that is written
_RENEW_SECONDS, _RENEW_AT_LEAST = 60.0, 3600.0


def forwarder_of(
    settings: Settings, run: str, *, needed: bool = True, diverged: Diverged = nobody, cassettes: bool = False, store: Store | None = None
) -> Forwarder:
    """What serves by these settings. `run` names this start of the server; `needed`: what cannot record does not start; `cassettes`: what is replayed
    is put in while it runs; `store`: that which is replayed, in place of the one of the settings; it is closed then. Raises PlayheadError, OSError."""
    journal = None
    key = b""
    strict = settings.durability == "strict"
    if settings.records:
        data = DataDir(settings.data, settings.key_file)
        key = data.key()
        writer = f"{time.time_ns():x}-{os.getpid()}-{secrets.token_hex(3)}"
        journal = JournalWriter(data.journal_dir, writer, limit=settings.journal_limit, durable=strict, needed=needed)
    tape = Tape(journal, strict=strict)
    try:
        service = Service(settings, upstream_of(settings), tape, diverged, reported=cassettes)
        forwarder = Forwarder(service, run=run, key=key, replaying=replaying(run, store))
        if cassettes:
            from ..inserted import Inserted

            forwarder.inserted = Inserted(service, forwarder.reception, run=run, common=forwarder.replays)
        return forwarder
    except BaseException:
        tape.shut()
        raise


def upstream_of(settings: Settings) -> Upstream | None:
    """None for a replay that answers from recordings alone: it has nothing that could connect. Raises ConfigError."""
    if settings.mode == "replay" and settings.on_miss == "fail":
        return None
    origin = Origin.parse(settings.upstream)
    context = tls_context(str(settings.ca_file) if settings.ca_file else None) if origin.scheme == "https" else None
    return Upstream(origin, connect_timeout=settings.connect_timeout, tls=context)


def replaying(run: str, given: Store | None = None) -> MakeReplays:
    """Makes the player of a server. `run` names this start of it; `given`: the store, if it is not that of the settings."""

    async def make(service: Service, reception: Reception) -> Replays:
        from ..player import Player
        from ..recorders.settled import Settled
        from ..replaying import Replays

        settings = service.settings
        store = given if given is not None else await asyncio.to_thread(_open_store, settings)
        settled = Settled(service.tape, DataDir(settings.data).journal_dir)
        waits = settled if settings.records else None
        player = Player(store, settings, run=run, settled=waits, reopens=settings.mode == "record", from_cassette=settings.cassette is not None)
        return Replays(service, reception, player)

    return make


def _open_store(settings: Settings) -> Store:
    from ..headway import open_store

    return open_store(settings.store_url)


class Host:
    """Accepts clients for a forwarder until it is closed."""

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder
        self._service = forwarder.service
        self._server = Server(forwarder.begin)
        self._accepting: asyncio.Server | None = None
        self._watches: list[asyncio.Task[None]] = []

    async def open(self, listener: socket.socket) -> None:
        """Serve those who connect there. Raises PlayheadError: without recordings a replay does not start; `close` all the same."""
        settings = self._service.settings
        if settings.mode == "replay" and self._forwarder.inserted is None:
            player = (await self._forwarder.replays()).player
            # Without its own session it does start, since clients may name others.
            if settings.on_miss != "record" and (missing := await player.missing(settings.session)):
                log.warning("%s", missing)
        self._accepting = await asyncio.get_running_loop().create_server(self._server, sock=listener, backlog=_BACKLOG)
        self._watches.append(asyncio.ensure_future(self._forwarder.watch_silence()))
        if (journal := self._service.tape.journal) is not None:
            self._watches.append(asyncio.ensure_future(_renew(journal, DataDir(settings.data).journal_dir, settings.retention.shortest)))

    async def close(self, hurried: Callable[[], bool] = lambda: False) -> None:
        """Let what is in flight end, as long as `drain_timeout` allows and nobody is `hurried`, and give up everything."""
        if self._accepting is not None:
            self._accepting.close()
        await self._drain(hurried)
        for watch in self._watches:
            watch.cancel()
        if self._service.upstream is not None:
            self._service.upstream.close()
        await self._forwarder.close()
        await self._service.prices.close()
        self._service.tape.shut()

    async def _drain(self, hurried: Callable[[], bool]) -> None:
        service = self._service
        service.stopping = True
        self._server.pre_shutdown()
        for exchange in [exchange for exchange in service.exchanges if exchange.waits]:
            exchange.break_off()  # its client waits for nothing
        end = time.monotonic() + service.settings.drain_timeout
        while (service.exchanges or self._server.unsent) and not hurried() and time.monotonic() < end:
            await asyncio.sleep(_POLL_SECONDS)
        for exchange in list(service.exchanges):
            exchange.break_off()
        await asyncio.sleep(0)  # whoever was idle is gone then
        if self._server.connections:
            await asyncio.sleep(_LAST_WORDS_SECONDS)  # what was said last goes out
        await self._server.shutdown()


async def _renew(journal: JournalWriter, directory: Path, shortest: float | None) -> None:
    """Begin a new segment when somebody asks for it, or has removed the old one, and before content in that is much older than it is kept (`shortest`, in
    seconds)."""
    every = float("inf") if shortest is None else min(max(shortest / _TENTH, _RENEW_SECONDS), _RENEW_AT_LEAST)
    asked, began, home, problem = renewal_asked(directory), time.monotonic(), _same(directory.parent), ""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        now = time.monotonic()
        if (newest := renewal_asked(directory)) != asked or now - began > every:
            asked, began = newest, now
            journal.renew()
        elif _is_removed(journal) and _same(directory.parent) == home:  # what is written there, no recorder can read that is started later
            before, problem = problem, _made_again(directory)
            if not problem:
                journal.renew()
            elif problem != before:
                log.error("the journal %s was removed and cannot be made again (%s): what is recorded meanwhile may be lost", directory, problem)


def _made_again(directory: Path) -> str:
    """Make a directory; what is wrong if it cannot be made."""
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _is_removed(journal: JournalWriter) -> bool:
    """Whether somebody has removed the segment that is written."""
    if not journal.begun:
        return False
    try:
        segment = journal.duplicate()
    except OSError:  # too many files are open now
        return False
    try:
        return os.fstat(segment).st_nlink == 0
    finally:
        os.close(segment)


def _same(directory: Path) -> tuple[int, int] | None:
    """What tells a directory from another one that stands in its place."""
    try:
        found = directory.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino

"""Puts together what serves requests: for a worker process, or for a server inside another program."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from playhead.config.settings import Settings
from playhead.storage.datadir import DataDir
from playhead.storage.journal import JournalWriter

from .forwarder import Forwarder, MakeReplays
from .inbound import Reception
from .service import Service
from .tape import Tape
from .upstream import Origin, Upstream, tls_context

if TYPE_CHECKING:
    from playhead.storage.store import Store

    from .replaying import Replays


def make_forwarder(settings: Settings, journal: JournalWriter | None, *, run: str, key: bytes) -> Forwarder:
    """All that stands behind one port, in the event loop that runs. Raises ConfigError.

    `journal`: None where nothing is recorded. `run`: names this start of the server. `key`: makes key_ids.
    """
    service = Service(settings, _upstream(settings), Tape(journal, strict=settings.durability == "strict"))
    return Forwarder(service, run=run, key=key, replaying=_replaying(run))


def _upstream(settings: Settings) -> Upstream | None:
    """None for a replay that answers from recordings alone: it has nothing that could connect. Raises ConfigError."""
    if settings.mode == "replay" and settings.on_miss == "fail":
        return None
    origin = Origin.parse(settings.upstream)
    context = tls_context(str(settings.ca_file) if settings.ca_file else None) if origin.scheme == "https" else None
    return Upstream(origin, connect_timeout=settings.connect_timeout, tls=context)


def _replaying(run: str) -> MakeReplays:
    """Makes the player of a server, when something is to be replayed: what only records has no use for the store."""

    async def make(service: Service, reception: Reception) -> Replays:
        from .player import Player
        from .replaying import Replays
        from .settled import Settled

        settings = service.settings
        store = await asyncio.to_thread(_open_store, settings)
        settled = Settled(service.tape, DataDir(settings.data).journal_dir)
        player = Player(store, settings, run=run, settled=settled if settings.mode == "record" else None)
        return Replays(service, reception, player)

    return make


def _open_store(settings: Settings) -> Store:
    from playhead.storage.store import Store

    return Store.open(settings.store_url)

"""A batch into the store, whatever is in it: what the database refuses to take of one exchange must not hold up all the others for ever."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace

from playhead.config.errors import RefusedError
from playhead.storage.connecting.connected import RecordedConnection
from playhead.storage.records import Batch, Facts, Recorded, Spill
from playhead.storage.store import Store

log = logging.getLogger(__name__)

_PROBLEM = "what was parsed of it could not be stored"


def store_batch(store: Store, batch: Batch) -> None:
    """Store it as a whole. If a value is refused, each exchange alone, and one that is refused then without what was parsed of it.

    Raises StoreError: the store does not take it now; the batch may be given again, since what stands already is skipped.
    """
    try:
        store.write(batch)
    except RefusedError:
        log.exception("a batch could not be stored; its exchanges are stored one by one")
        for connection in batch.connections:  # turns look for theirs
            _store_connection(store, connection)
        for recorded in batch.finished:
            _store_one(store, recorded, Batch(finished=[recorded]))
        for spill in batch.spills:
            _store_one(store, spill.recorded, Batch(spills=[spill]))
        store.write(replace(batch, finished=[], spills=[], connections=[]))


def _store_connection(store: Store, connection: RecordedConnection) -> None:
    try:
        store.write(Batch(connections=[connection]))
    except RefusedError:
        log.exception("what was told of a connection could not be stored (writer %s, number %d)", connection.writer, connection.number)
        connection.lanes, connection.subprotocol, connection.extensions, connection.problem = [], None, None, _PROBLEM
        connection.client_reason = connection.upstream_reason = None
        with contextlib.suppress(RefusedError):  # its turns are worth more than it
            store.write(Batch(connections=[connection]))


def _store_one(store: Store, recorded: Recorded, alone: Batch) -> None:
    try:
        store.write(alone)
    except RefusedError:
        log.exception("an exchange could not be stored as it was parsed and is stored as it came (writer %s, number %d)", recorded.writer, recorded.number)
        _strip(recorded, alone.spills)
        store.write(alone)


def _strip(recorded: Recorded, spills: list[Spill]) -> None:
    """Leave what is raw."""
    recorded.facts = Facts(kind=recorded.facts.kind, parse="unparsed", problem=_PROBLEM)
    recorded.stream_id = recorded.steer = None
    recorded.items, recorded.fingerprint = [], None
    holders: list[Recorded | Spill] = [recorded, *spills]
    for holder in holders:
        holder.events = [event._replace(type=None, sequence_number=None, stream_id=None) for event in holder.events]

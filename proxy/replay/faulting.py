"""Serves faults: which of them an answer meets, what is kept of that, and what the client did then.

A fault does not use up the recorded answer: whoever asks again gets it. Of a fault after which the client has all of it (a latency, an event that comes
twice) this is so only if the client left before the end, or asks again and nothing else is left for it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import NamedTuple, TypeVar

from playhead.config.errors import StoreError
from playhead.config.faults import NOT_FOUND, WHOLE, Fault
from playhead.storage.records import Direction, FaultRecord

from ..faults.aftermath import Aftermath, Known
from ..faults.errors import ErrorSubject, provider_of
from ..faults.retold import says_all_of_it
from ..player import Playback, Player
from ..service import Service

log = logging.getLogger("playhead")

_SPARED = 1000

_K = TypeVar("_K")
_V = TypeVar("_V")


class _Turns(NamedTuple):
    """Which turn an exchange is. `known`: how many exchanges the session had then."""

    playback: Playback
    known: int
    numbers: Mapping[int, int]


class Afflicted:
    """One answer that meets faults. `place`: in the index; None: it is the opening of a WebSocket."""

    def __init__(self, faulting: Faulting, playback: Playback, place: int | None, key: int) -> None:
        self.faults: Sequence[Fault] = ()
        self.asked = ErrorSubject("openai", "")
        self.where = ""
        self.digest = b""
        self.response_id: str | None = None
        self.playback = playback
        self.place = place
        self.key = key
        self._faulting = faulting
        self._met: list[tuple[int, Fault]] = []

    def met(self, fault: Fault) -> None:
        """A fault is met."""
        self._met.append((self._faulting.met(self, fault), fault))
        if fault.kind not in WHOLE:
            self._take_back()

    def ended(self, whole: bool) -> None:
        """The answer is over. `whole`: all that was to be said was said."""
        self._faulting.ended(self)
        if not all(fault.kind in WHOLE for _, fault in self._met):
            return
        if not whole:
            self._take_back()
            return
        self._faulting.took([number for number, _ in self._met])
        if any(fault.kind in ("duplicate", "reorder") for _, fault in self._met):
            self._faulting.spare(self)

    def _take_back(self) -> None:
        if self.place is not None:
            self.playback.index.take_back(self.place)


class Faulting:
    """The faults of a server's replays."""

    def __init__(self, service: Service, player: Player) -> None:
        self._faults = service.faults
        self._counters = service.counters
        self._player = player
        self._loop = service.loop
        self._aftermath = Aftermath()
        self._turns: dict[str, _Turns] = {}
        self._numbers = count(1)
        self._keeping: dict[int, asyncio.Task[int]] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._spared: dict[tuple[str, bytes], Afflicted] = {}
        self._unknown: dict[tuple[str, int], tuple[int, Afflicted]] = {}  # turns whose previous response is not known, by a fault

    # What is due.

    async def due(self, playback: Playback, place: int, asked: Sequence[Fault], digest: bytes) -> Afflicted | None:
        """What the answer at that place meets; None: nothing. `asked`: what the request asks for itself. Raises StoreError."""
        if not self._faults.any(asked):
            return None
        exchange = playback.index.exchange(place)
        afflicted = Afflicted(self, playback, place, exchange)
        turn = await self._loop.run_in_executor(None, self._read, afflicted, playback, exchange)
        afflicted.faults = self._faults.due(playback.session, asked, exchange, turn)
        afflicted.digest = digest
        return afflicted if afflicted.faults else None

    def at_handshake(self, playback: Playback, opening: int, asked: Sequence[Fault], digest: bytes, target: str) -> Afflicted | None:
        """The same of the opening of a WebSocket, which is the so-manieth of its session."""
        faults = self._faults.at_handshake(playback.session, asked, opening)
        if not faults:
            return None
        afflicted = Afflicted(self, playback, None, -1 - opening)
        afflicted.faults, afflicted.digest = faults, digest
        afflicted.asked = ErrorSubject(provider_of(target), f"{playback.session} handshake {opening}")
        afflicted.where = f"handshake {opening + 1}"
        return afflicted

    def _read(self, afflicted: Afflicted, playback: Playback, exchange: int) -> int | None:
        """In a thread: what has to be known of an exchange; which turn it is."""
        turns = self._turns.get(playback.session)
        if turns is None or turns.playback is not playback or turns.known != len(playback.index):
            ids = self._player.store.creates(playback.session, playback.take)
            turns = self._turns[playback.session] = _Turns(playback, len(playback.index), {id_: turn for turn, id_ in enumerate(ids, 1)})
        turn = turns.numbers.get(exchange)
        record = self._player.store.exchange(exchange)
        afflicted.asked = ErrorSubject(provider_of(record.path), f"{playback.session} {exchange}", record.model, record.previous_response_id)
        afflicted.where = f"turn {turn}" if turn is not None else f"{record.method} {record.path.partition('?')[0]}"
        afflicted.response_id = record.response_id
        return turn

    # What was met, and what came of it.

    def met(self, afflicted: Afflicted, fault: Fault) -> int:
        """A fault is met; its number."""
        session, number = afflicted.playback.session, next(self._numbers)
        self._faults.met(session, fault, afflicted.key)
        self._counters.faults += 1
        where = ", ".join(filter(None, (afflicted.where, "" if fault.place is None or fault.at_handshake else str(fault.place))))
        exchange = afflicted.key if afflicted.place is not None else None
        record = FaultRecord(id=0, session=session, run=self._player.run, at=datetime.now(UTC), exchange=exchange, fault=str(fault), place=where, outcome=None)
        log.info("session %s: %s meets the fault `%s`", session, where, fault)
        self._faults.keep(number, record)
        self._keeping[number] = self._loop.create_task(self._keep(record))
        self._know(self._aftermath.fell(number, session, afflicted.digest, time.monotonic_ns()))
        self._aftermath.answers(number, afflicted.response_id)
        if fault.code == NOT_FOUND:
            _remember(self._unknown, (session, afflicted.key), (number, afflicted))
        return number

    def ended(self, afflicted: Afflicted) -> None:
        """An answer is over: what it has not met is for others."""
        self._faults.ended(afflicted.playback.session, afflicted.key)

    def took(self, numbers: Iterable[int]) -> None:
        """The client has got all of the answers that met these faults."""
        for number in numbers:
            self._know(self._aftermath.took(number, time.monotonic_ns()))

    def asked(self, playback: Playback, digest: bytes, target: str) -> None:
        """A request has come."""
        if self._aftermath:
            now = time.monotonic_ns()
            self._know(self._aftermath.asked(playback.session, digest, now))
            self._know(self._aftermath.resumed(playback.session, target, now))

    def connected(self, session: str) -> None:
        """A WebSocket is opened."""
        if self._aftermath:
            self._aftermath.connected(session, time.monotonic_ns())

    def spare(self, afflicted: Afflicted) -> None:
        """An answer that may be asked for again, since it had an event too many or two in the wrong order."""
        if afflicted.place is not None:
            _remember(self._spared, (afflicted.playback.session, afflicted.digest), afflicted)

    def give_back(self, playback: Playback, digest: bytes) -> bool:
        """Whether there is such an answer for a request for which nothing else is left: it is due again with this."""
        found = self._spared.pop((playback.session, digest), None)
        if found is None or found.playback is not playback or found.place is None:
            return False
        playback.index.take_back(found.place)
        return True

    async def whole_conversation(self, playback: Playback, text: bytes) -> int | None:
        """The place of a turn that was told that its previous response is not known, if this says all of the conversation in place of that; it is served
        with this. Raises StoreError."""
        for key, (number, afflicted) in [*self._unknown.items()]:
            place = afflicted.place
            if afflicted.playback is not playback or place is None or playback.index.served(place):
                continue
            if await self._loop.run_in_executor(None, self._says_all, playback.index.exchange(place), text):
                self._unknown.pop(key, None)
                playback.index.serve_this(place)
                playback.place = place
                self._know(self._aftermath.went_back(playback.session, number, time.monotonic_ns()))
                return place
        return None

    def _says_all(self, exchange: int, text: bytes) -> bool:
        """In a thread."""
        store = self._player.store
        recorded = b"".join(store.request_chunks(exchange))
        if store.exchange(exchange).transport == "ws":  # behind the create stands what the client said in its turn
            recorded = recorded[: next((row.bytes for row in store.event_rows(exchange) if row.direction == Direction.CLIENT), None)]
        try:
            one, other = json.loads(recorded), json.loads(text)
        except (ValueError, RecursionError):
            return False
        return isinstance(one, dict) and isinstance(other, dict) and says_all_of_it(one, other)

    def _know(self, known: Iterable[Known]) -> None:
        for number, outcome in known:
            if (record := self._faults.kept(number)) is not None:
                self._faults.keep(number, record.model_copy(update={"outcome": outcome}))
            task = self._loop.create_task(self._tell(self._keeping.pop(number), outcome))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _keep(self, record: FaultRecord) -> int:
        try:
            return await self._loop.run_in_executor(None, self._player.store.add_fault, record)
        except StoreError as error:
            log.info("a fault is not kept: %s", error)
            return 0

    async def _tell(self, keeping: asyncio.Task[int], outcome: Mapping[str, object]) -> None:
        id_ = await keeping
        if not id_:
            return
        try:
            await self._loop.run_in_executor(None, self._player.store.fault_outcome, id_, outcome)
        except StoreError as error:
            log.info("what a client did after a fault is not kept: %s", error)

    async def close(self) -> None:
        """Nothing comes any more: what is not known of a client's answer to a fault will never be."""
        self._know(self._aftermath.over())
        await asyncio.gather(*self._keeping.values(), *self._telling)


def _remember(known: dict[_K, _V], key: _K, value: _V) -> None:
    """The newest thousand."""
    known.pop(key, None)
    known[key] = value
    if len(known) > _SPARED:
        del known[next(iter(known))]

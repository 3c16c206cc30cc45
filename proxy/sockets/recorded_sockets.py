"""Recorded WebSocket connections as they are read from the store to be said again."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic_core import from_json
from xxhash import xxh3_128_digest

from playhead.storage.connecting.connected import ConnectionRecord, LogEntry
from playhead.storage.records import Direction
from playhead.storage.replaying.replay_rows import TurnRow
from playhead.storage.store import Store

from ..assembling.traffic import NO_CODE
from ..fingerprinting.canonical import dump, parse
from ..forwarding.frames import Opcode
from ..recordings.retell import Messages
from .interleaving import CLIENT, HIDDEN, OPCODE, Log
from .socket_end import close_payload

_KEPT = 32 << 20  # bytes of logs that are kept for the next client
_SOLOS = 64


class RecordedTurn(NamedTuple):
    """One turn. `lane`: as recorded. `outcome`: of its exchange."""

    exchange: int
    lane: str | None
    response_id: str | None
    outcome: str | None


class Finale(NamedTuple):
    """How a connection ends when all was said. `close`: what upstream's close frame said; None: it sent none. `drops`: it was cut."""

    close: bytes | None
    drops: bool


_HOLDS = Finale(None, False)


@dataclass(eq=False, slots=True)
class RecordedSocket:
    """One connection. `own`: what upstream said that belongs to no turn, in order. `said`: where other messages of the client stand than creates, by what
    they say. `ended`: nothing is added to it any more."""

    log: Log
    turns: Mapping[int, RecordedTurn]
    own: Sequence[bytes] = ()
    said: Mapping[bytes, Sequence[int]] = field(default_factory=dict)
    finale: Finale = _HOLDS
    ended: bool = True
    solos: OrderedDict[int, RecordedSocket] = field(default_factory=OrderedDict)

    def solo(self, root: int) -> RecordedSocket:
        """A group alone, as if nothing else had been on its connection. To be had as often as it is wanted."""
        known = self.solos.get(root)
        if known is None:
            known = self.solos[root] = self._solo(root)
            while len(self.solos) > _SOLOS:
                self.solos.popitem(last=False)
        return known

    def _solo(self, root: int) -> RecordedSocket:
        log, moved = self.log, dict[int, int]()
        entries: list[LogEntry] = []
        for place in sorted(place for turn, places in (*log.answers.items(), *log.requests.items()) if log.root(turn) == root for place in places):
            flags = log.flags[place]
            moved[place] = len(entries)
            direction = Direction.CLIENT if flags & CLIENT else Direction.UPSTREAM
            entries.append(LogEntry(direction, flags & OPCODE, log.ats[place], log.turns[place], log.sizes[place], bool(flags & HIDDEN)))
        said = {text: tuple([moved[place] for place in places if place in moved]) for text, places in self.said.items()}
        return RecordedSocket(Log.of(entries, log.roots), self.turns, said={text: places for text, places in said.items() if places}, finale=self.finale)


def alone(exchange: int, messages: Messages) -> RecordedSocket:
    """One turn on a connection of its own, as it is retold."""
    entries = [LogEntry(Direction.CLIENT, Opcode.TEXT, 0, 1, 0)]
    entries += [LogEntry(Direction.UPSTREAM, Opcode.TEXT, at, 1, len(text)) for at, text in messages.texts]
    cut = messages.ending == "cut"
    turn = RecordedTurn(exchange, None, _response_in(messages.texts[0][1]) if messages.texts else None, "upstream_closed" if cut else "complete")
    return RecordedSocket(Log.of(entries), {1: turn}, finale=Finale(None, cut))


def _response_in(text: bytes) -> str | None:
    """The id of the response that an event tells of."""
    try:
        event = from_json(text)
    except ValueError:
        return None
    response = event.get("response") if isinstance(event, dict) else None
    id_ = response.get("id") if isinstance(response, dict) else None
    return id_ if isinstance(id_, str) else None


def meaning(text: bytes) -> bytes:
    """What is equal for messages that say the same."""
    try:
        return xxh3_128_digest(b"json\n" + dump(parse(text.decode())))
    except (ValueError, RecursionError):
        return xxh3_128_digest(b"text\n" + text)


def roots_of(turns: Iterable[TurnRow], asked: Iterable[int]) -> dict[int, int]:
    """Of each turn that no create began, the one from which it follows. `asked`: turns that have messages of the client."""
    with_messages = frozenset(asked)
    roots: dict[int, int] = {}
    by_response: dict[str, int] = {}
    by_lane: dict[str | None, int] = {}
    for record in turns:
        turn = record.turn
        if record.steer is not None or turn not in with_messages:
            parent = by_response.get(record.previous_response_id or "") or by_lane.get(record.stream_id)
            if parent is not None:
                roots[turn] = roots.get(parent, parent)
        by_lane[record.stream_id] = turn
        if record.response_id is not None:
            by_response[record.response_id] = turn
    return roots


class RecordedSockets:
    """Reads connections, and keeps those that were read last."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: OrderedDict[int, RecordedSocket] = OrderedDict()
        self._room = _KEPT
        self._loop = asyncio.get_running_loop()

    def at_hand(self, connection: int) -> RecordedSocket | None:
        """The connection, if it need not be read."""
        return self._known.get(connection)

    async def connection(self, connection: int) -> RecordedSocket:
        """The turns of a connection. Raises StoreError."""
        known = self._known.get(connection)
        if known is None:
            known = await self._loop.run_in_executor(None, _read, self._store, connection)
            if known.ended:
                self.keep(connection, known)
        return known

    def keep(self, connection: int, socket: RecordedSocket) -> None:
        """For the next client."""
        self._known[connection] = socket
        self._room -= socket.log.size
        while self._room < 0 and len(self._known) > 1:
            self._room += self._known.popitem(last=False)[1].log.size

    async def head(self, connection: int) -> bytes:
        """The answer to its handshake. Raises StoreError."""
        return (await self._loop.run_in_executor(None, self._store.connection_heads, connection))[1]


def _read(store: Store, connection: int) -> RecordedSocket:
    record, turns = store.connection(connection), store.turn_rows(connection)
    log = Log(store.connection_columns(connection))
    log.join(roots_of(turns, [turn for turn, places in log.requests.items() if not all(log.flags[place] & HIDDEN for place in places)]))
    own, said = _asides(store, connection, record, log)
    close = next((own[log.ranks[place]] for place in log.answers.get(0, ()) if log.flags[place] & OPCODE == Opcode.CLOSE), None)
    told = {one.turn: RecordedTurn(one.id, one.stream_id, one.response_id, one.outcome) for one in turns}
    finale = Finale(close, close is None and record.outcome not in (None, "client_closed", "complete"))
    _add_said(said, store, log, told)
    return RecordedSocket(log, told, own, said, finale, record.outcome is not None)


def _asides(store: Store, connection: int, record: ConnectionRecord, log: Log) -> tuple[list[bytes], dict[bytes, list[int]]]:
    """What belongs to no turn: what upstream said, and where the client's messages stand by what they say. Closes are all that most connections have."""
    theirs, ours = [log.flags[place] & OPCODE for place in log.answers.get(0, ())], log.requests.get(0, ())
    if not ours and all(opcode in (Opcode.CLOSE, Opcode.PONG) for opcode in theirs):
        code = None if record.upstream_close in (None, NO_CODE) else record.upstream_close
        close = close_payload(code, (record.upstream_reason or "").encode())
        return [close if opcode == Opcode.CLOSE else b"" for opcode in theirs], {}
    own: list[bytes] = []
    said: dict[bytes, list[int]] = {}
    places = iter(ours)
    for entry, payload in store.connection_messages(connection):
        if entry.direction == Direction.UPSTREAM:
            own.append(payload)
        elif entry.opcode < Opcode.CLOSE and (place := next(places)) is not None and not entry.hidden:
            said.setdefault(meaning(payload), []).append(place)
    return own, said


def _add_said(said: dict[bytes, list[int]], store: Store, log: Log, turns: Mapping[int, RecordedTurn]) -> None:
    """What the client said in turns beside their creates."""
    for turn, places in log.requests.items():
        create = log.asked(turn) if log.root(turn) == turn else None
        others = [place for place in places if place != create]
        if not turn or not others or turn not in turns:
            continue
        text, at = b"".join(store.request_chunks(turns[turn].exchange)), 0
        for place in places:
            size = log.sizes[place]
            if place != create and not log.flags[place] & HIDDEN:
                said.setdefault(meaning(text[at : at + size]), []).append(place)
            at += size

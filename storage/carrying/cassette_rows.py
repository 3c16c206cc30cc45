"""What a cassette holds, as listings and replays have it of a store into which it was imported: exchanges and connections with the ids they get there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..connecting.connected import ConnectionRecord, Handshake, LogEntry, RecordedConnection, turn_of
from ..costing.costs import ELSEWHERE, FAR, Priceable, counted_in, dollars
from ..costing.priceable import priceable
from ..records import ExchangeRecord, Recorded
from ..replaying.replay_rows import CREATES, RequestRow, TurnRow
from ..times import milliseconds, moment
from .cassettes import Cassette


class _Place(NamedTuple):
    """An exchange. `connection`: its id."""

    take: int
    recorded: Recorded
    connection: int | None


class CassetteRows:
    """Ids count up from 1, take for take. `session`: what the session is called in the store."""

    def __init__(self, cassette: Cassette, session: str) -> None:
        self.session = session
        runs = sorted({*(one.run for one in cassette.connections), *(r.run for r in cassette.exchanges)}, key=int)
        self.takes = {run: number for number, run in enumerate(runs, 1)}
        """Their numbers, by what the cassette calls them."""
        ids = _connection_ids(cassette, runs)
        self.connections = {ids[one.number]: one for one in cassette.connections}
        """By their ids."""
        self.exchanges = {id_: _Place(self.takes[r.run], r, ids.get(_connection_number(r))) for id_, r in enumerate(cassette.exchanges, 1)}
        """By their ids."""
        self.whole = len(ids) == len(cassette.connections)
        """Whether it has all its connections; of others nothing is known but what an exchange says."""

    def of(self, take: int | None) -> Iterator[tuple[int, _Place]]:
        """The exchanges of a take, or of all, by their ids."""
        return ((id_, one) for id_, one in self.exchanges.items() if take in (None, one.take))

    # Exchanges.

    def exchange(self, id_: int) -> ExchangeRecord:
        """Raises KeyError."""
        take, r, connection = self.exchanges[id_]
        cost, note = r.paid
        told = {
            **{name: getattr(r.facts, name) for name in ExchangeRecord.model_fields if hasattr(r.facts, name)},
            **{name: getattr(r, name) for name in ExchangeRecord.model_fields if hasattr(r, name)},
            **{"id": id_, "session": self.session, "take": take, "connection": connection, "events": r.event_count, "started_at": moment(r.started_at_ns)},
            **{"first_event_ms": milliseconds(r.first_event_ns), "duration_ms": milliseconds(r.duration_ns), "pruned": None},
            **{"cost": None if cost is None else dollars(cost), "cost_note": self._note(note)},
        }
        return ExchangeRecord.model_construct(**told)

    def _note(self, note: str | None) -> str | None:
        """A note that names who pays by its place in the cassette names it by its id."""
        if (payer := counted_in(note)) is None:
            return note
        return next((ELSEWHERE.format(id_) for id_, one in self.exchanges.items() if one.recorded.seq == payer), FAR)

    def request(self, id_: int) -> RequestRow:
        """Raises KeyError."""
        r = self.exchanges[id_].recorded
        return RequestRow(id_, r.method, r.path, r.upstream, r.facts.model, r.request_bytes, turn_of(r.number), r.facts.problem)

    def priceable(self, id_: int) -> Priceable:
        """What decides about its price. Raises KeyError."""
        return priceable(self.exchanges[id_].recorded, id_)

    def creates(self, take: int | None) -> list[int]:
        """Those whose requests ask for a response of a model, in the order of the requests."""
        found = [(one.take, one.recorded.seq or 0, id_) for id_, one in self.of(take) if one.recorded.outcome is not None and _is_create(one.recorded)]
        return [id_ for _, _, id_ in sorted(found)]

    # Connections.

    def messages(self, id_: int) -> Iterator[tuple[LogEntry, bytes]]:
        """Those that belong to no turn. Raises KeyError at once."""
        return _messages(self.connections[id_])

    def connection(self, id_: int) -> ConnectionRecord:
        """Raises KeyError."""
        one = self.connections[id_]
        told: dict[str, Any] = {
            **{name: getattr(one, name) for name in ConnectionRecord.model_fields if hasattr(one, name)},
            **{"id": id_, "session": self.session, "take": self.takes[one.run], "started_at": moment(one.started_at_ns), "pruned": None},
            **{"duration_ms": milliseconds(one.duration_ns), "exchanges": sum(1 for each in self.exchanges.values() if each.connection == id_)},
        }
        return ConnectionRecord.model_construct(**told)

    def turns(self, id_: int) -> list[TurnRow]:
        """In order; none if there is no such connection."""
        own = [(turn_of(one.recorded.number), exchange, one.recorded) for exchange, one in self.exchanges.items() if one.connection == id_]
        told = [(turn, exchange, r, r.facts) for turn, exchange, r in sorted(own) if turn]
        return [TurnRow(turn, exchange, r.stream_id, f.response_id, f.previous_response_id, r.steer, r.outcome) for turn, exchange, r, f in told]

    def handshakes(self, take: int | None) -> list[Handshake]:
        """By take and time; without those whose fingerprint is not known."""
        wholes = {one.connection: (id_, one.recorded) for id_, one in self.exchanges.items() if one.recorded.number == _connection_number(one.recorded)}
        found = []
        for id_, one in sorted(self.connections.items(), key=lambda item: (self.takes[item[1].run], item[1].started_at_ns // 1000, item[0])):
            whole, r = wholes.get(id_, (None, None))
            digest = one.digest or (r.fingerprint.digest if r is not None and r.fingerprint is not None else None)
            if digest is not None and take in (None, self.takes[one.run]):
                found.append(Handshake(id_, self.takes[one.run], digest, one.status, whole, one.outcome))
        return found


def _is_create(r: Recorded) -> bool:
    """As `served_faults.creates` has it."""
    if r.number < 0:
        return r.steer is None
    path = r.path[:300].rstrip("/").lower()  # for SQL upper and lower case are one here
    return r.method == "POST" and (path.endswith(CREATES) or any(f"{end}?" in path for end in CREATES))


def _messages(one: RecordedConnection) -> Iterator[tuple[LogEntry, bytes]]:
    places, payloads = [0, 0], (one.client_data, one.upstream_data)
    for entry in one.log:
        if not entry.turn:
            start = places[entry.direction]
            places[entry.direction] += entry.bytes
            yield entry, payloads[entry.direction][start : start + entry.bytes]


def _connection_number(r: Recorded) -> int:
    """Of the connection that an exchange belongs to, or that it is."""
    return r.number if r.connection_number is None else r.connection_number


def _connection_ids(cassette: Cassette, runs: Sequence[str]) -> Mapping[int, int]:
    """By their numbers: of each take its connections, then those of which no more is known than an exchange says."""
    numbers = dict[int, None]()
    for run in runs:
        numbers |= dict.fromkeys(one.number for one in cassette.connections if one.run == run)
        numbers |= dict.fromkeys(r.number for r in cassette.exchanges if r.run == run and r.transport == "ws" and r.connection_number is None)
    return {number: id_ for id_, number in enumerate(numbers, 1)}

"""A cassette as a store: what every replay asks is answered of what is in memory, and the database is made when something else is asked.

To make a database and to write two exchanges into it takes longer than to replay them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from playhead.config.rules import Rule, parse_rule

from .accepting import Decisions
from .cassettes import Cassette
from .connected import Handshake, turn_of
from .costs import Priceable
from .engine import Database
from .importing import import_cassette
from .ledger import Ledger
from .records import ANSWERED_EARLY, DEFAULT_RULES, Direction, EventRow, Fingerprint, Raw, Recorded, StoredRequest
from .replay_rows import Equivalence, ReplayRow, RequestRow, Rerecording, RuleHit, TakeRow
from .replays import NO_LANE, OVERHEAD, Compute, Under
from .store import Store
from .writing import Writer
from .writing_connections import number_of_connection


class _Place(NamedTuple):
    """An exchange of the cassette as it is in the store."""

    take: int
    recorded: Recorded


class CassetteStore(Store):
    """The session of that name is what the cassette says, with its fingerprints, and stays so; what a replay of it adds is added.

    `database`: whoever makes it calls `fill` before it is used. Exchanges and connections have the ids which that gives them: 1, 2, ... in their order.
    """

    def __init__(self, database: Database, cassette: Cassette, session: str) -> None:
        super().__init__(database)
        self._session = session
        self._cassette = cassette
        runs = sorted({*(one.run for one in cassette.connections), *(r.run for r in cassette.exchanges)}, key=int)
        self._takes = {run: number for number, run in enumerate(runs, 1)}
        self._places = {id_: _Place(self._takes[r.run], r) for id_, r in enumerate(cassette.exchanges, 1)}
        self._connections = _connection_ids(cassette, runs)
        plain = {id_: r.fingerprint for id_, (_, r) in self._places.items() if r.fingerprint is not None}  # a turn that began without a request has none
        self._prints = {DEFAULT_RULES: plain}
        self._hits: dict[tuple[str, str, int, str], RuleHit] = {}

    def fill(self) -> None:
        """Put the cassette into the database, in which nothing is. Raises StoreError."""
        import_cassette(self._database, Writer(self._database).write, self._cassette, self._session)

    @property
    def ids(self) -> Sequence[int]:
        """Of all its exchanges, in their order."""
        return [*self._places]

    def _in(self, session: str) -> bool:
        """Whether the session is the one that there is."""
        return session == self._session

    # What is replayed.

    def takes(self, session: str) -> list[TakeRow]:
        if not self._in(session):
            return []
        began: dict[str, int] = {}
        for one in self._cassette.connections:
            began.setdefault(one.run, one.started_at_ns)
        for r in self._cassette.exchanges:
            began.setdefault(r.run, r.started_at_ns)
        return [TakeRow(take, f"take {run}", datetime.fromtimestamp(began[run] / 1e9, UTC)) for run, take in self._takes.items()]

    def match_rules(self, session: str) -> tuple[Rule, ...]:
        return tuple(map(parse_rule, self._cassette.rules)) if self._in(session) else ()

    def pruned(self, session: str, take: int | None = None) -> int:
        return 0

    def handshakes(self, session: str, take: int | None = None) -> list[Handshake]:
        return super().handshakes(session, take) if self._connections and self._in(session) else []

    @property
    def decisions(self) -> Decisions:
        return _Decisions(self._database, self._cassette, self._session)

    def answered_early(self, session: str, take: int | None) -> list[int]:
        return [id_ for id_, one in self._of(session, take) if ANSWERED_EARLY in (one.recorded.facts.problem or "")]

    def _of(self, session: str, take: int | None) -> Iterator[tuple[int, _Place]]:
        return ((id_, one) for id_, one in self._places.items() if self._in(session) and take in (None, one.take))

    def replay_index(
        self, session: str, take: int | Literal["all"] | None = None, *, after: int = 0, compute: Compute | None = None, under: Under | None = None
    ) -> Iterator[ReplayRow]:
        if not self._in(session) or (isinstance(take, int) and take not in self._takes.values()):
            return super().replay_index(session, take, after=after, compute=compute, under=under)
        wanted = None if take == "all" else take if take is not None else max(self._takes.values(), default=0)
        rules = under or Under(compute=compute)
        made, ruled = self._under(rules), rules.rules != DEFAULT_RULES
        return (self._row(id_, one, made[id_], ruled=ruled) for id_, one in self._of(session, wanted) if id_ > after and id_ in made)

    def _under(self, under: Under) -> Mapping[int, Fingerprint]:
        """The fingerprints under those rules."""
        if under.rules not in self._prints and under.compute is not None:
            self._prints[under.rules] = {id_: under.compute(self.stored_request(id_)) for id_ in self._prints[DEFAULT_RULES]}
        return self._prints.get(under.rules, {})

    def _row(self, id_: int, one: _Place, print_: Fingerprint, *, ruled: bool) -> ReplayRow:
        r = one.recorded
        known = (id_, one.take, r.seq or 0, print_.digest, print_.asks, r.outcome, False, r.request_bytes + r.response_bytes + OVERHEAD)
        plain = self._prints[DEFAULT_RULES][id_].digest if ruled else b""
        if not (turn := turn_of(r.number)):
            return ReplayRow(*known, plain=plain)
        lane = "" if r.facts.error_code == NO_LANE else r.stream_id
        return ReplayRow(*known, turn, self._connections.get(number_of_connection(r)), lane, plain)

    def item_digests(self, ids: Sequence[int], rules: str = DEFAULT_RULES) -> dict[int, bytes]:
        known = self._prints.get(rules, {})
        return {id_: known[id_].items for id_ in ids if id_ in known}

    # Exchanges.

    def replayable(self, ids: Sequence[int], most: int = 8 << 20, *, times: bool = True) -> list[Raw]:
        found: list[Raw] = []
        for id_ in ids:
            raw = self.raw(id_)
            most -= len(raw.request) + len(raw.response) + OVERHEAD
            if most < 0 and found:
                break
            found.append(raw)
        return found

    def raw(self, id_: int) -> Raw:
        return self._places[id_].recorded.raw if id_ in self._places else super().raw(id_)

    def heads(self, id_: int) -> Raw:
        return self._places[id_].recorded.raw if id_ in self._places else super().heads(id_)

    def request_chunks(self, id_: int) -> Iterator[bytes]:
        return iter((self._places[id_].recorded.raw.request,)) if id_ in self._places else super().request_chunks(id_)

    def response_chunks(self, id_: int) -> Iterator[bytes]:
        return iter((self._places[id_].recorded.raw.response,)) if id_ in self._places else super().response_chunks(id_)

    def event_rows(self, id_: int) -> Iterator[EventRow]:
        return iter(self._places[id_].recorded.events) if id_ in self._places else super().event_rows(id_)

    def durations(self, ids: Sequence[int]) -> dict[int, int]:
        return {id_: self._places[id_].recorded.duration_ns or 0 for id_ in ids if id_ in self._places}

    def requests(self, ids: Sequence[int]) -> list[RequestRow]:
        known = [(id_, self._places[id_].recorded) for id_ in ids if id_ in self._places]
        return [RequestRow(id_, r.method, r.path, r.upstream, r.facts.model, r.request_bytes, turn_of(r.number)) for id_, r in known]

    def stored_request(self, id_: int) -> StoredRequest:
        if id_ not in self._places:
            return super().stored_request(id_)
        r, turn = self._places[id_].recorded, self._places[id_].recorded.number < 0
        size = next((row.bytes for row in r.events if row.direction == Direction.CLIENT), 0) if turn else None  # of the create, which stands first
        return StoredRequest(r.raw.request_head, r.upstream, r.facts.problem, iter((r.raw.request[:size],)), turn)

    # What is made of it.

    @property
    def ledger(self) -> Ledger:
        return _Ledger(self._database, self._places)

    def add_rule_hits(self, hits: Sequence[RuleHit]) -> None:
        for hit in hits:
            key = (hit.session, hit.run, hit.exchange, hit.rules)
            known = self._hits.get(key)
            self._hits[key] = hit if known is None else known.model_copy(update={"count": known.count + hit.count, "last_at": hit.last_at})

    def rule_hits(self, session: str, *, run: str | None = None) -> list[RuleHit]:
        found = [hit for hit in self._hits.values() if hit.session == session and run in (None, hit.run)]
        return sorted(found, key=lambda hit: (hit.first_at, hit.exchange, hit.rules))


class _Decisions(Decisions):
    """Those that stand in the cassette."""

    def __init__(self, database: Database, cassette: Cassette, session: str) -> None:
        super().__init__(database)
        self._cassette = cassette
        self._session = session

    def accepted(self, session: str) -> list[Equivalence]:
        return [Equivalence(session, one.place + 1, one.digest, one.asks, 0) for one in self._cassette.equivalences if session == self._session]

    def rerecorded(self, session: str) -> list[Rerecording]:
        marks = [Rerecording(one.place + 1, one.after) for one in self._cassette.anew if session == self._session]
        return sorted(marks, key=lambda mark: (mark.after, mark.exchange))


class _Ledger(Ledger):
    """Nothing of the cassette is entered: all of it was paid elsewhere."""

    def __init__(self, database: Database, places: Mapping[int, _Place]) -> None:
        super().__init__(database)
        self._places = places

    def worth(self, ids: Mapping[int, int]) -> tuple[int, int, list[Priceable]]:
        known = [(id_, self._places[id_].recorded) for id_ in sorted(ids) if id_ in self._places]
        return 0, 0, [_priceable(id_, r) for id_, r in known if r.facts.usage is not None and r.outcome is not None]


def _priceable(id_: int, r: Recorded) -> Priceable:
    f = r.facts
    told = (f.kind, f.model, f.response_id, f.response_status, f.service_tier, f.error_code, f.usage, f.billing)
    return Priceable(id_, r.method, r.path, r.transport, r.upstream, r.started_at_ns, r.status, r.outcome, f.parse, *told, r.steer)


def _connection_ids(cassette: Cassette, runs: Sequence[str]) -> dict[int, int]:
    """By their numbers: take for take the connections of the cassette, then those of which no more is known than an exchange says."""
    numbers = dict[int, None]()
    for run in runs:
        numbers |= dict.fromkeys(one.number for one in cassette.connections if one.run == run)
        numbers |= dict.fromkeys(r.number for r in cassette.exchanges if r.run == run and r.transport == "ws" and r.connection_number is None)
    return {number: id_ for id_, number in enumerate(numbers, 1)}

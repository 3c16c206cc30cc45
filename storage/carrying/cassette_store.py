"""A cassette as a store: what replays ask is answered of what is in memory, and the database is made when something else is asked.

To make a database and to write two exchanges into it takes longer than to replay them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from playhead.config.rules import Rule, parse_rule

from ..connecting.connected import ConnectionRecord, Handshake, LogColumns, LogEntry, turn_of
from ..connecting.connection_log import pack_log, unpack_columns
from ..costing.costs import Priceable, counted_in
from ..costing.ledger import Ledger
from ..engine import Database
from ..records import ANSWERED_EARLY, DEFAULT_RULES, Direction, EventRow, ExchangeRecord, FaultRecord, Fingerprint, Raw, StoredRequest
from ..replaying.accepting import Decisions
from ..replaying.replay_notes import ReplayNotes
from ..replaying.replay_rows import Equivalence, ReplayRow, RequestRow, Rerecording, RuleHit, TakeRow, TurnRow
from ..replaying.replays import NO_LANE, OVERHEAD, Compute, Under
from ..store import Store
from ..writing import Writer
from .cassette_rows import CassetteRows
from .cassettes import Cassette
from .importing import import_cassette


class CassetteStore(Store):
    """The session of that name is what the cassette says, with its fingerprints, and stays so; what a replay of it adds is added.

    `database`: whoever makes it calls `fill` before it is used. What is asked of memory and is not there is asked of it, so that it says what is missing.
    """

    def __init__(self, database: Database, cassette: Cassette, session: str) -> None:
        super().__init__(database)
        self._session = session
        self._cassette = cassette
        self._rows = CassetteRows(cassette, session)
        plain = {id_: one.recorded.fingerprint for id_, one in self._rows.of(None) if one.recorded.fingerprint is not None}
        self._prints = {DEFAULT_RULES: plain}  # a turn that began without a request has none
        self._notes = ReplayNotes()

    def fill(self) -> None:
        """Put the cassette into the database, in which nothing is. Raises StoreError."""
        import_cassette(self._database, Writer(self._database).write, self._cassette, self._session)

    @property
    def ids(self) -> Sequence[int]:
        """Of all its exchanges, in their order."""
        return [*self._rows.exchanges]

    # Its session.

    def _is(self, session: str) -> bool:
        """Whether that is the session that there is."""
        return session == self._session

    def takes(self, session: str) -> list[TakeRow]:
        if not self._is(session):
            return []
        began: dict[str, int] = {}
        for one in self._cassette.connections:
            began.setdefault(one.run, one.started_at_ns)
        for r in self._cassette.exchanges:
            began.setdefault(r.run, r.started_at_ns)
        return [TakeRow(take, f"take {run}", datetime.fromtimestamp(began[run] / 1e9, UTC)) for run, take in self._rows.takes.items()]

    def match_rules(self, session: str) -> tuple[Rule, ...]:
        return tuple(map(parse_rule, self._cassette.rules)) if self._is(session) else ()

    @property
    def decisions(self) -> Decisions:
        return _Decisions(self._database, self._cassette, self._session)

    def pruned(self, session: str, take: int | None = None) -> int:
        return 0

    def answered_early(self, session: str, take: int | None) -> list[int]:
        known = self._rows.of(take) if self._is(session) else ()
        return [id_ for id_, one in known if ANSWERED_EARLY in (one.recorded.facts.problem or "")]

    def replay_index(
        self, session: str, take: int | Literal["all"] | None = None, *, after: int = 0, compute: Compute | None = None, under: Under | None = None
    ) -> Iterator[ReplayRow]:
        takes = self._rows.takes.values()
        if not self._is(session) or (isinstance(take, int) and take not in takes):
            return super().replay_index(session, take, after=after, compute=compute, under=under)
        wanted = None if take == "all" else take if take is not None else max(takes, default=0)
        rules = under or Under(compute=compute)
        made, ruled = self._under(rules), rules.rules != DEFAULT_RULES
        return (self._row(id_, made[id_], ruled=ruled) for id_, _ in self._rows.of(wanted) if id_ > after and id_ in made)

    def _under(self, under: Under) -> Mapping[int, Fingerprint]:
        """The fingerprints under those rules."""
        if under.rules not in self._prints and under.compute is not None:
            self._prints[under.rules] = {id_: under.compute(self.stored_request(id_)) for id_ in self._prints[DEFAULT_RULES]}
        return self._prints.get(under.rules, {})

    def _row(self, id_: int, print_: Fingerprint, *, ruled: bool) -> ReplayRow:
        take, r, connection = self._rows.exchanges[id_]
        known = (id_, take, r.seq or 0, print_.digest, print_.asks, r.outcome, False, r.request_bytes + r.response_bytes + OVERHEAD)
        plain = self._prints[DEFAULT_RULES][id_].digest if ruled else b""
        if not (turn := turn_of(r.number)):
            return ReplayRow(*known, plain=plain)
        return ReplayRow(*known, turn, connection, "" if r.facts.error_code == NO_LANE else r.stream_id, plain)

    def item_digests(self, ids: Sequence[int], rules: str = DEFAULT_RULES) -> dict[int, bytes]:
        known = self._prints.get(rules, {})
        return {id_: known[id_].items for id_ in ids if id_ in known}

    # Exchanges.

    def _raw(self, id_: int) -> Raw | None:
        one = self._rows.exchanges.get(id_)
        return None if one is None else one.recorded.raw

    def raw(self, id_: int) -> Raw:
        return self._raw(id_) or super().raw(id_)

    def heads(self, id_: int) -> Raw:
        return self._raw(id_) or super().heads(id_)

    def request_chunks(self, id_: int) -> Iterator[bytes]:
        return super().request_chunks(id_) if (raw := self._raw(id_)) is None else iter((raw.request,))

    def response_chunks(self, id_: int) -> Iterator[bytes]:
        return super().response_chunks(id_) if (raw := self._raw(id_)) is None else iter((raw.response,))

    def replayable(self, ids: Sequence[int], most: int = 8 << 20, *, times: bool = True) -> list[Raw]:
        found: list[Raw] = []
        for id_ in ids:
            raw = self.raw(id_)
            most -= len(raw.request) + len(raw.response) + OVERHEAD
            if most < 0 and found:
                break
            found.append(raw)
        return found

    def event_rows(self, id_: int) -> Iterator[EventRow]:
        one = self._rows.exchanges.get(id_)
        return super().event_rows(id_) if one is None else iter(one.recorded.events)

    def exchange(self, id_: int) -> ExchangeRecord:
        return self._rows.exchange(id_) if id_ in self._rows.exchanges else super().exchange(id_)

    def durations(self, ids: Sequence[int]) -> dict[int, int]:
        return {id_: self._rows.exchanges[id_].recorded.duration_ns or 0 for id_ in ids if id_ in self._rows.exchanges}

    def requests(self, ids: Sequence[int]) -> list[RequestRow]:
        return [self._rows.request(id_) for id_ in ids if id_ in self._rows.exchanges]

    def stored_request(self, id_: int) -> StoredRequest:
        if (one := self._rows.exchanges.get(id_)) is None:
            return super().stored_request(id_)
        r, turn = one.recorded, one.recorded.number < 0
        size = next((row.bytes for row in r.events if row.direction == Direction.CLIENT), 0) if turn else None  # of the create, which stands first
        return StoredRequest(r.raw.request_head, r.upstream, r.facts.problem, iter((r.raw.request[:size],)), turn)

    # Connections.

    def handshakes(self, session: str, take: int | None = None) -> list[Handshake]:
        if not self._is(session):
            return []
        return self._rows.handshakes(take) if self._rows.whole else super().handshakes(session, take)

    def connection(self, id_: int) -> ConnectionRecord:
        return self._rows.connection(id_) if id_ in self._rows.connections else super().connection(id_)

    def connection_heads(self, id_: int) -> tuple[bytes, bytes]:
        return self._rows.connections[id_].heads if id_ in self._rows.connections else super().connection_heads(id_)

    def connection_columns(self, id_: int) -> Iterator[LogColumns]:
        if id_ not in self._rows.connections:
            return super().connection_columns(id_)
        return iter((unpack_columns(pack_log(self._rows.connections[id_].log)),))

    def connection_messages(self, id_: int) -> Iterator[tuple[LogEntry, bytes]]:
        return self._rows.messages(id_) if id_ in self._rows.connections else super().connection_messages(id_)

    def turn_rows(self, connection: int) -> list[TurnRow]:
        return self._rows.turns(connection) if connection in self._rows.connections else super().turn_rows(connection)

    # What is made of it.

    @property
    def ledger(self) -> Ledger:
        return _Ledger(self._database, self._rows)

    def add_rule_hits(self, hits: Sequence[RuleHit]) -> None:
        self._notes.add_hits(hits)

    def rule_hits(self, session: str, *, run: str | None = None) -> list[RuleHit]:
        return self._notes.hits(run) if self._is(session) else super().rule_hits(session, run=run)

    def creates(self, session: str, take: int | None) -> list[int]:
        return self._rows.creates(take) if self._is(session) else []

    def add_fault(self, fault: FaultRecord) -> int:
        return self._notes.add_fault(fault)

    def fault_outcome(self, id_: int, outcome: Mapping[str, Any]) -> None:
        self._notes.fault_outcome(id_, outcome)

    def faults(self, session: str, *, run: str | None = None, limit: int | None = None) -> list[FaultRecord]:
        return self._notes.faults(run, limit) if self._is(session) else super().faults(session, run=run, limit=limit)


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

    def __init__(self, database: Database, rows: CassetteRows) -> None:
        super().__init__(database)
        self._rows = rows

    def worth(self, ids: Mapping[int, int]) -> tuple[int, int, list[Priceable]]:
        known = {id_: self._rows.exchanges[id_].recorded for id_ in sorted(ids) if id_ in self._rows.exchanges}
        served = {one.seq for one in known.values()}
        amount = sum(ids[id_] * (one.paid[0] or 0) for id_, one in known.items())
        open_ = [id_ for id_, one in known.items() if one.paid[0] is None and counted_in(one.paid[1]) not in served and one.outcome is not None]
        missing = [self._rows.priceable(id_) for id_ in open_ if (known[id_].facts.usage or known[id_].facts.billing) is not None]
        return amount, 0, missing

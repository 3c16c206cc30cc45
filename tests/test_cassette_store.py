"""A cassette that answers as a store: as one into which it was imported, and mostly without one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from playhead.config.errors import StoreError
from playhead.config.rules import rules_of
from playhead.proxy.fingerprint import F1, Rules
from playhead.proxy.formats.cassette_prints import with_fingerprints
from playhead.proxy.matching.request_memo import RequestMemo
from playhead.storage.carrying.cassette_store import CassetteStore
from playhead.storage.carrying.cassettes import Anew, Cassette, Equivalence
from playhead.storage.connecting.connected import LogEntry
from playhead.storage.engine import late_database
from playhead.storage.records import ANSWERED_EARLY, Facts, FaultRecord, Recorded
from playhead.storage.replaying.replay_rows import RuleHit
from playhead.storage.replaying.replays import Under
from playhead.storage.store import Store
from stores import connected, logged, recorded, turned
from taped import agent_loop, posted, stream

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PATHS = (("GET", "/v1/responses"), ("POST", "/x/Responses/?a=1"), ("POST", "/v1/chat/completions/"), ("POST", "/v1/embeddings"), ("POST", "/v1/messages?b"))
PAID = ((1_500_000, "assumed: region global"), (None, "counted in exchange 1"), (None, "counted in exchange 77"), (None, None))
USAGE = {"input_tokens": 3, "output_tokens": 4}


def plain() -> Cassette:
    """Over HTTP and SSE, one request twice."""
    told = posted(4, b'{"input":"twice"}', facts=Facts(kind="responses", model="gpt-5", usage=USAGE), duration_ns=1_234_567)
    others = [posted(number, b"{}", path=path, method=method) for number, (method, path) in enumerate(PATHS, 10)]
    early = posted(6, b'{"input":', facts=Facts(problem=ANSWERED_EARLY))
    return cassette(*agent_loop(3), told, replace(told, number=5), early, stream(7, [b"data: 1\n\n"]), *others)


def sockets() -> Cassette:
    """Turns of two connections in two takes, one of a lane whose name was refused; and a connection that is one exchange."""
    turns = [turned(1, 1), turned(1, 2, stream_id="a"), turned(1, 3, stream_id="b", facts=Facts(error_code="invalid_stream_id"))]
    whole = recorded(2, transport="ws", run="1")
    found = cassette(*turns, whole, replace(turned(3, 1), run="2"))
    found.connections = [replace(connected(number), writer="", session="", run=run) for number, run in ((1, "1"), (2, "1"), (3, "2"))]
    one = found.connections[0]
    one.log = [*logged(1), LogEntry(1, 9, 5, 0, 2), *logged(2, 10**9), LogEntry(0, 8, 2 * 10**9, 0, 4), LogEntry(1, 8, 3 * 10**9, 0, 3, True)]
    one.client_data, one.upstream_data = b"bye!", b"hioff"
    one.lanes, one.turns, one.upstream_close, one.upstream_reason, one.outcome, one.duration_ns = [None, "a"], 3, 1000, "off", "complete", 4_000_000_001
    found.connections[1].digest = None
    return found


def alone() -> Cassette:
    """Of the connection nothing is known but what the exchange says; and one whose money is counted in another."""
    found = cassette(recorded(1), recorded(1 << 30, transport="ws"), *[replace(recorded(number), paid=paid) for number, paid in enumerate(PAID, 5)])
    found.connections = [replace(connected(1 << 20), writer="", session="", run="2")]
    return found


def takes() -> Cassette:
    found = cassette(posted(1, b"{}"), posted(2, b"[]"), replace(posted(3, b"{}"), run="4"))
    found.rules = ("ignore $.input",)
    found.equivalences = (Equivalence(0, bytes(16), "http"), Equivalence(2, bytes(16), "sse"))
    found.anew = (Anew(2, 3), Anew(1, 0))
    return found


CASSETTES: dict[str, Callable[[], Cassette]] = {"plain": plain, "sockets": sockets, "alone": alone, "takes": takes, "empty": lambda: Cassette("x")}


def cassette(*exchanges: Recorded) -> Cassette:
    """Its exchanges without what belongs to a store."""
    found = [replace(r, writer="", session="", run=r.run if r.run.isdigit() else "1", seq=place) for place, r in enumerate(exchanges, 1)]
    return Cassette("x", exchanges=found)


class Made:
    """A cassette's store, and one into which it was imported."""

    def __init__(self, directory: Path, made: Cassette) -> None:
        self.path = directory / "late.db"
        known = with_fingerprints(made)
        self.one = CassetteStore(late_database(self.path, self._make), known, "s")
        self.other = Store.open(f"sqlite:///{directory / 'other.db'}", create=True)
        self.other.import_cassette(known, "s")

    def _make(self) -> None:
        if not self.path.exists():
            Store.open(f"sqlite:///{self.path}", create=True).close()
            self.one.fill()

    def close(self) -> None:
        self.one.close()
        self.other.close()


@pytest.fixture(params=CASSETTES)
def made(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Made]:
    found = Made(tmp_path, CASSETTES[request.param]())
    yield found
    found.close()


@pytest.fixture
def http(tmp_path: Path) -> Iterator[Made]:
    found = Made(tmp_path, plain())
    yield found
    found.close()


def under(*rules: str) -> Under:
    known = Rules.of(rules_of(rules))
    return Under(known.name, *[RequestMemo(one, tells=False).stored_fingerprint for one in (known, F1)])


def ids(store: Store) -> list[int]:
    return [one.id for one in store.exchanges("s")] if store.takes("s") else []


def connections(store: Store) -> list[int]:
    return [one.id for one in store.connections("s")] if store.takes("s") else []


def columns(store: Store, connection: int) -> list[list[Any]]:
    """Each whole."""
    return [[*chain.from_iterable(column)] for column in zip(*store.connection_columns(connection), strict=True)] or [[]] * 4


def worth(store: Store) -> tuple[int, int, list[Any]]:
    amount, unknown, missing = store.ledger.worth(dict.fromkeys(ids(store), 2))
    return amount, unknown, [one._replace(started_at_ns=one.started_at_ns // 1000) for one in missing]  # which is all that a store keeps


ASKED: dict[str, Callable[[Store], Any]] = {
    "takes": lambda store: [(one.take, one.started_at) for one in store.takes("s")],
    "match_rules": lambda store: store.match_rules("s"),
    "accepted": lambda store: store.decisions.accepted("s"),
    "rerecorded": lambda store: store.decisions.rerecorded("s"),
    "handshakes": lambda store: (store.handshakes("s"), store.handshakes("s", 2)),
    "pruned": lambda store: store.pruned("s"),
    "answered_early": lambda store: (store.answered_early("s", 1), store.answered_early("s", None), store.answered_early("s", 2)),
    "replay_index": lambda store: [sorted(store.replay_index("s", take, under=under())) for take in (None, "all", 1) if store.takes("s")],
    "replay_index with rules": lambda store: sorted(store.replay_index("s", "all", under=under("ignore $.input"))) if store.takes("s") else [],
    "replay_index after": lambda store: sorted(store.replay_index("s", "all", after=2)) if store.takes("s") else [],
    "item_digests": lambda store: store.item_digests(ids(store)),
    "replayable": lambda store: [store.replayable(ids(store)[start:]) for start in (0, 2) if ids(store)],
    "replayable, some": lambda store: store.replayable(ids(store), 3000) if ids(store) else [],
    "raw": lambda store: [(store.raw(id_), store.heads(id_)) for id_ in ids(store)],
    "chunks": lambda store: [(b"".join(store.request_chunks(id_)), b"".join(store.response_chunks(id_))) for id_ in ids(store)],
    "event_rows": lambda store: [list(store.event_rows(id_)) for id_ in ids(store)],
    "creates": lambda store: [store.creates("s", take) for take in (None, 1, 2)],
    "exchange": lambda store: [store.exchange(id_) for id_ in ids(store)],
    "connection": lambda store: [store.connection(id_) for id_ in connections(store)],
    "connection_heads": lambda store: [store.connection_heads(id_) for id_ in connections(store)],
    "connection_columns": lambda store: [columns(store, id_) for id_ in connections(store)],
    "connection_messages": lambda store: [list(store.connection_messages(id_)) for id_ in connections(store)],
    "turn_rows": lambda store: [store.turn_rows(id_) for id_ in connections(store)],
    "durations": lambda store: store.durations(ids(store)),
    "requests": lambda store: sorted(store.requests(ids(store))),
    "stored_request": lambda store: [(one[:3], b"".join(one.body), one.turn) for one in map(store.stored_request, ids(store))],
    "worth": lambda store: worth(store),
    "other sessions": lambda store: (
        store.takes("t"),
        store.match_rules("t"),
        store.decisions.accepted("t"),
        store.handshakes("t"),
        store.answered_early("t", 1),
    ),
}


@pytest.mark.parametrize("asked", ASKED)
def test_it_answers_as_the_store_into_which_it_was_imported(made: Made, asked: str) -> None:
    assert ASKED[asked](made.one) == ASKED[asked](made.other)


def test_item_digests_are_those_of_the_rules_that_are_in_force(http: Made) -> None:
    for store in (http.one, http.other):
        list(store.replay_index("s", "all", under=under("ignore $.input[*].output")))
    name = Rules.of(rules_of(["ignore $.input[*].output"])).name

    assert http.one.item_digests([1, 2, 3], name) == http.other.item_digests([1, 2, 3], name) != http.one.item_digests([1, 2, 3])


def test_what_a_replay_of_http_asks_needs_no_database(http: Made) -> None:
    store = http.one
    store.takes("s")
    store.match_rules("s")
    store.decisions.accepted("s")
    store.decisions.rerecorded("s")
    store.handshakes("s", 1)
    store.pruned("s", 1)
    list(store.replay_index("s", under=under("ignore $.input")))
    store.replayable(store.ids)
    store.durations(store.ids)
    store.ledger.worth(dict.fromkeys(store.ids, 1))
    store.add_rule_hits([])

    assert not http.path.exists()


def test_whatever_else_is_asked_is_answered_by_the_database(http: Made) -> None:
    assert [one.model_dump() for one in http.one.exchanges("s")] == [one.model_dump() for one in http.other.exchanges("s")]
    assert http.path.exists()


def test_an_exchange_that_is_not_there_is_none_of_the_database_either(made: Made) -> None:
    for asked in (made.one.raw, made.one.heads, made.one.stored_request, made.one.event_rows, made.one.request_chunks, made.one.response_chunks):
        with pytest.raises(StoreError, match=r"no exchange 99"):
            asked(99)


def test_rule_hits_are_counted_and_listed_as_in_a_database(http: Made) -> None:
    hit = RuleHit(session="s", take=1, run="r", exchange=1, rules="ignore $.a", count=2, first_at=NOW, last_at=NOW)
    for store in (http.one, http.other):
        store.add_rule_hits([hit, hit.model_copy(update={"run": "q", "first_at": NOW + timedelta(seconds=1)})])
        store.add_rule_hits([hit])

    for run in (None, "r", "q"):
        assert http.one.rule_hits("s", run=run) == http.other.rule_hits("s", run=run) != []


def test_faults_are_numbered_and_listed_as_in_a_database(http: Made) -> None:
    met = FaultRecord(id=0, session="s", run="r", at=NOW, exchange=1, fault="429", place="turn 1", outcome=None)
    for store in (http.one, http.other):
        assert [store.add_fault(met), store.add_fault(met.model_copy(update={"run": "q"})), store.add_fault(met)] == [1, 2, 3]
        store.fault_outcome(2, {"next": "gave_up"})

    for run, limit in ((None, None), ("r", None), (None, 2), ("q", 5), ("r", 1)):
        assert http.one.faults("s", run=run, limit=limit) == http.other.faults("s", run=run, limit=limit) != []

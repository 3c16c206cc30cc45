"""Every way in which something comes into a store, or changes there, is entered in a chain; recorders and commands at once, too."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from entered import in_pieces, problems, reprice, rows_of, told
from entered import price as cost
from playhead.config.rules import parse_rule
from playhead.storage.engine import open_database
from playhead.storage.evidence.chain_tables import chain_entry_rows, chains
from playhead.storage.evidence.chained import EntryKind
from playhead.storage.records import Batch, EventRow, Facts, Fingerprint, ItemRow, StoredRequest
from playhead.storage.replaying.replay_rows import Equivalence
from playhead.storage.store import Store
from stores import connected, event, logged, raw, recorded, streamed, turned
from test_rewriting import holding, redacting


def entries(store: Store) -> list[tuple[str, str, int, int]]:
    """Kind, subject, its id and number of all entries, chain by chain."""
    with store._database.reading() as connection:
        return [tuple(row) for row in connection.execute(text("SELECT kind, subject, subject_id, number FROM chain_entries ORDER BY chain, seq"))]


def after(store: Store, done: Callable[[], Any]) -> list[tuple[str, str, int, int]]:
    """The entries that something makes. It leaves the chains as they must be."""
    before = set(entries(store))
    done()
    assert problems(store) == []
    return [entry for entry in entries(store) if entry not in before]


@pytest.fixture
def store(store: Store) -> Store:
    """With something in it, so that entries of what is shared by all are made already."""
    store.write(Batch([recorded(1, cost=cost(5)), recorded(2, cost=cost(5)), recorded(3, session="other")]))
    store.set_match_rules("default", [parse_rule("normalize uuid")])
    return store


def test_what_is_recorded_is_entered(store: Store) -> None:
    assert after(store, lambda: store.write(Batch([recorded(7), recorded(8)])))[-2:] == [("recorded", "exchange", 4, 0), ("recorded", "exchange", 5, 0)]


def test_what_is_there_already_is_not_entered_again(store: Store) -> None:
    assert after(store, lambda: store.write(Batch([recorded(1)]))) == []


def test_a_connection_and_its_turns_are_entered(store: Store) -> None:
    made = after(store, lambda: store.write(Batch([turned(9, 1)], connections=[connected(9, log=logged(1), outcome="complete")])))

    assert {(kind, subject) for kind, subject, *_ in made} >= {("recorded", "exchange"), ("recorded", "connection")}


def test_turns_that_are_told_at_the_end_that_they_were_redacted_are_entered_again(store: Store) -> None:
    store.write(Batch([turned(9, 1)], connections=[connected(9, log=logged(1))]))
    known = store.check_chains()
    assert (list(known.problems()), known.begun) == ([], 1)
    made = after(store, lambda: store.write(Batch(connections=[connected(9, part=1, redacted=True, outcome="complete")])))

    assert made == [("recorded", "exchange", 4, 1), ("recorded", "connection", 1, 1)]


def test_what_is_read_again_from_its_start_is_entered_whole(store: Store) -> None:
    store.write(Batch(spills=[in_pieces(9, final=False)]))
    made = after(store, lambda: store.write(Batch([streamed(9, [event(0)])])))

    assert made == [("recorded", "exchange", 4, 1)]


def test_what_others_turn_out_to_pay_for_is_entered_again(store: Store) -> None:
    store.write(Batch([recorded(11, facts=Facts(response_id="r"), cost=replace(cost(5), counts=(None,) * 5))]))
    made = after(store, lambda: store.write(Batch([told(12, "r", cost(5, told=True))])))

    assert ("repriced", "exchange", 4, 1) in made
    assert ("recorded", "exchange", 5, 0) in made


def test_what_is_priced_again_is_entered(store: Store) -> None:
    assert ("repriced", "exchange", 1, 1) in after(store, lambda: reprice(store, 1, 9))


def test_what_is_parsed_again_is_entered(store: Store) -> None:
    again = store.rederivation("other")
    other = recorded(3, facts=Facts(kind="messages", parse="parsed"))

    assert after(store, lambda: again.write([again.derived(3, [other])])) == [("reparsed", "exchange", 3, 1)]


def test_what_is_parsed_again_and_stays_as_it_was_is_not_entered(store: Store) -> None:
    again = store.rederivation("other")
    other = recorded(3, facts=Facts(kind="messages", parse="parsed"))
    again.write([again.derived(3, [other])])
    again.mark()

    assert [*again.ids()] == [3]
    assert after(store, lambda: again.write([again.derived(3, [other])])) == []


def test_what_is_redacted_is_entered_and_so_is_what_is_written_against_it(store: Store) -> None:
    store.write(Batch([holding(20, session="secret"), holding(21, session="secret")]))
    made = after(store, lambda: store.rewrite("secret", redacting()))

    assert made == [("redacted", "exchange", 4, 1), ("redacted", "exchange", 5, 1)]


def test_what_is_deleted_is_entered_and_so_is_what_was_written_against_it(store: Store) -> None:
    history = b'{"input":"' + bytes(range(97, 123)) * 100
    store.write(Batch([recorded(n, session="long", raw=raw(n, request=history + b'%d"}' % n)) for n in (30, 31)]))

    assert after(store, lambda: store.delete_exchange(4)) == [("rewritten", "exchange", 5, 1), ("deleted", "exchange", 4, 1)]
    assert after(store, lambda: store.delete_session("long")) == [("deleted", "session", 3, 1), ("deleted", "exchange", 5, 2)]


def test_what_was_decided_and_is_deleted_with_its_exchange_is_entered(store: Store) -> None:
    store.decisions.rerecord("default", 2)

    assert after(store, lambda: store.delete_exchange(2)) == [("deleted", "session", 1, 3), ("deleted", "exchange", 2, 1)]


def test_a_fork_is_entered(store: Store) -> None:
    made = after(store, lambda: store.decisions.fork("default", 2, "f"))

    assert {("forked", "exchange", 4, 0), ("forked", "session", 3, 0)} < set(made)


def test_what_is_imported_is_entered(store: Store) -> None:
    cassette, _ = store.export_cassette("default")
    made = after(store, lambda: store.import_cassette(cassette, "copy"))

    assert {("imported", "exchange", 4, 0), ("imported", "exchange", 5, 0)} < set(made)


@pytest.mark.parametrize(
    "decide",
    [
        lambda store: store.set_match_rules("default", [parse_rule("normalize date")]),
        lambda store: store.decisions.accept(Equivalence("default", 2, b"digest", "http", 1)),
        lambda store: store.decisions.rerecord("default", 2),
    ],
    ids=["rules", "accept", "rerecord"],
)
def test_what_is_decided_is_entered(store: Store, decide: Callable[[Store], Any]) -> None:
    assert after(store, lambda: decide(store)) == [("decided", "session", 1, 2)]


def test_fingerprints_that_replay_makes_and_keeps_are_entered(store: Store) -> None:
    def compute(_: StoredRequest) -> Fingerprint:
        return Fingerprint(bytes(16), "http", b"")

    made = after(store, lambda: list(store.replay_index("other", compute=compute)))
    assert made == [("rewritten", "exchange", 3, 1)]


def test_what_failed_is_not_entered(store: Store) -> None:
    before = entries(store)
    with pytest.raises(Exception, match=r"."):
        store.write(Batch([recorded(40), recorded(41, status="text" * 100 if store.local else 1 << 40, method=object())]))

    assert entries(store) == before


def test_the_view_has_the_words_of_all_kinds(store: Store) -> None:
    store.delete_session("other")
    found = {row["kind"]: EntryKind(row["kind"]).name.lower() for row in rows_of(store._database, chain_entry_rows)}

    assert {kind for kind, *_ in entries(store)} == set(found.values())


def test_each_recorder_has_a_chain_of_its_own(store: Store, tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b", "a"), 50):
        store.enter_as_recorder(tmp_path / name)
        store.write(Batch([recorded(number)]))
    names = [head.chain for head in store.chain_heads()]

    assert len(names) == len(set(names)) == 4  # the one of the recorder of the fixture, and the one of commands
    assert not any(str(tmp_path) in name for name in names)


def test_recorders_and_commands_at_once_leave_whole_chains(store: Store, url: str, tmp_path: Path) -> None:
    def record(name: str) -> None:
        with Store.open(url, create=True, lock_timeout=60) as own:
            own.enter_as_recorder(tmp_path / name)
            for number in range(10):
                own.write(Batch([recorded(number, writer=name, run=f"{name} {number // 5}", cost=cost(number + ord(name) * 100))]))

    def command() -> None:
        with Store.open(url, lock_timeout=60) as own:
            for number in range(10):
                own.set_match_rules("default", [parse_rule(f"normalize {('uuid', 'date')[number % 2]}")])
                reprice(own, 1, 1000 + number)

    with ThreadPoolExecutor(3) as pool:
        done = [pool.submit(record, "a"), pool.submit(record, "b"), pool.submit(command)]
        for each in done:
            each.result()

    assert problems(store) == []
    lengths = sorted(row["length"] for row in rows_of(store._database, chains) if row["name"].startswith("recorder"))
    assert len(lengths) == 3
    assert lengths[1] >= 10


TEXT = st.none() | st.text(max_size=5)
NUMBER = st.none() | st.integers(-(1 << 70), 1 << 70)
EVENTS = st.lists(st.tuples(st.integers(0, 1 << 40), st.integers(0, 1), TEXT, NUMBER, TEXT, st.integers(0, 1 << 40), st.integers(0, 10)), max_size=5)
ITEMS = st.lists(st.tuples(st.sampled_from(["input", "output"]), st.integers(0, 4), TEXT, TEXT, TEXT, TEXT, TEXT), max_size=6)
FACTS = st.builds(
    Facts,
    kind=st.just("responses"),
    model=TEXT,
    user=TEXT,
    usage=st.none() | st.dictionaries(st.text(max_size=3), st.floats() | st.integers() | st.text(max_size=3), max_size=3),
    billing=st.none() | st.just({"window": "24h"}),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EVENTS, ITEMS, FACTS, NUMBER, st.none() | st.integers(0, 1 << 60))
def test_whatever_is_recorded_is_entered_as_it_is_read(
    tmp_path_factory: pytest.TempPathFactory, events: list[Any], items: list[Any], facts: Facts, attempt: int | None, duration: int | None
) -> None:
    rows = [EventRow(seq, *values) for seq, values in enumerate(events)]
    one = streamed(1, rows, items=[ItemRow(*item) for item in items], facts=facts, attempt=attempt, duration_ns=duration)
    path = tmp_path_factory.mktemp("any") / "store.db"
    with Store(open_database(f"sqlite:///{path}", create=True, durability="relaxed", lock_timeout=5)) as store:
        store.write(Batch([one, streamed(2, rows, facts=facts)]))
        assert problems(store) == []

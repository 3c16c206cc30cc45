"""Deriving again: what was derived is replaced, what was recorded stays, and it can be broken off anywhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, text

from playhead.config.errors import StoreError
from playhead.storage import items, rederiving
from playhead.storage.engine import Database
from playhead.storage.evidence.chain_writing import chained
from playhead.storage.evidence.chained import EntryKind, Subject
from playhead.storage.records import PARSER, Batch, Facts, Fingerprint, Frame, ItemRow, Piece, Recorded, Spill, WireProblems
from playhead.storage.rederiving import Rederivation
from playhead.storage.store import Store
from playhead.storage.tables import exchanges
from stores import event, raw, recorded, streamed
from test_item_rows import called, digests, inputs, turn


def sql(database: Database, statement: str) -> None:
    """As an older version would have left it."""
    with database.writing() as connection, chained(connection, EntryKind.REPARSED) as entries:
        entries.changing(Subject.EXCHANGE, connection.execute(select(exchanges.c.id)).scalars())
        connection.execute(text(statement))


def rederive(store: Store, found: dict[int, Recorded], session: str | None = None) -> int:
    """Replace what was derived of these exchanges; how many have changed."""
    again = store.rederivation(session)
    return again.write([again.derived(id_, [one]) for id_, one in found.items()])


def listed(again: Rederivation) -> list[int]:
    ids = list(again.ids())
    assert again.count() == len(ids)
    return ids


def test_what_this_version_has_parsed_is_left_alone(store: Store) -> None:
    store.write(Batch([recorded(1), recorded(2)]))

    assert listed(store.rederivation()) == []


def test_what_an_older_version_has_parsed_is_parsed_again(store: Store, database: Database) -> None:
    store.write(Batch([recorded(number, session="ab"[number % 2]) for number in range(1, 5)], [spill_of(9)]))
    sql(database, f"UPDATE exchanges SET parser = {PARSER - 1} WHERE id IN (1, 2, 5)")
    sql(database, "UPDATE exchanges SET parser = NULL WHERE id = 3")

    assert listed(store.rederivation()) == [1, 2, 3]
    assert listed(store.rederivation("a")) == [2]
    with pytest.raises(StoreError, match="There is no session 'nobody'"):
        store.rederivation("nobody")


def spill_of(number: int, *, final: bool = False, pieces: int = 0) -> Spill:
    parts = [Piece("response", seq, b"%d" % seq * 10) for seq in range(pieces)]
    return Spill(streamed(number, outcome=None), parts, [], (Frame(0, 1, 5), *(Frame(1, seq, 10) for seq in range(pieces))), (), final)


def test_everything_can_be_marked(store: Store) -> None:
    store.write(Batch([recorded(number, session="ab"[number % 2]) for number in range(1, 8)], [spill_of(9)]))

    store.rederivation("a").mark()
    assert listed(store.rederivation()) == [2, 4, 6]
    store.rederivation().mark()
    assert listed(store.rederivation()) == [1, 2, 3, 4, 5, 6, 7]


def test_what_was_derived_is_replaced_and_nothing_else(store: Store) -> None:
    before = streamed(1, [event(0), event(1), event(2)], items=[called(0), called(1)], attempt=2)
    store.write(Batch([before]))
    was = store.exchange(1)
    facts = Facts(kind="messages", model="claude", usage={"input_tokens": 9}, parse="partial", problem="odd", problems=[("a", "b", "c")])
    other = replace(before, facts=facts, events=[event(0), event(1, "other")], event_count=2, items=[called(0, "read")], path="/else", status=500, seq=77)

    assert rederive(store, {1: replace(other, raw=raw(5), outcome="aborted", duration_ns=5, session="else", run="else")}) == 1

    now = store.exchange(1)
    changed = {name for name, value in now if value != getattr(was, name)}
    assert changed == {"kind", "model", "usage", "parse", "events", "response_id", "response_status"}
    assert (now.model, now.usage, now.events) == ("claude", {"input_tokens": 9}, 2)
    assert list(store.event_rows(1)) == [event(0), event(1, "other")]
    assert store.items(1) == [called(0, "read")]
    assert store.problems(1) == WireProblems(1, (("a", "b", "c"),))
    assert store.raw(1) == before.raw


def test_what_comes_out_the_same_has_not_changed(store: Store, database: Database) -> None:
    given = [turn(number, 2 * number) for number in range(1, 6)]
    for one in given:
        one.facts = replace(one.facts, problems=[("a", "b", "\0")])
    store.write(Batch(given))
    sql(database, "UPDATE exchanges SET parser = NULL")

    assert rederive(store, dict(enumerate(given, 1))) == 0
    assert listed(store.rederivation()) == []
    assert inputs(store) == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]


def test_it_goes_on_where_it_was_broken_off(store: Store, database: Database) -> None:
    given = dict(enumerate([turn(number, 3 * number) for number in range(1, 9)], 1))
    store.write(Batch([*given.values()]))
    expected = inputs(store)
    sql(database, "UPDATE exchanges SET parser = NULL")
    sql(database, "DELETE FROM item_rows")

    for _ in range(4):
        left = listed(store.rederivation())
        assert rederive(store, {id_: given[id_] for id_ in left[:2]}) == 2

    assert listed(store.rederivation()) == []
    assert inputs(store) == expected


def test_a_batch_that_failed_can_be_written_again(store: Store, database: Database) -> None:
    given = dict(enumerate([turn(number, 4 * number) for number in range(1, 5)], 1))
    store.write(Batch([*given.values()]))
    expected = inputs(store)
    sql(database, "DELETE FROM item_rows")
    again = store.rederivation()
    bad = again.derived(4, [replace(given[4], event_count=None)])  # type: ignore[arg-type]
    again.write([again.derived(1, [given[1]])])

    with pytest.raises(StoreError):
        again.write([again.derived(2, [given[2]]), again.derived(3, [given[3]]), bad])
    again.write([again.derived(number, [given[number]]) for number in (2, 3, 4)])

    assert inputs(store) == expected


def test_what_was_deleted_meanwhile_stays_away(store: Store) -> None:
    given = [turn(1, 6), turn(2, 8), turn(3, 10)]
    store.write(Batch(given))
    again = store.rederivation()
    derived = [again.derived(number, [one]) for number, one in enumerate(given, 1)]
    store.delete_exchange(2)

    again.write(derived)

    assert [row.id for row in store.exchanges("default")] == [1, 3]
    assert again.stored(2) is None


def test_fingerprints_that_are_missing_are_made(store: Store, database: Database) -> None:
    given = dict(enumerate([turn(number, 5 + number) for number in range(1, 5)], 1))
    store.write(Batch([*given.values()]))
    known = store.item_digests([1, 2, 3, 4])
    sql(database, "DELETE FROM fingerprints")

    rederive(store, given)

    assert store.item_digests([1, 2, 3, 4]) == known
    assert inputs(store) == [[0, 1, 2, 3, 4, 5], [6], [7], [8]]


def test_other_fingerprints_take_the_place_of_the_old_ones(store: Store) -> None:
    given = [turn(1, 6), turn(2, 8), turn(3, 10)]
    store.write(Batch(given))
    other = Fingerprint(b"other digest here"[:16], "sse", digests(9, salt=5))

    rederive(store, {2: replace(given[1], fingerprint=other)})

    assert store.item_digests([1, 2, 3]) == {1: digests(6), 2: digests(9, salt=5), 3: digests(10)}
    assert [(row.digest, row.asks) for row in store.replay_index("default")][1] == (other.digest, "sse")


def test_the_parts_of_an_exchange_are_one(store: Store) -> None:
    store.write(Batch([streamed(1, [event(seq) for seq in range(6)])]))
    asked = ItemRow("input", 0, "message", None, None, None, None)
    one = turn(1, 1).fingerprint
    parts = [
        streamed(1, [event(0), event(1, "other")], items=[asked, called(0, "half")], fingerprint=one, event_count=2),
        streamed(1, [event(2), event(3)], items=[called(0)], event_count=4),
        streamed(1, [event(4)], items=[called(0), called(1)], event_count=5),
    ]
    again = store.rederivation()

    again.write([again.derived(1, parts)])

    assert list(store.event_rows(1)) == [event(0), event(1, "other"), event(2), event(3), event(4)]
    assert store.items(1) == [asked, called(0), called(1)]
    assert store.item_digests([1]) == {1: digests(1)}


@pytest.mark.parametrize("garbage", ["a\0b", "lone \ud800 surrogate", 10**30])
def test_what_the_wire_says_cannot_stop_it(store: Store, garbage: Any) -> None:
    shown = garbage if isinstance(garbage, str) else None
    number = garbage if isinstance(garbage, int) else 5
    given = streamed(1, [event(0, shown, stream_id=shown, sequence_number=number)], facts=Facts(model=shown, usage={"a": garbage}))
    store.write(Batch([given]))

    assert rederive(store, {1: given}) == 0
    assert rederive(store, {1: replace(given, events=[event(0, shown), event(1, shown)], event_count=2)}) == 1
    assert len(list(store.events(1))) == 2


def test_an_exchange_is_given_as_it_is_stored(store: Store) -> None:
    store.write(Batch([streamed(1, [event(0)])], [spill_of(2, final=True, pieces=3)]))
    again = store.rederivation()

    whole, big = again.stored(1), again.stored(2)

    assert whole is not None
    assert big is not None
    assert (whole.big, big.big) == (False, True)
    assert (whole.row, whole.started_at_ns % 10**9) == (store.exchange(1), 123_456_000)
    assert b"".join(whole.request) + b"".join(whole.response) == raw(1).request + raw(1).response
    assert b"".join(big.response) == raw(2).response + b"0000000000" + b"1111111111" + b"2222222222"
    assert [frame.length for frame in big.frames] == [len(raw(2).response), 10, 10, 10]
    assert list(whole.events) == []


def test_lists_of_items_are_recalled_deeply_only_where_a_session_is_met_first(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be more sessions than memory has room for: then each recall is one of those that a recorder makes."""
    found = [recorded(number, session="ab"[number % 2], fingerprint=Fingerprint(bytes(16), "http", digests(number))) for number in range(1, 7)]
    store.write(Batch(found))
    asked: list[tuple[Any, ...]] = []

    def none(_connection: object, *told: Any) -> list[Any]:
        asked.append(told)
        return []

    monkeypatch.setattr(items, "_MOST", 0)
    monkeypatch.setattr(rederiving, "last_lists", none)
    rederive(store, dict(enumerate(found, 1)))

    assert asked == [("b", 1, 4096), ("a", 2, 4096), ("b", 3), ("a", 4), ("b", 5), ("a", 6)]

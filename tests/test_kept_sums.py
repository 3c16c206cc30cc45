"""Sums that audits keep: they are used, and never differ from what is summed up anew, whatever is done to the store."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aged import START, ids, prune
from playhead.storage.costing.kept_sums import KEPT, KeptSums, Part, grouping_of, loaded
from playhead.storage.costing.sums import Found, Wanted
from playhead.storage.engine import open_database
from playhead.storage.records import Batch, Facts, Recorded, Spill
from playhead.storage.store import Store
from stores import recorded
from test_ledger import cost as paid
from test_ledger import exchange as telling
from test_rewriting import redacting
from test_spending import cost, random_ledger

DAILY = ("model", "day")
NONE = Part(Found({}, {}, {}), None)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with exchanges in three closed parts and an open one; of one the end is not known, and of one the price."""
    path = tmp_path_factory.mktemp("made") / "store.db"
    with Store.open(f"sqlite:///{path}", create=True) as store:
        ledger = random_ledger(random.Random(1), 60)
        for number, one in enumerate(ledger, 1):
            one.number, one.facts.response_id = number, f"r{number}"
        open_ = recorded(100, session="s", outcome=None, duration_ns=None)
        pending = telling(101, "resp_1", paid(None, "pending", used=False))
        for part, batch in enumerate((ledger[:2], ledger[2:20], ledger[20:40], ledger[40:])):
            sql(store, "UPDATE sqlite_sequence SET seq = ? WHERE name = 'exchanges'", max(0, part * KEPT - 5))
            store.write(Batch(batch, spills=[Spill(open_, [], [], (), (), False)] if part == 0 else []))
            if part == 0:
                store.write(Batch([pending]))
    return path


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Iterator[Store]:
    """A copy of that."""
    place = tmp_path / "store.db"
    shutil.copy(made, place)
    with Store.open(f"sqlite:///{place}") as store:
        yield store


def kept(store: Store, *by: str, **wanted: Any) -> Found:
    return store.ledger.spending(Wanted(by or DAILY, **wanted)).found()


def anew(store: Store, *by: str, **wanted: Any) -> Found:
    """What is asked of sessions by their names is not kept."""
    return store.ledger.spending(Wanted(by or DAILY, tuple(row.session for row in store.sessions()), **wanted)).found()


def sql(store: Store, statement: str, *values: object) -> list[Any]:
    assert store.path is not None
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        return connection.execute(statement, values).fetchall()


def parts(store: Store) -> list[int]:
    return [part for (part,) in sql(store, "SELECT part FROM kept_sums WHERE data IS NOT NULL ORDER BY part")]


def test_sums_of_closed_parts_are_kept_and_told_again(store: Store) -> None:
    first = kept(store)
    assert parts(store) == [0, 1, 2]
    sql(store, "UPDATE kept_sums SET data = (SELECT data FROM kept_sums WHERE part = 1) WHERE part = 2")  # if it is not looked at, nobody notices

    assert kept(store) != first == anew(store)


@pytest.mark.parametrize("by", [("day",), ("model",), ("day", "model"), ("session", "model"), ("status",), ("month",)])
def test_any_grouping_is_what_it_is_without_them(store: Store, by: tuple[str, ...]) -> None:
    for _ in range(2):
        assert kept(store, *by) == anew(store, *by)


def test_without_groups_all_is_one(store: Store) -> None:
    spending = store.ledger.spending(Wanted(()))
    assert spending.found() == spending.found() == store.ledger.spending(Wanted((), ("s", "t", "default"))).found()


def end(store: Store) -> None:
    store.write(Batch(spills=[Spill(recorded(100, session="s", cost=paid()), [], [], (), (), True)]))


def reprice(store: Store) -> None:
    store.ledger.replace([(one, cost(77)) for one in store.ledger.priceable()])


def answer_late(store: Store) -> None:
    store.write(Batch([telling(102, "resp_1", paid(told=True))]))


def redact(store: Store) -> None:
    sql(store, "UPDATE exchanges SET user = 'hunter2'")
    kept(store, "user")
    store.rewrite("t", redacting())


CHANGES: dict[str, Callable[[Store], object]] = {
    "an end": end,
    "other prices": reprice,
    "an answer that comes late": answer_late,
    "redaction": redact,
    "a delete": lambda store: store.delete_exchange(ids(store, "t")[0]),
    "a delete of a session": lambda store: store.delete_session("t"),
    "pruned content": lambda store: prune(store, at=10**7, content=60),
    "pruned costs": lambda store: prune(store, at=10**7, costs=60),
    "pruned exchanges": lambda store: prune(store, at=10**7, content=60, costs=60),
    "an update by SQL": lambda store: sql(store, "UPDATE exchanges SET model = 'other' WHERE id > 5"),
    "an update of costs by SQL": lambda store: sql(store, "UPDATE costs SET amount = 5, state = 'priced'"),
    "a delete of costs by SQL": lambda store: sql(store, "DELETE FROM costs WHERE exchange > 10"),
    "another id by SQL": lambda store: sql(store, "UPDATE costs SET exchange = exchange + 30000 WHERE exchange = 1"),
    "more": lambda store: store.write(Batch([recorded(500 + number, cost=cost()) for number in range(3)])),
}


@pytest.mark.parametrize("name", CHANGES)
def test_after_any_change_they_are_those_of_what_stands(store: Store, name: str) -> None:
    before = [kept(store, *by) for by in (DAILY, ("user",))]
    assert parts(store) == [0, 0, 1, 1, 2, 2]
    CHANGES[name](store)

    after = [anew(store, *by) for by in (DAILY, ("user",))]
    assert (before == after) == (name == "pruned content")
    assert [kept(store, *by) for by in (DAILY, ("user",))] == after
    assert [kept(store, *by) for by in (DAILY, ("user",))] == after


def test_what_changes_while_it_is_read_is_not_kept(store: Store) -> None:
    database = open_database(f"sqlite:///{store.path}", create=False, durability="relaxed", lock_timeout=5)
    sums = KeptSums(database, grouping_of(("x",), times=True), "digest")
    assert sums.claim([0, 1])
    sql(store, "UPDATE exchanges SET model = 'other' WHERE id = 1")
    for number in (0, 1):
        sums.keep(number, NONE)

    assert [*sums.stored()] == [1]
    database.engine.dispose()


def test_what_somebody_else_has_claimed_since_is_left_to_him(store: Store) -> None:
    database = open_database(f"sqlite:///{store.path}", create=False, durability="relaxed", lock_timeout=5)
    one, other = (KeptSums(database, grouping_of(("x",), times=True), digest) for digest in ("one", "other"))
    assert one.claim([0])
    assert other.claim([0])
    one.keep(0, NONE)
    other.keep(0, NONE)

    assert (dict(one.stored()), [*other.stored()]) == ({}, [0])
    database.engine.dispose()


@pytest.mark.parametrize("days", [(0, 1), (1, 2), (1, 3), (0, 5), (4, 5)])
def test_a_time_range_that_cuts_a_part_is_read_of_its_exchanges(store: Store, days: tuple[int, int]) -> None:
    for kept_before in (False, True):
        if kept_before:
            kept(store)
        since, until = (START + timedelta(days=day) for day in days)
        assert kept(store, since=since, until=until) == anew(store, since=since, until=until)
        assert kept(store, since=since) == anew(store, since=since)
        assert kept(store, until=until) == anew(store, until=until)


def test_a_store_that_can_only_be_read_is_summed_up_without_keeping(store: Store) -> None:
    assert store.path is not None
    expected = kept(store)
    sql(store, "DELETE FROM kept_sums")
    store.close()
    store.path.chmod(0o400)
    store.path.parent.chmod(0o500)
    try:
        with Store.open(f"sqlite:///{store.path}") as opened:
            assert kept(opened) == expected
    finally:
        store.path.parent.chmod(0o700)


def test_where_others_write_nothing_is_kept_and_all_is_told(store: Store) -> None:
    assert store.path is not None
    with Store.open(f"sqlite:///{store.path}", lock_timeout=0) as other, closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert kept(other) == anew(other)
        connection.execute("ROLLBACK")

    assert parts(store) == []


def test_what_is_damaged_is_summed_up_anew(store: Store) -> None:
    expected = kept(store)
    for data in (b"", b"x", b"x\x9c", packed([None, [[["m", "d"], [None] * 14, None, None]]])):
        sql(store, "UPDATE kept_sums SET data = ? WHERE part = 1", data)
        assert kept(store) == expected


SUMS = [1, 0, 0, [10] * 5, [20] * 5, 100, 0, 0, 0, 0, 0, 5, 1000, 0]
SPAN = ["2026-11-01T00:00:00+00:00", "2026-11-02T00:00:00+00:00"]


def packed(value: Any) -> bytes:
    return zlib.compress(json.dumps(value).encode())


def test_a_part_is_made_of_what_was_kept_of_it() -> None:
    assert loaded(packed([SPAN, [[["m", None], SUMS, [3, 1], None]]]), 2) is not None


@pytest.mark.parametrize(
    "data",
    [
        *(b"x", zlib.compress(b"[" * 100_000), packed([]), packed(None), packed([None, 5]), packed([SPAN, [[["m"], SUMS, None, None]]])),
        *(packed([SPAN, [[["m", name], SUMS, None, None]]]) for name in (5, ["d"])),
        *(packed([SPAN, [[["m", "d"], ["x"] * 14, None, None]]]), packed([SPAN, [[["m", "d"], [None] * 14, None, None]]])),
        *(packed([SPAN, [[["m", "d"], [*SUMS[:3], wrong, *SUMS[4:]], None, None]]]) for wrong in ([10], ["a"] * 5, 5)),
        *(packed([SPAN, [[["m", "d"], SUMS, times, None]]]) for times in ([1], ["a", "b"], [1, 2.5])),
        *(packed([span, [[["m", "d"], SUMS, None, None]]]) for span in (["x", "y"], SPAN[:1], ["2026-11-01", "2026-11-02"])),
    ],
)
def test_nothing_is_made_of_what_is_no_part(data: bytes) -> None:
    assert loaded(data, 2) is None


def test_more_groups_than_save_anything_are_not_kept(store: Store) -> None:
    many: list[Recorded] = [replace(recorded(1000 + number), key_id=f"k{number}") for number in range(1001)]
    store.write(Batch(many))
    sql(store, "UPDATE sqlite_sequence SET seq = ? WHERE name = 'exchanges'", 5 * KEPT)
    store.write(Batch([recorded(5000)]))

    for _ in range(2):
        assert kept(store, "key") == anew(store, "key")
    assert sql(store, "SELECT part FROM kept_sums WHERE length(data) = 0") == [(3,)]
    assert list(store.verify()) == []


def test_a_recorder_sums_up_more_groups_than_that_once(store: Store) -> None:
    store.write(Batch([replace(recorded(1000 + number), facts=Facts(model=f"m{number}")) for number in range(1001)]))
    sql(store, "UPDATE sqlite_sequence SET seq = ? WHERE name = 'exchanges'", 5 * KEPT)
    store.write(Batch([recorded(5000)]))

    assert [bool(list(store.ledger.keep_sums())) for _ in range(2)] == [True, False]
    sql(store, "UPDATE exchanges SET model = 'm' WHERE model LIKE 'm%'")
    assert [bool(list(store.ledger.keep_sums())) for _ in range(2)] == [True, False]
    assert kept(store) == anew(store)


def test_a_new_way_to_sum_up_takes_the_place_of_the_old(store: Store) -> None:
    expected = kept(store)
    sql(store, "UPDATE kept_sums SET made_by = 'old'")

    assert kept(store) == expected
    assert sql(store, "SELECT count(*), max(made_by = 'old') FROM kept_sums") == [(3, 0)]


def test_a_recorder_keeps_them_ready_a_little_at_a_time(store: Store) -> None:
    steps = [None for _ in store.ledger.keep_sums()]
    assert parts(store) == [0, 1, 2]
    assert len(steps) == 3 * KEPT // 5000
    sql(store, "UPDATE kept_sums SET claim = x'00'")

    assert kept(store) == anew(store)
    assert sql(store, "SELECT DISTINCT claim FROM kept_sums") == [(b"\0",)]  # the audit has made none
    assert list(store.ledger.keep_sums()) == []


def test_what_changes_between_two_steps_is_not_kept(store: Store) -> None:
    steps = store.ledger.keep_sums()
    next(steps)
    sql(store, "UPDATE exchanges SET model = 'other' WHERE id = 1")
    for _ in steps:
        pass

    assert parts(store) == [1, 2]
    assert kept(store) == anew(store)

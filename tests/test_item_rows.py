"""Items of requests and answers: rows of their own, each item of a conversation once."""

from __future__ import annotations

import dataclasses
import random
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from playhead.config.errors import StoreError
from playhead.storage.engine import Database
from playhead.storage.records import PARSER, Batch, Facts, Fingerprint, ItemRow, Recorded, Spill, WireProblems
from playhead.storage.store import Store
from stores import raw, recorded


def asked(position: int, text: str = "") -> ItemRow:
    return ItemRow("input", position, "message", None, None, None, text or f"said {position}")


def called(position: int, name: str = "shell") -> ItemRow:
    return ItemRow("output", position, "function_call", f"fc_{position}", f"call_{position}", name, "completed")


def digests(count: int, salt: int = 0) -> bytes:
    return b"".join((salt << 16 | number).to_bytes(4, "big") for number in range(count))


def turn(number: int, count: int, *, salt: int = 0, session: str = "default", first: int = 0) -> Recorded:
    """An exchange whose request has so many items, of which those from `first` on are told, and whose answer calls twice."""
    one = Fingerprint(number.to_bytes(16, "big"), "http", digests(count, salt)[-4 * 4096 :])
    return recorded(number, session=session, fingerprint=one, items=[*map(asked, range(first, count)), called(0), called(1, "search")])


def inputs(store: Store, session: str = "default") -> list[list[int]]:
    """Positions of the input items of each exchange."""
    return [[item.position for item in store.items(row.id) if item.part == "input"] for row in store.exchanges(session)]


def test_items_come_back_as_they_were(store: Store) -> None:
    given = [asked(0), ItemRow("input", 1, None, None, None, None, None), called(0), called(1, "search")]

    store.write(Batch([recorded(1, items=given), recorded(2)]))

    assert [store.items(row.id) for row in store.exchanges("default")] == [given, []]


def test_items_of_no_exchange_are_an_error(store: Store) -> None:
    with pytest.raises(StoreError, match="There is no exchange 5"):
        store.items(5)
    with pytest.raises(StoreError, match="There is no exchange 5"):
        store.problems(5)


def test_an_item_is_kept_where_it_was_sent_first(store: Store) -> None:
    store.write(Batch([turn(1, 1), turn(2, 3)]))
    store.write(Batch([turn(3, 8), turn(4, 8), turn(5, 9)]))

    assert inputs(store) == [[0], [1, 2], [3, 4, 5, 6, 7], [], [8]]
    assert all(len([item for item in store.items(row.id) if item.part == "output"]) == 2 for row in store.exchanges("default"))


def test_it_does_not_matter_whether_known_items_are_given_again(store: Store) -> None:
    store.write(Batch([turn(1, 6), turn(2, 8, first=6), turn(3, 9, first=7)]))

    assert inputs(store) == [[0, 1, 2, 3, 4, 5], [6, 7], [8]]


def test_another_conversation_has_its_own_items(store: Store) -> None:
    store.write(Batch([turn(1, 6), turn(2, 7, salt=1), turn(3, 7), turn(4, 7, session="other")]))

    assert inputs(store) == [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5, 6], [6]]
    assert inputs(store, "other") == [[0, 1, 2, 3, 4, 5, 6]]


def test_a_long_conversation_has_each_item_once(store: Store) -> None:
    for number in range(1, 81):
        store.write(Batch([turn(number, 2 * number)]))

    assert inputs(store) == [[2 * number - 2, 2 * number - 1] for number in range(1, 81)]


def test_of_a_list_whose_first_digests_were_let_go_only_new_items_are_kept(store: Store) -> None:
    kept = digests(4100)[4 * 2048 :]
    first = dataclasses.replace(turn(1, 4100), fingerprint=Fingerprint(bytes(16), "http", kept))
    second = dataclasses.replace(turn(2, 4102), fingerprint=Fingerprint(bytes(16), "http", kept + b"new1new2"))

    store.write(Batch([first, second]))

    assert inputs(store)[1] == [4100, 4101]


def test_another_recorder_knows_what_was_sent(database: Database, store: Store) -> None:
    store.write(Batch([turn(1, 2), turn(2, 6)]))

    with Store(database) as other:
        other.write(Batch([turn(3, 8)]))

    assert inputs(store) == [[0, 1], [2, 3, 4, 5], [6, 7]]


def test_a_batch_that_failed_can_be_given_again(store: Store) -> None:
    store.write(Batch([turn(1, 6)]))
    broken = dataclasses.replace(turn(3, 9), path=None)  # type: ignore[arg-type]

    with pytest.raises(StoreError):
        store.write(Batch([turn(2, 8), broken]))
    store.write(Batch([turn(2, 8), turn(3, 9)]))

    assert inputs(store) == [[0, 1, 2, 3, 4, 5], [6, 7], [8]]


@pytest.mark.parametrize("garbage", ["a\0b", "lone \ud800 surrogate", "ünïcödé 🎧", "x" * 100_000, ""])
def test_text_from_the_wire_cannot_stop_recording(store: Store, garbage: str) -> None:
    problems = [(garbage, garbage, garbage)] * 3
    item = ItemRow("output", 0, garbage, garbage, garbage, garbage, garbage)

    store.write(Batch([recorded(1, facts=Facts(problems=problems), items=[item])]))

    fit = garbage.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    (row,) = store.exchanges("default")
    assert store.items(row.id) == [ItemRow("output", 0, fit, fit, fit, fit, fit)]
    assert store.problems(row.id) == WireProblems(3, ((fit[:200],) * 3,) * 3)


def test_an_item_given_twice_is_stored_once(store: Store) -> None:
    store.write(Batch([recorded(1, items=[called(0), called(0, "other")])]))

    assert [item.name for row in store.exchanges("default") for item in store.items(row.id)] == ["shell"]


def test_many_exchanges_with_items_in_one_batch(store: Store) -> None:
    rng = random.Random(5)
    counts = [rng.randrange(40) for _ in range(100)]

    store.write(Batch([recorded(number, items=[called(place, f"tool {place % 7}") for place in range(count)]) for number, count in enumerate(counts)]))

    assert [len(store.items(row.id)) for row in store.exchanges("default")] == counts


def spill(number: int, *, items: list[ItemRow], final: bool = False, fingerprint: Fingerprint | None = None) -> Spill:
    return Spill(recorded(number, raw=raw(number), items=items, fingerprint=fingerprint), [], [], (), (), final)


def test_what_a_spilled_exchange_gives_later_replaces_what_it_gave(store: Store) -> None:
    store.write(Batch([turn(1, 4)]))
    one = turn(2, 6).fingerprint
    everything = [asked(place) for place in range(6)]

    store.write(Batch(spills=[spill(2, items=[*everything, called(0, "half")], fingerprint=one)]))
    store.write(Batch(spills=[spill(2, items=[*everything, called(0), called(1)])]))
    store.write(Batch(spills=[spill(2, items=[called(0), called(1), called(2)], final=True)]))

    assert inputs(store) == [[0, 1, 2, 3], [4, 5]]
    assert [item for item in store.items(2) if item.part == "output"] == [called(0), called(1), called(2)]


def test_what_goes_on_from_a_spilled_exchange_keeps_what_is_new(store: Store) -> None:
    store.write(Batch(spills=[spill(1, items=[asked(0), asked(1)], fingerprint=turn(1, 2).fingerprint, final=True)]))
    store.write(Batch([turn(2, 5)]))

    assert inputs(store) == [[0, 1], [2, 3, 4]]


def test_a_spilled_exchange_that_comes_whole_has_the_items_of_the_whole(store: Store) -> None:
    store.write(Batch(spills=[spill(1, items=[asked(0), called(0, "half"), called(5)], fingerprint=turn(1, 1).fingerprint)]))
    store.write(Batch([turn(1, 1)]))

    assert store.items(1) == [asked(0), called(0), called(1, "search")]


def test_a_deleted_exchange_leaves_no_items(store: Store, database: Database) -> None:
    store.write(Batch([turn(1, 4), turn(2, 6)]))

    store.delete_exchange(1)

    assert inputs(store) == [[4, 5]]
    store.delete_session("default")
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM item_rows")).scalar() == 0


def test_every_problem_is_counted_and_the_first_are_kept(store: Store) -> None:
    problems = [(f"output.{number}", "a string", "7") for number in range(1234)]

    store.write(Batch([recorded(1, facts=Facts(problems=problems)), recorded(2)]))

    assert [store.problems(row.id) for row in store.exchanges("default")] == [WireProblems(1234, tuple(problems[:50])), WireProblems()]


def test_an_exchange_says_which_parser_read_it(store: Store, database: Database) -> None:
    store.write(Batch([recorded(1)], [spill(2, items=[])]))

    with database.reading() as connection:
        assert set(connection.execute(text("SELECT parser FROM exchanges")).scalars()) == {PARSER}


def test_all_calls_of_a_tool_are_one_query(store: Store, database: Database) -> None:
    store.write(Batch([turn(1, 2), turn(2, 4)]))
    query = """
        SELECT e.session, i.exchange, i.call_id, i.status FROM items AS i JOIN exchanges AS e ON e.id = i.exchange
        WHERE i.part = 'output' AND i.type = 'function_call' AND i.name = 'shell' AND e.started_at >= '2025-01-01' ORDER BY e.started_at
    """

    with database.reading() as connection:
        assert [tuple(row) for row in connection.execute(text(query))] == [("default", 1, "call_0", "completed"), ("default", 2, "call_0", "completed")]


def test_the_query_of_the_readme_finds_shell_calls(tmp_path: Path) -> None:
    found = re.search(r"`(SELECT started_at, items.+?)`", (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8"))
    assert found is not None
    call = ItemRow("output", 0, "shell_call", "sh_1", "call_1", None, "completed")
    url = f"sqlite:///{tmp_path / 'store.db'}"

    with Store.open(url, create=True) as store, closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        store.write(Batch([recorded(1, items=[call], started_at_ns=time.time_ns()), recorded(2, items=[call])]))

        assert [row[1:] for row in connection.execute(found[1])] == [(1, *call)]

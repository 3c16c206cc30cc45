"""What the database refuses of one exchange does not hold up the others."""

from __future__ import annotations

import logging

import pytest

from playhead.config.errors import RefusedError
from playhead.proxy.recorders.storing import store_batch
from playhead.storage.connecting.connected import RecordedConnection, turn_number
from playhead.storage.records import Batch, ItemRow, Position, Spill
from playhead.storage.store import Store
from stores import recorded

HUGE = ItemRow("output", 10**30, "message", "msg_1", None, None, None)


@pytest.fixture
def batch() -> Batch:
    return Batch(finished=[recorded(1), recorded(2, items=[HUGE]), recorded(3)], positions=[Position("w1", 7, 9, {})])


def test_a_value_that_no_database_takes_is_refused(store: Store, batch: Batch) -> None:
    with pytest.raises(RefusedError):
        store.write(batch)


def test_all_is_stored_and_what_was_refused_without_its_parsing(store: Store, batch: Batch, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL):
        store_batch(store, batch)
    rows = {row.seq: row for row in store.exchanges("default")}

    assert [rows[seq].parse for seq in sorted(rows)].count("unparsed") == 1
    assert len(rows) == 3
    assert [position.segment for position in store.positions()] == [7]


def test_a_part_of_an_open_exchange_is_stored_all_the_same(store: Store) -> None:
    spill = Spill(recorded(1, items=[HUGE], outcome=None), [], [], (), (), final=False)
    store_batch(store, Batch(spills=[spill]))

    assert [row.parse for row in store.exchanges("default")] == ["unparsed"]


def test_a_connection_that_is_refused_does_not_hold_up_its_turns(store: Store) -> None:
    connection = RecordedConnection("w1", 7, "default", "run1", "/v1/responses", "", 0, status=101, turns=10**30)
    store_batch(store, Batch(finished=[recorded(turn_number(7, 1), connection_number=7, transport="ws")], connections=[connection]))

    assert [row.transport for row in store.exchanges("default")] == ["ws"]

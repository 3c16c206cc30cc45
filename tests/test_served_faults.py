"""Faults that replays served, in the store, and the turns by which they are placed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from playhead.config.errors import StoreError
from playhead.storage.records import Batch, FaultRecord
from playhead.storage.store import Store
from stores import opened, recorded


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(opened(url)) as made:
        made.write(
            Batch(
                [
                    recorded(1),
                    recorded(2, method="GET", path="/v1/models"),
                    recorded(3, path="/v1/chat/completions?x=1"),
                    recorded(4, path="/v1/embeddings"),
                    recorded(5, path="/v1/messages"),
                    recorded(6, path="/v1/responses/resp_1/cancel"),
                    recorded(7, session="b"),
                ]
            )
        )
        yield made


def served(**changes: Any) -> FaultRecord:
    values: dict[str, Any] = {"id": 0, "session": "default", "run": "r1", "at": datetime(2026, 11, 26, tzinfo=UTC), "exchange": 1}
    return FaultRecord(**values | {"fault": "429 at turn 1", "place": "turn 1", "outcome": None} | changes)


def test_a_fault_is_listed_as_it_was_served_with_what_the_client_did(store: Store) -> None:
    first = store.add_fault(served())
    second = store.add_fault(served(fault="cut", run="r2", exchange=None))
    store.add_fault(served(session="b"))

    store.fault_outcome(first, {"next": "retried", "after_ms": 12.5})

    assert store.faults("default") == [served(id=first, outcome={"next": "retried", "after_ms": 12.5}), served(id=second, fault="cut", run="r2", exchange=None)]
    assert [one.id for one in store.faults("default", run="r1")] == [first]
    assert [one.id for one in store.faults("default", limit=1)] == [second]


def test_a_session_that_is_not_there_has_none(store: Store) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        store.faults("nowhere")


def test_they_go_with_their_session(store: Store) -> None:
    store.add_fault(served())

    store.delete_session("default")

    with pytest.raises(StoreError):
        store.faults("default")


def test_turns_are_the_requests_for_a_response_of_a_model(store: Store) -> None:
    ids = [one.id for one in store.exchanges("default")]

    assert store.creates("default", None) == [ids[0], ids[2], ids[4]] == store.creates("default", 1)
    assert store.creates("default", 2) == []

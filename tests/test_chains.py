"""What the store knows of the ids by which exchanges are linked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from playhead.storage.records import Batch, Facts, ItemRow, Recorded
from playhead.storage.store import Store
from stores import START_NS, opened, recorded


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(opened(url)) as made:
        yield made


def linked(number: int, response: str | None = None, conversation: str | None = None, status: str | None = "completed", **changes: Any) -> Recorded:
    facts = Facts(kind="responses", response_id=response, conversation=conversation, response_status=status, parse="parsed")
    return recorded(number, facts=facts, **changes)


def output(*ids: str) -> list[ItemRow]:
    return [ItemRow("output", place, "message", id_, None, None, None) for place, id_ in enumerate(ids)]


def test_a_response_is_found_where_it_was_made_and_where_it_was_retrieved_whole(store: Store) -> None:
    retrieval = {"method": "GET", "path": "/v1/responses/resp_1"}
    store.write(
        Batch(
            [
                linked(1, "resp_1", status="queued"),
                linked(2, "resp_1", status="in_progress", **retrieval),
                linked(3, "resp_1", **retrieval),
                linked(4, "resp_2"),
            ]
        )
    )

    assert [row.id for row in store.responding("resp_1")] == [1, 3]
    assert store.responding("resp_9") == []


def test_a_conversation_is_in_the_order_in_which_its_exchanges_began(store: Store) -> None:
    store.write(Batch([linked(1, "resp_1", "conv_1"), linked(2, "resp_2", "conv_1", started_at_ns=START_NS), linked(3, "resp_3")]))

    assert [(row.id, row.conversation) for row in store.conversing("conv_1")] == [(2, "conv_1"), (1, "conv_1")]


def test_a_conversation_of_many_exchanges_is_read_page_by_page(store: Store) -> None:
    store.write(Batch([linked(number, f"resp_{number}", "conv_1") for number in range(1, 1203)]))

    assert [row.id for row in store.conversing("conv_1")] == list(range(1, 1203))


def test_an_item_is_made_where_it_first_came_out(store: Store) -> None:
    store.write(
        Batch([linked(1, items=output("msg_1", "msg_2")), linked(2, items=output("msg_1")), linked(3, session="other", items=output("msg_1", "msg_3"))])
    )

    assert store.item_makers(["msg_1", "msg_2", "msg_3", "msg_9"], "default") == {"msg_1": 1, "msg_2": 1, "msg_3": 3}
    assert store.item_makers(["msg_1"], "other") == {"msg_1": 3}
    assert store.item_makers([], "default") == {}


def test_of_very_many_items_all_are_looked_up(store: Store) -> None:
    store.write(Batch([linked(1, items=output(*(f"msg_{number}" for number in range(1203))))]))

    assert len(store.item_makers([f"msg_{number}" for number in range(1203)], "default")) == 1203


def test_links_are_found_by_an_index(url: str, store: Store) -> None:
    if not url.startswith("sqlite"):
        pytest.skip("PostgreSQL decides by the size of the table")
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        for name in ("response_id", "conversation"):
            plan = connection.execute(f"EXPLAIN QUERY PLAN SELECT id FROM exchanges WHERE {name} = 'x'").fetchall()
            assert f"USING INDEX ix_exchanges_{name}" in plan[0][3] or f"ix_exchanges_{name}" in plan[0][3]

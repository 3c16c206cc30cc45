"""What a store is known to lack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from playhead.storage.completeness import Completeness
from playhead.storage.records import Batch, Facts, ItemRow, Recorded
from playhead.storage.store import Store
from stores import connected, event, opened, recorded, streamed, turned

NOTHING = dict.fromkeys(Completeness.model_fields, 0)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(opened(url)) as made:
        yield made


def told(number: int, kind: str = "responses", make: Any = recorded, **changes: Any) -> Recorded:
    """An exchange whose facts are changed; `items`, `outcome` and the like are its own."""
    names = Facts.__dataclass_fields__
    facts = {"kind": kind, "response_id": f"resp_{number}", "response_status": "completed"} | {name: changes.pop(name) for name in [*changes] if name in names}
    one: Recorded = make(number, facts=Facts(**facts), **changes)
    return one


def lacks(store: Store, *exchanges: Recorded) -> dict[str, int]:
    """What is not 0."""
    store.write(Batch(list(exchanges)))
    return {name: number for name, number in store.completeness().model_dump().items() if number}


def test_an_empty_store_lacks_nothing(store: Store) -> None:
    assert store.completeness().model_dump() == NOTHING


def test_a_chain_that_is_whole_lacks_nothing(store: Store) -> None:
    assert lacks(store, told(1), told(2, previous_response_id="resp_1")) == {}


def test_each_response_that_is_named_and_was_never_recorded_counts_once(store: Store) -> None:
    found = lacks(store, told(1, previous_response_id="gone_1"), told(2, previous_response_id="gone_1"), told(3, previous_response_id="gone_2"))

    assert found == {"missing_responses": 2}


def test_a_conversation_counts_unless_the_call_that_made_it_was_recorded(store: Store) -> None:
    api: dict[str, Any] = {"kind": "other", "response_id": None, "response_status": None}
    made = told(1, conversation="conv_1", path="/v1/conversations", **api)
    put = told(2, conversation="conv_2", path="/v1/conversations/conv_2/items", **api)

    assert lacks(store, made, put, told(3, conversation="conv_1"), told(4, conversation="conv_2"), told(5, conversation="conv_2")) == {
        "missing_conversations": 1
    }


def test_an_item_counts_unless_it_came_out_or_was_sent_itself(store: Store) -> None:
    def items(*rows: tuple[str, str, str]) -> list[ItemRow]:
        return [ItemRow("input" if part == "in" else "output", place, type_, id_, None, None, None) for place, (part, type_, id_) in enumerate(rows)]

    first = told(1, items=items(("in", "message", "msg_in"), ("out", "message", "msg_out")))
    second = told(2, items=items(*(("in", "item_reference", id_) for id_ in ("msg_in", "msg_out", "msg_lost", "msg_gone"))))

    assert lacks(store, first, second, told(3, items=items(("in", "item_reference", "msg_lost")))) == {"missing_items": 2}


def numbered(*numbers: int | None, lanes: Any = None, direction: int = 1) -> list[Any]:
    return [event(seq, sequence_number=number, direction=direction, stream_id=lanes and lanes[seq]) for seq, number in enumerate(numbers)]


@pytest.mark.parametrize(
    ("numbers", "gaps"),
    [((0, 1, 2), 0), ((5, 6, 7), 0), ((0, 2, 3, 7), 2), ((0, None, 1), 0), ((0, None, 2), 1), ((0, 1, 0, 1), 0), ((0, 1, 1, 3), 1), ((3,), 0)],
)
def test_numbers_that_are_left_out_are_gaps(store: Store, numbers: tuple[int | None, ...], gaps: int) -> None:
    found = lacks(store, told(1, make=streamed, events=numbered(*numbers), event_count=len(numbers)))

    assert found == ({"sequence_gaps": gaps, "exchanges_with_gaps": 1} if gaps else {})


def test_the_lanes_of_a_socket_that_is_one_exchange_count_apart(store: Store) -> None:
    sound = told(1, transport="ws", method="GET", events=numbered(0, 5, 1, 6, lanes="abab"), event_count=4)
    cut = told(2, transport="ws", method="GET", events=numbered(0, 1, 2, 2, lanes="abab"), event_count=4)

    assert lacks(store, sound, cut) == {"sequence_gaps": 1, "exchanges_with_gaps": 1}


@pytest.mark.parametrize(
    ("changes", "endless"),
    [
        ({}, 0),
        ({"response_status": "in_progress", "outcome": "client_closed"}, 1),
        ({"response_status": "queued"}, 1),
        ({"response_status": None, "response_id": None, "outcome": "upstream_closed"}, 1),
        ({"response_status": "in_progress", "outcome": "aborted", "error_code": "server_error"}, 0),
        ({"response_status": "in_progress", "outcome": None}, 0),
        ({"response_status": None, "response_id": None, "status": 500}, 0),
        ({"response_status": "in_progress", "outcome": "aborted", "path": "/v1/responses?beta=true"}, 1),
        ({"response_status": None, "outcome": "aborted", "path": "/v1/responses/compact"}, 0),
        ({"response_status": "in_progress", "method": "GET", "path": "/v1/responses/resp_1"}, 0),
        ({"response_status": None, "outcome": "aborted", "kind": "embeddings"}, 0),
    ],
)
def test_a_response_without_an_end_counts(store: Store, changes: dict[str, Any], endless: int) -> None:
    assert lacks(store, told(1, **changes)) == ({"endless_responses": endless} if endless else {})


def test_a_response_whose_end_was_retrieved_has_one(store: Store) -> None:
    assert lacks(store, told(1, response_status="queued"), told(2, response_id="resp_1", method="GET", path="/v1/responses/resp_1")) == {}


def test_a_turn_without_an_end_counts_and_messages_without_a_turn(store: Store) -> None:
    one = turned(1, 1, outcome="upstream_closed", facts=Facts(kind="responses", response_id="resp_1", response_status="in_progress"))
    store.write(Batch([one], connections=[connected(1, unassigned=3), connected(2)]))

    assert store.completeness().model_dump() == {**NOTHING, "endless_responses": 1, "stray_messages": 3}

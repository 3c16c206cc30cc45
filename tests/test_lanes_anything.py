"""What always holds for which turn a message belongs to, whatever comes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lane_talk import BAD, GARBAGE, NONSENSE, Told, create, delta, error, response, says, steer, steered, whole
from playhead.proxy.lanes import Assigned, Begun, Ended, Lanes
from playhead.proxy.models.doors import parse_client_event, parse_server_event

LANES = st.sampled_from((None, None, "a", "b", "", 5, ["x"]))
IDS = st.sampled_from(("r", "s", "t", None, 5, {"x": 1}))
STEERS = st.sampled_from(("s1", "s2", None, 7))
CLIENTS = st.one_of(
    st.builds(lambda lane, id_: create(lane, previous_response_id=id_), LANES, IDS),
    st.builds(steer, IDS),
    st.builds(lambda id_: (">", {"type": "response.inject", "response_id": id_}), IDS),
    st.sampled_from((NONSENSE, (">", {"type": 5}), (">", {"type": "x"}), (">", []))),
)
SERVERS = st.one_of(
    st.builds(
        lambda name, id_, lane, previous: response(name, id_, lane, previous),
        st.sampled_from(("created", "created", "in_progress", "completed", "failed", "incomplete", "done")),
        IDS,
        LANES,
        IDS,
    ),
    st.builds(delta, LANES),
    st.builds(lambda name, id_, steer_id, lane: steered(name, id_, steer_id, lane), st.sampled_from(("accepted", "failed", "pending")), IDS, STEERS, LANES),
    st.builds(
        lambda code, lane, more: error(code, lane, **more),
        st.sampled_from((None, "previous_response_not_found", "invalid_stream_id", "websocket_stream_limit_reached", "websocket_connection_limit_reached")),
        LANES,
        st.sampled_from(({}, BAD, {"status": 500}, {"sequence_number": 1}, {"param": "type"}, {"param": "input"})),
    ),
    st.builds(lambda kind, lane, id_: says(kind, lane, response_id=id_), st.sampled_from(("keepalive", "responsesapi.websocket_timing", "x")), LANES, IDS),
    st.sampled_from((GARBAGE, ("<", []), ("<", {"type": []}), ("<", {"type": "response.created", "response": []}), ("<", {"type": "error", "error": 5}))),
)


def in_order(assigned: Iterable[Assigned], directions: list[str]) -> bool:
    """Whether every turn got its messages of each direction in their order."""
    newest: dict[Any, int] = {}
    for token, turn in assigned:
        key = (turn, directions[token])
        if newest.get(key, -1) > token:
            return False
        newest[key] = token
    return True


@given(st.lists(st.one_of(CLIENTS, SERVERS), max_size=40))
def test_whatever_comes_every_message_is_assigned_once_and_every_turn_begins_and_ends(messages: list[tuple[str, Any]]) -> None:
    told = Told(*messages)
    assigned = [step for step in told.steps if isinstance(step, Assigned)]

    assert len(told.turns) == len(messages)
    assert in_order(assigned, [direction for direction, _ in messages])
    assert [step.turn for step in told.begun] == list(range(1, len(told.begun) + 1))
    assert sorted(step.turn for step in told.ended) == list(range(1, len(told.begun) + 1))
    assert told.lanes.unassigned == told.turns.count(0)
    assert told.lanes.held == ()


@given(st.lists(st.one_of(CLIENTS, SERVERS), max_size=40))
def test_nothing_belongs_to_a_turn_before_its_begin_or_behind_its_end(messages: list[tuple[str, Any]]) -> None:
    open_ = {0}
    for step in Told(*messages).steps:
        if isinstance(step, Begun):
            open_.add(step.turn)
        elif isinstance(step, Ended):
            open_.remove(step.turn)
        else:
            assert step.turn in open_


@given(st.lists(st.one_of(CLIENTS, SERVERS), max_size=40))
def test_what_runs_is_what_a_plain_event_would_belong_to(messages: list[tuple[str, Any]]) -> None:
    lanes = Told(*messages, close=False).lanes
    for lane in (None, "a", "b"):
        running = lanes.running(lane)
        if running:
            assert lanes.server(len(messages), parse_server_event(json.dumps(delta(lane)[1]).encode())) == [Assigned(len(messages), running)]


def test_memory_is_bounded_over_many_turns() -> None:
    lanes = Lanes()
    for number in range(3000):
        lane = f"l{number % 100}" if number % 3 else None
        for direction, said in (create(lane), steer(f"x{number}"), *whole(f"r{number}", lane), steered("accepted", f"r{number}"), error(), GARBAGE, NONSENSE):
            data = said if isinstance(said, bytes) else json.dumps(said).encode()
            if direction == ">":
                lanes.client(number, parse_client_event(data))
            else:
                lanes.server(number, parse_server_event(data))

    assert len(json.dumps(lanes.state())) < 30_000


def test_turns_that_nothing_settles_are_given_up() -> None:
    messages: list[tuple[str, Any]] = []
    for number in range(80):
        id_ = f"r{number}"
        messages += [create(), response("created", id_), steer(id_), response("completed", id_)]

    assert len(Told(*messages, close=False).ended) == 80 - 64

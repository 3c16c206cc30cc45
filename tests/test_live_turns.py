"""Turns that a replay sends to upstream: what its messages are of."""

from __future__ import annotations

from typing import Any

from playhead.proxy.models.doors import client_event_door, event_door
from playhead.proxy.models.kind import Shape
from playhead.proxy.models.wire import Wire
from playhead.proxy.sockets.live_turns import Heard, LiveTurns

SHAPE = Shape("responses")
LOST = {"type": "error", "status": 400, "error": {"type": "invalid_request_error", "code": "previous_response_not_found", "message": "?"}}


def create(**members: Any) -> Wire:
    return client_event_door(SHAPE)({"type": "response.create", "model": "m", "input": "hi", **members})


def event(kind: str, id_: str | None = None, **members: Any) -> Wire:
    return event_door(SHAPE)({"type": kind, **({"response": {"id": id_}} if id_ else {}), **members})


def error(**members: Any) -> Wire:
    return event_door(SHAPE)({**LOST, **members})


def test_what_upstream_says_belongs_to_the_turn_of_its_lane() -> None:
    turns = LiveTurns()
    assert [turns.sent(create()), turns.sent(create(stream_id="b"))] == [1, 2]

    told = [turns.heard(event("response.created", "r2", stream_id="b")), turns.heard(event("response.created", "r1"))]
    told.append(turns.heard(event("response.completed", "r2", stream_id="b")))
    assert told == [Heard(2), Heard(1), Heard(2, over=True)]


def test_a_turn_whose_parent_upstream_does_not_know_is_lost() -> None:
    turns = LiveTurns()
    turns.sent(create(previous_response_id="recorded"))

    assert turns.heard(error()) == Heard(1, lost=True, over=True)


def test_a_turn_that_went_once_more_is_not_lost_again() -> None:
    turns = LiveTurns()
    turns.sent(create(previous_response_id="recorded"))
    turns.heard(error())
    turns.sent(create(), again=True)

    assert turns.heard(error()) == Heard(2, over=True)


def test_a_turn_that_goes_on_from_nothing_is_not_lost() -> None:
    turns = LiveTurns()
    turns.sent(create())

    assert turns.heard(error()) == Heard(1, over=True)


def test_a_turn_of_which_something_came_is_not_lost() -> None:
    turns = LiveTurns()
    turns.sent(create(previous_response_id="r0"))
    turns.heard(event("response.created", "r1"))

    assert not turns.heard(error(sequence_number=1)).lost


def test_on_another_lane_it_is_the_turn_of_that_lane_that_is_lost() -> None:
    turns = LiveTurns()
    turns.sent(create(previous_response_id="recorded"))
    turns.sent(create(previous_response_id="recorded", stream_id="b"))

    assert turns.heard(error(stream_id="b")) == Heard(2, lost=True, over=True)


def test_it_is_known_which_responses_were_made_here() -> None:
    turns = LiveTurns()
    turns.sent(create())
    turns.heard(event("response.created", "r1"))

    assert (turns.made("r1"), turns.made("r0"), turns.made(None)) == (True, False, False)


def test_what_belongs_to_no_turn_is_of_none() -> None:
    assert LiveTurns().heard(event("codex.rate_limits")) == Heard(0)

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
    assert told == [Heard(2), Heard(1), Heard(2, over=(2,))]


def test_a_turn_whose_parent_upstream_does_not_know_is_lost() -> None:
    turns = LiveTurns()
    turns.sent(create(previous_response_id="recorded"))

    assert turns.heard(error()) == Heard(1, lost=True, over=(1,))


def test_a_turn_that_went_once_more_is_not_lost_again() -> None:
    turns = LiveTurns()
    turns.sent(create(previous_response_id="recorded"))
    turns.heard(error())
    turns.sent(create(), again=True)

    assert turns.heard(error()) == Heard(2, over=(2,))


def test_a_turn_that_goes_on_from_nothing_is_not_lost() -> None:
    turns = LiveTurns()
    turns.sent(create())

    assert turns.heard(error()) == Heard(1, over=(1,))


def test_a_turn_of_which_something_came_is_not_lost() -> None:
    turns = LiveTurns()
    turns.sent(create(previous_response_id="r0"))
    turns.heard(event("response.created", "r1"))

    assert not turns.heard(error(sequence_number=1)).lost


def test_on_another_lane_it_is_the_turn_of_that_lane_that_is_lost() -> None:
    turns = LiveTurns()
    turns.sent(create(previous_response_id="recorded"))
    turns.sent(create(previous_response_id="recorded", stream_id="b"))

    assert turns.heard(error(stream_id="b")) == Heard(2, lost=True, over=(2,))


def test_it_is_known_which_responses_were_made_here() -> None:
    turns = LiveTurns()
    turns.sent(create())
    turns.heard(event("response.created", "r1"))

    assert (turns.made("r1"), turns.made("r0"), turns.made(None)) == (True, False, False)


def test_what_belongs_to_no_turn_is_of_none() -> None:
    assert LiveTurns().heard(event("codex.rate_limits")) == Heard(0)


def test_upstream_owes_a_turn_until_its_end() -> None:
    turns = LiveTurns()
    owed = [turns.owed]
    turns.sent(create())
    owed.append(turns.owed)
    turns.heard(event("response.created", "r1"))
    turns.heard(event("response.completed", "r1"))

    assert [*owed, turns.owed] == [False, True, False]


def test_what_follows_a_steer_is_owed_from_the_steer_on() -> None:
    turns = LiveTurns()
    turns.sent(create())
    turns.heard(event("response.created", "r1"))
    turns.sent(client_event_door(SHAPE)({"type": "response.steer", "previous_response_id": "r1", "input": "more"}))
    turns.heard(event("response.steer.accepted", steer={"id": "s", "previous_response_id": "r1"}))
    ended = turns.heard(event("response.incomplete", "r1"))
    owed = [turns.owed]
    turns.heard(event_door(SHAPE)({"type": "response.created", "response": {"id": "r2", "previous_response_id": "r1"}}))
    owed.append(turns.owed)
    turns.heard(event("response.completed", "r2"))

    assert (ended.over, [*owed, turns.owed]) == ((1,), [True, True, False])


def test_of_an_error_that_may_be_anothers_it_is_not_said_that_something_is_owed() -> None:
    turns = LiveTurns()
    turns.sent(create())
    turns.heard(event("response.created", "r1"))
    turns.sent(client_event_door(SHAPE)({"type": "unheard.of"}))
    doubted = turns.heard(event("error", status=400, error={"code": "bad", "message": "?"}))
    owed = turns.owed
    turns.heard(event("response.completed", "r1"))

    assert (doubted.over, owed, turns.owed) == ((), False, False)


def test_it_is_silent_while_nothing_came_of_any_turn_that_it_owes() -> None:
    turns = LiveTurns()
    turns.sent(create())
    silent = turns.silent
    turns.heard(event("response.created", "r1"))

    assert (silent, turns.silent) == (True, False)

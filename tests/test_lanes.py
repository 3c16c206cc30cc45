"""Which turn a message belongs to: conversations, told message by message."""

from __future__ import annotations

from lane_talk import BAD, GARBAGE, NONSENSE, Told, create, delta, error, response, says, steer, steered, whole
from playhead.proxy.lanes import Assigned, Begun, Ended


def test_a_create_begins_a_turn_that_ends_with_its_response() -> None:
    told = Told(create(), *whole("r"), close=False)

    assert told.steps == [Begun(1, None), *(Assigned(token, 1) for token in range(4)), Ended(1, whole=True)]


def test_a_turn_is_begun_before_it_gets_anything() -> None:
    told = Told(create("a"), create("a"), *whole("r", "a"))

    for turn in (1, 2):
        assert told.steps.index(Begun(turn, "a")) < min(place for place, step in enumerate(told.steps) if isinstance(step, Assigned) and step.turn == turn)


def test_creates_of_one_lane_wait_for_each_other() -> None:
    told = Told(create(), create(), *whole("r"), *whole("s"))

    assert told.turns == [1, 2, 1, 1, 1, 2, 2, 2]


def test_lanes_do_not_wait_for_each_other() -> None:
    told = Told(create("a"), create("b"), response("created", "r", "b"), response("created", "s", "a"), delta("b"), delta("a"), response("completed", "r", "b"))

    assert told.turns == [1, 2, 2, 1, 2, 1, 2]
    assert told.ended == [Ended(2, whole=True), Ended(1, whole=False)]


def test_a_warm_up_is_a_turn() -> None:
    assert Told(create(generate=False), response("created", "r"), response("completed", "r")).turns == [1, 1, 1]


def test_lanes_are_known_by_first_use() -> None:
    assert Told(create("b"), create(), create("a"), create("b")).lanes.lanes == ["b", None, "a"]


def test_every_terminal_ends_a_turn() -> None:
    for name in ("completed", "failed", "incomplete", "done"):
        told = Told(create(), response("created", "r"), response(name, "r"), close=False)
        assert told.ended == [Ended(1, whole=True)]


def test_what_runs_is_known_without_asking() -> None:
    told = Told(create("a"), response("created", "r", "a"), close=False)

    assert (told.lanes.running("a"), told.lanes.running(None)) == (1, 0)


def test_nothing_runs_before_it_has_begun_and_after_it_is_over() -> None:
    assert Told(create(), close=False).lanes.running(None) == 0
    assert Told(create(), *whole("r"), close=False).lanes.running(None) == 0


# What belongs to no turn.


def test_garbage_is_of_the_connection() -> None:
    told = Told(create(), response("created", "r"), GARBAGE, NONSENSE, delta())

    assert told.turns == [1, 1, 0, 0, 1]
    assert told.lanes.unassigned == 2


def test_events_of_a_lane_where_nothing_goes_on_are_of_the_connection() -> None:
    assert Told(delta(), delta("a"), says("keepalive", sequence_number=3), response("in_progress", "r")).turns == [0, 0, 0, 0]


def test_a_late_event_of_a_response_that_has_ended_is_of_the_connection() -> None:
    told = Told(create(), *whole("r"), create(), response("completed", "r"), delta(response_id="r"), *whole("s"))

    assert told.turns == [1, 1, 1, 1, 2, 0, 0, 2, 2, 2]


def test_a_response_that_has_the_id_of_one_that_has_ended_begins_what_awaits_its_response() -> None:
    told = Told(create(), *whole("r"), create(), *whole("r"))

    assert told.turns == [1, 1, 1, 1, 2, 2, 2, 2]


def test_responses_of_two_lanes_may_have_the_same_id() -> None:
    told = Told(create("a"), create("b"), *whole("r", "a")[:2], *whole("r", "b")[:2], *whole("r", "a")[2:], *whole("r", "b")[2:])

    assert told.turns == [1, 2, 1, 1, 2, 2, 1, 2]


def test_a_response_that_is_named_without_its_lane_is_known_all_the_same() -> None:
    assert Told(create("a"), *whole("r", "a")[:2], response("completed", "r")).turns == [1, 1, 1, 1]


def test_a_response_that_nothing_explains_has_a_turn_since_it_costs_money() -> None:
    told = Told(*whole("r", "a", "p"))

    assert told.turns == [1, 1, 1]
    assert told.begun == [Begun(1, "a", "p")]


def test_undeclared_events_belong_to_what_goes_on_or_is_to_come() -> None:
    limits = says("codex.rate_limits", plan_type="plus")
    told = Told(create(), limits, response("created", "r"), limits, says("keepalive", sequence_number=1), response("completed", "r"), limits)

    assert told.turns == [1, 1, 1, 1, 1, 1, 0]


def test_timing_tells_of_what_is_over() -> None:
    assert Told(create(), *whole("r"), create(), says("responsesapi.websocket_timing"), *whole("s")).turns == [1, 1, 1, 1, 2, 0, 2, 2, 2]


# Steering.


def test_a_successor_is_a_turn_that_names_its_parent_and_its_steer() -> None:
    told = Told(create("a"), response("created", "r", "a"), steer("r"), steered("accepted", "r"), response("incomplete", "r", "a"), *whole("s", "a", "r"))

    assert told.turns == [1, 1, 1, 1, 1, 2, 2, 2]
    assert told.begun[1] == Begun(2, "a", "r", "s")
    assert told.ended == [Ended(1, whole=True), Ended(2, whole=True)]


def test_a_successor_comes_before_creates_that_wait() -> None:
    told = Told(
        create(), response("created", "r"), steer("r"), create(), steered("accepted", "r"), response("completed", "r"), *whole("s", previous="r"), *whole("t")
    )

    assert told.turns == [1, 1, 1, 2, 1, 1, 3, 3, 3, 2, 2, 2]


def test_where_both_could_begin_what_the_response_continues_decides() -> None:
    waiting = create(previous_response_id="old")
    told = Told(create(), response("created", "r"), steer("r"), waiting, steered("accepted", "r"), response("completed", "r"), *whole("s", previous="old"))

    assert told.turns[-3:] == [2, 2, 2]


def test_a_successor_may_begin_while_its_parent_runs() -> None:
    told = Told(
        create(), response("created", "r"), steer("r"), steered("accepted", "r"), response("created", "s", previous="r"), delta(), response("incomplete", "r")
    )

    assert told.turns == [1, 1, 1, 1, 2, 2, 1]
    assert told.ended == [Ended(1, whole=True), Ended(2, whole=False)]


def test_a_steer_that_failed_leaves_the_turn_as_it_was() -> None:
    told = Told(create(), response("created", "r"), steer("r"), steered("failed", "r", None), delta(), response("completed", "r"), close=False)

    assert told.turns == [1] * 6
    assert told.ended == [Ended(1, whole=True)]


def test_a_turn_stays_open_for_the_answer_to_its_steer() -> None:
    told = Told(
        create(),
        response("created", "r"),
        steer("r"),
        response("completed", "r"),
        create(),
        response("created", "s"),
        steered("failed", "r", None),
        close=False,
    )

    assert told.turns == [1, 1, 1, 1, 2, 2, 1]
    assert told.ended == [Ended(1, whole=True)]


def test_a_steer_that_waits_for_input_ends_the_turn() -> None:
    told = Told(
        create(), response("created", "r"), steer("r"), steered("accepted", "r"), response("completed", "r"), steered("pending", "r"), create(), close=False
    )

    assert told.turns == [1, 1, 1, 1, 1, 1, 2]
    assert told.ended == [Ended(1, whole=True)]


def test_an_accepted_steer_whose_successor_fails_ends_the_turn() -> None:
    told = Told(create(), response("created", "r"), steer("r"), steered("accepted", "r"), response("completed", "r"), steered("failed", "r"), close=False)

    assert told.ended == [Ended(1, whole=True)]


def test_a_successor_answers_all_steers_of_its_parent() -> None:
    told = Told(
        *(create(), response("created", "r"), steer("r"), steer("r"), steered("accepted", "r", "s1"), steered("accepted", "r", "s2")),
        *(response("incomplete", "r"), *whole("s", previous="r")),
        close=False,
    )

    assert told.begun[1].steer == "s1"
    assert told.ended == [Ended(1, whole=True), Ended(2, whole=True)]


def test_one_more_successor_has_the_next_steer() -> None:
    told = Told(
        *(create(), response("created", "r"), steer("r"), steer("r"), steered("accepted", "r", "s1"), steered("accepted", "r", "s2"), create()),
        *(response("incomplete", "r"), *whole("s", previous="r"), *whole("t", previous="s"), *whole("u")),
    )

    assert told.begun[2:] == [Begun(3, None, "r", "s1"), Begun(4, None, "s", "s2")]
    assert told.turns[-9:] == [3, 3, 3, 4, 4, 4, 2, 2, 2]


def test_a_successor_can_be_steered() -> None:
    told = Told(
        *(create(), response("created", "r"), steer("r"), steered("accepted", "r"), response("incomplete", "r"), response("created", "s", previous="r")),
        *(steer("s"), steered("accepted", "s", "s2"), response("incomplete", "s"), *whole("t", previous="s")),
    )

    assert told.begun[1:] == [Begun(2, None, "r", "s"), Begun(3, None, "s", "s2")]


def test_a_steer_of_an_unknown_response_is_of_the_connection_like_its_answer() -> None:
    assert Told(steer("x"), steered("failed", "x", None)).turns == [0, 0]


def test_injected_input_belongs_to_the_response_that_it_names() -> None:
    inject = (">", {"type": "response.inject", "response_id": "r", "input": []})
    told = Told(
        create("a"), response("created", "r", "a"), inject, says("response.inject.created", response_id="r"), says("response.inject.failed", response_id="x")
    )

    assert told.turns == [1, 1, 1, 1, 0]


# Errors.


def test_a_refused_create_is_a_turn_that_has_ended() -> None:
    for lane in (None, "a"):
        told = Told(create(lane), error("previous_response_not_found", lane, **BAD), create(lane), *whole("r", lane), close=False)

        assert told.turns == [1, 1, 2, 2, 2, 2]
        assert told.ended == [Ended(1, whole=True), Ended(2, whole=True)]


def test_an_error_of_what_runs_ends_it() -> None:
    told = Told(create("a"), response("created", "r", "a"), error("server_error", "a", sequence_number=3), create("a"), *whole("s", "a"))

    assert told.turns == [1, 1, 1, 2, 2, 2, 2]
    assert told.ended == [Ended(1, whole=True), Ended(2, whole=True)]


def test_a_failed_response_may_follow_its_error() -> None:
    told = Told(create(), create(), response("created", "r"), error("server_error", sequence_number=3), response("failed", "r"), *whole("s"))

    assert told.turns == [1, 2, 1, 1, 1, 2, 2, 2]


def test_an_error_without_a_number_ends_what_runs_alone() -> None:
    told = Told(create(), response("created", "r"), error("server_error", status=500))

    assert told.turns == [1, 1, 1]
    assert told.ended == [Ended(1, whole=True)]


def test_a_response_that_goes_on_after_an_error_keeps_its_events() -> None:
    told = Told(create(), response("created", "r"), error(sequence_number=2), delta(), delta(), response("completed", "r"))

    assert told.turns == [1] * 6


def test_an_error_beside_what_runs_and_what_waits_is_held_until_the_lane_goes_on() -> None:
    before = [create(), response("created", "r"), create(), error("rate_limit_exceeded", **BAD)]

    assert Told(*before, close=False).lanes.held == (3,)
    assert Told(*before, delta()).turns == [1, 1, 2, 2, 1]
    assert Told(*before, response("completed", "r")).turns == [1, 1, 2, 2, 1]
    assert Told(*before, response("failed", "r", error={"code": "rate_limit_exceeded"}), *whole("s")).turns == [1, 1, 2, 1, 1, 2, 2, 2]
    assert Told(*before, *whole("s")).turns == [1, 1, 2, 1, 2, 2, 2]


def test_while_an_error_is_held_plain_events_are_looked_at() -> None:
    assert Told(create(), response("created", "r"), create(), error(**BAD), close=False).lanes.running(None) == 0


def test_an_error_for_nonsense_is_not_that_of_the_create_that_lives() -> None:
    assert Told(create(), NONSENSE, error(**BAD), *whole("r")).turns == [1, 0, 0, 1, 1, 1]
    assert Told(NONSENSE, create(), error(**BAD), *whole("r")).turns == [0, 1, 0, 1, 1, 1]
    assert Told(create(), response("created", "r"), NONSENSE, error(**BAD), delta()).turns == [1, 1, 0, 0, 1]


def test_an_error_that_speaks_of_a_create_is_not_for_nonsense() -> None:
    assert Told(NONSENSE, create(), error("previous_response_not_found", **BAD)).turns == [0, 1, 1]


def test_without_a_create_an_error_is_for_nonsense() -> None:
    assert Told(NONSENSE, error(**BAD), create("a"), *whole("r", "a")).turns == [0, 0, 1, 1, 1, 1]


def test_a_server_that_does_not_know_steering_answers_the_steer_with_an_error() -> None:
    told = Told(create(), response("created", "r"), steer("r"), error(param="type", **BAD), delta(), response("completed", "r"), close=False)

    assert told.turns == [1] * 6
    assert told.ended == [Ended(1, whole=True)]


def test_a_bad_name_of_a_lane_is_refused_with_and_without_it() -> None:
    names: tuple[object, ...] = ("", "a b", 5, "x" * 257, ["a"], {})
    for name in names:
        assert Told(create("a"), create(name), create(), error("invalid_stream_id", param="stream_id", **BAD)).turns == [1, 2, 3, 2]
        assert Told(create("a"), create(name), error("invalid_stream_id", name, param="stream_id", **BAD)).turns == [1, 2, 2]


def test_a_lane_too_many_is_refused_without_its_name() -> None:
    lanes = [create(f"l{number}") for number in range(33)]

    assert Told(*lanes, create(), error("websocket_stream_limit_reached", param="stream_id", **BAD)).turns[-1] == 33


def test_the_end_of_a_connection_is_the_answer_to_a_create_or_of_the_connection() -> None:
    limit = error("websocket_connection_limit_reached", **BAD)

    assert Told(create(), limit).turns == [1, 1]
    assert Told(create(), response("created", "r"), limit).turns == [1, 1, 0]


def test_an_error_that_should_have_said_its_lane_answers_the_only_create_unless_that_lives() -> None:
    assert Told(create("a"), error(**BAD)).turns == [1, 1]
    assert Told(create("a"), error(**BAD), *whole("r", "a")).turns == [1, 0, 1, 1, 1]
    assert Told(create("a"), create("b"), error(**BAD)).turns == [1, 2, 0]


def test_errors_are_known_in_every_shape() -> None:
    for told in ({"type": "error", "code": "x", "message": "m"}, {"error": {"message": "m"}}, {"error": "m"}, {"type": "error", "error": None}):
        assert Told(create(), ("<", told), close=False).ended == [Ended(1, whole=True)]


def test_what_is_cut_off_is_not_whole() -> None:
    told = Told(create(), create(), create("a"), response("created", "r", "a"), delta("a"), response("completed", "r", "a"), response("created", "s"))

    assert told.ended == [Ended(3, whole=True), Ended(1, whole=False), Ended(2, whole=False)]


def test_messages_of_the_connection_wait_behind_one_that_is_held() -> None:
    told = Told(create(), NONSENSE, error(**BAD), delta("a"), says("keepalive", "a"), response("created", "r"))

    assert [step.token for step in told.steps if isinstance(step, Assigned) and step.turn == 0] == [1, 2, 3, 4]

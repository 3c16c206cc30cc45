"""A Response out of its events: its endings, what is odd about streams, and going on after a restart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from playhead.proxy.folds.response_fold import ResponseFold
from playhead.proxy.models.wire import Unparsed
from streams import BEGUN, CREATED, MESSAGE, PARSE, PART, RESPONSE, USAGE, WHOLE, added, done, ended, event, fold, lifecycle, numbered, output, result, said

ERROR = {"code": "server_error", "message": "Sorry", "param": None}


def test_before_anything_came_there_is_no_response() -> None:
    assert fold().result() is None


def test_what_is_not_of_a_response_makes_none() -> None:
    assert fold(event("keepalive")).result() is None


def test_the_response_is_what_the_newest_event_carried() -> None:
    assert result(CREATED, lifecycle("in_progress", service_tier="auto")).to_wire() == RESPONSE | {"service_tier": "auto"}


def test_each_result_is_a_model_of_its_own() -> None:
    made = fold(*BEGUN, said("Hello"))
    first = made.result()
    assert first is not None
    first.output = None

    assert made.result() != first


def test_results_in_between_change_nothing() -> None:
    made = ResponseFold()
    events = [*BEGUN, said("Hel"), said("lo"), done(), ended(output=[])]
    for each in numbered(*events):
        made.add(PARSE(each))
        made.result()

    assert made.result() == result(*events)


def test_a_text_is_in_the_response_while_it_grows() -> None:
    assert result(*BEGUN, said("Hel"), said("lo")).output_text == "Hello"


# Endings.


@pytest.mark.parametrize("ending", ["completed", "failed", "incomplete"])
def test_a_terminal_ends_the_response(ending: str) -> None:
    made = fold(CREATED, ended(ending))

    assert (made.ending, made.ended, made.status) == (ending, True, ending)


@pytest.mark.parametrize(
    ("status", "ending"), [("completed", "completed"), ("failed", "failed"), ("incomplete", "incomplete"), ("cancelled", "incomplete"), (None, "completed")]
)
def test_response_done_ends_as_its_status_says(status: str | None, ending: str) -> None:
    assert fold(CREATED, lifecycle("done", status=status)).ending == ending


def test_a_stream_that_just_stops_has_no_ending() -> None:
    made = fold(*BEGUN, said("Hel"))

    assert (made.ending, made.ended, made.status) == (None, False, "in_progress")


@pytest.mark.parametrize("told", [event("error", **ERROR), event("error", error=ERROR), event("error", error=ERROR | {"headers": {"x": "y"}}, status=500)])
def test_an_error_ends_the_response_and_is_its_error(told: dict[str, Any]) -> None:
    response = result(*BEGUN, said("Hel"), told)

    assert response.to_wire() == RESPONSE | {"status": "failed", "error": ERROR, "output": [MESSAGE | {"content": [PART | {"text": "Hel"}]}]}


def test_an_error_that_is_a_text_is_its_message() -> None:
    assert fold(event("error", error="Sorry")).error == {"message": "Sorry"}


def test_an_error_alone_makes_a_response_that_failed() -> None:
    assert result(event("error", **ERROR)).to_wire() == {"status": "failed", "error": ERROR}


def test_a_terminal_behind_an_error_holds() -> None:
    made = fold(CREATED, event("error", **ERROR), ended("failed", error={"code": "other", "message": "So"}))

    assert (made.ending, made.error, made.notes) == ("failed", {"code": "other", "message": "So"}, [])


def test_usage_tier_id_and_model_are_those_of_the_terminal() -> None:
    made = fold(lifecycle("created", service_tier="auto"), ended(service_tier="default", model="gpt-6-2026"))

    assert (made.usage, made.service_tier, made.id, made.model) == (USAGE, "default", "resp_1", "gpt-6-2026")


def test_usage_that_was_not_told_is_none() -> None:
    assert fold(CREATED).usage is None


def test_any_field_of_the_newest_response_can_be_asked_for() -> None:
    made = fold(CREATED, ended(tool_usage={"web_search": {"num_requests": 2}}))

    assert (made.said("tool_usage"), made.said("user")) == ({"web_search": {"num_requests": 2}}, None)


def test_the_output_is_there_as_json() -> None:
    events = (*BEGUN, said("Hel"), done())

    assert [fold(*events[:cut]).output() for cut in (0, 1, 4, 5)] == [[], [], [MESSAGE | {"content": [PART | {"text": "Hel"}]}], [WHOLE]]


# The output of terminals.


def test_the_output_of_the_terminal_wins() -> None:
    own = [WHOLE | {"id": "msg_other"}]

    assert output(*BEGUN, done(), ended(output=own)) == own


@pytest.mark.parametrize("own", [[], None])
def test_a_terminal_without_output_gets_the_items_that_were_done_in_order(own: Any) -> None:
    other = WHOLE | {"id": "msg_2"}

    assert output(CREATED, added(MESSAGE | {"id": "msg_2"}, 1), added(), done(other, 1), done(), ended(output=own)) == [WHOLE, other]


def test_a_terminal_whose_output_is_absent_gets_the_items_that_were_done() -> None:
    terminal = event("completed", response={key: value for key, value in RESPONSE.items() if key != "output"} | {"status": "completed"})

    assert output(*BEGUN, done(), terminal) == [WHOLE]


def test_a_terminal_without_output_leaves_out_what_was_never_done() -> None:
    assert output(*BEGUN, said("Hel"), ended("failed", output=[])) == []


def test_a_terminal_that_tells_only_a_part_adds_to_what_was_known() -> None:
    response = result(CREATED, event("completed", response={"id": "resp_1", "usage": USAGE}))

    assert response.to_wire() == RESPONSE | {"usage": USAGE, "status": "completed"}


def test_a_terminal_without_a_response_ends_what_was_known() -> None:
    made = fold(CREATED, event("incomplete"))

    assert (made.status, made.notes) == ("incomplete", ["response.incomplete at 1 has no response"])


def test_a_terminal_that_contradicts_itself_keeps_its_status() -> None:
    made = fold(CREATED, ended("completed", status="in_progress"))

    assert (made.ending, made.status, made.notes) == ("completed", "in_progress", ["response.completed at 1 says that its status is in_progress"])


# Late, lost, repeated.


@pytest.mark.parametrize("late", [said("!"), done(), CREATED, ended("failed"), event("error", **ERROR)])
@pytest.mark.parametrize("text", [True, False])
def test_what_comes_after_the_end_is_noted_and_not_applied(late: dict[str, Any], text: bool) -> None:
    events = (*BEGUN, said("Hello"), done(), ended(output=[WHOLE]))
    made = fold(*events, late, text=text)

    assert made.notes == [f"{late['type']} at 6 comes after the end"]
    assert made.result() == result(*events)


def test_a_keepalive_after_the_end_is_nothing_odd() -> None:
    assert fold(CREATED, ended(), event("keepalive")).notes == []


def test_a_delta_behind_an_error_is_not_applied() -> None:
    assert result(*BEGUN, said("Hel"), event("error", **ERROR), said("lo")).output_text == "Hel"


def test_a_usual_stream_has_nothing_odd() -> None:
    assert fold(*BEGUN, said("Hel"), event("keepalive"), said("lo"), done(), ended(output=[WHOLE])).notes == []


def test_missing_numbers_are_noted() -> None:
    assert fold(CREATED, ended() | {"sequence_number": 4}).notes == ["3 events before 4 (response.completed) are missing"]


def test_a_stream_without_numbers_says_so_once() -> None:
    made = ResponseFold()
    for each in (CREATED, ended()):
        made.add(PARSE(each))

    assert made.notes == ["response.created has no sequence number"]


def test_a_repeated_delta_is_noted_and_not_added_again() -> None:
    made = fold(*BEGUN, said("Hel"), said("Hel") | {"sequence_number": 3}, said("lo") | {"sequence_number": 4})
    response = made.result()
    assert response is not None

    assert (response.output_text, made.notes) == ("Hello", ["response.output_text.delta comes with 3, a sequence number that had passed"])


def test_where_numbers_never_rise_nothing_is_taken_for_a_repetition() -> None:
    events = [each | {"sequence_number": 0} for each in (*BEGUN, said("Hel"), said("lo"))]

    assert result(*events).output_text == "Hello"


def test_a_repeated_terminal_number_still_ends_the_response() -> None:
    assert fold(*BEGUN, said("Hel"), ended() | {"sequence_number": 2}).ending == "completed"


def test_a_resumed_stream_begins_in_the_middle_and_says_so() -> None:
    made = fold(said("lo"), done(), ended(output=[WHOLE]), start=4)

    assert made.notes[0] == "begins with response.output_text.delta at 4: what came before is missing"
    assert made.result() == result(ended(output=[WHOLE]))


def test_a_resumed_stream_shows_what_it_has() -> None:
    assert output(said("lo")) == [{"id": "msg_1", "type": "message", "content": [{"type": "output_text", "text": "lo"}]}]


def test_a_background_stream_may_begin_with_queued() -> None:
    assert fold(lifecycle("queued", status="queued"), CREATED).notes == []


def test_a_second_beginning_is_noted() -> None:
    assert fold(CREATED, CREATED).notes == ["response.created at 1 comes again"]


def test_another_response_id_is_noted() -> None:
    assert fold(CREATED, ended(id="resp_2")).notes == ["response.completed at 1 has another response id: resp_2"]


def test_unknown_events_are_counted_and_change_nothing() -> None:
    made = fold(CREATED, event("new.thing", delta="x"), event("new.thing"), {"type": ["odd"]}, {})

    assert (made.unknown, made.notes) == ({"response.new.thing": 2, "": 2}, [])
    assert made.result() == result(CREATED)


def test_what_is_no_json_is_counted_as_unknown() -> None:
    made = ResponseFold()
    made.add(Unparsed(reason="no JSON"))

    assert made.unknown == {"": 1}


def test_notes_do_not_grow_without_end() -> None:
    made = fold(CREATED, *(said("x") | {"sequence_number": 0} for _ in range(500)))

    assert len(made.notes) == 101
    assert made.notes[-1].startswith("and ")


# Without text.


def test_without_text_items_usage_and_ending_are_the_same() -> None:
    events = (*BEGUN, said("Hel"), said("lo"), done(), ended(output=[]))
    light = fold(*events, text=False)

    assert (light.result(), light.usage, light.items(), light.notes) == (result(*events), USAGE, fold(*events).items(), [])


def test_without_text_nothing_of_deltas_is_kept() -> None:
    made = fold(*BEGUN, *(said("x" * 1000) for _ in range(100)), text=False)

    assert len(json.dumps(made.state())) < 1000


# Rows of items.


def test_rows_tell_what_items_are() -> None:
    call = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "look", "arguments": "", "status": "in_progress"}

    assert fold(CREATED, added(), done(), added(call, 1)).items() == [
        ("output", 0, "message", "msg_1", None, None, "completed"),
        ("output", 1, "function_call", "fc_1", "call_1", "look", "in_progress"),
    ]


def test_rows_tell_how_far_a_hosted_call_is() -> None:
    search = {"id": "ws_1", "type": "web_search_call", "status": "in_progress"}
    made = fold(CREATED, added(search), event("web_search_call.searching", output_index=0, item_id="ws_1"), text=False)

    assert [row.status for row in made.items()] == ["searching"]


def test_rows_are_those_of_the_terminals_own_output() -> None:
    assert [row.id for row in fold(CREATED, ended(output=[WHOLE, WHOLE | {"id": "msg_2"}])).items()] == ["msg_1", "msg_2"]


# Going on after a restart.


@pytest.mark.parametrize("text", [True, False])
def test_a_fold_goes_on_from_its_state_at_every_event(text: bool) -> None:
    events = (*BEGUN, said("Hel"), said("lo"), event("new.thing"), done(), ended(output=[]), said("late"))
    whole = fold(*events, text=text)
    for cut in range(len(events) + 1):
        resumed = ResponseFold()
        resumed.restore(json.loads(json.dumps(fold(*events[:cut], text=text).state())))
        for each in numbered(*events)[cut:]:
            resumed.add(PARSE(each))

        assert (resumed.result(), resumed.notes, resumed.items()) == (whole.result(), whole.notes, whole.items())
        assert resumed.state() == whole.state()

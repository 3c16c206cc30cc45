"""The simulated upstream on a WebSocket does what PROTOCOL.md 4.1 and 4.2 say, and logs what it did."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from playhead.proxy.simulation.simulated_plan import Close, Cut
from playhead.proxy.simulation.simulated_socket import Act, Say, SimulatedSocket, in_turns

Json = dict[str, Any]

TOOL = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}


class Talk:
    """A connection whose upstream always does the first thing that it can do; what came of it."""

    def __init__(self, socket: SimulatedSocket | None = None, choose: int = 0) -> None:
        self.socket = socket or SimulatedSocket("test", lambda size: choose % size)
        self.events: list[Json] = []
        self.end: Act | None = None

    def say(self, *events: object, steps: int = 10_000) -> list[Json]:
        """Messages of the client; gives what is said to them, in so many messages at most."""
        for event in events:
            self.socket.receive(event if isinstance(event, str) else json.dumps(event))
        said: list[Json] = []
        while len(said) < steps and (act := self.socket.next()) is not None:
            if isinstance(act, Say):
                said.append(json.loads(act.text))
            else:
                self.end = act
        self.events += said
        return said


def create(lane: str | None = None, simulate: str = "", **fields: Any) -> Json:
    named = {} if lane is None else {"stream_id": lane}
    return {"type": "response.create", "model": "m", "input": "hi", "metadata": {"simulate": simulate}, **named, **fields}


def steer(id_: str, given: object = "faster") -> Json:
    return {"type": "response.steer", "previous_response_id": id_, "input": given}


def types(events: Iterable[Json]) -> list[str]:
    """The types of events, growth of items left out."""
    return [event["type"] for event in events if ".output_" not in event["type"] and ".content_" not in event["type"] and "arguments" not in event["type"]]


def code(events: list[Json]) -> str:
    """Of the error that is all that came."""
    [event] = events
    return str(event["error"]["code"])


WHOLE = ["response.created", "response.in_progress", "response.completed"]


def test_a_response_on_the_default_lane_does_not_say_its_lane() -> None:
    events = Talk().say(create())

    assert types(events) == WHOLE
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert not any("stream_id" in event for event in events)


def test_every_event_of_a_named_lane_says_it() -> None:
    assert {event.get("stream_id") for event in Talk().say(create("a"), create("a", "refuse"))} == {"a"}


def test_responses_of_one_lane_do_not_overlap() -> None:
    assert types(Talk(SimulatedSocket("test", in_turns())).say(create(), create())) == WHOLE * 2


def test_responses_of_two_lanes_do() -> None:
    events = Talk(SimulatedSocket("test", in_turns())).say(create("a"), create("b"))
    lanes = [event["stream_id"] for event in events]

    assert lanes != sorted(lanes)


def test_no_more_than_sixteen_are_active() -> None:
    talk = Talk(choose=-1)  # whatever comes last: a new response, before those that go on
    creates = [create(f"l{number}") for number in range(20)]

    assert types(talk.say(*creates, steps=17))[:16] == ["response.created"] * 16
    assert talk.events[16]["type"] != "response.created"


def test_there_are_thirty_two_names() -> None:
    talk = Talk()
    talk.say(create(), *(create(f"l{number}") for number in range(32)))

    assert code(talk.say(create("one-more"))) == "websocket_stream_limit_reached"
    assert types(talk.say(create("l7"))) == WHOLE


@pytest.mark.parametrize("name", ["", "a b", "x" * 257, 5, ["a"]])
def test_what_is_no_name_of_a_lane_is_refused(name: Any) -> None:
    assert code(Talk().say(create(stream_id=name))) == "invalid_stream_id"


def test_a_warm_up_makes_a_response_without_output() -> None:
    talk = Talk()
    [*_, last] = talk.say(create(generate=False))

    assert (last["response"]["output"], last["response"]["usage"]["output_tokens"]) == ([], 0)
    assert types(talk.say(create(previous_response_id=last["response"]["id"]))) == WHOLE


def test_a_continued_response_has_the_context_as_cached_input() -> None:
    talk = Talk()
    first = talk.say(create())[-1]["response"]
    second = talk.say(create(previous_response_id=first["id"]))[-1]["response"]

    assert second["usage"]["input_tokens_details"]["cached_tokens"] == first["usage"]["total_tokens"]


def latest(talk: Talk, *asked: Json) -> str:
    """The id of the response to the last of them."""
    return str(talk.say(*asked)[-1]["response"]["id"])


def test_what_is_not_stored_is_known_as_the_newest_of_its_lane() -> None:
    talk = Talk()
    older = latest(talk, create("a", store=False))

    assert types(talk.say(create("b", previous_response_id=older, store=False))) == WHOLE
    latest(talk, create("a", store=False))
    assert code(talk.say(create("b", previous_response_id=older))) == "previous_response_not_found"


def test_what_is_stored_is_known_on_every_connection() -> None:
    stored: dict[str, int] = {}
    first, second = (Talk(SimulatedSocket(name, in_turns(), stored)) for name in ("one", "two"))

    assert types(second.say(create(previous_response_id=latest(first, create())))) == WHOLE


def test_a_continuation_that_fails_forgets_what_it_continues() -> None:
    for simulate in ("refuse", "failed", "error"):
        talk = Talk()
        parent = latest(talk, create("a", store=False))
        talk.say(create("a", simulate, previous_response_id=parent, store=False))

        assert code(talk.say(create("a", previous_response_id=parent))) == "previous_response_not_found"


def test_a_fork_that_fails_does_not() -> None:
    talk = Talk()
    parent = latest(talk, create("a", store=False))
    talk.say(create("b", "failed", previous_response_id=parent, store=False))

    assert types(talk.say(create("a", previous_response_id=parent))) == WHOLE


def test_a_request_is_refused_without_a_model_and_with_two_pasts() -> None:
    assert code(Talk().say(create(model=None))) == "missing_required_parameter"
    assert code(Talk().say(create(previous_response_id="r", conversation="c"))) == "mutually_exclusive_parameters"


def test_what_is_no_event_is_refused() -> None:
    assert code(Talk().say("{")) == "invalid_json"
    assert code(Talk().say("[]")) == "invalid_json"
    assert code(Talk().say({"type": "response.cancel"})) == "invalid_value"


# How a response ends.

ENDINGS = {
    "incomplete": ["response.incomplete"],
    "failed": ["response.failed"],
    "done": ["response.done"],
    "error": ["error"],
    "error_failed": ["error", "response.failed"],
    "timing": ["response.completed", "responsesapi.websocket_timing"],
}


@pytest.mark.parametrize("word", ENDINGS)
def test_a_request_says_how_its_response_ends(word: str) -> None:
    assert types(Talk().say(create(simulate=word)))[2:] == ENDINGS[word]


def test_an_error_of_what_runs_has_its_number_or_a_status() -> None:
    for word, key in (("error", "sequence_number"), ("error_status", "status")):
        last = Talk().say(create(simulate=word))[-1]
        assert (last["type"], {"sequence_number", "status"} & last.keys()) == ("error", {key})


def test_undeclared_events_come_where_they_are_asked_for() -> None:
    events = types(Talk().say(create(simulate="limits keepalive metadata")))

    assert events[0] == "codex.rate_limits"
    assert {"keepalive", "codex.response.metadata"} < set(events)


def test_a_connection_is_closed_or_cut_where_that_is_asked_for() -> None:
    closed, cut = Talk(), Talk()

    assert types(closed.say(create(simulate="close:4000"))) == WHOLE
    assert closed.end == Close(4000, "as simulated")
    cut.say(create(simulate="drop"))
    assert cut.end == Cut()
    assert cut.say(create()) == []


def test_a_connection_lives_only_so_long() -> None:
    talk = Talk(SimulatedSocket("test", in_turns(), limit=1))
    talk.say(create())

    assert code(talk.say(create())) == "websocket_connection_limit_reached"
    assert isinstance(talk.end, Close)


def test_deltas_are_as_long_as_each_other_unless_told_otherwise() -> None:
    deltas = [event for event in Talk().say(create()) if event["type"].endswith(".delta")]

    assert all((len(event["delta"]) + len(event["obfuscation"])) % 16 == 0 for event in deltas)
    assert not any("obfuscation" in event for event in Talk().say(create(stream_options={"include_obfuscation": False})))


# Steering.


def running(talk: Talk, steps: int = 6, **fields: Any) -> str:
    """The id of a response that goes on."""
    return str(talk.say(create(**fields), steps=steps)[0]["response"]["id"])


def test_a_response_that_is_steered_may_end_early_and_has_a_successor() -> None:
    talk = Talk(choose=1)
    parent = running(talk)
    accepted, ended, *successor = [event for event in talk.say(steer(parent)) if not event["type"].endswith(".delta")]

    assert accepted["type"] == "response.steer.accepted"
    assert ended["response"]["incomplete_details"] == {"reason": "steered"}
    assert types(successor) == WHOLE
    assert successor[0]["response"]["previous_response_id"] == parent


def test_or_it_ends_as_ever_and_the_successor_comes_before_what_waits() -> None:
    choices: list[int] = []
    talk = Talk(SimulatedSocket("test", lambda size: choices.pop(0) if choices else 0))
    parent = running(talk)
    choices += [1, 0, 1, 0]  # hears both, lets it go on
    kinds = types(talk.say(create(), steer(parent)))

    assert kinds == ["response.steer.accepted", "response.completed", *WHOLE, *WHOLE]
    assert [event["response"]["previous_response_id"] for event in talk.events if event["type"] == "response.created"] == [None, parent, None]


def test_a_steer_of_what_stops_for_a_tool_waits_for_it() -> None:
    talk = Talk(choose=-1)
    parent = running(talk, tools=[TOOL])
    *_, pending = talk.say(steer(parent))

    assert pending["type"] == "response.steer.pending"
    assert [stub["type"] for stub in pending["required_input"]] == ["function_call_output"]


def failed_steer(talk: Talk, steered: Json) -> str:
    """Why a steer failed."""
    [failed] = [event for event in talk.say(steered) if event["type"] == "response.steer.failed"]
    return str(failed["error"]["code"])


def test_a_steer_fails_for_every_reason() -> None:
    over = Talk()
    id_ = latest(over, create())
    nowhere = Talk(choose=-1)

    assert failed_steer(Talk(), steer("resp_never")) == "response_not_found"
    assert failed_steer(over, steer(id_)) == "response_already_completed"
    assert failed_steer(nowhere, steer(running(nowhere, simulate="no_successor"))) == "successor_creation_failed"
    for reason, fields, given in (
        ("response_not_active", {"generate": False}, "faster"),
        ("steering_not_supported", {"conversation": "c"}, "faster"),
        ("invalid_input", {}, [{"role": "assistant"}]),
    ):
        talk = Talk(choose=-1)
        assert failed_steer(talk, steer(running(talk, steps=1, **fields), given)) == reason


def test_too_many_steers_fail() -> None:
    talk = Talk(choose=-1)
    parent = running(talk, tools=[TOOL])
    codes = [event["error"]["code"] for event in talk.say(*[steer(parent)] * 5) if event["type"] == "response.steer.failed"]

    assert codes == ["too_many_pending_steers"]


# The log.


def test_the_log_knows_of_every_message_whose_it_is() -> None:
    talk = Talk(SimulatedSocket("test", in_turns()))
    talk.say(create("a"), create("b", "refuse"), "{", create())
    made = talk.socket.made

    assert [(each.lane, each.create, each.ending) for each in made] == [("a", 0, "response.completed"), ("b", 1, "error"), (None, 3, "response.completed")]
    assert sorted([*talk.socket.nobody, *(event for each in made for event in each.events)]) == list(range(len(talk.events)))
    for each in made:
        assert {talk.events[event].get("stream_id") for event in each.events} == {each.lane}


def test_the_log_knows_the_usage() -> None:
    talk = Talk()
    last = talk.say(create())[-1]

    assert talk.socket.made[0].usage == last["response"]["usage"]

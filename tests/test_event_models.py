"""Events as servers and clients send them: both forms of an error, lanes, steering, agents, and what no document declares."""

from __future__ import annotations

import json
from typing import Any

import pytest

from playhead.proxy.models.errors import ErrorObject
from playhead.proxy.models.event_base import Event, UnknownEvent
from playhead.proxy.models.events import ErrorEvent, OutputTextDelta, ResponseCompleted, ResponseDone, StreamEvent
from playhead.proxy.models.items import Message
from playhead.proxy.models.requests import ClientEvent, ResponseInject, ResponseSteer
from playhead.proxy.models.responses import Response
from playhead.proxy.models.tagged import Unknown, types
from playhead.proxy.models.tool_items import FunctionCallOutput
from playhead.proxy.models.wire import Door, UndeclaredModel, Wire
from playhead.proxy.models.ws_events import ServerEvent, SteerFailed, SteerPending

STREAM = Door[Wire](StreamEvent)
SERVER = Door[Wire](ServerEvent)
CLIENT = Door[Wire](ClientEvent)
STEER = {"id": "steer_1", "previous_response_id": "resp_1"}


def parsed(door: Door[Wire], data: dict[str, Any]) -> Wire:
    """The event, after a look that it is sound and comes back."""
    event = door(json.dumps(data))
    assert event.problems == ()
    assert json.dumps(event.to_wire()) == json.dumps(data)
    return event


def test_there_are_59_declared_stream_events_and_64_of_sockets() -> None:
    undeclared = {type_ for type_ in types(StreamEvent) if isinstance(STREAM({"type": type_}), UndeclaredModel)}

    assert len(set(types(StreamEvent)) - undeclared) == 59
    assert len(set(types(ServerEvent)) - undeclared) == 64


def test_a_flat_error_has_its_code_itself() -> None:
    event = parsed(STREAM, {"type": "error", "code": "rate_limit_exceeded", "message": "m", "param": None, "sequence_number": 3})

    assert isinstance(event, ErrorEvent)
    assert (event.code, event.error, event.sequence_number) == ("rate_limit_exceeded", None, 3)


@pytest.mark.parametrize("door", [STREAM, SERVER])
def test_a_nested_error_has_its_code_inside(door: Door[Wire]) -> None:
    error = {"type": "invalid_request_error", "code": "invalid_stream_id", "message": "m", "param": "stream_id", "headers": {"x-request-id": "r"}}
    event = parsed(door, {"type": "error", "status": 400, "error": error, "stream_id": "a"})

    assert isinstance(event, ErrorEvent)
    assert isinstance(event.error, ErrorObject)
    assert (event.code, event.error.code, event.status, event.stream_id) == (None, "invalid_stream_id", 400, "a")


@pytest.mark.parametrize(
    "type_",
    [
        *("keepalive", "codex.rate_limits", "codex.response.metadata", "response.metadata", "responsesapi.websocket_timing", "response.done"),
        *("response.reasoning_part.added", "response.reasoning_part.done"),
        *("response.reasoning_summary.delta", "response.reasoning_summary.done"),
    ],
)
def test_undeclared_events_are_known(type_: str) -> None:
    event = parsed(STREAM, {"type": type_, "sequence_number": 1, "more": {"a": 1}})

    assert isinstance(event, Event)
    assert not isinstance(event, Unknown)


def test_response_done_holds_a_response() -> None:
    event = parsed(STREAM, {"type": "response.done", "response": {"id": "resp_1", "output": []}})

    assert isinstance(event, ResponseDone)
    assert isinstance(event.response, Response)


def test_an_event_of_tomorrow_keeps_everything() -> None:
    event = parsed(STREAM, {"sequence_number": 4, "type": "response.dream.delta", "delta": {"a": None}})

    assert isinstance(event, UnknownEvent)
    assert (event.type, event.sequence_number) == ("response.dream.delta", 4)


def test_a_delta_may_be_padded_and_come_from_an_agent_on_a_lane() -> None:
    event = parsed(
        SERVER,
        {
            "type": "response.output_text.delta",
            "item_id": "msg_1",
            "output_index": 0,
            "content_index": 0,
            "delta": "a",
            "logprobs": [],
            "obfuscation": "xyz",
            "agent": {"agent_name": "root"},
            "stream_id": "lane",
        },
    )

    assert isinstance(event, OutputTextDelta)
    assert event.agent is not None
    assert (event.delta, event.obfuscation, event.agent.agent_name, event.stream_id) == ("a", "xyz", "root", "lane")


@pytest.mark.parametrize("output", [{"output": None}, {}, {"output": []}])
def test_a_terminal_may_have_no_output(output: dict[str, Any]) -> None:
    event = parsed(SERVER, {"type": "response.completed", "response": {"id": "resp_1", **output}})

    assert isinstance(event, ResponseCompleted)
    assert event.response is not None
    assert not event.response.output


def test_a_pending_steer_tells_what_it_waits_for() -> None:
    stubs = [
        {"type": "function_call_output", "call_id": "c", "name": "f"},
        *({"type": type_, "call_id": "c"} for type_ in ("custom_tool_call_output", "computer_call_output", "shell_call_output", "apply_patch_call_output")),
        {"type": "tool_search_output", "call_id": "c", "execution": "client"},
        {"type": "mcp_approval_response", "approval_request_id": "m"},
    ]
    event = parsed(
        SERVER, {"type": "response.steer.pending", "reason": "waiting_for_required_input", "required_input": stubs, "sequence_number": 1, "steer": STEER}
    )

    assert isinstance(event, SteerPending)
    assert event.required_input is not None
    assert [stub.type for stub in event.required_input] == [stub["type"] for stub in stubs]
    assert not any(isinstance(stub, Unknown) for stub in event.required_input)


def test_a_failed_steer_gives_its_input_back() -> None:
    steer = {"input": [{"type": "message", "role": "user", "content": "wait"}], "previous_response_id": "resp_1"}
    error = {"type": "invalid_request_error", "code": "response_not_active", "message": "m"}
    event = parsed(SERVER, {"type": "response.steer.failed", "sequence_number": 1, "error": error, "steer": steer})

    assert isinstance(event, SteerFailed)
    assert event.steer is not None
    assert isinstance(event.steer.input, list)
    assert isinstance(event.steer.input[0], Message)


def test_steering_is_no_stream_event() -> None:
    assert isinstance(parsed(STREAM, {"type": "response.steer.accepted", "steer": STEER}), UnknownEvent)


def test_a_client_steers_and_injects() -> None:
    steer = parsed(CLIENT, {"type": "response.steer", "previous_response_id": "resp_1", "input": "wait"})
    inject = parsed(CLIENT, {"type": "response.inject", "response_id": "resp_1", "input": [{"type": "function_call_output", "call_id": "c", "output": "1"}]})

    assert isinstance(steer, ResponseSteer)
    assert isinstance(inject, ResponseInject)
    assert inject.input is not None
    assert isinstance(inject.input[0], FunctionCallOutput)

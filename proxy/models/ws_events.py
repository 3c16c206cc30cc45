"""What a server sends on a WebSocket: events of responses, and of input that was added to them."""

from __future__ import annotations

from typing import Annotated, Literal

from .event_base import EventBase, UnknownEvent
from .events import AnyStreamEvent
from .items import Item
from .tagged import Tagged, Unknown
from .wire import Maybe, OneOf, Sent, Wire

# Steering. An accepted steer may start a response that no client asked for.


class Steer(Wire):
    id: Maybe[str] = None
    """Absent where the steer failed before it got one."""
    input: Maybe[str | list[Item]] = None
    """Given back where the steer failed; else absent."""
    previous_response_id: Sent[str] = None


class SteerError(Wire):
    type: Sent[Annotated[str, OneOf("invalid_request_error")]] = None
    code: Sent[
        Annotated[
            str,
            OneOf(
                *("response_not_found", "invalid_input", "steering_not_supported", "too_many_pending_steers"),
                *("response_already_completed", "response_not_active", "successor_creation_failed"),
            ),
        ]
    ] = None
    message: Sent[str] = None


class SteerAccepted(EventBase):
    type: Literal["response.steer.accepted"]
    steer: Sent[Steer] = None


class SteerFailed(EventBase):
    type: Literal["response.steer.failed"]
    error: Sent[SteerError] = None
    steer: Sent[Steer] = None


# What a steer waits for: items that the client is to send, as stubs.


class RequiredFunctionCallOutput(Wire):
    type: Literal["function_call_output"]
    call_id: Sent[str] = None
    name: Sent[str] = None


class RequiredToolOutput(Wire):
    type: Literal["custom_tool_call_output", "computer_call_output", "shell_call_output", "apply_patch_call_output"]
    call_id: Sent[str] = None


class RequiredToolSearchOutput(Wire):
    type: Literal["tool_search_output"]
    call_id: Sent[str] = None
    execution: Sent[Annotated[str, OneOf("client")]] = None


class RequiredApproval(Wire):
    type: Literal["mcp_approval_response"]
    approval_request_id: Sent[str] = None


class UnknownRequiredInput(Unknown):
    """An item of another type that the client is to send."""


RequiredInput = Annotated[
    RequiredFunctionCallOutput | RequiredToolOutput | RequiredToolSearchOutput | RequiredApproval | UnknownRequiredInput,
    Tagged(),
]


class SteerPending(EventBase):
    type: Literal["response.steer.pending"]
    reason: Sent[Annotated[str, OneOf("waiting_for_required_input")]] = None
    required_input: Sent[list[RequiredInput]] = None
    steer: Sent[Steer] = None


# Multi-agent beta.


class InjectError(Wire):
    code: Sent[Annotated[str, OneOf("response_already_completed", "response_not_found")]] = None
    message: Sent[str] = None


class InjectCreated(EventBase):
    type: Literal["response.inject.created"]
    response_id: Sent[str] = None


class InjectFailed(EventBase):
    type: Literal["response.inject.failed"]
    error: Sent[InjectError] = None
    input: Sent[list[Item]] = None
    """Given back."""
    response_id: Sent[str] = None


ServerEvent = Annotated[AnyStreamEvent | SteerAccepted | SteerPending | SteerFailed | InjectCreated | InjectFailed | UnknownEvent, Tagged()]
"""What a server sends on a WebSocket. A superset of what stands in SSE streams."""

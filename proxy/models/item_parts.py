"""What items of all kinds share."""

from __future__ import annotations

from typing import Annotated, Literal

from .tagged import Tagged, Unknown
from .wire import Maybe, OneOf, Sent, Wire


class Agent(Wire):
    """Multi-agent beta: which agent of the response this is from."""

    agent_name: Sent[str] = None


class ItemBase(Wire):
    """What any item may have."""

    agent: Maybe[Agent] = None
    """Multi-agent beta only."""


class UnknownItem(Unknown):
    """An item of another type."""


Status = Annotated[str, OneOf("in_progress", "completed", "incomplete")]
Role = Annotated[str, OneOf("user", "assistant", "system", "developer", "tool", "critic", "discriminator", "unknown")]
"""The last four only in conversations."""


class DirectCaller(Wire):
    """The model itself."""

    type: Literal["direct"]


class ProgramCaller(Wire):
    """A program that the model wrote."""

    type: Literal["program"]
    caller_id: Sent[str] = None


class UnknownCaller(Unknown):
    """A caller of another type."""


Caller = Annotated[DirectCaller | ProgramCaller | UnknownCaller, Tagged()]

"""Which tools the model may or must use."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from .tagged import Tagged, Unknown
from .wire import Maybe, OneOf, Sent, Wire


class AllowedTools(Wire):
    type: Literal["allowed_tools"]
    mode: Sent[Annotated[str, OneOf("auto", "required")]] = None
    tools: Sent[list[dict[str, Any]]] = None
    """Each names one: `{"type": "function", "name": "x"}`."""


class HostedToolChoice(Wire):
    """A tool of the provider. A web search of any version goes by the preview's names."""

    type: Literal[
        "file_search",
        "web_search_preview",
        "computer",
        "computer_use_preview",
        "computer_use",
        "web_search_preview_2025_03_11",
        "image_generation",
        "code_interpreter",
    ]


class FunctionChoice(Wire):
    type: Literal["function"]
    name: Sent[str] = None


class McpChoice(Wire):
    type: Literal["mcp"]
    name: Maybe[str] = None
    """Absent: any tool of that server."""
    server_label: Sent[str] = None


class CustomChoice(Wire):
    type: Literal["custom"]
    name: Sent[str] = None


class ProgrammaticChoice(Wire):
    type: Literal["programmatic_tool_calling"]


class ApplyPatchChoice(Wire):
    type: Literal["apply_patch"]


class ShellChoice(Wire):
    type: Literal["shell"]


class UnknownToolChoice(Unknown):
    """A tool choice of another type."""


ToolChoiceObject = Annotated[
    AllowedTools | HostedToolChoice | FunctionChoice | McpChoice | CustomChoice | ProgrammaticChoice | ApplyPatchChoice | ShellChoice | UnknownToolChoice,
    Tagged(),
]
ToolChoice = Annotated[str, OneOf("none", "auto", "required")] | ToolChoiceObject

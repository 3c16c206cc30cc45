"""Items of calls: what a tool was asked for and what it answered.

An item has the same class wherever it stands: in an output, an input, a list, a conversation. An `id`, a `status` and `created_by` are always in outputs
and lists, and may be left out of inputs.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .actions import ComputerAction, LocalShellAction, PatchOperation, ShellAction, WebSearchAction
from .content import ComputerScreenshot, Content
from .item_parts import Caller, ItemBase, Role, Status
from .tagged import Tagged, Unknown
from .tools import Environment, Execution, ImageAction, ImageBackground, ImageFormat, ImageQuality, Tool
from .wire import Maybe, Number, OneOf, Sent, Wire

# Functions and custom tools: calls that the client answers.


class FunctionCall(ItemBase):
    id: Maybe[str] = None
    type: Literal["function_call"]
    status: Maybe[Status] = None
    arguments: Sent[str] = None
    """JSON, as the model wrote it."""
    async_: Maybe[bool] = Field(default=None, alias="async")
    call_id: Sent[str] = None
    """Names the call in its output."""
    caller: Maybe[Caller] = None
    created_by: Maybe[str] = None
    name: Sent[str] = None
    namespace: Maybe[str] = None


class FunctionCallOutput(ItemBase):
    id: Maybe[str] = None
    type: Literal["function_call_output"]
    status: Maybe[Status] = None
    call_id: Maybe[str] = None
    caller: Maybe[Caller] = None
    created_by: Maybe[str] = None
    name: Maybe[str] = None
    namespace: Maybe[str] = None
    output: Sent[Content] = None


class CustomToolCall(ItemBase):
    id: Maybe[str] = None
    type: Literal["custom_tool_call"]
    status: Maybe[Status] = None
    async_: Maybe[bool] = Field(default=None, alias="async")
    call_id: Sent[str] = None
    """Names the call in its output."""
    caller: Maybe[Caller] = None
    created_by: Maybe[str] = None
    input: Sent[str] = None
    name: Sent[str] = None
    namespace: Maybe[str] = None


class CustomToolCallOutput(ItemBase):
    id: Maybe[str] = None
    type: Literal["custom_tool_call_output"]
    status: Maybe[Status] = None
    call_id: Sent[str] = None
    caller: Maybe[Caller] = None
    created_by: Maybe[str] = None
    output: Sent[Content] = None


# Searches: calls that the provider answers.


class FileSearchResult(Wire):
    attributes: Maybe[dict[str, str | Number | bool]] = None
    """Up to 16, keys up to 64 characters."""
    file_id: Maybe[str] = None
    filename: Maybe[str] = None
    score: Maybe[Number] = None
    """0 to 1."""
    text: Maybe[str] = None


class FileSearchCall(ItemBase):
    """Billed by call."""

    id: Sent[str] = None
    type: Literal["file_search_call"]
    status: Sent[Annotated[str, OneOf("in_progress", "searching", "completed", "incomplete", "failed")]] = None
    queries: Sent[list[str]] = None
    results: Maybe[list[FileSearchResult]] = None
    """Only where `include` asked for them."""


class WebSearchCall(ItemBase):
    """Billed if its action is a search."""

    id: Sent[str] = None
    type: Literal["web_search_call"]
    status: Sent[Annotated[str, OneOf("in_progress", "searching", "completed", "failed", "incomplete")]] = None
    action: Sent[WebSearchAction] = None


class ToolSearchCall(ItemBase):
    id: Maybe[str] = None
    type: Literal["tool_search_call"]
    status: Maybe[Status] = None
    arguments: Sent[Any] = None
    call_id: Maybe[str] = None
    created_by: Maybe[str] = None
    execution: Maybe[Execution] = None


class ToolSearchOutput(ItemBase):
    id: Maybe[str] = None
    type: Literal["tool_search_output"]
    status: Maybe[Status] = None
    call_id: Maybe[str] = None
    created_by: Maybe[str] = None
    execution: Maybe[Execution] = None
    tools: Sent[list[Tool]] = None


# Computers.


class SafetyCheck(Wire):
    id: Sent[str] = None
    code: Maybe[str] = None
    message: Maybe[str] = None


class ComputerCall(ItemBase):
    id: Sent[str] = None
    type: Literal["computer_call"]
    status: Sent[Status] = None
    action: Maybe[ComputerAction] = None
    """Of the preview tool: one at a time."""
    actions: Maybe[list[ComputerAction]] = None
    """Of the `computer` tool."""
    call_id: Sent[str] = None
    pending_safety_checks: Sent[list[SafetyCheck]] = None


class ComputerCallOutput(ItemBase):
    id: Maybe[str] = None
    type: Literal["computer_call_output"]
    status: Maybe[Annotated[str, OneOf("in_progress", "completed", "incomplete", "failed")]] = None
    acknowledged_safety_checks: Maybe[list[SafetyCheck]] = None
    call_id: Sent[str] = None
    created_by: Maybe[str] = None
    output: Sent[ComputerScreenshot] = None


# Code and programs.


class CodeLogs(Wire):
    type: Literal["logs"]
    logs: Sent[str] = None


class CodeImage(Wire):
    type: Literal["image"]
    url: Sent[str] = None


class UnknownCodeOutput(Unknown):
    """An output of a code interpreter of another type."""


CodeOutput = Annotated[CodeLogs | CodeImage | UnknownCodeOutput, Tagged()]


class CodeInterpreterCall(ItemBase):
    id: Sent[str] = None
    type: Literal["code_interpreter_call"]
    status: Sent[Annotated[str, OneOf("in_progress", "completed", "incomplete", "interpreting", "failed")]] = None
    code: Maybe[str] = None
    """Null while it is not known."""
    container_id: Sent[str] = None
    """Billed by memory and time, neither of which a Response tells."""
    outputs: Maybe[list[CodeOutput]] = None
    """Null unless `include` asked for them."""


class Program(ItemBase):
    """What the model wrote to call tools by."""

    id: Sent[str] = None
    type: Literal["program"]
    call_id: Sent[str] = None
    code: Sent[str] = None
    fingerprint: Sent[str] = None
    """Opaque."""


class ProgramOutput(ItemBase):
    id: Sent[str] = None
    type: Literal["program_output"]
    status: Sent[Annotated[str, OneOf("completed", "incomplete")]] = None
    call_id: Sent[str] = None
    result: Sent[str] = None


# Shells and patches.


class LocalShellCall(ItemBase):
    id: Sent[str] = None
    type: Literal["local_shell_call"]
    status: Sent[Status] = None
    action: Sent[LocalShellAction] = None
    call_id: Sent[str] = None


class LocalShellCallOutput(ItemBase):
    id: Sent[str] = None
    type: Literal["local_shell_call_output"]
    status: Maybe[Status] = None
    output: Sent[str] = None
    """JSON."""


class ShellCall(ItemBase):
    id: Maybe[str] = None
    type: Literal["shell_call"]
    status: Maybe[Status] = None
    action: Sent[ShellAction] = None
    call_id: Sent[str] = None
    caller: Maybe[Caller] = None
    created_by: Maybe[str] = None
    environment: Maybe[Environment] = None


class Timeout(Wire):
    type: Literal["timeout"]


class Exit(Wire):
    type: Literal["exit"]
    exit_code: Sent[int] = None


class UnknownOutcome(Unknown):
    """An outcome of another type."""


Outcome = Annotated[Timeout | Exit | UnknownOutcome, Tagged()]


class ShellOutput(Wire):
    """Of one command."""

    created_by: Maybe[str] = None
    outcome: Sent[Outcome] = None
    stderr: Sent[str] = None
    stdout: Sent[str] = None


class ShellCallOutput(ItemBase):
    id: Maybe[str] = None
    type: Literal["shell_call_output"]
    status: Maybe[Status] = None
    call_id: Sent[str] = None
    caller: Maybe[Caller] = None
    created_by: Maybe[str] = None
    max_output_length: Maybe[int] = None
    """Characters, as the call asked; null where it did not."""
    output: Sent[list[ShellOutput]] = None


class ApplyPatchCall(ItemBase):
    id: Maybe[str] = None
    type: Literal["apply_patch_call"]
    status: Sent[Annotated[str, OneOf("in_progress", "completed")]] = None
    call_id: Sent[str] = None
    caller: Maybe[Caller] = None
    created_by: Maybe[str] = None
    operation: Sent[PatchOperation] = None


class ApplyPatchCallOutput(ItemBase):
    id: Maybe[str] = None
    type: Literal["apply_patch_call_output"]
    status: Sent[Annotated[str, OneOf("completed", "failed")]] = None
    call_id: Sent[str] = None
    caller: Maybe[Caller] = None
    created_by: Maybe[str] = None
    output: Maybe[str] = None


# MCP.


class McpProtocolError(Wire):
    type: Literal["mcp_protocol_error"]
    code: Sent[int] = None
    message: Sent[str] = None


class McpExecutionError(Wire):
    type: Literal["mcp_tool_execution_error"]
    content: Sent[Any] = None


class McpHttpError(Wire):
    type: Literal["http_error"]
    code: Sent[int] = None
    message: Sent[str] = None


class UnknownMcpError(Unknown):
    """An error of a tool server of another type."""


McpError = Annotated[McpProtocolError | McpExecutionError | McpHttpError | UnknownMcpError, Tagged()]


class McpCall(ItemBase):
    id: Sent[str] = None
    type: Literal["mcp_call"]
    status: Maybe[Annotated[str, OneOf("in_progress", "completed", "incomplete", "calling", "failed")]] = None
    approval_request_id: Maybe[str] = None
    arguments: Sent[str] = None
    """JSON, as the model wrote it."""
    error: Maybe[str | McpError] = None
    """A text in the protocol of 2025."""
    name: Sent[str] = None
    output: Maybe[str] = None
    server_label: Sent[str] = None


class McpToolDescription(Wire):
    annotations: Maybe[Any] = None
    description: Maybe[str] = None
    input_schema: Sent[Any] = None
    """JSON Schema."""
    name: Sent[str] = None


class McpListTools(ItemBase):
    id: Sent[str] = None
    type: Literal["mcp_list_tools"]
    error: Maybe[str] = None
    server_label: Sent[str] = None
    tools: Sent[list[McpToolDescription]] = None


class McpApprovalRequest(ItemBase):
    id: Sent[str] = None
    type: Literal["mcp_approval_request"]
    arguments: Sent[str] = None
    """JSON, as the model wrote it."""
    name: Sent[str] = None
    server_label: Sent[str] = None


class McpApprovalResponse(ItemBase):
    id: Maybe[str] = None
    type: Literal["mcp_approval_response"]
    approval_request_id: Sent[str] = None
    approve: Sent[bool] = None
    reason: Maybe[str] = None


# Images.


class ImageModeration(Wire):
    categories: Sent[list[str]] = None
    moderation_stage: Sent[Annotated[str, OneOf("input", "output", "unknown")]] = None


class ImageError(Wire):
    type: Sent[str] = None
    code: Maybe[str] = None
    message: Sent[str] = None
    moderation_details: Maybe[ImageModeration] = None
    param: Maybe[str] = None


class SvgUsage(Wire):
    """Tokens of the model that drew an SVG."""

    input_tokens: Sent[int] = None
    model: Sent[str] = None
    output_tokens: Sent[int] = None
    """Those of reasoning included."""
    reasoning_tokens: Sent[int] = None
    total_tokens: Sent[int] = None


class ImageGenerationCall(ItemBase):
    id: Sent[str] = None
    type: Literal["image_generation_call"]
    status: Sent[Annotated[str, OneOf("in_progress", "completed", "generating", "failed")]] = None
    action: Maybe[ImageAction] = None
    background: Maybe[ImageBackground] = None
    error: Maybe[ImageError] = None
    output_format: Maybe[ImageFormat] = None
    quality: Maybe[ImageQuality] = None
    result: Maybe[str] = None
    """The image in base64; null until it is there."""
    revised_prompt: Maybe[str] = None
    size: Maybe[Annotated[str, OneOf("1024x1024", "1024x1536", "1536x1024")]] = None
    svg_usage: Maybe[SvgUsage] = None


# Tools that come to be known in the middle of a conversation.


class AdditionalTools(ItemBase):
    id: Maybe[str] = None
    type: Literal["additional_tools"]
    role: Sent[Role] = None
    tools: Sent[list[Tool]] = None

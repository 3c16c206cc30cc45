"""Events of calls: how a tool is called and, where the provider runs it, how that goes on.

`obfuscation` is random padding, against those who count bytes; absent where the request switched it off.
"""

from __future__ import annotations

from typing import Literal

from .event_base import Event, ItemEvent
from .tool_items import ShellOutput
from .wire import Maybe, Sent, Undeclared, Wire

# Calls that the client answers.


class FunctionCallArgumentsDelta(ItemEvent):
    type: Literal["response.function_call_arguments.delta"]
    delta: Sent[str] = None
    obfuscation: Undeclared[str] = None


class FunctionCallArgumentsDone(ItemEvent):
    type: Literal["response.function_call_arguments.done"]
    arguments: Sent[str] = None
    name: Undeclared[str] = None
    """Declared up to 2026."""


class CustomToolCallInputDelta(ItemEvent):
    type: Literal["response.custom_tool_call_input.delta"]
    delta: Sent[str] = None
    obfuscation: Undeclared[str] = None


class CustomToolCallInputDone(ItemEvent):
    type: Literal["response.custom_tool_call_input.done"]
    input: Sent[str] = None


# Shells. Commands are counted within a call; their events name no item: it is the one at `output_index`.


class ShellCallCommandAdded(Event):
    type: Literal["response.shell_call_command.added"]
    output_index: Sent[int] = None
    command_index: Sent[int] = None
    command: Sent[str] = None


class ShellCallCommandDelta(Event):
    type: Literal["response.shell_call_command.delta"]
    output_index: Sent[int] = None
    command_index: Sent[int] = None
    delta: Sent[str] = None
    obfuscation: Maybe[str] = None


class ShellCallCommandDone(Event):
    type: Literal["response.shell_call_command.done"]
    output_index: Sent[int] = None
    command_index: Sent[int] = None
    command: Sent[str] = None


class ShellOutputDelta(Wire):
    stderr: Maybe[str] = None
    stdout: Maybe[str] = None


class ShellCallOutputContentDelta(ItemEvent):
    type: Literal["response.shell_call_output_content.delta"]
    command_index: Sent[int] = None
    delta: Sent[ShellOutputDelta] = None


class ShellCallOutputContentDone(ItemEvent):
    type: Literal["response.shell_call_output_content.done"]
    command_index: Sent[int] = None
    output: Sent[list[ShellOutput]] = None


# Calls that the provider answers.


class CodeInterpreterCallCodeDelta(ItemEvent):
    type: Literal["response.code_interpreter_call_code.delta"]
    delta: Sent[str] = None
    obfuscation: Undeclared[str] = None


class CodeInterpreterCallCodeDone(ItemEvent):
    type: Literal["response.code_interpreter_call_code.done"]
    code: Sent[str] = None


class CodeInterpreterCallCompleted(ItemEvent):
    type: Literal["response.code_interpreter_call.completed"]


class CodeInterpreterCallInProgress(ItemEvent):
    type: Literal["response.code_interpreter_call.in_progress"]


class CodeInterpreterCallInterpreting(ItemEvent):
    type: Literal["response.code_interpreter_call.interpreting"]


class FileSearchCallCompleted(ItemEvent):
    type: Literal["response.file_search_call.completed"]


class FileSearchCallInProgress(ItemEvent):
    type: Literal["response.file_search_call.in_progress"]


class FileSearchCallSearching(ItemEvent):
    type: Literal["response.file_search_call.searching"]


class WebSearchCallCompleted(ItemEvent):
    type: Literal["response.web_search_call.completed"]


class WebSearchCallInProgress(ItemEvent):
    type: Literal["response.web_search_call.in_progress"]


class WebSearchCallSearching(ItemEvent):
    type: Literal["response.web_search_call.searching"]


class ImageGenerationCallCompleted(ItemEvent):
    type: Literal["response.image_generation_call.completed"]


class ImageGenerationCallGenerating(ItemEvent):
    type: Literal["response.image_generation_call.generating"]


class ImageGenerationCallInProgress(ItemEvent):
    type: Literal["response.image_generation_call.in_progress"]


class ImageGenerationCallPartialImage(ItemEvent):
    type: Literal["response.image_generation_call.partial_image"]
    partial_image_index: Sent[int] = None
    background: Maybe[str] = None
    output_format: Maybe[str] = None
    partial_image_b64: Sent[str] = None
    """The image so far, in base64."""
    quality: Maybe[str] = None
    size: Maybe[str] = None


class McpCallArgumentsDelta(ItemEvent):
    type: Literal["response.mcp_call_arguments.delta"]
    delta: Sent[str] = None
    obfuscation: Undeclared[str] = None


class McpCallArgumentsDone(ItemEvent):
    type: Literal["response.mcp_call_arguments.done"]
    arguments: Sent[str] = None


class McpCallCompleted(ItemEvent):
    type: Literal["response.mcp_call.completed"]


class McpCallFailed(ItemEvent):
    type: Literal["response.mcp_call.failed"]


class McpCallInProgress(ItemEvent):
    type: Literal["response.mcp_call.in_progress"]


class McpListToolsCompleted(ItemEvent):
    type: Literal["response.mcp_list_tools.completed"]


class McpListToolsFailed(ItemEvent):
    type: Literal["response.mcp_list_tools.failed"]


class McpListToolsInProgress(ItemEvent):
    type: Literal["response.mcp_list_tools.in_progress"]

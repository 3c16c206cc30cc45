"""Items: what inputs, outputs and conversations consist of.

An item has the same class wherever it stands. Where it is an input, `id` and `status` may be left out.
"""

from __future__ import annotations

from typing import Annotated, Literal

from .content import Content, ContentPart, TextFormat
from .item_parts import ItemBase, Role, Status, UnknownItem
from .tagged import Tagged
from .tool_items import (
    AdditionalTools,
    ApplyPatchCall,
    ApplyPatchCallOutput,
    CodeInterpreterCall,
    ComputerCall,
    ComputerCallOutput,
    CustomToolCall,
    CustomToolCallOutput,
    FileSearchCall,
    FunctionCall,
    FunctionCallOutput,
    ImageGenerationCall,
    LocalShellCall,
    LocalShellCallOutput,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpListTools,
    Program,
    ProgramOutput,
    ShellCall,
    ShellCallOutput,
    ToolSearchCall,
    ToolSearchOutput,
    WebSearchCall,
)
from .tools import ReasoningEffort
from .wire import Maybe, OneOf, Sent, Wire


class Message(ItemBase):
    id: Maybe[str] = None
    type: Maybe[Literal["message"]] = None
    """May be left out of inputs."""
    status: Maybe[Status] = None
    content: Sent[Content] = None
    """Outputs are always lists."""
    phase: Maybe[Annotated[str, OneOf("commentary", "final_answer")]] = None
    """Of the assistant's messages, by models that tell."""
    role: Sent[Role] = None


class Reasoning(ItemBase):
    id: Maybe[str] = None
    type: Literal["reasoning"]
    status: Maybe[Status] = None
    content: Maybe[list[ContentPart]] = None
    """Raw reasoning, of open models."""
    encrypted_content: Maybe[str] = None
    """Opaque. Only where `include` asked for it."""
    summary: Sent[list[ContentPart]] = None


class Compaction(ItemBase):
    """What a conversation was compressed to."""

    id: Maybe[str] = None
    type: Literal["compaction"]
    created_by: Maybe[str] = None
    encrypted_content: Sent[str] = None
    """Opaque."""


# Inputs only.


class CompactionTrigger(ItemBase):
    """Asks for a compaction of what stands before it."""

    id: Maybe[str] = None
    type: Literal["compaction_trigger"]


class ItemReference(ItemBase):
    """An item that the provider has stored."""

    id: Sent[str] = None
    type: Maybe[Literal["item_reference"]] = None
    """May be left out."""


class ReasoningUpdate(Wire):
    effort: Maybe[ReasoningEffort] = None


class TextUpdate(Wire):
    format: Sent[TextFormat] = None


class ConfigurationUpdate(ItemBase):
    """Other settings from here on. In inputs and lists of them."""

    id: Maybe[str] = None
    type: Literal["configuration_update"]
    reasoning: Maybe[ReasoningUpdate] = None
    text: Maybe[TextUpdate] = None


# Multi-agent beta.


class AgentMessage(ItemBase):
    """From one agent to another."""

    id: Maybe[str] = None
    type: Literal["agent_message"]
    author: Sent[str] = None
    content: Sent[list[ContentPart]] = None
    recipient: Sent[str] = None


AgentAction = Annotated[str, OneOf("spawn_agent", "interrupt_agent", "list_agents", "send_message", "followup_task", "wait_agent")]


class MultiAgentCall(ItemBase):
    id: Maybe[str] = None
    type: Literal["multi_agent_call"]
    action: Sent[AgentAction] = None
    arguments: Sent[str] = None
    """JSON, as the model wrote it."""
    call_id: Sent[str] = None


class MultiAgentCallOutput(ItemBase):
    id: Maybe[str] = None
    type: Literal["multi_agent_call_output"]
    action: Sent[AgentAction] = None
    call_id: Sent[str] = None
    output: Sent[list[ContentPart]] = None


Item = Annotated[
    Message
    | FunctionCall
    | FunctionCallOutput
    | Reasoning
    | WebSearchCall
    | FileSearchCall
    | CodeInterpreterCall
    | ImageGenerationCall
    | McpCall
    | McpListTools
    | McpApprovalRequest
    | McpApprovalResponse
    | CustomToolCall
    | CustomToolCallOutput
    | ShellCall
    | ShellCallOutput
    | ApplyPatchCall
    | ApplyPatchCallOutput
    | LocalShellCall
    | LocalShellCallOutput
    | ComputerCall
    | ComputerCallOutput
    | ToolSearchCall
    | ToolSearchOutput
    | Program
    | ProgramOutput
    | AdditionalTools
    | Compaction
    | CompactionTrigger
    | ItemReference
    | ConfigurationUpdate
    | AgentMessage
    | MultiAgentCall
    | MultiAgentCallOutput
    | UnknownItem,
    Tagged("user", "assistant", "system", "developer", "tool", "critic", "discriminator", "unknown", reference="item_reference"),
]

OUTPUT_ITEMS = (
    *("message", "file_search_call", "function_call", "function_call_output", "web_search_call", "computer_call", "computer_call_output"),
    *("reasoning", "program", "program_output", "tool_search_call", "tool_search_output", "additional_tools", "compaction"),
    *("image_generation_call", "code_interpreter_call", "local_shell_call", "local_shell_call_output", "shell_call", "shell_call_output"),
    *("apply_patch_call", "apply_patch_call_output", "mcp_call", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response"),
    *("custom_tool_call", "custom_tool_call_output"),
)
"""What a Response's output may have, beta aside."""
INPUT_ITEMS = (*OUTPUT_ITEMS, "compaction_trigger", "item_reference", "configuration_update")
"""What an input may have, beta aside."""
BETA_ITEMS = ("agent_message", "multi_agent_call", "multi_agent_call_output")
"""What multi-agent adds to both."""

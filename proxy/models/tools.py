"""Tools that a model is given, and the choice among them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .tagged import Tagged, Unknown
from .wire import Maybe, Nullable, Number, OneOf, Sent, Wire

AllowedCallers = list[Annotated[str, OneOf("direct", "programmatic")]]
"""Who may call the tool: the model itself, or a program that it writes."""
Execution = Annotated[str, OneOf("server", "client")]
Level = Annotated[str, OneOf("low", "medium", "high")]
ReasoningEffort = Annotated[str, OneOf("none", "minimal", "low", "medium", "high", "xhigh", "max")]
ImageAction = Annotated[str, OneOf("generate", "edit", "auto")]
ImageBackground = Annotated[str, OneOf("transparent", "opaque", "auto")]
ImageFormat = Annotated[str, OneOf("png", "webp", "jpeg", "gif", "svg")]
ImageQuality = Annotated[str, OneOf("low", "medium", "high", "xhigh", "max", "auto")]
ImageSize = Annotated[str, OneOf("1024x1024", "1024x1536", "1536x1024", "auto")]


# Containers, skills and networks of tools that run code.


class DomainSecret(Wire):
    """A credential that is put into requests to a domain."""

    domain: Sent[str] = None
    name: Sent[str] = None
    value: Sent[str] = None
    """Secret."""


class NetworkDisabled(Wire):
    type: Literal["disabled"]


class NetworkAllowlist(Wire):
    type: Literal["allowlist"]
    allowed_domains: Sent[list[str]] = None
    domain_secrets: Maybe[list[DomainSecret]] = None


class UnknownNetworkPolicy(Unknown):
    """A network policy of another type."""


NetworkPolicy = Annotated[NetworkDisabled | NetworkAllowlist | UnknownNetworkPolicy, Tagged()]
MemoryLimit = Annotated[str, OneOf("1g", "4g", "16g", "64g")]


class LocalSkill(Wire):
    description: Sent[str] = None
    name: Sent[str] = None
    path: Sent[str] = None


class SkillReference(Wire):
    type: Literal["skill_reference"]
    skill_id: Sent[str] = None
    version: Maybe[str] = None


class SkillSource(Wire):
    type: Sent[Annotated[str, OneOf("base64")]] = None
    data: Sent[str] = None
    media_type: Sent[Annotated[str, OneOf("application/zip")]] = None


class InlineSkill(Wire):
    type: Literal["inline"]
    description: Sent[str] = None
    name: Sent[str] = None
    source: Sent[SkillSource] = None


class UnknownSkill(Unknown):
    """A skill of another type."""


Skill = Annotated[SkillReference | InlineSkill | UnknownSkill, Tagged()]


class ContainerAuto(Wire):
    """A container that the provider makes. Billed by memory and time."""

    type: Literal["container_auto"]
    file_ids: Maybe[list[str]] = None
    memory_limit: Maybe[MemoryLimit] = None
    network_policy: Maybe[NetworkPolicy] = None
    skills: Maybe[list[Skill]] = None


class LocalEnvironment(Wire):
    """The client runs the commands."""

    type: Literal["local"]
    skills: Maybe[list[LocalSkill]] = None
    """Of a tool only; never of a call."""


class ContainerReference(Wire):
    type: Literal["container_reference"]
    container_id: Sent[str] = None


class UnknownEnvironment(Unknown):
    """An environment of another type."""


Environment = Annotated[ContainerAuto | LocalEnvironment | ContainerReference | UnknownEnvironment, Tagged()]
"""Where shell commands run. A call never has `container_auto`: it names the container that was made."""


# Tools whose calls the client answers.


class FunctionTool(Wire):
    type: Literal["function"]
    allowed_callers: Maybe[AllowedCallers] = None
    async_: Maybe[bool] = Field(default=None, alias="async")
    defer_loading: Maybe[bool] = None
    """Found by tool search only."""
    description: Maybe[str] = None
    name: Sent[str] = None
    output_schema: Maybe[dict[str, Any]] = None
    parameters: Nullable[dict[str, Any]] = None
    """JSON Schema."""
    strict: Nullable[bool] = None


class TextGrammar(Wire):
    """Free text."""

    type: Literal["text"]


class Grammar(Wire):
    type: Literal["grammar"]
    definition: Sent[str] = None
    syntax: Sent[Annotated[str, OneOf("lark", "regex")]] = None


class UnknownInputFormat(Unknown):
    """An input format of another type."""


CustomInputFormat = Annotated[TextGrammar | Grammar | UnknownInputFormat, Tagged()]


class CustomTool(Wire):
    """A function of one argument: a text."""

    type: Literal["custom"]
    allowed_callers: Maybe[AllowedCallers] = None
    async_: Maybe[bool] = Field(default=None, alias="async")
    defer_loading: Maybe[bool] = None
    """Found by tool search only."""
    description: Maybe[str] = None
    format: Maybe[CustomInputFormat] = None
    name: Sent[str] = None


class ComputerTool(Wire):
    type: Literal["computer"]


class ComputerUsePreviewTool(Wire):
    type: Literal["computer_use_preview"]
    display_height: Sent[int] = None
    display_width: Sent[int] = None
    environment: Sent[Annotated[str, OneOf("windows", "mac", "linux", "ubuntu", "browser")]] = None


class LocalShellTool(Wire):
    type: Literal["local_shell"]


class ShellTool(Wire):
    type: Literal["shell"]
    allowed_callers: Maybe[AllowedCallers] = None
    environment: Maybe[Environment] = None


class ApplyPatchTool(Wire):
    type: Literal["apply_patch"]
    allowed_callers: Maybe[AllowedCallers] = None


# Tools that the provider runs.


class ComparisonFilter(Wire):
    type: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
    key: Sent[str] = None
    value: Sent[str | Number | bool | list[str | Number]] = None


class UnknownFilter(Unknown):
    """A filter of another type, or a compound one in a compound one: that may be any object."""


class CompoundFilter(Wire):
    type: Literal["and", "or"]
    filters: Sent[list[Annotated[ComparisonFilter | UnknownFilter, Tagged()]]] = None


FileFilter = Annotated[ComparisonFilter | CompoundFilter | UnknownFilter, Tagged()]


class HybridSearch(Wire):
    embedding_weight: Sent[Number] = None
    text_weight: Sent[Number] = None


class RankingOptions(Wire):
    hybrid_search: Maybe[HybridSearch] = None
    ranker: Maybe[Annotated[str, OneOf("auto", "default-2024-11-15")]] = None
    score_threshold: Maybe[Number] = None
    """0 to 1."""


class FileSearchTool(Wire):
    type: Literal["file_search"]
    filters: Maybe[FileFilter] = None
    max_num_results: Maybe[int] = None
    """1 to 50."""
    ranking_options: Maybe[RankingOptions] = None
    vector_store_ids: Sent[list[str]] = None


class UserLocation(Wire):
    type: Maybe[Annotated[str, OneOf("approximate")]] = None
    city: Maybe[str] = None
    country: Maybe[str] = None
    """ISO 3166, two letters."""
    region: Maybe[str] = None
    timezone: Maybe[str] = None
    """IANA name."""


class WebSearchFilters(Wire):
    allowed_domains: Maybe[list[str]] = None


class WebSearchTool(Wire):
    type: Literal["web_search", "web_search_2025_08_26"]
    external_web_access: Maybe[bool] = None
    filters: Maybe[WebSearchFilters] = None
    search_context_size: Maybe[Level] = None
    user_location: Maybe[UserLocation] = None


class WebSearchPreviewTool(Wire):
    type: Literal["web_search_preview", "web_search_preview_2025_03_11"]
    search_content_types: Maybe[list[Annotated[str, OneOf("text", "image")]]] = None
    search_context_size: Maybe[Level] = None
    user_location: Maybe[UserLocation] = None


class McpToolFilter(Wire):
    read_only: Maybe[bool] = None
    tool_names: Maybe[list[str]] = None


class McpApprovalFilter(Wire):
    always: Maybe[McpToolFilter] = None
    never: Maybe[McpToolFilter] = None


McpConnector = Annotated[
    str,
    OneOf(
        *("connector_dropbox", "connector_gmail", "connector_googlecalendar", "connector_googledrive"),
        *("connector_microsoftteams", "connector_outlookcalendar", "connector_outlookemail", "connector_sharepoint"),
    ),
]


class McpTool(Wire):
    """A server of tools, by `server_url`, `connector_id` or `tunnel_id`."""

    type: Literal["mcp"]
    allowed_callers: Maybe[AllowedCallers] = None
    allowed_tools: Maybe[list[str] | McpToolFilter] = None
    authorization: Maybe[str] = None
    """Secret."""
    connector_id: Maybe[McpConnector] = None
    defer_loading: Maybe[bool] = None
    """Found by tool search only."""
    headers: Maybe[dict[str, str]] = None
    """Secret."""
    require_approval: Maybe[Annotated[str, OneOf("always", "never")] | McpApprovalFilter] = None
    server_description: Maybe[str] = None
    server_label: Sent[str] = None
    server_url: Maybe[str] = None
    tunnel_id: Maybe[str] = None


class CodeContainerAuto(Wire):
    """A container that the provider makes. Billed by memory and time."""

    type: Sent[Annotated[str, OneOf("auto")]] = None
    file_ids: Maybe[list[str]] = None
    memory_limit: Maybe[MemoryLimit] = None
    network_policy: Maybe[NetworkPolicy] = None


class CodeInterpreterTool(Wire):
    type: Literal["code_interpreter"]
    allowed_callers: Maybe[AllowedCallers] = None
    container: Sent[str | CodeContainerAuto] = None


class ProgrammaticToolCalling(Wire):
    """The model may write programs that call the tools that allow it."""

    type: Literal["programmatic_tool_calling"]


class ImageMask(Wire):
    file_id: Maybe[str] = None
    image_url: Maybe[str] = None


class SvgReasoning(Wire):
    effort: Maybe[ReasoningEffort] = None


class ImageSvg(Wire):
    model: Maybe[str] = None
    reasoning: Maybe[SvgReasoning] = None


class ImageGenerationTool(Wire):
    type: Literal["image_generation"]
    action: Maybe[ImageAction] = None
    background: Maybe[ImageBackground] = None
    complexity: Maybe[Level] = None
    frame_count: Maybe[int] = None
    frame_duration_ms: Maybe[int] = None
    input_fidelity: Maybe[Annotated[str, OneOf("high", "low")]] = None
    input_image_mask: Maybe[ImageMask] = None
    model: Maybe[str] = None
    """Tokens of the image are priced by it. Some backends name an internal alias."""
    moderation: Maybe[Annotated[str, OneOf("auto", "low")]] = None
    output_compression: Maybe[int] = None
    """Percent."""
    output_format: Maybe[ImageFormat] = None
    partial_images: Maybe[int] = None
    """0 to 3."""
    quality: Maybe[ImageQuality] = None
    size: Maybe[ImageSize] = None
    svg: Maybe[ImageSvg] = None


class UnknownTool(Unknown):
    """A tool of another type."""


NamespacedTool = Annotated[FunctionTool | CustomTool | UnknownTool, Tagged()]


class NamespaceTool(Wire):
    """Tools under a common name."""

    type: Literal["namespace"]
    description: Sent[str] = None
    name: Sent[str] = None
    tools: Sent[list[NamespacedTool]] = None


class ToolSearchTool(Wire):
    """The model looks for tools whose loading was deferred."""

    type: Literal["tool_search"]
    description: Maybe[str] = None
    execution: Maybe[Execution] = None
    parameters: Maybe[Any] = None
    """JSON Schema."""


Tool = Annotated[
    FunctionTool
    | FileSearchTool
    | ComputerTool
    | ComputerUsePreviewTool
    | WebSearchTool
    | McpTool
    | CodeInterpreterTool
    | ProgrammaticToolCalling
    | ImageGenerationTool
    | LocalShellTool
    | ShellTool
    | CustomTool
    | NamespaceTool
    | ToolSearchTool
    | WebSearchPreviewTool
    | ApplyPatchTool
    | UnknownTool,
    Tagged(),
]

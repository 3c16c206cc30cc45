"""Which module has which model, so that none is imported before it is asked for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

_NAMES: Mapping[str, str] = {
    "actions": (
        "Click ComputerAction CreateFile DeleteFile DoubleClick Drag Find FindInPage Keypress LocalShellAction Move OpenPage PatchOperation "
        "Point Screenshot Scroll Search SearchSource ShellAction TypeText UnknownComputerAction UnknownOperation UnknownWebSearchAction "
        "UpdateFile Wait WebSearchAction"
    ),
    "anthropic": (
        "AnthropicBody AnthropicCacheCreation AnthropicErrorDetail AnthropicErrorEvent AnthropicEvent AnthropicIteration AnthropicMessage "
        "AnthropicMessageDelta AnthropicMessageStart AnthropicMessageStop AnthropicOutputDetails AnthropicPing AnthropicServerTools "
        "AnthropicStop AnthropicTokenCount AnthropicTurn AnthropicUsage Block BlockDelta CitationsDelta CompactionBlock CompactionDelta "
        "ContentBlockDelta ContentBlockStart ContentBlockStop FallbackBlock InputJsonDelta MediaBlock RedactedThinkingBlock SignatureDelta "
        "TextBlock TextBlockDelta ThinkingBlock ThinkingDelta ToolResultBlock ToolUseBlock UnknownAnthropicEvent UnknownBlock "
        "UnknownBlockDelta"
    ),
    "audio": (
        "AudioDuration AudioEvent AudioStreamError AudioTokenDetails AudioTokens AudioUsage SpeechBody SpeechDelta SpeechDone "
        "TranscriptDelta TranscriptDone TranscriptSegment Transcription UnknownAudioEvent UnknownAudioUsage"
    ),
    "call_events": (
        "CodeInterpreterCallCodeDelta CodeInterpreterCallCodeDone CodeInterpreterCallCompleted CodeInterpreterCallInProgress "
        "CodeInterpreterCallInterpreting CustomToolCallInputDelta CustomToolCallInputDone FileSearchCallCompleted FileSearchCallInProgress "
        "FileSearchCallSearching FunctionCallArgumentsDelta FunctionCallArgumentsDone ImageGenerationCallCompleted "
        "ImageGenerationCallGenerating ImageGenerationCallInProgress ImageGenerationCallPartialImage McpCallArgumentsDelta "
        "McpCallArgumentsDone McpCallCompleted McpCallFailed McpCallInProgress McpListToolsCompleted McpListToolsFailed "
        "McpListToolsInProgress ShellCallCommandAdded ShellCallCommandDelta ShellCallCommandDone ShellCallOutputContentDelta "
        "ShellCallOutputContentDone ShellOutputDelta WebSearchCallCompleted WebSearchCallInProgress WebSearchCallSearching"
    ),
    "chat": (
        "ChatBody ChatChoice ChatChunk ChatCompletion ChatContentPart ChatDeleted ChatError ChatFunction ChatList ChatMessage ChatMessageList ChatMetadata "
        "ChatStreamOptions ChatTool ChatToolCall ChatUsage ChunkChoice Completion CompletionBody CompletionChoice CompletionTokensDetails "
        "CustomToCall FunctionToCall PromptTokensDetails"
    ),
    "content": (
        "Annotation AudioData ComputerScreenshot ContainerFileCitation ContentPart EncryptedContent FileCitation FilePath InputAudio "
        "InputFile InputImage InputText Logprob OutputText PlainText PromptCacheBreakpoint ReasoningText Refusal SummaryText TextFormat "
        "TextFormatJsonObject TextFormatJsonSchema TextFormatText TopLogprob UnknownAnnotation UnknownPart UnknownTextFormat UrlCitation"
    ),
    "conversations": "Conversation ConversationBody ItemsBody",
    "embeddings": "Embedding EmbeddingBody EmbeddingList",
    "errors": "ErrorBody ErrorObject Misalignment MisalignmentSteer ResponseError",
    "event_base": "Event EventBase ItemEvent PartEvent ResponseEvent UnknownEvent",
    "events": (
        "AudioDelta AudioDone AudioTranscriptDelta AudioTranscriptDone CodexRateLimits CodexResponseMetadata CompactionCompacting "
        "ContentPartAdded ContentPartDone ErrorEvent Keepalive OutputItemAdded OutputItemDone OutputTextAnnotationAdded OutputTextDelta "
        "OutputTextDone ReasoningPartAdded ReasoningPartDone ReasoningSummaryDelta ReasoningSummaryDone ReasoningSummaryPartAdded ReasoningSummaryPartDone "
        "ReasoningSummaryTextDelta "
        "ReasoningSummaryTextDone ReasoningTextDelta ReasoningTextDone RefusalDelta RefusalDone ResponseCompleted ResponseCreated "
        "ResponseDone ResponseFailed ResponseInProgress ResponseIncomplete ResponseMetadata ResponseQueued StreamEvent WebsocketTiming"
    ),
    "images": (
        "GeneratedImage ImageAnswer ImageBody ImageCompleted ImageEvent ImageStreamError ImageSvgUsage ImageUsage ImageUsageDetails "
        "PartialImage UnknownImageEvent"
    ),
    "item_parts": "Agent Caller DirectCaller ItemBase ProgramCaller UnknownCaller UnknownItem",
    "items": (
        "AgentMessage Compaction CompactionTrigger ConfigurationUpdate Item ItemReference Message MultiAgentCall MultiAgentCallOutput "
        "Reasoning ReasoningUpdate TextUpdate"
    ),
    "live": (
        "LiveAudioAppend LiveClientEvent LiveCommand LiveContextWindow LiveDecisionEvent LiveDelta LiveError LiveErrorEvent LiveItemCreate "
        "LiveItemEvent LiveNotice LiveResponseEvent LiveServerEvent LiveSession LiveSessionClosed LiveSessionEvent LiveSessionStart "
        "LiveTextAppend LiveTransportFailed LiveUsage LiveUsageUpdated UnknownLiveClientEvent UnknownLiveEvent"
    ),
    "moderations": "Moderation ModerationBody ModerationVerdict",
    "options": "AccessPrograms ConversationReference ImageOptions Prompt PromptCacheOptions ReasoningOptions TextOptions",
    "other": "OtherObject",
    "realtime": (
        "RateLimit RealtimeAudioAppend RealtimeBody RealtimeCachedDetails RealtimeClientEvent RealtimeClientSecret RealtimeCommand "
        "RealtimeConversationCreated RealtimeDelta RealtimeDone RealtimeError RealtimeErrorEvent RealtimeInputDetails RealtimeItem "
        "RealtimeItemCreate RealtimeItemEvent RealtimeNotice RealtimeOutputDetails RealtimePart RealtimePartEvent RealtimeRateLimits "
        "RealtimeResponse RealtimeResponseCreate RealtimeResponseEvent RealtimeServerEvent RealtimeSession RealtimeSessionEvent "
        "RealtimeSessionUpdate RealtimeStatusDetails RealtimeTranscribed RealtimeTranscriptionFailed RealtimeUsage "
        "UnknownRealtimeClientEvent UnknownRealtimeEvent"
    ),
    "requests": (
        "BackgroundOptions ClientEvent CompactBody ContextManagement CreateBody InputTokensBody ModerationMode "
        "ModerationPolicy MultiAgent RequestModeration ResponseCreate ResponseInject ResponseSteer StreamOptions UnknownClientEvent"
    ),
    "responses": (
        "Billing CacheHit CacheMiss CacheWriteDetails CachedImageTokensDetails CompactedResponse ComparisonNotFound Deleted "
        "DiagnosticsUnavailable ImageGenerationUsage ImageTokensDetails IncompleteDetails InputTokenCount InputTokensDetails "
        "InputTransformation ItemList ModerationError ModerationOutcome ModerationResult OutputTokensDetails PromptCacheDiagnostics "
        "Response ResponseModeration ResponseUsage ToolUsage UnknownDiagnostics UnknownModeration WebSearchUsage"
    ),
    "tagged": "Unknown",
    "tool_choice": (
        "AllowedTools ApplyPatchChoice CustomChoice FunctionChoice HostedToolChoice McpChoice ProgrammaticChoice ShellChoice ToolChoiceObject UnknownToolChoice"
    ),
    "tool_items": (
        "AdditionalTools ApplyPatchCall ApplyPatchCallOutput CodeImage CodeInterpreterCall CodeLogs CodeOutput ComputerCall "
        "ComputerCallOutput CustomToolCall CustomToolCallOutput Exit FileSearchCall FileSearchResult FunctionCall FunctionCallOutput "
        "ImageError ImageGenerationCall ImageModeration LocalShellCall LocalShellCallOutput McpApprovalRequest McpApprovalResponse McpCall "
        "McpError McpExecutionError McpHttpError McpListTools McpProtocolError McpToolDescription Outcome Program ProgramOutput SafetyCheck "
        "ShellCall ShellCallOutput ShellOutput SvgUsage Timeout ToolSearchCall ToolSearchOutput UnknownCodeOutput UnknownMcpError "
        "UnknownOutcome WebSearchCall"
    ),
    "tools": (
        "ApplyPatchTool CodeContainerAuto CodeInterpreterTool ComparisonFilter CompoundFilter ComputerTool ComputerUsePreviewTool "
        "ContainerAuto ContainerReference CustomInputFormat CustomTool DomainSecret Environment FileFilter FileSearchTool FunctionTool "
        "Grammar HybridSearch ImageGenerationTool ImageMask ImageSvg InlineSkill LocalEnvironment LocalShellTool LocalSkill "
        "McpApprovalFilter McpTool McpToolFilter NamespaceTool NamespacedTool NetworkAllowlist NetworkDisabled NetworkPolicy "
        "ProgrammaticToolCalling RankingOptions ShellTool Skill SkillReference SkillSource SvgReasoning TextGrammar Tool ToolSearchTool "
        "UnknownEnvironment UnknownFilter UnknownInputFormat UnknownNetworkPolicy UnknownSkill UnknownTool UserLocation WebSearchFilters "
        "WebSearchPreviewTool WebSearchTool"
    ),
    "wire": "UndeclaredModel Unparsed Wire",
    "ws_events": (
        "InjectCreated InjectError InjectFailed RequiredApproval RequiredFunctionCallOutput RequiredInput RequiredToolOutput "
        "RequiredToolSearchOutput ServerEvent Steer SteerAccepted SteerError SteerFailed SteerPending UnknownRequiredInput"
    ),
}


@cache
def places() -> Mapping[str, str]:
    """The module of each name."""
    return {name: module for module, names in _NAMES.items() for name in names.split()}


def load(name: str) -> Any:
    """A model, or a union of models. Raises KeyError for what is none."""
    return getattr(import_module(f".{places()[name]}", __package__), name)

"""Transcriptions, translations and speech: answers and streams. Speech itself is no JSON, nor are subtitles and plain texts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from .tagged import Tagged, Unknown
from .wire import Maybe, Number, OneOf, Sent, Wire

# Usage.


class AudioTokenDetails(Wire):
    """Parts of the input's tokens."""

    audio_tokens: Maybe[int] = None
    text_tokens: Maybe[int] = None
    """Of the prompt."""


class AudioTokens(Wire):
    """Usage of a model that is billed by tokens. In the usage of speech, which is always by tokens, the type is absent."""

    type: Maybe[Literal["tokens"]] = None
    input_tokens: Sent[int] = None
    input_token_details: Maybe[AudioTokenDetails] = None
    output_tokens: Sent[int] = None
    total_tokens: Sent[int] = None


class AudioDuration(Wire):
    """Usage of a model that is billed by time."""

    type: Literal["duration"]
    seconds: Sent[Number] = None
    """Of the input, rounded up."""


class UnknownAudioUsage(Unknown):
    """Counted in another way."""


AudioUsage = Annotated[AudioTokens | AudioDuration | UnknownAudioUsage, Tagged()]

# Answers.


class Transcription(Wire):
    """Of speech, in its language or translated. Most fields only if `response_format` asked for more than the text."""

    text: Sent[str] = None
    language: Maybe[str] = None
    task: Maybe[Annotated[str, OneOf("transcribe", "translate")]] = None
    duration: Maybe[Number | str] = None
    """Of the input in seconds."""
    words: Maybe[list[dict[str, Any]]] = None
    segments: Maybe[list[dict[str, Any]]] = None
    logprobs: Maybe[list[Any]] = None
    usage: Maybe[AudioUsage] = None


# Events of streams.


class TranscriptDelta(Wire):
    type: Literal["transcript.text.delta"]
    delta: Sent[str] = None
    logprobs: Maybe[list[Any]] = None
    segment_id: Maybe[str] = None


class TranscriptSegment(Wire):
    """What one speaker said without a break."""

    type: Literal["transcript.text.segment"]
    id: Sent[str] = None
    speaker: Sent[str] = None
    start: Sent[Number] = None
    """In seconds of the input, like `end`."""
    end: Sent[Number] = None
    text: Sent[str] = None


class TranscriptDone(Wire):
    type: Literal["transcript.text.done"]
    text: Sent[str] = None
    logprobs: Maybe[list[Any]] = None
    usage: Maybe[AudioUsage] = None


class SpeechDelta(Wire):
    type: Literal["speech.audio.delta"]
    audio: Sent[str] = None
    """Base64."""


class SpeechDone(Wire):
    type: Literal["speech.audio.done"]
    usage: Sent[AudioTokens] = None


class AudioStreamError(Wire):
    type: Literal["error"]
    error: Maybe[str | dict[str, Any]] = None


class UnknownAudioEvent(Unknown):
    """An event of another type."""


AudioEvent = Annotated[TranscriptDelta | TranscriptSegment | TranscriptDone | SpeechDelta | SpeechDone | AudioStreamError | UnknownAudioEvent, Tagged()]


class SpeechBody(Wire):
    """The request for speech. Those for transcriptions are forms."""

    model: Sent[str] = None
    input: Sent[str] = None
    voice: Sent[str | dict[str, Any]] = None
    instructions: Maybe[str] = None
    response_format: Maybe[Annotated[str, OneOf("mp3", "opus", "aac", "flac", "wav", "pcm")]] = None
    speed: Maybe[Number] = None
    """From 0.25 to 4."""
    stream_format: Maybe[Annotated[str, OneOf("audio", "sse")]] = None
    """Only a stream of events tells the usage."""

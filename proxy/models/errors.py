"""Errors: as a body, as an event, inside a Response."""

from __future__ import annotations

from typing import Annotated, Any

from .wire import Maybe, Nullable, OneOf, Sent, Wire


class MisalignmentSteer(Wire):
    message: Sent[str] = None


class Misalignment(Wire):
    """What a request was stopped for."""

    detailed_explanation: Maybe[str] = None
    error_type: Maybe[
        Annotated[
            str,
            OneOf(
                "potentially_unintended_data_transfer",
                "potentially_unintended_data_access",
                "potentially_unintended_destructive_activity",
                "other",
            ),
        ]
    ] = None
    review_target: Maybe[str] = None
    steer: Maybe[MisalignmentSteer] = None


class ErrorObject(Wire):
    message: Sent[str] = None
    type: Sent[str] = None
    """The class: `invalid_request_error`."""
    param: Nullable[str] = None
    """The field of the request that is wrong."""
    code: Nullable[str | int] = None
    """Numbers are not OpenAI's."""
    headers: Maybe[dict[str, str]] = None
    """Of the answer that there would have been without a WebSocket; on WebSockets only."""
    misalignment: Maybe[Misalignment] = None


class ErrorBody(Wire):
    """The body of an answer with a status of 400 or more. Besides OpenAI's form there are others, which may say more beside the error or instead of it."""

    type: Maybe[str] = None
    """Anthropic: `error`."""
    object: Maybe[str] = None
    """vLLM: `error`; then this is the error itself."""
    error: Sent[str | ErrorObject] = None
    code: Maybe[str | int] = None
    message: Maybe[str] = None
    detail: Maybe[Any] = None
    """FastAPI: a text, or a list of objects."""
    request_id: Maybe[str] = None
    """Anthropic."""


ResponseErrorCode = Annotated[
    str,
    OneOf(
        *("server_error", "rate_limit_exceeded", "invalid_prompt", "data_residency_mismatch", "bio_policy", "misalignment_policy_violation"),
        *("vector_store_timeout", "invalid_image", "invalid_image_format", "invalid_base64_image", "invalid_image_url", "image_too_large"),
        *("image_too_small", "image_parse_error", "image_content_policy_violation", "invalid_image_mode", "image_file_too_large"),
        *("unsupported_image_media_type", "empty_image_file", "failed_to_download_image", "image_file_not_found"),
    ),
]


class ResponseError(Wire):
    """Why a response failed."""

    code: Sent[ResponseErrorCode] = None
    message: Sent[str] = None
    misalignment: Maybe[Misalignment] = None
    param: Maybe[str] = None
    type: Maybe[str] = None

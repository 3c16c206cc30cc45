"""Kinds and calls, by method and path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.models.kind import Shape, kind_of, shape_of


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/responses", "responses"),
        ("/responses", "responses"),
        ("/v1/responses?beta=true", "responses"),
        ("/v1/responses/resp_1/input_items?limit=2", "responses"),
        ("/openai/v1/responses/", "responses"),
        ("/openai/responses?api-version=2025-04-01-preview", "responses"),
        ("/backend-api/codex/responses", "responses"),
        ("/api/v1/responses", "responses"),
        ("/v1/chat/completions", "chat.completions"),
        ("/models/chat/completions", "chat.completions"),
        ("/serving-endpoints/chat/completions", "chat.completions"),
        ("/client/v4/accounts/x/ai/v1/chat/completions", "chat.completions"),
        ("/openai/deployments/responses/chat/completions?api-version=1", "chat.completions"),
        ("/v1/projects/p/locations/l/endpoints/openapi/chat/completions", "chat.completions"),
        ("//openai/deployments/audio/embeddings", "embeddings"),
        ("/models/embeddings?api-version=1", "embeddings"),
        ("/v1/embeddings", "embeddings"),
        ("/v1/images/edits", "images"),
        ("/v1/audio/speech", "audio"),
        ("/v1/realtime?model=gpt-realtime", "realtime"),
        ("/openai/realtime?api-version=1&deployment=x", "realtime"),
        ("/v1/live/sessions", "realtime"),
        ("/v1/messages", "messages"),
        ("/anthropic/v1/messages/batches", "messages"),
        ("/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke-with-response-stream", "messages"),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/claude-x:streamRawPredict", "messages"),
        ("/model/amazon.nova-pro-v1:0/invoke", "other"),
        ("/v1/threads/thread_1/messages", "other"),
        ("/v1/organization/usage/embeddings", "other"),
        ("/v1/conversations/conv_1/items", "other"),
        ("/v1/models/embeddings", "other"),
        ("/v1/completions", "other"),
        ("/v1/moderations", "other"),
        ("/v1/responses_of_mine", "other"),
        ("", "other"),
        ("*", "other"),
    ],
)
def test_the_kind_is_told_by_the_path(path: str, kind: str) -> None:
    assert kind_of(path) == kind


@pytest.mark.parametrize(
    ("method", "path", "shape"),
    [
        ("POST", "/v1/responses?beta=true", Shape("responses", "create")),
        ("post", "/openai/v1/responses/", Shape("responses", "create")),
        ("GET", "/v1/responses", Shape("responses", "socket")),
        ("GET", "/v1/responses/resp_1?stream=true", Shape("responses", "retrieve")),
        ("DELETE", "/v1/responses/resp_1", Shape("responses", "delete")),
        ("POST", "/v1/responses/resp_1/cancel", Shape("responses", "cancel")),
        ("GET", "/v1/responses/resp_1/input_items", Shape("responses", "input_items")),
        ("POST", "/v1/responses/input_tokens", Shape("responses", "input_tokens")),
        ("POST", "/v1/responses/compact", Shape("responses", "compact")),
        ("POST", "/v1/responses/resp_1/frobnicate", Shape("responses")),
        ("POST", "/api/v1/chat/completions", Shape("chat.completions", "create")),
        ("GET", "/v1/chat/completions/chatcmpl-1/messages", Shape("chat.completions", "messages")),
        ("DELETE", "/v1/chat/completions/chatcmpl-1", Shape("chat.completions", "delete")),
        ("POST", "//openai/deployments/x/completions", Shape("other", "completions")),
        ("POST", "/v1/embeddings", Shape("embeddings", "create")),
        ("POST", "/v1/images/generations", Shape("images", "generate")),
        ("POST", "/v1/audio/transcriptions", Shape("audio", "transcribe")),
        ("POST", "/v1/audio/speech", Shape("audio", "speak")),
        ("POST", "/v1/moderations", Shape("other", "moderations")),
        ("GET", "/v1/realtime?model=x", Shape("realtime", "socket")),
        ("GET", "/v1/realtime/translations?model=x", Shape("realtime", "translations.socket")),
        ("POST", "/v1/realtime/translations/client_secrets", Shape("realtime", "client_secrets")),
        ("GET", "/v1/live/sessions", Shape("realtime", "live.socket")),
        ("GET", "/v1/live/sessions/x/attach", Shape("realtime", "live.socket")),
        ("POST", "/v1/live/sessions/x/fork", Shape("realtime")),
        ("POST", "/v1/messages?beta=true", Shape("messages", "create")),
        ("POST", "/v1/messages/count_tokens", Shape("messages", "count_tokens")),
        ("GET", "/v1/messages/batches", Shape("messages")),
        ("POST", "/v1/conversations", Shape("other", "conversations.create")),
        ("DELETE", "/v1/conversations/conv_1/items/msg_1", Shape("other", "conversations.items.delete")),
        ("GET", "/v1/models", Shape("other")),
    ],
)
def test_the_call_is_told_by_method_and_path(method: str, path: str, shape: Shape) -> None:
    assert shape_of(method, path) == shape


@given(st.text(max_size=8), st.lists(st.sampled_from(["v1", "responses", "chat", "completions", "deployments", "x", "", "live", "?"]) | st.text(max_size=3)))
def test_the_call_has_the_kind_of_its_path_whatever_that_is(method: str, words: list[str]) -> None:
    path = "/".join(words)

    assert shape_of(method, path).kind == kind_of(path)

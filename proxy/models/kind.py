"""What an exchange is: its kind, as listings say it, and which call of that API. Told by method and path, never by what bodies say. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

_LONGEST = 1024


class Shape(NamedTuple):
    """Which call of which API."""

    kind: str
    """`responses`, `chat.completions`, `embeddings`, `images`, `audio`, `realtime`, `messages`, `other`."""
    call: str = ""
    """`create`, `retrieve`, ...; `socket` for what begins with an upgrade. Empty for a call that is not known.

    Of APIs that have no kind of their own, and of Live, it begins with their name: `conversations.create`, `live.socket`.
    """


_DEPLOYMENT = re.compile(r"/deployments/[^/]+|^/models(?=/embeddings/?$)")  # Azure; its name may be anything, `responses` too
_CHAT = re.compile(r"/chat/completions(?:/|$)")
_VERSION = re.compile(r"/v\d+[a-z]*(?=/)")
_FAMILY = re.compile(
    r"/(responses|embeddings|images|audio|realtime|live|messages|completions|moderations"
    r"|threads|assistants|conversations|organization|models|files|fine_tuning|evals|batches|containers|vector_stores|uploads|skills|agents)(?=/|$)"
)
# Anthropic's models at Bedrock and at Vertex.
_ELSEWHERE = re.compile(r"/model/[^/]*anthropic\.[^/]*/invoke(?:-with-response-stream)?$|/publishers/anthropic/models/[^/]+:(?:stream)?[rR]awPredict$")
_KINDS: Mapping[str, str] = {name: name for name in ("responses", "embeddings", "images", "audio", "realtime", "messages")} | {"live": "realtime"}

# By family: the method and what follows the family, with `*` for an id.
_CALLS: Mapping[str, Mapping[str, str]] = {
    "responses": {
        "POST": "create",
        "GET": "socket",
        "POST input_tokens": "input_tokens",
        "POST compact": "compact",
        "GET *": "retrieve",
        "DELETE *": "delete",
        "POST * cancel": "cancel",
        "GET * input_items": "input_items",
    },
    "chat": {
        "POST": "create",
        "GET": "list",
        "GET *": "retrieve",
        "POST *": "update",
        "DELETE *": "delete",
        "GET * messages": "messages",
    },
    "messages": {"POST": "create", "POST count_tokens": "count_tokens"},
    "embeddings": {"POST": "create"},
    "images": {"POST generations": "generate", "POST edits": "edit", "POST variations": "vary"},
    "audio": {"POST transcriptions": "transcribe", "POST translations": "translate", "POST speech": "speak"},
    "realtime": {
        "GET": "socket",
        "GET translations": "translations.socket",
        "POST client_secrets": "client_secrets",
        "POST translations client_secrets": "client_secrets",
        "POST sessions": "sessions",
        "POST transcription_sessions": "sessions",
        "POST calls": "calls",
        "POST calls * accept": "accept",
    },
    "live": {
        "GET sessions": "live.socket",
        "GET sessions * fork": "live.socket",
        "GET sessions * attach": "live.socket",
        "POST sessions": "live.create",
    },
    "completions": {"POST": "completions"},
    "moderations": {"POST": "moderations"},
    "conversations": {
        "POST": "conversations.create",
        "GET *": "conversations.retrieve",
        "POST *": "conversations.update",
        "DELETE *": "conversations.delete",
        "POST * items": "conversations.items.create",
        "GET * items": "conversations.items.list",
        "GET * items *": "conversations.items.retrieve",
        "DELETE * items *": "conversations.items.delete",
    },
}
_WORDS = frozenset(word for calls in _CALLS.values() for call in calls for word in call.split()[1:])


def kind_of(path: str) -> str:
    """The kind of an exchange by its target: what follows the version, wherever the API is mounted. `other` for what has no kind."""
    return _located(path.partition("?")[0][:_LONGEST])[0]


def shape_of(method: str, path: str) -> Shape:
    """Which call this is. The query does not count: `?beta=true` is the same call, and so is every Azure `api-version`."""
    return _shape(method.upper(), path.partition("?")[0][:_LONGEST])


@lru_cache(256)
def _shape(method: str, path: str) -> Shape:
    kind, family, rest = _located(path)
    words = [word for word in rest.split("/") if word]
    names = [word if word in _WORDS else "*" for word in words]
    return Shape(kind, _CALLS.get(family, {}).get(" ".join([method, *names]), ""))


@lru_cache(256)
def _located(path: str) -> tuple[str, str, str]:
    """The kind, the family of calls, and what follows its name in the path."""
    path = _DEPLOYMENT.sub("", path)
    if chat := _CHAT.search(path):
        return "chat.completions", "chat", path[chat.end() :]
    if _ELSEWHERE.search(path):
        return "messages", "messages", ""
    versions = list(_VERSION.finditer(path))
    family = _FAMILY.search(path, versions[-1].end() if versions else 0)
    return (_KINDS.get(family[1], "other"), family[1], path[family.end() :]) if family else ("other", "", "")

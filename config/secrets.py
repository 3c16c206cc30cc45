"""The built-in redaction rules, as data: what counts as a secret and what stands in its place.

A placeholder names the kind of secret and nothing that depends on the secret, so that recordings match on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Shape = Literal["text", "map", "list", "value"]


def placeholder(kind: bytes) -> bytes:
    """What stands in place of a secret of that kind."""
    return b"<redacted:" + kind + b">"


@dataclass(frozen=True, slots=True)
class FieldRule:
    """A JSON field of a request that holds secrets.

    `shape`: "text" a string; "map" an object of strings; "list" an array of objects with a `value`; "value" a string or an object with a `value`.
    The value is looked for in the answer, too; of a map only those values whose names or looks are those of secrets.
    """

    name: str
    shape: Shape
    kind: bytes


# The request fields of the Responses, Realtime and Live APIs that hold secrets.
FIELDS = (
    FieldRule("authorization", "text", b"authorization"),  # tools[].mcp: OAuth token of an MCP server
    FieldRule("Authorization", "text", b"authorization"),  # the same as a header's name, in objects that are no plain map of headers
    FieldRule("headers", "map", b"header"),  # tools[].mcp: whatever the MCP server asks for
    FieldRule("domain_secrets", "list", b"domain-secret"),  # network_policy of a container
    FieldRule("client_secret", "value", b"client-secret"),  # realtime and live sessions
    FieldRule("env", "map", b"env"),  # local_shell_call.action: the environment of a command
)

# Fields of urlencoded and multipart bodies (OAuth token exchanges), by the kind that replaces them.
FORM_FIELDS: Mapping[str, bytes] = MappingProxyType(
    {
        "client_secret": b"client-secret",
        "refresh_token": b"token",
        "access_token": b"token",
        "api_key": b"api-key",
        "password": b"password",
    }
)

# Parameters of URLs inside texts, by lower-case name. `se`, `sp` and the like of an Azure signature are no secrets: without `sig` they open nothing.
URL_PARAMETERS: Mapping[str, bytes] = MappingProxyType(
    {
        **FORM_FIELDS,
        "key": b"api-key",  # Google APIs
        "api-key": b"api-key",
        "apikey": b"api-key",
        "token": b"token",
        "id_token": b"token",
        "sig": b"signature",  # Azure shared access signatures
        "signature": b"signature",  # CloudFront, S3 version 2
        "x-goog-signature": b"signature",
        "x-goog-credential": b"signature",
    }
)
# Every parameter of an AWS version 4 signature begins so; these of them are no secret and common enough to stand in answers by chance.
URL_PREFIX = "x-amz-"
URL_PLAIN = frozenset(("x-amz-algorithm", "x-amz-date", "x-amz-expires", "x-amz-signedheaders"))

# Parameters of the request's own query that are no secrets inside texts.
QUERY_PARAMETERS: Mapping[str, bytes] = MappingProxyType({**URL_PARAMETERS, "subscription-key": b"api-key", "code": b"token"})

# Request headers by lower-case name.
HEADERS: Mapping[str, bytes] = MappingProxyType(
    {
        "authorization": b"api-key",
        "proxy-authorization": b"proxy-credential",
        "api-key": b"api-key",  # Azure
        "x-api-key": b"api-key",  # Anthropic
        "x-goog-api-key": b"api-key",
        "ocp-apim-subscription-key": b"api-key",  # Azure API Management
        "cookie": b"cookie",
        "x-amz-security-token": b"token",  # Bedrock
        "chatgpt-account-id": b"account",  # Codex: account and workspace data
        "x-oai-attestation": b"attestation",
        "x-codex-turn-state": b"turn-state",
        "x-codex-turn-metadata": b"turn-metadata",
    }
)
# Any header one of whose name's parts is one of these.
HEADER_WORDS: Mapping[str, bytes] = MappingProxyType(
    {
        "token": b"token",
        "secret": b"secret",
        "password": b"password",
        "api-key": b"api-key",
        "apikey": b"api-key",
        "credential": b"credential",
        "credentials": b"credential",
        "signature": b"signature",
        "auth": b"credential",
        "authorization": b"credential",
        "cookie": b"cookie",
        "jwt": b"token",
    }
)
_WORD = re.compile("(?:^|-)(" + "|".join(sorted(HEADER_WORDS, key=len, reverse=True)) + ")(?:$|-)")


def header_kind(name: str) -> bytes | None:
    """The kind of secret that a header or variable of that name, in lower case, holds, if any."""
    kind = HEADERS.get(name)
    if kind is None and (word := _WORD.search(name.replace("_", "-"))) is not None:
        kind = HEADER_WORDS[word[1]]
    return kind


# Headers that name what identifies the key of a request, the most telling first.
CREDENTIAL_HEADERS = ("authorization", "api-key", "x-api-key", "x-goog-api-key")
CREDENTIAL_PARAMETERS = ("api-key", "api_key", "key")
# Schemes that may stay in front of a replaced credential.
SCHEMES = frozenset(("bearer", "basic", "token", "apikey", "digest", "negotiate", "aws4-hmac-sha256"))
# A header value that begins so holds a credential, whatever the header is called.
CREDENTIAL_STARTS = ("Bearer ", "bearer ", "Basic ", "sk-", "ek_")
# Subprotocols of a WebSocket that end with a key.
SUBPROTOCOLS: Mapping[str, bytes] = MappingProxyType(
    {
        "openai-insecure-api-key.": b"api-key",
        "openai-ephemeral-token.": b"token",
        # What servers other than OpenAI's call it, Kubernetes among them.
        **dict.fromkeys(("bearer.", "token.", "authorization.", "base64url.bearer.authorization.k8s.io."), b"token"),
        **dict.fromkeys(("api-key.", "apikey."), b"api-key"),
    }
)

# What stands for a secret that was found by its value.
NEEDLE = b"secret"

# Paths that answer with new secrets, as a pattern. In an answer that is compressed these cannot be found.
GIVING_PATHS = r"/(?:realtime|live)/(?:[a-z_/]*client_secrets|[a-z_]*sessions)/?(?:\?|$)"

# Keywords of JSON Schema: a map whose keys are all of these describes headers or an environment, it is none.
SCHEMA_KEYWORDS = frozenset(
    (
        "type",
        "title",
        "description",
        "default",
        "examples",
        "enum",
        "const",
        "format",
        "pattern",
        "nullable",
        "deprecated",
        "readOnly",
        "writeOnly",
        "required",
        "properties",
        "items",
        "additionalProperties",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "uniqueItems",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "$ref",
        "$id",
        "$schema",
        "$comment",
        "$defs",
        "definitions",
        "markdownDescription",
    )
)
SCHEMA_TYPES = frozenset(("object", "array", "string", "number", "integer", "boolean", "null"))

# Secrets shorter than this are not looked for elsewhere: they would be found by chance.
LEAST_SECRET = 8

# Everything that is put in place of secrets.
PLACEHOLDERS = frozenset(
    placeholder(kind)
    for kind in (
        *(rule.kind for rule in FIELDS),
        *QUERY_PARAMETERS.values(),
        *HEADERS.values(),
        *HEADER_WORDS.values(),
        *SUBPROTOCOLS.values(),
        NEEDLE,
    )
)

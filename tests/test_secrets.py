"""The redaction rules: complete, and consistent with one another."""

from __future__ import annotations

import re

import pytest

from playhead.config import secrets


def test_every_placeholder_is_typed_and_holds_nothing_else() -> None:
    assert secrets.PLACEHOLDERS
    assert all(re.fullmatch(rb"<redacted:[a-z]+(-[a-z]+)*>", put) for put in secrets.PLACEHOLDERS)


@pytest.mark.parametrize(
    "names", [secrets.URL_PARAMETERS, secrets.QUERY_PARAMETERS, secrets.HEADERS, secrets.HEADER_WORDS], ids=["url", "query", "headers", "words"]
)
def test_names_that_are_compared_without_case_are_in_lower_case(names: dict[str, bytes]) -> None:
    assert all(name == name.lower() for name in names)


def test_the_request_fields_that_hold_secrets_all_have_a_rule() -> None:
    assert {rule.name.lower() for rule in secrets.FIELDS} == {"authorization", "headers", "domain_secrets", "client_secret", "env"}


def test_the_headers_that_hold_secrets_all_have_a_rule() -> None:
    known = {"authorization", "proxy-authorization", "api-key", "x-api-key", "cookie", "x-goog-api-key", "x-amz-security-token"}
    codex = {"chatgpt-account-id", "x-oai-attestation", "x-codex-turn-state", "x-codex-turn-metadata"}
    assert known | codex <= set(secrets.HEADERS)


def test_what_names_the_key_is_replaced_too() -> None:
    assert set(secrets.CREDENTIAL_HEADERS) <= set(secrets.HEADERS)
    assert set(secrets.CREDENTIAL_PARAMETERS) <= set(secrets.QUERY_PARAMETERS)


def test_a_secret_that_is_looked_for_is_not_short() -> None:
    assert secrets.LEAST_SECRET >= 8


@pytest.mark.parametrize(
    ("target", "gives"),
    [
        ("/v1/realtime/client_secrets", True),
        ("/v1/realtime/translations/client_secrets", True),
        ("/v1/realtime/transcription_sessions", True),
        ("/v1/live/sessions?x=y", True),
        ("/v1/responses", False),
        ("/v1/realtime/calls/rtc_1/accept", False),
    ],
)
def test_paths_that_give_out_secrets_are_known(target: str, gives: bool) -> None:
    assert bool(re.search(secrets.GIVING_PATHS, target)) is gives

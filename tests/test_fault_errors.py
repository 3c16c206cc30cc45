"""The errors of faults are those of the providers."""

from __future__ import annotations

import json

import pytest

from playhead.config.faults import Fault, parse_faults
from playhead.proxy.faults.errors import ErrorSubject, block_of, message_of, provider_of, refusal
from playhead.proxy.forwarding.http1 import parse_head

OPENAI = ErrorSubject("openai", "place", "gpt-5", "resp_9")
ANTHROPIC = ErrorSubject("anthropic", "place", "claude-sonnet-4-5")


def fault(text: str) -> Fault:
    [one] = parse_faults(text)
    return one


@pytest.mark.parametrize(
    ("text", "type_", "code", "param", "words"),
    [
        ("400", "invalid_request_error", None, None, ""),
        ("401", "invalid_request_error", "invalid_api_key", None, "Incorrect API key provided"),
        ("429", "requests", "rate_limit_exceeded", None, "Rate limit reached for gpt-5"),
        ("429 retry-after=2", "requests", "rate_limit_exceeded", None, "Please try again in 2s."),
        ("429 insufficient_quota", "insufficient_quota", "insufficient_quota", None, "You exceeded your current quota"),
        ("500", "server_error", None, None, "Please include the request ID req_"),
        ("503", "server_error", "server_is_overloaded", None, "currently overloaded"),
        ("previous_response_not_found", "invalid_request_error", "previous_response_not_found", "previous_response_id", "'resp_9' not found"),
        ("418", "invalid_request_error", None, None, ""),
        ('500 my_code message="No."', "server_error", "my_code", None, "No."),
    ],
)
def test_openai_says_it_with_message_type_param_and_code(text: str, type_: str, code: str | None, param: str | None, words: str) -> None:
    head, body = refusal(fault(text), OPENAI)

    error = json.loads(body)["error"]
    assert (list(error), error["type"], error["code"], error["param"]) == (["message", "type", "param", "code"], type_, code, param)
    assert words in error["message"]
    assert "{" not in error["message"]
    assert int(parse_head(head).get(b"content-length") or 0) == len(body)


@pytest.mark.parametrize(("text", "type_"), [("429", "rate_limit_error"), ("529", "overloaded_error"), ("500", "api_error"), ("401", "authentication_error")])
def test_anthropic_says_it_with_a_type_in_an_error_with_a_request_id(text: str, type_: str) -> None:
    head, body = refusal(fault(text), ANTHROPIC)

    told = json.loads(body)
    assert (told["type"], told["error"]["type"], list(told)) == ("error", type_, ["type", "error", "request_id"])
    assert parse_head(head).get(b"request-id") == told["request_id"].encode()


def test_a_gateway_answers_with_a_page() -> None:
    head, body = refusal(fault("502"), OPENAI)

    assert parse_head(head).get(b"content-type") == b"text/html"
    assert b"502 Bad Gateway" in body


def test_headers_of_a_fault_take_the_place_of_the_usual_ones() -> None:
    head, _ = refusal(fault("429 X-Request-Id=mine retry-after-ms=5 x-should-retry=false"), OPENAI)

    headers = [(name.lower(), value) for name, value in parse_head(head).headers]
    assert [value for name, value in headers if name == b"x-request-id"] == [b"mine"]
    assert dict(headers)[b"retry-after-ms"] == b"5"
    assert dict(headers)[b"playhead-fault"].startswith(b"429 ")


def test_ids_are_the_same_in_each_run_and_differ_from_place_to_place() -> None:
    assert refusal(fault("500"), OPENAI) == refusal(fault("500"), OPENAI)
    assert refusal(fault("500"), OPENAI) != refusal(fault("500"), OPENAI._replace(place="another"))


def test_on_a_websocket_a_refusal_has_a_status_and_a_failure_a_number() -> None:
    refused = message_of(fault("429 retry-after=2"), OPENAI, number=None)
    failed = message_of(fault("500"), OPENAI, number=7)

    assert (refused["status"], refused["error"]["code"], refused["error"]["headers"]) == (429, "rate_limit_exceeded", {"retry-after": "2"})
    assert (failed.get("status"), failed["sequence_number"], failed["error"]["type"]) == (None, 7, "server_error")


def test_in_a_stream_each_api_has_its_own_error_event() -> None:
    responses, chat, messages = (
        block_of(fault("500"), OPENAI, typed=True, number=3),
        block_of(fault("500"), OPENAI, typed=False, number=3),
        block_of(fault("529"), ANTHROPIC, typed=True, number=3),
    )

    assert responses.startswith(b'event: error\ndata: {"type": "error", "code": null, "message": ')
    assert chat.startswith(b'data: {"error": {"message"')
    assert messages == b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}\n\n'


@pytest.mark.parametrize(
    ("path", "whose"),
    [("/v1/messages?beta=true", "anthropic"), ("/v1/responses", "openai"), ("/v1/chat/completions", "openai"), ("/v1/threads/t/messages/1", "openai")],
)
def test_an_api_is_known_by_its_path(path: str, whose: str) -> None:
    assert provider_of(path) == whose

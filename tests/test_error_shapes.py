"""An error has a shape of its own on each transport; none loses what it tells."""

from __future__ import annotations

import json
from typing import Any

import pytest

from playhead.proxy.recordings.error_shapes import as_event, as_message, error_in, message_of, refused, status_of

Json = dict[str, Any]

INSIDE = {"type": "invalid_request_error", "code": "previous_response_not_found", "message": "No.", "param": "previous_response_id"}
FLAT = {"type": "error", "sequence_number": 4, "code": "server_error", "message": "Sorry.", "param": None}
NESTED = {"type": "error", "error": {"type": "server_error", "code": "server_error", "message": "Sorry.", "param": None}, "sequence_number": 4}
REFUSAL = {"type": "error", "status": 400, "error": INSIDE}


def test_an_error_of_a_running_response_becomes_flat_and_nested_again() -> None:
    assert as_event(NESTED, 0) == FLAT
    assert as_message(FLAT, refusal=False) == NESTED


def test_an_event_without_a_number_gets_the_one_that_is_due() -> None:
    assert as_event({"type": "error", "error": INSIDE}, 7)["sequence_number"] == 7


def test_what_the_error_tells_of_misalignment_stays() -> None:
    assert as_event({"type": "error", "error": INSIDE | {"misalignment": {"error_type": "other"}}}, 0)["misalignment"] == {"error_type": "other"}


def test_a_refusal_over_a_socket_is_a_status_and_a_body_over_http() -> None:
    found = refused(REFUSAL | {"error": INSIDE | {"headers": {"retry-after": "3", "content-length": "5", "bad name": "x", "x": "a\r\nb", "n": 1}}})

    assert (found.status, found.body, found.headers) == (400, {"error": INSIDE}, [("retry-after", "3")])


def test_a_refusal_over_http_is_a_nested_error_with_its_status() -> None:
    headers = {b"retry-after": b"3", b"x-request-id": b"req_1", b"x-ratelimit-remaining-tokens": b"0", b"server": b"x"}
    body = json.dumps({"error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "Slower.", "param": None}}).encode()
    kept = {"retry-after": "3", "x-request-id": "req_1", "x-ratelimit-remaining-tokens": "0"}

    assert message_of(429, headers, body) == {
        "type": "error",
        "status": 429,
        "error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "Slower.", "param": None, "headers": kept},
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [(b"<html>Bad Gateway", "<html>Bad Gateway"), (b'{"error": "Slower."}', "Slower."), (b'{"detail": "no"}', '{"detail": "no"}'), (b"", ""), (b"[1]", "[1]")],
)
def test_a_body_of_another_kind_is_the_message(body: bytes, message: str) -> None:
    assert message_of(503, {}, body)["error"] == {"type": "server_error", "code": None, "message": message, "param": None}


def test_an_answer_that_is_none_at_all_counts_as_a_bad_gateway() -> None:
    assert message_of(200, {}, b"<html>")["status"] == 502


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (REFUSAL, 400),
        (REFUSAL | {"status": 429}, 429),
        (REFUSAL | {"status": "x"}, 400),
        (FLAT, 500),
        ({"type": "error", "code": "rate_limit_exceeded"}, 429),
        ({"type": "error", "code": "invalid_api_key"}, 401),
        ({"type": "error", "error": {"code": ["x"]}}, 500),
        ({"type": "error"}, 500),
    ],
)
def test_every_error_has_a_status(event: Json, status: int) -> None:
    assert status_of(event) == status


def test_an_error_that_is_a_text_is_the_message() -> None:
    assert error_in({"type": "error", "error": "No."}) == {"message": "No."}


@pytest.mark.parametrize(("status", "type_"), [(400, "invalid_request_error"), (429, "rate_limit_error"), (500, "server_error")])
def test_an_error_without_a_type_gets_one(status: int, type_: str) -> None:
    assert as_message({"type": "error", "message": "x", "status": status}, refusal=True) == {
        "type": "error",
        "status": status,
        "error": {"type": type_, "code": None, "message": "x", "param": None},
    }

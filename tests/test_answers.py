"""What the proxy itself says."""

from __future__ import annotations

import json

import pytest

from fakes import first, headers_of
from playhead.proxy.forwarding.answers import ERRORS, answer


@pytest.mark.parametrize("code", ERRORS)
def test_an_error_has_the_shape_of_the_api_and_names_its_code(code: str) -> None:
    head, body = answer(code, "what to do", keep_alive=True)
    headers = headers_of(head)

    assert json.loads(body) == {"error": {"message": "what to do", "type": "playhead_error", "param": None, "code": code}}
    assert head.startswith(b"HTTP/1.1 %d " % ERRORS[code].status)
    assert (first(headers, b"playhead-error"), first(headers, b"content-length")) == (code.encode(), b"%d" % len(body))
    assert first(headers, b"content-type") == b"application/json"


@pytest.mark.parametrize("code", ERRORS)
def test_clients_are_told_where_a_retry_cannot_help(code: str) -> None:
    head, _ = answer(code, "", keep_alive=True)

    assert (first(headers_of(head), b"x-should-retry") == b"false") == (ERRORS[code].status < 500)


@pytest.mark.parametrize(("keep_alive", "said"), [(True, None), (False, b"close")])
def test_a_connection_that_ends_is_announced(keep_alive: bool, said: bytes | None) -> None:
    head, _ = answer("bad_target", "", keep_alive=keep_alive)

    assert first(headers_of(head), b"connection") == said


def test_the_answer_to_head_has_the_length_of_a_body_and_none() -> None:
    whole, body = answer("bad_target", "x", keep_alive=True)

    assert answer("bad_target", "x", keep_alive=True, head_only=True) == (whole, b"")
    assert body


def test_a_message_may_hold_any_character() -> None:
    _, body = answer("bad_target", "é \udcff \u2028", keep_alive=True)

    assert json.loads(body)["error"]["message"] == "é ? \u2028"

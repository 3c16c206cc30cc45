"""Heads without secrets."""

from __future__ import annotations

import pytest

from playhead.proxy.redaction import redact_head, redact_response_head

KEY = b"sk-proj-0123456789"


def header(name: bytes, value: bytes) -> bytes:
    return redact_head(b"POST", b"/v1/responses", [(name, value)]).headers[0][1]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (b"Authorization", b"Bearer " + KEY, b"Bearer <redacted:api-key>"),
        (b"authorization", b"Basic dXNlcjpwYXNz", b"Basic <redacted:api-key>"),
        (b"Authorization", b"AWS4-HMAC-SHA256 Credential=AK/x, Signature=s", b"AWS4-HMAC-SHA256 <redacted:api-key>"),
        (b"AUTHORIZATION", KEY, b"<redacted:api-key>"),
        (b"Authorization", b"topsecret scheme", b"<redacted:api-key>"),
        (b"Proxy-Authorization", b"Basic x", b"Basic <redacted:proxy-credential>"),
        (b"api-key", KEY, b"<redacted:api-key>"),
        (b"X-Api-Key", KEY, b"<redacted:api-key>"),
        (b"Cookie", b"__cf_bm=a; b=c", b"<redacted:cookie>"),
        (b"X-Amz-Security-Token", b"t", b"<redacted:token>"),
        (b"ChatGPT-Account-ID", b"a", b"<redacted:account>"),
        (b"x-codex-turn-metadata", b'{"cwd":"/home"}', b"<redacted:turn-metadata>"),
        (b"X-My_Secret", b"s", b"<redacted:secret>"),
        (b"Helicone-Auth", b"Bearer x", b"Bearer <redacted:credential>"),
        (b"X-Whatever", b"Bearer x", b"Bearer <redacted:credential>"),
        (
            b"Sec-WebSocket-Protocol",
            b"realtime, openai-insecure-api-key." + KEY + b", openai-beta.realtime-v1",
            b"realtime, openai-insecure-api-key.<redacted:api-key>, openai-beta.realtime-v1",
        ),
    ],
)
def test_secret_headers_are_replaced(name: bytes, value: bytes, expected: bytes) -> None:
    assert header(name, value) == expected
    assert header(name, expected) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"Authorization", b"Bearer <redacted>"),
        (b"Authorization", b"***"),
        (b"Authorization", b""),
        (b"Idempotency-Key", b"stainless-python-retry-1"),
        (b"X-Amz-Date", b"20260101T000000Z"),
        (b"x-ratelimit-remaining-tokens", b"10"),
        (b"anthropic-beta", b"token-counting-2024-11-01"),
        (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        (b"Author", b"me"),
    ],
)
def test_other_headers_stay(name: bytes, value: bytes) -> None:
    head = redact_head(b"GET", b"/", [(name, value)])
    assert head.headers == [(name, value)]
    assert not head.redacted
    assert head.secrets == ()
    assert head.credential is None


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/a?api-version=1&api-key=CANARYCANARY&x", b"/a?api-version=1&api-key=<redacted:api-key>&x"),
        (b"/a?KEY=CANARY1", b"/a?KEY=<redacted:api-key>"),
        (b"/a?api%2Dkey=CANARY1&sig=CANARY2", b"/a?api%2Dkey=<redacted:api-key>&sig=<redacted:signature>"),
        (b"/a?X-Amz-Credential=CANARY&X-Amz-Signature=CANARY", b"/a?X-Amz-Credential=<redacted:signature>&X-Amz-Signature=<redacted:signature>"),
        (b"/a?", b"/a?"),
        (b"/a?include[]=x&after=y&key", b"/a?include[]=x&after=y&key"),
    ],
)
def test_secret_parameters_are_replaced(target: bytes, expected: bytes) -> None:
    head = redact_head(b"GET", target, [])
    assert head.target == expected
    assert redact_head(b"GET", expected, []).target == expected
    assert head.redacted == (target != expected)


@pytest.mark.parametrize(
    ("target", "headers", "credential"),
    [
        (b"/", [(b"Authorization", b"Bearer " + KEY), (b"Cookie", b"a=b")], KEY),
        (b"/?key=other-key-1", [(b"x-api-key", KEY)], KEY),
        (b"/?api-key=a%2Fb%2B", [], b"a/b+"),
        (b"/", [(b"Sec-WebSocket-Protocol", b"realtime, openai-insecure-api-key." + KEY)], KEY),
        (b"/", [(b"Authorization", b"AWS4-HMAC-SHA256 Credential=AKIA1/2026/x, Signature=s")], b"AKIA1"),
        (b"/", [(b"Cookie", b"a=b")], None),
    ],
)
def test_the_credential_is_what_identifies_the_key(target: bytes, headers: list[tuple[bytes, bytes]], credential: bytes | None) -> None:
    assert redact_head(b"POST", target, headers).credential == credential


def test_the_secrets_of_a_head_are_those_long_enough_to_be_looked_for() -> None:
    headers = [(b"Authorization", b"Bearer " + KEY), (b"X-Token", b"short"), (b"api-key", KEY), (b"Cookie", b"__cf_bm=abc")]
    assert redact_head(b"POST", b"/", headers).secrets == (KEY, b"__cf_bm=abc")


def test_a_secret_that_stands_elsewhere_in_the_head_is_replaced_too() -> None:
    head = redact_head(b"GET", b"/proxy/" + KEY, [(b"X-Trace", b"k:" + KEY), (b"Authorization", b"Bearer " + KEY)])
    assert KEY not in head.target + b"".join(value for _, value in head.headers)


def test_names_order_and_duplicates_stay() -> None:
    headers = [(b"B", b"1"), (b"a", b"2"), (b"B", b"3"), (b"AUTHORIZATION", b"Bearer x")]
    assert [name for name, _ in redact_head(b"GET", b"/", headers).headers] == [b"B", b"a", b"B", b"AUTHORIZATION"]


def test_cookies_of_an_answer_lose_their_values_and_keep_their_attributes() -> None:
    raw = b"HTTP/1.1 200 OK\r\nSet-Cookie: __cf_bm=CANARY=x; path=/; HttpOnly\r\nset-cookie:CANARY\r\nX: y\r\n\r\n"
    clean, changed = redact_response_head(raw)
    assert clean == b"HTTP/1.1 200 OK\r\nSet-Cookie: __cf_bm=<redacted:cookie>; path=/; HttpOnly\r\nset-cookie:<redacted:cookie>\r\nX: y\r\n\r\n"
    assert changed
    assert redact_response_head(clean) == (clean, False)


@pytest.mark.parametrize("name", [b"SET-CoOKIE", b"set-cOOkie", b"Set-CooKie2"])
def test_cookies_of_a_response_are_redacted_however_their_name_is_written(name: bytes) -> None:
    raw = b"HTTP/1.1 200 OK\r\n%b: sid=%b\r\n\r\n"

    assert redact_response_head(raw % (name, b"CANARY")) == (raw % (name, b"<redacted:cookie>"), True)


def test_a_response_head_without_secrets_stays() -> None:
    raw = b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm="x"\r\nx-cookie-count: 3\r\n\r\n'
    assert redact_response_head(raw, [KEY]) == (raw, False)


def test_a_response_head_that_repeats_a_secret_is_overwritten_there() -> None:
    assert redact_response_head(b"HTTP/1.1 200 OK\r\nX-Key: " + KEY + b"\r\n\r\n", [KEY]) == (b"HTTP/1.1 200 OK\r\nX-Key: " + b"*" * 18 + b"\r\n\r\n", True)

"""Keys of known formats are found where they are whole tokens, and told by their places; nothing else is."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest

from playhead.proxy.formats.secret_scan import refusal, secrets_in

KEY = "sk-proj-" + "a1B2" * 12


def found(*lines: Any, allow: tuple[str, ...] = ()) -> list[str]:
    return [str(finding) for finding in secrets_in([json.dumps(line, separators=(",", ":")).encode() for line in lines], allow)]


@pytest.mark.parametrize(
    "secret",
    [
        KEY,
        "sk-" + "x" * 48,
        "sk-ant-api03-" + "Ab1" * 30,
        "AKIA" + "A1B2C3D4E5F6G7H8",
        "AIza" + "b" * 35,
        "ghp_" + "c" * 36,
        "hf_" + "d" * 34,
        "xoxb-" + "1234567890-abcdefghijk",
        "-----BEGIN RSA PRIVATE KEY-----",
    ],
)
@pytest.mark.parametrize("around", ["{}", "key={}", 'export OPENAI_API_KEY="{}"', "first line\n{}\nlast line", "({})", '{{"key":"{}"}}'])
def test_a_key_is_found_whatever_stands_around_it(secret: str, around: str) -> None:
    assert len(found({"request": {"input": around.format(secret)}})) == 1


def test_a_finding_says_line_exchange_and_path_and_not_the_key() -> None:
    said = found({"take": 1}, {"exchange": 7}, {"item": {"content": [{"text": f"use {KEY}"}]}})

    assert said == ["line 3, exchange 7, $.item.content[0].text: it looks like a key (OpenAI or compatible API key)"]


@pytest.mark.parametrize(
    "text", ["sk-short", "sk-<redacted>", "sk-abcd****wxyz", "task-" + "a" * 30, "risk-" + "x" * 30, "disk-usage-of-the-whole-machine-now", "x" * 60]
)
def test_what_only_resembles_a_key_is_left(text: str) -> None:
    assert found({"request": {"input": text}}) == []


def test_opaque_content_is_not_searched() -> None:
    chance = random.Random(1)
    opaque = "gAAAA" + base64.urlsafe_b64encode(chance.randbytes(3000)).decode() + "-sk-" + "a" * 30

    assert found({"event": {"item": {"encrypted_content": opaque}}}, {"value": "x", "is": opaque}, {"response_base64": "sk-" + "a" * 60}) == []


OPAQUE = base64.b64encode(random.Random(1).randbytes(600)).decode()


@pytest.mark.parametrize("text", [f"{KEY} {OPAQUE}", f"{OPAQUE} {KEY}", f"sk-{'a' * 600} {KEY} {OPAQUE}"])
def test_a_key_beside_opaque_content_is_found(text: str) -> None:
    assert len(found({"item": {"image_url": text}})) == len(found({"item": {"encrypted_content": text}})) == 1


def test_a_key_in_place_of_opaque_content_is_found() -> None:
    assert len(found({"item": {"encrypted_content": KEY}})) == 1


@pytest.mark.parametrize("before", ["", "x", "xy", "\x00\xff" * 9])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode, lambda data: base64.b64encode(data).rstrip(b"=")])
def test_a_key_in_bytes_is_found(before: str, encode: Any) -> None:
    data = encode(f"{before}\nOPENAI_API_KEY={KEY}\nrest?".encode("latin-1")).decode()

    assert found({"request_base64": data}, {"item": {"file_data": f"data:text/plain;base64,{data}"}}, {"event": {"audio": {"data": data}}}) == [
        "line 1, $.request_base64: it looks like a key (OpenAI or compatible API key)",
        "line 2, $.item.file_data: it looks like a key (OpenAI or compatible API key)",
        "line 3, $.event.audio.data: it looks like a key (OpenAI or compatible API key)",
    ]


def test_bytes_that_hold_no_key_are_left() -> None:
    chance = random.Random(2)
    pictures = [base64.b64encode(chance.randbytes(200_000)).decode() for _ in range(5)]

    assert found(*({"request_base64": one} for one in pictures), {"item": {"image_url": f"data:image/png;base64,{pictures[0]}"}}) == []


def test_what_is_no_base64_after_all_is_left() -> None:
    assert found({"request_base64": "a" * 25}, {"item": {"data": "no_base64_in_here_at_all_" * 3}}) == []


@pytest.mark.parametrize(
    ("header", "count"), [(f"Authorization: Bearer {'a' * 40}", 1), ("Authorization: Bearer <redacted:api-key>", 0), ("X-Api-Key: " + "b" * 32, 1)]
)
def test_credentials_in_heads_are_found(header: str, count: int) -> None:
    assert len(found({"request_head": ["POST / HTTP/1.1", header]})) == count


@pytest.mark.parametrize("path", ["$.item.content[0].text", "$.item.content[*].text", "$..text"])
def test_a_path_lets_a_finding_pass(path: str) -> None:
    assert found({"item": {"content": [{"text": KEY}]}}, allow=(path,)) == []


def test_a_path_lets_nothing_else_pass() -> None:
    assert len(found({"item": {"content": [{"text": KEY}], "other": KEY}}, allow=("$..text",))) == 1


def test_the_path_that_is_told_is_one_that_is_taken() -> None:
    line = {"item": {"odd key's": [KEY]}}
    finding = next(secrets_in([json.dumps(line).encode()]))

    allow = refusal([finding]).rpartition("--allow '")[2].removesuffix("'")
    assert found(line, allow=(allow,)) == []


def test_what_is_no_path_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\w"):
        found({"a": KEY}, allow=("a b",))


def test_a_refusal_names_the_first_places_and_counts_the_rest() -> None:
    findings = [*secrets_in([json.dumps({"a": KEY}).encode()] * 30)]

    assert "and 10 more" in refusal(findings)
    assert KEY not in refusal(findings)


def test_a_path_with_many_steps_at_any_depth_takes_no_longer_than_another() -> None:
    line: Any = {"b": KEY}
    for _ in range(60):
        line = {"a": line}

    assert found(line, allow=(f"${'..a' * 12}..c",)) != []
    assert found(line, allow=(f"${'..a' * 12}..b",)) == []

"""Real exchanges of the shared corpus, journalled in four ways, against an independent reading of them."""

from __future__ import annotations

import base64
import email
import email.policy
import gzip
import itertools
import json
import random
import re
import zlib
from pathlib import Path
from typing import Any

import pytest

from journalled import Frames, chunked, fold, fold_in_parts, http
from playhead.proxy.edges import EDGE
from playhead.storage.journal import Kind
from playhead.storage.records import Recorded

CORPUS = ("responses", "chat", "rest")
KINDS = {"audio": "audio", "images": "images", "anthropic.messages": "messages"}
WAYS = ("plain", "chunked", "split", "gzip")
Recordings = list[tuple[dict[str, Any], Recorded]]
SKIPPED = {"content-length", "transfer-encoding", "content-encoding", "connection"}


def exchanges(shared: Path, name: str) -> list[dict[str, Any]]:
    path = shared / "corpus" / f"exchanges.{name}.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"no {path.name} in the shared corpus")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def blocks(body: bytes) -> list[bytes]:
    """The body cut behind its blank lines."""
    return [block for block in re.split(rb"(?<=\n\n)|(?<=\r\n\r\n)", body) if block]


def journalled(exchange: dict[str, Any], way: str) -> Frames:
    body, request = (base64.b64decode(exchange[name] or "") for name in ("response_body_b64", "request_body_b64"))
    headers = {name: value for name, value in exchange["response_headers"] if name.lower() not in SKIPPED}
    if exchange["streaming"]:
        headers = {name: value for name, value in headers.items() if name.lower() != "content-type"} | {"Content-Type": "text/event-stream"}
    pieces = blocks(body) if exchange["streaming"] else [body]
    if way == "gzip":
        coder = zlib.compressobj(6, zlib.DEFLATED, 31)
        pieces = [coder.compress(piece) + coder.flush(zlib.Z_SYNC_FLUSH) for piece in pieces] + [coder.flush()]
        headers["Content-Encoding"] = "gzip"
    if way != "plain":
        pieces = chunked(pieces)
        headers["Transfer-Encoding"] = "chunked"
    if way == "split":
        pieces = scattered(b"".join(pieces), random.Random(exchange["id"]))
    frames = http(request, [piece for piece in pieces if piece], path=exchange["url_path"], status=exchange["status"], headers=headers)
    sent = {name.lower(): value for name, value in exchange["request_headers"]}
    line = f"{exchange['method']} {exchange['url_path']} HTTP/1.1\r\ncontent-type: {sent.get('content-type', 'application/json')}\r\n\r\n"
    frames[0] = (Kind.OPEN, 0, frames[0][2].partition(b"\n")[0] + b"\n" + line.encode())
    return frames


def scattered(wire: bytes, chance: random.Random) -> list[bytes]:
    found, at, most = [], 0, max(2, len(wire) // 40)
    while at < len(wire):
        size = chance.choice((1, chance.randint(1, 4), chance.randint(1, most)))
        found.append(wire[at : at + size])
        at += size
    return found


# The independent reading: everything is parsed, nothing is clever.


def parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def request_of(exchange: dict[str, Any]) -> Any:
    body = base64.b64decode(exchange["request_body_b64"] or "")
    kind = next((value for name, value in exchange["request_headers"] if name.lower() == "content-type"), "")
    if not kind.startswith("multipart/"):
        return parsed(body)
    form = email.message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body, policy=email.policy.HTTP)
    parts = [part for part in form.walk() if part.get_param("name", header="content-disposition") == "model"]
    return {"model": str(parts[0].get_payload()).strip()} if parts else None


def events_of(body: bytes) -> list[tuple[str | None, Any, bool]]:
    """Name, JSON, and whether it had data, of every block with fields."""
    found = []
    for block in re.split(r"\n\n|\r\n\r\n", body.decode("utf-8", "replace")):
        name, data, fields = None, [], False
        for line in re.split(r"\r\n|\n", block):
            fields = fields or bool(line)
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
        if fields:
            found.append((name, parsed("\n".join(data).encode()), bool(data)))
    return found


def naive(exchange: dict[str, Any]) -> dict[str, Any]:
    """What the listing should say."""
    asked = request_of(exchange)
    body = base64.b64decode(exchange["response_body_b64"])
    kind = KINDS.get(exchange["sub"], exchange["endpoint"])
    answer = streamed(events_of(body)) if exchange["streaming"] else parsed(body)
    answer = answer if isinstance(answer, dict) else {}
    usage = answer.get("usage")
    error = answer.get("error")
    code = (error.get("code") or error.get("type")) if isinstance(error, dict) else (answer.get("code") or "error") if error else None
    named = kind in ("responses", "chat.completions") or answer.get("type") == "message"
    batch = kind == "other" and answer.get("object") == "batch"
    return {
        "kind": kind,
        "model": answer.get("model") or (asked.get("model") if isinstance(asked, dict) else None),
        "response_id": (answer.get("id") or None) if (named and kind != "other") or batch else None,
        "response_status": answer.get("status") if kind == "responses" or batch else None,
        "usage": usage if isinstance(usage, dict) and usage else None,
        "service_tier": answer.get("service_tier") or (usage.get("service_tier") if isinstance(usage, dict) else None),
        "error_code": str(code) if code is not None else None,
    }


def streamed(events: list[tuple[str | None, Any, bool]]) -> dict[str, Any]:
    """The object that the events add up to, as far as the listing goes."""
    whole: dict[str, Any] = {}
    for _, event, _ in events:
        if not isinstance(event, dict):
            continue
        inner = event.get("response") or event.get("message")
        if isinstance(inner, dict):
            whole.update({key: value for key, value in inner.items() if value is not None})
        elif event.get("type") == "message_delta":
            whole["usage"] = {**whole.get("usage", {}), **{key: value for key, value in event.get("usage", {}).items() if value is not None}}
        elif event.get("type") in (None, "transcript.text.done"):
            names = ("id", "model", "usage", "service_tier", "error")
            whole.update({key: event[key] for key in names if event.get(key)})
    return whole


def undone(recorded: Recorded) -> bytes:
    """The body of the answer, without its coding."""
    body = recorded.raw.response
    return zlib.decompress(body, 31) if b"Content-Encoding: gzip" in recorded.raw.response_heads else body


def listed(recorded: Recorded) -> dict[str, Any]:
    facts = recorded.facts
    names = ("kind", "model", "response_id", "response_status", "usage", "service_tier", "error_code")
    return {name: getattr(facts, name) for name in names}


def types_of(exchange: dict[str, Any]) -> list[tuple[str | None, int | None]]:
    found = []
    for name, event, _ in events_of(base64.b64decode(exchange["response_body_b64"])):
        said = event if isinstance(event, dict) else {}
        found.append((name or said.get("type"), said.get("sequence_number")))
    return found


@pytest.fixture(scope="module", params=itertools.product(CORPUS, WAYS), ids="-".join)
def recordings(request: pytest.FixtureRequest, shared: Path) -> Recordings:
    """Each exchange of a part of the corpus, and what is recorded of it where it is journalled in one of these ways."""
    name, way = request.param
    return [(exchange, fold(journalled(exchange, way))) for exchange in exchanges(shared, name)]


def test_the_recording_agrees_with_an_independent_reading(recordings: Recordings) -> None:
    wrong = []
    for exchange, recorded in recordings:
        expected = naive(exchange)
        if listed(recorded) != expected:
            wrong.append({key: (value, listed(recorded)[key]) for key, value in expected.items() if listed(recorded)[key] != value} | {"id": exchange["id"]})
        assert recorded.status == exchange["status"]

    assert wrong == []


def test_events_have_their_types_numbers_and_sizes(recordings: Recordings) -> None:
    for exchange, recorded in recordings:
        if exchange["streaming"]:
            shown = [(event.type, event.sequence_number) for event in recorded.events]
            assert shown == types_of(exchange), exchange["id"]
            assert sum(event.bytes for event in recorded.events) == len(base64.b64decode(exchange["response_body_b64"]))


def test_bodies_are_kept_to_the_byte(recordings: Recordings) -> None:
    for exchange, recorded in recordings:
        assert undone(recorded) == base64.b64decode(exchange["response_body_b64"])
        assert recorded.raw.request == base64.b64decode(exchange["request_body_b64"] or "")


def test_all_that_is_whole_is_parsed(recordings: Recordings) -> None:
    for exchange, recorded in recordings:
        facts = recorded.facts
        assert facts.parse == "not_applicable" or facts.kind != "other"
        assert facts.parse in ("parsed", "not_applicable"), (exchange["id"], facts)


@pytest.mark.parametrize("name", CORPUS)
def test_exchanges_stored_in_parts_are_the_same(shared: Path, name: str) -> None:
    chance = random.Random(name)
    for exchange in exchanges(shared, name)[::5]:
        way = chance.choice(WAYS)
        frames = journalled(exchange, way)
        cuts = sorted(chance.sample(range(1, len(frames)), min(3, len(frames) - 1)))
        whole, parts = fold(frames), fold_in_parts(frames, cuts)[0]
        if max(whole.request_bytes, whole.response_bytes) > 2 * EDGE:  # a big body that leaves before its end says that it was not read whole
            whole.items = parts.items = []
            parts.facts.parse, parts.facts.problem, parts.facts.billing = whole.facts.parse, whole.facts.problem, whole.facts.billing
        assert parts == whole, (exchange["id"], way, cuts)

"""Cassettes of VCR.py become sessions: the same requests, the same answers, and no secrets."""

from __future__ import annotations

import gzip
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from playhead.config.errors import StoreError
from playhead.proxy.cassettes.cassette_files import load, read_file
from playhead.proxy.formats.cassette import write
from playhead.proxy.formats.vcr import read
from playhead.storage.carrying.cassettes import Cassette
from playhead.storage.records import Recorded
from playhead.storage.store import Store
from taped import agent_loop, batch, sse, taped

KEY = "sk-proj-" + "a1B2" * 12
ASKED = {"model": "gpt-5", "input": "hi"}
ANSWER = {"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-5", "output": [], "usage": {"input_tokens": 3, "output_tokens": 4}}


def interaction(asked: Any = None, answer: Any = None, **response: Any) -> dict[str, Any]:
    request = {"method": "POST", "uri": "https://api.openai.com/v1/responses", "headers": {"Content-Type": ["application/json"]}}
    answered = {"status": {"code": 200, "message": "OK"}, "headers": {"Content-Type": ["application/json"]}, "body": {"string": json.dumps(ANSWER)}}
    return {
        "request": request | {"body": json.dumps(ASKED)} | (asked or {}),
        "response": answered | ({} if answer is None else {"body": {"string": answer}}) | response,
    }


def of(*interactions: dict[str, Any], text: bool = True) -> list[Recorded]:
    tape = {"interactions": list(interactions), "version": 1}
    data = yaml.safe_dump(tape).encode() if text else json.dumps(tape).encode()
    return read(data, "tests/x.yaml", "x").exchanges


@pytest.mark.parametrize("text", [True, False])
def test_an_interaction_becomes_an_exchange_with_its_facts(text: bool) -> None:
    (one,) = of(interaction(), text=text)

    assert json.loads(one.raw.request) == ASKED
    assert json.loads(one.raw.response) == ANSWER
    assert (one.method, one.path, one.upstream, one.status, one.outcome) == ("POST", "/v1/responses", "https://api.openai.com", 200, "complete")
    assert (one.facts.kind, one.facts.model, one.facts.response_id, one.facts.parse) == ("responses", "gpt-5", "resp_1", "parsed")
    assert one.fingerprint is not None


def test_a_stream_comes_event_by_event() -> None:
    blocks = [sse({"type": "response.created", "sequence_number": 0}), sse({"type": "response.completed", "sequence_number": 1})]
    headers = {"content-type": ["text/event-stream"], "transfer-encoding": ["chunked"]}
    (one,) = of(interaction(answer=b"".join(blocks).decode(), headers=headers))

    assert one.transport == "sse"
    assert [row.type for row in one.events] == ["response.created", "response.completed"]
    assert one.raw.chunks == tuple(map(len, blocks))


def test_binary_bodies_are_bytes() -> None:
    (one,) = of(interaction({"body": b"\xff\x00"}, b"\x89PNG"))

    assert (one.raw.request, one.raw.response) == (b"\xff\x00", b"\x89PNG")


def test_bodies_that_are_kept_as_values_are_written_out() -> None:
    (one,) = of(interaction({"body": None, "parsed_body": ASKED}))

    assert json.loads(one.raw.request) == ASKED


def test_a_body_that_was_decompressed_loses_its_coding_and_has_its_length() -> None:
    (one,) = of(interaction(answer="plain", headers={"Content-Encoding": ["gzip"], "Content-Length": ["999"]}))

    assert b"content-encoding" not in one.raw.response_heads.lower()
    assert b"Content-Length: 5\r\n" in one.raw.response_heads


def test_a_body_that_is_compressed_stays_so() -> None:
    body = gzip.compress(json.dumps(ANSWER).encode())
    (one,) = of(interaction(answer=body, headers={"Content-Encoding": ["gzip"], "Content-Type": ["application/json"]}))

    assert one.raw.response == body
    assert one.facts.response_id == "resp_1"


def test_secrets_are_replaced() -> None:
    headers = {"Authorization": [f"Bearer {KEY}"], "X-Other": [KEY]}
    (one,) = of(interaction({"headers": headers, "body": json.dumps({"input": f"my key is {KEY}"})}, f"you said {KEY}", headers={"Set-Cookie": ["a=secret"]}))

    told = b"".join((one.raw.request_head, one.raw.request, one.raw.response_heads, one.raw.response))
    assert KEY.encode() not in told
    assert b"a=secret" not in told


def test_headers_may_be_texts_and_a_status_a_number() -> None:
    (one,) = of(interaction({"headers": {"Accept": "*/*"}}, headers={"X-A": "b"}, status=None, status_code=404))

    assert b"Accept: */*\r\n" in one.raw.request_head
    assert one.status == 404


def test_the_time_is_that_of_the_answer() -> None:
    (one,) = of(interaction(headers={"Date": ["Wed, 16 Jul 2025 15:06:54 GMT"]}))

    assert one.started_at_ns == 1752678414 * 10**9


def test_the_session_is_called_as_the_file(tmp_path: Path) -> None:
    path = tmp_path / "test agent[openai].yaml"
    path.write_text(yaml.safe_dump({"interactions": [interaction(), interaction()], "version": 1}))

    assert read_file(path).session == "test-agent-openai-"


def test_what_was_imported_goes_out_as_a_cassette_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump({"interactions": [interaction(), interaction()], "version": 1}))
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}", create=True) as store:
        load(store, read_file(path), "x")
        found, _ = store.export_cassette("x")

    assert [json.loads(r.raw.request) for r in found.exchanges] == [ASKED, ASKED]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"interactions: 5", "it has no list of interactions"),
        (b"interactions: [", "line 2: it is no YAML"),
        (b'{"interactions": [}', "it is no JSON"),
        (b"interactions: [{request: {method: GET, uri: 'ftp://x'}, response: {}}]", "interaction 1: its request has no uri of http or https"),
        (b"interactions: [{request: {method: GET, uri: 'http://x'}, response: {}}]", "interaction 1: its response has no status"),
        (b"interactions: [{request: {uri: 'http://x'}, response: {status: {code: 200}}}]", "interaction 1: it has no 'method'"),
        (b"interactions: [1]", "interaction 1: it has no request"),
        (b"interactions: [!!python/object/apply:os.system ['true']]", "it is no YAML"),
    ],
)
def test_what_is_damaged_is_refused_with_the_place(data: bytes, reason: str) -> None:
    with pytest.raises(StoreError) as caught:
        read(data, "tests/x.yaml", "x")

    assert str(caught.value).startswith("The cassette tests/x.yaml cannot be read: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize("start", ["- &a [x, x]", "- &a [*a]", "- &a !!pairs [x: x, y: y]"])
def test_aliases_that_unfold_to_more_than_there_is_are_refused(start: str) -> None:
    doubled = "".join([f"- &{name} [*{before}, *{before}]\n" for before, name in pairwise("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")])

    with pytest.raises(StoreError, match=r"its aliases \(\*NAME\) stand for more than a cassette holds"):
        read(f"x:\n{start}\n{doubled}interactions: [{{request: *Z}}]\nversion: 1\n".encode(), "tests/x.yaml", "x")


def test_without_pyyaml_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)

    with pytest.raises(StoreError, match=r"pip install 'playhead\[vcr\]'"):
        read(b"interactions: []", "x", "x")


def test_an_agent_loop_takes_a_tenth_of_its_yaml(tmp_path: Path) -> None:
    loop = agent_loop(50, 100)
    tape = [
        interaction(
            {"body": r.raw.request.decode()}, r.raw.response.decode(), headers={"Content-Type": ["text/event-stream"], "Transfer-Encoding": ["chunked"]}
        )
        for r in loop
    ]

    assert len(taped(tmp_path, batch(*loop))) * 10 <= len(yaml.safe_dump({"interactions": tape, "version": 1}, allow_unicode=True))


def test_an_imported_session_is_written_in_a_canonical_form() -> None:
    one = Cassette("x", exchanges=of(interaction()))

    assert b"".join(write(one)).startswith(b'{"playhead":"cassette"')

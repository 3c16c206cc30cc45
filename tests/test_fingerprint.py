"""Fingerprints: what makes two requests the same, and what does not."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_128_digest

from playhead.config.rules import parse_rule
from playhead.proxy.fingerprint import F1, HELD, Asked, Fingerprinter, Rules, create_over, fingerprint, normalised, stored_fingerprint
from playhead.storage.records import Fingerprint, StoredRequest
from test_canonical import TEXT, VALUES, _written, spellings

JSON = {"Content-Type": "application/json"}
CREATE: dict[str, Any] = {"model": "gpt-5", "input": [{"role": "user", "content": "hi"}], "temperature": 0.7}


def asked(target: str = "/v1/responses", headers: dict[str, str] | None = None, *, method: str = "POST", upstream: str = "https://api.openai.com") -> Asked:
    lines = [f"{method} {target} HTTP/1.1", "Host: here", *(f"{name}: {value}" for name, value in (JSON if headers is None else headers).items())]
    return Asked.of("".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1"), upstream)


def of(body: Any, target: str = "/v1/responses", headers: dict[str, str] | None = None, **more: Any) -> Fingerprint:
    return fingerprint(asked(target, headers, **more), body if isinstance(body, bytes) else json.dumps(body).encode())


def digest(body: Any, target: str = "/v1/responses", headers: dict[str, str] | None = None, **more: Any) -> bytes:
    return of(body, target, headers, **more).digest


# Bodies.


@given(st.data(), st.dictionaries(TEXT, VALUES, max_size=4))
def test_key_order_white_space_and_notation_do_not_count(data: st.DataObject, body: dict[str, Any]) -> None:
    one, other = (data.draw(spellings(body)).encode() for _ in range(2))

    assert of(one) == of(other) == of(_written(body).encode())


@given(st.data(), st.lists(st.dictionaries(TEXT, VALUES, max_size=3), min_size=1, max_size=4), st.sampled_from(["input", "messages"]))
def test_nor_do_they_in_a_conversation(data: st.DataObject, items: list[Any], name: str) -> None:
    body = {"model": "m", name: items}
    one, other = (data.draw(spellings(body)).encode() for _ in range(2))

    assert of(one, "/v1/chat/completions") == of(other, "/v1/chat/completions")
    assert len(of(one).items) == 4 * len(items)


@pytest.mark.parametrize(
    "changed",
    [
        {**CREATE, "model": "gpt-5-mini"},
        {**CREATE, "temperature": 0.70001},
        {**CREATE, "input": [{"role": "user", "content": "hi "}]},
        {**CREATE, "input": [*CREATE["input"], {"role": "user", "content": "hi"}]},
        {**CREATE, "input": "hi"},
        {**CREATE, "input": []},
        {**CREATE, "messages": CREATE["input"]},
        {**CREATE, "messages": []},
        {**CREATE, "user": None},
        {"model": "gpt-5", "messages": CREATE["input"], "temperature": 0.7},
        [CREATE],
    ],
)
def test_everything_else_counts(changed: Any) -> None:
    assert digest(changed) != digest(CREATE)


def test_the_order_of_items_counts() -> None:
    one, two = {"role": "user", "content": "1"}, {"role": "user", "content": "2"}

    assert digest({"input": [one, two]}) != digest({"input": [two, one]})


IGNORED: list[dict[str, Any]] = [
    {"type": "response.create"},
    {"stream": True},
    {"stream": False},
    {"stream": None},
    {"stream_id": "lane-1"},
    {"stream_options": {"include_obfuscation": False}},
    {"stream_options": {}},
    {"type": "response.create", "stream": True, "stream_id": "x", "stream_options": {"include_obfuscation": True}},
]


@pytest.mark.parametrize("ignored", IGNORED)
def test_a_create_is_the_same_over_every_transport(ignored: dict[str, Any]) -> None:
    assert digest({**CREATE, **ignored}) == digest(CREATE)
    assert digest({**ignored, **CREATE}, "/openai/v1/responses", upstream="https://a.example/openai/v1") == digest(CREATE)


@pytest.mark.parametrize("ignored", IGNORED)
@pytest.mark.parametrize("target", ["/v1/chat/completions", "/v1/responses/resp_1/cancel", "/v1/responses/compact"])
def test_in_other_requests_it_counts(ignored: dict[str, Any], target: str) -> None:
    assert digest({**CREATE, **ignored}, target) != digest(CREATE, target)


def test_other_options_of_a_stream_count() -> None:
    more = {**CREATE, "stream_options": {"include_obfuscation": False, "include_usage": True}}

    assert digest(more) == digest({**CREATE, "stream_options": {"include_usage": True}}) != digest(CREATE)


@pytest.mark.parametrize("body", [b"{", b'{"a":NaN}', b'{"a":"\\ud800"}', b"\xff", b'{"a":' + b"[" * 400 + b"]" * 400 + b"}", b"", b"{}{}"])
def test_what_is_no_sound_json_is_its_bytes(body: bytes) -> None:
    assert of(body) == Fingerprint(xxh3_128_digest(b"f1\nPOST\n/responses\n\n\nbytes\n" + body), "http")


def test_json_is_known_by_its_type_or_by_its_looks() -> None:
    spaced = b' {"a": 1.0}'

    assert digest(spaced) == digest(b'{"a":1}')
    assert digest(spaced, headers={}) == digest(spaced, headers={"Content-Type": "text/plain"}) == digest(spaced)
    assert digest(spaced, headers={"Content-Type": "application/vnd.api+json; charset=utf-8"}) == digest(spaced)
    assert digest(spaced, headers={"Content-Type": "application/x-www-form-urlencoded"}) != digest(spaced)
    assert digest(b"1.0", headers={}) != digest(b"1", headers={})
    assert digest(b"1.0") == digest(b"1")


# Forms.


def form(boundary: str, *, model: str = "whisper-1", name: str = "a.wav", stream: str = "false", extra: str = "") -> bytes:
    parts = [
        f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: audio/wav\r\n{extra}\r\nRIFF\0',
        f'Content-Disposition: form-data; name="model"\r\n\r\n{model}',
        f'Content-Disposition: form-data; name="stream"\r\n\r\n{stream}',
    ]
    return "".join([*(f"--{boundary}\r\n{part}\r\n" for part in parts), f"--{boundary}--\r\n"]).encode()


def of_form(body: bytes, boundary: str) -> Fingerprint:
    return of(body, "/v1/audio/transcriptions", {"Content-Type": f"multipart/form-data; boundary={boundary}"})


def test_the_boundary_of_a_form_does_not_count() -> None:
    assert of_form(form("one"), "one") == of_form(form("other-0815"), "other-0815")


def test_nor_does_what_else_the_head_of_a_part_says() -> None:
    assert of_form(form("b", extra="Content-Length: 5\r\n"), "b") == of_form(form("b"), "b")


@pytest.mark.parametrize("changed", [{"model": "whisper-2"}, {"name": "b.wav"}, {"stream": "true"}])
def test_the_parts_of_a_form_count(changed: dict[str, str]) -> None:
    assert of_form(form("b", **changed), "b").digest != of_form(form("b"), "b").digest


def test_a_form_may_ask_for_a_stream() -> None:
    assert of_form(form("b", stream="true"), "b").asks == "sse"
    assert of_form(form("b"), "b").asks == "http"


def test_a_broken_form_is_its_bytes() -> None:
    broken = form("b")[:-9]

    assert of_form(broken, "b").digest == xxh3_128_digest(b"f1\nPOST\n/audio/transcriptions\n\n\nbytes\n" + broken)
    assert of(broken, headers={"Content-Type": "multipart/form-data"}).digest == of(broken, headers={}).digest


# Lines.


@pytest.mark.parametrize(
    ("target", "upstream"),
    [
        ("/v1/responses", ""),
        ("/v1/responses", "https://api.openai.com"),
        ("/v1/responses", "https://api.openai.com/"),
        ("/v1/responses", "https://api.openai.com/v1"),
        ("/v1/responses", "https://api.openai.com/v1/"),
        ("/base/v1/responses", "https://llm.example/base"),
        ("/base/v1/responses", "https://llm.example/base/v1"),
        ("/base/responses", "https://llm.example/base"),
        ("/responses", "http://127.0.0.1:9000"),
        ("/responses?", "http://127.0.0.1:9000"),
    ],
)
def test_neither_upstreams_path_nor_the_form_of_base_url_counts(target: str, upstream: str) -> None:
    assert of(CREATE, target, upstream=upstream) == of(CREATE)


@pytest.mark.parametrize("target", ["/v2/responses", "/v1/v1/responses", "//v1/responses", "/v1/Responses", "/basement/v1/responses", "/v1/responses/"])
def test_the_rest_of_the_path_counts(target: str) -> None:
    assert digest(CREATE, target, upstream="https://llm.example/base") != digest(CREATE)


def test_the_method_counts() -> None:
    assert digest(b"", method="GET") != digest(b"", method="DELETE")


def test_the_query_is_a_multiset_of_pairs() -> None:
    one = digest(b"", "/v1/x?a=1&b=2&a=1", method="GET")

    assert one == digest(b"", "/v1/x?b=2&a=1&&a=1", method="GET")
    assert one != digest(b"", "/v1/x?b=2&a=1", method="GET")
    assert one != digest(b"", "/v1/x?a=1&b=%32&a=1", method="GET")


def test_headers_do_not_count() -> None:
    assert of(CREATE, headers={**JSON, "Authorization": "Bearer x", "User-Agent": "a", "Idempotency-Key": "1", "OpenAI-Organization": "o"}) == of(CREATE)


@pytest.mark.parametrize("beta", ["", "responses_websockets=2026-02-06", " Responses_WebSockets=x , ", ",,"])
def test_a_beta_header_about_transports_is_none(beta: str) -> None:
    assert of(CREATE, headers={**JSON, "OpenAI-Beta": beta}) == of(CREATE)


def test_other_beta_headers_count() -> None:
    plain = digest(CREATE, headers={**JSON, "OpenAI-Beta": "assistants=v2"})

    assert plain == digest(CREATE, headers={**JSON, "openai-beta": "responses_websockets=1, assistants=v2"}) != digest(CREATE)


UUIDS = ("76f8b89e-4a41-46fb-86ae-546cc1e4ba6c", "11111111-4a41-46fb-86ae-546cc1e4ba6c")
FORM = (
    '--{0}\r\nContent-Disposition: form-data; name="file"; filename="{0}.txt"\r\n\r\n{0}\r\n'
    '--{0}\r\nContent-Disposition: form-data; name="run"\r\n\r\n{0}\r\n--{0}--\r\n'
)


def under(*lines: str) -> Rules:
    return Rules.of(map(parse_rule, lines))


def pair(template: str, target: str = "/v1/responses", headers: dict[str, str] | None = None) -> list[tuple[Asked, bytes]]:
    """Two requests that differ by their UUIDs alone. `template`: of the body; target and headers may have `{0}`, too."""
    made = ({name: value.format(one) for name, value in (JSON if headers is None else headers).items()} for one in UUIDS)
    return [(asked(target.format(one), told), template.replace("{0}", one).encode()) for one, told in zip(UUIDS, made, strict=True)]


@pytest.mark.parametrize(
    ("requests", "lines"),
    [
        (pair('{"input": "of {0}"}'), ["normalize uuid"]),
        (pair('{"input": [{"role": "user", "content": "of {0}"}], "model": "m"}'), ["normalize uuid"]),
        (pair('{"input": [{"id": "{0}", "content": "x"}]}'), ["ignore $.input[*].id"]),
        (pair('{"input": [{"id": "{0}"}, {"x": 1}]}'), ["ignore $.input[0]"]),
        (pair('{"input": [{"id": "{0}"}], "messages": [{"x": 1}]}'), ["ignore $.input"]),
        (pair('{"input": [{"id": "{0}"}], "messages": [{"x": 1}]}'), ["redact $.input as id"]),
        (pair('{"metadata": {"run": "{0}"}, "input": [{"x": 1}]}'), ["ignore $.metadata"]),
        (pair('["{0}"]'), ["normalize uuid"]),
        (pair("of {0}", headers={"Content-Type": "text/plain"}), ["normalize uuid"]),
        (pair(FORM, headers={"Content-Type": "multipart/form-data; boundary={0}"}), ["normalize uuid"]),
        (pair(FORM.replace('{0}.txt"', 'x"'), headers={"Content-Type": "multipart/form-data; boundary={0}"}), ["ignore $.file", "ignore $.run"]),
        (pair("{}", "/v1/responses?run={0}&b=1"), ["normalize uuid"]),
        (pair("{}", headers={**JSON, "X-Run": "{0}"}), ["normalize uuid", "header x-run"]),
    ],
)
def test_what_differs_by_what_rules_let_pass_is_equal_under_them_alone(requests: list[tuple[Asked, bytes]], lines: list[str]) -> None:
    one, two = requests
    assert fingerprint(*one, under(*lines)) == fingerprint(*two, under(*lines))
    assert fingerprint(*one) != fingerprint(*two) or "header x-run" in lines


@pytest.mark.parametrize("body", [b"\xff {", b'{"a": "\xff"}', b'"\\ud800"', b""])
def test_rules_leave_alone_what_they_cannot_read(body: bytes) -> None:
    assert fingerprint(asked(), body, under("normalize uuid", "ignore $.a")) == fingerprint(asked(), body)


def test_where_rules_change_nothing_the_fingerprint_is_that_without() -> None:
    assert of(CREATE) == fingerprint(asked(), json.dumps(CREATE).encode(), under("normalize uuid", "ignore $.metadata", "header x-none"))


def test_a_header_counts_by_a_rule_and_where_it_is_missing_that_counts() -> None:
    told = [fingerprint(asked(headers={**JSON, **more}), b"{}", under("header x-tenant")).digest for more in ({}, {"X-Tenant": "a"}, {"X-Tenant": "b"})]
    assert len(set(told)) == 3


def test_a_header_of_the_handshake_counts_for_the_creates_over_it() -> None:
    over = [create_over(asked("/v1/responses", {"Upgrade": "websocket", "X-Tenant": tenant}, method="GET")) for tenant in "ab"]
    assert len({fingerprint(one, b"{}", under("header x-tenant")).digest for one in over}) == 2
    assert len({fingerprint(one, b"{}") for one in over}) == 1


def test_a_rule_holds_for_requests_of_its_kind_and_path_alone() -> None:
    rules = under("normalize uuid for responses", "ignore $.a at /embeddings")
    for target, equal in (("/v1/responses", True), ("/v1/chat/completions", False)):
        one, two = pair('{"input": "{0}"}', target)
        assert (fingerprint(*one, rules) == fingerprint(*two, rules)) is equal


def test_rules_are_named_by_what_they_say() -> None:
    one, two = parse_rule("normalize uuid"), parse_rule("ignore $.a")
    assert Rules.of([one, two]).name == Rules.of([two, one, two]).name != Rules.of([one]).name
    assert Rules.of([one]).name.startswith("f1-")


def test_no_rules_are_the_default_ones() -> None:
    assert Rules.of([]) is F1


def test_a_long_body_is_compared_as_it_is() -> None:
    body = b'{"a": "%b%b"}' % (UUIDS[0].encode(), b"x" * HELD)
    assert fingerprint(asked(), body, under("normalize uuid")) == fingerprint(asked(), body)


def test_a_value_is_had_as_it_is_compared() -> None:
    assert normalised({"a": UUIDS[0]}, under("normalize uuid for responses"), "POST", "/v1/responses?x=1") == {"a": "<uuid:1>"}
    assert normalised({"a": UUIDS[0]}, F1, "POST", "/v1/responses") == {"a": UUIDS[0]}


# What is asked for.


@pytest.mark.parametrize(
    ("body", "target", "asks"),
    [
        ({"stream": True}, "/v1/responses", "sse"),
        ({"stream": True}, "/v1/chat/completions", "sse"),
        ({"stream": 1}, "/v1/responses", "http"),
        ({"stream": "true"}, "/v1/responses", "http"),
        ({}, "/v1/responses", "http"),
        ([True], "/v1/responses", "http"),
        (b"", "/v1/responses/resp_1?stream=true&starting_after=5", "sse"),
        (b"", "/v1/responses/resp_1?stream=false", "http"),
    ],
)
def test_a_request_says_over_what_it_wants_its_answer(body: Any, target: str, asks: str) -> None:
    assert of(body, target).asks == asks


def test_a_websocket_is_known_by_its_handshake_and_has_no_body() -> None:
    handshake = asked("/v1/responses", {"Connection": "Upgrade", "Upgrade": "WebSocket"}, method="GET")
    one = fingerprint(handshake, b"")

    assert one.asks == "ws"
    assert one == fingerprint(handshake, b'{"type":"response.create"}')
    assert one == stored_fingerprint(StoredRequest(b"GET /v1/responses HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", "", None, iter([b"messages"])))
    assert one.digest == digest(b"", method="GET")


# Items.


def test_items_are_told_by_four_bytes_each() -> None:
    one, two = of({"input": [{"a": 1}, {"b": 2}]}).items, of({"input": [{"a": 1.0}, {"b": 2}, {"c": 3}]}).items

    assert (len(one), len(two)) == (8, 12)
    assert two.startswith(one)


def test_a_text_is_one_item() -> None:
    assert len(of({"input": "hi"}).items) == 4
    assert of({"input": "hi"}).items != of({"input": "ho"}).items


@pytest.mark.parametrize("body", [{}, {"input": []}, {"input": ["a", "b"]}, {"input": [[1, 2]]}, {"input": 5}, {"messages": "hi"}, [{"a": 1}]])
def test_other_bodies_have_no_items(body: Any) -> None:
    assert of(body).items == b""


@pytest.mark.parametrize(("count", "kept"), [(4096, 4096), (4097, 2049), (6144, 4096), (6145, 2049)])
def test_of_a_long_conversation_the_end_is_told(count: int, kept: int) -> None:
    items = [{"n": number} for number in range(count)]
    told = of({"input": items}).items

    assert len(told) == 4 * kept
    assert told == of({"input": items[-kept:]}).items


def test_the_digest_is_that_of_the_documented_form() -> None:
    body = {"stream": True, "tools": [], "model": "é", "input": [{"b": 1.50, "a": None}, "x"]}
    items = xxh3_128_digest(xxh3_128_digest(b'{"a":null,"b":[NaN,"15e-1"]}') + xxh3_128_digest(b'"x"'))
    line = b"f1\nPOST\n/chat/completions\na=1&b=2\nassistants=v2\n"

    assert digest(body, "/v1/chat/completions?b=2&a=1", {**JSON, "OpenAI-Beta": "assistants=v2"}) == xxh3_128_digest(
        line + 'json\n{"model":"é","stream":true,"tools":[]}\ninput\n'.encode() + items
    )


# Pieces.


@given(
    st.sampled_from([JSON, {}, {"Content-Type": "multipart/form-data; boundary=b"}]),
    st.sampled_from([json.dumps(CREATE).encode(), form("b"), b"x" * 50]),
    st.data(),
)
def test_a_body_may_come_in_any_pieces(headers: dict[str, str], body: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=5)))
    reader = Fingerprinter(asked(headers=headers))
    for start, end in pairwise([0, *cuts, len(body)]):
        reader.feed(body[start:end])

    assert reader.finish() == of(body, headers=headers)


def long_form(boundary: str) -> list[bytes]:
    return [f"--{boundary}\r\n\r\n".encode(), *[b"y" * (1 << 20)] * 40, f"\r\n--{boundary}--".encode()]


def test_a_long_body_is_hashed_as_it_comes() -> None:
    pieces = [b'{"a":', *[b" " * (1 << 20)] * (HELD >> 20), b"1}"]
    reader = Fingerprinter(asked())
    for piece in pieces:
        reader.feed(piece)
    whole = reader.finish()

    assert whole == of(b"".join(pieces)) == Fingerprint(xxh3_128_digest(b"f1\nPOST\n/responses\n\n\nlong\n" + b"".join(pieces)), "http")
    assert whole.digest != digest(b'{"a":1}')


def test_the_boundary_of_a_long_form_does_not_count_either() -> None:
    found = set()
    for boundary in ("one", "other"):
        reader = Fingerprinter(asked(headers={"Content-Type": f"multipart/form-data; boundary={boundary}"}))
        for piece in long_form(boundary):
            reader.feed(piece)
        found.add(reader.finish())

    assert len(found) == 1


def test_a_body_that_could_not_be_decoded_is_known_by_its_hash() -> None:
    head = b"POST /v1/responses HTTP/1.1\r\nContent-Encoding: gzip\r\n\r\n"
    known = "0123456789abcdef0123456789abcdef"
    one = fingerprint(Asked.of(head, "", known), b"")

    assert one == stored_fingerprint(StoredRequest(head, "", f"undecodable gzip body (9 bytes, xxh3 {known})", iter([b"what came of it"])))
    assert one.digest != fingerprint(Asked.of(head, "", known[::-1]), b"").digest != fingerprint(Asked.of(head, ""), b"").digest


@pytest.mark.parametrize("head", [b"", b"\r\n", b"GET\r\n\r\n", b"\xff\xfe", b"GET  HTTP/1.1\r\n:\r\n\r\n"])
def test_no_head_is_too_strange(head: bytes) -> None:
    assert len(fingerprint(Asked.of(head, "x://["), b"{").digest) == 16

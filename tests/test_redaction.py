"""Request bodies and messages without secrets: whatever the split, whatever was remembered, and nothing else changed."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.redaction import RedactionMemo, RequestScanner, redact_head

NEEDLE = b"sk-Needle+12/45"
WINDOW = 64 << 10

fragments = st.sampled_from(
    [
        *(b'"headers"', b'"headers": {', b'"authorization"', b'"Authorization":"', b'"env":{', b'"domain_secrets":[{"value":"', b'"client_secret"'),
        *(b'"client_secret":{"value":"', b":", b" ", b'"', b'"', b"\\", b'\\"', b"\\u0061", b'"\\u0065nv"', b"\\u0026", b"?sig=", b"&key="),
        *(b"\\u0026X-Amz-Signature=", b"&amp;token\\u003d", b"abc", b"defgh12345", NEEDLE, NEEDLE[:7], NEEDLE[7:], b"\\u0073k-Needle\\u002b12\\/45"),
        *(b"?t\\u006fken=", b"\\u0026X\\u002dAmz-\\u0041="),
        *(b"}", b"{", b"[", b"]", b",", b'"type":"object"', b'"a":"b"', b"\r\n", b"\r\n\r\n", b"--", b'name="password"', b'"password"\r\n\r\n'),
        *(b"client_secret=", b"key=", b"\\u00", b"\xff", b"\xc3\xa9", b"null", b"***", b"<redacted>", b"x" * 300, b" " * 300, b'"value"', b"{token}"),
    ]
)
garbage = st.lists(fragments, max_size=30).map(b"".join)
cuts = st.lists(st.integers(0, 3000), max_size=10)


def pieces(text: bytes, borders: Sequence[int]) -> Iterator[bytes]:
    places = [0, *sorted(min(border, len(text)) for border in borders), len(text)]
    return (text[start:end] for start, end in pairwise(places))


def scan(scanner: RequestScanner, text: bytes, borders: Sequence[int] = ()) -> bytes:
    return b"".join(map(scanner.feed, pieces(text, borders))) + scanner.finish()


def redacted(text: bytes, borders: Sequence[int] = (), needles: Sequence[bytes] = (NEEDLE,)) -> bytes:
    return scan(RequestScanner(needles), text, borders)


def findings(text: bytes, borders: Sequence[int], memo: RedactionMemo | None = None) -> tuple[bytes, bool, list[bytes]]:
    scanner = RequestScanner((NEEDLE,), memo, window=2048)
    return scan(scanner, text, borders), scanner.redacted, scanner.secrets


@given(garbage, cuts)
def test_the_split_makes_no_difference(text: bytes, borders: list[int]) -> None:
    assert findings(text, borders) == findings(text, ())


@given(garbage)
def test_single_bytes_make_no_difference(text: bytes) -> None:
    assert findings(text, range(len(text))) == findings(text, ())


@given(garbage, st.lists(st.tuples(st.integers(0, 4000), garbage, st.booleans(), cuts), max_size=5))
def test_what_was_remembered_makes_no_difference(text: bytes, changes: list[tuple[int, bytes, bool, list[int]]]) -> None:
    memo = RedactionMemo(texts=3, least=0)
    text = text * 6
    for place, new, rest, borders in [(0, b"", True, []), *changes]:
        text = text[:place] + new + (text[place:] if rest else b"")
        assert findings(text, borders, memo) == findings(text, ())


@given(garbage, cuts)
def test_no_known_secret_survives(text: bytes, borders: list[int]) -> None:
    assert NEEDLE not in redacted(text, borders)


@given(garbage)
def test_redacted_says_whether_anything_was_replaced(text: bytes) -> None:
    clean, changed, _ = findings(text, ())
    assert changed or clean == text


# JSON in which every place that holds secrets holds one: the second of the pair is what must come out.

secret_values = st.text('ABCdef0123456789-_+/="\\é', min_size=8, max_size=30).map(lambda text: "CANARY" + text)
plain_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["headers", "env", "authorization", "text", 'say "headers": {}', "a\\", "ünïcode", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "name", "value", "input"]), inner, max_size=3),
    max_leaves=8,
)
Pair = tuple[Any, Any]


def schema_of(name: str) -> dict[str, Any]:
    inner = {name: {"type": "object", "description": "what " + name, "properties": {name: {"type": "string"}}}, "client_secret": {"type": "string"}}
    return {"type": "object", "properties": inner, "required": [name], "additionalProperties": False}


def put(kind: str) -> str:
    return f"<redacted:{kind}>"


def same(value: Any) -> Pair:
    return value, value


members: st.SearchStrategy[tuple[str, Pair]] = st.one_of(
    secret_values.map(lambda s: ("authorization", (s, put("authorization")))),
    secret_values.map(lambda s: ("headers", ({"X-A": s, "X-B": "Bearer " + s}, {"X-A": put("header"), "X-B": put("header")}))),
    secret_values.map(lambda s: ("env", ({"A": s, "N": 1, "L": [s]}, {"A": put("env"), "N": 1, "L": [put("env")]}))),
    secret_values.map(lambda s: ("client_secret", (s, put("client-secret")))),
    secret_values.map(lambda s: ("client_secret", ({"expires_at": {"a": 1}, "value": s}, {"expires_at": {"a": 1}, "value": put("client-secret")}))),
    secret_values.map(
        lambda s: (
            "domain_secrets",
            ([{"domain": "a", "name": "N", "value": s}] * 2, [{"domain": "a", "name": "N", "value": put("domain-secret")}] * 2),
        )
    ),
    st.just(
        (
            "url",
            (
                "https://h/p?a=1&X-Amz-Signature=CANARY0123&b=2 ?sig=CANARY",
                f"https://h/p?a=1&X-Amz-Signature={put('signature')}&b=2 ?sig={put('signature')}",
            ),
        )
    ),
    st.sampled_from(["headers", "env", "authorization"]).map(lambda name: ("parameters", same(schema_of(name)))),
    plain_values.map(lambda value: ("other", same(value))),
)
documents = st.lists(members, max_size=8).map(lambda found: ([{name: pair[0]} for name, pair in found], [{name: pair[1]} for name, pair in found]))
writers = st.sampled_from(
    [
        lambda value: json.dumps(value).encode(),
        lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(),
        lambda value: json.dumps(value, indent=2).replace("\n", "\r\n").encode(),
        lambda value: json.dumps(value).replace("/", "\\/").replace("&", "\\u0026").replace("=", "\\u003D").encode(),
        lambda value: json.dumps(value).replace("header", "h\\u0065ader").replace("auth", "\\u0061uth").replace("env", "en\\u0076").encode(),
        lambda value: json.dumps(value).replace("CANARY", "\\u0043ANARY").encode(),
        lambda value: json.dumps(value).replace("X-Amz", "\\u0058-\\u0041mz").replace("sig=", "\\u0073ig\\u003d").encode(),
    ]
)


@given(documents, writers, cuts)
def test_every_secret_of_a_json_body_is_replaced_and_nothing_else(document: Pair, write: Any, borders: list[int]) -> None:
    clean = redacted(write(document[0]), borders)
    assert json.loads(clean) == document[1]
    assert b"CANARY" not in clean


@given(documents, writers)
def test_redacting_again_changes_nothing(document: Pair, write: Any) -> None:
    clean = redacted(write(document[0]))
    assert redacted(clean) == clean


@given(documents, st.integers(0, 2000))
def test_a_body_that_breaks_off_keeps_its_secrets(document: Pair, end: int) -> None:
    assert b"CANARY" not in redacted(json.dumps(document[0]).encode()[:end])


@pytest.mark.parametrize(
    "text",
    [
        '{"tools":[{"parameters":{"properties":{"headers":{"type":"object","additionalProperties":{"type":"string"}}}}}]}',
        '{"properties":{"headers":{"description":"Headers to send"},"env":{"$ref":"#/$defs/env"},"authorization":{"type":"string"}}}',
        '{"properties":{"headers":{"type":["object","null"],"title":"Headers"},"env":{"anyOf":[{"type":"object"},{"type":"null"}]}}}',
        '{"headers":{},"env":{"type":"object"},"authorization":null,"client_secret":null,"domain_secrets":[]}',
        '{"responses":{"headers":{"X-Rate":{"schema":{}},"note":"kept"}},"env":{"a":[{"b":"c"}],"d":"kept"}}',
        '{"required":["headers","authorization","env"],"env":"production","headers":"none","domain_secrets":{"type":"array"}}',
        '{"text":"what is ?key= and &sig= and \\"authorization\\": \\"Bearer x\\" for? ?key={API_KEY}&token=${TOKEN}"}',
        '{"authorization":"Bearer <redacted>","headers":{"X":"***"},"env":{"A":"[REDACTED]"},"client_secret":{"value":"<redacted:client-secret>"}}',
        '{"text":"caf\\u00e9 \\u003cb\\u003e \\u0026amp; \\u0061"}',
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    scanner = RequestScanner()
    assert scan(scanner, text.encode()) == text.encode()
    assert not scanner.redacted


def test_a_schema_with_a_secret_among_its_members_is_a_map() -> None:
    assert redacted(b'{"headers":{"type":"object","X-Api-Key":"CANARY"}}') == b'{"headers":{"type":"<redacted:header>","X-Api-Key":"<redacted:header>"}}'


def test_a_header_called_authorization_is_replaced_wherever_it_stands() -> None:
    assert b"CANARY" not in redacted(b'{"headers":{"x":{"y":1},"Authorization":"CANARY"}}')


def test_a_known_secret_is_found_as_json_spells_it() -> None:
    text = b'["sk-Needle+12/45","\\u0073k-Needle\\u002B12\\/45"]'
    assert redacted(text, range(len(text))) == b'["<redacted:secret>","<redacted:secret>"]'


@pytest.mark.parametrize("name", ["sig", "X-Amz-Security-Token", "x-goog-credential", "Key", "API-Key"])
def test_a_parameter_of_a_url_is_found_as_json_spells_it(name: str) -> None:
    url = f"https://h/p?a=1&{name}=CANARY0123&b=2"
    text = b'["%b"]' % "".join(f"\\u{ord(letter):04x}" for letter in url).encode()
    (clean,) = json.loads(redacted(text, range(len(text))))
    assert clean.partition("=<redacted:")[0] == f"https://h/p?a=1&{name}"
    assert "CANARY" not in clean


def test_a_known_secret_that_needs_escapes_is_found() -> None:
    secret = '{"cwd":"C:\\dir","é":1}'
    text = json.dumps({"a": secret, "b": [secret]}).encode()
    assert json.loads(redacted(text, range(len(text)), [secret.encode()])) == {"a": put("secret"), "b": [put("secret")]}


def test_a_known_secret_is_found_between_the_secrets_of_a_field() -> None:
    assert NEEDLE not in redacted(b'{"headers":{"' + NEEDLE + b'":"x"},"domain_secrets":[{"domain":"' + NEEDLE + b'","value":"y"}]}')


def test_the_secrets_found_are_told_as_written_and_as_meant() -> None:
    scanner = RequestScanner()
    scan(scanner, b'{"authorization":"Bearer abc\\/defgh","headers":{"Accept":"application/json","X-Api-Key":"verysecret"},"env":{"HOME":"/home/user"}}')
    assert scanner.secrets == [b"abc\\/defgh", b"abc/defgh", b"verysecret"]


def test_the_secrets_of_a_form_are_replaced() -> None:
    text = b"client_secret=CANARY'1&grant_type=x&refresh_token=CANARY2&page=3"
    expected = b"client_secret=<redacted:client-secret>&grant_type=x&refresh_token=<redacted:token>&page=3"
    assert redacted(text, range(len(text))) == redacted(text) == expected


def test_the_secrets_of_a_multipart_body_are_replaced() -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    typed = b'; filename="f"\r\nContent-Type: text/plain'
    text = part % (b"password", b"", b"CANARY-1 --2") + part % (b"api_key", typed, b"CANARY") + part % (b"file", b"", b"keep")
    expected = text.replace(b"CANARY-1 --2", b"<redacted:password>").replace(b"CANARY", b"<redacted:api-key>") + b"--b--\r\n"
    assert redacted(text + b"--b--\r\n", range(len(text))) == expected


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (b'{"authorization":"', b'","a":1}', {"authorization": put("authorization"), "a": 1}),
        (b'{"headers":{"X":"', b'"},"a":1}', {"headers": {"redacted": put("header")}, "a": 1}),
        (b'{"domain_secrets":[{"value":"', b'"}],"a":1}', {"domain_secrets": [{"value": put("domain-secret")}], "a": 1}),
        (b'{"client_secret":{"value":"', b'"},"a":1}', {"client_secret": {"value": put("client-secret")}, "a": 1}),
        (b'{"u":"h?sig=', b'&a=1"}', {"u": f"h?sig={put('signature')}&a=1"}),
    ],
)
@pytest.mark.parametrize("size", [1000, 65536, 1 << 20])
def test_an_oversized_secret_is_dropped_to_its_end(start: bytes, end: bytes, expected: Any, size: int) -> None:
    text = start + b"CANARY%20a" * 20000 + end
    clean = redacted(text, range(0, len(text), size))
    assert json.loads(clean) == expected
    assert redacted(clean) == clean


def test_a_flood_of_white_space_does_not_hide_a_secret() -> None:
    text = b'{"authorization"' + b" " * 100_000 + b":" + b"\n" * 100_000 + b'"CANARY"}'
    assert json.loads(redacted(text, range(0, len(text), 5000))) == {"authorization": put("authorization")}


def test_what_is_held_back_is_bounded() -> None:
    scanner = RequestScanner([NEEDLE])
    fed = came = most = 0
    for text in [b'{"headers":{"a":"', *[b"x" * 1000] * 500, b'"},"authorization":', *[b" " * 1000] * 200, b'"', *[b"\\\\" * 500] * 200]:
        came += len(scanner.feed(text))
        fed += len(text)
        most = max(most, len(scanner._held))
    assert most <= WINDOW + 1000


def test_a_text_without_secrets_goes_on_as_it_is() -> None:
    text = json.dumps({"model": "m", "input": "words " * 3000}).encode()
    scanner = RequestScanner([NEEDLE])
    assert scanner.feed(text) is text
    assert scanner.finish() == b""


def test_a_remembered_text_goes_on_as_it_is() -> None:
    memo, text = RedactionMemo(), json.dumps({"model": "m", "input": "words " * 3000}).encode()
    scan(RequestScanner([NEEDLE], memo), text)
    longer = text[:-2] + b'more"}'
    assert scan(RequestScanner([NEEDLE], memo), longer, [len(text) - 2]) == longer


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b'"headers": {"a":"%s""c"}' % (b"b" * 200), b'"headers": {"a":"%s"}' % (b"b" * 200)),
        (b'"headers": {"a":"%s",x}' % (b"b" * 200), b'"headers": {"a":"%s","c":"d"}' % (b"b" * 200)),
        (b'"headers": {"a":"%s","type" x' % (b"b" * 200), b'"headers": {"a":"%s","type":"object"}' % (b"b" * 200)),
        (b'"env"  "a"', b'"env"  : {"a":"b"}'),
        (b'"a?sig=1234\\"', b'"a?sig=1234\\u002b5"'),
        (b'"\\u0061uthorizatio"', b'"\\u0061uthorization":"b"'),
    ],
)
def test_a_verdict_is_used_again_only_if_all_that_it_rests_on_is_the_same(first: bytes, second: bytes) -> None:
    for filling in (b"", b" " * 80, b"," * 8000):
        memo, start = RedactionMemo(least=0), b"x " * 500 + filling
        findings(start + first + filling, (), memo)
        assert findings(start + second, (), memo) == findings(start + second, ())


def test_texts_are_remembered_only_for_the_same_known_secrets() -> None:
    memo, text = RedactionMemo(least=0), b'{"a":"' + b"x " * 500 + b'another-secret"}'
    scan(RequestScanner([NEEDLE], memo), text)
    assert b"another-secret" not in scan(RequestScanner([b"another-secret"], memo), text)


def test_the_corpus_loses_its_secrets_and_nothing_else(shared: Path) -> None:
    changed = []
    for name in ("chat", "responses", "rest"):
        with gzip.open(shared / "corpus" / f"exchanges.{name}.jsonl.gz") as lines:
            for line in lines:
                exchange = json.loads(line)
                body = base64.b64decode(exchange["request_body_b64"] or "")
                headers = [(key.encode(), value.encode()) for key, value in exchange["request_headers"] or []]
                head = redact_head(exchange["method"].encode(), exchange["url_path"].encode(), headers)
                clean = redacted(body, range(0, len(body), 7), head.secrets)
                if clean != body:
                    changed += list(differences(json.loads(body), json.loads(clean)))
                assert not head.redacted
    assert sorted(changed) == [
        ("GITHUB_MCP_TOKEN", put("authorization")),
        ("GITHUB_MCP_TOKEN", put("authorization")),
        ("custom-header-value", put("header")),
        ("custom-header-value", put("header")),
        ("fake", put("authorization")),
    ]


def differences(old: Any, new: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict) and list(old) == list(new):
        for key in old:
            yield from differences(old[key], new[key])
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for one, other in zip(old, new, strict=True):
            yield from differences(one, other)
    elif old != new:
        yield old, new


@pytest.mark.parametrize("name", [b"sk-proj-0123456789", b"ek_0123456789abcdef", b"bearer.0123456789", b"Token.0123456789"])
def test_a_subprotocol_that_is_a_key_or_ends_with_one_is_replaced(name: bytes) -> None:
    head = redact_head(b"GET", b"/", [(b"Sec-WebSocket-Protocol", b"realtime, " + name + b",openai-project.proj_1")])

    value = head.headers[0][1]
    assert b"0123456789" not in value
    assert value.startswith(b"realtime, ")
    assert value.endswith(b">,openai-project.proj_1")
    assert head.credential is not None


@pytest.mark.parametrize(
    "header",
    [
        (b"Cookie", b"theme=dark; sid=abcdefghij0123456789abcdef"),
        (b"Cookie", b"abcdefghij0123456789abcdef"),
        (b"Authorization", b"Key abcdefghij0123456789abcdef"),
        (b"Authorization", b"Bearer\tabcdefghij0123456789abcdef"),
    ],
)
def test_the_telling_part_of_a_header_is_looked_for_alone(header: tuple[bytes, bytes]) -> None:
    head = redact_head(b"GET", b"/", [header])

    assert b"abcdefghij0123456789abcdef" in head.secrets
    assert header[1] in head.secrets


def test_a_value_in_escapes_that_looks_like_a_key_is_looked_for_in_the_answer() -> None:
    scanner = RequestScanner()
    text = b'{"env": {"OTHER": "\\u0061bcdefghij0123456789abcdef", "PATH": "/usr/bin"}}'

    assert b"0123456789" not in scanner.feed(text) + scanner.finish()
    assert b"abcdefghij0123456789abcdef" in scanner.secrets
    assert b"/usr/bin" not in scanner.secrets

"""The memo gives what reading every body anew would give, whatever came before."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.config.rules import parse_rule
from playhead.proxy.facts import NOTHING, tell
from playhead.proxy.fingerprint import HELD, Asked, Rules, fingerprint, stored_fingerprint
from playhead.proxy.matching.request_memo import LEAST, RequestMemo
from playhead.proxy.models.kind import Shape, shape_of
from playhead.proxy.models.wire import Problem
from playhead.storage.records import StoredRequest

HEAD = b"POST /v1/responses HTTP/1.1\r\nContent-Type: application/json\r\n\r\n"
ASKED = Asked.of(HEAD, "")
CHAT = Asked.of(HEAD.replace(b"/responses", b"/chat/completions"), "")
FILLER = [{"type": "message", "content": "x" * 200, "list": [1, [2]]} for _ in range(2 * LEAST // 200)]


def body(items: Any, *, model: str = "gpt-5", separators: tuple[str, str] = (",", ":"), **more: Any) -> bytes:
    request = {"model": model, "input": items, "tools": [{"name": "t", "enum": ["]", "[1]"]}], "prompt_cache_key": "k", **more}
    return json.dumps(request, separators=separators).encode()


def assert_same(memo: RequestMemo, text: bytes, asked: Asked = ASKED) -> None:
    """What the memo says is what reading alone says."""
    told, print_ = memo.read(asked, text)
    alone = tell(shape_of(asked.method, asked.target), text, asked.headers.get(b"content-type", b""))

    assert (told[:4], told.conversation) == (alone[:4], alone.conversation)
    assert set(told.items) <= set(alone.items)
    assert print_ == fingerprint(asked, text)


def test_a_conversation_that_goes_on_is_read_as_without_a_memo() -> None:
    memo = RequestMemo()
    for more in range(4):
        assert_same(memo, body([*FILLER, *[{"content": 'end ]} "model":"other"', "n": number} for number in range(more)]]))


def test_an_equal_body_is_read_as_before() -> None:
    memo = RequestMemo()
    for text in (body(FILLER), body("hi")):
        (told, print_), (again, same) = memo.read(ASKED, text), memo.read(ASKED, text)

        assert (told[:4], print_) == (again[:4], same)
        assert_same(memo, text)


def test_the_same_body_means_something_else_elsewhere() -> None:
    memo = RequestMemo()
    for text in (
        body("hi", stream=True, stream_options={"include_obfuscation": True}),
        body(FILLER, stream=True, stream_options={"include_obfuscation": True}),
    ):
        for asked in (ASKED, CHAT, Asked.of(HEAD.replace(b"application/json", b"text/x"), ""), ASKED, CHAT):
            assert_same(memo, text, asked)


@pytest.mark.parametrize(
    "changed",
    [
        {"user": "bob"},
        {"model": "other"},
        {"conversation": {"id": "conv_1"}},
        {"conversation": "conv_2"},
        {"stream": True},
        {"extra": [{"a": 1}]},
        {"tools": []},
        {"input": "text"},
    ],
)
def test_a_member_that_changed_is_seen(changed: dict[str, Any]) -> None:
    memo = RequestMemo()
    for text in (body(FILLER, user="ann"), body(**{"items": FILLER, "user": "ann", **changed}), body(FILLER, user="ann")):
        assert_same(memo, text)


def test_a_member_that_stands_where_items_were_inserted_is_seen() -> None:
    memo = RequestMemo()
    first = body(FILLER)
    assert_same(memo, first)
    place = first.index(b'],"tools"')
    for tricky in (b'],"model":"other","more":[1', b'],"input":[{"a":1}', b'],"model":"x","messages":[{"b":2}', b"],[", b",", b"]", b"}", b'"'):
        assert_same(memo, first[:place] + tricky + first[place:])


@pytest.mark.parametrize("garbage", [b"", b"[]", b"\xff" * (2 * LEAST), b"]" * (2 * LEAST), b'{"a":[' + b"[" * (2 * LEAST), b"{}" + b" " * (2 * LEAST)])
def test_garbage_is_read_as_without_a_memo(garbage: bytes) -> None:
    memo = RequestMemo()
    for _ in range(2):
        assert_same(memo, garbage)


@pytest.mark.parametrize(
    "strange", [b'{"input":[{"a":"\\ud800"}]', b'{"input":[{"a":NaN}]', b'{"a":' + b"[" * 252 + b"]" * 252, b'{"a":' + b"[" * 254 + b"]" * 254]
)
def test_big_bodies_that_are_nothing_but_bytes_are_so_with_a_memo(strange: bytes) -> None:
    memo = RequestMemo()
    assert_same(memo, body(FILLER))
    for _ in range(2):
        assert_same(memo, strange + b',"filler":"' + b"x" * LEAST + b'"}')


def test_a_body_that_is_too_long_to_be_read_is_hashed() -> None:
    text = b'{"model":"gpt-5","a":"' + b"x" * HELD + b'"}'

    assert RequestMemo().read(ASKED, text)[1] == fingerprint(ASKED, text)


def test_a_body_that_could_not_be_decoded_is_known_by_its_hash() -> None:
    undecoded = ASKED._replace(undecoded="0123456789abcdef0123456789abcdef")

    told, print_ = RequestMemo().read(undecoded, b'{"model":"m"}')

    assert (told.model, print_) == ("m", fingerprint(undecoded, b""))


def test_the_memory_of_the_memo_is_bounded() -> None:
    memo = RequestMemo()
    for number in range(200):
        memo.read(ASKED, body(f"question {number}"))
        memo.read(ASKED, body([{"n": number}, *FILLER]))

    assert len(memo._known) <= 8
    assert len(memo._equal) <= 64


@pytest.mark.parametrize("pieces", [[], [body(FILLER)], [body(FILLER)[:50], body(FILLER)[50:]], [b"{", b'"a"', b":1}"]])
def test_recorded_requests_are_read_alike(pieces: list[bytes]) -> None:
    memo = RequestMemo()
    found = memo.stored_fingerprint(StoredRequest(HEAD, "", None, iter(pieces)))

    assert found == stored_fingerprint(StoredRequest(HEAD, "", None, iter(pieces))) == fingerprint(ASKED, b"".join(pieces))


def test_the_messages_of_a_websocket_are_not_its_request() -> None:
    head = b"GET /v1/responses HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    stored = StoredRequest(head, "", None, iter([body(FILLER)]))

    assert RequestMemo().stored_fingerprint(stored) == fingerprint(Asked.of(head, ""), b"")


SCALARS = st.none() | st.text('ab"\\]}é', max_size=4) | st.integers(0, 30) | st.sampled_from([1.0, 0.5])
ITEM = st.dictionaries(st.sampled_from("abc"), SCALARS | st.lists(SCALARS, max_size=2), max_size=3)
CHANGE = st.one_of(
    st.tuples(st.just("append"), st.lists(ITEM | SCALARS, max_size=3)),
    st.tuples(st.just("drop"), st.integers(0, 5)),
    st.tuples(st.just("replace"), st.tuples(st.integers(0, 60), ITEM)),
    st.tuples(st.just("set"), st.tuples(st.sampled_from(["model", "user", "stream", "max", "tools", "messages", "a"]), SCALARS | st.lists(ITEM, max_size=2))),
    st.tuples(st.just("unset"), st.sampled_from(["model", "user", "stream", "max", "tools", "messages", "a"])),
    st.tuples(st.just("move"), st.sampled_from(["input", "tools", "model"])),
    st.tuples(st.just("respell"), st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " : ")])),
)


@given(st.lists(CHANGE, min_size=1, max_size=12), st.booleans())
def test_any_turns_of_a_conversation_are_read_as_without_a_memo(changes: list[tuple[str, Any]], ascii_only: bool) -> None:
    memo = RequestMemo()
    request: dict[str, Any] = {"model": "m", "input": list(FILLER), "tools": [{"name": "t"}], "max": 1}
    separators = (",", ":")
    for kind, change in changes:
        items = request["input"]
        if kind == "append":
            items += change
        elif kind == "drop":
            del items[len(items) - change :]
        elif kind == "replace":
            items[change[0] % len(items)] = change[1]
        elif kind == "set":
            request[change[0]] = change[1]
        elif kind == "unset":
            request.pop(change, None)
        elif kind == "move":
            request |= {change: request.pop(change, None)}
        else:
            separators = change
        assert_same(memo, json.dumps(request, separators=separators, ensure_ascii=ascii_only).encode())


@given(st.integers(0, 2 * LEAST), st.binary(max_size=6), st.integers(0, 6))
def test_a_body_that_was_changed_anywhere_is_read_as_without_a_memo(place: int, inserted: bytes, removed: int) -> None:
    memo = RequestMemo()
    text = body(FILLER, metadata={"é": "ü"})
    memo.read(ASKED, text)

    assert_same(memo, text[:place] + inserted + text[place + removed :])


def items_told(memo: RequestMemo, items: Any, session: str = "", **more: Any) -> list[int]:
    return [row.position for row in memo.read(ASKED, body(items, **more), session)[0].items]


def test_what_another_session_sent_is_new() -> None:
    memo, more = RequestMemo(), [*FILLER, {"n": "more"}]
    items_told(memo, FILLER, "one")

    assert items_told(memo, more, "one") == [len(FILLER)]
    assert items_told(memo, more, "two") == [*range(len(more))]
    assert items_told(memo, more, "two") == [*range(len(more))]


def test_what_was_sent_behind_another_response_is_new() -> None:
    memo = RequestMemo()

    assert [len(items_told(memo, FILLER, previous_response_id=parent)) for parent in ("resp_1", "resp_2")] == [len(FILLER)] * 2


def test_members_of_a_long_input_that_are_no_items_are_problems() -> None:
    told = RequestMemo().read(ASKED, body([*FILLER, "x", None]))[0]

    assert told.problems[-2:] == (Problem(f"input[{len(FILLER)}]", "object", "string"), Problem(f"input[{len(FILLER) + 1}]", "object", "null"))


@pytest.mark.parametrize("text", [body("hi"), body(FILLER), b"no JSON", b""])
def test_a_memo_that_is_asked_for_fingerprints_alone_tells_nothing(text: bytes) -> None:
    told, print_ = RequestMemo(tells=False).read(ASKED, text)

    assert told == NOTHING
    assert print_ == fingerprint(ASKED, text)


def test_problems_in_the_messages_of_other_apis_are_told_at_their_places() -> None:
    memo = RequestMemo()
    messages = [{"role": "user", "content": f"{number:0500}"} for number in range(10)]
    memo.read(CHAT, json.dumps({"messages": messages}).encode())
    told = memo.read(CHAT, json.dumps({"messages": [*messages, {"role": "user"}, {"role": 5}, "x"], "user": 5}).encode())[0]

    assert [problem.path for problem in told.problems] == ["user", "messages[11].role", "messages[12]"]
    assert told.items == ()


RULES = Rules.of(
    map(
        parse_rule,
        [
            "normalize uuid",
            "normalize timestamp in $.input",
            "ignore $.input[1]",
            "ignore $.input[*].id",
            "ignore $.prompt_cache_key",
            "normalize duration in $.input[*].content for responses",
            "ignore $.stream_options.include_usage",
        ],
    )
)
UUIDS = [f"0000000{number}-4a41-46fb-86ae-546cc1e4ba6c" for number in range(4)]
SAID = st.lists(st.sampled_from([*UUIDS, "12:00:01", "took 3ms", "a", "\u00e9"]), max_size=4).map(" ".join)
ITEMS = st.lists(st.fixed_dictionaries({"content": SAID}, optional={"id": st.sampled_from(UUIDS), "x": st.integers(0, 2)}), max_size=6)


@given(st.lists(st.tuples(ITEMS, ITEMS, st.sampled_from(["input", "messages"]), SAID), min_size=2, max_size=6))
def test_under_rules_bodies_are_read_as_without_a_memo(bodies: list[tuple[Any, Any, str, str]]) -> None:
    memo = RequestMemo(RULES, tells=False)
    for before, behind, name, key in bodies:
        more = {"stream_options": {"include_usage": True, "include_obfuscation": True}, "instructions": key * 3}
        front = {"model": "m", "metadata": {"said": key}} if len(behind) % 2 else {"n": len(before)}
        text = json.dumps({**front, name: [*before, *FILLER, *behind], "prompt_cache_key": key, **more}, ensure_ascii=False).encode()
        for asked in (ASKED, CHAT):
            assert memo.read(asked, text)[1] == fingerprint(asked, text, RULES)


@pytest.mark.parametrize("line", ["ignore $.input", "redact $.input as said", "ignore $.*", "ignore $.stream_options", "ignore $.input[*]"])
def test_what_rules_leave_out_whole_is_left_out(line: str) -> None:
    rules = Rules.of([parse_rule(line)])
    for text in (body(FILLER, stream_options={"a": 1}), body("x" * 2 * LEAST, stream_options={"a": 1}), body([])):
        assert RequestMemo(rules).read(ASKED, text)[1] == fingerprint(ASKED, text, rules)


def test_a_text_of_its_own_is_normalised_once_more() -> None:
    rules = Rules.of([parse_rule("normalize uuid")])
    one, two = (RequestMemo(rules).read(ASKED, body(f"{uuid} " + "x" * LEAST))[1] for uuid in UUIDS[:2])
    assert one == two


def test_a_recorded_request_has_its_fingerprint_under_rules() -> None:
    stored = StoredRequest(HEAD, "", None, iter([body(UUIDS[0])]))
    assert RequestMemo(RULES).stored_fingerprint(stored) == fingerprint(ASKED, body(UUIDS[0]), RULES)
    pieces = StoredRequest(HEAD, "", None, iter([body(UUIDS[0])[:10], body(UUIDS[0])[10:]]))
    assert RequestMemo(RULES).stored_fingerprint(pieces) == fingerprint(ASKED, body(UUIDS[0]), RULES)


@pytest.mark.parametrize("name", [b"Content-Length", b"content-length", b"CONTENT-LENGTH"])
def test_heads_that_differ_in_their_length_only_say_the_same(name: bytes) -> None:
    memo, told = RequestMemo(), b"POST /v1/responses?a=1 HTTP/1.1\r\nHost: a\r\n%b: %d\r\nX-Stainless-Retry-Count: 2\r\nOpenAI-Project: p\r\n\r\n"

    first, second = (memo.heading(told % (name, size), "https://a.example/v1") for size in (10, 200))

    assert first[:3] == second[:3] == ("POST", "/v1/responses?a=1", Shape("responses", "create"))
    assert (first.attempt, first.organization, first.project) == (second.attempt, second.organization, second.project) == (3, None, "p")
    assert (first is second) is (name != b"CONTENT-LENGTH")  # which nobody writes


def test_the_same_head_goes_to_several_upstreams() -> None:
    memo = RequestMemo()

    assert [memo.heading(HEAD, upstream).called.asked.upstream for upstream in ("https://a.example", "https://b.example")] == [
        "https://a.example",
        "https://b.example",
    ]


def test_under_a_head_that_was_read_a_request_says_the_same() -> None:
    memo, text = RequestMemo(), body("question")
    asked = Asked.of(HEAD, "https://a.example")

    assert memo.read_under(memo.heading(HEAD, "https://a.example"), text, "") == memo.read(asked, text)
    assert memo.read_under(memo.heading(HEAD, "https://a.example"), text, "", "ab" * 16) == memo.read(asked._replace(undecoded="ab" * 16), text)


def test_many_heads_are_not_all_remembered() -> None:
    memo = RequestMemo()
    for number in range(300):
        memo.heading(b"GET /v1/models/%d HTTP/1.1\r\n\r\n" % number, "")
    memo.heading(b"GET /v1/models HTTP/1.1\r\nX-Long: %b\r\n\r\n" % (b"x" * 9000), "")

    assert len(memo._headings) <= 64

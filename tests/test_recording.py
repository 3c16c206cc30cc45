"""Journal frames folded into exchanges, whole and in parts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from journalled import COMPLETE, chunked, fold, fold_in_parts, head, http, opening, sse
from playhead.proxy import recording
from playhead.proxy.fingerprint import Asked, fingerprint, stored_fingerprint
from playhead.proxy.recording import Assembly
from playhead.storage.journal import Kind
from playhead.storage.records import ANSWERED_EARLY, Frame, Raw, StoredRequest

RESPONSE = {"id": "resp_1", "object": "response", "status": "completed", "model": "m-1", "service_tier": "default", "usage": {"input_tokens": 1}}
BODY = json.dumps(RESPONSE).encode()
EVENTS = [
    b'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1","status":"in_progress"}}\n\n',
    b": keepalive\n\n",
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":1,"delta":"\xc3\xa9"}\n\n',
    b'event: response.completed\ndata: {"type":"response.completed","sequence_number":2,"response":' + BODY + b"}\n\n",
]
REQUEST = b'{"model":"m","input":"hi","prompt_cache_key":"key","previous_response_id":"resp_0","user":"u"}'


def test_the_numbers_of_frames_are_those_of_the_journal() -> None:
    assert {kind.name: int(kind) for kind in Kind} == {kind.name: getattr(recording, kind.name) for kind in Kind}


def test_an_exchange_is_what_its_frames_say() -> None:
    recorded = fold(http(REQUEST, [BODY[:10], BODY[10:]]))

    assert (recorded.writer, recorded.number, recorded.session, recorded.run) == ("w1", 7, "default", "run1")
    assert (recorded.method, recorded.path, recorded.started_at_ns, recorded.upstream) == ("POST", "/v1/responses", 17, "https://api.openai.com")
    assert (recorded.transport, recorded.status, recorded.outcome, recorded.key_id) == ("http", 200, "complete", "k_1")
    assert (recorded.request_bytes, recorded.response_bytes, recorded.event_count) == (len(REQUEST), len(BODY), 0)
    assert (recorded.first_event_ns, recorded.duration_ns) == (1_000_000, 3_000_000)
    assert recorded.redacted is None


def test_the_raw_bytes_are_kept_with_their_times() -> None:
    raw = fold(http(REQUEST, [BODY[:10], BODY[10:]])).raw

    assert (raw.request, raw.response, raw.chunks, raw.trailers) == (REQUEST, BODY, (), b"")
    assert raw.request_head.startswith(b"POST /v1/responses HTTP/1.1\r\n")
    assert raw.frames == (Frame(0, 1_000, len(REQUEST)), Frame(1, 3_000, 0), Frame(1, 1_000_000, 10), Frame(1, 2_000_000, len(BODY) - 10))


def test_the_facts_are_those_of_request_and_answer() -> None:
    facts = fold(http(REQUEST, [BODY])).facts

    assert (facts.kind, facts.model, facts.response_id, facts.previous_response_id) == ("responses", "m-1", "resp_1", "resp_0")
    assert (facts.prompt_cache_key, facts.user, facts.response_status, facts.service_tier) == ("key", "u", "completed", "default")
    assert (facts.usage, facts.error_code, facts.parse, facts.problem) == ({"input_tokens": 1}, None, "parsed", None)


def test_headers_tell_request_id_attempt_organization_and_project() -> None:
    frames = http(b"", [BODY], headers={"Content-Type": "application/json", "X-Request-ID": " req_1 ", "openai-project": "proj_a"})
    frames[0] = opening(headers={"x-stainless-retry-count": "1", "OpenAI-Organization": "org_q", "OpenAI-Project": "proj_q"})
    recorded = fold(frames)

    assert (recorded.request_id, recorded.attempt, recorded.organization, recorded.project) == ("req_1", 2, "org_q", "proj_a")


def test_without_a_retry_count_the_attempt_is_unknown() -> None:
    assert fold(http(REQUEST, [BODY])).attempt is None


def test_some_servers_call_the_request_id_otherwise() -> None:
    assert fold(http(REQUEST, [BODY], headers={"request-id": "req_2"})).request_id == "req_2"


def test_every_head_of_an_answer_has_its_time() -> None:
    frames = http(REQUEST, [BODY])
    frames.insert(3, (Kind.RESPONSE_HEAD, 2_500, head("HTTP/1.1 103 Early Hints", {"Link": "</x>"})))

    assert fold(frames).raw.frames[1:3] == (Frame(1, 2_500, 0), Frame(1, 3_000, 0))


def test_the_fingerprint_is_that_of_the_request() -> None:
    asked = Asked.of(opening()[2].partition(b"\n")[2], "https://api.openai.com")

    assert fold(http(REQUEST, [BODY])).fingerprint == fingerprint(asked, REQUEST)
    assert fold(http(REQUEST[:-5], [BODY])).fingerprint == fingerprint(asked, REQUEST[:-5])
    assert fold(http(REQUEST, [BODY]), parse=False).fingerprint is None


def test_the_fingerprint_of_a_request_that_could_not_be_decoded_is_that_of_its_hash() -> None:
    known = "0123456789abcdef0123456789abcdef"
    frames = http(b"", [BODY])
    frames[1] = (Kind.REQUEST_END, 0, b'{"bytes": 9, "redacted": false, "problem": "undecodable gzip body: bad", "xxh3": "%b"}' % known.encode())
    recorded = fold(frames)

    assert recorded.fingerprint == stored_fingerprint(StoredRequest(recorded.raw.request_head, "", recorded.facts.problem, iter([b"rest"])))
    assert recorded.fingerprint != fold(http(b"", [BODY])).fingerprint


def test_the_first_part_of_an_exchange_has_the_fingerprint_if_its_request_is_whole() -> None:
    spills = fold_in_parts(PARTS["sse"], [6, 9])[1]
    cut = fold_in_parts(PARTS["upload in pieces"], [2, 6])[1]

    assert [spill.recorded.fingerprint is not None for spill in spills[:-1]] == [True, False]
    assert [spill.recorded.fingerprint is not None for spill in cut[:-1]] == [False, False]


def test_interim_heads_are_kept_before_the_final_one() -> None:
    frames = http(REQUEST, [BODY])
    interim = head("HTTP/1.1 103 Early Hints", {"Link": "</x>"})
    frames.insert(3, (Kind.RESPONSE_HEAD, 2_500, interim))
    recorded = fold(frames)

    assert recorded.status == 200
    assert recorded.raw.response_heads == interim + head("HTTP/1.1 200 X", {"Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("opened", "request_end", "end", "expected"),
    [
        (False, False, False, None),
        (True, False, False, None),
        (False, True, False, None),
        (False, False, True, "response"),
        (True, True, True, "response"),
    ],
)
def test_an_answer_that_was_changed_is_told_and_a_request_is_not(opened: bool, request_end: bool, end: bool, expected: str | None) -> None:
    frames = http(b"", [BODY], end={**COMPLETE, "redacted": end})
    frames[0] = opening(redacted=opened)
    frames[1] = (Kind.REQUEST_END, 0, json.dumps({"bytes": 0, "redacted": request_end}).encode())

    assert fold(frames).redacted == expected


def test_the_bytes_of_a_request_are_those_on_the_wire() -> None:
    frames = http(REQUEST, [BODY])
    frames[2] = (Kind.REQUEST_END, 0, b'{"bytes": 33, "redacted": false, "problem": null, "xxh3": null}')

    assert fold(frames).request_bytes == 33


def test_a_request_that_could_not_be_decoded_is_told_by_length_and_hash() -> None:
    frames = http(b"", [BODY])
    frames[1] = (Kind.REQUEST_END, 0, b'{"bytes": 9, "redacted": false, "problem": "undecodable gzip body: bad", "xxh3": "ab"}')
    facts = fold(frames).facts

    assert (facts.parse, facts.problem) == ("partial", "undecodable gzip body: bad (9 bytes, xxh3 ab)")


def test_an_exchange_without_an_end_is_aborted_at_its_last_frame() -> None:
    recorded = fold(http(REQUEST, [BODY[:20]], end=None), aborted=True)

    assert (recorded.outcome, recorded.duration_ns, recorded.raw.response, recorded.facts.parse) == ("aborted", 1_000_000, BODY[:20], "partial")


def test_an_exchange_of_which_only_the_beginning_came_is_kept() -> None:
    recorded = fold([opening()], aborted=True)

    assert (recorded.outcome, recorded.status, recorded.transport, recorded.facts.parse) == ("aborted", None, "http", "partial")


@pytest.mark.parametrize("outcome", ["client_closed", "upstream_closed", "timeout"])
def test_a_cut_answer_is_partial_and_keeps_what_came(outcome: str) -> None:
    recorded = fold(http(REQUEST, [BODY[:30]], end={"outcome": outcome}))

    assert (recorded.outcome, recorded.facts.parse, recorded.facts.model, recorded.raw.response) == (outcome, "partial", "m", BODY[:30])
    assert recorded.facts.problem is None


def test_an_answer_of_playhead_itself_has_its_status_and_code() -> None:
    head = b"HTTP/1.1 502 Bad Gateway\r\nPlayhead-Error: upstream_unreachable\r\n\r\n"
    recorded = fold([opening(), (Kind.RESPONSE_HEAD, 4, head), (Kind.END, 5, b'{"outcome": "unreachable", "error": "upstream_unreachable"}')])

    assert (recorded.outcome, recorded.status, recorded.facts.error_code, recorded.facts.parse) == (
        "unreachable",
        502,
        "upstream_unreachable",
        "not_applicable",
    )


def test_frames_that_were_lost_are_told() -> None:
    facts = fold(http(REQUEST, [BODY], end={**COMPLETE, "lost": True, "problem": "disk full"})).facts

    assert (facts.parse, facts.problem) == ("partial", "disk full; parts of it could not be journalled")


def test_an_exchange_of_no_kind_is_not_parsed_but_read() -> None:
    recorded = fold(http(b'{"model":"m"}', [b'{"model":"m-2","usage":{"prompt_tokens":1},"error":{"code":"x"}}'], path="/v1/completions", status=400))

    assert (recorded.facts.kind, recorded.facts.parse) == ("other", "not_applicable")
    assert (recorded.facts.model, recorded.facts.usage, recorded.facts.error_code) == ("m-2", {"prompt_tokens": 1}, "x")


def test_an_answer_without_a_body_needs_no_parsing() -> None:
    assert fold(http(b"", [], status=204)).facts.parse == "not_applicable"


def test_an_exchange_that_broke_the_parser_is_stored_as_it_came() -> None:
    frames = sse(chunked(EVENTS))
    recorded = fold(frames, parse=False)

    assert (recorded.facts.parse, recorded.facts.response_id, recorded.events) == ("unparsed", None, [])
    assert "could not be parsed" in (recorded.facts.problem or "")
    assert recorded.raw == fold(frames).raw


PARTS: dict[str, Any] = {
    "json": http(REQUEST, [BODY[:10], BODY[10:50], BODY[50:]]),
    "sse": sse([piece[at : at + 37] for piece in chunked(EVENTS) for at in range(0, len(piece), 37)]),
    "sse, cut": sse([*chunked(EVENTS[:2])[:-1], b"99\r\n" + EVENTS[3][:90]], end={"outcome": "upstream_closed"}),
    "json, cut": http(REQUEST, [BODY[:10], BODY[10:50]], end={"outcome": "upstream_closed"}),
    "upload in pieces": [*http(b"", [])[:1], (Kind.REQUEST_DATA, 10, REQUEST[:20]), (Kind.REQUEST_DATA, 20, REQUEST[20:]), *http(b"", [BODY])[1:]],
}


@pytest.mark.parametrize("name", PARTS)
def test_an_exchange_spilled_and_restored_before_any_frame_is_the_same(name: str) -> None:
    frames, whole = PARTS[name], fold(PARTS[name])
    for cut in range(1, len(frames)):
        assert fold_in_parts(frames, [cut])[0] == whole, cut


@pytest.mark.parametrize("name", PARTS)
def test_an_exchange_spilled_and_restored_before_every_frame_is_the_same(name: str) -> None:
    frames = PARTS[name]

    assert fold_in_parts(frames, range(1, len(frames)))[0] == fold(frames)


def test_an_open_spill_has_no_outcome_yet_and_a_final_one_has() -> None:
    spills = fold_in_parts(PARTS["sse"], [8])[1]

    assert [(spill.final, spill.recorded.outcome is None, spill.recorded.duration_ns is None) for spill in spills] == [
        (False, True, True),
        (True, False, False),
    ]


def test_a_spill_holds_the_facts_known_so_far() -> None:
    first = fold_in_parts(PARTS["sse"], [12])[1][0]

    assert (first.recorded.facts.response_id, first.recorded.facts.model, first.recorded.facts.parse) == ("resp_1", "m", "partial")
    assert (first.recorded.transport, first.recorded.status) == ("sse", 200)


def test_a_spill_gives_nothing_twice() -> None:
    assembly = Assembly("w1", 7)
    for kind, at, payload in PARTS["json"][:-1]:
        assembly.feed(kind, at, payload)
    assembly.spill(final=False)
    empty = assembly.spill(final=False)

    assert (empty.pieces, empty.events, empty.frames, empty.chunks) == ([], [], (), ())
    assert empty.recorded.raw.request == empty.recorded.raw.response == b""


def test_facts_of_a_big_body_stored_in_parts_stand_at_its_edges() -> None:
    big = json.dumps({"id": "resp_1", "object": "response", "status": "completed", "text": {"k": "x" * 1000000}, "usage": {"input_tokens": 1}}).encode()
    asked = json.dumps({"model": "m", "input": "y" * 1000000, "user": "u"}).encode()
    frames = http(asked, [big[at : at + 65536] for at in range(0, len(big), 65536)])
    recorded, spills = fold_in_parts(frames, range(2, len(frames), 3))

    assert len(spills) > 3
    assert replace(recorded, facts=replace(recorded.facts, parse="parsed", problem=None)) == fold(frames)
    assert (recorded.facts.response_id, recorded.facts.usage, recorded.facts.user) == ("resp_1", {"input_tokens": 1}, "u")
    assert (recorded.facts.parse, recorded.facts.problem) == ("partial", "the answer is too long to be read whole: its items are not known")


def test_a_snapshot_stays_small_however_much_has_passed() -> None:
    assembly = Assembly("w1", 7)
    for kind, at, payload in http(b"{" + b"x" * (4 << 20), [b"y" * (1 << 20)] * 8, end=None):
        assembly.feed(kind, at, payload)
    assembly.spill(final=False)

    assert len(json.dumps(assembly.snapshot())) < 500_000


def test_an_aborted_exchange_that_was_spilled_is_completed_by_its_last_spill() -> None:
    recorded, _ = fold_in_parts(PARTS["sse"][:-1], [6], aborted=True)

    assert recorded == fold(PARTS["sse"][:-1], aborted=True)


def test_a_restored_exchange_may_go_on_without_parsing() -> None:
    assembly = Assembly("w1", 7)
    frames = PARTS["sse"]
    for kind, at, payload in frames[:9]:
        assembly.feed(kind, at, payload)
    first = assembly.spill(final=False)
    assembly = Assembly.restore(json.loads(json.dumps(assembly.snapshot())), parse=False)
    for kind, at, payload in frames[9:]:
        assembly.feed(kind, at, payload)
    last = assembly.spill(final=True)

    assert first.pieces[-1].data + last.pieces[-1].data == fold(frames).raw.response
    assert last.recorded.facts.parse == "unparsed"


def test_an_empty_exchange_is_an_empty_record() -> None:
    assert fold([], aborted=True).raw == Raw()


@pytest.mark.parametrize(
    ("headers", "early"), [({"Content-Length": "9"}, True), ({"Content-Length": "3"}, False), ({"Transfer-Encoding": "chunked"}, True), ({}, False)]
)
def test_a_request_that_was_answered_before_it_was_whole_says_so(headers: dict[str, str], early: bool) -> None:
    frames = [frame for frame in http(b"abc", [BODY]) if frame[0] != Kind.REQUEST_END]
    frames[0] = opening(headers=headers)

    assert (ANSWERED_EARLY in (fold(frames).facts.problem or "")) == early

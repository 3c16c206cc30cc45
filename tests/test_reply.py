"""Answers over HTTP: events with their times and sizes, encoded or not; what is not JSON; what is cut."""

from __future__ import annotations

import gzip
import itertools
import json
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from journalled import chunked, fold, fold_in_parts, http, sse
from playhead.proxy.assembling import reply

EVENTS = [
    b'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1","status":"in_progress"}}\n\n',
    b": keepalive\n\n",
    b'data: {"type":"response.output_text.delta","item":{"x":{}},"delta":"\xc3\xa9","sequence_number":1}\n\n',
    b'event: response.completed\ndata: {"type":"response.completed","sequence_number":2,"response":{"id":"resp_1","usage":{"input_tokens":1}}}\n\n',
]
STREAM = b"".join(EVENTS)
TYPES = ["response.created", None, "response.output_text.delta", "response.completed"]


class Gzip:
    """Each piece flushed, as servers of event streams do."""

    def __init__(self, wbits: int = 31) -> None:
        self._z = zlib.compressobj(6, zlib.DEFLATED, wbits)

    def piece(self, data: bytes) -> bytes:
        return self._z.compress(data) + self._z.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._z.flush()


class Brotli:
    def __init__(self) -> None:
        self._c = brotli.Compressor(quality=4)

    def piece(self, data: bytes) -> bytes:
        return bytes(self._c.process(data) + self._c.flush())

    def end(self) -> bytes:
        return bytes(self._c.finish())


class Zstd:
    def __init__(self) -> None:
        self._c = zstandard.ZstdCompressor().compressobj()

    def piece(self, data: bytes) -> bytes:
        return self._c.compress(data) + self._c.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def end(self) -> bytes:
        return self._c.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH)


CODERS: dict[str, Callable[[], Gzip | Brotli | Zstd]] = {"gzip": Gzip, "deflate": lambda: Gzip(15), "br": Brotli, "zstd": Zstd}


def test_every_event_has_its_row_with_type_number_time_and_size() -> None:
    recorded = fold(sse(chunked(EVENTS)))

    assert [event.type for event in recorded.events] == TYPES
    assert [event.sequence_number for event in recorded.events] == [0, None, 1, 2]
    assert [event.offset_ns for event in recorded.events] == [1_000_000, 2_000_000, 3_000_000, 4_000_000]
    assert [event.bytes for event in recorded.events] == [len(event) for event in EVENTS]
    assert [event.seq for event in recorded.events] == [0, 1, 2, 3]
    assert (recorded.transport, recorded.event_count, recorded.first_event_ns) == ("sse", 4, 1_000_000)


def test_a_comment_is_not_the_first_event() -> None:
    assert fold(sse(chunked([b": hi\n\n", *EVENTS]))).first_event_ns == 2_000_000


def test_chunks_and_trailers_are_kept_apart_from_the_body() -> None:
    raw = fold(sse([*chunked(EVENTS)[:-1], b"0\r\nX-T: 1\r\n\r\n"])).raw

    assert (raw.response, raw.chunks, raw.trailers) == (STREAM, tuple(map(len, EVENTS)), b"X-T: 1\r\n")


def test_an_event_has_the_time_of_its_last_byte() -> None:
    wire = b"".join(chunked([STREAM]))
    at = len(wire) - 20

    assert [event.offset_ns for event in fold(sse([wire[:at], wire[at:]])).events] == [1_000_000, 1_000_000, 1_000_000, 2_000_000]


@given(st.lists(st.integers(0, 700)))
def test_any_splits_give_the_same_events_and_facts(cuts: list[int]) -> None:
    wire, whole = b"".join(chunked(EVENTS)), fold(sse(chunked(EVENTS)))
    places = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    recorded = fold(sse([wire[start:end] for start, end in itertools.pairwise(places)]))

    assert [(event.type, event.sequence_number, event.bytes) for event in recorded.events] == [
        (event.type, event.sequence_number, event.bytes) for event in whole.events
    ]
    assert (recorded.facts, recorded.raw.response, recorded.raw.chunks) == (whole.facts, whole.raw.response, whole.raw.chunks)


def test_the_rest_of_a_cut_stream_is_a_row_without_a_type() -> None:
    recorded = fold(sse(chunked([*EVENTS[:3], EVENTS[3][:60]])[:-1], end={"outcome": "upstream_closed"}))

    assert [(event.type, event.bytes) for event in recorded.events[-1:]] == [(None, 60)]
    assert sum(event.bytes for event in recorded.events) == len(recorded.raw.response)
    assert (recorded.facts.parse, recorded.facts.response_id, recorded.facts.usage) == ("partial", "resp_1", None)


def test_a_terminal_event_that_lacks_only_its_blank_line_is_read() -> None:
    recorded = fold(sse(chunked([*EVENTS[:3], EVENTS[3][:-1]])))

    assert recorded.events[-1].type is None
    assert (recorded.facts.parse, recorded.facts.usage) == ("parsed", {"input_tokens": 1})


def test_a_stream_that_went_on_after_its_terminal_event_is_parsed_though_it_was_cut() -> None:
    assert fold(sse(chunked(EVENTS)[:-1], end={"outcome": "client_closed"})).facts.parse == "parsed"


def test_an_event_that_is_not_json_is_a_problem() -> None:
    facts = fold(sse(chunked([b"event: response.completed\ndata: {\n\n"]))).facts

    assert (facts.parse, facts.problem) == ("partial", "1 of its events are no JSON objects")


@pytest.mark.parametrize("coding", CODERS)
def test_events_of_an_encoded_stream_have_their_own_times_and_decoded_sizes(coding: str) -> None:
    coder = CODERS[coding]()
    pieces = [coder.piece(event) for event in EVENTS] + [coder.end()]
    recorded = fold(sse(chunked(pieces), **{"Content-Encoding": coding}))

    assert [event.offset_ns for event in recorded.events] == [1_000_000, 2_000_000, 3_000_000, 4_000_000]
    assert [event.bytes for event in recorded.events] == [len(event) for event in EVENTS]
    assert recorded.raw.response == b"".join(pieces)
    assert (recorded.response_bytes, recorded.facts.parse) == (len(b"".join(pieces)), "parsed")


@pytest.mark.parametrize("coding", CODERS)
def test_an_encoded_stream_spilled_and_restored_before_any_frame_is_the_same(coding: str) -> None:
    coder = CODERS[coding]()
    wire = b"".join(chunked([*(coder.piece(event) for event in EVENTS), coder.end()]))
    frames = sse([wire[at : at + 19] for at in range(0, len(wire), 19)], **{"Content-Encoding": coding})
    for cut in range(1, len(frames)):
        assert fold_in_parts(frames, [cut])[0] == fold(frames), cut


@pytest.mark.parametrize("coding", CODERS)
def test_an_encoded_json_body_is_decoded_for_its_facts_only(coding: str) -> None:
    coder = CODERS[coding]()
    body = coder.piece(b'{"id":"resp_1","status":"completed"}') + coder.end()
    frames = http(b"{}", [body[:9], body[9:]], headers={"Content-Type": "application/json", "content-encoding": coding})
    recorded = fold(frames)

    assert (recorded.facts.response_id, recorded.facts.parse, recorded.raw.response) == ("resp_1", "parsed", body)
    assert fold_in_parts(frames, range(1, len(frames)))[0] == recorded


def test_identity_is_no_encoding() -> None:
    assert fold(http(b"{}", [b'{"id":"resp_1"}'], headers={"Content-Type": "application/json", "Content-Encoding": "identity"})).facts.parse == "parsed"


def test_an_unknown_encoding_is_a_problem() -> None:
    facts = fold(http(b"{}", [b"abc"], headers={"Content-Type": "application/json", "Content-Encoding": "rot13"})).facts

    assert facts.parse == "unparsed"
    assert "rot13" in (facts.problem or "")


def test_a_truncated_encoded_answer_is_a_problem_unless_it_was_cut() -> None:
    body = gzip.compress(b'{"id":"resp_1"}')[:-4]
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}

    assert "truncated gzip" in (fold(http(b"{}", [body], headers=headers)).facts.problem or "")
    assert fold(http(b"{}", [body], headers=headers, end={"outcome": "upstream_closed"})).facts.problem is None


def test_a_long_encoded_stream_loses_its_events_at_a_restart_and_says_so() -> None:
    noise = [json.dumps({"type": "x", "delta": bytes(range(256)).hex() * 40}).encode() for _ in range(3)]
    stored = zlib.compressobj(0, zlib.DEFLATED, 31)
    pieces = [stored.compress(b"data: " + text + b"\n\n") + stored.flush(zlib.Z_SYNC_FLUSH) for text in noise * 40]
    assert sum(map(len, pieces)) > reply.MAX_FED
    frames = sse(chunked(pieces), **{"Content-Encoding": "gzip"})
    recorded, _ = fold_in_parts(frames, [len(frames) - 5])

    assert recorded.raw.response == fold(frames).raw.response
    assert "cut by a restart of the recorder" in (recorded.facts.problem or "")


def test_an_answer_that_decodes_to_too_much_is_not_parsed() -> None:
    bomb = gzip.compress(bytes(reply.MAX_TEXT + 1))
    facts = fold(http(b"{}", [bomb], headers={"Content-Type": "application/json", "Content-Encoding": "gzip"})).facts

    assert "more than 32 MiB" in (facts.problem or "")


def test_json_that_is_none_is_unparsed() -> None:
    facts = fold(http(b"{}", [b'{"id": ']))

    assert (facts.facts.parse, facts.facts.problem) == ("unparsed", "the answer is not JSON")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"output":' + b"[" * 5000 + b"]" * 5000 + b"}", "the answer is nested too deeply to be parsed"),
        (b'{"created_at":' + b"9" * 5000 + b"}", "the answer has a number that is too long to be parsed"),
    ],
)
def test_json_that_is_beyond_parsing_is_not_called_something_else(body: bytes, problem: str) -> None:
    facts = fold(http(b"{}", [body])).facts

    assert (facts.parse, facts.problem) == ("unparsed", problem)


def test_a_page_of_something_in_between_is_unparsed() -> None:
    facts = fold(http(b"{}", [b"<html>"], status=502, headers={"Content-Type": "text/html"})).facts

    assert (facts.parse, facts.problem) == ("unparsed", "the answer is not JSON but text/html")


def test_an_answer_that_names_no_type_is_told_so() -> None:
    assert fold(http(b"{}", [b"<html>"], headers={})).facts.problem == "the answer is not JSON but of no declared type"


def test_sound_is_an_answer_too() -> None:
    facts = fold(http(b'{"model":"tts-1"}', [b"\xff\xf3"], path="/v1/audio/speech", headers={"Content-Type": "audio/mpeg"})).facts

    assert (facts.kind, facts.model, facts.parse, facts.problem) == ("audio", "tts-1", "not_applicable", None)


def test_an_error_in_json_is_read_whatever_its_type_is_called() -> None:
    facts = fold(http(b"{}", [b' {"error":{"code":"x"}}'], status=400, headers={"Content-Type": "text/plain"})).facts

    assert (facts.error_code, facts.parse) == ("x", "parsed")


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n", b"\r\n\r\n"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"\n "])
def test_an_object_that_is_called_a_stream_is_read_whatever_stands_around_it(start: bytes, end: bytes) -> None:
    facts = fold(sse(chunked([start + b'{"error": {"code": "no"}}' + end]))).facts

    assert (facts.parse, facts.error_code, facts.problem) == ("parsed", "no", None)


@pytest.mark.parametrize("coding", ["identity", *CODERS])
def test_an_object_is_read_though_it_is_called_a_stream(coding: str) -> None:
    body = [b'{\n "error": ', b'{"code": "no"}\n}\n']
    coder = CODERS.get(coding, lambda: None)()
    pieces = [*map(coder.piece, body), coder.end()] if coder else body
    frames = sse(chunked(pieces), **{"Content-Encoding": coding})

    for recorded in (fold(frames), fold_in_parts(frames, range(len(frames)))[0]):
        assert (recorded.facts.parse, recorded.facts.error_code, recorded.facts.problem) == ("parsed", "no", None)


def test_of_an_object_that_was_cut_and_called_a_stream_nothing_is_known() -> None:
    facts = fold(sse(chunked([b'{"error": {"code": "no"']), end={"outcome": "upstream_closed"})).facts

    assert (facts.parse, facts.error_code, facts.problem) == ("partial", None, None)


def test_an_object_behind_events_is_a_rest() -> None:
    recorded = fold(sse(chunked([*EVENTS, b'{"error": {"code": "no"}}'])))

    assert (recorded.facts.error_code, recorded.events[-1].type) == (None, None)


def test_white_space_that_keeps_a_connection_open_is_no_answer_yet() -> None:
    facts = fold(http(b"{}", [b"\n         \n" * 900, b'{"id":"resp_1"}'], headers={"Content-Type": "text/plain"})).facts

    assert (facts.response_id, facts.parse) == ("resp_1", "parsed")


def test_a_stream_that_is_not_declared_tells_its_facts() -> None:
    recorded = fold(http(b"{}", [STREAM], headers={"Content-Type": "application/octet-stream"}))

    assert (recorded.transport, recorded.events, recorded.facts.usage, recorded.facts.parse) == ("http", [], {"input_tokens": 1}, "parsed")


def test_a_bad_chunk_is_a_problem_behind_what_was_good() -> None:
    recorded = fold(sse([*chunked(EVENTS[:1])[:-1], b"zz\r\n"], end={"outcome": "upstream_closed"}))

    assert recorded.raw.response == EVENTS[0]
    assert "bad chunk" in (recorded.facts.problem or "")


def test_several_encodings_are_undone_in_turn() -> None:
    body = gzip.compress(zlib.compress(b'{"id":"resp_1"}'))
    frames = http(b"{}", [body], headers={"Content-Type": "application/json", "Content-Encoding": "deflate, gzip"})

    assert fold(frames).facts.response_id == "resp_1"


@given(st.binary(max_size=200), st.sampled_from(["", "gzip", "br", "zstd", "deflate"]), st.sampled_from(["text/event-stream", "application/json", "x"]))
def test_garbage_never_raises_and_is_kept(body: bytes, coding: str, kind: str) -> None:
    frames = http(b"{", [body[:7], body[7:]], headers={"Content-Type": kind, "Content-Encoding": coding})

    whole, parts = fold(frames), fold_in_parts(frames, [4])[0]

    assert whole.raw.response == body
    assert (parts.raw, parts.events) == (whole.raw, whole.events)
    if not coding:  # what decoders give before they find a fault depends on the pieces that they get
        assert parts.facts == whole.facts


UNDECLARED = b'event: response.in_progress\ndata: {"type":"response.in_progress","sequence_number":3,"response":{"id":"resp_1"}}\n\n'
LAST = b'data: {"type":"response.completed","sequence_number":4,"response":{"id":"resp_1","status":"completed","output":[{"type":"shell_call"}]}}'


def test_what_is_odd_about_a_stream_is_told_though_its_server_does_not_say_what_it_is() -> None:
    recorded = fold(http(b"{}", [UNDECLARED + LAST + b"\n\n"], headers={"Content-Type": "application/json"}))

    assert recorded.facts.problem == "begins with response.in_progress at 3: what came before is missing"
    assert (recorded.facts.parse, len(recorded.items)) == ("parsed", 1)


def test_such_a_stream_may_lack_its_last_blank_line() -> None:
    assert fold(http(b"{}", [UNDECLARED + LAST], headers={"Content-Type": "application/json"})).facts.response_status == "completed"


def test_what_comes_with_an_error_status_is_read_as_an_error() -> None:
    body = b'{"object":"error","type":"NotFoundError","code":404}'
    facts = fold(http(b"{}", [body], path="/v1/messages", status=404)).facts

    assert (facts.error_code, facts.problems) == ("404", [])

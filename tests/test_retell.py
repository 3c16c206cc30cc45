"""A recorded create is told as another transport tells it."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy import sse
from playhead.proxy.forwarding.http1 import parse_head
from playhead.proxy.recordings.retell import Messages, messages_of, retell
from playhead.proxy.recordings.told import Recording
from playhead.proxy.script import Begin, Break, Data, End, Hold, Source, Step, script
from playhead.proxy.unfold import unfold
from playhead.storage.records import Asks, Outcome
from retold import JSON_HEAD, SSE_HEAD, STEP, as_json, as_sse, as_ws, block, recorded
from streams import COMPLETED_STREAM as STREAM
from streams import lifecycle, numbered
from test_fold_corpus import folded, wire
from test_fold_corpus import streams as corpus_streams
from unfolded import corpus, responses

Json = dict[str, Any]

WHOLE: Json = STREAM[-1]["response"]
REFUSAL: Json = {"type": "error", "status": 400, "error": {"type": "invalid_request_error", "code": "x", "message": "No.", "param": None}}
NESTED = {"type": "error", "error": {"type": "server_error", "code": "server_error", "message": "Sorry.", "param": None}, "sequence_number": 1}
FLAT = {"type": "error", "sequence_number": 1, "code": "server_error", "message": "Sorry.", "param": None}
FAILED = lifecycle("failed", status="failed", error={"code": "server_error", "message": "Sorry."}) | {"sequence_number": 2}
CREATED = numbered(lifecycle("created"))[0]


class Answer:
    """What a client over HTTP gets."""

    def __init__(self, recording: Recording, *, streams: bool) -> None:
        raw, outcome = retell(recording, streams=streams, exchange=12)
        self.steps: list[Step] = list(script(Source.of(raw, outcome, recording.ended_ns)))
        self.body = b"".join(step.payload for step in self.steps if isinstance(step, Data))
        self.begin = next((step for step in self.steps if isinstance(step, Begin)), None)
        self.end = type(self.steps[-1])

    @property
    def status(self) -> int:
        assert self.begin is not None
        return self.begin.head.status

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        assert self.begin is not None
        return self.begin.head.headers

    def get(self, name: bytes) -> bytes | None:
        assert self.begin is not None
        return self.begin.head.get(name)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Json]:
        return [json.loads(found.data) for found in sse.Decoder().feed(self.body)]

    @property
    def times(self) -> list[int]:
        """When the head and each piece of the body comes."""
        return [step.at for step in self.steps if isinstance(step, Begin) or (isinstance(step, Data) and step.payload)]


def sse_of(recording: Recording) -> Answer:
    return Answer(recording, streams=True)


def json_of(recording: Recording) -> Answer:
    return Answer(recording, streams=False)


def values(messages: Messages) -> list[Json]:
    return [json.loads(text) for _, text in messages.texts]


def response_in(events: list[Json]) -> Json:
    return wire(folded(events).result())


# All that is whole.


def test_every_stream_of_the_corpus_is_the_same_response_everywhere(shared: Path) -> None:
    for name, stream in corpus_streams(shared).items():
        expected = response_in(stream)
        lane = [event | {"stream_id": "lane"} for event in stream]
        assert json_of(as_sse(stream)).json == json_of(as_ws(stream)).json == json_of(as_ws(lane)).json == expected, name
        assert sse_of(as_ws(lane)).events == values(messages_of(as_sse(stream))) == values(messages_of(as_ws(lane))) == stream, name


def test_every_body_of_the_corpus_is_the_same_response_everywhere(shared: Path) -> None:
    for name, response in corpus(shared):
        events = unfold(response)
        assert sse_of(as_json(response)).events == values(messages_of(as_json(response))) == events, name
        assert response_in(events) == response, name


@given(responses)
def test_every_response_comes_back_from_every_transport(response: Json) -> None:
    recording = as_json(response | {"error": None})
    events = sse_of(recording).events

    assert values(messages_of(recording)) == events
    if response["status"] not in ("queued", "in_progress"):
        again = as_sse(events), as_ws(events, "lane")
        assert [json_of(each).json for each in again] == [response | {"error": None}] * 2


# Streams on sockets, and back.


def test_messages_are_the_data_of_a_stream_as_it_was_at_its_time() -> None:
    found = messages_of(recorded("sse", SSE_HEAD, b": hi\n\n", *map(block, STREAM), b"data: [DONE]\n\n"))

    assert found.ending == "end"
    assert found.texts == [(STEP * place, json.dumps(event).encode()) for place, event in enumerate(STREAM, 2)]


def test_a_stream_has_the_messages_as_they_were_without_their_lane() -> None:
    answer = sse_of(as_ws(STREAM, "lane"))

    assert answer.body == b"".join(map(block, STREAM))
    assert answer.times == [STEP, *(STEP * place for place in range(1, len(STREAM) + 1))]
    assert (answer.status, answer.get(b"content-type"), answer.end) == (200, b"text/event-stream; charset=utf-8", End)


def test_a_message_in_several_lines_becomes_data_in_several_lines() -> None:
    text = b'{\r\n"type": "keepalive",\n"a": 1}'

    assert sse_of(recorded("ws", as_ws([]).raw.response_heads, text)).body == b'event: keepalive\ndata: {\ndata: "type": "keepalive",\ndata: "a": 1}\n\n'


def test_a_name_that_would_break_its_line_is_left_to_the_data() -> None:
    assert sse_of(as_ws([{"type": "a\nb"}])).body == b'data: {"type": "a\\nb"}\n\n'


def test_events_that_only_sockets_have_are_left_out_and_not_counted() -> None:
    steer = {"type": "response.steer.accepted", "sequence_number": 1, "steer": {"id": "s"}}
    timing = {"type": "responsesapi.websocket_timing"}
    sent = [timing, STREAM[0], steer, *(event | {"sequence_number": event["sequence_number"] + 1} for event in STREAM[1:])]

    assert sse_of(as_ws(sent)).events == STREAM


def test_a_socket_gets_the_same_times_as_a_stream() -> None:
    assert [at for at, _ in messages_of(as_ws(STREAM, "lane")).texts] == [at for at, _ in messages_of(as_sse(STREAM)).texts]


# Heads.


def test_a_head_says_what_was_recorded_but_for_the_body() -> None:
    answer = sse_of(as_json(WHOLE, JSON_HEAD[:-2] + b"Content-Length: 5\r\nOpenAI-Version: 2020-10-01\r\n\r\n"))

    assert answer.headers == [
        (b"x-request-id", b"req_1"),
        (b"OpenAI-Version", b"2020-10-01"),
        (b"Content-Type", b"text/event-stream; charset=utf-8"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Playhead-Replayed", b"12; transport=http"),
    ]


def test_a_handshake_lends_its_head_without_what_makes_a_socket() -> None:
    answer = json_of(as_ws(STREAM))

    assert [name for name, _ in answer.headers] == [b"x-request-id", b"Content-Type", b"Content-Length", b"Playhead-Replayed"]
    assert (answer.status, answer.get(b"playhead-replayed")) == (200, b"12; transport=ws")


def test_a_body_that_was_compressed_is_plain() -> None:
    text = gzip.compress(json.dumps(WHOLE).encode())
    answer = sse_of(as_json(text, JSON_HEAD[:-2] + b"Content-Encoding: gzip\r\n\r\n"))

    assert (answer.events, answer.get(b"content-encoding")) == (unfold(WHOLE), None)


def test_json_comes_when_the_stream_ended() -> None:
    answer = json_of(as_sse(STREAM))

    assert answer.times == [STEP * len(STREAM)] * 2
    assert (answer.get(b"content-type"), answer.get(b"content-length"), answer.end) == (b"application/json", b"%d" % len(answer.body), End)


# Errors.


@pytest.mark.parametrize("streams", [True, False])
def test_a_refusal_on_a_socket_is_a_status_over_http(streams: bool) -> None:
    answer = Answer(as_ws([REFUSAL | {"error": REFUSAL["error"] | {"headers": {"X-Request-Id": "req_2"}}}], "lane"), streams=streams)

    assert (answer.status, answer.json, answer.get(b"x-request-id"), answer.end) == (400, {"error": REFUSAL["error"]}, b"req_2", End)


def test_a_refusal_over_http_is_one_message_on_a_socket() -> None:
    head = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\r\n"

    assert values(messages_of(as_json({"error": REFUSAL["error"]}, head))) == [REFUSAL]
    assert messages_of(as_json({"error": REFUSAL["error"]}, head)).ending == "end"


@pytest.mark.parametrize("recording", [as_json({"error": {}}, b"HTTP/1.1 500 Oh\r\n\r\n"), as_json({"error": {"message": "x"}}), as_json(b"<html>")])
def test_what_is_no_response_stays_what_it_was_over_http(recording: Recording) -> None:
    for answer in (sse_of(recording), json_of(recording)):
        assert answer.body == recording.raw.response
        assert answer.headers == [*parse_head(recording.raw.response_heads).headers, (b"Playhead-Replayed", b"12; transport=http")]


def test_what_is_no_response_is_an_error_on_a_socket() -> None:
    assert [values(messages_of(as_json(body)))[0]["status"] for body in ({"error": {"message": "x"}}, b"<html>")] == [502, 502]


def test_an_error_of_a_running_response_has_the_shape_of_its_transport() -> None:
    assert sse_of(as_ws([CREATED, NESTED, FAILED], "lane")).events == [CREATED, FLAT, FAILED]
    assert values(messages_of(as_sse([CREATED, FLAT, FAILED]))) == [CREATED, NESTED, FAILED]
    assert values(messages_of(as_sse([CREATED, NESTED]))) == [CREATED, NESTED]


@pytest.mark.parametrize("events", [[CREATED, FLAT], [CREATED, FLAT, FAILED], [FLAT, FAILED]])
def test_a_failed_response_is_a_body_with_a_good_status(events: list[Json]) -> None:
    answer = json_of(as_sse(events))

    assert (answer.status, answer.json["status"], answer.json["error"]["code"]) == (200, "failed", "server_error")


def test_an_error_that_is_all_of_a_stream_refuses_the_request() -> None:
    recording = as_sse([FLAT | {"code": "rate_limit_exceeded"}])

    assert (json_of(recording).status, json_of(recording).json["error"]["code"]) == (429, "rate_limit_exceeded")
    assert values(messages_of(recording))[0]["status"] == 429


# What was cut.


@pytest.mark.parametrize(("outcome", "end"), [("upstream_closed", Break), ("timeout", Break), ("complete", Break), ("client_closed", Hold)])
def test_a_turn_that_was_cut_is_a_stream_that_is_cut(outcome: Outcome, end: type[Step]) -> None:
    answer = sse_of(as_ws(STREAM[:4], outcome=outcome))

    assert (answer.events, answer.end) == (STREAM[:4], end)


@pytest.mark.parametrize("recording", [as_sse(STREAM[:4], outcome="upstream_closed"), as_sse(STREAM[:4]), as_ws(STREAM[:4], outcome="aborted")])
def test_json_of_a_stream_that_was_cut_breaks_off(recording: Recording) -> None:
    answer = json_of(recording)

    assert (answer.status, answer.end) == (200, Break)
    with pytest.raises(ValueError, match=r"."):
        json.loads(answer.body)


def test_of_a_stream_that_its_client_left_json_never_comes() -> None:
    assert [type(step) for step in json_of(as_sse(STREAM[:4], outcome="client_closed")).steps] == [Hold]


def test_a_stream_that_was_left_behind_its_end_is_whole() -> None:
    recording = as_sse(STREAM, outcome="client_closed")

    assert (json_of(recording).json, json_of(recording).end) == (WHOLE, End)
    assert messages_of(recording).ending == "end"


@pytest.mark.parametrize(("outcome", "ending"), [("upstream_closed", "cut"), ("complete", "cut"), ("client_closed", "hold")])
def test_a_socket_is_cut_where_the_stream_was(outcome: Outcome, ending: str) -> None:
    found = messages_of(as_sse(STREAM[:4], outcome=outcome))

    assert (values(found), found.ending) == (STREAM[:4], ending)


@pytest.mark.parametrize(("outcome", "end", "ending"), [("upstream_closed", Break, "cut"), ("client_closed", Hold, "hold")])
def test_a_body_that_was_cut_tells_nothing(outcome: Outcome, end: type[Step], ending: str) -> None:
    recording = as_json(b'{"id": "resp', outcome=outcome)
    answer = sse_of(recording)

    assert (answer.status, answer.get(b"content-type"), answer.body, answer.end) == (200, b"text/event-stream; charset=utf-8", b"", end)
    assert messages_of(recording) == Messages((), "hold" if end is Hold else "cut")


@pytest.mark.parametrize("streams", [True, False])
def test_where_no_answer_came_none_comes(streams: bool) -> None:
    recording = recorded("http", b"", outcome="upstream_closed")

    assert [type(step) for step in Answer(recording, streams=streams).steps] == [Break]
    assert messages_of(recording) == Messages((), "cut")


def test_one_that_waits_in_the_background_is_told_so_far() -> None:
    queued = as_json(WHOLE | {"status": "queued", "background": True, "output": []})

    assert ([event["type"] for event in sse_of(queued).events], sse_of(queued).end) == (["response.created", "response.queued"], End)
    assert messages_of(queued).ending == "end"


def test_a_stream_that_left_its_response_to_the_background_is_whole() -> None:
    waiting = WHOLE | {"status": "queued", "background": True, "output": []}
    recording = as_sse(unfold(waiting))

    assert (json_of(recording).json, json_of(recording).end) == (waiting, End)
    assert messages_of(recording).ending == sse_of(as_ws(unfold(waiting))).end.__name__.lower() == "end"
    assert messages_of(recording._replace(outcome="upstream_closed")).ending == "cut"


def test_an_event_that_is_no_json_goes_along() -> None:
    assert [text for _, text in messages_of(recorded("sse", SSE_HEAD, b"data: oops\n\n")).texts] == [b"oops"]
    assert json_of(recorded("sse", SSE_HEAD, b"data: oops\n\n", *map(block, STREAM))).json == WHOLE


def test_text_that_is_none_is_made_one_for_a_socket() -> None:
    assert [text for _, text in messages_of(recorded("sse", SSE_HEAD, b"data: \xff\n\n")).texts] == ["\ufffd".encode()]


@given(st.binary(max_size=60) | responses.map(lambda made: json.dumps(made).encode()), st.sampled_from(["http", "sse", "ws"]), st.booleans())
def test_nothing_that_was_recorded_is_too_odd_to_be_told(body: bytes, asks: Asks, streams: bool) -> None:
    head = {"http": JSON_HEAD, "sse": SSE_HEAD, "ws": as_ws([]).raw.response_heads}[asks]
    recording = recorded(asks, head, body[:7], body[7:], outcome="upstream_closed")

    assert Answer(recording, streams=streams).steps
    assert messages_of(recording).ending in ("end", "cut")


def test_nothing_is_nested_too_deeply_to_be_told() -> None:
    limit = sys.getrecursionlimit()
    for depth in range(limit - 200, limit):
        recording = as_json(b'{"id":"resp_1","x":' + b"[" * depth + b"]" * depth + b"}")
        assert sse_of(recording).end is End
        assert messages_of(recording).ending == "end"


def test_a_stream_that_nobody_had_asked_for_stays_what_it_was() -> None:
    answer = sse_of(recorded("http", SSE_HEAD, *map(block, STREAM)))

    assert (answer.body, answer.get(b"playhead-replayed")) == (b"".join(map(block, STREAM)), b"12; transport=http")

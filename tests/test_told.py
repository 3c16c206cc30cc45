"""What a recorded create tells is the same, whatever it was recorded over."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pytest

from playhead.proxy.recordings.told import Recording, told
from retold import JSON_HEAD, SSE_HEAD, STEP, as_json, as_sse, as_ws, block, recorded
from streams import COMPLETED_STREAM as STREAM


def texts(recording: Recording) -> list[tuple[int, object]]:
    return [(event.at, json.loads(event.text)) for event in told(recording).events or ()]


def test_events_have_the_times_at_which_they_were_whole() -> None:
    expected = [(STEP * place, event) for place, event in enumerate(STREAM, 1)]

    assert texts(as_sse(STREAM)) == texts(as_ws(STREAM)) == expected


def test_an_event_that_came_in_pieces_came_with_its_last_one() -> None:
    text = block(STREAM[0])

    assert texts(recorded("sse", SSE_HEAD, text[:9], text[9:])) == [(2 * STEP, STREAM[0])]


def test_codings_are_undone() -> None:
    head = SSE_HEAD[:-2] + b"Content-Encoding: gzip\r\n\r\n"

    assert texts(recorded("sse", head, gzip.compress(b"".join(map(block, STREAM))))) == [(STEP, event) for event in STREAM]


def test_comments_and_the_end_mark_are_no_events() -> None:
    assert texts(recorded("sse", SSE_HEAD, b": hello\n\n", block(STREAM[0]), b"data: [DONE]\n\n")) == [(2 * STEP, STREAM[0])]


def test_a_stream_is_known_by_its_beginning_too() -> None:
    assert texts(recorded("http", JSON_HEAD, block(STREAM[0]))) == [(STEP, STREAM[0])]


def test_a_last_event_that_lacks_its_blank_line_only_counts() -> None:
    assert texts(recorded("sse", SSE_HEAD, block(STREAM[0]).rstrip())) == [(STEP, STREAM[0])]
    assert texts(recorded("sse", SSE_HEAD, block(STREAM[0])[:-9])) == []


def test_an_event_that_only_its_block_names_gets_its_type() -> None:
    assert texts(recorded("sse", SSE_HEAD, b'event: error\ndata: {"message":"x"}\n\n')) == [(STEP, {"message": "x", "type": "error"})]


def test_what_is_no_json_is_an_event_without_a_type() -> None:
    events = told(recorded("sse", SSE_HEAD, b"data: oops\n\n")).events or []

    assert [(event.text, event.value, event.type) for event in events] == [(b"oops", {}, "")]


@pytest.mark.parametrize(("count", "ended"), [(len(STREAM), True), (1, False)])
def test_a_stream_ends_with_its_last_event(count: int, ended: bool) -> None:
    assert told(as_sse(STREAM[:count])).ended is ended


def test_a_body_is_no_stream() -> None:
    heard = told(as_json({"id": "resp_1"}))

    assert (heard.events, json.loads(heard.body), heard.at, heard.ended) == (None, {"id": "resp_1"}, STEP, False)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/9 x\r\n\r\n"])
def test_there_may_be_no_head(head: bytes) -> None:
    assert told(recorded("http", head)).head is None


def test_what_no_frame_tells_of_came_at_the_end() -> None:
    recording = as_sse(STREAM)

    assert texts(recording._replace(raw=replace(recording.raw, frames=()))) == [(recording.ended_ns, event) for event in STREAM]

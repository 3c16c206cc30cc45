"""Faults in an answer over HTTP: at the event that they name, wherever the bytes were split."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.config.faults import parse_faults
from playhead.proxy.faults.answering import afflicted
from playhead.proxy.faults.edits import chance
from playhead.proxy.faults.errors import ErrorSubject
from playhead.proxy.forwarding.http1 import Chunked
from playhead.proxy.script import Begin, Break, Data, End, Hold, Met, Reset, Source, Step, Wait, script
from playhead.storage.records import Direction, Frame, Outcome, Raw

ASKED = ErrorSubject("openai", "session 7", "gpt-5")
MS = 1_000_000
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nX-Request-Id: req_1\r\nTransfer-Encoding: chunked\r\n\r\n"
TYPES = ["response.created", "response.output_text.delta", "response.output_text.delta", "response.output_text.delta", "response.completed"]


def block(type_: str, number: int) -> bytes:
    return f"event: {type_}\ndata: {json.dumps({'type': type_, 'sequence_number': number, 'delta': 'ä' * number})}\n\n".encode()


STREAM = [block(type_, number) for number, type_ in enumerate(TYPES)]


def answer(body: bytes, cuts: Iterable[int] = (), head: bytes = SSE, outcome: Outcome = "complete") -> Iterable[Step]:
    """The steps of a recorded answer whose body came in pieces that end at these places."""
    places = sorted({0, *(cut for cut in cuts if cut < len(body)), len(body)})
    sizes = [end - start for start, end in pairwise(places)]
    frames = (Frame(Direction.UPSTREAM, MS, 0), *(Frame(Direction.UPSTREAM, (2 + number) * MS, size) for number, size in enumerate(sizes)))
    chunks = tuple(sizes) if b"chunked" in head else ()
    return script(Source.of(Raw(b"POST /v1/responses HTTP/1.1\r\n\r\n", b"", head, body, b"", frames, chunks), outcome, 99 * MS))


def met(text: str, steps: Iterable[Step], asked: ErrorSubject = ASKED) -> list[Step]:
    return [*afflicted(steps, parse_faults(text), asked, method="POST")]


def body(steps: Sequence[Step]) -> bytes:
    return b"".join([step.payload for step in steps if isinstance(step, Data)])


def endings(steps: Sequence[Step]) -> list[type[Step]]:
    return [type(step) for step in steps if not isinstance(step, Data | Begin)]


def dechunked(steps: Sequence[Step]) -> bytes:
    scanner, found = Chunked(), []
    for step in steps:
        if isinstance(step, Data):
            scanner.feed(step.data)
            found += scanner.payload
    assert scanner.done == isinstance(steps[-1], End)
    return b"".join(found)


BROKEN = STREAM[2][:-3] + b",\n\n"
FAULTS: list[tuple[str, bytes, list[type[Step]]]] = [
    ("cut after 2 response.output_text.delta", b"".join(STREAM[:3]), [Met, Break]),
    ("cut", STREAM[0], [Met, Break]),
    ("reset before response.completed", b"".join(STREAM[:4]), [Met, Reset]),
    ("hang before 2 response.output_text.delta", b"".join(STREAM[:2]), [Met, Hold]),
    ("close 1011 after 4 events", b"".join(STREAM[:4]), [Met, Break]),
    ("cut at end", b"".join(STREAM), [Met, Break]),
    ("half-event before response.completed", b"".join(STREAM[:4]) + STREAM[4][: len(STREAM[4]) // 2], [Met, Break]),
    ("malformed after response.output_text.delta", b"".join([*STREAM[:2], BROKEN, *STREAM[3:]]), [Met, End]),
    ("malformed before 2 response.output_text.delta", b"".join([*STREAM[:2], BROKEN, *STREAM[3:]]), [Met, End]),
    ("duplicate before response.completed", b"".join([*STREAM, STREAM[4]]), [Met, End]),
    ("reorder after response.created", b"".join([STREAM[0], STREAM[2], STREAM[1], *STREAM[3:]]), [Met, End]),
    ("garbage before response.completed", b"".join([*STREAM[:4], b"data: " + b"\xff\xfe\x00\xff" * 4 + b"\n\n", STREAM[4]]), [Met, End]),
    ("latency 5s after response.created", b"".join(STREAM), [Met, Wait, End]),
    ("latency 5s", b"".join(STREAM), [Met, Wait, End]),
    ("duplicate after response.completed", b"".join(STREAM), [End]),
    ("cut after 9 response.output_text.delta", b"".join(STREAM), [End]),
    ("latency 1s; cut after response.created", STREAM[0], [Met, Wait, Met, Break]),
    ("drip 1000B/1ms; duplicate after response.created", b"".join([STREAM[0], STREAM[1], *STREAM[1:]]), [Met, *[Wait] * 2, Met, *[Wait] * 4, End]),
]


@pytest.mark.parametrize(("text", "seen", "ends"), FAULTS)
@given(cuts=st.lists(st.integers(1, len(b"".join(STREAM)) - 1), max_size=12))
def test_wherever_a_stream_was_split_a_fault_is_met_at_the_same_event(text: str, seen: bytes, ends: list[type[Step]], cuts: list[int]) -> None:
    steps = met(text, answer(b"".join(STREAM), cuts))

    assert body(steps) == seen
    assert dechunked(steps) == seen
    assert [step for step in endings(steps) if step is not Wait] == [step for step in ends if step is not Wait]
    assert [step.at for step in steps] == sorted(step.at for step in steps)


def test_a_drip_leaves_in_pieces_with_a_wait_before_each() -> None:
    steps = met("drip 50B/20ms", answer(b"".join(STREAM)))

    pieces = [step for step in steps if isinstance(step, Data) and step.payload]
    assert body(steps) == b"".join(STREAM)
    assert all(len(piece.payload) <= 50 for piece in pieces)
    assert [step.ns for step in steps if isinstance(step, Wait)] == [20 * MS] * len(pieces)


@pytest.mark.parametrize("coding", [b"", b"Content-Encoding: gzip\r\n"])
def test_a_coded_stream_is_cut_between_its_events_too(coding: bytes) -> None:
    sent = gzip.compress(b"".join(STREAM)) if coding else b"".join(STREAM)

    steps = met("cut after 2 response.output_text.delta", answer(sent, range(0, len(sent), 7), SSE[:-2] + coding + b"\r\n"))

    assert body(steps) == b"".join(STREAM[:3])
    assert next(step.head.get(b"content-encoding") for step in steps if isinstance(step, Begin)) is None


BODY = json.dumps({"id": "resp_1", "object": "response", "output": []}).encode()
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)


@pytest.mark.parametrize(
    ("text", "seen", "ends"),
    [
        ("cut", BODY[: len(BODY) // 2], [Met, Break]),
        ("reset after event", BODY[: len(BODY) // 2], [Met, Reset]),
        ("half-event", BODY[: len(BODY) // 2], [Met, Break]),
        ("hang", BODY[: len(BODY) // 2], [Met, Hold]),
        ("malformed", BODY[:-1] + b",", [Met, End]),
        ("duplicate", BODY, [End]),
        ("reset at start", b"", [Met, Reset]),
        ("latency 1s", BODY, [Met, Wait, End]),
    ],
)
@given(cuts=st.lists(st.integers(1, len(BODY) - 1), max_size=3))
def test_a_body_that_is_no_stream_meets_a_fault_in_its_middle(text: str, seen: bytes, ends: list[type[Step]], cuts: list[int]) -> None:
    steps = met(text, answer(BODY, cuts, PLAIN))

    assert body(steps) == seen
    assert endings(steps) == ends


def test_garbage_in_place_of_a_body_is_as_long_and_no_text() -> None:
    steps = met("garbage", answer(BODY, (), PLAIN))

    assert len(body(steps)) == len(BODY)
    with pytest.raises(UnicodeDecodeError):
        body(steps).decode()


def test_a_status_stands_in_place_of_the_whole_answer() -> None:
    steps = met("429 retry-after=2", answer(b"".join(STREAM)))

    begin = next(step for step in steps if isinstance(step, Begin))
    assert endings(steps) == [Met, End]
    assert (begin.head.status, begin.head.get(b"retry-after"), begin.head.get(b"x-ratelimit-reset-requests")) == (429, b"2", b"2s")
    assert json.loads(body(steps))["error"]["code"] == "rate_limit_exceeded"


def test_a_status_in_the_middle_of_a_stream_is_an_error_event() -> None:
    steps = met("500 after 2 response.output_text.delta", answer(b"".join(STREAM)))

    told: dict[str, Any] = json.loads(body(steps).removeprefix(b"".join(STREAM[:3])).split(b"data: ")[1])
    assert endings(steps) == [Met, End]
    assert (told["type"], told["sequence_number"], told["code"]) == ("error", 3, None)


def test_what_broke_off_in_the_recording_breaks_off_there_behind_a_fault_too() -> None:
    steps = met("duplicate after response.created", answer(b"".join(STREAM[:2]) + STREAM[2][:9], outcome="upstream_closed"))

    assert body(steps) == b"".join([STREAM[0], STREAM[1], STREAM[1], STREAM[2][:9]])
    assert endings(steps) == [Met, Break]


@given(st.integers(0, 1 << 40), st.text(max_size=9))
def test_chance_is_decided_by_seed_and_place_alone(seed: int, place: str) -> None:
    assert 0 <= chance(seed, place) == chance(seed, place) < 1


def test_latency_lies_between_its_bounds_and_differs_from_place_to_place() -> None:
    waits = [
        step.ns for place in "abc" for step in met("latency 300ms..2s seed=7", answer(b"".join(STREAM)), ASKED._replace(place=place)) if isinstance(step, Wait)
    ]

    assert all(300 * MS <= wait <= 2000 * MS for wait in waits)
    assert len(set(waits)) == 3

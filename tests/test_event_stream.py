"""Streams of events: rows, what is heard, and going on after a restart. What whole answers give of them is in test_reply.py."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.assembling.event_stream import EventStream
from playhead.proxy.assembling.gathered import Gathered
from playhead.proxy.models.kind import Shape
from playhead.storage.event_rows import EventRows
from playhead.storage.packing.columns import sizes_of
from playhead.storage.records import Facts

ITEM = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "status": "completed"}
RESPONSE = {"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": [ITEM], "usage": {"input_tokens": 1}}
EVENTS: list[dict[str, Any]] = [
    {"type": "response.created", "sequence_number": 0, "response": {**RESPONSE, "status": "in_progress", "output": [], "usage": None}},
    *[{"type": "response.output_text.delta", "sequence_number": n, "item_id": "m", "output_index": 0, "content_index": 0, "delta": "é"} for n in range(1, 6)],
    {"type": "response.new", "sequence_number": 6},
    {"type": "response.completed", "sequence_number": 7, "response": RESPONSE},
]
BODY = b"".join(f"event: {event['type']}\ndata: {json.dumps(event, separators=(',', ':'), ensure_ascii=False)}\n\n".encode() for event in EVENTS)


def heard(*pieces: bytes, settle: bool = False) -> tuple[EventRows, Facts, EventStream]:
    """`settle`: after each piece."""
    gathered, facts = Gathered(), Facts("responses")
    stream = EventStream(Shape("responses", "create"), gathered)
    for piece in pieces:
        stream.feed(5, piece)
        if settle:
            stream.settle()
    stream.close(6)
    facts.problem = stream.judge(facts)
    return gathered.rows, facts, stream


def test_every_event_has_a_row_whether_it_has_a_model_or_not() -> None:
    rows, _, _ = heard(BODY)

    assert [(row.type, row.sequence_number) for row in rows] == [(event["type"], event["sequence_number"]) for event in EVENTS]
    assert sum(row.bytes for row in rows) == len(BODY)


@given(st.lists(st.integers(0, len(BODY)), max_size=6))
def test_any_split_gives_the_same(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(BODY)]
    rows, facts, stream = heard(*[BODY[start:end] for start, end in pairwise(ends)])
    whole, expected, other = heard(BODY)

    assert (rows, facts, stream.items(), stream.notes) == (whole, expected, other.items(), other.notes)


ODD = [b": note", b"data: {}", b"event: done\ndata: [DONE]", b"event: x\ndata: [1]", b"event: x\ndata: "]


@given(st.lists(st.sampled_from([*BODY.split(b"\n\n"), *ODD]), max_size=9), st.data())
def test_any_split_of_any_events_gives_the_same(blocks: list[bytes], data: st.DataObject) -> None:
    body = b"".join([block + b"\n\n" for block in blocks])
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=6))
    ends = [0, *sorted(cuts), len(body)]
    rows, facts, stream = heard(*[body[start:end] for start, end in pairwise(ends)])
    by_bytes, expected, other = heard(*[body[at : at + 1] for at in range(len(body))], settle=True)

    assert (rows, facts, stream.items(), stream.notes) == (by_bytes, expected, other.items(), other.notes)
    assert stream.blocks in ((), sizes_of(body))


def test_the_blocks_of_usual_events_are_known_until_others_come() -> None:
    half = BODY.index(b"\n\n") + 2

    assert heard(BODY[:half], BODY[half:])[2].blocks == sizes_of(BODY)
    assert heard(BODY[: half - 1], BODY[half - 1 :], settle=True)[2].blocks == heard(BODY, b": note\n\n")[2].blocks == ()


@given(st.lists(st.integers(0, len(BODY)), max_size=6), st.booleans())
def test_what_is_held_has_the_times_at_which_it_came(cuts: list[int], odd: bool) -> None:
    body = BODY + b": note\n\n" * odd
    ends = [0, *sorted(cuts), len(body)]
    held, read = Gathered(), Gathered()
    late, at_once = (EventStream(Shape("responses", "create"), gathered) for gathered in (held, read))
    for at, (start, end) in enumerate(pairwise(ends)):
        late.feed(at, body[start:end])
        at_once.feed(at, body[start:end])
        at_once.settle()
    late.settle()

    assert (held.rows, held.first_ns) == (read.rows, read.first_ns)


@given(st.lists(st.tuples(st.sampled_from([*BODY.split(b"\n\n"), *ODD]), st.booleans()), max_size=6))
def test_to_settle_halfway_first_changes_nothing(blocks: list[tuple[bytes, bool]]) -> None:
    halved, whole = Gathered(), Gathered()
    by_halves, at_once = (EventStream(Shape("responses", "create"), gathered) for gathered in (halved, whole))
    for at, (block, halfway) in enumerate(blocks):
        for stream in (by_halves, at_once):
            stream.feed(at, block + b"\n\n")
        if halfway:
            by_halves.settle(halfway=True)
    facts, expected = Facts("responses"), Facts("responses")

    assert (by_halves.judge(facts), halved.rows, facts) == (at_once.judge(expected), whole.rows, expected)
    assert (by_halves.items(), by_halves.notes, by_halves.state()) == (at_once.items(), at_once.notes, at_once.state())


def test_what_the_end_tells_is_told() -> None:
    _, facts, stream = heard(BODY)

    assert (facts.response_id, facts.usage, facts.parse, facts.problem) == ("resp_1", {"input_tokens": 1}, "parsed", None)
    assert [(row.type, row.name) for row in stream.items()] == [("function_call", "f")]


def test_an_event_that_is_missing_is_noted() -> None:
    _, facts, stream = heard(BODY.replace(b'"sequence_number":3', b'"sequence_number":4'))

    assert facts.parse == "parsed"
    assert stream.notes


def test_a_type_that_stands_in_the_name_only_counts() -> None:
    _, facts, _ = heard(BODY.replace(b'"type":"response.completed",', b""))

    assert (facts.response_status, facts.parse) == ("completed", "parsed")


@pytest.mark.parametrize("at", [0, 1, 300, 700, len(BODY) - 1])
def test_a_stream_restored_from_its_state_goes_on_alike(at: int) -> None:
    first, second = Gathered(), Gathered()
    begun, going_on = EventStream(Shape("responses", "create"), first), EventStream(Shape("responses", "create"), second)
    begun.feed(5, BODY[:at])
    going_on.restore(json.loads(json.dumps(begun.state())))
    second.restore(first.state())
    facts, expected = Facts("responses"), Facts("responses")
    for stream, told in ((begun, expected), (going_on, facts)):
        stream.feed(5, BODY[at:])
        stream.judge(told)

    assert facts == expected
    assert going_on.items() == begun.items()
    assert second.rows == first.rows[-len(second.rows) :]


def test_not_much_is_held() -> None:
    gathered = Gathered()
    stream = EventStream(Shape("responses", "create"), gathered)
    for at in range(200):
        stream.feed(at, BODY)

    assert len(gathered.rows) > 150 * len(EVENTS)

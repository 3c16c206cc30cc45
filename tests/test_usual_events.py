"""Events taken apart by one expression are those that are found line by line."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.assembling.passing import DELTA
from playhead.proxy.assembling.usual_events import usual_events
from playhead.proxy.sse import Decoder

TEXT: dict[str, Any] = {"type": "response.output_text.delta", "sequence_number": 7, "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "a"}


def block(event: dict[str, Any], name: str | None = None) -> bytes:
    said = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return f"event: {name or event['type']}\ndata: {said}\n\n".encode()


def found(text: bytes) -> list[tuple[str, int, bytes | int]] | None:
    """Type, size, and JSON or number of each event."""
    usual = usual_events(text)
    if usual is None:
        return None
    said = [each for part in usual.parts for each in (part if isinstance(part, list) else [part])]
    return [*zip(usual.types, usual.sizes, said, strict=True)]


DELTAS = block(TEXT) + block({**TEXT, "delta": "é", "logprobs": [], "obfuscation": "x"}) + block({**TEXT, "delta": 'a "quoted" \\ /'}, "response.other")
STRANGE = st.sampled_from(
    [
        *(b": comment\n\n", b"event: done\ndata: [DONE]\n\n", b"event: a\ndata: \n\n", b"event: a\n\n", b"data: {}\n\n", b"event: message\ndata: {}\n\n"),
        *(b"event: a\ndata: {}\nid: 1\n\n", b"event: a\ndata:{}\n\n", b"event: a\r\ndata: {}\r\n\r\n", b"\n", b"\xef\xbb\xbf", b"event: \xff\ndata: {}\n\n"),
        *(b"event: a\ndata: {}", b"event: a\ndata: {\xff}\n\n", b"event: a\ndata: {}\n\nx", b"event: a\ndata: {}\n\n\n", block(TEXT)[:-3] + b"} \n\n"),
        *(block({**TEXT, "logprobs": [{}]}), block(TEXT).replace(b":7", b":07"), block({"type": "new"})),
    ]
)
PLAIN = st.sampled_from(
    [
        *(block(TEXT), block({**TEXT, "sequence_number": 123456}), block({**TEXT, "sequence_number": 10**13}), block({**TEXT, "item_id": "msg_2"})),
        *(block({**TEXT, "delta": "\n"}), block({"type": "response.new", "x": ["\n\n", "data: {"]}), DELTAS),
    ]
)


def test_deltas_are_found_with_their_numbers() -> None:
    assert [(kind, number) for kind, _, number in found(DELTAS) or ()] == [(TEXT["type"], 7), (TEXT["type"], 7), ("response.other", 7)]


def test_an_event_that_is_no_plain_delta_has_no_number() -> None:
    assert found(block({"type": "response.new"})) == [("response.new", 51, b'{"type":"response.new"}')]


def test_deltas_of_one_text_are_one_part_of_as_many_numbers() -> None:
    usual = usual_events(b"".join(block({**TEXT, "sequence_number": number, "delta": "a" * number}) for number in range(8, 12)))

    assert usual is not None
    assert usual.parts == [[8, 9, 10, 11]]


def test_deltas_of_items_that_grow_by_turns_are_one_part_of_all_their_numbers() -> None:
    usual = usual_events(b"".join(block({**TEXT, "sequence_number": number, "item_id": f"msg_{number % 2}"}, f"name{number % 3}") for number in range(8, 14)))

    assert usual is not None
    assert (usual.types, usual.parts) == ([f"name{number % 3}" for number in range(8, 14)], [[*range(8, 14)]])


def test_where_nothing_may_pass_all_deltas_are_told() -> None:
    usual = usual_events(DELTAS, passing=False)

    assert usual is not None
    assert [part[:1] for part in usual.parts] == [b"{", b"{", b"{"]


@pytest.mark.parametrize(
    "text", [b"", b"event: done\ndata: [DONE]\n\n", DELTAS[:-1], DELTAS + b"\n", b"x" + DELTAS, DELTAS.replace(b"\xc3", b"\xff"), b": x\n\n"]
)
def test_anything_else_is_left_to_the_decoder(text: bytes) -> None:
    assert found(text) is None


@given(st.lists(PLAIN | STRANGE, max_size=5), st.integers(0, 900), st.binary(max_size=2), st.booleans())
def test_what_is_found_is_what_the_decoder_finds_and_the_expression_for_deltas(blocks: list[bytes], at: int, edit: bytes, edited: bool) -> None:
    text = b"".join(blocks)
    if edited:
        text = text[:at] + edit + text[at + 1 :]
    usual, decoder = found(text), Decoder()
    if usual is not None:
        events = [(kind, size, int(match[1]) if (match := re.fullmatch(DELTA, data)) else data) for kind, data, size in decoder.feed(text)]
        assert usual == events
        assert decoder.between


@given(st.lists(PLAIN, min_size=1, max_size=9))
def test_plain_events_are_never_left_to_the_decoder(blocks: list[bytes]) -> None:
    assert found(b"".join(blocks)) is not None


@pytest.mark.parametrize("passing", [True, False])
def test_what_is_no_event_is_not_looked_through_for_one_at_each_place(passing: bool) -> None:
    assert usual_events(b"event: " * 300_000, passing=passing) is None  # it would take minutes

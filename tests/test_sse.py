"""Server-sent events: every split gives the same events, and their sizes add up to the stream."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy import sse
from playhead.proxy.sse import Decoder, SseEvent, parse

STREAM = (
    b'event: response.created\ndata: {"type":"response.created"}\n\n'
    b": keepalive\n\n"
    b"data: one\ndata: two\n\n"
    b"data: crlf\r\nevent: x\r\n\r\n"
    b"data:cr\r\r"
    b"\n\n\n"
    b'data: {"text":"\xe2\x80\xa8data: [DONE]"}\n\n'
    b"data: mixed\n\r\n"
    b"data: [DONE]\n\n"
    b"event: cut\ndata: {"
)


def decoded(*pieces: bytes) -> tuple[list[SseEvent], SseEvent | None]:
    decoder = Decoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events, decoder.flush()


def blocks(stream: bytes) -> list[tuple[str | None, bytes]]:
    """What a plain reading of the specification dispatches, by lines."""
    found: list[tuple[str | None, bytes]] = []
    name: str | None = None
    data: list[bytes] = []
    fields = False
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for line in text.split(b"\n")[:-1]:
        if not line:
            if fields:
                found.append((name, b"\n".join(data)))
            name, data, fields = None, [], False
            continue
        fields = True
        key, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if key == b"data":
            data.append(value)
        elif key == b"event":
            name = value.decode("utf-8", "replace") if value not in (b"", b"message") else None
    return found


def test_an_event_has_its_type_its_data_and_its_size() -> None:
    events, rest = decoded(b"event: a\ndata: 1\n\ndata: 2\n\n")

    assert events == [SseEvent("a", b"1", 18), SseEvent(None, b"2", 9)]
    assert rest is None


def test_several_data_lines_are_joined_by_a_line_feed() -> None:
    assert decoded(b"data: a\ndata:\ndata:b\n\n")[0] == [SseEvent(None, b"a\n\nb", 22)]


def test_a_comment_is_an_event_without_type_and_data() -> None:
    assert decoded(b": hello\n\n")[0] == [SseEvent(None, b"", 9)]


def test_an_event_named_message_has_no_type() -> None:
    assert decoded(b"event: message\ndata: 1\n\n")[0][0].type is None


def test_the_byte_order_mark_is_no_part_of_the_first_field() -> None:
    stream = b"\xef\xbb\xbfdata: 1\n\ndata: 2\n\n"

    assert decoded(stream)[0] == [SseEvent(None, b"1", 12), SseEvent(None, b"2", 9)]


def test_empty_lines_count_for_the_event_behind_them() -> None:
    assert decoded(b"\n\n\ndata: 1\n\n\n\ndata: 2\n\n")[0] == [SseEvent(None, b"1", 12), SseEvent(None, b"2", 11)]


def test_an_unterminated_event_is_the_rest() -> None:
    events, rest = decoded(b"data: 1\n\ndata: 2\n")

    assert [event.data for event in events] == [b"1"]
    assert rest == SseEvent(None, b"data: 2\n", 8)


def test_empty_lines_at_the_end_are_in_the_rest() -> None:
    assert decoded(b"data: 1\n\n\n\n")[1] == SseEvent(None, b"", 2)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_all_three_line_ends_are_understood(end: bytes) -> None:
    events, rest = decoded(end.join((b"event: a", b"data: 1", b"", b"data: 2", b"", b"")))

    assert [(event.type, event.data) for event in events] == [("a", b"1"), (None, b"2")]
    assert rest is None


def test_an_event_is_given_with_its_last_byte() -> None:
    for end in (b"\n\n", b"\r\n\r\n", b"\r\r"):
        decoder = Decoder()
        assert decoder.feed(b"data: 1" + end[:-1]) == []
        assert [event.data for event in decoder.feed(end[-1:])] == [b"1"]


@pytest.mark.parametrize("at", range(len(STREAM) + 1))
def test_a_split_anywhere_changes_nothing(at: int) -> None:
    assert decoded(STREAM[:at], STREAM[at:]) == decoded(STREAM)


def test_single_bytes_give_the_same_events() -> None:
    assert decoded(*(STREAM[at : at + 1] for at in range(len(STREAM)))) == decoded(STREAM)


lines = st.sampled_from([b"data: x", b"data:", b"data", b"event: a", b"event: message", b": c", b"", b"", b"id: 1", b"\xef\xbb\xbf", b" data: y"])
streams = st.lists(st.tuples(lines, st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"]))).map(lambda parts: b"".join(line + end for line, end in parts))


@given(streams, st.lists(st.integers(0, 200)))
def test_sizes_add_up_to_the_stream_at_any_splits(stream: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    events, rest = decoded(*(stream[start:end] for start, end in itertools.pairwise(places)))

    assert sum(event.size for event in events) + (rest.size if rest else 0) == len(stream)
    assert (events, rest) == decoded(stream)


@given(streams)
def test_events_are_those_of_the_specification(stream: bytes) -> None:
    # Behind a final CR the specification waits for no LF; here that block is the rest.
    assert [(event.type, event.data) for event in decoded(stream + b"x")[0] if (event.type, event.data) != (None, b"")] == [
        block for block in blocks(stream) if block != (None, b"")
    ]


@given(st.lists(st.binary(max_size=30)))
def test_garbage_never_raises_and_its_size_adds_up(pieces: list[bytes]) -> None:
    events, rest = decoded(*pieces)

    assert sum(event.size for event in events) + (rest.size if rest else 0) == sum(map(len, pieces))


@pytest.mark.parametrize("at", range(len(STREAM) + 1))
def test_a_decoder_restored_from_its_state_goes_on_alike(at: int) -> None:
    first = Decoder()
    events = first.feed(STREAM[:at])
    second = Decoder.restore(json.loads(json.dumps(first.state())))
    events += second.feed(STREAM[at:])

    assert (events, second.flush()) == decoded(STREAM)


def test_of_an_endless_event_only_the_beginning_is_kept() -> None:
    decoder = Decoder()
    decoder.feed(b"event: big\ndata: ")
    piece = b"x" * (1 << 20)
    count = sse.MAX_EVENT // len(piece) + 2
    for _ in range(count):
        assert decoder.feed(piece) == []
    held = len(json.dumps(decoder.state()))
    event, after = decoder.feed(b"\n\ndata: 1\n\n")

    assert held < 10_000
    assert (event.type, event.size) == ("big", 17 + count * len(piece) + 2)
    assert after == SseEvent(None, b"1", 9)


def test_a_block_is_read_with_or_without_its_line_ends() -> None:
    assert parse(b"event: a\r\ndata: 1\r\n\r\n", 0) == parse(b"event: a\ndata: 1", 0) == SseEvent("a", b"1", 0)


def test_a_type_is_text_that_any_database_takes() -> None:
    assert decoded(b"event: a\0\xff\ndata: 1\n\n")[0][0].type == "a\ufffd\ufffd"

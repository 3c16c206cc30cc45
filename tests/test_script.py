"""A recorded exchange unfolds into steps that, recorded again, give the same exchange."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journalled import Frames, fold, head, http, opening
from playhead.proxy.forwarding.http1 import Length, ProtocolError, UntilClose
from playhead.proxy.script import AT_ONCE, Begin, Break, Data, End, Interim, Source, Step, due, script, with_retry_after
from playhead.storage.records import Direction, Frame, Kind, Outcome, Raw, Recorded

MS = 1_000_000
OK = b"HTTP/1.1 200 OK\r\n"
PLAIN = OK + b"Content-Type: application/json\r\nContent-Length: 11\r\n\r\n"
CHUNKED = OK + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = OK + b"\r\n"


def source(heads: bytes = PLAIN, body: bytes = b"", *, frames: Sequence[tuple[int, int]] = (), **changes: Any) -> Source:
    """A recorded answer; `frames`: time in ms and length."""
    values: dict[str, Any] = {"outcome": "complete", "chunks": (), "trailers": b"", "ended_ns": 9 * MS}
    values |= changes
    pieces = tuple(Frame(Direction.UPSTREAM, at * MS, length) for at, length in frames)
    raw = Raw(b"POST /v1/responses HTTP/1.1\r\n\r\n", b"", heads, body, values["trailers"], (Frame(Direction.CLIENT, 1, 3), *pieces), values["chunks"])
    return Source.of(raw, values["outcome"], values["ended_ns"])


def told(steps: Iterator[Step]) -> list[tuple[str, int, bytes]]:
    """Name, time in ms and bytes of each step."""
    found = []
    for step in steps:
        data = step.data if isinstance(step, Data) else step.head.raw if isinstance(step, Interim | Begin) else b""
        found.append((type(step).__name__, step.at // MS, data))
    return found


def test_an_answer_comes_in_the_pieces_and_at_the_times_it_came_in() -> None:
    steps = told(script(source(PLAIN, b"hello world", frames=[(3, 0), (4, 5), (6, 6)])))

    assert steps == [("Begin", 3, PLAIN), ("Data", 4, b"hello"), ("Data", 6, b" world"), ("End", 9, b"")]


def test_the_head_of_an_old_recording_comes_with_the_first_piece() -> None:
    assert told(script(source(PLAIN, b"hello world", frames=[(4, 11)])))[0] == ("Begin", 4, PLAIN)


def test_chunks_come_back_as_they_were_whatever_the_pieces() -> None:
    steps = list(script(source(CHUNKED, b"abcdefgh", frames=[(3, 0), (4, 2), (5, 5), (6, 1)], chunks=(1, 4, 3))))

    assert [step.data for step in steps if isinstance(step, Data)] == [b"1\r\na\r\n4\r\nb", b"cde\r\n3\r\nfg", b"h\r\n", b"0\r\n\r\n"]
    assert [step.payload for step in steps if isinstance(step, Data)] == [b"ab", b"cdefg", b"h", b""]


def test_the_end_of_a_body_goes_with_its_last_piece_if_it_came_with_it() -> None:
    steps = told(script(source(CHUNKED, b"ab", frames=[(3, 0), (9, 2)], chunks=(2,), trailers=b"X-Sum: 7\r\n")))

    assert steps == [("Begin", 3, CHUNKED), ("Data", 9, b"2\r\nab\r\n0\r\nX-Sum: 7\r\n\r\n"), ("End", 9, b"")]


def test_an_empty_chunked_body_ends_as_such() -> None:
    assert told(script(source(CHUNKED, frames=[(3, 0)])))[1:] == [("Data", 9, b"0\r\n\r\n"), ("End", 9, b"")]


def test_interim_heads_come_at_their_times() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    steps = told(script(source(early + early + PLAIN, b"hello world", frames=[(1, 0), (2, 0), (3, 0), (3, 11)])))

    assert [step[:2] for step in steps] == [("Interim", 1), ("Interim", 2), ("Begin", 3), ("Data", 3), ("End", 9)]


@pytest.mark.parametrize("outcome", ["upstream_closed", "timeout", "aborted"])
def test_a_cut_chunked_body_breaks_in_the_chunk_that_was_open(outcome: Outcome) -> None:
    steps = told(script(source(CHUNKED, b"abcde", frames=[(3, 0), (4, 5)], chunks=(2,), outcome=outcome)))

    assert steps[1:] == [("Data", 4, b"2\r\nab\r\n4\r\ncde"), ("Break", 9, b"")]


def test_a_body_cut_between_two_chunks_has_no_end() -> None:
    steps = told(script(source(CHUNKED, b"ab", frames=[(3, 0), (9, 2)], chunks=(2,), outcome="upstream_closed")))

    assert steps[1:] == [("Data", 9, b"2\r\nab\r\n"), ("Break", 9, b"")]


def test_a_recording_whose_client_left_goes_as_far_as_it_goes_and_then_waits() -> None:
    steps = told(script(source(CHUNKED, b"ab", frames=[(3, 0), (4, 2)], chunks=(2,), outcome="client_closed")))

    assert steps[1:] == [("Data", 4, b"2\r\nab\r\n"), ("Hold", 9, b"")]


def test_a_client_that_left_before_the_answer_leaves_nothing_but_waiting() -> None:
    assert told(script(source(b"", outcome="client_closed"))) == [("Hold", 9, b"")]


def test_an_exchange_that_its_proxy_did_not_survive_breaks_where_it_was() -> None:
    assert told(script(source(b"", outcome="aborted"))) == [("Break", 9, b"")]
    assert told(script(source(PLAIN, b"hell", frames=[(3, 0), (4, 4)], outcome="aborted")))[-1] == ("Break", 9, b"")


@pytest.mark.parametrize("outcome", ["client_closed", "upstream_closed", "timeout", "unreachable", "aborted"])
def test_a_body_of_known_length_that_came_whole_is_whole(outcome: Outcome) -> None:
    assert told(script(source(PLAIN, b"hello world", frames=[(3, 0), (4, 11)], outcome=outcome)))[-1] == ("End", 9, b"")


def test_a_body_of_which_the_record_lacks_a_part_never_ends_as_if_it_were_whole() -> None:
    assert told(script(source(PLAIN, b"hello", frames=[(3, 0), (4, 5)])))[-1] == ("Break", 9, b"")


def test_a_body_that_ends_with_its_connection_ends_or_breaks_as_it_did() -> None:
    assert told(script(source(ENDLESS, b"x", frames=[(3, 0), (4, 1)])))[-1] == ("End", 9, b"")
    assert told(script(source(ENDLESS, b"x", frames=[(3, 0), (4, 1)], outcome="upstream_closed")))[-1] == ("Break", 9, b"")


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_answers_without_a_body_have_none_whatever_they_say(method: str, status: int) -> None:
    raw = Raw(f"{method} / HTTP/1.1\r\n\r\n".encode(), response_heads=b"HTTP/1.1 %d X\r\nContent-Length: 11\r\n\r\n" % status)
    steps = list(script(Source.of(raw, "complete", 5)))

    assert [type(step) for step in steps] == [Begin, End]


def test_bytes_that_no_frame_speaks_of_come_at_the_end() -> None:
    steps = told(script(source(CHUNKED, b"abcd", frames=[(3, 0), (4, 2)], chunks=(2,))))

    assert steps[2] == ("Data", 9, b"2\r\ncd\r\n0\r\n\r\n")


def test_a_body_that_is_shorter_than_was_said_does_not_hang() -> None:
    short = replace(source(PLAIN, b"", frames=[(3, 0), (4, 11)]), size=11, body=iter((b"hel", b"lo")))

    assert told(script(short))[1:] == [("Data", 4, b"hello"), ("Break", 9, b"")]


def test_times_never_go_back() -> None:
    steps = told(script(source(PLAIN, b"hello world", frames=[(6, 0), (4, 5), (5, 6)], ended_ns=2 * MS)))

    assert [at for _, at, _ in steps] == [6, 6, 6, 6]


def test_a_damaged_head_is_told() -> None:
    with pytest.raises(ProtocolError):
        list(script(source(b"garbage\r\n\r\n")))


def test_the_framing_tells_how_the_body_ends() -> None:
    framings = [next(step.framing for step in script(source(heads)) if isinstance(step, Begin)) for heads in (PLAIN, ENDLESS)]

    assert [type(framing) for framing in framings] == [Length, UntilClose]


def test_a_step_is_due_when_it_was_or_so_many_times_sooner() -> None:
    assert (due(50, 1.0), due(50, 10.0), due(50, AT_ONCE), due(0, 0.5)) == (50, 5, 0, 0)


def test_retry_after_is_served_as_told_where_it_was_served_at_all() -> None:
    limited = b"HTTP/1.1 429 Slow\r\nRetry-After: 20\r\nX: y\r\nretry-after-ms: 19750\r\nContent-Length: 0\r\n\r\n"
    changed = told(with_retry_after(script(source(limited)), 0.25))
    kept = told(with_retry_after(script(source(PLAIN)), 0))

    assert changed[0][2] == b"HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nX: y\r\nretry-after-ms: 250\r\nContent-Length: 0\r\n\r\n"
    assert kept == told(script(source(PLAIN)))


def test_a_retry_after_of_nothing_is_zero() -> None:
    limited = b"HTTP/1.1 429 Slow\r\nretry-after: Wed, 21 Oct 2026 07:28:00 GMT\r\nContent-Length: 0\r\n\r\n"

    assert b"retry-after: 0\r\n" in told(with_retry_after(script(source(limited)), 0))[0][2]


# The mirror: whatever was recorded comes back, recorded again, as the same.


@dataclass(frozen=True)
class Wire:
    """An answer on its way: heads, then the bytes behind the final one cut into pieces anywhere; how it ended."""

    heads: list[bytes]
    pieces: list[bytes]
    end: dict[str, Any]


@st.composite
def answers(draw: st.DrawFn) -> Wire:
    chunks = draw(st.lists(st.binary(min_size=1, max_size=40), max_size=8))
    body = b"".join(chunks)
    framing = draw(st.sampled_from(["chunked", "length", "endless"]))
    trailers = draw(st.sampled_from([b"", b"X-Sum: 1\r\n"])) if framing == "chunked" else b""
    wire = body
    if framing == "chunked":
        wire = b"".join([b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks]) + b"0\r\n" + trailers + b"\r\n"
    said = {"chunked": "Transfer-Encoding: chunked", "length": f"Content-Length: {len(body)}", "endless": "X: y"}[framing]
    kind = draw(st.sampled_from(["text/event-stream", "application/json", "audio/mpeg"]))
    name, _, value = said.partition(": ")
    heads = [head("HTTP/1.1 103 Early Hints", {"Link": "</x>"})] * draw(st.integers(0, 2))
    heads.append(head("HTTP/1.1 200 OK", {"Content-Type": kind, name: value}))
    outcome = draw(st.sampled_from(["complete", "upstream_closed", "client_closed", "aborted", "timeout"]))
    if outcome != "complete":
        wire = wire[: draw(st.integers(0, len(wire)))]
        if framing == "length" and len(wire) == len(body):
            outcome = "complete"  # as its client saw it
        if framing == "chunked" and wire.endswith(b"0\r\n" + trailers + b"\r\n"):
            wire = wire[:-1]
    cuts = sorted(draw(st.sets(st.integers(0, len(wire)), max_size=6)))
    pieces = [wire[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    return Wire(heads, [piece for piece in pieces if piece], {"outcome": outcome})


def recorded(wire: Wire) -> Recorded:
    frames: Frames = [opening()]
    frames += [(Kind.RESPONSE_HEAD, (number + 1) * MS, raw) for number, raw in enumerate(wire.heads)]
    frames += [(Kind.RESPONSE_DATA, (10 + number) * MS, piece) for number, piece in enumerate(wire.pieces)]
    return fold([*frames, (Kind.END, 30 * MS, json.dumps(wire.end).encode())])


def recorded_again(first: Recorded) -> Recorded:
    """The steps of a recording, journalled as a proxy in front of the replay would."""
    assert first.outcome is not None
    frames: Frames = [opening()]
    for step in script(Source.of(first.raw, first.outcome, first.duration_ns or 0)):
        if isinstance(step, Data):
            frames.append((Kind.RESPONSE_DATA, step.at, step.data))
        elif isinstance(step, Interim | Begin):
            frames.append((Kind.RESPONSE_HEAD, step.at, step.head.raw))
        else:
            outcome = "complete" if isinstance(step, End) else "upstream_closed" if isinstance(step, Break) else "client_closed"
            frames.append((Kind.END, step.at, json.dumps({"outcome": outcome}).encode()))
    return fold(frames)


@given(answers())
def test_a_replay_recorded_again_is_the_same_exchange(wire: Wire) -> None:
    first = recorded(wire)
    again = recorded_again(first)

    assert again.raw == first.raw
    assert (again.duration_ns, again.status, again.event_count) == (first.duration_ns, first.status, first.event_count)
    assert again.outcome == (first.outcome if first.outcome in ("complete", "client_closed") else "upstream_closed")


@given(answers(), st.lists(st.integers(1, 50), max_size=30))
def test_the_steps_do_not_depend_on_how_the_body_is_read(wire: Wire, sizes: list[int]) -> None:
    first = recorded(wire)
    whole = Source.of(first.raw, first.outcome or "complete", 30 * MS)
    body, pieces = first.raw.response, []
    for size in sizes:
        pieces.append(body[:size])
        body = body[size:]
    streamed = replace(whole, body=iter([piece for piece in (*pieces, body) if piece]), frames=iter(first.raw.frames), chunks=iter(first.raw.chunks))

    assert told(script(streamed)) == told(script(whole))


def test_the_exchanges_of_other_tests_come_back_too() -> None:
    first = fold(http(b"{}", [b"hello ", b"world"]))

    assert recorded_again(first).raw.response == b"hello world"

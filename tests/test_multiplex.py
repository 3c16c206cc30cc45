"""WebSockets in Responses mode: each turn is an exchange of its own, and the connection keeps the rest, and the order."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from journalled import Frames, join
from playhead.proxy.fingerprint import Asked, fingerprint
from playhead.proxy.forwarding.frames import INSTEAD
from playhead.proxy.recording import Assembly
from playhead.storage.connecting.connected import LogEntry, RecordedConnection, turn_number, turn_of
from playhead.storage.journal import Kind
from playhead.storage.records import Recorded, Spill
from sockets import client, frame, socket, upstream

Made = tuple[list[Recorded], RecordedConnection]
CLOSE = b"\x03\xe8bye"


def create(lane: str | None = None, **fields: Any) -> bytes:
    named = {"stream_id": lane} if lane is not None else {}
    return json.dumps({"type": "response.create", "model": "m", "input": "hi", **fields, **named}, separators=(",", ":")).encode()


def event(kind: str, number: int, lane: str | None = None, **fields: Any) -> bytes:
    named = {"stream_id": lane} if lane is not None else {}
    return json.dumps({"type": f"response.{kind}", "sequence_number": number, **fields, **named}, separators=(",", ":")).encode()


def answer(id_: str, lane: str | None = None, deltas: int = 2, **fields: Any) -> list[bytes]:
    """The events of a whole response. `fields`: what it says beside."""
    said = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "x", "logprobs": []}
    usage, output = {"input_tokens": 1, "output_tokens": 2}, [{"type": "message", "id": "msg_1"}]
    ended = {"id": id_, "status": "completed", "model": "m-1", "usage": usage, "output": output, **fields}
    return [
        event("created", 0, lane, response={"id": id_, "status": "in_progress", **fields}),
        *(event("output_text.delta", 1 + at, lane, **said) for at in range(deltas)),
        event(
            "completed",
            1 + deltas,
            lane,
            response=ended,
        ),
    ]


def sent(*messages: bytes) -> list[tuple[int, bytes]]:
    return [client(message) for message in messages]


def told(*messages: bytes) -> list[tuple[int, bytes]]:
    """Each in a read of its own."""
    return [upstream(frame(message)) for message in messages]


def fold(frames: Frames, cuts: Iterable[int] = (), *, aborted: bool = False) -> Made:
    """What a recorder makes of it that stores it in part, and begins again, before each of these frames."""
    assembly, wanted = Assembly("w1", 7), set(cuts)
    whole: dict[int, Recorded] = {}
    spills: dict[int, list[Spill]] = {}
    gifts: list[RecordedConnection] = []

    def take(made: Iterable[Recorded | Spill]) -> None:
        for one in made:
            if isinstance(one, Spill):
                assert one.recorded.number not in whole
                spills.setdefault(one.recorded.number, []).append(one)
            else:
                assert one.number not in whole.keys() | spills.keys()
                whole[one.number] = one

    for place, (kind, at, payload) in enumerate(frames):
        if place in wanted:
            parts, gift, state = assembly.parts()
            if assembly.multiplex is not None:
                take(parts)
                assert gift is not None
                gifts.append(gift)
            assembly = Assembly.restore(json.loads(json.dumps(state)))
        assembly.feed(kind, at, payload)
        if assembly.multiplex is not None:
            take(assembly.multiplex.ready)
            assembly.multiplex.ready.clear()
    assert assembly.multiplex is not None
    assembly.end_turns(aborted=aborted)
    take(assembly.multiplex.ready)
    last = assembly.connection(final=True, aborted=aborted, give=True)
    assert last is not None
    gifts.append(last)
    parts_given = [gift.part for gift in gifts if gift.log or gift.client_data or gift.upstream_data]
    assert parts_given == list(range(len(parts_given)))
    last.log = [entry for gift in gifts for entry in gift.log]
    last.client_data, last.upstream_data = b"".join(gift.client_data for gift in gifts), b"".join(gift.upstream_data for gift in gifts)
    last.part = 0
    for number, parts in spills.items():
        assert [spill.final for spill in parts] == [False] * (len(parts) - 1) + [True]
        prints = [spill.recorded.fingerprint for spill in parts if spill.recorded.fingerprint is not None]
        whole[number] = join(parts)
        whole[number].fingerprint = prints[0] if prints else None
    return sorted(whole.values(), key=lambda one: turn_of(one.number)), last


def messages(made: Made) -> list[tuple[int, int, bytes]]:
    """All messages in the order of the log: direction, turn and payload. Everything that was kept is among them, once."""
    turns, connection = made
    left = {(turn_of(one.number), 0): one.raw.request for one in turns} | {(turn_of(one.number), 1): one.raw.response for one in turns}
    left |= {(0, 0): connection.client_data, (0, 1): connection.upstream_data}
    found = []
    for entry in connection.log:
        key = (entry.turn, int(entry.direction))
        found.append((int(entry.direction), entry.turn, left[key][: entry.bytes]))
        assert len(left[key]) >= entry.bytes
        left[key] = left[key][entry.bytes :]
    assert not any(left.values())
    return found


ONE = socket(*sent(create()), *told(*answer("resp_1")), upstream(frame(CLOSE, Opcode.CLOSE)), client(CLOSE, opcode=8))


def test_a_turn_is_an_exchange() -> None:
    (turn,), _ = fold(ONE)

    assert (turn.transport, turn.method, turn.path, turn.status, turn.outcome) == ("ws", "GET", "/v1/responses", 101, "complete")
    assert (turn.number, turn.connection_number) == (turn_number(7, 1), 7)
    assert (turn.facts.kind, turn.facts.parse, turn.facts.problem) == ("responses", "parsed", None)
    assert (turn.facts.model, turn.facts.response_id, turn.facts.response_status) == ("m-1", "resp_1", "completed")
    assert (turn.facts.usage, turn.stream_id, turn.steer) == ({"input_tokens": 1, "output_tokens": 2}, None, None)


def test_a_turn_has_times_of_its_own() -> None:
    (turn,), _ = fold(ONE)

    assert (turn.started_at_ns, turn.first_event_ns, turn.duration_ns) == (17 + 1_000_000, 1_000_000, 4_000_000)
    assert [row.offset_ns for row in turn.events] == [0, 1_000_000, 2_000_000, 3_000_000, 4_000_000]


def test_a_turn_has_its_bytes_and_a_row_for_each_message() -> None:
    (turn,), _ = fold(ONE)

    assert (turn.raw.request, turn.raw.response) == (create(), b"".join(answer("resp_1")))
    assert (turn.request_bytes, turn.response_bytes, turn.event_count) == (len(turn.raw.request), len(turn.raw.response), 5)
    assert [(row.direction, row.type, row.sequence_number, row.bytes, row.flags) for row in turn.events] == [
        (0, "response.create", None, len(create()), 1),
        *(
            (1, f"response.{kind}", number, len(data), 1)
            for number, (kind, data) in enumerate(zip(["created", "output_text.delta", "output_text.delta", "completed"], answer("resp_1"), strict=True))
        ),
    ]


def test_a_turn_has_the_heads_of_its_handshake() -> None:
    (turn,), connection = fold(ONE)

    assert (turn.raw.request_head, turn.raw.response_heads) == connection.heads
    assert connection.heads[0].startswith(b"GET /v1/responses HTTP/1.1\r\n")


def test_the_connection_knows_what_it_carried() -> None:
    _, connection = fold(ONE)

    assert (connection.client_messages, connection.upstream_messages, connection.turns, connection.lanes) == (1, 4, 1, [None])
    assert (connection.client_close, connection.client_reason, connection.upstream_close, connection.upstream_reason) == (1000, "bye", 1000, "bye")
    assert (connection.status, connection.outcome, connection.duration_ns, connection.unassigned) == (101, "complete", 99_000_000, 0)


def test_the_log_has_every_message_and_control_frame_in_order() -> None:
    made = fold(ONE)

    assert messages(made) == [(0, 1, create()), *((1, 1, data) for data in answer("resp_1")), (1, 0, CLOSE), (0, 0, CLOSE)]
    assert made[1].log[-1] == LogEntry(0, 8, 7_000_000, 0, 5)


def test_lanes_that_interleave_are_told_apart() -> None:
    lanes = [f"lane{at}" for at in range(16)]
    steps = sent(*(create(lane) for lane in lanes))
    for at in range(5):
        steps += told(*(answer(f"resp_{lane}", lane, 3)[at] for lane in lanes))
    made = fold(socket(*steps))

    assert [(turn.stream_id, turn.facts.response_id, turn.event_count, turn.outcome) for turn in made[0]] == [
        (lane, f"resp_{lane}", 6, "complete") for lane in lanes
    ]
    assert made[1].lanes == lanes
    assert [turn for _, turn, _ in messages(made)] == [*range(1, 17)] * 6


def test_creates_of_a_lane_wait_for_each_other() -> None:
    (first, second), _ = fold(socket(*sent(create(input="a"), create(input="b")), *told(*answer("resp_1"), *answer("resp_2"))))

    assert (first.facts.response_id, second.facts.response_id) == ("resp_1", "resp_2")
    assert (first.started_at_ns, second.started_at_ns, second.first_event_ns) == (17 + 1_000_000, 17 + 2_000_000, 5_000_000)


def test_what_a_turn_holds_is_stored_while_the_connection_lives() -> None:
    assembly = Assembly("w1", 7)
    for fed in socket(*sent(create()), *told(*answer("resp_1")), *sent(create()), end=None):
        assembly.feed(*fed)

    assert assembly.multiplex is not None
    assert [made.number for made in assembly.multiplex.ready if isinstance(made, Recorded)] == [turn_number(7, 1)]


def test_the_successor_that_a_steer_begins_is_a_turn() -> None:
    steer = b'{"type":"response.steer","previous_response_id":"resp_1","input":"stop"}'
    accepted = event("steer.accepted", 2, steer={"id": "steer_1", "previous_response_id": "resp_1"})
    ended = event("incomplete", 3, response={"id": "resp_1", "status": "incomplete"})
    begun, done = answer("resp_2", deltas=0)
    (parent, successor), _ = fold(socket(*sent(create()), *told(answer("resp_1")[0]), *sent(steer), *told(accepted, ended, begun, done)))

    assert (parent.raw.request, parent.facts.response_status) == (create() + steer, "incomplete")
    assert (successor.steer, successor.facts.previous_response_id, successor.facts.response_id) == ("steer_1", "resp_1", "resp_2")
    assert (successor.raw.request, successor.fingerprint) == (b"", None)


def test_a_request_that_is_refused_has_the_status_of_its_error() -> None:
    error = b'{"type":"error","status":400,"error":{"type":"invalid_request_error","code":"previous_response_not_found","message":"no"}}'
    (turn,), _ = fold(socket(*sent(create(previous_response_id="resp_0")), *told(error)))

    assert (turn.status, turn.outcome, turn.facts.error_code, turn.facts.problem) == (400, "complete", "previous_response_not_found", None)
    assert (turn.facts.parse, turn.facts.previous_response_id) == ("parsed", "resp_0")


def test_what_belongs_to_no_turn_stays_with_the_connection() -> None:
    late = event("output_text.delta", 9, delta="x")
    made = fold(socket(*sent(b"hello"), *told(b"[1]", *answer("resp_1")[:1], late), upstream(frame(b"p", Opcode.PING))))

    assert made[1].unassigned == 2
    assert (made[1].client_data, made[1].upstream_data[:3]) == (b"hello", b"[1]")
    assert made[1].upstream_pings == 1
    messages(made)


OUTCOMES = {
    "cut by upstream": (socket(*sent(create()), *told(*answer("resp_1")[:2]), end={"outcome": "upstream_closed"}), "upstream_closed"),
    "client gone": (socket(*sent(create()), *told(*answer("resp_1")[:2]), end={"outcome": "client_closed"}), "client_closed"),
    "silence": (socket(*sent(create()), end={"outcome": "timeout"}), "timeout"),
    "worker killed": (socket(*sent(create()), *told(*answer("resp_1")[:2]), end=None), "aborted"),
    "closed by upstream": (socket(*sent(create()), upstream(frame(CLOSE, Opcode.CLOSE)), client(CLOSE, opcode=8)), "upstream_closed"),
    "closed by the client": (socket(*sent(create()), client(CLOSE, opcode=8), upstream(frame(CLOSE, Opcode.CLOSE))), "client_closed"),
}


@pytest.mark.parametrize("case", OUTCOMES)
def test_a_turn_that_is_open_at_the_end_ends_as_its_connection(case: str) -> None:
    frames, outcome = OUTCOMES[case]
    (turn,), _ = fold(frames, aborted=frames[-1][0] != Kind.END)

    assert (turn.outcome, turn.facts.parse) == (outcome, "partial")


def test_a_turn_has_the_fingerprint_of_the_same_request_over_http() -> None:
    (turn,), connection = fold(socket(*sent(create("a", tools=[{"type": "web_search"}]))))
    asked = Asked("POST", "/v1/responses", {b"content-type": b"application/json"}, "https://api.openai.com")
    posted = fingerprint(asked, b'{"model":"m","tools":[{"type":"web_search"}],"stream":true,"input":"hi"}')

    assert turn.fingerprint is not None
    assert (turn.fingerprint.digest, turn.fingerprint.asks) == (posted.digest, "ws")
    assert connection.digest not in (None, posted.digest)


def test_a_turn_has_the_items_of_both_sides() -> None:
    (turn,), _ = fold(socket(*sent(create(input=[{"type": "message", "role": "user", "content": "hi"}])), *told(*answer("resp_1"))))

    assert [(item.part, item.position, item.type, item.id) for item in turn.items] == [("input", 0, "message", None), ("output", 0, "message", "msg_1")]


def test_a_message_that_is_cut_belongs_to_the_connection() -> None:
    made = fold(socket(*sent(create()), client(b'{"type"', last=False), upstream(frame(answer("resp_1")[0])[:20]), end={"outcome": "upstream_closed"}))

    assert made[1].log[1:] == [LogEntry(0, 0, 99_000_000, 0, 7), LogEntry(1, 0, 99_000_000, 0, 18)]
    messages(made)


def test_bytes_that_are_no_frames_are_kept_and_end_what_is_open() -> None:
    made = fold(socket(*sent(create()), upstream(frame(answer("resp_1")[0]), b"\xff\xffjunk"), upstream(b"more")))

    assert messages(made)[-1] == (1, 0, b"\xff\xffjunkmore")
    assert made[1].problem == "upstream broke the WebSocket protocol: a frame has reserved bits set"
    assert (made[0][0].facts.parse, made[0][0].facts.problem) == ("partial", made[1].problem)


# In parts.


def busy() -> Frames:
    """Lanes, a steer, a refusal, controls, garbage, fragments and a cut."""
    a, b, plain = answer("resp_a", "a"), answer("resp_b", "b"), answer("resp_1")
    steer = b'{"type":"response.steer","previous_response_id":"resp_1","input":"stop"}'
    accepted = event("steer.accepted", 5, steer={"id": "steer_1", "previous_response_id": "resp_1"})
    error = b'{"type":"error","status":400,"error":{"code":"invalid","message":"no"},"stream_id":"b"}'
    steps = [*sent(create("a"), create()), *told(a[0], plain[0]), client(create("b")[:9], last=False), client(b"", opcode=9)]
    steps += [client(create("b")[9:], first=False), *told(b[0], a[1]), *sent(steer), upstream(frame(plain[1]) + frame(plain[2]) + frame(accepted))]
    steps += [*sent(create("b", input="x" * 300)), upstream(frame(b[1][:11], fin=False), frame(b"p", Opcode.PING)), upstream(frame(b[1][11:], Opcode.CONT))]
    steps += [
        *told(error),
        upstream(frame(b[2]) + frame(b[3])),
        *told(plain[3], b"garbage", *answer("resp_2", previous_response_id="resp_1"), a[2], a[3]),
        *sent(create("a")),
    ]
    return socket(*steps, *told(answer("resp_3", "a")[0]), upstream(frame(answer("resp_3", "a")[1])[:30]), end={"outcome": "upstream_closed"})


def test_a_busy_connection_is_sorted() -> None:
    turns, connection = fold(busy())

    assert [(turn.stream_id, turn.facts.response_id, turn.outcome) for turn in turns] == [
        ("a", "resp_a", "complete"),
        (None, "resp_1", "complete"),
        ("b", "resp_b", "complete"),
        ("b", None, "complete"),
        (None, "resp_2", "complete"),
        ("a", "resp_3", "upstream_closed"),
    ]
    assert (connection.unassigned, connection.client_pings, connection.upstream_pings) == (2, 1, 1)
    messages((turns, connection))


def test_stored_in_part_and_restored_before_any_frame_it_is_the_same() -> None:
    frames = busy()
    wanted = fold(frames)
    for cut in range(2, len(frames)):
        assert fold(frames, [cut]) == wanted, cut
    assert fold(frames, range(2, len(frames))) == wanted


def stream_of() -> tuple[Frames, bytes, Frames]:
    """What upstream sends behind the client's last word: frames before, its bytes, and frames behind."""
    steps = sent(create("a"), create(), create("b"))
    data = b"".join(frame(event_) for events in zip(answer("resp_a", "a"), answer("resp_1"), answer("resp_b", "b"), strict=True) for event_ in events)
    whole = socket(*steps, (Kind.UPSTREAM_DATA, data))
    return whole[:-2], data, whole[-1:]


@given(st.lists(st.integers(1, 2000), max_size=12))
def test_however_the_bytes_are_split_the_turns_are_the_same(places: list[int]) -> None:
    before, data, behind = stream_of()
    cuts = sorted({0, len(data), *(place for place in places if place < len(data))})
    split = [(Kind.UPSTREAM_DATA, 9_000_000, data[start:end]) for start, end in itertools.pairwise(cuts)]
    whole = [(Kind.UPSTREAM_DATA, 9_000_000, data)]

    assert fold([*before, *split, *behind]) == fold([*before, *whole, *behind])


@given(st.integers(0, 2000), st.booleans())
def test_cut_at_any_byte_nothing_is_lost(place: int, aborted: bool) -> None:
    before, data, behind = stream_of()
    frames = [*before, (Kind.UPSTREAM_DATA, 9_000_000, data[:place]), *([] if aborted else behind)]
    made = fold(frames, aborted=aborted)

    assert sum(len(payload) for direction, _, payload in messages(made) if direction) == made[1].upstream_bytes
    assert len(made[0]) == 3


@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from([create("a"), create(), *answer("resp_1"), *answer("resp_a", "a"), b"{}", b"\xff", b'{"type":"error"}'])),
        max_size=14,
    ),
    st.integers(2, 9),
)
def test_whatever_is_said_everything_is_kept_once(steps: list[tuple[bool, bytes]], cut: int) -> None:
    frames = socket(*(client(data) if own else upstream(frame(data)) for own, data in steps))
    made = fold(frames)

    assert len(messages(made)) == len(steps)
    if cut < len(frames):
        assert fold(frames, [cut]) == made


BEGUN, DELTA, LAST, ENDED = answer("resp_1")
LONG = event("output_text.delta", 3, item_id="msg_1", output_index=0, content_index=0, delta="x" * 40_000)
DELTAS = st.sampled_from([*([frame(DELTA)] * 3), frame(LAST), frame(LAST.replace(b'"x"', '"\u00e9"'.encode())), frame(LONG)])
OTHERS = st.sampled_from(
    [
        *(
            frame(ENDED),
            frame(BEGUN),
            frame(DELTA.replace(b'"x"', b'"\xff"')),
            frame(answer("resp_a", "a")[1]),
            frame(b'{"type":"error","error":{"code":"x"}}'),
        ),
        *(frame(DELTA)[:70], frame(DELTA)[70:], frame(b"p", Opcode.PING), frame(DELTA, fin=False), frame(b"", Opcode.CONT), frame(DELTA) + frame(LAST), b""),
    ]
)


@given(st.lists(DELTAS | DELTAS | OTHERS | st.none(), max_size=12), st.sampled_from(["", "permessage-deflate"]))
def test_deltas_that_come_one_by_one_are_the_same_as_if_each_were_taken_alone(steps: list[bytes | None], extensions: str) -> None:
    begin = [*sent(create()), *told(BEGUN)]
    frames = socket(*begin, *(client(create()) if data is None else upstream(data) for data in steps), *told(ENDED), extensions=extensions)

    assert fold(frames) == fold(frames, range(2, len(frames)))


@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=40)), max_size=8), st.sampled_from(["", "permessage-deflate"]), st.integers(2, 9))
def test_garbage_never_raises_and_everything_is_kept(steps: list[tuple[bool, bytes]], extensions: str, cut: int) -> None:
    frames = socket(*((Kind.CLIENT_FRAME if own else Kind.UPSTREAM_DATA, data) for own, data in steps), extensions=extensions)
    made = fold(frames)

    messages(made)
    if cut < len(frames):
        assert fold(frames, [cut]) == made


def test_turns_whose_responses_have_the_same_id_are_told_apart() -> None:
    made = fold(socket(*(step for _ in range(3) for step in (*sent(create()), *told(*answer("same"))))))

    assert [(turn.outcome, turn.facts.response_id, turn.event_count) for turn in made[0]] == [("complete", "same", 5)] * 3
    assert made[1].unassigned == 0


def test_what_playhead_sent_in_place_of_a_create_is_of_its_turn_and_hidden() -> None:
    asked, instead = create(previous_response_id="resp_0"), create(input=["all", "of", "it"])
    hidden = (Kind.CLIENT_FRAME, bytes((0x91 | INSTEAD,)) + instead)
    (turn, _), connection = made = fold(socket(*sent(asked, create("a")), hidden, *told(*answer("resp_1"))))

    assert (turn.raw.request, turn.facts.previous_response_id, turn.facts.response_id) == (asked + instead, "resp_0", "resp_1")
    assert [(entry.turn, entry.hidden) for entry in connection.log[:4]] == [(1, False), (2, False), (1, True), (1, False)]
    assert len(messages(made)) == 7


def test_a_turn_says_that_a_cookie_was_taken_out_of_its_handshake() -> None:
    steps = (*sent(create()), *told(*answer("resp_1")))
    (turn,), _ = fold(socket(*steps, headers={"Set-Cookie": "__cf_bm=<redacted:cookie>; path=/"}))
    (plain,), _ = fold(socket(*steps))

    assert (turn.redacted, plain.redacted) == ("response", None)

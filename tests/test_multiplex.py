"""WebSockets in Responses mode: each turn is an exchange of its own, and the connection keeps the rest, and the order."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from websockets.frames import Opcode

from journalled import Frames, join
from playhead.proxy.recording import Assembly
from playhead.storage.connected import LogEntry, RecordedConnection, turn_number, turn_of
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


def answer(id_: str, lane: str | None = None, deltas: int = 2) -> list[bytes]:
    """The events of a whole response."""
    said = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "x", "logprobs": []}
    usage, output = {"input_tokens": 1, "output_tokens": 2}, [{"type": "message", "id": "msg_1"}]
    ended = {"id": id_, "status": "completed", "model": "m-1", "usage": usage, "output": output}
    return [
        event("created", 0, lane, response={"id": id_, "status": "in_progress"}),
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
    assert [gift.part for gift in gifts] == list(range(len(gifts)))
    last.log = [entry for gift in gifts for entry in gift.log]
    last.client_data, last.upstream_data = b"".join(gift.client_data for gift in gifts), b"".join(gift.upstream_data for gift in gifts)
    last.part = 0
    for number, given in spills.items():
        assert given[-1].final
        assert not any(spill.final for spill in given[:-1])
        items = given[-1].recorded.items
        whole[number] = join(given)
        whole[number].items = items
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
    assert [row.offset_ns for row in turn.events] == [frame_.offset_ns for frame_ in turn.raw.frames] == [0, 1_000_000, 2_000_000, 3_000_000, 4_000_000]


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

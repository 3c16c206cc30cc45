"""Forwarded WebSockets that are one exchange: messages of both directions with their times, types and lanes; controls, cuts and violations."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Opcode

from journalled import Frames, fold, fold_in_parts, http, opening
from playhead.proxy.assembling import channels
from playhead.storage.journal import Kind
from playhead.storage.records import Recorded
from sockets import client, frame, socket, upstream

CREATE = b'{"type":"response.create","model":"m","stream_id":"a","input":"hi","prompt_cache_key":"key"}'
CREATED = b'{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","status":"in_progress"},"stream_id":"a"}'
DELTA = '{"type":"response.output_text.delta","sequence_number":1,"delta":"é","stream_id":"a"}'.encode()
DONE = b'{"type":"response.completed","sequence_number":2,"response":{"id":"resp_1","status":"completed","usage":{"input_tokens":1}},"stream_id":"a"}'
SERVER = [CREATED, DELTA, DONE]
TURN = socket(client(CREATE), *(upstream(frame(message)) for message in SERVER), upstream(frame(b"\x03\xe8bye", Opcode.CLOSE)), client(b"\x03\xe8", opcode=8))


def sliced(recorded: Recorded) -> list[tuple[str | None, bytes]]:
    """The events with their pieces of the bodies: the sizes say where each begins."""
    places = [0, 0]
    found = []
    for event in recorded.events:
        body = recorded.raw.response if event.direction else recorded.raw.request
        found.append((event.type, body[places[event.direction] : places[event.direction] + event.bytes]))
        places[event.direction] += event.bytes
    assert places == [len(recorded.raw.request), len(recorded.raw.response)]
    return found


def test_a_connection_is_one_exchange() -> None:
    recorded = fold(TURN)

    assert (recorded.transport, recorded.status, recorded.method, recorded.facts.kind) == ("ws", 101, "GET", "responses")
    assert (recorded.event_count, recorded.outcome, recorded.duration_ns) == (6, "complete", 99_000_000)
    assert recorded.request_bytes == len(recorded.raw.request) == len(CREATE) + 2
    assert recorded.response_bytes == len(recorded.raw.response) == sum(map(len, SERVER)) + 5


def test_what_was_closed_by_both_sides_is_complete_though_its_end_was_not_recorded() -> None:
    assert fold(TURN[:-1], aborted=True).outcome == "complete"


def test_what_was_closed_by_one_side_only_is_not() -> None:
    assert fold(TURN[:-2], aborted=True).outcome == "aborted"


def test_every_message_has_its_row() -> None:
    rows = [(event.direction, event.type, event.sequence_number, event.stream_id, event.offset_ns // 1_000_000, event.flags) for event in fold(TURN).events]

    assert rows == [
        (0, "response.create", None, "a", 1, 1),
        (1, "response.created", 0, "a", 2, 1),
        (1, "response.output_text.delta", 1, "a", 3, 1),
        (1, "response.completed", 2, "a", 4, 1),
        (1, "websocket.close", None, None, 5, 8),
        (0, "websocket.close", None, None, 6, 8),
    ]


def test_the_pieces_of_each_direction_stand_end_to_end() -> None:
    assert [piece for _, piece in sliced(fold(TURN))] == [CREATE, *SERVER, b"\x03\xe8bye", b"\x03\xe8"]


def test_the_facts_are_those_of_the_last_response() -> None:
    recorded = fold(TURN)

    assert (recorded.facts.model, recorded.facts.prompt_cache_key, recorded.facts.response_id) == ("m", "key", "resp_1")
    assert (recorded.facts.response_status, recorded.facts.usage, recorded.facts.parse) == ("completed", {"input_tokens": 1}, "parsed")


def test_the_first_event_is_upstreams_first_message() -> None:
    assert fold(TURN).first_event_ns == 2_000_000


def test_a_socket_without_messages_of_upstream_needs_no_parsing() -> None:
    recorded = fold(socket(client(b"", opcode=8)))

    assert (recorded.first_event_ns, recorded.facts.parse) == (None, "not_applicable")


def test_a_socket_cut_in_a_response_is_partial() -> None:
    recorded = fold(socket(client(CREATE), upstream(frame(CREATED)), end={"outcome": "upstream_closed"}))

    assert (recorded.facts.parse, recorded.facts.response_id, recorded.facts.response_status) == ("partial", "resp_1", "in_progress")


def test_messages_without_a_type_are_named_by_their_opcode() -> None:
    recorded = fold(socket(client(b"hello"), client(b"\0\1", opcode=2), upstream(frame(b"[1]"), frame(b"", Opcode.PING), frame(b"x", Opcode.PONG))))

    assert [event.type for event in recorded.events] == ["websocket.text", "websocket.binary", "websocket.text", "websocket.ping", "websocket.pong"]


def test_binary_messages_of_json_have_a_type() -> None:
    assert [event.type for event in fold(socket(upstream(frame(DONE, Opcode.BINARY)))).events] == ["response.completed"]


def test_a_control_frame_inside_a_message_stands_behind_it_with_its_own_time() -> None:
    recorded = fold(
        socket(
            upstream(frame(DONE[:9], fin=False)), upstream(frame(b"p", Opcode.PING)), upstream(frame(DONE[9:], Opcode.CONT)), upstream(frame(b"q", Opcode.PING))
        )
    )

    assert sliced(recorded) == [("response.completed", DONE), ("websocket.ping", b"p"), ("websocket.ping", b"q")]
    assert [event.offset_ns // 1_000_000 for event in recorded.events] == [3, 2, 4]


def test_a_message_of_the_client_in_pieces_is_one_event() -> None:
    recorded = fold(socket(client(CREATE[:5], last=False), client(CREATE[5:8], first=False, last=False), client(CREATE[8:], first=False)))

    assert [(event.type, event.offset_ns) for event in recorded.events] == [("response.create", 3_000_000)]


def test_a_message_that_does_not_end_is_a_row_without_a_type() -> None:
    recorded = fold(socket(client(b"abc", last=False), upstream(frame(DONE)[:20]), end=None), aborted=True)

    assert [(event.direction, event.type, event.bytes) for event in recorded.events] == [(0, None, 3), (1, None, 16)]
    assert sliced(recorded)


def test_bytes_that_are_no_frames_are_kept_behind_the_good_ones() -> None:
    recorded = fold(socket(upstream(frame(DONE), frame(b"ab", fin=False), b"\xff\xffjunk"), upstream(b"more")))

    assert sliced(recorded) == [("response.completed", DONE), (None, b"ab"), (None, b"\xff\xffjunkmore")]
    assert (recorded.facts.parse, recorded.facts.problem) == ("partial", "upstream broke the WebSocket protocol: a frame has reserved bits set")


def test_of_a_very_long_message_only_type_and_size_are_known() -> None:
    half = channels.MAX_MESSAGE // 2 + 1
    recorded = fold(socket(client(b'{"type":"x","a":"' + bytes(half), last=False), client(bytes(half), first=False)))

    assert [(event.type, event.bytes) for event in recorded.events] == [("x", 17 + 2 * half)]


def test_compressed_messages_are_inflated() -> None:
    extension = PerMessageDeflate(True, True, 15, 15)
    sent = b"".join(frame(message, extension=extension) for message in SERVER * 3)
    recorded = fold(socket(upstream(sent), extensions="permessage-deflate"))

    assert [piece for _, piece in sliced(recorded)] == SERVER * 3
    assert recorded.facts.parse == "parsed"


def test_headers_of_the_handshake_are_read() -> None:
    assert fold(socket(headers={"x-request-id": "req_1"})).request_id == "req_1"


def test_a_refused_upgrade_is_an_http_exchange() -> None:
    frames = http(b"", [b'{"error":{"code":"invalid_api_key"}}'], status=401)
    frames[0] = opening("GET", transport="ws")
    recorded = fold(frames)

    assert (recorded.transport, recorded.status, recorded.facts.error_code, recorded.facts.parse) == ("http", 401, "invalid_api_key", "parsed")


def test_the_kind_of_a_socket_is_told_by_its_path() -> None:
    assert fold(socket(path="/v1/realtime?model=gpt-realtime")).facts.model == "gpt-realtime"
    assert fold(socket(path="/v1/live/sessions")).facts.kind == "realtime"
    assert fold(socket(upstream(frame(DONE)), path="/ws")).facts.parse == "not_applicable"


def test_what_broke_the_parser_is_stored_as_it_came() -> None:
    recorded = fold(TURN, parse=False)

    assert recorded.raw.request == CREATE + b"\x03\xe8"
    assert recorded.raw.response == b"".join(frame(message) for message in SERVER) + frame(b"\x03\xe8bye", Opcode.CLOSE)
    assert (recorded.events, recorded.facts.parse) == ([], "unparsed")


def connection(deflate: bool) -> Frames:
    extension = PerMessageDeflate(True, True, 15, 15) if deflate else None
    wire = frame(CREATED, extension=extension) + frame(DELTA[:30], fin=False, extension=extension) + frame(b"p", Opcode.PING)
    wire += frame(DELTA[30:], Opcode.CONT, extension=extension) + frame(DONE, extension=extension) + frame(b"\x03\xe8", Opcode.CLOSE)
    steps = [upstream(wire[at : at + 17]) for at in range(0, len(wire), 17)]
    asks = [client(CREATE[:9], last=False), client(b"x", opcode=9), client(CREATE[9:], first=False)]
    return socket(asks[0], *steps[:3], *asks[1:], *steps[3:], extensions="permessage-deflate" if deflate else "")


@pytest.mark.parametrize("deflate", [False, True])
def test_a_connection_spilled_and_restored_before_any_frame_is_the_same(deflate: bool) -> None:
    frames = connection(deflate)
    whole = fold(frames)
    for cut in range(1, len(frames)):
        assert fold_in_parts(frames, [cut])[0] == whole, cut
    assert fold_in_parts(frames, range(1, len(frames)))[0] == whole


def test_a_broken_connection_spilled_and_restored_before_any_frame_is_the_same() -> None:
    frames = socket(upstream(frame(DONE), frame(b"ab", fin=False)), upstream(b"\xff\xffjunk"), upstream(b"more"), client(CREATE))
    for cut in range(1, len(frames)):
        assert fold_in_parts(frames, [cut])[0] == fold(frames), cut


@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=40)), max_size=8), st.sampled_from(["", "permessage-deflate"]), st.integers(2, 9))
def test_garbage_never_raises_and_sizes_add_up(steps: list[tuple[bool, bytes]], extensions: str, cut: int) -> None:
    frames = socket(*((Kind.CLIENT_FRAME if own else Kind.UPSTREAM_DATA, data) for own, data in steps), extensions=extensions)
    recorded = fold(frames)

    sliced(recorded)
    if cut < len(frames):
        assert fold_in_parts(frames, [cut])[0] == recorded


def test_what_a_client_sent_that_is_no_item_takes_its_place_all_the_same() -> None:
    requests = [{"type": "response.create", "input": ["x", {"type": "message", "role": "user"}]}, {"type": "response.create", "input": [{"type": "message"}]}]
    steps = [client(json.dumps(request).encode()) for request in requests]

    for recorded in (fold(socket(*steps)), fold_in_parts(socket(*steps), [3])[0]):
        assert [(item.position, item.type) for item in recorded.items] == [(1, "message"), (2, "message")]


def test_responses_that_begin_alike_are_told_apart() -> None:
    begun = b'{"type":"response.created","sequence_number":0,"response":{"id":"same"}}'
    called = b'{"type":"response.output_item.done","sequence_number":1,"output_index":0,"item":{"type":"shell_call","id":"sh_1"}}'
    ended = b'{"type":"response.completed","sequence_number":2,"response":{"id":"same","output":[]}}'

    assert len(fold(socket(upstream(*map(frame, 3 * [begun, called, ended])))).items) == 3

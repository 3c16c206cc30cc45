"""What exchanges say, over HTTP and on WebSockets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.chains.said import Said, Steer, said_by_http, said_on_socket
from playhead.proxy.models.kind import Shape
from playhead.proxy.typed import Message

CREATE = Shape("responses", "create")
MESSAGE = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}], "id": "msg_1", "status": "completed"}
RESPONSE = {"id": "resp_1", "object": "response", "status": "completed", "output": [MESSAGE]}


def text(value: Any) -> bytes:
    return json.dumps(value).encode()


def client(**event: Any) -> Message:
    return Message(True, text(event))


def server(type_: str, **event: Any) -> Message:
    return Message(False, text({"type": type_, **event}))


def test_json_says_what_it_is() -> None:
    said = said_by_http(CREATE, 200, [b'{"input"', b':"hi"}'], [text(RESPONSE)])

    assert said == Said({"input": "hi"}, RESPONSE)


def test_a_stream_says_what_its_events_tell() -> None:
    body = b"event: response.completed\ndata: " + text({"type": "response.completed", "sequence_number": 0, "response": RESPONSE}) + b"\n\n"

    assert said_by_http(CREATE, 200, [b"{}"], [body[:40], body[40:]]).answer == RESPONSE


@pytest.mark.parametrize("end", [b"data: [DONE]\n\n", b"", b": bye\n\n"])
@pytest.mark.parametrize("output", [[MESSAGE], []])
def test_a_stream_whose_last_event_tells_less_is_read_as_a_whole(end: bytes, output: list[Any]) -> None:
    done = {"type": "response.output_item.done", "sequence_number": 0, "output_index": 0, "item": MESSAGE}
    last = {"type": "response.completed", "sequence_number": 1, "response": {**RESPONSE, "output": output}}
    body = b"".join(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), text(event)) for event in (done, last))  # type: ignore[attr-defined]

    assert said_by_http(CREATE, 200, [], [body + end]).answer["output"] == [MESSAGE]


def test_a_stream_that_was_cut_says_what_had_come() -> None:
    begun = {"type": "response.created", "sequence_number": 0, "response": {**RESPONSE, "status": "in_progress", "output": []}}
    done = {"type": "response.output_item.done", "sequence_number": 1, "output_index": 0, "item": MESSAGE}
    body = b"".join(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), text(event)) for event in (begun, done))  # type: ignore[attr-defined]

    assert said_by_http(CREATE, 200, [], [body]).answer["output"] == [MESSAGE]


def test_an_error_has_no_output() -> None:
    assert said_by_http(CREATE, 400, [b"{}"], [b'{"error":{"message":"no"}}']).answer.get("output") is None


def test_what_is_no_json_object_is_unread() -> None:
    assert said_by_http(CREATE, 200, [b"<form>"], [b"<html>"]).unread == ("request", "answer")
    assert said_by_http(CREATE, 200, [b"[]"], [text(RESPONSE)]).unread == ("request",)


def test_nothing_at_all_is_not_unread() -> None:
    assert said_by_http(CREATE, None, [], []) == Said()


def test_a_turn_says_its_create_and_its_response() -> None:
    create = {"type": "response.create", "input": "hi"}
    said = said_on_socket(
        CREATE, [Message(True, text(create)), server("response.created", response={"id": "resp_1"}), server("response.completed", response=RESPONSE)]
    )

    assert said == Said(create, RESPONSE)


def test_what_playhead_sent_in_place_of_a_refused_create_is_not_what_the_client_asked() -> None:
    first, second = {"type": "response.create", "previous_response_id": "resp_0"}, {"type": "response.create", "input": "all"}
    refused = server("error", status=400, error={"code": "previous_response_not_found"})
    messages = [Message(True, text(first)), refused, Message(True, text(second)), server("response.created", response={"id": "resp_1"})]

    assert said_on_socket(CREATE, messages).request == first


def test_a_request_that_speaks_of_steers_is_a_request() -> None:
    create = {"type": "response.create", "input": 'what is "response.steer"?'}

    assert said_on_socket(CREATE, [Message(True, text(create))]) == Said(create)


def test_a_socket_of_several_responses_says_its_last_request() -> None:
    turns = [({"type": "response.create", "input": number}, server("response.created", response={"id": f"resp_{number}"})) for number in range(2)]
    said = said_on_socket(CREATE, [message for create, created in turns for message in (Message(True, text(create)), created)])

    assert (said.request["input"], said.answer["id"]) == (1, "resp_1")


STEER = client(type="response.steer", previous_response_id="resp_1", input="stop")


def outcome(name: str, id_: str) -> Message:
    return server(f"response.steer.{name}", steer={"id": id_, "previous_response_id": "resp_1"})


@pytest.mark.parametrize(
    ("messages", "steers"),
    [
        ([STEER], [Steer("stop")]),
        ([STEER, outcome("accepted", "s1")], [Steer("stop", "s1")]),
        ([STEER, outcome("accepted", "s1"), outcome("pending", "s1")], [Steer("stop", "s1", pending=True)]),
        ([STEER, outcome("failed", "s1")], [Steer("stop", "s1", failed=True)]),
        ([STEER, STEER, outcome("failed", "s1"), outcome("accepted", "s2")], [Steer("stop", "s1", failed=True), Steer("stop", "s2")]),
        (
            [STEER, STEER, outcome("accepted", "s1"), outcome("accepted", "s2"), outcome("pending", "s2")],
            [Steer("stop", "s1"), Steer("stop", "s2", pending=True)],
        ),
        ([outcome("accepted", "s1"), server("response.steer.accepted")], []),
    ],
)
def test_steers_have_their_outcomes(messages: list[Message], steers: list[Steer]) -> None:
    assert said_on_socket(CREATE, messages).steers == tuple(steers)


def test_a_successor_has_no_request_of_its_own() -> None:
    said = said_on_socket(CREATE, [server("response.created", response={"id": "resp_2"}), STEER])

    assert (said.request, len(said.steers)) == ({}, 1)


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.one_of(
                st.binary(max_size=60), st.sampled_from([b'{"type":"response.steer"}', b'{"type":"response.steer.failed","steer":5}', b'["response.steer"]'])
            ),
        )
    )
)
def test_garbage_never_raises(messages: list[tuple[bool, bytes]]) -> None:
    said_on_socket(CREATE, [Message(*message) for message in messages])
    for _, data in messages:
        said_by_http(CREATE, 200, [data], [data])

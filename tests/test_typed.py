"""The models of an exchange: whatever its answer was sent as, it is one model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from playhead.proxy import typed
from playhead.proxy.models import responses
from playhead.proxy.models.kind import Shape, shape_of
from playhead.proxy.models.wire import Unparsed, Wire
from playhead.proxy.typed import Message, answer_of, conversation_of, item_text, items_of, request_of

CREATE = Shape("responses", "create")
ITEM = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [{"type": "output_text", "text": "Hi.", "annotations": []}]}


def response(number: int = 1, status: str = "completed", output: Sequence[dict[str, Any]] = (ITEM,)) -> dict[str, Any]:
    return {"id": f"resp_{number}", "object": "response", "status": status, "output": [*output]}


def told(number: int = 1, **beside: str) -> list[dict[str, Any]]:
    """The events of a response."""
    return [
        {"type": "response.created", "sequence_number": 0, "response": response(number, "in_progress", ()), **beside},
        {"type": "response.output_item.done", "sequence_number": 1, "output_index": 0, "item": ITEM, **beside},
        {"type": "response.completed", "sequence_number": 2, "response": response(number), **beside},
    ]


def sse(events: Sequence[dict[str, Any]], end: str = "\n\n") -> bytes:
    return "\n\n".join(f"event: {event['type']}\ndata: {json.dumps(event)}" for event in events).encode() + end.encode()


def wire(model: Wire | None) -> Any:
    return None if model is None else model.to_wire()


def test_a_response_is_the_same_as_json_and_as_a_stream() -> None:
    body = json.dumps(response()).encode()

    assert wire(answer_of(CREATE, 200, [body])) == wire(answer_of(CREATE, 200, [sse(told())])) == response()
    assert isinstance(answer_of(CREATE, 200, [sse(told())]), responses.Response)


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_a_body_is_the_same_in_any_pieces(size: int) -> None:
    for body in (sse(told()), json.dumps(response()).encode(), b"\n\n" + json.dumps(response()).encode(), b": hello\n\n" + sse(told())):
        pieces = [body[at : at + size] for at in range(0, len(body), size)]

        assert wire(answer_of(CREATE, 200, pieces)) == response()


def test_a_stream_that_was_cut_tells_what_had_come() -> None:
    assert wire(answer_of(CREATE, 200, [sse(told()[:2])]))["output"] == [ITEM]
    assert wire(answer_of(CREATE, 200, [sse(told()[:1]) + b'event: response.output_item.done\ndata: {"type":"respo']))["id"] == "resp_1"


def test_the_last_event_counts_though_its_blank_line_is_missing() -> None:
    assert wire(answer_of(CREATE, 200, [sse(told(), end="")]))["status"] == "completed"


def test_a_stream_may_begin_with_a_byte_order_mark() -> None:
    assert wire(answer_of(CREATE, 200, [b"\xef\xbb\xbf", sse(told())])) == response()


def test_a_completion_from_before_there_was_chat_is_told_whole() -> None:
    chunks = [{"id": "cmpl_1", "object": "text_completion", "choices": [{"index": 0, "text": piece}]} for piece in ("Once ", "upon")]
    stream = b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b"data: [DONE]\n\n"

    assert wire(answer_of(shape_of("POST", "/v1/completions"), 200, [stream]))["choices"][0]["text"] == "Once upon"


def test_a_stream_without_a_fold_is_its_last_event() -> None:
    events: list[dict[str, Any]] = [{"type": "image_generation.partial_image"}, {"type": "image_generation.completed", "usage": {"input_tokens": 1}}]

    assert wire(answer_of(shape_of("POST", "/v1/images/generations"), 200, [sse(events) + b"data: [DONE]\n\n"])) == events[1]


@pytest.mark.parametrize("body", [[], [b""], [b" \n", b"\n"]])
def test_nothing_is_nothing(body: list[bytes]) -> None:
    assert answer_of(CREATE, 204, body) is None
    assert request_of(CREATE, body) is None


def test_what_is_no_json_says_so() -> None:
    assert isinstance(answer_of(CREATE, 502, [b"<html>"]), Unparsed)
    assert isinstance(request_of(CREATE, [b"hello"]), Unparsed)
    assert wire(answer_of(CREATE, 200, [b"data: nonsense\n\n"])) is None


def test_a_body_that_is_too_long_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed, "MAX_BODY", 20)

    assert answer_of(CREATE, 200, [json.dumps(response()).encode()]) is None
    assert wire(answer_of(CREATE, 200, [sse(told())])) == response()


def socket(*messages: tuple[bool, dict[str, Any] | bytes]) -> list[Message]:
    return [Message(client, value if isinstance(value, bytes) else json.dumps(value).encode()) for client, value in messages]


def test_of_a_websocket_the_response_that_began_last_is_told() -> None:
    asked = [{"type": "response.create", "model": "m", "input": f"question {number}"} for number in (1, 2)]
    messages = socket((True, asked[0]), *((False, event) for event in told(1)), (True, asked[1]), *((False, event) for event in told(2)))

    request, answer = conversation_of(Shape("responses", "socket"), messages)

    assert (wire(request), wire(answer)) == (asked[1], response(2))


def test_lanes_are_told_apart() -> None:
    first, second = told(1, stream_id="a"), told(2, stream_id="b")
    messages = socket(*((False, event) for pair in zip(first, second, strict=True) for event in pair))

    assert wire(conversation_of(Shape("responses", "socket"), messages)[1])["id"] == "resp_2"


def test_of_any_other_websocket_the_last_message_is_told() -> None:
    messages = socket((True, {"type": "session.update"}), (False, {"type": "session.created"}), (False, b"\x00"), (True, {"type": "response.cancel"}))

    request, answer = conversation_of(shape_of("GET", "/v1/realtime"), messages)

    assert (wire(request), wire(answer)) == ({"type": "session.update"}, {"type": "session.created"})
    assert conversation_of(shape_of("GET", "/v1/realtime"), []) == (None, None)


def test_an_error_on_a_websocket_is_the_answer() -> None:
    error = {"type": "error", "status": 400, "error": {"code": "bad"}}

    assert wire(conversation_of(Shape("responses", "socket"), socket((True, {"type": "response.create"}), (False, error)))[1]) == error


def test_the_items_of_a_request_are_listed_whatever_its_input_is() -> None:
    def listed(value: Any) -> list[dict[str, Any]]:
        return items_of(request_of(CREATE, [json.dumps({"model": "m", "input": value}).encode()]), "input")

    assert listed("hi") == [{"type": "message", "role": "user", "content": "hi"}]
    assert listed([ITEM, 7]) == [ITEM, {"type": None, "value": 7}]
    assert listed(None) == listed(5) == items_of(None, "input") == []


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (ITEM, "Hi."),
        ({"content": "two\n  lines"}, "two lines"),
        ({"content": [{"type": "refusal", "refusal": "No."}, {"type": "input_image", "image_url": "u"}]}, 'No. {"type": "input_image", "image_url": "u"}'),
        ({"type": "function_call", "arguments": '{"a":1}'}, '{"a":1}'),
        ({"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}], "encrypted_content": "x"}, "Hm"),
        ({"type": "reasoning", "summary": [], "content": None, "encrypted_content": "x"}, "x"),
        ({"type": "shell_call", "action": {"commands": ["ls", "pwd"], "timeout_ms": None}}, '{"commands": ["ls", "pwd"]}'),
        ({"type": "function_call_output", "output": [{"type": "input_text", "text": "rain"}]}, "rain"),
        ({"type": "item_reference", "id": "x"}, ""),
    ],
)
def test_an_item_is_said_on_one_line(item: dict[str, Any], text: str) -> None:
    assert item_text(item) == text


def test_a_type_that_is_no_text_is_none() -> None:
    request, answer = conversation_of(Shape("responses", "socket"), [Message(True, b'{"type":[]}'), Message(False, b'{"type":{}}')])

    assert (wire(request), wire(answer)) == ({"type": []}, {"type": {}})

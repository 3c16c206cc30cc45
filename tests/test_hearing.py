"""What events tell the listings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from playhead.proxy.assembling.hearing import MAX_PROBLEMS, hearing_for
from playhead.proxy.models.doors import event_door
from playhead.proxy.models.kind import Shape
from playhead.proxy.models.wire import Wire
from playhead.storage.records import Facts, ItemRow


def events(kind: str, *told: tuple[str | None, Any]) -> list[Wire]:
    return [event_door(kind)({"type": name, **data} if name else data) for name, data in told]


def seen(kind: str, *told: tuple[str | None, Any], socket: bool = False) -> Facts:
    hearing, facts = hearing_for(Shape(kind), socket=socket), Facts(kind=kind)
    for event in events(kind, *[each for each in told if each[1] != b"[DONE]"]):
        hearing.hear([event])
    if any(data == b"[DONE]" for _, data in told):
        hearing.done()
    hearing.tell(facts)
    facts.parse = "parsed" if hearing.ended else "partial"
    return facts


RESPONSE = {"id": "resp_1", "object": "response", "status": "completed", "model": "m", "service_tier": "default", "usage": {"input_tokens": 1}}


def test_the_terminal_event_of_a_stream_tells_the_facts() -> None:
    begun = {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "service_tier": "auto"}}
    facts = seen("responses", ("response.created", begun), ("response.output_text.delta", {}), ("response.completed", {"response": RESPONSE}))

    assert (facts.response_id, facts.response_status, facts.service_tier, facts.model) == ("resp_1", "completed", "default", "m")
    assert (facts.usage, facts.parse) == ({"input_tokens": 1}, "parsed")


def test_a_cut_stream_tells_what_its_beginning_said() -> None:
    facts = seen("responses", ("response.created", {"response": {"id": "resp_1", "status": "in_progress", "model": "m"}}))

    assert (facts.response_id, facts.response_status, facts.parse) == ("resp_1", "in_progress", "partial")


@pytest.mark.parametrize(
    "event",
    [{"type": "error", "code": "server_error", "message": "x"}, {"type": "error", "error": {"code": "server_error", "message": "x"}}],
)
def test_an_error_ends_a_stream_flat_or_nested(event: dict[str, Any]) -> None:
    facts = seen("responses", ("response.created", {"response": {"id": "resp_1"}}), ("error", event))

    assert (facts.response_id, facts.error_code, facts.parse) == ("resp_1", "server_error", "parsed")


def test_a_failed_response_tells_its_error() -> None:
    facts = seen("responses", ("response.failed", {"response": {"status": "failed", "error": {"code": "server_error"}}}))

    assert (facts.response_status, facts.error_code) == ("failed", "server_error")


def test_of_many_responses_on_a_socket_the_last_that_ended_counts() -> None:
    second = {**RESPONSE, "id": "resp_2", "usage": {"input_tokens": 2}}
    facts = seen(
        "responses",
        ("response.created", {"response": {"id": "resp_1"}}),
        ("error", {"error": {"code": "old"}}),
        ("response.created", {"response": {"id": "resp_2"}}),
        ("response.completed", {"response": second}),
        ("response.created", {"response": {"id": "resp_3"}}),
        socket=True,
    )

    assert (facts.response_id, facts.usage, facts.error_code, facts.parse) == ("resp_2", {"input_tokens": 2}, None, "partial")


def test_chunks_of_a_completion_tell_id_model_and_the_usage_of_the_last() -> None:
    chunk = {"id": "chatcmpl-1", "model": "gpt-4o-1", "usage": None, "choices": [{"delta": {"content": "a"}, "finish_reason": None}]}
    last = {"id": "chatcmpl-1", "model": "gpt-4o-1", "service_tier": "default", "choices": [], "usage": {"prompt_tokens": 1}}
    facts = seen("chat.completions", (None, {"id": "", "model": "", "choices": []}), (None, chunk), (None, last), (None, b"[DONE]"))

    assert (facts.response_id, facts.model, facts.service_tier) == ("chatcmpl-1", "gpt-4o-1", "default")
    assert (facts.usage, facts.parse) == ({"prompt_tokens": 1}, "parsed")


def test_a_completion_has_ended_with_its_finish_reason() -> None:
    chunk = {"id": "chatcmpl-1", "choices": [{"delta": {}, "finish_reason": None}]}

    assert seen("chat.completions", (None, chunk)).parse == "partial"
    assert seen("chat.completions", (None, chunk), (None, {"choices": [{"finish_reason": "stop"}]})).parse == "parsed"


def test_done_alone_ends_nothing() -> None:
    assert seen("responses", (None, b"[DONE]")).parse == "partial"


def test_usage_of_messages_is_that_of_the_start_with_that_of_the_last_delta_over_it() -> None:
    start = {"type": "message_start", "message": {"id": "msg_1", "type": "message", "model": "claude", "usage": {"input_tokens": 9, "output_tokens": 1}}}
    facts = seen(
        "messages",
        ("message_start", start),
        ("message_delta", {"usage": {"output_tokens": 5}}),
        ("message_delta", {"usage": {"output_tokens": 7, "input_tokens": None}}),
        ("message_stop", {"type": "message_stop"}),
    )

    assert (facts.response_id, facts.model, facts.usage) == ("msg_1", "claude", {"input_tokens": 9, "output_tokens": 7})
    assert facts.parse == "parsed"


@pytest.mark.parametrize("name", ["image_generation.completed", "image_edit.completed", "transcript.text.done", "speech.audio.done", "session.closed"])
def test_events_that_end_other_streams_tell_their_usage(name: str) -> None:
    facts = seen("images", (name, {"type": name, "usage": {"total_tokens": 4}}))

    assert (facts.usage, facts.parse) == ({"total_tokens": 4}, "parsed")


def test_a_realtime_session_tells_its_model() -> None:
    facts = seen("realtime", ("session.created", {"session": {"model": "gpt-realtime"}}), ("response.done", {"response": {"id": "resp_1", "usage": {"a": 1}}}))

    assert (facts.model, facts.response_id, facts.usage) == ("gpt-realtime", "resp_1", {"a": 1})


CREATED = {"response": {"id": "resp_1", "model": "m"}, "sequence_number": 0}
DONE = {"item": {"type": "function_call", "id": "i", "call_id": "c", "name": "f"}, "output_index": 0, "sequence_number": 1}


@pytest.mark.parametrize("kind", ["responses", "chat.completions", "messages", "realtime"])
@pytest.mark.parametrize("socket", [False, True])
def test_a_hearing_restored_from_its_state_hears_alike(kind: str, socket: bool) -> None:
    first, second = hearing_for(Shape(kind), socket=socket), hearing_for(Shape(kind), socket=socket)
    first.hear(events(kind, ("response.created", CREATED), ("response.output_item.done", DONE), ("new", {"sequence_number": "x"})))
    second.restore(json.loads(json.dumps(first.state())))
    facts, other = Facts(kind=kind), Facts(kind=kind)
    for hearing, found in ((first, facts), (second, other)):
        hearing.hear(events(kind, ("response.completed", {"response": RESPONSE})))
        hearing.tell(found)

    assert facts == other
    assert first.items() == second.items()


@pytest.mark.parametrize("socket", [False, True])
def test_items_have_rows_before_the_stream_has_ended(socket: bool) -> None:
    hearing = hearing_for(Shape("responses"), socket=socket)
    hearing.hear(events("responses", ("response.created", CREATED), ("response.output_item.done", DONE)))

    assert hearing.items() == [ItemRow("output", 0, "function_call", "i", "c", "f", None)]


def test_items_of_all_responses_on_a_socket_have_rows() -> None:
    hearing = hearing_for(Shape("responses"), socket=True)
    for lane in ("a", "b"):
        hearing.hear(events("responses", ("response.created", {**CREATED, "stream_id": lane})))
    for lane in ("b", "a"):
        hearing.hear(events("responses", ("response.output_item.done", {**DONE, "stream_id": lane})))
        hearing.hear(events("responses", ("response.completed", {"response": {"id": lane}, "stream_id": lane})))

    assert [(row.position, row.name) for row in hearing.items()] == [(0, "f"), (1, "f")]
    assert hearing.ended


def test_problems_name_the_event_and_are_bounded() -> None:
    hearing, facts = hearing_for(Shape("responses")), Facts()
    hearing.hear(events("responses", ("response.created", CREATED), ("response.output_text.delta", {"delta": 5, "sequence_number": 1})))
    hearing.hear(events("responses", *[("response.output_text.delta", {"delta": 5})] * (2 * MAX_PROBLEMS)))
    hearing.tell(facts)

    assert facts.problems[0] == ("events[1].delta", "string or null", "integer")
    assert len(facts.problems) == MAX_PROBLEMS


def rows(*items: tuple[Any, dict[str, Any]]) -> list[ItemRow]:
    """Of a stream in which items end at such places."""
    hearing = hearing_for(Shape("responses"))
    hearing.hear(events("responses", *[("response.output_item.done", {"output_index": place, "item": item}) for place, item in items]))
    return hearing.items()


@pytest.mark.parametrize("places", [(0, 0, 0), (1 << 100, 1 << 100, 5), (-(1 << 70), -1, 0), (1.5, None, "x"), (False, True, True)])
def test_items_at_places_that_are_none_have_rows_that_a_database_takes(places: tuple[Any, ...]) -> None:
    found = rows(*[(place, {"type": "shell_call", "id": f"sh_{at}"}) for at, place in enumerate(places)])

    assert sorted(row.id or "" for row in found) == ["sh_0", "sh_1", "sh_2"]
    assert len({row.position for row in found}) == 3
    assert all(0 <= row.position < 1 << 31 for row in found)


def test_an_item_keeps_its_place_if_one_before_it_was_lost() -> None:
    assert [row.position for row in rows((0, {"id": "a"}), (2, {"id": "c"}))] == [0, 2]


def test_words_of_items_are_cut_so_that_an_index_takes_them() -> None:
    assert [len(word or "") for word in rows((0, {"type": "\u20ac" * 9999, "id": "x" * 9999}))[0][2:4]] == [200, 1024]


@pytest.mark.parametrize("kind", ["responses", "realtime", "images", "audio", "other"])
@pytest.mark.parametrize("socket", [False, True])
@pytest.mark.parametrize("type_", [[], {}, ["error"], 5, True])
def test_a_type_that_is_no_text_is_none(kind: str, socket: bool, type_: Any) -> None:
    hearing = hearing_for(Shape(kind), socket=socket)
    hearing.hear([event_door(kind)({"type": type_, "response": {"id": "x"}})])

    assert not hearing.items()


@pytest.mark.parametrize(("error", "code"), [({"message": "x", "code": 429}, "429"), ({"type": "overloaded"}, "overloaded"), ("boom", "error")])
def test_an_error_without_a_type_ends_a_response(error: Any, code: str) -> None:
    facts = seen("responses", ("response.created", {"response": {"id": "resp_1"}}), (None, {"error": error}))

    assert (facts.response_id, facts.error_code, facts.parse) == ("resp_1", code, "parsed")

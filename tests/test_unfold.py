"""A Response unfolds into a stream that tells it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from conformance import their, their_models
from playhead.proxy.folds.unfold_items import MOST_DELTAS, pieces
from playhead.proxy.models.items import OUTPUT_ITEMS
from playhead.proxy.models.tagged import Unknown
from playhead.proxy.models.wire import Wire, field
from playhead.proxy.unfold import unfold
from samples import samples
from streams import MESSAGE, PARSE, PART, RESPONSE, USAGE, WHOLE
from test_fold_corpus import ONLY_AT_THE_END, folded, wire, without_output
from unfolded import corpus, responses, texts

Json = dict[str, Any]

ONLY_WHOLE = {
    **ONLY_AT_THE_END,
    "file_search_call": {"queries", "results"},
    "image_generation_call": {"result", "error", "revised_prompt", "svg_usage"},
    "mcp_list_tools": {"tools", "error"},
}
"""What no event but output_item.done tells of an item; of all others the status only."""

COMPLETED = RESPONSE | {"status": "completed", "usage": USAGE}


def kinds(events: list[Json]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def of_item(item: Json, **response: Any) -> list[Json]:
    """The events of a Response with this one item, less those that tell of the Response."""
    return [event for event in unfold(COMPLETED | {"output": [item]} | response) if "response" not in event]


def of(events: list[Json], kind: str) -> list[Json]:
    return [event for event in events if event["type"] == f"response.{kind}"]


def told(events: list[Json], kind: str, key: str) -> str:
    return "".join(event[key] for event in of(events, kind))


def sdk_samples() -> list[Json]:
    """The SDK's Response with each of its output items."""
    whole = [sample for model in their_models(their("responses.Response")) for sample in samples(model)]
    items = [sample for model in their_models(their("responses.ResponseOutputItem")) for sample in samples(model)]
    return [*whole, *(whole[0] | {"status": "completed", "output": [item]} for item in items)]


# What comes of a whole.


def test_every_response_of_the_corpus_comes_back(shared: Path) -> None:
    wrong = [name for name, response in corpus(shared) if wire(folded(unfold(response)).result()) != response]

    assert wrong == []


def test_every_response_of_the_corpus_comes_back_though_its_end_has_no_output(shared: Path) -> None:
    ended = ((name, response, unfold(response)) for name, response in corpus(shared) if response["status"] not in ("queued", "in_progress"))
    wrong = [name for name, response, events in ended if wire(folded(without_output(events)).result()) != response]

    assert wrong == []


def test_every_item_of_the_corpus_grows_into_what_its_end_tells(shared: Path) -> None:
    wrong = []
    for name, response in corpus(shared):
        events = unfold(response)
        grown = folded([event for event in events[:-1] if event["type"] != "response.output_item.done"]).result()
        for item, whole in zip(wire(grown)["output"], response["output"], strict=True):
            differing = {key for key in item | whole if item.get(key) != whole.get(key)}
            wrong += [(name, whole["type"], key) for key in differing - ONLY_WHOLE.get(whole["type"], set()) - {"status"}]

    assert wrong == []


def test_nothing_is_odd_about_the_streams_of_the_corpus(shared: Path) -> None:
    said = {note for _, response in corpus(shared) for note in folded(unfold(response)).notes}

    assert all("says that its status is c" in note for note in said)  # `cancelled`, for which there is no event, and one `complete`


@given(responses)
def test_every_response_comes_back(response: Json) -> None:
    assert wire(folded(unfold(response)).result()) == response


@given(responses)
def test_a_response_is_told_the_same_way_every_time(response: Json) -> None:
    text = json.dumps(response)

    assert json.dumps(unfold(json.loads(text))) == json.dumps(unfold(response))
    assert json.dumps(response) == text


@given(responses)
def test_events_are_counted_from_nought(response: Json) -> None:
    events = unfold(response)

    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[0]["type"] == "response.created"


@given(responses)
def test_every_item_begins_and_ends_once_and_in_order(response: Json) -> None:
    places = [(event["output_index"], event["type"]) for event in unfold(response) if event["type"].startswith("response.output_item.")]

    assert all(one[0] < other[0] or (one[0] == other[0] and other[1].endswith("done")) for one, other in pairwise(places))


def test_what_the_sdk_knows_is_told_in_events_that_are_known() -> None:
    def unknown(value: Any) -> bool:
        return isinstance(value, Unknown) or (isinstance(value, Wire) and any(unknown(inner) for inner in value.__dict__.values()))

    told = {response["output"][0]["type"] for response in sdk_samples()}
    for response in sdk_samples():
        events = unfold(response)
        for event in events:
            model = PARSE(event)
            assert not unknown(model), event
            assert not model.problems, event
        assert wire(folded(events).result()) == response

    assert told == {*OUTPUT_ITEMS}


# The Response.


def test_a_response_begins_as_it_was_before_anything_came_of_it() -> None:
    response = COMPLETED | {"output": [WHOLE], "completed_at": 5, "error": None}
    events = unfold(response)

    assert [*kinds(events)[:2], kinds(events)[-1]] == ["created", "in_progress", "completed"]
    assert events[0]["response"] == events[1]["response"] == response | {"status": "in_progress", "output": [], "usage": None, "completed_at": None}
    assert events[-1]["response"] == response


@pytest.mark.parametrize(("status", "end"), [("completed", "completed"), ("failed", "failed"), ("incomplete", "incomplete"), ("cancelled", "incomplete")])
def test_the_last_event_says_how_it_ended(status: str, end: str) -> None:
    assert kinds(unfold(RESPONSE | {"status": status})) == ["created", "in_progress", end]


def test_one_without_a_status_is_taken_for_completed() -> None:
    response = {key: value for key, value in RESPONSE.items() if key != "status"}

    assert kinds(unfold(response))[-1] == "completed"


def test_one_from_the_background_was_queued_first() -> None:
    events = unfold(COMPLETED | {"background": True})

    assert kinds(events) == ["created", "queued", "in_progress", "completed"]
    assert [event["response"]["status"] for event in events] == ["queued", "queued", "in_progress", "completed"]


def test_one_that_waits_is_told_so_far() -> None:
    assert kinds(unfold(RESPONSE | {"status": "queued", "background": True})) == ["created", "queued"]


def test_one_that_goes_on_is_told_so_far() -> None:
    events = unfold(RESPONSE | {"output": [WHOLE, MESSAGE]})

    assert kinds(events)[:3] == ["created", "in_progress", "output_item.added"]
    assert kinds(events)[-2:] == ["output_item.done", "output_item.added"]
    assert events[-1]["item"] == MESSAGE


# Items.


def test_a_message_grows_part_by_part_and_word_by_word() -> None:
    item = WHOLE | {"content": [PART | {"text": "Hello, my world"}, {"type": "refusal", "refusal": "No."}]}
    events = of_item(item)

    assert kinds(events) == [
        "output_item.added",
        *("content_part.added", *["output_text.delta"] * 3, "output_text.done", "content_part.done"),
        *("content_part.added", "refusal.delta", "refusal.done", "content_part.done"),
        "output_item.done",
    ]
    assert events[0]["item"] == MESSAGE
    assert events[1]["part"] == PART
    assert [event["delta"] for event in of(events, "output_text.delta")] == ["Hello,", " my", " world"]
    assert {(event["item_id"], event["output_index"], event["content_index"]) for event in of(events, "refusal.delta")} == {("msg_1", 0, 1)}


def test_an_empty_text_has_no_deltas() -> None:
    assert kinds(of_item(WHOLE | {"content": [PART]})) == [
        *("output_item.added", "content_part.added", "output_text.done", "content_part.done", "output_item.done"),
    ]


def test_log_probabilities_come_with_their_tokens_and_without_bytes() -> None:
    probable = [{"token": token, "logprob": -0.5, "bytes": [1], "top_logprobs": [{"token": "x", "bytes": [1]}]} for token in ("Hel", "lo")]
    plain = [{"token": token, "logprob": -0.5, "top_logprobs": [{"token": "x"}]} for token in ("Hel", "lo")]
    events = of_item(WHOLE | {"content": [PART | {"text": "Hello", "logprobs": probable}]})

    assert [(event["delta"], event["logprobs"]) for event in of(events, "output_text.delta")] == [("Hel", plain[:1]), ("lo", plain[1:])]
    assert of(events, "output_text.done")[0]["logprobs"] == plain
    assert of(events, "content_part.added")[0]["part"]["logprobs"] == []


def test_log_probabilities_of_other_tokens_come_at_the_end() -> None:
    events = of_item(WHOLE | {"content": [PART | {"text": "Hello", "logprobs": [{"token": "\\xf0"}]}]})

    assert [event["logprobs"] for event in of(events, "output_text.delta")] == [[]]
    assert of(events, "output_text.done")[0]["logprobs"] == [{"token": "\\xf0"}]


def test_annotations_come_one_by_one() -> None:
    events = of_item(WHOLE | {"content": [PART | {"text": "Hello", "annotations": [{"type": "file_path"}, {"type": "url_citation"}]}]})

    assert [(event["annotation_index"], event["annotation"]["type"]) for event in of(events, "output_text.annotation.added")] == [
        (0, "file_path"),
        (1, "url_citation"),
    ]


def test_reasoning_tells_its_summary_then_its_text() -> None:
    item = {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "In short"}],
        "content": [{"type": "reasoning_text", "text": "At length"}],
        "encrypted_content": "gAAA",
    }
    events = of_item(item)

    assert kinds(events) == [
        "output_item.added",
        *("reasoning_summary_part.added", *["reasoning_summary_text.delta"] * 2, "reasoning_summary_text.done", "reasoning_summary_part.done"),
        *("content_part.added", *["reasoning_text.delta"] * 2, "reasoning_text.done", "content_part.done"),
        "output_item.done",
    ]
    assert events[0]["item"] == {"id": "rs_1", "type": "reasoning", "summary": [], "content": []}


@pytest.mark.parametrize(
    ("type_", "key", "kind"),
    [("function_call", "arguments", "function_call_arguments"), ("custom_tool_call", "input", "custom_tool_call_input")],
)
def test_a_call_of_the_clients_tells_its_text(type_: str, key: str, kind: str) -> None:
    item = {"id": "fc_1", "type": type_, "call_id": "call_1", "name": "f", key: '{"a": 1}'}
    events = of_item(item)

    assert kinds(events) == ["output_item.added", f"{kind}.delta", f"{kind}.delta", f"{kind}.done", "output_item.done"]
    assert events[0]["item"] == item | {key: ""}
    assert told(events, f"{kind}.delta", "delta") == told(events, f"{kind}.done", key) == '{"a": 1}'


@pytest.mark.parametrize(
    ("item", "steps"),
    [
        ({"type": "web_search_call", "action": {"type": "search"}}, ["in_progress", "searching", "completed"]),
        ({"type": "file_search_call", "queries": ["?"]}, ["in_progress", "searching", "completed"]),
        ({"type": "image_generation_call", "result": "aGk="}, ["in_progress", "generating", "completed"]),
        ({"type": "mcp_list_tools", "tools": [{"name": "f"}]}, ["in_progress", "completed"]),
        ({"type": "mcp_list_tools", "tools": [], "error": "away"}, ["in_progress", "failed"]),
        ({"type": "web_search_call", "status": "failed"}, ["in_progress", "searching"]),
    ],
)
def test_a_call_of_the_providers_goes_on_step_by_step(item: Json, steps: list[str]) -> None:
    events = of_item({"id": "x_1"} | item)

    assert kinds(events) == ["output_item.added", *(f"{item['type']}.{step}" for step in steps), "output_item.done"]
    assert {event["item_id"] for event in events[1:-1]} == {"x_1"}


@pytest.mark.parametrize(
    ("end", "step"),
    [({}, ["mcp_call.completed"]), ({"status": "failed"}, ["mcp_call.failed"]), ({"error": "no"}, ["mcp_call.failed"]), ({"status": "incomplete"}, [])],
)
def test_a_call_of_a_tool_server_tells_its_arguments_and_its_end(end: Json, step: list[str]) -> None:
    item = {"id": "mcp_1", "type": "mcp_call", "arguments": "{}", "name": "f", "output": "4", "error": None} | end
    events = of_item(item)

    assert kinds(events)[1:-1] == ["mcp_call.in_progress", "mcp_call_arguments.delta", "mcp_call_arguments.done", *step]
    assert (events[0]["item"]["arguments"], events[0]["item"]["output"]) == ("", None)


def test_a_code_interpreter_writes_and_runs_its_code() -> None:
    events = of_item({"id": "ci_1", "type": "code_interpreter_call", "status": "completed", "code": "1 + 1", "container_id": "c", "outputs": []})

    assert kinds(events)[1:-1] == [
        "code_interpreter_call.in_progress",
        *["code_interpreter_call_code.delta"] * 3,
        "code_interpreter_call_code.done",
        *("code_interpreter_call.interpreting", "code_interpreter_call.completed"),
    ]
    assert events[0]["item"] == {"id": "ci_1", "type": "code_interpreter_call", "status": "in_progress", "code": "", "container_id": "c", "outputs": None}


def test_a_shell_tells_its_commands_by_their_place_only() -> None:
    events = of_item({"id": "sh_1", "type": "shell_call", "action": {"commands": ["ls", "pwd"], "timeout_ms": 5}})

    assert kinds(events)[1:-1] == ["shell_call_command.added", "shell_call_command.delta", "shell_call_command.done"] * 2
    assert events[0]["item"]["action"] == {"commands": [], "timeout_ms": 5}
    assert all(set(event) == {"type", "sequence_number", "output_index", "command_index", *(set(event) & {"command", "delta"})} for event in events[1:-1])


def test_a_shell_tells_what_its_commands_print() -> None:
    output = {"stdout": "a b", "stderr": "c", "outcome": {"type": "exit", "exit_code": 0}}
    events = of_item({"id": "sho_1", "type": "shell_call_output", "output": [output]})

    assert [event["delta"] for event in of(events, "shell_call_output_content.delta")] == [{"stdout": "a"}, {"stdout": " b"}, {"stderr": "c"}]
    assert of(events, "shell_call_output_content.done")[0]["output"] == [output]


def test_a_compaction_says_that_it_goes_on() -> None:
    assert kinds(of_item({"id": "cmp_1", "type": "compaction", "encrypted_content": "x"}))[1:-1] == ["compaction.compacting"]


def test_other_items_have_a_beginning_and_an_end_only() -> None:
    item = {"id": "x_1", "type": "unheard_of", "status": "completed", "more": 1}
    events = of_item(item)

    assert kinds(events) == ["output_item.added", "output_item.done"]
    assert [event["item"] for event in events] == [item | {"status": "in_progress"}, item]


def test_all_events_of_an_agents_item_name_the_agent() -> None:
    assert all(event["agent"] == {"agent_name": "a"} for event in of_item(WHOLE | {"agent": {"agent_name": "a"}}))


def test_an_item_without_an_id_goes_by_its_call() -> None:
    events = of_item({"type": "function_call", "call_id": "call_1", "arguments": "{}"})

    assert {event["item_id"] for event in events[1:-1]} == {"call_1"}


def test_what_is_no_item_has_no_events() -> None:
    assert kinds(unfold(COMPLETED | {"output": ["x", WHOLE]}))[2:-1] == kinds(of_item(WHOLE))
    assert kinds(unfold(COMPLETED | {"output": None})) == ["created", "in_progress", "completed"]


# Texts.


@given(texts)
def test_the_pieces_of_a_text_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text


def test_a_long_text_comes_in_longer_pieces() -> None:
    assert len(pieces("word " * 10_000)) <= MOST_DELTAS
    assert all(field(event, "delta") for event in of(of_item(WHOLE | {"content": [PART | {"text": "x" * 100_000}]}), "output_text.delta"))

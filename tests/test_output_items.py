"""Output items, growing event by event."""

from __future__ import annotations

from typing import Any

import pytest

from playhead.proxy.folds.response_fold import ResponseFold
from playhead.proxy.models.wire import Wire
from streams import BEGUN, CREATED, MESSAGE, PARSE, PART, WHOLE, added, delta, done, ended, event, fold, numbered, output, result, said

CALL: dict[str, Any] = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "look", "arguments": "", "status": "in_progress"}
REASONING: dict[str, Any] = {"id": "rs_1", "type": "reasoning", "summary": []}
SHELL: dict[str, Any] = {"id": "sh_1", "type": "shell_call", "call_id": "call_1", "action": {"commands": [], "timeout_ms": 5}, "status": "in_progress"}
PRINTED: dict[str, Any] = {"id": "sho_1", "type": "shell_call_output", "call_id": "call_1", "output": [], "status": "in_progress"}
CITED = {"type": "url_citation", "start_index": 0, "end_index": 2, "title": "A", "url": "https://a.example"}
LOGPROB = {"token": "Hel", "logprob": -0.5, "top_logprobs": []}


def only(*events: dict[str, Any]) -> Any:
    """The one item that these events make."""
    (item,) = output(CREATED, *events)
    return item


def dump(model: Wire) -> dict[str, Any]:
    return model.model_dump()


# Texts of the item itself.


@pytest.mark.parametrize(
    ("kind", "type_", "key"),
    [
        ("function_call_arguments", "function_call", "arguments"),
        ("mcp_call_arguments", "mcp_call", "arguments"),
        ("custom_tool_call_input", "custom_tool_call", "input"),
        ("code_interpreter_call_code", "code_interpreter_call", "code"),
    ],
)
def test_what_a_call_gets_grows_by_deltas(kind: str, type_: str, key: str) -> None:
    begun = {"id": "msg_1", "type": type_, key: ""}

    assert only(added(begun), delta(kind, '{"a"'), delta(kind, ":1}")) == begun | {key: '{"a":1}'}


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("function_call_arguments", "arguments"),
        ("mcp_call_arguments", "arguments"),
        ("custom_tool_call_input", "input"),
        ("code_interpreter_call_code", "code"),
    ],
)
def test_what_a_call_got_is_what_its_end_says(kind: str, key: str) -> None:
    assert only(added(CALL), event(f"{kind}.done", output_index=0, item_id="fc_1", **{key: "{}"})) == CALL | {key: "{}"}


def test_an_end_that_contradicts_the_deltas_holds_and_is_noted() -> None:
    end = event("function_call_arguments.done", output_index=0, item_id="fc_1", arguments="{}")
    made = fold(CREATED, added(CALL), delta("function_call_arguments", '{"a"'), end)
    response = made.result()
    assert response is not None

    assert response.to_wire()["output"] == [CALL | {"arguments": "{}"}]
    assert made.notes == ["response.function_call_arguments.done at 3 is not what the deltas of item 0 add up to"]


def test_an_end_without_its_text_keeps_what_was_gathered() -> None:
    end = event("function_call_arguments.done", output_index=0, item_id="fc_1")

    assert only(added(CALL), delta("function_call_arguments", "{}"), end) == CALL | {"arguments": "{}"}


# Parts.


def test_a_part_that_begins_is_in_its_item() -> None:
    assert output(*BEGUN) == [MESSAGE | {"content": [PART]}]


def test_parts_grow_each_at_its_place() -> None:
    second = event("content_part.added", output_index=0, content_index=1, part={"type": "refusal", "refusal": ""})

    assert output(*BEGUN, second, said("Hel"), delta("refusal", "N", content_index=1), said("lo"), delta("refusal", "o", content_index=1)) == [
        MESSAGE | {"content": [PART | {"text": "Hello"}, {"type": "refusal", "refusal": "No"}]}
    ]


def test_items_grow_each_at_its_place() -> None:
    other = added(MESSAGE | {"id": "msg_2"}, 1)

    assert [item["content"][0]["text"] for item in output(*BEGUN, other, said("a"), said("b", 1), said("c"), said("d", 1))] == ["ac", "bd"]


def test_a_text_that_ended_is_what_its_end_says() -> None:
    end = event("output_text.done", output_index=0, content_index=0, text="Hello", logprobs=[])

    assert output(*BEGUN, said("Hel"), said("lo"), end) == [MESSAGE | {"content": [PART | {"text": "Hello"}]}]


def test_a_part_that_ended_is_what_its_end_says() -> None:
    whole = PART | {"text": "Hello", "annotations": [CITED]}

    assert output(*BEGUN, said("Hel"), event("content_part.done", output_index=0, content_index=0, part=whole)) == [MESSAGE | {"content": [whole]}]


def test_reasoning_grows_by_text_and_summary() -> None:
    events = [
        event("content_part.added", output_index=0, content_index=0, part={"type": "reasoning_text", "text": ""}),
        delta("reasoning_text", "So", content_index=0),
        event("reasoning_summary_part.added", output_index=0, summary_index=0, part={"type": "summary_text", "text": ""}),
        delta("reasoning_summary_text", "Th", summary_index=0),
        delta("reasoning_summary_text", "us", summary_index=0),
        event("reasoning_summary_text.done", output_index=0, summary_index=0, text="Thus"),
        event("reasoning_summary_part.done", output_index=0, summary_index=0, part={"type": "summary_text", "text": "Thus"}),
    ]

    assert only(added(REASONING), *events) == REASONING | {
        "summary": [{"type": "summary_text", "text": "Thus"}],
        "content": [{"type": "reasoning_text", "text": "So"}],
    }


def test_reasoning_parts_of_other_servers_grow_as_well() -> None:
    part = event("reasoning_part.added", output_index=0, content_index=0, part={"type": "reasoning_text", "text": ""})

    assert only(added(REASONING), part, delta("reasoning_text", "So", content_index=0))["content"] == [{"type": "reasoning_text", "text": "So"}]


def test_annotations_stand_at_their_places() -> None:
    cited = [
        event("output_text.annotation.added", output_index=0, content_index=0, annotation_index=at, annotation=CITED | {"title": t})
        for at, t in enumerate("AB")
    ]

    assert output(*BEGUN, said("Hi"), *cited, cited[0])[0]["content"] == [PART | {"text": "Hi", "annotations": [CITED, CITED | {"title": "B"}]}]


def test_an_annotation_that_is_null_is_none() -> None:
    assert output(*BEGUN, event("output_text.annotation.added", output_index=0, content_index=0, annotation_index=0, annotation=None))[0]["content"] == [PART]


def test_logprobs_of_deltas_are_gathered_until_the_end_tells_them() -> None:
    grown = (*BEGUN, said("Hel") | {"logprobs": [LOGPROB]}, said("lo") | {"logprobs": [LOGPROB | {"token": "lo"}]})
    end = event("output_text.done", output_index=0, content_index=0, text="Hello", logprobs=[LOGPROB])

    assert [each["token"] for each in output(*grown)[0]["content"][0]["logprobs"]] == ["Hel", "lo"]
    assert output(*grown, end)[0]["content"][0]["logprobs"] == [LOGPROB]


def test_a_part_whose_beginning_was_lost_stands_behind_those_before_it() -> None:
    assert output(*BEGUN, said("b", part=5), said("a"))[0]["content"] == [PART | {"text": "a"}, {"type": "output_text", "text": "b"}]


@pytest.mark.parametrize("index", [-1, "0", None, [0], 0.0, 10**30])
def test_an_index_that_is_none_loses_no_text(index: Any) -> None:
    assert result(*BEGUN, delta("output_text", "Hi", content_index=index)).output_text == "Hi"


def test_a_delta_that_is_no_text_adds_nothing() -> None:
    assert result(*BEGUN, said("Hel"), delta("output_text", {"odd": 1}, content_index=0), said("lo")).output_text == "Hello"


# Shell.


def test_shell_commands_are_told_apart_by_their_output_index() -> None:
    kind = "shell_call_command"
    events = [
        event(f"{kind}.added", output_index=0, command_index=0, command=""),
        event(f"{kind}.delta", output_index=0, command_index=0, delta="l"),
        event(f"{kind}.delta", output_index=0, command_index=0, delta="s"),
        event(f"{kind}.done", output_index=0, command_index=0, command="ls"),
        event(f"{kind}.added", output_index=0, command_index=1, command=""),
        event(f"{kind}.delta", output_index=0, command_index=1, delta="pw"),
    ]

    assert only(added(SHELL), *events) == SHELL | {"action": {"commands": ["ls", "pw"], "timeout_ms": 5}}


def test_what_commands_print_grows_in_two_streams() -> None:
    kind = "shell_call_output_content.delta"
    pieces: list[dict[str, str]] = [{"stdout": "a"}, {"stderr": "x"}, {"stdout": "b", "stderr": "y"}]
    events = [event(kind, output_index=0, item_id="sho_1", command_index=0, delta=piece) for piece in pieces]

    assert only(added(PRINTED), *events) == PRINTED | {"output": [{"stdout": "ab", "stderr": "xy"}]}


def test_what_a_command_printed_is_what_its_end_says() -> None:
    whole = {"outcome": {"type": "exit", "exit_code": 0}, "stderr": "", "stdout": "a"}
    end = event("shell_call_output_content.done", output_index=0, item_id="sho_1", command_index=0, output=[whole])

    assert only(added(PRINTED), end) == PRINTED | {"output": [whole]}


# Hosted tools.


@pytest.mark.parametrize(
    ("call", "statuses"),
    [
        ("web_search_call", ("in_progress", "searching", "completed")),
        ("file_search_call", ("in_progress", "searching", "completed")),
        ("code_interpreter_call", ("in_progress", "interpreting", "completed")),
        ("image_generation_call", ("in_progress", "generating", "completed")),
        ("mcp_call", ("in_progress", "failed")),
    ],
)
def test_a_hosted_call_has_the_status_of_its_newest_event(call: str, statuses: tuple[str, ...]) -> None:
    item = {"id": "x_1", "type": call, "status": "queued"}
    events = [event(f"{call}.{status}", output_index=0, item_id="x_1") for status in statuses]

    assert [only(added(item), *events[: at + 1])["status"] for at in range(len(events))] == list(statuses)


@pytest.mark.parametrize("kind", ["mcp_list_tools.in_progress", "compaction.compacting"])
def test_an_item_without_a_status_gets_none(kind: str) -> None:
    item = {"id": "x_1", "type": kind.partition(".")[0]}

    assert only(added(item), event(kind, output_index=0, item_id="x_1")) == item


def test_a_partial_image_stands_for_the_result_until_that_comes() -> None:
    item = {"id": "ig_1", "type": "image_generation_call", "status": "generating", "result": None}
    partial = event("image_generation_call.partial_image", output_index=0, item_id="ig_1", partial_image_index=0, partial_image_b64="AAAA", size="1x1")

    assert only(added(item), partial) == item | {"result": "AAAA", "size": "1x1"}
    assert only(added(item), partial, done(item | {"result": "BBBB"})) == item | {"result": "BBBB"}


def test_a_transcript_is_gathered_beside_the_response() -> None:
    assert fold(CREATED, event("audio.transcript.delta", delta="Hel"), event("audio.transcript.delta", delta="lo")).transcript == "Hello"


# Items.


def test_an_item_that_is_done_is_what_its_end_says() -> None:
    assert output(*BEGUN, said("Hel"), done()) == [WHOLE]


def test_growth_after_an_item_was_done_is_noted_and_not_applied() -> None:
    made = fold(*BEGUN, done(), said("!"))
    response = made.result()
    assert response is not None

    assert (response.output_text, made.notes) == ("Hello", ["response.output_text.delta at 4 comes after item 0 was done"])


def test_an_item_that_was_never_added_begins_with_its_deltas() -> None:
    made = fold(CREATED, said("Hi"))
    response = made.result()
    assert response is not None

    assert response.to_wire()["output"] == [{"id": "msg_1", "type": "message", "content": [{"type": "output_text", "text": "Hi"}]}]
    assert made.notes == ["item 0 begins with response.output_text.delta at 1"]


def test_an_item_that_was_never_added_may_still_be_done() -> None:
    made = fold(CREATED, done())

    assert made.notes == ["response.output_item.done at 1 ends item 0, which had not begun"]
    assert output(CREATED, done()) == [WHOLE]


def test_an_item_whose_id_changes_is_one_item() -> None:
    made = fold(*BEGUN, done(WHOLE | {"id": "msg_9"}))

    assert [row.id for row in made.items()] == ["msg_9"]
    assert made.notes == ["response.output_item.done at 3 gives item 0 another id"]


def test_an_item_that_is_added_again_keeps_what_it_has() -> None:
    made = fold(*BEGUN, said("Hel"), added(), said("lo"))
    response = made.result()
    assert response is not None

    assert (response.output_text, made.notes) == ("Hello", ["response.output_item.added at 4 comes again for item 0"])


def test_items_of_a_server_that_does_not_count_are_all_there() -> None:
    assert output(CREATED, added(), done(), added(CALL), done(CALL), ended(output=[])) == [WHOLE, CALL]


def test_items_without_an_id_of_a_server_that_does_not_count_are_all_there() -> None:
    bare = {"type": "message", "content": [PART | {"text": "Hi"}]}

    assert output(CREATED, added(bare), done(bare), added(bare), done(bare), ended(output=[])) == [bare, bare]


def test_an_item_without_an_index_is_the_one_with_its_id_or_the_next() -> None:
    events = [{key: value for key, value in each.items() if key != "output_index"} for each in (added(), said("Hi"), added(CALL), done(CALL), done())]

    assert output(CREATED, *events) == [WHOLE, CALL]


def test_an_item_that_is_none_is_noted() -> None:
    assert fold(CREATED, event("output_item.added", output_index=0, item="odd")).notes == ["response.output_item.added at 1 has no item"]


def test_what_events_carried_is_never_changed() -> None:
    events = [
        PARSE(each) for each in numbered(*BEGUN, added(SHELL, 1), said("Hi"), event("shell_call_command.added", output_index=1, command_index=0, command="ls"))
    ]
    before = [each.to_wire() for each in events]
    made = ResponseFold()
    for each in events:
        made.add(each)
        made.result()

    assert [each.to_wire() for each in events] == before
    assert [dump(each) for each in events] == [dump(PARSE(each)) for each in before]

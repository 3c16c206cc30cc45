"""`show --context`: the conversation behind an exchange, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from command_line import HEAD, JSON_HEAD, Playhead, on, recorded, write
from playhead.storage.records import EventRow, Facts, Raw, Recorded

CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": '{"at": "Paris"}', "status": "completed"}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "rain"}
SPOKEN = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "It rains.", "annotations": []}]}


def facts(id_: str, previous: str | None) -> Facts:
    return Facts(kind="responses", model="gpt-5", response_id=id_, previous_response_id=previous, response_status="completed", parse="parsed")


def answered(number: int, request: dict[str, Any], output: list[Any], **changes: Any) -> Recorded:
    response = {"id": f"resp_{number}", "object": "response", "status": "completed", "output": output}
    raw = Raw(HEAD, json.dumps(request).encode(), JSON_HEAD, json.dumps(response).encode())
    return recorded(number, raw=raw, facts=facts(f"resp_{number}", request.get("previous_response_id")), **changes)


def turn(number: int, request: dict[str, Any], output: list[Any]) -> Recorded:
    """On a WebSocket."""
    response = {"id": f"resp_{number}", "object": "response", "status": "completed", "output": output}
    messages = [json.dumps({"type": "response.create", **request}).encode(), json.dumps({"type": "response.completed", "response": response}).encode()]
    events = [EventRow(place, place, place, "x", None, None, len(text), 1) for place, text in enumerate(messages)]
    raw = Raw(HEAD.replace(b"POST", b"GET"), messages[0], b"HTTP/1.1 101 Switching Protocols\r\n\r\n", messages[1])
    told = facts(f"resp_{number}", request.get("previous_response_id"))
    return recorded(number, transport="ws", method="GET", status=101, raw=raw, facts=told, events=events, event_count=2)


@pytest.fixture
def playhead(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Playhead:
    data = tmp_path / "data"
    write(
        data,
        answered(1, {"instructions": "Be brief.", "input": "Do I need an umbrella?"}, [CALL]),
        turn(2, {"input": [RESULT], "previous_response_id": "resp_1"}, [SPOKEN]),
        answered(
            3,
            {"input": [{"role": "user", "content": "\x1b[2J" + "long " * 1000}, {"type": "item_reference", "id": "msg_9"}], "previous_response_id": "resp_2"},
            [],
        ),
        answered(4, {"input": "y", "previous_response_id": "resp_x"}, []),
    )
    write(data, recorded(5, facts=Facts(kind="embeddings"), path="/v1/embeddings"))
    return on(data, capsysbinary)


def test_a_person_reads_who_said_what_in_which_exchange(playhead: Playhead) -> None:
    told = playhead("show", "3", "--context")

    assert (told.status, told.err) == (0, "")
    assert [line.rstrip() for line in told.out.splitlines()][:14] == [
        "CONTEXT of exchange 3 (gpt-5): 6 items of 3 exchanges",
        "",
        "exchange 1  user",
        "              Do I need an umbrella?",
        "",
        "exchange 1  function_call look (call_1)",
        '              {"at": "Paris"}',
        "",
        "exchange 2  function_call_output of look (call_1)",
        "              rain",
        "",
        "exchange 2  assistant",
        "              It rains.",
        "",
    ]


def test_a_long_text_is_folded_and_drives_no_terminal(playhead: Playhead) -> None:
    out = playhead("show", "3", "--context").out

    assert "\x1b" not in out
    assert "... (5,004 characters)" in out
    assert max(map(len, out.splitlines())) <= 120


def test_what_was_never_recorded_is_said(playhead: Playhead) -> None:
    assert "MISSING\n  exchange 3: item msg_9: this item is named by its id, and is not in the store\n" in playhead("show", "3", "--context").out
    assert "MISSING\n  exchange 4: response resp_x: this response is not in the store, nor what" in playhead("show", "4", "--context").out


def test_the_answer_comes_last_and_is_no_part_of_what_the_model_saw(playhead: Playhead) -> None:
    told = playhead("show", "2", "--context")

    assert told.out.endswith("ANSWER\n\nexchange 2  assistant\n              It rains.\n")
    assert [row["exchange"] for row in playhead("show", "2", "--context", "--json").rows] == [1, 1, 2]


def test_programs_get_a_line_for_each_item_and_for_what_is_missing(playhead: Playhead) -> None:
    rows = playhead("show", "3", "--context", "--json").rows

    assert [(row["exchange"], row["part"], row["position"], row["type"]) for row in rows[:3]] == [
        (1, "input", 0, "message"),
        (1, "output", 0, "function_call"),
        (2, "input", 0, "function_call_output"),
    ]
    assert rows[1]["item"] == CALL
    assert rows[-1] == {"missing": "item", "id": "msg_9", "exchange": 3, "text": "this item is named by its id, and is not in the store"}


def test_what_asks_no_model_has_no_context(playhead: Playhead) -> None:
    assert playhead("show", "5", "--context").out == "Exchange 5 has no context: it asks no model to go on with a conversation.\n"
    assert playhead("show", "5", "--context", "--json").out == ""


@pytest.mark.parametrize("other", [["--parsed"], ["--raw", "response"]])
def test_two_ways_to_show_it_are_one_too_many(playhead: Playhead, other: list[str]) -> None:
    assert playhead("show", "1", "--context", *other).status == 2


def test_an_exchange_that_is_not_there_has_no_context(playhead: Playhead) -> None:
    assert playhead("show", "99", "--context").status == 3

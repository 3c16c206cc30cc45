"""`show --parsed`: the typed view for people, and the models as they came for programs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from command_line import HEAD, JSON_HEAD, Playhead, on, recorded, write
from playhead.storage.records import EventRow, Facts, Raw, Recorded

USAGE = {"input_tokens": 3, "input_tokens_details": {"cached_tokens": 1}, "output_tokens": 2, "total_tokens": 5}
CALL = {"id": "sh_1", "type": "shell_call", "call_id": "call_1", "status": "completed", "action": {"commands": ["ls " + "x" * 300]}}
RESPONSE = {"id": "resp_1", "object": "response", "status": "completed", "model": "m", "error": None, "tools": [], "output": [CALL], "usage": USAGE, "new": 1.0}
ASKED = {"model": "m", "input": "What is\nthere?", "tools": [{"type": "shell"}, {"type": "shell"}, {"type": "function", "name": "look"}]}
HANDSHAKE = HEAD.replace(b"POST", b"GET")


def exchange(number: int, request: Any, answer: Any, **changes: Any) -> Recorded:
    asked = b"" if request is None else json.dumps(request).encode()
    answered = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return recorded(number, raw=Raw(HEAD, asked, JSON_HEAD, answered), **changes)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    place = tmp_path / "data"
    problems = [(f"output[{number}].status", "string", "7") for number in range(60)]
    stream = f"event: response.completed\ndata: {json.dumps({'type': 'response.completed', 'sequence_number': 0, 'response': RESPONSE})}\n\n".encode()
    turn = [json.dumps({"type": "response.create", **ASKED}).encode(), b"ping", stream.split(b"data: ")[1].strip()]
    events = [EventRow(seq, seq, int(seq > 0), "x", None, None, len(text), opcode) for seq, (text, opcode) in enumerate(zip(turn, (1, 9, 1), strict=True))]
    write(
        place,
        exchange(1, ASKED, RESPONSE, facts=Facts(kind="responses", parse="parsed", problems=problems)),
        exchange(2, ASKED, stream, transport="sse"),
        exchange(3, ASKED, {"error": {"message": "\x1b[2Jno", "code": "bad"}}, status=400),
        exchange(4, None, b"<html>", status=502),
        recorded(5, transport="ws", method="GET", status=101, raw=Raw(HANDSHAKE, turn[0], JSON_HEAD, b"".join(turn[1:])), events=events, event_count=3),
        replace(exchange(6, {"input": ["a"] * 3}, {"object": "list", "data": [{"embedding": [0.5] * 100}]}), path="/v1/embeddings"),
        exchange(7, {"input": [{"role": "user", "content": f"said {number}"} for number in range(600)]}, None),
    )
    return place


@pytest.fixture
def playhead(data: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Playhead:
    return on(data, capsysbinary)


@pytest.mark.parametrize("id_", ["1", "2", "5"])
def test_a_response_is_told_whatever_it_was_sent_as(playhead: Playhead, id_: str) -> None:
    told = playhead("show", id_, "--parsed")

    assert (told.status, told.err) == (0, "")
    lines = [" ".join(line.split()) for line in told.out.splitlines()]
    assert "message user What is there?" in lines
    assert "RESPONSE Response" in lines
    assert any(line.startswith('shell_call sh_1 call_1 completed {"commands": ["ls xxx') for line in lines)
    assert "input_tokens_details.cached_tokens 1" in lines
    assert "new 1.0" in lines
    assert "uncached_input 2" in lines
    assert not any(line.startswith(("error", "tools []")) for line in lines)
    assert "tools shell, shell, look" in lines


@pytest.mark.parametrize("id_", ["1", "2", "5"])
def test_programs_get_the_models_as_they_came(playhead: Playhead, id_: str) -> None:
    (told,) = playhead("show", id_, "--parsed", "--json").rows

    assert list(told) == ["exchange", "kind", "request", "response", "usage", "problems"]
    assert told["response"] == RESPONSE
    assert list(told["response"]) == list(RESPONSE)
    assert {**told["request"], "type": None} == {**ASKED, "type": None}


@pytest.mark.parametrize("id_", ["1", "2", "5"])
def test_usage_is_told_in_one_form_and_as_it_came(playhead: Playhead, id_: str) -> None:
    (told,) = playhead("show", id_, "--parsed", "--json").rows

    counted = {name: told["usage"][name] for name in ("input", "uncached_input", "cached_input", "output", "total")}
    assert counted == {"input": 3, "uncached_input": 2, "cached_input": 1, "output": 2, "total": 5}
    assert told["usage"]["raw"] == USAGE


def test_the_usage_of_a_realtime_connection_is_that_of_all_its_responses(data: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    said = [{"type": "response.done", "response": {"usage": {"input_tokens": count, "output_tokens": 1, "total_tokens": count + 1}}} for count in (10, 2)]
    texts = [json.dumps(event).encode() for event in said]
    events = [EventRow(seq, seq, 1, "response.done", None, None, len(text), 1) for seq, text in enumerate(texts)]
    facts = Facts(kind="realtime", parse="parsed", usage={"input_tokens": 12, "output_tokens": 2, "total_tokens": 14})
    socket = recorded(8, transport="ws", method="GET", status=101, raw=Raw(HANDSHAKE, b"", JSON_HEAD, b"".join(texts)), events=events, facts=facts)
    write(data, replace(socket, path="/v1/realtime?model=m"))

    assert json.loads(on(data, capsysbinary)("show", "8", "--parsed", "--json").out)["usage"]["total"] == 14


def test_what_does_not_fit_is_counted_and_the_first_are_shown(playhead: Playhead) -> None:
    lines = playhead("show", "1", "--parsed").out.splitlines()
    (told,) = playhead("show", "1", "--parsed", "--json").rows

    start = lines.index("PROBLEMS")
    assert lines[start + 2].split() == ["output[0].status", "string", "7"]
    assert lines[-1] == "... and 10 more"
    assert (told["problems"]["count"], len(told["problems"]["first"])) == (60, 50)
    assert told["problems"]["first"][0] == {"path": "output[0].status", "expected": "string", "found": "7"}


def test_where_all_fits_there_is_no_table(playhead: Playhead) -> None:
    assert "PROBLEMS" not in playhead("show", "2", "--parsed").out
    assert playhead("show", "2", "--parsed", "--json").rows[0]["problems"] == {"count": 0, "first": []}


def test_an_error_is_a_model_and_drives_no_terminal(playhead: Playhead) -> None:
    told = playhead("show", "3", "--parsed")

    assert "RESPONSE  ErrorBody" in told.out
    assert "\x1b" not in told.out


def test_what_is_no_json_is_no_model(playhead: Playhead) -> None:
    assert playhead("show", "4", "--parsed").out == "\nREQUEST  (none)\n\nRESPONSE  (no JSON)\n"
    assert playhead("show", "4", "--parsed", "--json").rows[0]["response"] is None


def test_other_kinds_have_their_own_models(playhead: Playhead) -> None:
    out = playhead("show", "6", "--parsed").out

    assert "REQUEST  EmbeddingBody" in out
    assert "RESPONSE  EmbeddingList" in out


def test_of_very_many_items_the_first_are_shown(playhead: Playhead) -> None:
    out = playhead("show", "7", "--parsed").out

    assert "said 499" in out
    assert "said 500" not in out
    assert "... and 100 more" in out


def test_two_ways_to_show_it_are_one_too_many(playhead: Playhead) -> None:
    assert playhead("show", "1", "--parsed", "--raw", "response").status == 2


def test_a_body_that_is_too_long_says_so(playhead: Playhead, data: Path) -> None:
    write(data, exchange(8, ASKED, b"", response_bytes=100 << 20))

    assert playhead("show", "8", "--parsed").out.endswith("RESPONSE  (longer than 64 MiB, and not parsed)\n")

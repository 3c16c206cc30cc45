"""What happened on a connection, in its order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chained import START, row
from playhead.proxy.lane_marks import Mark, Noted, Spans, close_text, lanes_of, marks_of, parents_elsewhere, runs_of
from playhead.storage.connecting.connected import ConnectionRecord, LogEntry

MS = 1_000_000


def connection(**changes: Any) -> ConnectionRecord:
    plain: dict[str, Any] = dict.fromkeys(ConnectionRecord.model_fields)
    return ConnectionRecord.model_construct(**(plain | {"id": 1, "started_at": START, "status": 101, "lanes": []} | changes))


def turn(number: int, lane: str | None = None, **changes: Any) -> Any:
    return row(number + 10, transport="ws", stream_id=lane, response_id=f"resp_{number}", started_at=START + timedelta(milliseconds=number), **changes)


def log(*entries: tuple[int, int, int], opcode: int = 1) -> Spans:
    """Entries as ms, direction, turn."""
    return Spans.of(LogEntry(direction, opcode, at * MS, turn, 5) for at, direction, turn in entries)


def told(marks: list[Mark]) -> list[tuple[int, str, int | None, int | None, str]]:
    return [(mark.at // MS, mark.what, mark.lane, mark.exchange, mark.text) for mark in marks]


def test_a_turn_lasts_from_its_first_message_to_its_last() -> None:
    marks = marks_of(connection(), log((5, 0, 1), (6, 1, 1), (9, 1, 1)), {1: turn(1, model="gpt-5")}, [])

    assert told(marks) == [(5, "begin", 0, 11, "gpt-5"), (9, "end", 0, 11, "completed")]


def test_what_one_end_never_saw_is_no_message_of_the_client() -> None:
    spans = Spans.of([LogEntry(0, 1, 1, 1, 5), LogEntry(1, 1, 2, 1, 5, hidden=True), LogEntry(0, 1, 3, 1, 5, hidden=True), LogEntry(1, 1, 4, 1, 5)])

    assert (spans.asked, spans.hidden, spans.last) == ({1: 1}, {(1, 2), (1, 3)}, {1: 4})


def test_without_a_log_its_own_times_count() -> None:
    marks = marks_of(connection(), Spans(), {1: turn(1, duration_ms=7.0)}, [])

    assert told(marks) == [(1, "begin", 0, 11, ""), (8, "end", 0, 11, "completed")]


def test_a_turn_that_goes_on_has_no_end() -> None:
    assert [mark.what for mark in marks_of(connection(), Spans(), {1: turn(1, outcome=None)}, [])] == ["begin"]


def test_turns_say_what_they_go_on_from() -> None:
    turns = {
        1: turn(1),
        2: turn(2, previous_response_id="resp_1"),
        3: turn(3, previous_response_id="resp_elsewhere", model="m"),
        4: turn(4, previous_response_id="resp_2", steer="steer_1"),
        5: turn(5, steer="steer_2"),
    }

    def begun(elsewhere: dict[str, int]) -> list[str]:
        return [mark.text for mark in marks_of(connection(), Spans(), turns, [], elsewhere) if mark.what == "begin"]

    assert begun({}) == ["", "after 11", "after resp_elsewhere, m", "by a steer after 12", "by a steer"]
    assert parents_elsewhere(turns) == {"resp_elsewhere": turns[3]}
    assert begun({"resp_elsewhere": 7})[2] == "after 7, m"


@pytest.mark.parametrize(
    ("changes", "text", "wrong"),
    [
        ({}, "completed", False),
        ({"response_status": "incomplete"}, "incomplete", False),
        ({"response_status": None}, "ended", False),
        ({"response_status": None, "error_code": "bad"}, "bad", True),
        ({"response_status": "failed", "error_code": "server_error"}, "failed server_error", True),
        ({"outcome": "client_closed", "response_status": "in_progress"}, "client closed", True),
    ],
)
def test_a_turn_says_how_it_ended(changes: dict[str, Any], text: str, wrong: bool) -> None:
    end = marks_of(connection(), Spans(), {1: turn(1, **changes)}, [])[-1]

    assert (end.text, end.wrong) == (text, wrong)


def test_lanes_are_those_that_the_connection_knows_and_those_of_its_turns() -> None:
    turns = {1: turn(1, "b"), 2: turn(2, "a"), 3: turn(3)}

    assert lanes_of(connection(lanes=["a"]), turns) == ["a", "b", None]
    assert [mark.lane for mark in marks_of(connection(lanes=["a"]), Spans(), turns, []) if mark.what == "begin"] == [1, 0, 2]


def test_steers_and_errors_stand_in_their_lane_and_strays_beside_them() -> None:
    noted = [
        Noted(2 * MS, 1, 0, "response.steer"),
        Noted(3 * MS, 1, 1, "response.steer.failed"),
        Noted(4 * MS, 1, 1, "error"),
        Noted(5 * MS, 0, 1, "keepalive"),
        Noted(6 * MS, 0, 0, None),
    ]
    marks = marks_of(connection(), log((1, 0, 1), (9, 1, 1)), {1: turn(1, error_code="bad")}, noted)

    assert told(marks)[1:-1] == [
        (2, "steer", 0, 11, "is steered"),
        (3, "steer", 0, 11, "steer failed"),
        (4, "error", 0, 11, "error bad"),
        (5, "message", None, None, "upstream: keepalive, of no turn"),
        (6, "message", None, None, "client: a message of no type, of no turn"),
    ]


def test_an_event_of_a_turn_that_was_deleted_is_told_all_the_same() -> None:
    assert told(marks_of(connection(), Spans(), {}, [Noted(MS, 3, 1, "error")])) == [(1, "message", None, None, "upstream: error, of no turn")]


def test_closes_come_with_code_and_reason_and_the_end_last() -> None:
    spans = log((4, 1, 0), (5, 0, 0), opcode=8)
    known = connection(client_close=1000, upstream_close=1008, upstream_reason="policy", outcome="upstream_closed", duration_ms=3.0)

    assert [(mark.at // MS, mark.what, mark.text, mark.wrong) for mark in marks_of(known, spans, {}, [])] == [
        (4, "close", 'upstream closes 1008 "policy"', True),
        (5, "close", "client closes 1000", False),
        (5, "over", "the connection is over: upstream closed", True),
    ]


@pytest.mark.parametrize(("code", "reason", "text"), [(None, None, ""), (1005, None, "without a code"), (1000, None, "1000"), (4000, "x", '4000 "x"')])
def test_a_close_in_words(code: int | None, reason: str | None, text: str) -> None:
    assert close_text(code, reason) == text


def test_equal_messages_in_a_row_are_one_run() -> None:
    runs = runs_of([(1, 1, "a", 5), (2, 1, "a", 5), (3, 0, "a", 5), (4, 1, None, 5)])

    assert [(run.at, run.until, run.direction, run.type, run.messages, run.bytes) for run in runs] == [
        (1, 2, 1, "a", 2, 10),
        (3, 3, 0, "a", 1, 5),
        (4, 4, 1, "no whole message", 1, 5),
    ]


def test_sound_of_both_directions_is_two_runs() -> None:
    events = [(at, at % 2, ("input_audio_buffer.append", "response.output_audio.delta")[at % 2], 100) for at in range(200)]

    assert [(run.messages, run.bytes) for run in runs_of(events)] == [(100, 10_000), (100, 10_000)]


def test_what_begins_and_ends_things_is_never_joined_over_others() -> None:
    assert len(runs_of([(at, 1, ("response.created", "response.done")[at % 2], 1) for at in range(10)])) == 10

"""`connections` and `connection`: what people and programs are told of WebSockets."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from command_line import Playhead, on, recorded, write
from playhead.proxy.listing import CONNECTIONS, print_table
from playhead.storage.connecting.connected import ConnectionRecord, LogEntry
from playhead.storage.records import EventRow, Facts, Recorded
from stores import connected, event, logged, turned

MS = 1_000_000
CLOSE = LogEntry(1, 8, 90 * MS, 0, 2)
STRAY = b'{"type":"keepalive","x":"\x1b[2J"}'


def turn(number: int, at: int, lane: str | None = None, **changes: Any) -> tuple[Recorded, list[LogEntry]]:
    """A turn of connection 1 and its part of the log, three messages from `at` ms on."""
    facts = Facts(kind="responses", model="gpt-5", response_id=f"resp_{number}", response_status="completed", parse="parsed", **changes.pop("told", {}))
    one = turned(1, number, stream_id=lane, facts=facts, **changes)
    return one, logged(number, at * MS)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    steered = [
        event(0, "response.create", direction=0, flags=1),
        event(1, "response.steer", direction=0, flags=1),
        event(2, "response.steer.accepted", flags=1),
    ]
    first, log_1 = turn(1, 1, events=steered)
    second, log_2 = turn(2, 5, "plan", told={"previous_response_id": "resp_1"})
    failed, log_3 = turn(3, 10, "plan", told={"error_code": "server_error"})
    first_log = [log_1[0], log_1[1]._replace(direction=0), log_1[2]]
    log = [*first_log, *log_2, *log_3, LogEntry(1, 1, 20 * MS, 0, len(STRAY)), CLOSE]
    socket = connected(
        1,
        outcome="complete",
        duration_ns=100 * MS,
        lanes=[None, "plan"],
        turns=3,
        client_messages=4,
        upstream_messages=6,
        upstream_close=1000,
        upstream_reason="bye",
        unassigned=1,
        log=log,
        upstream_data=STRAY + b"\x03\xe8",
    )
    realtime = connected(2, path="/v1/realtime?model=m", outcome="client_closed", duration_ns=5 * MS, client_close=1001)
    refused = connected(3, run="run-2", status=401, outcome="complete")
    sound = [
        EventRow(place, place * MS, place % 2, ("input_audio_buffer.append", "response.output_audio.delta")[place % 2], None, None, 1, 1) for place in range(40)
    ]
    whole = recorded(
        2, session="default", run="run-1", writer="w1", transport="ws", status=101, method="GET", path="/v1/realtime?model=m", events=sound, event_count=40
    )
    no = recorded(3, run="run-2", writer="w1", method="GET", status=401)
    place = tmp_path / "data"
    write(
        place, first, second, failed, replace(whole, raw=replace(whole.raw, request=b"x" * 20, response=b"y" * 20)), no, connections=[socket, realtime, refused]
    )
    return place


@pytest.fixture
def playhead(data: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Playhead:
    return on(data, capsysbinary)


def test_the_connections_of_a_session_are_listed_by_take(playhead: Playhead) -> None:
    told = playhead("connections", "default")

    assert (told.status, told.err) == (0, "")
    assert [" ".join(line.split()) for line in told.out.splitlines()] == [
        "ID AT (UTC) PATH RESULT LANES EXCHANGES MESSAGES CLOSED BY TIME",
        "take 1, 2025-08-27",
        '1 17:28:17 /v1/responses 101 2 3 4 + 6 upstream 1000 "bye" 100 ms',
        "2 17:28:18 /v1/realtime?model=m 101 client_closed 1 0 + 0 client 1001 5.0 ms",
        "take 2, 2025-08-27",
        "3 17:28:19 /v1/responses 401 refused 1 0 + 0",
    ]


def test_one_take_is_listed_alone(playhead: Playhead) -> None:
    assert [row["id"] for row in playhead("connections", "default", "--take", "2", "--json").rows] == [3]


def test_programs_get_what_is_known_of_each(playhead: Playhead) -> None:
    row = playhead("connections", "default", "--json").rows[0]

    assert (row["lanes"], row["exchanges"], row["upstream_reason"], row["unassigned"]) == ([None, "plan"], 3, "bye", 1)


def test_a_session_without_connections_says_so(playhead: Playhead, data: Path) -> None:
    write(data, recorded(9, session="quiet"))

    assert playhead("connections", "quiet").out == "There are no WebSocket connections in session quiet.\n"


def test_a_take_without_connections_says_so(playhead: Playhead) -> None:
    assert playhead("connections", "default", "--take", "9").out == "There are no WebSocket connections in take 9 of session default.\n"


def test_the_lanes_of_a_connection_are_drawn(playhead: Playhead) -> None:
    told = playhead("connection", "1")

    assert (told.status, told.err) == (0, "")
    assert "upstream_reason    bye\n" in told.out
    assert told.out.partition("TURNS, each by the number of its exchange\n")[2].splitlines() == [
        "lanes: a = the default lane, b = plan",
        "            a b",
        "   0.001 s  ┬ ·  1 begins gpt-5",
        "   0.002 s  ◆ ·  1 is steered",
        "   0.003 s  ◆ ·  1 steer accepted",
        "   0.003 s  ┴ ·  1 completed",
        "   0.005 s  · ●  2 completed (after 1, gpt-5, 2 ms)",
        "   0.010 s  · ●  3 completed server_error (gpt-5, 2 ms)",
        "   0.020 s  · ·  upstream: keepalive, of no turn",
        '   0.090 s  · ·  upstream closes 1000 "bye"',
        "   0.100 s  · ·  the connection is over: complete",
    ]


def test_programs_get_a_line_for_each_thing_that_happened(playhead: Playhead) -> None:
    row, *marks = playhead("connection", "1", "--json").rows

    assert row == playhead("connections", "default", "--json").rows[0]
    assert marks[0] == {"connection": 1, "at_ms": 1.0, "what": "begin", "turn": 1, "exchange": 1, "stream_id": None, "text": "gpt-5"}
    assert [mark["what"] for mark in marks] == ["begin", "steer", "steer", "end", "begin", "end", "begin", "end", "message", "close", "over"]
    assert marks[4]["stream_id"] == "plan"


def test_of_a_connection_that_is_one_exchange_the_messages_are_told_by_type(playhead: Playhead) -> None:
    told = playhead("connection", "2")

    assert told.out.partition("EXCHANGE 4 is all of it\n")[2].splitlines() == [
        "   0.000 s  > input_audio_buffer.append  20 times in 38 ms, 20 B",
        "   0.001 s  < response.output_audio.delta  20 times in 38 ms, 20 B",
    ]
    assert playhead("connection", "2", "--json").rows[1:] == [
        {
            "connection": 2,
            "at_ms": at,
            "what": "messages",
            "turn": None,
            "exchange": 4,
            "direction": who,
            "type": kind,
            "until_ms": until,
            "messages": 20,
            "bytes": 20,
        }
        for at, who, kind, until in ((0.0, "client", "input_audio_buffer.append", 38.0), (1.0, "upstream", "response.output_audio.delta", 39.0))
    ]


def test_a_refused_handshake_is_its_exchange(playhead: Playhead) -> None:
    told = playhead("connection", "3")

    assert told.out.endswith("\nEXCHANGE 5 is all of it\n")
    assert len(playhead("connection", "3", "--json").rows) == 1


def test_a_connection_of_many_turns_is_shortened_unless_all_of_it_is_asked_for(playhead: Playhead, data: Path) -> None:
    turns = [turned(5, number) for number in range(1, 401)]
    log = [entry for number in range(1, 401) for entry in logged(number, number * 10 * MS)]
    write(data, *turns, connections=[connected(5, session="default", log=log, turns=400)])

    assert len(playhead("connection", "4").out.splitlines()) < 130
    assert len(playhead("connection", "4", "--all").out.splitlines()) > 400


@pytest.mark.parametrize(("arguments", "status"), [(["connection", "99"], 3), (["connection", "x"], 2), (["connections", "nope"], 3)])
def test_what_is_not_there_is_an_error(playhead: Playhead, arguments: list[str], status: int) -> None:
    assert playhead(*arguments).status == status


def test_in_a_narrow_terminal_the_numbers_and_the_codes_are_still_told() -> None:
    counted = {"exchanges": 12, "client_messages": 12, "upstream_messages": 345, "client_close": 1000, "upstream_close": 4001, "duration_ms": 61_000.0}
    begun = {"id": 12, "take": 1, "started_at": datetime(2026, 11, 26, tzinfo=UTC), "path": "/v1/responses", "status": 101, "outcome": "complete"}
    values: dict[str, Any] = {**dict.fromkeys(ConnectionRecord.model_fields), **begun, **counted, "lanes": ["a", "b"]}
    row = ConnectionRecord.model_construct(**values)
    file = StringIO()
    print_table(Console(width=80, file=file), CONNECTIONS, [row])

    titles, _, told = file.getvalue().splitlines()
    assert titles.split() == ["ID", "AT", "(UTC)", "PATH", "RESULT", "LANES", "EXCHANGES", "MESSAGES", "CLOSED", "BY", "TIME"]
    assert " 12 + 345  client 100" in told
    assert max(map(len, (titles, told))) <= 80


@pytest.mark.parametrize(("upstream", "told"), [((1000, None), "both 1000"), ((1001, None), "client 1000, upstream 1001"), ((None, None), "client 1000")])
def test_who_closed_is_told_shortly(upstream: tuple[int | None, str | None], told: str) -> None:
    row = ConnectionRecord.model_construct(client_close=1000, client_reason=None, upstream_close=upstream[0], upstream_reason=upstream[1])
    [closed_by] = [column.text for column in CONNECTIONS.columns if column.title == "CLOSED BY"]

    assert closed_by(row) == told

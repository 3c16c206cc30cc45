"""A cassette holds all of a session, says it once, and is refused when it is damaged."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.config.errors import StoreError
from playhead.proxy.formats.cassette import VERSION, is_cassette, read, write
from playhead.storage.carrying.cassettes import PLAIN, Anew, Cassette, Equivalence
from playhead.storage.connecting.connected import turn_number
from playhead.storage.records import EventRow, Frame, Raw, Recorded
from spoken import Socket
from stores import recorded
from taped import agent_loop, posted, sse, stream

DELTA = "response.output_text.delta"


def cassette(*exchanges: Recorded, rules: tuple[str, ...] = ()) -> Cassette:
    """Of exchanges over HTTP."""
    for number, r in enumerate(exchanges):
        r.writer, r.session, r.run, r.number, r.seq = "", "", r.run if r.run.isdigit() else "1", PLAIN + number, number + 1
        r.facts.problems = []
        r.started_at_ns -= r.started_at_ns % 1000
    return Cassette("default", [], list(exchanges), rules)


def spoken(socket: Socket) -> Cassette:
    """Of one connection."""
    batch = socket.recorded()
    for place, r in enumerate(batch.finished, 1):
        r.writer, r.session, r.run, r.number, r.connection_number, r.seq, r.fingerprint = "", "", "1", turn_number(1, place), 1, place, None
    for one in batch.connections:
        one.writer, one.session, one.run, one.number, one.digest = "", "", "1", 1, None
    return Cassette("default", batch.connections, batch.finished)


def lines(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


def kept(one: Cassette) -> list[dict[str, Any]]:
    """Its lines; it must come back from them as it was."""
    data = b"".join(write(one))
    found = read(data, "the cassette")
    assert found == one
    assert b"".join(write(found)) == data
    return lines(data)


def conversation() -> Socket:
    """Two lanes, a steer, pings, a message of no turn, a close."""
    socket = Socket()
    first = socket.create("hello")
    socket.aside(1, b"ping", 9)
    second = socket.create("hi", "lane-2")
    socket.answers(second)
    socket.steer(first, "stop")
    socket.answers(first)
    socket.answers(socket.successor(first))
    socket.aside(1, b'{"type":"response.unknown"}')
    socket.close(0, 1000, "bye")
    return socket


def test_everything_of_an_exchange_comes_back() -> None:
    one = posted(1, b'{"model":"gpt-5"}', run="1", request_id="req_1", attempt=2, redacted="response", organization="o", project="p", request_bytes=99)

    kept(cassette(one))


def test_usage_with_the_look_of_a_reference_comes_back() -> None:
    one = posted(1, b"{}")
    one.facts.usage = {"@": "name", "more": [{"@=": {"@": 1}}]}
    other = posted(2, b"{}")
    other.facts.usage = {"@": 1}

    kept(cassette(one, other))


def test_a_json_body_stands_as_json() -> None:
    found = kept(cassette(posted(1, b'{"model": "gpt-5", "input": "hi"}')))

    assert {"request": {"model": "gpt-5", "input": "hi"}, "as": "spaced"} in found


def test_a_binary_body_stands_as_base64() -> None:
    assert {"response_base64": "iVBORwA="} in kept(cassette(posted(1, b"", b"\x89PNG\x00")))


def test_each_event_of_a_stream_is_a_line() -> None:
    created, done = {"type": "response.created", "sequence_number": 0}, {"type": "response.completed", "sequence_number": 1, "response": {}}
    found = kept(cassette(stream(1, [sse(created), sse(done), b"data: [DONE]\n\n"], rest=b": the end")))

    assert [line for line in found if "event" in line or "event_text" in line or "rest_text" in line] == [
        {"event": created},
        {"event": done},
        {"event_text": "data: [DONE]\n\n"},
        {"rest_text": ": the end"},
    ]


def test_an_event_that_is_like_the_one_before_says_what_is_other() -> None:
    blocks = [sse({"type": DELTA, "sequence_number": number, "item_id": "msg_1", "delta": f"word {number}"}) for number in range(3)]
    found = kept(cassette(stream(1, blocks)))

    assert [line["then"] for line in found if "then" in line] == [{"delta": "word 1"}, {"delta": "word 2"}]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"type": DELTA, "a": 1, "b": 2}, {"type": DELTA, "a": True, "b": 2}),
        ({"type": DELTA, "a": 1, "b": 2}, {"type": DELTA, "b": 2, "a": 1}),
        ({"type": DELTA, "a": 1, "sequence_number": 1}, {"type": DELTA, "a": 1, "sequence_number": 3}),
        ({"type": DELTA, "a": [1], "b": 2}, {"type": DELTA, "a": [1.0], "b": 2}),
        ({"type": DELTA, "a": 1, "then": 2}, {"type": DELTA, "a": 1, "then": 3}),
        ({"type": DELTA, "a": 1, "@": "x"}, {"type": DELTA, "a": 1, "@": "y"}),
        ({"type": DELTA, "a": 1, "b": 2}, {"type": "other", "a": 1, "b": 2}),
    ],
)
def test_events_that_are_nearly_alike_come_back(first: Any, second: Any) -> None:
    kept(cassette(stream(1, [sse(first), sse(second), sse(first, (", ", ": ")), sse(second, (", ", ": "))])))


def test_events_whose_sizes_do_not_make_up_the_body_come_back() -> None:
    rows = [EventRow(0, 5, 1, "response.created", 0, None, 700), EventRow(1, 6, 1, None, None, "lane", 3, 2)]
    raw = Raw(b"POST / HTTP/1.1\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\n\r\n", b"\x1f\x8b compressed")

    kept(cassette(recorded(1, run="1", transport="sse", raw=raw, events=rows, event_count=2, request_bytes=0, response_bytes=13)))


def test_an_answer_that_never_came_comes_back() -> None:
    kept(cassette(recorded(1, run="1", status=None, outcome="unreachable", raw=Raw(b"not a head", b"x"), first_event_ns=None, events=[])))


def test_trailers_and_heads_of_any_bytes_come_back() -> None:
    heads = b"HTTP/1.1 103 Early\r\nLink: \xff\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"

    kept(cassette(recorded(1, run="1", raw=Raw(b"GET / HTTP/1.1\r\nX: \xe9\r\n\r\n", b"", heads, b"\xff", b"X-End: 1\r\n"))))


def test_turns_lanes_and_the_log_of_a_connection_come_back() -> None:
    kept(spoken(conversation()))


def test_a_turn_says_its_messages_in_their_order() -> None:
    socket = Socket()
    socket.answers(socket.create("hello"), deltas=1)
    found = kept(spoken(socket))

    assert [next(iter(line)) for line in found if {"sent", "event"} & {*line} and "events" not in line] == ["sent", "event", "event", "event"]


@pytest.mark.parametrize("payload", [b"no JSON", b"true", b"\xff\x00", b""])
def test_messages_of_a_turn_that_are_no_events_come_back(payload: bytes) -> None:
    socket = Socket()
    turn = socket.create("hello")
    socket.says(turn, payload)
    socket.answers(turn)

    kept(spoken(socket))


def test_rules_come_back() -> None:
    assert {"rule": "normalize uuid"} in kept(cassette(posted(1, b"{}"), rules=("normalize uuid", "ignore $.metadata")))


def test_a_rule_that_cannot_be_followed_is_told() -> None:
    data = b"".join(write(cassette(posted(1, b"{}"), rules=("normalize uuid",))))

    assert "line 2: 'normalize nonsense' is no match rule" in refusal(data.replace(b"normalize uuid", b"normalize nonsense"))


def test_requests_that_stand_for_others_come_back() -> None:
    one = cassette(posted(1, b"{}"), posted(2, b"{}"))
    one.equivalences = (Equivalence(1, bytes(range(16)), "sse"),)

    assert {"equivalence": 1, "digest": bytes(range(16)).hex(), "asks": "sse"} in kept(one)


def test_takes_come_back() -> None:
    kept(cassette(posted(1, b"{}", run="1"), posted(2, b"{}", run="2")))


def test_an_empty_session_comes_back() -> None:
    kept(Cassette("empty"))


def test_history_that_is_repeated_stands_once() -> None:
    data = b"".join(write(cassette(*agent_loop(30))))

    assert data.count(b"line 7\\n") == 40
    assert data.count(b"Be good. ") == 100
    assert data.count(b"Runs it. ") == 40


def test_a_turn_more_adds_its_own_lines_alone() -> None:
    fewer, more = (b"".join(write(cassette(*agent_loop(count)))).splitlines() for count in (8, 9))

    assert more[: len(fewer) - 1] == fewer[:-1]


def test_it_says_what_it_is() -> None:
    data = b"".join(write(Cassette("empty")))

    assert is_cassette(data)
    assert not is_cassette(b'{"exchange":1}\n')


def test_line_ends_of_windows_do_not_count() -> None:
    data = b"".join(write(cassette(posted(1, b'{"a":1}'))))

    assert read(data.replace(b"\n", b"\r\n"), "x") == read(data, "x")


def test_what_editors_do_at_both_ends_of_a_file_does_not_count() -> None:
    data = b"".join(write(cassette(posted(1, b'{"a":1}'))))

    assert read(b"\xef\xbb\xbf" + data.rstrip(b"\n"), "x") == read(data, "x")
    assert is_cassette(b"\xef\xbb\xbf" + data)


# Damage.


@cache
def sample() -> bytes:
    """A cassette with all kinds of lines."""
    one = spoken(conversation())
    others = cassette(*agent_loop(3), posted(4, b"plain text", b"\xff"), stream(5, [sse({"type": "a"}), b": x\n\n"], rest=b"..."), rules=("normalize uuid",))
    for place, r in enumerate(others.exchanges, len(one.exchanges) + 1):
        r.seq = place
    one.exchanges += others.exchanges
    one.exchanges += encoded(len(one.exchanges))
    one.rules, one.equivalences, one.anew = others.rules, (Equivalence(1, bytes(16), "ws"),), (Anew(0, 2), Anew(2, 3))
    return b"".join(write(one))


def encoded(place: int) -> list[Recorded]:
    """Answers with a Content-Encoding: of an encoder that is known, of another, and cut."""
    blocks = [sse({"type": "a", "text": "word " * 9}), sse({"type": "b"})]
    whole = gzip.compress(b"".join(blocks), 6, mtime=0)
    found = []
    for number, data in enumerate([whole, gzip.compress(blocks[0], mtime=0) + gzip.compress(blocks[1], mtime=0), whole[:-9]], place + 1):
        r = cassette(stream(number, blocks)).exchanges[0]
        heads = r.raw.response_heads.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
        r.raw = replace(r.raw, response_heads=heads, response=data, frames=(Frame(1, 4000, len(data)),), chunks=(len(data),))
        r.number, r.seq, r.response_bytes = PLAIN + number - 1, number, len(data)
        found.append(r)
    return found


def refusal(data: bytes) -> str:
    with pytest.raises(StoreError) as caught:
        read(data, "tests/x.jsonl")
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "line", "reason"),
    [
        ((b'{"playhead":"cassette"', b'{"something":"else"'), 1, "it is no cassette"),
        ((b'"version":1', b'"version":9'), 1, "version 9 of the format, and this playhead knows 1: install a newer one"),
        ((b'{"take":1}', b'{"take":1'), 3, "it is no JSON"),
        ((b'{"take":1}', b'{"take":"1"}'), 3, "'take' must be a number greater than 0"),
        ((b'{"take":1}', b"[1]"), 3, "it is no JSON object"),
        ((b'{"take":1}', b'{"take":\xff}'), 3, "it is not UTF-8"),
        ((b'{"take":1}', b'{"take":' + b"[" * 100_000 + b"}"), 3, "it is nested too deep"),
        ((b'"status":101', b'"status":"101"'), 4, "'status' must be a whole number of 32 bits"),
        ((b'"lanes"', b'"lames"'), 4, "'lames' is nothing that this version of playhead knows here"),
        ((b'{"rule":"normalize uuid"}', b'{"rule":"normalize date"}'), 23, "lines 1 to 22 are not as they were written"),
    ],
)
def test_damage_is_told_with_its_line_and_the_reason(change: tuple[bytes, bytes], line: int, reason: str) -> None:
    said = refusal(sample().replace(*change, 1))

    assert said.startswith(f"The cassette tests/x.jsonl cannot be read, line {line}: ")
    assert reason in said


def test_a_cassette_that_is_cut_off_is_refused() -> None:
    whole = sample().splitlines(keepends=True)

    for count in range(len(whole)):
        assert "it is cut off" in refusal(b"".join(whole[:count])) if count else "it is empty" in refusal(b"")
        assert "it is cut off" in refusal(b"".join([*whole[:count], whole[count][: len(whole[count]) // 2]]))


def test_what_was_changed_on_purpose_is_read_without_its_check() -> None:
    data = b"".join(write(cassette(posted(1, b'{"a":"old"}'))))
    changed = data.replace(b"old", b"new")
    check = next(line for line in lines(data) if line.get("end") == 1)["check"]

    assert "take the member 'check' out of line" in refusal(changed)
    assert read(changed.replace(f',"check":"{check}"'.encode(), b""), "x").exchanges[0].raw.request == b'{"a":"new"}'


def outcome(data: bytes) -> Cassette | str:
    """What is read, or what is said."""
    try:
        return read(data, "x")
    except StoreError as error:
        return str(error)


def harmless(data: bytes) -> bool:
    """It is refused in words, or means the same."""
    found = outcome(data)
    return " line " in found if isinstance(found, str) else found == outcome(sample())


@given(st.integers(0, 1 << 30), st.integers(0, 255))
def test_any_byte_that_is_changed_is_found_or_means_the_same(place: int, byte: int) -> None:
    data = bytearray(sample())
    data[place % len(data)] = byte

    assert harmless(bytes(data))


@given(st.randoms(use_true_random=False))
def test_no_mutation_of_lines_breaks_the_reader(chance: random.Random) -> None:
    whole = sample().splitlines(keepends=True)
    for _ in range(chance.randint(1, 3)):
        first, second = chance.randrange(len(whole)), chance.randrange(len(whole))
        whole[first : first + chance.randint(0, 1)] = [whole[second]] * chance.randint(0, 2)

    assert harmless(b"".join(whole))


@given(st.randoms(use_true_random=False))
def test_no_mutation_of_values_breaks_the_reader(chance: random.Random) -> None:
    told = lines(sample())
    for line in told:
        if "end" in line:
            line.pop("check", None)
    for _ in range(chance.randint(1, 4)):
        mutate(told[chance.randrange(len(told))], chance)
    data = b"".join([json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in told])
    found = outcome(data)

    assert isinstance(found, str) or read(b"".join(write(found)), "x") == found


def mutate(value: Any, chance: random.Random) -> None:
    """Something in it becomes another thing."""
    odd = [None, True, -1, 0, 1, 1.5, 1 << 70, "", "x", "\0", "\ud800", [], {}, [1], {"@": "x"}, {"@=": ["@", 1]}]
    if isinstance(value, dict) and value:
        key = chance.choice([*value])
        if isinstance(value[key], dict | list) and value[key] and chance.random() < 0.7:
            mutate(value[key], chance)
        elif chance.random() < 0.2:
            value[chance.choice(["as", "x", "@", "type"])] = value.pop(key)
        else:
            value[key] = chance.choice(odd)
    elif isinstance(value, list) and value:
        place = chance.randrange(len(value))
        if isinstance(value[place], dict | list) and value[place] and chance.random() < 0.7:
            mutate(value[place], chance)
        else:
            value[place] = chance.choice(odd)


def test_the_version_is_in_the_first_line() -> None:
    assert lines(sample())[0]["version"] == VERSION

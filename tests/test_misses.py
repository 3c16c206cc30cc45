"""Requests that a replay does not serve: what they are told, what is kept of them, and who is not served at all."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from xxhash import xxh3_128_hexdigest

from fakes import answer, fetch, replying
from playhead.proxy.fingerprint import HELD
from proxied import Proxy
from replays import ask, code, divergences, numbered, recording, replaying


async def missed(replay: Proxy, raw: bytes) -> str:
    got = await fetch(replay.port, raw)
    assert (got.status, got.get(b"x-should-retry")) == (404, b"false")
    return f"{code(got)}: {json.loads(got.body)['error']['message']}"


async def test_a_miss_names_the_nearest_recording_and_the_difference(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b'{"model": "m", "input": [{"role": "user", "content": "rain"}]}'))
        await fetch(proxy.port, ask(b'{"model": "other", "input": [{"role": "user", "content": "snow"}]}'))
    async with replaying(tmp_path) as replay:
        said = await missed(replay, ask(b'{"model": "m", "input": [{"role": "user", "content": "snow"}]}'))

    assert said == (
        "no_match: POST /v1/responses has no twin in take 1 of session default. Cause: prompt (what the model is told or asked differs). Nearest is exchange 1 "
        '(POST /v1/responses, m): $.input[0].content: recorded "rain", asked "snow". The program left the recording at its beginning; exchange 1 was expected. '
        "`playhead divergences default` shows all of it."
    )
    (kept,) = divergences(tmp_path)
    assert (kept.code, kept.nearest, kept.take, kept.run, kept.model, kept.path) == ("no_match", 1, 1, "replay", "m", "/v1/responses")
    assert kept.differences == [{"path": "$.input[0].content", "recorded": '"rain"', "asked": '"snow"', "stood": None, "cause": "prompt"}]


async def test_of_many_that_differ_in_one_place_the_nearest_is_the_one_whose_text_is_most_alike(tmp_path: Path) -> None:
    names = ("Ann", "Bob", "Cem", "Dora", "Eva", "Finn", "Gil", "Hana")
    async with recording(tmp_path, numbered()) as proxy:
        for name in names:
            await fetch(proxy.port, ask(json.dumps({"model": "m", "input": f"Greet {name}."}).encode()))
    async with replaying(tmp_path) as replay:
        for name in ("Cem", "Hana"):
            await missed(replay, ask(json.dumps({"model": "m", "input": f"Greet {name} politely."}).encode()))

    assert [kept.nearest for kept in divergences(tmp_path)] == [3, 8]


async def test_under_rules_a_body_that_is_no_json_is_told_too(tmp_path: Path) -> None:
    bodies = [b"run 1", b"\xff\xfe", b'{"a":' * 900 + b"1" + b"}" * 900]
    async with recording(tmp_path, numbered()) as proxy:
        for body in bodies:
            await fetch(proxy.port, ask(body))
    async with replaying(tmp_path, rules=["times", r"normalize /\d+/ as number"]) as replay:
        said = [await missed(replay, ask(body)) for body in (b"walk 2", b"\xff\xfe\xfd", b'{"a":' * 900 + b'"x"' + b"}" * 900)]

    assert 'body: recorded "run <number:1>", asked "walk <number:1>"' in said[0]
    assert ["Nearest is exchange" in one for one in said] == [True] * 3


async def test_a_header_that_counts_by_a_rule_is_told_as_the_difference(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b'{"model": "m", "input": "a"}', (b"X-Tenant", b"run 1")))
    async with replaying(tmp_path, rules=["header x-tenant", r"normalize /\d+/ as number"]) as replay:
        said = await missed(replay, ask(b'{"model": "m", "input": "a"}', (b"X-Tenant", b"walk 2")))

    assert "Cause: parameter" in said
    assert "headers.x-tenant: recorded run <number:1>, asked walk <number:1>." in said


async def test_what_rules_make_equal_in_a_query_is_no_difference(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b'{"model": "m", "input": "a"}', target=b"/v1/responses?run=1"))
    async with replaying(tmp_path, rules=[r"normalize /\d+/ as number"]) as replay:
        await missed(replay, ask(b'{"model": "m", "input": "b"}', target=b"/v1/responses?run=2"))

    assert [one["path"] for one in divergences(tmp_path)[0].differences] == ["$.input"]


async def test_of_bodies_that_cannot_be_decoded_it_is_told_what_tells_them_apart_and_no_cause(tmp_path: Path) -> None:
    coded = (b"Content-Encoding", b"gzip")
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b"no gzip", coded))
    async with replaying(tmp_path) as replay:
        said = await missed(replay, ask(b"no gzip either", coded))

    recorded, asked = (f"{len(body)} bytes that cannot be decoded, xxh3 {xxh3_128_hexdigest(body)}" for body in (b"no gzip", b"no gzip either"))
    assert f"body: recorded {recorded}, asked {asked}." in said
    assert "Cause: " not in said
    assert divergences(tmp_path)[0].cause is None


async def test_one_request_more_than_was_recorded_is_exhausted(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b"x"))
    async with replaying(tmp_path) as replay:
        await fetch(replay.port, ask(b"x"))
        said = await missed(replay, ask(b"x"))

        assert said.startswith(
            "exhausted: POST /v1/responses was asked once more than it is recorded in take 1 of session default: exchange 1 has been served."
        )
        assert (replay.service.counters.replayed, replay.service.counters.missed) == (1, {"exhausted": 1})
    assert [(kept.code, kept.nearest) for kept in divergences(tmp_path)] == [("exhausted", 1)]


async def test_of_a_long_request_the_start_is_kept_and_all_of_it_is_counted(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b"x"))
    async with replaying(tmp_path) as replay:
        await missed(replay, ask(b"y" * 3_000_000))

    assert [kept.request_bytes for kept in divergences(tmp_path)] == [3_000_000]


async def test_of_one_that_is_too_long_to_be_read_it_is_told_that_every_byte_counts(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b"x"))
    async with replaying(tmp_path) as replay:
        said = [await missed(replay, ask(b"y" * size)) for size in (HELD, HELD + 1)]

    assert ["Of more than 32 MiB every byte is compared" in one for one in said] == [False, True]


async def test_an_unknown_session_is_told_as_that(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b"x"))
    async with replaying(tmp_path, take=3) as replay:
        assert (await missed(replay, ask(b"x", target=b"/@none/v1"))).startswith("session_not_found: Nothing is recorded in session none")
        assert await missed(replay, ask(b"x")) == "session_not_found: Session default has no take 3; it has take 1."


async def test_what_was_recorded_over_another_transport_is_named(tmp_path: Path) -> None:
    handshake = {b"Connection": b"Upgrade", b"Upgrade": b"websocket", b"Sec-WebSocket-Version": b"13", b"Sec-WebSocket-Key": b"AAAAAAAAAAAAAAAAAAAAAA=="}
    async with recording(tmp_path, replying(answer(b"no", status=b"426 Upgrade Required"))) as proxy:
        await fetch(proxy.port, ask(b"", *handshake.items(), method=b"GET"))
    async with replaying(tmp_path) as replay:
        assert "but over a WebSocket (exchange 1)" in await missed(replay, ask(b"", method=b"GET"))


async def test_a_miss_holds_no_secret(tmp_path: Path) -> None:
    secret = b"sk-proj-0123456789abcdefghij"
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b'{"input": "hello"}'))
    async with replaying(tmp_path) as replay:
        said = await missed(
            replay, ask(b'{"input": "my key is ' + secret + b'"}', (b"Authorization", b"Bearer " + secret), target=b"/v1/responses?key=" + secret)
        )

    assert secret.decode() not in said
    assert all(secret not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


async def test_a_store_that_cannot_be_written_replays_all_the_same(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b"x"))
    (tmp_path / "store.db").chmod(0o400)
    async with replaying(tmp_path) as replay:
        assert (await fetch(replay.port, ask(b"x"))).body == b"0"
        assert (await missed(replay, ask(b"y"))).startswith("no_match: ")


async def test_a_damaged_recording_says_so(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        for text in (b"a", b"b"):
            await fetch(proxy.port, ask(text))
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("UPDATE bodies SET data = x'00' WHERE exchange = 1")
    connection.close()
    async with replaying(tmp_path) as replay:
        assert "exchange 1, which is damaged" in await missed(replay, ask(b"a"))
        assert (await fetch(replay.port, ask(b"b"))).body in (b"1", b"")


# Who may.


async def test_a_replay_answers_to_the_names_of_its_machine_alone(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b"x"))
    async with replaying(tmp_path) as replay:
        got = await fetch(replay.port, ask(b"x", host=b"evil.example"))

    assert (got.status, code(got)) == (400, "bad_target")


async def test_a_token_is_asked_for_where_there_is_one(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b"x"))
    async with replaying(tmp_path, replay_token="let-me-in", listen="0.0.0.0:1") as replay:
        refused = await fetch(replay.port, ask(b"x", (b"Authorization", b"Bearer unused")))
        got = await fetch(replay.port, ask(b"x", (b"Authorization", b"Bearer let-me-in"), host=b"anything"))

    assert (refused.status, code(refused), got.body) == (401, "bad_token", b"0")


async def test_no_header_takes_a_replay_to_the_network(tmp_path: Path) -> None:
    async with recording(tmp_path, numbered()) as proxy:
        await fetch(proxy.port, ask(b"x"))
    async with replaying(tmp_path) as replay:
        for mode in (b"record", b"auto", b"forward"):
            got = await fetch(replay.port, ask(b"x", (b"Playhead-Mode", mode)))
            assert (got.status, code(got)) == (403, "mode_not_allowed")
        upgrade = [
            (b"Connection", b"Upgrade"),
            (b"Upgrade", b"websocket"),
            (b"Sec-WebSocket-Key", b"MDEyMzQ1Njc4OWFiY2RlZg=="),
            (b"Sec-WebSocket-Version", b"13"),
        ]
        assert code(await fetch(replay.port, ask(b"", *upgrade, method=b"GET", target=b"/v1/realtime"))) == "no_match"

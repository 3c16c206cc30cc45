"""`redact`: what should not have been recorded is gone from the store, and what is left replays and still matches."""

from __future__ import annotations

import gzip
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from command_line import Playhead, in_a_process, on
from fakes import RawClient, Received, Wire, answer, chunked, chunked_head, fetch
from playhead.proxy.commands.redacting import _Left
from playhead.storage.store import Store
from replays import ask, code, divergences, recording, replaying
from websocket_fakes import TEXT, WebSocketClient, accept

WHO = "ann.other@example.com"
PATTERN = r"[a-z.]+@example\.com"
GONE = "<redacted:email>"
HISTORY = [{"role": "user", "content": f"Turn {number}: write to {WHO}. {'And so on. ' * 40}"} for number in range(12)]


@pytest.fixture
def playhead(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Playhead:
    return on(tmp_path, capfdbinary)


def request(number: int, **more: object) -> bytes:
    return json.dumps({"model": "m", "input": HISTORY[: number + 1], **more}).encode()


def event(type_: str, **more: object) -> bytes:
    return f"event: {type_}\ndata: {json.dumps({'type': type_, **more})}\n\n".encode()


def response(text: str) -> dict[str, object]:
    message = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    return {"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": [message], "user": WHO}


def stream() -> list[bytes]:
    """In whose deltas the address is split."""
    deltas = ["To ", WHO[:7], WHO[7:15], WHO[15:], ", sent."]
    told = [event("response.output_text.delta", item_id="msg_1", output_index=0, content_index=0, delta=delta) for delta in deltas]
    return [event("response.created", response={"id": "resp_1"}), *told, event("response.completed", response=response(f"To {WHO}, sent."))]


async def upstream(received: Received, wire: Wire) -> None:
    """Speaks of the same person over every transport."""
    if received.get(b"upgrade"):
        socket = await accept(received, wire)
        while (await socket.receive()).opcode == TEXT:
            for block in stream():
                await socket.send(block.partition(b"data: ")[2].strip())
        return
    body = json.loads(await wire.body() or b"{}")
    if body.get("stream"):
        blocks = stream()
        await wire.write(chunked_head((b"Content-Type", b"text/event-stream")) + b"".join(chunked(block, end=block is blocks[-1]) for block in blocks))
    elif body.get("packed"):
        packed = gzip.compress(json.dumps(response(f"Packed for {WHO}.")).encode())
        await wire.write(answer(packed, (b"Content-Type", b"application/json"), (b"Content-Encoding", b"gzip")))
    else:
        await wire.write(answer(json.dumps(response(f"Yes, {WHO}.")).encode(), (b"Content-Type", b"application/json"), (b"X-Owner", WHO.encode())))


def requests() -> Iterator[bytes]:
    for number in range(len(HISTORY)):
        yield request(number)
    yield request(0, stream=True)
    yield request(0, packed=True)


async def record(tmp_path: Path) -> None:
    """All of them, a WebSocket with two turns, and another session that nobody redacts."""
    async with recording(tmp_path, upstream) as proxy:
        async with RawClient.connect(proxy.port) as client:
            for body in requests():
                await client.request(ask(body, (b"Content-Type", b"application/json")))
            await client.request(ask(request(1), (b"Content-Type", b"application/json"), target=b"/@other/v1/responses"))
        async with WebSocketClient.open(proxy.port, b"/v1/responses") as socket:
            for number in range(2):
                await socket.send(json.dumps({"type": "response.create", **json.loads(request(number))}).encode())
                for _ in stream():
                    await socket.receive()
    async with replaying(tmp_path) as proxy:
        assert code(await fetch(proxy.port, ask(request(0, temperature=1)))) == "no_match"


def contents(tmp_path: Path, session: str = "default") -> bytes:
    """All that is recorded of a session, decoded."""
    found = b""
    with Store.open(f"sqlite:///{tmp_path}/store.db") as store:
        for row in store.exchanges(session):
            raw = store.raw(row.id)
            body = gzip.decompress(raw.response) if b"gzip" in raw.response_heads else raw.response
            found += raw.request_head + raw.request + raw.response_heads + body + row.model_dump_json().encode()
        for one in store.connections(session):
            found += b"".join(store.connection_heads(one.id)) + one.model_dump_json().encode()
        for missed in store.divergences(session):
            found += b"".join(store.divergence_request(missed.id)) + missed.model_dump_json().encode()
    return found


async def test_nothing_of_it_is_left_and_everything_still_replays(tmp_path: Path, playhead: Playhead) -> None:
    await record(tmp_path)
    assert WHO.encode() in contents(tmp_path)
    before = playhead("exchanges", "default", "--json").rows

    told = playhead("redact", "default", "--pattern", PATTERN, "--kind", "email", "--yes")

    assert told.out.startswith("16 exchanges, 1 connection and 1 divergence of session default hold what is to go, in ")
    assert told.out.endswith("Looked through again: nothing of it is left in session default. It stands in session other, too.\n")
    assert (told.status, told.err) == (0, "")
    assert WHO.encode() not in contents(tmp_path)
    assert WHO.encode() in contents(tmp_path, "other")
    assert playhead("verify").out.endswith(" checked, no problems found.\n")
    after = playhead("exchanges", "default", "--json").rows
    assert [(row["kind"], row["model"], row["events"], row["response_id"]) for row in after] == [
        (row["kind"], row["model"], row["events"], row["response_id"]) for row in before
    ]


async def test_what_is_left_replays_and_still_matches(tmp_path: Path, playhead: Playhead) -> None:
    await record(tmp_path)
    playhead("redact", "default", "--pattern", PATTERN, "--kind", "email", "--yes")

    async with replaying(tmp_path) as proxy:
        async with RawClient.connect(proxy.port) as client:
            got = [await client.request(ask(body, (b"Content-Type", b"application/json"))) for body in requests()]
        async with WebSocketClient.open(proxy.port, b"/v1/responses") as socket:
            for number in range(2):
                await socket.send(json.dumps({"type": "response.create", **json.loads(request(number))}).encode())
                said = [json.loads((await socket.receive()).payload) for _ in stream()]
    assert [one.status for one in got] == [200] * 14
    assert json.loads(got[0].body)["output"][0]["content"][0]["text"] == f"Yes, {GONE}."
    assert (got[0].get(b"x-owner"), got[0].get(b"content-length")) == (GONE.encode(), str(len(got[0].body)).encode())
    deltas = [json.loads(line[6:]).get("delta") for line in got[12].body.decode().splitlines() if line.startswith("data: ")]
    assert deltas == [None, "To ", GONE, "", "", ", sent.", None]
    assert json.loads(got[13].body)["output"][0]["content"][0]["text"] == f"Packed for {GONE}."
    assert [one.get("delta") for one in said] == deltas
    assert [one.code for one in divergences(tmp_path)] == ["no_match"]


async def test_no_byte_of_it_is_left_in_the_files(tmp_path: Path, playhead: Playhead) -> None:
    await record(tmp_path)
    playhead("delete", "other", "--yes")
    assert WHO.encode() in (tmp_path / "store.db").read_bytes()

    told = playhead("redact", "default", "--pattern", PATTERN, "--yes")

    assert told.out.endswith("Looked through again: nothing of it is left in session default and in the files of the store.\n")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and WHO.encode() in path.read_bytes()] == []


async def told_model(received: Received, wire: Wire) -> None:
    """An answer by the model that was asked for, with its usage."""
    asked = json.loads(await wire.body())
    told = {**response("Yes."), "user": None, "model": asked["model"], "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}}
    await wire.write(answer(json.dumps(told).encode(), (b"Content-Type", b"application/json")))


@pytest.mark.parametrize("model", ["ft:gpt-4o-2024-08-06:customer::x", "customer-7"])
async def test_a_model_that_is_called_so_does_not_keep_it_in_the_ledger(tmp_path: Path, playhead: Playhead, model: str) -> None:
    async with recording(tmp_path, told_model) as proxy:
        await fetch(proxy.port, ask(json.dumps({"model": model, "input": "hi"}).encode(), (b"Content-Type", b"application/json")))
    playhead("reprice", "--assume", "provider=openai,region=global,tier=default")
    playhead("reprice", "--assume", "provider=openai,region=global,tier=flex")
    before = playhead("show", "1", "--cost").out
    assert "customer" in before

    told = playhead("redact", "default", "--pattern", "[c]ustomer", "--yes")

    assert (told.status, "in the files of the store" in told.out) == (0, True)
    assert playhead("show", "1", "--cost").out == before.replace("customer", "<redacted:private>")
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"customer" in path.read_bytes()]
    assert playhead("verify", "--chain").status == 0


@pytest.mark.parametrize("pattern", [WHO, re.escape(WHO), f"(?i){WHO.upper()}"])
async def test_a_pattern_that_spells_it_out_does_not_bring_it_back(tmp_path: Path, playhead: Playhead, pattern: str) -> None:
    async with recording(tmp_path, upstream) as proxy:
        await fetch(proxy.port, ask(request(0), (b"Content-Type", b"application/json")))

    told = playhead("redact", "default", "--pattern", pattern, "--yes")

    assert (told.status, "is not kept as a match rule of session default" in told.out, WHO in told.out.lower()) == (0, True, False)
    assert playhead("rules", "default", "--json").rows == []
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and WHO.encode() in path.read_bytes().lower()]


async def test_a_dry_run_changes_nothing(tmp_path: Path, playhead: Playhead) -> None:
    await record(tmp_path)
    before = contents(tmp_path)

    told = playhead("redact", "default", "--pattern", PATTERN, "--path", "$.model", "--dry-run")

    assert told.out.startswith("16 exchanges, 1 connection and 1 divergence of session default hold what is to go, in ")
    assert (told.status, contents(tmp_path)) == (0, before)


async def test_a_place_goes_whatever_stands_there(tmp_path: Path, playhead: Playhead) -> None:
    await record(tmp_path)

    assert playhead("redact", "default", "--path", "$..user", "--kind", "user", "--yes").status == 0
    with Store.open(f"sqlite:///{tmp_path}/store.db") as store:
        told = json.loads(store.raw(1).response)
    assert (told["user"], told["output"][0]["content"][0]["text"]) == ("<redacted:user>", f"Yes, {WHO}.")


async def test_repeated_history_stays_small(tmp_path: Path, playhead: Playhead) -> None:
    await record(tmp_path)

    def stored() -> int:
        with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
            return int(connection.execute("SELECT sum(length(data)) FROM bodies WHERE exchange < 13").fetchone()[0])

    before = stored()
    playhead("redact", "default", "--pattern", PATTERN, "--yes")

    assert stored() < before * 1.3


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ([], "give what is to go: --pattern REGEX, or --path JSONPATH such as $..email"),
        (["--pattern", "("], "--pattern '(' is no regular expression"),
        (["--pattern", ""], "--pattern is empty: give what is to go"),
        (["--pattern", "redacted"], "'redacted' finds something in <redacted:private>, too"),
        (["--path", "email"], "a path like $.metadata.run_id"),
        (["--pattern", "x", "--kind", "a b"], "is not understood there"),
    ],
)
async def test_what_makes_no_sense_is_refused(tmp_path: Path, playhead: Playhead, flags: list[str], told: str) -> None:
    refused = playhead("redact", "default", *flags)

    assert (refused.status, told in refused.err) == (2, True)


def test_files_that_were_not_looked_through_are_not_said_to_be_clean() -> None:
    told = _Left((0, 0, 0), (), (), elsewhere=True).told("a")

    assert told == "Looked through again: nothing of it is left in session a and in the journal (the server of the store has files of its own)."


async def test_where_nothing_is_found_the_session_gets_no_rule(tmp_path: Path, playhead: Playhead) -> None:
    await record(tmp_path)
    told = playhead("redact", "default", "--pattern", "nowhere", "--yes")

    assert (told.status, playhead("rules", "default", "--json").out) == (0, "")


async def test_without_anybody_who_agrees_nothing_is_redacted(tmp_path: Path, playhead: Playhead) -> None:
    await record(tmp_path)
    refused = in_a_process("redact", "default", "--pattern", PATTERN, "--data", str(tmp_path))

    assert (refused.status, "nobody answered, so nothing was redacted" in refused.err) == (2, True)
    assert WHO.encode() in contents(tmp_path)


def test_a_session_that_is_not_there_is_told(tmp_path: Path, playhead: Playhead) -> None:
    Store.open(f"sqlite:///{tmp_path}/store.db", create=True).close()

    assert playhead("redact", "nothing", "--pattern", "x").status == 3

"""`playhead replay`, `auto` and `divergences` as a user runs them: processes, exit statuses, what they say."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import json
import platform
import shutil
import struct
import sys
from pathlib import Path

import psutil
import pytest

from command_line import in_a_process
from fakes import FakeUpstream, RawClient, Received, Wire, answer, chunked, chunked_head, fetch
from playhead.proxy.processes.worker import NAME as WORKER
from proxied import until
from replays import NOWHERE, ask, code, numbered, recording
from running import Running

PROGRAM = """
import os, sys, urllib.error, urllib.request
for text in sys.argv[2:]:
    try:
        with urllib.request.urlopen(os.environ["OPENAI_BASE_URL"] + "/responses", text.encode()) as got:
            print(got.read().decode())
    except urllib.error.HTTPError as error:
        print(error.code)
sys.exit(int(sys.argv[1]))
"""


async def recorded(tmp_path: Path, *texts: bytes) -> Path:
    """A data directory with these requests, answered 0, 1, ..."""
    tmp_path.mkdir(exist_ok=True)
    async with recording(tmp_path, numbered()) as proxy:
        for text in texts:
            await fetch(proxy.port, ask(text))
    return tmp_path


def around(data: Path, command: str, status: int, *texts: str, upstream: str = NOWHERE) -> tuple[int, list[str], str]:
    """Run a program that sends these texts, inside a replay: its exit status, the answers, what was said."""
    # As urllib sends them: no header of theirs counts.
    done = in_a_process(command, "--upstream", upstream, "--data", str(data), "--", sys.executable, "-c", PROGRAM, str(status), *texts)
    return done.status, done.out.splitlines(), done.err


# The server.


async def test_a_replay_serves_says_what_it_is_and_what_it_did(tmp_path: Path) -> None:
    data = await recorded(tmp_path, b"a", b"b")
    with Running(data, NOWHERE, command="replay") as replay:
        got = [(await fetch(replay.port, ask(text))).body for text in (b"b", b"a")]
        missed = code(await fetch(replay.port, ask(b"c")))
        metrics = replay.metrics

        assert (got, missed) == ([b"1", b"0"], "no_match")
        assert replay.ready_line.startswith(f"playhead ready replay http://127.0.0.1:{replay.port}  console ")
        assert "upstream" not in replay.ready_line
        await until(lambda: metrics().get("playhead_replayed_total") == 2)
        assert metrics()['playhead_divergences_total{code="no_match"}'] == 1
        assert replay.stop() == 0
    assert replay.last_line == "playhead replayed 2  diverged 1  live 0  faults 0  ruled 0"


async def test_no_process_of_a_replay_makes_a_connection(tmp_path: Path) -> None:
    data = await recorded(tmp_path, b"a")
    async with FakeUpstream({"*": numbered()}) as upstream:
        with Running(data, upstream.url, command="replay", before=refuse_to_connect) as replay:
            assert (await fetch(replay.port, ask(b"a"))).body == b"0"
            assert code(await fetch(replay.port, ask(b"b"))) == "no_match"
        # It is refused indeed: what has to connect cannot.
        with Running(data, upstream.url, command="auto", before=refuse_to_connect) as auto:
            assert (await fetch(auto.port, ask(b"a"))).body == b"0"
            assert code(await fetch(auto.port, ask(b"b"))) == "upstream_unreachable"
        assert upstream.connections == 0


def refuse_to_connect() -> None:
    """From now on `connect` fails in this process and in all that it starts: seccomp(2), with a filter of four instructions."""
    number = {"x86_64": 42, "aarch64": 203}[platform.machine()]
    load, jump_if_equal, give = 0x20, 0x15, 0x06
    refuse, allow = 0x00050000 | errno.EACCES, 0x7FFF0000
    instructions = ((load, 0, 0, 0), (jump_if_equal, 0, 1, number), (give, 0, 0, refuse), (give, 0, 0, allow))
    code_ = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in instructions))
    program = ctypes.create_string_buffer(struct.pack("HP", len(instructions), ctypes.addressof(code_)))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, seccomp, filter_mode = 38, 22, 2
    if libc.prctl(no_new_privileges, 1, 0, 0, 0) or libc.prctl(seccomp, filter_mode, program, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


async def test_a_store_that_was_copied_replays_without_its_key(tmp_path: Path) -> None:
    data = await recorded(tmp_path / "here", b"a")
    there = tmp_path / "there" / "far away"
    there.mkdir(parents=True)
    shutil.copy(data / "store.db", there / "store.db")
    with Running(there, NOWHERE, command="replay") as replay:
        assert (await fetch(replay.port, ask(b"a"))).body == b"0"
    assert sorted(path.name for path in there.iterdir()) == ["store.db"]


async def test_a_worker_that_is_killed_begins_anew_and_says_so(tmp_path: Path) -> None:
    data = await recorded(tmp_path, b"a", b"a")
    with Running(data, NOWHERE, command="replay") as replay:
        assert (await fetch(replay.port, ask(b"a"))).body == b"0"
        await until(lambda: replay.metrics()["playhead_replayed_total"] == 1)
        worker = next(process for process in psutil.Process(replay.processes[0].pid).children() if process.name() == WORKER)
        worker.kill()
        await until(lambda: "every session is replayed from its beginning" in replay.log)

        assert (await fetch(replay.port, ask(b"a"))).body == b"0"
        replay.stop()
    assert replay.last_line == "playhead replayed 2  diverged 0  live 0  faults 0  ruled 0  unused 1  first 2"


async def test_a_stop_does_not_wait_for_clients_that_wait_for_nothing(tmp_path: Path) -> None:
    async def silent(_: Received, wire: Wire) -> None:
        await wire.body()
        await wire.write(chunked_head() + chunked(b"x", end=False))
        await wire.reader.read()

    async with recording(tmp_path, silent) as proxy:
        async with RawClient.connect(proxy.port) as client:
            await client.write(ask(b"a"))
            await client.read_head()
            await client.abort()
        await proxy.idle()
    with Running(tmp_path, NOWHERE, "--drain-timeout", "50s", command="replay") as replay:
        async with RawClient.connect(replay.port) as client:
            await client.write(ask(b"a"))
            await client.read_head()
            assert replay.stop() == 0


@pytest.mark.parametrize(
    ("flags", "status", "said"),
    [
        (["--data", "none"], 3, "There is no store at none/store.db."),
        (["--store", "sqlite:///text.db"], 3, "text.db is not a playhead store"),
        (["--workers", "2"], 2, "a replay counts what it has served"),
        (["--listen", "0.0.0.0:0"], 2, "needs a replay_token"),
        (["--take", "0"], 2, "--take"),
    ],
)
def test_what_cannot_be_replayed_is_told_in_one_line(flags: list[str], status: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.db").write_text("no store")
    done = in_a_process("replay", "--console", "127.0.0.1:0", *flags)

    assert (done.status, done.out, done.err.count("\n")) == (status, "", 1)
    assert said in done.err


async def test_a_session_that_was_not_recorded_is_told_at_start(tmp_path: Path) -> None:
    data = await recorded(tmp_path, b"a")
    with Running(data, NOWHERE, "--session", "none", command="replay") as replay:
        assert "Nothing is recorded in session none" in replay.log
        assert code(await fetch(replay.port, ask(b"a"))) == "session_not_found"
        assert (await fetch(replay.port, ask(b"a", target=b"/@default/v1/responses"))).body == b"0"


# Around a command.


async def test_around_a_command_it_ends_as_the_command_does(tmp_path: Path) -> None:
    data = await recorded(tmp_path, b"a", b"b")

    status, answers, said = around(data, "replay", 0, "b", "a")
    assert (status, answers) == (0, ["1", "0"]), said
    assert "playhead: replayed from session default: 2 served, 0 diverged\n" in said
    assert around(data, "replay", 7, "a")[0] == 7


async def test_divergences_make_it_fail_even_if_the_command_did_not_mind(tmp_path: Path) -> None:
    data = await recorded(tmp_path, b"a")

    status, answers, said = around(data, "replay", 0, "a", "c")
    assert (status, answers) == (1, ["0", "404"])
    assert "playhead: replayed from session default: 1 served, 1 diverged\nplayhead: `playhead divergences default` shows what diverged\n" in said
    assert around(data, "replay", 7, "c")[0] == 7


async def test_auto_around_a_command_records_what_was_missing(tmp_path: Path) -> None:
    async def live(_: Received, wire: Wire) -> None:
        await wire.body()
        await wire.write(answer(b"live"))

    data = tmp_path / "data"
    async with FakeUpstream({"*": live}) as upstream:
        first = await asyncio.to_thread(around, data, "auto", 0, "a", "b", upstream=upstream.url)
        second = await asyncio.to_thread(around, data, "auto", 0, "a", "c", upstream=upstream.url)
        third = await asyncio.to_thread(around, data, "replay", 0, "a", "b", "c")

        assert [one[:2] for one in (first, second, third)] == [(0, ["live", "live"]), (0, ["live", "live"]), (0, ["live"] * 3)]
        assert len(upstream.requests) == 3
    assert "playhead: replayed from session default: 1 served, 1 went to upstream, 0 diverged\n" in second[2]
    assert "playhead: 1 recorded exchange was not asked for: 2\nplayhead: recorded in session default: 1 complete\n" in second[2]


# What diverged.


async def test_divergences_are_listed_with_all_their_differences(tmp_path: Path) -> None:
    data = await recorded(tmp_path, json.dumps({"model": "m", "input": "rain", **{f"k{n}": n for n in range(20)}}).encode())
    other = {"model": "m", "input": "snow\x1b[2J", **{f"k{n}": n + 1 for n in range(20)}}
    around(data, "replay", 0, json.dumps(other), "x")
    told = in_a_process("divergences", "default", "--data", str(data))
    rows = in_a_process("divergences", "@default", "--json", "--limit", "1", "--data", str(data)).rows
    first = in_a_process("divergences", "default", "--json", "--data", str(data)).rows[0]

    lines = told.out.splitlines()
    assert lines[0].startswith("1  20")
    assert lines[0].endswith("prompt  POST /v1/responses  m")
    assert lines[1].startswith("  POST /v1/responses has no twin in take 1 of session default. Cause: prompt ")
    place = lines.index("    $.input  (prompt)")
    assert lines[place + 1 : place + 3] == ['      - "rain"', '      + "snow\\u001b[2J"']
    assert "    and 9 more: --all shows them" in lines
    assert "    playhead accept 1 --as-is" in lines
    assert [row["id"] for row in rows] == [2]
    assert (first["code"], first["nearest"], first["model"], len(first["differences"])) == ("no_match", 1, "m", 21)


async def test_a_session_without_divergences_says_so(tmp_path: Path) -> None:
    data = await recorded(tmp_path, b"a")

    assert in_a_process("divergences", "default", "--data", str(data)).out == "No replay of session default has diverged.\n"
    assert in_a_process("divergences", "none", "--data", str(data)).status == 3

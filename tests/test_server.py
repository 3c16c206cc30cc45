"""The main process: what it says, what stops it, what happens when it or one of its children dies."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
from pathlib import Path

import psutil
import pytest

from command_line import PLAYHEAD, in_a_process
from fakes import FakeUpstream, echo, fetch
from playhead.config.errors import StoreError
from playhead.config.settings import HostPort
from playhead.proxy.processes.recorder_process import NAME as RECORDER
from playhead.proxy.server import bind
from playhead.storage.journal import segments
from playhead.storage.store import Store
from proxied import post, until
from running import Running, lives


def stored(data: Path) -> int:
    with Store.open(f"sqlite:///{data}/store.db") as store:
        return len(list(store.exchanges("default")))


def gone(running: Running) -> bool:
    return not any(map(lives, running.processes))


def test_port_zero_is_a_free_one() -> None:
    listeners = bind(HostPort("127.0.0.1", 0), 3)
    ports = {listener.getsockname()[1] for listener in listeners}
    for listener in listeners:
        listener.close()

    assert (len(listeners), len(ports)) == (3, 1)


@pytest.mark.parametrize("count", [1, 2])
def test_an_address_in_use_is_named(count: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StoreError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            bind(HostPort("127.0.0.1", port), count)


def test_a_second_server_with_several_workers_does_not_slip_in() -> None:
    first = bind(HostPort("127.0.0.1", 0), 2)
    for listener in first:
        listener.listen()
    with pytest.raises(StoreError, match="cannot listen"):
        bind(HostPort("127.0.0.1", first[0].getsockname()[1]), 2)
    for listener in first:
        listener.close()


def test_a_host_that_is_none_of_ours_cannot_be_served_on() -> None:
    for host in ("192.0.2.1", "no.such.host.invalid"):
        with pytest.raises(StoreError, match=f"cannot listen on {host}:0"):
            bind(HostPort(host, 0))


async def test_the_ready_line_names_what_there_is(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream:
        with Running(tmp_path / "data", upstream.url, "--session", "mine") as running:
            line = running.ready_line
            healthy = (await fetch(running.console, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")).body
            assert (await fetch(running.port, post(b"x"))).body == b"x"
            mode = stat.S_IMODE((tmp_path / "data").stat().st_mode)
            status = await asyncio.to_thread(running.stop)
            assert gone(running)

        assert line == (
            f"playhead ready record http://127.0.0.1:{running.port}  console http://127.0.0.1:{running.console}"
            f"  upstream {upstream.url}  session mine  data {tmp_path / 'data'}\n"
        )
    assert (healthy.strip(), mode, status) == (b"ok", 0o700, 0)


async def test_a_clean_stop_leaves_an_empty_journal(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream:
        with Running(tmp_path, upstream.url) as running:
            for number in range(10):
                await fetch(running.port, post(b"%d" % number))
            assert await asyncio.to_thread(running.stop) == 0

    assert (segments(tmp_path / "journal"), stored(tmp_path)) == ({}, 10)


async def test_sigint_stops_it_too(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream:
        with Running(tmp_path, upstream.url) as running:
            await fetch(running.port, post(b"x"))
            running.processes[0].send_signal(signal.SIGINT)
            await until(lambda: gone(running))
            await asyncio.to_thread(running.stop)

    assert stored(tmp_path) == 1


async def test_a_stop_while_the_store_is_not_ready_is_not_waited_with(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parent / "data" / "store-0004.db", tmp_path / "store.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the recorder waits for it to bring the store up to date
        process = subprocess.Popen([*PLAYHEAD, "record", "--data", tmp_path, *("--listen", "127.0.0.1:0", "--console", "127.0.0.1:0")], stdout=subprocess.PIPE)
        await until((tmp_path / "recorder.lock").exists)
        process.send_signal(signal.SIGINT)
        out, _ = await asyncio.to_thread(process.communicate)

    assert (process.returncode, out) == (0, b"")


async def test_a_server_that_has_stopped_takes_no_connection(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream:
        with Running(tmp_path, upstream.url) as running:
            await asyncio.to_thread(running.stop)
            with socket.socket() as client:
                assert client.connect_ex(("127.0.0.1", running.port)) == errno.ECONNREFUSED


@pytest.mark.parametrize("option", ["--listen", "--console"])
def test_a_port_in_use_ends_with_three_and_one_line(option: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        others = {"--listen": "127.0.0.1:0", "--console": "127.0.0.1:0"} | {option: where}
        done = in_a_process("record", "--data", str(tmp_path), *(word for pair in others.items() for word in pair))

    assert (done.status, done.err.count("\n"), where in done.err) == (3, 1, True), done.err


async def test_a_second_recorder_on_the_same_data_ends_with_three(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream:
        with Running(tmp_path, upstream.url) as running:
            done = await asyncio.to_thread(in_a_process, "record", "--data", str(tmp_path), "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0")
            assert (await fetch(running.port, post(b"x"))).body == b"x"

    assert (done.status, done.err.count("\n"), "another playhead records into" in done.err) == (3, 1, True), done.err


def test_a_store_that_is_none_of_ours_ends_with_three_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"not a store at all" * 100)
    done = in_a_process("record", "--data", str(tmp_path), "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0")

    assert (done.status, done.err.count("\n")) == (3, 1), done.err
    assert (tmp_path / "store.db").read_bytes() == b"not a store at all" * 100


async def test_nothing_stays_behind_and_nothing_is_lost_when_the_main_process_is_killed(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream:
        with Running(tmp_path, upstream.url) as running:
            for number in range(20):
                assert (await fetch(running.port, post(b"%d" % number))).status == 200
            running.processes[0].send_signal(signal.SIGKILL)
            await until(lambda: gone(running))
            assert await asyncio.to_thread(running.stop) == -signal.SIGKILL

    assert (stored(tmp_path), segments(tmp_path / "journal")) == (20, {})


def recorders(running: Running) -> list[psutil.Process]:
    """The recorder that runs now, if any."""
    return [process for process in running.processes[0].children() if lives(process, RECORDER)]


def kill_one(processes: list[psutil.Process]) -> bool:
    """Kill the first of them, if it is there and still lives."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
            return True
    return False


async def test_nothing_is_lost_or_doubled_when_the_recorder_is_killed(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream:
        with Running(tmp_path, upstream.url) as running:
            for number in range(30):
                assert (await fetch(running.port, post(b"%d" % number))).status == 200
                if number in (5, 15):
                    await until(lambda: kill_one(recorders(running)))
            assert await asyncio.to_thread(running.stop) == 0

    assert (stored(tmp_path), segments(tmp_path / "journal")) == (30, {})


async def test_a_recorder_that_is_killed_while_the_server_stops_is_started_again(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream:
        with Running(tmp_path, upstream.url, "--drain-timeout", "60") as running:
            running.pause_recorder()
            for number in range(10):
                assert (await fetch(running.port, post(b"%d" % number))).status == 200
            running.processes[0].terminate()
            recorders(running)[0].send_signal(signal.SIGKILL)
            assert await asyncio.to_thread(running.stop) == 0

    assert (stored(tmp_path), segments(tmp_path / "journal")) == (10, {})


async def test_what_was_killed_whole_is_stored_at_the_next_start(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream:
        with Running(tmp_path, upstream.url) as running:
            running.pause_recorder()
            for number in range(20):
                assert (await fetch(running.port, post(b"%d" % number))).status == 200
            running.kill()
        with Running(tmp_path, upstream.url) as running:
            assert await asyncio.to_thread(running.stop) == 0

    assert stored(tmp_path) == 20


def test_one_port_cannot_be_both(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{probe.getsockname()[1]}"
    done = in_a_process("record", "--data", str(tmp_path), "--listen", where, "--console", where)

    assert (done.status, done.err) == (3, f"playhead: cannot listen on {where}: Address already in use\n")


def test_what_keeps_a_worker_from_starting_is_said_in_one_line(tmp_path: Path) -> None:
    ports = ("--listen", "127.0.0.1:0", "--console", "127.0.0.1:0")
    done = in_a_process("record", "--data", str(tmp_path), *ports, "--ca-file", str(tmp_path / "none"), "--upstream", "https://localhost")

    assert (done.status, done.err.count("\n"), "a worker cannot start: ca_file" in done.err) == (3, 1, True), done.err


async def test_the_journals_lag_is_that_of_a_recorder_that_stands(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream:
        with Running(tmp_path, upstream.url) as running:
            running.pause_recorder()
            await fetch(running.port, post(b"x"))
            await until(lambda: running.metrics()["playhead_journal_lag_seconds"] > 0.5)
            running.resume_recorder()
            await until(lambda: running.metrics()["playhead_journal_lag_seconds"] == 0.0)


async def test_a_store_that_is_removed_is_begun_anew(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream:
        with Running(tmp_path, upstream.url) as running:
            await fetch(running.port, post(b"before"))
            for path in tmp_path.glob("store.db*"):
                path.unlink()
            await until((tmp_path / "store.db").exists)
            await fetch(running.port, post(b"after"))
            assert await asyncio.to_thread(running.stop) == 0
            assert "was removed or replaced" in running.log

    with Store.open(f"sqlite:///{tmp_path}/store.db") as store:
        assert [store.raw(row.id).request for row in store.exchanges("default")][-1] == b"after"


async def test_garbage_at_the_console_is_answered_and_not_logged(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream:
        with Running(tmp_path, upstream.url) as running:
            flood = b"GET / HTTP/1.1\r\n" + b"".join(b"x-%d: sk-secret\r\n" % number for number in range(500)) + b"\r\n"
            assert (await fetch(running.console, flood)).status == 400
            assert await asyncio.to_thread(running.stop) == 0
            assert running.log == ""

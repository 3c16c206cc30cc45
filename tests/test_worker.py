"""A worker under its main process: it drains, it ends with it, it is started again."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from fakes import FakeUpstream, RawClient, Received, Wire, answer, chunked, chunked_head, echo, fetch
from playhead.proxy.processes.worker import NAME as WORKER
from playhead.storage.store import Store
from proxied import GET, gated, post, until
from running import Running
from websocket_fakes import CLOSE, WebSocketClient, echo_messages


def worker_of(running: Running) -> psutil.Process:
    """Its worker, as it is now."""
    main = running.processes[0]
    return next(process for process in main.children(recursive=True) if process.name() == WORKER)


@contextmanager
def recording(data: Path, upstream: FakeUpstream, *flags: str) -> Iterator[Running]:
    with Running(data, upstream.url, *flags) as running:
        yield running


def stored(data: Path) -> list[tuple[str, str | None]]:
    """Path and outcome of all that is in the store."""
    with Store.open(f"sqlite:///{data}/store.db") as store:
        return [(row.path, row.outcome) for row in store.exchanges("default")]


async def test_a_stop_lets_what_is_in_flight_finish(tmp_path: Path) -> None:
    gate = asyncio.Event()
    pieces = [chunked_head(), chunked(b"more", end=False), chunked(b"end")]
    async with FakeUpstream({"/stream": gated(*pieces, gate=gate), "/upload": echo, "/ws": echo_messages}) as upstream:
        with recording(tmp_path, upstream) as running:
            async with RawClient.connect(running.port) as stream, RawClient.connect(running.port) as upload, RawClient.connect(running.port) as idle:
                await stream.write(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
                await stream.read_head()
                await upload.write(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\none")
                await idle.request(GET)
                await until(lambda: len(upstream.requests) == 3)
                async with WebSocketClient.open(running.port, b"/ws") as socket:
                    running.processes[0].terminate()
                    assert await idle.at_end()
                    await upload.write(b"two")
                    await socket.send(b"still")
                    gate.set()
                    assert await stream.reader.readexactly(len(pieces[1])) == pieces[1]
                    assert (await upload.answer()).body == b"onetwo"
                    assert (await socket.receive()).payload == b"still"
                    await socket.send_close(1001)
                    assert (await socket.receive()).opcode == CLOSE
                gate.set()
                assert await stream.reader.readexactly(len(pieces[2])) == pieces[2]
            status = await asyncio.to_thread(running.stop)
            log = running.log

    assert (status, log) == (0, "")
    assert [outcome for _, outcome in stored(tmp_path)] == ["complete"] * 4


async def test_a_client_that_reads_slowly_gets_its_answer_whole_when_the_server_stops(tmp_path: Path) -> None:
    body = bytes(range(256)) * 4096 * 8

    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(answer(body))

    async with FakeUpstream({"*": handler}) as upstream:
        with recording(tmp_path, upstream) as running:
            async with RawClient.connect(running.port, ahead=1 << 16) as client:
                await client.write(GET)
                await client.read_head()
                running.processes[0].terminate()
                got = b""
                while len(got) < len(body):
                    piece = await client.reader.read(1 << 18)
                    if not piece:
                        break
                    got += piece
                    await asyncio.sleep(0.01)
            await asyncio.to_thread(running.stop)

    assert got == body


async def test_what_does_not_finish_in_time_is_broken_off_and_not_closed_as_if_complete(tmp_path: Path) -> None:
    async def plain(_: Received, wire: Wire) -> None:
        await wire.write(b"HTTP/1.1 200 OK\r\n\r\nwithout length")
        await wire.reader.read(1)

    async def stream(_: Received, wire: Wire) -> None:
        await wire.write(chunked_head() + chunked(b"part", end=False))
        await wire.reader.read(1)

    async with FakeUpstream({"/plain": plain, "/stream": stream, "/ws": echo_messages}) as upstream:
        with recording(tmp_path, upstream, "--drain-timeout", "0.3") as running:
            async with RawClient.connect(running.port) as one, RawClient.connect(running.port) as two, WebSocketClient.open(running.port, b"/ws") as socket:
                await one.write(b"GET /plain HTTP/1.1\r\nHost: x\r\n\r\n")
                await two.write(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
                await one.read_head()
                assert await one.reader.readexactly(14) == b"without length"
                running.processes[0].terminate()
                broken = await two.answer()
                with pytest.raises(ConnectionResetError):
                    await one.reader.read()
                assert await socket.receive_until_closed() == []
            status = await asyncio.to_thread(running.stop)

    assert (broken.complete, broken.body, status) == (False, b"part", 0)
    assert [outcome for _, outcome in stored(tmp_path)] == ["aborted"] * 3


async def test_a_worker_that_is_killed_is_replaced_and_what_it_had_said_is_not_lost(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream:
        with recording(tmp_path, upstream) as running:
            for number in range(20):
                assert (await fetch(running.port, post(b"x", target=b"/before/%d" % number))).status == 200
            old = worker_of(running)
            old.send_signal(signal.SIGKILL)
            got = await fetch(running.port, post(b"after", target=b"/after"))  # waits in the queue of the port until there is a worker
            assert worker_of(running).pid != old.pid
            assert await asyncio.to_thread(running.stop) == 0

    assert got.body == b"after"
    assert sorted(stored(tmp_path)) == sorted([("/after", "complete"), *((f"/before/{number}", "complete") for number in range(20))])


async def test_what_a_killed_worker_left_open_is_stored_as_aborted(tmp_path: Path) -> None:
    async def handler(_: Received, wire: Wire) -> None:
        await wire.write(chunked_head() + chunked(b"part", end=False))
        await wire.reader.read(1)

    async with FakeUpstream({"*": handler}) as upstream:
        with recording(tmp_path, upstream) as running:
            async with RawClient.connect(running.port) as client:
                await client.write(GET)
                await client.read_head()
                await client.reader.readexactly(4)
                worker_of(running).send_signal(signal.SIGKILL)
                await client.reader.read()
            assert await asyncio.to_thread(running.stop) == 0

    assert stored(tmp_path) == [("/v1/models", "aborted")]


async def test_several_workers_share_the_port(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream:
        with recording(tmp_path, upstream, "--workers", "3") as running:
            assert [process.name() == WORKER for process in running.processes].count(True) == 3
            got = await asyncio.gather(*(fetch(running.port, post(b"%d" % number)) for number in range(30)))
            assert await asyncio.to_thread(running.stop) == 0

    assert [one.body for one in got] == [b"%d" % number for number in range(30)]
    assert len(stored(tmp_path)) == 30


def _few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


async def test_more_clients_are_served_than_files_may_be_open_by_default(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def handler(_: Received, wire: Wire) -> None:
        await gate.wait()
        await wire.write(answer(b"ok"))

    async with FakeUpstream({"*": handler}) as upstream:
        with Running(tmp_path, upstream.url, before=_few_files) as running:
            asked = [asyncio.ensure_future(fetch(running.port, GET)) for _ in range(250)]
            await until(lambda: len(upstream.requests) == 250)
            gate.set()
            assert {(await one).status for one in asked} == {200}
            assert await asyncio.to_thread(running.stop) == 0

    assert len(stored(tmp_path)) == 250

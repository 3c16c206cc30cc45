"""Thousands of sessions on one replay server: memory for each, and what a session and a rewind cost.

python tests/bench/sessions.py [SESSIONS] [EXCHANGES OF EACH]
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes import Answer, RawClient, fetch
from replays import ask, numbered, recording
from running import Running

_AT_ONCE = 64


def request(session: str, number: int) -> bytes:
    return ask(b'{"model": "m", "input": "question %d"}' % number, target=f"/@{session}/v1/responses".encode())


async def through(port: int, sessions: list[str], each: int) -> int:
    """One pass over every session, many at once, each over a connection of its own; how many answers were wrong."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(session: str, first: int) -> int:
        async with room, RawClient.connect(port) as client:
            answers: list[Answer] = [await client.request(request(session, number)) for number in range(each)]
        return sum(got.body != b"%d" % (first + number) for number, got in enumerate(answers))

    return sum(await asyncio.gather(*(one(session, place * each) for place, session in enumerate(sessions))))


async def main() -> None:
    count, each = (int(given) for given in (sys.argv[1:3] + ["2000", "5"][len(sys.argv) - 1 :]))
    sessions = [f"test-{number}" for number in range(count)]
    with tempfile.TemporaryDirectory() as place:
        data = Path(place)
        async with recording(data, numbered(count * each)) as proxy, RawClient.connect(proxy.port) as client:
            for session in sessions:
                for number in range(each):
                    await client.request(request(session, number))
        with Running(data, "http://127.0.0.1:9", command="replay") as running:
            worker = next(one for one in running.processes if "playhead.proxy.processes.worker" in one.cmdline())
            await fetch(running.port, request(sessions[0], 0))
            await fetch(running.console, b"POST /api/sessions/%s/rewind HTTP/1.1\r\nHost: localhost\r\n\r\n" % sessions[0].encode())
            before, cpu = worker.memory_info().rss, sum(worker.cpu_times()[:2])
            began = time.perf_counter()
            wrong = await through(running.port, sessions, each)
            took, used = time.perf_counter() - began, sum(worker.cpu_times()[:2]) - cpu
            grown = worker.memory_info().rss - before
            began, cpu = time.perf_counter(), sum(worker.cpu_times()[:2])
            async with RawClient.connect(running.console) as console:
                for session in sessions:
                    await console.request(b"POST /api/sessions/%s/rewind HTTP/1.1\r\nHost: localhost\r\n\r\n" % session.encode())
            rewinding, rewound = time.perf_counter() - began, sum(worker.cpu_times()[:2]) - cpu
            again = await through(running.port, sessions, each)
            log = running.log
    print(f"{count} sessions of {each} exchanges: {wrong} and, after rewinding, {again} wrong answers; {log.count(chr(10))} lines in the log")
    print(f"memory {grown / count / 1024:.1f} KiB a session; a session of {each} requests {1000 * took / count:.2f} ms, CPU {1000 * used / count:.2f} ms")
    print(f"a rewind {1000 * rewinding / count:.2f} ms, CPU of the worker {1000 * rewound / count:.2f} ms")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
    os._exit(0)

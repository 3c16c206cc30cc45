"""Growth of the store by agent loops: raw bytes that passed, divided by the bytes that the data directory grew.

    python tests/bench/growth.py --bench ../shared/bench --loops 1
    python tests/bench/growth.py --bench ../shared/bench --loops 8

Each loop is the one of agent_loop.py with a seed of its own; several run interleaved in one session. Before and after are measured after a clean stop.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

Turns = list[tuple[bytes, bytes]]


async def serve(loops: list[Turns]) -> tuple[web.AppRunner, str]:
    """An upstream that knows the answers; its URL."""
    answers = dict(turn for loop in loops for turn in loop)

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8", "x-request-id": f"req_{len(answers):032x}"})
        await response.prepare(request)
        for block in answers[await request.read()].split(b"\n\n")[:-1]:
            await response.write(block + b"\n\n")
        return response

    app = web.Application(client_max_size=1 << 30)
    app.router.add_post("/v1/responses", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


async def drive(base: str, loop: Turns) -> int:
    """One loop; the raw bytes that passed."""
    passed = 0
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        for request, expected in loop:
            headers = {"content-type": "application/json", "authorization": "Bearer sk-loop"}
            async with session.post(base + "/v1/responses", data=request, headers=headers) as answer:
                if await answer.read() != expected:
                    raise RuntimeError("an answer differs")
            passed += len(request) + len(expected)
    return passed


@contextmanager
def recording(upstream: str, data: Path) -> Iterator[str]:
    """playhead in front of upstream; its base URL."""
    command = ["playhead", "record", "--upstream", upstream, "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0", "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield next(word for word in process.stdout.readline().split() if word.startswith("http://"))
        process.terminate()
        process.wait()


def size(data: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in data.rglob("*") if path.is_file())


async def measure(bench: Path, count: int) -> None:
    """Print one line."""
    sys.path.insert(0, str(bench))
    from agent_loop import turns  # type: ignore[import-not-found]

    loops: list[Turns] = [list(turns(seed=5 + number)) for number in range(count)]
    runner, upstream = await serve(loops)
    with tempfile.TemporaryDirectory() as work:
        data = Path(work) / "data"
        with recording(upstream, data):
            pass
        before = size(data)
        with recording(upstream, data) as base:
            raw = sum(await asyncio.gather(*(drive(base, loop) for loop in loops)))
        grown = size(data) - before
    await runner.cleanup()
    print(f"{count} loop(s): raw {raw} B, growth {grown} B, {raw / grown:.1f} times smaller")


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path, required=True, help="the folder with agent_loop.py")
    parser.add_argument("--loops", type=int, default=1)
    args = parser.parse_args()
    asyncio.run(measure(args.bench.resolve(), args.loops))


if __name__ == "__main__":
    main()

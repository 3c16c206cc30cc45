"""Prune half of a store without stopping recording: how long it takes, what recording notices of it, and what returns to the disk.

    python tests/bench/prune.py --exchanges 1000000

A store of conversations is written, half of which are older than content is kept. Then `playhead record` serves a client that asks at a steady pace, through a
real proxy and a simulated upstream, and `playhead prune` runs beside it as a program of its own. At the end all that was asked must be in the store.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.filling import fill
from playhead.proxy.simulator import simulated_upstream
from playhead.storage.journal import size_of
from playhead.storage.store import Store

_QUIET_SECONDS, _LAST_SECONDS = 20.0, 5.0


class Client:
    """Asks at a steady pace, and takes the times of the answers."""

    def __init__(self, base: str, pace: float) -> None:
        self._base, self._pace = base, pace
        self.times: list[tuple[float, float]] = []
        self.stop = False

    async def run(self) -> None:
        """Until it is stopped."""
        async with aiohttp.ClientSession() as session:
            number = 0
            while not self.stop:
                began = time.monotonic()
                body = {"model": "gpt-5-mini", "input": f"question {number}"}
                async with session.post(f"{self._base}/@live/v1/responses", json=body, headers={"Authorization": "Bearer sk-none"}) as answer:
                    await answer.read()
                    if answer.status != 200:
                        raise SystemExit(f"status {answer.status}: {await answer.text()}")
                self.times.append((began, time.monotonic() - began))
                number += 1
                await asyncio.sleep(max(0.0, self._pace - (time.monotonic() - began)))

    def told(self, since: float, until: float) -> str:
        """The times of what was asked within these."""
        found = sorted(took * 1000 for began, took in self.times if since <= began < until)
        if len(found) < 2:
            return f"{len(found)} answers"
        cuts = quantiles(found, n=100)
        return f"{len(found)} answers, p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, longest {found[-1]:.1f} ms"


async def ready(process: asyncio.subprocess.Process) -> str:
    """The base URL that a server names when it serves."""
    assert process.stdout is not None
    while line := (await process.stdout.readline()).decode():
        if line.startswith("playhead ready"):
            return next(word for word in line.split() if word.startswith("http://"))
    raise SystemExit("the server did not start")


async def measure(data: Path, arguments: list[str]) -> None:
    """Record, and prune beside it."""
    program = (sys.executable, "-m", "playhead.proxy")
    async with simulated_upstream(0) as url:
        serve = ["record", "--upstream", url, "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0", "--data", str(data)]
        server = await asyncio.create_subprocess_exec(*program, *serve, stdout=asyncio.subprocess.PIPE)
        client = Client(await ready(server), 0.02)
        asking = asyncio.ensure_future(client.run())
        quiet = time.monotonic()
        await asyncio.sleep(_QUIET_SECONDS)
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        pruning = await asyncio.create_subprocess_exec(*program, "prune", "--data", str(data), *arguments, "--json", stdout=asyncio.subprocess.PIPE)
        told = asyncio.ensure_future(pruning.communicate())
        journal = 0
        while not told.done():
            journal = max(journal, size_of(data / "journal"))
            await asyncio.sleep(0.2)
        ended, after = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        await asyncio.sleep(_LAST_SECONDS)
        client.stop = True
        await asking
        server.terminate()
        await server.wait()
    rows = [json.loads(line) for line in (await told)[0].splitlines()]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"pruned {sum(row['content'] + row['exchanges'] for row in rows):,} exchanges in {ended - began:.1f} s ({cpu:.1f} s CPU)")
    print(f"recording before: {client.told(quiet, began)}\nrecording meanwhile: {client.told(began, ended)}")
    print(f"the journal was at most {journal / 2**20:.1f} MiB big")
    with Store.open(f"sqlite:///{data}/store.db") as store:
        stored = sum(1 for _ in store.exchanges("live"))
    print(f"asked {len(client.times):,}, stored {stored:,}")
    if stored != len(client.times):
        raise SystemExit("not all that was asked is in the store")


def main() -> None:
    """Fill a store, and prune half of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--exchanges", type=int, default=1_000_000)
    parser.add_argument("--data", type=Path, help="a directory that is kept; where a store is there already, that is pruned")
    parser.add_argument("arguments", nargs="*", default=["--keep-content", "30d"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or Path(folder) / "data"
        if not (data / "store.db").exists():
            fill(data / "store.db", options.exchanges)
        size = (data / "store.db").stat().st_size
        asyncio.run(measure(data, options.arguments))
        print(f"store.db: {size / 2**20:,.0f} MiB before, {(data / 'store.db').stat().st_size / 2**20:,.0f} MiB now")


if __name__ == "__main__":
    main()

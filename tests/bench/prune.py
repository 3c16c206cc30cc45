"""Prune half of a store without stopping recording: how long it takes, what recording notices of it, and what returns to the disk.

    python tests/bench/prune.py --exchanges 1000000

A store of conversations is written, half of which are older than content is kept. Then `playhead record` serves a client that asks at a steady pace, through a
real proxy and a simulated upstream, and `playhead prune` runs beside it as a program of its own. At the end all that was asked must be in the store.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aged import costing
from playhead.proxy.simulator import simulated_upstream
from playhead.storage.journal import size_of
from playhead.storage.records import Batch, Facts, Fingerprint, Frame, ItemRow, Raw, Recorded
from playhead.storage.store import Store
from stores import event

_TURNS = 8  # of a conversation
_BATCH = 2000
_QUIET_SECONDS, _LAST_SECONDS = 20.0, 5.0
_DAY_NS = 86_400_000_000_000
_HEAD = b"POST /v1/responses HTTP/1.1\r\nHost: api.openai.com\r\nContent-Type: application/json\r\n\r\n"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def exchanges(count: int, days: int) -> Iterator[Recorded]:
    """Streams of conversations, the oldest first; the last of them now."""
    rng = random.Random(7)
    words = [rng.randbytes(rng.randint(2, 6)).hex() for _ in range(4000)]
    now = time.time_ns()
    talks: list[list[bytes]] = [[] for _ in range(16)]
    for number in range(count):
        place = rng.randrange(len(talks))
        talk = talks[place]
        if len(talk) >= _TURNS:
            talk = talks[place] = []
        talk.append(" ".join(rng.choices(words, k=60)).encode())
        request = b'{"model":"gpt-5-mini","stream":true,"input":["' + b'","'.join(talk) + b'"]}'
        answer = b"".join(b'event: response.output_text.delta\ndata: {"delta":"%b"}\n\n' % word.encode() for word in rng.choices(words, k=8))
        rows = [event(seq, bytes=len(answer) // 8) for seq in range(8)]
        usage = {"input_tokens": 60 * len(talk), "output_tokens": 8, "total_tokens": 60 * len(talk) + 8}
        facts = Facts(kind="responses", model="gpt-5-mini", response_id=f"resp_{number}", response_status="completed", usage=usage, parse="parsed")
        raw = Raw(_HEAD, request, _ANSWER, answer, frames=(Frame(0, 1000, len(request)), Frame(1, 900_000, len(answer))), chunks=(len(answer),))
        items = b"".join(text[:4] for text in talk)
        yield Recorded(
            "bench",
            number,
            f"agents-{place}",
            "run",
            transport="sse",
            method="POST",
            path="/v1/responses",
            started_at_ns=now - (count - number) * days * _DAY_NS // count,
            status=200,
            outcome="complete",
            first_event_ns=1_000_000,
            duration_ns=9_000_000,
            request_bytes=len(request),
            response_bytes=len(answer),
            event_count=len(rows),
            upstream="https://api.openai.com",
            facts=facts,
            raw=raw,
            events=rows,
            fingerprint=Fingerprint(rng.randbytes(16), "sse", items),
            items=[ItemRow("output", 0, "message", f"msg_{number}", None, None, "completed")],
            cost=costing(1000),
        )


def fill(data: Path, count: int) -> None:
    """Write them."""
    data.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with Store.open(f"sqlite:///{data}/store.db", create=True) as store:
        batch: list[Recorded] = []
        for number, one in enumerate(exchanges(count, 60), 1):
            batch.append(one)
            if len(batch) >= _BATCH or number == count:
                store.write(Batch(batch, gone=["bench"] if number == count else []))
                batch = []
    print(f"{count:,} exchanges written in {time.monotonic() - began:.0f} s")


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
            fill(data, options.exchanges)
        size = (data / "store.db").stat().st_size
        asyncio.run(measure(data, options.arguments))
        print(f"store.db: {size / 2**20:,.0f} MiB before, {(data / 'store.db').stat().st_size / 2**20:,.0f} MiB now")


if __name__ == "__main__":
    main()

"""Agent loops whose prompts are broken in places: `playhead audit --cache` finds what was planted, and how long it takes.

    python tests/bench/forensics.py --loops 5000 --turns 20

The program runs on its own; its wall time, its CPU time and its memory are printed, and for each cause how many were planted and found.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from playhead.config.assumptions import Assumptions
from playhead.config.listed_prices import installed_list
from playhead.config.prices import own_table, parse_table
from playhead.proxy.pricing.book import Book
from playhead.proxy.pricing.entries import Entries
from playhead.proxy.pricing.pricing import Pricer
from playhead.storage.costing.priceable import priceable
from playhead.storage.records import Batch, Facts, Raw, Recorded
from playhead.storage.store import Store
from prompted import text, tool, user

START = 1_795_000_000
TABLE = b'name="t"\nversion="1"\nsource="invented"\n[[price]]\nmodels=["sim"]\ninput="2"\ncached_input="0.2"\noutput="8"\n'
HEAD, ANSWER = b"POST /v1/responses HTTP/1.1\r\nHost: api.openai.com\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
CAUSES = ("volatile", "tool_schema", "tool_result", "removed", "missed", "expired")
_WORDS = [f"word{number}" for number in range(400)]


class Loop:
    """One agent loop: its history, and what its provider has in the cache."""

    def __init__(self, number: int, rng: random.Random) -> None:
        self.rng, self.number = rng, number
        self.now = START + number // 8 * 20_000.0
        self.items: list[Any] = [user(f"Task {number}. " + self.words(60))]
        self.tools = [tool(name, text(150)) for name in ("shell", "search", "edit", "plan")]
        self.instructions = f"Now it is 2026-11-19T00:00:00Z. You are agent {number % 7}. " + text(1500)
        self.before = 0

    def words(self, count: int) -> str:
        return " ".join(self.rng.choices(_WORDS, k=count))

    def turn(self, place: int) -> tuple[dict[str, Any], int, str | None]:
        """A request, what of it came from the cache, and what was planted."""
        if place:
            call = f"call_{self.number}_{place}"
            self.items.append({"type": "function_call", "call_id": call, "name": "shell", "arguments": json.dumps({"command": self.words(12)})})
            self.items.append({"type": "function_call_output", "call_id": call, "output": self.words(70)})
        planted = self.rng.choice(CAUSES) if place > 3 and self.rng.random() < 0.05 else None
        self.now += 4000 if planted == "expired" else 20
        if planted == "volatile":
            self.instructions = f"Now it is {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(self.now))}. {self.instructions.partition('. ')[2]}"
        elif planted == "tool_schema":
            self.tools = [*self.tools, tool(f"tool_{place}")]
        elif planted == "tool_result":
            self.items[2] = {**self.items[2], "output": f"[cut {place}]"}
        elif planted == "removed":
            del self.items[1:3]
        body = {"model": "sim", "tools": list(self.tools), "instructions": self.instructions, "input": list(self.items), "store": False}
        body["prompt_cache_key"] = f"agent-{self.number % 50}"
        cached = 0 if planted else self.before // 128 * 128
        self.before = len(json.dumps(body)) // 4
        return body, cached, planted


def loops(count: int, turns: int, seed: int) -> Iterator[tuple[dict[str, Any], int, str | None, float]]:
    """All turns, of eight loops at a time."""
    rng = random.Random(seed)
    for first in range(0, count, 8):
        side = [Loop(number, rng) for number in range(first, min(first + 8, count))]
        for place in range(turns):
            for loop in side:
                body, cached, planted = loop.turn(place)
                yield body, cached, planted, loop.now


def store_loops(store: Store, count: int, turns: int, seed: int) -> tuple[Counter[str], int]:
    """How often what was planted, and how many bytes the requests have."""
    entries = Entries(Pricer(Book(installed_list(), [own_table(), parse_table(TABLE, "t")]), Assumptions(provider="openai", region="global", tier="default")))
    planted: Counter[str] = Counter()
    batch: list[Recorded] = []
    size = 0
    for number, (body, cached, what, now) in enumerate(loops(count, turns, seed), 1):
        request = json.dumps(body).encode()
        size += len(request)
        planted[what or "none"] += 1
        usage = {"input_tokens": len(request) // 4, "input_tokens_details": {"cached_tokens": cached}, "output_tokens": 100}
        facts = Facts(
            kind="responses", model="sim", response_id=f"resp_{number}", response_status="completed", service_tier="default", usage=usage, parse="parsed"
        )
        facts.billing = {"labels": {"prompt_cache_key": body["prompt_cache_key"]}}
        raw = Raw(HEAD, request, ANSWER, b'{"id":"resp_%d"}' % number)
        one = Recorded("w", number, "loops", "run 1", "http", "POST", "/v1/responses", int(now * 1e9))
        one.status, one.outcome, one.duration_ns, one.first_event_ns, one.request_bytes = 200, "complete", 10**9, 5 * 10**8, len(request)
        one.upstream, one.raw, one.facts = "https://api.openai.com", raw, facts
        one.cost = entries.of(priceable(one))
        batch.append(one)
        if len(batch) == 200:
            store.write(Batch(finished=batch))
            batch = []
    if batch:
        store.write(Batch(finished=batch))
    return planted, size


def main() -> None:
    """Make loops, look at them, compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--loops", type=int, default=5_000)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with Store.open(f"sqlite:///{folder}/store.db", create=True) as store:
            planted, size = store_loops(store, options.loops, options.turns, options.seed)
        (Path(folder) / "t.toml").write_bytes(TABLE)
        arguments = ["audit", "--cache", "--json", "--data", folder, "--price-table", f"{folder}/t.toml"]
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-m", "playhead.proxy", *arguments], capture_output=True, check=False)
        took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stderr.decode())
    whole = json.loads(done.stdout.splitlines()[-1])
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{whole['turns']:,} turns, {size / 1e9:.2f} GB of requests: {took:.1f} s, CPU {used:.1f} s, {after.ru_maxrss / 1024:.0f} MiB")
    for cause in dict.fromkeys([*CAUSES, *whole["causes"]]):
        found = whole["causes"].get(cause, {"turns": 0, "lost_tokens": 0, "cost": "0"})
        print(f"{cause:12} planted {planted[cause]:>6} found {found['turns']:>6}, {found['lost_tokens']:>12,} tokens, {found['cost']} USD")


if __name__ == "__main__":
    main()

"""What counting money costs: an entry of the ledger, and storing it. `python -m tests.bench.pricing`."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable

from playhead.config.settings import Settings
from playhead.proxy.pricing.entries import Entries
from playhead.proxy.pricing.setting import pricer_for
from playhead.storage.costing.costs import Cost, Priceable
from playhead.storage.records import Batch, Facts, Recorded
from playhead.storage.store import Store

USAGE = {"input_tokens": 1200, "input_tokens_details": {"cached_tokens": 400}, "output_tokens": 100, "output_tokens_details": {"reasoning_tokens": 20}}
AT = 1_795_132_800_000_000_000


def best(what: Callable[[], object], times: int = 2000, rounds: int = 15) -> float:
    """Microseconds of CPU, the best of some rounds: others use the machine."""
    found = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(times):
            what()
        found.append((time.process_time() - began) / times * 1e6)
    return min(found)


def priceable() -> Priceable:
    told = ("responses", "gpt-6-sol", "resp_1", "completed", "default", None, {**USAGE, "total_tokens": 1300}, None)
    return Priceable(0, "POST", "/v1/responses", "sse", "https://api.openai.com", AT, 200, "complete", "parsed", *told, None)


def recorded(number: int, cost: Cost | None) -> Recorded:
    facts = Facts("responses", "gpt-6-sol", None, usage={**USAGE, "total_tokens": 1300}, service_tier="default", parse="parsed")
    return Recorded(
        "w", number, "default", "run", "sse", "POST", "/v1/responses", AT, 200, "complete", upstream="https://api.openai.com", facts=facts, cost=cost
    )


def storing(cost: Cost | None, count: int = 2000) -> float:
    """Microseconds of CPU to store an exchange."""
    with tempfile.TemporaryDirectory() as directory, Store.open(f"sqlite:///{directory}/store.db", create=True) as store:
        batch = Batch(finished=[recorded(number, cost) for number in range(1, count + 1)])
        began = time.process_time()
        store.write(batch)
        return (time.process_time() - began) / count * 1e6


def main() -> None:
    entries, one = Entries(pricer_for(Settings())), priceable()
    cost = entries.of(one)
    assert cost is not None
    gc.collect()
    gc.freeze()
    gc.set_threshold(500_000, 20, 50)  # as the recorder has it
    print(f"an entry: {best(lambda: entries.of(one)):.1f} us")
    without, with_it = (min(storing(given) for _ in range(7)) for given in (None, cost))
    print(f"storing it: {with_it - without:.1f} us")


if __name__ == "__main__":
    main()

"""The simulated month with 100,000 requests: `playhead reconcile` finds what is planted, and how long it takes.

    python tests/bench/reconcile.py --requests 100000 --plants 5

The program runs on its own; its wall time and its CPU time are printed, and for each cause what was planted and what was found.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from playhead.storage.store import Store
from simulated_month import TABLE, Month, Simulation, store_month


def made(month: Month, folder: Path) -> tuple[list[str], dict[int, int]]:
    """The program's arguments, and the request of each exchange."""
    with Store.open(f"sqlite:///{folder}/store.db", create=True) as store:
        requests = store_month(month, store)
    for name, content in month.books.files():
        (folder / name).write_bytes(content)
    (folder / "month.toml").write_text(TABLE, encoding="utf-8")
    exports = sorted(map(str, folder.glob("*.json")))
    return ["reconcile", *exports, "--data", str(folder), "--price-table", str(folder / "month.toml"), "--json"], requests


def run(arguments: list[str]) -> tuple[list[dict[str, Any]], float, float]:
    """What it said, and its wall and CPU time."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([sys.executable, "-m", "playhead.proxy", *arguments], capture_output=True, check=False)
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode > 1:
        sys.exit(done.stderr.decode())
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return [json.loads(line) for line in done.stdout.splitlines()], took, used


def main() -> None:
    """Make a month, reconcile it, compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--plants", type=int, default=5)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    month = Simulation(options.requests, options.plants, options.seed).month
    with tempfile.TemporaryDirectory() as folder:
        arguments, requests = made(month, Path(folder))
        told, took, used = run(arguments)
    differences, whole = told[:-1], told[-1]
    print(f"{options.requests:,} requests, {whole['exchanges']:,} exchanges that spend: {took:.1f} s, CPU {used:.1f} s")
    for cause in dict.fromkeys([*(one.cause for one in month.planted), *whole["causes"]]):
        planted = Decimal(sum(one.amount for one in month.planted if one.cause == cause)) / 10**12
        behind = {request for one in month.planted if one.cause == cause for request in one.requests}
        found = {requests[exchange] for one in differences if one["cause"] == cause for exchange in one["exchanges"]}
        same = "the same exchanges" if behind == found else f"{len(behind - found)} missing, {len(found - behind)} too many"
        print(f"{cause:12} planted {planted:>18} found {Decimal(whole['causes'].get(cause, 0)):>18} USD, {same}")


if __name__ == "__main__":
    main()

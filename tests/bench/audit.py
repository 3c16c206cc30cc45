"""How long an audit over many exchanges takes, as the program does it: by several groupings, and as a report with charts; where no sums are kept, and then.

python tests/bench/audit.py --exchanges 1000000
"""

from __future__ import annotations

import argparse
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.filling import fill

_ASKED = (
    ("--by", "model,day"),
    ("--by", "model,day", "--json"),
    ("--by", "model,day", "--csv"),
    ("--by", "key"),
    ("--by", "session"),
    ("--by", "session,key,model,tier", "--json"),
    ("--html", "-"),
)


def took(data: Path, asked: tuple[str, ...]) -> tuple[float, float]:
    """Seconds, and seconds of CPU."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([sys.executable, "-m", "playhead.proxy", "audit", *asked, "--data", data], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Fill a store, and audit it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--exchanges", type=int, default=1_000_000)
    parser.add_argument("--data", type=Path, help="a directory that is kept; where a store is there already, that is audited")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or Path(folder) / "data"
        if not (data / "store.db").exists():
            fill(data / "store.db", options.exchanges)
        for asked in _ASKED:
            for kept in (False, True):
                rounds = []
                for _ in range(options.rounds):
                    if not kept:
                        forget(data)
                    rounds.append(took(data, asked))
                told = "; ".join(f"{wall:.2f} s, {cpu:.2f} s of CPU" for wall, cpu in rounds)
                print(f"audit {' '.join(asked)}, {'with sums that are kept' if kept else 'of all exchanges'}: {told}", flush=True)


def forget(data: Path) -> None:
    """Sums that are kept, as if there had been no audit yet and no recorder that kept any."""
    with closing(sqlite3.connect(data / "store.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM kept_sums")


if __name__ == "__main__":
    main()

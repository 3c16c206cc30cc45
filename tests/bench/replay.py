"""CPU of a replay per request, as a ratio to canned answers from aiohttp (../shared/bench/targets/aiohttp_replay.py), in interleaved rounds.

    python tests/bench/replay.py --bench ../shared/bench --rounds 5 --scenarios json,sse-burst,ws-burst

Two replays are measured: `last` serves the last of a few recordings again and again (`--exhausted last`); `order` serves as many recordings as there are
requests, each once, as a test run does.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench.overhead import free_port, load, running, settled

_RECORDED = 20_000  # exchanges for each second of `order`: more than are asked for


@contextmanager
def replaying(data: Path, *flags: str) -> Iterator[tuple[int, int]]:
    """A replay of that data: its process and its port."""
    port = free_port()
    command = ["playhead", "replay", "--listen", f"127.0.0.1:{port}", "--console", "127.0.0.1:0", "--data", str(data), "--log-level", "error", *flags]
    with running(command, port) as process:
        yield process.pid, port


def record(bench: Path, data: Path, scenario: str, seconds: float) -> int:
    """Record a load; how many exchanges it was."""
    upstream, port = free_port(), free_port()
    places = ["--upstream", f"http://127.0.0.1:{upstream}", "--listen", f"127.0.0.1:{port}", "--console", "127.0.0.1:0", "--data", str(data)]
    command = ["playhead", "record", *places]
    with running([sys.executable, "upstream.py", "--port", str(upstream)], upstream, bench), running(command, port) as process:
        made = load(bench, port, scenario, seconds)
        settled(process.pid)
        process.terminate()
        process.wait()
    return made


def recorded(data: Path) -> int:
    """Exchanges in the store."""
    listed = subprocess.run(["playhead", "sessions", "--data", str(data), "--json"], capture_output=True, check=True, text=True).stdout
    return sum(json.loads(line)["exchanges"] for line in listed.split("\n") if line)


def spent(bench: Path, pid: int, port: int, scenario: str, seconds: float) -> float:
    """Microseconds of CPU per request, of all its processes."""
    before = sum(settled(pid).values())
    made = load(bench, port, scenario, seconds)
    return (sum(settled(pid).values()) - before) / made * 1e6


def in_order(args: argparse.Namespace, data: Path, scenario: str) -> float:
    """A replay of its own for each round, since it serves everything once; what it needed to start is not counted."""
    with replaying(data, "--take", "all") as (pid, port):
        load(args.bench, port, scenario, 0.2)
        return spent(args.bench, pid, port, scenario, args.seconds)


def measure(args: argparse.Namespace, work: Path, scenario: str) -> None:
    """All rounds of a scenario; prints a row."""
    few, many = work / f"few-{scenario}", work / f"many-{scenario}"
    record(args.bench, few, scenario, 0.1)
    while not many.exists() or recorded(many) < _RECORDED * args.seconds:
        record(args.bench, many, scenario, 5.0)
    canned = free_port()
    command = [sys.executable, "targets/aiohttp_replay.py", "--port", str(canned), "--sse", "single", "--lowlevel"]
    rounds: list[dict[str, float]] = []
    with ExitStack() as stack:
        baseline = stack.enter_context(running(command, canned, args.bench))
        pid, port = stack.enter_context(replaying(few, "--exhausted", "last"))
        for where in (canned, port):
            load(args.bench, where, scenario, 0.5)
        for number in range(args.rounds):
            found: dict[str, float] = {}
            for name in ("canned", "last", "order") if number % 2 else ("order", "last", "canned"):
                if name == "order":
                    found[name] = in_order(args, many, scenario)
                else:
                    process, place = (baseline.pid, canned) if name == "canned" else (pid, port)
                    found[name] = spent(args.bench, process, place, scenario, args.seconds)
            rounds.append(found)
    row(scenario, rounds)


def row(scenario: str, rounds: list[dict[str, float]]) -> None:
    """Medians in microseconds, and medians of the ratios of each round."""
    cells = [f"{statistics.median(one['canned'] for one in rounds):8.0f} us"]
    for name in ("last", "order"):
        ratios = [one[name] / one["canned"] for one in rounds]
        cells.append(f"{name} {statistics.median(one[name] for one in rounds):6.0f} us {statistics.median(ratios):5.2f} x")
    print(f"{scenario:10} canned" + "   ".join(cells), flush=True)


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path, required=True, help="the folder with load.py, upstream.py and targets/")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--scenarios", default="json,sse-burst,ws-burst")
    args = parser.parse_args()
    args.bench = args.bench.resolve()
    for scenario in args.scenarios.split(","):
        with tempfile.TemporaryDirectory() as work:
            measure(args, Path(work), scenario)


if __name__ == "__main__":
    main()

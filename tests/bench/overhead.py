"""CPU of each of playhead's processes per exchange, as a ratio to the `bare` proxy of ../shared/bench, in interleaved rounds.

    python tests/bench/overhead.py --bench ../shared/bench --rounds 5 --scenarios json,json-200k,sse-burst,ws-burst

The CPU counts until the processes have nothing left to do. After each round the store must hold as many exchanges as were sent (a turn of a WebSocket is
one); what is missing is printed, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
QUIET_SECONDS = 1.0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, cwd: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A server, until it is no longer needed."""
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(200):
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield process
        finally:
            process.terminate()


def cpu_of(pid: int) -> dict[str, float]:
    """Seconds of CPU of a process and its children, by what each is."""
    found: dict[str, float] = {}
    todo = [pid]
    while todo:
        one = todo.pop()
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            name = Path(f"/proc/{one}/comm").read_text().rstrip()
            for task in Path(f"/proc/{one}/task").iterdir():
                todo += map(int, (task / "children").read_text().split())
        except OSError:
            continue
        role = name.removeprefix("ph:") if name.startswith("ph:") else "main"
        found[role] = found.get(role, 0.0) + (int(fields[11]) + int(fields[12])) / TICK
    return found


def settled(pid: int) -> dict[str, float]:
    """The CPU when nothing is left to do."""
    before, since = cpu_of(pid), time.monotonic()
    while time.monotonic() - since < QUIET_SECONDS:
        time.sleep(0.1)
        now = cpu_of(pid)
        if sum(now.values()) - sum(before.values()) > 0.02:
            before, since = now, time.monotonic()
    return cpu_of(pid)


def load(bench: Path, port: int, scenario: str, seconds: float) -> int:
    """Exchanges that were made; raises if one failed."""
    command = [sys.executable, "load.py", "--url", f"http://127.0.0.1:{port}/v1", "--scenario", scenario, "-d", str(seconds), "--warm", "0"]
    result = json.loads(subprocess.run(command, cwd=bench, capture_output=True, check=True).stdout)
    if result["errors"]:
        raise RuntimeError(f"{scenario}: {result['errors']} errors: {result['error']}")
    return int(result["reqs"])


def stored(data: Path) -> int:
    """Exchanges in the store."""
    listed = subprocess.run(["playhead", "sessions", "--data", str(data), "--json"], capture_output=True, check=True, text=True).stdout
    return sum(json.loads(line)["exchanges"] for line in listed.split("\n") if line)


def measure(args: argparse.Namespace, work: Path) -> int:
    """All rounds; the number of exchanges that are missing."""
    upstream, bare, port = free_port(), free_port(), free_port()
    origin, data = f"http://127.0.0.1:{upstream}", work / "data"
    record = ["playhead", "record", "--upstream", origin, "--listen", f"127.0.0.1:{port}", "--console", "127.0.0.1:0", "--data", str(data)]
    missing = sent = 0
    with ExitStack() as stack:
        stack.enter_context(running([sys.executable, "upstream.py", "--port", str(upstream)], upstream, args.bench))
        targets = {
            "bare": (
                stack.enter_context(
                    running([sys.executable, "targets/aiohttp_pass.py", "--uvloop", "--port", str(bare), "--upstream", origin], bare, args.bench)
                ),
                bare,
            ),
            "playhead": (stack.enter_context(running(record, port)), port),
        }
        for target in targets.values():
            load(args.bench, target[1], "json", 0.5)
        sent = stored(data)
        print(f"{'scenario':10} {'bare us':>8}" + "".join(f"{name:>20}" for name in ("worker", "recorder", "main", "all")))
        for scenario in args.scenarios.split(","):
            rounds: list[dict[str, float]] = []
            for number in range(args.rounds):
                spent: dict[str, float] = {}
                for name in sorted(targets, reverse=bool(number % 2)):
                    process, where = targets[name]
                    before = settled(process.pid)
                    made = load(args.bench, where, scenario, args.seconds)
                    after = settled(process.pid)
                    for role, seconds in after.items():
                        spent[role if name == "playhead" else "bare"] = (seconds - before.get(role, 0.0)) / made * 1e6
                    sent += made if name == "playhead" else 0
                rounds.append(spent)
            row(scenario, rounds)
            missing = sent - stored(data)
            if missing:
                print(f"!! {missing} exchanges are missing")
    return missing


def row(scenario: str, rounds: list[dict[str, float]]) -> None:
    """Medians in microseconds, and medians of the ratios of each round."""
    cells = []
    for roles in (("worker",), ("recorder",), ("main",), ("worker", "recorder", "main")):
        spent = [sum(one.get(role, 0.0) for role in roles) for one in rounds]
        ratios = [value / one["bare"] for value, one in zip(spent, rounds, strict=True)]
        cells.append(f"{statistics.median(spent):9.0f} us {statistics.median(ratios):5.2f} x")
    print(f"{scenario:10} {statistics.median(one['bare'] for one in rounds):8.0f}" + "".join(f"{cell:>20}" for cell in cells), flush=True)


def main() -> int:
    """Exit status: 1 if exchanges were lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path, required=True, help="the folder with load.py and upstream.py")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--scenarios", default="json,json-200k,sse-burst,ws-burst")
    args = parser.parse_args()
    args.bench = args.bench.resolve()
    with tempfile.TemporaryDirectory() as work:
        return 1 if measure(args, Path(work)) else 0


if __name__ == "__main__":
    sys.exit(main())

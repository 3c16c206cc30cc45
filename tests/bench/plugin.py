"""What the pytest plugin costs a test: runs of pytest with many and with few tests, each with a cassette of two exchanges whose answers are compressed.

    python tests/bench/plugin.py

The rows are ways to use it; each is measured beside the same tests without playhead, in turns. A test costs the difference of both runs, by the number of
tests between them: CPU of the whole process, and the time that went by. `asked`: the tests ask for both exchanges over a plain connection, which the tests
without playhead do not do. `first`: the time from the start of the first test's setup to its call.
"""

from __future__ import annotations

import argparse
import gzip
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import brotli

from playhead.proxy.cassettes.cassette_files import text_of
from playhead.storage.records import Recorded
from playhead.storage.store import Store
from taped import batch, posted

_FEW, _MANY = 50, 350
_ANSWER = b'{"id":"resp_%d","object":"response","output":[{"type":"message","content":[{"type":"output_text","text":"%b"}]}]}'
_TESTS = """
import http.client, os, time, pytest
NUMBERS = range(int(os.environ["TESTS"]))
BEGAN = []


def ask(url):
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host)
    for number in (1, 2):
        connection.request("POST", f"/{path}/responses", b'{"model":"gpt-5","input":"rain %d"}' % number)
        assert connection.getresponse().read()
    connection.close()


@pytest.fixture(autouse=True, scope="session")
def began():
    BEGAN.append(time.perf_counter())


def cassette(number):
    return pytest.param(number, marks=pytest.mark.playhead(cassette=f"{number}.jsonl", allow_unused=True))


@pytest.mark.parametrize("number", NUMBERS)
def test_none(number):
    pass


@pytest.mark.playhead(cassette="0.jsonl", allow_unused=True)
@pytest.mark.parametrize("number", NUMBERS)
def test_shared(number, playhead):
    playhead.base_url


@pytest.mark.parametrize("number", map(cassette, NUMBERS))
def test_own(number, playhead):
    if not number:
        print("first test after", time.perf_counter() - BEGAN[0])


@pytest.mark.parametrize("number", map(cassette, NUMBERS))
def test_asked(number, playhead):
    ask(playhead.base_url)
"""
_EMBEDDED = """
import time
from playhead.proxy import Playhead
for _ in range(6):
    wall, cpu = time.perf_counter(), time.process_time()
    with Playhead(cassette="0.jsonl") as p:
        between = time.perf_counter()
    print(round((between - wall) * 1e3), round((time.perf_counter() - between) * 1e3), round((time.process_time() - cpu) * 1e3))
"""


class Cost(NamedTuple):
    """Of one run, in seconds."""

    cpu: float
    wall: float


def answered(number: int, encoding: str) -> Recorded:
    """An exchange whose answer is compressed."""
    text = _ANSWER % (number, b"Some words of rain. " * 60)
    data = gzip.compress(text, 6, mtime=0) if encoding == "gzip" else brotli.compress(text, quality=int(encoding.removeprefix("br")))
    found = posted(number, b'{"model":"gpt-5","input":"rain %d"}' % number, data)
    heads = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n"
    found.raw = replace(found.raw, response_heads=heads % (b"gzip" if encoding == "gzip" else b"br", len(data)))
    return found


def project(work: Path, encoding: str) -> None:
    """Tests, and a cassette for each."""
    with Store.open(f"sqlite:///{work / 'made.db'}", create=True) as store:
        store.write(batch(answered(1, encoding), answered(2, encoding)))
        data = text_of(store, "default", "all")[0]
    for number in range(_MANY):
        (work / f"{number}.jsonl").write_bytes(data)
    (work / "test_bench.py").write_text(_TESTS)
    (work / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider -p no:randomly -q -s\n")


def run(work: Path, name: str, tests: int) -> tuple[Cost, str]:
    """One run of pytest, and what it printed. Raises RuntimeError: a test failed."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PLAYHEAD_", "PYTEST_"))} | {"TESTS": str(tests)}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-k", f"test_{name}"]
    done = subprocess.run(command, cwd=work, env=environ, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return Cost(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall), done.stdout


def for_a_test(work: Path, name: str) -> tuple[Cost, float | None]:
    """In ms; and those of the first test, where it says so."""
    few, said = run(work, name, _FEW)
    many, _ = run(work, name, _MANY)
    first = next((float(line.rpartition(" ")[2]) * 1e3 for line in said.splitlines() if "first test after" in line), None)
    return Cost(*[(more - less) / (_MANY - _FEW) * 1e3 for more, less in zip(many, few, strict=True)]), first


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--encoding", choices=["gzip", "br4", "br11"], default="br11", help="of the answers; by far the slowest to make again is br11")
    args = parser.parse_args()
    names = ("none", "shared", "own", "asked")
    found: dict[str, list[Cost]] = {name: [] for name in names}
    firsts: list[float] = []
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        project(work, args.encoding)
        for _ in range(args.rounds):
            for name in names:
                cost, first = for_a_test(work, name)
                found[name].append(cost)
                firsts += [] if first is None else [first]
        embedded = subprocess.run([sys.executable, "-c", _EMBEDDED], cwd=work, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in names:
        cpu, wall = (sorted(column) for column in zip(*found[name], strict=True))
        print(f"{name}: {statistics.median(cpu):.1f} ms of CPU ({cpu[0]:.1f} to {cpu[-1]:.1f}), ", end="")
        print(f"{statistics.median(wall):.1f} ms ({wall[0]:.1f} to {wall[-1]:.1f})")
    print(f"first test: {statistics.median(firsts):.0f} ms ({min(firsts):.0f} to {max(firsts):.0f})")
    print(f"Playhead(cassette=...), ms to start, to end, and of CPU: first {embedded[0]}, then {'; '.join(embedded[1:])}")


if __name__ == "__main__":
    main()

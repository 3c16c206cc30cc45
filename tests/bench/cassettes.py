"""Cassettes: the size of an agent loop of 50 turns against the same loop as VCR.py writes it, and the time it takes to write and to read one.

    python tests/bench/cassettes.py --bench ../shared/bench

Times are CPU of this process, the least of some rounds: of an export to bytes, and of an import of bytes into a store; then of a cassette with one exchange
as a test has it, read and loaded into a store that is there already.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from playhead.proxy.cassettes.cassette_files import load, text_of
from playhead.proxy.formats.cassette import read
from playhead.storage.records import Recorded
from playhead.storage.store import Store
from taped import batch, posted, stream

_REQUEST = {"Content-Type": ["application/json"], "Accept": ["application/json"], "Accept-Encoding": ["gzip, deflate"], "Host": ["api.openai.com"]}
_RESPONSE = {"Content-Type": ["text/event-stream; charset=utf-8"], "Transfer-Encoding": ["chunked"], "x-request-id": ["req_1"]}
_ANSWER = b'{"id":"resp_1","object":"response","output":[{"type":"message","content":[{"type":"output_text","text":"%b"}]}]}' % (b"Some words. " * 100)


def as_yaml(loop: list[tuple[bytes, bytes]]) -> int:
    """How many bytes VCR.py's cassette of it has."""
    interactions = [
        {
            "request": {"body": request.decode(), "headers": _REQUEST, "method": "POST", "uri": "https://api.openai.com/v1/responses"},
            "response": {"body": {"string": answer.decode()}, "headers": _RESPONSE, "status": {"code": 200, "message": "OK"}},
        }
        for request, answer in loop
    ]
    return len(yaml.dump({"interactions": interactions, "version": 1}, Dumper=yaml.CDumper).encode())


def recorded(loop: list[tuple[bytes, bytes]]) -> list[Recorded]:
    """The loop as exchanges."""
    return [stream(number, [block + b"\n\n" for block in answer.split(b"\n\n")[:-1]], request) for number, (request, answer) in enumerate(loop)]


def spent(action: Callable[[int], object], rounds: int) -> float:
    """Milliseconds of CPU, the least of some rounds. `action`: is given the number of the round."""
    found = []
    for number in range(rounds):
        start = time.process_time()
        action(number)
        found.append(time.process_time() - start)
    return min(found) * 1000


def measure_loop(bench: Path, work: Path, rounds: int) -> None:
    """Print the rows of the loop."""
    sys.path.insert(0, str(bench))
    from agent_loop import turns  # type: ignore[import-not-found]

    loop = list(turns(seed=5))
    with Store.open(f"sqlite:///{work / 'loop.db'}", create=True) as store:
        store.write(batch(*recorded(loop)))
        data = text_of(store, "default", "all")[0]
        out = spent(lambda _: text_of(store, "default", "all"), rounds)
        into = spent(lambda number: load(store, read(data, "x"), f"copy-{number}"), rounds)
    other = as_yaml(loop)
    print(f"a loop of {len(loop)} turns: {len(data):,} B, VCR YAML {other:,} B: {other / len(data):.1f} times smaller")
    print(f"exported in {out:.0f} ms, imported in {into:.0f} ms", flush=True)


def measure_small(work: Path, name: str, one: Recorded, rounds: int) -> None:
    """Print the row of a cassette with one exchange."""
    with Store.open(f"sqlite:///{work / f'{name}.db'}", create=True) as store:
        store.write(batch(one))
        data = text_of(store, "default", "all")[0]
        reading = spent(lambda _: read(data, "x"), rounds * 10)
        loading = spent(lambda number: load(store, read(data, "x"), f"copy-{number}"), rounds * 10)
    print(f"one exchange, {name}, {len(data):,} B: read in {reading:.2f} ms, read and loaded in {loading:.2f} ms", flush=True)


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path, required=True, help="the folder with agent_loop.py")
    parser.add_argument("--rounds", type=int, default=10)
    args = parser.parse_args()
    plain = posted(1, b'{"model":"gpt-5-mini","input":"Say something."}', _ANSWER)
    data = gzip.compress(_ANSWER, 6, mtime=0)
    coded = posted(1, plain.raw.request, data)
    coded.raw = replace(coded.raw, response_heads=b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n")
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        measure_small(work, "plain", plain, args.rounds)
        measure_small(work, "gzip", coded, args.rounds)
        measure_loop(args.bench.resolve(), work, args.rounds)


if __name__ == "__main__":
    main()

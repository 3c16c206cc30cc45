"""What a big store costs a replay: loading a session, matching a long request, and memory.

    python tests/bench/replay_store.py load --exchanges 10000 --kib 200
    python tests/bench/replay_store.py match --kib 200
    python tests/bench/replay_store.py miss --exchanges 10000 --kib 200
    python tests/bench/replay_store.py rules --exchanges 10000 --kib 200
    python tests/bench/replay_store.py memory --gib 5
    python tests/bench/replay_store.py memory --exchanges 1000000 --kib 0

`load`: the time until the index of a session stands whose requests are the turns of one growing conversation. `match`: the time from the bytes of a request
to the exchange that answers it, for a request that goes on from the one before, and for one that begins anew. `miss`: the time until a request that one
word was changed in has its 404, at the beginning, in the middle and at the end of such a session. `rules`: the time until the index stands under other
match rules, the first time and when its fingerprints are kept, for agents each of which begins anew after 100 turns, with the time in front of its history
and UUIDs, temporary directories and durations in it. `memory`: of all processes of a replay after
it has served every exchange of a store of that size, of which nothing can be compressed.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import os
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench.overhead import free_port, running
from playhead.config.rules import named_rules
from playhead.proxy.fingerprint import F1, Rules
from playhead.proxy.forwarding.addressing import Addressing
from playhead.proxy.forwarding.inbound import Inbound, Reception
from playhead.proxy.matching.request_memo import RequestMemo
from playhead.proxy.recordings.replay_index import ReplayIndex
from playhead.proxy.replay.incoming import Incoming, Memory
from playhead.storage.records import Batch, Facts, Frame, Raw, Recorded
from playhead.storage.replaying.replays import Under
from playhead.storage.store import Store

HEAD = b"POST /v1/responses HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\r\n"
_BATCH = 100


def text(number: int, size: int) -> str:
    """Words that no other number has."""
    return " ".join(f"{number}-{word}" for word in range(size // 8))


def conversation(turns: int, size: int, *, grows: bool = False) -> Iterator[bytes]:
    """The requests of an agent, which send the whole history each: about `size` bytes. Unless it `grows`, the oldest items are let go."""
    items: list[dict[str, Any]] = [{"role": "user", "content": text(number, 1000)} for number in range(size // 1000)]
    for turn in range(turns):
        items = [*items[not grows :], {"role": "user", "content": text(10**6 + turn, 1000)}]
        yield json.dumps({"model": "m", "input": items}).encode()


def exchange(number: int, request: bytes, answer: bytes, memo: RequestMemo | None) -> Recorded:
    """As the recorder hands it to the store."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer)
    raw = Raw(HEAD, request, head, answer, frames=(Frame(0, 1, len(request)), Frame(1, 2, 0), Frame(1, 3, len(answer))))
    one = Recorded("w", number, "default", "run", "http", "POST", "/v1/responses", 10**18 + number, status=200, outcome="complete", duration_ns=3, raw=raw)
    one = replace(one, request_bytes=len(request), response_bytes=len(answer), facts=Facts(kind="responses", model="m", parse="parsed"))
    if memo is not None:
        from playhead.proxy.fingerprint import Asked

        one.fingerprint = memo.read(Asked.of(HEAD, ""), request)[1]
    return one


def fill(store: Store, exchanges: Iterator[Recorded]) -> None:
    """Store them in batches."""
    batch = Batch()
    for one in exchanges:
        batch.finished.append(one)
        if len(batch.finished) == _BATCH:
            store.write(batch)
            batch = Batch()
    store.write(batch)


def measure_load(count: int, size: int, work: Path) -> None:
    """Print one line."""
    url = f"sqlite:///{work / 'store.db'}"
    memo = RequestMemo()
    with Store.open(url, create=True) as store:
        fill(store, (exchange(number, request, b'{"id": "resp"}', memo) for number, request in enumerate(conversation(count, size), 1)))
    with Store.open(url) as store:
        store.takes("default")
        began = time.perf_counter()
        index = ReplayIndex(store.replay_index("default", compute=RequestMemo().stored_fingerprint))
        spent = time.perf_counter() - began
    size_mib = (work / "store.db").stat().st_size >> 20
    print(f"load: {len(index):,} exchanges of {size >> 10} KiB ({size_mib} MiB on disk): {spent * 1000:.0f} ms")


def agents(count: int, size: int) -> Iterator[bytes]:
    """The requests of agents whose texts hold what is new in each run: `size` bytes on average."""
    chance = random.Random(1)
    volatile = (
        lambda: str(uuid.UUID(int=chance.getrandbits(128))),
        lambda: f"/tmp/tmp{chance.getrandbits(32):08x}/x.py",
        lambda: f"{chance.random():.4f} seconds",
    )
    items: list[dict[str, Any]] = []
    for number in range(count):
        if number % 100 == 0:
            items = []
        said = text(number, size // 50).split(" ")
        said[:: len(said) // 8] = [volatile[place % 3]() for place in range(len(said[:: len(said) // 8]))]
        items = [*items, {"type": "function_call_output", "call_id": f"call_{number}", "output": " ".join(said)}]
        at = f"2026-01-31T12:00:{number % 60:02}Z"
        yield json.dumps({"model": "m", "instructions": f"It is {at}.", "input": items, "metadata": {"run": volatile[0]()}}).encode()


def measure_rules(count: int, size: int, work: Path) -> None:
    """Print one line for each set of rules and time."""
    url, memo = f"sqlite:///{work / 'store.db'}", RequestMemo()
    with Store.open(url, create=True) as store:
        fill(store, (exchange(number, request, b'{"id": "resp"}', memo) for number, request in enumerate(agents(count, size), 1)))
    for name, when in itertools.product(("times", "codex"), ("first", "kept")):
        rules = Rules.of(named_rules(name))
        with Store.open(url) as store:
            began, spent = time.perf_counter(), time.process_time()
            makers = [RequestMemo(one, tells=False).stored_fingerprint for one in (rules, F1)]
            index = ReplayIndex(store.replay_index("default", under=Under(rules.name, *makers)))
            wall, spent = time.perf_counter() - began, time.process_time() - spent
        print(f"rules {name}, {when}: {len(index):,} exchanges of {size >> 10} KiB on average: {wall:.2f} s, {spent:.2f} s of it CPU")


def measure_match(size: int) -> None:
    """Print one line for each kind of request."""
    reception = Reception(Addressing("default", "replay", ("replay",), b""), authority=b"x", upstream="http://x", run="r", key=b"")
    headers = [(b"Host", b"localhost"), (b"Authorization", b"Bearer unused-key"), (b"Content-Type", b"application/json")]
    index = ReplayIndex()
    for name, requests in (("goes on", list(conversation(40, size, grows=True))), ("is new", [next(conversation(1, size + 1000 * n)) for n in range(40)])):
        memory = Memory()
        times = []
        for request in requests:
            if name == "is new":
                memory = Memory()
            began = time.perf_counter()
            inbound = reception.read("POST", b"/v1/responses", headers)
            assert isinstance(inbound, Inbound)
            incoming = Incoming(inbound, "http://x", memory, live=False)
            incoming.feed(request)
            incoming.end()
            for one in incoming.fingerprints():
                index.group(one.digest, one.asks)
                break
            times.append(time.perf_counter() - began)
        print(f"match: a request of {len(requests[-1]) >> 10} KiB that {name}: {statistics.median(times[1:]) * 1e6:.0f} us")


def measure_miss(count: int, size: int, work: Path) -> None:
    """Print one line for each place."""
    from playhead.proxy.embedded import Playhead

    memo, requests = RequestMemo(), list(conversation(count, size))
    with Store.open(f"sqlite:///{work / 'store.db'}", create=True) as store:
        fill(store, (exchange(number, request, b'{"id": "resp"}', memo) for number, request in enumerate(requests, 1)))
    with Playhead(data=work) as playhead:
        post(playhead.url, requests[0])
        for turn in (1, count // 2, count - 1):
            post(playhead.url, requests[turn - 1])
            old = text(10**6 + turn, 1000).encode()
            changed = {"last": requests[turn].replace(old, old[:-1] + b"x"), "first": requests[turn].replace(b"-0 ", b"-changed ", 1)}
            for item, asked in changed.items():
                began = time.perf_counter()
                status, answer = post(playhead.url, asked)
                spent = time.perf_counter() - began
                told = json.loads(answer)["error"]["divergence"]
                said = f"{status} {told['cause']} {told['nearest']}"
                print(f"miss: {count:,} exchanges of {size >> 10} KiB, turn {turn + 1}, its {item} item: {spent * 1000:.0f} ms ({said})")


def post(url: str, body: bytes) -> tuple[int, bytes]:
    """One request on a connection of its own."""
    from http.client import HTTPConnection

    connection = HTTPConnection(url.removeprefix("http://"))
    connection.request("POST", "/v1/responses", body, {"Content-Type": "application/json"})
    got = connection.getresponse()
    told = got.read()
    connection.close()
    return got.status, told


def measure_memory(count: int, size: int, work: Path) -> None:
    """Print one line for a replay that has only begun, and one when all has been served."""
    url = f"sqlite:///{work / 'store.db'}"
    answers = (base64.b64encode(os.urandom(size * 3 // 4)) or b"{}" for _ in range(count))
    memo = RequestMemo()
    with Store.open(url, create=True) as store:
        fill(store, (exchange(number, b'{"input": "%d"}' % number, answer, memo) for number, answer in enumerate(answers, 1)))
    gib = (work / "store.db").stat().st_size / (1 << 30)
    port = free_port()
    command = ["playhead", "replay", "--listen", f"127.0.0.1:{port}", "--console", "127.0.0.1:0", "--data", str(work), "--log-level", "error"]
    with running(command, port) as process:
        serve_all(port, 1)
        print(f"memory: {gib:.1f} GiB, {count:,} exchanges: {resident(process.pid):.0f} MiB when it has begun", flush=True)
        served = serve_all(port, min(count, 200_000))
        print(f"memory: {gib:.1f} GiB, {count:,} exchanges: {resident(process.pid):.0f} MiB after {served:,} were served", flush=True)


def resident(pid: int) -> float:
    """MiB of a process and its children: what they share counts once."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return float(sum(one.memory_full_info().pss for one in processes)) / (1 << 20)


def serve_all(port: int, count: int) -> int:
    """Ask for each exchange once, on one connection."""
    import socket

    served = 0
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as reader:
        for number in range(1, count + 1):
            body = b'{"input": "%d"}' % number
            connection.sendall(HEAD[:-2] + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            status, length = reader.readline(), 0
            while (line := reader.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            reader.read(length)
            served += status.startswith(b"HTTP/1.1 200")
    return served


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["load", "match", "miss", "rules", "memory"])
    parser.add_argument("--exchanges", type=int, default=10_000)
    parser.add_argument("--kib", type=int, default=200)
    parser.add_argument("--gib", type=float, help="size of the store for `memory`, in place of the number of exchanges")
    parser.add_argument("--work", type=Path, help="where the store is made; it is left there")
    args = parser.parse_args()
    size = args.kib << 10
    count = int(args.gib * (1 << 30) / size) if args.gib else args.exchanges
    with tempfile.TemporaryDirectory() as temporary:
        work = args.work or Path(temporary)
        if args.what == "match":
            measure_match(size)
        else:
            {"load": measure_load, "miss": measure_miss, "rules": measure_rules, "memory": measure_memory}[args.what](count, size, work)


if __name__ == "__main__":
    main()

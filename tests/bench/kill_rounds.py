"""Kills the processes of a recording playhead at random moments under load, and proves that the recordings are whole.

    python tests/bench/kill_rounds.py --rounds 50

One data directory lives through all rounds. In each a worker, the recorder, the main process or all of them die by SIGKILL, or the recorder stands still
for a second; what died with the main process is started again, in half of the rounds at once. At the end everything is compared: what the upstream sent,
what the clients received, what the store holds. Exit status 1 if anything is missing, doubled, different, complete in name only, or left running.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from playhead.storage.records import ExchangeRecord
from playhead.storage.store import Store

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # as a script it has to find its own package
from bench.kill_load import KEY, Load, Seen, Upstream, blocks, question

PLAYHEAD = (sys.executable, "-P", "-m", "playhead.proxy")
SESSIONS = ("default", "side")
VICTIMS = {"worker": 3, "recorder": 3, "main": 3, "all": 3, "stop": 1, "stop, then all": 1}
HELD = (b'"client_secret"', KEY)  # what might be the beginning of a secret is not journalled before it is known not to be one
GONE_SECONDS = 60.0  # a recorder drains first, which takes long where others use the machine
START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Process:
    """One that runs or ran. `mark`: tells it from a later one with its pid. `role`: worker, recorder."""

    pid: int
    parent: int
    mark: str

    @property
    def role(self) -> str:
        with contextlib.suppress(OSError):
            name, _, role = Path(f"/proc/{self.pid}/comm").read_text().rstrip().partition(":")
            return role if name == "ph" else ""
        return ""

    def send(self, number: int = signal.SIGKILL) -> None:
        """Send it a signal, if it is there."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


def processes() -> Iterator[Process]:
    """All but the dead that nobody has asked for."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            stat = path.read_text().rpartition(")")[2].split()
            if stat[0] != "Z":
                yield Process(int(path.parent.name), int(stat[1]), stat[19])


class Proxy:
    """`playhead record` on a data directory, started again as often as it is killed, on the same port."""

    def __init__(self, data: Path, upstream: int, *, workers: int) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.data = data
        self.refused = 0  # starts that were refused because the processes of the one before still lived
        self.slowest = 0.0
        self._arguments = [*("record", "--data", str(data), "--upstream", f"http://127.0.0.1:{upstream}", "--listen", f"127.0.0.1:{self.port}")]
        self._arguments += ["--console", "127.0.0.1:0", "--workers", str(workers), "--drain-timeout", "5"]
        self._log = data.with_suffix(".log")
        self.process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    async def start(self) -> None:
        """Until it is ready, however often it has to be started. Raises RuntimeError if it never is."""
        began = time.monotonic()
        while True:
            with self._log.open("ab") as log:
                self.process = await asyncio.create_subprocess_exec(*PLAYHEAD, *self._arguments, stdout=asyncio.subprocess.PIPE, stderr=log)
            assert self.process.stdout is not None
            line = await self.process.stdout.readline()
            if line.startswith(b"playhead ready"):
                self.slowest = max(self.slowest, time.monotonic() - began)
                return
            status = await self.process.wait()
            self.refused += 1
            if status != 3 or time.monotonic() - began > START_SECONDS:
                raise RuntimeError(f"playhead does not start again: status {status}; {self._log.read_text()[-500:]}")
            await asyncio.sleep(0.1)

    async def up(self) -> bool:
        """Whether it answers within ten seconds: a worker that was killed is started again."""
        end = time.monotonic() + GONE_SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                if self.children("worker") and self.children("recorder"):
                    return True
            await asyncio.sleep(0.05)
        return False

    async def stop(self) -> int:
        """Let it drain; its exit status."""
        assert self.process is not None
        self.process.terminate()
        return await self.process.wait()

    def children(self, role: str = "") -> list[Process]:
        """Its workers, its recorder, or all of them."""
        return [process for process in processes() if process.parent == self.pid and role in process.role]


@dataclass
class Rounds:
    """The rounds, and what they found. `wrong`: violations."""

    proxy: Proxy
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    gone_after: float = 0.0
    watches: list[asyncio.Task[None]] = field(default_factory=list)

    async def one(self, victim: str) -> None:
        """Let it work for a moment, kill, and see that it works again."""
        await asyncio.sleep(self.chance.uniform(0.2, 1.3))
        self.done[victim] += 1
        proxy = self.proxy
        if victim.startswith("stop"):
            recorders = proxy.children("recorder")
            for process in recorders:
                process.send(signal.SIGSTOP)
            await asyncio.sleep(1.0)
            for process in recorders if victim == "stop" else ():
                process.send(signal.SIGCONT)
        if victim in ("worker", "recorder"):
            found = proxy.children(victim)
            if found:
                self.chance.choice(found).send()
        elif victim != "stop":
            await self._main(everything=victim != "main")
        if not await proxy.up():
            self.wrong.append(f"after the end of {victim} it does not work again")

    async def _main(self, *, everything: bool) -> None:
        below, process = self.proxy.children(), self.proxy.process
        assert process is not None
        process.kill()
        for child in below if everything else ():
            child.send()
        await process.wait()
        watch = asyncio.ensure_future(self.gone(below))
        self.watches.append(watch)
        if self.chance.random() < 0.5:
            await watch
        await self.proxy.start()

    async def gone(self, below: list[Process]) -> None:
        """The others end by themselves."""
        began = time.monotonic()
        marks = {(process.pid, process.mark) for process in below}
        while left := [process for process in processes() if (process.pid, process.mark) in marks]:
            if time.monotonic() - began > GONE_SECONDS:
                self.wrong += [f"{process.role} {process.pid} lives {GONE_SECONDS:g} s after its main process" for process in left]
                return
            await asyncio.sleep(0.05)
        self.gone_after = max(self.gone_after, time.monotonic() - began)


async def command(*arguments: str) -> tuple[int | None, bytes]:
    """Run a command of playhead: its exit status, what it printed."""
    told = await asyncio.create_subprocess_exec(*PLAYHEAD, *arguments, stdout=asyncio.subprocess.PIPE)
    out, _ = await told.communicate()
    return told.returncode, out


async def listed(data: Path) -> list[ExchangeRecord]:
    """All exchanges, by the command."""
    rows: list[ExchangeRecord] = []
    for session in SESSIONS:
        status, out = await command("exchanges", session, "--json", "--data", str(data))
        if status:
            raise RuntimeError(f"playhead exchanges {session} ended with status {status}")
        rows += map(ExchangeRecord.model_validate_json, out.splitlines())
    return rows


def name_of(row: ExchangeRecord) -> str | None:
    """What its client called it; a turn is known by its response."""
    return row.response_id if row.transport == "ws" else row.request_id


def compare(seen: Seen, row: ExchangeRecord, store: Store) -> Iterator[str]:
    """What is wrong with one stored exchange."""
    raw = store.raw(row.id)
    answer, whole = raw.response, b"".join(blocks(seen.kind, seen.name))
    if not whole.startswith(answer):
        yield "the stored answer is not what upstream sent"
    held = not seen.whole and seen.body.startswith(answer) and any(secret.startswith(seen.body[len(answer) :]) for secret in HELD)
    if not answer.startswith(seen.body) and not held:
        yield f"the client got {len(seen.body)} bytes, the store has {len(answer)}"
    if row.outcome is None:
        yield "it is open for ever"
    if row.outcome == "complete" and (seen.kind.endswith("-cut") or (answer != whole)):
        yield "it is marked complete and is not"
    if seen.whole and row.outcome != "complete":
        yield f"the client got it whole, the store says {row.outcome}"
    if row.outcome == "complete" and raw.request != question(seen.kind, seen.name):
        yield "the stored request is not what the client sent"


def check(load: Load, rows: list[ExchangeRecord], store: Store) -> Iterator[str]:
    """All that is wrong with the recordings."""
    times = Counter(name for row in rows if (name := name_of(row)))
    by_name = {name_of(row): row for row in rows}
    for seen in load.seen.values():
        label = f"{seen.name} ({seen.kind})"
        if seen.whole and seen.kind.endswith("-cut"):
            yield f"{label}: upstream cut it, its client saw a clean end"
        if seen.whole and seen.body != b"".join(blocks(seen.kind, seen.name)):
            yield f"{label}: its client got something else than upstream sent"
        if seen.answered and not times[seen.name]:
            yield f"{label}: missing, though its client got {'all' if seen.whole else 'part'} of it"
        if times[seen.name] > 1:
            yield f"{label}: stored {times[seen.name]} times"
        if row := by_name.get(seen.name):
            yield from (f"{label}, exchange {row.id}: {text}" for text in compare(seen, row, store))
    yield from (f"exchange {row.id} is of nobody: {name}" for row in rows if (name := name_of(row)) and name not in load.seen)
    yield from (f"exchange {row.id} is complete and has no answer" for row in rows if name_of(row) is None and row.outcome == "complete")


async def examine(data: Path, load: Load) -> tuple[list[str], list[ExchangeRecord]]:
    """After a clean stop: what is wrong, and what there is."""
    wrong = [f"the journal still holds {path.name}" for path in (data / "journal").glob("*.*") if path.suffix in (".seg", ".free", ".new")]
    rows = await listed(data)
    with Store.open(f"sqlite:///{data}/store.db") as store:
        wrong += check(load, rows, store)
    for flags in ([], ["--chain"]):
        status, out = await command("verify", *flags, "--data", str(data))
        if status:
            wrong.append(f"playhead verify: {out.decode()[-500:]}")
    return wrong, rows


async def run(directory: Path, victims: list[str], *, clients: int, workers: int = 2, seed: int = 0) -> tuple[list[str], list[tuple[str, object]]]:
    """All of it: the violations, and a summary to print."""
    began = time.monotonic()
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # of an upstream whose client was killed
    upstream = Upstream()
    runner = await upstream.start()
    proxy = Proxy(directory / "data", upstream.port, workers=workers)
    try:
        await proxy.start()
        load = Load(f"http://127.0.0.1:{proxy.port}")
        work = asyncio.ensure_future(load.run(clients))
        rounds = Rounds(proxy, random.Random(seed))
        for victim in victims:
            await rounds.one(victim)
        load.stopping = True
        await work
        below = proxy.children()
        status = await proxy.stop()
        await rounds.gone(below)
        await asyncio.gather(*rounds.watches)
    finally:
        if proxy.process is not None and proxy.process.returncode is None:
            left = proxy.children()
            proxy.process.kill()
            for process in left:
                process.send()
        await runner.cleanup()
    wrong, rows = await examine(proxy.data, load)
    if status:
        wrong.append(f"the last stop ended with status {status}")
    whole = [seen for seen in load.seen.values() if seen.whole]
    summary: list[tuple[str, object]] = [
        ("rounds", " ".join(f"{victim}={count}" for victim, count in sorted(rounds.done.items()))),
        ("requests", len(load.seen)),
        ("received whole", len(whole)),
        ("received in part", sum(seen.answered and not seen.whole for seen in load.seen.values())),
        ("stored", " ".join(f"{outcome}={count}" for outcome, count in Counter(row.outcome for row in rows).most_common())),
        ("clients' errors", " ".join(f"{name}={count}" for name, count in load.errors.most_common())),
        ("starts refused", proxy.refused),
        ("slowest start", f"{proxy.slowest:.1f} s"),
        ("children gone after", f"{rounds.gone_after:.1f} s at most"),
        ("took", f"{time.monotonic() - began:.0f} s"),
    ]
    return rounds.wrong + wrong, summary


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    victims = chance.choices([*VICTIMS], [*VICTIMS.values()], k=given.rounds)
    with tempfile.TemporaryDirectory(prefix="kill-rounds-") as name:
        wrong, summary = asyncio.run(run(Path(name), victims, clients=given.clients, workers=given.workers, seed=given.seed))
    for label, value in [*summary, ("seed", given.seed), ("violations", len(wrong))]:
        print(f"{label:<20} {value}")
    for text in wrong[:50]:
        print(f"  {text}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())

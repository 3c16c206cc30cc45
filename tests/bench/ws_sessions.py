"""Random multi-lane WebSocket sessions with the simulated upstream, recorded by `playhead record` and replayed by `playhead replay` without it.

Every client must see the same both times, and every exchange in the store must be what the upstream's own log says. With `--dry`, lanes alone are
tried, without sockets.

    python tests/bench/ws_sessions.py --sessions 1000

Prints what is wrong, and the sums; exit status 1 if anything is.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from playhead.storage.store import Store
from random_sessions import LoggedSocket, faults, play
from running import Running
from socket_sessions import Spoken, converse_all, random_upstream, stored_faults

NOWHERE = "http://127.0.0.1:9"


def dry(seeds: range) -> int:
    """Lanes against the log, without sockets."""
    wrong = 0
    for seed in seeds:
        found = faults(play(seed))
        wrong += bool(found)
        for fault in found[:3]:
            print(f"{seed}: {fault}")
    print(f"{len(seeds)} sessions, {wrong} with something wrong")
    return wrong


async def recorded(data: Path, seeds: range, at_once: int) -> tuple[dict[int, Spoken], dict[int, LoggedSocket]]:
    """All sessions through `playhead record`, until it has committed everything."""
    async with random_upstream() as (url, sockets):
        with Running(data, url) as record:
            spoken = await converse_all(record.port, seeds, at_once=at_once)
            status = await asyncio.to_thread(record.stop)
            assert status == 0, record.log
    return spoken, sockets


async def replayed(data: Path, seeds: range, at_once: int) -> dict[int, Spoken]:
    """All sessions through `playhead replay`; there is no upstream."""
    with Running(data, NOWHERE, command="replay") as replay:
        spoken = await converse_all(replay.port, seeds, at_once=at_once)
        await asyncio.to_thread(replay.stop)
    return spoken


def unlike(data: Path, spoken: dict[int, Spoken], sockets: dict[int, LoggedSocket]) -> dict[int, list[str]]:
    """By seed, where the store does not say what the upstream's log says."""
    with Store.open(f"sqlite:///{data / 'store.db'}") as store:
        found = {seed: stored_faults(store, spoken[seed], sockets[seed]) for seed in spoken}
    return {seed: wrong for seed, wrong in found.items() if wrong}


def tell(what: str, found: dict[int, list[str]], most: int = 5) -> int:
    """Print what is wrong, in short."""
    for seed, wrong in list(found.items())[:most]:
        print(f"  {seed}: {'; '.join(wrong[:2])[:600]}")
    print(f"{what}: {len(found)} sessions")
    return len(found)


async def run(seeds: range, at_once: int, data: Path) -> int:
    """Record, look at the store, replay, compare. How many are wrong."""
    begun = time.monotonic()
    first, sockets = await recorded(data, seeds, at_once)
    then = time.monotonic()
    messages = sum(len(spoken.received) + len(spoken.sent) for spoken in first.values())
    made = [made for socket in sockets.values() for made in socket.made]
    ends = Counter(str(spoken.end if isinstance(spoken.end, str) else spoken.end[0]) for spoken in first.values())
    print(f"recorded {len(first)} sessions in {then - begun:.1f} s: {messages} messages, {len(made)} exchanges; ends {dict(ends)}")
    wrong = tell("stored otherwise than the upstream's log says", unlike(data, first, sockets))
    then = time.monotonic()
    second = await replayed(data, seeds, at_once)
    print(f"replayed in {time.monotonic() - then:.1f} s")
    differences = {seed: [difference] for seed in seeds if (difference := first[seed].difference(second[seed]))}
    return wrong + tell("replayed otherwise than recorded", differences)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the first; the others count on")
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--dry", action="store_true", help="no sockets: lanes against the log only")
    parser.add_argument("--data", type=Path, help="keep the recordings in this empty directory")
    given = parser.parse_args()
    seeds = range(given.seed, given.seed + given.sessions)
    if given.dry:
        return min(1, dry(seeds))
    with tempfile.TemporaryDirectory() as scratch:
        return min(1, asyncio.run(run(seeds, given.at_once, given.data or Path(scratch) / "data")))


if __name__ == "__main__":
    sys.exit(main())

"""Random multi-lane sessions over real sockets: stored as the simulated upstream's log says, and replayed without it so that no client can tell."""

from __future__ import annotations

from pathlib import Path

from playhead.storage.store import Store
from replays import recording, replaying
from socket_sessions import converse_all, random_upstream, stored_faults

SEEDS = range(24)
"""`bench/ws_sessions.py` does the same with a thousand, and the whole program."""


async def test_sessions_are_stored_as_the_upstream_knows_them_and_heard_again_as_they_were(tmp_path: Path) -> None:
    async with random_upstream() as (url, sockets), recording(tmp_path, url) as proxy:
        first = await converse_all(proxy.port, SEEDS)
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        wrong = {seed: faults for seed in SEEDS if (faults := stored_faults(store, first[seed], sockets[seed]))}
    async with replaying(tmp_path) as proxy:
        again = await converse_all(proxy.port, SEEDS)

    assert wrong == {}
    assert {seed: difference for seed in SEEDS if (difference := first[seed].difference(again[seed]))} == {}

"""A few of the rounds of `bench/kill_rounds.py`: what clients have received survives whoever is killed."""

from __future__ import annotations

from pathlib import Path

from bench.kill_rounds import run


async def test_nothing_that_clients_received_is_lost_or_doubled_whoever_is_killed(tmp_path: Path) -> None:
    wrong, _ = await run(tmp_path, ["worker", "main", "stop, then all"], clients=6, workers=1)

    assert wrong == []

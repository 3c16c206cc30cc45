"""`demo`: what it tells is what it recorded."""

from __future__ import annotations

from pathlib import Path

from command_line import in_a_process
from playhead.storage.store import Store


def test_the_demo_records_what_its_agent_received(tmp_path: Path) -> None:
    done = in_a_process("demo", "--data", str(tmp_path / "d"))

    assert done.status == 0, done.err
    assert "The 4 answers in the store are what the agent received, byte for byte." in done.out
    assert f"playhead exchanges demo --data={tmp_path / 'd'}" in done.out
    with Store.open(f"sqlite:///{tmp_path}/d/store.db") as store:
        found = list(store.exchanges("demo"))
    assert [(row.transport, row.status) for row in found] == [("http", 200), ("sse", 200), ("http", 500), ("http", 200)]
    assert [row.attempt for row in found] == [found[0].attempt] * 3 + [(found[0].attempt or 0) + 1]

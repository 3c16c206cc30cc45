"""Clients that others have written, recorded and replayed by the launcher with upstream gone: they see no difference."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from command_line import in_a_process
from playhead.proxy.simulator import simulated_upstream
from replays import NOWHERE

JSON = {"model": "m", "input": "one"}
STREAM = {"model": "m", "input": "two", "stream": True}
FAILING = {"model": "m", "input": "three", "metadata": {"simulate": "error_once"}}
BODIES = [json.dumps(body) for body in (JSON, STREAM, FAILING, FAILING)]
CURL = """
for body in "$@"; do
    curl -sS -i -N --compressed "$OPENAI_BASE_URL/responses" -H 'Authorization: Bearer sk-foreign-not-a-real-key' -H 'Content-Type: application/json' -d "$body"
done
"""
FETCH = """
const headers = { "Content-Type": "application/json", Authorization: "Bearer sk-foreign-not-a-real-key" };
for (const body of process.argv.slice(1)) {
  const answer = await fetch(process.env.OPENAI_BASE_URL + "/responses", { method: "POST", headers, body });
  console.log(answer.status, JSON.stringify([...answer.headers]), await answer.text());
}
"""


@pytest.mark.parametrize(
    "command",
    [("curl", "sh", "-euc", CURL, "sh", *BODIES), ("node", "node", "--input-type=module", "-e", FETCH, "--", *BODIES)],
    ids=lambda command: command[0],
)
async def test_a_foreign_client_cannot_tell_a_replay(command: tuple[str, ...], tmp_path: Path) -> None:
    tool, *line = command
    if shutil.which(tool) is None:
        pytest.skip(f"this machine has no {tool}")
    flags = ["--session", tool, "--data", str(tmp_path / "data"), "--upstream"]
    async with simulated_upstream() as upstream:
        recorded = await asyncio.to_thread(in_a_process, "record", *flags, upstream, "--", *line)
    replayed = await asyncio.to_thread(in_a_process, "replay", *flags, NOWHERE, "--", *line)

    assert (recorded.status, replayed.status) == (0, 0), recorded.err + replayed.err
    assert replayed.out == recorded.out
    assert recorded.out.count("simulated") >= len(BODIES)
    assert f"replayed from session {tool}: 4 served, 0 diverged" in replayed.err

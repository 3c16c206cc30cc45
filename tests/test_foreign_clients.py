"""Clients that others have written, recorded and replayed by the launcher with upstream gone: they see no difference."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from command_line import Told, in_a_process
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
OPENAI = "openai@6.49.0"  # depends on no other package
AGENT = """
import OpenAI from "openai";

const client = new OpenAI();
const model = "m";
const tools = [{ type: "function", name: "get_weather", strict: true,
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false } }];
const show = (value) => console.log(JSON.stringify(value));

const raw = await client.responses.create({ model, input: "one" }).asResponse();
show([raw.status, [...raw.headers], await raw.text()]);
for await (const event of await client.responses.create({ model, input: "two", stream: true })) show(event);
show(await client.responses.create({ model, input: "three", metadata: { simulate: "error_once" } }));
const input = [{ role: "user", content: "four" }];
const asking = client.responses.stream({ model, input, tools });
for await (const event of asking) show(event);
const asked = await asking.finalResponse();
input.push(...asked.output, { type: "function_call_output", call_id: asked.output[0].call_id, output: "rain" });
show((await client.responses.create({ model, input, tools })).output_text);
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
    recorded, replayed = await both(tmp_path / "data", line)

    assert (recorded.status, replayed.status) == (0, 0), recorded.err + replayed.err
    assert replayed.out == recorded.out
    assert recorded.out.count("simulated") >= len(BODIES)
    assert "replayed from session foreign: 4 served, 0 diverged" in replayed.err


async def test_the_npm_package_openai_cannot_tell_a_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(OPENAI, tmp_path)
    (tmp_path / "agent.mjs").write_text(AGENT, encoding="utf-8")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-foreign-not-a-real-key")
    recorded, replayed = await both(tmp_path / "data", ["node", str(tmp_path / "agent.mjs")])

    assert (recorded.status, replayed.status) == (0, 0), recorded.err + replayed.err
    assert replayed.out == recorded.out
    assert recorded.out.endswith('The tool said: rain."\n')
    assert "replayed from session foreign: 6 served, 0 diverged" in replayed.err


async def both(data: Path, line: list[str]) -> tuple[Told, Told]:
    """Run a command recorded, and then, with upstream gone, replayed."""
    flags = ["--session", "foreign", "--data", str(data), "--upstream"]
    async with simulated_upstream() as upstream:
        recorded = await asyncio.to_thread(in_a_process, "record", *flags, upstream, "--", *line)
    return recorded, await asyncio.to_thread(in_a_process, "replay", *flags, NOWHERE, "--", *line)


def install(package: str, folder: Path) -> None:
    """Fetch a package from npm; skip the test where that cannot be done, or is not asked for."""
    if "TESTS_IN_CI" not in os.environ:
        pytest.skip("fetches a package from npm, which is done in CI only: set CI=true")
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("this machine has no npm")
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0", "--fetch-timeout=20000", package]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=60, stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm does not answer")
    if done.returncode:
        pytest.skip("npm cannot be reached")

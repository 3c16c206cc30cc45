"""What README.md tells people to type does what it says: its blocks run, against a simulated upstream.

A `sh` block holds commands, a `python` or `ts` block a program, a `sql` block one query. Blocks that install something are run by `.ci/run`.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from pathlib import Path

import pytest

import warm

README = Path(__file__).resolve().parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
BIN = Path(sys.executable).parent
SECONDS = 60
WRITTEN_URL = "http://127.0.0.1:8080"
SERVER = "playhead record"
REPLAY = "playhead replay"
# Stands for the package of that name, which is not there: as much of it as the README uses, by fetch.
OPENAI_JS = """
export default class OpenAI {
  constructor({ baseURL }) {
    const headers = { "Content-Type": "application/json", Authorization: `Bearer ${process.env.OPENAI_API_KEY}` };
    const create = async (body) => {
      const answer = await fetch(`${baseURL}/responses`, { method: "POST", headers, body: JSON.stringify(body) });
      if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
      const response = await answer.json();
      return { ...response, output_text: response.output.flatMap((item) => item.content ?? []).map((part) => part.text).join("") };
    };
    this.responses = { create };
  }
}
"""
UPSTREAM = """
import asyncio
from playhead.proxy.simulator import simulated_upstream

async def main():
    async with simulated_upstream() as url:
        print(url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language; those without one show what a program prints."""
    return [text for name, text in re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL) if name == language]


def commands() -> list[str]:
    """The commands of all `sh` blocks that neither install anything nor start a server that the others talk to."""
    lines = [line for block in blocks("sh") for line in re.split(r"(?<!\\)\n", block) if line and not line.startswith("#")]
    return [line for line in lines if "pip install" not in line and line not in (SERVER, REPLAY)]


@dataclass(frozen=True, slots=True)
class Story:
    """A folder in which somebody follows the README. `url`: where their `playhead record` really listens."""

    folder: Path
    url: str
    environ: dict[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command there to its end."""
        return subprocess.run(
            arguments,
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def program(self, text: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the README there: in Python, or in TypeScript, of which it has no more than JavaScript knows."""
        text = text.replace(WRITTEN_URL, self.url)
        if "import OpenAI from" not in text:
            return self.run("python", "-c", text)
        (self.folder / "program.mjs").write_text(text, encoding="utf-8")
        self.provide_openai_js()
        return self.run("node", "program.mjs")

    def provide_openai_js(self) -> None:
        """Put what stands for the package there."""
        package = self.folder / "node_modules" / "openai"
        package.mkdir(parents=True, exist_ok=True)
        (package / "package.json").write_text('{"name": "openai", "type": "module", "main": "index.js"}', encoding="utf-8")
        (package / "index.js").write_text(OPENAI_JS, encoding="utf-8")

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a line of shell there, as written but for the address."""
        return self.run("bash", "-euo", "pipefail", "-c", command.replace(WRITTEN_URL, self.url))


@contextmanager
def started(*arguments: str, folder: Path, environ: dict[str, str]) -> Iterator[str]:
    """Start a program that prints one line when it is ready; stops it at the end. The line."""
    with subprocess.Popen(arguments, cwd=folder, env=environ, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            process.wait(SECONDS)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The README's server, in an empty folder, with the README's Python program run once."""
    if not (BIN / "playhead").exists():
        pytest.skip("playhead is not installed beside this Python")
    folder = tmp_path_factory.mktemp("readme")
    ours = {name: value for name, value in os.environ.items() if not re.match(r"(?i)PLAYHEAD_|OPENAI_|.*_PROXY$", name)}
    environ = ours | warm.on_path(tmp_path_factory.mktemp("bin")) | {"OPENAI_API_KEY": "sk-readme-not-a-real-key"}
    (folder / "agent.py").write_text(blocks("python")[0], encoding="utf-8")
    with started("python", "-c", UPSTREAM, folder=folder, environ=environ) as upstream:
        environ |= {"PLAYHEAD_UPSTREAM": upstream, "PLAYHEAD_LISTEN": "127.0.0.1:0", "PLAYHEAD_CONSOLE": "127.0.0.1:0"}
        with started(str(BIN / SERVER.split()[0]), *SERVER.split()[1:], folder=folder, environ=environ) as ready:  # as installed: nothing is warm
            address = re.search(r"http://[\d.]+:\d+", ready)
            assert address is not None, ready
            told = Story(folder, address[0], environ | {"OPENAI_BASE_URL": f"{address[0]}/v1"})
            told.program(next(program for program in blocks("python") if WRITTEN_URL in program)).check_returncode()
            yield told


def elsewhere(story: Story, folder: Path) -> Story:
    """The same story in a folder where no server runs: what starts one of its own would find the other's recordings taken."""
    shutil.copy(story.folder / "agent.py", folder)
    return replace(story, folder=folder)


@pytest.fixture(scope="module")
def first_exchange(story: Story) -> str:
    """The id of the story's first exchange."""
    listed = story.run("playhead", "exchanges", "default", "--json", "--limit", "1").stdout
    found = re.search(r'"id": ?(\d+)', listed)
    assert found is not None, listed
    return found[1]


def stored(story: Story) -> int:
    """How many exchanges are in the store there."""
    return sum(map(int, re.findall(r'"exchanges": ?(\d+)', story.run("playhead", "sessions", "--json").stdout)))


def needs(*tools: str) -> None:
    """Skips where a tool is missing."""
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"this machine has no {tool}")


@pytest.mark.parametrize("server", [SERVER, REPLAY])
def test_the_servers_are_started_as_the_readme_says(server: str) -> None:
    assert f"{server}\n" in blocks("sh")


@pytest.mark.parametrize("command", commands())
def test_a_command_does_not_fail(story: Story, first_exchange: str, tmp_path: Path, command: str) -> None:
    needs(*(tool for tool in ("curl", "jq") if re.search(rf"\b{tool}\b", command)))
    command = re.sub(r"(?<=playhead show )\d+", lambda _: first_exchange, command)
    place = elsewhere(story, tmp_path) if " -- " in command else story
    if command.startswith(REPLAY):
        place.shell(command.replace(REPLAY, SERVER)).check_returncode()
    done = place.shell(command.replace(" --follow", ""))  # which would never end

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("program", [*blocks("python"), *blocks("ts")])
def test_a_program_gets_its_answer_and_is_recorded(story: Story, tmp_path: Path, program: str) -> None:
    needs(*(["node"] if program in blocks("ts") else []))
    place = elsewhere(story, tmp_path) if "Playhead(" in program else story
    before = stored(place)
    done = place.program(program)

    assert (done.returncode, stored(place) > before) == (0, True), done.stderr
    assert "simulated" in done.stdout


@pytest.mark.parametrize("client", ["python", "ts", "curl"])
def test_every_client_is_replayed_without_upstream(story: Story, client: str) -> None:
    needs(*({"ts": ["node"], "curl": ["curl"]}.get(client, [])))
    with started(*REPLAY.split(), folder=story.folder, environ=story.environ | {"PLAYHEAD_UPSTREAM": "http://127.0.0.1:9"}) as ready:
        address = re.search(r"http://[\d.]+:\d+", ready)
        assert address is not None, ready
        replayed = replace(story, url=address[0])
        if client == "curl":
            done = replayed.shell(next(command for command in commands() if command.startswith("curl")))
        else:
            done = replayed.program(next(program for program in blocks(client) if WRITTEN_URL in program))

    assert (done.returncode, "simulated" in done.stdout) == (0, True), done.stderr


def test_a_changed_program_is_told_what_the_readme_shows(story: Story, tmp_path: Path) -> None:
    place = elsewhere(story, tmp_path)
    place.shell("playhead record --session nightly -- python agent.py").check_returncode()
    (tmp_path / "agent.py").write_text(blocks("python")[0].replace("hello", "goodbye"), encoding="utf-8")
    done = place.shell("playhead replay --session nightly -- python agent.py")
    shown = next(block for block in blocks("") if "NotFoundError" in block)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-4:] == shown.splitlines()[2:]


@pytest.mark.parametrize("query", blocks("sql"))
def test_a_query_finds_rows(story: Story, query: str) -> None:
    # A listing waits until all is stored. The stream gives the queries over events something to find.
    with closing(HTTPConnection(story.url.removeprefix("http://"), timeout=SECONDS)) as client:
        client.request("POST", "/v1/responses", b'{"model": "m", "input": "x", "stream": true}')
        client.getresponse().read()
    story.run("playhead", "sessions").check_returncode()
    with closing(sqlite3.connect(f"file:{story.folder}/.playhead/store.db?mode=ro", uri=True)) as store:
        rows = store.execute(query).fetchall()

    assert rows


@pytest.mark.parametrize("target", sorted({link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in link}))
def test_a_link_leads_somewhere(target: str) -> None:
    path, _, heading = target.partition("#")
    headings = {re.sub(r"[^\w\- ]", "", line).strip().lower().replace(" ", "-") for line in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)}

    assert (README.parent / path).exists()
    assert not heading or heading in headings

"""What README.md tells people to type does what it says: its blocks run, against a simulated upstream.

A `sh` block holds commands, a `python` block a program, a `sql` block one query. Blocks that install something are run by `.ci/run`.
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

README = Path(__file__).resolve().parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
BIN = Path(sys.executable).parent
SECONDS = 60
WRITTEN_URL = "http://127.0.0.1:8080"
SERVER = "playhead record"
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
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """The commands of all `sh` blocks that neither install anything nor start the server that the others talk to."""
    lines = [line for block in blocks("sh") for line in re.split(r"(?<!\\)\n", block) if line and not line.startswith("#")]
    return [line for line in lines if "pip install" not in line and line != SERVER]


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
    environ = ours | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "OPENAI_API_KEY": "sk-readme-not-a-real-key"}
    program = blocks("python")[0]
    (folder / "agent.py").write_text(re.sub(r'base_url="[^"]*"', "", program), encoding="utf-8")
    with started(sys.executable, "-c", UPSTREAM, folder=folder, environ=environ) as upstream:
        environ |= {"PLAYHEAD_UPSTREAM": upstream, "PLAYHEAD_LISTEN": "127.0.0.1:0", "PLAYHEAD_CONSOLE": "127.0.0.1:0"}
        with started(*SERVER.split(), folder=folder, environ=environ) as ready:
            address = re.search(r"http://[\d.]+:\d+", ready)
            assert address is not None, ready
            told = Story(folder, address[0], environ)
            told.run("python", "-c", program.replace(WRITTEN_URL, told.url)).check_returncode()
            yield told


def elsewhere(story: Story, folder: Path) -> Story:
    """The same story in a folder where no server runs: what starts one of its own would find the other's recordings taken."""
    shutil.copy(story.folder / "agent.py", folder)
    return replace(story, folder=folder)


def first_exchange(story: Story) -> str:
    """The id of the story's first exchange."""
    listed = story.run("playhead", "exchanges", "default", "--json", "--limit", "1").stdout
    found = re.search(r'"id": ?(\d+)', listed)
    assert found is not None, listed
    return found[1]


def test_the_server_is_started_as_the_readme_says() -> None:
    assert f"{SERVER}\n" in blocks("sh")


@pytest.mark.parametrize("command", commands())
def test_a_command_does_not_fail(story: Story, tmp_path: Path, command: str) -> None:
    for tool in ("curl", "jq"):
        if re.search(rf"\b{tool}\b", command) and shutil.which(tool) is None:
            pytest.skip(f"this machine has no {tool}")
    command = re.sub(r"(?<=playhead show )\d+", lambda _: first_exchange(story), command)
    place = elsewhere(story, tmp_path) if command.startswith(SERVER) else story
    done = place.shell(command.replace(" --follow", ""))  # which would never end

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("program", blocks("python"))
def test_a_program_gets_its_answer_and_is_recorded(story: Story, program: str) -> None:
    before = len(story.run("playhead", "exchanges", "default", "--json").stdout.splitlines())
    done = story.run("python", "-c", program.replace(WRITTEN_URL, story.url))
    after = len(story.run("playhead", "exchanges", "default", "--json").stdout.splitlines())

    assert (done.returncode, after > before) == (0, True), done.stderr
    assert "simulated" in done.stdout


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

"""`playhead help`: its pages are there, and what they tell people to type does what they say, against a simulated upstream."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import warm
from command_line import Playhead, on
from playhead.proxy.cli import run
from playhead.proxy.commands.helping import title, topics
from test_readme import BIN, UPSTREAM, Story, started

PAGES = topics()
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def matches(told: str, shown: str) -> bool:
    """Whether a program said what a page shows; `...` stands for anything, on a line of its own for any lines or none."""
    told, shown = (re.sub(r"[ \t]+", " ", text) for text in (told, shown))
    lines = [r"(?:.*\n)*?" if line == "..." else re.escape(line.rstrip()).replace(r"\.\.\.", ".*?") + r" ?\n" for line in shown.splitlines()]
    return re.search("".join(lines), f"{told}\n") is not None


def follow(page: str, story: Story) -> Iterator[str]:
    """Do what a page says, from its beginning to its end; what did not go as it says."""
    for language, block in BLOCK.findall(page):
        first = block.partition("\n")[0]
        if named := re.fullmatch(r"(?:#|//) (\S+\.\w+)", first):
            (story.folder / named[1]).write_text(block.partition("\n")[2], encoding="utf-8")
        elif language == "sh":
            for line in block.splitlines():
                done = story.shell(line)
                if done.returncode:
                    yield f"{line}\n{done.stdout}{done.stderr}"
        elif not language and first.startswith("$ "):
            for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
                done = story.shell(command)
                if not matches(done.stdout + done.stderr, shown):
                    yield f"{command}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of somebody who follows a page."""
    if not (BIN / "playhead").exists():
        pytest.skip("playhead is not installed beside this Python")
    ours = {name: value for name, value in os.environ.items() if not re.match(r"(?i)CI$|PLAYHEAD_|PYTEST_|OPENAI_|COLUMNS|.*_PROXY$", name)}
    environ = ours | warm.on_path(tmp_path_factory.mktemp("bin")) | {"OPENAI_API_KEY": "sk-help-not-a-real-key", "PYTEST_ADDOPTS": "-p no:cacheprovider"}
    with started("python", "-c", UPSTREAM, folder=tmp_path_factory.mktemp("help"), environ=environ) as url:
        yield environ | {"PLAYHEAD_UPSTREAM": url}


@pytest.mark.parametrize("topic", PAGES)
def test_what_a_page_says_is_so(topic: str, tmp_path: Path, upstream: dict[str, str]) -> None:
    story = Story(tmp_path, "", upstream)
    if "import OpenAI from" in PAGES[topic]:
        if shutil.which("node") is None:
            pytest.skip("node is not installed")
        story.provide_openai_js()

    assert list(follow(PAGES[topic], story)) == []


@pytest.mark.parametrize("topic", PAGES)
def test_a_page_is_about_something_and_fits_a_terminal(topic: str) -> None:
    assert len(title(PAGES[topic])) > len("# ")
    assert max(map(len, PAGES[topic].splitlines())) <= 180


@pytest.fixture
def playhead(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Playhead:
    return on(tmp_path, capfdbinary)


def test_topics_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help"]) == 0
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()] == list(PAGES)


def test_a_page_is_printed_as_it_is_where_nobody_looks_at_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help", "testing"]) == 0
    assert capsys.readouterr().out == PAGES["testing"]


def test_a_command_is_explained_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help", "replay"]) == 0
    assert capsys.readouterr().out.startswith("Usage: playhead replay [OPTIONS]")


def test_a_topic_that_is_not_there_is_told_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help", "testin"]) == 2
    assert "there is no topic 'testin'; did you mean testing?: topics are testing" in capsys.readouterr().err

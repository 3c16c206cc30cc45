"""A program that changed fails its tests, and their reports say what changed: one change at a time is planted in an agent that the pytest plugin replays."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from planted import CHANGES
from plugged import Project, projects, simulated

pytest_plugins = ["pytester"]

AGENT = """
import asyncio
from planted import CHANGES, RECORDED, changed, over_http, over_websocket

OVER = {"http": over_http, "ws": over_websocket}
EACH = [
    pytest.param(over, name, marks=pytest.mark.playhead(cassette=f"{over}.jsonl"), id=f"{over}-{name}")
    for over in OVER for name in ["unchanged", *CHANGES]
]

@pytest.mark.parametrize(("over", "name"), EACH)
def test_agent(over, name, playhead):
    agent = RECORDED if name == "unchanged" else changed(name).agent
    assert len(asyncio.run(OVER[over](playhead.base_url, agent))) == 4
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with simulated() as upstream:
        for project in projects(pytester, monkeypatch):
            monkeypatch.setenv("PLAYHEAD_UPSTREAM", upstream)
            project.tests(AGENT, "test_it")
            yield project


def reports(result: pytest.RunResult) -> dict[str, pytest.TestReport]:
    """Of the tests themselves, by what was changed."""
    found = result.reprec.getreports("pytest_runtest_logreport")  # type: ignore[attr-defined]
    return {re.sub(r".*\[(.*)\]", r"\1", one.nodeid): one for one in found if one.when == "call"}


def said(report: pytest.TestReport) -> str:
    return dict(report.sections).get("playhead", "")


def test_each_change_fails_its_test_and_is_named_and_only_the_volatile_one_passes_once_it_is_accepted(project: Project) -> None:
    project.record("-k", "unchanged")
    before = reports(project.run("--tb=no"))
    told = project.run("--playhead-accept=rules", "-k", "volatile")
    after = reports(project.run("--tb=no"))

    for over in ("http", "ws"):
        assert before[f"{over}-unchanged"].passed
        for name, change in CHANGES.items():
            report = said(before[f"{over}-{name}"])
            assert before[f"{over}-{name}"].failed
            assert f"1 request of this test was not answered from {over}.jsonl:" in report
            assert f"Cause: {change.cause} (" in report
            assert f"Nearest is exchange {change.exchange} " in report
            assert f"     {change.path}" in report
        assert f"pytest --playhead-accept=rules 'test_it.py::test_agent[{over}-volatile]'  writes `normalize uuid`" in said(before[f"{over}-volatile"])
        told.stdout.fnmatch_lines([f"{over}.jsonl: accepted: the rule `normalize uuid` is added"])
    assert [name for name, report in after.items() if report.passed] == ["http-unchanged", "http-volatile", "ws-unchanged", "ws-volatile"]

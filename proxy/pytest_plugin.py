"""The pytest plugin: one cassette per test, replayed offline; a request that the cassette does not hold fails the test and says why.

    def test_agent(playhead):
        client = OpenAI(base_url=playhead.base_url, api_key="unused")

Only pytest and the standard library are imported here: a run in which no test uses playhead does not pay for it.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .testing.fixture import PlayheadFixture, PlayheadServer
    from .testing.servers import Servers
    from .testing.telling import Total
    from .testing.wanted import Wanted

_RUN = pytest.StashKey["_Run"]()
_FIXTURE = pytest.StashKey["PlayheadFixture"]()
_PASSED = pytest.StashKey[bool]()

_MODES = ("none", "once", "new_episodes", "all", "off")
_UNUSED = ("report", "fail")
_ACCEPT = ("rules", "as-is")
_ORDERS = ("any", "fail")
_MARKER = (
    "playhead(cassette=None, *, mode=None, rules=[], ignore=[], pace=None, exhausted=None, retry_after=None, faults=[], allow_unused=False, order='any', "
    "upstream=None, allow=[], env=True): the test's LLM API traffic is recorded into a cassette and replayed from it."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("playhead", "recording and replaying LLM API traffic (playhead)")
    group.addoption(
        "--playhead-mode",
        choices=_MODES,
        default=None,
        help="none (default): replay, never go live; once: record where there is no cassette; new_episodes: record what is missing; "
        "all: record everything again; off: neither record nor replay. Here it wins over markers and over the ini file.",
    )
    group.addoption("--playhead-unused", choices=_UNUSED, default=None, help="What is recorded and not asked for is reported (default), or fails the test.")
    group.addoption("--playhead-order", choices=_ORDERS, default=None, help="Requests may come in any order (default), or must in the recorded one.")
    group.addoption(
        "--playhead-accept",
        choices=_ACCEPT,
        default=None,
        help="What diverges is written into the cassette as something that may, from the next run on. rules: the match rules that were proposed; "
        "as-is: exactly these requests, each of which the exchange answers that it resembles most.",
    )
    parser.addini("playhead_mode", "as --playhead-mode, for tests whose marker says nothing else; where CI is set it is none", default="none")
    parser.addini("playhead_unused", "as --playhead-unused", default="report")
    parser.addini("playhead_order", "as --playhead-order, for tests whose marker says nothing else", default="any")
    parser.addini("playhead_cassettes", "directory of the cassettes, beside each test module unless it is absolute", default="cassettes")
    parser.addini("playhead_rules", "match rules and sets of them that hold for every test, one a line", type="linelist")
    parser.addini("playhead_ignore", "JSONPaths of requests that do not count when they are matched, one a line", type="linelist")
    parser.addini("playhead_allow", "paths in cassettes where what looks like a secret may stand, one a line", type="linelist")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)
    for name, allowed in (("playhead_mode", _MODES), ("playhead_unused", _UNUSED), ("playhead_order", _ORDERS)):
        if config.getini(name) not in allowed:
            raise pytest.UsageError(f"{name} = {config.getini(name)!r}: allowed is {', '.join(allowed)}")
    config.stash[_RUN] = run = _Run(config)
    config.pluginmanager.register(run, "playhead-run")


@pytest.fixture
def playhead(request: pytest.FixtureRequest) -> Iterator[PlayheadFixture]:
    """The test's own session in a proxy: `base_url` is for its clients, and what they ask is replayed from the test's cassette."""
    item: pytest.Item = request.node
    run = item.config.stash[_RUN]
    with _failing():
        made, env = run.begin(item)
    item.stash[_FIXTURE], item.stash[_PASSED] = made, False
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        yield made
    with _failing():
        complaint = made.finish(passed=item.stash[_PASSED])
    if complaint:
        pytest.fail(complaint, pytrace=False)


@pytest.fixture(scope="session")
def playhead_server(pytestconfig: pytest.Config) -> PlayheadServer:
    """A proxy with one address for the whole run: what comes to it belongs to the test that is running and uses `playhead`."""
    with _failing():
        return pytestconfig.stash[_RUN].server()


@contextmanager
def _failing() -> Generator[None, None, None]:
    """What is wrong fails the test with its own words, once."""
    from playhead.config.errors import PlayheadError

    try:
        yield
    except PlayheadError as error:
        raise pytest.fail.Exception(f"playhead: {error}", pytrace=False) from None


def _uses(item: pytest.Item) -> bool:
    return "playhead" in getattr(item, "fixturenames", ()) or item.get_closest_marker("playhead") is not None


class _Run:
    """What a process of pytest keeps. Whatever is slow to import is imported when a test first wants it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._worker = hasattr(config, "workerinput")
        self._servers: Servers | None = None
        self._total: Total | None = None
        self._clashes: dict[str, list[str]] = {}
        self._shared: frozenset[Path] = frozenset()
        self._orphans: list[str] = []

    # Collecting.

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if users := [item for item in items if _uses(item)]:
            from .testing.collected import Collected

            collected = Collected(self._config, items, users)
            self._clashes, self._shared = collected.clashes, collected.shared
            self._orphans = collected.orphans()

    # Running.

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """The marker alone will do: the fixture need not stand among the arguments."""
        names: list[str] | None = getattr(item, "fixturenames", None)
        if names is not None and "playhead" not in names and item.get_closest_marker("playhead") is not None:
            names.insert(0, "playhead")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """What a test did not get fails it, even if its program has swallowed the error."""
        found = yield
        # A unittest that has failed has said so elsewhere, and its own words count.
        if (made := item.stash.get(_FIXTURE, None)) is not None and not getattr(item, "_excinfo", None) and (complaint := made.complaint()):
            pytest.fail(complaint, pytrace=False)
        return found

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if (made := item.stash.get(_FIXTURE, None)) is None:
            return report
        if report.when == "call":
            item.stash[_PASSED] = report.passed
            if complaint := made.complaint():
                report.sections.append(("playhead", complaint))
        elif report.when == "teardown":
            vars(report)["playhead"] = made.counted  # it travels with the report, also from one process to another
            del item.stash[_FIXTURE]
        return report

    def begin(self, item: pytest.Item) -> tuple[PlayheadFixture, dict[str, str]]:
        """What a test gets, and the variables to set while it runs. Raises PlayheadError."""
        from .testing.begun import begun

        return begun(item, self._wanted(item), self._running(), self._clashes.get(item.nodeid), shared=self._shared)

    def server(self) -> PlayheadServer:
        """The server of those tests that want nothing special. Raises PlayheadError."""
        from .testing.begun import server_of

        return server_of(self._wanted(None), self._running())

    def _wanted(self, item: pytest.Item | None) -> Wanted:
        from playhead.config.policies import in_ci

        from .testing.begun import run_of
        from .testing.wanted import in_force, with_markers

        markers = [] if item is None else [(marker.args, marker.kwargs) for marker in item.iter_markers("playhead")]
        return in_force(with_markers(run_of(self._config), markers), ci=in_ci(os.environ))

    def _running(self) -> Servers:
        if self._servers is None:
            from .testing.servers import Servers

            self._servers = Servers(self._config.rootpath)
        return self._servers

    # Telling.

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not self._worker and (counted := getattr(report, "playhead", None)) is not None:
            from .testing.telling import Counted

            self._sum().tests.append(Counted.of(counted))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A process of pytest-xdist has ended; one that died says nothing."""
        if output := getattr(node, "workeroutput", {}).get("playhead"):
            self._sum().orphans.update(output["orphans"])
            self._sum().late += output["late"]

    def pytest_sessionfinish(self) -> None:
        """The servers end, and with them all that they have written but the cassettes."""
        late = 0
        if self._servers is not None:
            late = len(self._servers.late)
            self._servers.close()
        if self._worker:
            self._config.workeroutput["playhead"] = {"orphans": self._orphans, "late": late}  # type: ignore[attr-defined]
        elif self._orphans or late:
            self._sum().orphans.update(self._orphans)
            self._sum().late += late

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._total is not None and (lines := self._total.lines()):
            terminalreporter.section("playhead")
            for line in lines:
                terminalreporter.line(line)

    def _sum(self) -> Total:
        if self._total is None:
            from .testing.telling import Total

            self._total = Total()
        return self._total

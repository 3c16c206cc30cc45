"""What every test may use: the shared corpus, async tests, one way to run hypothesis."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import inspect
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from playhead.storage.engine import Database
from playhead.storage.store import Store
from stores import BACKENDS, opened, place_for_store, place_of_store, verified

SHARED = Path(__file__).resolve().parents[2] / "shared"
ASYNC_TEST_SECONDS = 60

# No deadlines and no verdicts on speed: a busy machine must not fail a test. CI derives its examples from the test itself, so that it
# cannot fail by chance, and tries half as many, since they are the same each time; everywhere else they are new in each run.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), max_examples=50, derandomize=True, database=None, print_blob=True)
if os.environ.pop("CI", ""):  # where it is set playhead behaves otherwise, which only those tests want that set it
    os.environ["TESTS_IN_CI"] = "true"
settings.load_profile("ci" if "TESTS_IN_CI" in os.environ else "local")


# Hundreds of stores and journals are written to disk and thrown away: in memory nobody waits for the disk, if there is plenty of it.
MEMORY = Path("/dev/shm")
if MEMORY.is_dir() and (room := os.statvfs(MEMORY)).f_bavail * room.f_frsize > 4 << 30 and not room.f_flag & os.ST_NOEXEC:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

# What is imported and collected is no garbage, however much it is: to look at it again and again took as long as much of what is tested.
gc.set_threshold(50_000, 20, 50)


def pytest_collection(session: pytest.Session) -> None:
    """In a new checkout each worker begins to compile the tests at another place, and finds what the others have compiled by then."""
    worker, here = os.environ.get("PYTEST_XDIST_WORKER"), Path(__file__).resolve().parent
    if worker is None or [Path(each).resolve() for each in session.config.args] != [here]:
        return
    names = sorted(path.stem for path in here.glob("test_*.py"))
    begin = len(names) * int(worker.removeprefix("gw")) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    for name in names[begin:] + names[:begin]:
        with contextlib.suppress(Exception, pytest.skip.Exception):  # which pytest meets again, and tells
            importlib.import_module(name)


def pytest_collection_finish() -> None:
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Whatever nobody has closed complains now: pytest itself would look for it five times, which takes seconds."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Half as many workers again as there are cores: tests of servers and programs wait for a third of their time."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ or not hasattr(os, "sched_getaffinity"):
        return None
    return (len(os.sched_getaffinity(0)) * 3 + 1) // 2


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the corpus, the bench and the suites, beside the checkout. Skips where there is none."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared beside the checkout: the corpus and the suites are not part of the project")
    return SHARED


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Of a place on each database: of an empty store where the test asks for one, too, else of one where none is yet."""
    made = {"store", "database"} & {*request.fixturenames}
    with (place_of_store if made else place_for_store)(request.param, request, tmp_path) as place:
        yield place


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """Of an empty store."""
    made = opened(url)
    yield made
    made.engine.dispose()


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    """An empty store, which must be sound when the test has ended."""
    with Store(database) as opened:
        yield opened
        assert verified(database) == []
        if opened.local:  # on PostgreSQL it takes longer than most tests do, and has tests of its own
            assert list(opened.check_chains().problems()) == []


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def` tests, each on a loop of its own; one that hangs fails instead."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}

    async def bounded() -> None:
        async with asyncio.timeout(ASYNC_TEST_SECONDS):
            await pyfuncitem.obj(**arguments)

    asyncio.run(bounded())
    return True

"""Children that are copies of the main process: each test asks a small program, since this one has threads."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from fakes import FakeUpstream, echo
from playhead.proxy.forking import spares
from playhead.proxy.recorder_process import NAME as RECORDER
from playhead.proxy.worker import NAME as WORKER
from proxied import until
from running import Running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every child is a Python of its own")

MAIN = """
import asyncio, os, sys, signal
from playhead.proxy.forking import spares

async def main(child):
    ready, _ = os.pipe(), sys.stdout.write("said before, ")
    output = await child.begin({orders!r}, {given})
    print((await output.read()).decode(), await child.wait(), child.returncode)

{before}
with spares(["part"]) as made:
    {then}
"""
ASK = "asyncio.run(main(made.take('part')))"


def told(tmp_path: Path, part: str, *, before: str = "", then: str = ASK, given: str = "[]", orders: bytes = b"") -> str:
    """What a program says that makes a child of the module `part`."""
    (tmp_path / "part.py").write_text(f"import os, sys\n\ndef main():\n    {part}\n")
    (tmp_path / "program.py").write_text(MAIN.format(before=before, then=then, given=given, orders=orders))
    done = subprocess.run([sys.executable, tmp_path / "program.py"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_a_copy_has_what_the_main_process_has_imported(tmp_path: Path) -> None:
    said = told(tmp_path, "print('there' if 'part' in sys.modules and 'colorsys' in sys.modules else 'not', flush=True)", before="import colorsys")

    assert said == "said before, there\n 0 0\n"


def test_orders_come_on_standard_input(tmp_path: Path) -> None:
    assert told(tmp_path, "os.write(1, os.read(0, 100))", orders=b"do this\n") == "said before, do this\n 0 0\n"


def test_a_descriptor_has_the_same_number_there_and_nothing_else_is_open(tmp_path: Path) -> None:
    said = told(tmp_path, "print(sorted(os.listdir('/proc/self/fd'), key=int), flush=True)", given="[ready[1], ready[0]]")
    numbers = [int(each.strip("'")) for each in said.partition("[")[2].partition("]")[0].split(", ")]

    # The last is that of the listing.
    assert len(numbers) == 6
    assert numbers[:3] == [0, 1, 2]


@pytest.mark.parametrize(("part", "status"), [("sys.exit(3)", 3), ("os.kill(os.getpid(), 9)", -9), ("sys.exit('no')", 1)])
def test_its_end_is_told(tmp_path: Path, part: str, status: int) -> None:
    assert told(tmp_path, part) == f"said before,  {status} {status}\n"


def test_a_failure_is_shown_as_by_a_program_of_its_own(tmp_path: Path) -> None:
    said = told(tmp_path, "raise ValueError('of the child')")

    assert "said before,  1 1\n" in said
    assert said.count("ValueError: of the child") == 1


def test_a_copy_that_is_not_needed_ends(tmp_path: Path) -> None:
    assert told(tmp_path, "print('never', flush=True)", then="pass") == ""


async def test_a_copy_ends_when_the_main_process_does(tmp_path: Path) -> None:
    said = told(tmp_path, "print('never', flush=True)", then="print(made.take('part').pid, flush=True); os._exit(0)")

    await until(lambda: not psutil.pid_exists(int(said)) or psutil.Process(int(said)).status() == psutil.STATUS_ZOMBIE)


def test_a_process_with_threads_is_not_copied() -> None:
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    with spares(["playhead.proxy.worker"]) as made:
        assert made.take("playhead.proxy.worker") is None
    release.set()
    thread.join()


def words(main: psutil.Process) -> set[str]:
    """Of the command lines of those children that are there."""
    found: set[str] = set()
    for child in main.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            found.update(child.cmdline())
    return found


async def test_the_children_of_a_server_are_copies_until_they_are_started_again(tmp_path: Path) -> None:
    async with FakeUpstream({"*": echo}) as upstream:
        with Running(tmp_path, upstream.url) as running:
            main, *children = running.processes
            found = {child.name(): (child, child.cmdline() == main.cmdline()) for child in children}
            worker, copied = found[WORKER]
            worker.kill()
            await until(lambda: "playhead.proxy.worker" in words(main))

    assert (found[RECORDER][1], copied) == (True, True)

"""The recorder as a process: it stores everything, whatever it is sent, and ends when nothing more can come."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from journals import content, open_store, plain, stream, tags, write, writer
from playhead.config.settings import Settings
from playhead.proxy.processes.children import Orders
from playhead.storage.datadir import DataDir
from playhead.storage.journal import segments
from warm import Program


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    found = DataDir(tmp_path / "data")
    found.ensure()
    return found


class Recorder(Program):
    """A recorder that runs, and what it is told."""

    def __init__(self) -> None:
        told, telling = os.pipe()
        with open(told, "rb") as stdin:
            super().__init__(["python", "-c", "from playhead.proxy.processes.recorder_process import main; main()"], stdin=stdin)
        self.stdin = open(telling, "wb")  # noqa: SIM115  (it outlives this)


@contextlib.contextmanager
def recorder(data: DataDir) -> Iterator[Recorder]:
    with Recorder() as process:
        try:
            process.stdin.write(base64.b64encode(pickle.dumps(Orders(Settings(data=data.path), "run"))) + b"\n")
            process.stdin.flush()
            yield process
        finally:
            process.kill()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


def said(process: Recorder) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


def stored(data: DataDir) -> list[str]:
    with open_store(data.path) as store:
        return tags(store) if store.sessions() else []


def test_it_says_when_it_is_ready_and_has_made_the_store(data: DataDir) -> None:
    with recorder(data) as process:
        assert said(process) == {"ready": True}
        assert (data.path / "store.db").exists()


def test_it_stores_what_is_journalled_while_it_runs(data: DataDir) -> None:
    with recorder(data) as process:
        said(process)
        journal = writer(data.journal_dir)
        write(journal, 1, plain("a"))
        until(lambda: stored(data) == ["a"])
        journal.close()


def test_it_ends_when_the_main_process_has_and_everything_is_stored(data: DataDir) -> None:
    journal = writer(data.journal_dir, segment_bytes=500)
    for number in range(1, 6):
        write(journal, number, plain(str(number)))
    journal.close()
    with recorder(data) as process:
        process.stdin.close()

        assert process.wait() == 0
    assert stored(data) == list("12345")
    assert {path.suffix for path in data.journal_dir.iterdir()} & {".seg", ".free", ".new"} == set()


def test_it_does_not_end_before_the_last_worker(data: DataDir) -> None:
    journal = writer(data.journal_dir)
    with recorder(data) as process:
        said(process)
        process.stdin.close()
        write(journal, 1, plain("a"))
        until(lambda: stored(data) == ["a"])
        running = process.poll()
        write(journal, 2, plain("b"))
        journal.close()

        assert (running, process.wait()) == (None, 0)
    assert stored(data) == ["a", "b"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_does_not_keep_it_from_storing(data: DataDir, number: signal.Signals) -> None:
    journal = writer(data.journal_dir)
    with recorder(data) as process:
        said(process)
        process.send_signal(number)
        write(journal, 1, plain("a"))
        journal.close()
        process.stdin.close()

        assert process.wait() == 0
    assert stored(data) == ["a"]


def test_it_says_why_it_cannot_use_the_store(data: DataDir) -> None:
    (data.path / "store.db").write_bytes(b"of another program" * 100)
    with recorder(data) as process:
        assert "is not a playhead store" in said(process)["problem"]
        assert process.wait() == 3


def test_it_does_not_record_into_a_store_of_another_key(data: DataDir) -> None:
    with open_store(data.path) as store:
        store.check_key(bytes(32))
    with recorder(data) as process:
        assert "another key" in said(process)["problem"]
        assert process.wait() == 3


def test_it_reports_what_it_has_done(data: DataDir) -> None:
    journal = writer(data.journal_dir)
    write(journal, 1, plain("a"))
    with recorder(data) as process:
        said(process)
        found = said(process)["metrics"]
        while not found["exchanges"]:
            found = said(process)["metrics"]

        assert (found["exchanges"], found["commits"], found["failures"], found["problem"]) == (1, 1, 0, None)
    journal.close()


def test_however_often_it_is_killed_everything_is_stored_once(data: DataDir) -> None:
    journal = writer(data.journal_dir, segment_bytes=20_000)
    count = 0
    for _ in range(3):
        for _ in range(120):
            count += 1
            write(journal, count, (plain, stream)[count % 2](str(count)))
        with recorder(data) as process:
            said(process)
            time.sleep(0.02)  # somewhere in the midst of it
    journal.close()
    with recorder(data) as process:
        process.stdin.close()
        assert process.wait() == 0

    with open_store(data.path) as store:
        assert len(content(store)) == count
        assert tags(store) == [str(number) for number in range(1, count + 1)]
        assert {row.outcome for row in store.exchanges("default")} == {"complete"}
    assert segments(data.journal_dir) == {}

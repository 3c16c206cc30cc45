"""Who reads recordings sees all of them, or is told what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from journals import content, drain, open_store, plain, stream, tags, write, writer
from playhead.config.errors import StoreError
from playhead.config.settings import Settings
from playhead.proxy.processes.settle import journal_end, settle
from playhead.proxy.recorder import Recorder
from playhead.storage.datadir import DataDir, RecorderLock
from playhead.storage.journal import segment_path, segments


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    found = DataDir(tmp_path / "data")
    found.ensure()
    return found


@pytest.fixture
def settings(data: DataDir) -> Settings:
    return Settings(data=data.path)


@pytest.fixture
def recorder_runs(data: DataDir) -> Iterator[None]:
    """Somebody holds the lock of the recorder."""
    with RecorderLock(data) as lock:
        assert lock.acquire(0)
        yield


def test_without_a_data_directory_nothing_is_made(tmp_path: Path) -> None:
    assert settle(Settings(data=tmp_path / "none")) is None
    assert list(tmp_path.iterdir()) == []


def test_with_an_empty_journal_no_store_is_made(data: DataDir, settings: Settings) -> None:
    assert settle(settings) is None
    assert [path.name for path in data.path.iterdir()] == ["journal"]


def test_what_a_killed_server_left_is_stored(data: DataDir, settings: Settings) -> None:
    journal = writer(data.journal_dir, segment_bytes=500)
    write(journal, 1, plain("a"))
    write(journal, 2, stream("b")[:-1])
    journal.close()

    assert settle(settings) is None
    with open_store(data.path) as store:
        assert {row.path[-1]: row.outcome for row in store.exchanges("default")} == {"a": "complete", "b": "aborted"}
    assert segments(data.journal_dir) == {}


def test_storing_what_was_left_gives_the_lock_back(data: DataDir, settings: Settings) -> None:
    writer(data.journal_dir).close()
    settle(settings)

    with RecorderLock(data) as lock:
        assert lock.acquire(0)


def test_settling_again_changes_nothing(data: DataDir, settings: Settings) -> None:
    journal = writer(data.journal_dir)
    write(journal, 1, plain("a"))
    settle(settings)
    with open_store(data.path) as store:
        before = content(store)
    settle(settings)

    with open_store(data.path) as store:
        assert content(store) == before
    journal.close()


def test_a_store_that_cannot_be_used_is_told_of(data: DataDir, settings: Settings) -> None:
    journal = writer(data.journal_dir)
    write(journal, 1, plain("a"))
    journal.close()
    (data.path / "store.db").write_bytes(b"of another program" * 100)

    with pytest.raises(StoreError, match="is not a playhead store"):
        settle(settings)
    assert segments(data.journal_dir) == {"w": [1]}


def test_what_was_recorded_with_another_key_does_not_get_into_the_store(data: DataDir, settings: Settings) -> None:
    with open_store(data.path) as store:
        store.check_key(bytes(32))
    journal = writer(data.journal_dir)
    write(journal, 1, plain("a"))
    journal.close()

    with pytest.raises(StoreError, match="another key"):
        settle(settings)
    assert segments(data.journal_dir) == {"w": [1]}


@pytest.mark.usefixtures("recorder_runs")
def test_what_a_running_recorder_has_not_stored_is_told_of(data: DataDir, settings: Settings) -> None:
    journal = writer(data.journal_dir)
    write(journal, 1, plain("a"))

    assert settle(settings, seconds=0.05) == "the recorder has not stored everything within 0.05 s: the newest exchanges of 1 worker are missing here"
    journal.close()


@pytest.mark.usefixtures("recorder_runs")
def test_what_a_running_recorder_has_stored_is_not_waited_for(data: DataDir, settings: Settings) -> None:
    journal = writer(data.journal_dir, segment_bytes=500)
    for number in range(1, 4):
        write(journal, number, plain(str(number)))
    write(journal, 4, plain("open")[:2])
    with open_store(data.path) as store:
        drain(store, data.journal_dir)

        assert settle(settings, seconds=60) is None
        assert tags(store) == list("123")
    journal.close()


@pytest.mark.usefixtures("recorder_runs")
def test_a_worker_whose_journal_is_drained_for_ever_is_not_waited_for(data: DataDir, settings: Settings) -> None:
    journals = [writer(data.journal_dir, name) for name in "ab"]
    for journal in journals:
        write(journal, 1, plain(journal.writer))
    journals[0].close()
    with open_store(data.path) as store:
        drain(store, data.journal_dir)

    assert settle(settings, seconds=60) is None
    journals[1].close()


@pytest.mark.usefixtures("recorder_runs")
def test_what_is_written_after_the_question_is_not_waited_for(data: DataDir, settings: Settings) -> None:
    journal = writer(data.journal_dir)
    write(journal, 1, plain("a"))
    with open_store(data.path) as store:
        recorder = Recorder(store, data.journal_dir)
        recorder.step()
        wanted = journal_end(data.journal_dir)
        write(journal, 2, plain("b"))

        assert settle(settings, seconds=0.05) is not None
        assert wanted["w"] < journal_end(data.journal_dir)["w"]
        recorder.close()
    journal.close()


def test_the_end_of_a_journal_is_behind_its_last_whole_frame(data: DataDir) -> None:
    journal = writer(data.journal_dir, segment_bytes=500)
    for number in range(1, 4):
        write(journal, number, plain(str(number)))
    journal.close()
    last = segments(data.journal_dir)["w"][-1]
    path = segment_path(data.journal_dir, "w", last)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + b"torn")

    assert journal_end(data.journal_dir) == {"w": (last, size)}


def test_what_is_no_segment_has_no_end(data: DataDir) -> None:
    segment_path(data.journal_dir, "w", 1).write_bytes(b"rubbish")

    assert journal_end(data.journal_dir) == {}

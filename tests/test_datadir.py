"""The data directory: its modes, its key, its lock."""

from __future__ import annotations

import hashlib
import hmac
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from playhead.config.errors import StoreError
from playhead.storage.datadir import DataDir, RecorderLock, recorder_lock
from playhead.storage.keys import key_id


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    directory = DataDir(tmp_path / "deep" / "recordings")
    directory.ensure()
    return directory


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_it_is_made_for_its_user_alone(data: DataDir) -> None:
    assert (mode(data.path), mode(data.journal_dir)) == (0o700, 0o700)


def test_nothing_is_made_before_it_is_asked_for(tmp_path: Path) -> None:
    DataDir(tmp_path / "recordings")

    assert list(tmp_path.iterdir()) == []


def test_making_it_again_changes_nothing(data: DataDir) -> None:
    assert data.ensure() is None


def test_a_directory_that_others_may_read_is_a_warning(data: DataDir) -> None:
    data.path.chmod(0o755)

    assert data.ensure() == (f"other users of this machine may read {data.path}: recordings belong to you alone (chmod go= {data.path}).")


def test_a_key_that_others_may_read_is_a_warning(data: DataDir) -> None:
    data.key()
    data.key_path.chmod(0o644)

    assert f"may read {data.key_path}" in (data.ensure() or "")


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "recordings").write_text("notes")

    with pytest.raises(StoreError, match="cannot be used"):
        DataDir(tmp_path / "recordings").ensure()


def test_a_file_in_the_place_of_the_journal_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("mine")

    with pytest.raises(StoreError, match=r"^The journal .*journal cannot be used: it is not a directory\.$"):
        DataDir(tmp_path).ensure()
    assert (tmp_path / "journal").read_text() == "mine"


def test_a_key_has_32_bytes_and_is_private(data: DataDir) -> None:
    assert len(data.key()) == 32
    assert mode(data.key_path) == 0o600
    assert sorted(path.name for path in data.path.iterdir()) == ["journal", "key"]


def test_a_key_stays_the_same(data: DataDir) -> None:
    assert DataDir(data.path).key() == data.key()


def test_a_key_may_be_elsewhere(data: DataDir, tmp_path: Path) -> None:
    (tmp_path / "shared-key").write_bytes(bytes(range(32)))

    assert DataDir(data.path, tmp_path / "shared-key").key() == bytes(range(32))


def test_all_who_ask_for_a_new_key_at_once_get_the_same(data: DataDir) -> None:
    keys: list[bytes] = []
    threads = [threading.Thread(target=lambda: keys.append(DataDir(data.path).key())) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(keys) == 16
    assert len(set(keys)) == 1


def test_a_damaged_key_is_refused_and_left_alone(data: DataDir) -> None:
    data.key_path.write_bytes(b"short")

    with pytest.raises(StoreError, match="must have 32 bytes and has 5"):
        data.key()
    assert data.key_path.read_bytes() == b"short"


def test_a_key_without_its_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be used: No such file"):
        DataDir(tmp_path / "nowhere").key()


def test_a_key_id_is_an_hmac(data: DataDir) -> None:
    expected = "k_" + hmac.new(data.key(), b"sk-secret", hashlib.sha256).hexdigest()[:16]

    assert key_id(data.key(), b"sk-secret") == expected
    assert key_id(data.key(), b"sk-other") != expected


def test_a_lock_is_held_by_one(data: DataDir) -> None:
    with RecorderLock(data) as lock:
        assert lock.acquire(0)
        assert not RecorderLock(data).acquire(0)


def test_a_lock_can_be_waited_for(data: DataDir) -> None:
    first, second = RecorderLock(data), RecorderLock(data)
    assert first.acquire(0)
    threading.Timer(0.1, first.release).start()

    assert second.acquire(30)
    second.release()


def test_a_lock_given_up_is_free(data: DataDir) -> None:
    lock = RecorderLock(data)
    assert lock.acquire(0)
    lock.release()
    lock.release()

    assert lock.acquire(0)
    lock.release()


def test_a_lock_says_who_holds_it(data: DataDir) -> None:
    lock = RecorderLock(data)
    assert lock.holder() == "unknown"

    assert lock.acquire(0)
    assert RecorderLock(data).holder() == f"pid {os.getpid()}"
    lock.release()


def test_a_lock_lives_as_long_as_a_process_that_inherited_it(data: DataDir) -> None:
    lock = RecorderLock(data)
    assert lock.acquire(0)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock.fileno()])
    lock.release()

    assert not RecorderLock(data).acquire(0)
    child.communicate(b"\n")
    with RecorderLock(data) as again:
        assert again.acquire(0)


def test_a_lock_dies_with_its_process(data: DataDir) -> None:
    program = (
        "import os, sys; from playhead.storage.datadir import DataDir, RecorderLock; "
        "print(RecorderLock(DataDir(sys.argv[1])).acquire(0)); os.kill(os.getpid(), 9)"
    )
    child = subprocess.run([sys.executable, "-u", "-c", program, str(data.path)], stdout=subprocess.PIPE, check=False)
    assert child.stdout == b"True\n"

    with RecorderLock(data) as lock:
        assert lock.acquire(0)


def test_a_lock_needs_its_directory(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be used: No such file"):
        RecorderLock(DataDir(tmp_path / "nowhere")).acquire(0)


@pytest.fixture
def left_behind(data: DataDir) -> Iterator[None]:
    """A process that has the lock of one that died."""
    program = (
        "import os, subprocess, sys; from playhead.storage.datadir import DataDir, RecorderLock; lock = RecorderLock(DataDir(sys.argv[1])); lock.acquire(0); "
        "subprocess.Popen([sys.executable, '-c', 'input()'], pass_fds=[lock.fileno()], stdout=subprocess.DEVNULL); os.kill(os.getpid(), 9)"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(data.path)], stdin=subprocess.PIPE)
    child.wait()
    yield
    child.communicate(b"\n")


@pytest.mark.usefixtures("left_behind")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it cannot be known whose pids are the same")
def test_who_waits_for_what_a_dead_playhead_has_left_is_told_so(data: DataDir) -> None:
    with pytest.raises(StoreError, match=r"a playhead that died \(pid \d+\)"):
        recorder_lock(data, 0)


@pytest.mark.usefixtures("left_behind")
@pytest.mark.parametrize("pids", ["", "another-boot pid:[1]\n"])
def test_a_pid_that_may_be_one_of_another_container_is_not_taken_for_dead(data: DataDir, pids: str) -> None:
    holder = RecorderLock(data).holder()
    data.lock_path.write_text(f"{holder}\n{pids}")

    with pytest.raises(StoreError, match=rf"another playhead records into .* \({holder}\): stop it"):
        recorder_lock(data, 0)

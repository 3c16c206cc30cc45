"""Work on a store that only one does at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from playhead.config.errors import StoreError
from playhead.storage.store import Store

OTHER_MODE = """
import sqlite3, sys
print(sqlite3.connect(sys.argv[1], timeout=0).execute("PRAGMA journal_mode = DELETE").fetchone()[0])
"""
"""What another program can only do where nobody has the file open."""


def opened(path: Path) -> Store:
    return Store.open(f"sqlite:///{path}", create=True)


def named(path: Path, way: str) -> Path:
    """Another name of the same file."""
    directory = path.parent / "elsewhere"
    directory.mkdir()
    if way == "hard link":
        os.link(path, directory / "other.db")
    elif way == "link":
        (directory / "other.db").symlink_to(path)
    elif way == "link to its directory":
        (directory / "there").symlink_to(path.parent)
        return directory / "there" / path.name
    else:
        return directory / ".." / path.name
    return directory / "other.db"


@pytest.mark.parametrize("way", ["link", "hard link", "link to its directory", "roundabout path"])
def test_it_belongs_to_the_file_whatever_its_name(tmp_path: Path, way: str) -> None:
    path = tmp_path / "store.db"
    opened(path).close()
    with opened(path) as store, opened(named(path, way)) as other:
        with store.ledger.repricing(), pytest.raises(StoreError, match="Another `playhead reprice` is at work"), other.ledger.repricing():
            pytest.fail("it is not alone")
        with other.ledger.repricing():
            pass


def test_another_store_in_the_same_directory_is_another_matter(tmp_path: Path) -> None:
    with opened(tmp_path / "store.db") as store, opened(tmp_path / "other.db") as other, store.ledger.repricing(), other.ledger.repricing():
        assert other.stats().exchanges == 0  # and it can be used


def test_the_locks_of_sqlite_outlast_it(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with opened(path) as store:
        store.stats()
        with store.ledger.repricing():
            pass
        done = subprocess.run([sys.executable, "-c", OTHER_MODE, path], capture_output=True, text=True, check=False)

    assert "database is locked" in done.stderr

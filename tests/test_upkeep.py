"""A recorder prunes by the settings: at its start, in steps, and again later."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from aged import left
from playhead.config.retention import Clocks, Retention
from playhead.config.settings import Settings
from playhead.proxy import Playhead
from playhead.proxy.recorders.upkeep import Upkeep
from playhead.storage.costing.kept_sums import KEPT
from playhead.storage.records import Batch
from playhead.storage.store import Store
from stores import recorded


def test_it_begins_at_once_and_does_a_little_at_a_time(store: Store, tmp_path: Path) -> None:
    store.write(Batch([recorded(number) for number in range(3)]))
    upkeep = Upkeep(store, Retention(Clocks(content=10)), tmp_path)

    steps = 1
    while upkeep.step():
        steps += 1

    assert left(store) == ["content"] * 3
    assert steps > 2


def test_when_it_has_ended_it_rests(store: Store, tmp_path: Path) -> None:
    upkeep = Upkeep(store, Retention(Clocks(content=10)), tmp_path)
    while upkeep.step():
        pass
    store.write(Batch([recorded(1)]))

    assert not upkeep.step()
    assert left(store) == [None]


def test_where_everything_is_kept_it_does_nothing(store: Store, tmp_path: Path) -> None:
    store.write(Batch([recorded(1)]))

    assert not Upkeep(store, Retention(Clocks()), tmp_path).step()
    assert left(store) == [None]


def test_drained_segments_go_with_what_they_held(store: Store, tmp_path: Path) -> None:
    (tmp_path / "w-000001.free").write_bytes(b"what was recorded")
    upkeep = Upkeep(store, Retention(Clocks(content=10)), tmp_path)
    while upkeep.step():
        pass

    assert [*tmp_path.glob("*.free")] == []


def test_a_store_that_fails_is_pruned_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Store.open(f"sqlite:///{tmp_path}/store.db", create=True, lock_timeout=0.05) as store:
        store.write(Batch([recorded(1)]))
        upkeep = Upkeep(store, Retention(Clocks(content=10)), tmp_path)
        with store._database.writing():
            while upkeep.step():
                pass

        assert left(store) == [None]
    assert "what is kept no longer could not all be pruned, which is tried again later" in caplog.text


def test_a_proxy_that_records_prunes_what_is_there(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/store.db", create=True) as store:
        store.write(Batch([recorded(1)]))
    tmp_path.chmod(0o700)

    with Playhead(mode="record", data=tmp_path, keep_content="30d", upstream="http://127.0.0.1:9"), Store.open(Settings(data=tmp_path).store_url) as store:
        while left(store) != ["content"]:
            time.sleep(0.01)


def test_sums_for_audits_are_kept_while_there_is_nothing_to_prune(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/store.db", create=True) as store:
        store.write(Batch([recorded(1)]))
        jump(tmp_path / "store.db")
        store.write(Batch([recorded(2)]))
        upkeep, steps = Upkeep(store, Retention(Clocks()), tmp_path), 0
        while upkeep.step():
            steps += 1

        assert steps > 1
        assert not upkeep.step()
    assert kept_parts(tmp_path / "store.db") == [(0,)]


def jump(path: Path) -> None:
    """The next exchange is of another part."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'exchanges'", (KEPT,))


def kept_parts(path: Path) -> list[tuple[int]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT part FROM kept_sums WHERE data IS NOT NULL").fetchall()


def test_sums_that_could_not_be_kept_are_kept_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Store.open(f"sqlite:///{tmp_path}/store.db", create=True) as store, closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("ALTER TABLE kept_sums RENAME TO elsewhere")
        store.write(Batch([recorded(1)]))
        jump(tmp_path / "store.db")
        store.write(Batch([recorded(2)]))

        assert not Upkeep(store, Retention(Clocks()), tmp_path).step()
    assert "sums could not be kept for audits" in caplog.text
